//! JSON merge patches (RFC 7386), and the three-way form that `kubectl apply` uses for kinds
//! without a strategic merge patch.

use serde_json::{Map, Value};

/// A merge patch cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergePatchError {
    /// Only objects have merge patches.
    #[error("a merge patch is made between JSON objects")]
    NotAnObject,
    /// What is added and what is removed contradict each other.
    #[error("changes and deletions contradict each other at `{field}`")]
    Conflict {
        /// The field.
        field: String,
    },
}

/// The patch that makes `after` of `before`, as kubectl makes it: integers beyond 2^53 lose
/// precision, since they pass through floats.
pub fn create(before: &Value, after: &Value) -> Result<Value, MergePatchError> {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => Ok(Value::Object(difference(a, b))),
        _ => Err(MergePatchError::NotAnObject),
    }
}

/// `target` with the patch applied, as the API server does it: beyond RFC 7386, nulls in objects
/// are dropped from what is added, in lists too.
#[must_use]
pub fn apply(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let Value::Object(target) = target else {
        return pruned(patch);
    };
    let mut out = target.clone();
    for (name, change) in changes {
        if change.is_null() {
            out.remove(name);
            continue;
        }
        let new = match out.get(name) {
            None | Some(Value::Null) => pruned(change),
            Some(old @ Value::Object(_)) => apply(old, change),
            Some(_) => pruned(change),
        };
        out.insert(name.clone(), new);
    }
    Value::Object(out)
}

/// Without the null fields of objects, at all depths; null items of lists stay.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), pruned(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(pruned).collect()),
        other => other.clone(),
    }
}

/// The patch that makes `modified` of `current`, and removes what `original` has and `modified`
/// does not.
pub fn three_way(
    original: &Value,
    modified: &Value,
    current: &Value,
) -> Result<Value, MergePatchError> {
    let changes = without_nulls(&create(current, modified)?);
    let deletions = only_nulls(&create(original, modified)?);
    if let Some(field) = conflict(&changes, &deletions) {
        return Err(MergePatchError::Conflict { field });
    }
    Ok(apply(&deletions, &changes))
}

fn difference(a: &Map<String, Value>, b: &Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, new) in b {
        match a.get(name) {
            None => {
                out.insert(name.clone(), as_float(new));
            }
            Some(old) if as_float(old) == as_float(new) => {}
            Some(Value::Object(old)) if new.is_object() => {
                if let Value::Object(new) = new {
                    let below = difference(old, new);
                    if !below.is_empty() {
                        out.insert(name.clone(), Value::Object(below));
                    }
                }
            }
            Some(_) => {
                out.insert(name.clone(), as_float(new));
            }
        }
    }
    for name in a.keys() {
        if !b.contains_key(name) {
            out.insert(name.clone(), Value::Null);
        }
    }
    out
}

/// Numbers as the Go library sees them: as floats, which are exact up to 2^53.
fn as_float(value: &Value) -> Value {
    const EXACT: u64 = 1 << 53;
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) if integer.unsigned_abs() <= EXACT => value.clone(),
            (_, Some(float)) if float.fract() == 0.0 && float.abs() < 9e18 => {
                // Within the range of i64 by the guard.
                #[allow(clippy::cast_possible_truncation)]
                let integer = float as i64;
                integer.into()
            }
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(as_float).collect()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| (name.clone(), as_float(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn without_nulls(patch: &Value) -> Value {
    let Value::Object(map) = patch else {
        return patch.clone();
    };
    let mut out = Map::new();
    for (name, value) in map {
        match value {
            Value::Null => {}
            Value::Object(below) if !below.is_empty() => {
                if let Value::Object(below) = without_nulls(value)
                    && !below.is_empty()
                {
                    out.insert(name.clone(), Value::Object(below));
                }
            }
            value => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

fn only_nulls(patch: &Value) -> Value {
    let mut out = Map::new();
    for (name, value) in patch.as_object().into_iter().flatten() {
        match value {
            Value::Null => {
                out.insert(name.clone(), Value::Null);
            }
            Value::Object(_) => {
                if let Value::Object(below) = only_nulls(value)
                    && !below.is_empty()
                {
                    out.insert(name.clone(), Value::Object(below));
                }
            }
            _ => {}
        }
    }
    Value::Object(out)
}

fn conflict(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, x)| {
            let y = b.get(name)?;
            match (x, y) {
                (Value::Object(_), Value::Object(_)) => conflict(x, y),
                _ if x == y => None,
                _ => Some(name.clone()),
            }
        }),
        _ => None,
    }
}
