//! Whether an object states exactly the fields of a `fieldsV1`, without building either set.

use std::borrow::Cow;

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

use crate::{
    fields::{PathElement, write_key_object},
    merge::{Shape, key_fields, shape},
};

/// Top-level fields and fields of `metadata` that no manager owns.
pub(super) const IDENTITY: [&str; 2] = ["apiVersion", "kind"];
pub(super) const SERVER_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// What an object states of one field: nothing, or a node of the set; `None` where the sets differ.
type Verdict = Option<bool>;

pub(super) struct Comparer<'s> {
    schema: &'s Schema,
    /// Text of a `fieldsV1` key, reused.
    key: String,
}

impl<'s> Comparer<'s> {
    pub(super) fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            key: String::with_capacity(64),
        }
    }

    /// Whether the object states exactly `fields`, but for what no manager owns and `status`.
    pub(super) fn object_states(&mut self, object: &Map<String, Value>, fields: &Value) -> bool {
        let Some(fields) = fields.as_object() else {
            return false;
        };
        let schema = self.schema;
        let Shape::Map(root) = shape(schema, schema.root(), &Value::Null) else {
            return false;
        };
        let mut nodes = 0;
        for (name, value) in object {
            if name == "status" || IDENTITY.contains(&name.as_str()) {
                continue;
            }
            let ty = root.field(schema, name);
            let node = if name == "metadata" {
                self.metadata(ty, value, fields)
            } else {
                self.field(ty, name, value, root.declares(name), fields)
            };
            match node {
                Some(node) => nodes += usize::from(node),
                None => return false,
            }
        }
        nodes == fields.len()
    }

    /// `metadata` is never a member itself, and most of it never is.
    fn metadata(&mut self, ty: &'s Type, value: &Value, fields: &Map<String, Value>) -> Verdict {
        let below = fields.get("f:metadata");
        let (Shape::Map(map), Value::Object(metadata)) = (shape(self.schema, ty, value), value)
        else {
            return below.is_none().then_some(false);
        };
        let empty = Map::new();
        let below = match below {
            None => None,
            Some(Value::Object(below)) if !below.is_empty() && !below.contains_key(".") => {
                Some(below)
            }
            Some(_) => return None,
        };
        let mut nodes = 0;
        for (name, value) in metadata {
            if SERVER_METADATA.contains(&name.as_str()) {
                continue;
            }
            let ty = map.field(self.schema, name);
            nodes += usize::from(self.field(
                ty,
                name,
                value,
                map.declares(name),
                below.unwrap_or(&empty),
            )?);
        }
        (nodes == below.map_or(0, Map::len)).then_some(nodes > 0)
    }

    fn field(
        &mut self,
        ty: &'s Type,
        name: &str,
        value: &Value,
        declared: bool,
        fields: &Map<String, Value>,
    ) -> Verdict {
        self.key.clear();
        self.key.push_str("f:");
        self.key.push_str(name);
        let below = fields.get(&self.key);
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        self.node(ty, value, !declared || empty, below)
    }

    /// `member`: the field is a member whatever its type says.
    fn node(
        &mut self,
        ty: &'s Type,
        value: &Value,
        member: bool,
        below: Option<&Value>,
    ) -> Verdict {
        let below = match below {
            None => None,
            Some(Value::Object(below)) => Some(below),
            Some(_) => return None,
        };
        let (member, nodes) = match (shape(self.schema, ty, value), value) {
            (Shape::Scalar | Shape::Atomic, _) => (true, 0),
            (Shape::Map(map), Value::Object(stated)) => {
                let mut nodes = 0;
                for (name, value) in stated {
                    let ty = map.field(self.schema, name);
                    let none = Map::new();
                    let fields = below.unwrap_or(&none);
                    nodes +=
                        usize::from(self.field(ty, name, value, map.declares(name), fields)?);
                }
                (member, nodes)
            }
            (Shape::List(list), Value::Array(items)) => {
                for item in items {
                    self.key.clear();
                    match list.keys {
                        Some(keys) => {
                            self.key.push_str("k:");
                            let mut fields: Vec<_> = key_fields(keys, item.as_object()?).collect();
                            fields.sort_unstable_by_key(|field| field.0);
                            let fields = fields.into_iter().map(|(n, v)| (n, Cow::Borrowed(v)));
                            write_key_object(&mut self.key, fields);
                        }
                        None => self
                            .key
                            .push_str(&PathElement::Value(item.clone()).to_text()),
                    }
                    let below = below?.get(&self.key)?;
                    self.node(list.item, item, true, Some(below))?;
                }
                (member, items.len())
            }
            _ => (member, 0),
        };
        let Some(below) = below else {
            return (!member && nodes == 0).then_some(false);
        };
        let has_self = below.contains_key(".");
        let children = below.len() - usize::from(has_self);
        let is_member = has_self || children == 0;
        (children == nodes && is_member == member).then_some(true)
    }
}
