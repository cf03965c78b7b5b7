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

/// What becomes of the members of a set in a `fieldsV1`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    Add,
    Take,
}

/// Adds members to a `fieldsV1`, or takes them out. `false` where one to be taken out is not found,
/// since it is written in a way of its own; some are taken out then.
pub(crate) fn edit_fields_v1(fields: &mut Map<String, Value>, set: &FieldSet, edit: Edit) -> bool {
    set.nodes.iter().all(|node| {
        let key = node.element.to_text();
        let known = fields.get_mut(&key);
        let was_member = known.as_deref().is_some_and(|below| match below {
            Value::Object(below) => below.is_empty() || below.contains_key("."),
            _ => true,
        });
        let mut below = match known.map(Value::take) {
            Some(Value::Object(below)) => below,
            None if edit == Edit::Take => return false,
            _ => Map::new(),
        };
        below.remove(".");
        let done = edit_fields_v1(&mut below, &node.children, edit);
        let member = match edit {
            Edit::Add => was_member || node.member,
            Edit::Take => was_member && !node.member,
        };
        if below.is_empty() && !member {
            fields.remove(&key);
            return done;
        }
        if member && !below.is_empty() {
            below.insert(".".to_owned(), Value::Object(Map::new()));
        }
        fields.insert(key, Value::Object(below));
        done
    })
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
