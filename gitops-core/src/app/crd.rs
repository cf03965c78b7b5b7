//! The CustomResourceDefinitions of Application and AppProject, generated from the types.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    app::{API_VERSION, AppProject, Application, GROUP},
    object::Manifest,
};

/// The JSON Schema of a type, with all definitions written out in place.
#[must_use]
pub fn json_schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// The CustomResourceDefinition of `applications.argoproj.io`.
#[must_use]
pub fn application_crd() -> Manifest {
    let columns = json!([
        column("Sync Status", ".status.sync.status", 0),
        column("Health Status", ".status.health.status", 0),
        column("Revision", ".status.sync.revision", 10),
        column("Project", ".spec.project", 10),
    ]);
    crd::<Application>(
        "Application",
        "applications",
        json!({"singular": "application", "shortNames": ["app", "apps"]}),
        columns,
    )
}

/// The CustomResourceDefinition of `appprojects.argoproj.io`.
#[must_use]
pub fn project_crd() -> Manifest {
    crd::<AppProject>(
        "AppProject",
        "appprojects",
        json!({"singular": "appproject", "shortNames": ["appproj", "appprojs"]}),
        json!([]),
    )
}

fn column(name: &str, path: &str, priority: u8) -> Value {
    json!({"name": name, "type": "string", "jsonPath": path, "priority": priority})
}

fn crd<T: JsonSchema>(kind: &str, plural: &str, names: Value, columns: Value) -> Manifest {
    let mut schema = json_schema::<T>();
    make_structural(&mut schema);
    if let Some(properties) = schema.get_mut("properties") {
        properties["metadata"] = json!({"type": "object"});
    }
    if let Some(root) = schema.as_object_mut() {
        // Fields beside these are no fields of a Kubernetes object; the API server prunes them.
        root.remove("x-kubernetes-preserve-unknown-fields");
        root.insert("required".to_owned(), json!(["metadata", "spec"]));
    }
    let mut all_names = json!({"kind": kind, "listKind": format!("{kind}List"), "plural": plural});
    for (key, value) in names.as_object().into_iter().flatten() {
        all_names[key] = value.clone();
    }
    let version = API_VERSION.rsplit('/').next().unwrap_or_default();
    Manifest::try_from(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": all_names,
            "scope": "Namespaced",
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": schema},
                "additionalPrinterColumns": columns,
            }],
        },
    }))
    .expect("apiVersion and kind are written out above")
}

/// Turns a JSON Schema into the structural form that CustomResourceDefinitions allow.
fn make_structural(schema: &mut Value) {
    if schema.as_bool() == Some(true) {
        *schema = json!({});
    }
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for key in ["$schema", "title", "default", "definitions", "$defs"] {
        object.remove(key);
    }
    collapse_alternatives(object);
    let mut nullable = false;
    if let Some(Value::Array(types)) = object.get("type").cloned() {
        nullable = types.iter().any(|t| t == "null");
        let first = types.into_iter().find(|t| t != "null");
        object.insert("type".to_owned(), first.unwrap_or_else(|| "object".into()));
    }
    if nullable {
        object.insert("nullable".to_owned(), true.into());
    }
    if object
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| !matches!(format, "int32" | "int64" | "double" | "float"))
    {
        object.remove("format");
    }
    match object.get("additionalProperties") {
        Some(Value::Bool(true)) => {
            object.remove("additionalProperties");
            object.insert(
                "x-kubernetes-preserve-unknown-fields".to_owned(),
                true.into(),
            );
        }
        Some(Value::Object(_)) if object.contains_key("properties") => {
            object.remove("additionalProperties");
            object.insert(
                "x-kubernetes-preserve-unknown-fields".to_owned(),
                true.into(),
            );
        }
        _ => {}
    }
    if !object.contains_key("type") {
        object.insert(
            "x-kubernetes-preserve-unknown-fields".to_owned(),
            true.into(),
        );
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(make_structural);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            make_structural(inner);
        }
    }
}

/// Alternatives are not structural: those of an enum's variants become its values, an optional value
/// becomes nullable.
fn collapse_alternatives(object: &mut Map<String, Value>) {
    for key in ["oneOf", "anyOf", "allOf"] {
        let Some(Value::Array(alternatives)) = object.remove(key) else {
            continue;
        };
        let (nulls, others): (Vec<Value>, Vec<Value>) = alternatives
            .into_iter()
            .partition(|a| a.get("type") == Some(&"null".into()));
        let variants: Option<Vec<Value>> = others
            .iter()
            .map(|a| {
                a.get("const")
                    .map(|value| vec![value.clone()])
                    .or_else(|| a.get("enum").and_then(Value::as_array).cloned())
            })
            .collect::<Option<Vec<_>>>()
            .map(|lists| lists.into_iter().flatten().collect());
        match (variants, others.len()) {
            (Some(variants), _) if !variants.is_empty() => {
                object.insert("type".to_owned(), "string".into());
                object.insert("enum".to_owned(), variants.into());
            }
            (_, 1) => {
                let description = object.get("description").cloned();
                for (key, value) in others[0].as_object().into_iter().flatten() {
                    object.insert(key.clone(), value.clone());
                }
                if let Some(description) = description {
                    object.insert("description".to_owned(), description);
                }
                collapse_alternatives(object);
            }
            _ => {
                object.insert("type".to_owned(), "string".into());
            }
        }
        if !nulls.is_empty() {
            object.insert("nullable".to_owned(), true.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, path: &str) {
        let object = schema
            .as_object()
            .unwrap_or_else(|| panic!("{path}: {schema}"));
        for key in ["oneOf", "anyOf", "allOf", "$ref", "title", "const"] {
            assert!(!object.contains_key(key), "{path} has {key}");
        }
        assert!(
            object.get("type").is_some_and(Value::is_string)
                || object.contains_key("x-kubernetes-preserve-unknown-fields"),
            "{path} has no type"
        );
        for (name, inner) in object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            check(inner, &format!("{path}.{name}"));
        }
        if let Some(items) = object.get("items") {
            check(items, &format!("{path}[]"));
        }
    }

    #[test]
    fn schemas_are_structural() {
        for crd in [application_crd(), project_crd()] {
            let schema = crd
                .pointer("/spec/versions/0/schema/openAPIV3Schema")
                .unwrap();
            check(schema, crd.name());
            assert_eq!(
                schema.pointer("/properties/spec/type"),
                Some(&"object".into())
            );
        }
        let crd = application_crd();
        let sync = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/sync/\
                    properties/status";
        assert_eq!(
            crd.pointer(sync).and_then(|s| s.get("enum")),
            Some(&json!(["Unknown", "Synced", "OutOfSync"]))
        );
    }
}
