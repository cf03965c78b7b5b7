//! The metadata of objects around a merge.

use gitops_core::{Manifest, clock::Timestamp};
use serde_json::{Map, Value};

use crate::fields::{FieldSet, ManagedFields, ManagerId, PathElement};

/// `status`: what a write of the object itself cannot change where the kind has a status
/// sub-resource.
#[must_use]
pub fn status_only() -> FieldSet {
    FieldSet::from_paths([&[PathElement::field("status")][..]])
}

/// Puts the times of the live `managedFields` back where nothing but times differs, so that a
/// write that changes nothing leaves the object as it is.
pub fn keep_times(live: &Manifest, object: &mut Manifest) {
    let (Some(old), Some(new)) = (list_of(live), list_of(object)) else {
        return;
    };
    let same_but_time = |a: &Value, b: &Value| match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => {
            let fields = |m: &Map<String, Value>| m.len() - usize::from(m.contains_key("time"));
            fields(a) == fields(b)
                && a.iter()
                    .filter(|(key, _)| *key != "time")
                    .all(|(key, value)| b.get(key) == Some(value))
        }
        _ => false,
    };
    if old.len() != new.len() || !old.iter().zip(new).all(|(a, b)| same_but_time(a, b)) {
        return;
    }
    if is_same_but_managed_fields(live, object) {
        let old = Value::Array(old.clone());
        object
            .metadata_mut()
            .insert("managedFields".to_owned(), old);
    }
}

pub(super) fn list_of(object: &Manifest) -> Option<&Vec<Value>> {
    object.metadata()?.get("managedFields")?.as_array()
}

/// Takes what no manager can own out of an entry.
pub(super) fn strip(managers: &mut ManagedFields, id: &ManagerId) {
    if let Some(entry) = managers.entries.get_mut(id) {
        entry.fields.subtract(unowned_fields(), false);
        if entry.fields.is_empty() {
            managers.entries.remove(id);
        }
    }
}

/// Fields of `metadata` that no manager owns.
pub(crate) const UNOWNED_METADATA: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Fields that are the server's, or the object's identity: no manager owns them.
fn unowned_fields() -> &'static FieldSet {
    static FIELDS: std::sync::OnceLock<FieldSet> = std::sync::OnceLock::new();
    FIELDS.get_or_init(|| {
        let mut set = FieldSet::new();
        for name in ["apiVersion", "kind", "metadata"] {
            set.insert(&[PathElement::field(name)]);
        }
        for name in UNOWNED_METADATA {
            set.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
        }
        set
    })
}

pub(super) fn time_text(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

fn is_same_but_managed_fields(a: &Manifest, b: &Manifest) -> bool {
    fn fields(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
        map.iter().filter(|(key, _)| *key != "managedFields")
    }
    let (a, b) = (a.as_map(), b.as_map());
    a.len() == b.len()
        && a.iter().all(|(key, one)| match (one, b.get(key)) {
            (Value::Object(one), Some(Value::Object(other))) if key == "metadata" => {
                fields(one).count() == fields(other).count()
                    && fields(one).all(|(key, value)| other.get(key) == Some(value))
            }
            (one, other) => other == Some(one),
        })
}

pub(super) fn without_managed_fields(object: &Manifest) -> Value {
    let copy = |(key, value): (&String, &Value)| match value {
        Value::Object(metadata) if key == "metadata" => {
            let kept = metadata.iter().filter(|(key, _)| *key != "managedFields");
            let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
            (key.clone(), Value::Object(kept.collect()))
        }
        _ => (key.clone(), value.clone()),
    };
    Value::Object(object.as_map().iter().map(copy).collect())
}

pub(super) fn set_managed_fields(object: &mut Manifest, managers: &ManagedFields) {
    match managers.to_value() {
        Some(fields) => {
            object
                .metadata_mut()
                .insert("managedFields".to_owned(), fields);
        }
        None if object
            .metadata()
            .is_some_and(|m| m.contains_key("managedFields")) =>
        {
            object.metadata_mut().remove("managedFields");
        }
        None => {}
    }
}

/// A merged value is an object of the kind that was applied.
pub(super) fn to_manifest(merged: Value, applied: &Manifest) -> Manifest {
    Manifest::try_from(merged).unwrap_or_else(|_| applied.clone())
}
