//! OpenPGP signatures (RFC 9580) by version 4 keys: RSA, ECDSA and Ed25519.
//!
//! A key counts only with what its owner says about it: the primary key needs a self-signature, a subkey one that
//! binds it and its own consent; both must be allowed to sign, must not have been revoked, and must not have
//! ended when they signed. Messages signed over SHA-1 or MD5 are refused.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};

use super::reader::{Reader, dearmor, padded};

/// Packets of one armoured block, at most.
const PACKETS: usize = 10_000;
/// How far a signature may lie in the future, for clocks that differ.
const SKEW: i64 = 300;

const MAY_SIGN: u8 = 0x02;

/// A public key with its subkeys, as far as they may sign.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    keys: Vec<SigningKey>,
}

#[derive(Debug, Clone)]
struct SigningKey {
    key: Key,
    /// Seconds since 1970.
    expires: Option<i64>,
}

#[derive(Debug, Clone)]
struct Key {
    /// The packet's content, as it is hashed.
    body: Vec<u8>,
    created: i64,
    fingerprint: [u8; 20],
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ecdsa { curve: Curve, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// A signature packet.
#[derive(Debug)]
struct Signature {
    kind: u8,
    algorithm: u8,
    hash: Hash,
    /// What of the packet is hashed.
    hashed: Vec<u8>,
    left: [u8; 2],
    value: Value,
    created: Option<i64>,
    expires_after: Option<u32>,
    key_expires_after: Option<u32>,
    flags: Option<u8>,
    issuer: Option<[u8; 8]>,
    fingerprint: Option<Vec<u8>>,
    embedded: Option<Vec<u8>>,
    /// A critical statement that is not understood here.
    strange: bool,
}

#[derive(Debug)]
enum Value {
    Rsa(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
    Raw(Vec<u8>),
}

impl Certificate {
    /// Reads all keys of an armoured key ring.
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
                "no OpenPGP key in it may sign, or all are of kinds that are not verified here"
                    .to_owned(),
            );
        }
        Ok(all)
    }

    /// Reads one key; `None` where it cannot sign.
    fn read(packets: &[(u8, &[u8])]) -> Option<Self> {
        let primary = Key::parse(packets.first()?.1)?;
        let mut keys = Vec::new();
        // What is being described: a user of the primary key, a subkey, or the key itself.
        let mut subject = Subject::Key;
        let mut own: Option<Statement> = None;
        let mut subkeys: Vec<(Key, Option<Statement>, bool)> = Vec::new();
        for (tag, body) in &packets[1..] {
            match tag {
                13 => subject = Subject::User(body),
                14 => match Key::parse(body) {
                    Some(key) => {
                        subkeys.push((key, None, false));
                        subject = Subject::Subkey;
                    }
                    None => subject = Subject::Other,
                },
                2 => {
                    let Some(signature) = Signature::parse(body) else {
                        continue;
                    };
                    if signature.strange {
                        continue;
                    }
                    match (subject, signature.kind) {
                        (Subject::Key, 0x1f | 0x20) => {
                            let good = primary.verify(&signature, &primary.hashed());
                            if good && signature.kind == 0x20 {
                                return None;
                            }
                            if good {
                                newer(&mut own, &signature);
                            }
                        }
                        (Subject::User(user), 0x10..=0x13) => {
                            let mut data = primary.hashed();
                            data.push(0xb4);
                            let length = u32::try_from(user.len()).ok()?;
                            data.extend_from_slice(&length.to_be_bytes());
                            data.extend_from_slice(user);
                            if primary.verify(&signature, &data) {
                                newer(&mut own, &signature);
                            }
                        }
                        (Subject::Subkey, 0x18 | 0x28) => {
                            let (key, statement, revoked) = subkeys.last_mut()?;
                            let mut data = primary.hashed();
                            data.extend(key.hashed());
                            if !primary.verify(&signature, &data) {
                                continue;
                            }
                            if signature.kind == 0x28 {
                                *revoked = true;
                            } else if consents(key, &signature, &data) {
                                newer(statement, &signature);
                            }
                        }
                        _ => {}
                    }
                }
                // Pictures and the like.
                _ => subject = Subject::Other,
            }
        }
        let own = own?;
        // A subkey of a key that has ended has ended too.
        let primary_expires = own.expires(&primary);
        if own.flags.is_none_or(|flags| flags & MAY_SIGN != 0) {
            keys.push(SigningKey {
                expires: primary_expires,
                key: primary,
            });
        }
        for (key, statement, revoked) in subkeys {
            let Some(statement) = statement.filter(|_| !revoked) else {
                continue;
            };
            if statement.flags.is_some_and(|flags| flags & MAY_SIGN != 0) {
                let expires = match (statement.expires(&key), primary_expires) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                keys.push(SigningKey { expires, key });
            }
        }
        (!keys.is_empty()).then_some(Self { keys })
    }
}

