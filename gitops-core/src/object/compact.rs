//! Objects as compact bytes, for caches that hold many of them.
//!
//! A decoded tree takes five to ten times the memory of its JSON. A [`CompactManifest`] keeps the
//! JSON, with the field sets of `managedFields` (half of a typical object, and the same for all
//! objects of one shape) shared through a [`CompactPool`]. [`CompactManifest::manifest`] gives a
//! handle that is decoded when it is looked into, and not at all for its identity; what was decoded
//! goes with the handle.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{
    fingerprint::Fingerprint,
    manifest::{Manifest, Tree},
};

/// What compact objects share.
#[derive(Debug, Default)]
pub struct CompactPool {
    fields: HashSet<Arc<[u8]>>,
    texts: HashSet<Arc<str>>,
    /// When the pool is this large, what nobody uses any more is thrown out.
    clean_at: usize,
}

/// One object as compact bytes. Cloning is cheap.
#[derive(Clone)]
pub struct CompactManifest(Inner);

#[derive(Clone)]
enum Inner {
    Bytes(Arc<Compact>),
    /// An object that JSON text does not carry exactly.
    Tree(Manifest),
}

/// The bytes of one object.
pub(super) struct Compact {
    pub(super) api_version: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) resource_version: Box<str>,
    /// JSON: `metadata` without `managedFields`, then the entries of `managedFields` without their
    /// fields, then everything else.
    bytes: Box<[u8]>,
    metadata_ends: u32,
    managers_end: u32,
    /// `fieldsV1` of the entries.
    fields: Box<[Option<Arc<[u8]>>]>,
    /// Of the live object; made when it is first asked for.
    pub(super) fingerprint: OnceLock<Fingerprint>,
}

/// A compact object that is being looked at.
pub(super) struct Handle {
    pub(super) compact: Arc<Compact>,
    metadata: OnceLock<Map<String, Value>>,
    tree: OnceLock<Arc<Tree>>,
}

impl CompactPool {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    fn fields(&mut self, fields: &Value) -> Arc<[u8]> {
        let bytes = to_json(fields);
        if let Some(known) = self.fields.get(bytes.as_slice()) {
            return known.clone();
        }
        if self.fields.len() >= self.clean_at.max(1024) {
            self.fields.retain(|fields| Arc::strong_count(fields) > 1);
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.clean_at = 2 * self.fields.len();
        }
        let fields: Arc<[u8]> = bytes.into();
        self.fields.insert(fields.clone());
        fields
    }
}

impl CompactManifest {
    /// The object as bytes; what it shares with others is in `pool`.
    #[must_use]
    pub fn new(object: &Manifest, pool: &mut CompactPool) -> Self {
        if let Some(handle) = object.handle() {
            return Self(Inner::Bytes(handle.compact.clone()));
        }
        let fits = object.as_map().values().all(|value| fits(value, 1));
        let named_well = object.metadata().is_some();
        if !fits || !named_well {
            return Self(Inner::Tree(object.clone()));
        }
        Self(Inner::Bytes(Arc::new(Compact::of(object, pool))))
    }

    /// The object, decoded when it is looked into.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        match &self.0 {
            Inner::Bytes(compact) => Manifest::of_handle(Handle {
                compact: compact.clone(),
                metadata: OnceLock::new(),
                tree: OnceLock::new(),
            }),
            Inner::Tree(object) => object.clone(),
        }
    }

    /// `metadata.namespace`, shared.
    #[must_use]
    pub fn namespace(&self) -> Arc<str> {
        match &self.0 {
            Inner::Bytes(compact) => compact.namespace.clone(),
            Inner::Tree(object) => object.namespace().into(),
        }
    }

    /// `metadata.name`, shared.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        match &self.0 {
            Inner::Bytes(compact) => compact.name.clone(),
            Inner::Tree(object) => object.name().into(),
        }
    }

    /// `metadata.resourceVersion`.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        match &self.0 {
            Inner::Bytes(compact) => &compact.resource_version,
            Inner::Tree(object) => object.resource_version(),
        }
    }
}

impl std::fmt::Debug for CompactManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.manifest().fmt(f)
    }
}

