//! Private keys: made, read and written in the forms that Go uses.

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256,
    },
};

use super::{
    der::{self, Reader},
    pem, prime,
};
use crate::template::{CallError, Context};

/// `rsaEncryption`.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `sha256WithRSAEncryption`.
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// `ecPublicKey`.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A curve of ECDSA.
pub(super) struct Curve {
    identifier: &'static [u8],
    /// The identifier of its signatures.
    signature: &'static [u8],
    algorithm: &'static EcdsaSigningAlgorithm,
    scalar_length: usize,
}

static CURVES: [Curve; 3] = [
    Curve {
        identifier: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
        algorithm: &ECDSA_P256_SHA256_ASN1_SIGNING,
        scalar_length: 32,
    },
    Curve {
        identifier: &[0x2b, 0x81, 0x04, 0x00, 0x22],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
        algorithm: &ECDSA_P384_SHA384_ASN1_SIGNING,
        scalar_length: 48,
    },
    Curve {
        identifier: &[0x2b, 0x81, 0x04, 0x00, 0x23],
        signature: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
        algorithm: &ECDSA_P521_SHA512_ASN1_SIGNING,
        scalar_length: 66,
    },
];

/// A private key.
pub(super) enum PrivateKey {
    Rsa {
        pair: RsaKeyPair,
        /// PKCS #1.
        encoded: Vec<u8>,
    },
    Ecdsa {
        pair: EcdsaKeyPair,
        curve: &'static Curve,
        scalar: Vec<u8>,
    },
    Ed25519 {
        pair: Ed25519KeyPair,
        seed: [u8; 32],
    },
    /// Keys that cannot sign certificates.
    Dsa { encoded: Vec<u8> },
}

/// Steps that the search for a prime number costs.
const PRIME_COST: u64 = 2_000_000;

impl PrivateKey {
    /// A new RSA key of 2048 or 4096 bits.
    pub(super) fn generate_rsa(context: &mut Context<'_>, bits: u64) -> Result<Self, CallError> {
        context.spend(PRIME_COST * bits / 2048)?;
        if context.host().is_seeded() {
            let encoded = prime::rsa_key(context, bits)?;
            return Self::from_pkcs1(&encoded).ok_or_else(|| failure("rsa key"));
        }
        announce(context)?;
        let size = if bits > 2048 {
            KeySize::Rsa4096
        } else {
            KeySize::Rsa2048
        };
        let pair = RsaKeyPair::generate(size).map_err(|_| failure("rsa key"))?;
        let pkcs8 = pair.as_der().map_err(|_| failure("rsa key"))?;
        Self::from_pkcs8(pkcs8.as_ref()).ok_or_else(|| failure("rsa key"))
    }

    /// A new key on P-256.
    pub(super) fn generate_ecdsa(context: &mut Context<'_>) -> Result<Self, CallError> {
        // Nearly every number is a scalar of the curve.
        for _ in 0..64 {
            let mut scalar = vec![0; 32];
            context.random(&mut scalar)?;
            if let Some(key) = Self::from_scalar(&CURVES[0], scalar) {
                return Ok(key);
            }
        }
        Err(failure("ecdsa key"))
    }

    /// A new Ed25519 key.
    pub(super) fn generate_ed25519(context: &mut Context<'_>) -> Result<Self, CallError> {
        let mut seed = [0; 32];
        context.random(&mut seed)?;
        Self::from_seed(seed).ok_or_else(|| failure("ed25519 key"))
    }

    /// A new DSA key of 2048 bits with a subgroup of 256.
    pub(super) fn generate_dsa(context: &mut Context<'_>) -> Result<Self, CallError> {
        context.spend(PRIME_COST * 4)?;
        Ok(Self::Dsa {
            encoded: prime::dsa_key(context)?,
        })
    }

