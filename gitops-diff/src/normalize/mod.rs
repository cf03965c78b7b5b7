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
pub(crate) use kinds::{gvk_of, normalize, remarshal_object, remarshalled};
pub(crate) use remarshal::{GoTypeError, Unknown, only_stated, remarshal};

use gitops_core::Manifest;
use serde_json::Value;

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
    let (gvk, value) = (object.gvk(), object.to_value());
    let Some(ty) = go_types().kind(&gvk) else {
        return object.clone();
    };
    let Ok(written) = remarshal(ty, &value, Unknown::Drop) else {
        return object.clone();
    };
    let mut defaulted = written.clone();
    set_defaults(&gvk, &mut defaulted);
    let defaulted = overlay(value, &written, &defaulted);
    Manifest::try_from(defaulted).unwrap_or_else(|_| object.clone())
}

/// `value` with what defaulting has changed in its written form.
fn overlay(value: Value, written: &Value, defaulted: &Value) -> Value {
    if written == defaulted {
        return value;
    }
    match (value, written, defaulted) {
        (Value::Object(mut map), Value::Object(written), Value::Object(defaulted)) => {
            for (name, new) in defaulted {
                let old = written.get(name).unwrap_or(&Value::Null);
                if old == new {
                    continue;
                }
                let changed = match map.remove(name) {
                    Some(value) => overlay(value, old, new),
                    None => new.clone(),
                };
                map.insert(name.clone(), changed);
            }
            map.retain(|name, _| !written.contains_key(name) || defaulted.contains_key(name));
            Value::Object(map)
        }
        (Value::Array(items), Value::Array(written), Value::Array(defaulted))
            if items.len() == written.len() && written.len() == defaulted.len() =>
        {
            let changed = items
                .into_iter()
                .zip(written.iter().zip(defaulted))
                .map(|(value, (written, defaulted))| overlay(value, written, defaulted));
            Value::Array(changed.collect())
        }
        (_, _, defaulted) => defaulted.clone(),
    }
}
