//! Reads a chart from a directory or an archive and sorts its files into what they are for.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    go::quote,
    source::{EntryKind, FileTree},
};

use crate::{
    helm::{
        ArchiveLimits, Chart, ChartFile, HelmError, Lock, Profile,
        chart::{
            ignore::IgnoreRules,
            metadata::{MetadataReader, chart_api_version},
            read_archive,
        },
        values::read_values,
    },
    tree::join,
};

/// Bounds on loading, and the name of the chart in messages.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadOptions {
    /// How messages name the place of the chart, such as its directory on disk.
    pub shown_path: String,
    /// Sum of all files in bytes; 100 MiB by default.
    pub total_bytes: u64,
    /// Depth of charts within charts; 64 by default.
    pub chart_depth: usize,
    /// Depth of directories; 100 by default.
    pub directory_depth: usize,
    /// Number of files and directories; 100,000 by default. Symlinks can make a small tree large.
    pub entries: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            shown_path: String::new(),
            total_bytes: 100 << 20,
            chart_depth: 64,
            directory_depth: 100,
            entries: 100_000,
        }
    }
}

impl LoadOptions {
    fn archive_limits(&self, profile: &Profile) -> ArchiveLimits {
        ArchiveLimits {
            total_bytes: self.total_bytes,
            file_bytes: profile.chart_file_bytes,
            ..ArchiveLimits::default()
        }
    }
}

pub(super) fn from_tree(
    tree: &dyn FileTree,
    profile: &Profile,
    options: &LoadOptions,
) -> Result<Chart, HelmError> {
    if profile.known_chart_versions_only {
        let path = join(&options.shown_path, "Chart.yaml");
        let yaml = tree.read("Chart.yaml")?.ok_or_else(|| {
            HelmError::chart(format!(
                "unable to detect chart at {path}: open {path}: no such file or directory"
            ))
        })?;
        check_chart_version(&yaml)?;
    }
    let rules = match tree.read(".helmignore")? {
        Some(text) => IgnoreRules::parse(&String::from_utf8_lossy(&text))?,
        None => IgnoreRules::default(),
    };
    let mut walk = Walk {
        tree,
        rules: rules.with_defaults(),
        profile,
        options,
        remaining: options.total_bytes,
        entries: 0,
        files: Vec::new(),
    };
    walk.directory("", 0)?;
    from_files(walk.files, profile, options, 0)
}

pub(super) fn from_archive(
    archive: &[u8],
    profile: &Profile,
    options: &LoadOptions,
) -> Result<Chart, HelmError> {
    let files = read_archive(archive, &options.archive_limits(profile))?;
    if profile.known_chart_versions_only {
        let chart = files.iter().find(|file| file.name == "Chart.yaml");
        let chart = chart.ok_or_else(|| {
            HelmError::chart("unable to detect chart version, no Chart.yaml found")
        })?;
        check_chart_version(&chart.data)?;
    }
    from_files(files, profile, options, 0)
}

fn check_chart_version(yaml: &[u8]) -> Result<(), HelmError> {
    let version = chart_api_version(yaml)
        .map_err(|error| HelmError::chart(format!("cannot load Chart.yaml: {error}")))?;
    match version.as_str() {
        "" | "v1" | "v2" => Ok(()),
        _ => Err(HelmError::chart("unsupported chart version")),
    }
}

/// Collects the files of a directory in lexical order, without what is ignored.
struct Walk<'a> {
    tree: &'a dyn FileTree,
    rules: IgnoreRules,
    profile: &'a Profile,
    options: &'a LoadOptions,
    remaining: u64,
    entries: usize,
    files: Vec<ChartFile>,
}

