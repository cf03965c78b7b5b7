//! JSON Pointer and JSON Merge Patch.

use gitops_core::json::{Pointer, PointerError, merge_patch};

use crate::corpus::{run, same};

#[test]
fn corpus_pointer() {
    run("rfc pointer", &["rfc/json-pointer-6901.jsonl"], |case| {
        let pointer = case["pointer"].as_str().expect("pointer");
        let found = pointer
            .parse()
            .and_then(|pointer: Pointer| pointer.get(&case["doc"]));
        match found {
            Ok(value) => match case.get("result") {
                Some(wanted) => same("result", &value.to_string(), &wanted.to_string()),
                None => Err(format!("{value} instead of {}", case["error"])),
            },
            Err(error) => {
                let sort = match error {
                    PointerError::Syntax { .. } => "syntax",
                    PointerError::Index { .. } => "index",
                    PointerError::Missing { .. } => "missing",
                    _ => "other",
                };
                same("error", sort, case["error"].as_str().unwrap_or_default())
            }
        }
    });
}

#[test]
fn corpus_merge() {
    run("rfc merge", &["rfc/merge-patch-7386.jsonl"], |case| {
        let mut value = case["original"].clone();
        merge_patch(&mut value, &case["patch"]);
        same("result", &value.to_string(), &case["result"].to_string())
    });
}
