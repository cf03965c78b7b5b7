//! Ownership: what apply and update do to `managedFields`, and what apply removes.

use std::sync::Arc;

use gitops_core::schema::Schema;
use serde_json::Value;

use super::{
    combine::merge,
    compare::{Comparison, compare},
    prune::prune,
    remove::reconcile,
    to_set::field_set,
    typed::TypeMismatch,
    versions::{Converted, VersionConverter},
};
use crate::fields::{FieldSet, ManagedEntry, ManagedFields, ManagerId, values_equal};

/// The surroundings of a merge: schema, version and converter of one request.
pub(super) struct Engine<'a> {
    pub(super) schema: &'a Schema,
    pub(super) api_version: &'a str,
    pub(super) converter: &'a dyn VersionConverter,
    /// Fields that the request cannot write, such as `status`.
    pub(super) reset: &'a FieldSet,
}

/// Fields of others that an apply would change.
pub(super) type Conflicts = Vec<(ManagerId, ManagedEntry)>;

pub(super) enum Failure {
    Conflicts(Conflicts),
    Type(TypeMismatch),
}

impl From<TypeMismatch> for Failure {
    fn from(error: TypeMismatch) -> Self {
        Self::Type(error)
    }
}

/// An object at one version.
struct Versioned {
    object: Value,
    schema: Arc<Schema>,
}

