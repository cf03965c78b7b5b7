//! Structs that a server always writes out, and empty objects of a kind.

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

/// An object of the kind with nothing in it but the structs that the server always writes out
/// (fields with the default `{}`), as it is compared with when an object is created.
pub(crate) fn empty_object(schema: &Schema) -> Value {
    let mut object = Value::Object(Map::new());
    fill_implied_structs(schema, &mut object);
    object
}

/// Adds the structs that the server always writes out, at all levels: `status: {}`,
/// `spec.strategy: {}`, `resources: {}` of containers.
pub fn fill_implied_structs(schema: &Schema, object: &mut Value) {
    fill(schema, schema.root(), object, 0);
}

/// Types can be recursive; a default `{}` within itself would not end.
const DEPTH_LIMIT: usize = 64;

fn fill(schema: &Schema, ty: &Type, value: &mut Value, depth: usize) {
    if depth > DEPTH_LIMIT {
        return;
    }
    match (ty, value) {
        (Type::Map(map), Value::Object(fields)) => {
            for (name, field) in &map.fields {
                let implied =
                    matches!(&field.default, Some(Value::Object(default)) if default.is_empty());
                if implied && !fields.contains_key(name) {
                    fields.insert(name.clone(), Value::Object(Map::new()));
                }
            }
            for (name, value) in fields {
                let id = map
                    .fields
                    .get(name)
                    .map(|field| field.ty)
                    .or(map.additional);
                if let Some(id) = id {
                    fill(schema, schema.get(id), value, depth + 1);
                }
            }
        }
        (Type::List(list), Value::Array(items)) => {
            for item in items {
                fill(schema, schema.get(list.item), item, depth + 1);
            }
        }
        _ => {}
    }
}
