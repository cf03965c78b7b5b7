//! Diffs of Deployments, Services and ConfigMaps with full `managedFields`.
//!
//! The peer is `peers/diff` (gitops-engine's `pkg/diff`), which is run on the same pairs, right after
//! ours, if there is a Go toolchain. A table of processor times is printed before criterion measures.

#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and prints what criterion does not measure"
)]
#![allow(missing_docs, reason = "criterion's macros make items without")]

use std::{
    fmt::Write as _,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group};
use gitops_benches::processor_time;
use gitops_core::{
    Manifest,
    clock::Timestamp,
    diff::{DiffOptions, Differ as _},
    object::{CompactManifest, CompactPool},
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

/// A pair whose live object is in a cache, which decodes it when it is looked into.
struct Cached {
    desired: Manifest,
    live: CompactManifest,
    schema: Arc<Schema>,
}

impl Cached {
    fn all(pairs: &[Pair]) -> Vec<Self> {
        let mut pool = CompactPool::default();
        let cached = |pair: &Pair| Self {
            desired: pair.desired.clone(),
            live: CompactManifest::new(&pair.live, &mut pool),
            schema: Arc::clone(&pair.schema),
        };
        pairs.iter().map(cached).collect()
    }
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

/// A live object that was applied, and touched by somebody else.
fn pair(desired: Manifest) -> Pair {
    let now = Timestamp::UNIX_EPOCH;
    let schemas = bundled_schemas();
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
}

/// The pairs as a program gets them: read from text, first what was rendered, then what an API
/// server sends, each object in one go.
fn read(pairs: &[Pair]) -> Vec<Pair> {
    let text = |object: &Manifest| serde_json::to_string(object).expect("it is JSON");
    let object = |text: String| -> Manifest { serde_json::from_str(&text).expect("an object") };
    let desired = pairs.iter().map(|pair| text(&pair.desired));
    let desired: Vec<Manifest> = desired.map(object).collect();
    let live = pairs.iter().map(|pair| text(&pair.live));
    let live: Vec<Manifest> = live.map(object).collect();
    let both = desired.into_iter().zip(live).zip(pairs);
    both.map(|((desired, live), pair)| Pair {
        desired,
        live,
        schema: Arc::clone(&pair.schema),
    })
    .collect()
}

fn pairs() -> Vec<Pair> {
    let made: Vec<Pair> = (0..1000)
        .map(|number| {
            pair(match number % 3 {
                0 => deployment(number),
                1 => service(number),
                _ => config_map(number),
            })
        })
        .collect();
    read(&made)
}

/// How a desired object is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// A new label.
    Label,
    /// The image of the first container.
    Image,
    /// A variable of the first container goes.
    Variable,
}

fn edited(pair: &Pair, edit: Edit) -> Pair {
    let mut desired = pair.desired.clone();
    if edit == Edit::Label {
        desired.set_label("version", "2");
    } else {
        let container = &mut desired.as_map_mut()["spec"]["template"]["spec"]["containers"][0];
        match (edit, container["env"].as_array_mut()) {
            (Edit::Variable, Some(env)) => drop(env.remove(3)),
            _ => container["image"] = "registry.example.com/other:1".into(),
        }
    }
    Pair {
        desired,
        live: pair.live.clone(),
        schema: Arc::clone(&pair.schema),
    }
}

/// A definition with one schema of so many properties with descriptions, as generators write them.
fn definition(properties: usize) -> Manifest {
    let description =
        "What the controller does with this when the object is reconciled. ".repeat(4);
    let properties: serde_json::Map<String, Value> = (0..properties)
        .map(|at| {
            let below = json!({"type": "object", "description": description, "properties": {
                "name": {"type": "string", "description": description, "maxLength": 63},
                "optional": {"type": "boolean"},
                "values": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
            }});
            (format!("property{at}"), below)
        })
        .collect();
    object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "properties": properties}},
            }}}],
        },
    }))
}

/// A Deployment of so many containers.
fn wide_deployment(containers: usize) -> Manifest {
    let mut wide = deployment(0);
    let spec = &mut wide.as_map_mut()["spec"]["template"]["spec"]["containers"];
    let one = spec[0].clone();
    *spec = (0..containers)
        .map(|at| {
            let mut container = one.clone();
            container["name"] = format!("c{at}").into();
            container
        })
        .collect();
    wide
}

