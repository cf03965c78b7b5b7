use serde_json::{Value, json};

use super::*;

fn set(fields: Value) -> FieldSet {
    FieldSet::from_fields_v1(&fields).unwrap()
}

#[test]
fn reads_and_writes_the_same_json() {
    let fields = json!({
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:ports": {
                "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}},
            },
            "f:finalizers": {"v:\"a\"": {}},
            "f:replicas": {},
        },
    });
    assert_eq!(set(fields.clone()).to_fields_v1(), fields);
}

#[test]
fn unknown_elements_are_left_out() {
    assert_eq!(
        set(json!({"f:a": {"z:future": {}}})).to_fields_v1(),
        json!({"f:a": {}})
    );
    assert!(FieldSet::from_fields_v1(&json!({"fa": {}})).is_err());
    assert!(FieldSet::from_fields_v1(&json!({"k:x": {}})).is_err());
    assert!(FieldSet::from_fields_v1(&json!({"f:a": 1})).is_err());
}

#[test]
fn set_operations() {
    let a = set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}));
    let b = set(json!({"f:a": {"f:b": {}, "f:d": {}}}));
    assert_eq!(
        a.union(&b).to_fields_v1(),
        json!({"f:a": {".": {}, "f:b": {}, "f:d": {}}, "f:c": {}})
    );
    assert_eq!(
        a.intersection(&b).to_fields_v1(),
        json!({"f:a": {"f:b": {}}})
    );
    assert_eq!(
        a.difference(&b).to_fields_v1(),
        json!({"f:a": {}, "f:c": {}})
    );
    assert_eq!(
        b.recursive_difference(&set(json!({"f:a": {}})))
            .to_fields_v1(),
        json!({})
    );
    assert_eq!(
        a.leaves().to_fields_v1(),
        json!({"f:a": {"f:b": {}}, "f:c": {}})
    );
    assert_eq!(a.len(), 3);
}

#[test]
fn paths_are_written_as_the_server_does() {
    let path = [
        PathElement::field("spec"),
        PathElement::key(vec![
            ("protocol".into(), json!("TCP")),
            ("port".into(), json!(80)),
        ]),
        PathElement::Value(json!("x")),
    ];
    assert_eq!(path_text(&path), ".spec[port=80,protocol=\"TCP\"][=\"x\"]");
}

#[test]
fn managed_fields_keep_their_order() {
    let entry = |manager: &str, operation: &str, time: &str| {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
               "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}})
    };
    let values = [
        entry("z", "Apply", "2026-01-01T00:00:02Z"),
        entry("b", "Update", "2026-01-01T00:00:01Z"),
        entry("a", "Update", "2026-01-01T00:00:03Z"),
    ];
    let fields = ManagedFields::from_values(values.iter()).unwrap();
    assert_eq!(fields.to_value().unwrap(), Value::Array(values.to_vec()));
}
