//! Tests of the whole crate.

mod server_side_apply;
