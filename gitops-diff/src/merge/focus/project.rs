//! Objects and field sets cut down to a focus.

use gitops_core::{
    Manifest,
    schema::{Schema, Type},
};
use serde_json::{Map, Value};

use super::{Focus, Items, Kept, Side, node_of};
use crate::{
    fields::{FieldNode, FieldSet, FieldsV1Error, PathElement},
    merge::typed::{ANY, ListShape, Shape, shape},
};

/// The object cut down, without `managedFields`.
pub(in crate::merge) fn project_object(
    schema: &Schema,
    object: &Manifest,
    focus: &Focus,
    side: Side,
) -> Value {
    let cut = Cut { schema, side };
    let mut cut = cut.fields(schema.root(), object.as_map(), focus);
    if let Some(Value::Object(metadata)) = cut.get_mut("metadata") {
        metadata.remove("managedFields");
    }
    Value::Object(cut)
}

struct Cut<'s> {
    schema: &'s Schema,
    side: Side,
}

impl Cut<'_> {
    fn fields(&self, ty: &Type, object: &Map<String, Value>, focus: &Focus) -> Map<String, Value> {
        let Focus::Fields(kept) = focus else {
            return object.clone();
        };
        let typed = match shape(self.schema, ty, &Value::Null) {
            Shape::Map(map) => Some(map),
            _ => None,
        };
        kept.iter()
            .filter_map(|(name, focus)| {
                let value = object.get(name)?;
                let ty = typed.map_or(&ANY, |map| map.field(self.schema, name));
                Some((name.clone(), self.value(ty, value, focus)))
            })
            .collect()
    }

    fn value(&self, ty: &Type, value: &Value, focus: &Focus) -> Value {
        match (focus, value) {
            (Focus::Fields(_), Value::Object(object)) => {
                Value::Object(self.fields(ty, object, focus))
            }
            (Focus::Items(kept), Value::Array(items)) => match shape(self.schema, ty, value) {
                Shape::List(list) => self.items(list, items, kept),
                _ => value.clone(),
            },
            _ => value.clone(),
        }
    }

    fn items(&self, list: ListShape<'_>, items: &[Value], kept: &Items) -> Value {
        let cut = |(at, kept): (usize, &Kept)| self.value(list.item, &items[at], &kept.focus);
        if !kept.names {
            return kept.of(self.side).map(cut).collect();
        }
        let mut kept = kept.of(self.side).peekable();
        let items = items.iter().enumerate();
        items
            .map(|(at, item)| match kept.next_if(|(kept, _)| *kept == at) {
                Some(kept) => cut(kept),
                None => names_of(list, item),
            })
            .collect()
    }
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
        Focus::Items(items) if items.names => {
            for (key, below) in below.iter().filter(|(key, _)| *key != ".") {
                let parsed = PathElement::parse(key).map_err(|reason| FieldsV1Error { reason })?;
                let Some(element) = parsed else { continue };
                let children = match items.find(&element) {
                    Some(kept) => project_fields(below, &kept.focus, whose)?,
                    None => project_fields(below, &Focus::names_in(&element), whose)?,
                };
                push(element, below, children);
            }
        }
        Focus::Items(items) => {
            for kept in &items.kept {
                if let Some(below) = below.get(&kept.element.to_text()) {
                    let children = project_fields(below, &kept.focus, whose)?;
                    push(kept.element.clone(), below, children);
                }
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
