//! What is to be done to a cluster, in which order, and why; and what came of it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    app::{ApplicationDestination, IgnoreDifferences, OperationPhase, SyncPolicy},
    cluster::Propagation,
    diff::FieldChange,
    health::Health,
    object::{GroupVersionKind, Manifest, ObjectId},
    tracking::Tracking,
};

/// What an application wants to exist.
#[derive(Debug, Clone, Default)]
pub struct DesiredSet {
    /// The application that owns the objects.
    pub owner: Owner,
    /// The revision the objects come from.
    pub revision: String,
    /// The objects, hooks among them.
    pub objects: Vec<Manifest>,
    /// Where objects without a namespace go.
    pub destination: ApplicationDestination,
    /// How to sync.
    pub sync_policy: SyncPolicy,
    /// Differences that do not count.
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// A further client-side manager whose fields are taken over, beside those that are known.
    pub migrate_from: Option<String>,
}

/// Who owns objects: an Application, or a bootstrap set that Applications may take over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Name that the tracking mark carries.
    pub name: String,
    /// Namespace of the Application object; empty for a bootstrap set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A bootstrap set: its own inventory, no Application object; Applications that render one of
    /// its objects take it over for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bootstrap: bool,
}

/// What exists of an application.
#[derive(Debug, Clone, Default)]
pub struct LiveSet {
    /// Live objects that are desired or carry the application's tracking mark.
    pub objects: Vec<Manifest>,
    /// The inventory of earlier syncs: also names objects whose mark was removed by hand.
    pub inventory: Vec<ObjectId>,
}

/// How to plan.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Whether objects that are no longer declared are deleted.
    pub prune: Prune,
    /// Only these objects; all where it is empty. A selective sync runs no hooks.
    pub only: Vec<ObjectId>,
    /// Runs no hooks.
    pub skip_hooks: bool,
    /// Deletes and creates objects whose immutable fields change.
    pub recreate: bool,
    /// What to check before anything is applied.
    pub preflight: Preflight,
    /// What happens to objects that pruned and deleted objects own.
    pub propagation: Propagation,
    /// Somebody has confirmed that objects with `Prune=confirm` and `Delete=confirm` may go.
    pub confirmed: bool,
    /// Field manager.
    pub field_manager: String,
    /// How objects are marked as the owner's.
    pub tracking: Tracking,
    /// When the plan is made; names of generated hooks contain it.
    pub now: crate::clock::Timestamp,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            prune: Prune::Never,
            only: Vec::new(),
            skip_hooks: false,
            recreate: false,
            preflight: Preflight::None,
            propagation: Propagation::Foreground,
            confirmed: false,
            field_manager: crate::diff::FIELD_MANAGER.to_owned(),
            tracking: Tracking::default(),
            now: crate::clock::Timestamp::UNIX_EPOCH,
        }
    }
}

impl PlanOptions {
    /// Sets whether objects that are no longer declared are deleted.
    #[must_use]
    pub fn prune(mut self, prune: Prune) -> Self {
        self.prune = prune;
        self
    }
}

/// Whether objects that are no longer declared are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Prune {
    /// They are listed as prunable.
    Never,
    /// Those with the application's tracking mark are deleted.
    Tracked,
}

/// What a sync checks by dry-run before anything is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Preflight {
    /// Nothing: the server validates each object as it is applied.
    #[default]
    None,
    /// Objects that would change.
    Changed,
    /// All objects (what Argo CD does).
    All,
}

/// Phases of a sync, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Before anything else.
    PreSync,
    /// The objects themselves.
    Sync,
    /// After all is healthy.
    PostSync,
    /// After a failure.
    SyncFail,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A plan: a masked document that can be read, stored and approved, with the payload that executing
/// it needs beside it. The document binds the payload by digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The owner of the objects.
    pub owner: Owner,
    /// The revision planned.
    pub revision: String,
    /// The steps in the order of execution.
    pub steps: Vec<Step>,
    /// Options that execution depends on.
    pub settings: PlanSettings,
    /// SHA-256 of the payload, in hex.
    pub payload_digest: String,
    /// Full manifests by step; not part of the document.
    #[serde(skip)]
    pub payload: Payload,
    /// Whether the plan was made by this process just now. A plan that was read back is not: before
    /// it is executed it is checked that the cluster has not moved on.
    #[serde(skip)]
    pub fresh: bool,
}

impl Plan {
    /// Steps that change something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action.changes())
    }

    /// Whether executing the plan would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }
}

