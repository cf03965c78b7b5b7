//! `helm template` as a function: the same flags, the same output, the same errors.

use std::{collections::BTreeSet, sync::Arc};

use gitops_core::{glob::file_path_match, source::FileTree};

use crate::{
    helm::{
        Capabilities, Chart, Document, Helm, HelmError, KubeVersion, LoadOptions, Output,
        PostRenderer, Profile, ReadFile, Release, RenderOptions, ValueOptions,
        split::split_documents,
    },
    template::{Host, Program, TemplateError, Value},
};

/// The flags of `helm template`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TemplateOptions {
    /// NAME; where it is missing, that of `--name-template` or `release-name`.
    pub name: Option<String>,
    /// `--name-template`.
    pub name_template: Option<String>,
    /// `--namespace`; `default` where it is missing.
    pub namespace: Option<String>,
    /// `--values`, `--set` and its kin.
    pub values: ValueOptions,
    /// `--show-only`.
    pub show_only: Vec<String>,
    /// `--no-hooks`.
    pub no_hooks: bool,
    /// `--skip-tests`.
    pub skip_tests: bool,
    /// `--include-crds`.
    pub include_crds: bool,
    /// `--is-upgrade`.
    pub is_upgrade: bool,
    /// `--kube-version`.
    pub kube_version: Option<String>,
    /// `--api-versions`; an item may be a list with commas.
    pub api_versions: Vec<String>,
    /// `--skip-schema-validation`.
    pub skip_schema_validation: bool,
    /// `--output-dir`: documents are written to files instead of standard output.
    pub into_files: bool,
    /// `--post-renderer`.
    pub post_renderer: Option<Arc<dyn PostRenderer>>,
    /// Everything else that a render depends on; its capabilities and schema validation are
    /// replaced by the flags above.
    pub render: RenderOptions,
    /// Bounds on loading, and the name of the chart in messages.
    pub load: LoadOptions,
}

/// What `helm template` wrote to its two outputs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CommandOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error: warnings are not part of it.
    pub stderr: String,
    /// What somebody should know besides.
    pub warnings: Vec<String>,
    /// The exit code.
    pub code: u8,
    /// What belongs into the output directory, in the order of writing.
    pub files: Vec<OutputFile>,
    /// Name of the release, as far as it is known.
    pub release: String,
}

/// A document for a file of the output directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputFile {
    /// Path below the output directory.
    pub path: String,
    /// What is written.
    pub content: String,
    /// How it is written.
    pub mode: WriteMode,
    /// Whether `--release-name` puts the release's name before the path.
    pub below_release: bool,
}

/// How a document comes into a file of the output directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum WriteMode {
    /// A file of that name is replaced.
    Replace,
    /// Behind what was written to the file before.
    Append,
    /// Behind what the file has already, if it exists.
    AppendIfPresent,
}

