//! The API server's refusals as [`ClusterError`]s.

use std::time::Duration;

use gitops_core::{
    ErrorClass,
    cluster::{ClusterError, FieldConflict},
};
use kube::core::Status;

use super::request::Call;

/// A kubeconfig or an in-cluster configuration cannot be used.
pub(super) fn config(error: impl std::error::Error + Send + Sync + 'static) -> ClusterError {
    ClusterError::Other {
        class: ErrorClass::Invalid,
        source: Box::new(error),
    }
}

/// What became of a request.
pub(super) fn of(error: kube::Error, call: &Call) -> ClusterError {
    match error {
        kube::Error::Api(status) => of_status(&status, call),
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
pub(super) fn of_status(status: &Status, call: &Call) -> ClusterError {
    let object = call.object.clone();
    let message = status.message.clone();
    let details = status.details.as_ref();
    let retry_after = details
        .map(|details| details.retry_after_seconds)
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()));
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
            let immutable = message.contains("immutable")
                || message.contains("may not be changed")
                || message.contains("updates to statefulset spec for fields other than");
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
