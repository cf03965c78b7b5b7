//! The whole way of a real repository: everything that `gitops bootstrap --sync-all` does to a new
//! embedded cluster, beside the `helm template` runs that a script would make one after the other.
//!
//! Usage: `cargo bench -p gitops-benches --bench seed [-- FOLDER]`, where FOLDER holds a corpus in the
//! form of `../shared/corpus/seed` (the default). Helm's times are shown if `benches/peers/helm-command/helm`
//! was built (`go build -o helm helm.sh/helm/v4/cmd/helm` there).

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and reports what it measured"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gitops_apply::{embedded::EmbeddedCluster, execute::SyncApplier, health::ArgoHealth};
use gitops_core::{
    app::{Application, ApplicationSource},
    apply::{Applier, ExecuteContext, ExecuteError, ExecuteOptions, PlanError},
    clock::{Clock, ManualClock},
    cluster::Cluster,
    controller::{BootstrapSet, Controller, ControllerOptions},
    pipeline::{Layers, Pipeline, PipelineOptions},
    plan::{DesiredSet, LiveSet, Owner, Plan, PlanOptions, Report},
    render::{Dependencies, Prepared, RenderError, RenderInput, RenderOutcome, Renderer, Trees},
    schema::Schemas,
    source::{Source, SourceError, SourceProvider, SourceRef},
    state::ClusterStateStore,
};
use gitops_diff::StructuralDiffer;
use gitops_git::{GitProvider, UrlMap};
use gitops_render::{
    DirectoryRenderer, HelmRenderer,
    repositories::{ChartRepositories, RepositoryOptions},
};

const SEED: &str = "https://github.com/edgelevel/gitops-k8s.git";
const ROUNDS: usize = 7;

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/seed"),
            PathBuf::from,
        );
    if !folder.join("urls.json").exists() {
        println!("no seed corpus at {}", folder.display());
        return;
    }
    let temporary = tempfile::tempdir().expect("a folder for temporary files");
    let map = repositories(&folder, temporary.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut best: Option<Measured> = None;
    for _ in 0..ROUNDS {
        let measured = runtime.block_on(bootstrap(&map, &temporary.path().join("cache")));
        if best.as_ref().is_none_or(|best| measured.whole < best.whole) {
            best = Some(measured);
        }
    }
    let best = best.expect("there was a round");
    println!(
        "{} applications, {} objects, {} writes, best of {ROUNDS} rounds",
        best.applications, best.objects, best.writes
    );
    println!(
        "whole bootstrap        {:>8.1} ms",
        milliseconds(best.whole)
    );
    for (part, (calls, time)) in &best.parts {
        println!(
            "  {part:<20} {:>8.1} ms in {calls} calls",
            milliseconds(*time)
        );
    }
    println!(
        "a pass without changes {:>8.1} ms",
        milliseconds(best.again)
    );
    helm(&folder, &map, temporary.path());
}

struct Measured {
    whole: Duration,
    again: Duration,
    parts: BTreeMap<&'static str, (usize, Duration)>,
    applications: usize,
    objects: usize,
    writes: u64,
}

/// Calls of each layer, and the time spent in it.
type Spent = Arc<Mutex<BTreeMap<&'static str, (usize, Duration)>>>;

struct Timed<T> {
    inner: T,
    spent: Spent,
}

impl<T> Timed<T> {
    fn count(&self, part: &'static str, started: Instant) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, time) = spent.entry(part).or_default();
        *calls += 1;
        *time += started.elapsed();
    }
}

