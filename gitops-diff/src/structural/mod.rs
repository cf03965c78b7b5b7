//! The [`Differ`]: what an apply of desired would change in the live object.
//!
//! In: desired, live, schemas, ignore rules. Out: an [`ObjectDiff`] with a verdict, the changed
//! fields with their owners, and the predicted object. An object with `managedFields` is predicted
//! by the API server's own merge; one without, by its last-applied annotation (three-way) or
//! without it (two-way). The verdict says [`Verdict::Unchanged`] only where [`crate::proof`] proves
//! it; everything else needs a dry-run.

mod path;
mod step;
mod walk;

#[cfg(test)]
mod tests;

use gitops_core::{
    Manifest,
    diff::{ChangeKind, DiffError, DiffOptions, Differ, FieldChange, Ignored, ObjectDiff, Verdict},
    schema::{Schema, Schemas},
};
use serde_json::Value;

pub use path::readable_path;

use self::step::{Step, apply, is_secret};
use crate::{
    fields::{ManagedFields, ManagerId, PathElement},
    ignore::{RuleCache, owns, respect},
    mask::mask_pair,
    merge::focus,
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
        let tracked = live.is_managed();
        let Some(applied) = apply(&payload, live, manager, schema)? else {
            return Ok(unchanged(live.clone()));
        };
        let changes = changes(&applied, live, manager, schema);
        let (changed, predicted) = (applied.changed, applied.predicted);
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

fn changes(
    step: &Step,
    live: &Manifest,
    manager: &str,
    schema: Option<&Schema>,
) -> Vec<FieldChange> {
    let schema = schema.unwrap_or_else(|| deduced_schema());
    let Step { before, after, .. } = step;
    let found = walk::changed_fields(schema, before, after);
    let masked = is_secret(before).then(|| {
        let object = |value: &Value| Manifest::try_from(value.clone()).ok();
        mask_pair(object(before).as_ref(), object(after).as_ref())
    });
    let shown = |side: Side, pointer: &Option<String>| {
        let pointer = pointer.as_deref()?;
        match (&masked, side) {
            (None, Side::Before) => before.pointer(pointer).cloned(),
            (None, Side::After) => after.pointer(pointer).cloned(),
            (Some((masked, _)), Side::Before) => masked.as_ref()?.pointer(pointer).cloned(),
            (Some((_, masked)), Side::After) => masked.as_ref()?.pointer(pointer).cloned(),
        }
    };
    let mut out = Vec::with_capacity(found.len());
    for change in &found {
        let mut was = shown(Side::Before, &change.before);
        let mut is = shown(Side::After, &change.after);
        if let Some((old, new)) = &change.order {
            (was, is) = (Some(old.clone()), Some(new.clone()));
        }
        let pointer = match (&change.before, &change.after) {
            (Some(pointer), _) => step.pointer(pointer.clone(), focus::Side::Live),
            (None, after) => crate::ignore::pointer_to(schema, &step.applied, &change.path)
                .or_else(|| after.clone())
                .map(|pointer| step.pointer(pointer, focus::Side::Desired))
                .unwrap_or_default(),
        };
        out.push(FieldChange {
            path: readable_path(&change.path),
            pointer,
            kind: change.kind,
            before: was,
            after: is,
            owners: owners_of(&step.owners, &change.path),
        });
    }
    if live.is_managed() {
        ownership(schema, step, &found, manager, &mut out);
    }
    out
}

/// A state of an object.
#[derive(Clone, Copy)]
enum Side {
    Before,
    After,
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
    step: &Step,
    found: &[walk::Found],
    manager: &str,
    out: &mut Vec<FieldChange>,
) {
    let id = ManagerId::applier(manager, "");
    let own = |managers: &ManagedFields| {
        managers
            .entries
            .get(&id)
            .map(|entry| entry.fields.leaves())
            .unwrap_or_default()
    };
    let (old, new) = (own(&step.owners), own(&step.owners_after));
    let moved = new.difference(&old).union(&old.difference(&new));
    for path in moved.paths() {
        let changes = found
            .iter()
            .any(|change| path.starts_with(&change.path) || change.path.starts_with(&path));
        if changes {
            continue;
        }
        if let Some(pointer) = crate::ignore::pointer_to(schema, &step.before, &path) {
            out.push(FieldChange {
                path: readable_path(&path),
                pointer: step.pointer(pointer, focus::Side::Live),
                kind: ChangeKind::Owned,
                before: None,
                after: None,
                owners: owners_of(&step.owners, &path),
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
