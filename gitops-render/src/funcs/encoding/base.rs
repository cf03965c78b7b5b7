//! Base 64 and base 32 with padding, as Go's standard encodings read and write them.

/// An alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    Base64,
    Base32,
}

/// A text is not in base 64 or 32; the message is Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base{base} data at input byte {offset}")]
pub(crate) struct DecodeError {
    base: u8,
    offset: usize,
}

impl Alphabet {
    fn characters(self) -> &'static [u8] {
        match self {
            Self::Base64 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            Self::Base32 => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Base32 => 5,
        }
    }

    /// Characters of a whole group.
    fn group(self) -> usize {
        match self {
            Self::Base64 => 4,
            Self::Base32 => 8,
        }
    }

    fn value(self, byte: u8) -> Option<u64> {
        let value = match (self, byte) {
            (_, b'A'..=b'Z') => byte - b'A',
            (Self::Base64, b'a'..=b'z') => byte - b'a' + 26,
            (Self::Base64, b'0'..=b'9') => byte - b'0' + 52,
            (Self::Base64, b'+') => 62,
            (Self::Base64, b'/') => 63,
            (Self::Base32, b'2'..=b'7') => byte - b'2' + 26,
            _ => return None,
        };
        Some(u64::from(value))
    }

    fn error(self, offset: usize) -> DecodeError {
        DecodeError {
            base: match self {
                Self::Base64 => 64,
                Self::Base32 => 32,
            },
            offset,
        }
    }
}

/// Encodes with padding.
pub(crate) fn encode(alphabet: Alphabet, data: &[u8]) -> String {
    let (bits, group) = (alphabet.bits(), alphabet.group());
    let bytes = group * bits as usize / 8;
    let mut out = String::with_capacity(data.len().div_ceil(bytes) * group);
    for chunk in data.chunks(bytes) {
        let value = chunk
            .iter()
            .chain(std::iter::repeat_n(&0, bytes - chunk.len()))
            .fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
        let used = (chunk.len() * 8).div_ceil(bits as usize);
        for index in 0..group {
            if index < used {
                let shift = bits * (group - 1 - index) as u32;
                let digit = (value >> shift) & ((1 << bits) - 1);
                out.push(char::from(alphabet.characters()[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Decodes with padding; line breaks are skipped.
pub(crate) fn decode(alphabet: Alphabet, text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match alphabet {
        Alphabet::Base64 => decode_64(text),
        Alphabet::Base32 => decode_32(text),
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn decode_64(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let alphabet = Alphabet::Base64;
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut at = 0;
    let skip = |at: &mut usize| {
        while text.get(*at).is_some_and(|&byte| is_line_break(byte)) {
            *at += 1;
        }
    };
    loop {
        let mut value = 0_u64;
        let mut digits = 0;
        while digits < 4 {
            skip(&mut at);
            let Some(&byte) = text.get(at) else {
                return if digits == 0 {
                    Ok(out)
                } else {
                    Err(alphabet.error(at - digits))
                };
            };
            at += 1;
            if let Some(digit) = alphabet.value(byte) {
                value = (value << 6) | digit;
                digits += 1;
                continue;
            }
            if byte != b'=' || digits < 2 {
                return Err(alphabet.error(at - 1));
            }
            if digits == 2 {
                skip(&mut at);
                match text.get(at) {
                    None => return Err(alphabet.error(text.len())),
                    Some(b'=') => at += 1,
                    Some(_) => return Err(alphabet.error(at - 1)),
                }
            }
            skip(&mut at);
            // What follows the padding is an error, after the bytes before it.
            if at < text.len() {
                return Err(alphabet.error(at));
            }
            value <<= 6 * (4 - digits);
            out.extend_from_slice(&value.to_be_bytes()[5..5 + digits - 1]);
            return Ok(out);
        }
        out.extend_from_slice(&value.to_be_bytes()[5..]);
    }
}

fn decode_32(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let alphabet = Alphabet::Base32;
    // The offsets of errors are those in the text without line breaks.
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|&byte| !is_line_break(byte))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5 + 5);
    let mut at = 0;
    while at < text.len() {
        let mut value = 0_u64;
        let mut digits = 0;
        while digits < 8 {
            let Some(&byte) = text.get(at) else {
                return Err(alphabet.error(at - digits));
            };
            at += 1;
            if let Some(digit) = alphabet.value(byte) {
                value = (value << 5) | digit;
                digits += 1;
                continue;
            }
            let rest = text.len() - at;
            if byte != b'=' || digits < 2 || rest >= 8 {
                return Err(alphabet.error(at - 1));
            }
            if rest + digits < 8 - 1 {
                return Err(alphabet.error(text.len()));
            }
            for index in 0..8 - 1 - digits {
                if text.get(at + index).is_some_and(|&byte| byte != b'=') {
                    return Err(alphabet.error(at + index - 1));
                }
            }
            if matches!(digits, 1 | 3 | 6) {
                return Err(alphabet.error(at - 1));
            }
            value <<= 5 * (8 - digits);
            out.extend_from_slice(&value.to_be_bytes()[3..3 + digits * 5 / 8]);
            return Ok(out);
        }
        out.extend_from_slice(&value.to_be_bytes()[3..]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for length in 0..20_u8 {
            let data: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(83)).collect();
            for alphabet in [Alphabet::Base64, Alphabet::Base32] {
                let text = encode(alphabet, &data);
                assert_eq!(
                    decode(alphabet, text.as_bytes()),
                    Ok(data.clone()),
                    "{text}"
                );
            }
        }
        assert_eq!(encode(Alphabet::Base64, b"hello"), "aGVsbG8=");
        assert_eq!(encode(Alphabet::Base32, b"hello"), "NBSWY3DP");
        assert_eq!(
            decode(Alphabet::Base64, b"aGVs\nbG8=\r\n"),
            Ok(b"hello".to_vec())
        );
    }

    #[test]
    fn errors() {
        let error = |alphabet, text: &str| {
            decode(alphabet, text.as_bytes())
                .expect_err(text)
                .to_string()
        };
        assert_eq!(
            error(Alphabet::Base64, "x"),
            "illegal base64 data at input byte 0"
        );
        assert_eq!(
            error(Alphabet::Base64, "ab!d"),
            "illegal base64 data at input byte 2"
        );
        assert_eq!(
            error(Alphabet::Base64, "aGVsbG8"),
            "illegal base64 data at input byte 4"
        );
        assert_eq!(
            error(Alphabet::Base64, "aGVsbG8=="),
            "illegal base64 data at input byte 8"
        );
        assert_eq!(
            error(Alphabet::Base32, "1"),
            "illegal base32 data at input byte 0"
        );
    }
}
