//! Whether a merge would change anything, without merging.

use gitops_core::schema::{ListKey, Schema, Type};
use serde_json::Value;

use crate::{
    fields::values_equal,
    merge::{ListShape, Shape, key_fields, shape},
};

/// Longer lists are compared by the merge itself.
const LINEAR_LIST: usize = 256;

/// Whether merging `applied` into `live` gives `live` exactly, order of lists included. Cases that
/// are rare and costly to decide are answered with `false`.
pub(super) fn absorbs(schema: &Schema, ty: &Type, live: Option<&Value>, applied: &Value) -> bool {
    let Some(live) = live else { return false };
    match shape(schema, ty, applied) {
        Shape::Scalar | Shape::Atomic => values_equal(live, applied),
        Shape::Map(map) => {
            let stated = applied.as_object().filter(|map| !map.is_empty());
            let (Some(stated), Some(live_map)) = (stated, live.as_object()) else {
                let live_is_empty = live.as_object().is_none_or(serde_json::Map::is_empty);
                return if stated.is_some() || live_is_empty {
                    values_equal(live, applied)
                } else {
                    true
                };
            };
            stated.iter().all(|(name, value)| {
                absorbs(schema, map.field(schema, name), live_map.get(name), value)
            })
        }
        Shape::List(list) => {
            let stated = applied.as_array().filter(|items| !items.is_empty());
            let (Some(stated), Some(items)) = (stated, live.as_array()) else {
                let live_is_empty = live.as_array().is_none_or(Vec::is_empty);
                return if stated.is_some() || live_is_empty {
                    values_equal(live, applied)
                } else {
                    true
                };
            };
            items.len() <= LINEAR_LIST && list_absorbs(schema, list, items, stated)
        }
    }
}

/// Items that both lists have must come in the same order.
fn list_absorbs(schema: &Schema, list: ListShape<'_>, live: &[Value], stated: &[Value]) -> bool {
    let mut rest = live;
    for item in stated {
        let Some(at) = rest
            .iter()
            .position(|other| same_item(list.keys, item, other))
        else {
            return false;
        };
        let found = &rest[at];
        rest = &rest[at + 1..];
        // Items that share their name are replaced as a whole.
        if rest.iter().any(|other| same_item(list.keys, item, other))
            || !absorbs(schema, list.item, Some(found), item)
        {
            return false;
        }
    }
    true
}

fn same_item(keys: Option<&[ListKey]>, a: &Value, b: &Value) -> bool {
    let Some(keys) = keys else {
        return values_equal(a, b);
    };
    let (Value::Object(a), Value::Object(b)) = (a, b) else {
        return false;
    };
    let (mut a, mut b) = (key_fields(keys, a), key_fields(keys, b));
    let mut any = false;
    loop {
        match (a.next(), b.next()) {
            (None, None) => return any,
            (Some(x), Some(y)) if x.0 == y.0 && values_equal(x.1, y.1) => any = true,
            _ => return false,
        }
    }
}
