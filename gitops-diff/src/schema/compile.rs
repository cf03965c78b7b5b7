//! From JSON schemas, as OpenAPI documents and CRDs write them, to types.

use std::collections::{BTreeMap, HashMap};

use gitops_core::schema::{Field, ListKey, ListTopology, ListType, MapType, Scalar, Type, TypeId};
use serde_json::{Map, Value};

use super::SchemaError;

const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW_EXTENSION: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/// Schemas nest no deeper than this.
const DEPTH_LIMIT: usize = 128;

/// Fills an arena of types.
pub(super) struct Compiler<'d> {
    types: Vec<Type>,
    /// Definitions that references point to.
    definitions: BTreeMap<&'d str, &'d Value>,
    named: HashMap<&'d str, TypeId>,
    /// References that say themselves whether the object is atomic, to be copied at the end.
    overrides: Vec<(TypeId, TypeId, bool)>,
    /// Lists whose keys take defaults from their items, at the end.
    keyed: Vec<TypeId>,
}

/// The type of values of which nothing is known.
const ANY: TypeId = TypeId(0);
const ANY_ATOMIC: TypeId = TypeId(1);

impl<'d> Compiler<'d> {
    pub(super) fn new(definitions: BTreeMap<&'d str, &'d Value>) -> Self {
        Self {
            types: vec![Type::Any, Type::AnyAtomic],
            definitions,
            named: HashMap::new(),
            overrides: Vec::new(),
            keyed: Vec::new(),
        }
    }

    /// The type of a definition.
    pub(super) fn named(&mut self, name: &'d str) -> Result<TypeId, SchemaError> {
        self.reference(name, 0)
    }

    /// The type of a schema that stands by itself.
    pub(super) fn inline(
        &mut self,
        schema: &'d Value,
        preserve: bool,
    ) -> Result<TypeId, SchemaError> {
        self.value(schema, preserve, 0)
    }

    pub(super) fn add(&mut self, ty: Type) -> TypeId {
        let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
        self.types.push(ty);
        id
    }

    pub(super) fn get_mut(&mut self, id: TypeId) -> Option<&mut Type> {
        self.types.get_mut(id.0 as usize)
    }

    /// The finished arena.
    pub(super) fn finish(mut self) -> Vec<Type> {
        for (id, target, atomic) in std::mem::take(&mut self.overrides) {
            let mut ty = self.types[target.0 as usize].clone();
            if let Type::Map(map) = &mut ty {
                map.atomic = atomic;
            }
            self.types[id.0 as usize] = ty;
        }
        for id in std::mem::take(&mut self.keyed) {
            let Type::List(mut list) = self.types[id.0 as usize].clone() else {
                continue;
            };
            if let (ListTopology::Map(keys), Type::Map(item)) =
                (&mut list.topology, &self.types[list.item.0 as usize])
            {
                for key in keys {
                    key.default = (item.fields.get(&key.name)).and_then(|f| f.default.clone());
                }
            }
            self.types[id.0 as usize] = Type::List(list);
        }
        self.types
    }

    fn reference(&mut self, name: &'d str, depth: usize) -> Result<TypeId, SchemaError> {
        if let Some(id) = self.named.get(name) {
            return Ok(*id);
        }
        match name {
            RAW_EXTENSION => return Ok(ANY_ATOMIC),
            QUANTITY => {
                let id = self.add(Type::Scalar(Scalar::Quantity));
                self.named.insert(name, id);
                return Ok(id);
            }
            INT_OR_STRING => {
                let id = self.add(Type::Scalar(Scalar::IntOrString));
                self.named.insert(name, id);
                return Ok(id);
            }
            _ => {}
        }
        let Some(schema) = self.definitions.get(name).copied() else {
            return Err(SchemaError::UnknownReference {
                name: name.to_owned(),
            });
        };
        // The place is taken first: types can be recursive.
        let id = self.add(Type::Any);
        self.named.insert(name, id);
        let ty = self.ty(schema, false, depth + 1)?;
        self.types[id.0 as usize] = ty;
        if self.is_keyed_list(id) {
            self.keyed.push(id);
        }
        Ok(id)
    }

    fn is_keyed_list(&self, id: TypeId) -> bool {
        matches!(&self.types[id.0 as usize], Type::List(list) if matches!(list.topology, ListTopology::Map(_)))
    }

    /// The type of a value: a reference or a type of its own.
    fn value(
        &mut self,
        schema: &'d Value,
        preserve: bool,
        depth: usize,
    ) -> Result<TypeId, SchemaError> {
        if depth > DEPTH_LIMIT {
            return Err(SchemaError::TooDeep { limit: DEPTH_LIMIT });
        }
        if let Some(name) = reference_of(schema) {
            let target = self.reference(name, depth + 1)?;
            return Ok(match map_type(schema) {
                None => target,
                Some(atomic) => {
                    let id = self.add(Type::Any);
                    self.overrides.push((id, target, atomic));
                    id
                }
            });
        }
        let ty = self.ty(schema, preserve, depth)?;
        if ty == Type::Any {
            return Ok(ANY);
        }
        let id = self.add(ty);
        if self.is_keyed_list(id) {
            self.keyed.push(id);
        }
        Ok(id)
    }

