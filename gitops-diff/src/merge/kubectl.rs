//! What `kubectl apply` remembers of itself from the time before server-side apply.

use gitops_core::{Manifest, schema::Schema};
use serde_json::Value;

use super::{LAST_APPLIED, compare, engine::Conflicts, field_set, validate};
use crate::fields::{FieldSet, ManagedEntry, write_json};

pub(super) fn foreign_conflicts(conflicts: &Conflicts, own: &FieldSet) -> Conflicts {
    conflicts
        .iter()
        .map(|(id, entry)| {
            let fields = entry.fields.difference(own);
            (
                id.clone(),
                ManagedEntry {
                    fields,
                    ..entry.clone()
                },
            )
        })
        .filter(|(_, entry)| !entry.fields.is_empty())
        .collect()
}

/// Fields of the last-applied annotation that still have the value that was applied.
pub(super) fn last_applied_fields(
    schema: &Schema,
    live: Option<&Manifest>,
    live_value: &Value,
    api_version: &str,
) -> Option<FieldSet> {
    let text = live?
        .annotation(LAST_APPLIED)
        .filter(|text| !text.is_empty())?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(api_version) {
        return None;
    }
    validate(schema, &last).ok()?;
    let set = field_set(schema, &last).ok()?;
    let changes = compare(schema, &last, live_value).ok()?;
    Some(
        set.difference(&changes.modified)
            .difference(&changes.added)
            .difference(&changes.removed),
    )
}

/// The last-applied annotation that belongs to an applied object.
pub(super) fn last_applied_text(applied: &Manifest) -> String {
    let mut object = applied.clone();
    if let Some(annotations) = object
        .metadata_mut()
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    let mut text = String::new();
    write_json(&mut text, &object.to_value(), true);
    text.push('\n');
    text
}
