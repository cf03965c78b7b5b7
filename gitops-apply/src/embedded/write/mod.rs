//! Creating and changing objects: the verbs. How the server reads an object is in `decoded`, what
//! patches do in `patch`, what is common to all writes in `commit`.

mod commit;
mod decoded;
mod patch;

use gitops_core::{Manifest, cluster::FieldValidation};

pub(crate) use self::commit::is_held;
use super::{
    merge,
    registry::Kind,
    server::{Call, Server},
    status::{ApiError, FieldError, Reason},
    strategy,
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
        let live = self
            .store
            .get(&kind.stored, applied.namespace(), applied.name())
            .map(|live| self.read(kind, live));
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
        if let Some(live) = &live
            && merged.shares_content(live)
            && self.is_left_alone(call, &applied)
        {
            return Ok(merged);
        }
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

    /// Whether nothing but its merge can change the object of an apply, or refuse it.
    fn is_left_alone(&self, call: &Call<'_>, applied: &Manifest) -> bool {
        call.subresource.is_empty()
            && self.hooks.is_empty()
            && applied.resource_version().is_empty()
            && applied.uid().is_empty()
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
}
