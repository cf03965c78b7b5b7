//! Tests of the public interface, and of the golden data of the corpus.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::ptr_arg,
    reason = "tests read the environment, print scores and fail where a value is missing"
)]

mod application;
mod corpus;
mod corpus_cases;
mod corpus_expressions;
#[cfg(feature = "repositories")]
mod corpus_seed;
mod differential;
mod functions;
mod go_values;
mod replay_charts;
mod replay_templates;
#[cfg(feature = "repositories")]
mod repositories;
