//! Structured merge: the server's merge, then defaults.

use serde_json::Value;

use super::{
    ArgoDiff, ArgoDiffError, ArgoOptions, Result, compared, remove_annotation, schema_of,
    three_way::with_defaults,
};
use crate::{
    fields::{FieldSet, ManagedFields},
    merge::{LAST_APPLIED, merge_owned, validate},
};

pub(super) fn diff(config: &Value, live: &Value, options: &ArgoOptions<'_>) -> Result<ArgoDiff> {
    let schema = schema_of(config, options)?;
    for (side, object) in [("live", live), ("desired", config)] {
        validate(&schema, object).map_err(|source| ArgoDiffError::Type { side, source })?;
    }
    let entries = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let managers = ManagedFields::from_values(entries.into_iter().flatten()).map_err(|error| {
        ArgoDiffError::ManagedFields {
            side: "live",
            reason: error.to_string(),
        }
    })?;
    let merged = merge_owned(
        &schema,
        live,
        config,
        &managers,
        options.manager,
        &FieldSet::new(),
    )
    .map_err(|source| ArgoDiffError::Type {
        side: "desired",
        source,
    })?;
    let Some(merged) = merged else {
        return Ok(compared(live.clone(), live.clone()));
    };
    let finish = |mut object: Value| {
        remove_annotation(&mut object, LAST_APPLIED);
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let gvk = gitops_core::GroupVersionKind::from_api_version(text("apiVersion"), text("kind"));
        with_defaults(&gvk, &object)
    };
    let predicted = finish(merged)?;
    Ok(compared(finish(live.clone())?, predicted))
}
