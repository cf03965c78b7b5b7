//! The model and the joints of a GitOps engine: what is desired ([`app`], [`Manifest`]), where it
//! comes from ([`source`]), how it becomes manifests ([`render`]), what would change ([`diff`]), what
//! is done about it ([`plan`], [`apply`]) and where ([`cluster`]).
//!
//! This crate does no IO: it reads no files, no environment and no clock, and opens no connections.

pub mod app;
pub mod apply;
pub mod apply_set;
pub mod clock;
pub mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "controller")]
pub mod controller;
pub mod delegate;
pub mod diff;
pub mod error;
pub mod events;
pub mod glob;
pub mod go;
pub mod health;
pub mod json;
pub mod names;
pub mod object;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod quantity;
pub mod render;
pub mod schema;
pub mod selector;
pub mod source;
pub mod state;
pub mod tracking;
pub mod version;
pub mod yaml;

pub use async_trait::async_trait;
pub use error::{Classified, ErrorClass};
pub use object::{
    ContentHash, GroupKind, GroupVersionKind, IntOrString, Manifest, ManifestError, ObjectId,
    ObjectRef, OwnerReference, Scope, ValueKind,
};
pub use quantity::{Quantity, QuantityError, QuantityFormat};
