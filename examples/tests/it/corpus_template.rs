//! `gitops template` prints what `helm template` printed, case by case.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let helm = root.join("helm");
    if helm.join("cases.jsonl").exists() {
        // Messages name paths as the process sees them.
        return Some(helm.canonicalize().expect("it exists"));
    }
    println!("no Helm corpus at {}: skipped", helm.display());
    None
}

fn texts<'a>(case: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    let list = case[field].as_array();
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn command(corpus: &Path, case: &Value, profile: &str) -> Command {
    let text = |field: &str| case[field].as_str().unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops"));
    command
        .args(["template", text("release"), text("chart")])
        .args(["--namespace", text("namespace")])
        .args(["--kube-version", text("kube_version")])
        .args(["--profile", profile])
        .current_dir(corpus)
        .env("TZ", "UTC");
    for field in [
        "values",
        "set",
        "set_string",
        "set_json",
        "set_file",
        "set_literal",
        "api_versions",
        "show_only",
    ] {
        for item in texts(case, field) {
            command
                .arg(format!("--{}", field.replace('_', "-")))
                .arg(item);
        }
    }
    for field in [
        "include_crds",
        "is_upgrade",
        "no_hooks",
        "skip_tests",
        "skip_schema_validation",
    ] {
        if case[field] == Value::Bool(true) {
            command.arg(format!("--{}", field.replace('_', "-")));
        }
    }
    command
}

/// The lines that are the same in every run, and how many there are in all.
fn lines<'a>(text: &'a str, masked: &BTreeSet<usize>) -> (usize, Vec<&'a str>) {
    let all: Vec<&str> = text.split('\n').collect();
    let kept = all.iter().enumerate();
    let kept = kept.filter(|(index, _)| !masked.contains(&(index + 1)));
    (all.len(), kept.map(|(_, line)| *line).collect())
}

fn check(corpus: &Path, case: &Value, profile: &str) -> Result<(), String> {
    let id = case["id"].as_str().unwrap_or_default();
    let golden = |end: &str| {
        let find = |folder: &str| corpus.join(format!("golden/{folder}/{id}.{end}"));
        [find(profile), find("v3v4")]
            .into_iter()
            .find(|path| path.exists())
    };
    let output = command(corpus, case, profile)
        .output()
        .map_err(|error| error.to_string())?;
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    if let Some(expected) = golden("yaml") {
        let expected = fs::read_to_string(expected).map_err(|error| error.to_string())?;
        let masked: BTreeSet<usize> = golden("mask")
            .and_then(|path| fs::read_to_string(path).ok())
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        if code != Some(0) {
            return Err(format!("exit status {code:?}: {error}"));
        }
        let same = lines(&out, &masked) == lines(&expected, &masked);
        return same
            .then_some(())
            .ok_or_else(|| "the output differs".to_owned());
    }
    let expected = golden("err").ok_or("no golden file")?;
    let expected = fs::read_to_string(expected).map_err(|error| error.to_string())?;
    let at = error.find("Error: ").unwrap_or(0);
    let chart = case["chart"].as_str().unwrap_or_default();
    let found = error[at..]
        .replace(&format!("{}/{chart}", corpus.display()), "{{CHART}}")
        .replace(&format!("{}/", corpus.display()), "");
    if code != Some(1) || !out.is_empty() || found != expected {
        return Err(format!(
            "exit status {code:?}\n  found    {found:?}\n  expected {expected:?}"
        ));
    }
    Ok(())
}

#[test]
fn corpus_template_prints_what_helm_prints() {
    let Some(corpus) = corpus() else { return };
    let cases = fs::read_to_string(corpus.join("cases.jsonl")).expect("the corpus is readable");
    let cases: Vec<Value> = cases
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case"))
        .collect();
    for profile in ["v3", "v4"] {
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(reason) = check(&corpus, case, profile) {
                            let id = case["id"].as_str().unwrap_or_default();
                            let mut failures = failures.lock().expect("nobody panics");
                            failures.push(format!("{id}: {reason}"));
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().expect("nobody panics");
        println!(
            "helm template {profile}: {}/{}",
            cases.len() - failures.len(),
            cases.len()
        );
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
