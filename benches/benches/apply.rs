//! Applying on a real API server, beside the peers of `peers/apply` and kubectl.
//!
//! `cargo bench -p gitops-benches --bench apply -- [sync] [many] [memory]`; `KUBEBUILDER_ASSETS` names
//! the folder that `.ci/control-plane` prints. Without arguments all three run.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    dead_code,
    reason = "a bench prints, reads its environment and tells the time; the harness is shared"
)]

#[path = "../../gitops-apply/tests/control-plane/harness.rs"]
mod control_plane;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gitops_apply::{
    embedded::{EmbeddedCluster, rest::RestServer},
    execute::SyncApplier,
    health::ArgoHealth,
    kube::{KubeCluster, KubeOptions},
};
use gitops_benches::status_kib;
use gitops_core::{
    GroupVersionKind, Manifest, ObjectId,
    app::{ApplicationDestination, OperationPhase},
    apply::{Applier as _, ExecuteContext, ExecuteOptions},
    clock::SystemClock,
    cluster::{ApplyOptions, Cluster, ClusterError, ListScope, ObjectList},
    delegate::{Delegate, Write},
    events::Silent,
    pipeline::LiveCache,
    plan::{DesiredSet, LiveSet, Owner, PlanOptions},
    policy::PermitAll,
    state::MemoryStateStore,
    tracking,
};
use gitops_diff::StructuralDiffer;
use serde_json::{Value, json};

use control_plane::{ControlPlane, Controllers};

const ROUNDS: usize = 3;
const SPACE: &str = "NAMESPACE";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, url] = arguments.as_slice()
        && mode == "--cache"
    {
        return run(cache_of(url.clone()));
    }
    let wants = |name: &str| {
        let mut named = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'));
        named.clone().next().is_none() || named.any(|argument| argument == name)
    };
    if wants("sync") {
        sync_beside_peers();
    }
    if wants("many") {
        sync_many();
    }
    if wants("memory") {
        run(memory());
    }
}

/// On a worker of the runtime, as servers run: each answer that a future of the main thread waits
/// for costs a change of threads.
fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let done = runtime.block_on(runtime.spawn(future));
    done.expect("it does not panic")
}

// ---- objects: 60 % ConfigMap, 20 % Deployment, 20 % Service

fn objects(count: usize) -> Vec<Value> {
    let (configs, others) = (count * 3 / 5, count / 5);
    let configs = (0..configs).map(config);
    let deployments = (0..others).map(deployment);
    configs
        .chain(deployments)
        .chain((0..others).map(service))
        .collect()
}

fn config(number: usize) -> Value {
    let data: serde_json::Map<String, Value> = (0..20)
        .map(|at| {
            (
                format!("key-{at}"),
                format!("value {at} of {number}").into(),
            )
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": format!("config-{number}"), "namespace": SPACE, "labels": labels()},
        "data": data,
    })
}

fn deployment(number: usize) -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/{name}:{number}"),
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
            "env": (0..12).map(|at| json!({"name": format!("VARIABLE_{at}"), "value": format!("{at}")})).collect::<Vec<_>>(),
            "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
        })
    };
    let name = format!("web-{number}");
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": SPACE, "labels": labels()},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container("web")],
                     "volumes": [{"name": "config", "configMap": {"name": "config-0"}}]},
        }},
    })
}

fn service(number: usize) -> Value {
    let name = format!("web-{number}");
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": SPACE, "labels": labels()},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]},
    })
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": "shop"})
}

fn desired(values: &[Value], namespace: &str) -> DesiredSet {
    let owner = Owner {
        name: "shop".to_owned(),
        namespace: "argocd".to_owned(),
        bootstrap: false,
    };
    let objects = values
        .iter()
        .map(|value| {
            let mut object = Manifest::try_from(value.clone()).expect("written here");
            object.set_namespace(namespace);
            tracking::mark(&mut object, &owner, namespace);
            object
        })
        .collect();
    DesiredSet {
        owner,
        revision: "1".to_owned(),
        objects,
        destination: ApplicationDestination {
            namespace: Some(namespace.to_owned()),
            ..ApplicationDestination::default()
        },
        ..DesiredSet::default()
    }
}

// ---- a cluster that counts

#[derive(Default)]
struct Counts {
    lists: AtomicU64,
    dry_runs: AtomicU64,
    writes: AtomicU64,
}

