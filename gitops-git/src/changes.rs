//! Which files differ between two revisions, found by comparing trees: equal directories are
//! skipped by their ids, so that the cost follows the size of the change and not of the repository.

use gitops_core::source::TreeError;

use crate::tree::{GitTree, Mode, RawEntry, join};

/// A path that differs between two revisions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The file, symlink or submodule.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its content or kind changed. A change of the executable bit alone is none.
    Modified,
    /// It is gone.
    Removed,
}

impl GitTree {
    /// The files, symlinks and submodules that differ from `older`, sorted by path. A file that moved is one
    /// removed and one added.
    pub fn changes_since(&self, older: &Self) -> Result<Vec<Change>, TreeError> {
        let mut changes = Vec::new();
        if self.root() != older.root() {
            compare(
                older,
                older.raw_entries(&older.root(), "")?,
                self,
                self.raw_entries(&self.root(), "")?,
                "",
                &mut changes,
            )?;
        }
        changes.sort();
        Ok(changes)
    }
}

fn compare(
    old_tree: &GitTree,
    old: Vec<RawEntry>,
    new_tree: &GitTree,
    new: Vec<RawEntry>,
    dir: &str,
    changes: &mut Vec<Change>,
) -> Result<(), TreeError> {
    let mut old = old.into_iter().peekable();
    let mut new = new.into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.name.cmp(&b.name),
        };
        let left = order.is_le().then(|| old.next()).flatten();
        let right = order.is_ge().then(|| new.next()).flatten();
        match (left, right) {
            (Some(a), Some(b)) => {
                if a.id == b.id && a.mode == b.mode {
                    continue;
                }
                let path = join(dir, &a.name);
                match (a.mode == Mode::Directory, b.mode == Mode::Directory) {
                    (true, true) => compare(
                        old_tree,
                        old_tree.raw_entries(&a.id, &path)?,
                        new_tree,
                        new_tree.raw_entries(&b.id, &path)?,
                        &path,
                        changes,
                    )?,
                    (false, false) => changes.push(Change {
                        path,
                        kind: ChangeKind::Modified,
                    }),
                    _ => {
                        all(old_tree, &a, &path, ChangeKind::Removed, changes)?;
                        all(new_tree, &b, &path, ChangeKind::Added, changes)?;
                    }
                }
            }
            (Some(a), None) => {
                let path = join(dir, &a.name);
                all(old_tree, &a, &path, ChangeKind::Removed, changes)?;
            }
            (None, Some(b)) => {
                let path = join(dir, &b.name);
                all(new_tree, &b, &path, ChangeKind::Added, changes)?;
            }
            (None, None) => return Ok(()),
        }
    }
}

fn all(
    tree: &GitTree,
    entry: &RawEntry,
    path: &str,
    kind: ChangeKind,
    changes: &mut Vec<Change>,
) -> Result<(), TreeError> {
    if entry.mode != Mode::Directory {
        changes.push(Change {
            path: path.to_owned(),
            kind,
        });
        return Ok(());
    }
    for child in tree.raw_entries(&entry.id, path)? {
        all(tree, &child, &join(path, &child.name), kind, changes)?;
    }
    Ok(())
}
