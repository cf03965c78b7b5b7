//! Laws that hold for all objects.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{
    Manifest,
    clock::Timestamp,
    diff::{ChangeKind, DiffOptions, Differ as _, Verdict},
    object::{CompactManifest, CompactPool},
    schema::{Schema, Schemas as _},
};
use gitops_diff::{
    StructuralDiffer, bundled_schemas,
    fields::{FieldSet, values_equal},
    mask::mask_pair,
    merge::{ApplyRequest, compare, field_set, merge, server_side_apply},
    normalize::canonical,
    patch::json_patch,
    proof::is_strictly_unchanged,
    view::{View, ViewOptions},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::subsequence,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any JSON.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map("[a-d/~]{1,2}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The object as a cache holds it.
fn packed(object: &Manifest) -> Manifest {
    CompactManifest::new(object, &mut CompactPool::default()).manifest()
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let ports = subsequence(
        vec![(80, None), (81, Some("TCP")), (80, Some("UDP"))],
        0..=3,
    )
    .prop_shuffle();
    let env = subsequence(vec!["A", "B", "C"], 0..=3).prop_shuffle();
    (
        option::of(0..3_u8),
        ports,
        env,
        option::of(vec("[a-b]", 0..3)),
        option::of(prop_oneof![Just("1"), Just("1000m")]),
    )
        .prop_map(move |(image, ports, env, args, cpu)| {
            let mut out = Map::new();
            out.insert("name".into(), name.into());
            if let Some(image) = image {
                out.insert("image".into(), format!("i:{image}").into());
            }
            let ports: Vec<Value> = ports
                .into_iter()
                .map(|(port, protocol)| match protocol {
                    Some(protocol) => json!({"containerPort": port, "protocol": protocol}),
                    None => json!({"containerPort": port}),
                })
                .collect();
            if !ports.is_empty() {
                out.insert("ports".into(), ports.into());
            }
            if !env.is_empty() {
                let env: Vec<Value> = env
                    .iter()
                    .map(|n| json!({"name": n, "value": "1"}))
                    .collect();
                out.insert("env".into(), env.into());
            }
            if let Some(args) = args {
                out.insert("args".into(), args.into());
            }
            if let Some(cpu) = cpu {
                out.insert("resources".into(), json!({"limits": {"cpu": cpu}}));
            }
            Value::Object(out)
        })
}

fn deployment() -> impl Strategy<Value = Manifest> {
    let containers = (container("a"), container("b"), container("c"));
    let order = subsequence(vec![0_usize, 1, 2], 1..=3).prop_shuffle();
    (
        option::of(0..4_u8),
        containers,
        order,
        btree_map("[a-c]", "[12]", 0..3),
    )
        .prop_map(|(replicas, (a, b, c), order, labels)| {
            let all = [a, b, c];
            let containers: Vec<Value> = order.into_iter().map(|at| all[at].clone()).collect();
            let mut spec = json!({"template": {"spec": {"containers": containers}}});
            if let Some(replicas) = replicas {
                spec["replicas"] = replicas.into();
            }
            object(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "n", "labels": labels}, "spec": spec,
            }))
        })
}

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).unwrap()
}

fn schema(object: &Manifest) -> Arc<Schema> {
    bundled_schemas().schema(&object.gvk()).unwrap()
}

fn apply(live: Option<&Manifest>, applied: &Manifest, manager: &str) -> (Manifest, bool) {
    let schema = schema(applied);
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let request = ApplyRequest::new(live, applied, manager, now)
        .schema(Some(&schema))
        .force(true);
    let applied = server_side_apply(&request).unwrap();
    (applied.object, applied.changed)
}

