//! What decides about a source before it is rendered: which tool it is for, and the overrides that
//! the repository itself holds.

use gitops_core::{
    app::ApplicationSource,
    render::{RenderError, Trees},
    source::FileTree,
    yaml,
};
use serde_json::{Map, Value};

use crate::tree::join;

/// What renders a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Helm,
    Directory,
}

/// The tool for a source: by its explicit options, else by the files of its directory. `None` for
/// tools that are known and not offered.
pub(crate) fn detected_tool(
    trees: &Trees,
    source: &ApplicationSource,
) -> Result<Option<Tool>, RenderError> {
    if source.helm.is_some() {
        return Ok(Some(Tool::Helm));
    }
    if source.directory.is_some() {
        return Ok(Some(Tool::Directory));
    }
    if source.kustomize.is_some() || source.plugin.is_some() {
        return Ok(None);
    }
    let entries = trees.root.list(&trees.path)?;
    let is_kustomization = |name: &str| {
        matches!(
            name,
            "kustomization.yaml" | "kustomization.yml" | "Kustomization"
        )
    };
    if entries.iter().any(|entry| is_kustomization(&entry.name)) {
        return Ok(None);
    }
    let is_chart = entries
        .iter()
        .any(|entry| entry.name.ends_with("Chart.yaml"));
    Ok(Some(if is_chart {
        Tool::Helm
    } else {
        Tool::Directory
    }))
}

/// The source with `.argocd-source.yaml` and `.argocd-source-<application>.yaml` of its directory
/// merged over it. Where it comes from cannot be changed so.
pub(crate) fn overridden(
    tree: &dyn FileTree,
    path: &str,
    source: &ApplicationSource,
    application: &str,
) -> Result<ApplicationSource, RenderError> {
    let mut merged: Option<Value> = None;
    for name in [
        ".argocd-source.yaml".to_owned(),
        format!(".argocd-source-{application}.yaml"),
    ] {
        let file = join(path, &name);
        let Some(content) = tree.read(&file)? else {
            continue;
        };
        let invalid = |reason: String| RenderError::InvalidSource {
            reason: format!("`{file}` cannot be used: {reason}"),
        };
        let patch = yaml::from_slice(&content).map_err(|error| invalid(error.to_string()))?;
        let mut target = match merged.take() {
            Some(merged) => merged,
            None => serde_json::to_value(source).map_err(|error| invalid(error.to_string()))?,
        };
        if !patch.is_null() {
            merge_patch(&mut target, patch);
        }
        merged = Some(target);
    }
    let Some(merged) = merged else {
        return Ok(source.clone());
    };
    let mut merged: ApplicationSource =
        serde_json::from_value(merged).map_err(|error| RenderError::InvalidSource {
            reason: format!("the overrides in `{path}` do not fit a source: {error}"),
        })?;
    merged.repo_url.clone_from(&source.repo_url);
    merged.path.clone_from(&source.path);
    merged.chart.clone_from(&source.chart);
    merged.target_revision.clone_from(&source.target_revision);
    Ok(merged)
}

/// RFC 7386.
fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge_patch(target.entry(key).or_insert(Value::Null), value);
        }
    }
}
