//! `FieldsV1`: the JSON form of a [`FieldSet`].

use serde_json::{Map, Value};

use super::{
    element::PathElement,
    set::{FieldNode, FieldSet},
};

/// `fieldsV1` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fieldsV1 cannot be read: {reason}; it is written by the API server only")]
pub struct FieldsV1Error {
    /// What is wrong.
    pub reason: String,
}

/// Deeper sets are refused: no Kubernetes object nests that far.
const DEPTH_LIMIT: usize = 512;

impl FieldSet {
    /// Reads the value of `fieldsV1`. Elements of kinds that are not known are left out.
    pub fn from_fields_v1(fields: &Value) -> Result<Self, FieldsV1Error> {
        read(fields, DEPTH_LIMIT)
            .map(|(set, _)| set)
            .map_err(|reason| FieldsV1Error { reason })
    }

    /// The value of `fieldsV1`.
    #[must_use]
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(write(self))
    }
}

/// The set below, and whether the field itself is a member.
fn read(fields: &Value, depth: usize) -> Result<(FieldSet, bool), String> {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null => return Ok((FieldSet::new(), true)),
        other => return Err(format!("`{other}` is not an object")),
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("it nests deeper than {DEPTH_LIMIT} levels"));
    };
    let mut set = FieldSet::new();
    set.nodes.reserve(fields.len());
    let mut member = false;
    for (key, below) in fields {
        if key == "." {
            member = true;
            continue;
        }
        if let Some(element) = PathElement::parse(key)? {
            let (children, member) = read(below, depth)?;
            set.push(FieldNode {
                element,
                member,
                children,
            });
        }
    }
    let member = member || set.nodes.is_empty();
    Ok((set, member))
}

fn write(set: &FieldSet) -> Map<String, Value> {
    let mut out = Map::new();
    for node in &set.nodes {
        let mut below = Map::new();
        if node.member && !node.children.is_empty() {
            below.insert(".".to_owned(), Value::Object(Map::new()));
        }
        below.extend(write(&node.children));
        out.insert(node.element.to_text(), Value::Object(below));
    }
    out
}
