//! Field sets and `managedFields`.
//!
//! In: the `fieldsV1` JSON of `metadata.managedFields`. Out: [`FieldSet`]s with the operations of
//! sets, [`ManagedFields`] as one typed value, and the same JSON again, equal to the API server's.
//! The rules are those of KEP-555 (server-side apply) and of structured-merge-diff, which the API
//! server uses. Nothing here knows about schemas or objects: [`crate::merge`] does.

mod element;
mod json;
mod managed;
mod name;
mod set;

#[cfg(test)]
mod tests;

pub use element::{Path, PathElement, path_text, values_equal};
pub(crate) use element::{numbers_equal, write_json, write_key_object};
pub use json::FieldsV1Error;
pub(crate) use json::{Edit, edit_fields_v1};
pub use managed::{ManagedEntry, ManagedFields, ManagedFieldsError, ManagerId, Operation};
pub(crate) use managed::{older, write_entry, write_sorted};
pub use name::FieldName;
pub use set::{FieldNode, FieldSet};
