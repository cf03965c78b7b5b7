//! Deletion: preconditions, finalizers, and what becomes of objects that the deleted one owns.

use gitops_core::{
    Manifest, ObjectRef,
    cluster::{DeleteOptions, Propagation},
};
use serde_json::{Value, json};

use super::{
    admission::Operation,
    server::{Call, Server},
    status::{ApiError, Reason},
    strategy::{add_finalizer, has_generation, remove_finalizer},
    write::is_held,
};

pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";

impl Server {
    /// Deletes an object; returns it where it still exists.
    pub(crate) fn delete(
        &mut self,
        call: &Call<'_>,
        target: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ApiError> {
        let kind = &*call.kind;
        if !kind.allows("delete") {
            return Err(ApiError::new(
                405,
                Reason::MethodNotAllowed,
                "the server does not allow this method on the requested resource",
            ));
        }
        let live = self.get_existing(target)?;
        let refused =
            |why: String| ApiError::conflict(&kind.gvk.group, &kind.gvk.kind, live.name(), &why);
        if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != live.uid()) {
            return Err(refused(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                live.uid()
            )));
        }
        if let Some(version) = options
            .resource_version
            .as_deref()
            .filter(|version| *version != live.resource_version())
        {
            return Err(refused(format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                live.resource_version()
            )));
        }
        let is_namespace = kind.stored.kind == "Namespace" && kind.stored.group.is_empty();
        if is_namespace && matches!(live.name(), "default" | "kube-system" | "kube-public") {
            return Err(ApiError::forbidden(
                "",
                "namespaces",
                live.name(),
                "this namespace may not be deleted",
            ));
        }
        if is_namespace && live.is_terminating() {
            return Err(ApiError::conflict(
                "",
                "namespaces",
                live.name(),
                "The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.",
            ));
        }
        self.admit(call, Operation::Delete, &mut live.clone(), Some(&live))?;

        let mut object = live.clone();
        match options.propagation {
            Propagation::Foreground => {
                remove_finalizer(&mut object, ORPHAN);
                add_finalizer(&mut object, FOREGROUND);
            }
            Propagation::Orphan => {
                remove_finalizer(&mut object, FOREGROUND);
                add_finalizer(&mut object, ORPHAN);
            }
            Propagation::Background => {
                remove_finalizer(&mut object, FOREGROUND);
                remove_finalizer(&mut object, ORPHAN);
            }
        }
        let is_definition = kind.stored.kind == "CustomResourceDefinition"
            && kind.stored.group == "apiextensions.k8s.io";
        if is_definition {
            add_finalizer(&mut object, super::definitions::CLEANUP);
        }
        if object.finalizers().next().is_none() && !is_held(kind, &object) {
            if options.dry_run {
                return Ok(None);
            }
            self.erase(kind, live.namespace(), live.name());
            return Ok(None);
        }
        if !live.is_terminating() {
            let now = self.now_text();
            let generation = live
                .metadata()
                .and_then(|m| m.get("generation"))
                .and_then(Value::as_i64);
            let counts = has_generation(kind, self.minor);
            let metadata = object.metadata_mut();
            metadata.insert("deletionTimestamp".to_owned(), now.into());
            if !is_namespace {
                metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
            }
            if counts {
                metadata.insert(
                    "generation".to_owned(),
                    (generation.unwrap_or(0) + 1).into(),
                );
            }
        }
        if is_namespace {
            let status = object
                .as_map_mut()
                .entry("status")
                .or_insert_with(|| json!({}));
            if let Some(status) = status.as_object_mut() {
                status.insert("phase".to_owned(), "Terminating".into());
            }
        }
        if object == live || options.dry_run {
            return Ok(Some(object));
        }
        Ok(Some(self.commit(kind, object)))
    }
}
