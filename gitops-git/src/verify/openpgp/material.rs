//! The mathematics of each kind of key. Only public values are touched, so nothing here needs to take equal time.

use aws_lc_rs::{
    digest::{self, Digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED,
        ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm as _,
    },
};
use num_bigint::BigUint;

use super::{
    super::reader::{Reader, padded},
    brainpool,
    packet::number,
};

/// Bits that RSA and DSA moduli have at least.
const MODULUS: usize = 2048;
/// Bits that a DSA modulus has at most; RSA's bound is the library's.
const DSA_MODULUS: usize = 8192;

const ED25519_LEGACY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// A public key's numbers.
#[derive(Debug, Clone)]
pub(super) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Dsa {
        p: BigUint,
        q: BigUint,
        g: BigUint,
        y: BigUint,
    },
    Ecdsa {
        curve: Curve,
        point: Vec<u8>,
    },
    Ed25519(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
    Brainpool(brainpool::Size),
}

/// A signature's numbers.
#[derive(Debug)]
pub(super) enum Value {
    Rsa(Vec<u8>),
    Pair(Vec<u8>, Vec<u8>),
    Raw(Vec<u8>),
    /// Of an algorithm that is not known here.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Material {
    /// Reads the numbers of a key of this algorithm.
    pub(super) fn parse(algorithm: u8, reader: &mut Reader<'_>) -> Option<Self> {
        let integer = |reader: &mut Reader<'_>| number(reader).map(BigUint::from_bytes_be);
        Some(match algorithm {
            1 | 3 => Self::Rsa {
                n: number(reader)?.to_vec(),
                e: number(reader)?.to_vec(),
            },
            17 => Self::Dsa {
                p: integer(reader)?,
                q: integer(reader)?,
                g: integer(reader)?,
                y: integer(reader)?,
            },
            19 => {
                let length = usize::from(reader.byte()?);
                let curve = match reader.take(length)? {
                    [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Curve::P256,
                    [0x2b, 0x81, 0x04, 0x00, 0x22] => Curve::P384,
                    [0x2b, 0x81, 0x04, 0x00, 0x23] => Curve::P521,
                    [0x2b, 0x81, 0x04, 0x00, 0x0a] => Curve::Secp256k1,
                    [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, last] => {
                        Curve::Brainpool(brainpool::Size::of(*last)?)
                    }
                    _ => return None,
                };
                Self::Ecdsa {
                    curve,
                    point: number(reader)?.to_vec(),
                }
            }
            22 => {
                let length = usize::from(reader.byte()?);
                if reader.take(length)? != ED25519_LEGACY {
                    return None;
                }
                let point = number(reader)?.strip_prefix(&[0x40])?;
                (point.len() == 32).then(|| Self::Ed25519(point.to_vec()))?
            }
            27 => Self::Ed25519(reader.take(32)?.to_vec()),
            _ => return None,
        })
    }

    /// Whether the key is too short to trust.
    pub(super) fn is_weak(&self) -> bool {
        match self {
            Self::Rsa { n, .. } => BigUint::from_bytes_be(n).bits() < MODULUS as u64,
            Self::Dsa { p, q, .. } => p.bits() < MODULUS as u64 || q.bits() < 224,
            Self::Ecdsa { .. } | Self::Ed25519(_) => false,
        }
    }

    /// Whether signatures by this kind of key over this hash are checked here.
    pub(super) fn takes(&self, hash: Option<Hash>) -> bool {
        !matches!(
            (self, hash),
            (_, None) | (Self::Rsa { .. }, Some(Hash::Sha224))
        )
    }

    /// Whether this key made `value`, by `algorithm`, over `message`.
    pub(super) fn verify(&self, algorithm: u8, hash: Hash, message: &[u8], value: &Value) -> bool {
        match (self, value, algorithm) {
            (Self::Rsa { n, e }, Value::Rsa(value), 1 | 3) => {
                let parameters = match hash {
                    Hash::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha224 => return false,
                    Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                };
                padded(value, n.len()).is_some_and(|value| {
                    RsaPublicKeyComponents { n, e }
                        .verify(parameters, message, &value)
                        .is_ok()
                })
            }
            (Self::Dsa { p, q, g, y }, Value::Pair(r, s), 17) => {
                dsa([p, q, g, y], hash.digest(message).as_ref(), r, s)
            }
            (Self::Ecdsa { curve, point }, Value::Pair(r, s), 19) => {
                ecdsa(*curve, point, hash.digest(message).as_ref(), r, s).is_some()
            }
            (Self::Ed25519(point), Value::Pair(r, s), 22) => {
                fixed(r, s, 32).is_some_and(|value| ed25519(point, hash, message, &value))
            }
            (Self::Ed25519(point), Value::Raw(value), 27) => ed25519(point, hash, message, value),
            _ => false,
        }
    }
}

/// OpenPGP signs the hash with Ed25519, not the message.
fn ed25519(point: &[u8], hash: Hash, message: &[u8], value: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, point)
        .verify(hash.digest(message).as_ref(), value)
        .is_ok()
}

