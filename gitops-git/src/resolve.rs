//! From what a user writes to a commit: pure rules over a list of references.

use gitops_core::source::Revision;
use gix::ObjectId;

use crate::remote::{Reference, References};

/// Shorter than this, hex digits are no abbreviated commit (Argo CD's rule).
const ABBREVIATION: usize = 7;

/// What a revision means as far as references tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A commit, found.
    Found(Revision),
    /// The first digits of a commit that no reference names.
    Abbreviated(String),
    /// Nothing.
    Unknown,
}

/// A full commit id, which means itself without a look at the repository.
pub(crate) fn full_commit(spec: &str) -> Option<ObjectId> {
    (spec.len() == 40)
        .then(|| ObjectId::from_hex(spec.as_bytes()).ok())
        .flatten()
}

/// Argo CD's rules for `targetRevision`: HEAD when empty, a full commit as it is, then a version
/// range over tags, a full or short name (branch before tag), an abbreviated commit.
pub(crate) fn meaning(spec: &str, references: &References) -> Meaning {
    if let Some(commit) = full_commit(spec) {
        return Meaning::Found(Revision::new(commit.to_string()));
    }
    let name = if spec.is_empty() { "HEAD" } else { spec };
    if let Some(reference) = references.named(name).or_else(|| references.short(name)) {
        return Meaning::Found(revision(reference));
    }
    if name.len() >= ABBREVIATION
        && name.len() < 40
        && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return Meaning::Abbreviated(name.to_ascii_lowercase());
    }
    Meaning::Unknown
}

/// The commit that a reference names now.
pub(crate) fn revision(reference: &Reference) -> Revision {
    Revision {
        id: reference.target().to_string(),
        reference: Some(
            reference
                .symbolic
                .clone()
                .unwrap_or_else(|| reference.name.clone()),
        ),
    }
}
