//! Structured merge: what the API server does with objects and `managedFields`.
//!
//! In: a live object, an applied or updated one, the [`Schema`] of the kind, the name of the field
//! manager. Out: the merged object with its `metadata.managedFields`, or the conflicts.
//! [`server_side_apply`] is PATCH with `application/apply-patch+yaml`, [`record_update`] is what
//! create, replace and the other patches do to `managedFields`. The rules are those of KEP-555;
//! [`field_set`], [`merge`] and [`compare`] are its parts.
//!
//! An apply is carried out on the part of the object that it concerns (the folder `focus` finds it),
//! where that is enough to know the rest.
//!
//! Defaulting, admission and the canonical writing of quantities are the server's and not done
//! here.

mod apply;
mod combine;
mod compare;
mod engine;
pub(crate) mod focus;
mod implied;
mod kubectl;
mod metadata;
mod part;
mod prune;
mod remove;
mod to_set;
mod typed;
mod update;
mod versions;

#[cfg(test)]
mod tests;

use gitops_core::schema::Schema;
use serde_json::Value;

pub use self::{
    apply::{Applied, ApplyError, ApplyRequest, server_side_apply},
    combine::merge,
    compare::{Comparison, compare},
    implied::fill_implied_structs,
    metadata::{keep_times, status_only},
    to_set::field_set,
    typed::{TypeMismatch, validate},
    update::{UpdateRequest, record_update},
    versions::{Converted, SameInAllVersions, VersionConverter},
};
pub(crate) use self::{
    apply::{apply_to_all, refuse_managed_fields},
    part::{Outcome, apply_to_part},
    typed::{ANY, ListShape, Shape, shape},
};
use self::{
    engine::{Engine, Failure},
    remove::remove,
};
use crate::fields::{FieldSet, ManagedFields, ManagerId};

/// Fields of `metadata` that the server writes whatever a request states; manifests that a program
/// has written often state `creationTimestamp: null`.
pub(crate) const SERVER_WRITTEN: [&str; 3] = ["creationTimestamp", "generation", "selfLink"];

/// The annotation in which `kubectl apply` keeps what it applied.
pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object without the fields and items of a set.
pub(crate) fn remove_fields(schema: &Schema, mut object: Value, fields: &FieldSet) -> Value {
    remove(schema, schema.root(), &mut object, fields);
    object
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
