//! The controllers of the cluster: what they have to do, and when.
//!
//! They run at the end of each write, and before each read where something is due by the clock,
//! until there is nothing left to do at that time: whoever asks sees a settled cluster, and nobody
//! waits for a background task.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use gitops_core::{
    Manifest, ObjectId,
    clock::Timestamp,
    cluster::{DeleteOptions, FieldValidation, Propagation},
};

use super::{
    delete::{FOREGROUND, ORPHAN},
    registry::Kind,
    server::{Call, Server},
    status::ApiError,
    store::stored_id,
};

/// At most so many steps at a time: two controllers that undo each other's work do not hang the
/// cluster.
const MAX_STEPS: usize = 200_000;

/// Something that a controller has to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// An object whose owners may be gone.
    Owners(ObjectId),
    /// An object that waits for the objects that it owns.
    Dependents(ObjectId),
    /// A namespace.
    Namespace(String),
    /// A CustomResourceDefinition.
    Definition(String),
    /// An object that the workload simulation moves.
    Simulate(ObjectId),
}

/// What is to be done, now and later.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    now: VecDeque<Work>,
    queued: BTreeSet<Work>,
    later: BTreeMap<(Timestamp, u64), Work>,
    sequence: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, work: Work) {
        if self.queued.insert(work.clone()) {
            self.now.push_back(work);
        }
    }

    pub(crate) fn push_at(&mut self, due: Timestamp, work: Work) {
        if self
            .later
            .iter()
            .any(|((at, _), known)| *known == work && *at <= due)
        {
            return;
        }
        self.sequence += 1;
        self.later.insert((due, self.sequence), work);
    }

    /// When the next thing is due that is not due yet.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.later.first_key_value().map(|((due, _), _)| *due)
    }

    fn pop(&mut self) -> Option<Work> {
        let work = self.now.pop_front()?;
        self.queued.remove(&work);
        Some(work)
    }

    fn move_due(&mut self, now: Timestamp) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let work = entry.remove();
            self.push(work);
        }
    }
}

