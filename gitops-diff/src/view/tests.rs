use gitops_core::Manifest;
use serde_json::{Value, json};

use super::*;

fn config_map(data: Value) -> Manifest {
    Manifest::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "n", "managedFields": [{"manager": "x"}]}, "data": data}))
    .unwrap()
}

fn view(before: Option<&Manifest>, after: Option<&Manifest>) -> View {
    View::new(before, after, ViewOptions::default())
}

fn two_states() -> (Manifest, Manifest) {
    (
        config_map(json!({
            "a": "1", "b": "2", "c": "3", "d": "4", "e": "<5>", "f": "6", "gone": "```\nx", "h": "same",
        })),
        config_map(json!({
            "a": "1", "b": "2", "c": "3", "d": "4", "e": "50 & more", "f": "6", "h": "same", "new": "ü",
        })),
    )
}

fn secret(data: Value) -> Manifest {
    let last = json!({"apiVersion": "v1", "kind": "Secret", "data": data}).to_string();
    Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}},
        "data": data,
    }))
    .unwrap()
}

#[test]
fn unified() {
    let (before, after) = two_states();
    insta::assert_snapshot!(view(Some(&before), Some(&after)).unified());
    assert!(view(Some(&before), Some(&before)).unified().is_empty());
    let colour = ViewOptions {
        colour: true,
        context: 0,
        ..ViewOptions::default()
    };
    let coloured = View::new(Some(&before), Some(&after), colour).unified();
    insta::assert_snapshot!("coloured", coloured.replace('\u{1b}', "ESC"));
}

#[test]
fn unified_of_creation_and_deletion() {
    let object = config_map(json!({"a": "1"}));
    insta::assert_snapshot!("created", view(None, Some(&object)).unified());
    insta::assert_snapshot!("deleted", view(Some(&object), None).unified());
}

#[test]
fn side_by_side() {
    let (before, after) = two_states();
    let narrow = ViewOptions {
        width: 60,
        ..ViewOptions::default()
    };
    insta::assert_snapshot!(View::new(Some(&before), Some(&after), narrow).side_by_side());
}

#[test]
fn html() {
    let (before, after) = two_states();
    insta::assert_snapshot!(view(Some(&before), Some(&after)).html());
}

#[test]
fn markdown() {
    let (before, after) = two_states();
    insta::assert_snapshot!(view(Some(&before), Some(&after)).markdown());
    insta::assert_snapshot!(
        "markdown_of_a_creation",
        view(None, Some(&after)).markdown()
    );
}

#[test]
fn all_forms_mask_secrets() {
    let before = secret(
        json!({"same": "c2FtZS1wYXNzd29yZA==", "changed": "b2xkLXBhc3N3b3Jk", "gone": "Z29uZQ=="}),
    );
    let after = secret(
        json!({"same": "c2FtZS1wYXNzd29yZA==", "changed": "bmV3LXBhc3N3b3Jk", "new": "bmV3"}),
    );
    let view = view(Some(&before), Some(&after));
    insta::assert_snapshot!(view.unified());
    for text in [view.side_by_side(), view.html(), view.markdown()] {
        assert!(
            !text.contains("cGFzc3dvcmQ") && !text.contains("cGFzc3dvcmQ="),
            "{text}"
        );
        assert!(!text.contains("b2xk") && !text.contains("bmV3"), "{text}");
    }
}

#[test]
fn long_values_are_shortened() {
    let long = |c: char| config_map(json!({"a": c.to_string().repeat(10_000)}));
    let text = view(Some(&long('x')), Some(&long('ü'))).unified();
    assert!(text.len() < 1000 && text.contains("(10000 bytes") && text.contains("(20000 bytes"));
}
