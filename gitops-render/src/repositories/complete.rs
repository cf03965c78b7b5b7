//! Completes charts with the dependencies that they declare and do not contain.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use gitops_core::{
    ErrorClass,
    app::ApplicationSource,
    render::{Dependencies, Trees},
    source::{EntryKind, FileTree, MemoryTree, SourceError, SubTree, clean_path},
    version::Constraint,
};
use serde_json::{Map, Value, json};

use crate::{
    helm::{Chart, Dependency, LoadOptions, Lock, Profile},
    repositories::{ChartRepositories, LockPolicy, fetch::shown, overlay::Overlay},
    source_options::{Tool, detected_tool},
    tree::join,
};

/// What was added to a chart: nothing, or files below its `charts/`.
pub(super) type Completed = Option<MemoryTree>;

/// How many completed charts are kept.
const KEPT: usize = 64;

#[async_trait]
impl Dependencies for ChartRepositories {
    async fn complete(
        &self,
        mut trees: Trees,
        source: &ApplicationSource,
    ) -> Result<Trees, SourceError> {
        // What is wrong with the source itself is the renderer's to say.
        if !matches!(detected_tool(&trees, source), Ok(Some(Tool::Helm))) {
            return Ok(trees);
        }
        if let Some(added) = self.missing_charts(&trees.root, &trees.path).await? {
            trees.root = Arc::new(Overlay::new(trees.root.clone(), added));
        }
        Ok(trees)
    }
}

