//! Helm sources of Applications, as Argo CD gives them to Helm.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use gitops_core::{
    Manifest,
    app::{ApplicationSource, HelmSource},
    render::{Prepared, RenderError, RenderInput, RenderOutcome, Rendered, Renderer, Trees},
    source::{EntryKind, FileTree, SubTree, clean_path},
    yaml,
};
use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    helm::{
        Capabilities, Chart, DEFAULT_API_VERSIONS, HelmError, KubeVersion, LoadOptions, Output,
        PreparedChart, Profile, Release, RenderOptions, Values,
        command::{check_dependencies, check_installable},
        render::Helm,
        values::{Reading, numbers_as_floats, read_values},
    },
    manifests::add_objects,
    pattern::{doublestar, is_glob},
    recording::{InputsRead, RecordingTree},
    source_options::{Tool, detected_tool, overridden},
    template::{Limits, Lookups},
    tree::join,
};

/// Renders the Helm sources of Applications.
///
/// Charts are loaded and compiled once per content; renders of the same chart by several
/// Applications share that.
pub struct HelmRenderer {
    profile: Arc<Profile>,
    limits: Limits,
    load: LoadOptions,
    charts: Mutex<BTreeMap<String, CachedChart>>,
}

#[derive(Clone)]
struct CachedChart {
    chart: PreparedChart,
    inputs: InputsRead,
}

/// How many charts are kept compiled.
const CACHED_CHARTS: usize = 64;

impl HelmRenderer {
    /// A renderer that behaves as a release of Helm.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            profile: Arc::new(profile),
            limits: Limits::default(),
            load: LoadOptions::default(),
            charts: Mutex::default(),
        }
    }

    /// The same renderer with other bounds on what templates do.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn load(&self, trees: &Trees) -> Result<CachedChart, RenderError> {
        let id = trees.root.id(&trees.path)?;
        let key = id.map(|id| format!("{} {}", trees.path, id.0));
        let charts = || self.charts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &key
            && let Some(cached) = charts().get(key)
        {
            return Ok(cached.clone());
        }
        let recording = Arc::new(RecordingTree::new(trees.root.clone(), ""));
        let directory = SubTree::new(recording.clone(), &trees.path)?;
        let mut options = self.load.clone();
        options.shown_path.clone_from(&trees.path);
        let chart = Chart::load_with(&directory, &self.profile, &options)
            .and_then(|chart| {
                check_installable(&chart)?;
                check_dependencies(&chart, &self.profile)?;
                Ok(chart)
            })
            .map_err(|error| error.into_render_error(&trees.path))?;
        let cached = CachedChart {
            chart: Helm::new((*self.profile).clone()).prepare(chart),
            inputs: recording.inputs(),
        };
        if let Some(key) = key {
            let mut charts = charts();
            if charts.len() >= CACHED_CHARTS {
                charts.pop_first();
            }
            charts.insert(key, cached.clone());
        }
        Ok(cached)
    }
}

impl Default for HelmRenderer {
    fn default() -> Self {
        Self::new(Profile::default())
    }
}

impl Renderer for HelmRenderer {
    fn detects(&self, trees: &Trees, source: &ApplicationSource) -> Result<bool, RenderError> {
        Ok(detected_tool(trees, source)? == Some(Tool::Helm))
    }

    fn prepare(
        &self,
        trees: &Trees,
        _source: &ApplicationSource,
    ) -> Result<Arc<dyn Prepared>, RenderError> {
        let CachedChart { chart, inputs } = self.load(trees)?;
        Ok(Arc::new(PreparedApplication {
            trees: trees.clone(),
            chart,
            inputs,
            profile: self.profile.clone(),
            limits: self.limits,
        }))
    }
}

struct PreparedApplication {
    trees: Trees,
    chart: PreparedChart,
    inputs: InputsRead,
    profile: Arc<Profile>,
    limits: Limits,
}

