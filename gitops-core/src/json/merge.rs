//! JSON Merge Patch (RFC 7386).

use serde_json::{Map, Value};

/// Applies a merge patch: mappings are merged, `null` removes a key, everything else replaces.
///
/// ```
/// let mut value = serde_json::json!({"a": "b", "c": {"d": 1, "e": 2}});
/// gitops_core::json::merge_patch(&mut value, &serde_json::json!({"a": null, "c": {"d": 3}}));
/// assert_eq!(value, serde_json::json!({"c": {"d": 3, "e": 2}}));
/// ```
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        unreachable!("made an object above");
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge_patch(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The smallest merge patch that makes `to` of `from`. `None` where there is none, because `to` holds
/// a `null` that `from` does not: a merge patch cannot set `null`.
#[must_use]
pub fn merge_diff(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        // What replaces a whole value is itself applied as a patch.
        return (!holds_null(to)).then(|| to.clone());
    };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        let change = match old.get(key) {
            Some(same) if same == value => continue,
            _ if value.is_null() => return None,
            Some(before @ Value::Object(_)) if value.is_object() => merge_diff(before, value)?,
            _ if holds_null(value) => return None,
            _ => value.clone(),
        };
        patch.insert(key.clone(), change);
    }
    Some(Value::Object(patch))
}

/// Whether a merge patch of this value would remove keys instead of setting them to `null`. Lists
/// are set as they are.
fn holds_null(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .values()
            .any(|value| value.is_null() || holds_null(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn diff_and_patch() {
        let from = json!({"a": 1, "b": {"c": 2, "d": null}, "e": [1]});
        let to = json!({"b": {"c": 3, "d": null}, "e": [null], "f": {"g": {}}});
        let patch = merge_diff(&from, &to).expect("a patch");
        let mut patched = from;
        merge_patch(&mut patched, &patch);
        assert_eq!(patched, to);
        assert_eq!(merge_diff(&json!({}), &json!({"a": null})), None);
        assert_eq!(merge_diff(&json!({}), &json!({"a": {"b": null}})), None);
    }
}
