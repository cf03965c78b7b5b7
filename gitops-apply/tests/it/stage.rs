//! A pipeline over the embedded cluster whose application is a list of objects.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gitops_apply::{embedded::EmbeddedCluster, execute::SyncApplier, health::ArgoHealth};
use gitops_core::{
    Manifest, ObjectId,
    app::{Application, ApplicationSource, default_project},
    async_trait,
    clock::ManualClock,
    cluster::Cluster,
    pipeline::{Layers, Outcome, Pipeline, PipelineOptions, SyncRequest},
    plan::Owner,
    render::{
        Dependencies, Prepared, RenderError, RenderInput, RenderOutcome, Rendered, Renderer, Trees,
    },
    source::{
        ContentId, FileTree, MemoryTree, Revision, RevisionSpec, Source, SourceError,
        SourceProvider, SourceRef,
    },
    state::{ClusterStateStore, StateItem, StateKey, load_json},
};
use gitops_diff::StructuralDiffer;
use serde_json::{Value, json};

/// What is declared, as one file of a repository.
#[derive(Clone, Default)]
pub(crate) struct Repository(Arc<Mutex<String>>);

const FILE: &str = "app/objects.json";

#[async_trait]
impl SourceProvider for Repository {
    async fn open(&self, _: &SourceRef) -> Result<Arc<dyn Source>, SourceError> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Source for Repository {
    async fn resolve(&self, _: &RevisionSpec) -> Result<Revision, SourceError> {
        let text = self.0.lock().unwrap();
        Ok(Revision::new(ContentId::of(text.as_bytes()).0))
    }

    async fn tree(&self, _: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let text = self.0.lock().unwrap().clone();
        Ok(Arc::new(MemoryTree::new().with(FILE, text)))
    }
}

#[async_trait]
impl Dependencies for Repository {
    async fn complete(&self, trees: Trees, _: &ApplicationSource) -> Result<Trees, SourceError> {
        Ok(trees)
    }
}

struct Listed;
struct PreparedList(Vec<Manifest>, ContentId);

impl Renderer for Listed {
    fn detects(&self, _: &Trees, _: &ApplicationSource) -> Result<bool, RenderError> {
        Ok(true)
    }

    fn prepare(
        &self,
        trees: &Trees,
        _: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError> {
        let text = trees.root.read(FILE)?.unwrap();
        let id = trees.root.id(FILE)?.unwrap();
        let objects = serde_json::from_slice(&text).unwrap();
        Ok(Arc::new(PreparedList(objects, id)))
    }
}

impl Prepared for PreparedList {
    fn render(&self, _: &RenderInput) -> Result<RenderOutcome, RenderError> {
        Ok(RenderOutcome::Rendered(Rendered {
            manifests: self.0.clone(),
            source_type: "Directory",
            inputs_read: BTreeMap::from([(FILE.to_owned(), Some(self.1.clone()))]),
            ..Rendered::default()
        }))
    }
}

/// A cluster, a repository and an Application.
pub(crate) struct Stage {
    pub(crate) cluster: EmbeddedCluster,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) application: Application,
    repository: Repository,
}

impl Stage {
    pub(crate) fn new(objects: &[Manifest]) -> Self {
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let stage = Self {
            cluster: EmbeddedCluster::builder()
                .clock(clock.clone())
                .build()
                .unwrap(),
            clock,
            application: application(json!({})),
            repository: Repository::default(),
        };
        stage.declare(objects);
        stage
    }

    /// Commits.
    pub(crate) fn declare(&self, objects: &[Manifest]) {
        *self.repository.0.lock().unwrap() = serde_json::to_string(objects).unwrap();
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        self.pipeline_on(Arc::new(self.cluster.clone()), PipelineOptions::default())
    }

    /// A new process.
    pub(crate) fn pipeline_on(
        &self,
        cluster: Arc<dyn Cluster>,
        options: PipelineOptions,
    ) -> Pipeline {
        let state = Arc::new(ClusterStateStore::new(cluster.clone(), "argocd"));
        Pipeline::new(Layers {
            sources: Arc::new(self.repository.clone()),
            dependencies: Arc::new(self.repository.clone()),
            renderers: vec![Arc::new(Listed)],
            applier: Arc::new(SyncApplier::new(
                Arc::new(StructuralDiffer::default()),
                state.clone(),
            )),
            cluster,
            health: Arc::new(ArgoHealth),
            state,
            clock: self.clock.clone(),
        })
        .with_options(options)
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner {
            name: "shop".to_owned(),
            namespace: "argocd".to_owned(),
            bootstrap: false,
        }
    }

    /// Reconciles once and keeps the status.
    pub(crate) async fn reconcile(&mut self, pipeline: &Pipeline) -> Outcome {
        self.reconcile_for(pipeline, None).await
    }

    pub(crate) async fn reconcile_for(
        &mut self,
        pipeline: &Pipeline,
        request: Option<&SyncRequest>,
    ) -> Outcome {
        let project = default_project();
        let owner = self.owner();
        let outcome = pipeline
            .reconcile(&owner, &self.application, &project, request)
            .await;
        self.application.status = Some(outcome.status.clone());
        outcome
    }

    pub(crate) async fn inventory(&self) -> Vec<ObjectId> {
        let state = ClusterStateStore::new(Arc::new(self.cluster.clone()), "argocd");
        let key = StateKey {
            owner: self.owner(),
            item: StateItem::Inventory,
        };
        load_json(&state, &key).await.unwrap().unwrap_or_default()
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<Manifest> {
        let all = self.cluster.objects();
        all.into_iter()
            .find(|object| object.kind() == kind && object.name() == name)
    }
}

/// An Application that is synced by itself; `metadata` is merged into its own.
pub(crate) fn application(metadata: Value) -> Application {
    Application::from_manifest(&application_object(metadata)).unwrap()
}

/// The same as an object.
pub(crate) fn application_object(metadata: Value) -> Manifest {
    let mut value = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://example.com/shop", "path": "app"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {
                "automated": {"prune": true, "selfHeal": true},
                "syncOptions": ["CreateNamespace=true"],
            },
        },
    });
    json_patch::merge(&mut value["metadata"], &metadata);
    Manifest::try_from(value).unwrap()
}
