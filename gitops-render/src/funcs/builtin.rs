//! text/template's own functions.

use std::borrow::Cow;

use gitops_core::go::unicode::is_print;

use super::{Reflect, Registry, Rest};
use crate::template::{CallError, Context, Kind, Limits, Str, Value, fmt};

pub(super) fn register(registry: &mut Registry) {
    registry.add_short_circuit("and", false);
    registry.add_short_circuit("or", true);
    registry.add_with_callee("call", call);
    registry.add("html", html);
    registry.add("index", index);
    registry.add("js", js);
    registry.add("len", length);
    registry.add("not", |value: Reflect| !value.0.is_true());
    registry.add("print", print);
    registry.add("printf", printf);
    registry.add("println", println);
    registry.add("urlquery", urlquery);
    registry.add("eq", |first: Reflect, others: Rest<Reflect>| {
        eq(&first, &others.0)
    });
    registry.add("ne", |first: Reflect, second: Reflect| {
        eq(&first, &[second]).map(|equal| !equal)
    });
    registry.add("lt", |first: Reflect, second: Reflect| lt(&first, &second));
    registry.add("le", |first: Reflect, second: Reflect| le(&first, second));
    registry.add("gt", |first: Reflect, second: Reflect| {
        le(&first, second).map(|le| !le)
    });
    registry.add("ge", |first: Reflect, second: Reflect| {
        lt(&first, &second).map(|lt| !lt)
    });
}

/// Functions are never values here, so that there is nothing to call.
fn call(callee: &Str, function: &Value) -> CallError {
    match function {
        Value::Nil => CallError::new("call of nil"),
        value => CallError::new(format!(
            "non-function {callee} of type {}",
            value.type_name()
        )),
    }
}

fn print(context: &mut Context<'_>, arguments: Rest<Value>) -> Result<Str, CallError> {
    let limits = *context.host().limits();
    fmt::sprint(&arguments.0, &limits).map(Str::from)
}

fn println(context: &mut Context<'_>, arguments: Rest<Value>) -> Result<Str, CallError> {
    let limits = *context.host().limits();
    fmt::sprintln(&arguments.0, &limits).map(Str::from)
}

fn printf(
    context: &mut Context<'_>,
    format: Str,
    arguments: Rest<Value>,
) -> Result<Str, CallError> {
    let limits = *context.host().limits();
    context.spend(format.len() as u64 / 16)?;
    fmt::sprintf(&format, &arguments.0, &limits).map(Str::from)
}

// Indexing.

fn index(item: Reflect, indexes: Rest<Reflect>) -> Result<Value, CallError> {
    let mut item = item.0;
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    for Reflect(index) in indexes.0 {
        if matches!(item, Value::Nil) {
            return Err("index of nil pointer".into());
        }
        item = match &*item.underlying() {
            Value::Str(text) => {
                let at = position(&index, text.len())?;
                let byte = text.get(at);
                Value::Uint8(*byte.ok_or("reflect: string index out of range")?)
            }
            Value::Bytes(bytes) => {
                let at = position(&index, bytes.len())?;
                let byte = bytes.get(at);
                Value::Uint8(*byte.ok_or("reflect: slice index out of range")?)
            }
            Value::List(list) => {
                let at = position(&index, list.len())?;
                let found = list.as_slice().get(at).cloned();
                found.ok_or("reflect: slice index out of range")?
            }
            Value::Map(map) => match &index {
                Value::Str(key) => map.get(key).unwrap_or_else(|| match &item {
                    Value::Object(object) => object.zero_element(),
                    _ if map.map_type().holds_interfaces() => Value::Nil,
                    _ => Value::Str(Str::EMPTY),
                }),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(CallError::new(format!(
                        "value has type {}; should be string",
                        other.type_name()
                    )));
                }
            },
            _ => {
                return Err(CallError::new(format!(
                    "can't index item of type {}",
                    dereferenced(&item)
                )));
            }
        };
    }
    Ok(item)
}

