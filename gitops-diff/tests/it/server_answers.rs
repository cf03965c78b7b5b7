//! Predictions against the answers of a kube-apiserver.
//!
//! `fixtures/server.jsonl.zz` holds random live objects of 20 kinds with several managers, what is
//! desired of them, and what kube-apiserver 1.34 answered to a dry-run of a forced apply.
//! `GITOPS_SERVER_ANSWERS` names a longer file of the same form, not compressed.

use std::io::Read as _;

use gitops_core::{Manifest, schema::Schemas as _};
use gitops_diff::{
    bundled_schemas,
    proof::{differs_in_content, is_strictly_unchanged},
};
use serde_json::Value;

use crate::prediction::{Pair, faults};

static FIXTURE: &[u8] = include_bytes!("../fixtures/server.jsonl.zz");

fn cases() -> Vec<Value> {
    let text = match std::env::var("GITOPS_SERVER_ANSWERS") {
        Ok(path) => std::fs::read_to_string(path).unwrap(),
        Err(_) => {
            let mut text = String::new();
            flate2::read::ZlibDecoder::new(FIXTURE)
                .read_to_string(&mut text)
                .unwrap();
            text
        }
    };
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn predictions_are_the_answers_of_the_api_server() {
    let schemas = bundled_schemas();
    let (mut total, mut proven, mut quiet, mut wrong) = (0, 0, 0, Vec::new());
    for case in cases() {
        total += 1;
        let object = |key: &str| Manifest::try_from(case[key].clone()).unwrap();
        let pair = Pair {
            name: case["id"].to_string(),
            live: object("live"),
            desired: object("desired"),
            answer: object("answer"),
        };
        let schema = schemas.schema(&pair.desired.gvk());
        quiet += usize::from(!differs_in_content(&pair.live, &pair.answer));
        proven += usize::from(is_strictly_unchanged(
            &pair.desired,
            &pair.live,
            "gitops",
            schema.as_deref(),
        ));
        wrong.extend(faults(&pair, &schemas));
    }
    println!(
        "predictions: {}/{total}; {proven} of {quiet} applies without effect proven",
        total - wrong.len()
    );
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../target/server-answers.failures"
    );
    std::fs::write(file, wrong.join("\n\n")).unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {total} are wrong, see {file}",
        wrong.len()
    );
}