/// Options that execution depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSettings {
    /// Field manager.
    pub field_manager: String,
    /// What to check before anything is applied.
    pub preflight: Preflight,
    /// What happens to objects that pruned and deleted objects own.
    #[serde(default)]
    pub propagation: Propagation,
    /// How objects are marked as the owner's.
    #[serde(default, skip_serializing_if = "Tracking::is_default")]
    pub tracking: Tracking,
    /// Sync options of the application as `Name=value` texts.
    #[serde(default)]
    pub sync_options: Vec<String>,
    /// Namespace of the destination.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// When the plan was made, in seconds since 1970; names of generated hooks contain it.
    #[serde(default)]
    pub started_at: i64,
    /// Whether everything goes: execution ends when it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion: bool,
}

/// Full manifests of a plan by index of the step. Holds secrets: `Debug` shows only names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(pub BTreeMap<usize, Manifest>);

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Phase.
    pub phase: Phase,
    /// Wave within the phase.
    pub wave: i64,
    /// What is done.
    pub action: Action,
    /// The kind and version of the object.
    pub gvk: GroupVersionKind,
    /// The object.
    pub object: ObjectId,
    /// Whether the object is a hook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hook: bool,
    /// Why.
    pub reason: Reason,
    /// The fields that change; Secrets are masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// `resourceVersion` of the live object the step was planned on; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub planned_on: String,
    /// How the object is sent.
    #[serde(default, skip_serializing_if = "Delivery::is_default")]
    pub delivery: Delivery,
    /// Place within the wave: steps of a later stage depend on steps of earlier ones and wait until
    /// those are healthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stage: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(stage: &u32) -> bool {
    *stage == 0
}

/// How an object is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delivery {
    /// The verb.
    pub method: Method,
    /// Deletes and creates the object where the server refuses the change of an immutable field.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Lets fields pass that the server does not know.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
    /// Field managers whose fields are taken over before, so that what they set and nobody declares
    /// goes away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub take_over: Vec<String>,
}

impl Delivery {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The verb by which an object is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Method {
    /// Server-side apply.
    #[default]
    Apply,
    /// Creation; it must not exist.
    Create,
    /// Replacement as a whole.
    Replace,
    /// A patch made from what was applied last, as `kubectl apply` without `--server-side` does.
    ClientApply,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// Creates the object.
    Create,
    /// Changes the object.
    Update,
    /// Deletes and creates the object.
    Recreate,
    /// Deletes the object.
    Prune,
    /// Runs a hook.
    RunHook,
    /// Nothing: the object is as desired.
    Unchanged,
    /// Nothing, for the reason given.
    Skip,
}

impl Action {
    /// Whether the action changes the cluster.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, Self::Unchanged | Self::Skip)
    }
}

/// Why a step is in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reason {
    /// The object is declared and does not exist.
    Missing,
    /// Fields differ.
    Differs,
    /// The object is as declared.
    InSync,
    /// Immutable fields differ.
    Immutable,
    /// The object is tracked and no longer declared.
    NoLongerDeclared,
    /// The object is no longer declared, but pruning is off.
    PruneDisabled,
    /// The object is no longer declared, but its annotation or the confirmation rule keeps it.
    PruneProtected {
        /// The annotation.
        by: String,
    },
    /// The object is a hook of this phase.
    Hook,
    /// The namespace is needed by other objects.
    NamespaceNeeded,
    /// Another application owns the object.
    OwnedBy {
        /// The owner.
        owner: String,
    },
    /// The object is not among those selected.
    NotSelected,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("declared, does not exist"),
            Self::Differs => f.write_str("fields differ"),
            Self::InSync => f.write_str("as declared"),
            Self::Immutable => f.write_str("immutable fields differ"),
            Self::NoLongerDeclared => f.write_str("no longer declared"),
            Self::PruneDisabled => f.write_str("no longer declared, pruning is off"),
            Self::PruneProtected { by } => write!(f, "no longer declared, kept by {by}"),
            Self::Hook => f.write_str("hook"),
            Self::NamespaceNeeded => f.write_str("namespace of other objects"),
            Self::OwnedBy { owner } => write!(f, "owned by application {owner}"),
            Self::NotSelected => f.write_str("not selected"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// What came of executing a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The owner of the objects.
    pub owner: Owner,
    /// The revision.
    pub revision: String,
    /// How it ended.
    pub phase: OperationPhase,
    /// In words.
    pub message: String,
    /// What happened to each object.
    pub results: Vec<StepResult>,
    /// Requests sent that write (dry-runs apart), for those who count.
    pub writes: u64,
}

/// What happened to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Phase.
    pub phase: Phase,
    /// Wave.
    pub wave: i64,
    /// What was done.
    pub action: Action,
    /// The kind and version of the object.
    pub gvk: GroupVersionKind,
    /// The object.
    pub object: ObjectId,
    /// Whether it is a hook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hook: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Health at the end, where there is a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Applied, or as desired already.
    Synced,
    /// Refused or failed.
    Failed,
    /// Deleted.
    Pruned,
    /// Left alone.
    Skipped,
    /// Still waited for.
    Running,
}
