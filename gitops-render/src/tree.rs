//! File trees for what this crate renders: a local directory ([`DirTree`]) and a packed chart
//! ([`ArchiveTree`]). Git trees come from gitops-git, trees in memory from gitops-core.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::RwLock,
};

use bytes::Bytes;
use gitops_core::{
    ErrorClass,
    source::{ContentId, Entry, EntryKind, FileTree, MemoryTree, TreeError, clean_path},
};

use crate::helm::{ArchiveLimits, HelmError, read_archive};

/// What a [`DirTree`] refuses to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeLimits {
    /// Size of one file in bytes; 100 MiB by default.
    pub file_bytes: u64,
    /// Entries of one directory, and of one with all below it where its id is asked for; 100,000 by
    /// default. Symlinks can make a small tree large.
    pub directory_entries: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            file_bytes: 100 << 20,
            directory_entries: 100_000,
        }
    }
}

/// A directory of the local file system. Symlinks are followed while they stay inside it.
///
/// Files are read when they are asked for; nothing is cached but the knowledge which directories
/// lie inside: those that were listed, and those whose real place was looked up.
#[derive(Debug)]
pub struct DirTree {
    root: PathBuf,
    limits: TreeLimits,
    inside: RwLock<HashSet<String>>,
}

impl DirTree {
    /// Opens a directory with the default limits.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TreeError> {
        Self::open_with(path, TreeLimits::default())
    }

    /// Opens a directory.
    pub fn open_with(path: impl AsRef<Path>, limits: TreeLimits) -> Result<Self, TreeError> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let root = path.canonicalize().map_err(|error| failed(&shown, error))?;
        if !root.is_dir() {
            return Err(failed(
                &shown,
                io::Error::from(io::ErrorKind::NotADirectory),
            ));
        }
        Ok(Self {
            root,
            limits,
            inside: RwLock::default(),
        })
    }

    /// The directory, absolute and without symlinks.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of a clean path on disk, or `None` where nothing is there.
    fn locate(&self, path: &str) -> Result<Option<(PathBuf, fs::Metadata)>, TreeError> {
        let full = self.root.join(path);
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.is_inside(parent)?
        {
            return Ok(None);
        }
        let metadata = match fs::symlink_metadata(&full) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(path, error)),
        };
        if !metadata.is_symlink() {
            return Ok(Some((full, metadata)));
        }
        let target = match full.canonicalize() {
            Ok(target) => target,
            Err(error) => {
                return Err(TreeError::Symlink {
                    path: path.to_owned(),
                    reason: error.to_string(),
                });
            }
        };
        if !target.starts_with(&self.root) {
            return Err(outside(path));
        }
        let metadata = fs::metadata(&target).map_err(|error| failed(path, error))?;
        Ok(Some((target, metadata)))
    }

    /// Whether a directory exists; an error where a symlink on the way to it leaves the root.
    fn is_inside(&self, directory: &str) -> Result<bool, TreeError> {
        let known = |inside: &RwLock<HashSet<String>>| {
            inside.read().is_ok_and(|inside| inside.contains(directory))
        };
        if known(&self.inside) {
            return Ok(true);
        }
        match self.root.join(directory).canonicalize() {
            Ok(real) if real.starts_with(&self.root) => {
                self.know(directory.to_owned());
                Ok(true)
            }
            Ok(_) => Err(outside(directory)),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(failed(directory, error)),
        }
    }

    /// Notes that a directory lies inside.
    fn know(&self, directory: String) {
        if let Ok(mut inside) = self.inside.write() {
            inside.insert(directory);
        }
    }

    /// Opens the regular file at a clean path; `None` where there is none, or a directory.
    fn open_file(&self, path: &str) -> Result<Option<(fs::File, u64)>, TreeError> {
        if let Some((parent, _)) = path.rsplit_once('/')
            && !self.is_inside(parent)?
        {
            return Ok(None);
        }
        let file = match open_without_following(&self.root.join(path)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            // A symlink, or something that looking it up says more about.
            Err(_) => match self.locate(path)? {
                Some((place, metadata)) if metadata.is_file() => {
                    open_without_following(&place).map_err(|error| failed(path, error))?
                }
                Some((_, metadata)) if !metadata.is_dir() => return Err(irregular(path)),
                _ => return Ok(None),
            },
        };
        let metadata = file.metadata().map_err(|error| failed(path, error))?;
        if metadata.is_dir() {
            return Ok(None);
        }
        if !metadata.is_file() {
            return Err(irregular(path));
        }
        Ok(Some((file, metadata.len())))
    }

    fn kind(&self, path: &str, entry: &fs::DirEntry) -> Result<EntryKind, TreeError> {
        let kind = entry.file_type().map_err(|error| failed(path, error))?;
        let is_directory = if kind.is_symlink() {
            // A dangling link is listed as a file: reading it then says what is wrong with it.
            match self.locate(path) {
                Ok(found) => found.is_some_and(|(_, metadata)| metadata.is_dir()),
                Err(TreeError::Symlink { .. } | TreeError::OutsideTree { .. }) => false,
                Err(error) => return Err(error),
            }
        } else {
            kind.is_dir()
        };
        Ok(if is_directory {
            EntryKind::Directory
        } else {
            EntryKind::File
        })
    }

    fn hash_directory(
        &self,
        path: &str,
        depth: usize,
        entries: &mut usize,
    ) -> Result<ContentId, TreeError> {
        let exceeded = |limit, allowed: usize| TreeError::LimitExceeded {
            path: path.to_owned(),
            limit,
            allowed: allowed as u64,
        };
        if depth > 100 {
            return Err(exceeded("directory depth", 100));
        }
        let mut text = String::new();
        for entry in self.list(path)? {
            *entries += 1;
            let allowed = self.limits.directory_entries;
            if *entries > allowed {
                return Err(exceeded("directory entries", allowed));
            }
            let child = join(path, &entry.name);
            let id = match entry.kind {
                EntryKind::Directory => self.hash_directory(&child, depth + 1, entries)?,
                EntryKind::File => match self.read(&child)? {
                    Some(content) => ContentId::of(&content),
                    None => continue,
                },
            };
            text.push_str(&id.0);
            text.push(' ');
            text.push_str(&entry.name);
            text.push('\0');
        }
        Ok(ContentId::of(text.as_bytes()))
    }
}

