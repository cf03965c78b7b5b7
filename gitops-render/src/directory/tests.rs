use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    app::{ApplicationSource, DirectorySource},
    clock::Timestamp,
    render::{Randomness, RenderError, RenderInput, RenderOutcome, Rendered, Renderer as _, Trees},
    source::MemoryTree,
};

use super::{DirectoryOptions, DirectoryRenderer};

fn input(source: ApplicationSource) -> RenderInput {
    RenderInput {
        application: "app".to_owned(),
        namespace: "default".to_owned(),
        source,
        kube_version: "1.34.0".to_owned(),
        api_versions: Vec::new(),
        build_environment: BTreeMap::new(),
        randomness: Randomness::default(),
        now: Timestamp::UNIX_EPOCH,
        answers: BTreeMap::new(),
        lookups: false,
    }
}

fn render_with(
    options: DirectoryOptions,
    tree: MemoryTree,
    directory: DirectorySource,
) -> Result<Rendered, RenderError> {
    let source = ApplicationSource {
        directory: Some(directory),
        ..ApplicationSource::default()
    };
    let trees = Trees::new(Arc::new(tree), "app");
    let renderer = DirectoryRenderer::new(options);
    assert!(renderer.detects(&trees, &source)?);
    match renderer.prepare(&trees, &source)?.render(&input(source))? {
        RenderOutcome::Rendered(rendered) => Ok(rendered),
        other => panic!("{other:?}"),
    }
}

fn render(tree: MemoryTree, directory: DirectorySource) -> Result<Rendered, RenderError> {
    render_with(DirectoryOptions::default(), tree, directory)
}

fn names(rendered: &Rendered) -> Vec<&str> {
    rendered.manifests.iter().map(|m| m.name()).collect()
}

fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

fn tree() -> MemoryTree {
    MemoryTree::new()
        .with(
            "app/b.yaml",
            format!("{}---\n{}", object("b1"), object("b2")),
        )
        .with("app/a.yml", object("a"))
        .with(
            "app/c.json",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}"#,
        )
        .with("app/readme.md", "# not: [yaml")
        .with("app/values.yaml", "replicas: 1\n")
        .with("app/broken.yaml", "a: [\n")
        .with("app/sub/d.yaml", object("d"))
        .with(
            "app/sub/skipped.yaml",
            format!("# +argocd:skip-file-rendering\n{}", object("s")),
        )
        .with("other/e.yaml", object("e"))
}

#[test]
fn files_are_read_in_lexical_order_and_the_rest_is_left_aside() {
    let rendered = render(tree(), DirectorySource::default()).unwrap();
    assert_eq!(names(&rendered), ["a", "b1", "b2", "c"]);
    assert!(rendered.inputs_read.contains_key("app/a.yml"));
    assert!(!rendered.inputs_read.contains_key("other/e.yaml"));
}

#[test]
fn recursion_and_globs_choose_files() {
    let directory = DirectorySource {
        recurse: true,
        include: Some("{*.yml,*d.yaml}".to_owned()),
        exclude: Some("a*".to_owned()),
        ..DirectorySource::default()
    };
    assert_eq!(names(&render(tree(), directory).unwrap()), ["d"]);
}

#[test]
fn broken_manifests_are_errors() {
    let broken = format!("{}  x: [\n", object("a"));
    let error = render(
        MemoryTree::new().with("app/a.yaml", broken),
        DirectorySource::default(),
    )
    .unwrap_err();
    assert!(matches!(error, RenderError::InvalidManifest { path, .. } if path == "app/a.yaml"));
}

#[test]
fn sizes_are_bounded() {
    let options = DirectoryOptions {
        total_bytes: 10,
        ..DirectoryOptions::default()
    };
    let error = render_with(options, tree(), DirectorySource::default()).unwrap_err();
    assert!(matches!(
        error,
        RenderError::LimitExceeded { allowed: 10, .. }
    ));
}

#[test]
fn the_source_can_be_overridden_in_the_repository() {
    let tree = tree().with(
        "app/.argocd-source-app.yaml",
        "directory:\n  recurse: true\n  include: '*d.yaml'\n",
    );
    assert_eq!(
        names(&render(tree, DirectorySource::default()).unwrap()),
        ["d"]
    );
}
