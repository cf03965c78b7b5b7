//! Ignored differences as Argo CD takes them out of both sides before it compares them.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::{
    GroupKind,
    app::IgnoreDifferences,
    glob::Glob,
    schema::{Schema, Schemas},
    yaml,
};
use serde_json::{Map, Value};

use super::{ArgoDiffError, Result, annotation};
use crate::{
    bundled_schemas,
    fields::FieldSet,
    ignore::{JqPaths, remove_paths},
    merge::{compare, remove_fields, validate},
    normalize::{GoRef, GoType, Unknown, go_types, gvk_of, remarshal},
    schema::deduced_schema,
};

/// Rules of the system for one kind (`resource.customizations` of `argocd-cm`).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Override {
    /// Ignored differences.
    pub ignore: IgnoreDifferences,
    /// Fields of custom resources that are of a built-in type, as in
    /// `("spec.template.spec", "core/v1/PodSpec")`.
    pub known_type_fields: Vec<(String, String)>,
}

/// Rules of the system by `group/Kind`, `Kind` or `*/*`.
pub type Overrides = BTreeMap<String, Override>;

impl Override {
    /// Reads the form in which Argo CD keeps them: `ignoreDifferences` as YAML in a string or as an
    /// object, `knownTypeFields` as a list.
    pub fn from_value(value: &Value) -> Result<Self> {
        let bad = |reason: String| ArgoDiffError::Rule {
            rule: "ignoreDifferences".to_owned(),
            reason,
        };
        let ignore = match value.get("ignoreDifferences") {
            Some(Value::String(text)) => yaml::from_str(text).map_err(|e| bad(e.to_string()))?,
            Some(other) => other.clone(),
            None => Value::Null,
        };
        let list = |key: &str| -> Vec<String> {
            let list = ignore.get(key).and_then(Value::as_array);
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let ignore = IgnoreDifferences {
            json_pointers: list("jsonPointers"),
            jq_path_expressions: list("jqPathExpressions"),
            managed_fields_managers: list("managedFieldsManagers"),
            ..IgnoreDifferences::default()
        };
        let fields = value.get("knownTypeFields").and_then(Value::as_array);
        let text = |field: &Value, key: &str| {
            field
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self {
            ignore,
            known_type_fields: fields
                .into_iter()
                .flatten()
                .map(|field| (text(field, "field"), text(field, "type")))
                .collect(),
        })
    }
}

/// Takes ignored fields out of objects, and writes fields of known types canonically.
pub struct ArgoNormalizer {
    removals: Vec<Removal>,
    known: BTreeMap<GroupKind, Vec<KnownField>>,
}

struct Removal {
    group: Option<Glob>,
    kind: Option<Glob>,
    name: String,
    namespace: String,
    what: What,
}

enum What {
    Pointer(Vec<String>),
    Jq(Box<JqPaths>),
}

struct KnownField {
    path: Vec<String>,
    ty: GoRef<'static>,
}

impl ArgoNormalizer {
    /// From the rules of an Application and those of the system.
    pub fn compile(ignore: &[IgnoreDifferences], overrides: &Overrides) -> Result<Self> {
        let mut rules: Vec<IgnoreDifferences> = ignore.to_vec();
        for (key, rule) in overrides {
            let kind = group_kind(key);
            rules.push(IgnoreDifferences {
                group: kind.group,
                kind: kind.kind,
                ..rule.ignore.clone()
            });
        }
        let mut removals = Vec::new();
        for rule in &rules {
            let glob = |pattern: &str| Glob::new(pattern, &[]).ok();
            let mut add = |what| {
                removals.push(Removal {
                    group: glob(&rule.group),
                    kind: glob(&rule.kind),
                    name: rule.name.clone(),
                    namespace: rule.namespace.clone(),
                    what,
                });
            };
            for pointer in &rule.json_pointers {
                // Whatever is before the first slash does not count.
                let steps = pointer.split('/').skip(1);
                let steps = steps.map(|step| step.replace("~1", "/").replace("~0", "~"));
                add(What::Pointer(steps.collect()));
            }
            for expression in &rule.jq_path_expressions {
                let jq = JqPaths::compile(expression).map_err(|error| ArgoDiffError::Rule {
                    rule: expression.clone(),
                    reason: error.to_string(),
                })?;
                add(What::Jq(Box::new(jq)));
            }
        }
        let mut known: BTreeMap<GroupKind, Vec<KnownField>> = BTreeMap::new();
        for (key, rule) in overrides {
            for (path, ty) in &rule.known_type_fields {
                // Types that are not known are left alone.
                if let Some(ty) = known_type(ty) {
                    known.entry(group_kind(key)).or_default().push(KnownField {
                        path: path.split('.').map(str::to_owned).collect(),
                        ty,
                    });
                }
            }
        }
        if let Some(ty) = go_types().core("PodSpec") {
            let rollout = GroupKind::new("argoproj.io", "Rollout");
            known.entry(rollout).or_insert_with(|| {
                let path = ["spec", "template", "spec"].map(str::to_owned).to_vec();
                vec![KnownField { path, ty }]
            });
        }
        Ok(Self { removals, known })
    }

