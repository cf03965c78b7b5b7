//! JSON as Go writes it, places in JSON (RFC 6901) and merge patches (RFC 7386).

mod go;
mod merge;
mod pointer;

pub(crate) use go::map_to_go_string;
pub use go::to_go_string;
pub use merge::{merge_diff, merge_patch};
pub use pointer::{Pointer, PointerError};
