//! Argo CD's example applications on a real control plane, bootstrapped until all of them are healthy.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    control_plane::{ControlPlane, Controllers},
    support::World,
};

const URL: &str = "https://git.example.com/argocd-example-apps.git";
const APPS: [&str; 3] = ["guestbook", "sync-waves", "helm-hooks"];

fn apps() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let apps = root.join("apps/argocd-example-apps");
    if apps.exists() {
        return Some(apps);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is missing",
        apps.display()
    );
    println!("no corpus of apps: skipped");
    None
}

fn application(name: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: {name}, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: {URL}, path: {name}, targetRevision: HEAD}}
  destination: {{server: https://kubernetes.default.svc, namespace: {name}}}
  syncPolicy:
    automated: {{}}
    syncOptions: [CreateNamespace=true]
"
    )
}

#[test]
fn corpus_apps_become_healthy() {
    let Some(folder) = apps() else { return };
    let Some(plane) = ControlPlane::start(Controllers::All) else {
        return;
    };
    let mut world = World::new();
    world.repository(URL, "examples", &folder);
    for name in APPS {
        let path = format!("applications/{name}.yaml");
        world.write("examples", &path, &application(name));
    }
    world.commit("examples");
    let environment = [("KUBECONFIG", plane.kubeconfig.as_path())];
    let arguments = [
        "bootstrap",
        URL,
        "--path",
        "applications",
        "--timeout",
        "150",
        "-o",
        "json",
    ];
    let ran = world.gitops_on("kubeconfig", &environment, &arguments);
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    let applications = ran.json()["applications"].clone();
    let applications = applications.as_array().expect("a list");
    let mut healthy = 0;
    for application in applications {
        let status = &application["status"];
        println!(
            "{}: {} {}",
            application["name"], status["sync"]["status"], status["health"]["status"]
        );
        assert_eq!(status["sync"]["status"], "Synced", "{application:#}");
        assert_eq!(status["health"]["status"], "Healthy", "{application:#}");
        healthy += 1;
    }
    println!("apps on a real control plane: {healthy}/{}", APPS.len());
    assert_eq!(healthy, APPS.len());

    // Jobs of hooks ran in the order of their phases.
    let jobs = std::process::Command::new(plane.program("kubectl"))
        .arg(format!("--kubeconfig={}", plane.kubeconfig.display()))
        .args(["-n", "helm-hooks", "get", "jobs", "-o", "json"])
        .env("HOME", world.folder.path())
        .output()
        .expect("kubectl starts");
    let jobs: Value = serde_json::from_slice(&jobs.stdout).expect("JSON");
    let time = |prefix: &str, field: &str| -> String {
        let jobs = jobs["items"].as_array().expect("a list");
        let job = jobs.iter().find(|job| {
            let name = job["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with(prefix)
        });
        let job = job.unwrap_or_else(|| panic!("no job {prefix} in {jobs:#?}"));
        job["status"][field].as_str().unwrap_or_default().to_owned()
    };
    let schema_done = time("upgrade-sql-schema", "completionTime");
    assert!(!schema_done.is_empty());
    assert!(time("maint-page-up", "startTime") >= schema_done);
    assert!(time("maint-page-down", "startTime") >= time("maint-page-up", "completionTime"));
}