impl Server {
    /// Lets the controllers do all that is due at the present time.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        self.settle_until(now);
    }

    /// Lets the controllers do all that is due at `now`.
    pub(crate) fn settle_until(&mut self, now: Timestamp) {
        self.queue.move_due(now);
        for _ in 0..MAX_STEPS {
            let Some(work) = self.queue.pop() else {
                self.queue.move_due(now);
                match self.queue.pop() {
                    Some(work) => {
                        self.work_on(work);
                        continue;
                    }
                    None => return,
                }
            };
            self.work_on(work);
        }
        tracing::warn!("controllers of the embedded cluster do not come to rest");
    }

    fn work_on(&mut self, work: Work) {
        tracing::trace!(?work, "controller step");
        let done = match &work {
            Work::Owners(id) => self.check_owners(id),
            Work::Dependents(id) => self.check_dependents(id),
            Work::Namespace(name) => self.tend_namespace(name),
            Work::Definition(name) => self.tend_definition(name),
            Work::Simulate(id) => self.simulate(id),
        };
        if let Err(error) = done {
            tracing::debug!(?work, error = %error.message, "controller step failed");
        }
    }

    /// An object was created or changed.
    pub(crate) fn observe(&mut self, kind: &Kind, object: &Manifest, previous: Option<&Manifest>) {
        let id = stored_id(&kind.stored, object);
        if object.is_terminating()
            && object
                .finalizers()
                .any(|finalizer| matches!(finalizer, FOREGROUND | ORPHAN))
        {
            self.queue.push(Work::Dependents(id.clone()));
            // Whoever waits for this object wants its dependents gone as well.
            for dependent in self.store.dependents(object.uid()) {
                self.queue.push(Work::Owners(dependent));
            }
        }
        if object.owner_references().next().is_some() && previous.is_none() {
            self.queue.push(Work::Owners(id.clone()));
        }
        if kind.custom.is_none() {
            match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
                ("", "Namespace") => self.queue.push(Work::Namespace(id.name.clone())),
                ("", "Service") if previous.is_none() => {}
                ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                    self.queue.push(Work::Definition(id.name.clone()));
                }
                _ => {}
            }
        }
        self.observe_for_simulation(kind, &id, object, previous);
    }

    /// An object is gone.
    pub(crate) fn observe_removal(&mut self, kind: &Kind, object: &Manifest) {
        for dependent in self.store.dependents(object.uid()) {
            self.queue.push(Work::Owners(dependent));
        }
        for owner in object.owner_references() {
            if let Some(owner) = self.store.by_uid(owner.uid).cloned()
                && self.stored(&owner).is_some_and(Manifest::is_terminating)
            {
                self.queue.push(Work::Dependents(owner));
            }
        }
        let namespace = object.namespace();
        if !namespace.is_empty() {
            let is_kept = matches!(
                (kind.stored.kind.as_str(), object.name()),
                ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
            );
            if is_kept
                || self
                    .namespace(namespace)
                    .is_some_and(Manifest::is_terminating)
            {
                self.queue.push(Work::Namespace(namespace.to_owned()));
            }
        }
        if kind.custom.is_some() {
            let name = format!("{}.{}", kind.plural(), kind.gvk.group);
            self.queue.push(Work::Definition(name));
        } else if kind.stored.kind == "CustomResourceDefinition" {
            self.registry.undefine(object.name());
        } else if kind.stored.kind == "Service" && kind.stored.group.is_empty() {
            self.note_addresses(object, false);
        }
        let id = stored_id(&kind.stored, object);
        self.observe_removal_for_simulation(kind, &id, object);
    }

    /// Changes an object as a controller does; nothing is written where nothing changes.
    pub(crate) fn control(
        &mut self,
        id: &ObjectId,
        manager: &str,
        subresource: &str,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), ApiError> {
        let Some(kind) = self.registry.by_stored(&id.group_kind()) else {
            return Ok(());
        };
        let Some(live) = self.stored(id) else {
            return Ok(());
        };
        let live = self.read(&kind, live);
        let mut new = live.clone();
        change(&mut new);
        if new == live {
            return Ok(());
        }
        let call = internal(&kind, manager, subresource);
        self.change_internally(&call, &live, new)
    }

    /// Creates an object as a controller does.
    pub(crate) fn control_create(
        &mut self,
        manager: &str,
        object: Manifest,
    ) -> Result<Manifest, ApiError> {
        let kind = self.kind(&object.gvk())?;
        self.create(&internal(&kind, manager, ""), object)
    }

    /// Deletes an object as a controller does.
    pub(crate) fn control_delete(
        &mut self,
        id: &ObjectId,
        propagation: Propagation,
    ) -> Result<(), ApiError> {
        let Some(kind) = self.registry.by_stored(&id.group_kind()) else {
            return Ok(());
        };
        let target = gitops_core::ObjectRef::new(kind.gvk.clone(), &id.namespace, &id.name);
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        match self.delete(
            &internal(&kind, "kube-controller-manager", ""),
            &target,
            &options,
        ) {
            Err(error) if error.code == 404 => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

pub(crate) fn internal<'a>(kind: &Arc<Kind>, manager: &'a str, subresource: &'a str) -> Call<'a> {
    Call {
        kind: Arc::clone(kind),
        manager,
        dry_run: false,
        validation: FieldValidation::Ignore,
        // Kinds without the sub-resource are written as a whole.
        subresource: if kind.has_subresource(subresource) {
            subresource
        } else {
            ""
        },
        is_internal: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_keeps_order_and_drops_repetitions() {
        let mut queue = Queue::default();
        queue.push(Work::Namespace("a".to_owned()));
        queue.push(Work::Namespace("b".to_owned()));
        queue.push(Work::Namespace("a".to_owned()));
        assert_eq!(queue.pop(), Some(Work::Namespace("a".to_owned())));
        assert_eq!(queue.pop(), Some(Work::Namespace("b".to_owned())));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn later_comes_in_order_of_time() {
        let mut queue = Queue::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        queue.push_at(at(20), Work::Namespace("b".to_owned()));
        queue.push_at(at(10), Work::Namespace("a".to_owned()));
        queue.push_at(at(30), Work::Namespace("a".to_owned()));
        assert_eq!(queue.next_due(), Some(at(10)));
        queue.move_due(at(20));
        assert_eq!(queue.pop(), Some(Work::Namespace("a".to_owned())));
        assert_eq!(queue.pop(), Some(Work::Namespace("b".to_owned())));
        assert_eq!(queue.next_due(), None);
    }
}
