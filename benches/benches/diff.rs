//! Diffs of Deployments, Services and ConfigMaps with full `managedFields`.
//!
//! The peer is `peers/diff` (gitops-engine's `pkg/diff` and structured-merge-diff).

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use gitops_core::{
    Manifest,
    clock::Timestamp,
    diff::{DiffOptions, Differ as _},
    schema::{Schema, Schemas as _},
};
use gitops_diff::{
    StructuralDiffer, argocd, bundled_schemas,
    merge::{ApplyRequest, UpdateRequest, record_update, server_side_apply},
    proof::{Confirmation, Fingerprint, is_strictly_unchanged},
};
use serde_json::{Value, json};

struct Pair {
    desired: Manifest,
    live: Manifest,
    schema: Arc<Schema>,
}

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).expect("written here")
}

fn deployment(number: usize) -> Manifest {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/{name}:{number}"),
            "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090, "name": "metrics", "protocol": "TCP"}],
            "env": (0..12).map(|at| json!({"name": format!("VARIABLE_{at}"), "value": format!("{at}")})).collect::<Vec<_>>(),
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
        })
    };
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("web-{number}"), "namespace": "shop",
                     "labels": {"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "shop"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [container("web"), container("side")],
                     "volumes": [{"name": "config", "configMap": {"name": "web"}}]},
        }},
    }))
}

fn service(number: usize) -> Manifest {
    object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("web-{number}"), "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }))
}

fn config_map(number: usize) -> Manifest {
    let data: serde_json::Map<String, Value> = (0..20)
        .map(|at| {
            (
                format!("key-{at}"),
                format!("value {at} of {number}").into(),
            )
        })
        .collect();
    object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("web-{number}"), "namespace": "shop"}, "data": data}))
}

/// Live objects that were applied, and touched by somebody else.
fn pairs() -> Vec<Pair> {
    let schemas = bundled_schemas();
    let now = Timestamp::UNIX_EPOCH;
    (0..999)
        .map(|number| {
            let desired = match number % 3 {
                0 => deployment(number),
                1 => service(number),
                _ => config_map(number),
            };
            let schema = schemas.schema(&desired.gvk()).expect("built in");
            let request = ApplyRequest::new(None, &desired, "gitops", now).schema(Some(&schema));
            let mut live = server_side_apply(&request)
                .expect("nobody else owns it")
                .object;
            live.metadata_mut().insert("uid".into(), "u".into());
            let mut touched = live.clone();
            touched.set_annotation("deployment.kubernetes.io/revision", "1");
            let update = UpdateRequest::new(Some(&live), &touched, "controller", now);
            let live = record_update(&update.schema(Some(&schema)));
            Pair {
                desired,
                live,
                schema,
            }
        })
        .collect()
}

fn diff(criterion: &mut Criterion) {
    let pairs = pairs();
    let schemas = bundled_schemas();
    let mut group = criterion.benchmark_group("diff of 999 objects");
    group.bench_function("strict proof", |bencher| {
        bencher.iter(|| {
            for pair in &pairs {
                assert!(is_strictly_unchanged(
                    black_box(&pair.desired),
                    &pair.live,
                    "gitops",
                    Some(&pair.schema),
                ));
            }
        });
    });
    group.bench_function("fingerprint of live", |bencher| {
        bencher.iter(|| {
            for pair in &pairs {
                black_box(Fingerprint::of_live(&pair.live));
            }
        });
    });
    let known: Vec<_> = pairs
        .iter()
        .map(|pair| {
            let known = Confirmation::of_answer(&pair.desired, &pair.live, &pair.live);
            let (desired, live) = (
                Fingerprint::of_desired(&pair.desired),
                Fingerprint::of_live(&pair.live),
            );
            (known.expect("it is the same"), desired, live)
        })
        .collect();
    group.bench_function("confirmed proof", |bencher| {
        bencher.iter(|| {
            for (known, desired, live) in &known {
                assert!(black_box(known).proves(desired, live));
            }
        });
    });
    let differ = StructuralDiffer::default();
    let options = DiffOptions::default();
    group.bench_function("structural, unchanged", |bencher| {
        bencher.iter(|| {
            for pair in &pairs {
                let diff = differ.diff(&pair.desired, Some(&pair.live), &schemas, &options);
                assert!(!diff.expect("it fits").is_changed());
            }
        });
    });
    let changed: Vec<Manifest> = pairs
        .iter()
        .map(|pair| {
            let mut desired = pair.desired.clone();
            desired.set_label("version", "2");
            desired
        })
        .collect();
    group.bench_function("structural, changed", |bencher| {
        bencher.iter(|| {
            for (pair, desired) in pairs.iter().zip(&changed) {
                let diff = differ.diff(desired, Some(&pair.live), &schemas, &options);
                assert!(diff.expect("it fits").is_changed());
            }
        });
    });
    let values: Vec<(Value, Value)> = pairs
        .iter()
        .map(|pair| (pair.desired.to_value(), pair.live.to_value()))
        .collect();
    for (name, way) in [
        ("argocd, two-way", argocd::Way::Default),
        ("argocd, structured merge", argocd::Way::StructuredMerge),
    ] {
        let options = argocd::ArgoOptions {
            way,
            ignore_aggregated_roles: false,
            manager: "gitops",
            schemas: &schemas,
            normalizer: &|_| {},
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (desired, live) in &values {
                    black_box(argocd::diff(Some(desired), Some(live), &options).expect("it fits"));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, diff);
criterion_main!(benches);
