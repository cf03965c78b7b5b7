//! When two values mean the same.

use jiff::Timestamp;
use serde_json::Value;

use super::int_or_string::IntOrString;
use crate::quantity::Quantity;

/// What a value stands for, which says when two of them are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueKind {
    /// Plain JSON: numbers by value, so that `1` equals `1.0`.
    Json,
    /// A [`Quantity`]: `1000m` equals `1`.
    Quantity,
    /// An [`IntOrString`]: `"80"` does not equal `80`.
    IntOrString,
    /// A time of RFC 3339: `…T10:00:00+02:00` equals `…T08:00:00Z`.
    Time,
}

impl ValueKind {
    /// Whether two values of this kind mean the same. Values that are not of the kind are compared
    /// as JSON.
    ///
    /// ```
    /// use gitops_core::ValueKind;
    /// use serde_json::json;
    /// assert!(ValueKind::Quantity.equal(&json!("1Gi"), &json!("1024Mi")));
    /// assert!(ValueKind::Json.equal(&json!({"a": 1}), &json!({"a": 1.0})));
    /// ```
    #[must_use]
    pub fn equal(self, a: &Value, b: &Value) -> bool {
        match self {
            Self::Json => json_equal(a, b),
            Self::Quantity => same(quantity, a, b),
            Self::IntOrString => same(IntOrString::from_value, a, b),
            Self::Time => same(time, a, b),
        }
    }
}

fn same<T: PartialEq>(read: impl Fn(&Value) -> Option<T>, a: &Value, b: &Value) -> bool {
    match (read(a), read(b)) {
        (Some(a), Some(b)) => a == b,
        _ => json_equal(a, b),
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn json_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let integers = (a.as_i64(), b.as_i64());
            match (integers, (a.as_u64(), b.as_u64())) {
                ((Some(a), Some(b)), _) => a == b,
                (_, (Some(a), Some(b))) => a == b,
                _ => a.as_f64() == b.as_f64(),
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| json_equal(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds() {
        let equal = |kind: ValueKind, a: Value, b: Value| kind.equal(&a, &b);
        assert!(equal(ValueKind::Quantity, json!("0.5"), json!("500m")));
        assert!(equal(ValueKind::Quantity, json!(1), json!("1000m")));
        assert!(!equal(ValueKind::Quantity, json!("x"), json!("1")));
        assert!(!equal(ValueKind::IntOrString, json!("80"), json!(80)));
        assert!(equal(ValueKind::IntOrString, json!(80.0), json!(80)));
        let times = (
            json!("2026-01-01T10:00:00+02:00"),
            json!("2026-01-01T08:00:00Z"),
        );
        assert!(equal(ValueKind::Time, times.0, times.1));
        assert!(equal(ValueKind::Json, json!([1.0]), json!([1])));
        assert!(!equal(ValueKind::Json, json!({"a": null}), json!({})));
        let large = (json!(u64::MAX), json!(u64::MAX - 1));
        assert!(!equal(ValueKind::Json, large.0, large.1));
    }
}
