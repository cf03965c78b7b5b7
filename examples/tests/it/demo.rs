//! The demo repository.

use crate::support::World;

#[test]
fn the_demo_bootstraps_heals_and_follows_a_commit() {
    let world = World::new();
    let ran = world.gitops_on("embedded", &[], &["demo", "--color", "never"]);
    assert_eq!(ran.status, 0, "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("nothing was written"), "{}", ran.out);
    assert!(
        ran.out
            .contains("spec.replicas: 5 -> 2 (owned by kubectl-edit)"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("run hook batch/Job shop/migrate-2026-12"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("OutOfSync"), "{}", ran.out);
}

#[test]
fn a_password_made_by_a_chart_stays() {
    let mut world = World::new();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let url = "https://git.example.com/shop/deployment.git";
    world.repository(url, "shop", &demo);
    let password = || {
        let secret = world
            .object("Secret", "shop", "database-credentials")
            .expect("it exists");
        secret["data"]["password"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let bootstrap = ["bootstrap", url, "--path", "apps"];
    assert_eq!(world.gitops(&bootstrap).status, 0);
    let first = password();
    assert!(!first.is_empty());
    let again = world.gitops(&bootstrap);
    assert!(again.out.contains("nothing was written"), "{}", again.out);
    assert_eq!(password(), first);
    // The value never shows where the object is shown.
    let plan = world.gitops(&["plan", "database", "--all", "-o", "json"]);
    assert!(!plan.out.contains(&first));
}

#[test]
fn a_removed_template_is_pruned_and_a_removed_application_cascades() {
    let mut world = World::new();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let url = "https://git.example.com/shop/deployment.git";
    world.repository(url, "shop", &demo);
    let bootstrap = ["bootstrap", url, "--path", "apps"];
    assert_eq!(world.gitops(&bootstrap).status, 0);
    assert!(world.object("Service", "shop", "cart").is_some());
    world.edit(
        "shop",
        "charts/shop/values.yaml",
        "cart:\n  enabled: true",
        "cart:\n  enabled: false",
    );
    assert_eq!(world.gitops(&bootstrap).status, 0);
    assert!(world.object("Service", "shop", "cart").is_none());
    assert!(world.object("Deployment", "shop", "cart").is_none());

    // Monitoring has no prune: what is no longer declared is listed and stays.
    std::fs::remove_file(world.path("shop/monitoring/rules/alerts.yaml")).expect("it was there");
    world.commit("shop");
    let ran = world.gitops(&bootstrap);
    assert!(world.object("ConfigMap", "shop", "alert-rules").is_some());
    let diff = world.gitops(&["diff", "monitoring"]);
    assert_eq!(diff.status, 2, "{}\n{}", ran.out, diff.out);
    assert!(diff.out.contains("no longer declared"), "{}", diff.out);
    let synced = world.gitops(&["sync", "monitoring", "--prune"]);
    assert_eq!(synced.status, 0, "{}\n{}", synced.out, synced.err);
    assert!(world.object("ConfigMap", "shop", "alert-rules").is_none());
}

#[test]
fn plans_are_saved_and_executed_later() {
    let mut world = World::new();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let url = "https://git.example.com/shop/deployment.git";
    world.repository(url, "shop", &demo);
    assert_eq!(
        world.gitops(&["bootstrap", url, "--path", "apps"]).status,
        0
    );
    world.edit(
        "shop",
        "monitoring/agent.yaml",
        "replicas: 1",
        "replicas: 3",
    );
    let file = world.path("change.plan");
    let file = file.to_str().expect("a text");
    let planned = world.gitops(&["plan", "monitoring", "--out", file]);
    assert_eq!(planned.status, 2, "{}\n{}", planned.out, planned.err);
    assert!(
        planned.out.contains("spec.replicas: 1 -> 3"),
        "{}",
        planned.out
    );
    let synced = world.gitops(&["sync", "--plan", file]);
    assert_eq!(synced.status, 0, "{}\n{}", synced.out, synced.err);
    let agent = world
        .object("Deployment", "shop", "metrics-agent")
        .expect("it exists");
    assert_eq!(agent["spec"]["replicas"], 3);
    // The cluster has moved on: an older plan is refused.
    world.edit(
        "shop",
        "monitoring/agent.yaml",
        "replicas: 3",
        "replicas: 4",
    );
    assert_eq!(
        world.gitops(&["plan", "monitoring", "--out", file]).status,
        2
    );
    world.edit(
        "shop",
        "monitoring/agent.yaml",
        "replicas: 4",
        "replicas: 2",
    );
    let synced = world.gitops(&["sync", "monitoring"]);
    assert_eq!(synced.status, 0, "{}\n{}", synced.out, synced.err);
    let late = world.gitops(&["sync", "--plan", file]);
    assert_eq!(late.status, 1, "{}", late.out);
    assert!(late.err.contains("plan again"), "{}", late.err);
}
