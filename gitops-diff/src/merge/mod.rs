//! Structured merge: what the API server does with objects and `managedFields`.
//!
//! In: a live object, an applied or updated one, the [`Schema`] of the kind, the name of the field
//! manager. Out: the merged object with its `metadata.managedFields`, or the conflicts.
//! [`server_side_apply`] is PATCH with `application/apply-patch+yaml`, [`record_update`] is what
//! create, replace and the other patches do to `managedFields`. The rules are those of KEP-555;
//! [`field_set`], [`merge`] and [`compare`] are its parts.
//!
//! Defaulting, admission and the canonical writing of quantities are the server's and not done
//! here.

mod combine;
mod compare;
mod engine;
mod implied;
mod remove;
mod to_set;
mod typed;
mod versions;

#[cfg(test)]
mod tests;

use gitops_core::{
    Manifest,
    clock::Timestamp,
    cluster::FieldConflict,
    error::{Classified, ErrorClass},
    schema::Schema,
};
use serde_json::Value;

pub(crate) use self::typed::{ANY, ListShape, Shape, key_fields, shape};
pub use self::{
    combine::merge,
    compare::{Comparison, compare},
    implied::fill_implied_structs,
    to_set::field_set,
    typed::{TypeMismatch, validate},
    versions::{Converted, SameInAllVersions, VersionConverter},
};
use self::{
    engine::{Conflicts, Engine, Failure},
    implied::empty_object,
    remove::remove,
};
use crate::{
    fields::{
        FieldSet, ManagedEntry, ManagedFields, ManagedFieldsError, ManagerId, Operation,
        PathElement, older, path_text, values_equal,
    },
    schema::deduced_schema,
};

/// A server-side apply.
pub struct ApplyRequest<'a> {
    /// The object as it is; `None` creates it.
    pub live: Option<&'a Manifest>,
    /// What the manager wants, without `managedFields`.
    pub applied: &'a Manifest,
    /// Name of the field manager.
    pub manager: &'a str,
    /// Sub-resource that is applied to; empty for the object itself.
    pub subresource: &'a str,
    /// Takes over fields that others own.
    pub force: bool,
    /// When this happens.
    pub now: Timestamp,
    /// Schema of the kind at the version of `applied`; deduced where it is not known.
    pub schema: Option<&'a Schema>,
    /// Fields that the request cannot write; [`ApplyRequest::new`] says `status`.
    pub reset: FieldSet,
    /// For `managedFields` entries under other API versions.
    pub converter: &'a dyn VersionConverter,
}

impl<'a> ApplyRequest<'a> {
    /// An apply to the object itself, without force.
    #[must_use]
    pub fn new(
        live: Option<&'a Manifest>,
        applied: &'a Manifest,
        manager: &'a str,
        now: Timestamp,
    ) -> Self {
        Self {
            live,
            applied,
            manager,
            subresource: "",
            force: false,
            now,
            schema: None,
            reset: status_only(),
            converter: &SameInAllVersions,
        }
    }

    /// Takes over fields that others own.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Under this schema.
    #[must_use]
    pub fn schema(mut self, schema: Option<&'a Schema>) -> Self {
        self.schema = schema;
        self
    }

    /// To a sub-resource, with the fields that it cannot write.
    #[must_use]
    pub fn subresource(mut self, subresource: &'a str, reset: FieldSet) -> Self {
        self.subresource = subresource;
        self.reset = reset;
        self
    }
}

/// `status`: what a write of the object itself cannot change where the kind has a status
/// sub-resource.
#[must_use]
pub fn status_only() -> FieldSet {
    FieldSet::from_paths([&[PathElement::field("status")][..]])
}

/// The result of a server-side apply.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Applied {
    /// The object after the apply, with `metadata.managedFields`.
    pub object: Manifest,
    /// Whether anything is different from the live object, `managedFields` included.
    pub changed: bool,
}

/// An apply was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Fields belong to others; apply with force to take them, or leave them out.
    #[error("{}", conflict_text(conflicts))]
    Conflicts {
        /// The fields and their owners, as the API server names them.
        conflicts: Vec<FieldConflict>,
    },
    /// The applied object states `managedFields`.
    #[error("metadata.managedFields must be nil")]
    StatesManagedFields,
    /// An object does not fit the schema.
    #[error("{object} does not fit its schema: {source}")]
    Type {
        /// The object.
        object: String,
        /// Where, and what is wrong.
        source: TypeMismatch,
    },
    /// The live `managedFields` cannot be read.
    #[error("{object}: {source}")]
    ManagedFields {
        /// The object.
        object: String,
        /// Which entry, and what is wrong.
        source: ManagedFieldsError,
    },
}

