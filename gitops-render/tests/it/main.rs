//! Tests of the public interface, and of the golden data of the corpus.

mod corpus;
mod corpus_cases;
mod corpus_expressions;
#[cfg(feature = "repositories")]
mod corpus_seed;
mod differential;
mod functions;
mod replay_charts;
mod replay_templates;
