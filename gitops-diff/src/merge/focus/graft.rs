//! What has become of a focus, put back into the object.

use gitops_core::schema::{Schema, Type};
use serde_json::{Map, Value};

use super::{Focus, Items, Side};
use crate::{
    fields::PathElement,
    merge::typed::{ANY, ListShape, Shape, shape},
};

/// The object with `after` in place of what the focus cut out of it.
pub(in crate::merge) fn graft_object(
    schema: &Schema,
    object: &Map<String, Value>,
    focus: &Focus,
    after: Map<String, Value>,
) -> Map<String, Value> {
    match focus {
        Focus::Fields(kept) => fields(schema, schema.root(), object, kept, after),
        _ => after,
    }
}

fn fields(
    schema: &Schema,
    ty: &Type,
    object: &Map<String, Value>,
    kept: &[(String, Focus)],
    mut after: Map<String, Value>,
) -> Map<String, Value> {
    let typed = match shape(schema, ty, &Value::Null) {
        Shape::Map(map) => Some(map),
        _ => None,
    };
    let mut out: Vec<(String, Value)> = Vec::with_capacity(object.len() + after.len());
    for (name, value) in object {
        let Ok(at) = kept.binary_search_by(|(kept, _)| kept.cmp(name)) else {
            out.push((name.clone(), value.clone()));
            continue;
        };
        if let Some(after) = after.remove(name) {
            let ty = typed.map_or(&ANY, |map| map.field(schema, name));
            out.push((name.clone(), graft(schema, ty, value, &kept[at].1, after)));
        }
    }
    out.extend(after);
    out.into_iter().collect()
}

fn graft(schema: &Schema, ty: &Type, value: &Value, focus: &Focus, after: Value) -> Value {
    match (focus, value, after) {
        (Focus::Fields(kept), Value::Object(object), Value::Object(after)) => {
            Value::Object(fields(schema, ty, object, kept, after))
        }
        (Focus::Items(kept), Value::Array(items), Value::Array(after)) => {
            match shape(schema, ty, value) {
                Shape::List(list) => list_items(schema, list, items, kept, after),
                _ => Value::Array(after),
            }
        }
        (_, _, after) => after,
    }
}

fn list_items(
    schema: &Schema,
    list: ListShape<'_>,
    items: &[Value],
    kept: &Items,
    after: Vec<Value>,
) -> Value {
    if kept.names {
        return ordered_items(schema, list, items, kept, after);
    }
    // The list keeps its order and gains nothing.
    let mut after: Vec<(PathElement, Value)> = after
        .into_iter()
        .filter_map(|item| Some((list.element(&item).ok()?, item)))
        .collect();
    after.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept = kept.of(Side::Live).peekable();
    let items = items.iter().enumerate();
    items
        .filter_map(|(at, item)| {
            let Some((_, kept)) = kept.next_if(|(kept, _)| *kept == at) else {
                return Some(item.clone());
            };
            let found = after.binary_search_by(|(element, _)| element.cmp(&kept.element));
            let after = std::mem::take(&mut after[found.ok()?].1);
            Some(graft(schema, list.item, item, &kept.focus, after))
        })
        .collect()
}

/// The items in the order that they have after the apply.
fn ordered_items(
    schema: &Schema,
    list: ListShape<'_>,
    items: &[Value],
    kept: &Items,
    after: Vec<Value>,
) -> Value {
    let mut names: Vec<_> = items
        .iter()
        .filter_map(|item| Some((list.element(item).ok()?, item)))
        .collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    after
        .into_iter()
        .map(|after| {
            let Ok(element) = list.element(&after) else {
                return after;
            };
            let live = names.binary_search_by(|(name, _)| name.cmp(&element));
            match (live, kept.find(&element)) {
                (Ok(at), Some(kept)) => graft(schema, list.item, names[at].1, &kept.focus, after),
                (Ok(at), None) => names[at].1.clone(),
                (Err(_), _) => after,
            }
        })
        .collect()
}