impl Prepared for PreparedApplication {
    fn render(&self, input: &RenderInput) -> Result<RenderOutcome, RenderError> {
        let chart_path = &self.trees.path;
        let trees = RecordedTrees::new(&self.trees);
        let source = overridden(&trees.root, chart_path, &input.source, &input.application)?;
        let helm = source.helm.unwrap_or_default();
        let values = SourceValues {
            trees: &trees,
            chart_path,
            helm: &helm,
            environment: &input.build_environment,
            profile: &self.profile,
        }
        .merged()?;
        let failed = |error: HelmError| error.into_render_error(chart_path);
        let mut release =
            Release::named(helm.release_name.as_deref().unwrap_or(&input.application));
        release.namespace = helm
            .namespace
            .clone()
            .unwrap_or_else(|| input.namespace.clone());
        let options = RenderOptions {
            capabilities: Some(self.capabilities(input).map_err(failed)?),
            skip_schema_validation: helm.skip_schema_validation,
            randomness: input.randomness.clone(),
            now: input.now,
            limits: self.limits,
            lookups: if input.lookups {
                Lookups::Answered(Arc::new(input.answers.clone()))
            } else {
                Lookups::Nothing
            },
            ..RenderOptions::default()
        };
        let output = self
            .chart
            .render(&release, &values, &options)
            .map_err(failed)?;
        if !output.needs.is_empty() {
            return Ok(RenderOutcome::Needs(output.needs));
        }
        let mut inputs_read = self.inputs.clone();
        inputs_read.extend(trees.inputs());
        Ok(RenderOutcome::Rendered(Rendered {
            manifests: manifests(&output, &helm)?,
            source_type: "Helm",
            inputs_read,
            warnings: output.warnings,
            remembered: output.remembered,
        }))
    }
}

impl PreparedApplication {
    /// The cluster's version without a vendor's suffix, and what it serves on top of Helm's list.
    fn capabilities(&self, input: &RenderInput) -> Result<Capabilities, HelmError> {
        let mut capabilities = Capabilities::default_of(&self.profile);
        if !input.kube_version.is_empty() {
            let version = KubeVersion::parse(&input.kube_version, &self.profile)?;
            capabilities.kube_version = KubeVersion::parse(&version.normalized, &self.profile)?;
        }
        if !input.api_versions.is_empty() {
            let known: BTreeSet<&str> = DEFAULT_API_VERSIONS.into_iter().collect();
            let extra = input
                .api_versions
                .iter()
                .filter(|version| !known.contains(version.as_str()));
            capabilities.api_versions.extend(extra.cloned());
        }
        Ok(capabilities)
    }
}

/// Everything that Helm would print for Argo CD, as objects.
fn manifests(output: &Output, helm: &HelmSource) -> Result<Vec<Manifest>, RenderError> {
    let mut manifests = Vec::new();
    if !helm.skip_crds {
        for crd in &output.crds {
            for document in yaml::documents(&crd.content) {
                let value = document.map_err(|error| RenderError::InvalidManifest {
                    path: crd.path.clone(),
                    reason: error.to_string(),
                })?;
                add_objects(value, &crd.path, &mut manifests)?;
            }
        }
    }
    let hooks = output
        .hooks
        .iter()
        .filter(|hook| !(helm.skip_tests && hook.hook().is_some_and(super::Hook::is_test)));
    for document in output.manifests.iter().chain(hooks) {
        add_objects(
            document.value().clone(),
            document.template(),
            &mut manifests,
        )?;
    }
    Ok(manifests)
}

/// The trees of a source, with what is read of them.
struct RecordedTrees {
    root: RecordingTree,
    named: BTreeMap<String, RecordingTree>,
}

impl RecordedTrees {
    fn new(trees: &Trees) -> Self {
        Self {
            root: RecordingTree::new(trees.root.clone(), ""),
            named: trees
                .named
                .iter()
                .map(|(name, tree)| {
                    let recording = RecordingTree::new(tree.clone(), format!("${name}/"));
                    (name.clone(), recording)
                })
                .collect(),
        }
    }

    fn inputs(&self) -> InputsRead {
        let mut inputs = self.root.inputs();
        for tree in self.named.values() {
            inputs.extend(tree.inputs());
        }
        inputs
    }
}

/// The values that a source gives to its chart.
struct SourceValues<'a> {
    trees: &'a RecordedTrees,
    chart_path: &'a str,
    helm: &'a HelmSource,
    environment: &'a BTreeMap<String, String>,
    profile: &'a Profile,
}

/// A file of one of the trees.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TreeFile {
    /// Name of another source's tree.
    named: Option<String>,
    /// Clean path in the tree.
    path: String,
}

