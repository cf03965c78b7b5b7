//! From rendered files to manifests and hooks in Helm's order.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};

use crate::helm::{
    HelmError, Profile,
    chart::decode::{Struct, Type, TypeNames, decode},
    sort::rank,
    split::split_documents,
};

/// One document that a chart gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    template: Arc<str>,
    text: String,
    kind: String,
    value: Arc<Value>,
    hook: Option<Hook>,
}

impl Document {
    /// Path of the template, as in `web/templates/service.yaml`.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// The text as Helm prints it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `kind`; empty where there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The document as JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// What Helm's hook annotations say, if it is a hook.
    #[must_use]
    pub fn hook(&self) -> Option<&Hook> {
        self.hook.as_ref()
    }
}

/// A document that Helm runs at certain moments instead of installing it with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// When.
    pub events: Vec<HookEvent>,
    /// Order among hooks of a moment.
    pub weight: i64,
    /// `helm.sh/hook-delete-policy`, as written, in lower case.
    pub delete_policies: Vec<String>,
    /// `helm.sh/hook-output-log-policy`, as written, in lower case.
    pub output_log_policies: Vec<String>,
}

/// A moment in the life of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HookEvent {
    /// `pre-install`
    PreInstall,
    /// `post-install`
    PostInstall,
    /// `pre-delete`
    PreDelete,
    /// `post-delete`
    PostDelete,
    /// `pre-upgrade`
    PreUpgrade,
    /// `post-upgrade`
    PostUpgrade,
    /// `pre-rollback`
    PreRollback,
    /// `post-rollback`
    PostRollback,
    /// `test`, also written `test-success`
    Test,
}

impl HookEvent {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_lowercase().as_str() {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

impl Hook {
    /// Whether it is a test.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.events.contains(&HookEvent::Test)
    }
}

/// The documents of a release, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Documents {
    pub(crate) manifests: Vec<Document>,
    pub(crate) hooks: Vec<Document>,
    pub(crate) warnings: Vec<String>,
}

static METADATA_HEAD: Struct = Struct {
    name: "",
    fields: &[("name", Type::String), ("annotations", Type::Strings)],
};

static HEAD: Struct = Struct {
    name: "SimpleHead",
    fields: &[
        ("apiVersion", Type::String),
        ("kind", Type::String),
        ("metadata", Type::Struct(&METADATA_HEAD)),
    ],
};

struct HeadTypes<'a>(&'a Profile);

impl TypeNames for HeadTypes<'_> {
    fn name_of(&self, of: &Struct) -> String {
        if of.name.is_empty() {
            return "struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }"
                .to_owned();
        }
        let package = if self.0.is_helm_4() {
            "util"
        } else {
            "releaseutil"
        };
        format!("{package}.{}", of.name)
    }
}

/// Splits, classifies and sorts what the templates gave. `files` maps paths of templates to texts.
pub(crate) fn documents(
    files: &BTreeMap<Arc<str>, String>,
    profile: &Profile,
    parse: &dyn Fn(&str) -> Result<Arc<Value>, String>,
) -> Result<Documents, HelmError> {
    let mut documents = Documents::default();
    for (path, content) in files {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.starts_with('_') || content.trim().is_empty() {
            continue;
        }
        for text in split_documents(content, profile.documents) {
            let failed = |message: String| HelmError::Manifest {
                template: path.to_string(),
                message: format!("YAML parse error on {path}: {message}"),
            };
            let value = parse(text).map_err(failed)?;
            let mut head = Map::new();
            decode(&value, &mut head, &HEAD, &HeadTypes(profile)).map_err(failed)?;
            let kind = text_of(&head, "kind").to_owned();
            let annotations = head
                .get("metadata")
                .and_then(|metadata| metadata.get("annotations"))
                .and_then(Value::as_object);
            let mut document = Document {
                template: path.clone(),
                text: text.to_owned(),
                kind,
                value,
                hook: None,
            };
            let Some((annotations, moments)) = annotations
                .and_then(|annotations| Some((annotations, annotations.get("helm.sh/hook")?)))
            else {
                documents.manifests.push(document);
                continue;
            };
            let moments = moments.as_str().unwrap_or_default();
            match hook(moments, annotations) {
                Some(hook) => {
                    document.hook = Some(hook);
                    documents.hooks.push(document);
                }
                None => documents.warnings.push(format!(
                    "{path}: a document with the unknown hook `{moments}` is left out"
                )),
            }
        }
    }
    let place = |document: &Document| {
        let (rank, kind) = rank(&document.kind, profile.webhooks_ordered);
        (rank, kind.to_owned())
    };
    documents.manifests.sort_by_cached_key(place);
    documents.hooks.sort_by_cached_key(place);
    Ok(documents)
}

fn hook(moments: &str, annotations: &Map<String, Value>) -> Option<Hook> {
    let list = |key: &str| {
        annotations
            .get(key)
            .and_then(Value::as_str)
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(|item| item.trim().to_lowercase())
            .collect()
    };
    Some(Hook {
        events: moments
            .split(',')
            .map(HookEvent::parse)
            .collect::<Option<_>>()?,
        weight: text_of(annotations, "helm.sh/hook-weight")
            .parse()
            .unwrap_or_default(),
        delete_policies: list("helm.sh/hook-delete-policy"),
        output_log_policies: list("helm.sh/hook-output-log-policy"),
    })
}

fn text_of<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}
