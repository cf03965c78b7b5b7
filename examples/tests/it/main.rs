//! The `gitops` command on real repositories, as its users run it.

#[path = "../../../gitops-apply/tests/control-plane/harness.rs"]
mod control_plane;

mod bad_input;
mod corpus_seed;
mod demo;
mod real_cluster;
mod support;
