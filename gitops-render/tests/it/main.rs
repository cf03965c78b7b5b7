//! Integration tests of gitops-render.

mod corpus_expressions;
