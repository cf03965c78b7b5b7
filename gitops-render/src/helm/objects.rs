//! What templates see besides values: `.Chart`, `.Release`, `.Capabilities`, `.Files`.

use std::{any::Any, borrow::Cow, collections::BTreeMap, rc::Rc, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gitops_core::glob::Glob;

use crate::{
    helm::{
        Capabilities, ChartFile, Dependency, KubeVersion, Maintainer, Metadata, Profile,
        profile::{ChartObject, HelmVersion},
        values::{put, value_from_json},
    },
    template::{
        CallError, Context, Entries, Kind, List, ListType, Map, MapType, Object, Signature, Str,
        Type, Value,
    },
};

const ONE_STRING: Signature = Signature::new(&[Type::String]);
const NO_PARAMETERS: Signature = Signature::new(&[]);

/// `.Chart`.
pub(crate) fn chart_object(
    metadata: &Metadata,
    name: &str,
    dependencies: &[&Dependency],
    is_root: bool,
    profile: &Profile,
) -> Value {
    let style = match profile.chart_object {
        ChartObject::Map => Style::Maps,
        ChartObject::Object => Style::Structs,
    };
    let fields = metadata_fields(metadata, name, dependencies, style);
    match style {
        Style::Maps => {
            let map: Map = fields.into_iter().map(|f| (f.name, f.value)).collect();
            put(&map, "IsRoot", is_root);
            Value::Map(map)
        }
        Style::Structs => Value::object(ChartStruct {
            metadata: Rc::new(Struct {
                type_name: "chart.Metadata",
                is_pointer: false,
                fields,
            }),
            is_root,
        }),
    }
}

/// Whether nested structs are maps (Helm 4) or structs (Helm 3).
#[derive(Clone, Copy, PartialEq)]
enum Style {
    Maps,
    Structs,
}

#[derive(Debug)]
struct Field {
    name: &'static str,
    /// The name in JSON; left out there when it is empty, unless `always` is set.
    json: &'static str,
    always: bool,
    value: Value,
}

fn field(name: &'static str, json: &'static str, value: impl Into<Value>) -> Field {
    Field {
        name,
        json,
        always: false,
        value: value.into(),
    }
}

fn texts(items: &[String], style: Style) -> Value {
    let items = items.iter().map(|text| Value::from(text.as_str()));
    match style {
        Style::Maps => Value::list(items.collect()),
        Style::Structs if items.len() == 0 => Value::List(List::nil(ListType::Strings)),
        Style::Structs => Value::List(List::typed(ListType::Strings, items.collect())),
    }
}

fn structs(list_type: ListType, items: Vec<Vec<Field>>, style: Style) -> Value {
    let type_name = list_type.name().trim_start_matches("[]");
    let list_type = match style {
        Style::Maps => ListType::Any,
        Style::Structs => list_type,
    };
    let is_empty = items.is_empty();
    let items = items.into_iter().map(|fields| match style {
        Style::Maps => Value::Map(fields.into_iter().map(|f| (f.name, f.value)).collect()),
        Style::Structs => Value::object(Struct {
            type_name,
            is_pointer: true,
            fields,
        }),
    });
    if is_empty && style == Style::Structs {
        return Value::List(List::nil(list_type));
    }
    Value::List(List::typed(list_type, items.collect()))
}

fn metadata_fields(
    metadata: &Metadata,
    name: &str,
    dependencies: &[&Dependency],
    style: Style,
) -> Vec<Field> {
    let annotations = if metadata.annotations.is_empty() {
        Map::nil(MapType::Strings)
    } else {
        let entries: Entries = metadata
            .annotations
            .iter()
            .map(|(key, value)| (Str::from(key.as_str()), Value::from(value.as_str())))
            .collect();
        Map::from_entries(MapType::Strings, entries)
    };
    let maintainers = metadata.maintainers.iter().map(maintainer_fields);
    let dependencies = dependencies.iter().map(|d| dependency_fields(d, style));
    vec![
        field("Name", "name", name),
        field("Home", "home", metadata.home.as_str()),
        field("Sources", "sources", texts(&metadata.sources, style)),
        field("Version", "version", metadata.version.as_str()),
        field("Description", "description", metadata.description.as_str()),
        field("Keywords", "keywords", texts(&metadata.keywords, style)),
        field(
            "Maintainers",
            "maintainers",
            structs(ListType::Maintainers, maintainers.collect(), style),
        ),
        field("Icon", "icon", metadata.icon.as_str()),
        field("APIVersion", "apiVersion", metadata.api_version.as_str()),
        field("Condition", "condition", metadata.condition.as_str()),
        field("Tags", "tags", metadata.tags.as_str()),
        field("AppVersion", "appVersion", metadata.app_version.as_str()),
        field("Deprecated", "deprecated", metadata.deprecated),
        field("Annotations", "annotations", annotations),
        field("KubeVersion", "kubeVersion", metadata.kube_version.as_str()),
        field(
            "Dependencies",
            "dependencies",
            structs(ListType::Dependencies, dependencies.collect(), style),
        ),
        field("Type", "type", metadata.chart_type.as_str()),
    ]
}

fn maintainer_fields(maintainer: &Maintainer) -> Vec<Field> {
    vec![
        field("Name", "name", maintainer.name.as_str()),
        field("Email", "email", maintainer.email.as_str()),
        field("URL", "url", maintainer.url.as_str()),
    ]
}

fn dependency_fields(dependency: &Dependency, style: Style) -> Vec<Field> {
    let imports: Vec<Value> = dependency
        .import_values
        .iter()
        .map(|import| match value_from_json(import) {
            Value::Map(map)
                if map
                    .snapshot()
                    .iter()
                    .all(|(_, v)| matches!(v, Value::Str(_))) =>
            {
                Value::Map(map.with_type(MapType::Strings))
            }
            other => other,
        })
        .collect();
    let imports = if imports.is_empty() && style == Style::Structs {
        Value::List(List::nil(ListType::Any))
    } else {
        Value::list(imports)
    };
    let always = |mut field: Field| {
        field.always = true;
        field
    };
    vec![
        always(field("Name", "name", dependency.name.as_str())),
        field("Version", "version", dependency.version.as_str()),
        always(field(
            "Repository",
            "repository",
            dependency.repository.as_str(),
        )),
        field("Condition", "condition", dependency.condition.as_str()),
        field("Tags", "tags", texts(&dependency.tags, style)),
        field("Enabled", "enabled", dependency.enabled),
        field("ImportValues", "import-values", imports),
        field("Alias", "alias", dependency.alias.as_str()),
    ]
}

/// A Go struct that has only fields.
#[derive(Debug)]
struct Struct {
    type_name: &'static str,
    is_pointer: bool,
    fields: Vec<Field>,
}

impl Struct {
    fn tagged_fields(&self) -> Vec<(&'static str, Value)> {
        self.fields
            .iter()
            .filter(|field| field.always || field.value.is_true())
            .map(|field| (field.json, field.value.clone()))
            .collect()
    }
}

impl Object for Struct {
    fn type_name(&self) -> Cow<'static, str> {
        self.type_name.into()
    }

    fn kind(&self) -> Kind {
        if self.is_pointer {
            Kind::Pointer
        } else {
            Kind::Struct
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.fields
            .iter()
            .map(|field| (field.name, field.value.clone()))
            .collect()
    }

    fn field(&self, name: &str) -> Option<Value> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(field.value.clone())
    }

    fn is_comparable(&self) -> bool {
        false
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        self.tagged_fields()
    }
}

