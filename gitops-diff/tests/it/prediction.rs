//! What is predicted of an apply, held against the answer of an API server.

use std::collections::BTreeMap;

use gitops_core::{
    Manifest,
    diff::{DiffOptions, Differ as _, ObjectDiff, Verdict},
    object::{CompactManifest, CompactPool},
    schema::Schemas,
};
use gitops_diff::{
    StructuralDiffer,
    merge::{ApplyRequest, server_side_apply},
    normalize::with_defaults,
    proof::{differs_in_content, is_strictly_unchanged},
};
use serde_json::{Map, Value};

/// A live object, what is desired of it, and the answer to a dry-run.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) live: Manifest,
    pub(crate) desired: Manifest,
    pub(crate) answer: Manifest,
}

/// What is predicted wrongly.
pub(crate) fn faults(pair: &Pair, schemas: &dyn Schemas) -> Option<String> {
    let Pair {
        name,
        live,
        desired,
        answer,
    } = pair;
    let schema = schemas.schema(&desired.gvk());
    let is_proven = is_strictly_unchanged(desired, live, "gitops", schema.as_deref());
    if is_proven && differs_in_content(live, answer) {
        return Some(format!(
            "{name}: said to change nothing, but the server writes"
        ));
    }
    let diff = match StructuralDiffer::default().diff(
        desired,
        Some(live),
        schemas,
        &DiffOptions::default(),
    ) {
        Ok(diff) => diff,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    // What is found in a live object does not depend on how it is kept.
    let packed = CompactManifest::new(live, &mut CompactPool::default()).manifest();
    let of_packed =
        StructuralDiffer::default().diff(desired, Some(&packed), schemas, &DiffOptions::default());
    let text = |diff: &ObjectDiff| serde_json::to_string(diff).expect("it is JSON");
    if of_packed.as_ref().map(text).ok() != Some(text(&diff))
        || is_strictly_unchanged(desired, &packed, "gitops", schema.as_deref()) != is_proven
    {
        return Some(format!("{name}: packed, it is {of_packed:?}"));
    }
    if (diff.verdict == Verdict::Unchanged) != is_proven {
        return Some(format!("{name}: the verdict is {:?}", diff.verdict));
    }
    let predicted = parts(&with_defaults(&diff.predicted.expect("a prediction"))).0;
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let request = ApplyRequest::new(Some(live), desired, "gitops", now)
        .schema(schema.as_deref())
        .force(true);
    let managers = match server_side_apply(&request) {
        Ok(applied) => parts(&applied.object).1,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    let (expected, expected_managers) = parts(answer);
    if predicted != expected {
        return Some(format!(
            "{name}: predicted\n{predicted}\nanswered\n{expected}\ndesired\n{}",
            desired.to_value()
        ));
    }
    (managers != expected_managers).then(|| {
        format!("{name}: predicted managers\n{managers:?}\nanswered\n{expected_managers:?}")
    })
}

/// The object without what is the server's, and its managers without times.
fn parts(object: &Manifest) -> (Value, BTreeMap<String, Value>) {
    let mut value = object.to_value();
    let metadata = value["metadata"].as_object_mut().expect("metadata");
    let entries = metadata.remove("managedFields").unwrap_or_default();
    metadata.remove("resourceVersion");
    metadata.remove("generation");
    let mut managers = BTreeMap::new();
    for entry in entries.as_array().into_iter().flatten() {
        let key = format!(
            "{} {} {}",
            entry["manager"], entry["operation"], entry["subresource"]
        );
        managers.insert(key, entry["fieldsV1"].clone());
    }
    without_strategy(&mut value);
    without_empty(&mut value);
    (value, managers)
}

/// What the storage of a kind sets or clears beyond merge and defaults.
fn without_strategy(value: &mut Value) {
    if let Some(Value::Object(annotations)) = value.pointer_mut("/metadata/annotations") {
        annotations.remove("deprecated.daemonset.template.generation");
    }
    if let Some(Value::Object(spec)) = value.get_mut("spec") {
        spec.remove("externalTrafficPolicy");
    }
}

/// Structs that Go always writes, and empty lists, which storage drops, are no content.
fn without_empty(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(without_empty);
            let is_empty = |value: &Value| match value {
                Value::Null => true,
                Value::Object(map) => map.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            *map = std::mem::take(map)
                .into_iter()
                .filter(|(_, value)| !is_empty(value))
                .collect::<Map<_, _>>();
        }
        Value::Array(items) => items.iter_mut().for_each(without_empty),
        _ => {}
    }
}
