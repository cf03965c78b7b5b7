//! Signatures of commits and tags, checked in-process against keys that the caller trusts: SSH
//! signatures ([`ssh`](https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig)) and OpenPGP
//! signatures (RFC 9580). Only public keys are touched.
//!
//! In: a revision, a [`VerifyMode`] and a [`Keyring`]. Out: who signed, or
//! [`GitError::Unverified`] with the reason. A revision that is not signed, or by a key that is not in
//! the keyring, is refused.

mod openpgp;
mod reader;
mod ssh;

use gitops_core::{Classified, ErrorClass, clock::Timestamp, source::Revision};
use gix::ObjectId;
use serde::{Deserialize, Serialize};

use crate::{
    blocking,
    credentials::SecretData,
    error::GitError,
    resolve::full_commit,
    source::{GitSource, Place},
    store::{Kind, Objects},
};

/// Bytes of a commit or tag whose signature is checked, at most.
const OBJECT_SIZE: u64 = 1 << 20;

/// What must be signed (Flux's `spec.verify.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums)]
pub enum VerifyMode {
    /// The commit.
    #[serde(rename = "HEAD", alias = "head")]
    Head,
    /// The annotated tag that names it.
    Tag,
    /// Both.
    #[serde(rename = "TagAndHEAD")]
    TagAndHead,
}

/// The public keys that are trusted.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    ssh: Vec<ssh::PublicKey>,
    openpgp: Vec<openpgp::Certificate>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// How.
    pub format: SignatureFormat,
    /// OpenPGP: the fingerprint of the key in hex, upper case. SSH: `SHA256:` and the key's hash, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
}

/// The format of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFormat {
    /// OpenPGP.
    OpenPgp,
    /// SSH.
    Ssh,
}

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct Rejection {
    /// Why; a sentence about "it".
    pub reason: String,
}

impl Classified for Rejection {
    fn class(&self) -> ErrorClass {
        ErrorClass::Forbidden
    }
}

/// The signatures found good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The commit's.
    pub commit: Option<SignedBy>,
    /// The tag's.
    pub tag: Option<SignedBy>,
}

impl Keyring {
    /// Trusts nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the keys of an `authorized_keys` file: one key a line, options and comments allowed.
    pub fn add_ssh(&mut self, text: &str) -> Result<(), GitError> {
        for line in text.lines() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                self.ssh
                    .extend(ssh::PublicKey::parse_line(line).map_err(unusable)?);
            }
        }
        Ok(())
    }

    /// Trusts the OpenPGP keys of an armoured key ring.
    pub fn add_openpgp(&mut self, text: &str) -> Result<(), GitError> {
        self.openpgp
            .extend(openpgp::Certificate::parse_all(text).map_err(unusable)?);
        Ok(())
    }

    /// The keys of the Secret that Flux's `spec.verify.secretRef` names: `*.sshpub` are SSH keys, everything
    /// else is OpenPGP.
    pub fn from_flux(data: &SecretData) -> Result<Self, GitError> {
        let mut ring = Self::new();
        for (key, value) in data.iter() {
            if key.ends_with(".sshpub") {
                ring.add_ssh(value.expose())?;
            } else {
                ring.add_openpgp(value.expose())?;
            }
        }
        Ok(ring)
    }

    /// Checks the signature of a commit, given as the object database holds it. `now` decides whether keys have ended.
    pub fn check_commit(&self, commit: &[u8], now: Timestamp) -> Result<SignedBy, Rejection> {
        let (payload, signature) = split_commit(commit).ok_or_else(not_signed)?;
        self.check(&signature, &payload, now.as_second())
            .map_err(|reason| Rejection { reason })
    }

    /// Checks the signature of an annotated tag, given as the object database holds it. That the tag names what it
    /// should is for the caller to see.
    pub fn check_tag(&self, tag: &[u8], now: Timestamp) -> Result<SignedBy, Rejection> {
        let (payload, signature) = split_tag(tag).ok_or_else(not_signed)?;
        self.check(&signature, payload, now.as_second())
            .map_err(|reason| Rejection { reason })
    }

    /// Checks an armoured signature of `payload`, at the time `now` (seconds since 1970).
    fn check(&self, signature: &str, payload: &[u8], now: i64) -> Result<SignedBy, String> {
        let signature = signature.trim();
        if signature.starts_with("-----BEGIN SSH SIGNATURE-----") {
            let fingerprint = ssh::verify(&self.ssh, signature, payload)?;
            Ok(SignedBy {
                format: SignatureFormat::Ssh,
                fingerprint,
            })
        } else if signature.starts_with("-----BEGIN PGP SIGNATURE-----") {
            let fingerprint = openpgp::verify(&self.openpgp, signature, payload, now)?;
            Ok(SignedBy {
                format: SignatureFormat::OpenPgp,
                fingerprint,
            })
        } else {
            Err("it is signed in a format that is not verified here (X.509?)".to_owned())
        }
    }
}

