use std::{collections::BTreeMap, path::Path, sync::Arc};

use gitops_core::{
    app::ApplicationSource,
    render::{Dependencies as _, Trees},
    source::{ContentId, MemoryTree, RevisionSpec, Source as _, SourceError, SourceRef},
};

use super::{ChartRepositories, LockPolicy, RepositoryOptions};
use crate::helm::chart::archive::tests::pack;

fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// A repository with a chart `redis` in two versions.
fn repository(directory: &Path, broken_digest: bool) {
    let mut index = "apiVersion: v1\nentries:\n  redis:\n".to_owned();
    for version in ["10.3.1", "10.3.5"] {
        let metadata = format!("apiVersion: v1\nname: redis\nversion: {version}\n");
        let archive = pack(&[("redis/Chart.yaml", metadata.as_bytes())]);
        let digest = if broken_digest {
            "0".repeat(64)
        } else {
            ContentId::of(&archive).0
        };
        let file = format!("redis-{version}.tgz");
        std::fs::write(directory.join(&file), archive).unwrap();
        index.push_str(&format!(
            "  - {{name: redis, version: {version}, digest: {digest}, urls: [{file}]}}\n"
        ));
    }
    std::fs::write(directory.join("index.yaml"), index).unwrap();
}

fn repositories(directory: &Path, lock: LockPolicy) -> ChartRepositories {
    let url = "https://charts.example.com/stable/".to_owned();
    let options = RepositoryOptions {
        redirects: BTreeMap::from([(url, directory.display().to_string())]),
        lock,
        ..RepositoryOptions::default()
    };
    ChartRepositories::new(options).unwrap()
}

fn chart(lock: Option<&str>) -> Trees {
    let mut tree = MemoryTree::new()
        .with("app/Chart.yaml", "apiVersion: v1\nname: app\nversion: 1.0.0\n")
        .with(
            "app/requirements.yaml",
            "dependencies:\n- name: redis\n  version: 10.3.*\n  repository: https://charts.example.com/stable\n",
        );
    if let Some(version) = lock {
        tree.insert(
            "app/requirements.lock",
            format!("dependencies:\n- name: redis\n  repository: https://charts.example.com/stable\n  version: {version}\n"),
        );
    }
    Trees::new(Arc::new(tree), "app")
}

fn completed(trees: Trees, repositories: &ChartRepositories) -> Result<Vec<String>, SourceError> {
    let source = ApplicationSource::default();
    let trees = block_on(repositories.complete(trees, &source))?;
    let entries = trees.root.list("app/charts")?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

#[test]
fn missing_charts_are_added() {
    let directory = tempfile::tempdir().unwrap();
    repository(directory.path(), false);
    let preferred = repositories(directory.path(), LockPolicy::Preferred);
    assert_eq!(
        completed(chart(None), &preferred).unwrap(),
        ["redis-10.3.5.tgz"]
    );
    assert_eq!(
        completed(chart(Some("10.3.1")), &preferred).unwrap(),
        ["redis-10.3.1.tgz"]
    );
    assert_eq!(
        completed(chart(Some("10.3.2")), &preferred).unwrap(),
        ["redis-10.3.5.tgz"]
    );
    let ignored = repositories(directory.path(), LockPolicy::Ignored);
    assert_eq!(
        completed(chart(Some("10.3.1")), &ignored).unwrap(),
        ["redis-10.3.5.tgz"]
    );
    let required = repositories(directory.path(), LockPolicy::Required);
    assert!(completed(chart(Some("10.3.1")), &required).is_err());
}

#[test]
fn digests_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    repository(directory.path(), true);
    let repositories = repositories(directory.path(), LockPolicy::Preferred);
    assert!(matches!(
        completed(chart(None), &repositories),
        Err(SourceError::Unverified { .. })
    ));
}

#[test]
fn local_paths_need_permission() {
    let repositories = ChartRepositories::new(RepositoryOptions::default()).unwrap();
    let error = block_on(repositories.download("file:///etc", "x", "1")).unwrap_err();
    assert!(matches!(error, SourceError::InvalidUrl { .. }));
}

#[test]
fn charts_are_sources() {
    let directory = tempfile::tempdir().unwrap();
    repository(directory.path(), false);
    let repositories = repositories(directory.path(), LockPolicy::Preferred);
    let reference = SourceRef {
        url: "https://charts.example.com/stable".to_owned(),
        chart: Some("redis".to_owned()),
    };
    let source = repositories.chart(&reference).unwrap();
    let revision = block_on(source.resolve(&RevisionSpec::from("10.*"))).unwrap();
    assert_eq!(revision.id, "10.3.5");
    let tree = block_on(source.tree(&revision)).unwrap();
    assert!(tree.read("Chart.yaml").unwrap().is_some());
}
