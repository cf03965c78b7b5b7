//! Objects as they were prepared the last time.

use std::collections::{HashMap, VecDeque};

use gitops_core::{Manifest, ObjectId, Scope, plan::DesiredSet, tracking::Tracking};

/// How many objects are kept, of all owners together.
const KEPT: usize = 20_000;

/// Prepared objects by owner: what is declared again as it was is neither copied nor marked again,
/// and its fingerprint is known.
#[derive(Default)]
pub(crate) struct Earlier {
    sets: HashMap<String, PreparedSet>,
    /// Owners, the one that was planned last at the end.
    order: VecDeque<String>,
    kept: usize,
}

/// The prepared objects of one owner.
#[derive(Default)]
pub(crate) struct PreparedSet {
    destination: String,
    bootstrap: bool,
    tracking: Tracking,
    objects: HashMap<ObjectId, Prepared>,
}

struct Prepared {
    declared: Manifest,
    scope: Scope,
    sent: Manifest,
}

impl Earlier {
    /// Takes out what is known of an owner's set; nothing where it would be marked differently now.
    pub(crate) fn take(
        &mut self,
        key: &str,
        desired: &DesiredSet,
        tracking: &Tracking,
    ) -> PreparedSet {
        let destination = desired.destination.namespace.as_deref().unwrap_or_default();
        let found = self.sets.remove(key);
        self.kept -= found.as_ref().map_or(0, |set| set.objects.len());
        self.order.retain(|owner| owner != key);
        let is_valid = |set: &PreparedSet| {
            set.destination == destination
                && set.bootstrap == desired.owner.bootstrap
                && set.tracking == *tracking
        };
        found.filter(is_valid).unwrap_or_else(|| PreparedSet {
            destination: destination.to_owned(),
            bootstrap: desired.owner.bootstrap,
            tracking: tracking.clone(),
            objects: HashMap::new(),
        })
    }

    /// Puts a set back; the sets that were not planned for longest make room.
    pub(crate) fn put(&mut self, key: &str, set: PreparedSet) {
        if set.objects.len() > KEPT {
            return;
        }
        self.kept += set.objects.len();
        self.sets.insert(key.to_owned(), set);
        self.order.push_back(key.to_owned());
        while self.kept > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.sets.remove(&oldest);
            self.kept -= gone.map_or(0, |set| set.objects.len());
        }
    }
}

impl PreparedSet {
    /// The object as it was prepared, if it is declared as it was then.
    pub(super) fn get(&self, declared: &Manifest, id: &ObjectId, scope: Scope) -> Option<Manifest> {
        let known = self.objects.get(id)?;
        (known.scope == scope && known.declared == *declared).then(|| known.sent.clone())
    }

    pub(super) fn keep(
        &mut self,
        id: ObjectId,
        declared: &Manifest,
        scope: Scope,
        sent: &Manifest,
    ) {
        let prepared = Prepared {
            declared: declared.clone(),
            scope,
            sent: sent.clone(),
        };
        self.objects.insert(id, prepared);
    }

    /// Forgets what is not declared any more.
    pub(super) fn keep_only(&mut self, desired: &DesiredSet) {
        if self.objects.len() > desired.objects.len() {
            let declared: std::collections::HashSet<ObjectId> =
                desired.objects.iter().map(Manifest::id).collect();
            self.objects.retain(|id, _| declared.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use gitops_core::plan::Owner;
    use serde_json::json;

    use super::*;

    fn set(namespace: &str) -> DesiredSet {
        let mut set = DesiredSet {
            owner: Owner {
                name: "shop".to_owned(),
                ..Owner::default()
            },
            ..DesiredSet::default()
        };
        set.destination.namespace = Some(namespace.to_owned());
        set
    }

    fn object(value: &str) -> Manifest {
        Manifest::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a"}, "data": {"a": value}}))
        .unwrap()
    }

    #[test]
    fn only_what_is_declared_and_marked_as_before_is_used_again() {
        let (desired, tracking) = (set("shop"), Tracking::default());
        let mut earlier = Earlier::default();
        let mut known = earlier.take("shop", &desired, &tracking);
        let (declared, sent) = (object("1"), object("1 sent"));
        known.keep(declared.id(), &declared, Scope::Namespaced, &sent);
        earlier.put("shop", known);
        let known = earlier.take("shop", &desired, &tracking);
        let get = |object: &Manifest, scope| known.get(object, &object.id(), scope);
        assert_eq!(get(&object("1"), Scope::Namespaced), Some(sent));
        assert_eq!(get(&object("2"), Scope::Namespaced), None);
        assert_eq!(get(&object("1"), Scope::Cluster), None);
        earlier.put("shop", known);
        let known = earlier.take("shop", &set("other"), &tracking);
        assert_eq!(
            known.get(&declared, &declared.id(), Scope::Namespaced),
            None
        );
    }

    #[test]
    fn the_sets_that_were_not_planned_for_longest_make_room() {
        let (desired, tracking) = (set("shop"), Tracking::default());
        let mut earlier = Earlier::default();
        for owner in ["a", "b", "c"] {
            let mut known = earlier.take(owner, &desired, &tracking);
            for number in 0..KEPT / 2 {
                let mut id = object("1").id();
                id.name = number.to_string();
                known.keep(id, &object("1"), Scope::Namespaced, &object("1"));
            }
            earlier.put(owner, known);
        }
        assert_eq!(earlier.kept, KEPT);
        assert_eq!(earlier.order, ["b", "c"]);
    }
}
