//! JSON as Go writes it, and the RFCs about it.

mod go;

pub use go::to_go_string;