async fn bootstrap(map: &[(String, String)], cache: &Path) -> Measured {
    let spent = Spent::default();
    // Waits cost nothing: what is measured is the engine's own time.
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(
        "2026-01-01T00:00:00Z".parse().expect("a time"),
    ));
    let embedded = EmbeddedCluster::builder()
        .kubernetes("1.21")
        .clock(clock.clone())
        .build()
        .expect("a version that is bundled");
    let cluster: Arc<dyn Cluster> = Arc::new(embedded.clone());
    let mut options = RepositoryOptions::default();
    options.redirects = map.iter().cloned().collect();
    options.local_repositories = true;
    let charts = Arc::new(ChartRepositories::new(options).expect("redirects to folders"));
    let state = Arc::new(ClusterStateStore::new(cluster.clone(), "argocd"));
    let timed = |inner: Arc<dyn Renderer>| -> Arc<dyn Renderer> {
        Arc::new(Timed {
            inner,
            spent: spent.clone(),
        })
    };
    let sources = Providers {
        git: GitProvider::builder(cache, clock.clone())
            .map(map.iter().cloned().collect::<UrlMap>())
            .build(),
        charts: charts.clone(),
    };
    let differ = Arc::new(StructuralDiffer::default());
    let started = Instant::now();
    let pipeline = Pipeline::new(Layers {
        sources: Arc::new(Timed {
            inner: sources,
            spent: spent.clone(),
        }),
        dependencies: Arc::new(Timed {
            inner: charts,
            spent: spent.clone(),
        }),
        renderers: vec![
            timed(Arc::new(HelmRenderer::default())),
            timed(Arc::new(DirectoryRenderer::default())),
        ],
        applier: Arc::new(Timed {
            inner: SyncApplier::new(differ, state.clone()),
            spent: spent.clone(),
        }),
        cluster,
        health: Arc::new(ArgoHealth),
        state,
        clock,
    })
    .with_options(PipelineOptions {
        kube_version: Some("1.17.0".to_owned()),
        ..PipelineOptions::default()
    });
    let controller = Controller::new(
        Arc::new(pipeline),
        ControllerOptions {
            sync_all: true,
            ..ControllerOptions::default()
        },
    );
    let set = BootstrapSet {
        name: "seed".to_owned(),
        repository: SEED.to_owned(),
        path: "charts/seed".to_owned(),
        revision: "HEAD".to_owned(),
        namespace: "argocd".to_owned(),
        parameters: Vec::new(),
    };
    let outcome = controller
        .bootstrap(&set)
        .await
        .expect("the state can be read");
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let pass = loop {
        let pass = controller.pass().await.expect("the cluster answers");
        if !pass.wrote {
            break pass;
        }
    };
    let whole = started.elapsed();
    let parts = spent.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let again = Instant::now();
    let quiet = controller.pass().await.expect("the cluster answers");
    let again = again.elapsed();
    assert!(!quiet.wrote, "a pass without changes writes nothing");
    Measured {
        whole,
        again,
        parts,
        applications: pass.applications.len(),
        objects: embedded.object_count(),
        writes: embedded.requests().writes,
    }
}

/// Git repositories, and charts of chart repositories.
struct Providers {
    git: GitProvider,
    charts: Arc<ChartRepositories>,
}

#[async_trait]
impl SourceProvider for Timed<Providers> {
    async fn open(&self, source: &SourceRef) -> Result<Arc<dyn Source>, SourceError> {
        let started = Instant::now();
        let opened: Arc<dyn Source> = match self.inner.charts.chart(source) {
            Some(chart) => Arc::new(chart),
            None => self.inner.git.open(source).await?,
        };
        self.count("sources", started);
        Ok(Arc::new(Timed {
            inner: opened,
            spent: self.spent.clone(),
        }))
    }
}

#[async_trait]
impl Source for Timed<Arc<dyn Source>> {
    async fn resolve(
        &self,
        spec: &gitops_core::source::RevisionSpec,
    ) -> Result<gitops_core::source::Revision, SourceError> {
        let started = Instant::now();
        let revision = self.inner.resolve(spec).await;
        self.count("sources", started);
        revision
    }

    async fn tree(
        &self,
        revision: &gitops_core::source::Revision,
    ) -> Result<Arc<dyn gitops_core::source::FileTree>, SourceError> {
        let started = Instant::now();
        let tree = self.inner.tree(revision).await;
        self.count("sources", started);
        tree
    }
}

#[async_trait]
impl Dependencies for Timed<Arc<ChartRepositories>> {
    async fn complete(
        &self,
        trees: Trees,
        source: &ApplicationSource,
    ) -> Result<Trees, SourceError> {
        let started = Instant::now();
        let trees = self.inner.complete(trees, source).await;
        self.count("chart dependencies", started);
        trees
    }
}

impl Renderer for Timed<Arc<dyn Renderer>> {
    fn detects(&self, trees: &Trees, source: &ApplicationSource) -> Result<bool, RenderError> {
        self.inner.detects(trees, source)
    }

    fn prepare(
        &self,
        trees: &Trees,
        source: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError> {
        let started = Instant::now();
        let prepared = self.inner.prepare(trees, source)?;
        self.count("charts loaded", started);
        Ok(Arc::new(Timed {
            inner: prepared,
            spent: self.spent.clone(),
        }))
    }
}

impl Prepared for Timed<Arc<dyn Prepared>> {
    fn render(&self, input: &RenderInput) -> Result<RenderOutcome, RenderError> {
        let started = Instant::now();
        let outcome = self.inner.render(input);
        self.count("rendered", started);
        outcome
    }
}

#[async_trait]
impl Applier for Timed<SyncApplier> {
    fn plan(
        &self,
        desired: &DesiredSet,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        let started = Instant::now();
        let plan = self.inner.plan(desired, live, schemas, options);
        self.count("planned", started);
        plan
    }

    fn plan_deletion(
        &self,
        owner: &Owner,
        desired: Option<&DesiredSet>,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        self.inner
            .plan_deletion(owner, desired, live, schemas, options)
    }

    async fn confirm(
        &self,
        plan: Plan,
        live: &LiveSet,
        cluster: &dyn Cluster,
    ) -> Result<Plan, ExecuteError> {
        let started = Instant::now();
        let plan = self.inner.confirm(plan, live, cluster).await;
        self.count("confirmed", started);
        plan
    }

