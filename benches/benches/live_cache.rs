//! What 50,000 live objects cost in memory, and how long a pass over 1,000 of them takes when nothing
//! has changed.
//!
//! The objects are those that an API server would send: applied, with `managedFields` of the applier
//! and of the controllers that write their status.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and reports what it measured"
)]

use std::sync::Arc;

use futures::{executor::block_on, stream};
use gitops_apply::{embedded::EmbeddedCluster, execute::SyncApplier, health::ArgoHealth};
use gitops_benches::{processor_time, status_kib};
use gitops_core::{
    GroupVersionKind, Manifest,
    app::ApplicationDestination,
    apply::{Applier, ExecuteContext, ExecuteOptions},
    async_trait,
    clock::ManualClock,
    cluster::{ApplyOptions, Cluster, ClusterError, ListScope, ObjectList},
    delegate::{Delegate, Events},
    events::Silent,
    object::{CompactManifest, CompactPool},
    pipeline::LiveCache,
    plan::{DesiredSet, LiveSet, Owner, PlanOptions, Prune},
    policy::PermitAll,
    state::MemoryStateStore,
};
use gitops_diff::StructuralDiffer;
use serde_json::{Value, json};

fn object(value: Value) -> Manifest {
    Manifest::try_from(value).expect("written here")
}

fn config_map(number: usize) -> Manifest {
    let data: serde_json::Map<String, Value> = (0..10)
        .map(|at| {
            let value = format!("a setting of the usual length, {at} of {number}");
            (format!("settings.key-{at}"), value.into())
        })
        .collect();
    object(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("settings-{number}"), "namespace": "shop", "labels": labels(number)},
        "data": data}))
}

fn deployment(number: usize) -> Manifest {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/{name}:{number}"),
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": (0..8).map(|at| json!({"name": format!("VARIABLE_{at}"), "value": format!("{at}")})).collect::<Vec<_>>(),
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
        })
    };
    let name = format!("web-{number}");
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "labels": labels(number)},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container("web"), container("side")],
                     "volumes": [{"name": "config", "configMap": {"name": "web"}}]},
        }},
    }))
}

fn service(number: usize) -> Manifest {
    object(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("web-{number}"), "namespace": "shop", "labels": labels(number)},
        "spec": {"selector": {"app": format!("web-{number}")},
                 "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }))
}

fn labels(number: usize) -> Value {
    json!({"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": format!("shop-{}", number / 100),
           "helm.sh/chart": "web-1.2.3", "app.kubernetes.io/managed-by": "Helm"})
}

/// 60 % ConfigMaps, 20 % Deployments, 20 % Services.
fn mixed(count: usize) -> Vec<Manifest> {
    (0..count)
        .map(|number| match number % 5 {
            0 => deployment(number),
            1 => service(number),
            _ => config_map(number),
        })
        .collect()
}

/// Hands out objects made after the pattern of a few live ones, a page at a time.
struct Many {
    patterns: Vec<Manifest>,
    count: usize,
    /// Nothing else is asked for.
    nothing: EmbeddedCluster,
}

impl Many {
    fn items(&self, gvk: &GroupVersionKind) -> Vec<Manifest> {
        let mut pool = CompactPool::default();
        let patterns: Vec<&Manifest> = self.patterns.iter().filter(|o| o.gvk() == *gvk).collect();
        let share = self.count * patterns.len() / self.patterns.len();
        (0..share)
            .map(|number| {
                let mut object = patterns[number % patterns.len()].clone();
                let name = format!("{}-{number}", object.name());
                let metadata = object.metadata_mut();
                metadata.insert("name".to_owned(), name.into());
                metadata.insert(
                    "uid".to_owned(),
                    format!("6d2b1c1e-5d43-4c8f-9b1a-{number:012x}").into(),
                );
                metadata.insert(
                    "resourceVersion".to_owned(),
                    (number + 1).to_string().into(),
                );
                CompactManifest::new(&object, &mut pool).manifest()
            })
            .collect()
    }
}

#[async_trait]
impl Delegate for Many {
    fn inner(&self) -> &dyn Cluster {
        &self.nothing
    }

    async fn on_list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        Ok(ObjectList {
            items: self.items(&scope.gvk),
            resource_version: "100000".to_owned(),
        })
    }

    async fn on_watch(&self, _: &ListScope, _: &str) -> Result<Events, ClusterError> {
        Ok(Box::pin(stream::pending()))
    }
}

fn mebibytes(field: &str) -> f64 {
    status_kib(field) as f64 / 1024.0
}

fn kinds() -> [GroupVersionKind; 3] {
    [
        GroupVersionKind::new("", "v1", "ConfigMap"),
        GroupVersionKind::new("apps", "v1", "Deployment"),
        GroupVersionKind::new("", "v1", "Service"),
    ]
}

struct World {
    cluster: EmbeddedCluster,
    clock: ManualClock,
    applier: SyncApplier,
}

