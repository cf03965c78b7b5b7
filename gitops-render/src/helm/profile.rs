//! Which Helm to be: the switches in which releases of Helm differ while rendering.

use crate::template::{EngineOptions, ErrorFormat, FunctionSet, MapType};

/// The behaviour of a release of Helm, switch by switch.
///
/// Take a preset and change what you need:
///
/// ```
/// use gitops_render::helm::{NullRules, Profile};
/// let mut profile = Profile::helm_4_3();
/// profile.nulls = NullRules::Kept;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// How rendered files are split into documents.
    pub documents: DocumentSplit,
    /// Whether webhook configurations have a place in the install order; otherwise they are sorted
    /// among the unknown kinds.
    pub webhooks_ordered: bool,
    /// What `.Chart` is.
    pub chart_object: ChartObject,
    /// What a null does to a default.
    pub nulls: NullRules,
    /// Which documents of a values file count.
    pub values_documents: ValuesDocuments,
    /// How errors of templates are worded.
    pub errors: ErrorFormat,
    /// Which functions exist and how some of them behave.
    pub functions: FunctionSet,
    /// Whether `.Files.Lines` of an empty file is an error (it was, in 4.0 to 4.2).
    pub lines_of_empty_file_fail: bool,
    /// Whether `--kube-version` keeps its vendor suffix in `.Capabilities.KubeVersion.Version`.
    pub kube_version_suffix: bool,
    /// Whether `--set-json` takes a whole object.
    pub set_json_objects: bool,
    /// Whether two aliases of a chart share what was read from it, or have copies.
    pub aliases_share_metadata: bool,
    /// Whether an `apiVersion` in Chart.yaml other than `v1` and `v2` is refused.
    pub known_chart_versions_only: bool,
    /// Largest size of one file of a chart in bytes; only the sum is limited where it is `None`.
    pub chart_file_bytes: Option<u64>,
    /// Minor version of the Kubernetes 1.x that charts see where none is given.
    pub kubernetes_minor: u32,
    /// What `.Capabilities.HelmVersion` shows.
    pub helm_version: HelmVersion,
}

/// How rendered files are split into documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DocumentSplit {
    /// Up to 4.1: documents are trimmed at both ends, a separator swallows the white space around it.
    Trimmed,
    /// 4.2.0 to 4.2.3: the same separator, but only the start of a document is trimmed.
    TrimmedStart,
    /// From 4.2.4: a separator is a line's start; only the start of a document is trimmed.
    LineStart,
}

/// What `.Chart` is in templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChartObject {
    /// Helm 3: an object with fields; an unknown field is an error.
    Object,
    /// Helm 4: a map; an unknown key is empty.
    Map,
}

/// What a null does to a default: generations of the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NullRules {
    /// Up to 3.17: a user's null on a key of a subchart is lost.
    Lost,
    /// 3.18 to 3.20.0 and 4.0 to 4.1.2: a user's null inside a table deletes the key.
    Deletes,
    /// 3.20.1 and later 3.x, 4.1.3 to 4.1.4: a null stays where the default is null or missing.
    Kept,
    /// From 4.2: as before, and null defaults are removed.
    DefaultsRemoved,
}

/// Which documents of a values file count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValuesDocuments {
    /// Helm 3: the first.
    First,
    /// Helm 4: all, merged; later ones win.
    All,
}

/// What `.Capabilities.HelmVersion` shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HelmVersion {
    /// `Version`, as in `v4.3`.
    pub version: &'static str,
    /// `GoVersion`.
    pub go_version: &'static str,
    /// `KubeClientVersion`, which Helm 3 does not have.
    pub kube_client_version: Option<&'static str>,
}

impl Profile {
    /// Helm 3.22.
    #[must_use]
    pub const fn helm_3_22() -> Self {
        Self {
            documents: DocumentSplit::Trimmed,
            webhooks_ordered: false,
            chart_object: ChartObject::Object,
            nulls: NullRules::Kept,
            values_documents: ValuesDocuments::First,
            errors: ErrorFormat::OneLine,
            functions: FunctionSet::Helm3,
            lines_of_empty_file_fail: false,
            kube_version_suffix: false,
            set_json_objects: false,
            aliases_share_metadata: true,
            known_chart_versions_only: false,
            chart_file_bytes: Some(5 << 20),
            kubernetes_minor: 37,
            helm_version: HelmVersion {
                version: "v3.22",
                go_version: "go1.26.8",
                kube_client_version: None,
            },
        }
    }

    /// Helm 4.3; the default.
    #[must_use]
    pub const fn helm_4_3() -> Self {
        Self {
            documents: DocumentSplit::LineStart,
            webhooks_ordered: true,
            chart_object: ChartObject::Map,
            nulls: NullRules::DefaultsRemoved,
            values_documents: ValuesDocuments::All,
            errors: ErrorFormat::Traced,
            functions: FunctionSet::Helm4_3,
            lines_of_empty_file_fail: false,
            kube_version_suffix: true,
            set_json_objects: true,
            aliases_share_metadata: false,
            known_chart_versions_only: true,
            chart_file_bytes: None,
            kubernetes_minor: 37,
            helm_version: HelmVersion {
                version: "v4.3",
                go_version: "go1.26.8",
                kube_client_version: Some("v1.37"),
            },
        }
    }

    /// Whether this is a Helm 4.
    #[must_use]
    pub fn is_helm_4(&self) -> bool {
        self.functions > FunctionSet::Helm3
    }

    pub(crate) fn engine_options(&self) -> EngineOptions {
        let mut options = if self.is_helm_4() {
            EngineOptions::helm_4()
        } else {
            EngineOptions::helm_3()
        };
        options.errors = self.errors;
        options.functions = self.functions;
        options
    }

    pub(crate) fn values_type(&self) -> MapType {
        self.engine_options().values_type
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::helm_4_3()
    }
}
