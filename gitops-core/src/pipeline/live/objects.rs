//! The live objects of one kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    object::{CompactManifest, CompactPool, Manifest},
    plan::Owner,
    tracking::Tracking,
};

/// Live objects of one kind, as compact bytes, by namespace and name and by the application that
/// they are marked for.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    namespaces: BTreeMap<Arc<str>, BTreeMap<Arc<str>, CompactManifest>>,
    tracked: BTreeMap<Marked, BTreeSet<Key>>,
}

/// An owner by name, and whether it is a bootstrap set.
type Marked = (String, bool);

/// Namespace and name.
type Key = (Arc<str>, Arc<str>);

impl Objects {
    pub(super) fn of(
        objects: impl IntoIterator<Item = Manifest>,
        tracking: &Tracking,
        pool: &mut CompactPool,
    ) -> Self {
        let mut all = Self::default();
        for object in objects {
            all.insert(&object, tracking, pool);
        }
        all
    }

    /// One object; decoded when it is looked into.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Manifest> {
        self.compact(namespace, name).map(CompactManifest::manifest)
    }

    /// All objects, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = Manifest> {
        self.namespaces
            .values()
            .flat_map(BTreeMap::values)
            .map(CompactManifest::manifest)
    }

    /// The objects that carry an owner's mark.
    pub fn tracked_by(&self, owner: &Owner) -> impl Iterator<Item = Manifest> {
        self.tracked
            .get(&(owner.name.clone(), owner.bootstrap))
            .into_iter()
            .flatten()
            .filter_map(|(namespace, name)| self.get(namespace, name))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.namespaces.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }

    pub(super) fn compact(&self, namespace: &str, name: &str) -> Option<&CompactManifest> {
        self.namespaces.get(namespace)?.get(name)
    }

    pub(super) fn insert(
        &mut self,
        object: &Manifest,
        tracking: &Tracking,
        pool: &mut CompactPool,
    ) {
        let compact = CompactManifest::new(object, pool);
        let (namespace, name) = (compact.namespace(), compact.name());
        let mark = mark(object, tracking);
        let previous = self
            .namespaces
            .entry(namespace.clone())
            .or_default()
            .insert(name.clone(), compact);
        let before = previous.and_then(|previous| self::mark(&previous.manifest(), tracking));
        if before == mark {
            return;
        }
        if let Some(before) = before {
            self.untrack(&before, &namespace, &name);
        }
        if let Some(mark) = mark {
            self.tracked
                .entry(mark)
                .or_default()
                .insert((namespace, name));
        }
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str, tracking: &Tracking) {
        let Some(objects) = self.namespaces.get_mut(namespace) else {
            return;
        };
        let Some(previous) = objects.remove(name) else {
            return;
        };
        if objects.is_empty() {
            self.namespaces.remove(namespace);
        }
        if let Some(mark) = mark(&previous.manifest(), tracking) {
            self.untrack(&mark, &previous.namespace(), &previous.name());
        }
    }

    fn untrack(&mut self, mark: &(String, bool), namespace: &Arc<str>, name: &Arc<str>) {
        if let Some(keys) = self.tracked.get_mut(mark) {
            keys.remove(&(namespace.clone(), name.clone()));
            if keys.is_empty() {
                self.tracked.remove(mark);
            }
        }
    }
}

fn mark(object: &Manifest, tracking: &Tracking) -> Option<(String, bool)> {
    let mark = tracking.own_mark_of(object)?;
    Some((mark.name, mark.bootstrap))
}