impl Engine<'_> {
    /// Merges `applied` into `live`. `None` where nothing changes in the object.
    pub(super) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        managers: &mut ManagedFields,
        id: &ManagerId,
        force: bool,
    ) -> Result<Option<Value>, Failure> {
        self.reconcile(live, managers);
        let mut merged = merge(self.schema, live, applied)?;
        let mut set = field_set(self.schema, applied)?;
        set.subtract(self.reset, true);
        let last = managers.entries.remove(id);
        // Who states at least what he stated last time lets nothing go.
        let drops = last.as_ref().is_some_and(|last| {
            last.api_version != self.api_version || !last.fields.is_within(&set)
        });
        managers.entries.insert(
            id.clone(),
            ManagedEntry {
                api_version: self.api_version.to_owned(),
                fields: set,
                time: last.as_ref().and_then(|last| last.time.clone()),
            },
        );
        if let Some(last) = last.filter(|_| drops) {
            merged = self.prune(merged, managers, &last)?;
        }
        self.shrink(live, &merged, managers, id, force)?;
        Ok((!values_equal(live, &merged)).then_some(merged))
    }

    /// Takes note of a change from `live` to `updated` by `id`.
    pub(super) fn update(
        &self,
        live: &Value,
        updated: &Value,
        managers: &mut ManagedFields,
        id: &ManagerId,
    ) -> Result<(), TypeMismatch> {
        self.reconcile(live, managers);
        let comparison = match self.shrink(live, updated, managers, id, true) {
            Ok(comparison) => comparison,
            Err(Failure::Type(error)) => return Err(error),
            Err(Failure::Conflicts(_)) => unreachable!("a forced change has no conflicts"),
        };
        let entry = managers
            .entries
            .entry(id.clone())
            .or_insert_with(|| ManagedEntry {
                api_version: self.api_version.to_owned(),
                fields: FieldSet::new(),
                time: None,
            });
        entry.fields.subtract(&comparison.removed, false);
        entry.fields.add(&comparison.modified);
        entry.fields.add(&comparison.added);
        entry.fields.subtract(self.reset, true);
        self.api_version.clone_into(&mut entry.api_version);
        if entry.fields.is_empty() {
            managers.entries.remove(id);
        }
        Ok(())
    }

    fn reconcile(&self, live: &Value, managers: &mut ManagedFields) {
        managers.entries.retain(|_, entry| {
            let Some(at) = self.at(live, &entry.api_version) else {
                return false;
            };
            let schema: &Schema = at.as_ref().map_or(self.schema, |at| &at.schema);
            if let Some(fields) = reconcile(schema, &entry.fields) {
                entry.fields = fields;
            }
            true
        });
    }

    /// Takes the fields that change away from all managers but `id`.
    fn shrink(
        &self,
        live: &Value,
        updated: &Value,
        managers: &mut ManagedFields,
        id: &ManagerId,
        force: bool,
    ) -> Result<Comparison, Failure> {
        let own = compare(self.schema, live, updated)?.without(self.reset);
        let mut versions: Vec<(String, Option<Comparison>)> =
            vec![(self.api_version.to_owned(), Some(own))];
        for entry in managers.entries.values() {
            if versions
                .iter()
                .any(|(version, _)| *version == entry.api_version)
            {
                continue;
            }
            let comparison = match (
                self.at(live, &entry.api_version),
                self.at(updated, &entry.api_version),
            ) {
                (Some(None), Some(None)) => versions[0].1.clone(),
                (Some(Some(before)), Some(Some(after))) => Some(
                    compare(&before.schema, &before.object, &after.object)?.without(self.reset),
                ),
                _ => None,
            };
            versions.push((entry.api_version.clone(), comparison));
        }
        let comparison = |version: &str| {
            versions
                .iter()
                .find(|(known, _)| known == version)
                .and_then(|(_, comparison)| comparison.as_ref())
        };

        let mut conflicts = Conflicts::new();
        for (other, entry) in &managers.entries {
            let Some(changes) = comparison(&entry.api_version).filter(|_| other != id) else {
                continue;
            };
            let lost = entry
                .fields
                .intersection(&changes.modified.union(&changes.added));
            if !lost.is_empty() {
                conflicts.push((
                    other.clone(),
                    ManagedEntry {
                        api_version: entry.api_version.clone(),
                        fields: lost,
                        time: entry.time.clone(),
                    },
                ));
            }
        }
        if !force && !conflicts.is_empty() {
            return Err(Failure::Conflicts(conflicts));
        }
        for (other, lost) in &conflicts {
            if let Some(entry) = managers.entries.get_mut(other) {
                entry.fields.subtract(&lost.fields, false);
            }
        }
        managers.entries.retain(|other, entry| {
            if other != id {
                let Some(changes) = comparison(&entry.api_version) else {
                    return false;
                };
                entry.fields.subtract(&changes.removed, false);
            }
            !entry.fields.is_empty()
        });
        Ok(versions
            .swap_remove(0)
            .1
            .expect("the own version is always compared"))
    }

    /// Removes what the manager applied last time and does not apply any more, unless somebody
    /// else owns it.
    fn prune(
        &self,
        merged: Value,
        managers: &ManagedFields,
        last: &ManagedEntry,
    ) -> Result<Value, TypeMismatch> {
        if let Some(None) = self.at(&merged, &last.api_version) {
            return self.prune_at(self.schema, merged, managers, last, true);
        }
        match self
            .converter
            .convert(&merged, self.api_version, &last.api_version)
        {
            Converted::Unserved => Ok(merged),
            Converted::Same => self.prune_at(self.schema, merged, managers, last, true),
            Converted::Object { object, schema } => {
                let pruned = self.prune_at(&schema, object, managers, last, false)?;
                match self
                    .converter
                    .convert(&pruned, &last.api_version, self.api_version)
                {
                    Converted::Object { object, .. } => Ok(object),
                    _ => Ok(pruned),
                }
            }
        }
    }

    fn prune_at(
        &self,
        schema: &Schema,
        merged: Value,
        managers: &ManagedFields,
        last: &ManagedEntry,
        all_versions: bool,
    ) -> Result<Value, TypeMismatch> {
        let is_same = |version: &str| {
            version == last.api_version
                || (all_versions && matches!(self.at(&merged, version), Some(None)))
        };
        let owned: Vec<&FieldSet> = managers
            .entries
            .values()
            .filter(|entry| is_same(&entry.api_version))
            .map(|entry| &entry.fields)
            .collect();
        prune(schema, merged, &last.fields, &owned)
    }

    /// The object at another version: `Some(None)` where it is as it is, `None` where the version
    /// is not served.
    fn at(&self, object: &Value, version: &str) -> Option<Option<Versioned>> {
        if version == self.api_version {
            return Some(None);
        }
        match self.converter.convert(object, self.api_version, version) {
            Converted::Same => Some(None),
            Converted::Object { object, schema } => Some(Some(Versioned { object, schema })),
            Converted::Unserved => None,
        }
    }
}
