//! Checksums.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::{funcs::Registry, template::Str};

pub(super) fn register(registry: &mut Registry) {
    registry.add("sha1sum", |text: Str| hexadecimal(&Sha1::digest(&*text)));
    registry.add("sha256sum", |text: Str| {
        hexadecimal(&Sha256::digest(&*text))
    });
    registry.add("sha512sum", |text: Str| {
        hexadecimal(&Sha512::digest(&*text))
    });
    registry.add("adler32sum", |text: Str| adler32(&text).to_string());
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string");
        text
    })
}

/// RFC 1950's checksum.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1_u32, 0_u32);
    // So many bytes can be added up before the sums overflow.
    for chunk in bytes.chunks(5552) {
        for &byte in chunk {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert_eq!(adler32(b"Wikipedia"), 300_286_872);
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(&[0xff; 100_000]), 345_649_196);
        assert_eq!(
            hexadecimal(&Sha1::digest(b"")),
            "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        );
    }
}
