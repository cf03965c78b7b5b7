use gitops_core::{
    Manifest,
    app::IgnoreDifferences,
    clock::Timestamp,
    diff::{DiffOptions, Differ as _, ObjectDiff, Verdict},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    bundled_schemas,
    merge::{ApplyRequest, UpdateRequest, record_update, server_side_apply},
};

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).unwrap()
}

fn deployment(replicas: u32, containers: Value) -> Manifest {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn applied(live: Option<&Manifest>, desired: &Manifest, manager: &str) -> Manifest {
    let schemas = bundled_schemas();
    let schema = schemas.schema(&desired.gvk());
    let request = ApplyRequest::new(live, desired, manager, at(0))
        .schema(schema.as_deref())
        .force(true);
    server_side_apply(&request).unwrap().object
}

fn updated(live: &Manifest, manager: &str, edit: impl FnOnce(&mut Manifest)) -> Manifest {
    let schemas = bundled_schemas();
    let schema = schemas.schema(&live.gvk());
    let mut new = live.clone();
    edit(&mut new);
    record_update(&UpdateRequest::new(Some(live), &new, manager, at(9)).schema(schema.as_deref()))
}

fn spec(object: &mut Manifest) -> &mut Value {
    object.as_map_mut().get_mut("spec").unwrap()
}

fn diff(desired: &Manifest, live: Option<&Manifest>) -> ObjectDiff {
    diff_with(desired, live, &DiffOptions::default())
}

fn diff_with(desired: &Manifest, live: Option<&Manifest>, options: &DiffOptions) -> ObjectDiff {
    StructuralDiffer::default()
        .diff(desired, live, &bundled_schemas(), options)
        .unwrap()
}

fn lines(diff: &ObjectDiff) -> Vec<String> {
    diff.changes.iter().map(ToString::to_string).collect()
}

fn web() -> Value {
    json!([{"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}])
}

#[test]
fn nothing_changes() {
    let desired = deployment(2, web());
    let live = applied(None, &desired, "gitops");
    let found = diff(&desired, Some(&live));
    assert_eq!(found.verdict, Verdict::Unchanged);
    assert_eq!(found.predicted, Some(live));
}

#[test]
fn changes_name_path_values_and_owners() {
    let live = applied(None, &deployment(2, web()), "gitops");
    let live = updated(&live, "hpa", |object| spec(object)["replicas"] = json!(7));
    let mut containers = web();
    containers[0]["image"] = json!("web:2");
    containers[1]["args"] = json!(["-v"]);
    let found = diff(&deployment(2, containers), Some(&live));
    assert_eq!(found.verdict, Verdict::Change);
    assert_eq!(
        lines(&found),
        [
            "spec.replicas: 7 -> 2 (owned by hpa)",
            "spec.template.spec.containers[name=web].image: \"web:1\" -> \"web:2\" (owned by gitops)",
            "spec.template.spec.containers[name=side].args: [\"-v\"] added",
        ]
    );
    assert_eq!(
        found.changes[1].pointer,
        "/spec/template/spec/containers/0/image"
    );
    assert_eq!(
        found.changes[2].pointer,
        "/spec/template/spec/containers/1/args"
    );
}

#[test]
fn removals_and_order() {
    let live = applied(None, &deployment(2, web()), "gitops");
    let found = diff(
        &deployment(2, json!([{"name": "side", "image": "side:1"}])),
        Some(&live),
    );
    assert_eq!(
        lines(&found),
        [
            "spec.template.spec.containers[name=web]: {\"image\":\"web:1\",\"name\":\"web\"} removed (owned by gitops)"
        ]
    );
    let mut reversed = web();
    reversed.as_array_mut().unwrap().reverse();
    let found = diff(&deployment(2, reversed), Some(&live));
    assert_eq!(
        lines(&found),
        [
            "spec.template.spec.containers: [\"web\",\"side\"] -> [\"side\",\"web\"] (owned by gitops)"
        ]
    );
}

#[test]
fn ownership_alone_is_a_change() {
    let desired = deployment(2, web());
    let live = applied(None, &desired, "kubectl");
    let found = diff(&desired, Some(&live));
    assert_eq!(found.verdict, Verdict::Change);
    assert!(
        found
            .changes
            .iter()
            .all(|change| change.kind == ChangeKind::Owned)
    );
    assert!(
        lines(&found).contains(&"spec.replicas: ownership changes (owned by kubectl)".to_owned())
    );
}

#[test]
fn creation_lists_what_comes() {
    let found = diff(&deployment(2, web()), None);
    assert_eq!(found.verdict, Verdict::Create);
    assert_eq!(found.changes.len(), 1);
    assert_eq!(found.changes[0].path, "spec");
}

#[test]
fn last_applied_makes_it_three_way() {
    let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}});
    let live = object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "uid": "u", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": last.to_string(),
        }},
        "data": {"x": "1", "y": "2", "z": "3"},
    }));
    let desired = object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "5"}}),
    );
    let found = diff(&desired, Some(&live));
    assert_eq!(
        lines(&found),
        ["data.x: \"1\" -> \"5\"", "data.y: \"2\" removed"]
    );
    let same = object(last);
    assert!(
        diff(&same, Some(&live)).is_changed(),
        "ownership comes with the apply"
    );
    let by_content = StructuralDiffer::default()
        .untracked(Untracked::ByContent)
        .diff(
            &same,
            Some(&live),
            &bundled_schemas(),
            &DiffOptions::default(),
        )
        .unwrap();
    assert_eq!(by_content.verdict, Verdict::Unchanged);
}

