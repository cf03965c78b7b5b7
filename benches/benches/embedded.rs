//! How many applies a second the embedded cluster takes, in processor time of one thread.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and reports what it measured"
)]

use futures::executor::block_on;
use gitops_apply::embedded::EmbeddedCluster;
use gitops_benches::processor_time;
use gitops_core::{
    Manifest,
    cluster::{ApplyOptions, Cluster},
};
use serde_json::json;

fn config_map(number: usize, value: &str) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("settings-{number}"), "namespace": "default",
                     "labels": {"app.kubernetes.io/name": "shop"}},
        "data": {"mode": value, "number": number.to_string()},
    }))
    .expect("written here")
}

fn service(number: usize, port: u16) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("web-{number}"), "namespace": "default"},
        "spec": {"selector": {"app": "web"},
                 "ports": [{"name": "http", "port": port, "targetPort": "http"}]},
    }))
    .expect("written here")
}

fn run(cluster: &EmbeddedCluster, what: &str, objects: &[Manifest]) {
    let options = ApplyOptions::default();
    let begin = processor_time();
    block_on(async {
        for object in objects {
            cluster.apply(object, &options).await.expect("it is valid");
        }
    });
    let spent = (processor_time() - begin).as_secs_f64();
    println!(
        "{what}: {:.0} applies/s ({:.1} µs each)",
        objects.len() as f64 / spent,
        spent * 1e6 / objects.len() as f64
    );
}

fn main() {
    let count = 20_000;
    let cluster = EmbeddedCluster::builder().build().expect("defaults work");
    let first: Vec<Manifest> = (0..count).map(|at| config_map(at, "first")).collect();
    let second: Vec<Manifest> = (0..count).map(|at| config_map(at, "second")).collect();
    run(&cluster, "ConfigMap, new", &first);
    run(&cluster, "ConfigMap, unchanged", &first);
    run(&cluster, "ConfigMap, changed", &second);
    let count = count / 4;
    let first: Vec<Manifest> = (0..count).map(|at| service(at, 80)).collect();
    let second: Vec<Manifest> = (0..count).map(|at| service(at, 81)).collect();
    let cluster = EmbeddedCluster::builder()
        .without_simulation()
        .build()
        .expect("defaults work");
    run(&cluster, "Service, new", &first);
    run(&cluster, "Service, unchanged", &first);
    run(&cluster, "Service, changed", &second);
}