impl World {
    fn new() -> Self {
        Self {
            cluster: EmbeddedCluster::builder().build().expect("defaults work"),
            clock: ManualClock::at("2026-01-01T00:00:00Z".parse().expect("a time")),
            applier: SyncApplier::new(
                Arc::new(StructuralDiffer::default()),
                Arc::new(MemoryStateStore::default()),
            ),
        }
    }

    async fn sync(&self, desired: &DesiredSet) {
        let namespace =
            object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
        let options = ApplyOptions::default();
        self.cluster
            .apply(&namespace, &options)
            .await
            .expect("valid");
        let schemas = self.cluster.schemas().await.expect("there are some");
        let live = LiveSet::default();
        let plan = self
            .applier
            .plan(desired, &live, &*schemas, &PlanOptions::default())
            .expect("a plan");
        let context = ExecuteContext {
            clock: &self.clock,
            health: &ArgoHealth,
            policy: &PermitAll,
            events: &Silent,
        };
        let options = ExecuteOptions::default();
        let report = self
            .applier
            .execute(&plan, &self.cluster, &context, &options)
            .await
            .expect("it can be executed");
        assert_eq!(report.results.len(), desired.objects.len());
    }

    /// One pass: live objects from the cache, a plan, what is in doubt confirmed.
    async fn pass(&self, cache: &LiveCache, desired: &DesiredSet) -> usize {
        let mut objects = Vec::new();
        for kind in kinds() {
            let live = cache.objects(&kind).await.expect("it is served");
            objects.extend(live.tracked_by(&desired.owner));
        }
        let live = LiveSet {
            objects,
            inventory: Vec::new(),
        };
        let schemas = self.cluster.schemas().await.expect("there are some");
        let options = PlanOptions::default().prune(Prune::Tracked);
        let plan = self.applier.plan(desired, &live, &*schemas, &options);
        let plan = plan.expect("a plan");
        let plan = self.applier.confirm(plan, &live, &self.cluster).await;
        plan.expect("answers").changes().count()
    }
}

fn main() {
    // Memory is told by a process that has done nothing else.
    match std::env::args().find_map(|arg| arg.strip_prefix(PATTERNS).map(str::to_owned)) {
        Some(file) => memory(&file),
        None => passes(),
    }
}

/// Argument that names the file with the patterns of live objects.
const PATTERNS: &str = "--patterns=";

fn passes() {
    let desired = DesiredSet {
        owner: Owner {
            name: "shop".to_owned(),
            namespace: "argocd".to_owned(),
            bootstrap: false,
        },
        objects: mixed(1000),
        destination: ApplicationDestination {
            namespace: Some("shop".to_owned()),
            ..ApplicationDestination::default()
        },
        ..DesiredSet::default()
    };
    let world = World::new();
    block_on(async {
        world.sync(&desired).await;
        let cache = LiveCache::new(Arc::new(world.cluster.clone()));
        for pass in ["first", "second", "third", "fourth"] {
            world.cluster.clear_requests();
            let begin = processor_time();
            let changes = world.pass(&cache, &desired).await;
            let spent = processor_time() - begin;
            let requests = world.cluster.requests();
            println!(
                "{pass} pass over 1,000 objects: {:.1} ms, {changes} changes, {} writes, {} dry runs",
                spent.as_secs_f64() * 1e3,
                requests.writes,
                requests.dry_runs,
            );
        }
    });
    let patterns: Vec<Manifest> = world
        .cluster
        .objects()
        .into_iter()
        .filter(|object| kinds().contains(&object.gvk()) && object.namespace() == "shop")
        .filter(|object| object.name() != "kube-root-ca.crt")
        .map(|object| object.into_value())
        .map(object)
        .collect();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    serde_json::to_writer(&file, &patterns).expect("it can be written");
    let program = std::env::current_exe().expect("this program");
    let status = std::process::Command::new(program)
        .arg(format!("{PATTERNS}{}", file.path().display()))
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

fn memory(file: &str) {
    let text = std::fs::read(file).expect("written by the parent");
    let patterns: Vec<Manifest> = serde_json::from_slice(&text).expect("written by the parent");
    let average = text.len() / patterns.len();
    drop(text);
    let nothing = EmbeddedCluster::builder().build().expect("defaults work");
    let before = mebibytes("VmRSS");
    let cache = LiveCache::new(Arc::new(Many {
        patterns,
        count: 50_000,
        nothing,
    }));
    let begin = processor_time();
    let mut count = 0;
    for kind in kinds() {
        count += block_on(cache.objects(&kind))
            .expect("they are listed")
            .len();
    }
    let spent = processor_time() - begin;
    println!(
        "{count} live objects of {average} bytes of JSON: {:.0} MiB more than before (peak of the process {:.0} MiB, {:.0} before), {:.1} s",
        mebibytes("VmRSS") - before,
        mebibytes("VmHWM"),
        before,
        spent.as_secs_f64()
    );
}
