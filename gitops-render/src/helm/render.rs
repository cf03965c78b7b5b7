//! One render: values, objects and templates come together.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use gitops_core::{
    Manifest, ManifestError,
    clock::Timestamp,
    render::{Lookup, Randomness, RememberedValues},
};

use crate::{
    helm::{
        Capabilities, Chart, Document, HelmError, Profile, Release, Values,
        cache::Cache,
        dependencies::{ChartGraph, ROOT, is_in_range},
        manifest::{Documents, RenderedFile, documents},
        objects::{Files, capabilities_object, chart_object},
        values::{ChartView as _, Table, put, table_at, value_to_json},
    },
    template::{Host, Limits, Lookups, Map, Program, Resolver, TemplateError, Value},
};

/// Renders charts as a release of Helm does.
///
/// ```
/// use gitops_core::source::MemoryTree;
/// use gitops_render::helm::{Chart, Helm, Profile, Release, Values};
///
/// let tree = MemoryTree::new()
///     .with("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
///     .with("values.yaml", "replicas: 1\n")
///     .with("templates/web.yaml", "kind: Deployment\napiVersion: apps/v1\nreplicas: {{ .Values.replicas }}\n");
/// let chart = Chart::load(&tree)?;
/// let helm = Helm::new(Profile::helm_4_3());
/// let release = Release::named("web").in_namespace("shop");
/// let out = helm.render(&chart, &release, Values::parse("replicas: 3")?)?;
/// assert_eq!(out.manifests[0].kind(), "Deployment");
/// assert_eq!(out.manifests[0].value()["replicas"], 3);
/// # Ok::<(), gitops_render::helm::HelmError>(())
/// ```
#[derive(Clone)]
pub struct Helm {
    profile: Arc<Profile>,
    options: RenderOptions,
}

/// What a render depends on besides chart, release and values.
#[derive(Clone)]
#[non_exhaustive]
pub struct RenderOptions {
    /// What charts are told about the cluster; the profile's own where it is `None`.
    pub capabilities: Option<Capabilities>,
    /// Leaves values unchecked against `values.schema.json`.
    pub skip_schema_validation: bool,
    /// Where random values come from.
    pub randomness: Randomness,
    /// What templates see as the current time.
    pub now: Timestamp,
    /// What `lookup` finds.
    pub lookups: Lookups,
    /// Resolves host names for `getHostByName`, which otherwise finds nothing.
    pub resolver: Option<Resolver>,
    /// Bounds of the render.
    pub limits: Limits,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            capabilities: None,
            skip_schema_validation: false,
            randomness: Randomness::default(),
            now: Timestamp::UNIX_EPOCH,
            lookups: Lookups::default(),
            resolver: None,
            limits: Limits::default(),
        }
    }
}

/// What a chart gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Output {
    /// Manifests in the order of installation.
    pub manifests: Vec<Document>,
    /// Hooks in the same order of kinds.
    pub hooks: Vec<Document>,
    /// The files below `crds/` of the chart and its subcharts, which are not templates.
    pub crds: Vec<CrdFile>,
    /// What the chart's NOTES.txt gave.
    pub notes: Option<String>,
    /// What Helm would log, and what makes the output differ from one render to the next.
    pub warnings: Vec<String>,
    /// Random values made or used again, by call site.
    pub remembered: RememberedValues,
    /// Lookups without an answer. The output is valid only where there are none.
    pub needs: Vec<Lookup>,
}

/// A file below `crds/`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrdFile {
    /// Path with the chart's, as in `web/crds/a.yaml`.
    pub path: String,
    /// Its content.
    pub content: Arc<str>,
}

impl Helm {
    /// A renderer with default options.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            profile: Arc::new(profile),
            options: RenderOptions::default(),
        }
    }

    /// The same renderer with other options.
    #[must_use]
    pub fn with_options(mut self, options: RenderOptions) -> Self {
        self.options = options;
        self
    }

    /// The behaviour it follows.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Renders a chart once.
    pub fn render(
        &self,
        chart: &Chart,
        release: &Release,
        values: Values,
    ) -> Result<Output, HelmError> {
        let cache = Cache::default();
        render(
            chart,
            &self.profile,
            &self.options,
            &cache,
            release,
            &values,
        )
    }

    /// What each template gives, by path, before anything is made of it: the text is not split,
    /// sorted or parsed. A template can cut a character in two, so that it need not be UTF-8.
    pub fn render_files(
        &self,
        chart: &Chart,
        release: &Release,
        values: &Values,
    ) -> Result<BTreeMap<Arc<str>, Vec<u8>>, HelmError> {
        let cache = Cache::default();
        with_files(
            chart,
            &self.profile,
            &self.options,
            &cache,
            release,
            values,
            |rendered| Ok(rendered.files),
        )
    }

    /// Prepares a chart for many renders: templates are compiled once, documents that come out as
    /// before are not parsed again.
    #[must_use]
    pub fn prepare(&self, chart: Chart) -> PreparedChart {
        PreparedChart {
            chart: Arc::new(chart),
            profile: self.profile.clone(),
            cache: Arc::new(Cache::with_documents()),
        }
    }
}

