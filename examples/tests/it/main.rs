//! The `gitops` command on real repositories, as its users run it.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "tests print scores and read their environment; the harness is shared"
)]

#[path = "../../../gitops-apply/tests/control-plane/harness.rs"]
mod control_plane;

mod bad_input;
mod corpus_seed;
mod corpus_template;
mod demo;
mod layering;
mod layers;
mod real_apps;
mod real_cluster;
mod real_seed;
mod run;
mod support;
mod template;
