//! Chart.yaml, requirements.yaml and the locks beside them.

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::{
    go::{quote, unicode},
    version::Version,
};
use serde_json::{Map, Value};

use crate::helm::{
    HelmError,
    chart::decode::{Struct, Type, TypeNames, decode},
    profile::Profile,
};

/// The metadata of a chart: Chart.yaml, and for charts of `apiVersion: v1` requirements.yaml.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// `apiVersion`: `v1` or `v2`.
    pub api_version: String,
    /// `name`.
    pub name: String,
    /// `version`.
    pub version: String,
    /// `description`.
    pub description: String,
    /// `type`: empty, `application` or `library`.
    pub chart_type: String,
    /// `appVersion`.
    pub app_version: String,
    /// `kubeVersion`: a range of Kubernetes versions.
    pub kube_version: String,
    /// `home`.
    pub home: String,
    /// `icon`.
    pub icon: String,
    /// `condition`.
    pub condition: String,
    /// `tags`.
    pub tags: String,
    /// `deprecated`.
    pub deprecated: bool,
    /// `sources`.
    pub sources: Vec<String>,
    /// `keywords`.
    pub keywords: Vec<String>,
    /// `maintainers`.
    pub maintainers: Vec<Maintainer>,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `dependencies`; `None` where there is no such list, which is not the same as an empty one.
    pub dependencies: Option<Vec<Dependency>>,
}

/// Who maintains a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintainer {
    /// `name`.
    pub name: String,
    /// `email`.
    pub email: String,
    /// `url`.
    pub url: String,
}

/// A chart that another depends on.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Dependency {
    /// Name of the chart, or its alias once dependencies were processed.
    pub name: String,
    /// Version or range of versions.
    pub version: String,
    /// URL of the chart repository; empty for a chart in `charts/`.
    pub repository: String,
    /// Paths of values, separated by commas, that switch it on or off.
    pub condition: String,
    /// Tags that switch it on or off.
    pub tags: Vec<String>,
    /// Whether it is on.
    pub enabled: bool,
    /// `import-values`: names, or pairs of `child` and `parent`.
    pub import_values: Vec<Value>,
    /// Another name for this use of the chart.
    pub alias: String,
}

/// Chart.lock or requirements.lock.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Lock {
    /// Digest over the dependencies of Chart.yaml and of this lock.
    pub digest: String,
    /// The exact versions.
    pub dependencies: Vec<Dependency>,
}

static MAINTAINER: Struct = Struct {
    name: "Maintainer",
    fields: &[
        ("name", Type::String),
        ("email", Type::String),
        ("url", Type::String),
    ],
};

static DEPENDENCY: Struct = Struct {
    name: "Dependency",
    fields: &[
        ("name", Type::String),
        ("version", Type::String),
        ("repository", Type::String),
        ("condition", Type::String),
        ("tags", Type::List(&Type::String)),
        ("enabled", Type::Bool),
        ("import-values", Type::List(&Type::Any)),
        ("alias", Type::String),
    ],
};

static METADATA: Struct = Struct {
    name: "Metadata",
    fields: &[
        ("name", Type::String),
        ("home", Type::String),
        ("sources", Type::List(&Type::String)),
        ("version", Type::String),
        ("description", Type::String),
        ("keywords", Type::List(&Type::String)),
        ("maintainers", Type::List(&Type::Struct(&MAINTAINER))),
        ("icon", Type::String),
        ("apiVersion", Type::String),
        ("condition", Type::String),
        ("tags", Type::String),
        ("appVersion", Type::String),
        ("deprecated", Type::Bool),
        ("annotations", Type::Strings),
        ("kubeVersion", Type::String),
        ("dependencies", Type::List(&Type::Struct(&DEPENDENCY))),
        ("type", Type::String),
    ],
};

static LOCK: Struct = Struct {
    name: "Lock",
    fields: &[
        ("generated", Type::Time),
        ("digest", Type::String),
        ("dependencies", Type::List(&Type::Struct(&DEPENDENCY))),
    ],
};

/// Names of the package that holds charts: `chart` in Helm 3, `v2` in Helm 4.
struct ChartTypes {
    package: &'static str,
}

impl ChartTypes {
    fn of(profile: &Profile) -> Self {
        Self {
            package: if profile.is_helm_4() { "v2" } else { "chart" },
        }
    }
}

