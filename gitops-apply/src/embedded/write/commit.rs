//! The common end of all writes: what the server sets, admission, validation, and the store.

use gitops_core::Manifest;
use serde_json::Value;

use super::Ownership;
use crate::embedded::{
    admission::{Operation, Review},
    merge,
    registry::Kind,
    server::{Call, Server},
    status::{ApiError, Cause, FieldError, Reason},
    strategy, validate,
};

impl Server {
    /// The common end of create and apply of what does not exist.
    pub(super) fn insert(
        &mut self,
        call: &Call<'_>,
        mut object: Manifest,
        ownership: Ownership,
    ) -> Result<Manifest, ApiError> {
        let kind = &*call.kind;
        if !kind.allows("create") {
            return Err(ApiError::new(
                405,
                Reason::MethodNotAllowed,
                "the server does not allow this method on the requested resource",
            ));
        }
        self.accepts_content(kind, &object)?;
        if object.name().is_empty() && !object.generate_name().is_empty() {
            let name = self.generated_name(object.generate_name());
            object.metadata_mut().insert("name".to_owned(), name.into());
        }
        if ownership == Ownership::Update {
            object = merge::note_update(kind, None, &object, call.manager, "", self.now());
        }
        let uid = self.next_uid();
        let now = self.now_text();
        let has_generation = strategy::has_generation(kind, self.minor);
        {
            let metadata = object.metadata_mut();
            for key in [
                "selfLink",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "resourceVersion",
                "generation",
            ] {
                metadata.remove(key);
            }
            metadata.insert("uid".to_owned(), uid.into());
            metadata.insert("creationTimestamp".to_owned(), now.into());
            if has_generation {
                metadata.insert("generation".to_owned(), 1.into());
            }
        }
        self.prepare_create(kind, &mut object);
        self.admit(call, Operation::Create, &mut object, None)?;
        let mut errors = Vec::new();
        validate::object(kind, &object, &mut errors);
        self.leniency(kind, &mut errors);
        self.refuse_if_invalid(kind, object.name(), &errors)?;
        if self
            .store
            .get(&kind.stored, object.namespace(), object.name())
            .is_some()
        {
            return Err(ApiError::already_exists(
                &kind.gvk.group,
                kind.plural(),
                object.name(),
            ));
        }
        if kind.stored.kind == "Service" && kind.stored.group.is_empty() {
            self.allocate(&mut object, call.dry_run)?;
        }
        if call.dry_run {
            return Ok(object);
        }
        Ok(self.commit(kind, object))
    }

    /// The common end of replace, patch and apply of what exists. `live` and `new` are at the
    /// request's version.
    pub(super) fn change(
        &mut self,
        call: &Call<'_>,
        live: &Manifest,
        mut new: Manifest,
        ownership: Ownership,
    ) -> Result<Manifest, ApiError> {
        let kind = &*call.kind;
        self.check_subresource(kind, call.subresource)?;
        if !new.resource_version().is_empty() && new.resource_version() != live.resource_version() {
            return Err(self.modified(kind, live.name()));
        }
        if !new.uid().is_empty() && new.uid() != live.uid() {
            return Err(ApiError::conflict(
                &kind.gvk.group,
                kind.plural(),
                live.name(),
                &format!(
                    "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                    new.uid(),
                    live.uid()
                ),
            ));
        }
        let now = self.now();
        if ownership == Ownership::Update {
            if call.is_status() {
                new = with_status_of(kind, live, &new);
            }
            new = merge::note_update(kind, Some(live), &new, call.manager, call.subresource, now);
        }
        keep_system_metadata(&mut new, live);
        if call.is_status() {
            let managed = new.metadata().and_then(|m| m.get("managedFields")).cloned();
            new = with_status_of(kind, live, &new);
            if let Some(managed) = managed {
                new.metadata_mut()
                    .insert("managedFields".to_owned(), managed);
            }
        } else {
            if kind.has_status() {
                keep_status(&mut new, live);
            }
            self.prepare_update(kind, &mut new, live);
            if strategy::has_generation(kind, self.minor) && strategy::counts(kind, &new, live) {
                let generation = live
                    .metadata()
                    .and_then(|m| m.get("generation"))
                    .and_then(Value::as_i64);
                new.metadata_mut().insert(
                    "generation".to_owned(),
                    (generation.unwrap_or(0) + 1).into(),
                );
            }
        }
        self.admit(call, Operation::Update, &mut new, Some(live))?;
        // A status is set on what is stored, even where that was valid in another version only (a
        // definition without a structural schema).
        if !call.is_status() {
            let mut errors = Vec::new();
            validate::object(kind, &new, &mut errors);
            validate::change(kind, &new, live, &mut errors);
            self.leniency(kind, &mut errors);
            self.refuse_if_invalid(kind, live.name(), &errors)?;
        }
        gitops_diff::merge::keep_times(live, &mut new);
        if kind.stored.kind == "Service" && kind.stored.group.is_empty() && !call.is_status() {
            self.reallocate(&mut new, live, call.dry_run)?;
        }
        if same_object(&new, live) {
            return Ok(live.clone());
        }
        if call.dry_run {
            return Ok(new);
        }
        if new.is_terminating() && new.finalizers().next().is_none() && !is_held(kind, &new) {
            return Ok(self
                .erase(kind, live.namespace(), live.name())
                .unwrap_or(new));
        }
        Ok(self.commit(kind, new))
    }

