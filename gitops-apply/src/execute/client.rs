//! Client-side apply, for objects with `ServerSideApply=false`: a patch of what was applied last, what
//! is declared now and what is there, as `kubectl apply` without `--server-side` makes it.

use gitops_core::{
    Classified, ErrorClass, Manifest,
    cluster::{ClusterError, Patch},
    plan::Delivery,
};
use serde_json::{Map, Value};

use super::{request::Sent, send::Sender};

/// Annotation with what was applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) async fn apply(
    sender: &Sender<'_>,
    object: &Manifest,
    delivery: &Delivery,
) -> Result<Sent, ClusterError> {
    let mut declared = object.clone();
    let text = Value::Object(object.as_map().clone()).to_string();
    declared.set_annotation(LAST_APPLIED, format!("{text}\n"));
    let reference = object.object_ref();
    let Some(live) = sender.get(&reference).await? else {
        return sender.create(&declared, delivery).await;
    };
    let last: Map<String, Value> = live
        .annotation(LAST_APPLIED)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut patch = declared.as_map().clone();
    add_removals(&mut patch, &last);
    let patch = Value::Object(patch);
    // Kinds that servers know merge lists by key; custom resources have no strategy, and neither
    // have clusters that do not offer such patches.
    let merged = if is_builtin(object.group()) {
        let strategic = Patch::Strategic(patch.clone());
        match sender.patch(&reference, &strategic, delivery).await {
            Err(error) if error.class() == ErrorClass::Unsupported => None,
            other => Some(other?),
        }
    } else {
        None
    };
    let object = match merged {
        Some(object) => object,
        None => {
            sender
                .patch(&reference, &Patch::Merge(patch), delivery)
                .await?
        }
    };
    Ok(Sent {
        message: "applied".to_owned(),
        object: Some(object),
    })
}

/// Adds a `null` for each field that was applied last and is not declared any more.
fn add_removals(patch: &mut Map<String, Value>, last: &Map<String, Value>) {
    for (key, last) in last {
        match (patch.get_mut(key), last) {
            (None, _) => {
                patch.insert(key.clone(), Value::Null);
            }
            (Some(Value::Object(patch)), Value::Object(last)) => add_removals(patch, last),
            _ => {}
        }
    }
}

fn is_builtin(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_no_longer_declared_become_null() {
        let mut patch = json!({"spec": {"a": 1}}).as_object().unwrap().clone();
        let last = json!({"spec": {"a": 0, "b": 2}, "data": {}});
        add_removals(&mut patch, last.as_object().unwrap());
        assert_eq!(
            Value::Object(patch),
            json!({"spec": {"a": 1, "b": null}, "data": null})
        );
    }
}
