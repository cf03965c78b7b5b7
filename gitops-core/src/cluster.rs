//! A Kubernetes cluster, real or embedded.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    error::{BoxError, Classified, ErrorClass},
    object::{GroupKind, GroupVersionKind, Manifest, ObjectRef, Scope},
    schema::Schemas,
};

/// A Kubernetes cluster: the verbs that the engine needs, with the API server's semantics.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// What the cluster serves at the moment.
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError>;
    /// Schemas of what the cluster serves at the moment.
    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError>;
    /// One object; `None` where it does not exist.
    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError>;
    /// All objects of a scope.
    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError>;
    /// Changes after a resource version; ends with [`ClusterError::Expired`] where that is too old.
    async fn watch(
        &self,
        scope: &ListScope,
        from: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError>;
    /// Server-side apply; returns the object as it is afterwards.
    async fn apply(
        &self,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Manifest, ClusterError>;
    /// Creates an object that must not exist yet; `generateName` is honoured.
    async fn create(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError>;
    /// Replaces an object; a `resourceVersion` in it is a precondition.
    async fn replace(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError>;
    /// Patches an object.
    async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError>;
    /// Deletes an object; returns it where it still exists (finalizers), `None` where it is gone.
    async fn delete(
        &self,
        object: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ClusterError>;
}

/// What a cluster serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Discovery {
    /// Version of the cluster, as in `1.34.4`.
    pub version: String,
    /// Kinds by group, version and kind.
    pub kinds: BTreeMap<GroupVersionKind, ServedKind>,
    /// Preferred version of each group.
    pub preferred: BTreeMap<String, String>,
}

impl Discovery {
    /// A kind at an exact version.
    #[must_use]
    pub fn get(&self, gvk: &GroupVersionKind) -> Option<&ServedKind> {
        self.kinds.get(gvk)
    }

    /// A kind at the version the server prefers.
    #[must_use]
    pub fn preferred(&self, kind: &GroupKind) -> Option<GroupVersionKind> {
        let served = |version: &str| {
            let gvk = GroupVersionKind::new(&kind.group, version, &kind.kind);
            self.kinds.contains_key(&gvk).then_some(gvk)
        };
        self.preferred
            .get(&kind.group)
            .and_then(|version| served(version))
            .or_else(|| {
                self.kinds
                    .keys()
                    .find(|gvk| gvk.group == kind.group && gvk.kind == kind.kind)
                    .cloned()
            })
    }

    /// `apps/v1` and `apps/v1/Deployment` forms of all that is served, sorted.
    #[must_use]
    pub fn api_versions(&self) -> Vec<String> {
        let mut versions: Vec<String> = self
            .kinds
            .keys()
            .flat_map(|gvk| [gvk.api_version(), gvk.to_string()])
            .collect();
        versions.sort();
        versions.dedup();
        versions
    }
}

/// How a kind is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedKind {
    /// Plural name, as in URLs.
    pub plural: String,
    /// Whether its objects live in a namespace.
    pub scope: Scope,
    /// Verbs that are offered.
    pub verbs: Vec<String>,
    /// Sub-resources, as in `status` and `scale`.
    pub subresources: Vec<String>,
    /// Short names, as in `deploy`.
    #[serde(default)]
    pub short_names: Vec<String>,
}

/// Which objects to list or watch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListScope {
    /// Kind and version.
    pub gvk: GroupVersionKind,
    /// One namespace; all where it is `None`.
    pub namespace: Option<String>,
    /// Label selector in the text form of Kubernetes; empty selects all.
    #[serde(default)]
    pub label_selector: String,
    /// Only `apiVersion`, `kind` and `metadata` of each object, without its content: a fraction of
    /// what a kind with large objects costs.
    #[serde(default)]
    pub metadata_only: bool,
}

impl ListScope {
    /// All objects of a kind.
    #[must_use]
    pub fn all(gvk: GroupVersionKind) -> Self {
        Self {
            gvk,
            namespace: None,
            label_selector: String::new(),
            metadata_only: false,
        }
    }

    /// The same objects without their content.
    #[must_use]
    pub fn metadata_only(mut self) -> Self {
        self.metadata_only = true;
        self
    }
}

/// A consistent list.
#[derive(Debug, Clone, Default)]
pub struct ObjectList {
    /// The objects.
    pub items: Vec<Manifest>,
    /// Where a watch that misses nothing starts.
    pub resource_version: String,
}

/// One change.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WatchEvent {
    /// An object was created.
    Added(Manifest),
    /// An object was changed.
    Modified(Manifest),
    /// An object is gone; this is its last state.
    Deleted(Manifest),
    /// Nothing happened up to this resource version.
    Bookmark(String),
}

