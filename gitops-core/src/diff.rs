//! From desired and live state to the changes between them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    app::IgnoreDifferences,
    error::{BoxError, Classified, ErrorClass},
    object::{Manifest, ObjectId},
    schema::Schemas,
};

/// Compares one desired object with the live one.
pub trait Differ: Send + Sync {
    /// Which fields an apply of `desired` would change in `live` (`None`: it would be created).
    fn diff(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
    ) -> Result<ObjectDiff, DiffError>;

    /// What to send instead of `desired`, so that fields whose differences are ignored stay as they
    /// are in `live`. Nothing is ignored where the object does not exist.
    fn payload(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
        ignored: Ignored,
    ) -> Result<Manifest, DiffError>;
}

/// What becomes of fields whose differences are ignored when an object is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ignored {
    /// They are released where somebody else owns them, and keep their live value where nobody
    /// does: for server-side apply.
    #[default]
    Released,
    /// They keep their live value: for requests that remove what they do not state.
    Kept,
}

/// How to compare.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// The field manager that would apply.
    pub field_manager: String,
    /// Differences that do not count.
    pub ignore: Vec<IgnoreDifferences>,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self {
            field_manager: FIELD_MANAGER.to_owned(),
            ignore: Vec::new(),
        }
    }
}

/// The field manager under which this software applies.
pub const FIELD_MANAGER: &str = "gitops";

/// The differences of one object. Values of Secrets are masked in [`ObjectDiff::changes`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectDiff {
    /// The object.
    pub object: ObjectId,
    /// What an apply would do.
    pub verdict: Verdict,
    /// The fields that would change, in order of their paths.
    pub changes: Vec<FieldChange>,
    /// What the object would look like after an apply; not masked, never serialised.
    #[serde(skip)]
    pub predicted: Option<Manifest>,
}

impl ObjectDiff {
    /// Whether an apply would change anything.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.verdict != Verdict::Unchanged
    }
}

/// What an apply would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing.
    Unchanged,
    /// Create the object.
    Create,
    /// Change fields, or take ownership of them.
    Change,
}

/// The change of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Path for people: `spec.template.spec.containers[name=web].image`.
    pub path: String,
    /// RFC 6901 pointer into the live object (into the desired one for added fields).
    pub pointer: String,
    /// What happens.
    pub kind: ChangeKind,
    /// Value before; `None` for added fields. Masked in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value after; `None` for removed fields. Masked in Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Field managers that own the live field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

impl fmt::Display for FieldChange {
    /// `spec.replicas: 2 -> 3 (owned by kubectl-scale)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{before} -> {after}")?,
            (Some(before), None) => write!(f, "{before} removed")?,
            (None, Some(after)) => write!(f, "{after} added")?,
            (None, None) => f.write_str("ownership changes")?,
        }
        if !self.owners.is_empty() {
            write!(f, " (owned by {})", self.owners.join(", "))?;
        }
        Ok(())
    }
}

/// What happens to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It appears.
    Added,
    /// It disappears.
    Removed,
    /// Its value changes.
    Changed,
    /// Its value stays, its owners change.
    Owned,
}

/// Objects could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// An object does not fit its schema.
    #[error("{object} does not fit its schema at {path}: {reason}")]
    Schema {
        /// The object.
        object: String,
        /// The field.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// An ignore rule cannot be used.
    #[error("the ignore rule `{rule}` cannot be used: {reason}")]
    IgnoreRule {
        /// The rule.
        rule: String,
        /// Why.
        reason: String,
    },
    /// `managedFields` cannot be read.
    #[error("managedFields of {object} cannot be read: {reason}")]
    ManagedFields {
        /// The object.
        object: String,
        /// Why.
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

impl Classified for DiffError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Other { class, .. } => *class,
            _ => ErrorClass::Invalid,
        }
    }
}
