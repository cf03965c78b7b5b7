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
    /// Reads a line of an `authorized_keys` file. `None` where its options keep the key from signing for Git.
    pub(super) fn parse_line(line: &str) -> Result<Option<Self>, String> {
        let shown: String = line.chars().take(40).collect();
        let mut words = words(line).into_iter();
        let mut usable = true;
        while let Some(word) = words.next() {
            if !is_key_type(word) {
                usable &= allows(word).map_err(|reason| format!("`{shown}…` {reason}"))?;
                continue;
            }
            let blob = words
                .next()
                .and_then(|text| STANDARD.decode(text).ok())
                .ok_or_else(|| format!("`{shown}…` has no key in base64 after its type"))?;
            if Reader(&blob).string() != Some(word.as_bytes()) {
                return Err(format!("`{shown}…` says another type than its key"));
            }
            return Ok(usable.then_some(Self { blob }));
        }
        Err(format!("`{shown}…` is no SSH public key of a known type"))
    }

    fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.blob);
        format!("SHA256:{}", STANDARD_NO_PAD.encode(hash))
    }
}

/// The words of a line; spaces between quotes part none.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, char) in line.char_indices() {
        if char == '"' {
            quoted = !quoted;
        }
        if char.is_whitespace() && !quoted {
            if let Some(start) = start.take() {
                words.push(&line[start..at]);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    words.extend(start.map(|start| &line[start..]));
    words
}

/// Whether options let a key sign for Git; those that cannot be honoured are errors.
fn allows(options: &str) -> Result<bool, String> {
    let lower = options.to_ascii_lowercase();
    for refused in ["cert-authority", "valid-after", "valid-before"] {
        if lower
            .split(',')
            .any(|one| one == refused || one.starts_with(&format!("{refused}=")))
        {
            return Err(format!(
                "has the option `{refused}`, which is not honoured here"
            ));
        }
    }
    let Some(at) = lower.find("namespaces=\"") else {
        return Ok(true);
    };
    let list = &lower[at + "namespaces=\"".len()..];
    let list = list.split('"').next().unwrap_or_default();
    Ok(list
        .split(',')
        .any(|name| matches!(name.trim(), "git" | "*")))
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
            | "sk-ecdsa-sha2-nistp256@openssh.com"
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
            let message = touched(key.string()?, &mut signature, signed)?;
            UnparsedPublicKey::new(&ED25519, point)
                .verify(&message, value)
                .is_ok()
        }
        (b"sk-ecdsa-sha2-nistp256@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com") => {
            let _curve = key.string()?;
            let point = key.string()?;
            let message = touched(key.string()?, &mut signature, signed)?;
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(&message, &pair(value, 32)?)
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
            let (algorithm, size) = match kind {
                b"ecdsa-sha2-nistp256" => (&ECDSA_P256_SHA256_FIXED, 32),
                b"ecdsa-sha2-nistp384" => (&ECDSA_P384_SHA384_FIXED, 48),
                _ => (&ECDSA_P521_SHA512_FIXED, 66),
            };
            UnparsedPublicKey::new(algorithm, point)
                .verify(signed, &pair(value, size)?)
                .is_ok()
        }
        _ => false,
    })
}

/// What a security key signs: it shows that the person touched it, and how often it signed.
fn touched(application: &[u8], signature: &mut Reader<'_>, signed: &[u8]) -> Option<Vec<u8>> {
    let flags = signature.byte()?;
    let counter = signature.u32()?;
    if flags & 1 == 0 || !signature.is_empty() {
        return None;
    }
    let mut message = digest::digest(&digest::SHA256, application)
        .as_ref()
        .to_vec();
    message.push(flags);
    message.extend_from_slice(&counter.to_be_bytes());
    message.extend_from_slice(digest::digest(&digest::SHA256, signed).as_ref());
    Some(message)
}

/// The two numbers of an ECDSA signature, at their full length.
fn pair(value: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut reader = Reader(value);
    let (r, s) = (reader.string()?, reader.string()?);
    let mut fixed = padded(r, size)?;
    fixed.extend(padded(s, size)?);
    reader.is_empty().then_some(fixed)
}

