//! Predictions against the answers of a kube-apiserver.
//!
//! `fixtures/server.jsonl.zz` holds random live objects of 20 kinds with several managers, what is
//! desired of them, and what kube-apiserver 1.34 answered to a dry-run of a forced apply.
//! `GITOPS_SERVER_ANSWERS` names a longer file of the same form, not compressed.

use std::{collections::BTreeMap, io::Read as _};

use gitops_core::{
    Manifest,
    diff::{DiffOptions, Differ as _, Verdict},
    schema::Schemas as _,
};
use gitops_diff::{
    StructuralDiffer, bundled_schemas,
    merge::{ApplyRequest, server_side_apply},
    normalize::with_defaults,
    proof::{differs_in_content, is_strictly_unchanged},
};
use serde_json::{Map, Value};

static FIXTURE: &[u8] = include_bytes!("../fixtures/server.jsonl.zz");

fn cases() -> Vec<Value> {
    let text = match std::env::var("GITOPS_SERVER_ANSWERS") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => {
            let mut text = String::new();
            flate2::read::ZlibDecoder::new(FIXTURE)
                .read_to_string(&mut text)
                .unwrap();
            text
        }
    };
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The object without what is the server's, and its managers without times.
fn parts(object: &Manifest) -> (Value, BTreeMap<String, Value>) {
    let mut value = object.to_value();
    let metadata = value["metadata"].as_object_mut().unwrap();
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
            let kept: Map<String, Value> = std::mem::take(map)
                .into_iter()
                .filter(|(_, value)| {
                    !value.is_null()
                        && !value.as_object().is_some_and(Map::is_empty)
                        && !value.as_array().is_some_and(Vec::is_empty)
                })
                .collect();
            *map = kept;
        }
        Value::Array(items) => items.iter_mut().for_each(without_empty),
        _ => {}
    }
}

#[test]
fn predictions_are_the_answers_of_the_api_server() {
    let schemas = bundled_schemas();
    let options = DiffOptions::default();
    let (mut total, mut proven, mut quiet, mut wrong) = (0, 0, 0, Vec::new());
    for case in cases() {
        total += 1;
        let object = |key: &str| Manifest::try_from(case[key].clone()).unwrap();
        let (live, desired, answer) = (object("live"), object("desired"), object("answer"));
        let schema = schemas.schema(&desired.gvk());
        let writes = differs_in_content(&live, &answer);
        quiet += usize::from(!writes);

        let is_proven = is_strictly_unchanged(&desired, &live, "gitops", schema.as_deref());
        proven += usize::from(is_proven);
        if is_proven && writes {
            wrong.push(format!(
                "{}: said to change nothing, but the server writes",
                case["id"]
            ));
        }

        let diff = StructuralDiffer::default()
            .diff(&desired, Some(&live), &schemas, &options)
            .unwrap();
        if (diff.verdict == Verdict::Unchanged) != is_proven {
            wrong.push(format!("{}: the verdict is {:?}", case["id"], diff.verdict));
        }
        let predicted = parts(&with_defaults(&diff.predicted.unwrap())).0;
        let request = ApplyRequest::new(
            Some(&live),
            &desired,
            "gitops",
            "2026-01-01T00:00:00Z".parse().unwrap(),
        )
        .schema(schema.as_deref())
        .force(true);
        let managers = parts(&server_side_apply(&request).unwrap().object).1;
        let (expected, expected_managers) = parts(&answer);
        if predicted != expected {
            wrong.push(format!(
                "{}: predicted\n{predicted}\nanswered\n{expected}",
                case["id"]
            ));
        } else if managers != expected_managers {
            wrong.push(format!(
                "{}: predicted managers\n{managers:?}\nanswered\n{expected_managers:?}",
                case["id"]
            ));
        }
    }
    println!(
        "predictions: {}/{total}; {proven} of {quiet} applies without effect proven",
        total - wrong.len()
    );
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/server-answers.failures"
    );
    std::fs::write(file, wrong.join("\n\n")).unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {total} are wrong, see {file}",
        wrong.len()
    );
}
