//! Where desired state comes from: [`SourceProvider`] opens a repository, [`Source`] resolves a
//! revision in it, [`FileTree`] reads the files of one revision.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{BoxError, Classified, ErrorClass};

/// Which repository: a Git repository, or a chart of a chart repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceRef {
    /// URL of the repository, as the Application writes it.
    pub url: String,
    /// Name of the chart where the repository is a chart repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
}

/// A revision as a user asks for it: `HEAD` (or empty), a branch, tag, commit or version range.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionSpec(pub String);

impl RevisionSpec {
    /// The default branch.
    #[must_use]
    pub fn head() -> Self {
        Self("HEAD".to_owned())
    }
}

impl From<&str> for RevisionSpec {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for RevisionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "HEAD" } else { &self.0 })
    }
}

/// A revision that cannot move: a commit, or the exact version of a chart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revision {
    /// Full commit id in hex, or the chart's version.
    pub id: String,
    /// The full name of the reference it was found under, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Revision {
    /// A revision known by id alone.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            reference: None,
        }
    }

    /// The first seven characters of a commit, the whole of a version.
    #[must_use]
    pub fn short(&self) -> &str {
        let is_commit = self.id.len() >= 40 && self.id.bytes().all(|b| b.is_ascii_hexdigit());
        if is_commit { &self.id[..7] } else { &self.id }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// Opens repositories. Credentials and redirections of URLs live here.
#[async_trait]
pub trait SourceProvider: Send + Sync {
    /// Opens a repository; the same reference gives the same shared source.
    async fn open(&self, source: &SourceRef) -> Result<Arc<dyn Source>, SourceError>;
}

/// One repository.
#[async_trait]
pub trait Source: Send + Sync {
    /// Finds the revision that `spec` means now.
    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision, SourceError>;
    /// The files of a revision, read lazily.
    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError>;
}

/// The files of one revision. Paths are relative, separated by `/`, without `.` or `..`; the root is `""`.
///
/// Reads are lazy and bounded; a path that leaves the tree (through a symlink) is an error.
pub trait FileTree: Send + Sync {
    /// The content of a file; `None` where there is none at this path.
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError>;
    /// The entries of a directory, sorted by name; empty where there is no such directory.
    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError>;
    /// An id of the content of a file or directory; equal ids mean equal content.
    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError>;
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Name without the directory.
    pub name: String,
    /// File or directory; symlinks are followed where they stay inside the tree.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums)]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// Equal ids mean equal content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentId(pub String);

impl ContentId {
    /// The id of a byte string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use std::fmt::Write as _;
        let mut id = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            let _ = write!(id, "{byte:02x}");
        }
        Self(id)
    }
}

