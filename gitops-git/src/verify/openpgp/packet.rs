//! Packets, keys and signatures as they are written.

use aws_lc_rs::digest;

use super::{
    super::reader::Reader,
    material::{Hash, Material, Value},
};

/// Packets of one armoured block, at most.
const PACKETS: usize = 10_000;

/// A public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    version: u8,
    /// The packet's content, as it is hashed.
    body: Vec<u8>,
    pub(super) created: i64,
    pub(super) fingerprint: Vec<u8>,
    pub(super) material: Material,
}

impl Key {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let version = reader.byte()?;
        let created = i64::from(reader.u32()?);
        let algorithm = reader.byte()?;
        let material = match version {
            4 => Material::parse(algorithm, &mut reader)?,
            6 => {
                let length = usize::try_from(reader.u32()?).ok()?;
                let mut numbers = Reader(reader.take(length)?);
                // The old form of Ed25519 does not exist in version 6.
                if algorithm == 22 {
                    return None;
                }
                let material = Material::parse(algorithm, &mut numbers)?;
                numbers.is_empty().then_some(material)?
            }
            _ => return None,
        };
        let mut this = Self {
            version,
            body: body.to_vec(),
            created,
            fingerprint: Vec::new(),
            material,
        };
        let algorithm = match version {
            4 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            _ => &digest::SHA256,
        };
        this.fingerprint = digest::digest(algorithm, &this.hashed()?).as_ref().to_vec();
        Some(this)
    }

    /// The key as it is hashed.
    pub(super) fn hashed(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(self.body.len() + 5);
        if self.version == 4 {
            out.push(0x99);
            out.extend_from_slice(&u16::try_from(self.body.len()).ok()?.to_be_bytes());
        } else {
            out.push(0x9b);
            out.extend_from_slice(&u32::try_from(self.body.len()).ok()?.to_be_bytes());
        }
        out.extend_from_slice(&self.body);
        Some(out)
    }

    fn id(&self) -> &[u8] {
        match self.version {
            4 => &self.fingerprint[12..],
            _ => &self.fingerprint[..8],
        }
    }

    /// Whether this key made `signature` over `data`.
    pub(super) fn verify(&self, signature: &Signature, data: &[u8]) -> bool {
        let fits = matches!((self.version, signature.version), (4, 3 | 4) | (6, 6));
        let Some(hash) = signature.hash.filter(|_| fits) else {
            return false;
        };
        let mut message = signature.salt.clone();
        message.extend_from_slice(data);
        message.extend_from_slice(&signature.hashed);
        if signature.version != 3 {
            message.extend_from_slice(&[signature.version, 0xff]);
            let Ok(length) = u32::try_from(signature.hashed.len()) else {
                return false;
            };
            message.extend_from_slice(&length.to_be_bytes());
        }
        hash.digest(&message).as_ref()[..2] == signature.left
            && self
                .material
                .verify(signature.algorithm, hash, &message, &signature.value)
    }
}

/// A signature packet.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) version: u8,
    pub(super) kind: u8,
    algorithm: u8,
    /// `None` where it is not known here, or broken.
    pub(super) hash: Option<Hash>,
    salt: Vec<u8>,
    /// What of the packet is hashed.
    hashed: Vec<u8>,
    left: [u8; 2],
    value: Value,
    pub(super) created: Option<i64>,
    pub(super) expires_after: Option<u32>,
    pub(super) key_expires_after: Option<u32>,
    pub(super) flags: Option<u8>,
    pub(super) issuer: Option<[u8; 8]>,
    fingerprint: Option<Vec<u8>>,
    pub(super) embedded: Option<Vec<u8>>,
    /// A critical statement that is not understood here.
    pub(super) strange: bool,
}

