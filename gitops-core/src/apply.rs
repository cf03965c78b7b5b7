//! Planning and executing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    clock::{Clock, Timestamp},
    cluster::{Cluster, ClusterError},
    diff::DiffError,
    error::{BoxError, Classified, ErrorClass},
    events::EventSink,
    health::HealthCheck,
    object::GroupVersionKind,
    plan::{DesiredSet, LiveSet, Owner, Plan, PlanOptions, Report},
    policy::Policy,
    schema::Schemas,
};

/// Plans and executes.
#[async_trait]
pub trait Applier: Send + Sync {
    /// What must be done so that the cluster is as desired. Pure.
    fn plan(
        &self,
        desired: &DesiredSet,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError>;

    /// What must be done so that everything the owner has is gone: reverse waves, PreDelete and
    /// PostDelete hooks of `desired` (where it could still be rendered), protected objects left out.
    /// Pure.
    fn plan_deletion(
        &self,
        owner: &Owner,
        desired: Option<&DesiredSet>,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError>;

    /// Which hooks of a set run when its owner is deleted.
    fn deletion_hooks(&self, desired: &DesiredSet) -> DeletionHooks {
        let _ = desired;
        DeletionHooks::default()
    }

    /// Asks the cluster, by dry-run, about changes that a plan could only suppose (`1000m` and `1`,
    /// say), and takes those out that would change nothing. Answers are remembered: what was asked
    /// once is not asked again while nothing changes.
    async fn confirm(
        &self,
        plan: Plan,
        live: &LiveSet,
        cluster: &dyn Cluster,
    ) -> Result<Plan, ExecuteError> {
        let _ = (live, cluster);
        Ok(plan)
    }

    /// Does it.
    async fn execute(
        &self,
        plan: &Plan,
        cluster: &dyn Cluster,
        context: &ExecuteContext<'_>,
        options: &ExecuteOptions,
    ) -> Result<Report, ExecuteError>;
}

/// Whether there are hooks for the deletion of an application.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeletionHooks {
    /// Before its objects go.
    pub before: bool,
    /// When they are gone.
    pub after: bool,
}

/// What execution needs beside the cluster.
#[derive(Clone, Copy)]
pub struct ExecuteContext<'a> {
    /// Time.
    pub clock: &'a dyn Clock,
    /// Health rules.
    pub health: &'a dyn HealthCheck,
    /// Which steps may run.
    pub policy: &'a dyn Policy,
    /// Who is told.
    pub events: &'a dyn EventSink,
}

/// How to execute.
#[derive(Debug, Clone)]
pub struct ExecuteOptions {
    /// The whole must end within this time.
    pub deadline: Duration,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// How often live state is looked at while waiting.
    pub poll_interval: Duration,
    /// Pause between waves.
    pub wave_delay: Duration,
    /// Waits after the last wave until all objects are healthy.
    pub wait_healthy: bool,
    /// One object must be healthy, or gone, within this time after it was sent, where it is waited for.
    pub task_timeout: Option<Duration>,
    /// A custom object is waited for no longer than this while no controller has written any status
    /// of it: perhaps none runs.
    pub unreported_after: Duration,
    /// Ends the sync early: running hooks are deleted.
    pub cancel: Option<CancelToken>,
    /// How long a sync that has ended is remembered.
    pub checkpoints: Checkpoints,
}

impl Default for ExecuteOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(300),
            concurrency: 16,
            poll_interval: Duration::from_millis(250),
            wave_delay: Duration::ZERO,
            wait_healthy: false,
            task_timeout: None,
            unreported_after: Duration::from_secs(30),
            cancel: None,
            checkpoints: Checkpoints::default(),
        }
    }
}

/// How long the checkpoint of a sync is kept, from which it goes on after a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checkpoints {
    /// Until the sync has ended.
    #[default]
    UntilEnd,
    /// Until its end is recorded elsewhere: the time is that of the last end that was. A sync that
    /// ended later, and whose process was killed before it could tell, is not done again when it is
    /// executed again, it is reported: its hooks do not run twice.
    UntilRecorded(Option<Timestamp>),
}

/// Says that something is to end early. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks to end.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A plan could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The cluster does not serve kinds that are declared.
    #[error("the cluster does not serve {}", kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    UnservedKinds {
        /// The kinds.
        kinds: Vec<GroupVersionKind>,
    },
    /// A namespaced object has no namespace, and there is no default.
    #[error("{object} needs a namespace: name one in the manifest or in the destination")]
    MissingNamespace {
        /// The object.
        object: String,
    },
    /// An object has no name.
    #[error("an object of kind {kind} has no metadata.name")]
    MissingName {
        /// The kind.
        kind: String,
    },
    /// A cycle of dependencies.
    #[error("objects depend on each other in a circle: {}", objects.join(" -> "))]
    Cycle {
        /// The objects.
        objects: Vec<String>,
    },
    /// Objects could not be compared.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for PlanError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnservedKinds { .. } => ErrorClass::NotFound,
            Self::Diff(error) => error.class(),
            Self::Other { class, .. } => *class,
            _ => ErrorClass::Invalid,
        }
    }
}

/// A plan could not be executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The payload is missing or is not the one the document was made with.
    #[error("the plan's payload is not the one it was made with; plan again")]
    PayloadMismatch,
    /// The cluster has moved on since the plan was made.
    #[error("the cluster has changed since the plan was made: {}; plan again", changed.join(", "))]
    Outdated {
        /// What changed.
        changed: Vec<String>,
    },
    /// The cluster failed for good.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The caller cancelled.
    #[error("the sync was cancelled")]
    Cancelled,
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for ExecuteError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::PayloadMismatch => ErrorClass::Invalid,
            Self::Outdated { .. } => ErrorClass::Conflict,
            Self::Cluster(error) => error.class(),
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Other { class, .. } => *class,
        }
    }
}
