//! From a path to what is there: symlinks are followed while they stay inside the tree, submodules are entered.

use gitops_core::source::{TreeError, clean_path};

use super::{Found, GitTree, Mode, Mount, Shared, join};

/// Where a clean path leads.
pub(super) fn find<'a>(tree: &'a GitTree, path: &str) -> Result<Found<'a>, TreeError> {
    Walk {
        tree,
        asked: path,
        links: 0,
        entered: vec![String::new()],
    }
    .run()
}

/// One lookup.
struct Walk<'a, 'p> {
    tree: &'a GitTree,
    asked: &'p str,
    links: usize,
    /// Physical paths of the directories that this path went through.
    entered: Vec<String>,
}

impl<'a> Walk<'a, '_> {
    fn run(mut self) -> Result<Found<'a>, TreeError> {
        // Components still to walk, the next one last.
        let mut todo: Vec<String> = self
            .asked
            .split('/')
            .rev()
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        // Physical place of the directory reached, in which repository's objects it is.
        let mut place = String::new();
        let mut here: &'a Shared = &self.tree.shared;
        let mut id = self.tree.root;
        let mut last_link: Option<(String, String)> = None;
        let limit = here.limits.symlinks;
        while let Some(name) = todo.pop() {
            let directory = here.directory(&id, &place)?;
            let Some(entry) = directory.get(&name) else {
                return match last_link {
                    Some((link, target)) => {
                        Err(self.symlink(&link, &format!("its target `{target}` does not exist")))
                    }
                    None => Ok(Found::Nothing),
                };
            };
            match entry.mode {
                Mode::Directory => {
                    place = join(&place, &name);
                    id = entry.id;
                    self.entered.push(place.clone());
                }
                Mode::Submodule => {
                    place = join(&place, &name);
                    match self.tree.mount(&place) {
                        Some(Mount::Tree(mounted)) => {
                            here = &mounted.shared;
                            id = mounted.root;
                            self.entered.push(place.clone());
                        }
                        Some(Mount::Unavailable(error)) => return Ok(Found::Unavailable(error)),
                        None if todo.is_empty() => return Ok(Found::Submodule),
                        None => return Ok(Found::Nothing),
                    }
                }
                Mode::File if todo.is_empty() => {
                    return Ok(Found::File {
                        tree: here,
                        id: entry.id,
                    });
                }
                Mode::File => return Ok(Found::Nothing),
                Mode::Symlink => {
                    let link = join(&place, &name);
                    self.links += 1;
                    if self.links > limit {
                        return Err(
                            self.symlink(&link, &format!("more than {limit} symlinks on one path"))
                        );
                    }
                    let target = here.link_target(&entry.id, &link)?;
                    let physical = self.resolve_link(&place, &link, &target)?;
                    // A way through an ancestor is fine; ending there would let a walk go round for ever.
                    if todo.is_empty() && self.entered.contains(&physical) {
                        return Err(self.symlink(
                            &link,
                            &format!("its target `{target}` leads back to where it came from"),
                        ));
                    }
                    for part in physical.split('/').rev().filter(|part| !part.is_empty()) {
                        todo.push(part.to_owned());
                    }
                    last_link = Some((link, target));
                    place = String::new();
                    here = &self.tree.shared;
                    id = self.tree.root;
                }
            }
        }
        Ok(Found::Directory {
            tree: here,
            id,
            path: place,
        })
    }

    /// The place that a link names, without following links on the way there.
    fn resolve_link(&self, place: &str, link: &str, target: &str) -> Result<String, TreeError> {
        if target.starts_with('/') {
            return Err(self.symlink(link, &format!("its target `{target}` is outside the tree")));
        }
        if target.is_empty() {
            return Err(self.symlink(link, "it has no target"));
        }
        clean_path(&join(place, target))
            .map_err(|_| self.symlink(link, &format!("its target `{target}` is outside the tree")))
    }

    fn symlink(&self, link: &str, reason: &str) -> TreeError {
        let reason = if link == self.asked {
            reason.to_owned()
        } else {
            format!("{reason} (through the symlink `{link}`)")
        };
        TreeError::Symlink {
            path: self.asked.to_owned(),
            reason,
        }
    }
}
