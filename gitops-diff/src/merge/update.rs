//! Create, replace and patch, as `managedFields` see them.

use gitops_core::{Manifest, clock::Timestamp, schema::Schema};
use serde_json::Value;

use super::{
    SameInAllVersions, TypeMismatch, VersionConverter,
    engine::Engine,
    implied::empty_object,
    metadata::{
        keep_times, list_of, set_managed_fields, status_only, strip, time_text,
        without_managed_fields,
    },
};
use crate::{
    fields::{FieldSet, ManagedEntry, ManagedFields, ManagerId, Operation, older},
    schema::deduced_schema,
};

/// A create, replace or patch that is to be noted in `managedFields`.
pub struct UpdateRequest<'a> {
    /// The object as it was; `None` for a create.
    pub live: Option<&'a Manifest>,
    /// The object as it is to be stored; `managedFields` in it are honoured as the API server does.
    pub updated: &'a Manifest,
    /// Name of the field manager.
    pub manager: &'a str,
    /// Sub-resource that is written; empty for the object itself.
    pub subresource: &'a str,
    /// When this happens.
    pub now: Timestamp,
    /// Schema of the kind at the version of `updated`; deduced where it is not known.
    pub schema: Option<&'a Schema>,
    /// Fields that the request cannot write; [`UpdateRequest::new`] says `status`.
    pub reset: FieldSet,
    /// For `managedFields` entries under other API versions.
    pub converter: &'a dyn VersionConverter,
}

impl<'a> UpdateRequest<'a> {
    /// A write of the object itself.
    #[must_use]
    pub fn new(
        live: Option<&'a Manifest>,
        updated: &'a Manifest,
        manager: &'a str,
        now: Timestamp,
    ) -> Self {
        Self {
            live,
            updated,
            manager,
            subresource: "",
            now,
            schema: None,
            reset: status_only(),
            converter: &SameInAllVersions,
        }
    }

    /// Under this schema.
    #[must_use]
    pub fn schema(mut self, schema: Option<&'a Schema>) -> Self {
        self.schema = schema;
        self
    }

    /// Of a sub-resource, with the fields that it cannot write.
    #[must_use]
    pub fn subresource(mut self, subresource: &'a str, reset: FieldSet) -> Self {
        self.subresource = subresource;
        self.reset = reset;
        self
    }
}

/// The updated object with its `managedFields`: what changes belongs to the manager now. Where
/// ownership cannot be computed, the object is returned without `managedFields`, as the API server
/// does.
#[must_use]
pub fn record_update(request: &UpdateRequest<'_>) -> Manifest {
    let deduced = deduced_schema();
    let schema = request.schema.unwrap_or(deduced);
    let mut managers = managers_of_update(request);
    let live = match request.live {
        Some(live) => without_managed_fields(live),
        None => empty_object(schema),
    };
    let updated = without_managed_fields(request.updated);
    let mut object = request.updated.clone();
    let engine = Engine {
        schema,
        api_version: request.updated.api_version(),
        converter: request.converter,
        reset: &request.reset,
    };
    // An object that nobody tracked is tracked from its creation or its first apply only.
    let exists = request.live.is_some_and(|live| !live.uid().is_empty());
    if managers.entries.is_empty() && exists {
        set_managed_fields(&mut object, &managers);
        return object;
    }
    let id = ManagerId::updater(request.manager, engine.api_version, request.subresource);
    match note_update(&engine, &live, &updated, &mut managers, &id, request.now) {
        Ok(()) => cap_updates(&mut managers),
        Err(_) => managers = ManagedFields::default(),
    }
    set_managed_fields(&mut object, &managers);
    if let Some(live) = request.live {
        keep_times(live, &mut object);
    }
    object
}

/// The managers before an update: as the request states them, else as the live object has them.
fn managers_of_update(request: &UpdateRequest<'_>) -> ManagedFields {
    let live = || {
        request
            .live
            .and_then(|live| ManagedFields::of(live).ok())
            .unwrap_or_default()
    };
    if !request.subresource.is_empty() {
        return live();
    }
    if let Some(stated) = list_of(request.updated) {
        let reset = match stated.as_slice() {
            [] => true,
            [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
            _ => false,
        };
        if reset {
            return ManagedFields::default();
        }
    }
    match ManagedFields::of(request.updated) {
        Ok(managers) if !managers.entries.is_empty() => managers,
        _ => live(),
    }
}

/// What an update changes is added to the manager's entry, whose time moves if there is anything.
pub(super) fn note_update(
    engine: &Engine<'_>,
    live: &Value,
    updated: &Value,
    managers: &mut ManagedFields,
    id: &ManagerId,
    now: Timestamp,
) -> Result<(), TypeMismatch> {
    // The operation runs under a name of its own, so that what the manager owned already and does
    // not change is told from what it changes now.
    let operation = ManagerId::updater("current-operation", "", "");
    engine.update(live, updated, managers, &operation)?;
    strip(managers, &operation);
    if let Some(mut entry) = managers.entries.remove(&operation) {
        if let Some(previous) = managers.entries.remove(id) {
            entry.fields = entry.fields.union(&previous.fields);
        }
        entry.time = Some(time_text(now));
        managers.entries.insert(id.clone(), entry);
    }
    Ok(())
}

/// The manager of updates that are merged because there are too many.
const ANCIENT_CHANGES: &str = "ancient-changes";
/// So many update entries an object keeps.
const MAX_UPDATE_MANAGERS: usize = 10;

/// Merges the oldest updates of each version where there are too many.
fn cap_updates(managers: &mut ManagedFields) {
    let mut updates: Vec<_> = managers
        .entries
        .iter()
        .filter(|(id, _)| id.operation == Operation::Update)
        .collect();
    let mut length = updates.len();
    if length <= MAX_UPDATE_MANAGERS {
        return;
    }
    updates.sort_by(older);
    let ids: Vec<ManagerId> = updates.into_iter().map(|(id, _)| id.clone()).collect();
    let mut first_of_version: Vec<(String, ManagerId)> = Vec::new();
    for id in ids {
        if length <= MAX_UPDATE_MANAGERS {
            break;
        }
        let Some(entry) = managers.entries.get(&id).cloned() else {
            continue;
        };
        let version = entry.api_version.clone();
        let bucket = ManagerId::updater(ANCIENT_CHANGES, version.clone(), "");
        let Some((_, first)) = first_of_version.iter().find(|(known, _)| *known == version) else {
            first_of_version.push((version, id));
            continue;
        };
        if !managers.entries.contains_key(&bucket)
            && let Some(first) = managers.entries.remove(first)
        {
            managers.entries.insert(bucket.clone(), first);
        }
        let merged = managers.entries.get(&bucket).map_or_else(
            || entry.fields.clone(),
            |bucket| entry.fields.union(&bucket.fields),
        );
        managers.entries.remove(&id);
        managers.entries.insert(
            bucket,
            ManagedEntry {
                fields: merged,
                ..entry
            },
        );
        length -= 1;
    }
}
