//! Creating and changing objects.

use gitops_core::{
    Manifest, ObjectRef,
    cluster::{FieldValidation, Patch},
};
use serde_json::Value;

use super::{
    admission::{Operation, Review},
    decode, defaults, merge,
    registry::Kind,
    server::{Call, Server},
    status::{ApiError, Cause, FieldError, Reason},
    strategy, validate,
};

/// Who sets `managedFields` of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// What changes belongs to the manager.
    Update,
    /// The merge of an apply has set it.
    Merged,
}

impl Server {
    /// Creates an object.
    pub(crate) fn create(
        &mut self,
        call: &Call<'_>,
        object: Manifest,
    ) -> Result<Manifest, ApiError> {
        let object = self.located(&call.kind, object)?;
        if !object.resource_version().is_empty() {
            return Err(ApiError::internal(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let object = self.decoded(call, object)?;
        self.insert(call, object, Ownership::Update)
    }

    /// Replaces an object.
    pub(crate) fn replace(
        &mut self,
        call: &Call<'_>,
        object: Manifest,
    ) -> Result<Manifest, ApiError> {
        let object = self.located(&call.kind, object)?;
        let Some(live) = self.get(&object.object_ref())? else {
            if strategy::creates_on_replace(&call.kind)
                && object.resource_version().is_empty()
                && call.subresource.is_empty()
            {
                let object = self.decoded(call, object)?;
                return self.insert(call, object, Ownership::Update);
            }
            return Err(self.missing(&call.kind, object.name()));
        };
        let object = self.decoded(call, object)?;
        if object.resource_version().is_empty() && strategy::needs_resource_version(&call.kind) {
            return Err(ApiError::invalid(
                &call.kind.gvk.group,
                call.kind.plural(),
                object.name(),
                &[FieldError {
                    field: "metadata.resourceVersion".to_owned(),
                    reason: "FieldValueInvalid",
                    detail: "Invalid value: 0: must be specified for an update".to_owned(),
                }],
            ));
        }
        self.change(call, &live, object, Ownership::Update)
    }

    /// Patches an object.
    pub(crate) fn patch(
        &mut self,
        call: &Call<'_>,
        target: &ObjectRef,
        patch: &Patch,
    ) -> Result<Manifest, ApiError> {
        let kind = &call.kind;
        self.check_namespace(kind, &target.namespace)?;
        let live = self
            .get(target)?
            .ok_or_else(|| self.missing(kind, &target.name))?;
        let rejected = || {
            ApiError::new(
                422,
                Reason::Invalid,
                "the server rejected our request due to an error in our request",
            )
        };
        let mut value = live.to_value();
        match patch {
            Patch::Json(operations) => {
                json_patch::patch(&mut value, operations).map_err(|_| rejected())?;
            }
            Patch::Merge(change) => {
                if !change.is_object() {
                    return Err(ApiError::bad_request(
                        "error decoding patch: a merge patch must be an object",
                    ));
                }
                json_patch::merge(&mut value, change);
            }
            Patch::Strategic(change) => {
                if kind.custom.is_some() {
                    return Err(ApiError::new(
                        415,
                        Reason::UnsupportedMediaType,
                        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                    ));
                }
                merge::strategic(kind, &mut value, change)?;
            }
            _ => {
                return Err(ApiError::new(
                    415,
                    Reason::UnsupportedMediaType,
                    "this kind of patch is not known to the embedded cluster",
                ));
            }
        }
        let patched =
            Manifest::try_from(value).map_err(|error| ApiError::bad_request(error.to_string()))?;
        if patched.name() != live.name() {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                patched.name(),
                live.name()
            )));
        }
        if patched.uid() != live.uid() {
            let uid: Value = patched.uid().into();
            let error = FieldError::invalid("metadata.uid", &uid, "field is immutable");
            return Err(ApiError::invalid(
                &kind.gvk.group,
                &kind.gvk.kind,
                live.name(),
                &[error],
            ));
        }
        let patched = self.located(kind, patched)?;
        let patched = self.decoded(call, patched)?;
        self.change(call, &live, patched, Ownership::Update)
    }

