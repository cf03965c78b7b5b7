//! The API server's refusals as [`ClusterError`]s.

use std::time::Duration;

use gitops_core::{
    ErrorClass,
    cluster::{ClusterError, FieldConflict},
};
use kube::core::Status;

use super::request::Call;
use crate::refusal;

/// A kubeconfig or an in-cluster configuration cannot be used.
pub(super) fn config(error: impl std::error::Error + Send + Sync + 'static) -> ClusterError {
    ClusterError::Other {
        class: ErrorClass::Invalid,
        source: Box::new(error),
    }
}

/// A request failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ClusterError,
    /// No connection could be made: the server never saw the request.
    pub(super) unsent: bool,
}

impl From<ClusterError> for Failed {
    fn from(error: ClusterError) -> Self {
        Self {
            error,
            unsent: false,
        }
    }
}

/// What became of a request.
pub(super) fn of(error: kube::Error, call: &Call) -> Failed {
    let unsent = match &error {
        kube::Error::Service(error) => error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect),
        _ => false,
    };
    Failed {
        error: cluster_error(error, call),
        unsent,
    }
}

fn cluster_error(error: kube::Error, call: &Call) -> ClusterError {
    match error {
        kube::Error::Api(status) => of_status(&status, None, call),
        kube::Error::Auth(error) => ClusterError::Unauthenticated {
            message: error.to_string(),
        },
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
            ClusterError::Unavailable {
                message: chain(&error),
            }
        }
        error => ClusterError::Other {
            class: ErrorClass::Internal,
            source: Box::new(error),
        },
    }
}

/// What the server says.
pub(super) fn of_status(status: &Status, wait: Option<Duration>, call: &Call) -> ClusterError {
    let object = call.object.clone();
    let message = status.message.clone();
    let details = status.details.as_ref();
    let retry_after = details
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()))
        .or(wait);
    match (status.code, status.reason.as_str()) {
        (404, _) if details.is_none_or(|details| details.name.is_empty()) => {
            ClusterError::UnknownKind {
                gvk: call.gvk.clone(),
            }
        }
        (404, _) => ClusterError::NotFound { object, message },
        (_, "AlreadyExists") => ClusterError::AlreadyExists { object },
        (409, _) => {
            let conflicts: Vec<FieldConflict> = details
                .iter()
                .flat_map(|details| &details.causes)
                .filter(|cause| cause.reason == "FieldManagerConflict")
                .map(|cause| FieldConflict {
                    field: cause.field.clone(),
                    manager: cause.message.clone(),
                })
                .collect();
            if conflicts.is_empty() {
                ClusterError::Conflict { object, message }
            } else {
                ClusterError::FieldConflicts { object, conflicts }
            }
        }
        (410, _) | (_, "Expired") => ClusterError::Expired { from: object },
        (422 | 400, _) => {
            let mut causes = details.iter().flat_map(|details| &details.causes);
            let immutable = causes.any(|cause| refusal::is_immutable(&cause.message));
            ClusterError::Invalid {
                object,
                message,
                immutable,
            }
        }
        (401, _) => ClusterError::Unauthenticated { message },
        (403, _) => ClusterError::Forbidden { object, message },
        (429, _) => ClusterError::Throttled {
            message,
            retry_after,
        },
        (408 | 504, _) => ClusterError::Unavailable { message },
        (500, "") if refusal::is_about_the_object(&message) => ClusterError::Invalid {
            object,
            message,
            immutable: false,
        },
        (500.., _) => ClusterError::Unavailable { message },
        _ => ClusterError::Invalid {
            object,
            message,
            immutable: false,
        },
    }
}

/// An error with its causes: the last one usually says what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
