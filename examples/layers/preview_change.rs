//! The preview of a pull request: what merging a branch would change in a cluster, told by an
//! embedded one that was brought to the state of the main branch first.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::{path::Path, process::Command, sync::Arc};

use gitops_apply::{embedded::EmbeddedCluster, execute::SyncApplier, health::ArgoHealth};
use gitops_core::{
    Manifest,
    app::{Application, default_project},
    clock::{Clock, SystemClock},
    pipeline::{Layers, Pipeline, SyncRequest},
    state::MemoryStateStore,
    yaml,
};
use gitops_diff::StructuralDiffer;
use gitops_git::GitProvider;
use gitops_render::{
    DirectoryRenderer, HelmRenderer,
    repositories::{ChartRepositories, RepositoryOptions},
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    print!("{}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<String, Failure> {
    let folder = tempfile::tempdir()?;
    let repository = folder.path().join("shop");
    pull_request(&repository)?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(MemoryStateStore::default());
    let pipeline = Pipeline::new(Layers {
        sources: Arc::new(GitProvider::builder(folder.path().join("cache"), clock.clone()).build()),
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
        clock,
    });
    let project = default_project();

    let merged = application(&repository, "main")?;
    let owner = pipeline.owner(&merged);
    let outcome = pipeline
        .reconcile(&owner, &merged, &project, Some(&SyncRequest::default()))
        .await;
    if let Some(error) = outcome.error {
        return Err(error.into());
    }

    let proposed = application(&repository, "refs/pull/12/head")?;
    let preview = pipeline
        .plan(&owner, &proposed, &project, &SyncRequest::default())
        .await?;
    let mut text = String::new();
    for step in preview.plan.changes() {
        text.push_str(&format!(
            "{:?} {}: {}\n",
            step.action, step.object, step.reason
        ));
        for change in &step.changes {
            text.push_str(&format!("    {change}\n"));
        }
    }
    Ok(text)
}

fn application(repository: &Path, revision: &str) -> Result<Application, Failure> {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: settings, namespace: argocd}}
spec:
  project: default
  source: {{repoURL: '{}', path: settings, targetRevision: {revision}}}
  destination: {{server: 'https://kubernetes.default.svc', namespace: default}}
",
        repository.display()
    );
    Ok(Application::from_manifest(&Manifest::try_from(
        yaml::from_str(&text)?,
    )?)?)
}

/// A repository with a pull request, as a forge keeps it.
fn pull_request(repository: &Path) -> Result<(), Failure> {
    let write = |greeting: &str| {
        std::fs::create_dir_all(repository.join("settings"))?;
        std::fs::write(
            repository.join("settings/greeting.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: greeting}}\ndata: {{text: {greeting}}}\n"
            ),
        )
    };
    let git = |arguments: &[&str]| -> Result<(), Failure> {
        let status = Command::new("git")
            .args([
                "-c",
                "user.name=example",
                "-c",
                "user.email=example@example.com",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .current_dir(repository)
            .status()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("git {arguments:?} failed").into())
    };
    write("hello")?;
    git(&["init", "--quiet", "--initial-branch=main"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "hello"])?;
    write("welcome")?;
    git(&["commit", "--quiet", "--all", "--message", "welcome"])?;
    git(&["update-ref", "refs/pull/12/head", "HEAD"])?;
    git(&["reset", "--quiet", "--hard", "HEAD~1"])
}
