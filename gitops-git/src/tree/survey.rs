//! How much there is below a directory, counted without going through it path by path: a few objects
//! that name each other many times, or links that lead to each other, unfold to more files than any walk could end with.

use std::collections::HashMap;

use gitops_core::source::TreeError;
use gix::{ObjectId, objs::TreeRefIter};

use super::{ENTRY_SIZE, Found, GitTree, Kind, Mode, Mount, Shared, join, lock, walk};

/// More directories than this are not remembered from one survey to the next.
const REMEMBERED: usize = 200_000;
/// Ways into directories with links that are counted, at most.
const WAYS: usize = 200_000;
/// Directories and links inside each other that are counted, at most; each takes room on the stack.
const NESTED: usize = 256;

/// What is below a directory, whatever paths lead there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Survey {
    /// Files and directories, links not followed.
    pub(super) entries: u64,
    /// Whether there is a symlink among them.
    pub(super) linked: bool,
}

/// Surveys by the ids of directories; they hold for every revision.
pub(crate) type Surveys = std::sync::Mutex<HashMap<ObjectId, Survey>>;

/// What was counted with links followed, by place and by how many links may still be followed.
pub(super) type Weights = std::sync::Mutex<HashMap<(String, usize), u64>>;

/// A directory under way: what it holds, and the directories in it that are still to be looked at.
struct Pending {
    id: ObjectId,
    survey: Survey,
    children: Vec<ObjectId>,
}

impl Shared {
    /// Surveys a directory. What cannot be read counts as empty, and as holding links, so that whoever comes there
    /// sees the error.
    pub(super) fn survey(&self, id: &ObjectId) -> Survey {
        let known = |id: &ObjectId| lock(&self.surveys).get(id).copied();
        if let Some(known) = known(id) {
            return known;
        }
        // Not in the middle of a survey: what is forgotten there might have to be counted again without end.
        {
            let mut surveys = lock(&self.surveys);
            if surveys.len() >= REMEMBERED {
                surveys.clear();
            }
        }
        // No recursion: trees may be deeper than the stack.
        let mut path = vec![self.pending(*id)];
        loop {
            let Some(last) = path.last_mut() else {
                return Survey::default();
            };
            if let Some(child) = last.children.pop() {
                match known(&child) {
                    Some(below) => last.survey.add(below),
                    None => path.push(self.pending(child)),
                }
                continue;
            }
            let (id, done) = (last.id, last.survey);
            path.pop();
            lock(&self.surveys).insert(id, done);
            match path.last_mut() {
                Some(parent) => parent.survey.add(done),
                None => return done,
            }
        }
    }

    fn pending(&self, id: ObjectId) -> Pending {
        let mut pending = Pending {
            id,
            survey: Survey::default(),
            children: Vec::new(),
        };
        if id.is_empty_tree() {
            return pending;
        }
        let small = self.limits.directory_entries as u64 * ENTRY_SIZE;
        let readable =
            matches!(self.header(&id, ""), Ok(Some((Kind::Tree, size))) if size <= small);
        let data = if readable {
            self.object(&id, "").ok()
        } else {
            None
        };
        let Some(data) = data else {
            pending.survey.linked = true;
            return pending;
        };
        for entry in TreeRefIter::from_bytes(&data, gix::hash::Kind::Sha1) {
            let Ok(entry) = entry else {
                pending.survey.linked = true;
                break;
            };
            pending.survey.entries = pending.survey.entries.saturating_add(1);
            if entry.mode.is_tree() {
                pending.children.push(entry.oid.to_owned());
            }
            pending.survey.linked |= entry.mode.is_link();
        }
        pending
    }
}

impl Survey {
    fn add(&mut self, below: Self) {
        self.entries = self.entries.saturating_add(below.entries);
        self.linked |= below.linked;
    }
}

impl GitTree {
    /// Refuses a directory below which a walk would meet more than the limit allows.
    pub(super) fn check_extent(
        &self,
        here: &Shared,
        id: &ObjectId,
        place: &str,
    ) -> Result<(), TreeError> {
        let allowed = self.shared.limits.tree_entries;
        let survey = here.survey(id);
        let mut entries = survey.entries;
        if entries <= allowed && (survey.linked || self.has_mounts_below(place)) {
            entries = Weigher {
                tree: self,
                weights: &mut lock(&self.weights),
                allowed,
                nested: 0,
            }
            .directory(here, id, place, self.shared.limits.symlinks);
        }
        if entries > allowed {
            return Err(TreeError::LimitExceeded {
                path: place.to_owned(),
                limit: "entries of a tree",
                allowed,
            });
        }
        Ok(())
    }
}

/// Counts what a walk meets that follows links.
struct Weigher<'a> {
    tree: &'a GitTree,
    weights: &'a mut HashMap<(String, usize), u64>,
    allowed: u64,
    nested: usize,
}

impl Weigher<'_> {
    fn directory(&mut self, here: &Shared, id: &ObjectId, place: &str, links: usize) -> u64 {
        let survey = here.survey(id);
        if survey.entries > self.allowed {
            return survey.entries;
        }
        if !survey.linked && !self.tree.has_mounts_below(place) {
            return survey.entries;
        }
        let way = (place.to_owned(), links);
        if let Some(known) = self.weights.get(&way) {
            return *known;
        }
        if self.weights.len() >= WAYS || self.nested >= NESTED {
            return u64::MAX;
        }
        self.nested += 1;
        let mut sum = 0_u64;
        // One that cannot be read tells so when it is listed.
        if let Ok(directory) = here.directory(id, place) {
            for entry in &directory.entries {
                let path = join(place, &entry.name);
                let below = match entry.mode {
                    Mode::File => 0,
                    Mode::Directory => self.directory(here, &entry.id, &path, links),
                    Mode::Submodule => match self.tree.mount(&path) {
                        Some(Mount::Tree(mounted)) => {
                            self.directory(&mounted.shared, &mounted.root, &path, links)
                        }
                        Some(Mount::Unavailable(_)) | None => 0,
                    },
                    Mode::Symlink if links == 0 => 0,
                    Mode::Symlink => match walk::find(self.tree, &path) {
                        Ok(Found::Directory { tree, id, path }) => {
                            self.directory(tree, &id, &path, links - 1)
                        }
                        _ => 0,
                    },
                };
                sum = sum.saturating_add(1).saturating_add(below);
                if sum > self.allowed {
                    break;
                }
            }
        }
        self.nested -= 1;
        self.weights.insert(way, sum);
        sum
    }
}
