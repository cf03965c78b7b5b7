//! The conformance suite of `Cluster`: against the embedded cluster, against `KubeCluster` over its
//! REST face, and against `KubeCluster` on a real control plane.

#![allow(clippy::print_stdout, reason = "tests print scores")]

use std::sync::Arc;

use futures::executor::block_on;
use gitops_apply::embedded::EmbeddedCluster;
use gitops_core::{
    clock::{Clock, ManualClock},
    cluster::Cluster,
    conformance::{Outcome, Suite, cases},
};

fn run(cluster: EmbeddedCluster, clock: Arc<dyn Clock>, name: &str) {
    let cluster: Arc<dyn Cluster> = Arc::new(cluster);
    report(
        name,
        &block_on(Suite::new(cluster, clock).named(name).run_all()),
    );
}

fn report(name: &str, outcomes: &[Outcome]) {
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

#[cfg(all(feature = "kube", feature = "rest"))]
mod through_kube {
    use std::sync::Arc;

    use futures::{StreamExt as _, stream};
    use gitops_apply::{
        embedded::{EmbeddedCluster, rest::RestServer},
        kube::{KubeCluster, KubeOptions},
    };
    use gitops_core::{
        clock::{Clock, SystemClock},
        cluster::Cluster,
        conformance::{Outcome, Suite, cases},
    };

    use super::{clock, report};
    use crate::{
        control_plane::{ControlPlane, Controllers},
        on_runtime,
    };

    #[test]
    fn over_the_rest_face_of_the_embedded_one() {
        let clock = clock();
        let outcomes = on_runtime(async {
            let embedded = EmbeddedCluster::builder()
                .clock(Arc::clone(&clock))
                .build()
                .expect("a cluster");
            let address = "127.0.0.1:0".parse().expect("an address");
            let server = RestServer::bind(&embedded, address).await.expect("a port");
            let url = server.url();
            let serving = tokio::spawn(server.run());
            let mut config = kube::Config::new(url.parse().expect("a URL"));
            config.default_retry = false;
            let client = kube::Client::try_from(config).expect("a client");
            let cluster = KubeCluster::new(client, Arc::clone(&clock), KubeOptions::default());
            let outcomes = Suite::new(Arc::new(cluster), clock)
                .named("rest")
                .run_all()
                .await;
            serving.abort();
            outcomes
        });
        report("rest", &outcomes);
    }

    #[test]
    fn on_a_real_control_plane() {
        let Some(plane) = ControlPlane::start(Controllers::All) else {
            return;
        };
        let kubeconfig = std::fs::read_to_string(&plane.kubeconfig).expect("a kubeconfig");
        let outcomes = on_runtime(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let options = KubeOptions::default();
            let cluster: Arc<dyn Cluster> = Arc::new(
                KubeCluster::from_kubeconfig_text(&kubeconfig, None, Arc::clone(&clock), options)
                    .await
                    .expect("a cluster"),
            );
            let suite = Suite::new(cluster, clock).named("real");
            let mut outcomes: Vec<(usize, Outcome)> = stream::iter(cases().into_iter().enumerate())
                .map(|(number, case)| {
                    let suite = suite.clone();
                    async move {
                        let outcome = suite.outcome(number, &case).await;
                        (number, outcome)
                    }
                })
                .buffer_unordered(8)
                .collect()
                .await;
            outcomes.sort_by_key(|(number, _)| *number);
            outcomes
                .into_iter()
                .map(|(_, outcome)| outcome)
                .collect::<Vec<_>>()
        });
        report("real control plane", &outcomes);
    }
}
