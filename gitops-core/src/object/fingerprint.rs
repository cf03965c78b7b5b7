//! Fingerprints of objects, for what an earlier apply has shown.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::manifest::Manifest;

/// A fingerprint of an object's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a desired object: everything in it.
    #[must_use]
    pub fn of_desired(desired: &Manifest) -> Self {
        let mut hash = Sha256::new();
        for_object(&mut hash, desired.as_map(), &|_, _| false, 0);
        Self(hash.finalize().into())
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
        let mut hash = Sha256::new();
        for_object(&mut hash, live.as_map(), &is_volatile, 0);
        Self(hash.finalize().into())
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
    hash: &mut Sha256,
    object: &serde_json::Map<String, Value>,
    skip: &Skip<'_>,
    depth: usize,
) {
    // Maps come sorted, unless somebody else in the build has asked for insertion order.
    let mut entries: Vec<_> = object.iter().collect();
    if !entries.is_sorted_by_key(|entry| entry.0) {
        entries.sort_unstable_by_key(|entry| entry.0);
    }
    hash.update(b"{");
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
    hash.update(b"}");
}

fn for_entry(hash: &mut Sha256, entry: &serde_json::Map<String, Value>) {
    for_object(hash, entry, &|_, name| name == "time", 2);
}

fn for_value(hash: &mut Sha256, value: &Value) {
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

fn text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}
