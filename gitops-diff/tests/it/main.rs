//! Tests of the whole crate.

mod corpus;
mod corpus_diff;
mod corpus_jsonpatch;
mod server_side_apply;