/// A chart that was compiled. It may be used from several threads at once; a clone shares what is
/// compiled.
#[derive(Clone)]
pub struct PreparedChart {
    chart: Arc<Chart>,
    profile: Arc<Profile>,
    cache: Arc<Cache>,
}

impl PreparedChart {
    /// The chart.
    #[must_use]
    pub fn chart(&self) -> &Chart {
        &self.chart
    }

    /// Renders the chart.
    pub fn render(
        &self,
        release: &Release,
        values: &Values,
        options: &RenderOptions,
    ) -> Result<Output, HelmError> {
        render(
            &self.chart,
            &self.profile,
            options,
            &self.cache,
            release,
            values,
        )
    }
}

/// A template of one of the charts.
struct Template<'a> {
    path: Arc<str>,
    data: &'a Bytes,
    /// The chart's objects, shared by its templates.
    scope: Map,
    base_path: Arc<str>,
}

/// What the templates of a chart gave.
struct RenderedFiles<'a> {
    graph: &'a ChartGraph<'a>,
    host: Host,
    files: BTreeMap<Arc<str>, Vec<u8>>,
}

/// What a template gave: the same as in the last render, or something else.
enum Text {
    Known(Arc<RenderedFile>),
    New(String),
}

impl Text {
    fn len(&self) -> usize {
        match self {
            Self::Known(file) => file.text().len(),
            Self::New(text) => text.len(),
        }
    }
}

fn render(
    chart: &Chart,
    profile: &Profile,
    options: &RenderOptions,
    cache: &Cache,
    release: &Release,
    values: &Values,
) -> Result<Output, HelmError> {
    with_files(
        chart,
        profile,
        options,
        cache,
        release,
        values,
        |rendered| output(chart, profile, cache, rendered),
    )
}