/// Helm 3's `.Chart`: the metadata embedded in a struct of its own.
#[derive(Debug)]
struct ChartStruct {
    metadata: Rc<Struct>,
    is_root: bool,
}

impl Object for ChartStruct {
    fn type_name(&self) -> Cow<'static, str> {
        "struct { chart.Metadata; IsRoot bool }".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Metadata", Value::Object(self.metadata.clone())),
            ("IsRoot", Value::Bool(self.is_root)),
        ]
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Metadata" => Some(Value::Object(self.metadata.clone())),
            "IsRoot" => Some(Value::Bool(self.is_root)),
            name => self.metadata.field(name),
        }
    }

    fn is_comparable(&self) -> bool {
        false
    }

    fn has_embedded_fields(&self) -> bool {
        true
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.metadata.tagged_fields();
        fields.push(("IsRoot", Value::Bool(self.is_root)));
        fields
    }
}

/// `.Capabilities`.
pub(crate) fn capabilities_object(capabilities: &Capabilities, profile: &Profile) -> Value {
    let package = if profile.is_helm_4() {
        Package::Common
    } else {
        Package::Chartutil
    };
    let versions = capabilities.api_versions.iter().map(String::as_str);
    Value::object(CapabilitiesObject {
        package,
        kube_version: Value::object(KubeVersionObject {
            package,
            version: capabilities.kube_version.clone(),
            is_addressable: true,
        }),
        api_versions: Value::object(VersionSet {
            package,
            versions: List::strings(versions),
        }),
        helm_version: Value::object(BuildInfo(profile.helm_version.clone())),
    })
}

/// The Go package that holds the types.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Package {
    Common,
    Chartutil,
}

impl Package {
    fn pick(self, common: &'static str, chartutil: &'static str) -> Cow<'static, str> {
        match self {
            Self::Common => common.into(),
            Self::Chartutil => chartutil.into(),
        }
    }
}