impl GitSource {
    /// Checks that a revision is signed by one of the keys. A tag can be checked only for a revision that was
    /// found under one ([`Revision::reference`]).
    pub async fn verify(
        &self,
        revision: &Revision,
        mode: VerifyMode,
        keyring: &Keyring,
    ) -> Result<Verified, GitError> {
        let refused = |reason: String| GitError::Unverified {
            url: self.url().to_string(),
            revision: revision.id.clone(),
            reason,
        };
        let commit = full_commit(&revision.id).ok_or_else(|| self.unknown(&revision.id))?;
        let now = self.now();
        let mut verified = Verified {
            commit: None,
            tag: None,
        };
        if mode != VerifyMode::Head {
            let name = revision
                .reference
                .as_deref()
                .filter(|name| name.starts_with("refs/tags/"))
                .ok_or_else(|| {
                    refused("a signed tag is required, and it is not a tag".to_owned())
                })?;
            let references = self.references(None).await?;
            let reference = references.named(name).ok_or_else(|| self.unknown(name))?;
            let object = reference.object;
            if reference.target() != commit {
                return Err(refused(format!("{name} has moved away from it")));
            }
            let (kind, data) = self.raw_object(object).await?;
            if kind != Kind::Tag {
                return Err(refused(format!(
                    "{name} is not an annotated tag and carries no signature"
                )));
            }
            let (payload, signature) =
                split_tag(&data).ok_or_else(|| refused(format!("{name} is not signed")))?;
            // The signed text itself must name this commit; the reference alone proves nothing.
            if self
                .objects_for(object)
                .await?
                .peel(&object)?
                .map(|(_, id)| id)
                != Some(commit)
            {
                return Err(refused(format!("{name} names another commit")));
            }
            let short = name.strip_prefix("refs/tags/").unwrap_or(name);
            if header(payload, b"tag ") != Some(short.as_bytes()) {
                return Err(refused(format!(
                    "{name} holds a tag that was signed under another name"
                )));
            }
            let by = keyring
                .check(&signature, payload, now.as_second())
                .map_err(&refused)?;
            verified.tag = Some(by);
        }
        if mode != VerifyMode::Tag {
            let (kind, data) = self.raw_object(commit).await?;
            if kind != Kind::Commit {
                return Err(refused("it is no commit".to_owned()));
            }
            let by = keyring
                .check_commit(&data, now)
                .map_err(|rejection| refused(rejection.reason))?;
            verified.commit = Some(by);
        }
        Ok(verified)
    }

    async fn objects_for(&self, id: ObjectId) -> Result<std::sync::Arc<Objects>, GitError> {
        match self.place() {
            Place::Local(repository) => {
                let repository = repository.clone();
                blocking(&self.url().to_string(), move || repository.objects()).await
            }
            Place::Remote(repository) => Ok(repository.objects_with(id).await?.0),
        }
    }

