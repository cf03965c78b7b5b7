//! Structured merge: the server's merge, then defaults.

use serde_json::Value;

use super::{
    ArgoDiff, ArgoDiffError, ArgoOptions, Result, compared, remove_annotation, schema_of,
    three_way::with_defaults,
};
use crate::{
    bundled_schemas,
    fields::{FieldSet, ManagedFields},
    merge::{LAST_APPLIED, merge_owned, validate},
    normalize::gvk_of,
};
use gitops_core::schema::Schemas as _;

pub(super) fn diff(config: &Value, live: &Value, options: &ArgoOptions<'_>) -> Result<ArgoDiff> {
    let schema = schema_of(config, options)?;
    // Built-in kinds have a schema of their own, with the defaults of list keys.
    let schema = bundled_schemas().schema(&gvk_of(config)).unwrap_or(schema);
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
        with_defaults(&gvk_of(&object), &object)
    };
    let predicted = finish(merged)?;
    Ok(compared(finish(live.clone())?, predicted))
}
