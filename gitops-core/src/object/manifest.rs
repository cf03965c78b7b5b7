//! One Kubernetes object.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    error::{Classified, ErrorClass},
    object::{
        GroupVersionKind, ObjectId, ObjectRef, compact::Handle, deferred::Deferred,
        fingerprint::Fingerprint, packed::PackedManifest,
    },
};

/// One Kubernetes object: a JSON object with `apiVersion`, `kind` and `metadata`.
///
/// Cloning is cheap (a reference count); the first change after a clone copies. One that comes from a
/// [`CompactManifest`](super::CompactManifest) is decoded when it is looked into, and one that is
/// [deferred](Manifest::deferred) is made then. Values have JSON
/// semantics: integers are exact, key order carries no meaning.
///
/// ```
/// use gitops_core::Manifest;
/// let object = Manifest::try_from(serde_json::json!({
///     "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
/// }))?;
/// assert_eq!(object.kind(), "Deployment");
/// assert_eq!(object.id().to_string(), "apps/Deployment shop/web");
/// # Ok::<(), gitops_core::ManifestError>(())
/// ```
#[derive(Clone)]
pub struct Manifest {
    content: Content,
}

#[derive(Clone)]
enum Content {
    Tree(Arc<Tree>),
    /// Bytes, decoded when they are looked into.
    Compact(Arc<Handle>),
    /// Made when it is looked into.
    Deferred(Arc<Deferred>),
}

/// A decoded object, with what has been found out about it.
pub(super) struct Tree {
    pub(super) map: Map<String, Value>,
    /// Of everything in it; made when it is first asked for.
    pub(super) fingerprint: OnceLock<Fingerprint>,
}

impl Tree {
    pub(super) fn of(map: Map<String, Value>) -> Self {
        Self {
            map,
            fingerprint: OnceLock::new(),
        }
    }
}

impl Clone for Tree {
    /// Copies are made to be changed.
    fn clone(&self) -> Self {
        Self::of(self.map.clone())
    }
}

/// A value is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not a mapping.
    #[error("a manifest must be a mapping, this is {found}; write apiVersion, kind and metadata")]
    NotAMapping {
        /// The JSON type found.
        found: &'static str,
    },
    /// `apiVersion` or `kind` is missing or not a string.
    #[error("`{field}` is missing or not a string in the object {object}")]
    MissingField {
        /// The field.
        field: &'static str,
        /// What is known of the object.
        object: String,
    },
    /// Neither `metadata.name` nor `metadata.generateName`.
    #[error("the {kind} has no metadata.name; give it one")]
    MissingName {
        /// `apiVersion/kind`.
        kind: String,
    },
}

impl Classified for ManifestError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

/// An entry of `metadata.ownerReferences`, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerReference<'a> {
    /// `apiVersion` of the owner.
    pub api_version: &'a str,
    /// `kind` of the owner.
    pub kind: &'a str,
    /// `name` of the owner.
    pub name: &'a str,
    /// `uid` of the owner.
    pub uid: &'a str,
    /// Whether the owner is the managing controller.
    pub controller: bool,
    /// Whether foreground deletion of the owner waits for this object.
    pub block_owner_deletion: bool,
}

