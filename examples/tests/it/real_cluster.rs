//! The command on a real control plane.

use std::path::Path;

use serde_json::Value;

use crate::{
    control_plane::{ControlPlane, Controllers},
    support::World,
};

#[test]
fn the_demo_repository_becomes_healthy_drifts_and_heals() {
    let Some(plane) = ControlPlane::start(Controllers::All) else {
        return;
    };
    let mut world = World::new();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let url = "https://git.example.com/shop/deployment.git";
    world.repository(url, "shop", &demo);
    let environment = [("KUBECONFIG", plane.kubeconfig.as_path())];
    let run = |arguments: &[&str]| world.gitops_on("kubeconfig", &environment, arguments);

    let first = run(&["bootstrap", url, "--path", "apps", "--timeout", "120"]);
    assert_eq!(first.status, 0, "{}\n{}", first.out, first.err);
    let applications = run(&["get", "-o", "json"]).json();
    let applications = applications.as_array().expect("a list").clone();
    assert_eq!(applications.len(), 4);
    for application in &applications {
        let status = &application["status"];
        assert_eq!(status["sync"]["status"], "Synced", "{application:#}");
        assert_eq!(status["health"]["status"], "Healthy", "{application:#}");
    }
    let again = run(&["bootstrap", url, "--path", "apps", "--timeout", "120"]);
    assert!(again.out.contains("nothing was written"), "{}", again.out);

    let kubectl = |arguments: &[&str]| -> String {
        let output = std::process::Command::new(plane.program("kubectl"))
            .arg(format!("--kubeconfig={}", plane.kubeconfig.display()))
            .args(arguments)
            .env("HOME", world.folder.path())
            .output()
            .expect("kubectl starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    kubectl(&[
        "-n",
        "shop",
        "scale",
        "deployment",
        "frontend",
        "--replicas=5",
    ]);
    kubectl(&["-n", "shop", "delete", "service", "cart"]);
    let diff = run(&["diff", "shop", "--fields"]);
    assert_eq!(diff.status, 2, "{}\n{}", diff.out, diff.err);
    assert!(diff.out.contains("spec.replicas: 5 -> 2"), "{}", diff.out);
    let healed = run(&["bootstrap", url, "--path", "apps", "--timeout", "120"]);
    assert_eq!(healed.status, 0, "{}\n{}", healed.out, healed.err);
    let replicas = kubectl(&[
        "-n",
        "shop",
        "get",
        "deployment",
        "frontend",
        "-o",
        "jsonpath={.spec.replicas}",
    ]);
    assert_eq!(replicas, "2");
    kubectl(&["-n", "shop", "get", "service", "cart"]);
}

#[test]
fn corpus_seed_is_refused_where_its_kinds_are_gone_and_goes_on_elsewhere() {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        std::path::PathBuf::from,
    );
    if !root.join("seed").exists() {
        println!("no seed corpus: skipped");
        return;
    }
    let Some(plane) = ControlPlane::start(Controllers::All) else {
        return;
    };
    let world = crate::corpus_seed::world(&root.join("seed"));
    let environment = [("KUBECONFIG", plane.kubeconfig.as_path())];
    let ran = world.gitops_on(
        "kubeconfig",
        &environment,
        &[
            "bootstrap",
            crate::corpus_seed::SEED,
            "--path",
            "applications",
            "--sync-all",
            "--timeout",
            "60",
            "-o",
            "json",
        ],
    );
    assert_eq!(ran.status, 1, "{}\n{}", ran.out, ran.err);
    let value = ran.json();
    let applications = value["applications"].as_array().expect("a list");
    let status = |name: &str| -> &Value {
        let found = applications
            .iter()
            .find(|application| application["name"] == name);
        &found.unwrap_or_else(|| panic!("{name} in {value:#}"))["status"]
    };
    assert_eq!(
        status("guestbook")["sync"]["status"],
        "Synced",
        "{:#}",
        status("guestbook")
    );
    assert_eq!(
        status("guestbook")["health"]["status"],
        "Healthy",
        "{:#}",
        status("guestbook")
    );
    let refused = status("metrics-server")["conditions"].to_string();
    assert!(refused.contains("does not serve"), "{refused}");
    assert!(refused.contains("v1beta1"), "{refused}");
}
