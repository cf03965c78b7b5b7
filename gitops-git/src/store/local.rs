//! A repository on this machine, read in place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gix::ObjectId;

use crate::{
    error::GitError,
    options::Limits,
    remote::{Reference, References},
    store::Objects,
};

/// A repository on this machine, bare or not. Opened anew for each look, so that what others write is seen.
#[derive(Debug, Clone)]
pub(crate) struct LocalRepository {
    path: PathBuf,
    url: String,
}

impl LocalRepository {
    /// Checks that there is a repository.
    pub(crate) fn open(path: &Path, url: &str) -> Result<Self, GitError> {
        let this = Self {
            path: path.to_owned(),
            url: url.to_owned(),
        };
        this.repository()?;
        Ok(this)
    }

    /// The references, in Git's order: HEAD, then by name.
    pub(crate) fn references(&self, limits: &Limits) -> Result<References, GitError> {
        let repository = self.repository()?;
        let corrupt = |error: &dyn std::fmt::Display| GitError::Corrupt {
            url: self.url.clone(),
            reason: error.to_string(),
        };
        let mut list = Vec::new();
        let head = repository.head().map_err(|error| corrupt(&error))?;
        let head_target = head.referent_name().map(|name| name.as_bstr().to_string());
        if let Some(id) = head.id() {
            list.push(Reference {
                name: "HEAD".to_owned(),
                object: id.detach(),
                peeled: None,
                symbolic: head_target,
            });
        }
        let platform = repository.references().map_err(|error| corrupt(&error))?;
        for reference in platform.all().map_err(|error| corrupt(&error))? {
            if list.len() >= limits.references {
                return Err(GitError::LimitExceeded {
                    url: self.url.clone(),
                    limit: "references",
                    allowed: limits.references as u64,
                });
            }
            // A reference that cannot be read does not make the others unreadable.
            let Ok(mut reference) = reference else {
                continue;
            };
            let name = reference.name().as_bstr().to_string();
            let own = reference.target().try_id().map(ToOwned::to_owned);
            let Ok(peeled) = reference.peel_to_id() else {
                continue;
            };
            let target = peeled.detach();
            let object = own.unwrap_or(target);
            list.push(Reference {
                name,
                object,
                peeled: (object != target).then_some(target),
                symbolic: None,
            });
        }
        Ok(References::new(list))
    }

    /// The object database.
    pub(crate) fn objects(&self) -> Result<Arc<Objects>, GitError> {
        let repository = self.repository()?;
        Ok(Arc::new(Objects::of(repository.objects.store(), &self.url)))
    }

    /// URL of the repository, for messages.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Opens the repository with nothing but its own configuration.
    pub(crate) fn repository(&self) -> Result<gix::Repository, GitError> {
        if !self.path.exists() {
            return Err(GitError::UnknownRepository {
                url: self.url.clone(),
            });
        }
        let options = gix::open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .strict_config(false)
            .lossy_config(true);
        let repository =
            gix::open_opts(&self.path, options).map_err(|error| GitError::NotARepository {
                path: self.path.display().to_string(),
                reason: crate::error::chain(&error),
            })?;
        if repository.object_hash() != gix::hash::Kind::Sha1 {
            return Err(GitError::Unsupported {
                url: self.url.clone(),
                reason: "it uses SHA-256 object names; only SHA-1 repositories are read".to_owned(),
            });
        }
        Ok(repository)
    }

    /// A full id if the abbreviation fits exactly one commit.
    pub(crate) fn expand(&self, prefix: &str) -> Result<Option<ObjectId>, GitError> {
        let commits = self.objects()?.commits_with_prefix(prefix)?;
        match commits.as_slice() {
            [] => Ok(None),
            [commit] => Ok(Some(*commit)),
            _ => Err(GitError::AmbiguousRevision {
                url: self.url.clone(),
                revision: prefix.to_owned(),
            }),
        }
    }
}
