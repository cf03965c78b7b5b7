//! Tests against answers of the real tools.

mod corpus;
mod corpus_yaml;
