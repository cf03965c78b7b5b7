//! Renders Helm charts byte for byte, and plain directories, without Helm.

pub mod funcs;
pub mod template;
