//! Orders of lists: as Go's sorts leave them, as patches ask for.

use serde_json::Value;

use super::{DIRECTIVE, JsonType, Result, StrategicError, key_of, plain_text};

/// Go's insertion sort, which is what its sorts do to short lists. `less` need not be an order.
pub(super) fn insertion_sort(items: &mut [Value], less: impl Fn(&Value, &Value) -> bool) {
    for i in 1..items.len() {
        let mut j = i;
        while j > 0 && less(&items[j], &items[j - 1]) {
            items.swap(j, j - 1);
            j -= 1;
        }
    }
}

/// By text; equal ones change places.
pub(super) fn sort_scalars(items: &mut [Value]) {
    if items.len() <= 12 {
        insertion_sort(items, |a, b| plain_text(a) <= plain_text(b));
    } else {
        items.sort_by_key(plain_text);
    }
}

/// By the text of the merge key; equal ones change places.
pub(super) fn sort_by_key(items: &mut [Value], key: &str) {
    let text = |item: &Value| plain_text(item.get(key).unwrap_or(&Value::Null));
    if items.len() <= 12 {
        insertion_sort(items, |a, b| text(a) <= text(b));
    } else {
        items.sort_by_key(text);
    }
}

/// Removes repetitions; the last item takes the place of each.
pub(super) fn deduplicate(items: &mut Vec<Value>) {
    let mut i = 0;
    while i + 1 < items.len() {
        let mut j = i + 1;
        while j < items.len() {
            if items[i] == items[j] {
                items.swap_remove(j);
            } else {
                j += 1;
            }
        }
        i += 1;
    }
}

/// Position of the item that has the merge key, or is equal where items are no objects.
pub(super) fn index(list: &[Value], item: &Value, key: &str, ty: JsonType) -> Option<usize> {
    let name = |value: &Value| -> Value {
        if ty == JsonType::Object {
            value.get(key).cloned().unwrap_or(Value::Null)
        } else {
            value.clone()
        }
    };
    let wanted = name(item);
    list.iter().position(|other| name(other) == wanted)
}

/// Sorts by `order`; items to be deleted go to the end.
pub(super) fn by_order(
    items: Vec<Value>,
    order: &[Value],
    key: &str,
    ty: JsonType,
) -> Result<Vec<Value>> {
    let (mut kept, deleted) = if ty == JsonType::Object {
        for item in items.iter().chain(order) {
            key_of(item, key)?;
        }
        split_deletes(items)?
    } else {
        (items, Vec::new())
    };
    insertion_sort(&mut kept, |a, b| {
        match (index(order, a, key, ty), index(order, b, key, ty)) {
            (Some(a), Some(b)) => a < b,
            _ => true,
        }
    });
    kept.extend(deleted);
    Ok(kept)
}

/// Items to keep and items with the directive to delete.
pub(super) fn split_deletes(items: Vec<Value>) -> Result<(Vec<Value>, Vec<Value>)> {
    if items.iter().any(|item| !item.is_object()) {
        return Err(StrategicError::Type {
            expected: "JSON object",
        });
    }
    Ok(items
        .into_iter()
        .partition(|item| item.get(DIRECTIVE).and_then(Value::as_str) != Some("delete")))
}

/// Items of the patch in its order, with those that only the server has put where they were.
pub(super) fn combine(
    patch: Vec<Value>,
    server: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    key: &str,
    ty: JsonType,
) -> Result<Vec<Value>> {
    let patch = by_order(patch, patch_order, key, ty)?;
    let server = by_order(server, server_order, key, ty)?;
    let mut out = Vec::with_capacity(patch.len() + server.len());
    let (mut left, mut right) = (server.into_iter().peekable(), patch.into_iter().peekable());
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(l), Some(r)) => {
                let at = |item| index(server_order, item, key, ty);
                matches!((at(l), at(r)), (Some(l), Some(r)) if l < r)
            }
        };
        out.extend(if take_left { left.next() } else { right.next() });
    }
    Ok(out)
}
