//! Charts: from files to a [`Chart`] with its subcharts.

pub(crate) mod archive;
pub(crate) mod decode;
mod ignore;
mod load;
mod metadata;

use std::sync::Arc;

use bytes::Bytes;
use gitops_core::source::FileTree;
use serde_json::{Map, Value};

pub use archive::ArchiveLimits;
pub(crate) use archive::read_archive;
pub use load::LoadOptions;
pub(crate) use metadata::parse_yaml;
pub use metadata::{Dependency, Lock, Maintainer, Metadata};

use crate::helm::{HelmError, Profile};

/// A chart as its files describe it: nothing here depends on a release or on values of a user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chart {
    /// Chart.yaml.
    pub metadata: Metadata,
    /// Chart.lock or requirements.lock.
    pub lock: Option<Lock>,
    /// values.yaml; all its numbers are floats.
    pub values: Map<String, Value>,
    /// values.schema.json.
    pub schema: Option<Bytes>,
    /// `templates/**`, by path below the chart.
    pub templates: Vec<ChartFile>,
    /// Everything else, as templates see it in `.Files`.
    pub files: Arc<[ChartFile]>,
    /// The charts in `charts/`, in order of their file names.
    pub subcharts: Vec<Arc<Self>>,
    /// What Helm would log while loading.
    pub warnings: Vec<String>,
}

/// A file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChartFile {
    /// Path below the chart's directory.
    pub name: String,
    /// Content without a byte order mark.
    pub data: Bytes,
}

impl ChartFile {
    /// A file; a byte order mark at its start is dropped.
    pub fn new(name: impl Into<String>, data: Bytes) -> Self {
        let data = if data.starts_with(b"\xef\xbb\xbf") {
            data.slice(3..)
        } else {
            data
        };
        Self {
            name: name.into(),
            data,
        }
    }
}

impl Chart {
    /// Loads the chart at the root of a tree, as Helm 4.3 would.
    pub fn load(tree: &dyn FileTree) -> Result<Self, HelmError> {
        Self::load_with(tree, &Profile::default(), &LoadOptions::default())
    }

    /// Loads the chart at the root of a tree.
    pub fn load_with(
        tree: &dyn FileTree,
        profile: &Profile,
        options: &LoadOptions,
    ) -> Result<Self, HelmError> {
        load::from_tree(tree, profile, options)
    }

    /// Loads a packed chart (`.tgz`).
    pub fn load_archive(
        archive: &[u8],
        profile: &Profile,
        options: &LoadOptions,
    ) -> Result<Self, HelmError> {
        load::from_archive(archive, profile, options)
    }

    /// Name of the chart.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether it is a library: it has named templates and gives no manifests.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.metadata.chart_type.eq_ignore_ascii_case("library")
    }

    /// Files below `crds/` that hold manifests.
    pub fn crds(&self) -> impl Iterator<Item = &ChartFile> {
        self.files.iter().filter(|file| {
            let extension = file.name.rsplit_once('.').map_or("", |(_, e)| e);
            file.name.starts_with("crds/")
                && !extension.contains('/')
                && ["yaml", "yml", "json"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
        })
    }

    /// Names of the dependencies of Chart.yaml that are not in `charts/`.
    #[must_use]
    pub fn missing_dependencies(&self) -> Vec<String> {
        self.metadata
            .dependencies
            .iter()
            .flatten()
            .filter(|dependency| {
                !self
                    .subcharts
                    .iter()
                    .any(|subchart| subchart.name() == dependency.name)
            })
            .map(|dependency| dependency.name.clone())
            .collect()
    }
}
