//! OpenAPI v3 and v2 documents, as an API server publishes them.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    GroupVersionKind, Scope,
    schema::{Schema, TypeId},
};
use serde_json::Value;

use super::{SchemaError, SchemaSet, compile::Compiler};

impl SchemaSet {
    /// Adds the kinds of an OpenAPI document: `components.schemas` of version 3 or `definitions`
    /// of version 2. Version 2 lacks the defaults of list keys (`protocol: TCP`).
    pub fn add_openapi(&mut self, document: &Value) -> Result<(), SchemaError> {
        let definitions = document
            .get("components")
            .and_then(|components| components.get("schemas"))
            .or_else(|| document.get("definitions"))
            .and_then(Value::as_object);
        let Some(definitions) = definitions else {
            if document.get("paths").is_some() {
                return Ok(());
            }
            return Err(SchemaError::NotOpenApi);
        };
        let by_name: BTreeMap<&str, &Value> = definitions
            .iter()
            .map(|(name, schema)| (name.as_str(), schema))
            .collect();
        let mut compiler = Compiler::new(by_name);
        let mut roots: Vec<(GroupVersionKind, TypeId)> = Vec::new();
        for (name, schema) in definitions {
            for gvk in gvks(schema) {
                roots.push((gvk, compiler.named(name)?));
            }
        }
        let types = Arc::new(compiler.finish());
        for (gvk, root) in roots {
            let types = Arc::clone(&types);
            self.insert(gvk, Some(Arc::new(Schema { types, root })), None);
        }
        for (gvk, scope) in scopes(document) {
            self.insert(gvk, None, Some(scope));
        }
        Ok(())
    }
}

fn gvks(schema: &Value) -> impl Iterator<Item = GroupVersionKind> {
    schema
        .get("x-kubernetes-group-version-kind")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(gvk)
}

fn gvk(value: &Value) -> Option<GroupVersionKind> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let kind = text("kind").filter(|kind| !kind.is_empty())?;
    Some(GroupVersionKind::new(
        text("group").unwrap_or_default(),
        text("version")?,
        kind,
    ))
}

/// The scopes of kinds, from the paths under which they are served.
fn scopes(document: &Value) -> Vec<(GroupVersionKind, Scope)> {
    let mut found = Vec::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        // /api/v1/… or /apis/GROUP/VERSION/…
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let rest = match segments.first() {
            Some(&"api") => segments.get(2..),
            Some(&"apis") => segments.get(3..),
            _ => None,
        };
        let scope = match rest {
            Some(["namespaces", "{namespace}", _] | ["namespaces", "{namespace}", _, "{name}"]) => {
                Scope::Namespaced
            }
            Some([plural] | [plural, "{name}"]) if !plural.is_empty() && *plural != "watch" => {
                Scope::Cluster
            }
            _ => continue,
        };
        let operations = item.as_object().into_iter().flatten();
        for (verb, operation) in operations {
            // Lists over all namespaces have a path without one.
            let addressed =
                path.ends_with("{name}") || scope == Scope::Namespaced || verb == "post";
            if let Some(gvk) = operation
                .get("x-kubernetes-group-version-kind")
                .and_then(gvk)
                .filter(|_| addressed)
            {
                found.push((gvk, scope));
            }
        }
    }
    found
}
