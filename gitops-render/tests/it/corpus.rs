//! Where the golden data is, and how scores are reported.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder of the corpus; `None`, with a note, where it is missing.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::var_os("GITOPS_CORPUS")
        .map_or_else(|| manifest.join("../../shared/corpus"), PathBuf::from);
    if !root.is_dir() {
        let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!ci, "the corpus is missing: {}", root.display());
        println!("{name}: skipped, there is no corpus at {}", root.display());
        return None;
    }
    let folder = root.join(name);
    if !folder.is_dir() {
        println!("{name}: skipped, {} is missing", folder.display());
        return None;
    }
    Some(folder)
}

/// Passed and failed cases of a family.
#[derive(Default)]
pub(crate) struct Score {
    family: String,
    total: usize,
    failures: Vec<String>,
}

impl Score {
    pub(crate) fn new(family: &str) -> Self {
        Self {
            family: family.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn record(&mut self, id: &str, result: Result<(), String>) {
        self.total += 1;
        if let Err(reason) = result {
            self.failures.push(format!("{id}\t{reason}"));
        }
    }

    /// Prints the score, writes the failures down and says whether there are none.
    pub(crate) fn report(mut self) -> bool {
        let passed = self.total - self.failures.len();
        println!("{}: {passed}/{}", self.family, self.total);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/corpus");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{}.failures", self.family.replace(' ', "-")));
        self.failures.sort();
        let text: String = self.failures.iter().map(|id| format!("{id}\n")).collect();
        fs::write(file, text).unwrap();
        self.failures.is_empty()
    }
}

/// Compares two texts line by line, without the masked lines (from 1).
pub(crate) fn compare(expected: &str, found: &str, masked: &[usize]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let (a, b): (Vec<&str>, Vec<&str>) =
        (expected.split('\n').collect(), found.split('\n').collect());
    for (i, (expected, found)) in a.iter().zip(&b).enumerate() {
        if expected != found && !masked.contains(&(i + 1)) {
            return Err(format!("line {}: {expected:?} != {found:?}", i + 1));
        }
    }
    if a.len() != b.len() {
        return Err(format!("{} lines != {} lines", a.len(), b.len()));
    }
    Ok(())
}

/// The lines of a `.mask` file; none where it is missing.
pub(crate) fn mask(path: &Path) -> Vec<usize> {
    match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content).unwrap(),
        Err(_) => Vec::new(),
    }
}
