//! Argo CD's diffs, computed by gitops-engine.

use std::fs;

use gitops_diff::{
    SchemaSet,
    argocd::{ArgoOptions, MANAGER, Way, diff},
};
use serde_json::Value;

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
