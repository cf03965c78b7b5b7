//! JSON read into a Go type and written again.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{clock::Timestamp, go::Duration, quantity::Quantity};
use serde_json::{Map, Number, Value};

use super::go_types::{GoField, GoRef, GoType};

/// JSON does not fit a Go type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct GoTypeError {
    /// Where.
    pub path: String,
    /// What is wrong.
    pub reason: &'static str,
}

/// What to do with fields that the type does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Refuse,
    Drop,
}

/// A value as Go writes it, and whether `omitempty` leaves it out.
struct Written {
    value: Value,
    empty: bool,
    /// Whether it is the zero value of its type.
    zero: bool,
}

impl Written {
    fn new(value: Value, empty: bool) -> Self {
        Self {
            value,
            empty,
            zero: empty,
        }
    }
}

type Result<T> = std::result::Result<T, GoTypeError>;

/// Reads a value into a type and writes it: quantities and times become canonical, what is empty
/// goes where the type says so, nulls become zero values.
pub(crate) fn remarshal(ty: GoRef<'_>, value: &Value, unknown: Unknown) -> Result<Value> {
    write(ty, Some(value), unknown).map(|written| written.value)
}

fn wrong(reason: &'static str) -> GoTypeError {
    GoTypeError {
        path: String::new(),
        reason,
    }
}

fn under(step: &str) -> impl Fn(GoTypeError) -> GoTypeError + '_ {
    move |error| GoTypeError {
        path: format!(".{step}{}", error.path),
        ..error
    }
}

fn write(ty: GoRef<'_>, value: Option<&Value>, unknown: Unknown) -> Result<Written> {
    let value = value.filter(|value| !value.is_null());
    Ok(match (ty.get(), value) {
        (GoType::String, None) => Written::new(String::new().into(), true),
        (GoType::String, Some(Value::String(text))) => {
            Written::new(text.as_str().into(), text.is_empty())
        }
        (GoType::Bool, None) => Written::new(false.into(), true),
        (GoType::Bool, Some(Value::Bool(flag))) => Written::new((*flag).into(), !flag),
        (GoType::Int32 | GoType::Int64 | GoType::Unsigned, None) => Written::new(0.into(), true),
        (GoType::Int32, Some(Value::Number(number))) => {
            let integer = number.as_i64().and_then(|n| i32::try_from(n).ok());
            let integer = integer.ok_or_else(|| wrong("must be an integer of 32 bits"))?;
            Written::new(integer.into(), integer == 0)
        }
        (GoType::Int64, Some(Value::Number(number))) => {
            let integer = number.as_i64().ok_or_else(|| wrong("must be an integer"))?;
            Written::new(integer.into(), integer == 0)
        }
        (GoType::Unsigned, Some(Value::Number(number))) => {
            let integer = number
                .as_u64()
                .ok_or_else(|| wrong("must be a positive integer"))?;
            Written::new(integer.into(), integer == 0)
        }
        (GoType::Float, None) => Written::new(0.into(), true),
        (GoType::Float, Some(Value::Number(number))) => {
            Written::new(Value::Number(number.clone()), number.as_f64() == Some(0.0))
        }
        (GoType::Bytes, None) => Written::new(Value::Null, true),
        (GoType::Bytes, Some(Value::String(text))) => {
            // Go's decoder skips line breaks.
            let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = STANDARD
                .decode(compact)
                .map_err(|_| wrong("must be base64"))?;
            Written::new(STANDARD.encode(&bytes).into(), bytes.is_empty())
        }
        (GoType::Time, None) => zero_struct(Value::Null),
        (GoType::Time, Some(Value::String(text))) => {
            let time: Timestamp = text
                .parse()
                .map_err(|_| wrong("must be a time (RFC 3339)"))?;
            let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
            never_empty(whole.to_string().into())
        }
        (GoType::MicroTime, None) => zero_struct(Value::Null),
        (GoType::MicroTime, Some(Value::String(text))) => {
            let time: Timestamp = text
                .parse()
                .map_err(|_| wrong("must be a time (RFC 3339)"))?;
            never_empty(format!("{time:.6}").into())
        }
        (GoType::Duration, None) => zero_struct("0s".into()),
        (GoType::Duration, Some(Value::String(text))) => {
            let duration: Duration = text.parse().map_err(|_| wrong("must be a duration"))?;
            never_empty(duration.to_string().into())
        }
        (GoType::Quantity, None) => zero_struct("0".into()),
        (GoType::Quantity, Some(value @ (Value::String(_) | Value::Number(_)))) => {
            let quantity = Quantity::from_json_text(&value.to_string())
                .map_err(|_| wrong("must be a quantity"))?;
            never_empty(quantity.to_string().into())
        }
        (GoType::IntOrString, None) => zero_struct(0.into()),
        (GoType::IntOrString, Some(Value::String(text))) => never_empty(text.as_str().into()),
        (GoType::IntOrString, Some(Value::Number(number))) => {
            let integer = number.as_i64().and_then(|n| i32::try_from(n).ok());
            never_empty(
                integer
                    .ok_or_else(|| wrong("must be an integer or a string"))?
                    .into(),
            )
        }
        (GoType::Any, None) => zero_struct(Value::Null),
        (GoType::Any, Some(value)) => never_empty(value.clone()),
        (GoType::List(_) | GoType::Map(_), None) => Written::new(Value::Null, true),
        (GoType::List(item), Some(Value::Array(items))) => {
            let mut out = Vec::with_capacity(items.len());
            for (at, value) in items.iter().enumerate() {
                let item = pointee(ty.to(*item), value, unknown).map_err(under(&at.to_string()))?;
                out.push(item);
            }
            let empty = out.is_empty();
            Written {
                zero: false,
                ..Written::new(Value::Array(out), empty)
            }
        }
        (GoType::Map(item), Some(Value::Object(map))) => {
            let mut out = Map::new();
            for (name, value) in map {
                let item = pointee(ty.to(*item), value, unknown).map_err(under(name))?;
                out.insert(name.clone(), item);
            }
            let empty = out.is_empty();
            Written {
                zero: false,
                ..Written::new(Value::Object(out), empty)
            }
        }
        (GoType::Struct(fields), None) => structure(ty, fields, &Map::new(), unknown)?,
        (GoType::Struct(fields), Some(Value::Object(map))) => structure(ty, fields, map, unknown)?,
        _ => return Err(wrong("is of another type")),
    })
}

