//! A chart of a repository as a source of Applications.

use std::sync::Arc;

use async_trait::async_trait;
use gitops_core::{
    source::{FileTree, Revision, RevisionSpec, Source, SourceError, TreeError},
    version::Version,
};

use crate::{helm::ArchiveLimits, repositories::ChartRepositories, tree::ArchiveTree};

/// One chart of a chart repository; its revisions are its versions.
#[derive(Debug, Clone)]
pub struct ChartRepository {
    repositories: ChartRepositories,
    url: String,
    chart: String,
}

impl ChartRepository {
    pub(super) fn new(repositories: ChartRepositories, url: String, chart: String) -> Self {
        Self {
            repositories,
            url,
            chart,
        }
    }
}

#[async_trait]
impl Source for ChartRepository {
    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision, SourceError> {
        // An exact version cannot move: there is no need to look at the index.
        if Version::parse(&spec.0).is_ok() {
            return Ok(Revision::new(spec.0.as_str()));
        }
        let index = self.repositories.index(&self.url).await?;
        let entry = index.find(&self.url, &self.chart, &spec.0)?;
        Ok(Revision::new(entry.version.as_str()))
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        let (_, archive) = self
            .repositories
            .download(&self.url, &self.chart, &revision.id)
            .await?;
        let tree = ArchiveTree::new(&archive, &ArchiveLimits::default()).map_err(|error| {
            SourceError::Tree(TreeError::Corrupt {
                path: format!("{}-{}.tgz", self.chart, revision.id),
                reason: error.to_string(),
            })
        })?;
        Ok(Arc::new(tree))
    }
}
