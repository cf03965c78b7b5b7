//! Objects as compact bytes, for caches that hold many of them.
//!
//! A decoded tree takes five to ten times the memory of its JSON. A [`CompactManifest`] keeps it
//! packed ([`Packed`]), with the field sets of `managedFields` (half of a typical object, and the
//! same for all objects of one shape) shared through a [`CompactPool`].
//! [`CompactManifest::manifest`] gives a handle that is decoded when it is looked into, and not at
//! all for its identity and by those who look at what is [packed](Manifest::packed); what was decoded
//! goes with the handle.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{
    fingerprint::Fingerprint,
    manifest::{Manifest, Tree},
    packed::{DoesNotFit, Packed, PackedArray, PackedObject, PackedValue, Packer},
};

/// What compact objects share.
#[derive(Debug, Default)]
pub struct CompactPool {
    fields: HashSet<Arc<str>>,
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
    /// An object that cannot be packed.
    Tree(Manifest),
}

/// The bytes of one object.
pub(super) struct Compact {
    pub(super) api_version: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) resource_version: Box<str>,
    /// Packed: `metadata` without `managedFields`, then the entries of `managedFields` without their
    /// fields, then everything else.
    text: Box<str>,
    metadata_ends: u32,
    managers_end: u32,
    /// `fieldsV1` of the entries.
    fields: Box<[Option<Arc<str>>]>,
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

    fn fields(&mut self, fields: &Value) -> Result<Arc<str>, DoesNotFit> {
        let mut packer = Packer::default();
        packer.value(fields)?;
        let text = packer.finish();
        if let Some(known) = self.fields.get(&*text) {
            return Ok(known.clone());
        }
        if self.fields.len() >= self.clean_at.max(1024) {
            self.fields.retain(|fields| Arc::strong_count(fields) > 1);
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.clean_at = 2 * self.fields.len();
        }
        let fields: Arc<str> = text.into();
        self.fields.insert(fields.clone());
        Ok(fields)
    }
}

impl CompactManifest {
    /// The object as bytes; what it shares with others is in `pool`.
    #[must_use]
    pub fn new(object: &Manifest, pool: &mut CompactPool) -> Self {
        if let Some(handle) = object.handle() {
            return Self(Inner::Bytes(handle.compact.clone()));
        }
        match Compact::of(object, pool) {
            Ok(compact) => Self(Inner::Bytes(Arc::new(compact))),
            Err(DoesNotFit) => Self(Inner::Tree(object.clone())),
        }
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
    fn of(object: &Manifest, pool: &mut CompactPool) -> Result<Self, DoesNotFit> {
        let metadata = object.metadata().ok_or(DoesNotFit)?;
        let entries = metadata.get("managedFields").and_then(Value::as_array);
        let mut fields = Vec::new();
        for entry in entries.into_iter().flatten() {
            let owned = entry.get("fieldsV1");
            fields.push(owned.map(|owned| pool.fields(owned)).transpose()?);
        }
        let mut packer = Packer::default();
        match entries {
            Some(_) => packer.object(without(metadata, "managedFields"))?,
            None => packer.object(metadata.iter())?,
        }
        let metadata_ends = position(&packer)?;
        if let Some(entries) = entries {
            packer.array(entries, |packer, entry| match entry {
                Value::Object(entry) => packer.object(without(entry, "fieldsV1")),
                other => packer.value(other),
            })?;
        }
        let managers_end = position(&packer)?;
        packer.object(without(object.as_map(), "metadata"))?;
        Ok(Self {
            api_version: pool.text(object.api_version()),
            kind: pool.text(object.kind()),
            namespace: pool.text(object.namespace()),
            name: object.name().into(),
            resource_version: object.resource_version().into(),
            text: packer.finish(),
            metadata_ends,
            managers_end,
            fields: fields.into(),
            fingerprint: OnceLock::new(),
        })
    }

    pub(super) fn metadata_fields(&self) -> PackedObject<'_> {
        Packed::first(&self.text).0.object()
    }

    pub(super) fn others(&self) -> PackedObject<'_> {
        let text = &self.text[self.managers_end as usize..];
        Packed::first(text).0.object()
    }

    /// The entries of `managedFields`, if there is such a list.
    fn managers(&self) -> Option<PackedArray<'_>> {
        let text = &self.text[self.metadata_ends as usize..self.managers_end as usize];
        if text.is_empty() {
            return None;
        }
        match Packed::first(text).0.get() {
            PackedValue::Array(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn has_entries(&self) -> bool {
        self.managers().is_some()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Packed<'_>, Option<Packed<'_>>)> {
        let fields = self.fields.iter().map(|fields| {
            let fields = fields.as_deref()?;
            Some(Packed::first(fields).0)
        });
        self.managers().into_iter().flatten().zip(fields)
    }

    fn metadata(&self) -> Map<String, Value> {
        self.metadata_fields().to_map()
    }

    fn tree(&self) -> Map<String, Value> {
        let mut metadata = self.metadata();
        if self.managers().is_some() {
            let entry = |(entry, fields): (Packed<'_>, Option<Packed<'_>>)| {
                let mut entry = entry.to_value();
                if let (Value::Object(entry), Some(fields)) = (&mut entry, fields) {
                    entry.insert("fieldsV1".to_owned(), fields.to_value());
                }
                entry
            };
            let entries = self.entries().map(entry).collect();
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
        let mut tree = self.others().to_map();
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

fn without<'v>(
    map: &'v Map<String, Value>,
    name: &'static str,
) -> impl Iterator<Item = (&'v String, &'v Value)> + Clone {
    map.iter().filter(move |(key, _)| *key != name)
}

fn position(packer: &Packer) -> Result<u32, DoesNotFit> {
    u32::try_from(packer.position()).map_err(|_| DoesNotFit)
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
    fn what_cannot_be_packed_stays_a_tree() {
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
