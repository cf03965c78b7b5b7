//! Paths into objects, and values as text.

use gitops_core::Manifest;
use serde_json::Value;

/// The value at a path.
pub(in crate::health) fn lookup<'a>(object: &'a Manifest, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = object.as_map().get(first)?;
    for key in rest {
        value = value.get(key)?;
    }
    (!value.is_null()).then_some(value)
}

/// A scalar as text: numbers without a needless fraction. Other values have none.
pub(in crate::health) fn render(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => number.as_f64().map_or_else(String::new, |float| {
                if float.fract() == 0.0 {
                    format!("{float:.0}")
                } else {
                    float.to_string()
                }
            }),
        }),
        _ => None,
    }
}

/// A number.
pub(in crate::health) fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}
