//! Objects as Go programs see them.

mod go_types;

pub(crate) use go_types::{GoRef, GoType, go_types};
