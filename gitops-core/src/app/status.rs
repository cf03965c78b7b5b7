//! The status of an `Application`: what the last comparison and the last sync saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::health::HealthStatus;

/// The status of an Application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Whether the cluster is as declared.
    #[serde(default)]
    pub sync: SyncSummary,
    /// Health of the whole.
    #[serde(default)]
    pub health: HealthSummary,
    /// Every managed object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceStatus>,
    /// Successful syncs, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The last sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// Errors and warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// When the last comparison ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled_at: Option<String>,
    /// `Helm` or `Directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Whether the cluster is as declared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncSummary {
    /// The verdict.
    #[serde(default)]
    pub status: SyncState,
    /// The revision compared with; empty with several sources.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The revisions compared with, where there are several sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// What the comparison was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_to: Option<ComparedTo>,
}

/// Whether the cluster is as declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SyncState {
    /// The comparison failed.
    #[default]
    Unknown,
    /// As declared.
    Synced,
    /// Not as declared.
    OutOfSync,
}

/// What a comparison was made with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComparedTo {
    /// The one source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::app::ApplicationSource>,
    /// Several sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<crate::app::ApplicationSource>,
    /// The destination.
    #[serde(default)]
    pub destination: crate::app::ApplicationDestination,
}

/// Health of an application or object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthSummary {
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<HealthStatus>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One managed object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Whether it is as declared.
    #[serde(default)]
    pub status: SyncState,
    /// Its health, where there is a rule for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSummary>,
    /// Whether it is a hook.
    #[serde(default, skip_serializing_if = "crate::app::application::is_false")]
    pub hook: bool,
    /// Whether it is no longer declared.
    #[serde(default, skip_serializing_if = "crate::app::application::is_false")]
    pub requires_pruning: bool,
    /// Its wave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_wave: Option<i64>,
}

/// A successful sync.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Running number.
    #[serde(default)]
    pub id: i64,
    /// The revision.
    #[serde(default)]
    pub revision: String,
    /// The revisions, where there are several sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// When it ended (RFC 3339).
    #[serde(default)]
    pub deployed_at: String,
    /// When it started (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_started_at: Option<String>,
    /// The source as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::app::ApplicationSource>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A sync, running or ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OperationState {
    /// How far it is.
    #[serde(default)]
    pub phase: OperationPhase,
    /// What happened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Value>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_result: Option<SyncResult>,
    /// When it started (RFC 3339).
    #[serde(default)]
    pub started_at: String,
    /// When it ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// How often it was tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<i64>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// How far a sync is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum OperationPhase {
    /// Under way.
    #[default]
    Running,
    /// Being stopped.
    Terminating,
    /// Ended, an object could not be applied or a hook failed.
    Failed,
    /// Ended, the operation itself went wrong.
    Error,
    /// Ended well.
    Succeeded,
}

/// What a sync did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncResult {
    /// The revision.
    #[serde(default)]
    pub revision: String,
    /// The revisions, where there are several sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<String>,
    /// The one source as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<crate::app::ApplicationSource>,
    /// Several sources as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<crate::app::ApplicationSource>,
    /// What happened to each object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<SyncResourceResult>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// What a sync did to one object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncResourceResult {
    /// API group.
    #[serde(default)]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Namespace.
    #[serde(default)]
    pub namespace: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// `Synced`, `SyncFailed`, `Pruned` or `PruneSkipped`.
    #[serde(default)]
    pub status: String,
    /// Details.
    #[serde(default)]
    pub message: String,
    /// Kind of hook, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_type: Option<String>,
    /// Phase of a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_phase: Option<OperationPhase>,
    /// Phase of the sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_phase: Option<String>,
}

/// An error or warning of an Application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub condition: ConditionType,
    /// Details.
    pub message: String,
    /// Since when (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
}

/// Kinds of conditions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum ConditionType {
    /// Deleting the application failed.
    DeletionError,
    /// The spec cannot be used.
    InvalidSpecError,
    /// Desired and live state could not be compared.
    ComparisonError,
    /// The last sync failed.
    SyncError,
    /// Anything else failed.
    UnknownError,
    /// Another application declares the same object.
    SharedResourceWarning,
    /// The application declares one object several times.
    RepeatedResourceWarning,
    /// An object is of a kind that is left out.
    ExcludedResourceWarning,
    /// Objects in the namespace that belong to no application.
    OrphanedResourceWarning,
    /// An object is written in another form than declared, so that the cluster takes it.
    RewrittenResourceWarning,
    /// A condition this software does not know.
    #[serde(untagged)]
    Other(String),
}
