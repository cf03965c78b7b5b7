//! The layers joined as the command line asks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gitops_apply::{
    embedded::EmbeddedCluster,
    execute::SyncApplier,
    health::{ArgoHealth, CelRules},
    kube::{KubeCluster, KubeOptions},
};
use gitops_core::{
    app::{AppProject, Application, default_project},
    apply::{ExecuteContext, ExecuteOptions},
    clock::{Clock, SystemClock},
    cluster::{Cluster, ClusterError, ListScope},
    controller::{Controller, ControllerOptions, Pass},
    health::HealthCheck,
    pipeline::{Comparison, Layers, Outcome, Pipeline, PipelineOptions, SyncRequest},
    plan::{Plan, Report},
    policy::PermitAll,
    source::{Source, SourceError, SourceProvider, SourceRef},
    state::ClusterStateStore,
};
use gitops_diff::StructuralDiffer;
use gitops_git::{GitProvider, UrlMap};
use gitops_render::{
    DirectoryRenderer, HelmRenderer,
    repositories::{ChartRepositories, RepositoryOptions},
    transform::RemovedApis,
};

use crate::{
    args::{ClusterArgs, ClusterChoice, OutputArgs, RuleArgs, SourceArgs},
    output::Progress,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Version of a new embedded cluster where none is asked for.
const DEFAULT_KUBERNETES: &str = "1.34";

/// A cluster, and where it is kept if it is an embedded one.
pub enum OpenCluster {
    /// In memory, kept in a file where there is one.
    Embedded(Arc<EmbeddedCluster>, Option<PathBuf>),
    /// A real one.
    Real(Arc<dyn Cluster>),
}

impl OpenCluster {
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        match self {
            Self::Embedded(cluster, _) => cluster.clone(),
            Self::Real(cluster) => cluster.clone(),
        }
    }

    /// Writes the embedded cluster to its file, whole or not at all.
    pub fn save(&self) -> Result<(), Failure> {
        if let Self::Embedded(cluster, Some(file)) = self {
            cluster.save(file)?;
        }
        Ok(())
    }
}

/// The version of a new embedded cluster that serves a Kubernetes version. One before 1.21 is run as
/// 1.21, the last that serves the beta kinds beside their successors: charts see Helm's own list of
/// API versions beside the cluster's, and may write either.
fn embedded_version(wanted: Option<&str>) -> &str {
    let Some(wanted) = wanted else {
        return DEFAULT_KUBERNETES;
    };
    let minor = wanted
        .trim_start_matches('v')
        .split('.')
        .nth(1)
        .and_then(|m| m.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < 21) {
        "1.21"
    } else {
        wanted
    }
}

/// Opens the cluster that the command line names.
pub async fn open_cluster(args: &ClusterArgs) -> Result<OpenCluster, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match &args.cluster {
        ClusterChoice::Embedded(file) => {
            let cluster = match file {
                Some(file) if file.exists() => {
                    EmbeddedCluster::builder().clock(clock).load(file)?
                }
                _ => EmbeddedCluster::builder()
                    .kubernetes(embedded_version(args.kube_version.as_deref()))
                    .clock(clock)
                    .build()?,
            };
            Ok(OpenCluster::Embedded(Arc::new(cluster), file.clone()))
        }
        ClusterChoice::Kubeconfig(context) => {
            let options = KubeOptions::default();
            let cluster = KubeCluster::from_kubeconfig(context.as_deref(), clock, options).await?;
            Ok(OpenCluster::Real(Arc::new(cluster)))
        }
    }
}

/// Where repositories are read from.
#[derive(Debug, Default)]
pub struct Repositories {
    /// Where a URL is read from instead.
    pub map: Vec<(String, String)>,
    /// Where fetched repositories are kept.
    pub cache: Option<PathBuf>,
}

/// Everything a command needs.
pub struct Session {
    pub controller: Controller,
    opened: OpenCluster,
    progress: Arc<Progress>,
    namespace: String,
}

