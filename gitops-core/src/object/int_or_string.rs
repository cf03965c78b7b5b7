//! Fields that hold a number or a text, such as `maxUnavailable: 25%` and `targetPort: http`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// apimachinery's `intstr.IntOrString`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::exhaustive_enums)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text: a percentage or a name.
    Text(String),
}

impl IntOrString {
    /// The field's value; `None` for anything but 32-bit integers and strings.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => {
                let int = number.as_i64().or_else(|| {
                    let float = number.as_f64()?;
                    (float.fract() == 0.0 && float.abs() < 1e10).then_some(float as i64)
                })?;
                i32::try_from(int).ok().map(Self::Int)
            }
            _ => None,
        }
    }

    /// The number itself, or the percentage of `total`, rounded up or down. `None` for texts that
    /// are no percentage.
    ///
    /// ```
    /// use gitops_core::IntOrString;
    /// assert_eq!(IntOrString::Text("25%".to_owned()).scaled(10, true), Some(3));
    /// assert_eq!(IntOrString::Text("25%".to_owned()).scaled(10, false), Some(2));
    /// assert_eq!(IntOrString::Int(4).scaled(10, false), Some(4));
    /// ```
    #[must_use]
    pub fn scaled(&self, total: i32, round_up: bool) -> Option<i32> {
        let percent: i64 = match self {
            Self::Int(int) => return Some(*int),
            Self::Text(text) => text.strip_suffix('%')?.parse().ok()?,
        };
        let product = percent.checked_mul(i64::from(total))?;
        let rest = product.rem_euclid(100) != 0;
        i32::try_from(product.div_euclid(100) + i64::from(round_up && rest)).ok()
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_values() {
        let from = |text| IntOrString::from_value(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(from("80"), Some(IntOrString::Int(80)));
        assert_eq!(from("80.0"), Some(IntOrString::Int(80)));
        assert_eq!(from("80.5"), None);
        assert_eq!(from("4294967296"), None);
        assert_eq!(from("\"http\""), Some(IntOrString::Text("http".to_owned())));
        assert_eq!(IntOrString::Text("http".to_owned()).scaled(1, true), None);
    }
}