/// ECDSA takes as many of a hash's leading bits as its order has, whichever hash it is.
fn ecdsa(curve: Curve, point: &[u8], hash: &[u8], r: &[u8], s: &[u8]) -> Option<()> {
    let (algorithm, of, size) = match curve {
        Curve::P256 => (&ECDSA_P256_SHA256_FIXED, &digest::SHA256, 32),
        Curve::Secp256k1 => (&ECDSA_P256K1_SHA256_FIXED, &digest::SHA256, 32),
        Curve::P384 => (&ECDSA_P384_SHA384_FIXED, &digest::SHA384, 48),
        Curve::P521 => (&ECDSA_P521_SHA512_FIXED, &digest::SHA512, 66),
        Curve::Brainpool(size) => return brainpool::verify(size, point, hash, r, s),
    };
    let length = of.output_len();
    let hash = padded(&hash[..hash.len().min(length)], length)?;
    let hash = Digest::import_less_safe(&hash, of).ok()?;
    algorithm
        .verify_digest_sig(point, &hash, &fixed(r, s, size)?)
        .ok()
}

fn dsa([p, q, g, y]: [&BigUint; 4], hash: &[u8], r: &[u8], s: &[u8]) -> bool {
    let (r, s) = (BigUint::from_bytes_be(r), BigUint::from_bytes_be(s));
    let zero = BigUint::ZERO;
    if p.bits() > DSA_MODULUS as u64 || *q == zero || *p <= *q {
        return false;
    }
    if r == zero || s == zero || r >= *q || s >= *q || g >= p || y >= p {
        return false;
    }
    let Some(inverse) = s.modinv(q) else {
        return false;
    };
    let mut number = BigUint::from_bytes_be(hash);
    let bits = hash.len() as u64 * 8;
    number >>= bits.saturating_sub(q.bits());
    let a = g.modpow(&(&number * &inverse % q), p);
    let b = y.modpow(&(&r * &inverse % q), p);
    a * b % p % q == r
}

fn fixed(r: &[u8], s: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = padded(r, size)?;
    out.extend(padded(s, size)?);
    Some(out)
}

impl Hash {
    pub(super) fn of(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Sha1,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            // MD5 and RIPEMD-160 are broken or too short; SHA-3 nobody signs commits with.
            _ => return None,
        })
    }

    pub(super) fn digest(self, message: &[u8]) -> Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &digest::SHA224,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, message)
    }

    /// Bytes of salt that a version 6 signature over this hash has.
    pub(super) fn salt(self) -> usize {
        match self {
            Self::Sha1 => 0,
            Self::Sha224 | Self::Sha256 => 16,
            Self::Sha384 => 24,
            Self::Sha512 => 32,
        }
    }
}
