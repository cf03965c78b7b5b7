//! The fuzz targets on their seeds, and on random JSON.

#[path = "../../fuzz/checks.rs"]
#[allow(unreachable_pub)]
mod checks;

use std::{fs, path::Path};

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use serde_json::{Value, json};

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        run(&fs::read(entry.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn seeds() {
    replay("fields_v1", checks::fields_v1);
    replay("schema", checks::schema);
    replay("merge", checks::merge);
}

/// JSON with the names that Kubernetes' types have.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_i64..90).prop_map(Value::from),
        Just(json!(1.5)),
        prop_oneof![
            Just(""),
            Just("a"),
            Just("1"),
            Just("TCP"),
            Just("delete"),
            Just("YQ==")
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("name"),
        Just("spec"),
        Just("metadata"),
        Just("template"),
        Just("containers"),
        Just("ports"),
        Just("containerPort"),
        Just("port"),
        Just("env"),
        Just("labels"),
        Just("annotations"),
        Just("finalizers"),
        Just("status"),
        Just("data"),
        Just("stringData"),
        Just("rules"),
        Just("subsets"),
        Just("addresses"),
        Just("$patch"),
        Just("volumes"),
        Just("$setElementOrder/ports"),
        Just("$retainKeys"),
        Just("managedFields"),
        Just("strategy"),
        Just("fieldsV1"),
        Just("manager"),
        Just("operation"),
        Just("apiVersion"),
        Just("f:spec"),
        Just("kubectl.kubernetes.io/last-applied-configuration"),
        Just("volumeClaimTemplates"),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name.clone(), inner, 0..5).prop_map(|map| map
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![
        Just(("apps/v1", "Deployment")),
        Just(("apps/v1", "StatefulSet")),
        Just(("v1", "Service")),
        Just(("v1", "Pod")),
        Just(("v1", "Secret")),
        Just(("v1", "Endpoints")),
        Just(("x.io/v1", "X")),
        Just(("rbac.authorization.k8s.io/v1", "ClusterRole")),
        Just(("v1", "ConfigMap")),
    ];
    (
        kind,
        btree_map(
            prop_oneof![
                Just("metadata"),
                Just("spec"),
                Just("data"),
                Just("stringData"),
                Just("subsets"),
                Just("rules")
            ],
            value(),
            0..4,
        ),
    )
        .prop_map(|((api_version, kind), map)| {
            let mut object = json!({"apiVersion": api_version, "kind": kind});
            for (name, value) in map {
                object[name] = value;
            }
            object
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_panics(desired in object(), live in object(), same_kind in any::<bool>()) {
        let mut live = live;
        if same_kind {
            live["apiVersion"] = desired["apiVersion"].clone();
            live["kind"] = desired["kind"].clone();
        }
        checks::merge(json!([desired, live]).to_string().as_bytes());
        checks::fields_v1(desired.to_string().as_bytes());
        checks::schema(json!({"definitions": desired}).to_string().as_bytes());
    }
}
