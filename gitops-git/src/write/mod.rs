//! Commits made in-process and pushed: [`GitSource::commit`] applies edits to the newest commit of a
//! branch and hands the new one to the server, which takes it only if the branch is still where it was.
//!
//! In: a closure from the files of the branch to a [`Proposal`]. Out: the new revision. Where somebody
//! else was faster, the closure runs again on their commit; nobody's work is ever overwritten.

mod build;
mod local;
pub(crate) mod pack;
mod push;

use std::sync::Arc;

use bytes::Bytes;
use gitops_core::{clock::Timestamp, error::BoxError, source::Revision};

pub(crate) use build::{NewCommit, build};

use crate::{
    error::GitError,
    source::{GitSource, Place},
    tree::GitTree,
};

/// Who writes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
}

impl Identity {
    /// A name with an address.
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            email: email.into(),
        }
    }
}

/// Signs commits.
pub trait Signer: Send + Sync {
    /// The armoured signature (OpenPGP or SSH) of the bytes of a commit.
    fn sign(&self, commit: &[u8]) -> Result<String, BoxError>;
}

/// How commits are made and pushed.
#[derive(Clone)]
#[non_exhaustive]
pub struct CommitOptions {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Where the branch begins if it does not exist: a branch, without `refs/heads/`. `None`: it must exist,
    /// unless the repository is empty.
    pub from: Option<String>,
    /// Who wrote it.
    pub author: Identity,
    /// Who commits it; the author when `None`.
    pub committer: Option<Identity>,
    /// When.
    pub at: Timestamp,
    /// Signs the commit.
    pub signer: Option<Arc<dyn Signer>>,
    /// How often to begin again when the branch moved. Default: 5.
    pub attempts: u32,
}

impl CommitOptions {
    /// Commits on `branch` as `author`.
    pub fn new(branch: impl Into<String>, author: Identity, at: Timestamp) -> Self {
        Self {
            branch: branch.into(),
            from: None,
            author,
            committer: None,
            at,
            signer: None,
            attempts: 5,
        }
    }

    /// Creates the branch from this one if it does not exist.
    #[must_use]
    pub fn from_branch(mut self, from: impl Into<String>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Signs the commit.
    #[must_use]
    pub fn signed_by(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    fn reference(&self) -> Result<String, GitError> {
        let name = format!("refs/heads/{}", self.branch);
        gix::validate::reference::name(name.as_str().into())
            .map_err(|error| GitError::InvalidOption {
                what: "branch name",
                reason: error.to_string(),
            })
            .map(|_| name.clone())
    }
}

/// What is to be committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The message.
    pub message: String,
    /// The edits; later ones count over earlier ones.
    pub edits: Vec<Edit>,
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edit {
    /// Writes a file. One that exists stays executable or not; a new one is not.
    Write {
        /// Its path.
        path: String,
        /// Its content.
        content: Bytes,
    },
    /// Removes a file or directory; nothing happens where there is none.
    Remove {
        /// Its path.
        path: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Committed {
    /// The edits change nothing; the branch is where it was, at this revision.
    Unchanged(Revision),
    /// The branch is at this new revision.
    Pushed(Revision),
}

impl GitSource {
    /// Commits edits on a branch and pushes them.
    ///
    /// `propose` sees the files of the branch's newest commit. It runs again if the branch moved
    /// meanwhile, at most [`CommitOptions::attempts`] times; then the error is [`GitError::LostRace`].
    pub async fn commit(
        &self,
        options: &CommitOptions,
        propose: impl Fn(&GitTree) -> Result<Proposal, BoxError>,
    ) -> Result<Committed, GitError> {
        let reference = options.reference()?;
        for _ in 0..options.attempts.max(1) {
            let attempt = match self.place() {
                Place::Local(repository) => {
                    self.commit_local(repository, &reference, options, &propose)
                        .await?
                }
                Place::Remote(repository) => {
                    self.commit_remote(repository, &reference, options, &propose)
                        .await?
                }
            };
            if let Attempt::Done(committed) = attempt {
                return Ok(committed);
            }
        }
        Err(GitError::LostRace {
            url: self.url().to_string(),
            branch: options.branch.clone(),
            attempts: options.attempts.max(1),
        })
    }
}

/// How one attempt ended.
pub(crate) enum Attempt {
    Done(Committed),
    /// The branch moved.
    Moved,
}

pub(crate) fn proposal_failed(error: BoxError) -> GitError {
    GitError::InvalidOption {
        what: "edit",
        reason: error.to_string(),
    }
}
