//! Which style a string can be written in.

use super::Dialect;
use crate::yaml::resolve::{Resolved, resolve};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Analysis {
    /// Whether there is a line break in the text.
    pub(super) multiline: bool,
    /// Whether bytes are characters and line breaks `\n`.
    pub(super) simple: bool,
    plain_allowed: bool,
    single_quoted_allowed: bool,
    block_allowed: bool,
}

impl Analysis {
    /// What holds for a number, `null` and the like.
    pub(super) const WORD: Self = Self {
        multiline: false,
        simple: true,
        plain_allowed: true,
        single_quoted_allowed: true,
        block_allowed: true,
    };
}

/// The style go-yaml writes a string in, and what speaks for it.
pub(super) fn style_of(text: &str, simple_key: bool, dialect: Dialect) -> (Style, Analysis) {
    let analysis = analyze(text, dialect);
    let mut style = if analysis.multiline && text.contains('\n') {
        Style::Literal
    } else if resolves_to_text(text, dialect) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    if simple_key && analysis.multiline {
        style = Style::DoubleQuoted;
    }
    if style == Style::Plain && (!analysis.plain_allowed || (text.is_empty() && simple_key)) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !analysis.single_quoted_allowed {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!analysis.block_allowed || simple_key) {
        style = Style::DoubleQuoted;
    }
    (style, analysis)
}

/// Whether a string reads as a string without quotes.
fn resolves_to_text(text: &str, dialect: Dialect) -> bool {
    resolve(text) == Resolved::Text
        && !is_base_60(text)
        && !(dialect == Dialect::V3 && is_signed_octal(text))
}

/// An octal number of go-yaml v3 with its sign after the prefix: `0o-7`.
fn is_signed_octal(text: &str) -> bool {
    let digits = text.replace('_', "");
    digits
        .strip_prefix("0o")
        .is_some_and(|digits| i64::from_str_radix(digits, 8).is_ok())
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`, a number to YAML 1.1 parsers other than Go's.
fn is_base_60(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if !matches!(bytes.get(at), Some(b'0'..=b'9')) || !bytes.contains(&b':') {
        return false;
    }
    while matches!(bytes.get(at), Some(b'0'..=b'9' | b'_')) {
        at += 1;
    }
    let mut groups = 0;
    while bytes.get(at) == Some(&b':') {
        let digits = bytes[at + 1..]
            .iter()
            .take(2)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        match (digits, bytes.get(at + 1)) {
            (1, _) => at += 2,
            (2, Some(b'0'..=b'5')) => at += 3,
            _ => return false,
        }
        groups += 1;
    }
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        while matches!(bytes.get(at), Some(b'0'..=b'9' | b'_')) {
            at += 1;
        }
    }
    groups > 0 && at == bytes.len()
}

/// The width of a line break at the beginning of `bytes`; 0 if there is none.
pub(super) fn break_width(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r' | b'\n', ..] => 1,
        [0xC2, 0x85, ..] => 2,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// Whether the character at the beginning of `bytes` may be written without an escape.
pub(super) fn is_printable(bytes: &[u8]) -> bool {
    match bytes {
        [b'\n' | 0x20..=0x7E, ..] => true,
        [0xC2, next, ..] => *next >= 0xA0,
        [0xC3..=0xEC | 0xEE, ..] => true,
        [0xED, next, ..] => *next < 0xA0,
        [0xEF, 0xBB, 0xBF, ..] | [0xEF, 0xBF, 0xBE | 0xBF, ..] => false,
        [0xEF, ..] => true,
        _ => false,
    }
}

/// The width in bytes of the character that begins with `first`.
pub(super) fn width(first: u8) -> usize {
    match first {
        0x00..=0x7F => 1,
        0x80..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    }
}

/// Bytes that say nothing about style, wherever they are but in front.
const ORDINARY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        table[byte] = true;
        byte += 1;
    }
    table[b':' as usize] = false;
    table[b'#' as usize] = false;
    table
};

fn analyze(text: &str, dialect: Dialect) -> Analysis {
    let bytes = text.as_bytes();
    let Some(&front) = bytes.first() else {
        return Analysis {
            multiline: false,
            simple: true,
            plain_allowed: true,
            single_quoted_allowed: true,
            block_allowed: false,
        };
    };
    let mut indicators = bytes.starts_with(b"---")
        || bytes.starts_with(b"...")
        || b"#,[]{}&*!|>'\"%@`".contains(&front)
        || (matches!(front, b'?' | b'-') && matches!(bytes.get(1), None | Some(b' ' | b'\t')));
    let mut multiline = false;
    let mut simple = true;
    let mut special = false;
    // v2 escapes tabs, v3 only keeps them out of plain and single-quoted scalars.
    let mut tab = false;
    let mut break_then_space = false;
    let mut space_then_break = false;
    let mut preceded_by_whitespace = true;
    let mut previous_space = false;
    let mut previous_break = false;
    let mut at = 0;
    while at < bytes.len() {
        let ordinary = bytes[at..]
            .iter()
            .take_while(|byte| ORDINARY[usize::from(**byte)])
            .count();
        if ordinary > 0 {
            at += ordinary;
            previous_space = false;
            previous_break = false;
            preceded_by_whitespace = false;
            if at == bytes.len() {
                break;
            }
        }
        let first = bytes[at];
        let next = at + width(first);
        let is_space = first == b' ';
        let mut is_break = first == b'\n';
        match first {
            b' ' | b'\n' => {}
            b':' => indicators |= matches!(bytes.get(next), None | Some(b' ' | b'\t')),
            b'#' => indicators |= preceded_by_whitespace,
            b'\t' if dialect == Dialect::V3 => tab = true,
            _ => {
                is_break = break_width(&bytes[at..]) > 0;
                special |= !is_printable(&bytes[at..]);
                simple = false;
            }
        }
        break_then_space |= is_space && previous_break;
        space_then_break |= is_break && previous_space;
        multiline |= is_break;
        previous_space = is_space;
        previous_break = is_break;
        preceded_by_whitespace = is_space || is_break || matches!(first, b'\t' | 0);
        at = next;
    }
    let leading = front == b' ' || break_width(bytes) > 0;
    let trailing_space = bytes.last() == Some(&b' ');
    let trailing = trailing_space || previous_break;
    let escapes = special || space_then_break;
    Analysis {
        multiline,
        simple,
        plain_allowed: !(indicators
            || multiline
            || leading
            || trailing
            || break_then_space
            || tab
            || escapes),
        single_quoted_allowed: !(break_then_space || tab || escapes),
        block_allowed: !(trailing_space || escapes),
    }
}
