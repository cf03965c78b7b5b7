//! Invocations of `helm template` with the exact text that Helm printed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use gitops_render::{
    helm::{ChartSource, Profile, TemplateOptions, ValueOptions, template},
    tree::DirTree,
};
use serde::Deserialize;

use crate::corpus::{Score, compare, folder, mask};

#[derive(Deserialize)]
struct Case {
    id: String,
    chart: String,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    set_string: Vec<String>,
    #[serde(default)]
    set_json: Vec<String>,
    #[serde(default)]
    set_file: Vec<String>,
    #[serde(default)]
    set_literal: Vec<String>,
    release: String,
    namespace: String,
    kube_version: String,
    #[serde(default)]
    api_versions: Vec<String>,
    #[serde(default)]
    include_crds: bool,
    #[serde(default)]
    is_upgrade: bool,
    #[serde(default)]
    show_only: Vec<String>,
    #[serde(default)]
    no_hooks: bool,
    #[serde(default)]
    skip_tests: bool,
    #[serde(default)]
    skip_schema_validation: bool,
}

enum Golden {
    Output(String, Vec<usize>),
    Error(String),
}

impl Golden {
    fn load(folder: &Path, version: &str, id: &str) -> Self {
        for directory in [version, "v3v4"] {
            let base = folder.join("golden").join(directory);
            if let Ok(text) = fs::read_to_string(base.join(format!("{id}.yaml"))) {
                return Self::Output(text, mask(&base.join(format!("{id}.mask"))));
            }
            if let Ok(text) = fs::read_to_string(base.join(format!("{id}.err"))) {
                return Self::Error(text);
            }
        }
        panic!("there is no golden file of {id} for {version}");
    }

    fn check(&self, case: &Case, folder: &Path, profile: &Profile) -> Result<(), String> {
        let output = run(case, folder, profile);
        match self {
            Self::Output(expected, masked) => {
                if output.code != 0 {
                    return Err(format!("failed: {:?}", output.stderr));
                }
                compare(expected, &output.stdout, masked)
            }
            Self::Error(expected) => {
                if output.code == 0 {
                    return Err(format!("no error, expected {expected:?}"));
                }
                compare(expected, &output.stderr, &[])
            }
        }
    }
}

fn run(case: &Case, folder: &Path, profile: &Profile) -> gitops_render::helm::CommandOutput {
    let mut options = TemplateOptions::default();
    options.name = Some(case.release.clone());
    options.namespace = Some(case.namespace.clone());
    options.kube_version = Some(case.kube_version.clone());
    options.api_versions.clone_from(&case.api_versions);
    options.include_crds = case.include_crds;
    options.is_upgrade = case.is_upgrade;
    options.show_only.clone_from(&case.show_only);
    options.no_hooks = case.no_hooks;
    options.skip_tests = case.skip_tests;
    options.skip_schema_validation = case.skip_schema_validation;
    options.values = ValueOptions {
        files: case.values.clone(),
        set_json: case.set_json.clone(),
        set: case.set.clone(),
        set_string: case.set_string.clone(),
        set_file: case.set_file.clone(),
        set_literal: case.set_literal.clone(),
    };
    options.load.shown_path = "{{CHART}}".to_owned();
    options.render.now = jiff::Timestamp::now();
    let files = |name: &str| {
        fs::read(folder.join(name))
            .map(Bytes::from)
            .map_err(|_| format!("open {name}: no such file or directory"))
    };
    let chart = folder.join(&case.chart);
    let tree = DirTree::open(&chart).unwrap();
    template(ChartSource::Directory(&tree), &options, profile, &files)
}

#[test]
fn corpus_cases() {
    let Some(folder) = folder("helm") else { return };
    let Ok(lines) = fs::read_to_string(folder.join("cases.jsonl")) else {
        println!("helm: skipped, there is no cases.jsonl");
        return;
    };
    let only = std::env::var("GITOPS_CASES").unwrap_or_default();
    let cases: Vec<Case> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|case: &Case| case.id.contains(&only))
        .collect();
    let mut errors = Score::new("helm errors");
    let mut passed = true;
    for (version, profile) in [("v3", Profile::helm_3_22()), ("v4", Profile::helm_4_3())] {
        let mut score = Score::new(&format!("helm {version}"));
        for (case, is_error, result) in check_all(&cases, &folder, version, &profile) {
            if is_error {
                errors.record(&format!("{version} {}", cases[case].id), result.clone());
            }
            score.record(&cases[case].id, result);
        }
        passed &= score.report();
    }
    passed &= errors.report();
    assert!(passed, "some cases failed; see target/corpus");
}

/// Checks cases on all cores; results in order of the cases.
fn check_all(
    cases: &[Case],
    folder: &PathBuf,
    version: &str,
    profile: &Profile,
) -> Vec<(usize, bool, Result<(), String>)> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(i) else { break };
                    let golden = Golden::load(folder, version, &case.id);
                    let is_error = matches!(golden, Golden::Error(_));
                    let check = || golden.check(case, folder, profile);
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check))
                        .unwrap_or_else(|_| Err("panicked".to_owned()));
                    results.lock().unwrap().push((i, is_error, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(case, ..)| *case);
    results
}