/// A repository could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The revision does not exist.
    #[error("{url} has no revision `{revision}`; name an existing branch, tag or commit")]
    UnknownRevision {
        /// URL without credentials.
        url: String,
        /// The revision asked for.
        revision: String,
    },
    /// The repository does not exist.
    #[error("there is no repository at {url}")]
    UnknownRepository {
        /// URL without credentials.
        url: String,
    },
    /// The URL cannot be used.
    #[error("cannot use the repository URL {url}: {reason}")]
    InvalidUrl {
        /// URL without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The repository asks for other credentials.
    #[error("{url} refuses the credentials given: {reason}")]
    Unauthenticated {
        /// URL without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The repository forbids the access.
    #[error("{url} forbids this access: {reason}")]
    Forbidden {
        /// URL without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The repository cannot be reached at the moment.
    #[error("{url} cannot be reached: {reason}")]
    Unavailable {
        /// URL without credentials.
        url: String,
        /// Why.
        reason: String,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
    },
    /// The other side asks to slow down.
    #[error("{url} asks to slow down: {reason}")]
    Throttled {
        /// URL without credentials.
        url: String,
        /// Why.
        reason: String,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
    },
    /// The deadline passed.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// URL without credentials.
        url: String,
        /// The time waited.
        after: Duration,
    },
    /// The caller cancelled.
    #[error("reading {url} was cancelled")]
    Cancelled {
        /// URL without credentials.
        url: String,
    },
    /// The revision is refused: its signature is missing or wrong.
    #[error("revision {revision} of {url} is refused: {reason}")]
    Unverified {
        /// URL without credentials.
        url: String,
        /// The revision.
        revision: String,
        /// Why.
        reason: String,
    },
    /// A file tree is not readable.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for SourceError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownRevision { .. } | Self::UnknownRepository { .. } => ErrorClass::NotFound,
            Self::InvalidUrl { .. } => ErrorClass::Invalid,
            Self::Unauthenticated { .. } => ErrorClass::Unauthenticated,
            Self::Forbidden { .. } | Self::Unverified { .. } => ErrorClass::Forbidden,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Throttled { .. } => ErrorClass::Throttled,
            Self::Timeout { .. } => ErrorClass::Timeout,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
            Self::Tree(error) => error.class(),
            Self::Other { class, .. } => *class,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::Throttled { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

/// A file of a tree could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The path is not relative and clean, or leaves the tree.
    #[error("`{path}` points outside the tree; use a relative path without `..`")]
    OutsideTree {
        /// The path.
        path: String,
    },
    /// Something is larger than allowed.
    #[error("`{path}` exceeds the limit {limit} of {allowed}")]
    LimitExceeded {
        /// The path.
        path: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// A symlink cannot be followed.
    #[error("the symlink `{path}` cannot be followed: {reason}")]
    Symlink {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The content is a Git LFS pointer, not the file.
    #[error("`{path}` is a Git LFS pointer; the content is not in the repository")]
    LfsPointer {
        /// The path.
        path: String,
    },
    /// The store is corrupt.
    #[error("`{path}` cannot be read: {reason}")]
    Corrupt {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// Any other failure of an implementation.
    #[error("`{path}` cannot be read: {source}")]
    Other {
        /// The path.
        path: String,
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for TreeError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Corrupt { .. } => ErrorClass::Unavailable,
            Self::LfsPointer { .. } => ErrorClass::Unsupported,
            Self::Other { class, .. } => *class,
            _ => ErrorClass::Invalid,
        }
    }
}

/// Checks that `path` is relative and clean and returns it without a trailing `/` or leading `./`.
pub fn clean_path(path: &str) -> Result<String, TreeError> {
    let outside = || TreeError::OutsideTree {
        path: path.to_owned(),
    };
    if path.starts_with('/') || path.contains('\0') || path.contains('\\') {
        return Err(outside());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// A tree held in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, Bytes>,
}

impl MemoryTree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file; the path must be clean (see [`clean_path`]).
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.insert(path, content);
        self
    }

    /// Adds or replaces a file; the path must be clean (see [`clean_path`]).
    pub fn insert(&mut self, path: impl Into<String>, content: impl Into<Bytes>) {
        self.files.insert(path.into(), content.into());
    }

    /// All files in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.files
            .iter()
            .map(|(path, content)| (path.as_str(), content))
    }
}

impl FileTree for MemoryTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        Ok(self.files.get(&clean_path(path)?).cloned())
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let dir = clean_path(dir)?;
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let mut entries: BTreeMap<&str, EntryKind> = BTreeMap::new();
        for (path, _) in self.files.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else {
                break;
            };
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name, EntryKind::Directory),
                None => entries.insert(rest, EntryKind::File),
            };
        }
        Ok(entries
            .into_iter()
            .map(|(name, kind)| Entry {
                name: name.to_owned(),
                kind,
            })
            .collect())
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        if let Some(content) = self.read(path)? {
            return Ok(Some(ContentId::of(&content)));
        }
        let dir = clean_path(path)?;
        let prefix = if dir.is_empty() {
            String::new()
        } else {
            format!("{dir}/")
        };
        let mut hash = Sha256::new();
        let mut any = false;
        for (path, content) in self.files.range(prefix.clone()..) {
            let Some(rest) = path.strip_prefix(&prefix) else {
                break;
            };
            any = true;
            hash.update((rest.len() as u64).to_le_bytes());
            hash.update(rest);
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        Ok(any.then(|| ContentId::of(&hash.finalize())))
    }
}

/// A directory of another tree, seen as a tree of its own.
pub struct SubTree {
    tree: Arc<dyn FileTree>,
    prefix: String,
}

impl SubTree {
    /// The directory `path` of `tree`.
    pub fn new(tree: Arc<dyn FileTree>, path: &str) -> Result<Self, TreeError> {
        Ok(Self {
            tree,
            prefix: clean_path(path)?,
        })
    }

    fn full(&self, path: &str) -> Result<String, TreeError> {
        let path = clean_path(path)?;
        Ok(match (self.prefix.is_empty(), path.is_empty()) {
            (true, _) => path,
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{path}", self.prefix),
        })
    }
}

impl FileTree for SubTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        self.tree.read(&self.full(path)?)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        self.tree.list(&self.full(dir)?)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        self.tree.id(&self.full(path)?)
    }
}