impl Counts {
    fn take(&self) -> [u64; 3] {
        [&self.lists, &self.dry_runs, &self.writes].map(|count| count.swap(0, Ordering::Relaxed))
    }

    fn write(&self, dry_run: bool) {
        let count = if dry_run {
            &self.dry_runs
        } else {
            &self.writes
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

struct Counted {
    cluster: KubeCluster,
    counts: Arc<Counts>,
}

#[async_trait]
impl Delegate for Counted {
    fn inner(&self) -> &dyn Cluster {
        &self.cluster
    }

    async fn on_list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        self.counts.lists.fetch_add(1, Ordering::Relaxed);
        self.cluster.list(scope).await
    }

    async fn on_write(&self, write: Write<'_>) -> Result<Option<Manifest>, ClusterError> {
        self.counts.write(write.is_dry_run());
        write.send(&self.cluster).await
    }
}

// ---- one engine on one cluster

struct Engine {
    cluster: Arc<Counted>,
    counts: Arc<Counts>,
    cache: LiveCache,
    applier: SyncApplier,
}

impl Engine {
    async fn on(kubeconfig: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).expect("a kubeconfig");
        let options = KubeOptions::default();
        let cluster =
            KubeCluster::from_kubeconfig_text(&text, None, Arc::new(SystemClock), options)
                .await
                .expect("a cluster");
        let counts = Arc::new(Counts::default());
        let cluster = Arc::new(Counted {
            cluster,
            counts: Arc::clone(&counts),
        });
        Self {
            counts,
            cache: LiveCache::new(cluster.clone()),
            cluster,
            applier: SyncApplier::new(
                Arc::new(StructuralDiffer::default()),
                Arc::new(MemoryStateStore::default()),
            ),
        }
    }

    /// Plans and executes; returns how many objects were changed.
    async fn sync(&self, desired: &DesiredSet) -> usize {
        let discovery = self.cluster.discovery().await.expect("discovery");
        let ids: Vec<ObjectId> = desired.objects.iter().map(Manifest::id).collect();
        // As the pipeline does it.
        let versions = BTreeMap::new();
        let live = self.cache.find(&ids, &versions, &discovery);
        let (schemas, live) = tokio::join!(self.cluster.schemas(), live);
        let schemas = schemas.expect("schemas");
        let live = LiveSet {
            objects: live.expect("live objects"),
            inventory: ids,
        };
        let options = PlanOptions::default();
        let plan = self.applier.plan(desired, &live, &*schemas, &options);
        let plan = plan.expect("a plan");
        let plan = self.applier.confirm(plan, &live, &*self.cluster).await;
        let plan = plan.expect("a confirmed plan");
        let changes = plan.changes().count();
        if changes > 0 {
            let context = ExecuteContext {
                clock: &SystemClock,
                health: &ArgoHealth,
                policy: &PermitAll,
                events: &Silent,
            };
            let options = ExecuteOptions::default();
            let report = self
                .applier
                .execute(&plan, &*self.cluster, &context, &options);
            let report = report.await.expect("a report");
            assert_eq!(
                report.phase,
                OperationPhase::Succeeded,
                "{}",
                report.message
            );
        }
        changes
    }

    /// Waits until the watches have told all that was written.
    async fn settle(&self, desired: &DesiredSet) {
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if self.planned(desired).await == 0 {
                return;
            }
        }
        panic!("the cache does not catch up");
    }

    async fn planned(&self, desired: &DesiredSet) -> usize {
        let discovery = self.cluster.discovery().await.expect("discovery");
        let schemas = self.cluster.schemas().await.expect("schemas");
        let ids: Vec<ObjectId> = desired.objects.iter().map(Manifest::id).collect();
        let objects = self.cache.find(&ids, &BTreeMap::new(), &discovery).await;
        let live = LiveSet {
            objects: objects.expect("live objects"),
            inventory: ids,
        };
        let plan = self
            .applier
            .plan(desired, &live, &*schemas, &PlanOptions::default());
        plan.expect("a plan").changes().count()
    }
}

#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    processor: f64,
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Took) {
    let (start, used) = (Instant::now(), processor());
    let done = work.await;
    let took = Took {
        wall: start.elapsed().as_secs_f64(),
        processor: processor() - used,
    };
    (done, took)
}

/// User and system time of this process, in seconds.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let of_threads: f64 = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
        .sum();
    let own = text
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    of_threads.max(own.unwrap_or(0.0)) / 1e9
}

