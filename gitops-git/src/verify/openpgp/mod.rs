//! OpenPGP signatures (RFC 9580): keys of versions 4 and 6, RSA, DSA, ECDSA and Ed25519.
//!
//! A key counts only with what its owner says about it: the primary key needs a self-signature, a subkey one that
//! binds it and its own consent; both must be allowed to sign, must not have been revoked, and must not have
//! ended. A key that has ended proves nothing, whatever date a signature carries: the date is the signer's own
//! word. Messages signed over SHA-1 or MD5 are refused, and keys below 2048 bits of RSA or DSA.

mod brainpool;
mod material;
mod packet;

use self::{
    material::Hash,
    packet::{Key, Signature, hex, packets},
};
use super::reader::dearmor;

/// How far a signature may lie in the future, for clocks that differ.
const SKEW: i64 = 300;

const TOO_SHORT: &str = "is too short to be trusted";

const MAY_SIGN: u8 = 0x02;

// The kinds of signatures.
const BINARY: u8 = 0x00;
const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
const SUBKEY: u8 = 0x18;
const CONSENT: u8 = 0x19;
const DIRECT: u8 = 0x1f;
const REVOKES_KEY: u8 = 0x20;
const REVOKES_SUBKEY: u8 = 0x28;
const REVOKES_CERTIFICATION: u8 = 0x30;

/// A public key with its subkeys.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    keys: Vec<SigningKey>,
}

#[derive(Debug, Clone)]
struct SigningKey {
    key: Key,
    standing: Standing,
}

/// What a key's owner says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may sign.
    Good {
        /// Seconds since 1970.
        expires: Option<i64>,
    },
    Revoked,
    /// It may not, and why.
    Unfit(&'static str),
}

impl Certificate {
    /// Reads all keys of an armoured key ring. Keys that must not sign stay in it, so that who uses one learns why
    /// it is refused.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let blocks = dearmor(text, "PGP PUBLIC KEY BLOCK")?;
        if blocks.is_empty() {
            return Err("there is no armoured OpenPGP public key in it".to_owned());
        }
        let mut all = Vec::new();
        for block in &blocks {
            let packets = packets(block).ok_or("an OpenPGP key cannot be read")?;
            let mut starts: Vec<usize> = packets
                .iter()
                .enumerate()
                .filter(|(_, (tag, _))| *tag == 6)
                .map(|(at, _)| at)
                .collect();
            starts.push(packets.len());
            for range in starts.windows(2) {
                all.extend(Self::read(&packets[range[0]..range[1]]));
            }
        }
        if all.is_empty() {
            return Err(
                "all OpenPGP keys in it are of kinds that are not verified here".to_owned(),
            );
        }
        Ok(all)
    }

    /// Reads one key; `None` where its kind is not known here.
    fn read(packets: &[(u8, &[u8])]) -> Option<Self> {
        let primary = Key::parse(packets.first()?.1)?;
        let hashed = primary.hashed()?;
        // What is being described: a user of the primary key, a subkey, or the key itself.
        let mut subject = Subject::Key;
        let mut direct: Option<Statement> = None;
        let mut users: Vec<User> = Vec::new();
        let mut subkeys: Vec<Subkey> = Vec::new();
        let mut revoked = false;
        for (tag, body) in &packets[1..] {
            match tag {
                13 => {
                    let mut data = hashed.clone();
                    data.push(0xb4);
                    data.extend_from_slice(&u32::try_from(body.len()).ok()?.to_be_bytes());
                    data.extend_from_slice(body);
                    users.push(User {
                        data,
                        statement: None,
                        revoked_at: None,
                    });
                    subject = Subject::User;
                }
                14 => match Key::parse(body).and_then(|key| Some((key.hashed()?, key))) {
                    Some((own, key)) => {
                        let mut data = hashed.clone();
                        data.extend(own);
                        subkeys.push(Subkey {
                            key,
                            data,
                            statement: None,
                            revoked: false,
                            lacks_consent: false,
                        });
                        subject = Subject::Subkey;
                    }
                    None => subject = Subject::Other,
                },
                2 => {
                    let Some(signature) = Signature::parse(body).filter(|one| one.version != 3)
                    else {
                        continue;
                    };
                    match (subject, signature.kind) {
                        (Subject::Key, REVOKES_KEY) => {
                            revoked |= revokes(&primary, &signature, &hashed);
                        }
                        (Subject::Key, DIRECT)
                            if !signature.strange && primary.verify(&signature, &hashed) =>
                        {
                            newer(&mut direct, &signature);
                        }
                        (Subject::User, kind) => {
                            if let Some(user) = users.last_mut() {
                                user.describe(kind, &primary, &signature);
                            }
                        }
                        (Subject::Subkey, kind) => {
                            if let Some(subkey) = subkeys.last_mut() {
                                subkey.describe(kind, &primary, &signature);
                            }
                        }
                        _ => {}
                    }
                }
                // Pictures and the like.
                _ => subject = Subject::Other,
            }
        }
        let own = users
            .into_iter()
            .filter_map(User::valid)
            .chain(direct)
            .max_by_key(|statement| statement.at);
        let mut keys = Vec::with_capacity(subkeys.len() + 1);
        let primary_ends = own.as_ref().and_then(|own| own.ends(&primary));
        for subkey in subkeys {
            let standing = match (&own, &subkey.statement) {
                _ if revoked || subkey.revoked => Standing::Revoked,
                (None, _) => Standing::Unfit("belongs to a key without a valid self-signature"),
                (_, None) if subkey.lacks_consent => {
                    Standing::Unfit("is a subkey that did not itself sign whose it is")
                }
                (_, None) => Standing::Unfit("is not bound to its primary key"),
                (Some(_), Some(statement)) => {
                    // A subkey of a key that has ended has ended too.
                    let ends = statement.ends(&subkey.key);
                    let ends = ends.into_iter().chain(primary_ends).min();
                    standing(&subkey.key, statement.flags, false, ends)
                }
            };
            keys.push(SigningKey {
                key: subkey.key,
                standing,
            });
        }
        let standing = match &own {
            _ if revoked => Standing::Revoked,
            None if primary.material.is_weak() => Standing::Unfit(TOO_SHORT),
            None => Standing::Unfit("has no valid self-signature"),
            Some(own) => standing(&primary, own.flags, true, primary_ends),
        };
        keys.push(SigningKey {
            key: primary,
            standing,
        });
        Some(Self { keys })
    }
}

