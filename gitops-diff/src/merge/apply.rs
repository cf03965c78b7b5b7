//! Server-side apply.

use std::sync::Arc;

use gitops_core::{
    Manifest,
    clock::Timestamp,
    cluster::FieldConflict,
    error::{Classified, ErrorClass},
    schema::Schema,
};
use serde_json::Value;

use super::{
    LAST_APPLIED, SERVER_WRITTEN, SameInAllVersions, TypeMismatch, VersionConverter,
    engine::{Conflicts, Engine, Failure},
    implied::empty_object,
    kubectl::{foreign_conflicts, last_applied_fields, last_applied_text},
    metadata::{
        keep_times, set_managed_fields, status_only, strip, time_text, to_manifest,
        without_managed_fields,
    },
    part::{Outcome, apply_to_part},
    remove::remove,
    update::note_update,
    validate,
};
use crate::{
    fields::{
        FieldSet, ManagedFields, ManagedFieldsError, ManagerId, Operation, path_text, values_equal,
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

/// Applies as the API server does: merges, moves ownership, removes what this manager alone owned
/// and does not state any more.
pub fn server_side_apply(request: &ApplyRequest<'_>) -> Result<Applied, ApplyError> {
    refuse_managed_fields(request.applied)?;
    let Some(live) = request.live else {
        return apply_to_all(request);
    };
    Ok(match apply_to_part(request, &[])? {
        Outcome::Nothing { fits: false } => return apply_to_all(request),
        Outcome::Nothing { fits: true } => Applied {
            object: live.clone(),
            changed: false,
        },
        Outcome::Part(mut part) => Applied {
            changed: part.changes(),
            object: {
                let after = Arc::new(part.take_after());
                part.object(live, after)
            },
        },
        Outcome::All => return apply_to_all(request),
    })
}

/// An apply states no `managedFields`.
pub(crate) fn refuse_managed_fields(applied: &Manifest) -> Result<(), ApplyError> {
    let stated = applied.metadata().and_then(|m| m.get("managedFields"));
    match stated {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(ApplyError::StatesManagedFields),
    }
}

/// What is applied, without what a request cannot write.
pub(super) fn prepared(schema: &Schema, mut applied: Value, reset: &FieldSet) -> Value {
    remove(schema, schema.root(), &mut applied, reset);
    if applied.is_null() {
        applied = Value::Object(serde_json::Map::new());
    }
    if let Some(Value::Object(metadata)) = applied.get_mut("metadata") {
        metadata.retain(|name, _| !SERVER_WRITTEN.contains(&name.as_str()));
    }
    applied
}

pub(super) fn failed(failure: Failure, applied: &Manifest) -> ApplyError {
    match failure {
        Failure::Type(source) => ApplyError::Type {
            object: applied.id().to_string(),
            source,
        },
        Failure::Conflicts(conflicts) => ApplyError::Conflicts {
            conflicts: field_conflicts(&conflicts),
        },
    }
}

/// Applies with everything in the object looked at.
pub(crate) fn apply_to_all(request: &ApplyRequest<'_>) -> Result<Applied, ApplyError> {
    let schema = request.schema.unwrap_or_else(|| deduced_schema());
    let of = |object: &Manifest| object.id().to_string();
    let type_error = |source| ApplyError::Type {
        object: of(request.applied),
        source,
    };
    let applied = request.applied.to_value();
    validate(schema, &applied).map_err(type_error)?;
    let applied = prepared(schema, applied, &request.reset);
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
    let before = (request.manager == "kubectl").then(|| managers.clone());
    let mut merged = engine.apply(&live, &applied, &mut managers, &id, request.force);
    if let Some(before) = before
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
    let merged = merged.map_err(|failure| failed(failure, request.applied))?;
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
