//! What a crate may depend on: who only renders does not pay for a cluster client.

use std::{path::Path, process::Command};

/// Packages that a crate depends on, in its default features.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn assert_without(package: &str, unwanted: &[&str]) {
    let found = dependencies(package);
    assert!(found.len() > 5, "{found:?}");
    for name in found {
        let is_unwanted = unwanted
            .iter()
            .any(|unwanted| name == *unwanted || name.starts_with(&format!("{unwanted}-")));
        assert!(!is_unwanted, "{package} depends on {name}");
    }
}

#[test]
fn the_model_rendering_and_diffs_need_no_cluster_client_git_or_runtime() {
    let unwanted = ["kube", "k8s", "gix", "tokio", "hyper", "reqwest"];
    for package in ["gitops-core", "gitops-render", "gitops-diff"] {
        assert_without(package, &unwanted);
    }
}

#[test]
fn git_and_apply_do_not_need_each_other() {
    assert_without(
        "gitops-git",
        &[
            "kube",
            "k8s",
            "gitops-render",
            "gitops-apply",
            "gitops-diff",
        ],
    );
    assert_without("gitops-apply", &["gix", "gitops-git", "gitops-render"]);
}