#[test]
fn secrets_are_masked_in_changes() {
    let secret = |data: Value| {
        object(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": data}),
        )
    };
    let live = applied(
        None,
        &secret(json!({"k": "c2VjcmV0MQ==", "same": "c2FtZTEyMw=="})),
        "gitops",
    );
    let plain = object(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
        "data": {"same": "c2FtZTEyMw=="}, "stringData": {"k": "secret2", "new": "secret3"}}),
    );
    let found = diff(&plain, Some(&live));
    let text = serde_json::to_string(&found).unwrap();
    assert!(
        !text.contains("c2Vj") && !text.contains("secret2"),
        "{text}"
    );
    assert!(
        lines(&found)
            .iter()
            .any(|l| l.starts_with("data.k: \"*** (before)\" -> \"*** (after)\"")),
        "{:?}",
        lines(&found)
    );
    assert!(lines(&found).iter().any(|l| l == "data.new: \"***\" added"));
}

fn ignoring(rule: Value) -> DiffOptions {
    let rule: IgnoreDifferences = serde_json::from_value(rule).unwrap();
    DiffOptions {
        ignore: vec![rule],
        ..DiffOptions::default()
    }
}

#[test]
fn ignored_fields_are_left_to_their_owners() {
    let desired = deployment(2, web());
    let live = applied(None, &desired, "gitops");
    let live = updated(&live, "hpa", |object| spec(object)["replicas"] = json!(7));
    for rule in [
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}),
        json!({"group": "*", "kind": "*", "jqPathExpressions": [".spec.replicas"]}),
        json!({"group": "apps", "kind": "Dep*", "managedFieldsManagers": ["hpa"]}),
    ] {
        let found = diff_with(&desired, Some(&live), &ignoring(rule));
        assert_eq!(found.verdict, Verdict::Unchanged, "{:?}", lines(&found));
    }
    let other = json!({"group": "batch", "kind": "Job", "jsonPointers": ["/spec/replicas"]});
    assert!(diff_with(&desired, Some(&live), &ignoring(other)).is_changed());
}

#[test]
fn ignored_fields_that_nobody_else_owns_keep_their_value() {
    let desired = deployment(2, web());
    let mut live = applied(None, &deployment(5, web()), "gitops");
    live.metadata_mut().insert("uid".into(), json!("u"));
    let rule = json!({"kind": "Deployment", "group": "apps", "jsonPointers": ["/spec/replicas"]});
    let options = ignoring(rule);
    let payload = StructuralDiffer::default()
        .payload(
            &desired,
            Some(&live),
            &bundled_schemas(),
            &options,
            Ignored::Released,
        )
        .unwrap();
    assert_eq!(payload.pointer("/spec/replicas"), Some(&json!(5)));
    assert_eq!(
        diff_with(&desired, Some(&live), &options).verdict,
        Verdict::Unchanged
    );
}

