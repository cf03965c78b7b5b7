//! A source of one's own: desired state that comes from anywhere (here: from memory), through the
//! whole pipeline onto an embedded cluster.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::sync::Arc;

use async_trait::async_trait;
use gitops_apply::{embedded::EmbeddedCluster, execute::SyncApplier, health::ArgoHealth};
use gitops_core::{
    Manifest,
    app::{Application, default_project},
    clock::SystemClock,
    pipeline::{Layers, Pipeline},
    source::{
        ContentId, FileTree, MemoryTree, Revision, RevisionSpec, Source, SourceError,
        SourceProvider, SourceRef,
    },
    state::MemoryStateStore,
    yaml,
};
use gitops_diff::StructuralDiffer;
use gitops_render::{
    DirectoryRenderer, HelmRenderer,
    repositories::{ChartRepositories, RepositoryOptions},
};

type Failure = Box<dyn std::error::Error>;

/// A bucket of files. Another might ask S3, a database, or an HTTP server.
struct Bucket(MemoryTree);

#[async_trait]
impl Source for Bucket {
    async fn resolve(&self, _spec: &RevisionSpec) -> Result<Revision, SourceError> {
        // A revision names content: here it is the digest of all files.
        let ContentId(digest) = self.0.id("")?.unwrap_or(ContentId::of(b""));
        Ok(Revision::new(digest))
    }

    async fn tree(&self, _revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        Ok(Arc::new(self.0.clone()))
    }
}

struct Buckets;

#[async_trait]
impl SourceProvider for Buckets {
    async fn open(&self, source: &SourceRef) -> Result<Arc<dyn Source>, SourceError> {
        match source.url.as_str() {
            "bucket://settings" => Ok(Arc::new(Bucket(MemoryTree::new().with(
                "production/settings.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {greeting: hello}\n",
            )))),
            url => Err(SourceError::UnknownRepository { url: url.to_owned() }),
        }
    }
}

const APPLICATION: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: settings, namespace: argocd}
spec:
  project: default
  source: {repoURL: 'bucket://settings', path: production, targetRevision: HEAD}
  destination: {server: 'https://kubernetes.default.svc', namespace: default}
  syncPolicy: {automated: {}}
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    print!("{}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<String, Failure> {
    let state = Arc::new(MemoryStateStore::default());
    let pipeline = Pipeline::new(Layers {
        sources: Arc::new(Buckets),
        dependencies: Arc::new(ChartRepositories::new(RepositoryOptions::default())?),
        renderers: vec![
            Arc::new(HelmRenderer::default()),
            Arc::new(DirectoryRenderer::default()),
        ],
        applier: Arc::new(SyncApplier::new(
            Arc::new(StructuralDiffer::default()),
            state.clone(),
        )),
        cluster: Arc::new(EmbeddedCluster::builder().kubernetes("1.34").build()?),
        health: Arc::new(ArgoHealth),
        state,
        clock: Arc::new(SystemClock),
    });
    let application =
        Application::from_manifest(&Manifest::try_from(yaml::from_str(APPLICATION)?)?)?;
    let owner = pipeline.owner(&application);

    let outcome = pipeline
        .reconcile(&owner, &application, &default_project(), None)
        .await;

    let mut text = String::new();
    if let Some(report) = &outcome.report {
        for result in &report.results {
            text.push_str(&format!("{:?} {}\n", result.action, result.object));
        }
    }
    text.push_str(&format!(
        "{:?} at {}\n",
        outcome.status.sync.status,
        &outcome.status.sync.revision[..7]
    ));
    Ok(text)
}