#[derive(Clone, Copy)]
enum Subject<'a> {
    Key,
    User(&'a [u8]),
    Subkey,
    Other,
}

/// What the owner says about a key; the newest counts.
struct Statement {
    at: i64,
    flags: Option<u8>,
    key_expires_after: Option<u32>,
}

impl Statement {
    fn expires(&self, key: &Key) -> Option<i64> {
        self.key_expires_after
            .filter(|seconds| *seconds != 0)
            .map(|seconds| key.created + i64::from(seconds))
    }
}

fn newer(known: &mut Option<Statement>, signature: &Signature) {
    let at = signature.created.unwrap_or(0);
    if known.as_ref().is_none_or(|known| known.at <= at) {
        *known = Some(Statement {
            at,
            flags: signature.flags,
            key_expires_after: signature.key_expires_after,
        });
    }
}

/// A subkey that signs must itself have signed that it belongs to the primary key.
fn consents(key: &Key, binding: &Signature, data: &[u8]) -> bool {
    if binding.flags.is_none_or(|flags| flags & MAY_SIGN == 0) {
        return true;
    }
    binding
        .embedded
        .as_deref()
        .and_then(Signature::parse)
        .is_some_and(|back| back.kind == 0x19 && !back.strange && key.verify(&back, data))
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
    if signature.strange || signature.kind != 0x00 {
        return Err("its OpenPGP signature is of a kind that is not verified here".to_owned());
    }
    if signature.hash == Hash::Sha1 {
        return Err("its OpenPGP signature is over SHA-1, which can be forged".to_owned());
    }
    let made = signature
        .created
        .ok_or("its OpenPGP signature does not say when it was made")?;
    let key = certificates
        .iter()
        .flat_map(|certificate| &certificate.keys)
        .find(|one| signature.names(&one.key))
        .ok_or_else(|| {
            let who = signature.issuer.map_or_else(
                || "an unnamed key".to_owned(),
                |id| format!("the key {}", hex(&id)),
            );
            format!("it is signed by {who}, which is not a trusted key")
        })?;
    let name = hex(&key.key.fingerprint);
    if !key.key.verify(signature, payload) {
        return Err(format!("its signature by the key {name} is wrong"));
    }
    if made < key.key.created || made > now + SKEW {
        return Err(format!(
            "its signature by the key {name} is from an impossible time"
        ));
    }
    if key.expires.is_some_and(|end| made >= end) {
        return Err(format!("the key {name} had ended when it signed"));
    }
    if signature
        .expires_after
        .is_some_and(|seconds| seconds != 0 && made + i64::from(seconds) <= now)
    {
        return Err(format!("its signature by the key {name} has ended"));
    }
    Ok(name)
}

