//! Push events of Git hosts: from the headers and body of a request to what was pushed where, after the
//! sender has proved that it knows the secret. Pure functions; serving HTTP is the caller's.
//!
//! ```
//! use gitops_git::{credentials::Secret, webhook::{Delivery, WebhookSecrets, receive}};
//!
//! let headers = [("X-GitHub-Event", "ping"), ("X-Hub-Signature-256", "sha256=bad")];
//! let secrets = WebhookSecrets { github: Some(Secret::from("s3cret")), ..WebhookSecrets::default() };
//! assert!(receive(&headers[..], b"{}", &secrets).is_err());
//!
//! let open = WebhookSecrets::default().allow_unsigned();
//! assert_eq!(receive(&headers[..], b"{}", &open).unwrap(), Delivery::Ping);
//! ```

mod events;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use gitops_core::{Classified, ErrorClass};

use crate::credentials::Secret;

/// One reference of one repository moved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Push {
    /// The repository's URLs (https, ssh, web page), as the host writes them.
    pub urls: Vec<String>,
    /// The full name of the reference.
    pub reference: String,
    /// The commit (or tag object) it names now; `None` where it was deleted.
    pub commit: Option<String>,
    /// The commit it named before; `None` where it is new.
    pub before: Option<String>,
    /// The files that the commits in the event touch; `None` where the host does not tell (or not all).
    pub files: Option<Vec<String>>,
}

/// What a request was about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// References moved.
    Pushed(Vec<Push>),
    /// The host tries out whether anybody listens.
    Ping,
    /// Some other event, which concerns nobody here.
    Ignored {
        /// Its name.
        event: String,
    },
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// No host that is known sends such headers.
    #[error("the request has no event header of GitHub, GitLab, Gitea, Forgejo or Bitbucket")]
    UnknownHost,
    /// No secret is configured for this host.
    #[error(
        "no webhook secret is configured for {host}; configure one, or allow unsigned deliveries"
    )]
    NoSecret {
        /// The host.
        host: &'static str,
    },
    /// The proof is missing.
    #[error("the delivery of {host} is not signed; set the secret there as well")]
    Unsigned {
        /// The host.
        host: &'static str,
    },
    /// The proof is wrong.
    #[error("the delivery of {host} is signed with another secret")]
    WrongSignature {
        /// The host.
        host: &'static str,
    },
    /// The body is not what the host documents.
    #[error("the delivery of {host} cannot be read: {reason}")]
    Malformed {
        /// The host.
        host: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl Classified for WebhookError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::UnknownHost | Self::Malformed { .. } => ErrorClass::Invalid,
            Self::NoSecret { .. } => ErrorClass::Forbidden,
            Self::Unsigned { .. } | Self::WrongSignature { .. } => ErrorClass::Unauthenticated,
        }
    }
}

/// The secrets shared with the hosts. A host without one is refused unless unsigned deliveries are allowed.
#[derive(Debug, Clone, Default)]
pub struct WebhookSecrets {
    /// GitHub's.
    pub github: Option<Secret>,
    /// GitLab's token.
    pub gitlab: Option<Secret>,
    /// Gitea's or Forgejo's.
    pub gitea: Option<Secret>,
    /// Bitbucket's, Cloud or Server.
    pub bitbucket: Option<Secret>,
    /// Whether deliveries of hosts without a secret are taken, see [`WebhookSecrets::allow_unsigned`].
    pub unsigned: bool,
}

impl WebhookSecrets {
    /// Takes deliveries of hosts for which no secret is configured. Whoever reaches the address can then
    /// make the engine look at its repositories; nothing more.
    #[must_use]
    pub fn allow_unsigned(mut self) -> Self {
        self.unsigned = true;
        self
    }
}

/// The headers of a request. Names are given in any case.
pub trait Headers {
    /// The first value of a header.
    fn header(&self, name: &str) -> Option<&str>;
}

impl<N: AsRef<str>, V: AsRef<str>> Headers for [(N, V)] {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| known.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

/// Authenticates and reads a delivery of whichever host sent it.
pub fn receive(
    headers: &(impl Headers + ?Sized),
    body: &[u8],
    secrets: &WebhookSecrets,
) -> Result<Delivery, WebhookError> {
    // Gitea, Forgejo and Gogs send GitHub's headers too, so theirs are looked at first.
    let first = |names: [&str; 3]| names.iter().find_map(|name| headers.header(name));
    if let Some(event) = first(["X-Forgejo-Event", "X-Gitea-Event", "X-Gogs-Event"]) {
        let signature = first([
            "X-Forgejo-Signature",
            "X-Gitea-Signature",
            "X-Gogs-Signature",
        ]);
        signed("Gitea", secrets.gitea.as_ref(), secrets, signature, body)?;
        return events::github_like("Gitea", event, &events::json_of(headers, body));
    }
    if let Some(event) = headers.header("X-GitHub-Event") {
        let signature = headers
            .header("X-Hub-Signature-256")
            .map(|text| text.strip_prefix("sha256=").unwrap_or(""));
        signed("GitHub", secrets.github.as_ref(), secrets, signature, body)?;
        return events::github_like("GitHub", event, &events::json_of(headers, body));
    }
    if let Some(event) = headers.header("X-Gitlab-Event") {
        token(
            "GitLab",
            secrets.gitlab.as_ref(),
            secrets,
            headers.header("X-Gitlab-Token"),
        )?;
        return events::gitlab(event, body);
    }
    if let Some(event) = headers.header("X-Event-Key") {
        let signature = headers
            .header("X-Hub-Signature")
            .map(|text| text.strip_prefix("sha256=").unwrap_or(""));
        signed(
            "Bitbucket",
            secrets.bitbucket.as_ref(),
            secrets,
            signature,
            body,
        )?;
        return events::bitbucket(event, body);
    }
    Err(WebhookError::UnknownHost)
}

/// Checks an HMAC-SHA-256 of the body, in constant time.
fn signed(
    host: &'static str,
    secret: Option<&Secret>,
    secrets: &WebhookSecrets,
    signature: Option<&str>,
    body: &[u8],
) -> Result<(), WebhookError> {
    let Some(secret) = secret else {
        return if secrets.unsigned {
            Ok(())
        } else {
            Err(WebhookError::NoSecret { host })
        };
    };
    let signature = signature.ok_or(WebhookError::Unsigned { host })?;
    let tag = from_hex(signature.trim()).ok_or(WebhookError::WrongSignature { host })?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    hmac::verify(&key, body, &tag).map_err(|_| WebhookError::WrongSignature { host })
}

/// Compares a token, in constant time.
fn token(
    host: &'static str,
    secret: Option<&Secret>,
    secrets: &WebhookSecrets,
    token: Option<&str>,
) -> Result<(), WebhookError> {
    let Some(secret) = secret else {
        return if secrets.unsigned {
            Ok(())
        } else {
            Err(WebhookError::NoSecret { host })
        };
    };
    let token = token.ok_or(WebhookError::Unsigned { host })?;
    verify_slices_are_equal(secret.expose().as_bytes(), token.as_bytes())
        .map_err(|_| WebhookError::WrongSignature { host })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests;