/// Whether a key may sign. A primary key of which nothing is said may; a subkey must be said to.
fn standing(key: &Key, flags: Option<u8>, primary: bool, expires: Option<i64>) -> Standing {
    if key.material.is_weak() {
        Standing::Unfit(TOO_SHORT)
    } else if flags.map_or(primary, |flags| flags & MAY_SIGN != 0) {
        Standing::Good { expires }
    } else {
        Standing::Unfit("is not meant to sign")
    }
}

#[derive(Clone, Copy)]
enum Subject {
    Key,
    User,
    Subkey,
    Other,
}

/// A user that the primary key names as its own.
struct User {
    /// What its certifications are over.
    data: Vec<u8>,
    statement: Option<Statement>,
    revoked_at: Option<i64>,
}

impl User {
    fn describe(&mut self, kind: u8, primary: &Key, signature: &Signature) {
        if CERTIFICATIONS.contains(&kind) {
            if !signature.strange && primary.verify(signature, &self.data) {
                newer(&mut self.statement, signature);
            }
        } else if kind == REVOKES_CERTIFICATION && revokes(primary, signature, &self.data) {
            self.revoked_at = self
                .revoked_at
                .max(Some(signature.created.unwrap_or(i64::MAX)));
        }
    }

    /// The newest statement, unless it was taken back after it was made.
    fn valid(self) -> Option<Statement> {
        self.statement
            .filter(|statement| self.revoked_at.is_none_or(|at| at < statement.at))
    }
}

struct Subkey {
    key: Key,
    /// What its bindings are over.
    data: Vec<u8>,
    statement: Option<Statement>,
    revoked: bool,
    lacks_consent: bool,
}

impl Subkey {
    fn describe(&mut self, kind: u8, primary: &Key, signature: &Signature) {
        if kind == REVOKES_SUBKEY {
            self.revoked |= revokes(primary, signature, &self.data);
        } else if kind == SUBKEY && !signature.strange && primary.verify(signature, &self.data) {
            if self.consents(signature) {
                newer(&mut self.statement, signature);
            } else {
                self.lacks_consent = true;
            }
        }
    }

    /// A subkey that signs must itself have signed that it belongs to the primary key; else anybody could claim
    /// another's signatures.
    fn consents(&self, binding: &Signature) -> bool {
        if binding.flags.is_none_or(|flags| flags & MAY_SIGN == 0) {
            return true;
        }
        binding
            .embedded
            .as_deref()
            .and_then(Signature::parse)
            .is_some_and(|back| {
                back.kind == CONSENT && !back.strange && self.key.verify(&back, &self.data)
            })
    }
}