impl Key {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return None;
        }
        let created = i64::from(reader.u32()?);
        let material = match reader.byte()? {
            1 | 3 => Material::Rsa {
                n: number(&mut reader)?.to_vec(),
                e: number(&mut reader)?.to_vec(),
            },
            19 => {
                let length = usize::from(reader.byte()?);
                let curve = match reader.take(length)? {
                    [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Curve::P256,
                    [0x2b, 0x81, 0x04, 0x00, 0x22] => Curve::P384,
                    [0x2b, 0x81, 0x04, 0x00, 0x23] => Curve::P521,
                    _ => return None,
                };
                Material::Ecdsa {
                    curve,
                    point: number(&mut reader)?.to_vec(),
                }
            }
            22 => {
                let length = usize::from(reader.byte()?);
                let oid = reader.take(length)?;
                if oid != [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01] {
                    return None;
                }
                let point = number(&mut reader)?.strip_prefix(&[0x40])?;
                Material::Ed25519(point.to_vec())
            }
            27 => Material::Ed25519(reader.take(32)?.to_vec()),
            _ => return None,
        };
        let mut this = Self {
            body: body.to_vec(),
            created,
            fingerprint: [0; 20],
            material,
        };
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &this.hashed());
        this.fingerprint.copy_from_slice(hash.as_ref());
        Some(this)
    }

    /// The key as it is hashed.
    fn hashed(&self) -> Vec<u8> {
        let mut out = vec![0x99];
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.body);
        out
    }

    /// Whether this key made `signature` over `data`.
    fn verify(&self, signature: &Signature, data: &[u8]) -> bool {
        let mut message = data.to_vec();
        message.extend_from_slice(&signature.hashed);
        message.extend_from_slice(&[0x04, 0xff]);
        let length = u32::try_from(signature.hashed.len()).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_be_bytes());
        let hash = digest::digest(signature.hash.algorithm(), &message);
        if hash.as_ref()[..2] != signature.left {
            return false;
        }
        match (&self.material, &signature.value) {
            (Material::Rsa { n, e }, Value::Rsa(value)) if matches!(signature.algorithm, 1 | 3) => {
                let parameters = match signature.hash {
                    Hash::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                };
                padded(value, n.len()).is_some_and(|value| {
                    RsaPublicKeyComponents { n, e }
                        .verify(parameters, &message, &value)
                        .is_ok()
                })
            }
            (Material::Ecdsa { curve, point }, Value::Pair(r, s)) if signature.algorithm == 19 => {
                let (algorithm, size) = match (curve, signature.hash) {
                    (Curve::P256, Hash::Sha256) => (&ECDSA_P256_SHA256_FIXED, 32),
                    (Curve::P384, Hash::Sha384) => (&ECDSA_P384_SHA384_FIXED, 48),
                    (Curve::P521, Hash::Sha512) => (&ECDSA_P521_SHA512_FIXED, 66),
                    _ => return false,
                };
                fixed(r, s, size).is_some_and(|value| {
                    UnparsedPublicKey::new(algorithm, point)
                        .verify(&message, &value)
                        .is_ok()
                })
            }
            (Material::Ed25519(point), Value::Pair(r, s)) if signature.algorithm == 22 => {
                fixed(r, s, 32).is_some_and(|value| {
                    UnparsedPublicKey::new(&ED25519, point)
                        .verify(hash.as_ref(), &value)
                        .is_ok()
                })
            }
            (Material::Ed25519(point), Value::Raw(value)) if signature.algorithm == 27 => {
                UnparsedPublicKey::new(&ED25519, point)
                    .verify(hash.as_ref(), value)
                    .is_ok()
            }
            _ => false,
        }
    }
}

fn fixed(r: &[u8], s: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = padded(r, size)?;
    out.extend(padded(s, size)?);
    Some(out)
}

