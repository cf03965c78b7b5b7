use serde_json::json;

use super::*;

#[test]
fn paths_are_removed_from_the_end() {
    let mut value = json!({"l": [1, 2, 3, 4], "o": {"a": 1, "b": 2}});
    let slice = vec![
        JsonStep::Field("l".into()),
        JsonStep::Slice(Some(1), Some(3)),
    ];
    let last = vec![JsonStep::Field("l".into()), JsonStep::Index(-1)];
    let field = vec![JsonStep::Field("o".into()), JsonStep::Field("a".into())];
    let nothing = vec![JsonStep::Field("x".into())];
    remove_paths(&mut value, &[slice, last, field, nothing]);
    assert_eq!(value, json!({"l": [1], "o": {"b": 2}}));
    remove_paths(&mut value, &[Vec::new()]);
    assert_eq!(value, json!(null));
}

#[test]
fn pointers_are_read() {
    assert_eq!(
        parse_pointer("/a~1b/~0"),
        Some(vec!["a/b".into(), "~".into()])
    );
    assert_eq!(parse_pointer("a"), None);
    let value = json!({"a": [{"b": 1}]});
    let pointer = |text| resolve_pointer(&value, &parse_pointer(text).unwrap());
    assert!(pointer("/a/0/b").is_some());
    assert!(pointer("/a/1/b").is_none() && pointer("/a/x").is_none());
}

#[test]
fn rules_that_cannot_be_used_are_errors() {
    let rule = |value| serde_json::from_value::<IgnoreDifferences>(value).unwrap();
    for bad in [
        json!({"kind": "X", "jsonPointers": ["spec"]}),
        json!({"kind": "X", "jqPathExpressions": [".a["]}),
        json!({"kind": "[", "jsonPointers": []}),
        json!({"paths": ["spec"]}),
        json!({"paths": [], "target": {"kind": "("}}),
        json!({"paths": [], "target": {"labelSelector": "a b"}}),
        json!({"kind": "X", "labelSelector": "in (a"}),
    ] {
        let error = IgnoreRules::compile(&[rule(bad)], &JqCache::default()).unwrap_err();
        assert!(matches!(error, DiffError::IgnoreRule { .. }));
    }
}
