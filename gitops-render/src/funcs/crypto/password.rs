//! Password hashes, derived passwords, and encryption with passwords.

use aes::{
    Aes256,
    cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use aws_lc_rs::hmac;
use bcrypt::Version;

use crate::{
    funcs::{
        Registry, Uint32,
        encoding::{Alphabet, decode_base, encode_base},
    },
    template::{CallError, Context, Str},
};

/// Steps that a deliberately slow function costs.
const SLOW: u64 = 1_000_000;

pub(super) fn register(registry: &mut Registry) {
    registry.add("bcrypt", |context: &mut Context<'_>, password: Str| {
        context.remembered(|context| hashed(context, &password))
    });
    registry.add(
        "htpasswd",
        |context: &mut Context<'_>, user: Str, password: Str| {
            if user.contains(&b':') {
                return Ok(Str::from([b"invalid username: ", user.as_bytes()].concat()));
            }
            let hash = context.remembered(|context| hashed(context, &password))?;
            Ok::<_, CallError>(Str::from([user.as_bytes(), b":", hash.as_bytes()].concat()))
        },
    );
    registry.add("derivePassword", derive_password);
    registry.add(
        "encryptAES",
        |context: &mut Context<'_>, password: Str, text: Str| {
            if text.is_empty() {
                return Ok(Str::EMPTY);
            }
            context.remembered(|context| encrypt(context, &password, &text))
        },
    );
    registry.add("decryptAES", |password: Str, text: Str| {
        decrypt(&password, &text)
    });
}

/// bcrypt with the cost that Go takes by default.
fn hashed(context: &mut Context<'_>, password: &[u8]) -> Result<Str, CallError> {
    const COST: u32 = 10;
    if password.len() > 72 {
        return Ok(Str::from(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes",
        ));
    }
    context.spend(SLOW)?;
    let mut salt = [0; 16];
    context.random(&mut salt)?;
    let text = match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(hash) => hash.format_for_version(Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    };
    Ok(text.into())
}

/// Characters of the classes in the templates of passwords.
fn class_characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// Templates of a type of password.
fn templates(password_type: &str) -> Option<&'static [&'static str]> {
    Some(match password_type {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

/// The Master Password algorithm, version 1.
fn derive_password(
    context: &mut Context<'_>,
    Uint32(counter): Uint32,
    password_type: Str,
    password: Str,
    user: Str,
    site: Str,
) -> Result<Vec<u8>, CallError> {
    let Some(templates) = templates(&password_type.to_str()) else {
        let text = [b"cannot find password template ", password_type.as_bytes()].concat();
        return Ok(text);
    };
    context.spend(SLOW)?;
    const NAME: &[u8] = b"com.lyndir.masterpassword";
    let length = |text: &Str| (text.len() as u32).to_be_bytes();
    let salt = [NAME, &length(&user), &user].concat();
    let mut key = [0; 64];
    let parameters = scrypt::Params::new(15, 8, 2)
        .map_err(|error| CallError::new(format!("failed to derive password: {error}")))?;
    scrypt::scrypt(&password, &salt, &parameters, &mut key)
        .map_err(|error| CallError::new(format!("failed to derive password: {error}")))?;
    let message = [NAME, &length(&site), &site, &counter.to_be_bytes()].concat();
    let seed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let seed = seed.as_ref();
    let template = templates[usize::from(seed[0]) % templates.len()];
    Ok(template
        .bytes()
        .zip(&seed[1..])
        .map(|(class, &byte)| {
            let characters = class_characters(class);
            characters[usize::from(byte) % characters.len()]
        })
        .collect())
}

const BLOCK: usize = 16;

/// AES-256 with the password, cut or padded with zeros, as key.
fn cipher(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    Aes256::new(&Array::from(key))
}

/// CBC with PKCS #7 padding; the initial vector comes before the text, and all of it in base 64.
fn encrypt(context: &mut Context<'_>, password: &[u8], text: &[u8]) -> Result<Str, CallError> {
    context.allow_bytes(text.len() * 2)?;
    let cipher = cipher(password);
    let mut previous = [0; BLOCK];
    context.random(&mut previous)?;
    let mut out = previous.to_vec();
    let padding = BLOCK - text.len() % BLOCK;
    let mut padded = text.to_vec();
    padded.resize(text.len() + padding, padding as u8);
    for chunk in padded.chunks_exact(BLOCK) {
        let mut block = Array::from(previous);
        for (byte, own) in block.iter_mut().zip(chunk) {
            *byte ^= own;
        }
        cipher.encrypt_block(&mut block);
        previous = block.into();
        out.extend_from_slice(&previous);
    }
    Ok(encode_base(Alphabet::Base64, &out).into())
}

/// Undoes [`encrypt`]; the panics of sprig for texts of the wrong length are its errors.
fn decrypt(password: &[u8], text: &Str) -> Result<Vec<u8>, CallError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let data =
        decode_base(Alphabet::Base64, text).map_err(|error| CallError::new(error.to_string()))?;
    let Some((first, rest)) = data.split_first_chunk::<BLOCK>() else {
        let capacity = text.len() / 4 * 3;
        return Err(CallError::new(format!(
            "runtime error: slice bounds out of range [:16] with capacity {capacity}"
        )));
    };
    if rest.len() % BLOCK != 0 {
        return Err(CallError::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(password);
    let mut previous = *first;
    let mut out = Vec::with_capacity(rest.len());
    for chunk in rest.chunks_exact(BLOCK) {
        let mut current = [0; BLOCK];
        current.copy_from_slice(chunk);
        let mut block = Array::from(current);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(byte, mask)| byte ^ mask));
        previous = current;
    }
    let Some(&padding) = out.last() else {
        return Err(CallError::new("runtime error: index out of range [-1]"));
    };
    let length = out.len() as i64 - i64::from(padding);
    if length < 0 {
        return Err(CallError::new(format!(
            "runtime error: slice bounds out of range [:{length}]"
        )));
    }
    out.truncate(length as usize);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decryption() {
        // Made with sprig's encryptAES.
        let text = |password: &str, text: &str| {
            decrypt(password.as_bytes(), &Str::from(text))
                .map(|plain| String::from_utf8_lossy(&plain).into_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            text("secretkey", "30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ="),
            Ok("plaintext".to_owned())
        );
        assert_eq!(
            text("p", "!"),
            Err("illegal base64 data at input byte 0".to_owned())
        );
        assert_eq!(
            text("p", "YWJj"),
            Err("runtime error: slice bounds out of range [:16] with capacity 3".to_owned())
        );
        assert_eq!(
            text("p", "YWJjYWJjYWJjYWJjYWJjYWJj"),
            Err("crypto/cipher: input not full blocks".to_owned())
        );
    }
}