impl Session {
    pub async fn open(
        cluster: &ClusterArgs,
        sources: &SourceArgs,
        output: &OutputArgs,
        options: ControllerOptions,
    ) -> Result<Self, Failure> {
        let opened = open_cluster(cluster).await?;
        let map = read_map(&sources.map)?;
        let repositories = Repositories {
            map,
            cache: sources.cache.clone(),
        };
        Self::join(
            opened,
            cluster,
            repositories,
            &sources.rules,
            output,
            options,
        )
    }

    /// Joins the layers over an open cluster.
    pub fn join(
        opened: OpenCluster,
        cluster: &ClusterArgs,
        Repositories { map, cache }: Repositories,
        rules: &RuleArgs,
        output: &OutputArgs,
        options: ControllerOptions,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let progress = Arc::new(Progress::new(output));
        let cache = cache.unwrap_or_else(default_cache);
        let git = GitProvider::builder(cache.join("git"), clock.clone())
            .map(
                map.iter()
                    .map(|(url, path)| (url.clone(), path.clone()))
                    .collect::<UrlMap>(),
            )
            .refresh_interval(options.poll_interval.min(Duration::from_secs(5)))
            .build();
        let mut repositories = RepositoryOptions::default();
        repositories.redirects = map.into_iter().collect();
        repositories.local_repositories = true;
        let charts = Arc::new(ChartRepositories::new(repositories)?);
        let provider = Providers {
            git,
            charts: charts.clone(),
        };
        let live = opened.cluster();
        let state = Arc::new(ClusterStateStore::new(live.clone(), &cluster.namespace));
        let deadline = Duration::from_secs(cluster.timeout);
        let mut pipeline = Pipeline::new(Layers {
            sources: Arc::new(provider),
            dependencies: charts,
            renderers: vec![
                Arc::new(HelmRenderer::default()),
                Arc::new(DirectoryRenderer::default()),
            ],
            applier: Arc::new(SyncApplier::new(
                Arc::new(StructuralDiffer::default()),
                state.clone(),
            )),
            cluster: live,
            health: health_check(rules.health_rules.as_deref())?,
            state,
            clock,
        })
        .with_options(PipelineOptions {
            control_namespace: cluster.namespace.clone(),
            kube_version: cluster.kube_version.clone(),
            lookups: false,
            execute: ExecuteOptions {
                deadline,
                ..ExecuteOptions::default()
            },
            ..PipelineOptions::default()
        })
        .with_events(progress.clone());
        if rules.migrate_removed_apis {
            pipeline = pipeline.with_transformer(Arc::new(RemovedApis));
        }
        let options = ControllerOptions {
            deadline,
            ..options
        };
        Ok(Self {
            controller: Controller::new(Arc::new(pipeline), options),
            opened,
            progress,
            namespace: cluster.namespace.clone(),
        })
    }

    pub fn cluster(&self) -> &dyn Cluster {
        &*self.pipeline().cluster
    }

    fn pipeline(&self) -> &Pipeline {
        self.controller.pipeline()
    }

    /// Reconciles until nothing is left to do, saving the embedded cluster on the way, so that a
    /// killed process loses at most one pass.
    pub async fn converge(&self) -> Result<Pass, Failure> {
        self.controller.converge_with(|_| self.save()).await
    }

    /// Writes the embedded cluster to its file, where it has one.
    pub fn save(&self) -> Result<(), Failure> {
        self.opened.save()
    }

    /// The embedded cluster, where it is one.
    pub fn embedded(&self) -> Option<&EmbeddedCluster> {
        match &self.opened {
            OpenCluster::Embedded(cluster, _) => Some(cluster),
            OpenCluster::Real(_) => None,
        }
    }

    pub async fn close(&self) -> Result<(), Failure> {
        self.progress.finish();
        self.opened.save()
    }

    /// The Applications with these names; all where there are none.
    pub async fn applications(&self, names: &[String]) -> Result<Vec<Application>, Failure> {
        let kind = gitops_core::app::application_kind();
        let list = match self.cluster().list(&ListScope::all(kind)).await {
            Ok(list) => list,
            Err(ClusterError::UnknownKind { .. }) => {
                return Err("the cluster knows no Applications; bootstrap one first".into());
            }
            Err(error) => return Err(error.into()),
        };
        let mut applications = Vec::new();
        for object in &list.items {
            if names.is_empty() || names.iter().any(|name| name == object.name()) {
                applications.push(Application::from_manifest(object)?);
            }
        }
        for name in names {
            if !applications
                .iter()
                .any(|application| application.name() == name)
            {
                return Err(format!("there is no application `{name}`").into());
            }
        }
        Ok(applications)
    }

