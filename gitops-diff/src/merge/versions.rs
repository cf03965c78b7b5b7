//! Other API versions in which managers named their fields.

use std::sync::Arc;

use gitops_core::schema::Schema;
use serde_json::Value;

/// Converts objects between the versions of their API group, for `managedFields` entries that were
/// written under another version than the request's.
pub trait VersionConverter {
    /// `object`, which is of `from`, at the version `to`.
    fn convert(&self, object: &Value, from: &str, to: &str) -> Converted;

    /// Whether every version is as every other.
    fn is_identity(&self) -> bool {
        false
    }
}

/// An object at another version.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Converted {
    /// The versions are the same but for their name.
    Same,
    /// The object and the schema of the version.
    Object {
        /// The object.
        object: Value,
        /// Its schema.
        schema: Arc<Schema>,
    },
    /// The version is not served any more: entries under it are dropped.
    Unserved,
}

/// Takes all versions of a kind for the same.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct SameInAllVersions;

impl VersionConverter for SameInAllVersions {
    fn convert(&self, _object: &Value, _from: &str, _to: &str) -> Converted {
        Converted::Same
    }

    fn is_identity(&self) -> bool {
        true
    }
}
