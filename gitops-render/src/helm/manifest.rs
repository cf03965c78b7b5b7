//! From rendered files to manifests and hooks in Helm's order.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

use gitops_core::yaml;
use serde_json::{Map, Value};

use crate::helm::{
    HelmError, Profile,
    cache::Cache,
    chart::decode::{Struct, Type, TypeNames, decode},
    sort::rank,
    split::split_documents,
};

/// One document that a chart gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    template: Arc<str>,
    content: Arc<Content>,
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
        self.content.text()
    }

    /// `kind`; empty where there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.content.kind
    }

    /// The document as JSON. It is read when it is asked for, and once for all renders of a
    /// prepared chart in which it is the same.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.content.value()
    }

    /// What Helm's hook annotations say, if it is a hook.
    #[must_use]
    pub fn hook(&self) -> Option<&Hook> {
        match &self.content.role {
            Role::Hook(hook) => Some(hook),
            Role::Manifest | Role::UnknownHook(_) => None,
        }
    }
}

/// What is known of a document's text, whichever template it comes from.
pub(crate) struct Content {
    file: Arc<String>,
    range: Range<usize>,
    kind: String,
    role: Role,
    value: OnceLock<Value>,
}

/// What becomes of a document.
#[derive(Debug, PartialEq)]
enum Role {
    Manifest,
    Hook(Hook),
    /// It is left out.
    UnknownHook(String),
}

impl Content {
    /// Reads the head of the document in a part of a rendered file. The error is Helm's text.
    pub(crate) fn read(
        file: &Arc<String>,
        range: Range<usize>,
        profile: &Profile,
    ) -> Result<Self, String> {
        let text = &file[range.clone()];
        let value = yaml::from_str_only(text, &|key| {
            HEAD.fields
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case(key))
        })
        .map_err(|error| error.unmarshal_message())?;
        let mut head = Map::new();
        decode(&value, &mut head, &HEAD, &HeadTypes(profile))?;
        let kind = text_of(&head, "kind").to_owned();
        let annotations = head
            .get("metadata")
            .and_then(|metadata| metadata.get("annotations"))
            .and_then(Value::as_object);
        let role = annotations
            .and_then(|annotations| Some((annotations, annotations.get("helm.sh/hook")?)))
            .map_or(Role::Manifest, |(annotations, moments)| {
                let moments = moments.as_str().unwrap_or_default();
                match hook(moments, annotations) {
                    Some(hook) => Role::Hook(hook),
                    None => Role::UnknownHook(moments.to_owned()),
                }
            });
        Ok(Self {
            file: Arc::clone(file),
            range,
            kind,
            role,
            value: OnceLock::new(),
        })
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.file[self.range.clone()]
    }

    fn value(&self) -> &Value {
        // Reading the head found every error that the whole has.
        self.value
            .get_or_init(|| yaml::from_str(self.text()).unwrap_or_default())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() && self.role == other.role
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Documents may hold secrets.
        f.debug_struct("Content")
            .field("kind", &self.kind)
            .field("bytes", &self.range.len())
            .finish_non_exhaustive()
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

/// What a template gave, and the documents in it.
pub(crate) struct RenderedFile {
    text: Arc<String>,
    contents: Vec<Arc<Content>>,
}

impl RenderedFile {
    /// Splits a text and reads the heads of its documents.
    pub(crate) fn read(
        path: &str,
        text: String,
        profile: &Profile,
        cache: &Cache,
    ) -> Result<Self, HelmError> {
        let text = Arc::new(text);
        let contents = split_documents(&text, profile.documents)
            .into_iter()
            .map(|range| cache.document(&text, range, profile))
            .collect::<Result<_, _>>()
            .map_err(|message| HelmError::Manifest {
                template: path.to_owned(),
                message: format!("YAML parse error on {path}: {message}"),
            })?;
        Ok(Self { text, contents })
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Classifies and sorts what the templates gave, by their paths.
pub(crate) fn documents<'f>(
    files: impl IntoIterator<Item = (Arc<str>, &'f RenderedFile)>,
    profile: &Profile,
) -> Documents {
    let mut documents = Documents::default();
    for (path, file) in files {
        for content in &file.contents {
            let into = match &content.role {
                Role::Manifest => &mut documents.manifests,
                Role::Hook(_) => &mut documents.hooks,
                Role::UnknownHook(moments) => {
                    documents.warnings.push(format!(
                        "{path}: a document with the unknown hook `{moments}` is left out"
                    ));
                    continue;
                }
            };
            into.push(Document {
                template: path.clone(),
                content: content.clone(),
            });
        }
    }
    sort(&mut documents.manifests, profile);
    sort(&mut documents.hooks, profile);
    documents
}

fn sort(documents: &mut Vec<Document>, profile: &Profile) {
    let mut ranked: Vec<_> = std::mem::take(documents)
        .into_iter()
        .map(|document| (rank(document.kind(), profile.webhooks_ordered).0, document))
        .collect();
    ranked.sort_by(|(a, first), (b, second)| {
        a.cmp(b).then_with(|| {
            let name = |document| rank(document, profile.webhooks_ordered).1;
            name(first.kind()).cmp(name(second.kind()))
        })
    });
    documents.extend(ranked.into_iter().map(|(_, document)| document));
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
