//! The `Application` kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{app::ApplicationStatus, object::Manifest};

/// An application: which source is synced to which destination, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// `argoproj.io/v1alpha1`.
    #[serde(default)]
    pub api_version: String,
    /// `Application`.
    #[serde(default)]
    pub kind: String,
    /// Kubernetes object metadata, untyped so that nothing is lost.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// What is wanted.
    #[serde(default)]
    pub spec: ApplicationSpec,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ApplicationStatus>,
    /// A sync that was asked for and has not started yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Value>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Application {
    /// Reads an Application object.
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

    /// `metadata.namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.get("annotations")?.get(key)?.as_str()
    }

    /// Whether deletions that ask for confirmation were approved at `since` or later.
    #[must_use]
    pub fn is_deletion_approved(&self, since: Option<&str>) -> bool {
        let time = |text: &str| text.parse::<crate::clock::Timestamp>().ok();
        match (
            self.annotation(super::DELETION_APPROVED).and_then(time),
            since,
        ) {
            (Some(approved), Some(since)) => time(since).is_some_and(|since| approved >= since),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// `metadata.deletionTimestamp`.
    #[must_use]
    pub fn deletion_timestamp(&self) -> Option<&str> {
        self.metadata.get("deletionTimestamp")?.as_str()
    }

    /// `metadata.finalizers`.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.metadata
            .get("finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// The sources in effect: `sources` if there are any, else `source`.
    #[must_use]
    pub fn sources(&self) -> &[ApplicationSource] {
        if self.spec.sources.is_empty() {
            self.spec.source.as_slice()
        } else {
            &self.spec.sources
        }
    }

    /// The project; `default` where none is named.
    #[must_use]
    pub fn project(&self) -> &str {
        if self.spec.project.is_empty() {
            "default"
        } else {
            &self.spec.project
        }
    }
}

/// What an Application wants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// Name of the AppProject; empty means `default`.
    #[serde(default)]
    pub project: String,
    /// The one source. Ignored where `sources` has entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ApplicationSource>,
    /// Several sources, rendered one by one; of equal objects the last wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<ApplicationSource>,
    /// Cluster and default namespace.
    #[serde(default)]
    pub destination: ApplicationDestination,
    /// When and how to sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_policy: Option<SyncPolicy>,
    /// Differences that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_differences: Vec<IgnoreDifferences>,
    /// Facts for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info: Vec<InfoItem>,
    /// How many syncs `status.history` keeps; 10 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<i64>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One source of manifests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSource {
    /// URL of the Git or chart repository.
    #[serde(rename = "repoURL", default)]
    pub repo_url: String,
    /// Directory in the Git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Branch, tag, commit, version or version range; empty means `HEAD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_revision: Option<String>,
    /// Name of the chart in a chart repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Name by which other sources refer to this tree (`$name/values.yaml`).
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Display name of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Options for a Helm chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmSource>,
    /// Options for a directory of plain manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectorySource>,
    /// Options for Kustomize, kept as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Value>,
    /// Options for a config management plugin, kept as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Options for a Helm chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HelmSource {
    /// Values files, later ones win: relative to the chart, to the root with a leading `/`, or `$ref/…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_files: Vec<String>,
    /// Values as YAML text; wins over `valueFiles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// Values as an object; used instead of `values` where both are set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_object: Option<Map<String, Value>>,
    /// `--set` and `--set-string`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<HelmParameter>,
    /// `--set-file`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_parameters: Vec<HelmFileParameter>,
    /// Release name; the Application's name where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// Release namespace; the destination's where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Kubernetes version that the chart sees; the cluster's where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// API versions that the chart sees; the cluster's where the list is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// Values files that do not exist are left out instead of being an error.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ignore_missing_value_files: bool,
    /// Leaves out the chart's `crds/`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_crds: bool,
    /// Leaves out test hooks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_tests: bool,
    /// Does not check values against `values.schema.json`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub skip_schema_validation: bool,
    /// Sends credentials to all hosts a chart repository names.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pass_credentials: bool,
    /// Historic; has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One `--set`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HelmParameter {
    /// Path of the value, as in `image.tag` or `args[0]`.
    #[serde(default)]
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// `--set-string` instead of `--set`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub force_string: bool,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// One `--set-file`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HelmFileParameter {
    /// Path of the value.
    #[serde(default)]
    pub name: String,
    /// Path of the file; same rules as `valueFiles`.
    #[serde(default)]
    pub path: String,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Options for a directory of plain manifests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DirectorySource {
    /// Reads sub-directories too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recurse: bool,
    /// Glob of the files to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Glob of the files to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
    /// Options for Jsonnet, kept as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jsonnet: Option<Value>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Cluster and default namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplicationDestination {
    /// URL of the API server; `https://kubernetes.default.svc` is the cluster itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Name of the cluster, instead of `server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespace of objects that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// When and how to sync.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Sync without being asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automated>,
    /// Options as `Name=value` texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sync_options: Vec<String>,
    /// How a failed sync is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Metadata of the namespace that `CreateNamespace=true` makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<ManagedNamespaceMetadata>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl SyncPolicy {
    /// The value of an option such as `CreateNamespace`; the last one wins.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.sync_options.iter().rev().find_map(|option| {
            let (key, value) = option.trim().split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// Sync without being asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Automated {
    /// `false` switches automation off; on where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Deletes objects that are no longer declared.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prune: bool,
    /// Reverts changes made in the cluster.
    #[serde(default, skip_serializing_if = "is_false")]
    pub self_heal: bool,
    /// Allows a sync that deletes everything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_empty: bool,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Automated {
    /// Whether automation is on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }
}

/// How a failed sync is tried again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many times; negative means without end. 5 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The waits between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Resolves the revision anew before each try.
    #[serde(default, skip_serializing_if = "is_false")]
    pub refresh: bool,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// The waits between tries: `duration · factor^n`, at most `maxDuration`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// First wait, as in `5s`; a bare number is seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// Growth; 2 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<i64>,
    /// Longest wait; `3m` where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Metadata of the namespace that `CreateNamespace=true` makes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ManagedNamespaceMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Differences that do not count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IgnoreDifferences {
    /// Glob of the API group; the core group where it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Glob of the kind.
    #[serde(default)]
    pub kind: String,
    /// Name; any where it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace; any where it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// JSON pointers of the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// jq path expressions of the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
    /// Field managers whose fields are theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_fields_managers: Vec<String>,
    /// Selector of labels, as text: `app=web,tier in (front,back)`; any where it is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    /// JSON pointers of the fields, as Flux spells them; the empty pointer is the whole object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The objects, as Flux spells them; all where neither this nor a kind is stated beside `paths`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<IgnoreTarget>,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Objects as Flux selects them. What is missing selects any.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IgnoreTarget {
    /// Regular expression of the whole API group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Regular expression of the whole API version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Regular expression of the whole kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Regular expression of the whole name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Regular expression of the whole namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Selector of labels, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    /// Selector of annotations, as text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub annotation_selector: String,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// A fact for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InfoItem {
    /// Name.
    #[serde(default)]
    pub name: String,
    /// Value.
    #[serde(default)]
    pub value: String,
    /// Fields that this software does not know.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}
