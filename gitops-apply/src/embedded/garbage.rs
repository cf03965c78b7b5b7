//! Garbage collection: objects go when all their owners are gone.

use gitops_core::{Manifest, ObjectId, cluster::Propagation};
use serde_json::Value;

use super::{
    delete::{FOREGROUND, ORPHAN},
    server::Server,
    status::ApiError,
    strategy::remove_finalizer,
};

const MANAGER: &str = "kube-controller-manager";

enum Owner {
    /// It exists and stays.
    Solid,
    /// It waits for its dependents before it goes.
    Waiting,
    Gone,
}

impl Server {
    /// Deletes an object whose owners are gone, or drops the references to those that are.
    pub(crate) fn check_owners(&mut self, id: &ObjectId) -> Result<(), ApiError> {
        let Some(object) = self.stored(id) else {
            return Ok(());
        };
        if object.is_terminating() {
            return Ok(());
        }
        let owners: Vec<(String, Owner)> = object
            .owner_references()
            .map(|owner| (owner.uid.to_owned(), self.state_of_owner(id, owner.uid)))
            .collect();
        if owners.is_empty() {
            return Ok(());
        }
        let is = |wanted: fn(&Owner) -> bool| owners.iter().any(|(_, owner)| wanted(owner));
        let is_waiting = is(|owner| matches!(owner, Owner::Waiting));
        if is(|owner| matches!(owner, Owner::Solid)) {
            let dropped: Vec<String> = owners
                .into_iter()
                .filter(|(_, owner)| !matches!(owner, Owner::Solid))
                .map(|(uid, _)| uid)
                .collect();
            if dropped.is_empty() {
                return Ok(());
            }
            let waiting: Vec<ObjectId> = dropped
                .iter()
                .filter_map(|uid| self.store.by_uid(uid).cloned())
                .collect();
            self.control(id, MANAGER, "", |object| drop_owners(object, &dropped))?;
            for owner in waiting {
                self.queue.push(super::controllers::Work::Dependents(owner));
            }
            return Ok(());
        }
        let has_dependents = !self.store.dependents(object.uid()).is_empty();
        let propagation = if (is_waiting && has_dependents) || has_finalizer(object, FOREGROUND) {
            Propagation::Foreground
        } else if has_finalizer(object, ORPHAN) {
            Propagation::Orphan
        } else {
            Propagation::Background
        };
        self.control_delete(id, propagation)
    }

    /// Lets an object go that waited for what it owns.
    pub(crate) fn check_dependents(&mut self, id: &ObjectId) -> Result<(), ApiError> {
        let Some(object) = self.stored(id) else {
            return Ok(());
        };
        if !object.is_terminating() {
            return Ok(());
        }
        let uid = object.uid().to_owned();
        let is_foreground = has_finalizer(object, FOREGROUND);
        let is_orphan = has_finalizer(object, ORPHAN);
        let dependents = self.store.dependents(&uid);
        if is_orphan {
            for dependent in dependents {
                self.control(&dependent, MANAGER, "", |object| {
                    drop_owners(object, std::slice::from_ref(&uid));
                })?;
            }
            return self.control(id, MANAGER, "", |object| remove_finalizer(object, ORPHAN));
        }
        if is_foreground {
            let is_blocked = dependents.iter().any(|dependent| {
                self.stored(dependent).is_some_and(|dependent| {
                    dependent
                        .owner_references()
                        .any(|owner| owner.uid == uid && owner.block_owner_deletion)
                })
            });
            if !is_blocked {
                return self.control(id, MANAGER, "", |object| {
                    remove_finalizer(object, FOREGROUND)
                });
            }
        }
        Ok(())
    }

    fn state_of_owner(&self, dependent: &ObjectId, uid: &str) -> Owner {
        let Some(owner) = self.store.by_uid(uid) else {
            return Owner::Gone;
        };
        // Owners live in the same namespace or in none.
        if !owner.namespace.is_empty() && owner.namespace != dependent.namespace {
            return Owner::Gone;
        }
        match self.stored(owner) {
            None => Owner::Gone,
            Some(owner) if owner.is_terminating() && has_finalizer(owner, FOREGROUND) => {
                Owner::Waiting
            }
            Some(_) => Owner::Solid,
        }
    }
}

fn has_finalizer(object: &Manifest, finalizer: &str) -> bool {
    object.finalizers().any(|known| known == finalizer)
}

fn drop_owners(object: &mut Manifest, uids: &[String]) {
    let metadata = object.metadata_mut();
    if let Some(owners) = metadata
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
    {
        owners.retain(|owner| {
            !owner
                .get("uid")
                .and_then(Value::as_str)
                .is_some_and(|uid| uids.iter().any(|dropped| dropped == uid))
        });
        if owners.is_empty() {
            metadata.remove("ownerReferences");
        }
    }
}
