//! The files of one commit, read from the object database without a checkout.

mod survey;
mod walk;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use gitops_core::source::{ContentId, Entry, EntryKind, FileTree, TreeError, clean_path};
use gitops_core::{Classified, ErrorClass};
use gix::ObjectId;
use sha2::{Digest, Sha256};

pub(crate) use self::survey::Surveys;
use self::survey::Weights;
use crate::{
    error::GitError,
    options::Limits,
    remote::Lease,
    store::{Kind, Objects},
};

/// What an LFS pointer file begins with.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// LFS pointers are smaller than this.
const LFS_POINTER_SIZE: u64 = 1024;
/// A symlink's target is not longer than this.
const SYMLINK_SIZE: u64 = 4096;
/// Bytes that one entry of a tree object takes at least, with a generous name.
const ENTRY_SIZE: u64 = 512;

/// The files of one commit.
///
/// * Symlinks are followed while they stay inside the tree; one that leads outside, into a circle or
///   nowhere is listed as a file and is an error ([`TreeError::Symlink`]) when it is read.
/// * A file that is a Git LFS pointer is an error ([`TreeError::LfsPointer`]) when it is read.
/// * A submodule is an empty directory, as in a checkout that did not initialise it, unless the tree
///   was opened with its submodules ([`GitSource::tree_with_submodules`](crate::GitSource::tree_with_submodules)):
///   then it is a directory like any other, and symlinks lead into it and out of it.
/// * Attributes (line ends, `export-ignore`, filters) are not applied: content is what is stored.
/// * An entry that no checkout would accept (`..`, `.git`, a name with `/`) makes its directory an
///   error ([`TreeError::Corrupt`]).
#[derive(Clone)]
pub struct GitTree {
    shared: Arc<Shared>,
    root: ObjectId,
    commit: ObjectId,
    mounts: Arc<Mounts>,
    weights: Arc<Weights>,
}

/// What stands for the submodules, by their full paths; those of submodules included.
pub(crate) type Mounts = BTreeMap<String, Mount>;

/// What stands for a submodule.
#[derive(Clone)]
pub(crate) enum Mount {
    Tree(GitTree),
    /// Whoever reads something in it learns why it is not there.
    Unavailable(GitError),
}

pub(crate) struct Shared {
    objects: Arc<Objects>,
    limits: Limits,
    /// Keeps the objects from being collected.
    _lease: Option<Lease>,
    directories: Mutex<HashMap<ObjectId, Arc<Directory>>>,
    surveys: Arc<Surveys>,
}

/// A parsed tree object, sorted by name.
struct Directory {
    entries: Vec<RawEntry>,
}

#[derive(Clone)]
pub(crate) struct RawEntry {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    File,
    Directory,
    Symlink,
    Submodule,
}

/// Where a path leads once all symlinks on it are followed.
enum Found<'a> {
    File {
        tree: &'a Shared,
        id: ObjectId,
    },
    Directory {
        tree: &'a Shared,
        id: ObjectId,
        path: String,
    },
    /// A submodule that is not followed.
    Submodule,
    /// Something in a submodule that could not be opened.
    Unavailable(&'a GitError),
    Nothing,
}

impl GitTree {
    pub(crate) fn new(
        objects: Arc<Objects>,
        limits: Limits,
        commit: ObjectId,
        root: ObjectId,
        lease: Option<Lease>,
        surveys: Arc<Surveys>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                objects,
                limits,
                _lease: lease,
                directories: Mutex::default(),
                surveys,
            }),
            root,
            commit,
            mounts: Arc::default(),
            weights: Arc::default(),
        }
    }

    /// The same tree with its submodules.
    pub(crate) fn with_mounts(mut self, mounts: Mounts) -> Self {
        self.mounts = Arc::new(mounts);
        self.weights = Arc::default();
        self
    }

    /// What stands for the submodule at this path.
    pub(crate) fn mount(&self, path: &str) -> Option<&Mount> {
        self.mounts.get(path)
    }

    /// The commit, in hex.
    #[must_use]
    pub fn commit(&self) -> String {
        self.commit.to_string()
    }

    pub(crate) fn is(&self, commit: &ObjectId) -> bool {
        self.commit == *commit
    }

    pub(crate) fn root(&self) -> ObjectId {
        self.root
    }

    /// The entries of a directory as they are stored, sorted by name.
    pub(crate) fn raw_entries(
        &self,
        id: &ObjectId,
        path: &str,
    ) -> Result<Vec<RawEntry>, TreeError> {
        self.shared.check_length(path)?;
        Ok(self.shared.directory(id, path)?.entries.clone())
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn objects(&self) -> &Arc<Objects> {
        &self.shared.objects
    }

    /// The entry at a path, without following links.
    pub(crate) fn raw_entry(&self, path: &str) -> Result<Option<RawEntry>, TreeError> {
        self.shared.check_length(path)?;
        self.shared.raw_entry(&self.root, path)
    }

    /// The content of a file by its id.
    pub(crate) fn raw_blob(&self, id: &ObjectId, path: &str) -> Result<Bytes, TreeError> {
        self.shared.blob(id, path)
    }

    fn find(&self, path: &str) -> Result<Found<'_>, TreeError> {
        let clean = clean_path(path)?;
        self.shared.check_length(&clean)?;
        walk::find(self, &clean)
    }

    /// Whether a submodule is mounted below a directory.
    fn has_mounts_below(&self, dir: &str) -> bool {
        if dir.is_empty() {
            return !self.mounts.is_empty();
        }
        let prefix = format!("{dir}/");
        self.mounts
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(path, _)| path.starts_with(&prefix))
    }
}