impl Manifest {
    /// The whole object.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.tree().map
    }

    /// The decoded object.
    pub(super) fn tree(&self) -> &Tree {
        match &self.content {
            Content::Tree(tree) => tree,
            Content::Compact(handle) => handle.tree(),
            Content::Deferred(deferred) => deferred.tree(),
        }
    }

    /// Whether both are clones of one object that nobody has changed: equal without a look.
    #[must_use]
    pub fn shares_content(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Content::Tree(a), Content::Tree(b)) => Arc::ptr_eq(a, b),
            (Content::Compact(a), Content::Compact(b)) => Arc::ptr_eq(&a.compact, &b.compact),
            (Content::Deferred(a), Content::Deferred(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The whole object, to be changed. Copies if the content is shared.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        let tree = match &mut self.content {
            Content::Tree(_) => None,
            Content::Compact(handle) => Some(match Arc::get_mut(handle) {
                Some(handle) => handle.take_tree(),
                None => handle.tree().clone(),
            }),
            Content::Deferred(deferred) => Some(match Arc::get_mut(deferred) {
                Some(deferred) => deferred.take_tree(),
                None => deferred.tree().clone(),
            }),
        };
        if let Some(tree) = tree {
            self.content = Content::Tree(tree);
        }
        match &mut self.content {
            Content::Tree(tree) => {
                let tree = Arc::make_mut(tree);
                tree.fingerprint.take();
                &mut tree.map
            }
            Content::Compact(_) | Content::Deferred(_) => unreachable!("made a tree above"),
        }
    }

    /// The object as a JSON value (a copy).
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Object(self.as_map().clone())
    }

    /// The object as a JSON value, without a copy where the content is not shared.
    #[must_use]
    pub fn into_value(mut self) -> Value {
        Value::Object(std::mem::take(self.as_map_mut()))
    }

    /// An object that is made when it is looked into, and not at all where nobody does: what an
    /// apply would leave, for those who only ask what it changes. `make` is called at most once.
    ///
    /// ```
    /// let object = gitops_core::Manifest::deferred(|| {
    ///     let object = serde_json::json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}});
    ///     object.as_object().cloned().unwrap_or_default()
    /// });
    /// assert_eq!(object.name(), "a");
    /// ```
    pub fn deferred(make: impl FnOnce() -> Map<String, Value> + Send + 'static) -> Self {
        Self {
            content: Content::Deferred(Arc::new(Deferred::new(make))),
        }
    }

    pub(super) fn of_handle(handle: Handle) -> Self {
        Self {
            content: Content::Compact(Arc::new(handle)),
        }
    }

    /// The object as it is packed, where it is compact: to be looked into without being decoded.
    #[must_use]
    pub fn packed(&self) -> Option<PackedManifest<'_>> {
        self.handle().map(|handle| PackedManifest(&handle.compact))
    }

    /// The bytes of the object, where it is compact.
    pub(super) fn handle(&self) -> Option<&Handle> {
        match &self.content {
            Content::Tree(_) | Content::Deferred(_) => None,
            Content::Compact(handle) => Some(handle),
        }
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        match self.handle() {
            Some(handle) => &handle.compact.api_version,
            None => self.text("apiVersion"),
        }
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self.handle() {
            Some(handle) => &handle.compact.kind,
            None => self.text("kind"),
        }
    }

    /// API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// API version without the group.
    #[must_use]
    pub fn version(&self) -> &str {
        let api_version = self.api_version();
        api_version
            .split_once('/')
            .map_or(api_version, |(_, version)| version)
    }

    /// Kind and version.
    #[must_use]
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::from_api_version(self.api_version(), self.kind())
    }

    /// `metadata.name`; empty where it is missing.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.handle() {
            Some(handle) => &handle.compact.name,
            None => self.metadata_text("name"),
        }
    }

    /// `metadata.generateName`; empty where it is missing.
    #[must_use]
    pub fn generate_name(&self) -> &str {
        self.metadata_text("generateName")
    }

    /// `metadata.namespace`; empty where it is missing.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self.handle() {
            Some(handle) => &handle.compact.namespace,
            None => self.metadata_text("namespace"),
        }
    }

    /// `metadata.uid`; empty where it is missing.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata_text("uid")
    }

    /// `metadata.resourceVersion`; empty where it is missing.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        match self.handle() {
            Some(handle) => &handle.compact.resource_version,
            None => self.metadata_text("resourceVersion"),
        }
    }

    /// Whether `metadata.deletionTimestamp` is set.
    #[must_use]
    pub fn is_terminating(&self) -> bool {
        !self.metadata_text("deletionTimestamp").is_empty()
    }

    /// The identity of the object.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.group().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
        }
    }

    /// The address of the object at its version.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.gvk(), self.namespace(), self.name())
    }

    /// `metadata`.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.as_map().get("metadata").and_then(Value::as_object)
    }

    /// One field of `metadata`. Cheaper than [`Manifest::metadata`] where the object is compact.
    #[must_use]
    pub fn metadata_field(&self, name: &str) -> Option<&Value> {
        match self.handle() {
            Some(handle) if name != "managedFields" => handle.metadata().get(name),
            _ => self.metadata()?.get(name),
        }
    }

    /// `metadata`, made where it is missing. Copies if the content is shared.
    pub fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        let metadata = self
            .as_map_mut()
            .entry("metadata")
            .or_insert_with(|| Value::Object(Map::new()));
        if !metadata.is_object() {
            *metadata = Value::Object(Map::new());
        }
        metadata.as_object_mut().expect("made an object above")
    }

    /// A label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata_field("labels")?.get(key)?.as_str()
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata_field("annotations")?.get(key)?.as_str()
    }

    /// Labels whose values are strings.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings_of("labels")
    }

    /// Annotations whose values are strings.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings_of("annotations")
    }

    /// Sets an annotation.
    pub fn set_annotation(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.set_metadata_string("annotations", key.into(), value.into());
    }

    /// Sets a label.
    pub fn set_label(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.set_metadata_string("labels", key.into(), value.into());
    }

    /// Sets or, when empty, removes `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            self.metadata_mut().remove("namespace");
        } else {
            self.metadata_mut()
                .insert("namespace".to_owned(), namespace.into());
        }
    }

    /// `metadata.ownerReferences`; malformed entries are left out.
    pub fn owner_references(&self) -> impl Iterator<Item = OwnerReference<'_>> {
        self.metadata_list("ownerReferences").filter_map(|entry| {
            let text = |key| entry.get(key).and_then(Value::as_str);
            let flag = |key| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
            Some(OwnerReference {
                api_version: text("apiVersion")?,
                kind: text("kind")?,
                name: text("name")?,
                uid: text("uid").unwrap_or_default(),
                controller: flag("controller"),
                block_owner_deletion: flag("blockOwnerDeletion"),
            })
        })
    }

    /// Whether it has an entry of `metadata.managedFields`. Cheaper than to look at
    /// [`Manifest::managed_fields`] where the object is compact.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        match self.packed() {
            Some(packed) => packed.managed_fields().next().is_some(),
            None => self.managed_fields().next().is_some(),
        }
    }

    /// `metadata.managedFields`, raw.
    pub fn managed_fields(&self) -> impl Iterator<Item = &Value> {
        self.metadata_list("managedFields")
    }

    /// `metadata.finalizers`.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.metadata_list("finalizers").filter_map(Value::as_str)
    }

    /// The value at a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        let rest = pointer.strip_prefix('/')?;
        let first = rest.split('/').next().unwrap_or_default();
        let value = self
            .as_map()
            .get(&first.replace("~1", "/").replace("~0", "~"))?;
        value.pointer(&rest[first.len()..])
    }

    /// Whether the object is a `v1` Secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.kind() == "Secret" && self.group().is_empty()
    }

    fn text(&self, key: &str) -> &str {
        self.as_map()
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn metadata_text(&self, key: &str) -> &str {
        self.metadata_field(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn metadata_list(&self, key: &str) -> impl Iterator<Item = &Value> {
        self.metadata_field(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    fn strings_of(&self, key: &str) -> impl Iterator<Item = (&str, &str)> {
        self.metadata_field(key)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?)))
    }

    fn set_metadata_string(&mut self, map: &str, key: String, value: String) {
        // What is there already costs no copy of shared content.
        let known = self.metadata_field(map).and_then(|map| map.get(&key));
        if known.and_then(Value::as_str) == Some(value.as_str()) {
            return;
        }
        let entry = self
            .metadata_mut()
            .entry(map)
            .or_insert_with(|| Value::Object(Map::new()));
        if !entry.is_object() {
            *entry = Value::Object(Map::new());
        }
        entry
            .as_object_mut()
            .expect("made an object above")
            .insert(key, Value::String(value));
    }
}

impl TryFrom<Value> for Manifest {
    type Error = ManifestError;

    /// Checks that the value is an object with `apiVersion` and `kind`. A name is not asked for
    /// here, since `List`s and hooks with `generateName` have none.
    fn try_from(value: Value) -> Result<Self, ManifestError> {
        let object = match value {
            Value::Object(object) => object,
            other => {
                return Err(ManifestError::NotAMapping {
                    found: match other {
                        Value::Null => "null",
                        Value::Bool(_) => "a boolean",
                        Value::Number(_) => "a number",
                        Value::String(_) => "a string",
                        _ => "a list",
                    },
                });
            }
        };
        for field in ["apiVersion", "kind"] {
            if object
                .get(field)
                .and_then(Value::as_str)
                .is_none_or(str::is_empty)
            {
                let known: BTreeMap<_, _> = ["apiVersion", "kind"]
                    .iter()
                    .filter_map(|key| Some((*key, object.get(*key)?.as_str()?.to_owned())))
                    .chain(
                        object
                            .get("metadata")
                            .and_then(|m| m.get("name"))
                            .and_then(Value::as_str)
                            .map(|name| ("name", name.to_owned())),
                    )
                    .collect();
                return Err(ManifestError::MissingField {
                    field,
                    object: format!("{known:?}"),
                });
            }
        }
        Ok(Self {
            content: Content::Tree(Arc::new(Tree::of(object))),
        })
    }
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.shares_content(other) || self.as_map() == other.as_map()
    }
}

impl From<Manifest> for Value {
    fn from(manifest: Manifest) -> Self {
        manifest.into_value()
    }
}

impl Serialize for Manifest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_map().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Manifest {
    /// Identity only: a manifest can hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({} {})", self.api_version(), self.id())
    }
}