/// Executes the templates of a chart and hands on what they gave.
fn with_files<T>(
    chart: &Chart,
    profile: &Profile,
    options: &RenderOptions,
    cache: &Cache,
    release: &Release,
    values: &Values,
    finish: impl FnOnce(RenderedFiles<'_>) -> Result<T, HelmError>,
) -> Result<T, HelmError> {
    release.check(profile)?;
    let given = values.as_map();
    let graph = ChartGraph::new(chart, given, profile).map_err(|error| {
        if profile.is_helm_4() {
            error.within("chart dependencies processing failed")
        } else {
            error
        }
    })?;
    let defaults;
    let capabilities = match &options.capabilities {
        Some(capabilities) => capabilities,
        None => {
            defaults = Capabilities::default_of(profile);
            &defaults
        }
    };
    let coalesced = graph.coalesced(given)?;
    if !options.skip_schema_validation {
        check_schemas(&graph, &coalesced, cache)?;
    }
    check_kubernetes(chart, capabilities)?;

    let mut templates = Vec::new();
    let objects = Objects {
        graph: &graph,
        profile,
        release: release.object(),
        capabilities: capabilities_object(capabilities, profile),
    };
    objects.collect(ROOT, &coalesced, &mut templates);
    // Deeply nested files come first, so that a parent's templates replace those of its subcharts.
    templates.sort_by_cached_key(|template| {
        let depth = template.path.bytes().filter(|byte| *byte == b'/').count();
        Reverse((depth, template.path.clone()))
    });
    // Two uses of a chart share the charts below it where Helm shares them: the last use counts.
    templates.dedup_by(|later, kept| {
        let is_same = later.path == kept.path;
        if is_same {
            std::mem::swap(later, kept);
        }
        is_same
    });

    let sources = templates
        .iter()
        .map(|template| (template.path.as_ref(), template.data));
    let program = cache.program(sources.clone(), || {
        Program::parse(sources, &profile.engine_options()).map_err(template_error)
    })?;
    let mut host = Host::new(options.now)
        .with_randomness(options.randomness.clone())
        .with_lookups(options.lookups.clone())
        .with_limits(options.limits);
    if let Some(resolver) = &options.resolver {
        host = host.with_resolver(resolver.clone());
    }
    let files = execute(&program, &templates, profile, &mut host)?;
    finish(RenderedFiles {
        graph: &graph,
        host,
        files,
    })
}

fn output(
    chart: &Chart,
    profile: &Profile,
    cache: &Cache,
    rendered: RenderedFiles<'_>,
) -> Result<Output, HelmError> {
    let RenderedFiles {
        graph,
        host,
        mut files,
    } = rendered;
    let notes_path = format!("{}/templates/NOTES.txt", graph.name(ROOT));
    let mut notes = None;
    files.retain(|path, text| {
        let is_notes = path.ends_with("NOTES.txt");
        if is_notes && **path == *notes_path {
            notes = Some(String::from_utf8_lossy(text).into_owned());
        }
        !is_notes
    });
    let texts = files
        .into_iter()
        .map(|(path, text)| match cache.file(&path, &text) {
            Some(file) => Ok((path, Text::Known(file))),
            None => match String::from_utf8(text) {
                Ok(text) => Ok((path, Text::New(text))),
                Err(error) => Err(invalid_text(&path, &error)),
            },
        })
        .collect::<Result<Vec<_>, _>>()?;
    cache.rendered(texts.iter().map(|(_, text)| text.len()).sum());
    let mut files = Vec::with_capacity(texts.len());
    for (path, text) in texts {
        let file = match text {
            Text::Known(file) => file,
            Text::New(text) => {
                let file = Arc::new(RenderedFile::read(&path, text, profile, cache)?);
                cache.keep(&path, &file);
                file
            }
        };
        files.push((path, file));
    }
    let Documents {
        manifests,
        hooks,
        warnings,
    } = documents(
        files.iter().map(|(path, file)| (path.clone(), &**file)),
        profile,
    );
    let mut crds = Vec::new();
    collect_crds(graph, ROOT, cache, &mut crds);
    let mut all_warnings = all_warnings(graph, chart, &host);
    all_warnings.extend(warnings);
    Ok(Output {
        manifests,
        hooks,
        crds,
        notes,
        warnings: all_warnings,
        needs: host.needs().iter().cloned().collect(),
        remembered: host.into_remembered(),
    })
}

fn execute(
    program: &Program,
    templates: &[Template<'_>],
    profile: &Profile,
    host: &mut Host,
) -> Result<BTreeMap<Arc<str>, Vec<u8>>, HelmError> {
    let mut files = BTreeMap::new();
    let mut session = program.session(host);
    for template in templates {
        let name = template.path.rsplit('/').next().unwrap_or(&template.path);
        if name.starts_with('_') {
            continue;
        }
        let of_template = Map::new().with_type(profile.values_type());
        put(&of_template, "Name", &*template.path);
        put(&of_template, "BasePath", &*template.base_path);
        put(&template.scope, "Template", of_template);
        let dot = Value::Map(template.scope.clone().with_type(profile.values_type()));
        let text = session
            .execute(&template.path, dot)
            .map_err(template_error)?;
        files.insert(template.path.clone(), text);
    }
    Ok(files)
}

/// Output that is not UTF-8 is not YAML either.
fn invalid_text(path: &str, error: &std::string::FromUtf8Error) -> HelmError {
    let reason = match gitops_core::yaml::from_slice(error.as_bytes()) {
        Err(error) => error.unmarshal_message(),
        Ok(_) => "error converting YAML to JSON: yaml: invalid leading UTF-8 octet".to_owned(),
    };
    HelmError::Manifest {
        template: path.to_owned(),
        message: format!("YAML parse error on {path}: {reason}"),
    }
}

fn template_error(error: TemplateError) -> HelmError {
    match error {
        TemplateError::LimitExceeded { limit, allowed, at } => HelmError::LimitExceeded {
            what: at.unwrap_or_else(|| "rendering".to_owned()),
            limit,
            allowed,
        },
        TemplateError::Forbidden { what, at } => HelmError::Forbidden { what, at },
        other => HelmError::Template {
            message: other.to_string(),
        },
    }
}

fn check_kubernetes(chart: &Chart, capabilities: &Capabilities) -> Result<(), HelmError> {
    let range = &chart.metadata.kube_version;
    let version = &capabilities.kube_version;
    if range.is_empty() || is_in_range(range, &version.normalized) {
        return Ok(());
    }
    Err(HelmError::Incompatible {
        message: format!(
            "chart requires kubeVersion: {range} which is incompatible with Kubernetes {}",
            version.version
        ),
    })
}

#[cfg(not(feature = "schema"))]
fn check_schemas(
    _graph: &ChartGraph<'_>,
    _values: &Table,
    _cache: &Cache,
) -> Result<(), HelmError> {
    Ok(())
}

#[cfg(feature = "schema")]
fn check_schemas(graph: &ChartGraph<'_>, values: &Table, cache: &Cache) -> Result<(), HelmError> {
    let mut failures = String::new();
    check_schema(graph, ROOT, values, cache, &mut failures);
    if failures.is_empty() {
        return Ok(());
    }
    Err(HelmError::Schema {
        message: format!(
            "values don't meet the specifications of the schema(s) in the following chart(s):\n{failures}"
        ),
    })
}

#[cfg(feature = "schema")]
fn check_schema(
    graph: &ChartGraph<'_>,
    node: usize,
    values: &Table,
    cache: &Cache,
    failures: &mut String,
) {
    use std::fmt::Write as _;
    if let Some(schema) = &graph.chart(node).schema {
        let json = value_to_json(&Value::Map(values.clone()));
        let checked = match &*cache.schema(schema) {
            Ok(schema) => schema.validate(&json),
            Err(text) => Err(text.clone()),
        };
        if let Err(text) = checked {
            let _ = write!(failures, "{}:\n{text}", graph.name(node));
        }
    }
    for &child in graph.children(node) {
        let name = graph.name(child);
        match values.get(name) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(values)) => check_schema(graph, child, &values, cache, failures),
            Some(other) => {
                let _ = writeln!(
                    failures,
                    "{name}:\ninvalid type for values: expected object (map), got {}",
                    other.type_name()
                );
            }
        }
    }
}

