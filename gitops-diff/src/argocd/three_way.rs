//! Three-way, with the defaults of the kind on both sides.

use gitops_core::GroupVersionKind;
use serde_json::Value;

use super::{ArgoDiff, ArgoDiffError, Result, compared};
use crate::{
    json_merge,
    normalize::{Unknown, go_types, gvk_of, only_stated, remarshal, set_defaults},
    strategic,
};

pub(super) fn diff(original: &Value, config: &Value, live: &Value) -> Result<ArgoDiff> {
    let original = without_namespace(original);
    let config = without_namespace(config);
    let gvk = gvk_of(&original);
    if go_types().kind(&gvk).is_none() {
        let stated = only_stated(&original, live.clone());
        let patch = json_merge::three_way(&original, &config, &stated)?;
        return Ok(compared(live.clone(), json_merge::apply(live, &patch)));
    }
    let base = match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("apps" | "extensions", "StatefulSet") => stated_claims(&original, live),
        _ => live.clone(),
    };
    let patch = strategic::three_way(&gvk, &original, &config, &base)?;
    let predicted = strategic::apply(&gvk, live, &patch)?;
    let predicted = match with_defaults(&gvk, &predicted) {
        Err(ArgoDiffError::GoType { .. }) => predicted,
        other => other?,
    };
    let live = match with_defaults(&gvk, live) {
        Err(ArgoDiffError::GoType { .. }) => live.clone(),
        other => other?,
    };
    Ok(compared(live, predicted))
}

/// The object with the defaults of its kind, and with fields that its kind does not have.
pub(super) fn with_defaults(gvk: &GroupVersionKind, object: &Value) -> Result<Value> {
    let Some(ty) = go_types().kind(gvk) else {
        return Ok(object.clone());
    };
    let written = remarshal(ty, object, Unknown::Drop).map_err(|source| ArgoDiffError::GoType {
        side: "live",
        source,
    })?;
    let mut defaulted = written.clone();
    set_defaults(gvk, &mut defaulted);
    let defaulted =
        remarshal(ty, &defaulted, Unknown::Drop).map_err(|source| ArgoDiffError::GoType {
            side: "live",
            source,
        })?;
    let patch = strategic::two_way(gvk, &written, &defaulted)?;
    Ok(strategic::apply(gvk, object, &patch)?)
}

/// Namespace and empty annotations are no differences.
fn without_namespace(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("namespace");
        let empty = match metadata.get("annotations") {
            Some(Value::Null) => true,
            Some(Value::Object(annotations)) => annotations.is_empty(),
            _ => false,
        };
        if empty {
            metadata.remove("annotations");
        }
    }
    object
}

/// The server gives claims defaults that cannot be known; only what is stated of them is compared.
fn stated_claims(original: &Value, live: &Value) -> Value {
    let path = "/spec/volumeClaimTemplates";
    let mut live = live.clone();
    if let (Some(stated @ Value::Array(_)), Some(claims @ Value::Array(_))) =
        (original.pointer(path), live.pointer_mut(path))
    {
        *claims = only_stated(stated, claims.take());
    }
    live
}