    fn ty(&mut self, schema: &'d Value, preserve: bool, depth: usize) -> Result<Type, SchemaError> {
        let flag = |key: &str| schema.get(key).and_then(Value::as_bool) == Some(true);
        let preserve = preserve || flag("x-kubernetes-preserve-unknown-fields");
        if flag("x-kubernetes-int-or-string") {
            return Ok(Type::Scalar(Scalar::IntOrString));
        }
        let format = schema.get("format").and_then(Value::as_str);
        let name = match schema.get("type") {
            Some(Value::String(name)) => Some(name.as_str()),
            Some(Value::Array(names)) => names.first().and_then(Value::as_str),
            _ => None,
        };
        let has = |key: &str| schema.get(key).is_some();
        Ok(match name {
            Some("object") => self.object(schema, preserve, depth)?,
            Some("array") => self.list(schema, preserve, depth)?,
            Some("integer") => Type::Scalar(Scalar::Integer),
            Some("number") => Type::Scalar(Scalar::Number),
            Some("boolean") => Type::Scalar(Scalar::Boolean),
            Some("string") if format == Some("int-or-string") => Type::Scalar(Scalar::IntOrString),
            Some("string") => Type::Scalar(Scalar::String),
            None if format == Some("int-or-string") => Type::Scalar(Scalar::IntOrString),
            None if has("properties") || has("additionalProperties") => {
                self.object(schema, preserve, depth)?
            }
            None if has("items") => self.list(schema, preserve, depth)?,
            None => Type::Any,
            Some(other) => {
                return Err(SchemaError::UnknownType {
                    name: other.to_owned(),
                });
            }
        })
    }

    fn object(
        &mut self,
        schema: &'d Value,
        preserve: bool,
        depth: usize,
    ) -> Result<Type, SchemaError> {
        let empty = Map::new();
        let properties = match schema.get("properties") {
            Some(Value::Object(properties)) => properties,
            _ => &empty,
        };
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields = BTreeMap::new();
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let field = Field {
                    ty: self.value(property, preserve, depth + 1)?,
                    default: property.get("default").filter(|d| !d.is_null()).cloned(),
                    required: required.contains(&name.as_str()),
                };
                fields.insert(name.clone(), field);
            }
        }
        let additional = match schema.get("additionalProperties") {
            Some(Value::Bool(true)) => Some(ANY),
            Some(Value::Bool(false)) => None,
            Some(schema @ Value::Object(_)) => Some(self.value(schema, preserve, depth + 1)?),
            _ if preserve || properties.is_empty() => Some(ANY),
            _ => None,
        };
        Ok(Type::Map(MapType {
            fields,
            additional,
            atomic: map_type(schema) == Some(true),
            preserve_unknown: preserve,
        }))
    }

    fn list(
        &mut self,
        schema: &'d Value,
        preserve: bool,
        depth: usize,
    ) -> Result<Type, SchemaError> {
        let item = match schema.get("items") {
            Some(items @ Value::Object(_)) => self.value(items, preserve, depth + 1)?,
            _ => ANY,
        };
        Ok(Type::List(ListType {
            item,
            topology: topology(schema)?,
        }))
    }
}

/// The definition that a schema refers to, directly or as the only part of `allOf`.
fn reference_of(schema: &Value) -> Option<&str> {
    let direct = |schema: &'_ Value| -> Option<usize> {
        let text = schema.get("$ref")?.as_str()?;
        Some(text.rfind('/').map_or(0, |at| at + 1))
    };
    let holder = if direct(schema).is_some() {
        schema
    } else {
        match schema.get("allOf")?.as_array()?.as_slice() {
            [only] => only,
            _ => return None,
        }
    };
    let start = direct(holder)?;
    holder.get("$ref")?.as_str()?.get(start..)
}

fn map_type(schema: &Value) -> Option<bool> {
    match schema.get("x-kubernetes-map-type")?.as_str()? {
        "atomic" => Some(true),
        "granular" => Some(false),
        _ => None,
    }
}

fn topology(schema: &Value) -> Result<ListTopology, SchemaError> {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let keys = |names: Vec<&str>| {
        ListTopology::Map(
            names
                .into_iter()
                .map(|name| ListKey {
                    name: name.to_owned(),
                    default: None,
                })
                .collect(),
        )
    };
    Ok(match text("x-kubernetes-list-type") {
        Some("atomic") => ListTopology::Atomic,
        Some("set") => ListTopology::Set,
        Some("map") => {
            let names = schema
                .get("x-kubernetes-list-map-keys")
                .and_then(Value::as_array)
                .ok_or(SchemaError::NoListKeys)?;
            keys(names.iter().filter_map(Value::as_str).collect())
        }
        Some(other) => {
            return Err(SchemaError::UnknownListType {
                name: other.to_owned(),
            });
        }
        None => match text("x-kubernetes-patch-strategy") {
            Some("merge" | "merge,retainKeys") => match text("x-kubernetes-patch-merge-key") {
                Some(key) => keys(vec![key]),
                None => ListTopology::Set,
            },
            _ => ListTopology::Atomic,
        },
    })
}
