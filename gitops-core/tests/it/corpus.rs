//! Reading a corpus and keeping the score.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Where the corpus is: `GITOPS_CORPUS`, or beside the workspace.
fn root() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("GITOPS_CORPUS").map_or(default, PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "no corpus at {}",
        root.display()
    );
    None
}

/// The cases of some files; `None` (said so) where none of the files is there.
pub(crate) fn cases(family: &str, files: &[&str]) -> Option<Vec<Value>> {
    let root = root();
    let mut cases = Vec::new();
    for file in files {
        let text = root
            .as_ref()
            .and_then(|root| fs::read_to_string(root.join(file)).ok());
        for line in text.iter().flat_map(|text| text.lines()) {
            cases.push(serde_json::from_str(line).expect("every line is a JSON object"));
        }
    }
    if cases.is_empty() {
        println!("{family}: skipped, no {}", files.join(", "));
        return None;
    }
    Some(cases)
}

/// Runs a check on every case, prints the score and fails if any case does.
pub(crate) fn run(family: &str, files: &[&str], check: impl Fn(&Value) -> Result<(), String>) {
    let Some(cases) = cases(family, files) else {
        return;
    };
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(why) = check(case) {
            let id = case["id"].as_str().unwrap_or("no id").to_owned();
            failures.push((id, why));
        }
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/corpus");
    fs::create_dir_all(&target).expect("target can be written");
    let ids: String = failures.iter().map(|(id, _)| format!("{id}\n")).collect();
    let name = family.replace(' ', "-");
    fs::write(target.join(format!("{name}.failures")), ids).expect("target can be written");
    println!("{family}: {}/{}", cases.len() - failures.len(), cases.len());
    for (id, why) in failures.iter().take(20) {
        println!("  {id}: {why}");
    }
    assert!(failures.is_empty(), "{} cases failed", failures.len());
}

/// Compares two texts and shows both where they differ.
pub(crate) fn same(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found:?} instead of {wanted:?}"))
    }
}
