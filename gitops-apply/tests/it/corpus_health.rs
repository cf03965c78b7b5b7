//! `ArgoHealth` against Argo CD's health checks.

use gitops_apply::health::ArgoHealth;
use gitops_core::{
    Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthError},
};
use serde_json::{Value, json};

use crate::corpus::{Score, cases, equal, root};

#[test]
fn corpus_health() {
    let Some(root) = root() else { return };
    let mut score = Score::of("health");
    let mut files: Vec<_> = std::fs::read_dir(root.join("health"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    for file in files {
        for case in cases(&file).unwrap_or_default() {
            let id = case["id"].as_str().unwrap_or_default();
            score.case(id, judge(&case));
        }
    }
    score.finish();
}

fn judge(case: &Value) -> Result<(), String> {
    let object = Manifest::try_from(case["object"].clone()).map_err(|error| error.to_string())?;
    let found = ArgoHealth.assess(&object, Timestamp::UNIX_EPOCH);
    let text = |key: &str| case.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("error").is_empty() {
        // Texts of errors come from Go's decoder and from Lua; only that there is one counts.
        return match found {
            Err(_) => Ok(()),
            other => Err(format!(
                "found {other:?}, expected the error {:?}",
                text("error")
            )),
        };
    }
    matches(found, text("status"), text("message"))
}

fn matches(
    found: Result<Option<Health>, HealthError>,
    status: &str,
    message: &str,
) -> Result<(), String> {
    let found = found.map_err(|error| format!("{error}, expected {status} {message:?}"))?;
    // A rule that gives no verdict and no rule at all are the same to a caller.
    let status = if status.is_empty() { "None" } else { status };
    match found {
        None => equal("status", "None", status),
        Some(health) => {
            equal("status", json!(health.status), json!(status))?;
            equal("message", health.message.as_str(), message)
        }
    }
}
