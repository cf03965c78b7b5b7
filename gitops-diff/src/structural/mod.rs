//! The [`Differ`]: what an apply of desired would change in the live object.
//!
//! In: desired, live, schemas, ignore rules. Out: an [`ObjectDiff`] with a verdict, the changed
//! fields with their owners, and the predicted object. An object with `managedFields` is predicted
//! by the API server's own merge; one without, by its last-applied annotation (three-way) or
//! without it (two-way). The verdict says [`Verdict::Unchanged`] only where [`crate::proof`] proves
//! it; everything else needs a dry-run.

mod path;
mod walk;

#[cfg(test)]
mod tests;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{
    Manifest,
    clock::Timestamp,
    diff::{ChangeKind, DiffError, DiffOptions, Differ, FieldChange, Ignored, ObjectDiff, Verdict},
    schema::{Schema, Schemas},
};
use serde_json::{Map, Value};

pub use path::readable_path;

use crate::{
    fields::{FieldSet, ManagedFields, ManagerId, PathElement},
    ignore::{RuleCache, owns, respect},
    mask::{Masked, mask_pair},
    merge::{ApplyError, ApplyRequest, LAST_APPLIED, field_set, server_side_apply},
    normalize::canonical,
    proof::is_strictly_unchanged,
    schema::deduced_schema,
};

/// Compares objects field by field, under the schema of their kind.
///
/// ```
/// use gitops_core::{Manifest, diff::{DiffOptions, Differ}};
/// use gitops_diff::{StructuralDiffer, bundled_schemas};
/// let object = |replicas: u32| Manifest::try_from(serde_json::json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
///     "spec": {"replicas": replicas},
/// })).unwrap();
/// let diff = StructuralDiffer::default()
///     .diff(&object(3), Some(&object(2)), &bundled_schemas(), &DiffOptions::default())?;
/// assert_eq!(diff.changes[0].to_string(), "spec.replicas: 2 -> 3");
/// # Ok::<(), gitops_core::diff::DiffError>(())
/// ```
#[derive(Debug, Default)]
pub struct StructuralDiffer {
    rules: RuleCache,
    untracked: Untracked,
}

/// When an object without any `managedFields` counts as changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Untracked {
    /// Always: an apply would take ownership of its fields.
    #[default]
    Change,
    /// Only where a field would change. For objects whose `managedFields` were cut off, as
    /// `kubectl get` does.
    ByContent,
}

impl StructuralDiffer {
    /// With a rule for objects without `managedFields`.
    #[must_use]
    pub fn untracked(mut self, untracked: Untracked) -> Self {
        self.untracked = untracked;
        self
    }
}

impl Differ for StructuralDiffer {
    fn diff(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
    ) -> Result<ObjectDiff, DiffError> {
        let Some(live) = live else {
            return Ok(creation(desired));
        };
        let schema = schemas.schema(&desired.gvk());
        let schema = schema.as_deref();
        let manager = &options.field_manager;
        let unchanged = |predicted| ObjectDiff {
            object: live.id(),
            verdict: Verdict::Unchanged,
            changes: Vec::new(),
            predicted: Some(predicted),
        };
        if !options.ignore.is_empty() {
            let rules = self.rules.get(&options.ignore)?;
            if rules.ignore_whole(live, desired) {
                return Ok(unchanged(live.clone()));
            }
        }
        let payload = self.payload(desired, Some(live), schemas, options, Ignored::Released)?;
        if is_strictly_unchanged(&payload, live, manager, schema) {
            return Ok(unchanged(live.clone()));
        }
        let tracked = live.managed_fields().next().is_some();
        let (predicted, changed) = predict(&payload, live, manager, schema)?;
        let changes = changes(&payload, live, &predicted, manager, schema)?;
        let verdict = if tracked {
            changed
        } else {
            self.untracked == Untracked::Change || !changes.is_empty()
        };
        if !verdict {
            return Ok(unchanged(predicted));
        }
        Ok(ObjectDiff {
            object: live.id(),
            verdict: Verdict::Change,
            changes,
            predicted: Some(predicted),
        })
    }

