//! Removal of fields from an object, and sets brought in line with a schema.

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

use super::typed::{ANY, Shape, shape};
use crate::fields::{FieldNode, FieldSet, PathElement};

/// The object without the fields and items of a set. What becomes empty thereby becomes null.
pub(crate) fn remove(schema: &Schema, ty: &Type, value: Value, set: &FieldSet) -> Value {
    match (shape(schema, ty, &value), value) {
        (Shape::Map(map), Value::Object(fields)) => {
            let mut out = Map::new();
            for (name, value) in fields {
                match set.get_field(&name) {
                    Some(node) if node.member => {}
                    Some(node) => {
                        let ty = map.field(schema, &name);
                        let value = remove(schema, ty, value, &node.children);
                        out.insert(name, value);
                    }
                    None => {
                        out.insert(name, value);
                    }
                }
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Object(out)
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                match list.element(&item).ok().and_then(|e| set.get(&e)) {
                    Some(node) if node.member => {}
                    Some(node) => out.push(remove(schema, list.item, item, &node.children)),
                    None => out.push(item),
                }
            }
            if out.is_empty() {
                Value::Null
            } else {
                Value::Array(out)
            }
        }
        (_, value) => value,
    }
}

/// The set with every named field that has members below it.
pub(crate) fn with_named_fields(schema: &Schema, ty: Option<&Type>, set: &FieldSet) -> FieldSet {
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let (declared, below) = match (ty, &node.element) {
            (Some(Type::Map(map)), PathElement::Field(name)) => match map.fields.get(name) {
                Some(field) => (true, Some(schema.get(field.ty))),
                None => (false, map.additional.map(|id| schema.get(id))),
            },
            (Some(Type::Any), PathElement::Field(_)) => (false, Some(&ANY)),
            (Some(Type::List(list)), PathElement::Key(_)) => (false, Some(schema.get(list.item))),
            _ => (false, None),
        };
        let named = declared && !node.children.is_empty();
        out.push(FieldNode {
            element: node.element.clone(),
            member: node.member || named,
            children: with_named_fields(schema, below, &node.children),
        });
    }
    out
}

/// A set written under an older schema: where a field has become atomic, its owner of parts owns
/// the whole. `None` where nothing changes.
pub(crate) fn reconcile(schema: &Schema, set: &FieldSet) -> Option<FieldSet> {
    let mut changed = FieldSet::new();
    reconcile_below(schema, schema.root(), set, &mut Vec::new(), &mut changed);
    (!changed.is_empty()).then(|| set.recursive_difference(&changed).union(&changed))
}

fn reconcile_below(
    schema: &Schema,
    ty: &Type,
    set: &FieldSet,
    path: &mut Vec<PathElement>,
    changed: &mut FieldSet,
) {
    for node in set.nodes() {
        let below = match (ty, &node.element) {
            (Type::Map(map), PathElement::Field(name)) => {
                let id = map.fields.get(name).map(|field| field.ty);
                id.or(map.additional).map(|id| schema.get(id))
            }
            (Type::List(list), _) => Some(schema.get(list.item)),
            _ => None,
        };
        let Some(below) = below else { continue };
        path.push(node.element.clone());
        let whole = node.member && node.children.is_empty();
        let parts = !node.children.is_empty();
        match below {
            Type::Map(map) if map.atomic => {
                if !whole && parts {
                    changed.insert(path);
                }
            }
            Type::AnyAtomic if !whole && parts => changed.insert(path),
            Type::List(list)
                if matches!(list.topology, gitops_core::schema::ListTopology::Atomic) =>
            {
                if !whole {
                    changed.insert(path);
                }
            }
            _ => reconcile_below(schema, below, &node.children, path, changed),
        }
        path.pop();
    }
}
