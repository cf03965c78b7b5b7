//! Object databases: [`Objects`] reads one from any thread, [`LocalRepository`] is somebody's
//! repository on this machine, [`Store`] is this crate's own copy of a remote one.

mod collect;
mod local;
mod mirror;
mod objects;

pub(crate) use collect::Budget;
pub(crate) use local::LocalRepository;
pub(crate) use mirror::{PackSink, Store};
pub(crate) use objects::{Kind, Objects};
