//! Bad input: each gets an error that says what, where and what to do; no other application stops.

use crate::support::{World, git};

const APPS: &str = "https://git.example.com/apps.git";

fn application(name: &str, url: &str, path: &str, more: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\nspec:\n  \
         project: default\n  source:\n    repoURL: {url}\n    path: {path}\n{more}  destination:\n    \
         server: https://kubernetes.default.svc\n    namespace: default\n  syncPolicy:\n    \
         automated: {{}}\n"
    )
}

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: good\ndata: {a: b}\n";
const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

/// Bootstraps a good application beside one that is wrong, and gives what is said of the latter.
fn refusal(files: &[(&str, &str)], wrong: &str) -> String {
    let mut world = World::new();
    refusal_in(&mut world, files, wrong)
}

fn refusal_in(world: &mut World, files: &[(&str, &str)], wrong: &str) -> String {
    let good = application("good", APPS, "good", "");
    let mut all = vec![
        ("apps/good.yaml", good.as_str()),
        ("apps/wrong.yaml", wrong),
        ("good/config.yaml", GOOD),
    ];
    all.extend_from_slice(files);
    world.repository_of(APPS, "apps", &all);
    let ran = world.gitops(&[
        "bootstrap",
        APPS,
        "--path",
        "apps",
        "-o",
        "json",
        "--timeout",
        "20",
    ]);
    assert_eq!(ran.status, 1, "{}\n{}", ran.out, ran.err);
    let value = ran.json();
    let status = |name: &str| {
        let all = value["applications"].as_array().expect("a list");
        let found = all.iter().find(|application| application["name"] == name);
        found.unwrap_or_else(|| panic!("{name} in {value:#}"))["status"].clone()
    };
    assert_eq!(status("good")["sync"]["status"], "Synced");
    let conditions = status("wrong")["conditions"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(conditions.len(), 1, "{conditions:?}");
    let kind = conditions[0]["type"].as_str().expect("a text");
    format!(
        "{kind}: {}",
        conditions[0]["message"].as_str().expect("a text")
    )
}

#[test]
fn an_unknown_revision() {
    let wrong = application(
        "wrong",
        APPS,
        "good",
        "    targetRevision: no-such-branch\n",
    );
    let message = refusal(&[], &wrong);
    assert!(
        message.contains("ComparisonError") && message.contains("no-such-branch"),
        "{message}"
    );
}

#[test]
fn a_path_that_does_not_exist_or_leaves_the_repository() {
    let message = refusal(&[], &application("wrong", APPS, "nowhere", ""));
    assert!(message.contains("`nowhere`"), "{message}");
    let message = refusal(&[], &application("wrong", APPS, "../../etc", ""));
    assert!(message.contains("../../etc"), "{message}");
}

#[test]
fn a_chart_without_its_description() {
    let more = "    helm: {releaseName: x}\n";
    let files = [("chart/templates/a.yaml", GOOD)];
    let message = refusal(&files, &application("wrong", APPS, "chart", more));
    assert!(message.contains("Chart.yaml"), "{message}");
}

#[test]
fn a_broken_template() {
    let files = [
        ("chart/Chart.yaml", CHART),
        ("chart/templates/a.yaml", "a: {{ .Values.a.b.c }}\n"),
    ];
    let message = refusal(&files, &application("wrong", APPS, "chart", ""));
    assert!(message.contains("c/templates/a.yaml:1:"), "{message}");
    assert!(message.contains("nil pointer evaluating"), "{message}");
}

#[test]
fn a_missing_dependency() {
    let chart = format!("{CHART}dependencies:\n- name: sub\n  version: 1.0.0\n");
    let files = [("chart/Chart.yaml", chart.as_str())];
    let message = refusal(&files, &application("wrong", APPS, "chart", ""));
    assert!(message.contains("sub"), "{message}");
}

#[test]
fn invalid_yaml_and_an_alias_bomb() {
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n data: [\n";
    let message = refusal(
        &[("dir/a.yaml", broken)],
        &application("wrong", APPS, "dir", ""),
    );
    assert!(
        message.contains("dir/a.yaml") && message.contains("line"),
        "{message}"
    );
    let mut bomb =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
            .to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let message = refusal(
        &[("dir/a.yaml", &bomb)],
        &application("wrong", APPS, "dir", ""),
    );
    assert!(message.contains("dir/a.yaml"), "{message}");
    assert!(
        message.contains("alias") || message.contains("anchor"),
        "{message}"
    );
}

#[test]
fn an_object_without_a_name() {
    let nameless = "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n";
    let message = refusal(
        &[("dir/a.yaml", nameless)],
        &application("wrong", APPS, "dir", ""),
    );
    assert!(
        message.contains("name") && message.contains("ConfigMap"),
        "{message}"
    );
}

#[test]
fn a_kind_and_a_destination_that_the_project_does_not_permit() {
    let project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata:\n  name: small\nspec:\n  \
                   sourceRepos: ['*']\n  destinations:\n  - {server: '*', namespace: default}\n";
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\n";
    let wrong = application("wrong", APPS, "dir", "").replace("project: default", "project: small");
    let files = [("apps/project.yaml", project), ("dir/a.yaml", role)];
    let message = refusal(&files, &wrong);
    assert!(
        message.contains("SyncError") && message.contains("ClusterRole"),
        "{message}"
    );
    assert!(message.contains("clusterResourceWhitelist"), "{message}");
    let elsewhere = wrong.replace("namespace: default", "namespace: elsewhere");
    let message = refusal(&files, &elsewhere);
    assert!(
        message.contains("InvalidSpecError") && message.contains("elsewhere"),
        "{message}"
    );
}

#[test]
fn an_unreachable_repository() {
    let wrong = application("wrong", "http://127.0.0.1:9/nothing.git", "x", "");
    let message = refusal(&[], &wrong);
    assert!(message.contains("127.0.0.1:9"), "{message}");
}

#[test]
fn a_symlink_out_of_the_tree() {
    let mut world = World::new();
    let link = world.path("apps/dir/a.yaml");
    std::fs::create_dir_all(link.parent().expect("a folder")).expect("writable");
    std::os::unix::fs::symlink("../../../../etc/hostname", &link).expect("writable");
    let message = refusal_in(&mut world, &[], &application("wrong", APPS, "dir", ""));
    assert!(message.contains("dir/a.yaml"), "{message}");
}

#[test]
fn a_file_of_a_gigabyte() {
    let mut world = World::new();
    let file = world.path("apps/dir/a.yaml");
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
    let big = std::fs::File::create(&file).expect("writable");
    big.set_len(1 << 30).expect("a sparse file");
    git(&world.path("apps"), &["init", "--quiet"]);
    git(&world.path("apps"), &["config", "core.compression", "1"]);
    let message = refusal_in(&mut world, &[], &application("wrong", APPS, "dir", ""));
    assert!(message.contains("limit"), "{message}");
}