/// The type of what a pointer points to.
fn dereferenced(value: &Value) -> Cow<'static, str> {
    let name = value.type_name();
    match name.strip_prefix('*') {
        Some(name) if value.kind() == Kind::Pointer => name.to_owned().into(),
        _ => name,
    }
}

fn position(index: &Value, length: usize) -> Result<usize, CallError> {
    let position = match &*index.underlying() {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint8(number) => i64::from(*number),
        Value::Uint32(number) => i64::from(*number),
        Value::Uint64(number) => *number as i64,
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        _ => {
            return Err(CallError::new(format!(
                "cannot index slice/array with type {}",
                index.type_name()
            )));
        }
    };
    usize::try_from(position)
        .ok()
        .filter(|position| *position <= length)
        .ok_or_else(|| CallError::new(format!("index out of range: {position}")))
}

fn length(context: &mut Context<'_>, item: Reflect) -> Result<i64, CallError> {
    let length = match &*item.0.underlying() {
        Value::Nil if context.is_nil_interface(0) => return Err("len of nil pointer".into()),
        Value::Nil => {
            return Err("reflect: call of reflect.Value.Type on zero Value".into());
        }
        Value::Str(text) | Value::Bytes(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        other if other.is_nil() => return Err("len of nil pointer".into()),
        _ => {
            return Err(CallError::new(format!(
                "len of type {}",
                dereferenced(&item.0)
            )));
        }
    };
    Ok(length as i64)
}

// Comparison.

/// Values by the kinds that can be compared.
enum Basic {
    Bool(bool),
    Complex(f64, f64),
    Int(i64),
    Float(f64),
    String(Str),
    Uint(u64),
}

fn basic(value: &Value) -> Option<Basic> {
    Some(match &*value.underlying() {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Int(*value),
        Value::Uint8(value) => Basic::Uint(u64::from(*value)),
        Value::Uint32(value) => Basic::Uint(u64::from(*value)),
        Value::Uint64(value) => Basic::Uint(*value),
        Value::Float(value) => Basic::Float(*value),
        Value::Complex(value) => Basic::Complex(value.0, value.1),
        Value::Str(text) => Basic::String(text.clone()),
        _ => return None,
    })
}

fn incompatible(first: &Value, second: &Value) -> CallError {
    CallError::new(format!(
        "incompatible types for comparison: {} and {}",
        first.type_name(),
        second.type_name()
    ))
}

fn eq(first: &Reflect, others: &[Reflect]) -> Result<bool, CallError> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    let first = &first.0;
    let first_basic = basic(first);
    for Reflect(other) in others {
        let is_equal = match (&first_basic, basic(other)) {
            (Some(Basic::Bool(a)), Some(Basic::Bool(b))) => *a == b,
            (Some(Basic::Complex(a, c)), Some(Basic::Complex(b, d))) => *a == b && *c == d,
            (Some(Basic::Float(a)), Some(Basic::Float(b))) => *a == b,
            (Some(Basic::Int(a)), Some(Basic::Int(b))) => *a == b,
            (Some(Basic::String(a)), Some(Basic::String(b))) => *a == b,
            (Some(Basic::Uint(a)), Some(Basic::Uint(b))) => *a == b,
            (Some(Basic::Int(a)), Some(Basic::Uint(b))) => u64::try_from(*a) == Ok(b),
            (Some(Basic::Uint(a)), Some(Basic::Int(b))) => u64::try_from(b) == Ok(*a),
            (None, None) => eq_others(first, other)?,
            _ if matches!(first, Value::Nil) || matches!(other, Value::Nil) => false,
            _ => return Err(incompatible(first, other)),
        };
        if is_equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Values that are not of basic kinds.
fn eq_others(first: &Value, second: &Value) -> Result<bool, CallError> {
    let text = |value: &Value| -> Result<String, CallError> {
        let bytes = fmt::sprintf(b"%s", std::slice::from_ref(value), &Limits::default())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (kind, other_kind) = (first.kind(), second.kind());
    if kind != other_kind && kind != Kind::Invalid && other_kind != Kind::Invalid {
        return Err(CallError::new(format!(
            "non-comparable types {}: {}, {}: {}",
            text(first)?,
            first.type_name(),
            second.type_name(),
            fmt::to_text(second)
        )));
    }
    if first.is_nil() || second.is_nil() {
        return Ok(first.is_nil() && second.is_nil());
    }
    match (first, second) {
        (Value::Object(first), Value::Object(second)) if second.is_comparable() => {
            Ok(first.type_name() == second.type_name() && first.equals(&**second))
        }
        _ => Err(CallError::new(format!(
            "non-comparable type {}: {}",
            text(second)?,
            second.type_name()
        ))),
    }
}

fn lt(first: &Reflect, second: &Reflect) -> Result<bool, CallError> {
    const INVALID: &str = "invalid type for comparison";
    let a = basic(&first.0).ok_or(INVALID)?;
    let b = basic(&second.0).ok_or(INVALID)?;
    Ok(match (a, b) {
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(..), Basic::Complex(..)) => {
            return Err(INVALID.into());
        }
        (Basic::Float(a), Basic::Float(b)) => a < b,
        (Basic::Int(a), Basic::Int(b)) => a < b,
        (Basic::String(a), Basic::String(b)) => a < b,
        (Basic::Uint(a), Basic::Uint(b)) => a < b,
        (Basic::Int(a), Basic::Uint(b)) => u64::try_from(a).map_or(true, |a| a < b),
        (Basic::Uint(a), Basic::Int(b)) => u64::try_from(b).is_ok_and(|b| a < b),
        _ => return Err(incompatible(&first.0, &second.0)),
    })
}

fn le(first: &Reflect, second: Reflect) -> Result<bool, CallError> {
    Ok(lt(first, &second)? || eq(first, &[second])?)
}

// Escaping.

/// The arguments as one text.
fn joined(arguments: Rest<Value>) -> Result<Str, CallError> {
    if let [Value::Str(text)] = arguments.0.as_slice() {
        return Ok(text.clone());
    }
    let printable: Vec<Value> = arguments
        .0
        .into_iter()
        .map(|argument| match argument {
            Value::Nil => Value::from("<no value>"),
            argument => argument,
        })
        .collect();
    fmt::sprint_printable(&printable, &Limits::default()).map(Str::from)
}

fn html(arguments: Rest<Value>) -> Result<Str, CallError> {
    let text = joined(arguments)?;
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text.iter() {
        match byte {
            0 => escaped.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => escaped.extend_from_slice(b"&#34;"),
            b'\'' => escaped.extend_from_slice(b"&#39;"),
            b'&' => escaped.extend_from_slice(b"&amp;"),
            b'<' => escaped.extend_from_slice(b"&lt;"),
            b'>' => escaped.extend_from_slice(b"&gt;"),
            _ => escaped.push(*byte),
        }
    }
    Ok(escaped.into())
}

fn js(arguments: Rest<Value>) -> Result<Str, CallError> {
    let text = joined(arguments)?;
    let mut escaped = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' | '\'' | '"' => escaped.extend([b'\\', character as u8]),
                '<' | '>' | '&' | '=' | '\0'..' ' => {
                    escaped.extend_from_slice(format!("\\u{:04X}", character as u32).as_bytes());
                }
                _ if character.is_ascii() || is_print(character) => {
                    escaped.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => escaped.extend_from_slice(format!("\\u{:04X}", character as u32).as_bytes()),
            }
        }
        // U+FFFD is printable, so that Go copies the bytes that it stands for.
        escaped.extend_from_slice(chunk.invalid());
    }
    Ok(escaped.into())
}

fn urlquery(arguments: Rest<Value>) -> Result<Str, CallError> {
    let text = joined(arguments)?;
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text.iter() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(*byte);
            }
            b' ' => escaped.push(b'+'),
            _ => escaped.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    Ok(escaped.into())
}