impl Signature {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        match reader.byte()? {
            3 => Self::parse_3(reader),
            version @ (4 | 6) => Self::parse_4_or_6(version, body, reader),
            _ => None,
        }
    }

    fn parse_3(mut reader: Reader<'_>) -> Option<Self> {
        if reader.byte()? != 5 {
            return None;
        }
        let hashed = reader.take(5)?;
        let created = u32::from_be_bytes(hashed[1..].try_into().ok()?);
        let issuer = reader.take(8)?.try_into().ok()?;
        let algorithm = reader.byte()?;
        let hash = Hash::of(reader.byte()?);
        let left = reader.take(2)?.try_into().ok()?;
        Some(Self {
            hashed: hashed.to_vec(),
            created: Some(i64::from(created)),
            issuer: Some(issuer),
            ..Self::new(3, hashed[0], algorithm, hash, left, &mut reader)?
        })
    }

    fn parse_4_or_6(version: u8, body: &[u8], mut reader: Reader<'_>) -> Option<Self> {
        let kind = reader.byte()?;
        let algorithm = reader.byte()?;
        let hash = Hash::of(reader.byte()?);
        let area = |reader: &mut Reader<'_>| match version {
            4 => reader.u16().map(usize::from),
            _ => usize::try_from(reader.u32()?).ok(),
        };
        let length = area(&mut reader)?;
        let statements = reader.take(length)?;
        let hashed = &body[..body.len() - reader.0.len()];
        let length = area(&mut reader)?;
        let hints = reader.take(length)?;
        let left = reader.take(2)?.try_into().ok()?;
        let mut salt = Vec::new();
        if version == 6 {
            let length = usize::from(reader.byte()?);
            if hash.is_some_and(|hash| hash.salt() != length) {
                return None;
            }
            salt = reader.take(length)?.to_vec();
        }
        let mut this = Self {
            hashed: hashed.to_vec(),
            salt,
            ..Self::new(version, kind, algorithm, hash, left, &mut reader)?
        };
        this.statements(statements, true)?;
        this.statements(hints, false)?;
        Some(this)
    }

    /// Reads the numbers at the end; everything else is still to be filled in.
    fn new(
        version: u8,
        kind: u8,
        algorithm: u8,
        hash: Option<Hash>,
        left: [u8; 2],
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let value = match algorithm {
            1 | 3 => Value::Rsa(number(reader)?.to_vec()),
            17 | 19 | 22 => Value::Pair(number(reader)?.to_vec(), number(reader)?.to_vec()),
            27 => Value::Raw(reader.take(64)?.to_vec()),
            _ => Value::Unknown,
        };
        Some(Self {
            version,
            kind,
            algorithm,
            hash,
            salt: Vec::new(),
            hashed: Vec::new(),
            left,
            value,
            created: None,
            expires_after: None,
            key_expires_after: None,
            flags: None,
            issuer: None,
            fingerprint: None,
            embedded: None,
            strange: false,
        })
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
            let critical = first & 0x80 != 0;
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
                // A statement in words that must be understood: none is known here.
                (20, true) if critical => self.strange = true,
                // Statements that change nothing for a verifier: trust, preferences, notations, reasons, recipients.
                (2..=5 | 7 | 9 | 11 | 12 | 16 | 20..=31 | 33..=35 | 39, _) => {}
                (_, true) if critical => self.strange = true,
                _ => {}
            }
        }
        Some(())
    }

    /// Whether it says that `key` made it.
    pub(super) fn names(&self, key: &Key) -> bool {
        match (&self.fingerprint, &self.issuer) {
            (Some(fingerprint), _) => *fingerprint == key.fingerprint,
            (None, Some(id)) => key.id() == id,
            (None, None) => false,
        }
    }

    /// Whether its hash and algorithm are known here.
    pub(super) fn is_checkable(&self) -> bool {
        self.hash.is_some() && !matches!(self.value, Value::Unknown)
    }

    /// The key that it says made it, for people.
    pub(super) fn signer(&self) -> String {
        match (&self.fingerprint, &self.issuer) {
            (Some(fingerprint), _) => format!("the key {}", hex(fingerprint)),
            (None, Some(id)) => format!("the key {}", hex(id)),
            (None, None) => "an unnamed key".to_owned(),
        }
    }
}

/// Splits bytes into packets: tag and content.
pub(super) fn packets(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
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
pub(super) fn number<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let bits = usize::from(reader.u16()?);
    reader.take(bits.div_ceil(8))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
