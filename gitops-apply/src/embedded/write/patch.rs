//! Patches: JSON patch, merge patch and strategic merge patch, with the API server's refusals.

use gitops_core::{Manifest, ObjectRef, cluster::Patch};
use serde_json::Value;

use super::Ownership;
use crate::embedded::{
    merge,
    server::{Call, Server},
    status::{ApiError, FieldError, Reason},
};

impl Server {
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
}
