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

#[test]
fn unified() {
    let before = config_map(json!({"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"}));
    let after = config_map(json!({"a": "1", "b": "2", "c": "3", "d": "4", "e": "50", "f": "6"}));
    assert_eq!(
        view(Some(&before), Some(&after)).unified(),
        "--- live v1 ConfigMap n/a\n+++ desired v1 ConfigMap n/a\n@@ -4,7 +4,7 @@\n   b: \"2\"\n   c: \"3\"\n   d: \"4\"\n-  e: \"5\"\n+  e: \"50\"\n   f: \"6\"\n kind: ConfigMap\n metadata:\n"
    );
    assert!(view(Some(&before), Some(&before)).unified().is_empty());
}

#[test]
fn unified_of_creation_and_deletion() {
    let object = config_map(json!({"a": "1"}));
    let created = view(None, Some(&object)).unified();
    assert!(
        created.starts_with(
            "--- /dev/null\n+++ desired v1 ConfigMap n/a\n@@ -0,0 +1,7 @@\n+apiVersion: v1\n"
        ),
        "{created}"
    );
    let deleted = view(Some(&object), None).unified();
    assert!(
        deleted.contains("\n+++ /dev/null\n@@ -1,7 +0,0 @@\n-apiVersion: v1\n"),
        "{deleted}"
    );
}

#[test]
fn other_forms() {
    let before = config_map(json!({"a": "<1>", "b": "```"}));
    let after = config_map(json!({"a": "<2>", "b": "```"}));
    let view = view(Some(&before), Some(&after));
    assert!(
        view.html().contains(
            "<tr class=\"diff-removed\"><td>3</td><td></td><td><pre>  a: &lt;1&gt;</pre>"
        )
    );
    assert!(view.markdown().contains("````diff\n"));
    let side = view.side_by_side();
    assert!(
        side.lines()
            .any(|line| line.contains("a: <1>") && line.contains(" | ") && line.contains("a: <2>")),
        "{side}"
    );
}

#[test]
fn long_values_are_shortened() {
    let long = |c: char| config_map(json!({"a": c.to_string().repeat(10_000)}));
    let text = view(Some(&long('x')), Some(&long('ü'))).unified();
    assert!(text.len() < 1000 && text.contains("(10000 bytes") && text.contains("(20000 bytes"));
}

#[test]
fn secrets_are_masked() {
    let secret = |value: &str| {
        Manifest::try_from(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": value}}))
            .unwrap()
    };
    let text = view(Some(&secret("c2VjcmV0")), Some(&secret("b3RoZXI="))).unified();
    assert!(
        text.contains("-  k: '*** (before)'\n+  k: '*** (after)'\n"),
        "{text}"
    );
}