    async fn project(&self, application: &Application) -> Result<AppProject, Failure> {
        let kind = gitops_core::app::project_kind();
        let objects = self.cluster().list(&ListScope::all(kind)).await?;
        let found = objects.items.iter().find(|object| {
            object.name() == application.project() && object.namespace() == self.namespace
        });
        match found {
            Some(object) => Ok(AppProject::from_manifest(object)?),
            None if application.project() == "default" => Ok(default_project()),
            None => Err(format!(
                "Application referencing project {} which does not exist",
                application.project()
            )
            .into()),
        }
    }

    pub async fn plan(
        &self,
        application: &Application,
        request: &SyncRequest,
    ) -> Result<Comparison, Failure> {
        let project = self.project(application).await?;
        let owner = self.pipeline().owner(application);
        Ok(self
            .pipeline()
            .plan(&owner, application, &project, request)
            .await?)
    }

    /// Syncs one application and writes its status.
    pub async fn sync(
        &self,
        application: &Application,
        request: &SyncRequest,
    ) -> Result<Outcome, Failure> {
        let project = self.project(application).await?;
        let owner = self.pipeline().owner(application);
        let outcome = self
            .pipeline()
            .reconcile(&owner, application, &project, Some(request))
            .await;
        self.controller.record(application, &outcome).await?;
        Ok(outcome)
    }

    /// Executes a plan that was saved.
    pub async fn execute(&self, plan: &Plan) -> Result<Report, Failure> {
        let pipeline = self.pipeline();
        let context = ExecuteContext {
            clock: &*pipeline.clock,
            health: &*pipeline.health,
            policy: &PermitAll,
            events: &*pipeline.events,
        };
        let options = &pipeline.options.execute;
        Ok(pipeline
            .applier
            .execute(plan, &*pipeline.cluster, &context, options)
            .await?)
    }
}

/// Git repositories, and charts of chart repositories.
struct Providers {
    git: GitProvider,
    charts: Arc<ChartRepositories>,
}

#[async_trait]
impl SourceProvider for Providers {
    async fn open(&self, source: &SourceRef) -> Result<Arc<dyn Source>, SourceError> {
        match self.charts.chart(source) {
            Some(chart) => Ok(Arc::new(chart)),
            None => self.git.open(source).await,
        }
    }
}

/// Argo CD's rules, behind those of a file where there is one.
fn health_check(rules: Option<&Path>) -> Result<Arc<dyn HealthCheck>, Failure> {
    let Some(file) = rules else {
        return Ok(Arc::new(ArgoHealth));
    };
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("--health-rules {shown}: {error}"))?;
    let rules = CelRules::parse(&text, ArgoHealth)
        .map_err(|error| format!("--health-rules {shown}: {error}"))?;
    Ok(Arc::new(rules))
}

/// Reads `--map`: pairs, or JSON files of pairs whose relative paths start at the file.
fn read_map(arguments: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut map = Vec::new();
    for argument in arguments {
        if let Some((url, path)) = argument
            .split_once('=')
            .filter(|(url, _)| url.contains(':'))
        {
            map.push((url.to_owned(), absolute(path)?));
            continue;
        }
        let file = PathBuf::from(argument);
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("--map {argument}: {error}; give URL=PATH or a JSON file"))?;
        let pairs: std::collections::BTreeMap<String, String> = serde_json::from_str(&text)
            .map_err(|error| format!("--map {argument} is no JSON file of URL: PATH: {error}"))?;
        let base = file.parent().map(PathBuf::from).unwrap_or_default();
        for (url, path) in pairs {
            let path = base.join(path);
            map.push((url, absolute(&path.to_string_lossy())?));
        }
    }
    Ok(map)
}

fn absolute(path: &str) -> Result<String, Failure> {
    if path.contains("://") {
        return Ok(path.to_owned());
    }
    Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
}

/// `$XDG_CACHE_HOME/gitops`, else `~/.cache/gitops`, else a folder for temporary files.
fn default_cache() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("gitops")
}
