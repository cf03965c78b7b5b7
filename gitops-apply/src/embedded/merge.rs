//! The joint to the merge engine of gitops-diff.

use std::sync::Arc;

use gitops_core::{Manifest, clock::Timestamp, schema::Schema};
use gitops_diff::{
    fields::{FieldSet, PathElement},
    merge::{ApplyError, ApplyRequest, UpdateRequest, record_update, server_side_apply},
};
use serde_json::Value;

use super::{registry::Kind, status::ApiError};

/// The merge schema of one version of a definition in its `v1` form; `None` where it says nothing.
pub(crate) fn schema_of_definition(
    open_api: Option<&Value>,
    keeps_unknown: bool,
) -> Option<Arc<Schema>> {
    gitops_diff::schema::crd_schema(open_api, keeps_unknown)
        .ok()
        .map(Arc::new)
}

/// Fields that a request cannot write.
fn reset_fields(kind: &Kind, subresource: &str) -> FieldSet {
    let of = |name: &str| FieldSet::from_paths([&[PathElement::field(name)][..]]);
    match subresource {
        "status" => of("spec"),
        _ if kind.has_status() => of("status"),
        _ => FieldSet::new(),
    }
}

/// Merges an applied object into the live one.
pub(crate) fn apply(
    kind: &Kind,
    live: Option<&Manifest>,
    applied: &Manifest,
    manager: &str,
    subresource: &str,
    force: bool,
    now: Timestamp,
) -> Result<Manifest, ApiError> {
    let request = ApplyRequest::new(live, applied, manager, now)
        .force(force)
        .schema(kind.schema.as_deref())
        .subresource(subresource, reset_fields(kind, subresource));
    let done = server_side_apply(&request).map_err(|error| match error {
        ApplyError::Conflicts { conflicts } => ApiError::field_conflicts(&conflicts),
        ApplyError::StatesManagedFields => {
            ApiError::bad_request("metadata.managedFields must be nil")
        }
        ApplyError::Type { source, .. } => ApiError::internal(format!(
            "failed to create typed patch object ({}/{}; {}, Kind={}): {source}",
            applied.namespace(),
            applied.name(),
            applied.api_version(),
            applied.kind(),
        )),
        other => ApiError::internal(other.to_string()),
    })?;
    Ok(done.object)
}

/// Notes in `managedFields` what a create, replace or patch changed.
pub(crate) fn note_update(
    kind: &Kind,
    live: Option<&Manifest>,
    updated: &Manifest,
    manager: &str,
    subresource: &str,
    now: Timestamp,
) -> Manifest {
    let request = UpdateRequest::new(live, updated, manager, now)
        .schema(kind.schema.as_deref())
        .subresource(subresource, reset_fields(kind, subresource));
    record_update(&request)
}

/// Kubernetes' strategic merge patch.
pub(crate) fn strategic(kind: &Kind, value: &mut Value, change: &Value) -> Result<(), ApiError> {
    *value = gitops_diff::strategic::apply(&kind.gvk, value, change)
        .map_err(|error| ApiError::bad_request(format!("error applying patch: {error}")))?;
    Ok(())
}
