//! Objects as Go programs see them: types, canonical JSON, defaults.
//!
//! In: objects of the built-in kinds. Out: the same as an API server would write them:
//! [`canonical`] reads and writes through the Go type of the kind, [`with_defaults`] sets the
//! defaults that the API server sets. None of this is used by the no-op proofs: equality after
//! normalisation does not mean that an apply writes nothing.

mod defaults;
mod endpoints;
mod go_types;
mod kinds;
mod remarshal;

pub(crate) use defaults::set_defaults;
pub(crate) use go_types::{GoRef, GoType, go_types};
pub(crate) use kinds::{gvk_of, normalize, remarshal_object};
pub(crate) use remarshal::{GoTypeError, Unknown, only_stated, remarshal};

use gitops_core::Manifest;

/// The object as the API server writes it: quantities, times and base64 in canonical form, without
/// nulls and without empty fields that Go leaves out. Nothing is added. Objects of kinds that are
/// not built in, and those that do not fit their kind, stay as they are.
///
/// ```
/// use gitops_core::Manifest;
/// let pod = Manifest::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {}},
///     "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1000m"}}}]},
/// })).unwrap();
/// let canonical = gitops_diff::normalize::canonical(&pod);
/// assert_eq!(canonical.pointer("/spec/containers/0/resources/limits/cpu").unwrap(), "1");
/// assert!(canonical.pointer("/metadata/labels").is_none());
/// ```
#[must_use]
pub fn canonical(object: &Manifest) -> Manifest {
    let canonical = remarshal_object(&object.to_value());
    Manifest::try_from(canonical).unwrap_or_else(|_| object.clone())
}

/// The object with the defaults of its kind, which otherwise stays as it is written. Objects of
/// kinds that are not built in, and those that do not fit their kind, stay as they are.
#[must_use]
pub fn with_defaults(object: &Manifest) -> Manifest {
    crate::argocd::with_defaults(&object.gvk(), &object.to_value())
        .ok()
        .and_then(|defaulted| Manifest::try_from(defaulted).ok())
        .unwrap_or_else(|| object.clone())
}
