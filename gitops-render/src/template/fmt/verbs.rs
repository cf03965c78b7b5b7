//! Flags of verbs, and basic values under them.

use gitops_core::go::{quote, quote_ascii, quote_rune, quote_rune_ascii, unicode::is_print};

use super::{float::format_float, quote::can_backquote};
use crate::template::lex::decode;

pub(super) const LOWER: &[u8; 17] = b"0123456789abcdefx";
pub(super) const UPPER: &[u8; 17] = b"0123456789ABCDEFX";

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    pub(super) plus_v: bool,
    pub(super) sharp_v: bool,
}

impl Flags {
    fn padding(self, out: &mut Vec<u8>, count: usize) {
        let byte = if self.zero && !self.minus { b'0' } else { b' ' };
        out.resize(out.len() + count, byte);
    }

    pub(super) fn pad(self, out: &mut Vec<u8>, text: &[u8]) {
        let missing = match self.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(rune_count(text)),
        };
        if !self.minus {
            self.padding(out, missing);
        }
        out.extend_from_slice(text);
        if self.minus {
            self.padding(out, missing);
        }
    }

    fn pad_with_spaces(mut self, out: &mut Vec<u8>, text: &[u8]) {
        self.zero = false;
        self.pad(out, text);
    }

    pub(super) fn boolean(self, out: &mut Vec<u8>, value: bool) {
        self.pad(out, if value { b"true" } else { b"false" });
    }

    pub(super) fn integer(
        self,
        out: &mut Vec<u8>,
        magnitude: u64,
        is_negative: bool,
        base: u64,
        verb: char,
        digits: &[u8; 17],
    ) {
        let mut least = 0;
        if let Some(precision) = self.precision {
            least = precision;
            if precision == 0 && magnitude == 0 {
                let mut flags = self;
                flags.zero = false;
                flags.padding(out, self.width.unwrap_or(0));
                return;
            }
        } else if let Some(width) = self.width
            && self.zero
            && !self.minus
        {
            least = width;
            if is_negative || self.plus || self.space {
                least = least.saturating_sub(1);
            }
        }
        let mut reversed = Vec::with_capacity(least.max(24));
        let mut rest = magnitude;
        loop {
            reversed.push(digits[(rest % base) as usize]);
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        while reversed.len() < least {
            reversed.push(b'0');
        }
        if self.sharp {
            match base {
                2 => reversed.extend(b"b0"),
                8 if reversed.last() != Some(&b'0') => reversed.push(b'0'),
                16 => reversed.extend([digits[16], b'0']),
                _ => {}
            }
        }
        if verb == 'O' {
            reversed.extend(b"o0");
        }
        if is_negative {
            reversed.push(b'-');
        } else if self.plus {
            reversed.push(b'+');
        } else if self.space {
            reversed.push(b' ');
        }
        reversed.reverse();
        self.pad_with_spaces(out, &reversed);
    }

    /// `0x` and the number in hexadecimal, for addresses and Go syntax.
    pub(super) fn hexadecimal(mut self, out: &mut Vec<u8>, value: u64, prefix: bool) {
        self.sharp = prefix;
        self.integer(out, value, false, 16, 'v', LOWER);
    }

    pub(super) fn unicode(self, out: &mut Vec<u8>, code: u64) {
        let digits = format!("{code:X}");
        let zeros = self
            .precision
            .unwrap_or(4)
            .max(4)
            .saturating_sub(digits.len());
        let mut text = format!("U+{}{digits}", "0".repeat(zeros));
        if self.sharp
            && let Some(character) = u32::try_from(code).ok().and_then(char::from_u32)
            && is_print(character)
        {
            text.push_str(&format!(" '{character}'"));
        }
        self.pad_with_spaces(out, text.as_bytes());
    }

    pub(super) fn character(self, out: &mut Vec<u8>, code: u64) {
        let mut buffer = [0; 4];
        self.pad(out, as_character(code).encode_utf8(&mut buffer).as_bytes());
    }

    pub(super) fn quoted_character(self, out: &mut Vec<u8>, code: u64) {
        let quote = if self.plus {
            quote_rune_ascii
        } else {
            quote_rune
        };
        self.pad(out, quote(as_character(code)).as_bytes());
    }

    fn truncated(self, text: &[u8]) -> &[u8] {
        let Some(precision) = self.precision else {
            return text;
        };
        let mut end = 0;
        for _ in 0..precision {
            let Some((_, width)) = decode(&text[end..]) else {
                break;
            };
            end += width;
        }
        &text[..end]
    }

    pub(super) fn string(self, out: &mut Vec<u8>, text: &[u8]) {
        self.pad(out, self.truncated(text));
    }

    pub(super) fn quoted(self, out: &mut Vec<u8>, text: &[u8]) {
        let text = self.truncated(text);
        if self.sharp && can_backquote(text) {
            let mut quoted = vec![b'`'];
            quoted.extend_from_slice(text);
            quoted.push(b'`');
            self.pad(out, &quoted);
        } else if self.plus {
            self.pad(out, quote_ascii(text).as_bytes());
        } else {
            self.pad(out, quote(text).as_bytes());
        }
    }

    /// `%x` of a text.
    pub(super) fn bytes(self, out: &mut Vec<u8>, text: &[u8], digits: &[u8; 17]) {
        let length = self.precision.map_or(text.len(), |p| p.min(text.len()));
        if length == 0 {
            self.padding(out, self.width.unwrap_or(0));
            return;
        }
        let mut width = 2 * length;
        if self.space {
            width = width * (1 + usize::from(self.sharp)) + length - 1;
        } else if self.sharp {
            width += 2;
        }
        let missing = self.width.map_or(0, |wanted| wanted.saturating_sub(width));
        if !self.minus {
            self.padding(out, missing);
        }
        for (index, byte) in text[..length].iter().enumerate() {
            if self.space && index > 0 {
                out.push(b' ');
            }
            if self.sharp && (self.space || index == 0) {
                out.extend([b'0', digits[16]]);
            }
            out.extend([
                digits[usize::from(byte >> 4)],
                digits[usize::from(byte & 15)],
            ]);
        }
        if self.minus {
            self.padding(out, missing);
        }
    }

    pub(super) fn float(self, out: &mut Vec<u8>, value: f64, verb: u8, default: Option<usize>) {
        let precision = self.precision.or(default);
        let formatted = format_float(value, verb, precision);
        let mut number = if formatted.starts_with(['-', '+']) {
            formatted
        } else {
            format!("+{formatted}")
        };
        if self.space && number.starts_with('+') && !self.plus {
            number.replace_range(..1, " ");
        }
        if number[1..].starts_with(['I', 'N']) {
            let mut text = number.as_str();
            if number[1..].starts_with('N') && !self.space && !self.plus {
                text = &number[1..];
            }
            // An infinity keeps its sign.
            self.pad_with_spaces(out, text.as_bytes());
            return;
        }
        if self.sharp && verb != b'b' {
            number = with_point(&number, verb, precision);
        }
        if self.plus || !number.starts_with('+') {
            if let Some(width) = self.width
                && self.zero
                && !self.minus
                && width > number.len()
            {
                out.push(number.as_bytes()[0]);
                self.padding(out, width - number.len());
                out.extend_from_slice(&number.as_bytes()[1..]);
                return;
            }
            self.pad(out, number.as_bytes());
            return;
        }
        self.pad(out, &number.as_bytes()[1..]);
    }
}

/// The flag `#` on floats: there is always a point, and trailing zeros stay.
fn with_point(number: &str, verb: u8, precision: Option<usize>) -> String {
    let mut missing = match verb {
        b'v' | b'g' | b'G' | b'x' => precision.map_or(6, |p| p as i64),
        _ => 0,
    };
    let mut body = number.to_owned();
    let mut tail = String::new();
    let mut has_point = false;
    let mut saw_digit = false;
    for (index, byte) in number.bytes().enumerate().skip(1) {
        match byte {
            b'.' => has_point = true,
            b'p' | b'P' => {
                tail = number[index..].to_owned();
                body.truncate(index);
                break;
            }
            b'e' | b'E' if !matches!(verb, b'x' | b'X') => {
                tail = number[index..].to_owned();
                body.truncate(index);
                break;
            }
            _ => {
                saw_digit |= byte != b'0';
                if saw_digit {
                    missing -= 1;
                }
            }
        }
    }
    if !has_point {
        if body.len() == 2 && body.ends_with('0') {
            missing -= 1;
        }
        body.push('.');
    }
    for _ in 0..missing {
        body.push('0');
    }
    body + &tail
}

fn as_character(code: u64) -> char {
    u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn rune_count(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}
