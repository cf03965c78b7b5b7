//! Patches applied, to objects and to other patches.

use serde_json::{Map, Value};

use super::{
    DELETE_LIST, DIRECTIVE, ELEMENT_ORDER, FieldMeta, JsonType, Meta, Object, RETAIN_KEYS, Result,
    StrategicError, item_type, key_of,
    order::{combine, deduplicate, split_deletes},
    type_of,
};

/// What a patch is merged into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Directives are carried out; else they are kept.
    carry_out: bool,
    /// Nulls for what is not there are dropped.
    drop_nulls: bool,
}

impl Rules {
    /// Into an object.
    pub(super) fn objects() -> Self {
        Self {
            carry_out: true,
            drop_nulls: true,
        }
    }

    /// Into another patch.
    pub(super) fn patches() -> Self {
        Self {
            carry_out: false,
            drop_nulls: false,
        }
    }
}

fn bad_directive(directive: &str, reason: &'static str) -> StrategicError {
    StrategicError::Directive {
        directive: directive.to_owned(),
        reason,
    }
}

pub(super) fn maps(
    original: Option<Object>,
    mut patch: Object,
    meta: Meta,
    rules: Rules,
) -> Result<Object> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_directive(
                DIRECTIVE,
                "it must be replace or delete here",
            )),
        };
    }
    let mut original = original.unwrap_or_default();
    retain_keys(&mut original, &mut patch, rules)?;
    ordered_lists(&mut original, &mut patch, meta, rules)?;

    for (name, value) in patch {
        let (name, deletes) = match name.strip_prefix(DELETE_LIST) {
            Some(_) if !rules.carry_out => {
                original.insert(name, value);
                continue;
            }
            Some(rest) => match rest.strip_prefix('/') {
                Some(rest) => (rest.to_owned(), true),
                None => return Err(bad_directive(&name, "it names no list")),
            },
            None => (name, false),
        };
        if value.is_null() {
            original.remove(&name);
            if rules.drop_nulls {
                continue;
            }
        }
        let same_type = original
            .get(&name)
            .is_some_and(|old| type_of(old) == type_of(&value));
        if !same_type {
            if !deletes {
                let mut value = value;
                if rules.drop_nulls {
                    discard_nulls(&mut value);
                }
                put(&mut original, name, value);
            }
            continue;
        }
        match (original.remove(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let field = meta.map(&name)?;
                let merged = if field.strategy == "replace" {
                    new
                } else {
                    maps(Some(old), new, field.below, rules)?
                };
                original.insert(name, Value::Object(merged));
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let field = meta.list(&name)?;
                let merged = list_field(&name, old, new, field, deletes, rules)?;
                original.insert(name, Value::Array(merged));
            }
            (_, value) => put(&mut original, name, value),
        }
    }
    Ok(original)
}

