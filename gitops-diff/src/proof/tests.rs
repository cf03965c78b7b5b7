use gitops_core::{Manifest, clock::Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::{
    bundled_schemas,
    merge::{ApplyRequest, server_side_apply},
};
use gitops_core::schema::Schemas as _;

fn deployment(containers: Value) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers},
        }},
    }))
    .unwrap()
}

fn apply(live: Option<&Manifest>, applied: &Manifest) -> Manifest {
    let schema = bundled_schemas().schema(&applied.gvk()).unwrap();
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let request = ApplyRequest::new(live, applied, "gitops", now).schema(Some(&schema));
    server_side_apply(&request).unwrap().object
}

fn proven(desired: &Manifest, live: &Manifest) -> bool {
    let schema = bundled_schemas().schema(&desired.gvk()).unwrap();
    is_strictly_unchanged(desired, live, "gitops", Some(&schema))
}

fn web() -> Value {
    json!([
        {"name": "a", "image": "a:1", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}, "args": []},
        {"name": "b", "image": "b:1", "env": [{"name": "X", "value": "1"}, {"name": "Y"}]},
    ])
}

#[test]
fn what_was_applied_is_proven() {
    let desired = deployment(web());
    let live = apply(None, &desired);
    assert!(proven(&desired, &live));
    let mut more = live;
    more.as_map_mut().get_mut("spec").unwrap()["paused"] = json!(true);
    more.as_map_mut()
        .insert("status".into(), json!({"replicas": 2}));
    assert!(proven(&desired, &more), "fields of others do not matter");
}

#[test]
fn each_difference_prevents_the_proof() {
    let live = apply(None, &deployment(web()));
    let change = |edit: &dyn Fn(&mut Value)| {
        let mut containers = web();
        edit(&mut containers);
        assert!(!proven(&deployment(containers), &live));
    };
    change(&|c| c[0]["image"] = json!("a:2"));
    change(&|c| c[0]["resources"]["limits"]["cpu"] = json!("1000m"));
    change(&|c| c[0]["ports"][0]["protocol"] = json!("TCP"));
    change(&|c| c.as_array_mut().unwrap().reverse());
    change(&|c| c[1]["env"].as_array_mut().unwrap().reverse());
    change(&|c| drop(c.as_array_mut().unwrap().pop()));
    change(&|c| c[0]["args"] = json!(null));
    change(&|c| drop(c[0].as_object_mut().unwrap().remove("args")));
    change(&|c| c[1]["resources"] = json!({}));
}

#[test]
fn drift_prevents_the_proof() {
    let desired = deployment(web());
    let live = apply(None, &desired);
    let mut drifted = live.clone();
    drifted.as_map_mut().get_mut("spec").unwrap()["replicas"] = json!(5);
    assert!(!proven(&desired, &drifted));
    let mut other = live.clone();
    other.metadata_mut()["managedFields"][0]["apiVersion"] = json!("apps/v1beta1");
    assert!(!proven(&desired, &other));
    let mut none = live;
    none.metadata_mut().remove("managedFields");
    assert!(!proven(&desired, &none));
}

#[test]
fn kinds_without_schema_are_proven_too() {
    let desired = Manifest::try_from(json!({
        "apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "a", "labels": {"a": "b"}},
        "spec": {"list": [{"a": 1}], "empty": {}, "none": null, "deep": {"x": 1}},
    }))
    .unwrap();
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let live = server_side_apply(&ApplyRequest::new(None, &desired, "gitops", now))
        .unwrap()
        .object;
    assert!(is_strictly_unchanged(&desired, &live, "gitops", None));
}

#[test]
fn a_confirmation_holds_until_something_changes() {
    let desired = deployment(web());
    let live = apply(None, &desired);
    let mut answer = live.clone();
    answer
        .metadata_mut()
        .insert("resourceVersion".into(), json!("2"));
    answer.metadata_mut()["managedFields"][0]["time"] = json!("2026-01-01T00:00:00Z");
    let known = Confirmation::of_answer(&desired, &live, &answer).unwrap();
    let (wanted, is) = (
        Fingerprint::of_desired(&desired),
        Fingerprint::of_live(&live),
    );
    assert!(known.proves(&wanted, &is));
    let mut drifted = live.clone();
    drifted.as_map_mut().get_mut("spec").unwrap()["replicas"] = json!(5);
    assert!(!known.proves(&wanted, &Fingerprint::of_live(&drifted)));
    assert!(Confirmation::of_answer(&desired, &live, &drifted).is_none());
}

#[test]
fn what_the_server_writes_itself_does_not_matter() {
    let mut desired = deployment(web());
    desired
        .metadata_mut()
        .insert("creationTimestamp".into(), json!(null));
    let mut live = apply(None, &desired);
    assert!(live.metadata().unwrap().get("creationTimestamp").is_none());
    live.metadata_mut()
        .insert("creationTimestamp".into(), json!("2026-01-01T00:00:00Z"));
    live.metadata_mut().insert("generation".into(), json!(3));
    assert!(proven(&desired, &live));
    assert_eq!(apply(Some(&live), &desired), live);
}
