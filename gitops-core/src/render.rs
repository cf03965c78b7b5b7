//! From files to manifests: a [`Renderer`] prepares a tree once, a [`Prepared`] renders it many times.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    app::ApplicationSource,
    clock::Timestamp,
    cluster::Discovery,
    error::{BoxError, Classified, ErrorClass},
    object::{Manifest, ObjectId},
    source::{ContentId, FileTree, SourceError, TreeError},
};

/// The files a render may read.
#[derive(Clone)]
pub struct Trees {
    /// The tree of the source itself, whole: values files may be given from its root.
    pub root: Arc<dyn FileTree>,
    /// The directory of the application in it; `""` is the root.
    pub path: String,
    /// Trees of other sources by their `ref` name, for `$name/values.yaml`.
    pub named: BTreeMap<String, Arc<dyn FileTree>>,
}

impl Trees {
    /// A tree with no named trees beside it.
    pub fn new(root: Arc<dyn FileTree>, path: impl Into<String>) -> Self {
        Self {
            root,
            path: path.into(),
            named: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Trees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trees")
            .field("path", &self.path)
            .field("named", &self.named.keys())
            .finish_non_exhaustive()
    }
}

/// Turns files into manifests.
pub trait Renderer: Send + Sync {
    /// Whether this renderer is the one for the source: by its explicit options, else by its files.
    fn detects(&self, trees: &Trees, source: &ApplicationSource) -> Result<bool, RenderError>;
    /// Reads and compiles what does not depend on the input of a single render.
    fn prepare(
        &self,
        trees: &Trees,
        source: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError>;
}

/// A source that was read and compiled; renders are pure and may run in parallel.
pub trait Prepared: Send + Sync {
    /// Renders, or says what it needs first.
    fn render(&self, input: &RenderInput) -> Result<RenderOutcome, RenderError>;
}

/// Completes a tree with what it depends on but does not contain (charts of a chart repository).
/// The one step around rendering that does IO.
#[async_trait]
pub trait Dependencies: Send + Sync {
    /// Returns the trees with all dependencies in place; the same trees where nothing is missing.
    async fn complete(
        &self,
        trees: Trees,
        source: &ApplicationSource,
    ) -> Result<Trees, SourceError>;
}

/// Changes rendered manifests before they are compared: pure stages in a stated order.
pub trait Transformer: Send + Sync {
    /// One manifest in; none, one or several out.
    fn transform(
        &self,
        manifest: Manifest,
        context: &TransformContext<'_>,
    ) -> Result<Transformed, RenderError>;
}

/// What a [`Transformer`] made of a manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transformed {
    /// The manifests that take its place.
    pub manifests: Vec<Manifest>,
    /// What somebody should know: how the object was written anew, or that it was left out.
    pub rewrites: Vec<Rewrite>,
}

impl From<Manifest> for Transformed {
    fn from(manifest: Manifest) -> Self {
        Self {
            manifests: vec![manifest],
            rewrites: Vec::new(),
        }
    }
}

/// How a [`Transformer`] wrote an object anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// The object as it is declared.
    pub object: ObjectId,
    /// The `apiVersion` that it is declared in.
    pub from: String,
    /// The `apiVersion` that it is written in; `None` where the object is left out.
    pub to: Option<String>,
    /// What is written otherwise than declared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What the new form cannot say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            from,
            to,
            changes,
            losses,
        } = self;
        match to {
            None => write!(f, "{object} of {from} is left out")?,
            Some(to) if to == from => write!(f, "{object} of {from} is changed")?,
            Some(to) => write!(f, "{object} of {from} is written as {to}")?,
        }
        let mut separator = ": ";
        for change in changes {
            write!(f, "{separator}{change}")?;
            separator = ", ";
        }
        if !losses.is_empty() {
            if changes.is_empty() && to.is_none() {
                return write!(f, ": {}", losses.join(", "));
            }
            write!(f, "; lost: {}", losses.join(", "))?;
        }
        Ok(())
    }
}

/// What a [`Transformer`] knows besides the manifest.
#[derive(Debug, Clone, Copy)]
pub struct TransformContext<'a> {
    /// Name of the application.
    pub application: &'a str,
    /// Default namespace.
    pub namespace: &'a str,
    /// Version of the cluster.
    pub kube_version: &'a str,
    /// What the cluster serves; empty where there is no cluster to ask.
    pub served: &'a Discovery,
}

