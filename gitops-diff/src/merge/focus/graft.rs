//! What has become of a focus, put back into the object.

use gitops_core::{
    Manifest,
    schema::{Schema, Type},
};
use serde_json::{Map, Value};

use super::{
    Focus, Items, Side,
    look::{Look, LookItems, LookObject as _},
};
use crate::{
    fields::PathElement,
    merge::typed::{ANY, ListShape, Shape, shape},
};

/// The object with `after` in place of what the focus cut out of it, without `managedFields`.
pub(in crate::merge) fn graft_object(
    schema: &Schema,
    object: &Manifest,
    focus: &Focus,
    mut after: Map<String, Value>,
) -> Map<String, Value> {
    let Focus::Fields(kept) = focus else {
        return after;
    };
    let metadata = match (after.remove("metadata"), focus_on("metadata", kept)) {
        (Some(Value::Object(after)), Some(Focus::Fields(kept))) => {
            let ty = field(schema, schema.root(), "metadata");
            let metadata = match object.packed() {
                Some(object) => fields(schema, ty, object.metadata(), kept, after),
                None => {
                    let metadata = object.metadata().into_iter().flatten();
                    let owned = metadata.filter(|(name, _)| *name != "managedFields");
                    let owned = owned.map(|(name, value)| (name.as_str(), value));
                    fields(schema, ty, owned, kept, after)
                }
            };
            Some(Value::Object(metadata))
        }
        (after, _) => after,
    };
    let mut out = match object.packed() {
        Some(object) => fields(schema, schema.root(), object.others(), kept, after),
        None => {
            let others = object
                .as_map()
                .iter()
                .filter(|(name, _)| *name != "metadata");
            let others = others.map(|(name, value)| (name.as_str(), value));
            fields(schema, schema.root(), others, kept, after)
        }
    };
    out.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    out
}

fn focus_on<'k>(name: &str, kept: &'k [(String, Focus)]) -> Option<&'k Focus> {
    let at = kept.binary_search_by(|(kept, _)| kept.as_str().cmp(name));
    at.ok().map(|at| &kept[at].1)
}

fn field<'s>(schema: &'s Schema, ty: &'s Type, name: &str) -> &'s Type {
    match shape(schema, ty, &Value::Null) {
        Shape::Map(map) => map.field(schema, name),
        _ => &ANY,
    }
}

fn fields<'v, V: Look<'v>>(
    schema: &Schema,
    ty: &Type,
    object: impl Iterator<Item = (&'v str, V)>,
    kept: &[(String, Focus)],
    mut after: Map<String, Value>,
) -> Map<String, Value> {
    let mut out: Vec<(String, Value)> = Vec::with_capacity(object.size_hint().0 + after.len());
    for (name, value) in object {
        let Some(focus) = focus_on(name, kept) else {
            out.push((name.to_owned(), value.value().into_owned()));
            continue;
        };
        if let Some(after) = after.remove(name) {
            let ty = field(schema, ty, name);
            out.push((name.to_owned(), graft(schema, ty, value, focus, after)));
        }
    }
    out.extend(after);
    out.into_iter().collect()
}

fn graft<'v, V: Look<'v>>(
    schema: &Schema,
    ty: &Type,
    value: V,
    focus: &Focus,
    after: Value,
) -> Value {
    match (focus, after) {
        (Focus::Fields(kept), Value::Object(after)) => Value::Object(match value.object() {
            Some(object) => fields(schema, ty, object.fields(), kept, after),
            None => after,
        }),
        (Focus::Items(kept), Value::Array(after)) => {
            match (shape(schema, ty, &LIST), value.items()) {
                (Shape::List(list), Some(items)) => list_items(schema, list, &items, kept, after),
                _ => Value::Array(after),
            }
        }
        (_, after) => after,
    }
}

/// Any list, for [`shape`].
static LIST: Value = Value::Array(Vec::new());

fn list_items<'v, V: Look<'v>>(
    schema: &Schema,
    list: ListShape<'_>,
    items: &impl LookItems<Value = V>,
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
                return Some(item.value().into_owned());
            };
            let found = after.binary_search_by(|(element, _)| element.cmp(&kept.element));
            let after = std::mem::take(&mut after[found.ok()?].1);
            Some(graft(schema, list.item, item, &kept.focus, after))
        })
        .collect()
}

/// The items in the order that they have after the apply.
fn ordered_items<'v, V: Look<'v>>(
    schema: &Schema,
    list: ListShape<'_>,
    items: &impl LookItems<Value = V>,
    kept: &Items,
    after: Vec<Value>,
) -> Value {
    let mut names: Vec<_> = items
        .iter()
        .filter_map(|item| Some((list.element(&item.value()).ok()?, item)))
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
                (Ok(at), None) => names[at].1.value().into_owned(),
                (Err(_), _) => after,
            }
        })
        .collect()
}
