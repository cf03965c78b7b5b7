use std::sync::Arc;

use gitops_core::{GroupVersionKind, Manifest, clock::Timestamp, schema::Schemas as _};
use serde_json::json;

use super::*;
use crate::schema::SchemaSet;

fn schema() -> Arc<Schema> {
    let mut set = SchemaSet::new();
    let meta = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    }});
    set.add_openapi(&json!({"definitions": {
        "Thing": {
            "type": "object",
            "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}],
            "properties": {
                "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": meta,
                "spec": {"type": "object", "default": {}, "properties": {
                    "replicas": {"type": "integer"},
                    "image": {"type": "string"},
                    "args": {"type": "array", "items": {"type": "string"}},
                    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    "ports": {
                        "type": "array", "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port", "protocol"],
                        "items": {"type": "object", "properties": {
                            "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"},
                            "name": {"type": "string"},
                        }},
                    },
                }},
                "status": {"type": "object"},
            },
        },
    }}))
    .unwrap();
    set.schema(&GroupVersionKind::new("example.com", "v1", "Thing"))
        .unwrap()
}

fn thing(spec: Value) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec,
    }))
    .unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn apply(
    live: Option<&Manifest>,
    spec: Value,
    manager: &str,
    force: bool,
    second: i64,
) -> Result<Manifest, ApplyError> {
    let schema = schema();
    let applied = thing(spec);
    let request = ApplyRequest::new(live, &applied, manager, at(second))
        .schema(Some(&schema))
        .force(force);
    server_side_apply(&request).map(|applied| applied.object)
}

fn spec(object: &Manifest) -> &Value {
    &object.as_map()["spec"]
}

#[test]
fn an_apply_that_changes_nothing_leaves_the_object_as_it_is() {
    let first = apply(
        None,
        json!({"replicas": 1, "ports": [{"port": 80}]}),
        "a",
        false,
        0,
    )
    .unwrap();
    let second = apply(
        Some(&first),
        json!({"replicas": 1, "ports": [{"port": 80}]}),
        "a",
        false,
        60,
    )
    .unwrap();
    assert_eq!(first, second);
    let fields = &first.managed_fields().next().unwrap()["fieldsV1"];
    assert_eq!(
        *fields,
        json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}, "f:replicas": {}}})
    );
}

#[test]
fn what_is_not_stated_any_more_goes() {
    let first = apply(
        None,
        json!({"replicas": 1, "image": "x", "ports": [{"port": 80}, {"port": 81}], "tags": ["a", "b"]}),
        "a",
        false,
        0,
    )
    .unwrap();
    let second = apply(
        Some(&first),
        json!({"image": "x", "ports": [{"port": 81}], "tags": ["b"]}),
        "a",
        false,
        60,
    )
    .unwrap();
    assert_eq!(
        *spec(&second),
        json!({"image": "x", "ports": [{"port": 81}], "tags": ["b"]})
    );
}

#[test]
fn conflicts_name_field_and_manager() {
    let first = apply(None, json!({"replicas": 1}), "a", false, 0).unwrap();
    let error = apply(Some(&first), json!({"replicas": 2}), "b", false, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas"
    );
    let forced = apply(Some(&first), json!({"replicas": 2}), "b", true, 1).unwrap();
    assert_eq!(*spec(&forced), json!({"replicas": 2}));
    let managers: Vec<_> = forced
        .managed_fields()
        .map(|e| e["manager"].clone())
        .collect();
    assert_eq!(managers, ["b"]);
}

#[test]
fn co_owned_fields_stay() {
    let first = apply(None, json!({"replicas": 1, "image": "x"}), "a", false, 0).unwrap();
    let second = apply(Some(&first), json!({"replicas": 1}), "b", false, 1).unwrap();
    let third = apply(Some(&second), json!({"image": "x"}), "a", false, 2).unwrap();
    assert_eq!(*spec(&third), json!({"replicas": 1, "image": "x"}));
}

#[test]
fn updates_take_ownership_of_what_they_change() {
    let schema = schema();
    let first = apply(None, json!({"replicas": 1, "image": "x"}), "a", false, 0).unwrap();
    let mut updated = first.clone();
    updated.as_map_mut().get_mut("spec").unwrap()["replicas"] = json!(5);
    let request = UpdateRequest::new(Some(&first), &updated, "scaler", at(5)).schema(Some(&schema));
    let updated = record_update(&request);
    let entries: Vec<_> = updated.managed_fields().cloned().collect();
    assert_eq!(entries[0]["fieldsV1"], json!({"f:spec": {"f:image": {}}}));
    assert_eq!(entries[1]["manager"], "scaler");
    assert_eq!(
        entries[1]["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}}})
    );
    let error = apply(Some(&updated), json!({"replicas": 1}), "a", false, 6).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"scaler\" using example.com/v1: .spec.replicas"
    );
}

#[test]
fn creates_are_tracked_without_the_structs_that_are_always_there() {
    let schema = schema();
    let object = thing(json!({"replicas": 1}));
    let request = UpdateRequest::new(None, &object, "kubectl-create", at(0)).schema(Some(&schema));
    let created = record_update(&request);
    assert_eq!(
        created.managed_fields().next().unwrap()["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}}})
    );
}

#[test]
fn lists_keep_the_live_order_but_for_shared_items() {
    let order = |live: &[&str], applied: &[&str]| {
        let merged = merge(
            &schema(),
            &json!({"spec": {"tags": live}}),
            &json!({"spec": {"tags": applied}}),
        )
        .unwrap();
        merged["spec"]["tags"].clone()
    };
    assert_eq!(order(&["a", "b", "c"], &["c", "a"]), json!(["b", "c", "a"]));
    assert_eq!(order(&["a", "b"], &["x", "b"]), json!(["a", "x", "b"]));
    assert_eq!(order(&["a"], &[]), json!(["a"]));
}

#[test]
fn without_schema_lists_are_atomic() {
    let object = |list: Value| {
        Manifest::try_from(json!({"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"l": list}}))
            .unwrap()
    };
    let first = object(json!([1, 2]));
    let first = server_side_apply(&ApplyRequest::new(None, &first, "a", at(0)))
        .unwrap()
        .object;
    let second = object(json!([3]));
    let second = server_side_apply(&ApplyRequest::new(Some(&first), &second, "a", at(1))).unwrap();
    assert_eq!(second.object.as_map()["spec"], json!({"l": [3]}));
    assert!(second.changed);
}

#[test]
fn an_item_without_a_name_is_not_merged_in() {
    let schema = schema();
    let live = thing(json!({"replicas": 1})).to_value();
    let applied = thing(json!({"ports": [null]})).to_value();
    let error = merge(&schema, &live, &applied).unwrap_err().to_string();
    assert!(error.contains(".spec.ports"), "{error}");
    let named = thing(json!({"ports": [{"port": 80}]})).to_value();
    let merged = merge(&schema, &live, &named).unwrap();
    assert_eq!(
        merged["spec"],
        json!({"replicas": 1, "ports": [{"port": 80}]})
    );
}
