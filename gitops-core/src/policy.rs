//! Which objects may be touched.

use crate::object::{GroupVersionKind, ObjectId, Scope};

/// Decides whether an object may be applied or deleted.
pub trait Policy: Send + Sync {
    /// `Err` holds the reason for people, naming the rule.
    fn permits(
        &self,
        gvk: &GroupVersionKind,
        object: &ObjectId,
        scope: Scope,
    ) -> Result<(), String>;
}

/// Permits everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct PermitAll;

impl Policy for PermitAll {
    fn permits(&self, _: &GroupVersionKind, _: &ObjectId, _: Scope) -> Result<(), String> {
        Ok(())
    }
}
