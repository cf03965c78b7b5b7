//! Hook annotations and task order against gitops-engine.

use gitops_apply::hooks::{self, Task, TaskOptions};
use gitops_core::Manifest;
use serde_json::{Value, json};

use crate::corpus::{Score, cases, equal, root};

#[test]
fn corpus_hook_annotations() {
    let Some(cases) = root().and_then(|root| cases(&root.join("hooks/annotations.jsonl"))) else {
        return;
    };
    let mut score = Score::of("hooks annotations");
    for case in cases {
        let id = case["id"].as_str().unwrap_or_default();
        score.case(id, annotations(&case));
    }
    score.finish();
}

fn annotations(case: &Value) -> Result<(), String> {
    let object = manifest(&case["object"])?;
    equal(
        "is_hook",
        json!(hooks::is_hook(&object)),
        case["is_hook"].clone(),
    )?;
    equal(
        "skip",
        json!(hooks::is_skipped(&object)),
        case["skip"].clone(),
    )?;
    equal(
        "ignored",
        json!(hooks::is_ignored(&object)),
        case["ignored"].clone(),
    )?;
    equal(
        "types",
        json!(hooks::hook_types(&object)),
        list(&case["types"]),
    )?;
    equal(
        "policies",
        json!(hooks::delete_policies(&object)),
        list(&case["delete_policies"]),
    )?;
    equal("wave", json!(hooks::wave(&object)), case["wave"].clone())?;
    let mut phases: Vec<String> = hooks::phases(&object)
        .iter()
        .map(ToString::to_string)
        .collect();
    phases.sort();
    equal("phases", json!(phases), list(&case["phases"]))
}

#[test]
fn corpus_hook_order() {
    let Some(cases) = root().and_then(|root| cases(&root.join("hooks/order.jsonl"))) else {
        return;
    };
    let mut score = Score::of("hooks order");
    for case in cases {
        let id = case["id"].as_str().unwrap_or_default();
        score.case(id, order(&case));
    }
    score.finish();
}

fn order(case: &Value) -> Result<(), String> {
    let manifests = manifests(&case["manifests"])?;
    let live = manifests_of(&case["live"])?;
    let tasks = hooks::tasks(&manifests, &live, &task_options(case), &is_namespaced);
    let mut groups: Vec<Vec<Value>> = Vec::new();
    let mut last = None;
    for task in &tasks {
        if last != Some((task.phase, task.wave)) {
            groups.push(Vec::new());
            last = Some((task.phase, task.wave));
        }
        groups.last_mut().expect("pushed above").push(row(task));
    }
    let expected: Vec<Value> = case["steps"].as_array().cloned().unwrap_or_default();
    let stable = case["stable"] != json!(false);
    let sorted = |group: &[Value]| {
        let mut rows: Vec<String> = group.iter().map(ToString::to_string).collect();
        if !stable {
            rows.sort();
        }
        rows
    };
    equal("groups", groups.len(), expected.len())?;
    for (found, expected) in groups.iter().zip(&expected) {
        let expected: Vec<Value> = list(expected)
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| {
                let mut row = row.clone();
                if row.get("hook").is_none() {
                    row["hook"] = json!(false);
                }
                row
            })
            .collect();
        equal("group", sorted(found), sorted(&expected))?;
    }
    let multi = tasks
        .first()
        .zip(tasks.last())
        .is_some_and(|(a, b)| (a.phase, a.wave) != (b.phase, b.wave));
    equal("multi_step", json!(multi), case["multi_step"].clone())
}

fn row(task: &Task) -> Value {
    let object = task.object();
    json!({
        "phase": task.phase.to_string(),
        "wave": task.wave,
        "op": if task.is_prune() { "prune" } else { "apply" },
        "hook": task.is_hook(),
        "group": object.group(),
        "kind": object.kind(),
        "namespace": task.namespace,
        "name": object.name(),
    })
}

/// Options of a case, with the constants that the README of the family names.
pub(crate) fn task_options(case: &Value) -> TaskOptions {
    let flag = |name: &str| case["options"][name] == json!(true);
    let namespace = case["namespace"].as_str().unwrap_or_default();
    let create_namespace = flag("createNamespace").then(|| {
        Manifest::try_from(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        )
        .expect("a manifest")
    });
    TaskOptions {
        prune_last: flag("pruneLast"),
        skip_hooks: flag("skipHooks"),
        namespace: namespace.to_owned(),
        revision: "0123456789abcdef".to_owned(),
        started_at: 1_700_000_000,
        create_namespace,
    }
}

/// The usual scope of kinds; unknown ones are namespaced.
pub(crate) fn is_namespaced(object: &Manifest) -> bool {
    !matches!(
        object.kind(),
        "Namespace"
            | "CustomResourceDefinition"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "PersistentVolume"
            | "StorageClass"
            | "PriorityClass"
            | "IngressClass"
            | "APIService"
            | "PodSecurityPolicy"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
    )
}

fn manifest(value: &Value) -> Result<Manifest, String> {
    Manifest::try_from(value.clone()).map_err(|error| error.to_string())
}

pub(crate) fn manifests(value: &Value) -> Result<Vec<Manifest>, String> {
    manifests_of(value)
}

pub(crate) fn manifests_of(value: &Value) -> Result<Vec<Manifest>, String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(manifest)
        .collect()
}

/// `null` is an empty list.
fn list(value: &Value) -> Value {
    if value.is_null() {
        json!([])
    } else {
        value.clone()
    }
}
