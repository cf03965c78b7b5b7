//! Health of objects.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::{BoxError, Classified, ErrorClass},
    object::Manifest,
};

/// Health of an object, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum HealthStatus {
    /// Works.
    Healthy,
    /// Waits for somebody to resume it.
    Suspended,
    /// On its way.
    Progressing,
    /// Not there.
    Missing,
    /// Broken.
    Degraded,
    /// Cannot be told.
    Unknown,
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Health {
    /// A verdict with its reason.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Tells the health of objects. `None` means that there is no rule for the object: it does not count.
pub trait HealthCheck: Send + Sync {
    /// Judges one live object.
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError>;
}

/// A health rule could not be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// The object has not the shape that its rule needs.
    #[error("cannot judge the health of {object}: {reason}")]
    Malformed {
        /// The object.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for HealthError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Malformed { .. } => ErrorClass::Invalid,
            Self::Other { class, .. } => *class,
        }
    }
}
