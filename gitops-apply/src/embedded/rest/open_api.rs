//! Schemas as OpenAPI v3, one document per group and version.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::schema::{ListTopology, Scalar, Schema, Type, TypeId};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{RestService, answer::Answer};
use crate::embedded::{
    registry::Kind,
    status::{ApiError, Reason},
    strategy::hash,
};

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

impl RestService {
    pub(super) fn open_api_index(&self) -> Answer {
        let mut paths = Map::new();
        for (group, versions) in self.versions() {
            for version in versions {
                let path = prefix(&group, &version);
                let body = self.document(&group, &version).to_string();
                let url = format!("/openapi/v3/{path}?hash={:016X}", hash(&body));
                paths.insert(path, json!({"serverRelativeURL": url}));
            }
        }
        Answer::json(StatusCode::OK, &json!({"paths": paths}))
    }

    pub(super) fn open_api(&self, group: &str, version: &str) -> Result<Answer, ApiError> {
        if !self
            .versions()
            .get(group)
            .is_some_and(|versions| versions.iter().any(|v| v == version))
        {
            return Err(ApiError::new(
                404,
                Reason::NotFound,
                "the server could not find the requested resource",
            ));
        }
        Ok(Answer::json(StatusCode::OK, &self.document(group, version)))
    }

    fn document(&self, group: &str, version: &str) -> Value {
        let (kinds, release): (Vec<Arc<Kind>>, String) = {
            let server = self.cluster.shared.server();
            let kinds = server.registry.kinds();
            (
                kinds
                    .filter(|kind| kind.gvk.group == group && kind.gvk.version == version)
                    .cloned()
                    .collect(),
                server.registry.discovery().version.clone(),
            )
        };
        let mut writer = Writer::default();
        let mut paths = Map::new();
        for kind in &kinds {
            writer.root(kind);
            operations(kind, &mut paths);
        }
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": format!("v{release}")},
            "paths": paths,
            "components": {"schemas": writer.schemas},
        })
    }
}

fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// What can be done with a kind: clients look for parameters here.
fn operations(kind: &Kind, paths: &mut Map<String, Value>) {
    let base = prefix(&kind.gvk.group, &kind.gvk.version);
    let within = if kind.is_namespaced() {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let gvk = json!({"group": kind.gvk.group, "version": kind.gvk.version, "kind": kind.gvk.kind});
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
        .collect();
    let operation = |action: &str| {
        json!({
            "parameters": parameters, "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
        })
    };
    let collection = format!("/{base}{within}/{}", kind.plural());
    paths.insert(
        collection.clone(),
        json!({"get": operation("list"), "post": operation("post")}),
    );
    let mut patch = operation("patch");
    patch["requestBody"] = json!({"content": {
        "application/apply-patch+yaml": {}, "application/json-patch+json": {},
        "application/merge-patch+json": {}, "application/strategic-merge-patch+json": {},
    }});
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({
            "get": operation("get"), "put": operation("put"), "patch": patch,
            "delete": operation("delete"),
        }),
    );
}

/// Writes types as components.
#[derive(Default)]
struct Writer {
    schemas: BTreeMap<String, Value>,
    /// Whether the kind at hand knows strategic merge patches: custom ones do not.
    patches: bool,
    arenas: Vec<Arc<Vec<Type>>>,
}

impl Writer {
    fn root(&mut self, kind: &Kind) {
        let name = root_name(kind);
        self.patches = kind.custom.is_none();
        let mut body = match &kind.schema {
            Some(schema) => self.body(schema, schema.root),
            None => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        };
        if let Value::Object(map) = &mut body {
            map.insert(
                "x-kubernetes-group-version-kind".to_owned(),
                json!([{"group": kind.gvk.group, "version": kind.gvk.version, "kind": kind.gvk.kind}]),
            );
        }
        self.schemas.insert(name, body);
    }

