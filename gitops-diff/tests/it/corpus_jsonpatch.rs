//! Patches against the answers of the Go libraries.

use gitops_core::GroupVersionKind;
use gitops_diff::{json_merge, strategic};
use serde_json::Value;

use crate::corpus::{Score, cases, same};

fn gvk(case: &Value) -> GroupVersionKind {
    let text = case["kind"].as_str().unwrap();
    let (api_version, kind) = text.rsplit_once('/').unwrap();
    GroupVersionKind::from_api_version(api_version, kind)
}

fn outcome(what: &str, found: Result<Value, String>, expected: &Value) -> Result<(), String> {
    match (found, expected.get("result")) {
        (Ok(found), Some(result)) => same(what, &found, result),
        (Err(_), None) => Ok(()),
        (Ok(found), None) => Err(format!("{what} is {found}, should fail: {expected}")),
        (Err(error), Some(_)) => Err(format!("{what} fails: {error}")),
    }
}

#[test]
fn corpus_strategic() {
    let Some(cases) = cases("jsonpatch/strategic.jsonl") else {
        return;
    };
    let mut score = Score::new("jsonpatch strategic");
    for case in &cases {
        let gvk = gvk(case);
        let (original, target, live) = (&case["original"], &case["target"], &case["live"]);
        let two = strategic::two_way(&gvk, original, target);
        let three = strategic::three_way(&gvk, original, target, live);
        let applied = three
            .clone()
            .and_then(|patch| strategic::apply(&gvk, live, &patch));
        let text =
            |result: Result<Value, strategic::StrategicError>| result.map_err(|e| e.to_string());
        let result = outcome("two-way", text(two), &case["two_way_patch"])
            .and_then(|()| outcome("three-way", text(three), &case["three_way_patch"]))
            .and_then(|()| outcome("applied", text(applied), &case["applied_to_live"]));
        score.case(case["id"].as_str().unwrap(), result);
    }
    score.finish();
}

#[test]
fn corpus_strategic_apply() {
    let Some(cases) = cases("jsonpatch/strategic-apply.jsonl") else {
        return;
    };
    let mut score = Score::new("jsonpatch strategic-apply");
    for case in &cases {
        let found = strategic::apply(&gvk(case), &case["original"], &case["patch"]);
        let result = outcome("out", found.map_err(|e| e.to_string()), &case["out"]);
        score.case(case["id"].as_str().unwrap(), result);
    }
    score.finish();
}

#[test]
fn corpus_json_merge() {
    let Some(cases) = cases("jsonpatch/json-merge-create.jsonl") else {
        return;
    };
    let mut score = Score::new("jsonpatch json-merge-create");
    for case in &cases {
        let (original, target, live) = (&case["original"], &case["target"], &case["live"]);
        let two = json_merge::create(original, target).map_err(|e| e.to_string());
        let three = json_merge::three_way(original, target, live).map_err(|e| e.to_string());
        let applied = three.clone().map(|patch| json_merge::apply(live, &patch));
        let result = outcome("two-way", two, &case["two_way_patch"])
            .and_then(|()| outcome("three-way", three, &case["three_way_patch"]))
            .and_then(|()| outcome("applied", applied, &case["applied_to_live"]));
        score.case(case["id"].as_str().unwrap(), result);
    }
    score.finish();
}

#[test]
fn corpus_rfc6902() {
    let Some(cases) = cases("jsonpatch/rfc6902.jsonl") else {
        return;
    };
    let mut score = Score::new("jsonpatch rfc6902");
    for case in &cases {
        if case["disabled"] == true {
            continue;
        }
        let found = patch(&case["doc"], &case["patch"]);
        let result = if let Some(expected) = case.get("expected") {
            match found {
                Ok(found) => same("document", &found, expected),
                Err(error) => Err(format!("fails: {error}")),
            }
        } else if case.get("error").is_some() {
            found.map_or(Ok(()), |found| {
                Err(format!("is {found}, should fail: {}", case["error"]))
            })
        } else {
            let v5 = outcome("v5", found.clone(), &case["evanphx_v5"]);
            let v4 = outcome("v4", found, &case["evanphx_v4"]);
            v5.or(v4).or_else(|why| {
                if leaves_the_rfc(case) {
                    Ok(())
                } else {
                    Err(why)
                }
            })
        };
        score.case(case["id"].as_str().unwrap(), result);
    }
    score.finish();
}

/// Whether both Go libraries accept, or refuse, what RFC 6901 and 6902 do not: the RFC is the norm.
fn leaves_the_rfc(case: &Value) -> bool {
    let Some(operations) = case["patch"].as_array() else {
        // A patch is a list.
        return true;
    };
    operations.iter().any(|operation| {
        let texts = ["path", "from"].map(|key| operation[key].as_str().unwrap_or("/x"));
        texts.iter().any(|pointer| {
            let tokens = || pointer.split('/').skip(1);
            // `~` stands before 0 or 1.
            let escapes = pointer.replace("~0", "").replace("~1", "").contains('~');
            // Positions are written without sign and without leading zeros.
            let position = |token: &str| {
                let digits = token.trim_start_matches('-');
                !digits.is_empty()
                    && digits.bytes().all(|b| b.is_ascii_digit())
                    && (token.starts_with('-') || (token.len() > 1 && token.starts_with('0')))
            };
            // The empty pointer is the whole document, `/` its field without name.
            escapes || tokens().any(position) || pointer.is_empty() || *pointer == "/"
        })
    })
}

fn patch(document: &Value, patch: &Value) -> Result<Value, String> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|e| e.to_string())?;
    let mut document = document.clone();
    json_patch::patch(&mut document, &patch).map_err(|e| e.to_string())?;
    Ok(document)
}
