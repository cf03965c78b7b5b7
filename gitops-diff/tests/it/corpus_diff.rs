//! Argo CD's diffs, computed by gitops-engine.

use std::fs;

use gitops_core::app::IgnoreDifferences;
use gitops_diff::{
    SchemaSet,
    argocd::{
        ArgoDiff, ArgoDiffError, ArgoOptions, MANAGER, Override, Overrides, Way, diff, prepare,
    },
};
use serde_json::{Value, json};

use crate::corpus::{Score, cases, root, same};

fn schemas() -> Option<SchemaSet> {
    let text = fs::read(root()?.join("diff/openapi-v2-subset.json")).ok()?;
    let mut set = SchemaSet::new();
    set.add_openapi(&serde_json::from_slice(&text).unwrap())
        .unwrap();
    Some(set)
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

fn score(family: &'static str, mode: &str) {
    let Some(schemas) = schemas() else {
        println!("there is no corpus/diff; skipped");
        return;
    };
    let mut score = Score::new(family);
    let mut files: Vec<_> = fs::read_dir(root().unwrap().join("diff"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl") && name != "ignore.jsonl")
        .collect();
    files.sort();
    for file in files {
        for case in cases(&format!("diff/{file}")).unwrap() {
            if case["mode"] != mode {
                continue;
            }
            let option =
                |name: &str, default: bool| case["options"][name].as_bool().unwrap_or(default);
            let options = ArgoOptions {
                way: match mode {
                    "smd" => Way::StructuredMerge,
                    "ssd" => Way::ServerSide {
                        predicted: case["predicted"].clone(),
                        ignore_mutation_webhook: option("ignoreMutationWebhook", true),
                    },
                    _ => Way::Default,
                },
                ignore_aggregated_roles: option("ignoreAggregatedRoles", false),
                manager: MANAGER,
                schemas: &schemas,
                normalizer: &|_| {},
            };
            let found = diff(present(&case["config"]), present(&case["live"]), &options);
            let result = match (found, case.get("error")) {
                (Err(_), Some(_)) => Ok(()),
                (Err(error), None) => Err(format!("fails: {error}")),
                (Ok(_), Some(error)) => Err(format!("should fail: {error}")),
                (Ok(found), None) => same("live", &found.normalized_live, &case["normalized_live"])
                    .and_then(|()| {
                        same("predicted", &found.predicted_live, &case["predicted_live"])
                    })
                    .and_then(|()| same("modified", &found.modified.into(), &case["modified"])),
            };
            score.case(case["id"].as_str().unwrap(), result);
        }
    }
    score.finish();
}

#[test]
fn corpus_default() {
    score("diff default", "default");
}

#[test]
fn corpus_structured_merge() {
    score("diff smd", "smd");
}

#[test]
fn corpus_server_side() {
    score("diff ssd", "ssd");
}

#[test]
fn corpus_ignore() {
    let (Some(schemas), Some(cases)) = (schemas(), cases("diff/ignore.jsonl")) else {
        return;
    };
    let mut score = Score::new("diff ignore");
    for case in &cases {
        let result = match (ignored(case, &schemas), case.get("error")) {
            (Err(_), Some(_)) => Ok(()),
            (Err(error), None) => Err(format!("fails: {error}")),
            (Ok(_), Some(error)) => Err(format!("should fail: {error}")),
            (Ok((live, config, found)), None) => same("live", &live, &case["normalized_live"])
                .and_then(|()| same("config", &config, &case["normalized_config"]))
                .and_then(|()| match case.get("modified") {
                    None => Ok(()),
                    Some(modified) => {
                        same("predicted", &found.predicted_live, &case["predicted_live"])
                            .and_then(|()| same("modified", &found.modified.into(), modified))
                    }
                }),
        };
        score.case(case["id"].as_str().unwrap(), result);
    }
    score.finish();
}

fn ignored(case: &Value, schemas: &SchemaSet) -> Result<(Value, Value, ArgoDiff), ArgoDiffError> {
    let rules: Vec<IgnoreDifferences> = serde_json::from_value(case["ignore"].clone()).unwrap();
    let mut overrides = Overrides::new();
    for (key, value) in case["overrides"].as_object().into_iter().flatten() {
        overrides.insert(key.clone(), Override::from_value(value)?);
    }
    let (live, config, normalizer) =
        prepare(&case["live"], &case["config"], &rules, &overrides, schemas)?;
    let options = ArgoOptions {
        way: Way::Default,
        ignore_aggregated_roles: false,
        manager: MANAGER,
        schemas,
        normalizer: &|object| drop(normalizer.normalize(object)),
    };
    let (mut normal_live, mut normal_config) = (live.clone(), config.clone());
    normalizer.normalize(&mut normal_live)?;
    normalizer.normalize(&mut normal_config)?;
    let found = diff(Some(&config), Some(&live), &options)?;
    Ok((normal_live, normal_config, found))
}

#[test]
fn built_in_kinds_are_merged_as_the_newest_kubernetes_has_them() {
    // Some versions of Kubernetes had a status here.
    let policy = |status: Option<Value>| {
        let mut policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "np"}, "spec": {"podSelector": {}},
        });
        if let Some(status) = status {
            policy["status"] = status;
        }
        policy
    };
    let options = ArgoOptions {
        way: Way::StructuredMerge,
        ignore_aggregated_roles: false,
        manager: MANAGER,
        schemas: &*gitops_diff::bundled_schemas(),
        normalizer: &|_| {},
    };
    let live = policy(None);
    assert!(
        !diff(Some(&policy(None)), Some(&live), &options)
            .unwrap()
            .modified
    );
    let refused = diff(Some(&policy(Some(json!({})))), Some(&live), &options);
    assert!(matches!(
        refused,
        Err(ArgoDiffError::Type {
            side: "desired",
            ..
        })
    ));
}