// ---- sync

#[derive(Default)]
struct Table(BTreeMap<String, Vec<(Took, String)>>);

impl Table {
    fn add(&mut self, name: &str, took: Took, note: impl Into<String>) {
        let row = self.0.entry(name.to_owned()).or_default();
        row.push((took, note.into()));
    }

    fn print(&self) {
        println!(
            "{:<28} {:>10} {:>10} {:>10}  notes",
            "", "best ms", "median ms", "cpu ms"
        );
        for (name, row) in &self.0 {
            let mut walls: Vec<f64> = row.iter().map(|(took, _)| took.wall * 1e3).collect();
            let mut used: Vec<f64> = row.iter().map(|(took, _)| took.processor * 1e3).collect();
            walls.sort_by(f64::total_cmp);
            used.sort_by(f64::total_cmp);
            let note = &row[0].1;
            println!(
                "{name:<28} {:>10.1} {:>10.1} {:>10.1}  {note}",
                walls[0],
                walls[walls.len() / 2],
                used[0]
            );
        }
    }
}

fn sync_beside_peers() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = objects(1000);
    let lines: Vec<String> = values.iter().map(Value::to_string).collect();
    let file = folder.path().join("objects.jsonl");
    std::fs::write(&file, lines.join("\n")).expect("the folder is writable");
    let peer = build_peer(folder.path());
    let mut table = Table::default();
    for _ in 0..ROUNDS {
        if let Some(peer) = &peer {
            for mode in ["floor", "flux"] {
                let Some(plane) = plane() else { return };
                run_peer(peer, mode, &plane, &file, &mut table);
            }
        }
        let Some(plane) = plane() else { return };
        for (name, took, note) in run(ours(plane.kubeconfig.clone(), values.clone())) {
            table.add(name, took, note);
        }
        let Some(plane) = self::plane() else { return };
        run_kubectl(&plane, &file, folder.path(), &mut table);
    }
    println!("\n1,000 objects, {ROUNDS} rounds, a fresh API server for each contender");
    table.print();
}

/// A control plane with the namespace that the objects go to.
fn plane() -> Option<ControlPlane> {
    let plane = ControlPlane::start(Controllers::None)?;
    kubectl(&plane, Path::new("/tmp"), &["create", "namespace", "bench"]);
    Some(plane)
}

fn kubectl(plane: &ControlPlane, home: &Path, arguments: &[&str]) {
    let output = Command::new(plane.program("kubectl"))
        .arg(format!("--kubeconfig={}", plane.kubeconfig.display()))
        .args(arguments)
        .env("HOME", home)
        .output()
        .expect("kubectl starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

fn build_peer(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/apply");
    let binary = std::env::var_os("GITOPS_PEER").map(PathBuf::from);
    if binary.is_some() {
        return binary;
    }
    let binary = folder.join("peer");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(source)
        .status();
    match built {
        Ok(status) if status.success() => Some(binary),
        _ => {
            println!("the peers do not build: only our own side runs");
            None
        }
    }
}

fn run_peer(peer: &Path, mode: &str, plane: &ControlPlane, file: &Path, table: &mut Table) {
    let output = Command::new(peer)
        .arg(mode)
        .arg(&plane.kubeconfig)
        .arg(file)
        .arg("bench")
        .output()
        .expect("the peer starts");
    assert!(output.status.success(), "{output:?}");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, wall, processor, requests] = words.as_slice() else {
            panic!("{line}")
        };
        let number = |text: &str| text.parse().expect("a number");
        let took = Took {
            wall: number(wall),
            processor: number(processor),
        };
        table.add(name, took, format!("{requests} requests"));
    }
}

fn run_kubectl(plane: &ControlPlane, file: &Path, home: &Path, table: &mut Table) {
    let text = std::fs::read_to_string(file).expect("the objects");
    let objects = home.join("kubectl.json");
    std::fs::write(&objects, text.replace(SPACE, "bench")).expect("the folder is writable");
    let path = objects.display().to_string();
    for name in ["kubectl-first", "kubectl-again"] {
        let start = Instant::now();
        kubectl(plane, home, &["apply", "--server-side", "-f", &path]);
        let took = Took {
            wall: start.elapsed().as_secs_f64(),
            processor: f64::NAN,
        };
        table.add(name, took, "");
    }
}