    /// Applies an object (server-side apply).
    pub(crate) fn apply(
        &mut self,
        call: &Call<'_>,
        applied: Manifest,
        force: bool,
    ) -> Result<Manifest, ApiError> {
        let kind = &call.kind;
        if call.manager.is_empty() {
            return Err(ApiError::invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                &[FieldError::required(
                    "fieldManager",
                    "is required for apply patch",
                )],
            ));
        }
        let applied = self.located(kind, applied)?;
        if applied.name().is_empty() {
            return Err(ApiError::bad_request("name must be provided"));
        }
        let live = self.get(&applied.object_ref())?;
        self.check_subresource(kind, call.subresource)?;
        let now = self.now();
        let merged = merge::apply(
            kind,
            live.as_ref(),
            &applied,
            call.manager,
            call.subresource,
            force,
            now,
        )?;
        let merged = self.decoded(
            &Call {
                validation: FieldValidation::Ignore,
                kind: kind.clone(),
                ..*call
            },
            merged,
        )?;
        match live {
            Some(live) => {
                if !applied.resource_version().is_empty()
                    && applied.resource_version() != live.resource_version()
                {
                    return Err(self.modified(kind, live.name()));
                }
                self.change(call, &live, merged, Ownership::Merged)
            }
            None if !call.subresource.is_empty() => Err(self.missing(kind, applied.name())),
            None => {
                if !applied.uid().is_empty() {
                    return Err(ApiError::conflict(
                        &kind.gvk.group,
                        kind.plural(),
                        applied.name(),
                        &format!(
                            "uid mismatch: the provided object specified uid {}, and no existing object was found",
                            applied.uid()
                        ),
                    ));
                }
                self.insert(call, merged, Ownership::Merged)
            }
        }
    }

    /// An object where its kind belongs: no namespace on cluster-scoped kinds.
    fn located(&self, kind: &Kind, mut object: Manifest) -> Result<Manifest, ApiError> {
        if !kind.is_namespaced() {
            if !object.namespace().is_empty() {
                object.set_namespace("");
            }
        } else {
            self.check_namespace(kind, object.namespace())?;
        }
        Ok(object)
    }

    fn check_namespace(&self, kind: &Kind, namespace: &str) -> Result<(), ApiError> {
        if kind.is_namespaced() && namespace.is_empty() {
            return Err(ApiError::bad_request(format!(
                "an empty namespace may not be set when a {} is written; set metadata.namespace",
                kind.gvk.kind
            )));
        }
        Ok(())
    }

    fn check_subresource(&self, kind: &Kind, subresource: &str) -> Result<(), ApiError> {
        if subresource.is_empty() || kind.has_subresource(subresource) {
            return Ok(());
        }
        Err(ApiError::new(
            404,
            Reason::NotFound,
            "the server could not find the requested resource",
        ))
    }

    fn missing(&self, kind: &Kind, name: &str) -> ApiError {
        ApiError::not_found(&kind.gvk.group, kind.plural(), name)
    }

    fn modified(&self, kind: &Kind, name: &str) -> ApiError {
        ApiError::modified(&kind.gvk.group, kind.plural(), name)
    }

    /// The object as the server reads it: types checked, unknown fields gone, defaults filled in.
    fn decoded(&mut self, call: &Call<'_>, object: Manifest) -> Result<Manifest, ApiError> {
        let kind = &call.kind;
        let refuse = |what: String| {
            ApiError::bad_request(format!(
                "{0} in version \"{1}\" cannot be handled as a {0}: {what}",
                kind.gvk.kind, kind.gvk.version
            ))
        };
        let unknown = |fields: &[String]| {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("unknown field \"{field}\""))
                .collect();
            refuse(format!("strict decoding error: {}", fields.join(", ")))
        };
        if !call.is_internal {
            self.warnings.clear();
        }
        let mut value = object.into_value();
        // `managedFields` are the server's own, and older schemas do not know all of them.
        let managed = value
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .and_then(|metadata| metadata.remove("managedFields"));
        if let Some(custom) = &kind.custom {
            if let Some(structural) = &custom.structural {
                if !custom.preserves_unknown {
                    let mut fields = Vec::new();
                    structural.prune(&mut value, &mut fields);
                    if call.validation == FieldValidation::Strict && !fields.is_empty() {
                        return Err(unknown(&fields));
                    }
                    self.warn_of(call, &fields);
                }
                structural.fill_defaults(&mut value);
            }
        } else if let Some(schema) = &kind.schema {
            let findings = decode::decode(schema, &mut value);
            if let Some(mismatch) = findings.mismatch {
                return Err(refuse(format!(
                    "json: cannot unmarshal {} into Go struct field {}.{} of type {}",
                    mismatch.found, kind.gvk.kind, mismatch.path, mismatch.wanted
                )));
            }
            if call.validation == FieldValidation::Strict && !findings.unknown.is_empty() {
                return Err(unknown(&findings.unknown));
            }
            self.warn_of(call, &findings.unknown);
        }
        if let Value::Object(map) = &mut value {
            map.insert("kind".to_owned(), kind.gvk.kind.clone().into());
            if kind.custom.is_none() {
                defaults::fill(&kind.gvk, map, self.minor);
            }
        }
        let mut object =
            Manifest::try_from(value).map_err(|error| ApiError::bad_request(error.to_string()))?;
        if let Some(managed) = managed {
            object
                .metadata_mut()
                .insert("managedFields".to_owned(), managed);
        }
        if kind.stored.kind == "Namespace" && kind.stored.group.is_empty() && self.minor >= 21 {
            let name = object.name().to_owned();
            if !name.is_empty() {
                object.set_label("kubernetes.io/metadata.name", name);
            }
        }
        Ok(object)
    }

    fn warn_of(&mut self, call: &Call<'_>, unknown: &[String]) {
        if call.validation == FieldValidation::Warn && !call.is_internal {
            self.warnings = unknown
                .iter()
                .map(|f| format!("unknown field \"{f}\""))
                .collect();
        }
    }

    /// The common end of create and apply of what does not exist.
    fn insert(
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
        Ok(self.commit(kind, &object))
    }

    /// The common end of replace, patch and apply of what exists. `live` and `new` are at the
    /// request's version.
    fn change(
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
        Ok(self.commit(kind, &new))
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

    fn reallocate(
        &mut self,
        new: &mut Manifest,
        live: &Manifest,
        dry_run: bool,
    ) -> Result<(), ApiError> {
        let ip = |o: &Manifest| o.pointer("/spec/clusterIP").cloned();
        let ports = |o: &Manifest| o.pointer("/spec/ports").cloned();
        let service_type = |o: &Manifest| o.pointer("/spec/type").cloned();
        if ip(new) == ip(live)
            && ports(new) == ports(live)
            && service_type(new) == service_type(live)
        {
            return Ok(());
        }
        self.note_addresses(live, false);
        if service_type(new).as_ref().and_then(Value::as_str) == Some("ExternalName")
            && let Some(spec) = new
                .as_map_mut()
                .get_mut("spec")
                .and_then(Value::as_object_mut)
        {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.remove(key);
            }
        }
        let done = self.allocate(new, dry_run);
        if dry_run || done.is_err() {
            self.note_addresses(live, true);
        }
        done
    }

    /// Namespaces must exist and not be on their way out.
    fn accepts_content(&self, kind: &Kind, object: &Manifest) -> Result<(), ApiError> {
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
    fn leniency(&self, kind: &Kind, errors: &mut Vec<FieldError>) {
        if kind.gvk.kind == "CustomResourceDefinition" && kind.gvk.version == "v1beta1" {
            errors.retain(|error| {
                !error.field.starts_with("spec.versions")
                    && error.field != "spec.preserveUnknownFields"
            });
        }
    }

    fn refuse_if_invalid(
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
    let old: Vec<(&str, Option<Value>)> = KEPT
        .iter()
        .map(|key| (*key, live.metadata().and_then(|m| m.get(*key)).cloned()))
        .collect();
    let metadata = new.metadata_mut();
    for (key, value) in old {
        match value {
            Some(value) => metadata.insert(key.to_owned(), value),
            None => metadata.remove(key),
        };
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
