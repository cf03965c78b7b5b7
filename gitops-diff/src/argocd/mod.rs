//! Argo CD's ways to diff, with its results.
//!
//! In: desired and live object, options. Out: whether they differ, and both sides as Argo CD would
//! show them. For Applications that rely on Argo CD's verdicts; [`crate::structural`] says what an
//! apply would change. [`diff`] picks the way as Argo CD does: two- and three-way with the defaults
//! of the built-in kinds, structured merge for objects that ask for server-side apply, and the
//! answer of a dry-run.

mod ignore;
mod server_side;
mod structured;
mod three_way;

pub use ignore::{ArgoNormalizer, Override, Overrides, prepare};

use gitops_core::{
    GroupVersionKind,
    diff::DiffError,
    error::{Classified, ErrorClass},
    schema::{Schema, Schemas},
};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{
    fields::values_equal,
    merge::LAST_APPLIED,
    normalize::{gvk_of, normalize, remarshal_object},
};

/// The field manager of Argo CD.
pub const MANAGER: &str = "argocd-controller";

/// The way to diff.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Way {
    /// Three-way where the live object has a last-applied annotation, else two-way; structured
    /// merge where the desired object asks for server-side apply.
    #[default]
    Default,
    /// Structured merge.
    StructuredMerge,
    /// The answer of a server-side dry-run of desired.
    ServerSide {
        /// The answer.
        predicted: Value,
        /// Whether what admission webhooks changed does not count.
        ignore_mutation_webhook: bool,
    },
}

/// How to diff.
pub struct ArgoOptions<'a> {
    /// The way.
    pub way: Way,
    /// Whether rules of aggregated roles do not count.
    pub ignore_aggregated_roles: bool,
    /// Field manager.
    pub manager: &'a str,
    /// Schemas of the cluster.
    pub schemas: &'a dyn Schemas,
    /// Applied to both sides before they are compared (ignored differences).
    pub normalizer: &'a dyn Fn(&mut Value),
}

/// The result of a diff.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ArgoDiff {
    /// Whether desired differs from live.
    pub modified: bool,
    /// The live object as it was compared; null where there is none.
    pub normalized_live: Value,
    /// The live object as it would be; null where it would be deleted.
    pub predicted_live: Value,
}

/// A diff cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgoDiffError {
    /// Neither desired nor live.
    #[error("there is neither a desired nor a live object")]
    Nothing,
    /// The kind is not known to the cluster.
    #[error("the cluster has no schema of {gvk}")]
    NoSchema {
        /// The kind.
        gvk: GroupVersionKind,
    },
    /// An object does not fit its schema.
    #[error("the {side} object does not fit its schema: {source}")]
    Type {
        /// Which one.
        side: &'static str,
        /// Where, and what is wrong.
        source: crate::merge::TypeMismatch,
    },
    /// `managedFields` are needed and cannot be used.
    #[error("managedFields of the {side} object cannot be used: {reason}")]
    ManagedFields {
        /// Which one.
        side: &'static str,
        /// Why.
        reason: String,
    },
    /// An object cannot be given the defaults of its kind.
    #[error("the {side} object cannot be read as its kind: {source}")]
    GoType {
        /// Which one.
        side: &'static str,
        /// Where, and what is wrong.
        source: crate::normalize::GoTypeError,
    },
    /// An ignore rule cannot be used.
    #[error("the ignore rule `{rule}` cannot be used: {reason}")]
    Rule {
        /// The rule.
        rule: String,
        /// Why.
        reason: String,
    },
    /// The ignore rules leave no object.
    #[error("the ignore rules of {object} leave nothing of it to compare")]
    NothingLeft {
        /// The object.
        object: String,
    },
    /// A strategic merge patch cannot be made or applied.
    #[error(transparent)]
    Strategic(#[from] crate::strategic::StrategicError),
    /// A JSON merge patch cannot be made.
    #[error(transparent)]
    Merge(#[from] crate::json_merge::MergePatchError),
}

impl Classified for ArgoDiffError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

impl From<ArgoDiffError> for DiffError {
    fn from(error: ArgoDiffError) -> Self {
        Self::Other {
            class: error.class(),
            source: Box::new(error),
        }
    }
}

type Result<T> = std::result::Result<T, ArgoDiffError>;

/// Compares a desired and a live object.
pub fn diff(
    config: Option<&Value>,
    live: Option<&Value>,
    options: &ArgoOptions<'_>,
) -> Result<ArgoDiff> {
    let server_side = matches!(options.way, Way::ServerSide { .. });
    let prepared = |object: Option<&Value>| {
        object.map(|object| {
            let mut object = remarshal_object(object);
            normalize(&mut object, options.ignore_aggregated_roles);
            if !server_side {
                (options.normalizer)(&mut object);
            }
            object
        })
    };
    let (config, live) = match (prepared(config), prepared(live)) {
        (None, None) => return Err(ArgoDiffError::Nothing),
        (None, Some(live)) => {
            return Ok(ArgoDiff {
                modified: false,
                normalized_live: live,
                predicted_live: Value::Null,
            });
        }
        (Some(config), None) => {
            return Ok(ArgoDiff {
                modified: true,
                normalized_live: Value::Null,
                predicted_live: config,
            });
        }
        (Some(config), Some(live)) => (config, live),
    };
    match &options.way {
        Way::ServerSide {
            predicted,
            ignore_mutation_webhook,
        } => server_side::diff(live, predicted, *ignore_mutation_webhook, options),
        Way::StructuredMerge => structured::diff(&config, &live, options),
        Way::Default if asks_for_server_side_apply(&config) => {
            structured::diff(&config, &live, options)
        }
        Way::Default => {
            if let Some(mut original) = last_applied(&live) {
                normalize(&mut original, options.ignore_aggregated_roles);
                (options.normalizer)(&mut original);
                if let Ok(found) = three_way::diff(&original, &config, &live) {
                    return Ok(found);
                }
            }
            three_way::diff(&config, &config, &live)
        }
    }
}

fn compared(normalized_live: Value, predicted_live: Value) -> ArgoDiff {
    ArgoDiff {
        modified: !values_equal(&normalized_live, &predicted_live),
        normalized_live,
        predicted_live,
    }
}

fn annotation<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(name)?
        .as_str()
}

fn asks_for_server_side_apply(config: &Value) -> bool {
    annotation(config, "argocd.argoproj.io/sync-options").is_some_and(|options| {
        options
            .split(',')
            .any(|option| option.trim() == "ServerSideApply=true")
    })
}

fn last_applied(live: &Value) -> Option<Value> {
    let object: Value = serde_json::from_str(annotation(live, LAST_APPLIED)?).ok()?;
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (object.is_object() && !kind.is_empty()).then_some(object)
}

fn remove_annotation(object: &mut Value, name: &str) {
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.remove(name);
    }
}

fn schema_of(object: &Value, options: &ArgoOptions<'_>) -> Result<Arc<Schema>> {
    let gvk = gvk_of(object);
    options
        .schemas
        .schema(&gvk)
        .ok_or(ArgoDiffError::NoSchema { gvk })
}

/// An empty JSON object.
fn nothing() -> Value {
    json!({})
}