    /// A change by a controller of the cluster.
    pub(crate) fn change_internally(
        &mut self,
        call: &Call<'_>,
        live: &Manifest,
        new: Manifest,
    ) -> Result<(), ApiError> {
        self.change(call, live, new, Ownership::Update).map(|_| ())
    }

    /// Namespaces must exist and not be on their way out.
    pub(super) fn accepts_content(&self, kind: &Kind, object: &Manifest) -> Result<(), ApiError> {
        if !kind.is_namespaced() {
            return Ok(());
        }
        let name = object.namespace();
        let Some(namespace) = self.namespace(name) else {
            return Err(ApiError::not_found("", "namespaces", name));
        };
        if namespace.is_terminating() {
            let mut error = ApiError::forbidden(
                &kind.gvk.group,
                kind.plural(),
                object.name(),
                &format!(
                    "unable to create new content in namespace {name} because it is being terminated"
                ),
            );
            error.causes.push(Cause {
                reason: "NamespaceTerminating",
                message: format!("namespace {name} is being terminated"),
                field: "metadata.namespace".to_owned(),
            });
            return Err(error);
        }
        Ok(())
    }

    /// `v1beta1` lets definitions through that `v1` refuses.
    pub(super) fn leniency(&self, kind: &Kind, errors: &mut Vec<FieldError>) {
        if kind.gvk.kind == "CustomResourceDefinition" && kind.gvk.version == "v1beta1" {
            errors.retain(|error| {
                !error.field.starts_with("spec.versions")
                    && error.field != "spec.preserveUnknownFields"
            });
        }
    }

    pub(super) fn refuse_if_invalid(
        &self,
        kind: &Kind,
        name: &str,
        errors: &[FieldError],
    ) -> Result<(), ApiError> {
        if errors.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid(
            &kind.gvk.group,
            &kind.gvk.kind,
            name,
            errors,
        ))
    }

    pub(crate) fn admit(
        &self,
        call: &Call<'_>,
        operation: Operation,
        object: &mut Manifest,
        old: Option<&Manifest>,
    ) -> Result<(), ApiError> {
        if call.is_internal {
            return Ok(());
        }
        for (name, hook) in &self.hooks {
            let mut review = Review {
                operation,
                object,
                old,
                field_manager: call.manager,
                subresource: call.subresource,
                dry_run: call.dry_run,
            };
            hook(&mut review).map_err(|reason| {
                ApiError::new(
                    403,
                    Reason::Forbidden,
                    format!("admission webhook \"{name}\" denied the request: {reason}"),
                )
            })?;
        }
        Ok(())
    }
}

/// Namespaces stay until their content is gone, whatever their finalizers.
pub(crate) fn is_held(kind: &Kind, object: &Manifest) -> bool {
    kind.stored.kind == "Namespace"
        && kind.stored.group.is_empty()
        && object
            .pointer("/spec/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|finalizers| !finalizers.is_empty())
}

fn keep_system_metadata(new: &mut Manifest, live: &Manifest) {
    const KEPT: [&str; 7] = [
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "selfLink",
    ];
    for key in KEPT {
        let (old, stated) = (live.metadata_field(key), new.metadata_field(key));
        match old {
            _ if old == stated => {}
            Some(old) => {
                let old = old.clone();
                new.metadata_mut().insert(key.to_owned(), old);
            }
            None => {
                new.metadata_mut().remove(key);
            }
        }
    }
}

fn keep_status(new: &mut Manifest, live: &Manifest) {
    match live.as_map().get("status") {
        Some(status) => {
            if new.as_map().get("status") != Some(status) {
                new.as_map_mut().insert("status".to_owned(), status.clone());
            }
        }
        None => {
            new.as_map_mut().remove("status");
        }
    }
}

/// `live` with the status of `new`; of built-in kinds with its annotations as well, as the API
/// server has it.
fn with_status_of(kind: &Kind, live: &Manifest, new: &Manifest) -> Manifest {
    let mut object = live.clone();
    if kind.custom.is_none() {
        let annotations = |o: &Manifest| o.metadata().and_then(|m| m.get("annotations")).cloned();
        let (old, new) = (annotations(live), annotations(new));
        if old != new {
            match new {
                Some(new) => object.metadata_mut().insert("annotations".to_owned(), new),
                None => object.metadata_mut().remove("annotations"),
            };
        }
    }
    match new.as_map().get("status") {
        Some(status) => object
            .as_map_mut()
            .insert("status".to_owned(), status.clone()),
        None => object.as_map_mut().remove("status"),
    };
    object
}

/// Equality as JSON has it, cheap where content is shared.
fn same_object(a: &Manifest, b: &Manifest) -> bool {
    a == b
}