async fn ours(kubeconfig: PathBuf, values: Vec<Value>) -> Vec<(&'static str, Took, String)> {
    let mut rows = Vec::new();
    let set = desired(&values, "bench");
    let note = |counts: &Counts| {
        let [lists, dry_runs, writes] = counts.take();
        format!("{lists} lists, {dry_runs} dry runs, {writes} writes")
    };
    // From nothing: connection, discovery, schemas, lists, plan, execution.
    let (engine, took) = timed(async {
        let engine = Engine::on(&kubeconfig).await;
        assert_eq!(engine.sync(&set).await, values.len());
        engine
    })
    .await;
    rows.push(("ours-first", took, note(&engine.counts)));
    engine.settle(&set).await;

    let (engine, took) = timed(async {
        let engine = Engine::on(&kubeconfig).await;
        assert_eq!(engine.sync(&set).await, 0);
        engine
    })
    .await;
    rows.push(("ours-again-cold", took, note(&engine.counts)));

    for _ in 0..5 {
        let (changes, took) = timed(engine.sync(&set)).await;
        assert_eq!(changes, 0);
        rows.push(("ours-again-warm", took, note(&engine.counts)));
    }

    for round in 0..5 {
        let mut values = values.clone();
        for value in &mut values[..10] {
            value["data"]["key-0"] = format!("other {round}").into();
        }
        let set = desired(&values, "bench");
        let (changes, took) = timed(engine.sync(&set)).await;
        assert_eq!(changes, 10);
        rows.push(("ours-ten", took, note(&engine.counts)));
        engine.settle(&set).await;
    }
    rows
}

// ---- many

fn sync_many() {
    let Some(plane) = plane() else { return };
    let kubeconfig = plane.kubeconfig.clone();
    run(async move {
        let set = desired(&objects(10_000), "bench");
        let engine = Engine::on(&kubeconfig).await;
        let (changes, took) = timed(engine.sync(&set)).await;
        assert_eq!(changes, set.objects.len());
        println!(
            "\n10,000 objects: first {:.1} s ({:.1} s of processor), {:.0} objects/s, peak {} MiB",
            took.wall,
            took.processor,
            10_000.0 / took.wall,
            status_kib("VmHWM") / 1024
        );
        engine.settle(&set).await;
        engine.counts.take();
        let (changes, took) = timed(engine.sync(&set)).await;
        let [lists, dry_runs, writes] = engine.counts.take();
        println!(
            "10,000 objects: nothing changed {:.0} ms, {changes} changes, {lists} lists, {dry_runs} dry runs, {writes} writes",
            took.wall * 1e3
        );
    });
}

// ---- memory

/// Serves 50,000 objects to a process of its own that holds them in its cache.
async fn memory() {
    let cluster = EmbeddedCluster::builder()
        .without_simulation()
        .build()
        .expect("a cluster");
    for object in desired(&objects(50_000), "default").objects {
        let options = ApplyOptions::default();
        cluster
            .apply(&object, &options)
            .await
            .expect("it is applied");
    }
    let address = "127.0.0.1:0".parse().expect("an address");
    let server = RestServer::bind(&cluster, address).await.expect("a port");
    let url = server.url();
    let serving = tokio::spawn(server.run());
    let program = std::env::current_exe().expect("this program");
    let child =
        tokio::task::spawn_blocking(move || Command::new(program).args(["--cache", &url]).status());
    let ended = child.await.expect("no panic").expect("it starts");
    serving.abort();
    assert!(ended.success());
}

async fn cache_of(url: String) {
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.default_retry = false;
    let client = kube::Client::try_from(config).expect("a client");
    let cluster: Arc<dyn Cluster> = Arc::new(KubeCluster::new(
        client,
        Arc::new(SystemClock),
        KubeOptions::default(),
    ));
    cluster.discovery().await.expect("discovery");
    cluster.schemas().await.expect("schemas");
    let before = status_kib("VmRSS");
    let cache = LiveCache::new(cluster);
    let mut count = 0;
    let kinds = [("", "ConfigMap"), ("apps", "Deployment"), ("", "Service")];
    for (group, kind) in kinds {
        let gvk = GroupVersionKind::new(group, "v1", kind);
        count += cache.objects(&gvk).await.expect("objects").len();
    }
    println!(
        "\n{count} live objects: {} MiB before, {} MiB with them, {} MiB at the peak",
        before / 1024,
        status_kib("VmRSS") / 1024,
        status_kib("VmHWM") / 1024
    );
}