impl TypeNames for ChartTypes {
    fn name_of(&self, of: &Struct) -> String {
        format!("{}.{}", self.package, of.name)
    }
}

/// Metadata while it is read, file by file.
#[derive(Debug, Default)]
pub(crate) struct MetadataReader {
    fields: Map<String, Value>,
    is_present: bool,
}

impl MetadataReader {
    /// Reads Chart.yaml, or requirements.yaml on top of it.
    pub(crate) fn read(&mut self, yaml: &[u8], profile: &Profile) -> Result<(), String> {
        self.is_present = true;
        let value = parse_yaml(yaml)?;
        decode(
            &value,
            &mut self.fields,
            &METADATA,
            &ChartTypes::of(profile),
        )
    }

    /// Notes that the chart has metadata, be it empty.
    pub(crate) fn touch(&mut self) {
        self.is_present = true;
    }

    pub(crate) fn is_present(&self) -> bool {
        self.is_present
    }

    pub(crate) fn api_version(&self) -> &str {
        text(&self.fields, "apiVersion")
    }

    pub(crate) fn set_api_version(&mut self, version: &str) {
        self.fields.insert("apiVersion".to_owned(), version.into());
    }

    /// The checked metadata.
    pub(crate) fn finish(self) -> Result<Metadata, HelmError> {
        validate(&self.fields).map_err(|reason| HelmError::chart(format!("validation: {reason}")))
    }
}

/// `apiVersion` alone, as Helm 4 looks at it before it loads a chart.
pub(crate) fn chart_api_version(yaml: &[u8]) -> Result<String, String> {
    static BASE: Struct = Struct {
        name: "chartBase",
        fields: &[("apiVersion", Type::String)],
    };
    struct Names;
    impl TypeNames for Names {
        fn name_of(&self, of: &Struct) -> String {
            format!("loader.{}", of.name)
        }
    }
    let is_wanted = |key: &str| key.eq_ignore_ascii_case("apiVersion");
    let value = match std::str::from_utf8(yaml) {
        Ok(text) => gitops_core::yaml::from_str_only(text, &is_wanted)
            .map_err(|error| format!("error converting YAML to JSON: {error}"))?,
        Err(_) => parse_yaml(yaml)?,
    };
    let mut fields = Map::new();
    decode(&value, &mut fields, &BASE, &Names)?;
    Ok(text(&fields, "apiVersion").to_owned())
}

impl Lock {
    pub(crate) fn read(yaml: &[u8], profile: &Profile) -> Result<Self, String> {
        let value = parse_yaml(yaml)?;
        let mut fields = Map::new();
        decode(&value, &mut fields, &LOCK, &ChartTypes::of(profile))?;
        Ok(Self {
            digest: text(&fields, "digest").to_owned(),
            dependencies: objects(&fields, "dependencies").map(dependency).collect(),
        })
    }
}

pub(crate) fn parse_yaml(yaml: &[u8]) -> Result<Value, String> {
    gitops_core::yaml::from_slice(yaml)
        .map_err(|error| format!("error converting YAML to JSON: {error}"))
}