/// Whether the key itself takes something back. Where that cannot be checked for want of the algorithm, it is believed.
fn revokes(primary: &Key, signature: &Signature, data: &[u8]) -> bool {
    if signature.is_checkable() {
        primary.verify(signature, data)
    } else {
        signature.names(primary)
    }
}

/// What the owner says about a key; the newest counts.
struct Statement {
    at: i64,
    flags: Option<u8>,
    key_expires_after: Option<u32>,
    expires_after: Option<u32>,
}

impl Statement {
    /// When the key ends, or what is said of it.
    fn ends(&self, key: &Key) -> Option<i64> {
        let after = |start: i64, seconds: Option<u32>| {
            seconds
                .filter(|seconds| *seconds != 0)
                .map(|seconds| start + i64::from(seconds))
        };
        let key_ends = after(key.created, self.key_expires_after);
        let word_ends = after(self.at, self.expires_after);
        key_ends.into_iter().chain(word_ends).min()
    }
}

fn newer(known: &mut Option<Statement>, signature: &Signature) {
    let at = signature.created.unwrap_or(0);
    if known.as_ref().is_none_or(|known| known.at <= at) {
        *known = Some(Statement {
            at,
            flags: signature.flags,
            key_expires_after: signature.key_expires_after,
            expires_after: signature.expires_after,
        });
    }
}

/// Checks a detached signature; the fingerprint of the key that made it, or why it is no good.
pub(super) fn verify(
    certificates: &[Certificate],
    armor: &str,
    payload: &[u8],
    now: i64,
) -> Result<String, String> {
    let blocks = dearmor(armor, "PGP SIGNATURE")?;
    let [block] = blocks.as_slice() else {
        return Err("it does not hold exactly one OpenPGP signature".to_owned());
    };
    let packets = packets(block).ok_or("its OpenPGP signature cannot be read")?;
    let mut reason = "its OpenPGP signature is of a kind that is not verified here".to_owned();
    for (tag, body) in &packets {
        let Some(signature) = (*tag == 2).then(|| Signature::parse(body)).flatten() else {
            continue;
        };
        match check(certificates, &signature, payload, now) {
            Ok(fingerprint) => return Ok(fingerprint),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

fn check(
    certificates: &[Certificate],
    signature: &Signature,
    payload: &[u8],
    now: i64,
) -> Result<String, String> {
    if signature.strange || signature.kind != BINARY {
        return Err("its OpenPGP signature is of a kind that is not verified here".to_owned());
    }
    match signature.hash {
        Some(Hash::Sha1) => {
            return Err("its OpenPGP signature is over SHA-1, which can be forged".to_owned());
        }
        None => {
            return Err(
                "its OpenPGP signature is over a hash that is broken or not known here".to_owned(),
            );
        }
        Some(_) => {}
    }
    let made = signature
        .created
        .ok_or("its OpenPGP signature does not say when it was made")?;
    // A key may be there twice, with older and newer statements.
    let named: Vec<&SigningKey> = certificates
        .iter()
        .flat_map(|certificate| &certificate.keys)
        .filter(|one| signature.names(&one.key))
        .collect();
    if let Some(revoked) = named.iter().find(|one| one.standing == Standing::Revoked) {
        let name = hex(&revoked.key.fingerprint);
        return Err(format!("the key {name} that signed it has been revoked"));
    }
    let mut reason = format!(
        "it is signed by {}, which is not a trusted key",
        signature.signer()
    );
    for one in named {
        let name = hex(&one.key.fingerprint);
        let expires = match one.standing {
            Standing::Good { expires } => expires,
            Standing::Revoked => continue,
            Standing::Unfit(why) => {
                reason = format!("the key {name} that signed it {why}");
                continue;
            }
        };
        reason = if !one.key.material.takes(signature.hash) {
            format!("its signature by the key {name} is over a hash that is not known here")
        } else if !one.key.verify(signature, payload) {
            format!("its signature by the key {name} is wrong")
        } else if made < one.key.created || made > now + SKEW {
            format!("its signature by the key {name} is from an impossible time")
        } else if expires.is_some_and(|end| made.max(now) >= end) {
            format!("the key {name} that signed it has ended; trust a renewed one")
        } else if signature
            .expires_after
            .is_some_and(|seconds| seconds != 0 && made + i64::from(seconds) <= now)
        {
            format!("its signature by the key {name} has ended")
        } else {
            return Ok(name);
        };
    }
    Err(reason)
}

#[cfg(test)]
mod tests;
