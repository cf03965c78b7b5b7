//! Hashes of content.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::manifest::Manifest;
use crate::json;

/// SHA-256 of the canonical JSON of a value: keys sorted, numbers in one form (`1.0` is `1`).
///
/// Nothing is left out, `status` and `metadata.resourceVersion` neither.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of a JSON value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(Sha256::digest(json::to_go_string(value)).into())
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Manifest {
    /// The hash of the whole content, which does not depend on the order of keys.
    ///
    /// ```
    /// use gitops_core::{Manifest, yaml};
    /// let read = |text| Manifest::try_from(yaml::from_str(text).expect("YAML")).expect("an object");
    /// let a = read("{apiVersion: v1, kind: Pod, spec: {a: 1, b: 2}}");
    /// let b = read("kind: Pod\napiVersion: v1\nspec:\n  b: 2\n  a: 0x1\n");
    /// assert_eq!(a.content_hash(), b.content_hash());
    /// ```
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        ContentHash(Sha256::digest(json::map_to_go_string(self.as_map())).into())
    }
}

impl fmt::Display for ContentHash {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depends_on_values_only() {
        let a = ContentHash::of(&json!({"b": 1.0, "a": [true, null]}));
        assert_eq!(a, ContentHash::of(&json!({"a": [true, null], "b": 1})));
        assert_ne!(a, ContentHash::of(&json!({"a": [true], "b": 1})));
        assert_eq!(a.to_string().len(), 64);
        let object = json!({"apiVersion": "v1", "kind": "Pod"});
        let manifest = Manifest::try_from(object.clone()).expect("an object");
        assert_eq!(manifest.content_hash(), ContentHash::of(&object));
    }
}
