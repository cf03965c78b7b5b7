//! Commits in a repository of this machine.

use gitops_core::{error::BoxError, source::Revision};
use gix::{ObjectId, refs::transaction::PreviousValue};

use super::{Attempt, CommitOptions, Committed, NewCommit, Proposal, build, proposal_failed};
use crate::{blocking, error::GitError, source::GitSource, store::LocalRepository, tree::GitTree};

impl GitSource {
    pub(crate) async fn commit_local(
        &self,
        repository: &LocalRepository,
        reference: &str,
        options: &CommitOptions,
        propose: &impl Fn(&GitTree) -> Result<Proposal, BoxError>,
    ) -> Result<Attempt, GitError> {
        let references = self.references(None).await?;
        let tip = references
            .named(reference)
            .map(super::super::remote::Reference::target);
        let base = match (tip, &options.from) {
            (Some(tip), _) => Some(tip),
            (None, Some(from)) => {
                let name = format!("refs/heads/{from}");
                Some(
                    references
                        .named(&name)
                        .ok_or_else(|| self.unknown(&name))?
                        .target(),
                )
            }
            (None, None) if references.is_empty() => None,
            (None, None) => return Err(self.unknown(reference)),
        };
        let tree = self.tree_or_empty(base).await?;
        let proposal = propose(&tree).map_err(proposal_failed)?;
        let Some(commit) = build(&tree, base, &proposal, options)? else {
            return Ok(Attempt::Done(Committed::Unchanged(revision(
                &tree.commit(),
                reference,
            ))));
        };
        let id = commit.id;
        let written = {
            let repository = repository.clone();
            let reference = reference.to_owned();
            blocking(&self.url().to_string(), move || {
                write(&repository, &reference, tip, commit)
            })
            .await?
        };
        Ok(if written {
            Attempt::Done(Committed::Pushed(revision(&id.to_string(), reference)))
        } else {
            Attempt::Moved
        })
    }
}

pub(super) fn revision(id: &str, reference: &str) -> Revision {
    Revision {
        id: id.to_owned(),
        reference: Some(reference.to_owned()),
    }
}

/// Writes the objects, then moves the reference if it is still at `tip`.
fn write(
    repository: &LocalRepository,
    reference: &str,
    tip: Option<ObjectId>,
    commit: NewCommit,
) -> Result<bool, GitError> {
    let opened = repository.repository()?;
    let rejected = |reason: String| GitError::PushRejected {
        url: repository.url().to_owned(),
        reference: reference.to_owned(),
        reason,
    };
    let checked_out = !opened.is_bare()
        && opened
            .head_name()
            .ok()
            .flatten()
            .is_some_and(|head| head.as_bstr() == reference);
    if checked_out {
        return Err(rejected(
            "the branch is checked out there; its files would no longer match it".to_owned(),
        ));
    }
    for object in &commit.objects {
        gix::objs::Write::write_buf(&opened.objects, object.kind, &object.data)
            .map_err(|error| rejected(crate::error::chain(&error)))?;
    }
    let expected = match tip {
        Some(tip) => PreviousValue::MustExistAndMatch(tip.into()),
        None => PreviousValue::MustNotExist,
    };
    // Reference logs name a committer; this is the one place that needs one of the repository's own.
    let moved = opened.edit_reference(gix::refs::transaction::RefEdit {
        change: gix::refs::transaction::Change::Update {
            log: gix::refs::transaction::LogChange {
                mode: gix::refs::transaction::RefLog::AndReference,
                force_create_reflog: false,
                message: "commit".into(),
            },
            expected,
            new: gix::refs::Target::Object(commit.id),
        },
        name: reference
            .try_into()
            .map_err(|error: gix::validate::reference::name::Error| rejected(error.to_string()))?,
        deref: false,
    });
    match moved {
        Ok(_) => Ok(true),
        Err(error) => {
            let now = opened
                .try_find_reference(reference)
                .ok()
                .flatten()
                .and_then(|mut found| found.peel_to_id().ok().map(gix::Id::detach));
            if now == tip {
                Err(rejected(crate::error::chain(&error)))
            } else {
                Ok(false)
            }
        }
    }
}