#[derive(Debug)]
struct CapabilitiesObject {
    package: Package,
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

impl Object for CapabilitiesObject {
    fn type_name(&self) -> Cow<'static, str> {
        self.package
            .pick("*common.Capabilities", "*chartutil.Capabilities")
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", self.kube_version.clone()),
            ("APIVersions", self.api_versions.clone()),
            ("HelmVersion", self.helm_version.clone()),
        ]
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Copy").then_some(NO_PARAMETERS)
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        _name: &str,
        _arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        Ok(Value::object(Self {
            package: self.package,
            kube_version: self.kube_version.clone(),
            api_versions: self.api_versions.clone(),
            helm_version: self.helm_version.clone(),
        }))
    }

    fn deep_copy(&self) -> Option<Value> {
        let kube_version = match self.kube_version.downcast::<KubeVersionObject>() {
            Some(version) => version.copied(true),
            None => self.kube_version.clone(),
        };
        Some(Value::object(Self {
            package: self.package,
            kube_version,
            api_versions: self.api_versions.clone(),
            helm_version: self.helm_version.clone(),
        }))
    }
}

#[derive(Debug)]
struct KubeVersionObject {
    package: Package,
    version: KubeVersion,
    /// Whether it is the field of `.Capabilities` itself, and no copy.
    is_addressable: bool,
}

impl KubeVersionObject {
    /// A copy of what is exported.
    fn copied(&self, is_addressable: bool) -> Value {
        Value::object(Self {
            package: self.package,
            version: KubeVersion {
                normalized: String::new(),
                ..self.version.clone()
            },
            is_addressable,
        })
    }

    fn text(&self) -> &str {
        if self.package == Package::Common && !self.version.normalized.is_empty() {
            &self.version.normalized
        } else {
            &self.version.version
        }
    }
}

impl Object for KubeVersionObject {
    fn type_name(&self) -> Cow<'static, str> {
        self.package
            .pick("common.KubeVersion", "chartutil.KubeVersion")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("Version", self.version.version.as_str().into())];
        if self.package == Package::Common {
            fields.push(("normalizedVersion", self.version.normalized.as_str().into()));
        }
        fields.push(("Major", self.version.major.as_str().into()));
        fields.push(("Minor", self.version.minor.as_str().into()));
        fields
    }

    fn field(&self, name: &str) -> Option<Value> {
        let text = match name {
            "Version" => &self.version.version,
            "Major" => &self.version.major,
            "Minor" => &self.version.minor,
            _ => return None,
        };
        Some(text.as_str().into())
    }

    fn method(&self, name: &str) -> Option<Signature> {
        matches!(name, "GitVersion" | "String").then_some(NO_PARAMETERS)
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        _arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        Ok(match name {
            "GitVersion" => self.version.version.as_str().into(),
            _ => self.text().into(),
        })
    }

    fn string_of_pointer(&self) -> Option<String> {
        self.is_addressable.then(|| self.text().to_owned())
    }

    fn as_argument(&self) -> Option<Value> {
        self.is_addressable.then(|| {
            Value::object(Self {
                is_addressable: false,
                package: self.package,
                version: self.version.clone(),
            })
        })
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.version == other.version)
    }

    fn deep_copy(&self) -> Option<Value> {
        Some(self.copied(false))
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let names = ["Version", "Major", "Minor"];
        let fields = names.iter().filter_map(|n| Some((*n, self.field(n)?)));
        fields.collect()
    }
}

#[derive(Debug)]
struct VersionSet {
    package: Package,
    versions: List,
}

impl Object for VersionSet {
    fn type_name(&self) -> Cow<'static, str> {
        self.package
            .pick("common.VersionSet", "chartutil.VersionSet")
    }

    fn kind(&self) -> Kind {
        Kind::Slice
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::List(self.versions.clone()))
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "Has").then_some(ONE_STRING)
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        _name: &str,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        let wanted = text_argument(arguments);
        let has = self.versions.iter().any(|version| match version {
            Value::Str(version) => *version == wanted,
            _ => false,
        });
        Ok(Value::Bool(has))
    }

    fn is_comparable(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct BuildInfo(HelmVersion);

impl Object for BuildInfo {
    fn type_name(&self) -> Cow<'static, str> {
        "version.BuildInfo".into()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("Version", self.0.version.into()),
            ("GitCommit", "".into()),
            ("GitTreeState", "".into()),
            ("GoVersion", self.0.go_version.into()),
        ];
        if let Some(version) = self.0.kube_client_version {
            fields.push(("KubeClientVersion", version.into()));
        }
        fields
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.0 == other.0)
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("version", self.0.version.into()),
            ("go_version", self.0.go_version.into()),
        ];
        if let Some(version) = self.0.kube_client_version {
            fields.push(("kube_client_version", version.into()));
        }
        fields
    }
}

