//! Objects and field sets cut down to a focus.

use gitops_core::{
    Manifest,
    schema::{Schema, Type},
};
use serde_json::{Map, Value};

use super::{Focus, node_of};
use crate::{
    fields::{FieldNode, FieldSet, FieldsV1Error, PathElement},
    merge::typed::{ANY, ListShape, Shape, shape},
};

/// The object cut down, without `managedFields`.
pub(in crate::merge) fn project_object(schema: &Schema, object: &Manifest, focus: &Focus) -> Value {
    let mut cut = fields(schema, schema.root(), object.as_map(), focus);
    if let Some(Value::Object(metadata)) = cut.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    Value::Object(cut)
}

fn fields(
    schema: &Schema,
    ty: &Type,
    object: &Map<String, Value>,
    focus: &Focus,
) -> Map<String, Value> {
    let Focus::Fields(kept) = focus else {
        return object.clone();
    };
    let typed = match shape(schema, ty, &Value::Null) {
        Shape::Map(map) => Some(map),
        _ => None,
    };
    kept.iter()
        .filter_map(|(name, focus)| {
            let value = object.get(name)?;
            let ty = typed.map_or(&ANY, |map| map.field(schema, name));
            Some((name.clone(), project(schema, ty, value, focus)))
        })
        .collect()
}

fn project(schema: &Schema, ty: &Type, value: &Value, focus: &Focus) -> Value {
    match (focus, value) {
        (Focus::Fields(_), Value::Object(object)) => {
            Value::Object(fields(schema, ty, object, focus))
        }
        (Focus::Items(kept), Value::Array(items)) => match shape(schema, ty, value) {
            Shape::List(list) => items
                .iter()
                .map(|item| match focus_of(list, item, kept) {
                    Some(focus) => project(schema, list.item, item, focus),
                    None => names_of(list, item),
                })
                .collect(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// The focus on an item; `None` where nothing but its name is of interest.
pub(super) fn focus_of<'f>(
    list: ListShape<'_>,
    item: &Value,
    kept: &'f [(PathElement, Focus)],
) -> Option<&'f Focus> {
    if kept.is_empty() {
        return None;
    }
    let element = list.element(item).ok()?;
    let at = kept.binary_search_by(|(kept, _)| kept.cmp(&element)).ok()?;
    Some(&kept[at].1)
}

/// What of an item names it.
fn names_of(list: ListShape<'_>, item: &Value) -> Value {
    match (list.keys, item) {
        (Some(keys), Value::Object(item)) => keys
            .iter()
            .filter_map(|key| Some((key.name.clone(), item.get(&key.name)?.clone())))
            .collect(),
        _ => item.clone(),
    }
}

/// Whose `fieldsV1` is cut down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// The manager's that applies: what is kept is what remains.
    Own,
    /// Where nothing below a node is left, one step says that there was.
    Other,
}

/// A `fieldsV1` cut down.
pub(super) fn project_fields(
    fields: &Value,
    focus: &Focus,
    whose: Whose,
) -> Result<FieldSet, FieldsV1Error> {
    let (Focus::Fields(_) | Focus::Items(_), Value::Object(below)) = (focus, fields) else {
        return FieldSet::from_fields_v1(fields);
    };
    let mut set = FieldSet::new();
    let mut push = |element: PathElement, below: &Value, children: FieldSet| {
        let (member, _) = node_of(below.as_object());
        set.push(FieldNode {
            element,
            member: member || below.is_null(),
            children,
        });
    };
    let mut key = String::new();
    match focus {
        Focus::Fields(kept) => {
            for (name, focus) in kept {
                key.clear();
                key.push_str("f:");
                key.push_str(name);
                if let Some(below) = below.get(&key) {
                    push(
                        PathElement::field(name),
                        below,
                        project_fields(below, focus, whose)?,
                    );
                }
            }
        }
        Focus::Items(kept) => {
            for (key, below) in below.iter().filter(|(key, _)| *key != ".") {
                let parsed = PathElement::parse(key).map_err(|reason| FieldsV1Error { reason })?;
                let Some(element) = parsed else { continue };
                let at = kept.binary_search_by(|(kept, _)| kept.cmp(&element));
                let children = match at {
                    Ok(at) => project_fields(below, &kept[at].1, whose)?,
                    Err(_) => project_fields(below, &names_in(&element), whose)?,
                };
                push(element, below, children);
            }
        }
        Focus::Whole => {}
    }
    let left_out = whose == Whose::Other && set.nodes().next().is_none();
    if left_out && let Some(element) = below.keys().find_map(|key| step(key)) {
        set.push(FieldNode {
            element,
            member: true,
            children: FieldSet::new(),
        });
    }
    Ok(set)
}

fn step(key: &str) -> Option<PathElement> {
    PathElement::parse(key)
        .ok()
        .flatten()
        .filter(|_| key != ".")
}

/// The fields by which an item is known.
fn names_in(element: &PathElement) -> Focus {
    let names = match element {
        PathElement::Key(fields) => fields.as_slice(),
        _ => &[],
    };
    let names = names.iter().map(|(name, _)| (name.clone(), Focus::Whole));
    Focus::Fields(names.collect())
}