fn collect_crds(graph: &ChartGraph<'_>, node: usize, cache: &Cache, crds: &mut Vec<CrdFile>) {
    for file in graph.chart(node).crds() {
        crds.push(CrdFile {
            path: format!("{}/{}", graph.full_path(node), file.name),
            content: cache.text(&file.data),
        });
    }
    for &child in graph.children(node) {
        collect_crds(graph, child, cache, crds);
    }
}

fn all_warnings(graph: &ChartGraph<'_>, chart: &Chart, host: &Host) -> Vec<String> {
    let mut warnings: BTreeSet<String> = graph.warnings().into_iter().collect();
    warnings.extend(chart.warnings.iter().cloned());
    if chart.metadata.deprecated {
        warnings.insert("this chart is deprecated".to_owned());
    }
    if host.used_randomness() {
        warnings.insert(
            "templates use random values: the output differs from render to render unless they are remembered or seeded"
                .to_owned(),
        );
    }
    if host.used_time() {
        warnings.insert(
            "templates use the current time: the output differs from render to render".to_owned(),
        );
    }
    warnings.into_iter().collect()
}

/// Makes the objects that templates see, chart by chart.
struct Objects<'a> {
    graph: &'a ChartGraph<'a>,
    profile: &'a Profile,
    release: Value,
    capabilities: Value,
}

impl<'a> Objects<'a> {
    /// Adds the templates of a chart and those below it; returns what the parent sees in
    /// `.Subcharts`.
    fn collect(&self, node: usize, values: &Table, templates: &mut Vec<Template<'a>>) -> Map {
        let graph = self.graph;
        let chart = graph.chart(node);
        let scope = Map::new();
        let dependencies: Vec<_> = graph.dependencies(node).collect();
        let chart_value = chart_object(
            &chart.metadata,
            graph.name(node),
            &dependencies,
            graph.is_root(node),
            self.profile,
        );
        put(&scope, "Chart", chart_value);
        put(
            &scope,
            "Files",
            Value::object(Files::new(&chart.files, self.profile)),
        );
        put(&scope, "Release", self.release.clone());
        put(&scope, "Capabilities", self.capabilities.clone());
        let typed = values.clone().with_type(self.profile.values_type());
        put(&scope, "Values", typed);

        let subcharts = Map::new();
        for &child in graph.children(node) {
            let name = graph.name(child);
            let values = table_at(values, name).unwrap_or_default();
            put(&subcharts, name, self.collect(child, &values, templates));
        }
        put(&scope, "Subcharts", subcharts);

        let path = graph.full_path(node);
        let base_path: Arc<str> = format!("{path}/templates").into();
        for file in &chart.templates {
            let name = file.name.rsplit('/').next().unwrap_or(&file.name);
            if chart.is_library() && !name.starts_with('_') {
                continue;
            }
            templates.push(Template {
                path: format!("{path}/{}", file.name).into(),
                data: &file.data,
                scope: scope.clone(),
                base_path: base_path.clone(),
            });
        }
        scope
    }
}

impl Document {
    /// The document as a Kubernetes object.
    pub fn manifest(&self) -> Result<Manifest, ManifestError> {
        Manifest::try_from(self.value().clone())
    }
}