/// `.Files`: the files of a chart that have no other meaning, or some of them.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    all: Arc<[ChartFile]>,
    /// Places of the files, in order of their names; of equal names the last file counts.
    selected: Rc<BTreeMap<Rc<str>, usize>>,
    lines_of_empty_file_fail: bool,
}

impl Files {
    pub(crate) fn new(all: &Arc<[ChartFile]>, profile: &Profile) -> Self {
        let selected = all
            .iter()
            .enumerate()
            .map(|(i, file)| (Rc::from(file.name.as_str()), i))
            .collect();
        Self {
            all: all.clone(),
            selected: Rc::new(selected),
            lines_of_empty_file_fail: profile.lines_of_empty_file_fail,
        }
    }

    fn get(&self, name: &Str) -> Option<&Bytes> {
        let place = self.selected.get(name.as_str()?)?;
        Some(&self.all[*place].data)
    }

    fn glob(&self, pattern: &str) -> Self {
        // As in Helm, a malformed pattern selects everything.
        let glob = Glob::new(pattern, &['/']).ok();
        let selected = self
            .selected
            .iter()
            .filter(|(name, _)| glob.as_ref().is_none_or(|glob| glob.matches(name)))
            .map(|(name, place)| (name.clone(), *place))
            .collect();
        Self {
            all: self.all.clone(),
            selected: Rc::new(selected),
            lines_of_empty_file_fail: self.lines_of_empty_file_fail,
        }
    }

    fn lines(&self, name: &Str) -> Result<Value, CallError> {
        let content = match self.get(name).map(|content| &**content) {
            Some([]) if self.lines_of_empty_file_fail => {
                return Err(CallError::new("runtime error: index out of range [-1]"));
            }
            None | Some([]) => return Ok(Value::List(List::strings::<Str>([]))),
            Some(content) => content.strip_suffix(b"\n").unwrap_or(content),
        };
        let lines = content.split(|byte| *byte == b'\n');
        Ok(Value::List(List::strings(lines)))
    }

    /// A YAML mapping from the last parts of the names to contents.
    fn as_yaml(&self, encode: impl Fn(&[u8]) -> Str) -> Value {
        let entries: Entries = self
            .selected
            .iter()
            .map(|(name, place)| {
                let base = name.rsplit('/').next().unwrap_or(name);
                (Str::from(base), Value::Str(encode(&self.all[*place].data)))
            })
            .collect();
        Value::Str(texts_to_yaml(&entries))
    }
}

impl Object for Files {
    fn type_name(&self) -> Cow<'static, str> {
        "engine.files".into()
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn underlying(&self) -> Option<Value> {
        let entries: Entries = self
            .selected
            .iter()
            .map(|(name, place)| {
                let content = Str::of_file(&self.all[*place].data);
                (Str::from(&**name), Value::Bytes(content))
            })
            .collect();
        Some(Value::Map(Map::from_entries(MapType::Any, entries)))
    }

    fn zero_element(&self) -> Value {
        Value::Bytes(Str::NIL)
    }

    fn method(&self, name: &str) -> Option<Signature> {
        match name {
            "Get" | "GetBytes" | "Glob" | "Lines" => Some(ONE_STRING),
            "AsConfig" | "AsSecrets" => Some(NO_PARAMETERS),
            _ => None,
        }
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        let content = |name: &Str| self.get(name).map(Str::of_file).unwrap_or_default();
        Ok(match name {
            "Get" => Value::Str(content(&text_argument(arguments))),
            "GetBytes" => Value::Bytes(content(&text_argument(arguments))),
            "Glob" => Value::object(self.glob(&text_argument(arguments).to_str())),
            "Lines" => self.lines(&text_argument(arguments))?,
            "AsConfig" => self.as_yaml(Str::new),
            _ => self.as_yaml(|data| Str::from(BASE64_STANDARD.encode(data))),
        })
    }

    fn is_comparable(&self) -> bool {
        false
    }
}

/// `toYaml` of a map of texts. Texts with control characters that YAML does not allow make the whole
/// result empty, as in Helm.
fn texts_to_yaml(texts: &Entries) -> Str {
    let mut object = serde_json::Map::new();
    for (key, value) in texts {
        let Value::Str(value) = value else { continue };
        let (key, value) = (key.to_str(), value.to_str());
        let is_refused = |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}');
        if key.contains(is_refused) || value.contains(is_refused) {
            return Str::default();
        }
        // The detour through JSON folds the line break NEL into a space.
        let value = value.replace('\u{85}', " ");
        object.insert(key.into_owned(), serde_json::Value::String(value));
    }
    let text = gitops_core::yaml::to_string(&serde_json::Value::Object(object));
    Str::from(text.strip_suffix('\n').unwrap_or(&text))
}

fn text_argument(arguments: &[Value]) -> Str {
    match arguments.first() {
        Some(Value::Str(text)) => text.clone(),
        _ => Str::default(),
    }
}
