//! Kubernetes objects as the whole workspace sees them: [`Manifest`] is one object, [`ObjectId`] its
//! identity across API versions, [`ObjectRef`] its address at one version.

mod compact;
mod deferred;
mod fingerprint;
mod hash;
mod id;
mod int_or_string;
mod list;
mod manifest;
mod packed;
mod semantic;

pub use compact::{CompactManifest, CompactPool};
pub use fingerprint::Fingerprint;
pub use hash::ContentHash;
pub use id::{GroupKind, GroupVersionKind, ObjectId, ObjectRef, Scope};
pub use int_or_string::IntOrString;
pub use manifest::{Manifest, ManifestError, OwnerReference};
pub use packed::{Packed, PackedArray, PackedManifest, PackedObject, PackedValue};
pub use semantic::ValueKind;
