//! Tests of the whole crate.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

mod corpus;
mod corpus_diff;
mod corpus_jsonpatch;
mod fuzz;
mod laws;
mod prediction;
mod server_answers;
mod server_side_apply;
