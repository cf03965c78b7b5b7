//! Writes the bundled schemas of the built-in kinds.
//!
//! ```text
//! for v in 1.16.15 1.17.17 …; do go mod download -json k8s.io/kubernetes@v$v; done
//! cargo run -p gitops-diff --example bundle_schemas -- \
//!     gitops-diff/data/kubernetes.json.zz 1.16.15=DIR 1.17.17=DIR …
//! ```
//!
//! Each `DIR` is the `api` folder of the Go module, with `openapi-spec` and, where the version has
//! it, `discovery`. Versions are given in ascending order. What merges how (list types, keys,
//! defaults) is taken from the newest version that has a field; which kinds and fields exist is
//! kept for each minor version.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    io::Write as _,
    path::Path,
};

use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let output = arguments
        .next()
        .ok_or("usage: bundle_schemas OUTPUT VERSION=DIR…")?;
    let mut bundle = Bundle::default();
    for argument in arguments {
        let (version, folder) = argument
            .split_once('=')
            .ok_or("write VERSION=DIR, as in 1.34.4=…/api")?;
        bundle.add_version(version, Path::new(folder))?;
    }
    let text = bundle.finish().to_string();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes())?;
    fs::write(output, encoder.finish()?)?;
    Ok(())
}

/// A type as the documents write it; names are resolved at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Scalar(char),
    Named(String, Option<bool>),
    List(Box<Self>, Topology),
    Map(Box<Self>, bool),
    Record(Record),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Topology {
    Atomic,
    Set,
    Keys(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Record {
    fields: BTreeMap<String, Member>,
    additional: Option<Box<Shape>>,
    atomic: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    shape: Shape,
    default: Option<String>,
    required: bool,
    first: u32,
    last: u32,
}

#[derive(Default)]
struct Kind {
    definition: String,
    plural: String,
    namespaced: bool,
    verbs: BTreeSet<String>,
    subresources: BTreeSet<String>,
    short_names: Vec<String>,
    first: u32,
    last: u32,
}

#[derive(Default)]
struct Bundle {
    versions: Vec<String>,
    definitions: BTreeMap<String, (Shape, u32, u32)>,
    kinds: BTreeMap<(String, String, String), Kind>,
    newest: u32,
}

impl Bundle {
    fn add_version(&mut self, version: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
        let minor: u32 = version
            .split('.')
            .nth(1)
            .ok_or("no minor version")?
            .parse()?;
        self.versions.push(version.to_owned());
        self.newest = minor;
        let spec = folder.join("openapi-spec");
        let swagger: Value = serde_json::from_slice(&fs::read(spec.join("swagger.json"))?)?;
        self.add_paths(&swagger, minor);

        let mut documents = Vec::new();
        if let Ok(entries) = fs::read_dir(spec.join("v3")) {
            for entry in entries {
                documents.push(serde_json::from_slice::<Value>(&fs::read(entry?.path())?)?);
            }
        }
        let mut seen = BTreeSet::new();
        for document in &documents {
            let schemas = document.pointer("/components/schemas");
            for (name, schema) in schemas.and_then(Value::as_object).into_iter().flatten() {
                if seen.insert(name.clone()) {
                    self.add_definition(name, schema, minor);
                }
            }
        }
        let definitions = swagger.get("definitions").and_then(Value::as_object);
        for (name, schema) in definitions.into_iter().flatten() {
            self.name_kinds(name, schema, minor);
            if seen.insert(name.clone()) {
                self.add_definition(name, schema, minor);
            }
        }
        self.add_discovery(folder)
    }

    fn add_definition(&mut self, name: &str, schema: &Value, minor: u32) {
        let mut shape = shape_of(name, schema, minor);
        if let Some((old, _, last)) = self.definitions.get_mut(name) {
            if let (Shape::Record(new), Shape::Record(old)) = (&mut shape, &mut *old) {
                for (field, member) in &mut new.fields {
                    if let Some(known) = old.fields.get(field) {
                        member.first = known.first;
                    }
                }
                for (field, member) in std::mem::take(&mut old.fields) {
                    new.fields.entry(field).or_insert(member);
                }
            }
            *old = shape;
            *last = minor;
        } else {
            self.definitions
                .insert(name.to_owned(), (shape, minor, minor));
        }
    }

    fn name_kinds(&mut self, name: &str, schema: &Value, minor: u32) {
        let gvks = schema.get("x-kubernetes-group-version-kind");
        for gvk in gvks.and_then(Value::as_array).into_iter().flatten() {
            if let Some(kind) = self.kinds.get_mut(&gvk_of(gvk)) {
                kind.definition = name.to_owned();
                kind.last = minor;
            }
        }
    }

    fn add_paths(&mut self, swagger: &Value, minor: u32) {
        let paths = swagger.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
            let rest = match segments.first() {
                Some(&"api") => segments.get(2..).unwrap_or_default(),
                Some(&"apis") => segments.get(3..).unwrap_or_default(),
                _ => continue,
            };
            if rest.first() == Some(&"watch") {
                continue;
            }
            let (namespaced, rest) = match rest {
                ["namespaces", "{namespace}", rest @ ..] if !rest.is_empty() => (true, rest),
                rest => (false, rest),
            };
            let prefix = if segments[0] == "api" { 2 } else { 3 };
            let group_version = segments.get(..prefix).unwrap_or_default().join("/");
            for operation in item.as_object().into_iter().flatten().map(|(_, o)| o) {
                let Some(gvk) = operation.get("x-kubernetes-group-version-kind") else {
                    continue;
                };
                let action = operation
                    .get("x-kubernetes-action")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                match rest {
                    [plural] | [plural, "{name}"] => {
                        let kind = self.kinds.entry(gvk_of(gvk)).or_insert_with(|| Kind {
                            first: minor,
                            ..Kind::default()
                        });
                        kind.plural = (*plural).to_owned();
                        kind.namespaced |= namespaced;
                        kind.last = minor;
                        let verbs: &[&str] = match action {
                            "post" => &["create"],
                            "put" => &["update"],
                            "list" => &["list", "watch"],
                            "get" => &["get"],
                            "patch" => &["patch"],
                            "delete" => &["delete"],
                            "deletecollection" => &["deletecollection"],
                            _ => &[],
                        };
                        kind.verbs.extend(verbs.iter().map(|v| (*v).to_owned()));
                    }
                    [plural, "{name}", subresource] => {
                        for ((group, version, _), kind) in &mut self.kinds {
                            let prefix = if group.is_empty() {
                                format!("api/{version}")
                            } else {
                                format!("apis/{group}/{version}")
                            };
                            if prefix == group_version && kind.plural == *plural {
                                kind.subresources.insert((*subresource).to_owned());
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Short names, which only the discovery documents have.
    fn add_discovery(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let read = |name: &str| -> Result<Value, Box<dyn Error>> {
            match fs::read(folder.join("discovery").join(name)) {
                Ok(text) => Ok(serde_json::from_slice(&text)?),
                Err(_) => Ok(Value::Null),
            }
        };
        let groups = read("aggregated_v2.json")?;
        for item in list(&groups, "items") {
            let group = item.pointer("/metadata/name").and_then(Value::as_str);
            let resources = list(item, "versions").flat_map(|version| list(version, "resources"));
            for resource in resources {
                let kind = resource.pointer("/responseKind/kind");
                self.add_short_names(group.unwrap_or_default(), kind, resource);
            }
        }
        for resource in list(&read("api__v1.json")?, "resources") {
            self.add_short_names("", resource.get("kind"), resource);
        }
        Ok(())
    }

    fn add_short_names(&mut self, group: &str, kind: Option<&Value>, resource: &Value) {
        let names: Vec<String> = list(resource, "shortNames")
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let kind = kind.and_then(Value::as_str);
        for ((g, _, k), known) in &mut self.kinds {
            if g == group && Some(k.as_str()) == kind && !names.is_empty() {
                known.short_names.clone_from(&names);
            }
        }
    }

    fn finish(mut self) -> Value {
        // Kinds that have moved to another group, or were removed before servers listed them.
        let by_kind: BTreeMap<String, Vec<String>> = self
            .kinds
            .iter()
            .filter(|(_, kind)| !kind.short_names.is_empty())
            .map(|((_, _, name), kind)| (name.clone(), kind.short_names.clone()))
            .collect();
        for ((_, _, name), kind) in &mut self.kinds {
            if kind.short_names.is_empty() {
                kind.short_names = match name.as_str() {
                    "PodSecurityPolicy" => vec!["psp".to_owned()],
                    _ => by_kind.get(name).cloned().unwrap_or_default(),
                };
            }
        }
        let mut arena = Arena {
            definitions: &self.definitions,
            entries: vec![json!("*"), json!("!")],
            known: BTreeMap::new(),
            named: BTreeMap::new(),
        };
        let mut kinds = Vec::new();
        for ((group, version, name), kind) in &self.kinds {
            if kind.definition.is_empty() {
                continue;
            }
            let mut entry = json!({
                "g": group, "v": version, "k": name, "p": kind.plural,
                "t": arena.named(&kind.definition),
                "n": u8::from(kind.namespaced), "c": kind.verbs, "r": kind.subresources,
                "s": kind.short_names, "a": kind.first,
            });
            if kind.last < self.newest {
                entry["z"] = json!(kind.last);
            }
            kinds.push(entry);
        }
        json!({"versions": self.versions, "kinds": kinds, "types": arena.entries})
    }
}

struct Arena<'a> {
    definitions: &'a BTreeMap<String, (Shape, u32, u32)>,
    entries: Vec<Value>,
    known: BTreeMap<String, usize>,
    named: BTreeMap<(String, Option<bool>), usize>,
}

impl Arena<'_> {
    fn named(&mut self, name: &str) -> usize {
        self.reference(name, None)
    }

    fn reference(&mut self, name: &str, atomic: Option<bool>) -> usize {
        let key = (name.to_owned(), atomic);
        if let Some(at) = self.named.get(&key) {
            return *at;
        }
        let Some((shape, first, last)) = self.definitions.get(name) else {
            return 0;
        };
        let at = self.entries.len();
        self.entries.push(Value::Null);
        self.named.insert(key, at);
        let mut shape = shape.clone();
        if let (Some(atomic), Shape::Record(record)) = (atomic, &mut shape) {
            record.atomic = atomic;
        }
        self.entries[at] = self.entry(&shape, *first, *last);
        at
    }

    fn shape(&mut self, shape: &Shape) -> usize {
        match shape {
            Shape::Scalar('*') => return 0,
            Shape::Scalar('!') => return 1,
            Shape::Named(name, atomic) => return self.reference(name, *atomic),
            _ => {}
        }
        let entry = self.entry(shape, 0, u32::MAX);
        let key = entry.to_string();
        if let Some(at) = self.known.get(&key) {
            return *at;
        }
        self.entries.push(entry);
        self.known.insert(key, self.entries.len() - 1);
        self.entries.len() - 1
    }

    fn entry(&mut self, shape: &Shape, first: u32, last: u32) -> Value {
        match shape {
            Shape::Scalar(c) => json!(c.to_string()),
            Shape::Named(name, atomic) => {
                let at = self.reference(name, *atomic);
                self.entries[at].clone()
            }
            Shape::List(item, topology) => {
                let item = self.shape(item);
                match topology {
                    Topology::Atomic => json!([item]),
                    Topology::Set => json!([item, 1]),
                    Topology::Keys(keys) => json!([item, keys]),
                }
            }
            Shape::Map(item, atomic) => {
                let mut entry = json!({"+": self.shape(item)});
                if *atomic {
                    entry["@"] = json!(1);
                }
                entry
            }
            Shape::Record(record) => {
                let mut fields = Map::new();
                for (name, member) in &record.fields {
                    let ty = self.shape(&member.shape);
                    let mut extra = Map::new();
                    if let Some(default) = &member.default {
                        extra.insert(
                            "d".into(),
                            serde_json::from_str(default).unwrap_or_default(),
                        );
                    }
                    if member.required {
                        extra.insert("r".into(), json!(1));
                    }
                    if member.first > first {
                        extra.insert("a".into(), json!(member.first));
                    }
                    if member.last < last {
                        extra.insert("z".into(), json!(member.last));
                    }
                    let field = if extra.is_empty() {
                        json!(ty)
                    } else {
                        json!([ty, extra])
                    };
                    fields.insert(name.clone(), field);
                }
                let mut entry = json!({"f": fields});
                if let Some(additional) = &record.additional {
                    entry["+"] = json!(self.shape(additional));
                }
                if record.atomic {
                    entry["@"] = json!(1);
                }
                entry
            }
        }
    }
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn gvk_of(gvk: &Value) -> (String, String, String) {
    let text = |key: &str| {
        gvk.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (text("group"), text("version"), text("kind"))
}

fn shape_of(name: &str, schema: &Value, minor: u32) -> Shape {
    match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Shape::Scalar('q'),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Shape::Scalar('x'),
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => Shape::Scalar('!'),
        _ => inline(schema, minor),
    }
}

fn value_shape(schema: &Value, minor: u32) -> Shape {
    let reference = schema
        .get("$ref")
        .or_else(|| schema.pointer("/allOf/0/$ref"));
    let atomic = match schema.get("x-kubernetes-map-type").and_then(Value::as_str) {
        Some("atomic") => Some(true),
        Some("granular") => Some(false),
        _ => None,
    };
    match reference.and_then(Value::as_str) {
        Some(name) => {
            let name = name.rsplit('/').next().unwrap_or_default();
            match shape_of(name, &Value::Null, minor) {
                Shape::Scalar('*') => Shape::Named(name.to_owned(), atomic),
                known => known,
            }
        }
        None => inline(schema, minor),
    }
}

fn inline(schema: &Value, minor: u32) -> Shape {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let has = |key: &str| schema.get(key).is_some();
    let atomic = text("x-kubernetes-map-type") == Some("atomic");
    match text("type") {
        Some("integer") => Shape::Scalar('i'),
        Some("number") => Shape::Scalar('n'),
        Some("boolean") => Shape::Scalar('b'),
        _ if text("format") == Some("int-or-string") => Shape::Scalar('x'),
        Some("string") => Shape::Scalar('s'),
        Some("array") => {
            let item = schema
                .get("items")
                .map_or(Shape::Scalar('*'), |items| value_shape(items, minor));
            Shape::List(Box::new(item), topology(schema))
        }
        kind if kind == Some("object") || has("properties") || has("additionalProperties") => {
            let additional = schema
                .get("additionalProperties")
                .filter(|additional| additional.is_object())
                .map(|additional| value_shape(additional, minor));
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
                let item = additional.unwrap_or(Shape::Scalar('*'));
                return Shape::Map(Box::new(item), atomic);
            };
            let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
            let fields = properties
                .iter()
                .map(|(name, property)| {
                    let default = property
                        .get("default")
                        .filter(|d| !d.is_null())
                        .map(Value::to_string);
                    let member = Member {
                        shape: value_shape(property, minor),
                        default,
                        required: required.contains(&name.as_str()),
                        first: minor,
                        last: minor,
                    };
                    (name.clone(), member)
                })
                .collect();
            Shape::Record(Record {
                fields,
                additional: additional.map(Box::new),
                atomic,
            })
        }
        _ => Shape::Scalar('*'),
    }
}

fn topology(schema: &Value) -> Topology {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    match (
        text("x-kubernetes-list-type"),
        text("x-kubernetes-patch-strategy"),
    ) {
        (Some("set"), _) => Topology::Set,
        (Some("map"), _) => Topology::Keys(
            list(schema, "x-kubernetes-list-map-keys")
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect(),
        ),
        (None, Some("merge" | "merge,retainKeys")) => match text("x-kubernetes-patch-merge-key") {
            Some(key) => Topology::Keys(vec![key.to_owned()]),
            None => Topology::Set,
        },
        _ => Topology::Atomic,
    }
}
