//! What `helm dependency update` writes.

use bytes::Bytes;
use gitops_core::{clock::Timestamp, source::SourceError, version::Constraint};
use serde_json::json;

use crate::{
    helm::{Chart, Dependency},
    repositories::{
        ChartRepositories,
        complete::{invalid, lock_digest},
    },
};

/// The dependencies of a chart in the highest versions that fit, and the lock that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependencyUpdate {
    /// Packed charts for `charts/`, by file name.
    pub charts: Vec<(String, Bytes)>,
    /// Name and content of the lock file; none where the chart has this lock already.
    pub lock: Option<(&'static str, String)>,
    /// Dependencies without a repository: they are in `charts/` already.
    pub local: Vec<String>,
}

impl ChartRepositories {
    /// Fetches all dependencies of a chart, whatever its lock says.
    ///
    /// # Errors
    /// Where one cannot be had; dependencies at local paths (`file://`) cannot.
    pub async fn update(
        &self,
        chart: &Chart,
        now: Timestamp,
    ) -> Result<DependencyUpdate, SourceError> {
        let declared = chart.metadata.dependencies.as_deref().unwrap_or_default();
        let (mut charts, mut locked, mut local) = (Vec::new(), Vec::new(), Vec::new());
        for dependency in declared {
            let name = &dependency.name;
            let mut lock = Dependency::default();
            lock.name.clone_from(name);
            lock.repository.clone_from(&dependency.repository);
            lock.version.clone_from(&dependency.version);
            if dependency.repository.is_empty() {
                local.push(name.clone());
                locked.push(lock);
                continue;
            }
            if dependency.repository.starts_with("file://") {
                let reason = "the dependency is at a local path, which is not packed here; use `helm dependency update`";
                return Err(invalid(name, reason));
            }
            if let Err(error) = Constraint::parse(&dependency.version) {
                let reason =
                    format!("the dependency has an invalid version/constraint format: {error}");
                return Err(invalid(name, &reason));
            }
            let repository = self.repository_of(dependency)?;
            let found = self.find(&repository, name, &dependency.version).await?;
            let archive = self.fetch(&found).await?;
            found.version().clone_into(&mut lock.version);
            let file = format!("{name}-{}.tgz", lock.version);
            if file.contains(['/', '\\']) {
                return Err(invalid(name, "name and version make no file name"));
            }
            if !charts.iter().any(|(known, _)| *known == file) {
                charts.push((file, archive));
            }
            locked.push(lock);
        }
        let digest = lock_digest(declared, &locked);
        let is_old = chart
            .lock
            .as_ref()
            .is_some_and(|lock| lock.digest == digest);
        let lock = (!is_old).then(|| {
            let name = if chart.metadata.api_version == "v1" {
                "requirements.lock"
            } else {
                "Chart.lock"
            };
            let dependencies: Vec<_> = locked
                .iter()
                .map(|d| json!({"name": d.name, "repository": d.repository, "version": d.version}))
                .collect();
            let lock = json!({
                "dependencies": dependencies,
                "digest": digest,
                "generated": now.to_string(),
            });
            (name, gitops_core::yaml::to_string(&lock))
        });
        Ok(DependencyUpdate {
            charts,
            lock,
            local,
        })
    }
}
