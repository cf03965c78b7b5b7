//! Tests of the whole crate.

mod corpus;
mod corpus_diff;
mod corpus_jsonpatch;
mod fuzz;
mod laws;
mod server_side_apply;
