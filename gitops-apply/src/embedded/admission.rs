//! Admission hooks: closures that may change or refuse what is written.

use std::sync::Arc;

use gitops_core::Manifest;

/// A hook; see [`Review`].
pub type Hook = Arc<dyn Fn(&mut Review<'_>) -> Result<(), String> + Send + Sync>;

/// A write that a hook is asked about. An error refuses it; its text is the reason.
///
/// Hooks run after defaulting and before validation, in the order in which they were added, for
/// writes of objects and of their sub-resources, dry runs included; not for what the cluster's own
/// controllers write.
#[non_exhaustive]
pub struct Review<'a> {
    /// What is being done.
    pub operation: Operation,
    /// The object as it would be stored; of a delete, the object as it is. Changes of a delete
    /// have no effect.
    pub object: &'a mut Manifest,
    /// The object as it is; `None` for a create.
    pub old: Option<&'a Manifest>,
    /// Field manager of the request.
    pub field_manager: &'a str,
    /// Sub-resource; empty for the object itself.
    pub subresource: &'a str,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Creates an object.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
}
