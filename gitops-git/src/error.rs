//! What can go wrong with a repository.

use std::{io, sync::Arc, time::Duration};

use gitops_core::{Classified, ErrorClass, source::SourceError};

/// A repository could not be used. URLs in messages never carry credentials.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The revision does not exist.
    #[error("{url} has no revision `{revision}`; name an existing branch, tag or commit")]
    UnknownRevision {
        /// URL of the repository.
        url: String,
        /// The revision asked for.
        revision: String,
    },
    /// An abbreviated commit fits several.
    #[error("`{revision}` fits several commits of {url}; write more digits")]
    AmbiguousRevision {
        /// URL of the repository.
        url: String,
        /// The abbreviation.
        revision: String,
    },
    /// There is no repository.
    #[error("there is no repository at {url}")]
    UnknownRepository {
        /// URL of the repository.
        url: String,
    },
    /// A local directory is not a Git repository.
    #[error("{path} is not a Git repository: {reason}")]
    NotARepository {
        /// The path.
        path: String,
        /// Why.
        reason: String,
    },
    /// The URL cannot be used.
    #[error("cannot use the repository URL {url}: {reason}")]
    InvalidUrl {
        /// The URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// The repository asks for other credentials.
    #[error("{url} refuses the credentials: {reason}")]
    Unauthenticated {
        /// URL of the repository.
        url: String,
        /// Why.
        reason: String,
    },
    /// The credentials do not allow this.
    #[error("{url} forbids this access: {reason}")]
    Forbidden {
        /// URL of the repository.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server asks to slow down.
    #[error("{url} asks to slow down: {reason}")]
    Throttled {
        /// URL of the repository.
        url: String,
        /// Why.
        reason: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The server cannot be reached, or broke off.
    #[error("{url} cannot be reached: {reason}")]
    Unavailable {
        /// URL of the repository.
        url: String,
        /// Why.
        reason: String,
        /// How long the other side asks to wait.
        retry_after: Option<Duration>,
    },
    /// The deadline passed.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// URL of the repository.
        url: String,
        /// The time waited.
        after: Duration,
    },
    /// The server said something that is not Git's protocol.
    #[error("{url} does not speak Git's smart protocol: {reason}")]
    Protocol {
        /// URL of the repository.
        url: String,
        /// What was wrong.
        reason: String,
    },
    /// The server refused the request in its own words.
    #[error("{url} refuses the request: {message}")]
    Refused {
        /// URL of the repository.
        url: String,
        /// The server's words.
        message: String,
    },
    /// Something is larger than allowed.
    #[error("{url} exceeds the limit {limit} of {allowed}")]
    LimitExceeded {
        /// URL of the repository.
        url: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
    },
    /// The revision is refused: its signature is missing or wrong.
    #[error("revision {revision} of {url} is refused: {reason}")]
    Unverified {
        /// URL of the repository.
        url: String,
        /// The revision.
        revision: String,
        /// Why.
        reason: String,
    },
    /// The branch moved and the edit could not be applied again within the attempts allowed.
    #[error("{branch} of {url} moved {attempts} times while the commit was being pushed")]
    LostRace {
        /// URL of the repository.
        url: String,
        /// The branch.
        branch: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The server did not accept a push.
    #[error("{url} rejects the update of {reference}: {reason}")]
    PushRejected {
        /// URL of the repository.
        url: String,
        /// The reference.
        reference: String,
        /// The server's words.
        reason: String,
    },
    /// The repository uses something that is not offered here.
    #[error("{url} cannot be used: {reason}")]
    Unsupported {
        /// URL of the repository.
        url: String,
        /// What is not offered.
        reason: String,
    },
    /// An option or credential given by the caller cannot be used.
    #[error("the {what} cannot be used: {reason}")]
    InvalidOption {
        /// Which.
        what: &'static str,
        /// Why; never the value.
        reason: String,
    },
    /// An object is damaged.
    #[error("the object database of {url} is damaged: {reason}")]
    Corrupt {
        /// URL of the repository.
        url: String,
        /// What was found.
        reason: String,
    },
    /// The local store could not be read or written.
    #[error("cannot use the store {path}: {source}")]
    Store {
        /// The file or directory.
        path: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The blocking work was cut off by the runtime's end.
    #[error("reading {url} was cancelled")]
    Cancelled {
        /// URL of the repository.
        url: String,
    },
}

impl GitError {
    pub(crate) fn store(path: &std::path::Path, source: io::Error) -> Self {
        Self::Store {
            path: path.display().to_string(),
            source: Arc::new(source),
        }
    }
}

impl Classified for GitError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownRevision { .. } | Self::UnknownRepository { .. } => ErrorClass::NotFound,
            Self::AmbiguousRevision { .. }
            | Self::NotARepository { .. }
            | Self::InvalidUrl { .. }
            | Self::InvalidOption { .. }
            | Self::LimitExceeded { .. }
            | Self::Protocol { .. } => ErrorClass::Invalid,
            Self::Unauthenticated { .. } => ErrorClass::Unauthenticated,
            Self::Forbidden { .. }
            | Self::Unverified { .. }
            | Self::Refused { .. }
            | Self::PushRejected { .. } => ErrorClass::Forbidden,
            Self::Throttled { .. } => ErrorClass::Throttled,
            Self::Unavailable { .. } | Self::Store { .. } | Self::Corrupt { .. } => {
                ErrorClass::Unavailable
            }
            Self::Timeout { .. } => ErrorClass::Timeout,
            Self::LostRace { .. } => ErrorClass::Conflict,
            Self::Unsupported { .. } => ErrorClass::Unsupported,
            Self::Cancelled { .. } => ErrorClass::Cancelled,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}

impl From<GitError> for SourceError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::UnknownRevision { url, revision } => Self::UnknownRevision { url, revision },
            GitError::UnknownRepository { url } => Self::UnknownRepository { url },
            GitError::InvalidUrl { url, reason } => Self::InvalidUrl { url, reason },
            GitError::Unauthenticated { url, reason } => Self::Unauthenticated { url, reason },
            GitError::Forbidden { url, reason } => Self::Forbidden { url, reason },
            GitError::Throttled {
                url,
                reason,
                retry_after,
            } => Self::Throttled {
                url,
                reason,
                retry_after,
            },
            GitError::Unavailable {
                url,
                reason,
                retry_after,
            } => Self::Unavailable {
                url,
                reason,
                retry_after,
            },
            GitError::Timeout { url, after } => Self::Timeout { url, after },
            GitError::Cancelled { url } => Self::Cancelled { url },
            GitError::Unverified {
                url,
                revision,
                reason,
            } => Self::Unverified {
                url,
                revision,
                reason,
            },
            other => Self::Other {
                class: other.class(),
                source: Box::new(other),
            },
        }
    }
}

/// An error with its causes, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
