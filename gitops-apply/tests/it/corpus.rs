//! Reads corpus families and reports scores.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests find the corpus by the environment and print scores"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// The root of the corpus; `None` (said once) where it is missing, a failure under CI.
pub(crate) fn root() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no corpus at {}",
        root.display()
    );
    println!("no corpus at {}: skipped", root.display());
    None
}

/// The cases of a `.jsonl` file; `None` (and said so) where it is missing.
pub(crate) fn cases(path: &Path) -> Option<Vec<Value>> {
    let Ok(text) = fs::read_to_string(path) else {
        println!("{} is missing: skipped", path.display());
        return None;
    };
    Some(
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).expect("a case is JSON"))
            .collect(),
    )
}

/// Counts cases and remembers the failures.
pub(crate) struct Score {
    family: &'static str,
    total: usize,
    failures: Vec<String>,
}

impl Score {
    pub(crate) fn of(family: &'static str) -> Self {
        Self {
            family,
            total: 0,
            failures: Vec::new(),
        }
    }

    pub(crate) fn case(&mut self, id: &str, outcome: Result<(), String>) {
        self.total += 1;
        if let Err(difference) = outcome {
            self.failures.push(format!("{id}\t{difference}"));
        }
    }

    /// Prints the score, writes the failures to a file and fails where there are any.
    pub(crate) fn finish(self) {
        let passed = self.total - self.failures.len();
        println!("{}: {passed}/{}", self.family, self.total);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/corpus");
        fs::create_dir_all(&folder).expect("target can be written");
        let file = folder.join(format!("{}.failures", self.family.replace(' ', "-")));
        fs::write(&file, self.failures.join("\n")).expect("target can be written");
        assert!(
            self.failures.is_empty(),
            "{}: {} cases fail, see {}; the first: {}",
            self.family,
            self.failures.len(),
            file.display(),
            self.failures[0]
        );
    }
}

/// `Ok` where both are equal.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: T,
    expected: T,
) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}"))
    }
}
