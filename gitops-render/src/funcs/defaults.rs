//! Emptiness, and what takes the place of empty values.

use super::{Registry, Rest};
use crate::template::{Kind, Value};

pub(super) fn register(registry: &mut Registry) {
    registry.add(
        "default",
        |default: Value, Rest(given): Rest<Value>| match given.into_iter().next() {
            Some(given) if !is_empty(&given) => given,
            _ => default,
        },
    );
    registry.add("empty", |value: Value| is_empty(&value));
    registry.add("coalesce", |Rest(values): Rest<Value>| {
        values
            .into_iter()
            .find(|value| !is_empty(value))
            .unwrap_or_default()
    });
    registry.add("all", |Rest(values): Rest<Value>| {
        !values.iter().any(is_empty)
    });
    registry.add("any", |Rest(values): Rest<Value>| {
        !values.iter().all(is_empty)
    });
    registry.add(
        "ternary",
        |yes: Value, no: Value, condition: bool| {
            if condition { yes } else { no }
        },
    );
}

/// Whether a value is nil, false, zero, or has no items; structs never are empty.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) if object.kind() == Kind::Struct => false,
        Value::Object(object) => match object.underlying() {
            Some(underlying) => !underlying.is_true(),
            None => object.is_nil(),
        },
        _ => !value.is_true(),
    }
}