impl ChartRepositories {
    /// The charts that the chart at `path` declares and lacks, as files to add to the tree.
    pub async fn missing_charts(
        &self,
        tree: &Arc<dyn FileTree>,
        path: &str,
    ) -> Result<Option<MemoryTree>, SourceError> {
        let directory: Arc<dyn FileTree> = Arc::new(SubTree::new(tree.clone(), path)?);
        if !declares_dependencies(&*directory)? {
            return Ok(None);
        }
        let key = tree.id(path)?.map(|id| format!("{path} {}", id.0));
        let kept = || {
            self.shared
                .completed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(key) = &key
            && let Some(completed) = kept().get(key)
        {
            return Ok(completed.clone());
        }
        let options = LoadOptions {
            shown_path: path.to_owned(),
            ..LoadOptions::default()
        };
        let Ok(chart) = Chart::load_with(&*directory, &Profile::default(), &options) else {
            return Ok(None);
        };
        let missing = chart.missing_dependencies();
        let completed = if missing.is_empty() {
            None
        } else {
            Some(self.fetch_missing(tree, path, &chart, &missing).await?)
        };
        if let Some(key) = key {
            let mut kept = kept();
            if kept.len() >= KEPT {
                kept.pop_first();
            }
            kept.insert(key, completed.clone());
        }
        Ok(completed)
    }

    async fn fetch_missing(
        &self,
        tree: &Arc<dyn FileTree>,
        path: &str,
        chart: &Chart,
        missing: &[String],
    ) -> Result<MemoryTree, SourceError> {
        let policy = self.shared.options.lock;
        let declared = chart.metadata.dependencies.as_deref().unwrap_or_default();
        let lock = chart
            .lock
            .as_ref()
            .filter(|_| policy != LockPolicy::Ignored);
        if let Some(lock) = lock
            && policy == LockPolicy::Required
            && !lock_fits(lock, declared)
        {
            return Err(invalid(
                path,
                "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml); update the dependencies",
            ));
        }
        let mut added = MemoryTree::new();
        for dependency in declared.iter().filter(|d| missing.contains(&d.name)) {
            let charts = join(path, "charts");
            if let Some(place) = dependency.repository.strip_prefix("file://") {
                let from = clean_path(&join(path, place))?;
                let into = format!("{charts}/{}", dependency.name);
                if tree.read(&join(&from, "Chart.yaml"))?.is_none() {
                    return Err(invalid(
                        path,
                        &format!("the dependency {} at {place} is no chart", dependency.name),
                    ));
                }
                copy_directory(&**tree, &from, &into, &mut added, 0)?;
                continue;
            }
            let repository = self.repository_of(dependency)?;
            let version = self.version_of(&repository, dependency, lock).await?;
            let (version, archive) = self
                .download(&repository, &dependency.name, &version)
                .await?;
            added.insert(
                format!("{charts}/{}-{version}.tgz", dependency.name),
                archive,
            );
        }
        Ok(added)
    }

    pub(super) fn repository_of(&self, dependency: &Dependency) -> Result<String, SourceError> {
        let repository = &dependency.repository;
        if repository.is_empty() {
            return Err(invalid(
                &dependency.name,
                "the dependency names no repository and is not in charts/; add it there",
            ));
        }
        if repository.starts_with('@') || repository.starts_with("alias:") {
            // The alias can be given a place like any URL.
            if !self.shared.options.redirects.contains_key(repository) {
                return Err(SourceError::Other {
                    class: ErrorClass::Unsupported,
                    source: format!(
                        "the dependency {} names the repository {repository} of a local Helm configuration; use its URL, or redirect the name to it",
                        dependency.name
                    )
                    .into(),
                });
            }
        }
        Ok(repository.clone())
    }

    /// The exact version to fetch, or the range where the lock has nothing to say.
    async fn version_of(
        &self,
        repository: &str,
        dependency: &Dependency,
        lock: Option<&Lock>,
    ) -> Result<String, SourceError> {
        let range = &dependency.version;
        if Constraint::parse(range).is_err() {
            return Err(invalid(
                &dependency.name,
                &format!("the dependency has an invalid version or range {range:?}"),
            ));
        }
        let locked = lock
            .and_then(|lock| lock.dependencies.iter().find(|d| d.name == dependency.name))
            .map(|locked| locked.version.clone())
            .filter(|version| crate::helm::is_in_range(range, version));
        let Some(locked) = locked else {
            return Ok(range.clone());
        };
        if self.shared.options.lock == LockPolicy::Required
            || self.index(repository).await?.has(&dependency.name, &locked)
        {
            return Ok(locked);
        }
        tracing::warn!(
            chart = dependency.name,
            locked,
            repository = shown(repository),
            "the repository no longer has the locked version; the highest that fits is used"
        );
        Ok(range.clone())
    }
}

pub(super) fn invalid(path: &str, reason: &str) -> SourceError {
    SourceError::Other {
        class: ErrorClass::Invalid,
        source: format!("{path}: {reason}").into(),
    }
}

/// Whether a chart's metadata names dependencies at all; a cheap look before the chart is loaded.
fn declares_dependencies(directory: &dyn FileTree) -> Result<bool, SourceError> {
    for name in ["requirements.yaml", "Chart.yaml"] {
        if let Some(content) = directory.read(name)?
            && content
                .windows(b"ependencies".len())
                .any(|window| window.eq_ignore_ascii_case(b"ependencies"))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn copy_directory(
    tree: &dyn FileTree,
    from: &str,
    into: &str,
    added: &mut MemoryTree,
    depth: usize,
) -> Result<(), SourceError> {
    const DEPTH: usize = 64;
    if depth > DEPTH {
        return Err(SourceError::Tree(
            gitops_core::source::TreeError::LimitExceeded {
                path: from.to_owned(),
                limit: "directory depth",
                allowed: DEPTH as u64,
            },
        ));
    }
    for entry in tree.list(from)? {
        let (from, into) = (join(from, &entry.name), join(into, &entry.name));
        match entry.kind {
            EntryKind::Directory => copy_directory(tree, &from, &into, added, depth + 1)?,
            EntryKind::File => {
                if let Some(content) = tree.read(&from)? {
                    added.insert(into, content);
                }
            }
        }
    }
    Ok(())
}

/// Whether a lock was made for these dependencies: its digest is over both.
fn lock_fits(lock: &Lock, declared: &[Dependency]) -> bool {
    lock.digest == lock_digest(declared, &lock.dependencies)
        || lock.digest == digest(format!("{{\"dependencies\":[{}]}}", list_json(declared)))
}

/// What Helm writes into a lock of these dependencies.
pub(super) fn lock_digest(declared: &[Dependency], locked: &[Dependency]) -> String {
    let (declared, locked) = (list_json(declared), list_json(locked));
    digest(format!("[[{declared}],[{locked}]]"))
}

fn list_json(dependencies: &[Dependency]) -> String {
    let list: Vec<String> = dependencies.iter().map(dependency_json).collect();
    list.join(",")
}

fn digest(text: String) -> String {
    let text = text
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    let id = gitops_core::source::ContentId::of(text.as_bytes());
    format!("sha256:{}", id.0)
}

/// A dependency as Go writes it: fields in the order of the struct, empty ones left out.
fn dependency_json(dependency: &Dependency) -> String {
    let mut fields = vec![format!("\"name\":{}", json!(dependency.name))];
    let mut add = |name: &str, value: Value, always: bool| {
        let is_empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Bool(flag) => !flag,
            _ => false,
        };
        if always || !is_empty {
            fields.push(format!("\"{name}\":{value}"));
        }
    };
    add("version", json!(dependency.version), false);
    add("repository", json!(dependency.repository), true);
    add("condition", json!(dependency.condition), false);
    add("tags", json!(dependency.tags), false);
    add("enabled", json!(dependency.enabled), false);
    let imports = dependency.import_values.iter().map(sorted).collect();
    add("import-values", Value::Array(imports), false);
    add("alias", json!(dependency.alias), false);
    format!("{{{}}}", fields.join(","))
}

/// The value with the keys of its mappings in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries = entries.into_iter().map(|(k, v)| (k.clone(), sorted(v)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
