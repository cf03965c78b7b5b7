//! From bytes to text: encodings, and the characters YAML allows.

use std::borrow::Cow;

/// Text that a scanner may read, and why it ends where it ends.
pub(crate) struct Input<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Set where the text goes on, but with something that is not allowed in YAML.
    pub(crate) problem: Option<&'static str>,
}

/// How many bytes libyaml reads at once. It looks at whole blocks, so that a character that is not
/// allowed is an error as soon as anything in its block is needed, even after the first document.
const BLOCK: usize = 512;

impl<'a> Input<'a> {
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Self {
        match bytes {
            [0xFF, 0xFE, rest @ ..] => Self::from_utf16(rest, u16::from_le_bytes),
            [0xFE, 0xFF, rest @ ..] => Self::from_utf16(rest, u16::from_be_bytes),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Self::from_text(text),
                Err(error) => {
                    let good = error.valid_up_to();
                    let text = std::str::from_utf8(&bytes[..good]).expect("checked above");
                    match Self::from_text(text) {
                        clean @ Self {
                            problem: Some(_), ..
                        } => clean,
                        _ => Self::broken(text, good, utf8_problem(&bytes[good..])),
                    }
                }
            },
        }
    }

    pub(crate) fn from_text(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        match first_forbidden(text.as_bytes()) {
            None => Self {
                text: Cow::Borrowed(text),
                problem: None,
            },
            Some(at) => Self::broken(text, at, "control characters are not allowed"),
        }
    }

    /// Text that is good up to `at`, cut before the block that holds `at`.
    fn broken(text: &'a str, at: usize, problem: &'static str) -> Self {
        let mut end = 0;
        loop {
            let mut next = end + BLOCK;
            if next > at {
                break;
            }
            while !text.is_char_boundary(next) {
                next -= 1;
            }
            end = next;
        }
        Self {
            text: Cow::Borrowed(&text[..end]),
            problem: Some(problem),
        }
    }

    fn from_utf16(bytes: &[u8], decode: fn([u8; 2]) -> u16) -> Self {
        let units = bytes.chunks(2).map(|pair| match pair {
            [a, b] => Ok(decode([*a, *b])),
            _ => Err("incomplete UTF-16 character"),
        });
        let mut text = String::with_capacity(bytes.len());
        let mut high: Option<u16> = None;
        let mut problem = None;
        for unit in units {
            let unit = match unit {
                Ok(unit) => unit,
                Err(what) => {
                    problem = Some(what);
                    break;
                }
            };
            let character = match (high.take(), unit) {
                (Some(high), 0xDC00..=0xDFFF) => {
                    char::decode_utf16([high, unit]).next().and_then(Result::ok)
                }
                (Some(_), _) => {
                    problem = Some("expected low surrogate area");
                    break;
                }
                (None, 0xD800..=0xDBFF) => {
                    high = Some(unit);
                    continue;
                }
                (None, 0xDC00..=0xDFFF) => {
                    problem = Some("unexpected low surrogate area");
                    break;
                }
                (None, unit) => char::from_u32(u32::from(unit)),
            };
            text.extend(character);
        }
        if problem.is_none() && high.is_some() {
            problem = Some("incomplete UTF-16 surrogate pair");
        }
        if let Some(at) = first_forbidden(text.as_bytes()) {
            text.truncate(at);
            problem = Some("control characters are not allowed");
        }
        if problem.is_some() {
            text.clear();
        }
        Self {
            text: Cow::Owned(text),
            problem,
        }
    }
}

/// The place of the first character that YAML does not allow: anything but tab, line breaks, NEL and
/// what is printable.
fn first_forbidden(bytes: &[u8]) -> Option<usize> {
    /// Bytes that may begin or be a forbidden character.
    const SUSPECT: [bool; 256] = {
        let mut table = [false; 256];
        let mut i = 0;
        while i < 0x20 {
            table[i] = i != 0x09 && i != 0x0A && i != 0x0D;
            i += 1;
        }
        table[0x7F] = true;
        table[0xC2] = true;
        table[0xEF] = true;
        table
    };
    /// Bytes looked at together; nearly always there is nothing to see.
    const CHUNK: usize = 64;
    let plain = |chunk: &[u8]| {
        chunk.iter().fold(true, |plain, byte| {
            plain & (matches!(*byte, 0x20..=0x7E) | matches!(*byte, 0x09 | 0x0A | 0x0D))
        })
    };
    for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
        if plain(chunk) {
            continue;
        }
        for (offset, byte) in chunk.iter().enumerate() {
            let at = index * CHUNK + offset;
            if SUSPECT[usize::from(*byte)] && is_forbidden(&bytes[at..]) {
                return Some(at);
            }
        }
    }
    None
}

/// Whether a forbidden character is at the beginning of bytes that begin with a suspect one.
fn is_forbidden(bytes: &[u8]) -> bool {
    match bytes {
        [0xC2, next, ..] => *next < 0xA0 && *next != 0x85,
        [0xEF, 0xBF, next, ..] => *next >= 0xBE,
        [0xEF, ..] => false,
        _ => true,
    }
}

/// What libyaml says of bytes that are not UTF-8.
fn utf8_problem(bytes: &[u8]) -> &'static str {
    let width = match bytes[0] {
        0x00..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    if bytes.len() < width {
        return "incomplete UTF-8 octet sequence";
    }
    if bytes[1..width].iter().any(|byte| byte & 0xC0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    match (bytes[0], bytes[1]) {
        (0xC0 | 0xC1, _) | (0xE0, 0x80..=0x9F) | (0xF0, 0x80..=0x8F) => {
            "invalid length of a UTF-8 sequence"
        }
        _ => "invalid Unicode character",
    }
}
