//! SSH signatures (PROTOCOL.sshsig), as `git` makes them with `gpg.format=ssh`.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

use super::reader::{Reader, dearmor, padded, put_string};

/// The namespace that keeps signatures of commits apart from signatures of anything else.
const NAMESPACE: &[u8] = b"git";

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// As the protocol writes it.
    blob: Vec<u8>,
}

impl PublicKey {
    /// Reads a line of an `authorized_keys` file.
    pub(super) fn parse_line(line: &str) -> Result<Self, String> {
        let shown: String = line.chars().take(40).collect();
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if !is_key_type(word) {
                continue;
            }
            let blob = words
                .next()
                .and_then(|text| STANDARD.decode(text).ok())
                .ok_or_else(|| format!("`{shown}…` has no key in base64 after its type"))?;
            if Reader(&blob).string() != Some(word.as_bytes()) {
                return Err(format!("`{shown}…` says another type than its key"));
            }
            return Ok(Self { blob });
        }
        Err(format!("`{shown}…` is no SSH public key of a known type"))
    }

    fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.blob);
        format!("SHA256:{}", STANDARD_NO_PAD.encode(hash))
    }
}

fn is_key_type(word: &str) -> bool {
    matches!(
        word,
        "ssh-ed25519"
            | "ssh-rsa"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521"
            | "sk-ssh-ed25519@openssh.com"
    )
}

/// Checks a signature; the fingerprint of the key that made it, or why it is no good.
pub(super) fn verify(keys: &[PublicKey], armor: &str, payload: &[u8]) -> Result<String, String> {
    let blocks = dearmor(armor, "SSH SIGNATURE")?;
    let [blob] = blocks.as_slice() else {
        return Err("it does not hold exactly one SSH signature".to_owned());
    };
    let parsed = parse(blob).ok_or("its SSH signature cannot be read")?;
    if parsed.namespace != NAMESPACE {
        return Err("its SSH signature was made for another purpose than Git".to_owned());
    }
    let key = keys
        .iter()
        .find(|key| key.blob == parsed.key)
        .ok_or_else(|| {
            let stranger = PublicKey {
                blob: parsed.key.to_vec(),
            };
            format!(
                "it is signed by {}, which is not a trusted key",
                stranger.fingerprint()
            )
        })?;
    let algorithm = match parsed.hash {
        b"sha256" => &digest::SHA256,
        b"sha512" => &digest::SHA512,
        _ => return Err("its SSH signature uses an unknown hash".to_owned()),
    };
    let mut signed = b"SSHSIG".to_vec();
    put_string(&mut signed, parsed.namespace);
    put_string(&mut signed, parsed.reserved);
    put_string(&mut signed, parsed.hash);
    put_string(&mut signed, digest::digest(algorithm, payload).as_ref());
    if check(&key.blob, parsed.signature, &signed) == Some(true) {
        Ok(key.fingerprint())
    } else {
        Err(format!("its signature by {} is wrong", key.fingerprint()))
    }
}

struct Parsed<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8],
}

fn parse(blob: &[u8]) -> Option<Parsed<'_>> {
    let mut reader = Reader(blob.strip_prefix(b"SSHSIG")?);
    if reader.u32()? != 1 {
        return None;
    }
    let parsed = Parsed {
        key: reader.string()?,
        namespace: reader.string()?,
        reserved: reader.string()?,
        hash: reader.string()?,
        signature: reader.string()?,
    };
    reader.is_empty().then_some(parsed)
}

/// Whether the signature is right; `None` where key or signature cannot be read.
fn check(key: &[u8], signature: &[u8], signed: &[u8]) -> Option<bool> {
    let mut key = Reader(key);
    let mut signature = Reader(signature);
    let kind = key.string()?;
    let made_by = signature.string()?;
    let value = signature.string()?;
    Some(match (kind, made_by) {
        (b"ssh-ed25519", b"ssh-ed25519") => {
            let point = key.string()?;
            UnparsedPublicKey::new(&ED25519, point)
                .verify(signed, value)
                .is_ok()
        }
        (b"sk-ssh-ed25519@openssh.com", b"sk-ssh-ed25519@openssh.com") => {
            let point = key.string()?;
            let application = key.string()?;
            let flags = signature.byte()?;
            let counter = signature.u32()?;
            // The person touched the key.
            if flags & 1 == 0 {
                return Some(false);
            }
            let mut message = digest::digest(&digest::SHA256, application)
                .as_ref()
                .to_vec();
            message.push(flags);
            message.extend_from_slice(&counter.to_be_bytes());
            message.extend_from_slice(digest::digest(&digest::SHA256, signed).as_ref());
            UnparsedPublicKey::new(&ED25519, point)
                .verify(&message, value)
                .is_ok()
        }
        (b"ssh-rsa", b"rsa-sha2-256" | b"rsa-sha2-512") => {
            let e = unsigned(key.string()?);
            let n = unsigned(key.string()?);
            let parameters = if made_by == b"rsa-sha2-256" {
                &RSA_PKCS1_2048_8192_SHA256
            } else {
                &RSA_PKCS1_2048_8192_SHA512
            };
            let value = padded(value, n.len())?;
            RsaPublicKeyComponents { n, e }
                .verify(parameters, signed, &value)
                .is_ok()
        }
        (b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521", _)
            if kind == made_by =>
        {
            let _curve = key.string()?;
            let point = key.string()?;
            let mut pair = Reader(value);
            let (r, s) = (pair.string()?, pair.string()?);
            let (algorithm, size) = match kind {
                b"ecdsa-sha2-nistp256" => (&ECDSA_P256_SHA256_FIXED, 32),
                b"ecdsa-sha2-nistp384" => (&ECDSA_P384_SHA384_FIXED, 48),
                _ => (&ECDSA_P521_SHA512_FIXED, 66),
            };
            let mut fixed = padded(r, size)?;
            fixed.extend(padded(s, size)?);
            UnparsedPublicKey::new(algorithm, point)
                .verify(signed, &fixed)
                .is_ok()
        }
        _ => false,
    })
}

/// A number without leading zeros.
fn unsigned(number: &[u8]) -> &[u8] {
    let start = number
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(number.len());
    &number[start..]
}
