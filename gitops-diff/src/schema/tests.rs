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
        ".spec.other: field not declared in schema; remove it, or use the API version that has it"
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

#[test]
fn bundled_kinds_follow_the_version() {
    let old = bundled_discovery("1.17").unwrap();
    let gvk = GroupVersionKind::from_api_version;
    assert_eq!(old.version, "1.17.17");
    let ingress = old.get(&gvk("extensions/v1beta1", "Ingress")).unwrap();
    assert_eq!(
        (ingress.plural.as_str(), ingress.scope),
        ("ingresses", Scope::Namespaced)
    );
    assert!(old.get(&gvk("networking.k8s.io/v1", "Ingress")).is_none());
    assert!(old.get(&gvk("extensions/v1beta1", "Deployment")).is_none());
    assert!(
        old.get(&gvk("rbac.authorization.k8s.io/v1beta1", "Role"))
            .is_some()
    );
    assert_eq!(
        old.get(&gvk("v1", "Namespace")).unwrap().short_names,
        ["ns"]
    );
    assert_eq!(old.preferred["apps"], "v1");
    let new = bundled_discovery("v1.34.1").unwrap();
    assert_eq!(new.version, "1.34.1");
    assert!(new.get(&gvk("extensions/v1beta1", "Ingress")).is_none());
    assert_eq!(new.preferred["autoscaling"], "v2");
    assert!(bundled_discovery("1.12").is_none() && bundled_discovery("x").is_none());
}

#[test]
fn bundled_schemas_know_fields_by_version() {
    let gvk = GroupVersionKind::new("", "v1", "Pod");
    let field = |schemas: &SchemaSet, name: &str| {
        let schema = schemas.schema(&gvk).unwrap();
        let Type::Map(pod) = schema.root() else {
            panic!()
        };
        let Type::Map(spec) = schema.get(pod.fields["spec"].ty) else {
            panic!()
        };
        spec.fields.contains_key(name)
    };
    let old = bundled_schemas_of("1.17").unwrap();
    assert!(!field(&old, "schedulingGates") && field(&old, "containers"));
    let all = bundled_schemas();
    assert!(field(&all, "schedulingGates"));
    let schema = all.schema(&gvk).unwrap();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "c", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": 1}}},
    ]}});
    crate::merge::validate(&schema, &pod).unwrap();
    assert_eq!(
        crate::merge::field_set(&schema, &pod)
            .unwrap()
            .to_fields_v1()["f:spec"],
        json!({"f:containers": {"k:{\"name\":\"c\"}": {
            ".": {}, "f:name": {},
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            "f:resources": {"f:limits": {"f:cpu": {}}},
        }}})
    );
}
