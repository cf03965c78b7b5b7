//! The answer of a dry-run, without what webhooks changed.

use gitops_core::schema::Schema;
use serde_json::Value;

use super::{
    ArgoDiff, ArgoDiffError, ArgoOptions, Result, compared, nothing, remove_annotation, schema_of,
};
use crate::{
    fields::{FieldSet, PathElement},
    merge::{LAST_APPLIED, compare, field_set, merge, remove_fields, validate},
    normalize::{normalize, remarshal_object},
};

pub(super) fn diff(
    live: Value,
    predicted: &Value,
    ignore_mutation_webhook: bool,
    options: &ArgoOptions<'_>,
) -> Result<ArgoDiff> {
    let mut predicted = predicted.clone();
    round_numbers(&mut predicted);
    if ignore_mutation_webhook {
        predicted = without_mutations(&predicted, &live, options)?;
    }
    let finish = |mut object: Value| {
        normalize(&mut object, options.ignore_aggregated_roles);
        (options.normalizer)(&mut object);
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
        }
        remove_annotation(&mut object, LAST_APPLIED);
        object
    };
    let predicted = finish(remarshal_object(&predicted));
    Ok(compared(finish(live), predicted))
}

/// The prediction with only those changes that the manager owns.
fn without_mutations(predicted: &Value, live: &Value, options: &ArgoOptions<'_>) -> Result<Value> {
    let unusable = |reason: String| ArgoDiffError::ManagedFields {
        side: "predicted",
        reason,
    };
    let entries = predicted
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| unusable("there are none".to_owned()))?;
    let schema = schema_of(predicted, options)?;
    let schema: &Schema = &schema;
    for (side, object) in [("predicted", predicted), ("live", live)] {
        validate(schema, object).map_err(|source| ArgoDiffError::Type { side, source })?;
    }
    let mut own = FieldSet::new();
    for entry in entries {
        let fields = entry.get("fieldsV1").cloned().unwrap_or_else(nothing);
        let set = FieldSet::from_fields_v1(&fields).map_err(|e| unusable(e.reason))?;
        if entry.get("manager").and_then(Value::as_str) == Some(options.manager) {
            own = own.union(&set);
        }
    }
    if own.is_empty() {
        return Err(unusable(format!("{} owns nothing", options.manager)));
    }
    let typed = |source| ArgoDiffError::Type {
        side: "predicted",
        source,
    };
    let stated = field_set(schema, predicted).map_err(typed)?;
    let mut foreign = FieldSet::new();
    stated.difference(&own).for_each(&mut |path| {
        if !owns_below(&own, path) {
            foreign.insert(path);
        }
    });
    let removed = compare(schema, live, predicted)
        .map_err(typed)?
        .removed
        .difference(&foreign);
    let mut without_keys = FieldSet::new();
    foreign.for_each(&mut |path| {
        if !is_part_of_key(path) {
            without_keys.insert(path);
        }
    });
    let kept = remove_fields(schema, predicted.clone(), &without_keys);
    let merged = merge(schema, live, &kept).map_err(typed)?;
    Ok(remove_fields(schema, merged, &removed))
}

/// gitops-engine reads the server's answer with numbers that hold 53 bits.
fn round_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let rounded = number.as_f64().map(|number| number as i128);
            let exact = number.as_i128();
            if let (Some(rounded), Some(exact)) = (rounded, exact)
                && rounded != exact
                && let Some(rounded) = serde_json::Number::from_i128(rounded)
            {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round_numbers),
        Value::Object(fields) => fields.values_mut().for_each(round_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Whether the set has members below the path.
fn owns_below(set: &FieldSet, path: &[PathElement]) -> bool {
    let mut set = set;
    for element in path {
        match set.get(element) {
            Some(node) => set = &node.children,
            None => return false,
        }
    }
    !set.is_empty()
}

/// Whether the field is one of several that identify an item it is in.
fn is_part_of_key(path: &[PathElement]) -> bool {
    let Some((PathElement::Field(name), above)) = path.split_last() else {
        return false;
    };
    above.iter().any(|element| match element {
        PathElement::Key(fields) => {
            fields.len() > 1 && fields.iter().any(|(field, _)| field == name)
        }
        _ => false,
    })
}
