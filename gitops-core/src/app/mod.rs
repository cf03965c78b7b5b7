//! `Application` and `AppProject` as `argoproj.io/v1alpha1` writes them. Fields that this software
//! does not know are kept, so that reading and writing loses nothing.

use crate::object::GroupVersionKind;

mod application;
#[cfg(feature = "schema")]
mod crd;
mod permission;
mod project;
mod status;

pub use application::{
    Application, ApplicationDestination, ApplicationSource, ApplicationSpec, Automated, Backoff,
    DirectorySource, HelmFileParameter, HelmParameter, HelmSource, IgnoreDifferences, IgnoreTarget,
    InfoItem, ManagedNamespaceMetadata, Retry, SyncPolicy,
};
#[cfg(feature = "schema")]
pub use crd::{application_crd, json_schema, project_crd};
pub use permission::{
    IN_CLUSTER_NAME, IN_CLUSTER_SERVER, ProjectRules, default_project, normalized_url,
};
pub use project::{AppProject, AppProjectSpec, ProjectDestination, ResourceRule};
pub use status::{
    ApplicationStatus, ComparedTo, Condition, ConditionType, HealthSummary, HistoryEntry,
    OperationPhase, OperationState, ResourceStatus, SyncResourceResult, SyncResult, SyncState,
    SyncSummary,
};

/// API group of Application and AppProject.
pub const GROUP: &str = "argoproj.io";
/// API version of Application and AppProject.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";
/// Finalizer of an Application whose deletion cascades in the foreground.
pub const FINALIZER_FOREGROUND: &str = "resources-finalizer.argocd.argoproj.io";
/// Finalizer of an Application that has PreDelete hooks; also with a suffix behind `/`.
pub const FINALIZER_PRE_DELETE: &str = "pre-delete-finalizer.argocd.argoproj.io";
/// Finalizer of an Application that has PostDelete hooks; also with a suffix behind `/`.
pub const FINALIZER_POST_DELETE: &str = "post-delete-finalizer.argocd.argoproj.io";
/// Annotation with the time at which somebody approved deletions that ask for confirmation.
pub const DELETION_APPROVED: &str = "argocd.argoproj.io/deletion-approved";
/// Finalizer of an Application whose deletion cascades in the background.
pub const FINALIZER_BACKGROUND: &str = "resources-finalizer.argocd.argoproj.io/background";

/// The kind of Application objects.
#[must_use]
pub fn application_kind() -> GroupVersionKind {
    GroupVersionKind::from_api_version(API_VERSION, "Application")
}

/// The kind of AppProject objects.
#[must_use]
pub fn project_kind() -> GroupVersionKind {
    GroupVersionKind::from_api_version(API_VERSION, "AppProject")
}
