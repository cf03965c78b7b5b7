//! The conformance suite of `Cluster`, against the embedded cluster.

#![allow(clippy::print_stdout, reason = "tests print scores")]

use std::sync::Arc;

use futures::executor::block_on;
use gitops_apply::embedded::EmbeddedCluster;
use gitops_core::{
    clock::{Clock, ManualClock},
    cluster::Cluster,
    conformance::{Suite, cases},
};

fn run(cluster: EmbeddedCluster, clock: Arc<dyn Clock>, name: &str) {
    let cluster: Arc<dyn Cluster> = Arc::new(cluster);
    let outcomes = block_on(Suite::new(cluster, clock).named(name).run_all());
    let failures: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| {
            Some(format!(
                "{}: {}",
                outcome.name,
                outcome.result.as_ref().err()?
            ))
        })
        .collect();
    println!(
        "conformance {name}: {}/{}",
        outcomes.len() - failures.len(),
        outcomes.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(
        "2024-01-01T00:00:00Z".parse().expect("a time"),
    ))
}

#[test]
fn there_are_many_cases_with_names_of_their_own() {
    let mut names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    assert!(names.len() >= 150, "{}", names.len());
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn embedded() {
    let clock = clock();
    let cluster = EmbeddedCluster::builder()
        .clock(Arc::clone(&clock))
        .build()
        .expect("a cluster");
    run(cluster, clock, "embedded");
}

#[test]
fn embedded_without_simulation() {
    let clock = clock();
    let builder = EmbeddedCluster::builder()
        .clock(Arc::clone(&clock))
        .without_simulation();
    run(builder.build().expect("a cluster"), clock, "plain");
}

#[test]
fn embedded_of_an_older_version() {
    let clock = clock();
    let builder = EmbeddedCluster::builder()
        .clock(Arc::clone(&clock))
        .kubernetes("1.24");
    run(builder.build().expect("a cluster"), clock, "older");
}