impl FileTree for GitTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        match self.find(path)? {
            Found::File { tree, id } => tree.blob(&id, path).map(Some),
            Found::Unavailable(error) => Err(other(path, error.clone())),
            Found::Directory { .. } | Found::Submodule | Found::Nothing => Ok(None),
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let (tree, id, path) = match self.find(dir)? {
            Found::Directory { tree, id, path } => (tree, id, path),
            Found::Unavailable(error) => return Err(other(dir, error.clone())),
            Found::File { .. } | Found::Submodule | Found::Nothing => return Ok(Vec::new()),
        };
        let directory = tree.directory(&id, &path)?;
        self.check_extent(tree, &id, &path)?;
        directory
            .entries
            .iter()
            .map(|entry| {
                let kind = match entry.mode {
                    Mode::File => EntryKind::File,
                    Mode::Directory | Mode::Submodule => EntryKind::Directory,
                    Mode::Symlink => match self.find(&join(dir.trim_matches('/'), &entry.name)) {
                        Ok(Found::Directory { .. } | Found::Submodule | Found::Unavailable(_)) => {
                            EntryKind::Directory
                        }
                        Ok(Found::File { .. } | Found::Nothing)
                        | Err(TreeError::Symlink { .. }) => EntryKind::File,
                        Err(error) => return Err(error),
                    },
                };
                Ok(Entry {
                    name: entry.name.clone(),
                    kind,
                })
            })
            .collect()
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        Ok(match self.find(path)? {
            Found::File { id, .. } => Some(ContentId(format!("git:{id}"))),
            Found::Unavailable(error) => Some(ContentId::of(error.to_string().as_bytes())),
            Found::Directory {
                tree,
                id,
                path: place,
            } => {
                if self.has_mounts_below(&place) || tree.survey(&id).linked {
                    Some(self.linked_id(path)?)
                } else {
                    Some(ContentId(format!("git:{id}")))
                }
            }
            Found::Submodule | Found::Nothing => None,
        })
    }
}

impl GitTree {
    /// The id of a directory with symlinks below it: what they lead to counts, not where they point.
    fn linked_id(&self, dir: &str) -> Result<ContentId, TreeError> {
        let dir = clean_path(dir)?;
        let mut hash = Sha256::new();
        for entry in self.list(&dir)? {
            let path = join(&dir, &entry.name);
            let id = match self.id(&path) {
                Ok(id) => id.map_or_else(String::new, |id| id.0),
                Err(TreeError::Symlink { reason, .. }) => reason,
                Err(error) => return Err(error),
            };
            for part in [entry.name.as_bytes(), id.as_bytes()] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        Ok(ContentId::of(&hash.finalize()))
    }
}

impl Shared {
    fn check_length(&self, path: &str) -> Result<(), TreeError> {
        if path.len() > self.limits.path_length {
            return Err(TreeError::LimitExceeded {
                path: format!("{}…", path.chars().take(64).collect::<String>()),
                limit: "path length",
                allowed: self.limits.path_length as u64,
            });
        }
        // Walks recurse: the depth must stay below what a thread's stack holds.
        if path.split('/').count() > self.limits.depth {
            return Err(TreeError::LimitExceeded {
                path: format!("{}…", path.chars().take(64).collect::<String>()),
                limit: "directory depth",
                allowed: self.limits.depth as u64,
            });
        }
        Ok(())
    }

    /// The entry at a path, without following links.
    fn raw_entry(&self, root: &ObjectId, path: &str) -> Result<Option<RawEntry>, TreeError> {
        let mut id = *root;
        let mut place = String::new();
        let mut parts = path.split('/').peekable();
        while let Some(name) = parts.next() {
            let directory = self.directory(&id, &place)?;
            let Some(entry) = directory.get(name) else {
                return Ok(None);
            };
            if parts.peek().is_none() {
                return Ok(Some(entry.clone()));
            }
            if entry.mode != Mode::Directory {
                return Ok(None);
            }
            place = join(&place, name);
            id = entry.id;
        }
        Ok(None)
    }