impl Hash {
    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl Signature {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.byte()? != 4 {
            return None;
        }
        let kind = reader.byte()?;
        let algorithm = reader.byte()?;
        let hash = match reader.byte()? {
            2 => Hash::Sha1,
            8 => Hash::Sha256,
            9 => Hash::Sha384,
            10 => Hash::Sha512,
            _ => return None,
        };
        let length = usize::from(reader.u16()?);
        let statements = reader.take(length)?;
        let hashed = body.get(..6 + length)?.to_vec();
        let length = usize::from(reader.u16()?);
        let hints = reader.take(length)?;
        let left = reader.take(2)?;
        let mut this = Self {
            kind,
            algorithm,
            hash,
            hashed,
            left: [left[0], left[1]],
            value: match algorithm {
                1 | 3 => Value::Rsa(number(&mut reader)?.to_vec()),
                19 | 22 => {
                    Value::Pair(number(&mut reader)?.to_vec(), number(&mut reader)?.to_vec())
                }
                27 => Value::Raw(reader.take(64)?.to_vec()),
                _ => return None,
            },
            created: None,
            expires_after: None,
            key_expires_after: None,
            flags: None,
            issuer: None,
            fingerprint: None,
            embedded: None,
            strange: false,
        };
        this.statements(statements, true)?;
        this.statements(hints, false)?;
        Some(this)
    }

    /// Reads subpackets. Those that are not hashed anybody could have written: only hints are taken from them.
    fn statements(&mut self, bytes: &[u8], hashed: bool) -> Option<()> {
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            let length = match reader.byte()? {
                short @ 0..192 => usize::from(short),
                255 => usize::try_from(reader.u32()?).ok()?,
                long => (usize::from(long) - 192) * 256 + usize::from(reader.byte()?) + 192,
            };
            let (first, content) = reader.take(length)?.split_first()?;
            let mut value = Reader(content);
            match (first & 0x7f, hashed) {
                (2, true) => self.created = Some(i64::from(value.u32()?)),
                (3, true) => self.expires_after = Some(value.u32()?),
                (9, true) => self.key_expires_after = Some(value.u32()?),
                (27, true) => self.flags = Some(content.first().copied().unwrap_or(0)),
                (16, _) if self.issuer.is_none() => self.issuer = content.try_into().ok(),
                (33, _) if self.fingerprint.is_none() => {
                    self.fingerprint = content.get(1..).map(<[u8]>::to_vec);
                }
                // The embedded signature proves itself.
                (32, _) => self.embedded = Some(content.to_vec()),
                // Statements that change nothing for a verifier: trust, preferences, notations, reasons.
                (2..=5 | 7 | 9 | 11 | 12 | 16 | 20..=34 | 39, _) => {}
                (_, true) if first & 0x80 != 0 => self.strange = true,
                _ => {}
            }
        }
        Some(())
    }

    fn names(&self, key: &Key) -> bool {
        match (&self.fingerprint, &self.issuer) {
            (Some(fingerprint), _) => fingerprint[..] == key.fingerprint,
            (None, Some(id)) => key.fingerprint[12..] == id[..],
            (None, None) => false,
        }
    }
}

/// Splits bytes into packets: tag and content.
fn packets(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut reader = Reader(bytes);
    let mut packets = Vec::new();
    while !reader.is_empty() {
        let first = reader.byte()?;
        if first & 0x80 == 0 || packets.len() >= PACKETS {
            return None;
        }
        let (tag, length) = if first & 0x40 != 0 {
            let length = match reader.byte()? {
                short @ 0..192 => usize::from(short),
                255 => usize::try_from(reader.u32()?).ok()?,
                // Pieces of unknown total length: only data packets have them.
                224..255 => return None,
                long => (usize::from(long) - 192) * 256 + usize::from(reader.byte()?) + 192,
            };
            (first & 0x3f, length)
        } else {
            let length = match first & 3 {
                0 => usize::from(reader.byte()?),
                1 => usize::from(reader.u16()?),
                2 => usize::try_from(reader.u32()?).ok()?,
                _ => return None,
            };
            ((first >> 2) & 0x0f, length)
        };
        packets.push((tag, reader.take(length)?));
    }
    Some(packets)
}

/// A multiprecision integer: two bytes of length in bits, then bytes.
fn number<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let bits = usize::from(reader.u16()?);
    reader.take(bits.div_ceil(8))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
