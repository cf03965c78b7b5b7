//! Tests against answers of the real tools.

#![allow(clippy::print_stdout, reason = "scores are printed")]

mod corpus;
mod corpus_quantity;
mod corpus_rfc;
mod corpus_yaml;
