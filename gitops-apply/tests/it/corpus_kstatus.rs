//! `Kstatus` against `kstatus.Compute`.

use gitops_apply::health::Kstatus;
use gitops_core::Manifest;
use serde_json::{Value, json};

use crate::corpus::{Score, cases, equal, root};

#[test]
fn corpus_kstatus() {
    let Some(root) = root() else { return };
    let mut score = Score::of("kstatus");
    let now = "2026-11-24T00:00:00Z".parse().expect("a time");
    for file in ["own", "health-objects", "generated"] {
        let path = root.join("kstatus").join(format!("{file}.jsonl"));
        for case in cases(&path).unwrap_or_default() {
            let id = case["id"].as_str().unwrap_or_default();
            score.case(id, judge(&case, now));
        }
    }
    score.finish();
}

fn judge(case: &Value, now: gitops_core::clock::Timestamp) -> Result<(), String> {
    let object = Manifest::try_from(case["object"].clone()).map_err(|error| error.to_string())?;
    let found = Kstatus.compute(&object, now);
    if case.get("error").is_some() {
        return match found {
            Err(_) => Ok(()),
            Ok(result) => Err(format!("found {result:?}, expected an error")),
        };
    }
    let found = found.map_err(|error| error.to_string())?;
    equal("status", json!(found.status), case["status"].clone())?;
    equal("message", json!(found.message), case["message"].clone())?;
    let conditions = case.get("conditions").cloned().unwrap_or_else(|| json!([]));
    let mut expected = conditions.as_array().cloned().unwrap_or_default();
    for condition in &mut expected {
        for field in ["reason", "message"] {
            if condition.get(field).is_none() {
                condition[field] = json!("");
            }
        }
    }
    equal("conditions", json!(found.conditions), json!(expected))
}
