//! One module a sub-command.

pub mod bootstrap;
pub mod demo;
pub mod diff;
pub mod export;
pub mod get;
pub mod plan;
pub mod run;
pub mod sync;
pub mod template;
