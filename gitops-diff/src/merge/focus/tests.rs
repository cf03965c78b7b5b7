//! An apply to a part is held against one for which everything was looked at.

use std::io::Read as _;

use gitops_core::{
    Manifest,
    clock::Timestamp,
    object::{CompactManifest, CompactPool},
    schema::Schemas as _,
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

use crate::{
    bundled_schemas,
    merge::{
        ApplyRequest, Outcome, UpdateRequest, apply_to_all, apply_to_part, record_update,
        server_side_apply,
    },
    proof::is_strictly_unchanged,
};

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// Whether both ways do the same, and whether it took a part only.
fn compared(live: &Manifest, desired: &Manifest, force: bool) -> Result<bool, String> {
    let schema = bundled_schemas().schema(&desired.gvk());
    let request = ApplyRequest::new(Some(live), desired, "gitops", at(99))
        .schema(schema.as_deref())
        .force(force);
    let text = |result: Result<crate::merge::Applied, _>| match result {
        Ok(applied) => format!(
            "{} {:#}",
            applied.changed,
            Value::Object(applied.object.as_map().clone())
        ),
        Err(error) => format!("{error}"),
    };
    let (one, other) = (
        text(server_side_apply(&request)),
        text(apply_to_all(&request)),
    );
    if one != other {
        return Err(format!(
            "in part:\n{one}\nas a whole:\n{other}\nlive:\n{:#}\ndesired:\n{:#}",
            live.to_value(),
            desired.to_value()
        ));
    }
    let packed = CompactManifest::new(live, &mut CompactPool::default()).manifest();
    let of_packed = ApplyRequest {
        live: Some(&packed),
        ..ApplyRequest::new(None, desired, "gitops", at(99))
            .schema(schema.as_deref())
            .force(force)
    };
    let from_packed = text(server_side_apply(&of_packed));
    if one != from_packed {
        return Err(format!("of a tree:\n{one}\npacked:\n{from_packed}"));
    }
    let proven = |live| is_strictly_unchanged(desired, live, "gitops", schema.as_deref());
    if proven(live) != proven(&packed) {
        return Err(format!(
            "of a tree {}, packed {}",
            proven(live),
            proven(&packed)
        ));
    }
    Ok(!matches!(
        apply_to_part(&request, &[]),
        Ok(Outcome::All) | Err(_)
    ))
}

fn lines(compressed: &[u8]) -> Vec<Value> {
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(compressed)
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn parts_are_enough_for_objects_of_a_server() {
    let cases = lines(include_bytes!("../../../tests/fixtures/server.jsonl.zz"));
    let (mut total, mut parts) = (0, 0);
    // Each state with every third desired one of its kind.
    for (at, case) in cases.iter().enumerate() {
        let live = object(case["live"].clone());
        let others = cases.iter().skip(at % 3).step_by(3);
        for other in std::iter::once(case).chain(others).filter(|other| {
            ["kind", "apiVersion"]
                .iter()
                .all(|key| other["live"][*key] == case["live"][*key])
        }) {
            let mut desired = other["desired"].clone();
            desired["metadata"]["name"] = live.name().into();
            desired["metadata"]["namespace"] = live.namespace().into();
            for force in [true, false] {
                total += 1;
                parts += usize::from(compared(&live, &object(desired.clone()), force).unwrap());
            }
        }
    }
    assert!(parts * 3 > total, "{parts} of {total}");
}

#[test]
fn parts_are_enough_for_kinds_without_schema() {
    for sequence in lines(include_bytes!("../../../tests/fixtures/apply.jsonl.zz")) {
        let steps = sequence["steps"].as_array().unwrap();
        for pair in steps.windows(2) {
            let live = object(pair[0]["live"].clone());
            for step in steps.iter().filter(|step| !step["apply"].is_null()) {
                compared(&live, &object(step["apply"].clone()), true).unwrap();
            }
        }
    }
}

fn text() -> impl Strategy<Value = Value> {
    select(vec!["1", "2", "1000m"]).prop_map(Value::from)
}

fn texts() -> impl Strategy<Value = Value> {
    let some =
        btree_map("[a-c]", text(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()));
    prop_oneof![4 => some, 1 => Just(Value::Null)]
}

fn items(key: &'static str, fields: &[&'static str]) -> impl Strategy<Value = Value> + use<> {
    let fields = fields.to_vec();
    let names = subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle();
    let rest = vec((0..fields.len(), text(), any::<bool>()), 4);
    (names, rest).prop_map(move |(names, rest)| {
        let items = names
            .into_iter()
            .zip(rest)
            .map(|(name, (field, value, stated))| {
                let mut item = Map::new();
                item.insert(key.to_owned(), name.into());
                if stated {
                    item.insert(fields[field].to_owned(), value);
                }
                Value::Object(item)
            });
        items.collect()
    })
}

fn ports() -> impl Strategy<Value = Value> {
    let all = vec![
        json!({"containerPort": 80}),
        json!({"containerPort": 80, "protocol": "UDP", "name": "u"}),
        json!({"containerPort": 81, "protocol": "TCP"}),
    ];
    subsequence(all, 0..=3).prop_shuffle().prop_map(Value::from)
}

fn containers() -> impl Strategy<Value = Value> {
    let one = (
        option::of(text()),
        option::of(items("name", &["value"])),
        option::of(ports()),
        option::of(texts()),
        option::of(vec(text(), 0..3)),
    );
    let names = subsequence(vec!["x", "y", "z"], 0..=3).prop_shuffle();
    (names, vec(one, 3)).prop_map(|(names, all)| {
        let containers = names.into_iter().zip(all);
        let containers = containers.map(|(name, (image, env, ports, limits, args))| {
            let mut out = json!({"name": name});
            let mut set = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    out[key] = value;
                }
            };
            set("image", image);
            set("env", env);
            set("ports", ports);
            set("resources", limits.map(|limits| json!({"limits": limits})));
            set("args", args.map(Value::from));
            out
        });
        containers.collect()
    })
}