fn put(original: &mut Object, name: String, value: Value) {
    match without_directives(value) {
        Some(value) => {
            original.insert(name, value);
        }
        None => {
            original.remove(&name);
        }
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// What stays of a value when objects with directives go.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter()
                .filter_map(|(name, value)| Some((name, without_directives(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(Value::Array(
            items.into_iter().filter_map(without_directives).collect(),
        )),
        other => Some(other),
    }
}

fn retain_keys(original: &mut Object, patch: &mut Object, rules: Rules) -> Result<()> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    if !rules.carry_out {
        if let Some(known) = original.get(RETAIN_KEYS) {
            if *known != directive {
                return Err(bad_directive(
                    RETAIN_KEYS,
                    "two patches contradict each other",
                ));
            }
        } else {
            original.insert(RETAIN_KEYS.to_owned(), directive);
        }
        return Ok(());
    }
    let Value::Array(names) = directive else {
        return Err(bad_directive(RETAIN_KEYS, "it must be a list"));
    };
    let listed = |name: &str| names.iter().any(|n| n.as_str() == Some(name));
    let unlisted = patch.iter().any(|(name, value)| {
        !value.is_null()
            && !name.starts_with(DELETE_LIST)
            && !name.starts_with(ELEMENT_ORDER)
            && !listed(name)
    });
    if unlisted {
        return Err(bad_directive(
            RETAIN_KEYS,
            "the patch has fields that it does not list",
        ));
    }
    original.retain(|name, _| listed(name));
    Ok(())
}

/// Lists whose order the patch states.
fn ordered_lists(
    original: &mut Object,
    patch: &mut Object,
    meta: Meta,
    rules: Rules,
) -> Result<()> {
    let directives: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else {
            continue;
        };
        if !rules.carry_out {
            match original.get(&directive) {
                Some(known) if *known != order => {
                    return Err(bad_directive(
                        &directive,
                        "two patches contradict each other",
                    ));
                }
                Some(_) => {}
                None => {
                    original.insert(directive.clone(), order.clone());
                }
            }
        }
        let Value::Array(order) = order else {
            return Err(bad_directive(&directive, "it must be a list"));
        };
        let Some(name) = directive
            .strip_prefix(ELEMENT_ORDER)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            return Err(bad_directive(&directive, "it names no list"));
        };
        let list = |value: Option<&Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items.clone())),
            Some(_) => Err(StrategicError::Type { expected: "list" }),
        };
        let old = list(original.get(name))?;
        let new = list(patch.get(name))?;
        let field = meta.list(name)?;
        check_order(&directive, new.as_deref(), &order, field.merge_key)?;
        let server_order = server_order(old.as_deref(), new.as_deref(), field.merge_key);
        let merged = match (old.clone(), new.clone()) {
            (None, None) => continue,
            (Some(old), None) => old,
            (None, Some(new)) => new.into_iter().filter_map(without_directives).collect(),
            (Some(old), Some(new)) => list_field(name, old, new, field, false, rules)?,
        };
        let (of_patch, of_server) = partition(merged, &order, field.merge_key)?;
        let old = old.unwrap_or_default();
        let ty = item_type(name, &[&old, new.as_deref().unwrap_or_default()])?;
        let both = combine(
            of_patch,
            of_server,
            &order,
            &server_order,
            field.merge_key,
            ty,
        )?;
        original.insert(name.to_owned(), Value::Array(both));
        patch.remove(name);
    }
    Ok(())
}

/// The order that decides where items go that only the server has.
///
/// It is the order of the live list as the merge leaves it in memory: where items are deleted, those
/// behind them move up, and items that are added take the places that become free.
fn server_order(old: Option<&[Value]>, new: Option<&[Value]>, key: &str) -> Vec<Value> {
    let Some(old) = old else { return Vec::new() };
    let mut order = old.to_vec();
    let new = new.unwrap_or_default();
    if key.is_empty()
        || new
            .iter()
            .any(|item| item.get(DIRECTIVE).is_some_and(|d| d == "replace"))
    {
        return order;
    }
    let mut length = order.len();
    let capacity = length.next_power_of_two();
    let position = |order: &[Value], item: &Value| {
        let wanted = item.get(key);
        wanted.and_then(|_| order.iter().position(|other| other.get(key) == wanted))
    };
    for item in new.iter().filter(|item| item.get(DIRECTIVE).is_some()) {
        while let Some(at) = position(&order[..length], item) {
            for i in at..length - 1 {
                order[i] = order[i + 1].clone();
            }
            length -= 1;
        }
    }
    for item in new.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let known = position(&order[..length.min(order.len())], item).is_some();
        if known {
            continue;
        }
        if length == capacity {
            break;
        }
        if let Some(free) = order.get_mut(length) {
            *free = item.clone();
        }
        length += 1;
    }
    order
}

