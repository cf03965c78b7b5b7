//! What is wrong with a text.

use std::fmt;

use super::scan::Mark;
use crate::error::{Classified, ErrorClass};

/// Text is not valid YAML, has no JSON form, or exceeds a limit.
///
/// `Display` gives the words go-yaml uses (`yaml: line 2: …`), which users know from Helm and
/// kubectl; [`YamlError::line`] and [`YamlError::column`] give the true position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// Line, from 1; 0 where the error has no place.
    pub line: usize,
    /// Column in characters, from 1; 0 where the error has no place.
    pub column: usize,
    /// Go's wording.
    pub message: String,
    /// What sort of error it is.
    pub kind: YamlErrorKind,
}

/// Sorts of [`YamlError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum YamlErrorKind {
    /// The text is not YAML.
    Syntax,
    /// The text is YAML, but a value cannot be made of it (an unknown anchor, a wrong tag, …).
    Value,
    /// The value has no JSON form (`.inf`, a list as a key, …).
    NotJson,
    /// A key occurs twice in a mapping and that was not allowed.
    DuplicateKey,
    /// A limit was exceeded.
    Limit {
        /// The limit.
        limit: Limit,
        /// What it was set to.
        allowed: usize,
    },
}

/// A limit of [`Options`](super::Options).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`Options::max_bytes`](super::Options::max_bytes).
    Bytes,
    /// [`Options::max_documents`](super::Options::max_documents).
    Documents,
    /// [`Options::max_depth`](super::Options::max_depth).
    Depth,
    /// [`Options::max_nodes`](super::Options::max_nodes).
    Nodes,
    /// Values that come from aliases, in proportion to all values.
    AliasExpansion,
    /// [`Options::max_key_length`](super::Options::max_key_length).
    KeyLength,
    /// [`Options::max_scalar_length`](super::Options::max_scalar_length).
    ScalarLength,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes of text",
            Self::Documents => "documents in a stream",
            Self::Depth => "levels of nesting",
            Self::Nodes => "values in a document",
            Self::AliasExpansion => "values made by aliases",
            Self::KeyLength => "bytes in a key",
            Self::ScalarLength => "bytes in a scalar",
        })
    }
}

impl YamlError {
    /// The message as sigs.k8s.io/yaml's `Unmarshal` gives it, which is what Helm and kubectl show.
    #[must_use]
    pub fn unmarshal_message(&self) -> String {
        format!("error converting YAML to JSON: {}", self.message)
    }

    /// Whether a limit was exceeded.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.kind, YamlErrorKind::Limit { .. })
    }

    pub(crate) fn value(at: Mark, message: impl fmt::Display) -> Self {
        Self::at(at, format!("yaml: {message}"), YamlErrorKind::Value)
    }

    pub(crate) fn not_json(at: Mark, message: String) -> Self {
        Self::at(at, message, YamlErrorKind::NotJson)
    }

    pub(crate) fn limit(at: Mark, limit: Limit, allowed: usize) -> Self {
        let line = at.line + 1;
        let message = format!(
            "yaml: line {line}: more than {allowed} {limit}; raise the limit if the text is trusted"
        );
        Self::at(at, message, YamlErrorKind::Limit { limit, allowed })
    }

    fn at(at: Mark, message: String, kind: YamlErrorKind) -> Self {
        Self {
            line: at.line as usize + 1,
            column: at.column as usize + 1,
            message,
            kind,
        }
    }
}

impl Classified for YamlError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}