    fn directory(&self, id: &ObjectId, path: &str) -> Result<Arc<Directory>, TreeError> {
        let known = lock(&self.directories).get(id).cloned();
        if let Some(directory) = known {
            return Ok(directory);
        }
        // Git has this object without storing it.
        if id.is_empty_tree() {
            return Ok(Arc::new(Directory {
                entries: Vec::new(),
            }));
        }
        let corrupt = |reason: &str| TreeError::Corrupt {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        match self.header(id, path)? {
            Some((Kind::Tree, size)) => {
                if size > self.limits.directory_entries as u64 * ENTRY_SIZE {
                    return Err(self.too_many_entries(path));
                }
            }
            Some(_) => return Err(corrupt("it is not a directory")),
            None => return Err(corrupt("the directory is missing from the object database")),
        }
        let data = self.object(id, path)?;
        let mut entries = Vec::new();
        for entry in gix::objs::TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
            let entry = entry.map_err(|_| corrupt("the directory cannot be parsed"))?;
            if entries.len() >= self.limits.directory_entries {
                return Err(self.too_many_entries(path));
            }
            let name = String::from_utf8_lossy(entry.filename).into_owned();
            if !is_usable_name(&name) {
                return Err(corrupt(&format!(
                    "it has an entry with the forbidden name `{name}`"
                )));
            }
            let mode = match entry.mode.kind() {
                gix::objs::tree::EntryKind::Tree => Mode::Directory,
                gix::objs::tree::EntryKind::Link => Mode::Symlink,
                gix::objs::tree::EntryKind::Commit => Mode::Submodule,
                gix::objs::tree::EntryKind::Blob | gix::objs::tree::EntryKind::BlobExecutable => {
                    Mode::File
                }
            };
            entries.push(RawEntry {
                name,
                mode,
                id: entry.oid.to_owned(),
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(corrupt(&format!("it has two entries `{}`", pair[0].name)));
        }
        let directory = Arc::new(Directory { entries });
        lock(&self.directories).insert(*id, directory.clone());
        Ok(directory)
    }

    fn too_many_entries(&self, path: &str) -> TreeError {
        TreeError::LimitExceeded {
            path: path.to_owned(),
            limit: "directory entries",
            allowed: self.limits.directory_entries as u64,
        }
    }

    fn blob(&self, id: &ObjectId, path: &str) -> Result<Bytes, TreeError> {
        match self.header(id, path)? {
            Some((Kind::Blob, size)) if size > self.limits.file_size => {
                Err(TreeError::LimitExceeded {
                    path: path.to_owned(),
                    limit: "file size in bytes",
                    allowed: self.limits.file_size,
                })
            }
            Some((Kind::Blob, size)) => {
                let data = self.object(id, path)?;
                if size < LFS_POINTER_SIZE && data.starts_with(LFS_POINTER) {
                    return Err(TreeError::LfsPointer {
                        path: path.to_owned(),
                    });
                }
                Ok(Bytes::from(data))
            }
            Some(_) => Err(TreeError::Corrupt {
                path: path.to_owned(),
                reason: "it is not a file".to_owned(),
            }),
            None => Err(TreeError::Corrupt {
                path: path.to_owned(),
                reason: "the file is missing from the object database".to_owned(),
            }),
        }
    }

    fn link_target(&self, id: &ObjectId, path: &str) -> Result<String, TreeError> {
        let unusable = |reason: &str| TreeError::Symlink {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        match self.header(id, path)? {
            Some((Kind::Blob, size)) if size <= SYMLINK_SIZE => {
                String::from_utf8(self.object(id, path)?)
                    .map_err(|_| unusable("its target is not valid UTF-8"))
            }
            Some(_) => Err(unusable("its target is too long")),
            None => Err(unusable("its target is missing from the object database")),
        }
    }

    fn header(&self, id: &ObjectId, path: &str) -> Result<Option<(Kind, u64)>, TreeError> {
        self.objects.header(id).map_err(|error| other(path, error))
    }

    fn object(&self, id: &ObjectId, path: &str) -> Result<Vec<u8>, TreeError> {
        match self.objects.read(id) {
            Ok(Some((_, data))) => Ok(data),
            Ok(None) => Err(TreeError::Corrupt {
                path: path.to_owned(),
                reason: "it is missing from the object database".to_owned(),
            }),
            Err(error) => Err(other(path, error)),
        }
    }
}

impl Directory {
    fn get(&self, name: &str) -> Option<&RawEntry> {
        self.entries
            .binary_search_by(|entry| entry.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.entries[at])
    }
}

fn other(path: &str, error: GitError) -> TreeError {
    match error {
        GitError::Corrupt { reason, .. } => TreeError::Corrupt {
            path: path.to_owned(),
            reason,
        },
        error => TreeError::Other {
            path: path.to_owned(),
            class: match error.class() {
                ErrorClass::Internal => ErrorClass::Unavailable,
                class => class,
            },
            source: Box::new(error),
        },
    }
}

/// Names that Git itself refuses to check out, `.git` in all the spellings that some file system takes for it included.
pub(crate) fn is_usable_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']) && !is_dot_git(name)
}

fn is_dot_git(name: &str) -> bool {
    // HFS+ leaves these characters out; NTFS dots and spaces at the end, and what names a stream.
    let seen: String = name
        .chars()
        .filter(|char| {
            !matches!(char, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
        })
        .collect();
    let seen = seen.split(':').next().unwrap_or_default();
    let seen = seen.trim_end_matches([' ', '.']);
    seen.eq_ignore_ascii_case(".git") || seen.eq_ignore_ascii_case("git~1")
}

pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
