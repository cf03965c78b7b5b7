//! Fingerprints of objects, for what an earlier apply has shown.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::manifest::Manifest;

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
                .get_or_init(|| Self::of_live_tree(live)),
            None => Self::of_live_tree(live),
        }
    }

    fn of_live_tree(live: &Manifest) -> Self {
        let mut hash = Digester::new();
        for_object(&mut hash, live.as_map(), &is_volatile, 0);
        Self(hash.finish())
    }
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
        Value::Number(number) => {
            hash.update(b"d");
            text(hash, &number.to_string());
        }
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
