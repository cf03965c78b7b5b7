//! The `AppProject` kind: what the applications of a project may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::object::Manifest;

/// A project: which sources, destinations and kinds its applications may use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppProject {
    /// `argoproj.io/v1alpha1`.
    #[serde(default)]
    pub api_version: String,
    /// `AppProject`.
    #[serde(default)]
    pub kind: String,
    /// Kubernetes object metadata, untyped so that nothing is lost.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// The rules.
    #[serde(default)]
    pub spec: AppProjectSpec,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl AppProject {
    /// Reads an AppProject object.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self, serde_json::Error> {
        serde_json::from_value(manifest.to_value())
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The rules of a project.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppProjectSpec {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Globs of repository URLs; `!` in front denies.
    #[serde(default)]
    pub source_repos: Vec<String>,
    /// Clusters and namespaces.
    #[serde(default)]
    pub destinations: Vec<ProjectDestination>,
    /// Cluster-scoped kinds that are allowed; none where it is missing or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_whitelist: Vec<ResourceRule>,
    /// Cluster-scoped kinds that are forbidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_resource_blacklist: Vec<ResourceRule>,
    /// Namespaced kinds that are allowed; all where it is missing, none where it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_resource_whitelist: Option<Vec<ResourceRule>>,
    /// Namespaced kinds that are forbidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespace_resource_blacklist: Vec<ResourceRule>,
    /// Namespaces, besides the controller's own, that may hold Applications of this project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_namespaces: Vec<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A cluster and a namespace, as globs; `!` in front denies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProjectDestination {
    /// URL of the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Name of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A kind as globs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceRule {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Name; any where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}
