//! How strict to be, and how much to take.

/// How YAML is read.
///
/// The limits are generous for manifests and stop texts that were made to exhaust memory or time.
///
/// ```
/// use gitops_core::yaml::{self, Options};
/// let strict = Options { allow_duplicate_keys: false, ..Options::default() };
/// assert!(yaml::from_str_with("a: 1\na: 2\n", &strict).is_err());
/// assert_eq!(yaml::from_str("a: 1\na: 2\n")?["a"], 2);
/// # Ok::<(), yaml::YamlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Options {
    /// Whether the last of several equal keys wins; otherwise they are an error.
    pub allow_duplicate_keys: bool,
    /// Whether `1e3` stays a float. Otherwise it becomes the integer 1000, as it does where a value
    /// goes through JSON text.
    pub keep_integral_floats: bool,
    /// Longest text.
    pub max_bytes: usize,
    /// Most documents in a stream.
    pub max_documents: usize,
    /// Deepest nesting of lists and mappings, through aliases too.
    pub max_depth: usize,
    /// Most values and keys in one document as written, aliases not followed.
    pub max_nodes: usize,
    /// Most values and keys in one document that may be made by following aliases. Beside it,
    /// go-yaml's rule holds: at most 99 % of the first 400,000 values, falling to 10 % from
    /// 4,000,000 on.
    pub max_alias_expansion: usize,
    /// Longest key.
    pub max_key_length: usize,
    /// Longest scalar that is no key.
    pub max_scalar_length: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            allow_duplicate_keys: true,
            keep_integral_floats: false,
            max_bytes: 512 << 20,
            max_documents: 100_000,
            max_depth: 1000,
            max_nodes: 100_000_000,
            max_alias_expansion: 4_000_000,
            max_key_length: 1 << 20,
            max_scalar_length: 64 << 20,
        }
    }
}

impl Options {
    /// As [`Options::default`], but equal keys in one mapping are an error.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            allow_duplicate_keys: false,
            ..Self::default()
        }
    }
}
