//! What can go wrong between a chart's files and its manifests, in Helm's words.

use gitops_core::{Classified, ErrorClass, render::RenderError, source::TreeError};

/// A chart could not be rendered. The message is what Helm prints after `Error: `.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelmError {
    /// The files are not a chart, or its metadata is invalid.
    #[error("{message}")]
    Chart {
        /// Helm's text.
        message: String,
    },
    /// A value given by the user cannot be read.
    #[error("{message}")]
    Values {
        /// Helm's text.
        message: String,
    },
    /// The values do not fit a chart's `values.schema.json`.
    #[error("{message}")]
    Schema {
        /// Helm's text.
        message: String,
    },
    /// Charts named by Chart.yaml are not in `charts/`.
    #[error("{message}")]
    MissingDependencies {
        /// Helm's text.
        message: String,
        /// Names of the missing charts.
        missing: Vec<String>,
    },
    /// The request itself is wrong: name of the release, Kubernetes version, template asked for.
    #[error("{message}")]
    Request {
        /// Helm's text.
        message: String,
    },
    /// The chart is not made for this version of Kubernetes.
    #[error("{message}")]
    Incompatible {
        /// Helm's text.
        message: String,
    },
    /// A post-renderer failed.
    #[error("error while running post render on files: {message}")]
    PostRender {
        /// What it said.
        message: String,
    },
    /// A template cannot be parsed or failed.
    #[error("{message}")]
    Template {
        /// Helm's text.
        message: String,
    },
    /// What a template gave is not YAML.
    #[error("{message}")]
    Manifest {
        /// Path of the template.
        template: String,
        /// Helm's text.
        message: String,
    },
    /// A template asked for what the caller forbade.
    #[error("{at} asks for {what}, which is forbidden for this render")]
    Forbidden {
        /// Randomness, time or network.
        what: &'static str,
        /// The template.
        at: String,
    },
    /// A limit was exceeded.
    #[error("{what} exceeds the limit {limit} of {allowed}")]
    LimitExceeded {
        /// What is too large.
        what: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// A file could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl HelmError {
    pub(crate) fn chart(message: impl Into<String>) -> Self {
        Self::Chart {
            message: message.into(),
        }
    }

    pub(crate) fn values(message: impl Into<String>) -> Self {
        Self::Values {
            message: message.into(),
        }
    }

    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::Request {
            message: message.into(),
        }
    }

    /// Puts what was being done before Helm's text.
    pub(crate) fn within(self, context: impl std::fmt::Display) -> Self {
        match self {
            Self::Chart { message } => Self::Chart {
                message: format!("{context}: {message}"),
            },
            Self::Values { message } => Self::Values {
                message: format!("{context}: {message}"),
            },
            other => other,
        }
    }

    /// Whether Helm had begun to make a release when this happened; it then adds a hint to the
    /// message on the command line.
    #[must_use]
    pub fn has_partial_release(&self) -> bool {
        matches!(
            self,
            Self::Incompatible { .. }
                | Self::Template { .. }
                | Self::Manifest { .. }
                | Self::PostRender { .. }
                | Self::Forbidden { .. }
                | Self::LimitExceeded { .. }
        )
    }

    /// The error for the pipeline, with the chart it is about.
    #[must_use]
    pub fn into_render_error(self, chart: &str) -> RenderError {
        match self {
            Self::Chart { message } => RenderError::InvalidChart {
                path: chart.to_owned(),
                reason: message,
            },
            Self::Values { message } | Self::Schema { message } => RenderError::Values { message },
            Self::MissingDependencies { missing, .. } => RenderError::MissingDependencies {
                path: chart.to_owned(),
                missing,
            },
            Self::Request { message } => RenderError::InvalidSource { reason: message },
            Self::Incompatible { message }
            | Self::Template { message }
            | Self::PostRender { message } => RenderError::Template { message },
            Self::Manifest { template, message } => RenderError::InvalidManifest {
                path: template,
                reason: message,
            },
            Self::Forbidden { what, at } => RenderError::Forbidden { what, at },
            Self::LimitExceeded {
                what,
                limit,
                allowed,
            } => RenderError::LimitExceeded {
                limit,
                allowed,
                at: Some(what),
            },
            Self::Tree(error) => RenderError::Tree(error),
        }
    }
}

impl Classified for HelmError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::MissingDependencies { .. } => ErrorClass::NotFound,
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            Self::Tree(error) => error.class(),
            _ => ErrorClass::Invalid,
        }
    }
}
