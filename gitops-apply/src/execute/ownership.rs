//! Takes over the fields of objects that were applied by a client-side tool before, so that fields
//! which nobody declares any more go away with the next apply.

use gitops_core::{
    Manifest, ObjectRef,
    cluster::{ClusterError, Patch},
    plan::Delivery,
};
use serde_json::{Map, Value, json};

use super::send::Sender;

/// How often somebody else may get in between.
const ATTEMPTS: usize = 5;

/// Moves the field sets of `managers` into our Apply entry.
pub(super) async fn take_over(
    sender: &Sender<'_>,
    reference: &ObjectRef,
    managers: &[String],
) -> Result<(), ClusterError> {
    for _ in 0..ATTEMPTS {
        let Some(live) = sender.get(reference).await? else {
            return Ok(());
        };
        let Some(entries) = moved(&live, sender.field_manager, managers) else {
            return Ok(());
        };
        let patch = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": live.resource_version()},
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
        ]))
        .expect("a JSON patch");
        match sender
            .patch(reference, &Patch::Json(patch), &Delivery::default())
            .await
        {
            Err(ClusterError::Conflict { .. } | ClusterError::Invalid { .. }) => {}
            other => return other.map(drop),
        }
    }
    // Somebody writes all the time; the apply itself works without.
    Ok(())
}

/// The entries with those of `managers` united into ours; `None` where there are none.
fn moved(live: &Manifest, own: &str, managers: &[String]) -> Option<Vec<Value>> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let is_ours = |entry: &Value| {
        text(entry, "manager") == own
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
    };
    let is_theirs = |entry: &Value| {
        managers.contains(&text(entry, "manager"))
            && text(entry, "subresource").is_empty()
            && !is_ours(entry)
    };
    let entries: Vec<Value> = live.managed_fields().cloned().collect();
    let (theirs, mut rest): (Vec<Value>, Vec<Value>) = entries.into_iter().partition(is_theirs);
    // Field sets of different versions cannot be united.
    let version = text(theirs.last()?, "apiVersion");
    let mut fields = Map::new();
    for entry in theirs.iter().filter(|e| text(e, "apiVersion") == version) {
        unite(&mut fields, &entry["fieldsV1"]);
    }
    match rest.iter_mut().find(|entry| is_ours(entry)) {
        // An applier has one entry, whatever the version.
        Some(entry) if text(entry, "apiVersion") != version => return None,
        Some(entry) => {
            let mut own_fields = entry["fieldsV1"].as_object().cloned().unwrap_or_default();
            unite(&mut own_fields, &Value::Object(fields));
            entry["fieldsV1"] = Value::Object(own_fields);
        }
        None => rest.push(json!({
            "manager": own,
            "operation": "Apply",
            "apiVersion": version,
            "time": theirs.last()?["time"],
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        })),
    }
    Some(rest)
}

/// The union of field sets in their JSON form is the union of the trees.
fn unite(into: &mut Map<String, Value>, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        let entry = into
            .entry(key.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(entry) = entry {
            unite(entry, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_client_side_tool_become_ours() {
        let live = Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "managedFields": [
                {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1",
                 "fieldsV1": {"f:data": {".": {}, "f:a": {}}}},
                {"manager": "gitops", "operation": "Apply", "apiVersion": "v1",
                 "fieldsV1": {"f:data": {"f:b": {}}}},
                {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": {}},
            ]},
        }))
        .unwrap();
        let managers = ["kubectl-client-side-apply".to_owned()];
        let entries = moved(&live, "gitops", &managers).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[0]["fieldsV1"],
            json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}})
        );
        assert_eq!(moved(&live, "gitops", &["nobody".to_owned()]), None);
    }
}
