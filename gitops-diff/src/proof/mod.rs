//! Proofs that an apply would change nothing, without asking the API server.
//!
//! In: a desired object, the live one with its `managedFields`, the schema. Out: yes, or "not
//! proven". Two proofs count:
//!
//! * [`is_strictly_unchanged`]: the fields that desired states are exactly those of our Apply
//!   entry, which is of the same API version, and merging desired into live gives live.
//! * [`Confirmation`]: an apply of the same desired is known to have left the object as it is now.
//!
//! Nothing semantic is in here: `1000m` and `1`, absent and empty, `stringData` and `data` are
//! different, since the API server writes on some of them. What is not proven needs a dry-run,
//! whose answer [`Confirmation`] remembers.

mod absorb;
mod fingerprint;
mod states;

#[cfg(test)]
mod tests;

use gitops_core::{Manifest, schema::Schema};
use serde_json::Value;

pub use fingerprint::{Confirmation, Fingerprint, differs_in_content};

use crate::schema::deduced_schema;

/// Whether a server-side apply of `desired` by `manager` is proven to change nothing in `live`.
#[must_use]
pub fn is_strictly_unchanged(
    desired: &Manifest,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> bool {
    if live.api_version() != desired.api_version() {
        return false;
    }
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let nothing = Value::Object(serde_json::Map::new());
    let fields = match own_entry(live, manager) {
        Entry::Several => return false,
        // The first apply to an object without entries writes them for what is there.
        Entry::None if live.managed_fields().next().is_none() => return false,
        // An applier that states nothing has no entry.
        Entry::None => &nothing,
        Entry::One(entry) => {
            if entry.get("apiVersion").and_then(Value::as_str) != Some(desired.api_version()) {
                return false;
            }
            entry.get("fieldsV1").unwrap_or(&nothing)
        }
    };
    states::Comparer::new(schema).object_states(desired.as_map(), fields)
        && absorbs_object(schema, live, desired)
}

/// The Apply entries of a manager for the object itself.
enum Entry<'a> {
    None,
    One(&'a Value),
    /// Several, or one that cannot be read.
    Several,
}

fn own_entry<'a>(live: &'a Manifest, manager: &str) -> Entry<'a> {
    let mut found = Entry::None;
    for entry in live.managed_fields() {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("manager") == manager
            && text("operation") == "Apply"
            && text("subresource").is_empty()
        {
            if !matches!(found, Entry::None) || text("fieldsType") != "FieldsV1" {
                return Entry::Several;
            }
            found = Entry::One(entry);
        }
    }
    found
}

/// Whether merging desired, without `status`, into live gives live.
fn absorbs_object(schema: &Schema, live: &Manifest, desired: &Manifest) -> bool {
    use crate::merge::{MapShape, SERVER_WRITTEN, Shape, shape};
    let Shape::Map(root) = shape(schema, schema.root(), &Value::Null) else {
        return false;
    };
    let field = |shape: MapShape<'_>, live: Option<&Value>, name: &str, value: &Value| {
        absorb::absorbs(schema, shape.field(schema, name), live, value)
    };
    desired.as_map().iter().all(|(name, value)| {
        let live_value = live.as_map().get(name);
        match (name.as_str(), value, live_value) {
            ("status", _, _) => true,
            ("metadata", Value::Object(stated), Some(Value::Object(live))) => {
                let ty = root.field(schema, name);
                let Shape::Map(metadata) = shape(schema, ty, value) else {
                    return field(root, live_value, name, value);
                };
                stated.iter().all(|(name, value)| {
                    SERVER_WRITTEN.contains(&name.as_str())
                        || field(metadata, live.get(name), name, value)
                })
            }
            _ => field(root, live_value, name, value),
        }
    })
}