fn validate(fields: &Map<String, Value>) -> Result<Metadata, String> {
    let clean = |key| sanitize(text(fields, key));
    let list = |key: &str| strings(fields.get(key)).map(sanitize).collect();
    let mut metadata = Metadata {
        api_version: text(fields, "apiVersion").to_owned(),
        name: clean("name"),
        version: text(fields, "version").to_owned(),
        description: clean("description"),
        chart_type: text(fields, "type").to_owned(),
        app_version: clean("appVersion"),
        kube_version: clean("kubeVersion"),
        home: clean("home"),
        icon: clean("icon"),
        condition: clean("condition"),
        tags: clean("tags"),
        deprecated: fields.get("deprecated") == Some(&Value::Bool(true)),
        sources: list("sources"),
        keywords: list("keywords"),
        maintainers: Vec::new(),
        annotations: fields
            .get("annotations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        dependencies: None,
    };
    if metadata.api_version.is_empty() {
        return Err("chart.metadata.apiVersion is required".to_owned());
    }
    if metadata.name.is_empty() {
        return Err("chart.metadata.name is required".to_owned());
    }
    if matches!(metadata.name.as_str(), "." | "..") {
        return Err(format!(
            "chart.metadata.name {} is not allowed",
            quote(&metadata.name)
        ));
    }
    if metadata.name.contains('/') {
        return Err(format!(
            "chart.metadata.name {} is invalid",
            quote(&metadata.name)
        ));
    }
    if metadata.version.is_empty() {
        return Err("chart.metadata.version is required".to_owned());
    }
    if Version::parse(&metadata.version).is_err() {
        return Err(format!(
            "chart.metadata.version {} is invalid",
            quote(&metadata.version)
        ));
    }
    if !matches!(metadata.chart_type.as_str(), "" | "application" | "library") {
        return Err("chart.metadata.type must be application or library".to_owned());
    }
    for maintainer in items(fields, "maintainers") {
        let Value::Object(maintainer) = maintainer else {
            return Err("maintainers must not contain empty or null nodes".to_owned());
        };
        let clean = |key| sanitize(text(maintainer, key));
        metadata.maintainers.push(Maintainer {
            name: clean("name"),
            email: clean("email"),
            url: clean("url"),
        });
    }
    if let Some(Value::Array(list)) = fields.get("dependencies") {
        metadata.dependencies = Some(dependencies(list)?);
    }
    Ok(metadata)
}

fn dependencies(list: &[Value]) -> Result<Vec<Dependency>, String> {
    let mut seen = BTreeSet::new();
    let mut dependencies = Vec::with_capacity(list.len());
    for item in list {
        let Value::Object(fields) = item else {
            return Err("dependencies must not contain empty or null nodes".to_owned());
        };
        let mut dependency = dependency(fields);
        for field in [
            &mut dependency.name,
            &mut dependency.version,
            &mut dependency.repository,
            &mut dependency.condition,
        ]
        .into_iter()
        .chain(&mut dependency.tags)
        {
            *field = sanitize(field);
        }
        let is_alias_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !dependency.alias.bytes().all(is_alias_char) {
            return Err(format!(
                "dependency {} has disallowed characters in the alias",
                quote(&dependency.name)
            ));
        }
        let key = if dependency.alias.is_empty() {
            &dependency.name
        } else {
            &dependency.alias
        };
        if !seen.insert(key.clone()) {
            return Err(format!(
                "more than one dependency with name or alias {}",
                quote(key)
            ));
        }
        dependencies.push(dependency);
    }
    Ok(dependencies)
}

fn dependency(fields: &Map<String, Value>) -> Dependency {
    let text = |key| text(fields, key).to_owned();
    Dependency {
        name: text("name"),
        version: text("version"),
        repository: text("repository"),
        condition: text("condition"),
        tags: strings(fields.get("tags")).map(str::to_owned).collect(),
        enabled: fields.get("enabled") == Some(&Value::Bool(true)),
        import_values: items(fields, "import-values").cloned().collect(),
        alias: text("alias"),
    }
}

/// White space becomes a space, what is not printable goes.
fn sanitize(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            c if unicode::is_space(c) => Some(' '),
            c => unicode::is_print(c).then_some(c),
        })
        .collect()
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn items<'a>(fields: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    fields
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn objects<'a>(
    fields: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    items(fields, key).filter_map(Value::as_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Metadata, String> {
        let mut reader = MetadataReader::default();
        reader.read(yaml.as_bytes(), &Profile::helm_4_3())?;
        reader.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn scalars_become_text_and_names_ignore_case() {
        let metadata = read("apiVersion: v2\nNAME: 12\nversion: 1.10\nappversion: true\n").unwrap();
        assert_eq!(metadata.name, "12");
        assert_eq!(metadata.version, "1.1");
        assert_eq!(metadata.app_version, "true");
    }

    #[test]
    fn mistakes_have_helms_words() {
        let base = "apiVersion: v2\nname: a\nversion: 1.0.0\n";
        for (yaml, message) in [
            (
                "[]",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type v2.Metadata",
            ),
            (
                "deprecated: maybe",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.deprecated of type bool",
            ),
            (
                "dependencies: [{tags: x}]",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Dependency.dependencies.tags of type []string",
            ),
            (
                "name: [a]",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field Metadata.name of type string",
            ),
        ] {
            let yaml = if yaml == "[]" {
                yaml.to_owned()
            } else {
                format!("{base}{yaml}\n")
            };
            assert_eq!(read(&yaml).unwrap_err(), message);
        }
    }
}
