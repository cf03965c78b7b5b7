//! Renders Helm charts byte for byte, and plain directories, without Helm.

pub mod directory;
pub mod funcs;
pub mod helm;
mod manifests;
mod pattern;
mod recording;
#[cfg(feature = "repositories")]
pub mod repositories;
mod source_options;
pub mod template;
pub mod transform;
pub mod tree;

pub use directory::DirectoryRenderer;
pub use helm::HelmRenderer;
