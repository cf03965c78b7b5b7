//! JSON values into Kubernetes objects, as Argo CD takes them from any renderer.

use gitops_core::{Manifest, render::RenderError};
use serde_json::Value;

/// Adds the objects that a document holds: none for an empty document, the items of a list, or the
/// document itself.
pub(crate) fn add_objects(
    value: Value,
    origin: &str,
    manifests: &mut Vec<Manifest>,
) -> Result<(), RenderError> {
    if value.is_null() {
        return Ok(());
    }
    let invalid = |reason: String| RenderError::InvalidManifest {
        path: origin.to_owned(),
        reason,
    };
    let kind = value
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if kind.ends_with("List") {
        let other_parts = value.get("spec").is_some() || value.get("status").is_some();
        match value.get("items") {
            Some(Value::Array(items)) => {
                for item in items {
                    add_objects(item.clone(), origin, manifests)?;
                }
                return Ok(());
            }
            Some(Value::Null) if !other_parts => return Ok(()),
            _ => {}
        }
    }
    manifests.push(Manifest::try_from(value).map_err(|error| invalid(error.to_string()))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_are_flattened() {
        let mut manifests = Vec::new();
        let item = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [item, null]});
        add_objects(list, "f", &mut manifests).unwrap();
        add_objects(
            json!({"kind": "SecretList", "items": null}),
            "f",
            &mut manifests,
        )
        .unwrap();
        add_objects(Value::Null, "f", &mut manifests).unwrap();
        assert_eq!(manifests.len(), 1);
        assert!(add_objects(json!({"kind": "A"}), "f", &mut manifests).is_err());
    }
}
