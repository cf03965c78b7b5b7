//! Objects, their history and the indexes over them. Knows nothing of kinds' semantics.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    task::Waker,
};

use gitops_core::{GroupKind, Manifest, ObjectId};

use super::selector::{FieldSelector, Selector};

/// All objects of a cluster, one [`Table`] per kind.
#[derive(Debug, Default)]
pub(crate) struct Store {
    tables: BTreeMap<GroupKind, Table>,
    revision: u64,
    history_limit: usize,
    /// Objects by uid: whether an owner still exists.
    uids: BTreeMap<String, ObjectId>,
    /// Objects by the uids of their owners.
    dependents: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Objects per namespace and kind, so that a namespace is emptied without a scan.
    kinds_of_namespace: BTreeMap<String, BTreeMap<GroupKind, usize>>,
}

/// The objects of one kind, in the version they are stored in.
#[derive(Debug, Default)]
struct Table {
    /// By namespace (empty for cluster-scoped kinds), then by name.
    objects: BTreeMap<String, BTreeMap<String, Manifest>>,
    events: VecDeque<Event>,
    /// The revision of the last event that is not in `events` any more.
    forgotten: u64,
    wakers: Vec<Waker>,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    /// After the change; the last state where the object is gone.
    pub(crate) object: Manifest,
    /// Before the change.
    pub(crate) previous: Option<Manifest>,
    pub(crate) deleted: bool,
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) namespace: Option<String>,
    pub(crate) labels: Selector,
    pub(crate) fields: FieldSelector,
}

impl Filter {
    pub(crate) fn matches(&self, object: &Manifest) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|ns| ns == object.namespace())
            && self.labels.matches(object)
            && self.fields.matches(object)
    }
}

/// What follows a revision in a table.
pub(crate) enum Next {
    Event(Event),
    /// Nothing yet.
    Idle,
    /// The history does not reach back that far.
    Forgotten,
}

impl Store {
    pub(crate) fn new(history_limit: usize) -> Self {
        Self {
            history_limit: history_limit.max(1),
            ..Self::default()
        }
    }

    /// Revision of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes up after a saved state; the history before it is forgotten.
    pub(crate) fn restore(
        &mut self,
        revision: u64,
        objects: Vec<Manifest>,
        key: impl Fn(&Manifest) -> GroupKind,
    ) {
        self.revision = revision;
        for object in objects {
            let kind = key(&object);
            self.index(&kind, &object);
            self.table(&kind)
                .objects
                .entry(object.namespace().to_owned())
                .or_default()
                .insert(object.name().to_owned(), object);
        }
        for table in self.tables.values_mut() {
            table.forgotten = revision;
        }
    }

    pub(crate) fn get(&self, kind: &GroupKind, namespace: &str, name: &str) -> Option<&Manifest> {
        self.tables.get(kind)?.objects.get(namespace)?.get(name)
    }

