//! The fields that an object states.

use gitops_core::schema::{Schema, Type};
use serde_json::Value;

use super::typed::{ListShape, Shape, TypeMismatch, shape};
use crate::fields::{FieldNode, FieldSet, PathElement};

/// The fields that an object states: leaves, list items, items of maps, and what is empty or null.
///
/// This is what a manager owns that applies the object.
pub fn field_set(schema: &Schema, object: &Value) -> Result<FieldSet, TypeMismatch> {
    stated(schema, schema.root(), object).map(|(_, set)| set)
}

/// Whether the value itself is a member, and the members below it.
fn stated(schema: &Schema, ty: &Type, value: &Value) -> Result<(bool, FieldSet), TypeMismatch> {
    match (shape(schema, ty, value), value) {
        (Shape::Scalar | Shape::Atomic, _) => Ok((true, FieldSet::new())),
        (Shape::List(list), Value::Array(items)) => {
            list_items(list, items, &mut |ty, item| stated(schema, ty, item))
                .map(|set| (false, set))
        }
        (Shape::Map(map), Value::Object(fields)) => {
            let mut set = FieldSet::with_capacity(fields.len());
            for (name, value) in fields {
                let (member, children) = stated(schema, map.field(schema, name), value)
                    .map_err(|error| error.under(PathElement::field(name)))?;
                let empty =
                    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                set.push(FieldNode {
                    element: PathElement::field(name),
                    member: member || empty || !map.declares(name),
                    children,
                });
            }
            Ok((false, set))
        }
        _ => Ok((false, FieldSet::new())),
    }
}

/// The set of all nodes of a value: what an object gains with it.
pub(crate) fn whole(schema: &Schema, ty: &Type, value: &Value) -> Result<FieldSet, TypeMismatch> {
    match (shape(schema, ty, value), value) {
        (Shape::List(list), Value::Array(items)) => list_items(list, items, &mut |ty, item| {
            whole(schema, ty, item).map(|set| (true, set))
        }),
        (Shape::Map(map), Value::Object(fields)) => {
            let mut set = FieldSet::with_capacity(fields.len());
            for (name, value) in fields {
                let children = whole(schema, map.field(schema, name), value)
                    .map_err(|error| error.under(PathElement::field(name)))?;
                set.push(FieldNode {
                    element: PathElement::field(name),
                    member: true,
                    children,
                });
            }
            Ok(set)
        }
        _ => Ok(FieldSet::new()),
    }
}

type Below<'f> = dyn FnMut(&Type, &Value) -> Result<(bool, FieldSet), TypeMismatch> + 'f;

/// Items are members; of items that share a name nothing below is.
fn list_items(
    list: ListShape<'_>,
    items: &[Value],
    below: &mut Below<'_>,
) -> Result<FieldSet, TypeMismatch> {
    let mut nodes = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let element = list
            .element(item)
            .map_err(|reason| TypeMismatch::new(format!("item {at}: {reason}")))?;
        let (_, children) = below(list.item, item).map_err(|error| error.under(&element))?;
        nodes.push(FieldNode {
            element,
            member: true,
            children,
        });
    }
    nodes.sort_by(|a, b| a.element.cmp(&b.element));
    let mut set = FieldSet::new();
    let mut nodes = nodes.into_iter().peekable();
    while let Some(mut node) = nodes.next() {
        while nodes.next_if(|next| next.element == node.element).is_some() {
            node.children = FieldSet::new();
        }
        set.push(node);
    }
    Ok(set)
}
