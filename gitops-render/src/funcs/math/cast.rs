//! Numbers from anything, as `github.com/spf13/cast` 1.7 converts them: what cannot be converted is 0.

use gitops_core::go::{parse_float, parse_int};

use crate::template::{Object, Value};

/// `cast.ToInt64` and `cast.ToInt`.
pub(crate) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(value) => i64::from(*value),
        Value::Int(value) | Value::Int64(value) => *value,
        Value::Uint8(value) => i64::from(*value),
        Value::Uint32(value) => i64::from(*value),
        Value::Uint64(value) => *value as i64,
        Value::Float(value) => float_to_int(*value),
        Value::Str(text) => text
            .as_str()
            .and_then(|text| parse_int(without_zero_decimals(text), 0).ok())
            .unwrap_or(0),
        Value::Object(object) => named_int(object.as_ref()).unwrap_or(0),
        Value::Nil | Value::Complex(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => 0,
    }
}

/// `cast.ToFloat64`.
pub(crate) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Int(value) | Value::Int64(value) => *value as f64,
        Value::Uint8(value) => f64::from(*value),
        Value::Uint32(value) => f64::from(*value),
        Value::Uint64(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Str(text) => text
            .as_str()
            .and_then(|text| parse_float(text).ok())
            .unwrap_or(0.0),
        Value::Object(object) => named_int(object.as_ref()).unwrap_or(0) as f64,
        Value::Nil | Value::Complex(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => 0.0,
    }
}

/// Go's `int64(f)` on amd64: towards zero, and the least integer for what does not fit.
pub(crate) fn float_to_int(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// The named types whose values count as `int`.
fn named_int(object: &dyn Object) -> Option<i64> {
    match object.type_name().as_ref() {
        "time.Month" | "time.Weekday" => match object.underlying()? {
            Value::Int(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// `3.00` as `3`.
fn without_zero_decimals(text: &str) -> &str {
    let trimmed = text.trim_end_matches('0');
    match trimmed.strip_suffix('.') {
        Some(whole) if trimmed.len() < text.len() => whole,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, expected) in [
            ("0x10", 16),
            ("010", 8),
            ("08", 0),
            ("3.0", 3),
            ("3.", 0),
            ("3.50", 0),
            ("1.5", 0),
            (" 5", 0),
            ("-7.000", -7),
            ("", 0),
        ] {
            assert_eq!(to_int64(&Value::str(text)), expected, "{text}");
        }
        assert_eq!(to_int64(&Value::Float(-2.9)), -2);
        assert_eq!(to_int64(&Value::Float(f64::NAN)), i64::MIN);
        assert_eq!(to_int64(&Value::Float(1e19)), i64::MIN);
        assert_eq!(to_int64(&Value::Bool(true)), 1);
        assert_eq!(to_int64(&Value::Nil), 0);
    }

    #[test]
    fn floats() {
        assert!((to_float64(&Value::str("1_0.5")) - 10.5).abs() < f64::EPSILON);
        assert!(to_float64(&Value::str("1e400")).abs() < f64::EPSILON);
        assert!(to_float64(&Value::str("inf")).is_infinite());
    }
}