impl Classified for ApplyError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Conflicts { .. } => ErrorClass::Conflict,
            _ => ErrorClass::Invalid,
        }
    }
}

fn conflict_text(conflicts: &[FieldConflict]) -> String {
    if let [only] = conflicts {
        return format!(
            "Apply failed with 1 conflict: {}: {}",
            only.manager, only.field
        );
    }
    let mut managers: Vec<&str> = conflicts.iter().map(|c| c.manager.as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!(
            "{}:",
            manager.replacen("conflict with", "conflicts with", 1)
        ));
        let fields = conflicts.iter().filter(|c| c.manager == manager);
        lines.extend(fields.map(|c| format!("- {}", c.field)));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// The manager of a live object's fields that nobody owned before the first apply.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager of updates that are merged because there are too many.
const ANCIENT_CHANGES: &str = "ancient-changes";
/// So many update entries an object keeps.
const MAX_UPDATE_MANAGERS: usize = 10;
/// The annotation in which `kubectl apply` keeps what it applied.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Applies as the API server does: merges, moves ownership, removes what this manager alone owned
/// and does not state any more.
pub fn server_side_apply(request: &ApplyRequest<'_>) -> Result<Applied, ApplyError> {
    let deduced = deduced_schema();
    let schema = request.schema.unwrap_or(deduced);
    if request
        .applied
        .metadata()
        .and_then(|metadata| metadata.get("managedFields"))
        .is_some_and(|fields| !fields.is_null())
    {
        return Err(ApplyError::StatesManagedFields);
    }
    let of = |object: &Manifest| object.id().to_string();
    let type_error = |source| ApplyError::Type {
        object: of(request.applied),
        source,
    };
    let applied = request.applied.to_value();
    validate(schema, &applied).map_err(type_error)?;
    let applied = match remove(schema, schema.root(), applied, &request.reset) {
        Value::Null => Value::Object(serde_json::Map::new()),
        applied => applied,
    };

    let engine = Engine {
        schema,
        api_version: request.applied.api_version(),
        converter: request.converter,
        reset: &request.reset,
    };
    let mut managers = match request.live {
        Some(live) => ManagedFields::of(live).map_err(|source| ApplyError::ManagedFields {
            object: of(live),
            source,
        })?,
        None => ManagedFields::default(),
    };
    let live = match request.live {
        Some(live) => without_managed_fields(live),
        None => Value::Object(serde_json::Map::new()),
    };
    if managers.entries.is_empty() && request.live.is_some() {
        let id = ManagerId::updater(BEFORE_FIRST_APPLY, engine.api_version, request.subresource);
        note_update(
            &engine,
            &empty_object(schema),
            &live,
            &mut managers,
            &id,
            request.now,
        )
        .map_err(type_error)?;
    }

    let id = ManagerId::applier(request.manager, request.subresource);
    let before = managers.clone();
    let mut merged = engine.apply(&live, &applied, &mut managers, &id, request.force);
    if request.manager == "kubectl"
        && let Err(Failure::Conflicts(conflicts)) = &merged
    {
        // Fields that kubectl applied from the client side are its own.
        let own = last_applied_fields(schema, request.live, &live, engine.api_version);
        let left = own.map(|own| foreign_conflicts(conflicts, &own));
        match left {
            Some(left) if left.is_empty() => {
                managers = before;
                merged = engine.apply(&live, &applied, &mut managers, &id, true);
            }
            Some(left) => merged = Err(Failure::Conflicts(left)),
            None => {}
        }
    }
    let merged = merged.map_err(|failure| match failure {
        Failure::Type(source) => type_error(source),
        Failure::Conflicts(conflicts) => ApplyError::Conflicts {
            conflicts: field_conflicts(&conflicts),
        },
    })?;
    strip(&mut managers, &id);
    let mut object = match merged {
        Some(merged) => {
            if let Some(entry) = managers.entries.get_mut(&id) {
                entry.time = Some(time_text(request.now));
            }
            to_manifest(merged, request.applied)
        }
        None => to_manifest(live, request.applied),
    };
    if request.manager == "kubectl"
        && object
            .annotation(LAST_APPLIED)
            .is_some_and(|t| !t.is_empty())
    {
        object.set_annotation(LAST_APPLIED, last_applied_text(request.applied));
    }
    set_managed_fields(&mut object, &managers);
    if let Some(live) = request.live {
        keep_times(live, &mut object);
    }
    let changed = request.live.is_none_or(|live| {
        live.as_map().len() != object.as_map().len()
            || !live.as_map().iter().all(|(key, value)| {
                object
                    .as_map()
                    .get(key)
                    .is_some_and(|v| values_equal(v, value))
            })
    });
    Ok(Applied { object, changed })
}

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

/// Puts the times of the live `managedFields` back where nothing but times differs, so that a
/// write that changes nothing leaves the object as it is.
pub fn keep_times(live: &Manifest, object: &mut Manifest) {
    let (Some(old), Some(new)) = (list_of(live), list_of(object)) else {
        return;
    };
    let same_but_time = |a: &Value, b: &Value| match (a.as_object(), b.as_object()) {
        (Some(a), Some(b)) => {
            let fields =
                |m: &serde_json::Map<String, Value>| m.len() - usize::from(m.contains_key("time"));
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
    let rest_is_same = without_managed_fields(live) == without_managed_fields(object);
    if rest_is_same {
        let old = Value::Array(old.clone());
        object
            .metadata_mut()
            .insert("managedFields".to_owned(), old);
    }
}

fn list_of(object: &Manifest) -> Option<&Vec<Value>> {
    object.metadata()?.get("managedFields")?.as_array()
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
fn note_update(
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

/// Takes what no manager can own out of an entry.
fn strip(managers: &mut ManagedFields, id: &ManagerId) {
    if let Some(entry) = managers.entries.get_mut(id) {
        entry.fields = entry.fields.difference(unowned_fields());
        if entry.fields.is_empty() {
            managers.entries.remove(id);
        }
    }
}

/// Fields that are the server's, or the object's identity: no manager owns them.
pub(crate) fn unowned_fields() -> &'static FieldSet {
    static FIELDS: std::sync::OnceLock<FieldSet> = std::sync::OnceLock::new();
    FIELDS.get_or_init(|| {
        let mut set = FieldSet::new();
        for name in ["apiVersion", "kind", "metadata"] {
            set.insert(&[PathElement::field(name)]);
        }
        for name in [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        ] {
            set.insert(&[PathElement::field("metadata"), PathElement::field(name)]);
        }
        set
    })
}

/// The object without the fields and items of a set.
pub(crate) fn remove_fields(schema: &Schema, object: Value, fields: &FieldSet) -> Value {
    remove(schema, schema.root(), object, fields)
}

/// The merge of an apply with force, with what the manager does not state any more removed; `None`
/// where it changes nothing.
pub(crate) fn merge_owned(
    schema: &Schema,
    live: &Value,
    applied: &Value,
    managers: &ManagedFields,
    manager: &str,
    reset: &FieldSet,
) -> Result<Option<Value>, TypeMismatch> {
    let engine = Engine {
        schema,
        api_version: applied
            .get("apiVersion")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        converter: &SameInAllVersions,
        reset,
    };
    let id = ManagerId::applier(manager, "");
    match engine.apply(live, applied, &mut managers.clone(), &id, true) {
        Ok(merged) => Ok(merged),
        Err(Failure::Type(error)) => Err(error),
        Err(Failure::Conflicts(_)) => unreachable!("a forced apply has no conflicts"),
    }
}

fn foreign_conflicts(conflicts: &Conflicts, own: &FieldSet) -> Conflicts {
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
fn last_applied_fields(
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
fn last_applied_text(applied: &Manifest) -> String {
    let mut object = applied.clone();
    if let Some(annotations) = object
        .metadata_mut()
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    let mut text = String::new();
    crate::fields::write_json(&mut text, &object.to_value(), true);
    text.push('\n');
    text
}

fn field_conflicts(conflicts: &Conflicts) -> Vec<FieldConflict> {
    let mut out = Vec::new();
    for (id, entry) in conflicts {
        let mut manager = format!("conflict with {:?}", id.manager);
        if !id.subresource.is_empty() {
            manager.push_str(&format!(" with subresource {:?}", id.subresource));
        }
        if let (Operation::Update, Some(version)) = (id.operation, &id.api_version) {
            manager.push_str(&format!(" using {version}"));
        }
        entry.fields.for_each(&mut |path| {
            out.push(FieldConflict {
                field: path_text(path),
                manager: manager.clone(),
            });
        });
    }
    out
}

fn time_text(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

pub(crate) fn without_managed_fields(object: &Manifest) -> Value {
    let mut value = object.to_value();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

fn set_managed_fields(object: &mut Manifest, managers: &ManagedFields) {
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
fn to_manifest(merged: Value, applied: &Manifest) -> Manifest {
    Manifest::try_from(merged).unwrap_or_else(|_| applied.clone())
}