fn deployment() -> impl Strategy<Value = Manifest> {
    (
        option::of(0..3_u8),
        texts(),
        option::of(texts()),
        containers(),
        option::of(items("name", &["emptyDir"])),
        option::of(subsequence(vec!["f/1", "f/2", "f/3"], 0..=3).prop_shuffle()),
    )
        .prop_map(
            |(replicas, labels, annotations, containers, volumes, finalizers)| {
                let mut out = json!({
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {"name": "web", "namespace": "n", "labels": labels},
                    "spec": {"template": {"spec": {"containers": containers}}},
                });
                if let Some(replicas) = replicas {
                    out["spec"]["replicas"] = replicas.into();
                }
                if let Some(annotations) = annotations {
                    out["metadata"]["annotations"] = annotations;
                }
                if let Some(finalizers) = finalizers {
                    out["metadata"]["finalizers"] = finalizers.into();
                }
                if let Some(Value::Array(mut volumes)) = volumes {
                    for volume in &mut volumes {
                        if volume.get("emptyDir").is_some() {
                            volume["emptyDir"] = json!({});
                        }
                    }
                    out["spec"]["template"]["spec"]["volumes"] = volumes.into();
                }
                object(out)
            },
        )
}

/// Live after an apply of ours, and applies and updates of others.
fn state() -> impl Strategy<Value = (Manifest, Manifest)> {
    (deployment(), deployment(), deployment(), 0..8_u8).prop_map(|(a, b, c, who)| {
        let schemas = bundled_schemas();
        let schema = schemas.schema(&a.gvk());
        let apply = |live: Option<&Manifest>, applied: &Manifest, manager: &str, second: i64| {
            let request = ApplyRequest::new(live, applied, manager, at(second))
                .schema(schema.as_deref())
                .force(true);
            apply_to_all(&request).unwrap().object
        };
        let mut live = apply(None, &a, if who & 1 == 0 { "gitops" } else { "third" }, 1);
        live.metadata_mut().insert("uid".into(), "u".into());
        if who & 2 == 0 {
            live = apply(Some(&live), &b, "other", 2);
        }
        if who & 4 == 0 {
            let mut new = live.clone();
            new.set_label("a", "9");
            new.as_map_mut()["spec"]["paused"] = true.into();
            new.as_map_mut()
                .insert("status".into(), json!({"replicas": 1}));
            let update = UpdateRequest::new(Some(&live), &new, "controller", at(3));
            live = record_update(&update.schema(schema.as_deref()));
        }
        (live, if who == 0 { a } else { c })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_part_is_enough((live, desired) in state(), edit in any::<bool>(), force in any::<bool>()) {
        if let Err(difference) = compared(&live, &desired, force) {
            prop_assert!(false, "{difference}");
        }
        // What somebody has applied, with one leaf changed.
        let Some(mut small) = stated_by(&live, "gitops") else { return Ok(()) };
        if edit {
            small.set_label("b", "7");
        }
        if let Err(difference) = compared(&live, &small, force) {
            prop_assert!(false, "{difference}");
        }
    }
}

/// What of a live object a manager has applied, so far as its last apply still holds.
fn stated_by(live: &Manifest, manager: &str) -> Option<Manifest> {
    let managers = crate::fields::ManagedFields::of(live).ok()?;
    let (_, own) = managers
        .entries
        .iter()
        .find(|(id, _)| id.manager == manager)?;
    let schema = bundled_schemas().schema(&live.gvk())?;
    let mut value = live.to_value();
    value["metadata"].as_object_mut()?.remove("managedFields");
    let all = crate::merge::field_set(&schema, &value).ok()?;
    let rest = all.difference(&own.fields);
    let mut kept = crate::merge::remove_fields(&schema, value, &rest);
    kept["apiVersion"] = live.api_version().into();
    kept["kind"] = live.kind().into();
    if !kept["metadata"].is_object() {
        kept["metadata"] = json!({});
    }
    kept["metadata"]["name"] = live.name().into();
    kept["metadata"]["namespace"] = live.namespace().into();
    Manifest::try_from(kept).ok()
}

#[test]
fn long_lists_are_proven() {
    let containers: Vec<Value> = (0..1000)
        .map(|at| json!({"name": format!("c{at}"), "image": "a:1", "ports": [{"containerPort": 80}]}))
        .collect();
    let desired = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "n"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }));
    let schema = bundled_schemas().schema(&desired.gvk()).unwrap();
    let request = ApplyRequest::new(None, &desired, "gitops", at(0)).schema(Some(&schema));
    let live = server_side_apply(&request).unwrap().object;
    let proven =
        |desired: &Manifest| is_strictly_unchanged(desired, &live, "gitops", Some(&schema));
    assert!(proven(&desired));
    let edited = |edit: &dyn Fn(&mut Vec<Value>)| {
        let mut other = desired.clone();
        let list = &mut other.as_map_mut()["spec"]["template"]["spec"]["containers"];
        edit(list.as_array_mut().unwrap());
        other
    };
    for other in [
        edited(&|list| list.swap(3, 900)),
        edited(&|list| drop(list.remove(500))),
        edited(&|list| list[999]["image"] = "a:2".into()),
        edited(&|list| list.push(json!({"name": "more"}))),
    ] {
        assert!(!proven(&other));
        assert!(compared(&live, &other, true).unwrap());
    }
    let twice = edited(&|list| list.push(json!({"name": "c7"})));
    assert!(!proven(&twice));
    assert!(!compared(&live, &twice, true).unwrap());
}
