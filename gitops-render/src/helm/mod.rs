//! Helm charts: what `helm template` does, as a library.
//!
//! A [`Chart`] is loaded from a file tree or an archive ([`chart`]); [`Values`] come from files and
//! flags; a [`Profile`] says which Helm to be; [`Helm`] brings them together for a [`Release`] and
//! gives an [`Output`]: manifests and hooks, parsed, with the text that Helm prints. [`template`] is
//! the whole command with its flags and errors. [`HelmRenderer`] renders the Helm sources of an
//! Application as Argo CD does.
//!
//! Nothing here reads the environment, files or the network: trees, clock and randomness are passed
//! in.

mod application;
mod cache;
mod capabilities;
pub mod chart;
mod command;
mod dependencies;
mod error;
mod manifest;
mod objects;
mod post_render;
pub mod profile;
mod release;
mod render;
#[cfg(feature = "schema")]
mod schema;
mod sort;
mod split;
mod values;

pub use application::HelmRenderer;
pub use capabilities::{Capabilities, DEFAULT_API_VERSIONS, KubeVersion};
pub(crate) use chart::read_archive;
pub use chart::{
    ArchiveLimits, Chart, ChartFile, Dependency, LoadOptions, Lock, Maintainer, Metadata,
};
pub use command::{
    ChartSource, CommandOutput, OutputFile, PrintOptions, TemplateOptions, WriteMode, template,
    try_template,
};
#[cfg(feature = "repositories")]
pub(crate) use dependencies::is_in_range;
pub use error::HelmError;
pub use manifest::{Document, Hook, HookEvent};
pub use post_render::PostRenderer;
pub use profile::{NullRules, Profile};
pub use release::Release;
pub use render::{CrdFile, Helm, Output, PreparedChart, RenderOptions};
pub use values::{ReadFile, SetError, SetKind, ValueOptions, Values};