    /// A type where it is used: in place if it is simple, else a reference.
    fn used(&mut self, schema: &Schema, id: TypeId) -> Value {
        match schema.get(id) {
            Type::Map(map) if !map.fields.is_empty() => {
                let arena = self.arena(schema);
                let name = format!("embedded.types.{arena}.{}", id.0);
                if !self.schemas.contains_key(&name) {
                    // The place is taken first: types can be recursive.
                    self.schemas.insert(name.clone(), Value::Null);
                    let body = self.body(schema, id);
                    self.schemas.insert(name.clone(), body);
                }
                json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}], "default": {}})
            }
            Type::Scalar(Scalar::Quantity) => self.named(QUANTITY, json!({"oneOf": [{"type": "string"}, {"type": "number"}]})),
            Type::Scalar(Scalar::IntOrString) => {
                self.named(INT_OR_STRING, json!({"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}))
            }
            Type::AnyAtomic => self.named(RAW, json!({"type": "object"})),
            _ => self.body(schema, id),
        }
    }

    fn named(&mut self, name: &str, body: Value) -> Value {
        self.schemas.entry(name.to_owned()).or_insert(body);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    fn arena(&mut self, schema: &Schema) -> usize {
        if let Some(index) = self
            .arenas
            .iter()
            .position(|known| Arc::ptr_eq(known, &schema.types))
        {
            return index;
        }
        self.arenas.push(Arc::clone(&schema.types));
        self.arenas.len() - 1
    }

    fn body(&mut self, schema: &Schema, id: TypeId) -> Value {
        match schema.get(id) {
            Type::Scalar(scalar) => match scalar {
                Scalar::String => json!({"type": "string"}),
                Scalar::Integer => json!({"type": "integer"}),
                Scalar::Number => json!({"type": "number"}),
                Scalar::Boolean => json!({"type": "boolean"}),
                _ => self.used_scalar(*scalar),
            },
            Type::List(list) => {
                let mut body = json!({"type": "array", "items": self.used(schema, list.item)});
                match &list.topology {
                    ListTopology::Atomic => body["x-kubernetes-list-type"] = "atomic".into(),
                    ListTopology::Set => {
                        body["x-kubernetes-list-type"] = "set".into();
                        if self.patches {
                            body["x-kubernetes-patch-strategy"] = "merge".into();
                        }
                    }
                    ListTopology::Map(keys) => {
                        body["x-kubernetes-list-type"] = "map".into();
                        let keys: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
                        body["x-kubernetes-list-map-keys"] = json!(keys);
                        // Of several keys, strategic merge patches know the first.
                        if self.patches {
                            body["x-kubernetes-patch-strategy"] = "merge".into();
                            body["x-kubernetes-patch-merge-key"] = keys[0].into();
                        }
                    }
                    _ => {}
                }
                body
            }
            Type::Map(map) => {
                let mut body = json!({"type": "object"});
                if !map.fields.is_empty() {
                    let mut properties = Map::new();
                    let mut required = Vec::new();
                    for (name, field) in &map.fields {
                        let mut property = self.used(schema, field.ty);
                        if let Value::Object(property) = &mut property {
                            if let Some(default) = &field.default {
                                property.insert("default".to_owned(), default.clone());
                            } else {
                                property.remove("default");
                            }
                            if property.contains_key("$ref")
                                && property.len() > 1
                                && let Some(reference) = property.remove("$ref")
                            {
                                property.insert("allOf".to_owned(), json!([{"$ref": reference}]));
                            }
                        }
                        if field.required {
                            required.push(name.as_str());
                        }
                        properties.insert(name.clone(), property);
                    }
                    body["properties"] = Value::Object(properties);
                    if !required.is_empty() {
                        body["required"] = json!(required);
                    }
                }
                if let Some(additional) = map.additional {
                    let mut additional = self.used(schema, additional);
                    if let Value::Object(additional) = &mut additional {
                        additional.remove("default");
                    }
                    body["additionalProperties"] = additional;
                }
                if map.atomic {
                    body["x-kubernetes-map-type"] = "atomic".into();
                }
                if map.preserve_unknown {
                    body["x-kubernetes-preserve-unknown-fields"] = true.into();
                }
                body
            }
            _ => json!({"x-kubernetes-preserve-unknown-fields": true}),
        }
    }

    fn used_scalar(&mut self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::Quantity => self.named(
                QUANTITY,
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
            ),
            Scalar::IntOrString => json!({"x-kubernetes-int-or-string": true}),
            _ => json!({}),
        }
    }
}

/// `io.k8s.api.apps.v1.Deployment`; the reversed group for custom kinds.
fn root_name(kind: &Kind) -> String {
    let group = if kind.custom.is_some() {
        let parts: Vec<&str> = kind.gvk.group.rsplit('.').collect();
        parts.join(".")
    } else {
        let short = kind.gvk.group.split('.').next().unwrap_or_default();
        format!(
            "io.k8s.api.{}",
            if short.is_empty() { "core" } else { short }
        )
    };
    format!("{group}.{}.{}", kind.gvk.version, kind.gvk.kind)
}
