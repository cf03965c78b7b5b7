//! Kubernetes objects as the whole workspace sees them: [`Manifest`] is one object, [`ObjectId`] its
//! identity across API versions, [`ObjectRef`] its address at one version.

mod id;
mod manifest;

pub use id::{GroupKind, GroupVersionKind, ObjectId, ObjectRef, Scope};
pub use manifest::{Manifest, ManifestError, OwnerReference};