    /// Normalises an object. Rules that do not fit it do nothing.
    pub fn normalize(&self, object: &mut Value) -> Result<()> {
        let gvk = gvk_of(object);
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
        let mut changed = object.clone();
        for removal in &self.removals {
            let matches = |glob: &Option<Glob>, text: &str| {
                glob.as_ref().is_some_and(|glob| glob.matches(text))
            };
            let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
            if !(matches(&removal.group, &gvk.group)
                && matches(&removal.kind, &gvk.kind)
                && is(&removal.name, &name)
                && is(&removal.namespace, &namespace))
            {
                continue;
            }
            match &removal.what {
                What::Pointer(steps) => remove_pointer(&mut changed, steps),
                What::Jq(jq) => {
                    if let Ok(paths) = jq.select(&changed) {
                        remove_paths(&mut changed, &paths);
                    }
                }
            }
        }
        if gvk_of(&changed).kind.is_empty() && !gvk.kind.is_empty() {
            return Err(ArgoDiffError::NothingLeft {
                object: format!("{gvk} {name}"),
            });
        }
        *object = changed;
        for field in self.known.get(&gvk.group_kind()).into_iter().flatten() {
            known_field(object, &field.path, field.ty).map_err(|source| ArgoDiffError::GoType {
                side: "compared",
                source,
            })?;
        }
        Ok(())
    }
}

/// `group/Kind` or `Kind`.
fn group_kind(key: &str) -> GroupKind {
    match key.split('/').collect::<Vec<_>>().as_slice() {
        [group, kind] => GroupKind::new(*group, *kind),
        [kind] => GroupKind::new("", *kind),
        _ => GroupKind::new("", ""),
    }
}

fn known_type(name: &str) -> Option<GoRef<'static>> {
    match name {
        "core/Quantity" => go_types().scalar(|ty| matches!(ty, GoType::Quantity)),
        "meta/v1/Duration" => go_types().scalar(|ty| matches!(ty, GoType::Duration)),
        _ => go_types().core(name.strip_prefix("core/v1/")?),
    }
}

type GoResult = std::result::Result<(), crate::normalize::GoTypeError>;

/// Lists on the way are looked into, item by item.
fn known_field(object: &mut Value, path: &[String], ty: GoRef<'_>) -> GoResult {
    for at in 0..path.len() {
        let (above, below) = path.split_at(at + 1);
        let Some(Value::Array(items)) = descend(object, above) else {
            continue;
        };
        for item in items.iter_mut().filter(|item| item.is_object()) {
            if below.is_empty() {
                *item = remarshal(ty, item, Unknown::Drop)?;
            } else {
                known_field(item, below, ty)?;
            }
        }
        return Ok(());
    }
    if let Some(value) = descend(object, path) {
        *value = remarshal(ty, value, Unknown::Drop)?;
    }
    Ok(())
}

fn descend<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter()
        .try_fold(value, |value, name| value.as_object_mut()?.get_mut(name))
}