/// A number without leading zeros.
fn unsigned(number: &[u8]) -> &[u8] {
    let start = number
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(number.len());
    &number[start..]
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
    };

    use super::*;

    fn string(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            put_string(&mut out, part);
        }
        out
    }

    /// An armoured signature of `payload`, made by `sign` for the key `blob` as a security key makes it.
    fn by_security_key(
        kind: &[u8],
        blob: &[u8],
        flags: u8,
        payload: &[u8],
        sign: impl Fn(&[u8]) -> Vec<u8>,
    ) -> String {
        let mut signed = b"SSHSIG".to_vec();
        signed.extend(string(&[
            NAMESPACE,
            b"",
            b"sha512",
            digest::digest(&digest::SHA512, payload).as_ref(),
        ]));
        let mut message = digest::digest(&digest::SHA256, b"ssh:").as_ref().to_vec();
        message.extend_from_slice(&[flags, 0, 0, 0, 7]);
        message.extend_from_slice(digest::digest(&digest::SHA256, &signed).as_ref());
        let mut signature = string(&[kind, &sign(&message)]);
        signature.extend_from_slice(&[flags, 0, 0, 0, 7]);
        let mut whole = b"SSHSIG\0\0\0\x01".to_vec();
        whole.extend(string(&[blob, NAMESPACE, b"", b"sha512", &signature]));
        format!(
            "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
            STANDARD.encode(whole)
        )
    }

    #[test]
    fn security_keys_must_be_touched() {
        let ed = Ed25519KeyPair::generate().unwrap();
        let kind = b"sk-ssh-ed25519@openssh.com";
        let blob = string(&[kind, ed.public_key().as_ref(), b"ssh:"]);
        let random = SystemRandom::new();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let ec_kind = b"sk-ecdsa-sha2-nistp256@openssh.com";
        let ec_blob = string(&[ec_kind, b"nistp256", ec.public_key().as_ref(), b"ssh:"]);
        let line = |kind: &[u8], blob: &[u8]| {
            format!(
                "{} {} me",
                String::from_utf8_lossy(kind),
                STANDARD.encode(blob)
            )
        };
        let keys = [line(kind, &blob), line(ec_kind, &ec_blob)]
            .map(|line| PublicKey::parse_line(&line).unwrap().unwrap());
        for flags in [0, 1, 5] {
            let by_ed = by_security_key(kind, &blob, flags, b"x", |message| {
                ed.sign(message).as_ref().to_vec()
            });
            let by_ec = by_security_key(ec_kind, &ec_blob, flags, b"x", |message| {
                let fixed = ec.sign(&random, message).unwrap();
                let (r, s) = fixed.as_ref().split_at(32);
                // Numbers whose first bit is set have a zero before them.
                string(&[&[&[0][..], r].concat(), &[&[0][..], s].concat()])
            });
            for signature in [by_ed, by_ec] {
                let found = verify(&keys, &signature, b"x");
                assert_eq!(found.is_ok(), flags & 1 == 1, "{flags}: {found:?}");
                assert!(verify(&keys, &signature, b"y").is_err());
            }
        }
    }

    #[test]
    fn options_of_a_key_are_honoured_or_refused() {
        let key = string(&[b"ssh-ed25519", &[7; 32]]);
        let key = format!("ssh-ed25519 {}", STANDARD.encode(key));
        let parse = |options: &str| PublicKey::parse_line(&format!("{options} {key} comment"));
        for options in [
            "",
            "no-pty",
            "namespaces=\"file,git\"",
            "command=\"a \\ b\",no-pty",
        ] {
            assert!(parse(options).unwrap().is_some(), "{options}");
        }
        assert!(parse("namespaces=\"file\"").unwrap().is_none());
        for options in ["cert-authority", "no-pty,valid-before=\"20200101\""] {
            assert!(parse(options).is_err(), "{options}");
        }
        // A key inside an option is none.
        assert!(PublicKey::parse_line(&format!("command=\"{key}\"")).is_err());
        assert!(PublicKey::parse_line("ssh-rsa AAAAC3NzaC1lZDI1NTE5").is_err());
    }
}