/// How to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Field manager.
    pub field_manager: String,
    /// Takes over fields that others own.
    pub force: bool,
    /// Validates and merges, but stores nothing.
    pub dry_run: bool,
    /// What to do with unknown or duplicate fields.
    pub field_validation: FieldValidation,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            field_manager: crate::diff::FIELD_MANAGER.to_owned(),
            force: true,
            dry_run: false,
            field_validation: FieldValidation::Strict,
        }
    }
}

/// How to create, replace or patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Field manager.
    pub field_manager: String,
    /// Validates, but stores nothing.
    pub dry_run: bool,
    /// What to do with unknown or duplicate fields.
    pub field_validation: FieldValidation,
    /// A sub-resource such as `status`; the object itself where it is `None`.
    pub subresource: Option<String>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            field_manager: crate::diff::FIELD_MANAGER.to_owned(),
            dry_run: false,
            field_validation: FieldValidation::Strict,
            subresource: None,
        }
    }
}

/// What a server does with unknown or duplicate fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum FieldValidation {
    /// Refuses the object.
    Strict,
    /// Warns and drops them.
    Warn,
    /// Drops them.
    Ignore,
}

/// A change of an object.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(serde_json::Value),
    /// Kubernetes' strategic merge patch.
    Strategic(serde_json::Value),
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What happens to objects that the object owns.
    pub propagation: Propagation,
    /// Only if the object still has this uid.
    pub uid: Option<String>,
    /// Only if the object is still at this resource version.
    pub resource_version: Option<String>,
    /// Checks, but deletes nothing.
    pub dry_run: bool,
}

/// What happens to objects that a deleted object owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum Propagation {
    /// The object goes at once, what it owns later.
    #[default]
    Background,
    /// What it owns goes first.
    Foreground,
    /// What it owns stays.
    Orphan,
}

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldConflict {
    /// Path of the field, as in `.spec.replicas`.
    pub field: String,
    /// Who owns it, in the API server's words.
    pub manager: String,
}

/// A request to a cluster failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The kind is not served.
    #[error(
        "the cluster does not serve {gvk}; it may need a CustomResourceDefinition, or be of another version"
    )]
    UnknownKind {
        /// The kind.
        gvk: GroupVersionKind,
    },
    /// The object, or the namespace it belongs into, does not exist.
    #[error("{object} does not exist: {message}")]
    NotFound {
        /// The object.
        object: String,
        /// The server's words.
        message: String,
    },
    /// The object exists already.
    #[error("{object} exists already")]
    AlreadyExists {
        /// The object.
        object: String,
    },
    /// Somebody else changed the object (optimistic locking, preconditions).
    #[error("{object} was changed by somebody else: {message}")]
    Conflict {
        /// The object.
        object: String,
        /// The server's words.
        message: String,
    },
    /// Fields belong to other managers.
    #[error("{object}: fields are owned by others: {}", conflicts.iter().map(|c| format!("{} ({})", c.field, c.manager)).collect::<Vec<_>>().join(", "))]
    FieldConflicts {
        /// The object.
        object: String,
        /// The fields and their owners.
        conflicts: Vec<FieldConflict>,
    },
    /// The server refuses the object.
    #[error("{object} is refused: {message}")]
    Invalid {
        /// The object.
        object: String,
        /// The server's words.
        message: String,
        /// Whether a field is immutable, so that only recreation helps.
        immutable: bool,
    },
    /// Not allowed.
    #[error("{object}: forbidden: {message}")]
    Forbidden {
        /// The object.
        object: String,
        /// The server's words.
        message: String,
    },
    /// No or wrong credentials.
    #[error("the cluster refuses the credentials: {message}")]
    Unauthenticated {
        /// The server's words.
        message: String,
    },
    /// The resource version is too old; list again.
    #[error("resource version {from} is too old; list again")]
    Expired {
        /// Where the watch was to start.
        from: String,
    },
    /// The server asks to slow down.
    #[error("the cluster asks to slow down: {message}")]
    Throttled {
        /// The server's words.
        message: String,
        /// How long to wait.
        retry_after: Option<Duration>,
    },
    /// The server cannot be reached or is broken.
    #[error("the cluster is not available: {message}")]
    Unavailable {
        /// What is known.
        message: String,
    },
    /// The deadline passed.
    #[error("the cluster did not answer within {after:?}")]
    Timeout {
        /// The time waited.
        after: Duration,
    },
    /// The caller cancelled.
    #[error("the request was cancelled")]
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

impl Classified for ClusterError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownKind { .. } | Self::NotFound { .. } => ErrorClass::NotFound,
            Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::FieldConflicts { .. }
            | Self::Expired { .. } => ErrorClass::Conflict,
            Self::Invalid { .. } => ErrorClass::Invalid,
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            Self::Unauthenticated { .. } => ErrorClass::Unauthenticated,
            Self::Throttled { .. } => ErrorClass::Throttled,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Timeout { .. } => ErrorClass::Timeout,
            Self::Cancelled => ErrorClass::Cancelled,
            Self::Other { class, .. } => *class,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