fn patched(before: &Value, patch: &json_patch::Patch) -> Value {
    let mut value = before.clone();
    json_patch::patch(&mut value, patch).unwrap();
    value
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_patch_leads_from_one_value_to_the_other(a in json_value(), b in json_value()) {
        prop_assert_eq!(patched(&a, &json_patch(None, &a, &b)), b);
    }

    #[test]
    fn a_patch_leads_from_one_object_to_the_other(a in deployment(), b in deployment()) {
        let (schema, before, after) = (schema(&a), a.to_value(), b.to_value());
        prop_assert_eq!(patched(&before, &json_patch(Some(&schema), &before, &after)), after);
    }

    #[test]
    fn nothing_differs_from_itself(a in deployment()) {
        let schema = schema(&a);
        prop_assert!(json_patch(Some(&schema), &a.to_value(), &a.to_value()).0.is_empty());
        prop_assert!(compare(&schema, &a.to_value(), &a.to_value()).unwrap().is_same());
        prop_assert!(View::new(Some(&a), Some(&a), ViewOptions::default()).is_empty());
        let (live, _) = apply(None, &a, "gitops");
        let diff = StructuralDiffer::default()
            .diff(&a, Some(&live), &bundled_schemas(), &DiffOptions::default())
            .unwrap();
        prop_assert_eq!(diff.verdict, Verdict::Unchanged);
        prop_assert!(diff.changes.is_empty());
    }

    #[test]
    fn the_order_of_named_items_is_no_difference(a in deployment(), seed in any::<u64>()) {
        let mut b = a.to_value();
        let containers = b.pointer_mut("/spec/template/spec/containers").unwrap().as_array_mut().unwrap();
        let by = usize::try_from(seed % 3).unwrap() % containers.len();
        containers.rotate_left(by);
        prop_assert!(compare(&schema(&a), &a.to_value(), &b).unwrap().is_same());
        let (x, y) = (field_set(&schema(&a), &a.to_value()).unwrap(), field_set(&schema(&a), &b).unwrap());
        prop_assert_eq!(x, y);
    }

    #[test]
    fn merging_twice_is_merging_once(a in deployment(), b in deployment()) {
        let schema = schema(&a);
        let once = merge(&schema, &a.to_value(), &b.to_value()).unwrap();
        let twice = merge(&schema, &once, &b.to_value()).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn the_proof_says_what_the_apply_does(
        a in deployment(), b in deployment(), c in deployment(), same in any::<bool>(),
    ) {
        let (first, _) = apply(None, &a, "gitops");
        let (live, _) = apply(Some(&first), &b, "other");
        let desired = if same { a } else { c };
        let proven = is_strictly_unchanged(&desired, &live, "gitops", Some(&schema(&desired)));
        let (_, changed) = apply(Some(&live), &desired, "gitops");
        prop_assert_eq!(proven, !changed);
        let packed = packed(&live);
        prop_assert_eq!(proven, is_strictly_unchanged(&desired, &packed, "gitops", Some(&schema(&desired))));
    }

    #[test]
    fn how_a_live_object_is_kept_does_not_matter(
        a in deployment(), b in deployment(), c in deployment(), same in any::<bool>(),
    ) {
        let (first, _) = apply(None, &a, "gitops");
        let (live, _) = apply(Some(&first), &b, "other");
        let desired = if same { a } else { c };
        let diff = |live: &Manifest| {
            let diff = StructuralDiffer::default();
            let diff = diff.diff(&desired, Some(live), &bundled_schemas(), &DiffOptions::default());
            serde_json::to_value(diff.unwrap()).unwrap()
        };
        prop_assert_eq!(diff(&live), diff(&packed(&live)));
    }

    #[test]
    fn the_prediction_is_the_apply(a in deployment(), b in deployment(), c in deployment()) {
        let (first, _) = apply(None, &a, "gitops");
        let (live, _) = apply(Some(&first), &b, "other");
        let (after, changed) = apply(Some(&live), &c, "gitops");
        let diff = StructuralDiffer::default()
            .diff(&c, Some(&live), &bundled_schemas(), &DiffOptions::default())
            .unwrap();
        prop_assert_eq!(diff.is_changed(), changed);
        for change in &diff.changes {
            let (before, added) = (live.pointer(&change.pointer), change.kind == ChangeKind::Added);
            if added {
                prop_assert!(c.pointer(&change.pointer).is_some(), "{change} at {}", change.pointer);
            } else {
                prop_assert!(before.is_some(), "{change} at {}", change.pointer);
            }
            // Where only the order changes, names are shown.
            let order = change.before.as_ref().is_some_and(Value::is_array);
            if let (false, Some(shown)) = (order || added, &change.before) {
                prop_assert_eq!(Some(shown), before);
            }
        }
        let (now, then) = (live.to_value(), diff.predicted.as_ref().unwrap().to_value());
        let patch = json_patch(Some(&schema(&c)), &now, &then);
        prop_assert_eq!(patched(&now, &patch), then);
        let spec = |object: &Manifest| object.as_map()["spec"].clone();
        prop_assert_eq!(spec(&canonical(&diff.predicted.unwrap())), spec(&canonical(&after)));
    }

    #[test]
    fn sets_are_sets(a in deployment(), b in deployment()) {
        let schema = schema(&a);
        let set = |object: &Manifest| field_set(&schema, &object.to_value()).unwrap();
        let (x, y) = (set(&a), set(&b));
        let union = x.union(&y);
        prop_assert_eq!(&union.difference(&y).union(&x.intersection(&y)), &x);
        prop_assert_eq!(union.len() + x.intersection(&y).len(), x.len() + y.len());
        prop_assert_eq!(FieldSet::from_fields_v1(&x.to_fields_v1()).unwrap(), x);
    }

    #[test]
    fn masks_hide_secrets(
        values in btree_map("[a-d]", "[a-zA-Z0-9]{8,20}", 1..4),
        others in btree_map("[a-d]", "[a-zA-Z0-9]{8,20}", 0..4),
        plain in any::<bool>(),
    ) {
        let secret = |values: &std::collections::BTreeMap<String, String>, plain: bool| {
            let data: Map<String, Value> = values
                .iter()
                .map(|(k, v)| (k.clone(), if plain { v.clone() } else { STANDARD.encode(v) }.into()))
                .collect();
            let section = if plain { "stringData" } else { "data" };
            let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
            object[section] = Value::Object(data);
            let copy = object.to_string();
            object["metadata"]["annotations"] = json!({
                "kubectl.kubernetes.io/last-applied-configuration": copy,
                "copy": values.values().next().cloned().unwrap_or_default(),
            });
            self::object(object)
        };
        let (before, after) = (secret(&values, false), secret(&others, plain));
        let (a, b) = mask_pair(Some(&before), Some(&after));
        let view = View::new(Some(&before), Some(&after), ViewOptions::default());
        let (live, _) = apply(None, &before, "gitops");
        let diff = StructuralDiffer::default()
            .diff(&after, Some(&live), &bundled_schemas(), &DiffOptions::default())
            .unwrap();
        let shown = [
            serde_json::to_string(&(a, b)).unwrap(),
            view.unified(),
            view.side_by_side(),
            view.html(),
            view.markdown(),
            serde_json::to_string(&diff).unwrap(),
            format!("{diff:?}"),
        ];
        for value in values.values().chain(others.values()) {
            for text in &shown {
                prop_assert!(!text.contains(value.as_str()), "{value} is in {text}");
                prop_assert!(!text.contains(&STANDARD.encode(value)), "{value} is in {text}");
            }
        }
    }

    #[test]
    fn numbers_are_equal_by_value(n in -1000_i64..1000) {
        let float = Value::from(f64::from(i32::try_from(n).unwrap()));
        prop_assert!(values_equal(&n.into(), &float));
    }
}
