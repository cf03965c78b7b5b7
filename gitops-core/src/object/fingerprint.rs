//! Fingerprints of objects, for what an earlier apply has shown.

use std::fmt;

use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use super::{
    compact::Compact,
    manifest::Manifest,
    packed::{Packed, PackedObject, PackedValue},
};

/// A fingerprint of an object's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a desired object: everything in it. Made once, until the object is changed.
    #[must_use]
    pub fn of_desired(desired: &Manifest) -> Self {
        let tree = desired.tree();
        *tree.fingerprint.get_or_init(|| {
            let mut hash = Digester::new();
            for_object(&mut hash, &tree.map, &|_, _| false, 0);
            Self(hash.finish())
        })
    }

    /// Of a live object: everything but `status`, `resourceVersion`, `generation` and times of
    /// `managedFields`. Of a compact object it is made once.
    #[must_use]
    pub fn of_live(live: &Manifest) -> Self {
        match live.handle() {
            Some(handle) => *handle
                .compact
                .fingerprint
                .get_or_init(|| Self::of_live_packed(&handle.compact)),
            None => Self::of_live_tree(live),
        }
    }

    fn of_live_tree(live: &Manifest) -> Self {
        let mut hash = Digester::new();
        for_object(&mut hash, live.as_map(), &is_volatile, 0);
        Self(hash.finish())
    }
}

impl Fingerprint {
    /// As [`Self::of_live_tree`] of the decoded object.
    fn of_live_packed(live: &Compact) -> Self {
        let mut hash = Digester::new();
        let metadata = |hash: &mut Digester| {
            let entry = |hash: &mut Digester, (entry, fields): (Packed<'_>, Option<Packed<'_>>)| {
                let Some(entry) = entry.as_object() else {
                    return for_packed(hash, entry);
                };
                let fields = fields.map(|fields| {
                    ("fieldsV1", move |hash: &mut Digester| {
                        for_packed(hash, fields)
                    })
                });
                for_packed_fields(hash, entry, &["time"], fields);
            };
            let entries = |hash: &mut Digester| {
                hash.update(b"[");
                live.entries().for_each(|each| entry(hash, each));
                hash.update(b"]");
            };
            let entries = live.has_entries().then_some(("managedFields", entries));
            let volatile = ["resourceVersion", "generation"];
            for_packed_fields(hash, live.metadata_fields(), &volatile, entries);
        };
        for_packed_fields(
            &mut hash,
            live.others(),
            &["status"],
            Some(("metadata", metadata)),
        );
        Self(hash.finish())
    }
}

/// The fields but some, and one more in its place.
fn for_packed_fields(
    hash: &mut Digester,
    fields: PackedObject<'_>,
    skipped: &[&str],
    mut more: Option<(&str, impl FnOnce(&mut Digester))>,
) {
    hash.update(b"{");
    for (name, value) in fields {
        if let Some((other, write)) = more.take_if(|(other, _)| *other < name) {
            text(hash, other);
            write(hash);
        }
        if !skipped.contains(&name) {
            text(hash, name);
            for_packed(hash, value);
        }
    }
    if let Some((other, write)) = more {
        text(hash, other);
        write(hash);
    }
    hash.update(b"}");
}

fn for_packed(hash: &mut Digester, value: Packed<'_>) {
    match value.get() {
        PackedValue::Null => hash.update(b"n"),
        PackedValue::Bool(b) => hash.update([b'b', u8::from(b)]),
        PackedValue::Number(number) => for_number(hash, &number),
        PackedValue::String(string) => {
            hash.update(b"s");
            text(hash, string);
        }
        PackedValue::Array(items) => {
            hash.update(b"[");
            items.for_each(|item| for_packed(hash, item));
            hash.update(b"]");
        }
        PackedValue::Object(fields) => {
            for_packed_fields(hash, fields, &[], None::<(&str, fn(&mut Digester))>);
        }
    }
}

fn for_number(hash: &mut Digester, number: &Number) {
    hash.update(b"d");
    text(hash, &number.to_string());
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…")
    }
}

/// Gathers what is to be hashed: most pieces are a few bytes long.
struct Digester {
    hash: Sha256,
    pending: Vec<u8>,
}