    /// An object as it is stored, fetched where it is not there; not larger than commits and tags sensibly are.
    pub(crate) async fn raw_object(&self, id: ObjectId) -> Result<(Kind, Vec<u8>), GitError> {
        let objects = self.objects_for(id).await?;
        let unknown = self.unknown(&id.to_string());
        let url = self.url().to_string();
        blocking(&url.clone(), move || {
            let Some((_, size)) = objects.header(&id)? else {
                return Err(unknown);
            };
            if size > OBJECT_SIZE {
                return Err(GitError::LimitExceeded {
                    url,
                    limit: "bytes of a signed object",
                    allowed: OBJECT_SIZE,
                });
            }
            objects.read(&id)?.ok_or(unknown)
        })
        .await
    }
}

fn not_signed() -> Rejection {
    Rejection {
        reason: "it is not signed".to_owned(),
    }
}

fn unusable(reason: String) -> GitError {
    GitError::InvalidOption {
        what: "key ring",
        reason,
    }
}

/// The signature of a commit, and the bytes it is about: the commit without it.
fn split_commit(data: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut payload = Vec::with_capacity(data.len());
    let mut signature = Vec::new();
    let mut rest = data;
    // Whose continuation lines are being read.
    let mut inside: Option<bool> = None;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')? + 1;
        let (line, after) = rest.split_at(end);
        if line == b"\n" {
            payload.extend_from_slice(rest);
            break;
        }
        if line[0] == b' '
            && let Some(wanted) = inside
        {
            if wanted {
                signature.extend_from_slice(&line[1..]);
            }
        } else if let Some(first) = line.strip_prefix(b"gpgsig ") {
            // A second signature would be one that nobody looked at.
            if !signature.is_empty() {
                return None;
            }
            signature.extend_from_slice(first);
            inside = Some(true);
        } else if line.starts_with(b"gpgsig-sha256 ") {
            inside = Some(false);
        } else {
            inside = None;
            payload.extend_from_slice(line);
        }
        rest = after;
    }
    (!signature.is_empty())
        .then(|| String::from_utf8(signature).ok())
        .flatten()
        .map(|signature| (payload, signature))
}

/// The signature at the end of a tag, and the bytes before it.
fn split_tag(data: &[u8]) -> Option<(&[u8], String)> {
    let at = [
        &b"-----BEGIN PGP SIGNATURE-----"[..],
        b"-----BEGIN SSH SIGNATURE-----",
        b"-----BEGIN SIGNED MESSAGE-----",
    ]
    .iter()
    .filter_map(|begin| {
        (0..data.len().saturating_sub(begin.len()))
            .rev()
            .find(|at| data[*at..].starts_with(begin) && (*at == 0 || data[at - 1] == b'\n'))
    })
    .max()?;
    let signature = String::from_utf8(data[at..].to_vec()).ok()?;
    Some((&data[..at], signature))
}

/// The value of a header line.
fn header<'a>(data: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    data.split(|byte| *byte == b'\n')
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_cut_out_exactly() {
        let commit = b"tree 1\nauthor a\ngpgsig -----BEGIN X-----\n \n abc\n -----END X-----\nencoding x\n\ngpgsig message\n";
        let (payload, signature) = split_commit(commit).unwrap();
        assert_eq!(payload, b"tree 1\nauthor a\nencoding x\n\ngpgsig message\n");
        assert_eq!(signature, "-----BEGIN X-----\n\nabc\n-----END X-----\n");
        assert!(split_commit(b"tree 1\nauthor a\n\nmessage\n").is_none());
        assert!(split_commit(b"tree 1\ngpgsig a\ngpgsig b\n\nx\n").is_none());
        assert!(split_commit(b"").is_none());
        let tag = b"object 1\ntag v1\n\nmessage\n-----BEGIN PGP SIGNATURE-----\nabc\n";
        let (payload, signature) = split_tag(tag).unwrap();
        assert_eq!(payload, b"object 1\ntag v1\n\nmessage\n");
        assert!(signature.starts_with("-----BEGIN PGP"));
        assert_eq!(header(payload, b"tag "), Some(&b"v1"[..]));
        assert!(split_tag(b"object 1\n\nx\n").is_none());
    }
}
