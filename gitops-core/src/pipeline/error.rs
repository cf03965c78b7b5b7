//! Why an application could not be reconciled.

use crate::{
    app::{Condition, ConditionType},
    apply::{ExecuteError, PlanError},
    cluster::ClusterError,
    error::{Classified, ErrorClass},
    render::RenderError,
    source::SourceError,
    state::StateError,
};

/// Why an application could not be reconciled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The Application cannot be used as it is written.
    #[error("{reason}")]
    InvalidSpec {
        /// What is wrong.
        reason: String,
    },
    /// Objects of the application are not permitted by its project; nothing was applied.
    #[error("one or more objects are not permitted, nothing was applied: {}", refusals.join("; "))]
    NotPermitted {
        /// The refusals, each naming object and rule.
        refusals: Vec<String>,
    },
    /// Objects are deleted only after somebody has approved it.
    #[error("the deletion of {} waits for approval: set the annotation {} of the Application to the present time", objects.join(", "), crate::app::DELETION_APPROVED)]
    AwaitsApproval {
        /// The objects.
        objects: Vec<String>,
    },
    /// Objects could not be deleted.
    #[error("not everything could be deleted: {reason}")]
    Deletion {
        /// What is left, and why.
        reason: String,
    },
    /// A repository could not be read.
    #[error("{0}")]
    Source(#[from] SourceError),
    /// Files could not be turned into manifests.
    #[error("{0}")]
    Render(#[from] RenderError),
    /// Desired and live state could not be compared.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The plan could not be executed.
    #[error("{0}")]
    Execute(#[from] ExecuteError),
    /// The cluster failed.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// State of the engine could not be read or written.
    #[error("{0}")]
    State(#[from] StateError),
}

impl PipelineError {
    /// The condition that says so on an Application.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let condition = match self {
            Self::InvalidSpec { .. } => ConditionType::InvalidSpecError,
            Self::NotPermitted { .. } | Self::Execute(_) => ConditionType::SyncError,
            Self::State(_) => ConditionType::UnknownError,
            Self::AwaitsApproval { .. } | Self::Deletion { .. } => ConditionType::DeletionError,
            _ => ConditionType::ComparisonError,
        };
        Condition {
            condition,
            message: self.to_string(),
            last_transition_time: None,
        }
    }
}

impl Classified for PipelineError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidSpec { .. } => ErrorClass::Invalid,
            Self::NotPermitted { .. } | Self::AwaitsApproval { .. } => ErrorClass::Forbidden,
            Self::Deletion { .. } => ErrorClass::Unavailable,
            Self::Source(error) => error.class(),
            Self::Render(error) => error.class(),
            Self::Plan(error) => error.class(),
            Self::Execute(error) => error.class(),
            Self::Cluster(error) => error.class(),
            Self::State(error) => error.class(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Source(error) => error.retry_after(),
            Self::Cluster(error) => error.retry_after(),
            _ => None,
        }
    }
}
