use gitops_core::{
    GroupVersionKind, Manifest, Scope,
    schema::{ListTopology, Schemas as _, Type},
};
use serde_json::json;

use super::*;

#[test]
fn openapi_v3_gives_key_defaults_and_scopes() {
    let mut set = SchemaSet::new();
    set.add_openapi(&json!({
        "components": {"schemas": {
            "com.example.Thing": {
                "type": "object",
                "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Thing"}],
                "properties": {
                    "ports": {
                        "type": "array", "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["port", "protocol"],
                        "items": {"allOf": [{"$ref": "#/components/schemas/com.example.Port"}], "default": {}},
                    },
                    "again": {"$ref": "#/components/schemas/com.example.Thing", "x-kubernetes-map-type": "atomic"},
                },
            },
            "com.example.Port": {
                "type": "object",
                "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}},
            },
        }},
        "paths": {
            "/apis/example.com/v1/namespaces/{namespace}/things": {"post": {
                "x-kubernetes-group-version-kind": {"group": "example.com", "version": "v1", "kind": "Thing"},
            }},
        },
    }))
    .unwrap();
    let gvk = GroupVersionKind::new("example.com", "v1", "Thing");
    assert_eq!(set.scope(&gvk), Some(Scope::Namespaced));
    let schema = set.schema(&gvk).unwrap();
    let Type::Map(root) = schema.root() else {
        panic!()
    };
    let Type::List(ports) = schema.get(root.fields["ports"].ty) else {
        panic!()
    };
    let ListTopology::Map(keys) = &ports.topology else {
        panic!()
    };
    assert_eq!(keys[0].default, None);
    assert_eq!(keys[1].default, Some(json!("TCP")));
    let Type::Map(again) = schema.get(root.fields["again"].ty) else {
        panic!()
    };
    assert!(again.atomic && !root.atomic);
}

#[test]
fn crds_have_metadata_and_keep_what_they_say() {
    let crd = Manifest::try_from(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "metadata": {"type": "object"},
                    "spec": {"type": "object", "properties": {
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                                  "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}},
                        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                    }},
                },
            }}}],
        },
    }))
    .unwrap();
    let mut set = SchemaSet::new();
    set.add_crd(&crd).unwrap();
    let gvk = GroupVersionKind::new("example.com", "v1", "Widget");
    assert_eq!(set.scope(&gvk), Some(Scope::Cluster));
    let schema = set.schema(&gvk).unwrap();
    let good = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x", "labels": {"a": "b"}},
                      "spec": {"free": {"x": 1, "a": {"z": 1}}, "tags": ["a"]}});
    crate::merge::validate(&schema, &good).unwrap();
    let bad = json!({"apiVersion": "example.com/v1", "kind": "Widget", "spec": {"other": 1}});
    assert_eq!(
        crate::merge::validate(&schema, &bad)
            .unwrap_err()
            .to_string(),
        ".spec.other: field not declared in schema"
    );
}

#[test]
fn broken_schemas_are_errors() {
    assert_eq!(
        SchemaSet::new().add_openapi(&json!({})),
        Err(SchemaError::NotOpenApi)
    );
    let gvk = json!([{"group": "", "version": "v1", "kind": "A"}]);
    let document = json!({"definitions": {"A": {"x-kubernetes-group-version-kind": gvk,
        "properties": {"b": {"$ref": "#/definitions/B"}}}}});
    assert_eq!(
        SchemaSet::new().add_openapi(&document),
        Err(SchemaError::UnknownReference {
            name: "B".to_owned()
        })
    );
}
