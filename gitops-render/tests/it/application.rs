//! What a render of an application says about itself: the inputs it read, and where its random values
//! came from.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    app::{ApplicationSource, HelmSource},
    clock::Timestamp,
    render::{
        Randomness, RememberedValues, RenderError, RenderInput, RenderOutcome, Rendered,
        Renderer as _, Trees,
    },
    source::MemoryTree,
};
use gitops_render::helm::HelmRenderer;
use proptest::prelude::*;

type Files = BTreeMap<&'static str, String>;

/// Paths that a chart may have or lack, and some outside of it.
const PATHS: &[&str] = &[
    "app/Chart.yaml",
    "app/values.yaml",
    "app/templates/a.yaml",
    "app/templates/_helpers.tpl",
    "app/templates/NOTES.txt",
    "app/.helmignore",
    "app/conf/a.txt",
    "app/crds/crd.yaml",
    "app/charts/sub/Chart.yaml",
    "app/charts/sub/values.yaml",
    "app/charts/sub/templates/b.yaml",
    "app/values.schema.json",
    "env/prod.yaml",
    "env/test.yaml",
    "other/Chart.yaml",
    "README.md",
];

fn content(path: &str, variant: usize) -> String {
    let chart = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 1.0.{variant}\n");
    match path {
        "app/Chart.yaml" => chart("app"),
        "app/charts/sub/Chart.yaml" => chart("sub"),
        "app/values.yaml" | "env/prod.yaml" | "env/test.yaml" | "app/charts/sub/values.yaml" => {
            format!("a: {variant}\nsub: {{b: {variant}}}\n")
        }
        "app/templates/a.yaml" => format!(
            "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: a{variant}}}\ndata:\n  file: {{{{ .Files.Get \"conf/a.txt\" | quote }}}}\n  values: {{{{ toJson .Values | quote }}}}\n"
        ),
        "app/charts/sub/templates/b.yaml" => format!(
            "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: b{variant}}}\ndata: {{values: {{{{ toJson .Values | quote }}}}}}\n"
        ),
        "app/crds/crd.yaml" => {
            format!("kind: Crd\napiVersion: v1\nmetadata: {{name: crd{variant}}}\n")
        }
        "app/.helmignore" => ["conf/", "crds/", "*.txt"][variant % 3].to_owned(),
        "app/values.schema.json" => "{}".to_owned(),
        _ => format!("text {variant}\n"),
    }
}

fn trees(files: &Files) -> Trees {
    let tree = files.iter().fold(MemoryTree::new(), |tree, (path, text)| {
        tree.with(*path, text.clone())
    });
    Trees::new(Arc::new(tree), "app")
}

fn input(source: ApplicationSource, randomness: Randomness) -> RenderInput {
    RenderInput {
        application: "web".to_owned(),
        namespace: "shop".to_owned(),
        source,
        kube_version: "1.34.0".to_owned(),
        api_versions: Vec::new(),
        build_environment: BTreeMap::new(),
        randomness,
        now: Timestamp::UNIX_EPOCH,
        answers: BTreeMap::new(),
        lookups: false,
    }
}

fn rendered(files: &Files, randomness: Randomness) -> Result<Rendered, RenderError> {
    let source = ApplicationSource {
        helm: Some(HelmSource {
            value_files: vec!["../env/prod.yaml".to_owned()],
            ignore_missing_value_files: true,
            ..HelmSource::default()
        }),
        ..ApplicationSource::default()
    };
    let prepared = HelmRenderer::default().prepare(&trees(files), &source)?;
    match prepared.render(&input(source, randomness))? {
        RenderOutcome::Rendered(rendered) => Ok(rendered),
        other => panic!("{other:?}"),
    }
}

/// Everything that a render gives but the inputs.
fn output(rendered: &Rendered) -> String {
    let manifests = rendered.manifests.iter().map(|m| format!("{m:?}"));
    let manifests: Vec<String> = manifests.collect();
    format!("{manifests:#?}{:?}", rendered.warnings)
}

/// Whether an input is no longer what was read.
fn is_noticed(read: &Rendered, files: &Files) -> bool {
    let root = trees(files).root;
    read.inputs_read
        .iter()
        .any(|(path, id)| root.id(path).unwrap() != *id)
}

fn some_files() -> impl Strategy<Value = Files> {
    let present =
        proptest::collection::vec(proptest::option::weighted(0.8, 0usize..3), PATHS.len());
    present.prop_map(|present| {
        let mut files: Files = PATHS
            .iter()
            .zip(present)
            .filter_map(|(path, variant)| Some((*path, content(path, variant?))))
            .collect();
        for path in ["app/Chart.yaml", "app/templates/a.yaml"] {
            files.entry(path).or_insert_with(|| content(path, 0));
        }
        if files.keys().any(|path| path.starts_with("app/charts/")) {
            let path = "app/charts/sub/Chart.yaml";
            files.entry(path).or_insert_with(|| content(path, 0));
        }
        files
    })
}