/// Everything besides the files that a render depends on.
#[derive(Debug, Clone)]
pub struct RenderInput {
    /// Name of the application; also the release name unless the source names one.
    pub application: String,
    /// Namespace of the release unless the source names one.
    pub namespace: String,
    /// Options of the source.
    pub source: ApplicationSource,
    /// Version of the cluster, as in `1.34.0`.
    pub kube_version: String,
    /// What the cluster serves, in both forms `apps/v1` and `apps/v1/Deployment`; empty means the
    /// profile's own list.
    pub api_versions: Vec<String>,
    /// Variables for values files and parameters (`ARGOCD_APP_NAME`, …).
    pub build_environment: BTreeMap<String, String>,
    /// Where random values come from.
    pub randomness: Randomness,
    /// What templates see as the current time.
    pub now: Timestamp,
    /// Answers to earlier [`RenderOutcome::Needs`].
    pub answers: BTreeMap<Lookup, Vec<Manifest>>,
    /// Asks for `lookup`s that have no answer; otherwise they find nothing.
    pub lookups: bool,
}

/// Where random values come from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Randomness {
    /// From the operating system.
    #[default]
    Real,
    /// From a seed: the same seed gives the same values.
    Seeded(u64),
    /// A template that asks for randomness is an error.
    Forbidden,
    /// Results of earlier renders by call site are used again; new ones come from the operating
    /// system and are handed back in [`Rendered::remembered`].
    Remembered(Arc<RememberedValues>),
}

/// Results of random functions by call site. Secrets: never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RememberedValues(pub BTreeMap<String, String>);

impl fmt::Debug for RememberedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RememberedValues({} values)", self.0.len())
    }
}

/// A `lookup` of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lookup {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Namespace; empty for all or cluster scope.
    pub namespace: String,
    /// Name; empty for a list.
    pub name: String,
}

/// The result of a render, or what is missing for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RenderOutcome {
    /// Done.
    Rendered(Rendered),
    /// These lookups must be answered first; then render again.
    Needs(Vec<Lookup>),
}

/// Manifests, and everything they depended on.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects in the order in which they were rendered; hooks are among them, with their annotations.
    pub manifests: Vec<Manifest>,
    /// What kind of source it was: `Helm` or `Directory`.
    pub source_type: &'static str,
    /// Files and listings that were read, with content ids; `None` for those that were missing.
    pub inputs_read: BTreeMap<String, Option<ContentId>>,
    /// What somebody should know: output that is not deterministic, deprecated charts, …
    pub warnings: Vec<String>,
    /// Random values made or used again, by call site.
    pub remembered: RememberedValues,
}

/// Files could not be turned into manifests.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The directory of the application does not exist in the tree.
    #[error("the path `{path}` does not exist in the repository; name a directory of it")]
    MissingPath {
        /// The path.
        path: String,
    },
    /// The source's options contradict each other or cannot be used.
    #[error("the source cannot be used: {reason}")]
    InvalidSource {
        /// Why.
        reason: String,
    },
    /// A chart cannot be loaded.
    #[error("the chart at `{path}` cannot be loaded: {reason}")]
    InvalidChart {
        /// The chart's directory.
        path: String,
        /// Why.
        reason: String,
    },
    /// Dependencies that a chart declares are not there.
    #[error("dependencies of the chart at `{path}` are missing: {}", missing.join(", "))]
    MissingDependencies {
        /// The chart's directory.
        path: String,
        /// Names of the missing charts.
        missing: Vec<String>,
    },
    /// A template is wrong or failed; the text is Helm's.
    #[error("{message}")]
    Template {
        /// Helm's text, with file, line and column.
        message: String,
    },
    /// Values are wrong, or do not fit the chart's schema; the text is Helm's.
    #[error("{message}")]
    Values {
        /// Helm's text.
        message: String,
    },
    /// A manifest cannot be read.
    #[error("`{path}` is not a valid manifest: {reason}")]
    InvalidManifest {
        /// The file, or the template that made it.
        path: String,
        /// Why, with line and column where they are known.
        reason: String,
    },
    /// A limit was exceeded.
    #[error("rendering exceeds the limit {limit} of {allowed}{}", at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default())]
    LimitExceeded {
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
        /// Where, as far as it is known.
        at: Option<String>,
    },
    /// A template asked for something that the caller forbade.
    #[error("{at} asks for {what}, which is forbidden for this render")]
    Forbidden {
        /// Randomness, time or network.
        what: &'static str,
        /// The template.
        at: String,
    },
    /// The kind of source is known but not offered.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: String,
    },
    /// A file could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for RenderError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::MissingPath { .. } | Self::MissingDependencies { .. } => ErrorClass::NotFound,
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            Self::Unsupported { .. } => ErrorClass::Unsupported,
            Self::Tree(error) => error.class(),
            Self::Other { class, .. } => *class,
            _ => ErrorClass::Invalid,
        }
    }
}
