//! Patches from differences.

use serde_json::{Map, Value};

use super::{
    DELETE_LIST, DIRECTIVE, ELEMENT_ORDER, FieldMeta, JsonType, Meta, Object, RETAIN_KEYS, Result,
    StrategicError, item_type, key_of,
    order::{by_order, deduplicate, sort_by_key, sort_scalars},
    plain_text, type_of,
};

/// What goes into a patch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DiffRules {
    /// Directives that order lists.
    pub(crate) element_order: bool,
    /// No changes and additions.
    pub(crate) ignore_changes: bool,
    /// No deletions.
    pub(crate) ignore_deletions: bool,
    /// Directives that name the fields to keep.
    pub(crate) retain_keys: bool,
}

/// The patch between two objects. Lists of scalars in `original` are sorted on the way, which is
/// seen by what follows, as in Go.
pub(super) fn maps(
    original: &mut Object,
    modified: &Object,
    meta: Meta,
    rules: DiffRules,
) -> Result<Object> {
    let mut patch = Map::new();
    let mut retained: Vec<Value> = Vec::new();
    for (name, new) in modified {
        if rules.retain_keys && !new.is_null() {
            retained.push(name.as_str().into());
        }
        let Some(old) = original.get_mut(name) else {
            if !rules.ignore_changes {
                patch.insert(name.clone(), new.clone());
            }
            continue;
        };
        if name == DIRECTIVE {
            if !old.is_string() || !new.is_string() {
                return Err(StrategicError::Directive {
                    directive: DIRECTIVE.to_owned(),
                    reason: "it must be a string",
                });
            }
            if old != new {
                patch.insert(name.clone(), new.clone());
            }
            continue;
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                map_field(name, old, new, &mut patch, meta, rules)?;
            }
            (Value::Array(old), Value::Array(new)) => {
                list_field(name, old, new, &mut patch, meta, rules)?;
            }
            (old, new) => {
                let differs = type_of(old) != type_of(new) || old != new;
                if differs && !rules.ignore_changes {
                    patch.insert(name.clone(), new.clone());
                }
            }
        }
    }
    if !rules.ignore_deletions {
        for name in original.keys() {
            if !modified.contains_key(name) {
                patch.insert(name.clone(), Value::Null);
            }
        }
    }
    let has_more = original
        .iter()
        .any(|(name, value)| !value.is_null() && !modified.contains_key(name));
    if !retained.is_empty() && (!patch.is_empty() || has_more) {
        sort_scalars(&mut retained);
        patch.insert(RETAIN_KEYS.to_owned(), Value::Array(retained));
    }
    Ok(patch)
}

/// Where the type has no such field, only equality can be patched.
fn looked_up(found: Result<FieldMeta>, is_equal: bool) -> Result<Option<FieldMeta>> {
    match found {
        Ok(meta) => Ok(Some(meta)),
        Err(_) if is_equal => Ok(None),
        Err(error) => Err(error),
    }
}

fn map_field(
    name: &str,
    old: &mut Object,
    new: &Object,
    patch: &mut Object,
    meta: Meta,
    mut rules: DiffRules,
) -> Result<()> {
    let Some(field) = looked_up(meta.map(name), old == new)? else {
        return Ok(());
    };
    rules.retain_keys = field.retain_keys;
    if field.strategy == "replace" {
        if !rules.ignore_changes {
            patch.insert(name.to_owned(), Value::Object(new.clone()));
        }
        return Ok(());
    }
    let below = maps(old, new, field.below, rules)?;
    if !below.is_empty() {
        patch.insert(name.to_owned(), Value::Object(below));
    }
    Ok(())
}

fn list_field(
    name: &str,
    old: &mut Vec<Value>,
    new: &[Value],
    patch: &mut Object,
    meta: Meta,
    mut rules: DiffRules,
) -> Result<()> {
    let Some(field) = looked_up(meta.list(name), old == new)? else {
        return Ok(());
    };
    if field.strategy != "merge" {
        if old != new && !rules.ignore_changes {
            patch.insert(name.to_owned(), Value::Array(new.to_vec()));
        }
        return Ok(());
    }
    rules.retain_keys = field.retain_keys;
    let found = lists(name, old, new, field, rules)?;
    if !found.patch.is_empty() {
        patch.insert(name.to_owned(), Value::Array(found.patch));
    }
    if !found.deleted.is_empty() {
        patch.insert(format!("{DELETE_LIST}/{name}"), Value::Array(found.deleted));
    }
    if !found.order.is_empty() {
        patch.insert(format!("{ELEMENT_ORDER}/{name}"), Value::Array(found.order));
    }
    Ok(())
}

