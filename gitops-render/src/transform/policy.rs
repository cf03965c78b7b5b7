//! PodDisruptionBudget as `policy/v1`.

use serde_json::json;

use super::draft::Draft;

/// An empty selector chose no Pod and now chooses all. It is written as the API server itself reads
/// such a budget: by a label that no Pod has.
#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn budget(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    let Some(spec) = draft.spec() else {
        return Ok(());
    };
    let is_empty = spec
        .get("selector")
        .and_then(serde_json::Value::as_object)
        .is_some_and(|selector| {
            selector.values().all(|part| match part {
                serde_json::Value::Object(labels) => labels.is_empty(),
                serde_json::Value::Array(expressions) => expressions.is_empty(),
                part => part.is_null(),
            })
        });
    if is_empty {
        let none = json!({"matchExpressions": [{
            "key": "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match",
            "operator": "Exists",
        }]});
        spec.insert("selector".to_owned(), none);
        draft.changed("spec.selector: empty chose nothing and would choose everything");
    }
    Ok(())
}
