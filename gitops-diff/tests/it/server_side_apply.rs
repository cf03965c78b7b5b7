//! Sequences of applies and updates against the answers of apimachinery's field manager.
//!
//! `fixtures/apply.jsonl.zz` holds sequences of random applies, forced applies and updates of
//! Deployments, Services, ConfigMaps and a kind without schema, each with the object after each
//! step, made with `managedfieldstest` of k8s.io/apimachinery 0.34. `GITOPS_APPLY_ORACLE` names a
//! longer file of the same form, not compressed.

use std::{collections::BTreeMap, io::Read as _};

use gitops_core::{Manifest, clock::Timestamp, schema::Schemas as _};
use gitops_diff::{
    bundled_schemas,
    fields::FieldSet,
    merge::{ApplyRequest, UpdateRequest, record_update, server_side_apply},
};
use serde_json::{Value, json};

static FIXTURE: &[u8] = include_bytes!("../fixtures/apply.jsonl.zz");

fn sequences() -> Vec<Value> {
    let text = match std::env::var("GITOPS_APPLY_ORACLE") {
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

/// The object without `managedFields`, and the entries without times, by manager.
fn parts(object: &Manifest) -> (Value, BTreeMap<String, (Value, bool)>) {
    let mut value = object.to_value();
    let entries = value
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .and_then(|metadata| metadata.remove("managedFields"))
        .unwrap_or(json!([]));
    let mut by_manager = BTreeMap::new();
    for entry in entries.as_array().into_iter().flatten() {
        let key = format!(
            "{} {} {}",
            entry["manager"], entry["operation"], entry["apiVersion"]
        );
        by_manager.insert(
            key,
            (entry["fieldsV1"].clone(), entry.get("time").is_some()),
        );
    }
    (value, by_manager)
}

#[test]
fn applies_and_updates_are_those_of_the_api_server() {
    let schemas = bundled_schemas();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let (mut steps, mut wrong) = (0, Vec::new());
    for sequence in sequences() {
        let first = &sequence["steps"][0];
        let first = if first["apply"].is_null() {
            &first["update"]
        } else {
            &first["apply"]
        };
        let mut live = Manifest::try_from(
            json!({"apiVersion": first["apiVersion"], "kind": sequence["kind"]}),
        )
        .unwrap();
        let schema = schemas.schema(&live.gvk());
        for (at, step) in sequence["steps"].as_array().unwrap().iter().enumerate() {
            steps += 1;
            let manager = step["manager"].as_str().unwrap();
            let result = if step["apply"].is_null() {
                let updated = Manifest::try_from(step["update"].clone()).unwrap();
                let mut request = UpdateRequest::new(Some(&live), &updated, manager, now)
                    .schema(schema.as_deref());
                request.reset = FieldSet::new();
                Ok(record_update(&request))
            } else {
                let applied = Manifest::try_from(step["apply"].clone()).unwrap();
                let mut request = ApplyRequest::new(Some(&live), &applied, manager, now)
                    .schema(schema.as_deref())
                    .force(step["force"] == true);
                request.reset = FieldSet::new();
                server_side_apply(&request)
                    .map(|applied| applied.object)
                    .map_err(|error| error.to_string())
            };
            let expected = Manifest::try_from(step["live"].clone()).unwrap();
            let fault = match (&result, step["error"].as_str()) {
                (Ok(object), None) if parts(object) == parts(&expected) => None,
                (Err(error), Some(expected)) if error == expected => None,
                (Ok(object), None) => Some(format!(
                    "{:#?}\nshould be\n{:#?}",
                    parts(object),
                    parts(&expected)
                )),
                (result, error) => Some(format!("{result:?} should be {error:?}")),
            };
            if let Some(fault) = fault {
                wrong.push(format!("{} step {at}: {fault}", sequence["id"]));
            }
            live = expected;
        }
    }
    println!("server-side apply: {}/{steps}", steps - wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {steps} are wrong, such as\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n")
    );
}
