//! Types, kinds and deep equality.

use super::Registry;
use crate::template::{CallError, Str, Value, with_stack};

pub(super) fn register(registry: &mut Registry) {
    registry.add("typeOf", |value: Value| value.type_name().into_owned());
    registry.add("typeIs", |name: Str, value: Value| {
        name == *value.type_name()
    });
    registry.add("typeIsLike", |name: Str, value: Value| {
        let own = value.type_name();
        name == *own || own.strip_prefix('*').is_some_and(|own| name == *own)
    });
    registry.add("kindOf", |value: Value| value.kind().name());
    registry.add("kindIs", |name: Str, value: Value| {
        name == *value.kind().name()
    });
    registry.add("deepEqual", |a: Value, b: Value| deep_equal(&a, &b));
}

/// Values nested deeper than this are not compared.
const MAX_DEPTH: u32 = 10_000;

/// `reflect.DeepEqual`: values of different types differ, and so do a nil and an empty list.
pub(crate) fn deep_equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    deep_equal_at(a, b, 0)
}

fn deep_equal_at(a: &Value, b: &Value, depth: u32) -> Result<bool, CallError> {
    if depth > MAX_DEPTH {
        return Err(CallError::limit("value_depth", u64::from(MAX_DEPTH)));
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Uint8(a), Value::Uint8(b)) => a == b,
        (Value::Uint32(a), Value::Uint32(b)) => a == b,
        (Value::Uint64(a), Value::Uint64(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a), Value::Complex(b)) => a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.list_type() != b.list_type() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            return with_stack(|| {
                for (a, b) in a.iter().zip(b) {
                    if !deep_equal_at(a, b, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            });
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.map_type() != b.map_type() || a.is_nil() != b.is_nil() || a.len() != b.len() {
                return Ok(false);
            }
            if a.is_same(b) {
                return Ok(true);
            }
            let (Some(a), Some(b)) = (a.entries(), b.entries()) else {
                return Ok(true);
            };
            return with_stack(|| {
                for ((a_key, a), (b_key, b)) in a.iter().zip(b.iter()) {
                    if a_key != b_key || !deep_equal_at(a, b, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            });
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.type_name() != b.type_name() {
                return Ok(false);
            }
            if std::rc::Rc::ptr_eq(a, b) || a.equals(b.as_ref()) {
                return Ok(true);
            }
            if let (Some(a), Some(b)) = (a.underlying(), b.underlying()) {
                return with_stack(|| deep_equal_at(&a, &b, depth + 1));
            }
            let (a, b) = (a.fields(), b.fields());
            if a.is_empty() || a.len() != b.len() {
                return Ok(false);
            }
            return with_stack(|| {
                for ((_, a), (_, b)) in a.iter().zip(&b) {
                    if !deep_equal_at(a, b, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            });
        }
        _ => false,
    })
}