    async fn execute(
        &self,
        plan: &Plan,
        cluster: &dyn Cluster,
        context: &ExecuteContext<'_>,
        options: &ExecuteOptions,
    ) -> Result<Report, ExecuteError> {
        let started = Instant::now();
        let report = self.inner.execute(plan, cluster, context, options).await;
        self.count("applied", started);
        report
    }
}

/// Makes Git repositories of the trees; returns where each URL is found.
fn repositories(folder: &Path, temporary: &Path) -> Vec<(String, String)> {
    let urls = fs::read_to_string(folder.join("urls.json")).expect("the corpus is readable");
    let urls: BTreeMap<String, String> = serde_json::from_str(&urls).expect("a map of texts");
    let mut map = Vec::new();
    for (url, path) in urls {
        let from = folder.join(&path);
        if !path.starts_with("repos/") {
            map.push((url, from.to_string_lossy().into_owned()));
            continue;
        }
        let to = temporary.join(&path);
        copy(&from, &to);
        git(&to, &["init", "--quiet", "--initial-branch=main"]);
        git(&to, &["add", "--all", "--force"]);
        git(&to, &["commit", "--quiet", "--message", "seed"]);
        map.push((url, to.to_string_lossy().into_owned()));
    }
    map
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args([
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.com",
        ])
        .args(["-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .status()
        .expect("git starts");
    assert!(status.success());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is writable");
    for entry in fs::read_dir(from).expect("the folder exists") {
        let entry = entry.expect("the folder is readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("the folder is readable").is_dir() {
            copy(&entry.path(), &target);
        } else {
            let content = fs::read(entry.path()).expect("the file is readable");
            fs::write(target, content).expect("the folder is writable");
        }
    }
}

/// Runs `helm template` for every chart that an Application of the corpus names, one after the other,
/// dependencies in place.
fn helm(folder: &Path, map: &[(String, String)], temporary: &Path) {
    let helm = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/helm-command/helm");
    if !helm.exists() {
        println!("Helm was not measured: {} is not built", helm.display());
        return;
    }
    let applications = applications(folder);
    let found: BTreeMap<&str, &str> = map
        .iter()
        .map(|(url, path)| (url.as_str(), path.as_str()))
        .collect();
    let mut commands: Vec<(PathBuf, String)> = Vec::new();
    for application in &applications {
        for source in application.sources() {
            let (Some(repository), Some(path)) =
                (found.get(source.repo_url.as_str()), source.path.as_deref())
            else {
                continue;
            };
            let chart = Path::new(repository).join(path);
            if chart.join("Chart.yaml").exists() {
                complete(&chart, &found);
                commands.push((chart, application.name().to_owned()));
            }
        }
    }
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for (chart, name) in &commands {
            let output = Command::new(&helm)
                .args(["template", name])
                .arg(chart)
                .args([
                    "--kube-version",
                    "1.17.0",
                    "--include-crds",
                    "--namespace",
                    "default",
                ])
                .env("HELM_CACHE_HOME", temporary.join("helm"))
                .output()
                .expect("helm starts");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {error}");
        }
        best = best.min(started.elapsed());
    }
    println!(
        "helm template, {} runs {:>8.1} ms",
        commands.len(),
        milliseconds(best)
    );
}

/// The Applications of the golden output.
fn applications(folder: &Path) -> Vec<Application> {
    let text = ["seed", "applications"]
        .map(|name| fs::read_to_string(folder.join(format!("golden/{name}.yaml"))))
        .map(|text| text.expect("the corpus is readable"))
        .concat();
    text.split("\n---\n")
        .filter_map(|document| gitops_core::yaml::from_str(document).ok())
        .filter_map(|value| gitops_core::Manifest::try_from(value).ok())
        .filter(|manifest| manifest.kind() == "Application")
        .filter_map(|manifest| Application::from_manifest(&manifest).ok())
        .collect()
}

/// Puts the dependencies that requirements.yaml names into `charts/`, as `helm dependency build` does.
fn complete(chart: &Path, found: &BTreeMap<&str, &str>) {
    let Ok(text) = fs::read_to_string(chart.join("requirements.yaml")) else {
        return;
    };
    let Ok(requirements) = gitops_core::yaml::from_str(&text) else {
        return;
    };
    for dependency in requirements["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let text = |field: &str| dependency[field].as_str().unwrap_or_default();
        let url = text("repository");
        let Some(repository) = found
            .get(url)
            .or_else(|| found.get(url.trim_end_matches('/')))
        else {
            continue;
        };
        let mut archives: Vec<PathBuf> = fs::read_dir(repository)
            .expect("the corpus is readable")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                name.starts_with(&format!("{}-", text("name"))) && name.ends_with(".tgz")
            })
            .collect();
        archives.sort();
        let exact = format!("{}-{}.tgz", text("name"), text("version"));
        let exact = archives.iter().find(|path| path.ends_with(&exact));
        if let Some(archive) = exact.or(archives.last()) {
            let target = chart.join("charts");
            fs::create_dir_all(&target).expect("the folder is writable");
            let name = archive.file_name().unwrap_or_default();
            fs::write(
                target.join(name),
                fs::read(archive).expect("the file is readable"),
            )
            .expect("the folder is writable");
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