    /// Reads a key of any of the kinds; the messages are sprig's.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, CallError> {
        let (label, content) =
            pem::decode(text).ok_or_else(|| CallError::new("no PEM data in input"))?;
        if label == "PRIVATE KEY" {
            return Self::from_pkcs8(&content).ok_or_else(|| {
                CallError::new("decoding PEM as PKCS#8: x509: failed to parse private key")
            });
        }
        let Some(kind) = label.strip_suffix(" PRIVATE KEY") else {
            return Err(CallError::new(format!(
                "no private key data in PEM block of type {label}"
            )));
        };
        let wrong =
            |reason: &str| CallError::new(format!("parsing {kind} private key from PEM: {reason}"));
        match kind {
            "RSA" => {
                Self::from_pkcs1(&content).ok_or_else(|| wrong("x509: failed to parse private key"))
            }
            "EC" => Self::from_sec1(&content, None)
                .ok_or_else(|| wrong("x509: failed to parse EC private key")),
            "DSA" => is_dsa_key(&content)
                .then_some(Self::Dsa { encoded: content })
                .ok_or_else(|| wrong("asn1: structure error")),
            _ => Err(CallError::new(format!("invalid private key type {kind}"))),
        }
    }

    /// The text in the form of Go for its kind.
    pub(super) fn to_pem(&self) -> String {
        match self {
            Self::Rsa { encoded, .. } => pem::encode("RSA PRIVATE KEY", encoded),
            Self::Dsa { encoded } => pem::encode("DSA PRIVATE KEY", encoded),
            Self::Ecdsa {
                pair,
                curve,
                scalar,
            } => {
                let key = der::sequence(&[
                    der::unsigned(&[1]),
                    der::element(der::OCTET_STRING, scalar),
                    der::element(der::context(0, true), &der::identifier(curve.identifier)),
                    der::element(
                        der::context(1, true),
                        &der::bits(pair.public_key().as_ref()),
                    ),
                ]);
                pem::encode("EC PRIVATE KEY", &key)
            }
            Self::Ed25519 { seed, .. } => {
                let key = der::sequence(&[
                    der::unsigned(&[]),
                    der::sequence(&[der::identifier(ED25519)]),
                    der::element(der::OCTET_STRING, &der::element(der::OCTET_STRING, seed)),
                ]);
                pem::encode("PRIVATE KEY", &key)
            }
        }
    }

    /// The public key as in certificates (`SubjectPublicKeyInfo`); None for DSA.
    pub(super) fn public_info(&self) -> Option<Vec<u8>> {
        let (algorithm, key) = match self {
            Self::Rsa { pair, .. } => (
                vec![der::identifier(RSA), der::element(der::NULL, &[])],
                pair.public_key().as_ref().to_vec(),
            ),
            Self::Ecdsa { pair, curve, .. } => (
                vec![der::identifier(EC), der::identifier(curve.identifier)],
                pair.public_key().as_ref().to_vec(),
            ),
            Self::Ed25519 { pair, .. } => (
                vec![der::identifier(ED25519)],
                pair.public_key().as_ref().to_vec(),
            ),
            Self::Dsa { .. } => return None,
        };
        Some(der::sequence(&[der::sequence(&algorithm), der::bits(&key)]))
    }

    /// The identifier of its signatures; None for DSA.
    pub(super) fn signature_algorithm(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::Rsa { .. } => {
                der::sequence(&[der::identifier(RSA_SHA256), der::element(der::NULL, &[])])
            }
            Self::Ecdsa { curve, .. } => der::sequence(&[der::identifier(curve.signature)]),
            Self::Ed25519 { .. } => der::sequence(&[der::identifier(ED25519)]),
            Self::Dsa { .. } => return None,
        })
    }

    /// Signs a message; None for keys that cannot.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Self::Ecdsa { pair, .. } => {
                let signature: signature::Signature = pair.sign(&random, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Self::Ed25519 { pair, .. } => Some(pair.sign(message).as_ref().to_vec()),
            Self::Dsa { .. } => None,
        }
    }

    fn from_pkcs1(encoded: &[u8]) -> Option<Self> {
        Some(Self::Rsa {
            pair: RsaKeyPair::from_der(encoded).ok()?,
            encoded: encoded.to_vec(),
        })
    }

    fn from_scalar(curve: &'static Curve, scalar: Vec<u8>) -> Option<Self> {
        let encoded = der::sequence(&[
            der::unsigned(&[1]),
            der::element(der::OCTET_STRING, &scalar),
            der::element(der::context(0, true), &der::identifier(curve.identifier)),
        ]);
        Some(Self::Ecdsa {
            pair: EcdsaKeyPair::from_private_key_der(curve.algorithm, &encoded).ok()?,
            curve,
            scalar,
        })
    }

    fn from_seed(seed: [u8; 32]) -> Option<Self> {
        Some(Self::Ed25519 {
            pair: Ed25519KeyPair::from_seed_unchecked(&seed).ok()?,
            seed,
        })
    }

    /// An `ECPrivateKey`, whose curve may be named outside of it.
    fn from_sec1(encoded: &[u8], curve: Option<&[u8]>) -> Option<Self> {
        let mut key = Reader::new(encoded).sequence()?;
        key.unsigned().filter(|version| *version == [1])?;
        let scalar = key.expect(der::OCTET_STRING)?;
        let named = key
            .expect(der::context(0, true))
            .and_then(|content| Reader::new(content).expect(der::OBJECT_IDENTIFIER));
        let identifier = curve.or(named)?;
        let curve = CURVES.iter().find(|curve| curve.identifier == identifier)?;
        // Leading zeros may be missing or superfluous.
        let skip = scalar.len().saturating_sub(curve.scalar_length);
        let (extra, scalar) = scalar.split_at(skip);
        if extra.iter().any(|&byte| byte != 0) {
            return None;
        }
        let mut padded = vec![0; curve.scalar_length - scalar.len()];
        padded.extend_from_slice(scalar);
        Self::from_scalar(curve, padded)
    }

    fn from_pkcs8(encoded: &[u8]) -> Option<Self> {
        let mut info = Reader::new(encoded).sequence()?;
        info.expect(der::INTEGER)?;
        let mut algorithm = info.sequence()?;
        let identifier = algorithm.expect(der::OBJECT_IDENTIFIER)?;
        let key = info.expect(der::OCTET_STRING)?;
        match identifier {
            RSA => Self::from_pkcs1(key),
            EC => Self::from_sec1(key, algorithm.expect(der::OBJECT_IDENTIFIER)),
            ED25519 => {
                let seed = Reader::new(key).expect(der::OCTET_STRING)?;
                Self::from_seed(seed.try_into().ok()?)
            }
            _ => None,
        }
    }
}

/// Uses the host's randomness, so that a host that forbids it can say so, where the key itself comes
/// from the operating system.
fn announce(context: &mut Context<'_>) -> Result<(), CallError> {
    context.random(&mut [0; 1])
}

fn is_dsa_key(encoded: &[u8]) -> bool {
    Reader::new(encoded)
        .sequence()
        .is_some_and(|mut key| (0..6).all(|_| key.expect(der::INTEGER).is_some()))
}

fn failure(what: &str) -> CallError {
    CallError::new(format!("error generating {what}"))
}