/// Least processor time of five rounds over all pairs, in µs per pair. The kernel counts in steps
/// of some milliseconds, so that each round lasts for many.
fn each<P>(pairs: &[P], mut work: impl FnMut(&P)) -> f64 {
    let mut round = || {
        let (start, since, mut done) = (processor_time(), Instant::now(), 0_u32);
        while since.elapsed() < Duration::from_millis(200) {
            for pair in pairs {
                work(pair);
                done += 1;
            }
        }
        (processor_time() - start).as_secs_f64() * 1e6 / f64::from(done)
    };
    (0..5).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn kilobytes(pairs: &[Pair]) -> usize {
    let all: usize = pairs
        .iter()
        .map(|pair| pair.live.to_value().to_string().len())
        .sum();
    all / pairs.len() / 1000
}

/// What is measured of pairs of a kind: a proof, and diffs after edits.
fn columns<P>(
    pairs: &[Pair],
    kept: impl Fn(&[Pair]) -> Vec<P>,
    parts: impl Fn(&P, &mut dyn FnMut(&Manifest, &Manifest, &Schema)),
) -> String {
    let schemas = bundled_schemas();
    let differ = StructuralDiffer::default();
    let options = DiffOptions::default();
    let diff_of = |desired: &Manifest, live: &Manifest| {
        let diff = differ.diff(black_box(desired), Some(live), &schemas, &options);
        black_box(diff.expect("it fits"))
    };
    let unchanged = kept(pairs);
    let strict = each(&unchanged, |pair| {
        parts(pair, &mut |desired, live, schema| {
            let schema = Some(schema);
            assert!(is_strictly_unchanged(
                black_box(desired),
                live,
                "gitops",
                schema
            ));
        });
    });
    let diff = |pairs: &[P]| {
        each(pairs, |pair| {
            parts(pair, &mut |desired, live, _| drop(diff_of(desired, live)));
        })
    };
    let read = |pairs: &[P]| {
        each(pairs, |pair| {
            parts(pair, &mut |desired, live, _| {
                let predicted = diff_of(desired, live).predicted.expect("a prediction");
                black_box(predicted.as_map().len());
            });
        })
    };
    let changed = |edit| -> Vec<P> {
        let edited: Vec<Pair> = pairs.iter().map(|pair| edited(pair, edit)).collect();
        kept(&edited)
    };
    let label = changed(Edit::Label);
    let mut out = format!(
        "strict proof {strict:.1} µs, diff of unchanged {:.1} µs, of a new label {:.1} µs, with the \
         prediction read {:.1} µs",
        diff(&unchanged),
        diff(&label),
        read(&label),
    );
    if pairs.iter().all(|pair| pair.desired.kind() == "Deployment") {
        for (name, edit) in [
            ("another image", Edit::Image),
            ("one variable less", Edit::Variable),
        ] {
            let changed = changed(edit);
            let (diff, read) = (diff(&changed), read(&changed));
            let _ = write!(out, ", of {name} {diff:.1} µs, read {read:.1} µs");
        }
    }
    out
}

fn row(name: &str, pairs: &[Pair]) {
    let trees = |pairs: &[Pair]| -> Vec<Pair> {
        let same = |pair: &Pair| Pair {
            desired: pair.desired.clone(),
            live: pair.live.clone(),
            schema: Arc::clone(&pair.schema),
        };
        pairs.iter().map(same).collect()
    };
    let as_trees = columns(pairs, trees, |pair, work| {
        work(&pair.desired, &pair.live, &pair.schema);
    });
    eprintln!("{name}, {} kB live, decoded: {as_trees}", kilobytes(pairs));
    let cached = columns(pairs, Cached::all, |pair, work| {
        work(&pair.desired, &pair.live.manifest(), &pair.schema);
    });
    eprintln!("{name}, {} kB live, of a cache: {cached}", kilobytes(pairs));
}

/// Runs gitops-engine on the same pairs and prints what it measured.
fn run_peer(name: &str, pairs: &[Pair]) {
    let file: PathBuf = std::env::temp_dir().join(format!("pairs-{}.jsonl", std::process::id()));
    let mut lines = String::new();
    for pair in pairs {
        let line = json!({"config": pair.desired.to_value(), "live": pair.live.to_value()});
        let _ = writeln!(lines, "{line}");
    }
    if std::fs::write(&file, lines).is_err() {
        return;
    }
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/diff");
    let mut command = Command::new("go");
    command.current_dir(peer).args(["run", "."]).arg(&file);
    match command.output() {
        Ok(output) => eprintln!(
            "gitops-engine, {name}: {}{}",
            String::from_utf8_lossy(&output.stdout).trim(),
            String::from_utf8_lossy(&output.stderr).trim()
        ),
        Err(error) => eprintln!("gitops-engine: not measured ({error})"),
    }
    let _ = std::fs::remove_file(&file);
}

/// What stands in the README.
fn print_table() {
    let all = pairs();
    let known: Vec<_> = all
        .iter()
        .map(|pair| {
            let known = Confirmation::of_answer(&pair.desired, &pair.live, &pair.live);
            let desired = Fingerprint::of_desired(&pair.desired);
            (
                known.expect("it is the same"),
                desired,
                Fingerprint::of_live(&pair.live),
            )
        })
        .collect();
    let mut at = known.iter().cycle();
    let confirmed = each(&all, |_| {
        let (known, desired, live) = at.next().expect("it goes round");
        assert!(black_box(known).proves(desired, live));
    });
    let prints = each(&all, |pair| {
        black_box(Fingerprint::of_live(black_box(&pair.live)));
    });
    eprintln!("confirmed proof {confirmed:.3} µs, fingerprint of a live object {prints:.2} µs");
    row("1000 objects", &all);
    let schemas = bundled_schemas();
    let argo = argocd::ArgoOptions {
        way: argocd::Way::Default,
        ignore_aggregated_roles: false,
        manager: "gitops",
        schemas: &schemas,
        normalizer: &|_| {},
    };
    let values: Vec<(Value, Value)> = all
        .iter()
        .map(|pair| (pair.desired.to_value(), pair.live.to_value()))
        .collect();
    let mut at = values.iter().cycle();
    let same_algorithm = each(&all, |_| {
        let (desired, live) = at.next().expect("it goes round");
        black_box(argocd::diff(Some(desired), Some(live), &argo).expect("it fits"));
    });
    eprintln!("1000 objects by gitops-engine's own rules: {same_algorithm:.1} µs");
    run_peer("unchanged", &all);
    let labelled: Vec<Pair> = all.iter().map(|pair| edited(pair, Edit::Label)).collect();
    run_peer("new label", &labelled);
    let of_kind = |kind: &str| -> Vec<Pair> {
        let of_kind = all.iter().filter(|pair| pair.desired.kind() == kind);
        let of_kind: Vec<Pair> = of_kind.map(|found| pair(found.desired.clone())).collect();
        read(&of_kind)
    };
    for kind in ["Deployment", "Service", "ConfigMap"] {
        row(kind, &of_kind(kind));
    }
    let images = of_kind("Deployment");
    let images: Vec<Pair> = images
        .iter()
        .map(|pair| edited(pair, Edit::Image))
        .collect();
    run_peer("Deployments with another image", &images);
    let variables: Vec<Pair> = of_kind("Deployment")
        .iter()
        .map(|pair| edited(pair, Edit::Variable))
        .collect();
    run_peer("Deployments with one variable less", &variables);
    row(
        "one Deployment again and again",
        &read(&[pair(deployment(0))]),
    );
    for containers in [10, 30, 100, 1000] {
        row(
            &format!("{containers} containers"),
            &read(&[pair(wide_deployment(containers))]),
        );
    }
    for properties in [200, 2000] {
        row(
            &format!("CRD of {properties} properties"),
            &read(&[pair(definition(properties))]),
        );
    }
}

fn diff(criterion: &mut Criterion) {
    let pairs = pairs();
    let schemas = bundled_schemas();
    let mut group = criterion.benchmark_group("diff of 1000 objects");
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
    let cached = Cached::all(&pairs);
    group.bench_function("strict proof, of a cache", |bencher| {
        bencher.iter(|| {
            for pair in &cached {
                assert!(is_strictly_unchanged(
                    black_box(&pair.desired),
                    &pair.live.manifest(),
                    "gitops",
                    Some(&pair.schema),
                ));
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
    let changed: Vec<Pair> = pairs.iter().map(|pair| edited(pair, Edit::Label)).collect();
    group.bench_function("structural, changed", |bencher| {
        bencher.iter(|| {
            for pair in &changed {
                let diff = differ.diff(&pair.desired, Some(&pair.live), &schemas, &options);
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

fn main() {
    print_table();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
