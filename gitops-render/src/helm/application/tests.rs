use std::collections::BTreeMap;

use gitops_core::{
    app::{HelmFileParameter, HelmParameter},
    clock::Timestamp,
    render::Randomness,
    source::MemoryTree,
};

use super::*;

fn input(source: ApplicationSource) -> RenderInput {
    RenderInput {
        application: "web".to_owned(),
        namespace: "shop".to_owned(),
        source,
        kube_version: "v1.34.1-gke.5".to_owned(),
        api_versions: vec!["example.com/v1/Thing".to_owned()],
        build_environment: BTreeMap::from([("ARGOCD_APP_NAME".to_owned(), "web".to_owned())]),
        randomness: Randomness::Forbidden,
        now: Timestamp::UNIX_EPOCH,
        answers: BTreeMap::new(),
        lookups: false,
    }
}

const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-{{ .Release.Namespace }}
data:
  values: {{ toJson .Values | quote }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  has: {{ .Capabilities.APIVersions.Has \"example.com/v1/Thing\" | quote }}
";

fn tree() -> MemoryTree {
    MemoryTree::new()
        .with(
            "charts/web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        )
        .with("charts/web/values.yaml", "a: chart\n")
        .with("charts/web/values-prod.yaml", "b: prod\n")
        .with("charts/web/templates/c.yaml", TEMPLATE)
        .with(
            "charts/web/crds/crd.yaml",
            "apiVersion: v1\nkind: Crd\nmetadata: {name: c}\n",
        )
        .with("shared/1.yaml", "c: one\nd: one\n")
        .with("shared/2.yaml", "d: two\n")
        .with("shared/file.txt", "text,with=signs")
}

fn source(helm: HelmSource) -> ApplicationSource {
    ApplicationSource {
        helm: Some(helm),
        ..ApplicationSource::default()
    }
}

fn render(trees: &Trees, helm: HelmSource) -> Result<Rendered, RenderError> {
    let source = source(helm);
    let renderer = HelmRenderer::default();
    assert!(renderer.detects(trees, &source)?);
    match renderer.prepare(trees, &source)?.render(&input(source))? {
        RenderOutcome::Rendered(rendered) => Ok(rendered),
        other => panic!("{other:?}"),
    }
}

fn values(rendered: &Rendered) -> Value {
    let config = rendered
        .manifests
        .iter()
        .find(|m| m.kind() == "ConfigMap")
        .unwrap();
    let text = config.pointer("/data/values").unwrap().as_str().unwrap();
    serde_json::from_str(text).unwrap()
}

fn trees() -> Trees {
    Trees::new(Arc::new(tree()), "charts/web")
}

#[test]
fn values_come_in_argo_cds_order() {
    let mut trees = trees();
    let other = MemoryTree::new().with("env/web.yaml", "e: ref\n");
    trees.named.insert("values".to_owned(), Arc::new(other));
    let rendered = render(
        &trees,
        HelmSource {
            value_files: vec![
                "values-prod.yaml".to_owned(),
                "/shared/*.yaml".to_owned(),
                "$values/env/$ARGOCD_APP_NAME.yaml".to_owned(),
            ],
            values: Some("f: inline\n".to_owned()),
            parameters: vec![
                HelmParameter {
                    name: "g.h".to_owned(),
                    value: "x,y".to_owned(),
                    ..HelmParameter::default()
                },
                HelmParameter {
                    name: "n".to_owned(),
                    value: "1".to_owned(),
                    force_string: true,
                    ..HelmParameter::default()
                },
            ],
            file_parameters: vec![HelmFileParameter {
                name: "t".to_owned(),
                path: "../../shared/file.txt".to_owned(),
                ..HelmFileParameter::default()
            }],
            ..HelmSource::default()
        },
    )
    .unwrap();
    assert_eq!(
        values(&rendered),
        serde_json::json!({
            "a": "chart", "b": "prod", "c": "one", "d": "two", "e": "ref", "f": "inline",
            "g": {"h": "x,y"}, "n": "1", "t": "text,with=signs",
        })
    );
    let config = rendered.manifests.last().unwrap();
    assert_eq!(config.name(), "web-shop");
    assert_eq!(config.pointer("/data/kube").unwrap(), "v1.34.1");
    assert_eq!(config.pointer("/data/has").unwrap(), "true");
    for path in [
        "charts/web/Chart.yaml",
        "shared/2.yaml",
        "$values/env/web.yaml",
    ] {
        assert!(rendered.inputs_read.contains_key(path), "{path}");
    }
    assert!(!rendered.inputs_read.contains_key(""));
}

#[test]
fn missing_values_files_are_errors_unless_ignored() {
    let mut helm = HelmSource {
        value_files: vec!["none.yaml".to_owned(), "/none/*.yaml".to_owned()],
        ..HelmSource::default()
    };
    assert!(matches!(
        render(&trees(), helm.clone()),
        Err(RenderError::Values { .. })
    ));
    helm.ignore_missing_value_files = true;
    assert!(render(&trees(), helm).is_ok());
}

#[test]
fn paths_stay_inside_the_repository() {
    let helm = HelmSource {
        value_files: vec!["../../../secret.yaml".to_owned()],
        ..HelmSource::default()
    };
    assert!(matches!(render(&trees(), helm), Err(RenderError::Tree(_))));
}

#[test]
fn crds_can_be_left_out() {
    let kinds = |helm| -> Vec<String> {
        let rendered = render(&trees(), helm).unwrap();
        rendered
            .manifests
            .iter()
            .map(|m| m.kind().to_owned())
            .collect()
    };
    assert_eq!(kinds(HelmSource::default()), ["Crd", "ConfigMap"]);
    let helm = HelmSource {
        skip_crds: true,
        ..HelmSource::default()
    };
    assert_eq!(kinds(helm), ["ConfigMap"]);
}

#[test]
fn variables_are_expanded() {
    let environment = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
    for (text, expanded) in [
        ("$A-${A}-$B-$$A", "1-1--$A"),
        ("x$", "x$"),
        ("${A", "A"),
        ("$A_B", ""),
    ] {
        assert_eq!(expand(text, &environment), expanded, "{text}");
    }
}

#[test]
fn commas_are_escaped() {
    for (value, escaped) in [
        ("a,b", "a\\,b"),
        ("a\\,b", "a\\,b"),
        ("{a,b}", "{a,b}"),
        ("a,,b", "a\\,,b"),
        (",a", ",a"),
    ] {
        assert_eq!(escape_commas(value), escaped);
    }
}