/// An item of a list or map; pointers keep null.
fn pointee(ty: GoRef<'_>, value: &Value, unknown: Unknown) -> Result<Value> {
    if value.is_null() && ty.is_pointer() {
        return Ok(Value::Null);
    }
    write(ty, Some(value), unknown).map(|written| written.value)
}

fn zero_struct(value: Value) -> Written {
    Written {
        value,
        empty: false,
        zero: true,
    }
}

fn never_empty(value: Value) -> Written {
    Written {
        value,
        empty: false,
        zero: false,
    }
}

fn structure(
    ty: GoRef<'_>,
    fields: &[GoField],
    map: &Map<String, Value>,
    unknown: Unknown,
) -> Result<Written> {
    let mut known: Vec<(&GoField, &Value)> = Vec::with_capacity(map.len());
    for (name, value) in map {
        match ty.field(name) {
            Some(field) => known.push((field, value)),
            None if unknown == Unknown::Refuse => {
                return Err(under(name)(wrong("is no field of the type")));
            }
            None => {}
        }
    }
    let mut out = Map::new();
    let mut zero = true;
    for field in fields {
        // Of several spellings the last one counts, and null leaves what was there.
        let stated = known
            .iter()
            .rev()
            .find(|(known, value)| std::ptr::eq(*known, field) && !value.is_null())
            .map(|(_, value)| *value);
        if field.pointer && stated.is_none() {
            if !field.omit_empty {
                out.insert(field.name.clone(), Value::Null);
            }
            continue;
        }
        let written = write(ty.to(field.ty), stated, unknown).map_err(under(&field.name))?;
        zero &= written.zero && !field.pointer;
        let left_out = !field.pointer
            && ((field.omit_empty && written.empty) || (field.omit_zero && written.zero));
        if !left_out {
            out.insert(field.name.clone(), written.value);
        }
    }
    Ok(Written {
        value: Value::Object(out),
        empty: false,
        zero,
    })
}

/// Whether a value is sure to come back as it is from [`remarshal`] and [`only_stated`]: it is of the
/// type, written as Go writes it, and nothing in it is left out. `may_be_empty` where what is empty
/// is not left out.
pub(crate) fn is_canonical(ty: GoRef<'_>, value: &Value, may_be_empty: bool) -> bool {
    let integer = |number: &Number, fits: fn(i64) -> bool| {
        let integer = number.as_i64().filter(|integer| fits(*integer));
        integer.is_some_and(|integer| may_be_empty || integer != 0)
    };
    let is_small = |integer| i32::try_from(integer).is_ok();
    match (ty.get(), value) {
        (GoType::String, Value::String(text)) => may_be_empty || !text.is_empty(),
        (GoType::Bool, Value::Bool(flag)) => may_be_empty || *flag,
        (GoType::Int32, Value::Number(number)) => integer(number, is_small),
        (GoType::Int64, Value::Number(number)) => integer(number, |_| true),
        (GoType::IntOrString, Value::String(_)) => true,
        (GoType::IntOrString, Value::Number(number)) => number.as_i64().is_some_and(is_small),
        (GoType::Quantity, Value::String(text)) => Quantity::from_json_text(&value.to_string())
            .is_ok_and(|quantity| quantity.to_string() == *text),
        (GoType::Any, value) => !value.is_null(),
        (GoType::List(item), Value::Array(items)) => {
            let item = ty.to(*item);
            (may_be_empty || !items.is_empty())
                && items.iter().all(|value| is_canonical(item, value, true))
        }
        (GoType::Map(item), Value::Object(map)) => {
            let item = ty.to(*item);
            (may_be_empty || !map.is_empty())
                && map.values().all(|value| is_canonical(item, value, true))
        }
        (GoType::Struct(fields), Value::Object(map)) => {
            (may_be_empty || !map.is_empty())
                && map.iter().all(|(name, value)| {
                    let field = fields.iter().find(|field| field.name == *name);
                    field.is_some_and(|field| is_canonical(ty.to(field.ty), value, field.pointer))
                })
        }
        _ => false,
    }
}

/// `written` without what `stated` does not have, at all depths; items beyond its lists stay.
pub(crate) fn only_stated(stated: &Value, written: Value) -> Value {
    match (stated, written) {
        (Value::Object(stated), Value::Object(mut written)) => Value::Object(
            stated
                .iter()
                .filter_map(|(name, stated)| {
                    let written = written.remove(name)?;
                    Some((name.clone(), only_stated(stated, written)))
                })
                .collect(),
        ),
        (Value::Array(stated), Value::Array(written)) => Value::Array(
            written
                .into_iter()
                .enumerate()
                .map(|(at, written)| match stated.get(at) {
                    Some(stated) => only_stated(stated, written),
                    None => written,
                })
                .collect(),
        ),
        (_, written) => written,
    }
}
