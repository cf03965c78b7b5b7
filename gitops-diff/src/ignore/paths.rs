//! Paths into JSON values, and their removal.

use serde_json::Value;

/// One step of a path, as jq writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum JsonStep {
    /// A field of an object.
    Field(String),
    /// An item of a list; negative positions count from the end.
    Index(i64),
    /// Items of a list from a start, which is included, to an end, which is not.
    Slice(Option<i64>, Option<i64>),
}

/// A path from the root of a value.
pub type JsonPath = Vec<JsonStep>;

/// Reads a JSON pointer (RFC 6901); `None` where it does not begin with `/`.
#[must_use]
pub fn parse_pointer(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    Some(
        rest.split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

/// The fields that a pointer names in a value: none or one.
#[must_use]
pub fn resolve_pointer(value: &Value, pointer: &[String]) -> Option<JsonPath> {
    let mut at = value;
    let mut path = Vec::with_capacity(pointer.len());
    for step in pointer {
        at = match at {
            Value::Object(map) => {
                path.push(JsonStep::Field(step.clone()));
                map.get(step)?
            }
            Value::Array(items) => {
                let index: usize = step.parse().ok()?;
                path.push(JsonStep::Index(i64::try_from(index).ok()?));
                items.get(index)?
            }
            _ => return None,
        };
    }
    Some(path)
}

/// Paths with plain positions only: slices are written out, negative positions counted. Paths to
/// nothing are left out.
#[must_use]
pub fn resolve(value: &Value, path: &[JsonStep]) -> Vec<JsonPath> {
    let Some((first, rest)) = path.split_first() else {
        return vec![Vec::new()];
    };
    let below = |step: JsonStep, value: &Value| {
        resolve(value, rest).into_iter().map(move |mut path| {
            path.insert(0, step.clone());
            path
        })
    };
    match (first, value) {
        (JsonStep::Field(name), Value::Object(map)) => match map.get(name) {
            Some(value) => below(first.clone(), value).collect(),
            None => Vec::new(),
        },
        (JsonStep::Index(index), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if *index < 0 { index + length } else { *index };
            match usize::try_from(index).ok().and_then(|at| items.get(at)) {
                Some(value) => below(JsonStep::Index(index), value).collect(),
                None => Vec::new(),
            }
        }
        (JsonStep::Slice(start, end), Value::Array(items)) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let bound = |bound: Option<i64>, default: i64| match bound {
                None => default,
                Some(at) if at < 0 => (at + length).max(0),
                Some(at) => at.min(length),
            };
            (bound(*start, 0)..bound(*end, length))
                .flat_map(|at| {
                    let index = usize::try_from(at).unwrap_or_default();
                    below(JsonStep::Index(at), &items[index]).collect::<Vec<_>>()
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Removes what the paths lead to, last items of lists first. The empty path makes the value null.
pub fn remove_paths(value: &mut Value, paths: &[JsonPath]) {
    let mut resolved: Vec<JsonPath> = paths.iter().flat_map(|path| resolve(value, path)).collect();
    resolved.sort_by(|a, b| order(b, a));
    resolved.dedup();
    for path in resolved {
        let Some((last, parents)) = path.split_last() else {
            *value = Value::Null;
            return;
        };
        let parent = parents
            .iter()
            .try_fold(&mut *value, |at, step| match (step, at) {
                (JsonStep::Field(name), Value::Object(map)) => map.get_mut(name),
                (JsonStep::Index(index), Value::Array(items)) => usize::try_from(*index)
                    .ok()
                    .and_then(|at| items.get_mut(at)),
                _ => None,
            });
        match (parent, last) {
            (Some(Value::Object(map)), JsonStep::Field(name)) => {
                map.remove(name);
            }
            (Some(Value::Array(items)), JsonStep::Index(index)) => {
                if let Some(at) = usize::try_from(*index).ok().filter(|at| *at < items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
}

fn order(a: &[JsonStep], b: &[JsonStep]) -> std::cmp::Ordering {
    for (x, y) in a.iter().zip(b) {
        let order = match (x, y) {
            (JsonStep::Field(x), JsonStep::Field(y)) => x.cmp(y),
            (JsonStep::Index(x), JsonStep::Index(y)) => x.cmp(y),
            (JsonStep::Field(_), _) => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Greater,
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}
