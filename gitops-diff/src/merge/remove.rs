//! Removal of fields from an object, and sets brought in line with a schema.

use gitops_core::schema::{ListTopology, Schema, Type};
use serde_json::Value;

use super::typed::{ANY, Shape, shape};
use crate::fields::{FieldNode, FieldSet, PathElement};

/// Removes the fields and items of a set from an object. What becomes empty thereby becomes null.
pub(crate) fn remove(schema: &Schema, ty: &Type, value: &mut Value, set: &FieldSet) {
    match (shape(schema, ty, value), &mut *value) {
        (Shape::Map(map), Value::Object(fields)) => {
            fields.retain(|name, value| match set.get_field(name) {
                Some(node) if node.member => false,
                Some(node) => {
                    remove(schema, map.field(schema, name), value, &node.children);
                    true
                }
                None => true,
            });
            if fields.is_empty() {
                *value = Value::Null;
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            items.retain_mut(|item| {
                match list
                    .element(item)
                    .ok()
                    .and_then(|element| set.get(&element))
                {
                    Some(node) if node.member => false,
                    Some(node) => {
                        remove(schema, list.item, item, &node.children);
                        true
                    }
                    None => true,
                }
            });
            if items.is_empty() {
                *value = Value::Null;
            }
        }
        _ => {}
    }
}

/// Makes every named field a member that has members below it.
pub(crate) fn add_named_fields(schema: &Schema, ty: Option<&Type>, set: &mut FieldSet) {
    for node in set.nodes_mut() {
        let (declared, below) = match (ty, &node.element) {
            (Some(Type::Map(map)), PathElement::Field(name)) => match map.fields.get(name.as_str())
            {
                Some(field) => (true, Some(schema.get(field.ty))),
                None => (false, map.additional.map(|id| schema.get(id))),
            },
            (Some(Type::Any), PathElement::Field(_)) => (false, Some(&ANY)),
            (Some(Type::List(list)), PathElement::Key(_)) => (false, Some(schema.get(list.item))),
            _ => (false, None),
        };
        node.member |= declared && !node.children.is_empty();
        if below.is_some() {
            add_named_fields(schema, below, &mut node.children);
        }
    }
}

/// A set written under an older schema: where a field has become atomic, its owner of parts owns
/// the whole. `None` where nothing changes.
pub(crate) fn reconcile(schema: &Schema, set: &FieldSet) -> Option<FieldSet> {
    let changed = reconcile_below(schema, schema.root(), set);
    (!changed.is_empty()).then(|| set.recursive_difference(&changed).union(&changed))
}

/// The fields that have become atomic.
fn reconcile_below(schema: &Schema, ty: &Type, set: &FieldSet) -> FieldSet {
    let mut changed = FieldSet::new();
    for node in set.nodes() {
        let below = match (ty, &node.element) {
            (Type::Map(map), PathElement::Field(name)) => {
                let id = map.fields.get(name.as_str()).map(|field| field.ty);
                id.or(map.additional).map(|id| schema.get(id))
            }
            (Type::List(list), _) => Some(schema.get(list.item)),
            _ => None,
        };
        let Some(below) = below else { continue };
        let atomic = match below {
            Type::Map(map) => map.atomic,
            Type::AnyAtomic => true,
            Type::List(list) => matches!(list.topology, ListTopology::Atomic),
            _ => false,
        };
        let children = if atomic {
            FieldSet::new()
        } else {
            reconcile_below(schema, below, &node.children)
        };
        let member = atomic && !node.children.is_empty();
        if member || !children.is_empty() {
            changed.push(FieldNode {
                element: node.element.clone(),
                member,
                children,
            });
        }
    }
    changed
}
