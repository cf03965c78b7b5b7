//! Error classes: the one vocabulary by which a reconcile loop decides what to do about an error.

use std::time::Duration;

/// What kind of trouble an error is, whichever layer it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The thing asked for does not exist.
    NotFound,
    /// The input is wrong; trying again without changing it is useless.
    Invalid,
    /// No or wrong credentials.
    Unauthenticated,
    /// The credentials do not allow this, or a policy forbids it.
    Forbidden,
    /// Somebody else changed or owns the thing.
    Conflict,
    /// The other side is not reachable or broken at the moment.
    Unavailable,
    /// The other side asks to slow down.
    Throttled,
    /// A deadline passed.
    Timeout,
    /// The caller cancelled.
    Cancelled,
    /// The software knows the request but does not offer it.
    Unsupported,
    /// A defect of this software.
    Internal,
}

/// Implemented by every public error of the workspace.
pub trait Classified {
    /// The class of the error.
    fn class(&self) -> ErrorClass;

    /// Whether the same request can succeed later without a change of input.
    fn is_retryable(&self) -> bool {
        matches!(
            self.class(),
            ErrorClass::Unavailable | ErrorClass::Throttled | ErrorClass::Timeout
        )
    }

    /// How long the other side asked to wait, where it did.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// A boxed foreign error, as the `Other` arms of the trait errors carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