impl FileTree for DirTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        use io::Read as _;
        let path = clean_path(path)?;
        let Some((file, size)) = self.open_file(&path)? else {
            return Ok(None);
        };
        if size > self.limits.file_bytes {
            return Err(TreeError::LimitExceeded {
                path,
                limit: "file size in bytes",
                allowed: self.limits.file_bytes,
            });
        }
        let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // A file can grow between the look at its size and the read.
        file.take(size)
            .read_to_end(&mut content)
            .map_err(|error| failed(&path, error))?;
        Ok(Some(content.into()))
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let dir = clean_path(dir)?;
        if !dir.is_empty() && !self.is_inside(&dir)? {
            return Ok(Vec::new());
        }
        let entries = match fs::read_dir(self.root.join(&dir)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(&dir, error)),
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(&dir, error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = join(&dir, &name);
            let kind = self.kind(&path, &entry)?;
            if kind == EntryKind::Directory && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.know(path);
            }
            listed.push(Entry { name, kind });
            if listed.len() > self.limits.directory_entries {
                return Err(TreeError::LimitExceeded {
                    path: dir,
                    limit: "directory entries",
                    allowed: self.limits.directory_entries as u64,
                });
            }
        }
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        let path = clean_path(path)?;
        match self.locate(&path)? {
            None => Ok(None),
            Some((_, metadata)) if metadata.is_dir() => {
                self.hash_directory(&path, 0, &mut 0).map(Some)
            }
            Some(_) => Ok(self.read(&path)?.map(|content| ContentId::of(&content))),
        }
    }
}

/// A packed chart (`.tgz`), unpacked in memory; the chart's directory is the root.
#[derive(Debug, Clone)]
pub struct ArchiveTree(MemoryTree);