/// Where the command finds the chart.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ChartSource<'a> {
    /// A chart's directory.
    Directory(&'a dyn FileTree),
    /// The content of a `.tgz`.
    Archive(&'a [u8]),
    /// There is no chart: why not, in Helm's words. What is wrong with the release's name or the
    /// Kubernetes version is said first.
    Missing(&'a str),
}

/// Runs `helm template [NAME] CHART`, with all texts as Helm writes them.
#[must_use]
pub fn template(
    chart: ChartSource<'_>,
    options: &TemplateOptions,
    profile: &Profile,
    files: &dyn ReadFile,
) -> CommandOutput {
    let mut written = CommandOutput::default();
    if let Err(error) = write_template(chart, options, profile, files, &mut written) {
        let hint = if error.has_partial_release() {
            "\n\nUse --debug flag to render out invalid YAML"
        } else {
            ""
        };
        written.stdout.clear();
        written.stderr = format!("Error: {error}{hint}\n");
        written.code = 1;
    }
    written
}

/// Runs `helm template [NAME] CHART`; what it would print, and warnings.
pub fn try_template(
    chart: ChartSource<'_>,
    options: &TemplateOptions,
    profile: &Profile,
    files: &dyn ReadFile,
) -> Result<(String, Vec<String>), HelmError> {
    let mut written = CommandOutput::default();
    write_template(chart, options, profile, files, &mut written)?;
    Ok((written.stdout, written.warnings))
}

fn write_template(
    chart: ChartSource<'_>,
    options: &TemplateOptions,
    profile: &Profile,
    files: &dyn ReadFile,
    written: &mut CommandOutput,
) -> Result<(), HelmError> {
    let mut capabilities = Capabilities::default_of(profile);
    if let Some(version) = options.kube_version.as_deref().filter(|v| !v.is_empty()) {
        capabilities.kube_version = KubeVersion::parse(version, profile)?;
    }
    let extra = options.api_versions.iter().flat_map(|item| item.split(','));
    capabilities.api_versions.extend(extra.map(str::to_owned));
    let mut release = Release::named(release_name(options, profile)?);
    written.release = release.name.clone();
    if let Some(namespace) = options.namespace.as_deref().filter(|n| !n.is_empty()) {
        release.namespace = namespace.to_owned();
    }
    release.is_upgrade = options.is_upgrade;
    if let ChartSource::Missing(message) = chart {
        return Err(HelmError::request(message));
    }

    let values = options.values.merge(profile, files)?;
    let chart = match chart {
        ChartSource::Directory(tree) => Chart::load_with(tree, profile, &options.load)?,
        ChartSource::Archive(archive) => Chart::load_archive(archive, profile, &options.load)?,
        ChartSource::Missing(message) => return Err(HelmError::request(message)),
    };
    check_installable(&chart)?;
    check_dependencies(&chart, profile)?;
    let mut render = options.render.clone();
    render.capabilities = Some(capabilities);
    render.skip_schema_validation = options.skip_schema_validation;
    let output = Helm::new(profile.clone())
        .with_options(render)
        .render(&chart, &release, values)?;
    written.warnings.clone_from(&output.warnings);
    let print = PrintOptions {
        include_crds: options.include_crds,
        no_hooks: options.no_hooks,
        skip_tests: options.skip_tests,
    };
    let text = match &options.post_renderer {
        _ if options.into_files => {
            written.files = output.files(&print);
            "\n".to_owned()
        }
        Some(post_renderer) => output.post_rendered(&print, &**post_renderer)?,
        None => output.text(&print),
    };
    written.stdout = if options.show_only.is_empty() {
        text
    } else {
        show_only(&text, &options.show_only, profile)?
    };
    Ok(())
}

fn release_name(options: &TemplateOptions, profile: &Profile) -> Result<String, HelmError> {
    match (&options.name, &options.name_template) {
        (Some(_), Some(_)) => Err(HelmError::request(
            "cannot set --name-template and also specify a name",
        )),
        (Some(name), None) => Ok(name.clone()),
        (None, Some(template)) if !template.is_empty() => rendered_name(template, options, profile),
        _ => Ok("release-name".to_owned()),
    }
}

/// `--name-template`: a template without values.
fn rendered_name(
    text: &str,
    options: &TemplateOptions,
    profile: &Profile,
) -> Result<String, HelmError> {
    const NAME: &str = "name-template";
    let failed = |error: TemplateError| HelmError::request(error.to_string());
    // The words of the template package itself, where those of charts are Helm's.
    let unparsed = |error: TemplateError| {
        let text = error.to_string();
        let place = text.strip_prefix("parse error at (");
        let words = place.and_then(|rest| rest.split_once("): "));
        HelmError::request(match words {
            Some((place, reason)) => format!("template: {place}: {reason}"),
            None => text,
        })
    };
    let program = Program::parse([(NAME, text)], &profile.engine_options()).map_err(unparsed)?;
    let mut host = Host::new(options.render.now)
        .with_randomness(options.render.randomness.clone())
        .with_limits(options.render.limits);
    let name = program
        .execute(NAME, Value::Nil, &mut host)
        .map_err(failed)?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Library charts give nothing to install.
pub(crate) fn check_installable(chart: &Chart) -> Result<(), HelmError> {
    match chart.metadata.chart_type.as_str() {
        "" | "application" => Ok(()),
        kind => Err(HelmError::request(format!(
            "{kind} charts are not installable"
        ))),
    }
}

/// All dependencies of Chart.yaml must be in `charts/`.
pub(crate) fn check_dependencies(chart: &Chart, profile: &Profile) -> Result<(), HelmError> {
    let missing = chart.missing_dependencies();
    if missing.is_empty() {
        return Ok(());
    }
    let context = if profile.is_helm_4() {
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies"
    } else {
        "An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies"
    };
    Err(HelmError::MissingDependencies {
        message: format!(
            "{context}: found in Chart.yaml, but missing in charts/ directory: {}",
            missing.join(", ")
        ),
        missing,
    })
}

/// What of an [`Output`] is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct PrintOptions {
    /// The files below `crds/` too, before everything else.
    pub include_crds: bool,
    /// No hooks.
    pub no_hooks: bool,
    /// No hooks that are tests.
    pub skip_tests: bool,
}

impl Output {
    /// The text that `helm template` prints.
    #[must_use]
    pub fn text(&self, options: &PrintOptions) -> String {
        self.printed(self.installed(options), options)
    }

    /// The text that `helm template` prints when a post-renderer changed the manifests.
    ///
    /// # Errors
    /// When the post-renderer fails.
    pub fn post_rendered(
        &self,
        options: &PrintOptions,
        post_renderer: &dyn PostRenderer,
    ) -> Result<String, HelmError> {
        let changed = post_renderer.post_render(&self.installed(options));
        let changed = changed.map_err(|error| HelmError::PostRender {
            message: error.to_string(),
        })?;
        Ok(self.printed(changed, options))
    }

    /// The files that `helm template --output-dir` writes.
    #[must_use]
    pub fn files(&self, options: &PrintOptions) -> Vec<OutputFile> {
        let file = |path: &str, content: &str, mode, below_release| {
            let mut text = String::with_capacity(HEADER.len() + path.len() + content.len() + 2);
            print_document(&mut text, path, content);
            OutputFile {
                path: path.to_owned(),
                content: text,
                mode,
                below_release,
            }
        };
        let mut seen = BTreeSet::new();
        let mut mode = |path: String| {
            if seen.insert(path) {
                WriteMode::Replace
            } else {
                WriteMode::Append
            }
        };
        let mut files = Vec::new();
        if options.include_crds {
            for crd in &self.crds {
                let mode = mode(crd.path.clone());
                files.push(file(&crd.path, &crd.content, mode, false));
            }
        }
        for manifest in &self.manifests {
            let path = manifest.template();
            files.push(file(path, manifest.text(), mode(path.to_owned()), true));
        }
        for hook in self.printed_hooks(options) {
            let mode = WriteMode::AppendIfPresent;
            files.push(file(hook.template(), hook.text(), mode, true));
        }
        files
    }

    /// Manifests, and CRDs where they are wanted, as Helm keeps them in a release.
    fn installed(&self, options: &PrintOptions) -> String {
        let size: usize = self
            .manifests
            .iter()
            .chain(&self.hooks)
            .map(|document| HEADER.len() + document.template().len() + document.text().len() + 2)
            .sum();
        let mut text = String::with_capacity(size + 1);
        if options.include_crds {
            for crd in &self.crds {
                print_document(&mut text, &crd.path, &crd.content);
            }
        }
        for manifest in &self.manifests {
            print_document(&mut text, manifest.template(), manifest.text());
        }
        text
    }

    fn printed(&self, mut text: String, options: &PrintOptions) -> String {
        text.truncate(text.trim_end().len());
        let blank = text.len() - text.trim_start().len();
        text.drain(..blank);
        text.push('\n');
        for hook in self.printed_hooks(options) {
            print_document(&mut text, hook.template(), hook.text());
        }
        text
    }

    fn printed_hooks(&self, options: &PrintOptions) -> impl Iterator<Item = &Document> {
        let (no_hooks, skip_tests) = (options.no_hooks, options.skip_tests);
        let is_test = |hook: &Document| hook.hook().is_some_and(super::Hook::is_test);
        let hooks = self.hooks.iter().filter(move |_| !no_hooks);
        hooks.filter(move |hook| !(skip_tests && is_test(hook)))
    }
}

const HEADER: &str = "---\n# Source: ";

fn print_document(text: &mut String, path: &str, content: &str) {
    text.push_str(HEADER);
    text.push_str(path);
    text.push('\n');
    text.push_str(content);
    text.push('\n');
}

/// The documents of the templates whose paths below their chart match, pattern by pattern.
fn show_only(text: &str, patterns: &[String], profile: &Profile) -> Result<String, HelmError> {
    let documents = split_documents(text, profile.documents);
    let mut shown = String::new();
    for pattern in patterns {
        let mut found = false;
        for range in &documents {
            let document = &text[range.clone()];
            let Some(path) = source_below_chart(document) else {
                continue;
            };
            if file_path_match(pattern, path).unwrap_or(false) {
                found = true;
                shown.push_str("---\n");
                shown.push_str(document);
                shown.push('\n');
            }
        }
        if !found {
            return Err(HelmError::request(format!(
                "could not find template {pattern} in chart"
            )));
        }
    }
    Ok(shown)
}

/// What follows the chart's name in the first comment `# Source: chart/path`.
fn source_below_chart(document: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    let mut rest = document;
    loop {
        let at = rest.find(MARK)? + MARK.len();
        rest = &rest[at..];
        let (chart, after) = rest.split_once('/')?;
        let path = after.lines().next().unwrap_or_default();
        // The chart's name may span lines, as it would in Helm's regular expression.
        if !chart.is_empty() && !path.is_empty() {
            return Some(path);
        }
    }
}
