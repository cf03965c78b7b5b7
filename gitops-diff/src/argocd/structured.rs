//! Structured merge: the server's merge, then defaults.

use std::sync::{Arc, OnceLock};

use gitops_core::{
    GroupVersionKind,
    schema::{Schema, Schemas as _},
};
use serde_json::Value;

use super::{
    ArgoDiff, ArgoDiffError, ArgoOptions, Result, compared, remove_annotation, schema_of,
    three_way::with_defaults,
};
use crate::{
    SchemaSet, bundled_schemas, bundled_schemas_of, bundled_versions,
    fields::{FieldSet, ManagedFields},
    merge::{LAST_APPLIED, merge_owned, validate},
    normalize::gvk_of,
};

/// The schema of a built-in kind, with the defaults of list keys, as the newest Kubernetes has it.
fn built_in(gvk: &GroupVersionKind) -> Option<Arc<Schema>> {
    static NEWEST: OnceLock<Option<SchemaSet>> = OnceLock::new();
    let newest = NEWEST.get_or_init(|| bundled_schemas_of(bundled_versions().last()?));
    newest
        .as_ref()
        .and_then(|newest| newest.schema(gvk))
        .or_else(|| bundled_schemas().schema(gvk))
}

pub(super) fn diff(config: &Value, live: &Value, options: &ArgoOptions<'_>) -> Result<ArgoDiff> {
    let schema = schema_of(config, options)?;
    let schema = built_in(&gvk_of(config)).unwrap_or(schema);
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