impl Walk<'_> {
    fn directory(&mut self, path: &str, depth: usize) -> Result<(), HelmError> {
        if depth > self.options.directory_depth {
            return Err(HelmError::LimitExceeded {
                what: format!("the directory {path}"),
                limit: "directory depth",
                allowed: self.options.directory_depth as u64,
            });
        }
        for entry in self.tree.list(path)? {
            self.entries += 1;
            if self.entries > self.options.entries {
                return Err(HelmError::LimitExceeded {
                    what: "the chart".to_owned(),
                    limit: "number of files and directories",
                    allowed: self.options.entries as u64,
                });
            }
            let path = join(path, &entry.name);
            let is_directory = entry.kind == EntryKind::Directory;
            if self.rules.ignores(&path, is_directory) {
                continue;
            }
            if is_directory {
                self.directory(&path, depth + 1)?;
            } else {
                self.file(path, &entry.name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, name: &str) -> Result<(), HelmError> {
        let Some(data) = self.tree.read(&path)? else {
            return Ok(());
        };
        let size = data.len() as u64;
        if let Some(allowed) = self.profile.chart_file_bytes
            && size > allowed
        {
            return Err(HelmError::chart(format!(
                "chart file {} is larger than the maximum file size {allowed}",
                quote(name)
            )));
        }
        self.remaining = self.remaining.checked_sub(size).ok_or_else(|| {
            HelmError::chart(format!(
                "error reading {path}: chart exceeds maximum decompressed size of {} bytes",
                self.options.total_bytes
            ))
        })?;
        self.files.push(ChartFile::new(path, data));
        Ok(())
    }
}

fn from_files(
    files: Vec<ChartFile>,
    profile: &Profile,
    options: &LoadOptions,
    depth: usize,
) -> Result<Chart, HelmError> {
    if depth > options.chart_depth {
        return Err(HelmError::LimitExceeded {
            what: "the chart".to_owned(),
            limit: "depth of subcharts",
            allowed: options.chart_depth as u64,
        });
    }
    let cannot_load = |name: &'static str| {
        move |error: String| HelmError::chart(format!("cannot load {name}: {error}"))
    };
    let mut reader = MetadataReader::default();
    let mut parts = Parts::default();
    for file in files.iter().filter(|file| file.name == "Chart.yaml") {
        reader
            .read(&file.data, profile)
            .map_err(cannot_load("Chart.yaml"))?;
        if reader.api_version().is_empty() {
            reader.set_api_version("v1");
        }
    }
    for file in files {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => {
                let lock = Lock::read(&file.data, profile).map_err(cannot_load("Chart.lock"))?;
                parts.lock = Some(lock);
            }
            "values.yaml" => {
                parts.values = read_values(&file.data, profile.values_documents)
                    .map_err(cannot_load("values.yaml"))?;
            }
            "values.schema.json" => parts.schema = Some(file.data),
            "requirements.yaml" => {
                reader.touch();
                if reader.api_version() != "v1" {
                    parts.warnings.push(
                        "Dependencies are handled in Chart.yaml since apiVersion \"v2\"; move those of requirements.yaml there"
                            .to_owned(),
                    );
                }
                reader
                    .read(&file.data, profile)
                    .map_err(cannot_load("requirements.yaml"))?;
                if reader.api_version() == "v1" {
                    parts.files.push(file);
                }
            }
            "requirements.lock" => {
                reader.touch();
                parts.lock = Some(
                    Lock::read(&file.data, profile).map_err(cannot_load("requirements.lock"))?,
                );
                if reader.api_version() == "v1" {
                    parts.files.push(file);
                }
            }
            name if name.starts_with("templates/") => parts.templates.push(file),
            name if name.starts_with("charts/") => parts.add_to_charts(file),
            _ => parts.files.push(file),
        }
    }
    if !reader.is_present() {
        return Err(HelmError::chart("Chart.yaml file is missing"));
    }
    let metadata = reader.finish()?;
    let mut subcharts = Vec::new();
    for (name, files) in parts.subcharts {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let subchart = load_subchart(&name, files, profile, options, depth).map_err(|error| {
            error.within(format_args!(
                "error unpacking subchart {name} in {}",
                metadata.name
            ))
        })?;
        subcharts.push(Arc::new(subchart));
    }
    Ok(Chart {
        metadata,
        lock: parts.lock,
        values: parts.values,
        schema: parts.schema,
        templates: parts.templates,
        files: parts.files.into(),
        subcharts,
        warnings: parts.warnings,
    })
}

fn load_subchart(
    name: &str,
    files: Vec<ChartFile>,
    profile: &Profile,
    options: &LoadOptions,
    depth: usize,
) -> Result<Chart, HelmError> {
    let is_archive = name.rsplit_once('.').is_some_and(|(_, e)| e == "tgz");
    if is_archive {
        let archive = files.into_iter().next().filter(|file| file.name == name);
        let archive =
            archive.ok_or_else(|| HelmError::chart(format!("expected {name}, got a directory")))?;
        let files = read_archive(&archive.data, &options.archive_limits(profile))?;
        return from_files(files, profile, options, depth + 1);
    }
    let files = files
        .into_iter()
        .filter_map(|file| {
            let (_, rest) = file.name.split_once('/')?;
            Some(ChartFile {
                name: rest.to_owned(),
                data: file.data.clone(),
            })
        })
        .collect();
    from_files(files, profile, options, depth + 1)
}

#[derive(Default)]
struct Parts {
    lock: Option<Lock>,
    values: serde_json::Map<String, serde_json::Value>,
    schema: Option<bytes::Bytes>,
    templates: Vec<ChartFile>,
    files: Vec<ChartFile>,
    subcharts: BTreeMap<String, Vec<ChartFile>>,
    warnings: Vec<String>,
}

impl Parts {
    fn add_to_charts(&mut self, mut file: ChartFile) {
        let extension = file
            .name
            .rsplit('/')
            .next()
            .and_then(|n| n.rsplit_once('.'));
        if extension.is_some_and(|(_, extension)| extension == "prov") {
            self.files.push(file);
            return;
        }
        file.name.drain(.."charts/".len());
        let name = file.name.split('/').next().unwrap_or_default().to_owned();
        self.subcharts.entry(name).or_default().push(file);
    }
}
