//! Integration tests.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests end by panics, print scores, read their environment and tell the time; the harness of the control plane is shared"
)]

#[path = "../control-plane/harness.rs"]
mod control_plane;

mod conformance;
mod corpus;
mod corpus_embedded;
mod corpus_health;
mod corpus_hooks;
mod corpus_kstatus;
mod corpus_seed;
mod corpus_simulate;
mod crash;
mod delete_hooks;
mod ignored;
#[cfg(all(feature = "kube", feature = "rest"))]
mod kube_faults;
#[cfg(feature = "rest")]
mod kubectl;
mod live_cache;
#[cfg(feature = "kube")]
mod real_cluster;
#[cfg(feature = "kube")]
mod real_diff;
#[cfg(feature = "rest")]
mod rest;
mod robust;
mod stage;
mod sync;
mod whole;

/// Runs a future that needs timers and sockets.
fn on_runtime<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