#[test]
fn rules_select_objects_in_both_spellings() {
    let mut desired = deployment(2, web());
    desired.set_label("app.kubernetes.io/part-of", "shop");
    desired.set_annotation("scaled", "yes");
    let live = applied(None, &desired, "gitops");
    let live = updated(&live, "hpa", |object| spec(object)["replicas"] = json!(7));
    let paths = json!(["/spec/replicas"]);
    for rule in [
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": paths, "name": "w*", "namespace": "sh?p"}),
        json!({"group": "*", "kind": "*", "jsonPointers": paths, "labelSelector": "app.kubernetes.io/part-of in (shop,x),!tier"}),
        json!({"paths": paths}),
        json!({"paths": [""]}),
        json!({"paths": paths, "target": {"group": "apps", "version": "v1", "kind": "Dep.*|X", "name": "w.b", "namespace": "shop"}}),
        json!({"paths": paths, "target": {"labelSelector": "app.kubernetes.io/part-of=shop", "annotationSelector": "scaled"}}),
    ] {
        let found = diff_with(&desired, Some(&live), &ignoring(rule.clone()));
        assert_eq!(found.verdict, Verdict::Unchanged, "{rule}");
    }
    for rule in [
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": paths, "name": "x*"}),
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": paths, "labelSelector": "tier"}),
        json!({"jsonPointers": paths}),
        json!({"paths": paths, "target": {"kind": "Deploy"}}),
        json!({"paths": paths, "target": {"version": "v"}}),
        json!({"paths": paths, "target": {"annotationSelector": "scaled=no"}}),
        json!({"paths": [""], "target": {"kind": "StatefulSet"}}),
    ] {
        let found = diff_with(&desired, Some(&live), &ignoring(rule.clone()));
        assert_eq!(found.verdict, Verdict::Change, "{rule}");
    }
}

#[test]
fn requests_that_replace_keep_ignored_fields_of_others() {
    let desired = deployment(2, web());
    let live = applied(None, &desired, "gitops");
    let live = updated(&live, "hpa", |object| {
        spec(object)["replicas"] = json!(7);
        spec(object)["paused"] = json!(true);
    });
    let options = ignoring(json!({"paths": ["/spec/replicas", "/spec/paused"]}));
    let payload = |ignored| {
        StructuralDiffer::default()
            .payload(&desired, Some(&live), &bundled_schemas(), &options, ignored)
            .unwrap()
    };
    let kept = payload(Ignored::Kept);
    assert_eq!(kept.pointer("/spec/replicas"), Some(&json!(7)));
    assert_eq!(kept.pointer("/spec/paused"), Some(&json!(true)));
    let released = payload(Ignored::Released);
    assert_eq!(released.pointer("/spec/replicas"), None);
    assert_eq!(released.pointer("/spec/paused"), None);
}

#[test]
fn status_and_server_metadata_never_count() {
    let desired = deployment(2, web());
    let live = applied(None, &desired, "gitops");
    let mut other = live;
    other.metadata_mut().insert("generation".into(), json!(7));
    other
        .as_map_mut()
        .insert("status".into(), json!({"replicas": 1}));
    let mut stated = desired;
    stated
        .as_map_mut()
        .insert("status".into(), json!({"replicas": 4}));
    assert_eq!(diff(&stated, Some(&other)).verdict, Verdict::Unchanged);
}

#[test]
fn what_does_not_fit_the_schema_is_an_error() {
    let live = applied(None, &deployment(2, web()), "gitops");
    let error = |desired: &Manifest| {
        let differ = StructuralDiffer::default();
        differ
            .diff(
                desired,
                Some(&live),
                &bundled_schemas(),
                &DiffOptions::default(),
            )
            .unwrap_err()
            .to_string()
    };
    let of_container = |container: Value| error(&deployment(2, json!([container])));
    let of_spec = |name: &str, value: Value| {
        let mut desired = deployment(2, web());
        spec(&mut desired)[name] = value;
        error(&desired)
    };
    let errors = [
        of_container(json!({"name": "web", "imagee": "x"})),
        of_container(json!({"name": "web", "sidecarOf": "x"})),
        of_container(json!({"name": "web", "env": [{"name": "A", "value": 1}]})),
        of_container(json!({"name": "web", "args": {"a": "b"}})),
        of_container(json!({"name": "web", "ports": [{"containerPort": "80"}]})),
        of_container(json!("web")),
        error(&deployment(2, json!([{"name": "web"}, {"name": "web"}]))),
        of_spec("replicas", json!("3")),
        of_spec("paused", json!("yes")),
        of_spec("template", json!([])),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn other_spellings_are_no_changes_but_need_a_dry_run() {
    let with = |cpu: &str, labels: Value| {
        let mut object = deployment(
            2,
            json!([
                {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": cpu}}},
            ]),
        );
        object.metadata_mut().insert("labels".into(), labels);
        object
    };
    let live = applied(None, &with("1", json!({"a": "b"})), "gitops");
    let found = diff(&with("1000m", json!({"a": "b"})), Some(&live));
    assert_eq!(found.verdict, Verdict::Change);
    assert_eq!(lines(&found), Vec::<String>::new());
}
