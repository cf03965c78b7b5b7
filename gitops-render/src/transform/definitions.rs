//! CustomResourceDefinition as `apiextensions.k8s.io/v1`: everything is said per version, and every
//! version has a structural schema.

use serde_json::{Map, Value, json};

use super::{
    draft::{Draft, Fields, is_unset, object_mut, objects_mut, rename, set_default, text},
    structural::{Structure, structural},
};

/// Without this annotation `v1` refuses definitions in groups of the Kubernetes community.
const APPROVAL: &str = "api-approved.kubernetes.io";
const UNAPPROVED: &str = "unapproved, declared before approval was asked for";

#[allow(
    clippy::unnecessary_wraps,
    reason = "the type that all entries of the table have"
)]
pub(super) fn definition(draft: &mut Draft, _from: &str) -> Result<(), String> {
    draft.remove_status();
    let Some(mut spec) = draft.take_spec() else {
        return Ok(());
    };
    if is_community_group(text(&spec, "group")) && draft.manifest().annotation(APPROVAL).is_none() {
        let annotations = draft.metadata().entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = Value::Object(Map::new());
        }
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(APPROVAL.to_owned(), UNAPPROVED.into());
            draft.changed(format!("the annotation {APPROVAL}: unapproved"));
        }
    }
    if set_default(&mut spec, "scope", "Namespaced") {
        draft.changed("spec.scope: Namespaced as before");
    }
    // Unknown fields were kept unless the definition said otherwise.
    let preserve = match spec.remove("preserveUnknownFields") {
        Some(Value::Bool(preserve)) => preserve,
        _ => true,
    };
    lift_versions(draft, &mut spec, preserve);
    lift_conversion(draft, &mut spec);
    draft.put_spec(spec);
    Ok(())
}

/// Whether only the Kubernetes community may define kinds of a group.
fn is_community_group(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")))
}

fn lift_versions(draft: &mut Draft, spec: &mut Fields, preserve: bool) {
    let version = spec.remove("version").unwrap_or_default();
    let has_versions = spec
        .get("versions")
        .and_then(Value::as_array)
        .is_some_and(|versions| !versions.is_empty());
    if !has_versions && version.is_string() {
        let version = json!([{"name": version, "served": true, "storage": true}]);
        spec.insert("versions".to_owned(), version);
        draft.changed("spec.version is spec.versions");
    }
    let everywhere: Vec<(&str, &str, Value)> = [
        ("validation", "schema"),
        ("subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns"),
    ]
    .into_iter()
    .filter_map(|(from, to)| match spec.remove(from) {
        None | Some(Value::Null) => None,
        Some(value) => Some((from, to, value)),
    })
    .collect();
    for (from, to, _) in &everywhere {
        draft.changed(format!("spec.{from} is {to} of every version"));
    }
    let mut structure = Structure::new(preserve);
    let mut has_no_schema = false;
    for version in objects_mut(spec, "versions") {
        for (_, to, value) in &everywhere {
            if is_unset(version, to) {
                version.insert((*to).to_owned(), value.clone());
            }
        }
        for column in objects_mut(version, "additionalPrinterColumns") {
            rename(column, "JSONPath", "jsonPath");
        }
        let with_status = version
            .get("subresources")
            .and_then(|subresources| subresources.get("status"))
            .is_some_and(|status| !status.is_null());
        let schema = version
            .get_mut("schema")
            .and_then(Value::as_object_mut)
            .and_then(|schema| schema.get_mut("openAPIV3Schema"))
            .filter(|schema| schema.is_object());
        match schema {
            Some(schema) => {
                let whole = std::mem::take(schema);
                *schema = structural(whole, with_status, &mut structure);
            }
            None => {
                has_no_schema = true;
                version.insert(
                    "schema".to_owned(),
                    json!({"openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": true,
                    }}),
                );
            }
        }
    }
    if has_no_schema {
        draft.changed("a schema that lets everything pass");
    } else if preserve {
        draft.changed("the schema keeps unknown fields as before");
    }
    for change in structure.changes() {
        draft.changed(change);
    }
    for loss in structure.losses() {
        draft.lost(loss);
    }
}

fn lift_conversion(draft: &mut Draft, spec: &mut Fields) {
    let Some(conversion) = object_mut(spec, "conversion") else {
        return;
    };
    let client = conversion.remove("webhookClientConfig");
    let versions = conversion.remove("conversionReviewVersions");
    if text(conversion, "strategy") != "Webhook" {
        return;
    }
    let versions = match versions {
        Some(Value::Array(versions)) if !versions.is_empty() => Value::Array(versions),
        _ => json!(["v1beta1"]),
    };
    let mut webhook = Map::new();
    if let Some(client) = client {
        webhook.insert("clientConfig".to_owned(), client);
    }
    webhook.insert("conversionReviewVersions".to_owned(), versions);
    conversion.insert("webhook".to_owned(), Value::Object(webhook));
    draft.changed("spec.conversion.webhook");
}
