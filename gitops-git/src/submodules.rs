//! Submodules: what `.gitmodules` says, and the trees of the commits that a tree pins.
//!
//! A submodule's repository is opened as any other is: through the URL map, with the store, limits and
//! timeouts of the provider. Its credentials are those known for its own URL; where there are none and it lies on the
//! host of the repository that names it, that one's are used, as Flux and Git do. Other hosts never see them.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use gitops_core::source::{Revision, TreeError, clean_path};

use crate::{
    blocking,
    error::GitError,
    source::GitSource,
    tree::{GitTree, Mode, Mount, Mounts, join},
};

/// The file that names them.
const FILE: &str = ".gitmodules";
/// Submodules opened at the same time.
const PARALLEL: usize = 4;

/// Whether the trees of a provider hold the files of their submodules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Submodules {
    /// They are empty directories, as in Flux without `recurseSubmodules`.
    Ignored,
    /// They are fetched, and theirs, as in Argo CD.
    #[default]
    Followed,
}

/// A submodule that a tree names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Submodule {
    /// Where it is mounted.
    pub path: String,
    /// Its URL as `.gitmodules` writes it, possibly relative to the repository's; `None` where that file gives none.
    pub url: Option<String>,
    /// The commit it is pinned to; `None` where the tree holds nothing at its path.
    pub commit: Option<String>,
    /// Whether `.gitmodules` asks to leave it alone (`update = none`).
    pub ignored: bool,
}

impl GitTree {
    /// The submodules that `.gitmodules` names, in order of their paths.
    pub fn submodules(&self) -> Result<Vec<Submodule>, TreeError> {
        let corrupt = |reason: String| TreeError::Corrupt {
            path: FILE.to_owned(),
            reason,
        };
        let text = match self.raw_entry(FILE)? {
            None => return Ok(Vec::new()),
            Some(entry) if entry.mode == Mode::File => self.raw_blob(&entry.id, FILE)?,
            // Git looks at no other kind of entry either: a link could lead anywhere.
            Some(_) => return Err(corrupt("it is not a file".to_owned())),
        };
        let config = gix::config::File::try_from(
            std::str::from_utf8(&text).map_err(|error| corrupt(error.to_string()))?,
        )
        .map_err(|error| corrupt(error.to_string()))?;
        // A name may have several sections; what is said last counts.
        let mut named: BTreeMap<String, [Option<String>; 3]> = BTreeMap::new();
        for section in config.sections_by_name("submodule").into_iter().flatten() {
            let Some(name) = section.header().subsection_name() else {
                continue;
            };
            let values = named.entry(name.to_string()).or_default();
            for (value, key) in values.iter_mut().zip(["path", "url", "update"]) {
                if let Some(found) = section.value(key) {
                    *value = Some(found.to_string());
                }
            }
        }
        let mut submodules = BTreeMap::new();
        for [path, url, update] in named.into_values() {
            let Some(path) = path
                .and_then(|path| clean_path(&path).ok())
                .filter(|path| !path.is_empty())
            else {
                continue;
            };
            let entry = self.raw_entry(&path)?;
            submodules.entry(path.clone()).or_insert(Submodule {
                path,
                url,
                commit: entry
                    .filter(|entry| entry.mode == Mode::Submodule)
                    .map(|entry| entry.id.to_string()),
                ignored: update.is_some_and(|update| update == "none"),
            });
        }
        Ok(submodules.into_values().collect())
    }
}

/// A repository whose tree is there and whose submodules are not.
struct Parent {
    source: GitSource,
    tree: GitTree,
    /// Where it is mounted.
    path: String,
}

/// A submodule to open.
struct Wanted {
    parent: GitSource,
    path: String,
    url: Option<String>,
    commit: String,
}

impl GitSource {
    /// The files of a commit and of its submodules, of theirs too ([`Limits`](crate::Limits) says how deep and how many).
    ///
    /// A submodule that cannot be opened does not keep others from being read: whoever reads
    /// something in it gets the error.
    pub async fn tree_with_submodules(&self, revision: &Revision) -> Result<GitTree, GitError> {
        let tree = self.tree(revision).await?;
        let limits = self.limits();
        let mut mounts = Mounts::new();
        let mut parents = vec![Parent {
            source: self.clone(),
            tree: tree.clone(),
            path: String::new(),
        }];
        for depth in 0.. {
            let mut wanted = Vec::new();
            for parent in std::mem::take(&mut parents) {
                match parent.wanted().await {
                    Ok(more) => wanted.extend(more),
                    Err(error) if parent.path.is_empty() => return Err(error),
                    Err(error) => {
                        mounts.insert(parent.path, Mount::Unavailable(error));
                    }
                }
            }
            if wanted.is_empty() {
                break;
            }
            let beyond = |limit, allowed: usize| GitError::LimitExceeded {
                url: self.url().to_string(),
                limit,
                allowed: allowed as u64,
            };
            let room = limits.submodules.saturating_sub(mounts.len());
            for (at, one) in wanted.iter().enumerate() {
                let error = if depth >= limits.submodule_depth {
                    beyond("submodules inside each other", limits.submodule_depth)
                } else if at >= room {
                    beyond("submodules", limits.submodules)
                } else {
                    continue;
                };
                mounts.insert(one.path.clone(), Mount::Unavailable(error));
            }
            if depth >= limits.submodule_depth {
                break;
            }
            wanted.truncate(room);
            let opened: Vec<(String, Result<Parent, GitError>)> = stream::iter(wanted)
                .map(|one| async move { (one.path.clone(), one.open().await) })
                .buffer_unordered(PARALLEL)
                .collect()
                .await;
            for (path, result) in opened {
                let mount = match result {
                    Ok(parent) => {
                        let mount = Mount::Tree(parent.tree.clone());
                        parents.push(parent);
                        mount
                    }
                    Err(error) => Mount::Unavailable(error),
                };
                mounts.insert(path, mount);
            }
        }
        Ok(if mounts.is_empty() {
            tree
        } else {
            tree.with_mounts(mounts)
        })
    }
}

impl Parent {
    async fn wanted(&self) -> Result<Vec<Wanted>, GitError> {
        let shown = self.source.url().to_string();
        let tree = self.tree.clone();
        let named = blocking(&shown, move || Ok(tree.submodules())).await?;
        let named = named.map_err(|error| GitError::Corrupt {
            url: shown,
            reason: error.to_string(),
        })?;
        Ok(named
            .into_iter()
            .filter(|one| !one.ignored)
            .filter_map(|one| {
                Some(Wanted {
                    parent: self.source.clone(),
                    path: join(&self.path, &one.path),
                    url: one.url,
                    commit: one.commit?,
                })
            })
            .collect())
    }
}

impl Wanted {
    async fn open(self) -> Result<Parent, GitError> {
        let url = self.url.ok_or_else(|| GitError::InvalidUrl {
            url: self.path.clone(),
            reason: "`.gitmodules` gives no URL for this submodule".to_owned(),
        })?;
        let source = self.parent.open_submodule(&url).await?;
        let tree = source.tree(&Revision::new(self.commit)).await?;
        Ok(Parent {
            source,
            tree,
            path: self.path,
        })
    }
}
