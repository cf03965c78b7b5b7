//! The short programs below `layers/` do what they say.

#[path = "../../layers/custom_health.rs"]
mod custom_health;
#[path = "../../layers/custom_source.rs"]
mod custom_source;
#[path = "../../layers/diff_objects.rs"]
mod diff_objects;
#[path = "../../layers/plan_and_apply.rs"]
mod plan_and_apply;
#[path = "../../layers/preview_change.rs"]
mod preview_change;
#[path = "../../layers/read_git_tree.rs"]
mod read_git_tree;
#[path = "../../layers/render_chart.rs"]
mod render_chart;

use crate::support::World;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn assert_holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_chart_is_rendered() {
    let text = render_chart::run().expect("it renders");
    assert_holds(
        &text,
        &[
            "apps/Deployment frontend  from shop/charts/frontend/",
            "replicas: 7",
        ],
    );
    assert!(!text.contains("cart"), "{text}");
}

#[test]
fn objects_are_compared() {
    let text = diff_objects::run().expect("they compare");
    assert_holds(
        &text,
        &[
            "spec.replicas: 5 -> 2 (owned by kubectl-scale)",
            r#"{"op":"replace","path":"/spec/replicas","value":2}"#,
            "-      - image: registry.example.com/web:1.0\n+      - image: registry.example.com/web:2.0",
        ],
    );
}

#[test]
fn a_plan_is_applied_later_and_refused_when_outdated() {
    let text = block_on(plan_and_apply::run()).expect("it applies");
    assert_holds(
        &text,
        &[
            "Create ConfigMap default/settings",
            "Succeeded",
            "again: the cluster has changed since the plan was made",
        ],
    );
}

#[test]
fn a_tree_is_read_without_a_checkout() {
    let mut world = World::new();
    let files = [
        ("charts/web/Chart.yaml", "name: web\n"),
        ("README.md", "hello\n"),
    ];
    world.repository_of("https://git.example.com/web.git", "web", &files);
    let repository = world.path("web");
    let text = block_on(read_git_tree::run(
        repository.to_str().expect("a text"),
        "main",
    ));
    assert_holds(
        &text.expect("it reads"),
        &["README.md  6 bytes", "charts/web"],
    );
}

#[test]
fn another_source_goes_through_the_pipeline() {
    let text = block_on(custom_source::run()).expect("it reconciles");
    assert_holds(&text, &["Create ConfigMap default/settings", "Synced at "]);
}

#[test]
fn another_health_rule_comes_before_the_built_in_ones() {
    let text = custom_health::run().expect("it judges");
    assert_holds(
        &text,
        &[
            "Progressing announced in 3 of 4 windows",
            "PersistentVolumeClaim shop/data: Healthy",
        ],
    );
}

#[test]
fn a_pull_request_is_previewed() {
    let text = block_on(preview_change::run()).expect("it previews");
    assert_holds(
        &text,
        &[
            "Update ConfigMap default/greeting",
            "data.text: \"hello\" -> \"welcome\"",
        ],
    );
}
