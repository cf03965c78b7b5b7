//! Integration tests.

mod conformance;
mod corpus;
mod corpus_embedded;
mod corpus_health;
mod corpus_hooks;
mod corpus_kstatus;
mod corpus_seed;
mod corpus_simulate;
mod crash;
#[cfg(feature = "rest")]
mod rest;
mod sync;
