//! What is known of a sync: the result of each task. This is all that outlives a crash.

use std::collections::BTreeMap;

use gitops_core::{ObjectId, app::OperationPhase, clock::Timestamp, plan::Phase};
use serde::{Deserialize, Serialize};

/// Progress of one sync. It names objects, and holds none of their content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The revision that is synced.
    pub revision: String,
    /// When the sync began, in seconds since 1970.
    pub started_at: i64,
    /// Digest of the hooks: another sync of the same revision may have others.
    #[serde(default)]
    pub hooks: String,
    /// How far it is.
    pub phase: OperationPhase,
    /// In words.
    pub message: String,
    /// Results by [`key`].
    pub results: BTreeMap<String, TaskResult>,
    /// Hooks whose creation was sent, whatever came of it, with the uid of the object that was there
    /// before (empty where there was none).
    #[serde(default)]
    pub issued: BTreeMap<String, String>,
    /// Requests that write.
    #[serde(default)]
    pub writes: u64,
    /// Whether the sync has ended, cleaned up behind itself and all.
    #[serde(default)]
    pub ended: bool,
}

/// What came of one task so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Place in the order in which results came.
    pub order: usize,
    /// What was done; `None` where nothing was, as with a hook that could not be deleted.
    pub status: Option<TaskStatus>,
    /// How far the object is.
    pub state: Option<OperationPhase>,
    /// In words.
    pub message: String,
    /// When it was applied, in milliseconds since 1970.
    pub since: i64,
    /// Whether the object is known to be gone.
    #[serde(default)]
    pub gone: bool,
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum TaskStatus {
    /// Applied.
    Synced,
    /// Refused or failed.
    SyncFailed,
    /// Deleted.
    Pruned,
    /// Left, although it is no longer declared.
    PruneSkipped,
}

/// The key of a task's result: an object is handled once in each phase.
#[must_use]
pub fn key(phase: Phase, object: &ObjectId) -> String {
    format!(
        "{phase}:{}/{}:{}/{}",
        object.group, object.kind, object.namespace, object.name
    )
}

impl Progress {
    /// Whether anything was recorded.
    #[must_use]
    pub fn is_started(&self) -> bool {
        !self.results.is_empty()
    }

    /// Whether the sync has ended.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        !matches!(
            self.phase,
            OperationPhase::Running | OperationPhase::Terminating
        )
    }

    pub(super) fn record(
        &mut self,
        key: &str,
        status: Option<TaskStatus>,
        state: Option<OperationPhase>,
        message: &str,
        now: Timestamp,
    ) {
        let order = self.results.len();
        let result = self
            .results
            .entry(key.to_owned())
            .or_insert_with(|| TaskResult {
                order,
                status: None,
                state: None,
                message: String::new(),
                since: now.as_millisecond(),
                gone: false,
            });
        if result.state.is_none() {
            result.since = now.as_millisecond();
        }
        result.status = status;
        result.state = state;
        // The latest words stay.
        if !message.is_empty() {
            message.clone_into(&mut result.message);
        }
    }

    pub(super) fn set(&mut self, phase: OperationPhase, message: impl Into<String>) {
        self.phase = phase;
        self.message = message.into();
    }
}