impl Compact {
    fn of(object: &Manifest, pool: &mut CompactPool) -> Self {
        let empty = Map::new();
        let metadata = object.metadata().unwrap_or(&empty);
        let mut fields = Vec::new();
        let mut managers = Vec::new();
        let entries = metadata.get("managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let owned = entry.get("fieldsV1").map(|owned| pool.fields(owned));
            fields.push(owned);
            managers.push(match entry {
                Value::Object(entry) => Value::Object(without(entry, "fieldsV1")),
                other => other.clone(),
            });
        }
        let mut bytes = match entries {
            Some(_) => to_json(&Value::Object(without(metadata, "managedFields"))),
            None => to_json(metadata),
        };
        let metadata_ends = position(&bytes);
        if entries.is_some() {
            write_json(&mut bytes, &managers);
        }
        let managers_end = position(&bytes);
        write_json(&mut bytes, &Others(object.as_map()));
        Self {
            api_version: pool.text(object.api_version()),
            kind: pool.text(object.kind()),
            namespace: pool.text(object.namespace()),
            name: object.name().into(),
            resource_version: object.resource_version().into(),
            bytes: bytes.into(),
            metadata_ends,
            managers_end,
            fields: fields.into(),
            fingerprint: OnceLock::new(),
        }
    }

    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let (metadata, rest) = self.bytes.split_at(self.metadata_ends as usize);
        let (managers, rest) = rest.split_at((self.managers_end - self.metadata_ends) as usize);
        (metadata, managers, rest)
    }

    fn metadata(&self) -> Map<String, Value> {
        from_json(self.parts().0)
    }

    fn tree(&self) -> Map<String, Value> {
        let (metadata, managers, rest) = self.parts();
        let mut metadata: Map<String, Value> = from_json(metadata);
        if !managers.is_empty() {
            let mut entries: Vec<Value> = from_json(managers);
            for (entry, fields) in entries.iter_mut().zip(&self.fields) {
                if let (Value::Object(entry), Some(fields)) = (entry, fields) {
                    entry.insert("fieldsV1".to_owned(), from_json(fields));
                }
            }
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
        let mut tree: Map<String, Value> = from_json(rest);
        tree.insert("metadata".to_owned(), Value::Object(metadata));
        tree
    }
}

impl Handle {
    /// `metadata` without `managedFields`.
    pub(super) fn metadata(&self) -> &Map<String, Value> {
        if let Some(tree) = self.tree.get()
            && let Some(Value::Object(metadata)) = tree.map.get("metadata")
        {
            return metadata;
        }
        self.metadata.get_or_init(|| self.compact.metadata())
    }

    pub(super) fn tree(&self) -> &Arc<Tree> {
        self.tree
            .get_or_init(|| Arc::new(Tree::of(self.compact.tree())))
    }

    /// The tree, for somebody who is the only one to look.
    pub(super) fn take_tree(&mut self) -> Arc<Tree> {
        self.tree
            .take()
            .unwrap_or_else(|| Arc::new(Tree::of(self.compact.tree())))
    }
}

/// All fields of an object but `metadata`.
struct Others<'a>(&'a Map<String, Value>);

impl serde::Serialize for Others<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(name, _)| *name != "metadata"))
    }
}

fn without(map: &Map<String, Value>, name: &str) -> Map<String, Value> {
    map.iter()
        .filter(|(key, _)| *key != name)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Whether JSON text carries the value exactly, and can be read again.
fn fits(value: &Value, depth: usize) -> bool {
    const DEEPEST: usize = 100;
    match value {
        Value::Number(number) if number.is_f64() => {
            serde_json::from_str::<Value>(&number.to_string()).is_ok_and(|read| read == *value)
        }
        Value::Array(items) => depth < DEEPEST && items.iter().all(|item| fits(item, depth + 1)),
        Value::Object(map) => depth < DEEPEST && map.values().all(|item| fits(item, depth + 1)),
        _ => true,
    }
}

fn position(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("an object is smaller than 4 GiB")
}

fn to_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value);
    bytes
}

fn write_json<T: serde::Serialize>(bytes: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(bytes, value).expect("JSON values can be written to memory");
}

fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    serde_json::from_slice(bytes).expect("written by `Compact::of`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str) -> Manifest {
        Manifest::try_from(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": name, "namespace": "a", "resourceVersion": "7", "uid": name,
                "labels": {"x": "y"},
                "managedFields": [
                    {"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}},
                    {"manager": "n"},
                ],
            },
            "spec": {"a": 1, "b": [1.5, null, true, "ü\n"]},
        }))
        .unwrap()
    }

    #[test]
    fn an_object_comes_back_as_it_was() {
        let mut pool = CompactPool::default();
        for number in 0..3 {
            let original = object(&format!("x-{number}"));
            let compact = CompactManifest::new(&original, &mut pool);
            let back = compact.manifest();
            assert_eq!(back.id(), original.id());
            assert_eq!(back.resource_version(), "7");
            assert_eq!(back.label("x"), Some("y"));
            assert_eq!(back, original);
            assert_eq!(back.managed_fields().count(), 2);
            assert_eq!(
                Fingerprint::of_live(&compact.manifest()),
                Fingerprint::of_live(&original)
            );
            let mut changed = back.clone();
            changed.set_label("x", "z");
            assert_eq!(
                (back.label("x"), changed.label("x")),
                (Some("y"), Some("z"))
            );
        }
        assert_eq!(pool.fields.len(), 1);
    }

    #[test]
    fn what_text_cannot_carry_stays_a_tree() {
        let mut deep = json!(1);
        for _ in 0..300 {
            deep = json!([deep]);
        }
        let mut original = object("deep");
        original.as_map_mut().insert("spec".to_owned(), deep);
        let compact = CompactManifest::new(&original, &mut CompactPool::default());
        assert_eq!(compact.manifest(), original);
        let bare = Manifest::try_from(json!({"apiVersion": "v1", "kind": "List"})).unwrap();
        let compact = CompactManifest::new(&bare, &mut CompactPool::default());
        assert_eq!(compact.manifest(), bare);
    }
}
