//! Which files differ between two revisions, found by comparing trees: equal directories are
//! skipped by their ids, so that the cost follows the size of the change and not of the repository.

use std::cmp::Ordering;

use gitops_core::source::TreeError;
use gix::ObjectId;

use crate::tree::{GitTree, Mode, Mount, RawEntry, join};

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
    /// removed and one added; a submodule that both trees were opened with is looked into.
    pub fn changes_since(&self, older: &Self) -> Result<Vec<Change>, TreeError> {
        let mut changes = Vec::new();
        let mut comparison = Comparison {
            old: older,
            new: self,
            changes: &mut changes,
            left: self.limits().tree_entries,
        };
        comparison.directories(&Place::root(older), &Place::root(self), "")?;
        changes.sort();
        Ok(changes)
    }
}

/// A directory: in which repository's objects it is, and its id there.
#[derive(Clone)]
struct Place {
    objects: GitTree,
    id: ObjectId,
}

impl Place {
    fn root(tree: &GitTree) -> Self {
        Self {
            objects: tree.clone(),
            id: tree.root(),
        }
    }
}

struct Comparison<'a> {
    old: &'a GitTree,
    new: &'a GitTree,
    changes: &'a mut Vec<Change>,
    /// Entries that may still be looked at.
    left: u64,
}

impl Comparison<'_> {
    fn directories(&mut self, old: &Place, new: &Place, dir: &str) -> Result<(), TreeError> {
        if old.id == new.id {
            return Ok(());
        }
        let left = self.entries(old, dir)?;
        let right = self.entries(new, dir)?;
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
            };
            let a = order.is_le().then(|| left.next()).flatten();
            let b = order.is_ge().then(|| right.next()).flatten();
            if let (Some(a), Some(b)) = (&a, &b)
                && a.id == b.id
                && a.mode == b.mode
            {
                continue;
            }
            let Some(name) = a.as_ref().or(b.as_ref()).map(|entry| &entry.name) else {
                return Ok(());
            };
            let path = join(dir, name);
            let inside_a = a
                .as_ref()
                .and_then(|entry| inside(self.old, old, entry, &path));
            let inside_b = b
                .as_ref()
                .and_then(|entry| inside(self.new, new, entry, &path));
            match (a.is_some(), b.is_some(), inside_a, inside_b) {
                (_, _, Some(a), Some(b)) => self.directories(&a, &b, &path)?,
                (true, true, None, None) => self.changes.push(Change {
                    path,
                    kind: ChangeKind::Modified,
                }),
                (has_a, has_b, inside_a, inside_b) => {
                    if has_a {
                        self.all(self.old, inside_a, &path, ChangeKind::Removed)?;
                    }
                    if has_b {
                        self.all(self.new, inside_b, &path, ChangeKind::Added)?;
                    }
                }
            }
        }
    }

    fn entries(&mut self, place: &Place, path: &str) -> Result<Vec<RawEntry>, TreeError> {
        let entries = place.objects.raw_entries(&place.id, path)?;
        self.left = self.left.checked_sub(entries.len() as u64).ok_or_else(|| {
            TreeError::LimitExceeded {
                path: path.to_owned(),
                limit: "entries of a tree",
                allowed: self.new.limits().tree_entries,
            }
        })?;
        Ok(entries)
    }

    /// Everything at a path that only one tree has.
    fn all(
        &mut self,
        tree: &GitTree,
        inside_it: Option<Place>,
        path: &str,
        kind: ChangeKind,
    ) -> Result<(), TreeError> {
        let Some(place) = inside_it else {
            self.changes.push(Change {
                path: path.to_owned(),
                kind,
            });
            return Ok(());
        };
        for child in self.entries(&place, path)? {
            let below = join(path, &child.name);
            let next = inside(tree, &place, &child, &below);
            self.all(tree, next, &below, kind)?;
        }
        Ok(())
    }
}

/// What is inside a directory or a submodule that is there; `None` for everything else.
fn inside(tree: &GitTree, place: &Place, entry: &RawEntry, path: &str) -> Option<Place> {
    match entry.mode {
        Mode::Directory => Some(Place {
            objects: place.objects.clone(),
            id: entry.id,
        }),
        Mode::Submodule => match tree.mount(path) {
            Some(Mount::Tree(mounted)) => Some(Place::root(mounted)),
            Some(Mount::Unavailable(_)) | None => None,
        },
        Mode::File | Mode::Symlink => None,
    }
}
