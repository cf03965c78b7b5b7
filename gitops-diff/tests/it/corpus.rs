//! Where golden data is and how it is scored.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Where the data is; `None` where it is not there, which is a failure under `CI=true`.
pub(crate) fn root() -> Option<PathBuf> {
    let root = std::env::var("GITOPS_CORPUS").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    assert!(
        std::env::var("CI").is_err(),
        "there is no corpus at {}",
        root.display()
    );
    println!(
        "there is no corpus at {}; nothing is tested",
        root.display()
    );
    None
}

/// The cases of a file; `None` where the file is not there.
pub(crate) fn cases(file: &str) -> Option<Vec<Value>> {
    let path = root()?.join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        println!("{} is not there; skipped", path.display());
        return None;
    };
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// Counts cases of a family.
pub(crate) struct Score {
    family: &'static str,
    total: usize,
    failures: Vec<String>,
}

impl Score {
    pub(crate) fn new(family: &'static str) -> Self {
        Self {
            family,
            total: 0,
            failures: Vec::new(),
        }
    }

    pub(crate) fn case(&mut self, id: &str, result: Result<(), String>) {
        self.total += 1;
        if let Err(why) = result {
            self.failures
                .push(format!("{id}\t{}", why.replace('\n', " ")));
        }
    }

    /// Prints the score and fails where a case failed.
    pub(crate) fn finish(self) {
        let passed = self.total - self.failures.len();
        println!("{}: {passed}/{}", self.family, self.total);
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/corpus");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.failures", self.family.replace(' ', "-")));
        fs::write(file, self.failures.join("\n")).unwrap();
        assert!(
            self.failures.is_empty(),
            "{} of {} cases fail",
            self.failures.len(),
            self.total
        );
    }
}

pub(crate) fn same(what: &str, found: &Value, expected: &Value) -> Result<(), String> {
    if gitops_diff::fields::values_equal(found, expected) {
        Ok(())
    } else {
        Err(format!("{what} is {found} should be {expected}"))
    }
}
