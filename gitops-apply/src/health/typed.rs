//! Reads the few fields a rule needs into typed structures, as Go converts them ([`super::go`]).

use gitops_core::{Manifest, health::HealthError};
use serde::{Deserialize, de::DeserializeOwned};

use super::go::Go;

/// Decodes the object as `T`.
pub(super) fn decode<T: DeserializeOwned>(object: &Manifest) -> Result<T, HealthError> {
    T::deserialize(Go::Map(object.as_map())).map_err(|error| malformed(object, error.to_string()))
}

/// As [`decode`], for an object that as a whole has to be of the type `Shape`.
pub(super) fn decode_whole<Shape: DeserializeOwned, T: DeserializeOwned>(
    object: &Manifest,
) -> Result<T, HealthError> {
    decode::<Shape>(object)?;
    decode(object)
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

/// `metadata` as rules need it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Meta {
    pub(super) name: String,
    pub(super) generation: i64,
}

/// An entry of `status.conditions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// `status.conditions` of an object of any kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WithConditions {
    pub(super) status: Conditions,
}

/// A `status` of which only the conditions matter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) conditions: Vec<Condition>,
}

/// The first condition of a type.
pub(super) fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}