    /// By namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        kind: &GroupKind,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Manifest> + use<'a> {
        let objects = self.tables.get(kind).map(|table| &table.objects);
        let (one, all) = match namespace {
            Some(namespace) => (objects.and_then(|o| o.get(namespace)), None),
            None => (None, objects),
        };
        one.into_iter()
            .chain(all.into_iter().flat_map(BTreeMap::values))
            .flat_map(BTreeMap::values)
    }

    /// The objects of a kind as they were at a revision, by namespace and name; `None` where the
    /// history does not reach back that far.
    pub(crate) fn list_at(&self, kind: &GroupKind, revision: u64) -> Option<Vec<&Manifest>> {
        let Some(table) = self.tables.get(kind) else {
            return Some(Vec::new());
        };
        if revision < table.forgotten {
            return None;
        }
        let mut objects: BTreeMap<(&str, &str), &Manifest> = self
            .list(kind, None)
            .map(|object| ((object.namespace(), object.name()), object))
            .collect();
        let since = table
            .events
            .partition_point(|event| event.revision <= revision);
        for event in table.events.range(since..).rev() {
            let key = (event.object.namespace(), event.object.name());
            match &event.previous {
                Some(previous) => objects.insert(key, previous),
                None => objects.remove(&key),
            };
        }
        Some(objects.into_values().collect())
    }

    /// All objects, by kind, namespace and name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Manifest> {
        self.tables
            .values()
            .flat_map(|table| table.objects.values())
            .flat_map(BTreeMap::values)
    }

    /// Number of objects.
    pub(crate) fn len(&self) -> usize {
        self.tables
            .values()
            .flat_map(|table| table.objects.values())
            .map(BTreeMap::len)
            .sum()
    }

    /// The kinds of which a namespace has objects.
    pub(crate) fn kinds_in(&self, namespace: &str) -> Vec<GroupKind> {
        self.kinds_of_namespace
            .get(namespace)
            .map(|kinds| kinds.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&ObjectId> {
        self.uids.get(uid)
    }

    /// The objects that name a uid among their owners.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<ObjectId> {
        self.dependents
            .get(uid)
            .map(|ids| ids.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Stores an object at the next revision, which it gets as its `resourceVersion`. Returns it as
    /// it is stored, and as it was before.
    pub(crate) fn put(
        &mut self,
        kind: &GroupKind,
        mut object: Manifest,
    ) -> (Manifest, Option<Manifest>) {
        self.revision += 1;
        object.metadata_mut().insert(
            "resourceVersion".to_owned(),
            self.revision.to_string().into(),
        );
        let revision = self.revision;
        let limit = self.history_limit;
        let table = self.table(kind);
        let names = match table.objects.get_mut(object.namespace()) {
            Some(names) => names,
            None => table
                .objects
                .entry(object.namespace().to_owned())
                .or_default(),
        };
        let previous = match names.get_mut(object.name()) {
            Some(slot) => Some(std::mem::replace(slot, object.clone())),
            None => {
                names.insert(object.name().to_owned(), object.clone());
                None
            }
        };
        table.remember(
            Event {
                revision,
                object: object.clone(),
                previous: previous.clone(),
                deleted: false,
            },
            limit,
        );
        match &previous {
            Some(previous) => {
                let owners = |o: &Manifest| -> Vec<String> {
                    o.owner_references()
                        .map(|owner| owner.uid.to_owned())
                        .collect()
                };
                if previous.metadata().map(|m| m.get("ownerReferences"))
                    != object.metadata().map(|m| m.get("ownerReferences"))
                {
                    let id = stored_id(kind, &object);
                    self.forget_owners(&id, owners(previous));
                    self.note_owners(&id, owners(&object));
                }
            }
            None => self.index(kind, &object),
        }
        (object, previous)
    }

    /// Removes an object; its last state has the revision of the removal.
    pub(crate) fn remove(
        &mut self,
        kind: &GroupKind,
        namespace: &str,
        name: &str,
    ) -> Option<Manifest> {
        let limit = self.history_limit;
        let table = self.tables.get_mut(kind)?;
        let names = table.objects.get_mut(namespace)?;
        let previous = names.remove(name)?;
        if names.is_empty() {
            table.objects.remove(namespace);
        }
        self.revision += 1;
        let mut object = previous.clone();
        object.metadata_mut().insert(
            "resourceVersion".to_owned(),
            self.revision.to_string().into(),
        );
        let id = stored_id(kind, &object);
        let event = Event {
            revision: self.revision,
            object: object.clone(),
            previous: Some(previous),
            deleted: true,
        };
        self.table(kind).remember(event, limit);
        self.uids.remove(object.uid());
        let owners = object
            .owner_references()
            .map(|owner| owner.uid.to_owned())
            .collect();
        self.forget_owners(&id, owners);
        if !namespace.is_empty()
            && let Some(kinds) = self.kinds_of_namespace.get_mut(namespace)
        {
            if let Some(count) = kinds.get_mut(kind) {
                *count -= 1;
                if *count == 0 {
                    kinds.remove(kind);
                }
            }
            if kinds.is_empty() {
                self.kinds_of_namespace.remove(namespace);
            }
        }
        Some(object)
    }

    /// The first event after `revision` in the table of a kind.
    pub(crate) fn next(&mut self, kind: &GroupKind, revision: u64) -> Next {
        let table = self.table(kind);
        if revision < table.forgotten {
            return Next::Forgotten;
        }
        let index = table
            .events
            .partition_point(|event| event.revision <= revision);
        match table.events.get(index) {
            Some(event) => Next::Event(event.clone()),
            None => Next::Idle,
        }
    }

    /// Whether a watch from `revision` would miss events.
    pub(crate) fn is_forgotten(&self, kind: &GroupKind, revision: u64) -> bool {
        self.tables
            .get(kind)
            .is_some_and(|table| revision < table.forgotten)
    }

    /// Forgets the history of all kinds, as a compaction does.
    pub(crate) fn compact(&mut self) {
        let revision = self.revision;
        for table in self.tables.values_mut() {
            table.events.clear();
            table.forgotten = revision;
            table.wake();
        }
    }

    /// Wakes a task at the next change of a kind.
    pub(crate) fn wake_on_change(&mut self, kind: &GroupKind, waker: &Waker) {
        let wakers = &mut self.table(kind).wakers;
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Wakes all watchers.
    pub(crate) fn wake_all(&mut self) {
        self.tables.values_mut().for_each(Table::wake);
    }

    fn table(&mut self, kind: &GroupKind) -> &mut Table {
        if !self.tables.contains_key(kind) {
            self.tables.insert(kind.clone(), Table::default());
        }
        self.tables.get_mut(kind).expect("inserted above")
    }

    fn index(&mut self, kind: &GroupKind, object: &Manifest) {
        let id = stored_id(kind, object);
        let owners: Vec<String> = object
            .owner_references()
            .map(|owner| owner.uid.to_owned())
            .collect();
        self.note_owners(&id, owners);
        if !id.namespace.is_empty() {
            let kinds = match self.kinds_of_namespace.get_mut(&id.namespace) {
                Some(kinds) => kinds,
                None => self
                    .kinds_of_namespace
                    .entry(id.namespace.clone())
                    .or_default(),
            };
            match kinds.get_mut(kind) {
                Some(count) => *count += 1,
                None => {
                    kinds.insert(kind.clone(), 1);
                }
            }
        }
        self.uids.insert(object.uid().to_owned(), id);
    }

    fn note_owners(&mut self, id: &ObjectId, owners: Vec<String>) {
        for owner in owners {
            self.dependents.entry(owner).or_default().insert(id.clone());
        }
    }

    fn forget_owners(&mut self, id: &ObjectId, owners: Vec<String>) {
        for owner in owners {
            if let Some(ids) = self.dependents.get_mut(&owner) {
                ids.remove(id);
                if ids.is_empty() {
                    self.dependents.remove(&owner);
                }
            }
        }
    }
}

impl Table {
    fn remember(&mut self, event: Event, limit: usize) {
        if self.events.len() >= limit
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.events.push_back(event);
        self.wake();
    }

    fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}

/// The identity under which an object is stored, whatever group it was written in.
pub(crate) fn stored_id(kind: &GroupKind, object: &Manifest) -> ObjectId {
    ObjectId {
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        namespace: object.namespace().to_owned(),
        name: object.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind() -> GroupKind {
        GroupKind::new("", "ConfigMap")
    }

    fn object(name: &str) -> Manifest {
        Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "a", "uid": name},
        }))
        .unwrap()
    }

    #[test]
    fn revisions_and_history() {
        let mut store = Store::new(2);
        store.put(&kind(), object("x"));
        store.put(&kind(), object("x"));
        assert_eq!(
            store.get(&kind(), "a", "x").unwrap().resource_version(),
            "2"
        );
        let gone = store.remove(&kind(), "a", "x").unwrap();
        assert_eq!(gone.resource_version(), "3");
        assert!(matches!(store.next(&kind(), 0), Next::Forgotten));
        let Next::Event(event) = store.next(&kind(), 1) else {
            panic!("an event is due")
        };
        assert_eq!((event.revision, event.deleted), (2, false));
        assert!(matches!(store.next(&kind(), 3), Next::Idle));
        assert_eq!(store.len(), 0);
        assert!(store.kinds_in("a").is_empty());
    }

    #[test]
    fn the_past_is_seen_as_it_was() {
        let mut store = Store::new(10);
        store.put(&kind(), object("x"));
        store.put(&kind(), object("y"));
        store.put(&kind(), object("x"));
        store.remove(&kind(), "a", "y");
        store.put(&kind(), object("z"));
        let at = |revision: u64| -> Vec<(&str, &str)> {
            let objects = store.list_at(&kind(), revision).unwrap();
            objects
                .into_iter()
                .map(|object| (object.name(), object.resource_version()))
                .collect()
        };
        assert_eq!(at(1), [("x", "1")]);
        assert_eq!(at(3), [("x", "3"), ("y", "2")]);
        assert_eq!(at(5), [("x", "3"), ("z", "5")]);
        store.compact();
        assert!(store.list_at(&kind(), 3).is_none());
    }

    #[test]
    fn dependents_follow_owner_references() {
        let mut store = Store::new(10);
        let mut child = object("child");
        child.metadata_mut().insert(
            "ownerReferences".to_owned(),
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "p", "uid": "p"}]),
        );
        store.put(&kind(), child.clone());
        assert_eq!(store.dependents("p").len(), 1);
        child.metadata_mut().remove("ownerReferences");
        store.put(&kind(), child);
        assert!(store.dependents("p").is_empty());
    }
}