    fn payload(
        &self,
        desired: &Manifest,
        live: Option<&Manifest>,
        schemas: &dyn Schemas,
        options: &DiffOptions,
        ignored: Ignored,
    ) -> Result<Manifest, DiffError> {
        let Some(live) = live.filter(|_| !options.ignore.is_empty()) else {
            return Ok(desired.clone());
        };
        let rules = self.rules.get(&options.ignore)?;
        let schema = schemas.schema(&desired.gvk());
        let schema = schema.as_deref().unwrap_or_else(|| deduced_schema());
        respect(
            desired,
            live,
            &rules,
            &options.field_manager,
            schema,
            ignored,
        )
    }
}

/// The object after an apply, and whether the apply would write.
fn predict(
    payload: &Manifest,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Result<(Manifest, bool), DiffError> {
    let mut start = live.clone();
    let untracked = live.managed_fields().next().is_none();
    if untracked && let Some(fields) = last_applied_entry(live, payload, manager, schema) {
        start
            .metadata_mut()
            .insert("managedFields".to_owned(), fields);
    }
    // The time is not part of the prediction: entries that change keep the epoch.
    let request = ApplyRequest::new(Some(&start), payload, manager, Timestamp::UNIX_EPOCH)
        .force(true)
        .schema(schema);
    let applied = server_side_apply(&request).map_err(|error| match error {
        ApplyError::Type { object, source } => DiffError::Schema {
            object,
            path: source.path,
            reason: source.reason,
        },
        ApplyError::ManagedFields { object, source } => DiffError::ManagedFields {
            object,
            reason: source.to_string(),
        },
        other => DiffError::ManagedFields {
            object: live.id().to_string(),
            reason: other.to_string(),
        },
    })?;
    let mut predicted = applied.object;
    if untracked {
        predicted.metadata_mut().remove("managedFields");
    }
    if predicted.is_secret() {
        fold_string_data(&mut predicted);
    }
    // What the server writes another way is no difference to people; it is one to the verdict.
    Ok((canonical(&predicted), applied.changed))
}

/// What `kubectl apply` applied last, as if our manager had: it is ours to remove.
fn last_applied_entry(
    live: &Manifest,
    payload: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Option<Value> {
    let last: Value = serde_json::from_str(live.annotation(LAST_APPLIED)?).ok()?;
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let mut fields = field_set(schema, &last).ok()?;
    // Whose object it is does not change hands.
    for identity in ["apiVersion", "kind"] {
        fields = fields.difference(&FieldSet::from_paths([&[PathElement::field(identity)][..]]));
    }
    let mut metadata = FieldSet::new();
    for name in ["name", "namespace", "creationTimestamp"] {
        metadata.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
    }
    metadata.insert(&[PathElement::field("status")]);
    fields = fields.recursive_difference(&metadata);
    let mut managers = ManagedFields::default();
    managers.entries.insert(
        ManagerId::applier(manager, ""),
        crate::fields::ManagedEntry {
            api_version: payload.api_version().to_owned(),
            fields,
            time: None,
        },
    );
    managers.to_value()
}

/// As the API server does on each write: `stringData` goes into `data`.
fn fold_string_data(secret: &mut Manifest) {
    let Some(Value::Object(plain)) = secret.as_map_mut().remove("stringData") else {
        return;
    };
    let data = secret
        .as_map_mut()
        .entry("data")
        .or_insert_with(|| Value::Object(Map::new()));
    if !data.is_object() {
        *data = Value::Object(Map::new());
    }
    if let Value::Object(data) = data {
        for (key, value) in plain {
            if let Value::String(text) = value {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
}

fn changes(
    payload: &Manifest,
    live: &Manifest,
    predicted: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Result<Vec<FieldChange>, DiffError> {
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let unreadable = |error: crate::fields::ManagedFieldsError| DiffError::ManagedFields {
        object: live.id().to_string(),
        reason: error.to_string(),
    };
    let owners = ManagedFields::of(live).map_err(unreadable)?;
    let (before, after) = mask_pair(Some(live), Some(predicted));
    let shown = |side: &Option<Masked<Manifest>>, pointer: &Option<String>| {
        side.as_ref()?.pointer(pointer.as_ref()?).cloned()
    };
    let found = walk::changed_fields(schema, &live.to_value(), &predicted.to_value());
    let desired = payload.to_value();
    let mut out = Vec::with_capacity(found.len());
    for change in &found {
        let (mut was, mut is) = (shown(&before, &change.before), shown(&after, &change.after));
        if let Some((old, new)) = &change.order {
            (was, is) = (Some(old.clone()), Some(new.clone()));
        }
        let pointer = match (&change.before, &change.after) {
            (Some(pointer), _) => pointer.clone(),
            (None, after) => crate::ignore::pointer_to(schema, &desired, &change.path)
                .or_else(|| after.clone())
                .unwrap_or_default(),
        };
        out.push(FieldChange {
            path: readable_path(&change.path),
            pointer,
            kind: change.kind,
            before: was,
            after: is,
            owners: owners_of(&owners, &change.path),
        });
    }
    let new_owners = ManagedFields::of(predicted).map_err(unreadable)?;
    ownership(
        schema,
        live,
        &found,
        (&owners, &new_owners),
        manager,
        &mut out,
    );
    Ok(out)
}

fn owners_of(managers: &ManagedFields, path: &[PathElement]) -> Vec<String> {
    let mut names: Vec<String> = managers
        .entries
        .iter()
        .filter(|(_, entry)| owns(&entry.fields, path))
        .map(|(id, _)| id.manager.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Leaves that keep their value, but come to our manager or leave it.
fn ownership(
    schema: &Schema,
    live: &Manifest,
    found: &[walk::Found],
    (before, after): (&ManagedFields, &ManagedFields),
    manager: &str,
    out: &mut Vec<FieldChange>,
) {
    if before.entries.is_empty() {
        return;
    }
    let id = ManagerId::applier(manager, "");
    let own = |managers: &ManagedFields| {
        managers
            .entries
            .get(&id)
            .map(|entry| entry.fields.leaves())
            .unwrap_or_default()
    };
    let (old, new) = (own(before), own(after));
    let live_value = live.to_value();
    let moved = new.difference(&old).union(&old.difference(&new));
    for path in moved.paths() {
        let changes = found
            .iter()
            .any(|change| path.starts_with(&change.path) || change.path.starts_with(&path));
        if changes {
            continue;
        }
        if let Some(pointer) = crate::ignore::pointer_to(schema, &live_value, &path) {
            out.push(FieldChange {
                path: readable_path(&path),
                pointer,
                kind: ChangeKind::Owned,
                before: None,
                after: None,
                owners: owners_of(before, &path),
            });
        }
    }
}

/// The creation of an object: its fields one level below the identity.
fn creation(desired: &Manifest) -> ObjectDiff {
    let (_, masked) = mask_pair(None, Some(desired));
    let mut changes = Vec::new();
    let mut add = |path: &[&str], value: &Value| {
        let pointer = path.iter().fold(String::new(), |pointer, step| {
            path::pointer_step(&pointer, step)
        });
        let elements: Vec<_> = path.iter().map(|step| PathElement::field(*step)).collect();
        changes.push(FieldChange {
            path: readable_path(&elements),
            pointer,
            kind: ChangeKind::Added,
            before: None,
            after: Some(value.clone()),
            owners: Vec::new(),
        });
    };
    if let Some(masked) = &masked {
        for (name, value) in masked.shown().as_map() {
            match (name.as_str(), value) {
                ("apiVersion" | "kind" | "status", _) => {}
                ("metadata", Value::Object(metadata)) => {
                    for (name, value) in metadata {
                        if !matches!(name.as_str(), "name" | "namespace" | "creationTimestamp") {
                            add(&["metadata", name], value);
                        }
                    }
                }
                _ => add(&[name], value),
            }
        }
    }
    ObjectDiff {
        object: desired.id(),
        verdict: Verdict::Create,
        changes,
        predicted: Some(desired.clone()),
    }
}