#[derive(Default)]
struct ListPatch {
    patch: Vec<Value>,
    deleted: Vec<Value>,
    order: Vec<Value>,
}

fn lists(
    name: &str,
    old: &mut Vec<Value>,
    new: &[Value],
    field: FieldMeta,
    rules: DiffRules,
) -> Result<ListPatch> {
    if old.is_empty() {
        let nothing = new.is_empty() || rules.ignore_changes;
        return Ok(ListPatch {
            patch: if nothing { Vec::new() } else { new.to_vec() },
            ..ListPatch::default()
        });
    }
    let ty = item_type(name, &[old.as_slice(), new])?;
    let mut out = ListPatch::default();
    if ty == JsonType::Object {
        let key = field.merge_key;
        let (patch, deleted) = lists_of_maps(old, new, field, rules)?;
        out.patch = by_order(patch, new, key, ty)?;
        let mut same_order = old.len() == new.len();
        for (a, b) in old.iter().zip(new).take_while(|_| same_order) {
            if key_of(a, key)? != key_of(b, key)? {
                same_order = false;
                break;
            }
        }
        out.patch.extend(deleted);
        let changes = !rules.ignore_changes && (!out.patch.is_empty() || !same_order);
        if rules.element_order && (changes || (!rules.ignore_deletions && !out.patch.is_empty())) {
            for item in new {
                let value = item.get(key).cloned().unwrap_or(Value::Null);
                out.order
                    .push(Value::Object(Map::from_iter([(key.to_owned(), value)])));
            }
        }
    } else {
        let (patch, deleted) = lists_of_scalars(old, new, rules);
        out.patch = by_order(patch, new, field.merge_key, ty)?;
        out.deleted = deleted;
        let deletes = !rules.ignore_deletions && !out.deleted.is_empty();
        if rules.element_order && (deletes || (!rules.ignore_changes && *old != new)) {
            out.order = new.to_vec();
        }
    }
    Ok(out)
}

/// Additions and deletions. `old` is sorted.
fn lists_of_scalars(
    old: &mut [Value],
    new: &[Value],
    rules: DiffRules,
) -> (Vec<Value>, Vec<Value>) {
    sort_scalars(old);
    let mut new = new.to_vec();
    sort_scalars(&mut new);
    let (mut added, mut deleted) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => plain_text(a).cmp(&plain_text(b)),
        };
        let a = if order.is_le() { left.next() } else { None };
        let b = if order.is_ge() { right.next() } else { None };
        match (a, b) {
            (Some(a), None) if !rules.ignore_deletions => deleted.push(a.clone()),
            (None, Some(b)) if !rules.ignore_changes => added.push(b.clone()),
            _ => {}
        }
    }
    deduplicate(&mut deleted);
    (added, deleted)
}

fn lists_of_maps(
    old: &[Value],
    new: &[Value],
    field: FieldMeta,
    rules: DiffRules,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let key = field.merge_key;
    let (mut old, mut new) = (old.to_vec(), new.to_vec());
    sort_by_key(&mut old, key);
    sort_by_key(&mut new, key);
    let (mut patch, mut deleted) = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let text = |item: Option<&Value>| match item {
            Some(item) => key_of(item, key).map(|value| Some(plain_text(value))),
            None => Ok(None),
        };
        let order = match (text(old.get(i))?, text(new.get(j))?) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        if order.is_eq() {
            if let (Value::Object(a), Value::Object(b)) = (&mut old[i], &new[j]) {
                let mut below = maps(a, b, field.below, rules)?;
                if !below.is_empty() {
                    let value = b.get(key).cloned().unwrap_or(Value::Null);
                    below.insert(key.to_owned(), value);
                    patch.push(Value::Object(below));
                }
            }
        } else if order.is_gt() {
            if !rules.ignore_changes {
                patch.push(new[j].clone());
            }
        } else if !rules.ignore_deletions {
            let value = key_of(&old[i], key)?.clone();
            deleted.push(Value::Object(Map::from_iter([
                (key.to_owned(), value),
                (DIRECTIVE.to_owned(), "delete".into()),
            ])));
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    Ok((patch, deleted))
}