impl ArchiveTree {
    /// Unpacks an archive within limits on its size; paths that leave it are refused.
    pub fn new(archive: &[u8], limits: &ArchiveLimits) -> Result<Self, HelmError> {
        let mut tree = MemoryTree::new();
        for file in read_archive(archive, limits)? {
            tree.insert(file.name, file.data);
        }
        Ok(Self(tree))
    }

    /// The files of the archive.
    #[must_use]
    pub fn into_memory(self) -> MemoryTree {
        self.0
    }
}

impl FileTree for ArchiveTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        self.0.read(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        self.0.list(dir)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        self.0.id(path)
    }
}

/// A path below a directory whose own path may be empty.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// Opens a file that is no symlink, without waiting for a pipe to have a writer.
#[cfg(unix)]
fn open_without_following(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Opens a regular file.
#[cfg(not(unix))]
fn open_without_following(path: &Path) -> io::Result<fs::File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    fs::File::open(path)
}

fn irregular(path: &str) -> TreeError {
    failed(path, io::Error::other("it is not a regular file"))
}

fn outside(path: &str) -> TreeError {
    TreeError::OutsideTree {
        path: path.to_owned(),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn failed(path: &str, error: io::Error) -> TreeError {
    let class = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorClass::NotFound,
        io::ErrorKind::PermissionDenied => ErrorClass::Forbidden,
        _ => ErrorClass::Unavailable,
    };
    TreeError::Other {
        path: path.to_owned(),
        class,
        source: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_inside_and_refuses_outside() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("tree");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c.txt"), "c").unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        let tree = DirTree::open(&root).unwrap();
        assert_eq!(tree.read("a/b/c.txt").unwrap().unwrap(), "c");
        assert!(tree.read("a/b").unwrap().is_none());
        assert!(tree.read("a/x/y").unwrap().is_none());
        assert!(matches!(
            tree.read("../secret"),
            Err(TreeError::OutsideTree { .. })
        ));
        assert_eq!(tree.list("a").unwrap()[0].kind, EntryKind::Directory);
        assert!(tree.list("nowhere").unwrap().is_empty());
        let before = tree.id("a").unwrap();
        fs::write(root.join("a/b/c.txt"), "d").unwrap();
        assert_ne!(tree.id("a").unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn follows_symlinks_inside_only() {
        use std::os::unix::fs::symlink;
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("tree");
        fs::create_dir_all(root.join("real")).unwrap();
        fs::write(root.join("real/f"), "f").unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        symlink("real", root.join("inner")).unwrap();
        symlink("..", root.join("outer")).unwrap();
        symlink("../secret", root.join("leak")).unwrap();
        symlink("nothing", root.join("dangling")).unwrap();
        let tree = DirTree::open(&root).unwrap();
        assert_eq!(tree.read("inner/f").unwrap().unwrap(), "f");
        for path in ["outer/secret", "leak"] {
            assert!(
                matches!(tree.read(path), Err(TreeError::OutsideTree { .. })),
                "{path}"
            );
        }
        assert!(matches!(
            tree.read("dangling"),
            Err(TreeError::Symlink { .. })
        ));
        let kinds: Vec<_> = tree.list("").unwrap().into_iter().map(|e| e.kind).collect();
        assert_eq!(
            kinds,
            [
                EntryKind::File,
                EntryKind::Directory,
                EntryKind::File,
                EntryKind::File,
                EntryKind::Directory
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn reads_regular_files_only() {
        let root = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(root.path().join("pipe"))
            .status();
        assert!(made.unwrap().success());
        let tree = DirTree::open(root.path()).unwrap();
        // A pipe without a writer would let a read wait forever.
        assert!(matches!(tree.read("pipe"), Err(TreeError::Other { .. })));
        fs::write(root.path().join("empty"), "").unwrap();
        assert_eq!(tree.read("empty").unwrap().unwrap(), "");
    }

    #[test]
    fn refuses_large_files() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("f"), "0123456789").unwrap();
        let limits = TreeLimits {
            file_bytes: 9,
            ..TreeLimits::default()
        };
        let tree = DirTree::open_with(root.path(), limits).unwrap();
        assert!(matches!(
            tree.read("f"),
            Err(TreeError::LimitExceeded { allowed: 9, .. })
        ));
    }
}