/// More is hashed before more is gathered.
const PENDING_LIMIT: usize = 4096;

impl Digester {
    fn new() -> Self {
        Self {
            hash: Sha256::new(),
            pending: Vec::with_capacity(PENDING_LIMIT),
        }
    }

    fn update(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if self.pending.len() + bytes.len() > PENDING_LIMIT {
            self.hash.update(&self.pending);
            self.pending.clear();
            if bytes.len() > PENDING_LIMIT {
                self.hash.update(bytes);
                return;
            }
        }
        self.pending.extend_from_slice(bytes);
    }

    fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.pending);
        self.hash.finalize().into()
    }
}

fn is_volatile(depth: usize, name: &str) -> bool {
    match depth {
        0 => name == "status",
        1 => matches!(name, "resourceVersion" | "generation"),
        _ => false,
    }
}

type Skip<'f> = dyn Fn(usize, &str) -> bool + 'f;

/// `depth` counts fields below the root; only `metadata` is of interest below it.
fn for_object(
    hash: &mut Digester,
    object: &serde_json::Map<String, Value>,
    skip: &Skip<'_>,
    depth: usize,
) {
    hash.update(b"{");
    // Maps come sorted, unless somebody else in the build has asked for insertion order.
    if object.keys().is_sorted() {
        for_entries(hash, object.iter(), skip, depth);
    } else {
        let mut entries: Vec<_> = object.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.0);
        for_entries(hash, entries.into_iter(), skip, depth);
    }
    hash.update(b"}");
}

fn for_entries<'a>(
    hash: &mut Digester,
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    skip: &Skip<'_>,
    depth: usize,
) {
    for (name, value) in entries {
        if skip(depth, name) {
            continue;
        }
        text(hash, name);
        match (depth, name.as_str(), value) {
            (0, "metadata", Value::Object(metadata)) => for_object(hash, metadata, skip, 1),
            (1, "managedFields", Value::Array(entries)) if skip(0, "status") => {
                hash.update(b"[");
                for entry in entries {
                    match entry {
                        Value::Object(entry) => for_entry(hash, entry),
                        other => for_value(hash, other),
                    }
                }
                hash.update(b"]");
            }
            _ => for_value(hash, value),
        }
    }
}

fn for_entry(hash: &mut Digester, entry: &serde_json::Map<String, Value>) {
    for_object(hash, entry, &|_, name| name == "time", 2);
}

fn for_value(hash: &mut Digester, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(b) => hash.update([b'b', u8::from(*b)]),
        Value::Number(number) => for_number(hash, number),
        Value::String(string) => {
            hash.update(b"s");
            text(hash, string);
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                for_value(hash, item);
            }
            hash.update(b"]");
        }
        Value::Object(object) => for_object(hash, object, &|_, _| false, 9),
    }
}

fn text(hash: &mut Digester, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::object::{CompactManifest, CompactPool};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            any::<f32>().prop_map(Value::from),
            "[a-c\u{e9}]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let fields =
                proptest::collection::btree_map("[.a-z]{0,2}|status|time", inner.clone(), 0..4);
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::from),
                fields.prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn packed_objects_have_the_same_fingerprint(
            spec in value(), labels in value(), early in value(), entry in value(), fields in value(),
            managed in 0..4,
        ) {
            let mut object = json!({
                "apiVersion": "v1", "kind": "A", "a": early, "spec": spec, "status": labels,
                "metadata": {"name": "a", "labels": labels, "resourceVersion": "1", "generation": 2, "zone": fields},
            });
            let entries = match managed {
                0 => None,
                1 => Some(json!([])),
                2 => Some(early),
                _ => Some(json!([
                    entry, {"manager": "a", "fieldsV1": fields, "time": "t"}, {"fieldsV1": null, "apiVersion": "v1"},
                ])),
            };
            if let Some(entries) = entries {
                object["metadata"]["managedFields"] = entries;
            }
            let object = Manifest::try_from(object).expect("an object");
            let packed = CompactManifest::new(&object, &mut CompactPool::default()).manifest();
            prop_assert_eq!(Fingerprint::of_live(&packed), Fingerprint::of_live(&object));
            prop_assert_eq!(packed, object);
        }
    }
}
