//! Reads the few fields a rule needs into typed structures, with the leniency of Go's decoder:
//! `null` is the zero value, unknown fields are ignored, a wrong type is an error.

use gitops_core::{Manifest, health::HealthError};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// Decodes the object as `T`.
pub(super) fn decode<T: DeserializeOwned>(object: &Manifest) -> Result<T, HealthError> {
    T::deserialize(object.as_map()).map_err(|error| malformed(object, error.to_string()))
}

/// The error of a rule that cannot be applied to an object.
pub(super) fn malformed(object: &Manifest, reason: impl Into<String>) -> HealthError {
    HealthError::Malformed {
        object: object.id().to_string(),
        reason: reason.into(),
    }
}

/// A kind that has a rule, at a version that has none.
pub(super) fn unsupported_version(object: &Manifest) -> HealthError {
    malformed(
        object,
        format!(
            "there is no rule for version {} of {}",
            object.version(),
            object.gvk().group_kind()
        ),
    )
}

/// `null` counts as the default.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An integer; a number with a fraction is cut, as Go converts it. `null` is 0.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Ok(optional_integer(deserializer)?.unwrap_or(0))
}

/// As [`integer`], but keeps whether it was there.
pub(super) fn optional_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if let Some(integer) = number.as_i64() {
        return Ok(Some(integer));
    }
    #[allow(clippy::cast_possible_truncation)]
    let cut = number.as_f64().map(|float| float as i64);
    Ok(cut)
}

/// `metadata` as rules need it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    #[serde(deserialize_with = "nullable")]
    pub(super) name: String,
    #[serde(deserialize_with = "integer")]
    pub(super) generation: i64,
}

/// An entry of `status.conditions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type", deserialize_with = "nullable")]
    pub(super) kind: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) status: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) reason: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) message: String,
}

/// `status.conditions` of an object of any kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WithConditions {
    #[serde(deserialize_with = "nullable")]
    pub(super) status: Conditions,
}

/// A `status` of which only the conditions matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    #[serde(deserialize_with = "nullable")]
    pub(super) conditions: Vec<Condition>,
}

/// The first condition of a type.
pub(super) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}