impl SourceValues<'_> {
    /// Files, then inline values, then `--set`, `--set-string` and `--set-file`.
    fn merged(&self) -> Result<Values, RenderError> {
        let mut values = Values::new();
        for file in self.value_files()? {
            let Some(content) = self.read(&file)? else {
                if self.helm.ignore_missing_value_files {
                    continue;
                }
                return Err(RenderError::Values {
                    message: format!("open {}: no such file or directory", file.path),
                });
            };
            values.merge(self.parse(&content, &file.path)?);
        }
        if let Some(object) = &self.helm.values_object {
            let object = numbers_as_floats(Value::Object(object.clone()));
            if let Value::Object(object) = object {
                values.merge(Values::from_table(object));
            }
        } else if let Some(text) = &self.helm.values {
            values.merge(self.parse(text.as_bytes(), "values")?);
        }
        self.apply_parameters(&mut values)?;
        Ok(values)
    }

    fn parse(&self, content: &[u8], name: &str) -> Result<Values, RenderError> {
        read_values(content, self.profile.values_documents)
            .map(Values::from_table)
            .map_err(|error| RenderError::Values {
                message: format!("failed to parse {name}: {error}"),
            })
    }

    fn apply_parameters(&self, values: &mut Values) -> Result<(), RenderError> {
        let mut typed = IndexMap::new();
        let mut strings = IndexMap::new();
        for parameter in &self.helm.parameters {
            let value = expand(&parameter.value, self.environment);
            let into = if parameter.force_string {
                &mut strings
            } else {
                &mut typed
            };
            into.insert(parameter.name.as_str(), escape_commas(&value));
        }
        let mut files = IndexMap::new();
        for parameter in &self.helm.file_parameters {
            files.insert(parameter.name.as_str(), self.locate(&parameter.path)?);
        }
        let failed = |name: &str, error: &dyn std::fmt::Display| RenderError::Values {
            message: format!("the parameter {name} cannot be set: {error}"),
        };
        for (name, value) in &typed {
            values
                .set_reading(&format!("{name}={value}"), Reading::Typed, self.profile)
                .map_err(|error| failed(name, &error))?;
        }
        for (name, value) in &strings {
            values
                .set_reading(&format!("{name}={value}"), Reading::String, self.profile)
                .map_err(|error| failed(name, &error))?;
        }
        for (name, file) in &files {
            let content = self.read(file)?.ok_or_else(|| {
                failed(
                    name,
                    &format!("open {}: no such file or directory", file.path),
                )
            })?;
            let content = String::from_utf8_lossy(&content);
            let read = |_: &str| Ok(content.clone().into_owned());
            values
                .set_reading(&format!("{name}=file"), Reading::File(&read), self.profile)
                .map_err(|error| failed(name, &error))?;
        }
        Ok(())
    }

    /// The values files in order, globs expanded; a file named in full keeps its own place.
    fn value_files(&self) -> Result<Vec<TreeFile>, RenderError> {
        let mut entries = Vec::new();
        for entry in &self.helm.value_files {
            entries.push(self.locate(entry)?);
        }
        let explicit: BTreeSet<&TreeFile> =
            entries.iter().filter(|file| !is_glob(&file.path)).collect();
        let mut files: Vec<TreeFile> = Vec::new();
        for entry in &entries {
            if !is_glob(&entry.path) {
                files.push(entry.clone());
                continue;
            }
            let matches = self.expand_glob(entry)?;
            if matches.is_empty() && !self.helm.ignore_missing_value_files {
                return Err(RenderError::Values {
                    message: format!("values file glob \"{}\" matched no files", entry.path),
                });
            }
            for file in matches {
                if !explicit.contains(&file) && !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }

    /// Where a path of the source points to: `$ref/…` into another tree, `/…` from the root of this
    /// one, else from the chart.
    fn locate(&self, path: &str) -> Result<TreeFile, RenderError> {
        if let Some(rest) = path.strip_prefix('$') {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            if self.trees.named.contains_key(name) {
                return Ok(TreeFile {
                    named: Some(name.to_owned()),
                    path: clean_path(&expand(rest, self.environment))?,
                });
            }
            let is_variable = name.starts_with('{')
                || name.starts_with('$')
                || self.environment.contains_key(name);
            if !is_variable && !self.trees.named.is_empty() {
                let known: Vec<String> = self.trees.named.keys().map(|n| format!("${n}")).collect();
                return Err(RenderError::InvalidSource {
                    reason: format!(
                        "source referenced \"${name}\", which is not one of the available sources ({})",
                        known.join(", ")
                    ),
                });
            }
            if !is_variable {
                return Err(RenderError::InvalidSource {
                    reason: format!(
                        "source referenced \"${name}\", but no source has a 'ref' field defined"
                    ),
                });
            }
        }
        let path = expand(path, self.environment);
        if path.contains("://") {
            return Err(RenderError::Unsupported {
                what: format!("the values file {path}: only files of a source"),
            });
        }
        let path = match path.strip_prefix('/') {
            Some(rest) => clean_path(rest)?,
            None => clean_path(&join(self.chart_path, &path))?,
        };
        Ok(TreeFile { named: None, path })
    }

    fn tree(&self, named: Option<&str>) -> &RecordingTree {
        named
            .and_then(|name| self.trees.named.get(name))
            .unwrap_or(&self.trees.root)
    }

    fn read(&self, file: &TreeFile) -> Result<Option<Bytes>, RenderError> {
        Ok(self.tree(file.named.as_deref()).read(&file.path)?)
    }

    fn expand_glob(&self, glob: &TreeFile) -> Result<Vec<TreeFile>, RenderError> {
        // Only directories that can lead to a match are listed.
        let fixed: Vec<&str> = glob
            .path
            .split('/')
            .take_while(|part| !is_glob(part))
            .collect();
        let mut found = Vec::new();
        let tree = self.tree(glob.named.as_deref());
        let mut walked = 0;
        self.walk_glob(
            tree,
            &fixed.join("/"),
            &glob.path,
            0,
            (&mut walked, &mut found),
        )?;
        Ok(found
            .into_iter()
            .map(|path| TreeFile {
                named: glob.named.clone(),
                path,
            })
            .collect())
    }

    fn walk_glob(
        &self,
        tree: &RecordingTree,
        directory: &str,
        glob: &str,
        depth: usize,
        (walked, found): (&mut usize, &mut Vec<String>),
    ) -> Result<(), RenderError> {
        const DEPTH: usize = 64;
        const ENTRIES: usize = 100_000;
        if depth > DEPTH {
            return Err(RenderError::LimitExceeded {
                limit: "directory depth of a glob",
                allowed: DEPTH as u64,
                at: Some(glob.to_owned()),
            });
        }
        for entry in tree.list(directory)? {
            *walked += 1;
            if *walked > ENTRIES {
                return Err(RenderError::LimitExceeded {
                    limit: "number of files below a glob",
                    allowed: ENTRIES as u64,
                    at: Some(glob.to_owned()),
                });
            }
            let path = join(directory, &entry.name);
            match entry.kind {
                EntryKind::Directory => {
                    self.walk_glob(tree, &path, glob, depth + 1, (&mut *walked, &mut *found))?;
                }
                EntryKind::File => {
                    let matched =
                        doublestar(glob, &path).map_err(|_| RenderError::InvalidSource {
                            reason: format!("the glob `{glob}` is malformed"),
                        })?;
                    if matched {
                        found.push(path);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Replaces `$NAME` and `${NAME}`; unknown names are empty, `$$` is a dollar sign.
fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some(parts) => parts,
                None => ("", braced),
            },
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                if end == 0 {
                    expanded.push('$');
                    continue;
                }
                rest.split_at(end)
            }
        };
        if let Some(value) = environment.get(name) {
            expanded.push_str(value);
        }
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

/// Puts `\` before commas that have none, unless the value is a list in braces.
fn escape_commas(value: &str) -> String {
    if value.starts_with('{') && value.ends_with('}') {
        return value.to_owned();
    }
    let mut escaped = String::with_capacity(value.len() + 8);
    // The character before a comma decides, and a comma that was looked at cannot be that character.
    let mut before: Option<char> = None;
    for c in value.chars() {
        if c == ','
            && let Some(previous) = before
            && previous != '\\'
        {
            escaped.push_str("\\,");
            before = None;
            continue;
        }
        escaped.push(c);
        before = Some(c);
    }
    escaped
}

#[cfg(test)]
mod tests;