/// As the JSON patch library does it: negative positions count from the end.
fn remove_pointer(value: &mut Value, steps: &[String]) {
    let Some((last, parents)) = steps.split_last() else {
        return;
    };
    let index = |step: &str, length: usize| {
        let at: i64 = step.parse().ok()?;
        let length = i64::try_from(length).ok()?;
        let at = if at < 0 { at + length } else { at };
        usize::try_from(at)
            .ok()
            .filter(|at| i64::try_from(*at).is_ok_and(|at| at < length))
    };
    let parent = parents.iter().try_fold(value, |value, step| match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(items) => {
            let at = index(step, items.len())?;
            items.get_mut(at)
        }
        _ => None,
    });
    match parent {
        Some(Value::Object(map)) => {
            map.remove(last);
        }
        Some(Value::Array(items)) => {
            if let Some(at) = index(last, items.len()) {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// The label by which Argo CD marked objects before it used an annotation.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
const IGNORE_ANNOTATION: &str = "argocd.argoproj.io/ignore-differences";

/// Live and desired object as [`super::diff`] takes them, and the normaliser that goes with them:
/// tracking marks are made equal, fields that differ and that trusted managers own are taken out.
/// What the normaliser does to both is the rest of the ignore rules.
pub fn prepare(
    live: &Value,
    config: &Value,
    ignore: &[IgnoreDifferences],
    overrides: &Overrides,
    schemas: &dyn Schemas,
) -> Result<(Value, Value, ArgoNormalizer)> {
    let mut rules = ignore.to_vec();
    rules.extend(annotated(config));
    let (mut live, mut config) = (live.clone(), config.clone());
    tracking(&mut live, &config);
    let managers = trusted_managers(&config, ignore, overrides);
    if !managers.is_empty() {
        trust(&mut live, &mut config, &managers, schemas);
    }
    let normalizer = ArgoNormalizer::compile(&rules, overrides)?;
    Ok((live, config, normalizer))
}

/// Rules in an annotation of the desired object.
fn annotated(config: &Value) -> Option<IgnoreDifferences> {
    let text = annotation(config, IGNORE_ANNOTATION)?;
    let parsed = yaml::from_str(text).ok()?;
    let pointers: Vec<String> = serde_json::from_value(parsed.get("jsonPointers")?.clone()).ok()?;
    let gvk = gvk_of(config);
    let text = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some(IgnoreDifferences {
        group: gvk.group,
        kind: gvk.kind,
        name: text("/metadata/name"),
        namespace: text("/metadata/namespace"),
        json_pointers: pointers,
        ..IgnoreDifferences::default()
    })
}

/// A live object that is still marked by label gets the mark of the desired one.
fn tracking(live: &mut Value, config: &Value) {
    let label = |object: &Value| {
        let labels = object.pointer("/metadata/labels")?;
        labels
            .get(INSTANCE_LABEL)?
            .as_str()
            .filter(|l| !l.is_empty())
            .map(str::to_owned)
    };
    if label(live).is_none() {
        return;
    }
    let id = annotation(config, TRACKING_ID).unwrap_or_default();
    if let Some(Value::Object(metadata)) = live.get_mut("metadata") {
        let annotations = metadata
            .entry("annotations")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(annotations) = annotations {
            annotations.insert(TRACKING_ID.to_owned(), id.into());
        }
    }
    if label(config).is_none()
        && let Some(Value::Object(metadata)) = live.get_mut("metadata")
        && let Some(Value::Object(labels)) = metadata.get_mut("labels")
    {
        labels.remove(INSTANCE_LABEL);
        if labels.is_empty() {
            metadata.remove("labels");
        }
    }
}

fn trusted_managers(
    config: &Value,
    ignore: &[IgnoreDifferences],
    overrides: &Overrides,
) -> Vec<String> {
    let gvk = gvk_of(config);
    let text = |pointer: &str| {
        config
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    let matches =
        |pattern: &str, text: &str| Glob::new(pattern, &[]).is_ok_and(|glob| glob.matches(text));
    let keys = [format!("{}/{}", gvk.group, gvk.kind), "*/*".to_owned()];
    let of_system = keys
        .iter()
        .filter_map(|key| overrides.get(key))
        .map(|rule| &rule.ignore);
    let of_application = ignore.iter().filter(|rule| {
        matches(&rule.group, &gvk.group)
            && matches(&rule.kind, &gvk.kind)
            && (rule.name.is_empty() || rule.name == name)
            && (rule.namespace.is_empty() || rule.namespace == namespace)
    });
    of_system
        .chain(of_application)
        .flat_map(|rule| rule.managed_fields_managers.iter().cloned())
        .collect()
}

/// Fields that trusted managers own and that differ are taken out of both sides.
fn trust(live: &mut Value, config: &mut Value, managers: &[String], schemas: &dyn Schemas) {
    let gvk = gvk_of(config);
    let schema: Option<Arc<Schema>> = match schemas.schema(&gvk) {
        None => None,
        known => bundled_schemas().schema(&gvk).or(known),
    };
    let schema = schema.as_deref().unwrap_or_else(|| deduced_schema());
    if validate(schema, live).is_err() || validate(schema, config).is_err() {
        return;
    }
    let Ok(changes) = compare(schema, live, config) else {
        return;
    };
    let entries = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .cloned();
    for entry in entries.into_iter().flatten() {
        let manager = entry
            .get("manager")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !managers.iter().any(|trusted| trusted == manager) {
            continue;
        }
        let fields = entry.get("fieldsV1").unwrap_or(&Value::Null);
        let Ok(fields) = FieldSet::from_fields_v1(fields) else {
            continue;
        };
        let theirs = fields.intersection(&changes.modified);
        if !theirs.is_empty() {
            *live = remove_fields(schema, live.take(), &theirs);
            *config = remove_fields(schema, config.take(), &theirs);
        }
    }
}
