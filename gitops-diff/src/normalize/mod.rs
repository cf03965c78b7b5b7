//! Objects as Go programs see them: types, canonical JSON, defaults.
//!
//! In: objects of the built-in kinds as JSON. Out: the same as an API server or Argo CD would write
//! them. [`remarshal()`] reads and writes through the Go type of a kind, [`set_defaults`] sets the
//! defaults that the API server sets, [`normalize`] is what Argo CD does to both sides of a diff.
//! None of this is used by the no-op proofs: equality after normalisation does not mean that an
//! apply writes nothing.

mod defaults;
mod endpoints;
mod go_types;
mod kinds;
mod remarshal;

pub(crate) use defaults::set_defaults;
pub(crate) use go_types::{GoRef, GoType, go_types};
pub(crate) use kinds::{gvk_of, normalize, remarshal_object};
pub(crate) use remarshal::{GoTypeError, Unknown, only_stated, remarshal};
