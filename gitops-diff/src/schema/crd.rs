//! CustomResourceDefinitions.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    GroupVersionKind, Manifest, Scope,
    schema::{Field, ListKey, ListTopology, ListType, MapType, Scalar, Schema, Type, TypeId},
};
use serde_json::Value;

use super::{SchemaError, SchemaSet, compile::Compiler};

impl SchemaSet {
    /// Adds the kinds of a CustomResourceDefinition (`apiextensions.k8s.io/v1` or `v1beta1`), one
    /// for each version that is served.
    pub fn add_crd(&mut self, crd: &Manifest) -> Result<(), SchemaError> {
        let missing = |field: &'static str| SchemaError::Crd {
            name: crd.name().to_owned(),
            field,
        };
        let spec = crd.as_map().get("spec").ok_or(missing("spec"))?;
        let text =
            |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let group = text(spec, "group").ok_or(missing("spec.group"))?;
        let kind = spec
            .get("names")
            .and_then(|names| text(names, "kind"))
            .ok_or(missing("spec.names.kind"))?;
        let scope = match text(spec, "scope").as_deref() {
            Some("Cluster") => Scope::Cluster,
            _ => Scope::Namespaced,
        };
        let keeps_unknown = match spec.get("preserveUnknownFields").and_then(Value::as_bool) {
            Some(keeps) => keeps,
            None => crd.version() == "v1beta1",
        };
        let shared = spec
            .get("validation")
            .and_then(|validation| validation.get("openAPIV3Schema"));
        let mut add = |version: &str, schema: Option<&Value>| {
            let gvk = GroupVersionKind::new(&group, version, &kind);
            let schema = crd_schema(schema, keeps_unknown)?;
            self.insert(gvk, Some(Arc::new(schema)), Some(scope));
            Ok::<(), SchemaError>(())
        };
        match spec.get("versions").and_then(Value::as_array) {
            Some(versions) => {
                for version in versions {
                    if version.get("served").and_then(Value::as_bool) == Some(false) {
                        continue;
                    }
                    let name = text(version, "name").ok_or(missing("spec.versions[].name"))?;
                    let schema = version.get("schema").and_then(|s| s.get("openAPIV3Schema"));
                    add(&name, schema.or(shared))?;
                }
            }
            None => {
                let version = text(spec, "version").ok_or(missing("spec.versions"))?;
                add(&version, shared)?;
            }
        }
        Ok(())
    }
}

/// The schema of one version of a custom kind: its own, with the metadata that all objects have.
pub fn crd_schema(schema: Option<&Value>, keeps_unknown: bool) -> Result<Schema, SchemaError> {
    let free = Value::Object(serde_json::Map::new());
    let preserve = keeps_unknown || schema.is_none();
    let mut compiler = Compiler::new(BTreeMap::new());
    let text = compiler.add(Type::Scalar(Scalar::String));
    let metadata = object_meta(&mut compiler, text);
    let root = compiler.inline(schema.unwrap_or(&free), preserve)?;
    let root = match compiler.get_mut(root) {
        Some(Type::Map(map)) => {
            complete(map, text, metadata);
            root
        }
        _ => {
            let mut map = MapType {
                fields: BTreeMap::new(),
                additional: Some(TypeId(0)),
                atomic: false,
                preserve_unknown: true,
            };
            complete(&mut map, text, metadata);
            compiler.add(Type::Map(map))
        }
    };
    Ok(Schema {
        types: Arc::new(compiler.finish()),
        root,
    })
}

fn field(ty: TypeId) -> Field {
    Field {
        ty,
        default: None,
        required: false,
    }
}

fn complete(map: &mut MapType, text: TypeId, metadata: TypeId) {
    map.atomic = false;
    map.fields.insert("apiVersion".to_owned(), field(text));
    map.fields.insert("kind".to_owned(), field(text));
    map.fields.insert("metadata".to_owned(), field(metadata));
}

/// The type of `metadata`.
fn object_meta(compiler: &mut Compiler<'_>, text: TypeId) -> TypeId {
    let record = |fields: &[(&str, TypeId)], atomic: bool| {
        Type::Map(MapType {
            fields: fields
                .iter()
                .map(|(name, ty)| ((*name).to_owned(), field(*ty)))
                .collect(),
            additional: None,
            atomic,
            preserve_unknown: false,
        })
    };
    let integer = compiler.add(Type::Scalar(Scalar::Integer));
    let boolean = compiler.add(Type::Scalar(Scalar::Boolean));
    let texts = compiler.add(Type::Map(MapType {
        fields: BTreeMap::new(),
        additional: Some(text),
        atomic: false,
        preserve_unknown: false,
    }));
    let finalizers = compiler.add(Type::List(ListType {
        item: text,
        topology: ListTopology::Set,
    }));
    let owner = compiler.add(record(
        &[
            ("apiVersion", text),
            ("blockOwnerDeletion", boolean),
            ("controller", boolean),
            ("kind", text),
            ("name", text),
            ("uid", text),
        ],
        true,
    ));
    let owners = compiler.add(Type::List(ListType {
        item: owner,
        topology: ListTopology::Map(vec![ListKey {
            name: "uid".to_owned(),
            default: Some(Value::String(String::new())),
        }]),
    }));
    let entry = compiler.add(record(
        &[
            ("apiVersion", text),
            ("fieldsType", text),
            ("fieldsV1", TypeId(0)),
            ("manager", text),
            ("operation", text),
            ("subresource", text),
            ("time", text),
        ],
        false,
    ));
    let entries = compiler.add(Type::List(ListType {
        item: entry,
        topology: ListTopology::Atomic,
    }));
    compiler.add(record(
        &[
            ("annotations", texts),
            ("creationTimestamp", text),
            ("deletionGracePeriodSeconds", integer),
            ("deletionTimestamp", text),
            ("finalizers", finalizers),
            ("generateName", text),
            ("generation", integer),
            ("labels", texts),
            ("managedFields", entries),
            ("name", text),
            ("namespace", text),
            ("ownerReferences", owners),
            ("resourceVersion", text),
            ("selfLink", text),
            ("uid", text),
        ],
        false,
    ))
}
