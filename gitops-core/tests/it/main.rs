//! Tests against answers of the real tools.

#![allow(clippy::print_stdout, reason = "scores are printed")]

mod corpus;
mod corpus_quantity;
mod corpus_rfc;
mod corpus_yaml;
#[path = "../../fuzz/checks.rs"]
mod fuzz_checks;
mod fuzz_replay;
mod yaml_limits;
mod yaml_properties;