/// The items of the patch must come in the order that it states.
fn check_order(directive: &str, patch: Option<&[Value]>, order: &[Value], key: &str) -> Result<()> {
    let Some(patch) = patch.filter(|patch| !patch.is_empty() && !order.is_empty()) else {
        return Ok(());
    };
    let items = if key.is_empty() {
        patch.to_vec()
    } else {
        split_deletes(patch.to_vec())?.0
    };
    let mut items = items.iter().peekable();
    let mut order = order.iter();
    while let Some(item) = items.peek() {
        if item.get(DIRECTIVE).is_some() {
            items.next();
            continue;
        }
        let Some(next) = order.next() else {
            return Err(bad_directive(
                directive,
                "it does not fit the list of the patch",
            ));
        };
        let same = if key.is_empty() {
            *item == next
        } else {
            key_of(item, key)? == key_of(next, key)?
        };
        if same {
            items.next();
        }
    }
    Ok(())
}

/// Items that are in `by`, and the others.
fn partition(items: Vec<Value>, by: &[Value], key: &str) -> Result<(Vec<Value>, Vec<Value>)> {
    if key.is_empty() {
        return Ok(items.into_iter().partition(|item| by.contains(item)));
    }
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for item in items {
        let value = key_of(&item, key)?;
        if find(by, key, value)?.is_some() {
            inside.push(item);
        } else {
            outside.push(item);
        }
    }
    Ok((inside, outside))
}

fn find(items: &[Value], key: &str, value: &Value) -> Result<Option<usize>> {
    for (at, item) in items.iter().enumerate() {
        let Value::Object(item) = item else {
            return Err(StrategicError::Type {
                expected: "JSON object",
            });
        };
        if item.get(key) == Some(value) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn list_field(
    name: &str,
    old: Vec<Value>,
    new: Vec<Value>,
    field: FieldMeta,
    deletes: bool,
    rules: Rules,
) -> Result<Vec<Value>> {
    if field.strategy != "merge" && !deletes {
        return Ok(new);
    }
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    let ty = item_type(name, &[&old, &new])?;
    if ty != JsonType::Object {
        if rules.carry_out && deletes {
            return Ok(old.into_iter().filter(|item| !new.contains(item)).collect());
        }
        let mut both = old.clone();
        both.extend(new.iter().cloned());
        deduplicate(&mut both);
        let (of_patch, of_server) = partition(both, &new, field.merge_key)?;
        return combine(of_patch, of_server, &new, &old, field.merge_key, ty);
    }
    let key = field.merge_key;
    if key.is_empty() {
        return Err(StrategicError::Items {
            field: name.to_owned(),
            reason: "the kind names no field by which they are merged",
        });
    }
    let (old, new) = special_items(old, new, key)?;
    let merged = items(old.clone(), &new, field, rules)?;
    let (of_patch, of_server) = partition(merged, &new, key)?;
    combine(of_patch, of_server, &new, &old, key, ty)
}

/// Carries out the directives that stand in the place of items.
fn special_items(
    mut old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::with_capacity(new.len());
    let mut replace = false;
    for item in new {
        match item.get(DIRECTIVE).map(Value::as_str) {
            None => plain.push(item),
            Some(Some("delete")) => {
                let value = key_of(&item, key)?;
                while let Some(at) = find(&old, key, value)? {
                    old.remove(at);
                }
            }
            Some(Some("replace")) => replace = true,
            Some(_) => {
                return Err(bad_directive(
                    DIRECTIVE,
                    "it must be replace or delete here",
                ));
            }
        }
    }
    if replace {
        return Ok((plain, Vec::new()));
    }
    Ok((old, plain))
}

fn items(mut old: Vec<Value>, new: &[Value], field: FieldMeta, rules: Rules) -> Result<Vec<Value>> {
    for item in new {
        let value = key_of(item, field.merge_key)?;
        match find(&old, field.merge_key, value)? {
            Some(at) => {
                if let (Value::Object(known), Value::Object(item)) = (old[at].take(), item) {
                    let merged = maps(Some(known), item.clone(), field.below, rules)?;
                    old[at] = Value::Object(merged);
                }
            }
            None => old.push(item.clone()),
        }
    }
    Ok(old)
}