proptest! {
    /// What was read is enough to render again.
    #[test]
    fn inputs_are_complete(files in some_files()) {
        let first = rendered(&files, Randomness::Forbidden).unwrap();
        let read: Files = files
            .iter()
            .filter(|(path, _)| first.inputs_read.contains_key(**path))
            .map(|(path, text)| (*path, text.clone()))
            .collect();
        let again = rendered(&read, Randomness::Forbidden).unwrap();
        prop_assert_eq!(output(&first), output(&again));
    }

    /// A change that no input shows changes nothing; the files that count show every change.
    #[test]
    fn changes_are_noticed(files in some_files(), at in 0..PATHS.len(), variant in proptest::option::of(0usize..4)) {
        let first = rendered(&files, Randomness::Forbidden).unwrap();
        let path = PATHS[at];
        let mut changed = files.clone();
        match variant {
            Some(variant) => changed.insert(path, content(path, variant)),
            None => changed.remove(path),
        };
        let is_changed = changed != files;
        if is_noticed(&first, &changed) {
            prop_assert!(is_changed);
        } else {
            let again = rendered(&changed, Randomness::Forbidden).unwrap();
            prop_assert_eq!(output(&first), output(&again));
            prop_assert!(!is_changed || !path.starts_with("app/"), "{}", path);
        }
        if is_changed && first.inputs_read.contains_key(path) {
            prop_assert!(is_noticed(&first, &changed));
        }
    }
}

const SECRET: &str = "kind: Secret\napiVersion: v1\nmetadata: {name: s}\nstringData:\n  one: {{ randAlphaNum 20 }}\n  two: {{ randAlphaNum 20 }}\n";

fn with_secret(before: &str) -> Files {
    Files::from([
        ("app/Chart.yaml", content("app/Chart.yaml", 0)),
        ("app/templates/secret.yaml", format!("{before}{SECRET}")),
    ])
}

fn secrets(rendered: &Rendered) -> [String; 2] {
    let secret = rendered.manifests.iter().find(|m| m.kind() == "Secret");
    ["one", "two"].map(|key| {
        let pointer = format!("/stringData/{key}");
        let value = secret.unwrap().pointer(&pointer).unwrap();
        value.as_str().unwrap().to_owned()
    })
}

#[test]
fn a_seed_gives_the_same_values() {
    let of = |seed| secrets(&rendered(&with_secret(""), Randomness::Seeded(seed)).unwrap());
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    let [one, two] = of(7);
    assert_ne!(one, two);
}

#[test]
fn remembered_values_stay_when_the_surroundings_change() {
    let fresh = Randomness::Remembered(Arc::new(RememberedValues::default()));
    let first = rendered(&with_secret(""), fresh).unwrap();
    assert_eq!(first.remembered.0.len(), 2);
    let remembered = Randomness::Remembered(Arc::new(first.remembered.clone()));
    let above = "{{/* a comment */}}\nkind: Role\napiVersion: v1\nmetadata: {name: r}\n---\n";
    let second = rendered(&with_secret(above), remembered.clone()).unwrap();
    assert_eq!(secrets(&first), secrets(&second));
    // Another call of the same text in the same template comes after the others.
    let mut more = with_secret("");
    let text = more.get_mut("app/templates/secret.yaml").unwrap();
    text.push_str("  three: {{ randAlphaNum 20 }}\n");
    let third = rendered(&more, remembered).unwrap();
    assert_eq!(secrets(&first), secrets(&third));
    assert_eq!(third.remembered.0.len(), 3);
}

#[test]
fn forbidden_randomness_names_the_template() {
    let error = rendered(&with_secret(""), Randomness::Forbidden).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("app/templates/secret.yaml:5:10"), "{text}");
    assert!(text.contains("randomness"), "{text}");
}

#[test]
fn values_that_no_one_keeps_are_warned_of() {
    let real = rendered(&with_secret(""), Randomness::Real).unwrap();
    assert!(
        real.warnings
            .iter()
            .any(|warning| warning.contains("random values")),
        "{:?}",
        real.warnings
    );
    let plain = Files::from([
        ("app/Chart.yaml", content("app/Chart.yaml", 0)),
        ("app/templates/a.yaml", content("app/templates/a.yaml", 0)),
    ]);
    let plain = rendered(&plain, Randomness::Real).unwrap();
    assert_eq!(plain.warnings, Vec::<String>::new());
}
