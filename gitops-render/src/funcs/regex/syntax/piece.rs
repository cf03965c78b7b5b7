//! Pieces of a pattern: repetition counts, escapes, characters and names of classes.

use super::{Marks, Outcome, Reason};

/// `{2}`, `{2,}` and `{2,5}`: the counts (-1 for none, or for too large a minimum) and what follows.
pub(super) fn counts(text: &str) -> Option<(i64, i64, &str)> {
    let (mut min, rest) = count(&text[1..])?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (min, rest),
        Some(rest) if rest.starts_with('}') => (-1, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            if max < 0 {
                min = -1;
            }
            (max, rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

pub(super) fn count(text: &str) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let value = digits
        .parse()
        .ok()
        .filter(|&value: &i64| value < 1_000_000_000);
    Some((value.unwrap_or(-1), rest))
}

pub(super) fn class_character<'a>(
    text: &'a str,
    whole: &str,
    marks: Marks,
) -> Outcome<(u32, &'a str)> {
    match text.chars().next() {
        None => Err(Reason::MissingBracket.at(whole)),
        Some('\\') => escaped(text, marks),
        Some(character) => {
            marks.check_first(text)?;
            Ok((character.into(), &text[character.len_utf8()..]))
        }
    }
}

/// The code point of an escape, and what follows it.
pub(super) fn escaped(text: &str, marks: Marks) -> Outcome<(u32, &str)> {
    let mut rest = text[1..].chars();
    marks.check_first(rest.as_str())?;
    let Some(first) = rest.next() else {
        return Err(Reason::TrailingBackslash.at(""));
    };
    let wrong = |rest: &str| Reason::Escape.at(&text[..text.len() - rest.len()]);
    let code = match first {
        '1'..='7' if !rest.as_str().starts_with(|c| matches!(c, '0'..='7')) => {
            return Err(wrong(rest.as_str()));
        }
        '0'..='7' => {
            let digits = 1 + rest
                .as_str()
                .bytes()
                .take(2)
                .take_while(|byte| matches!(byte, b'0'..=b'7'))
                .count();
            let (digits, after) = text[1..].split_at(digits);
            rest = after.chars();
            u32::from_str_radix(digits, 8).expect("octal digits")
        }
        'x' => match marks.check_first(rest.as_str()).map(|()| rest.next())? {
            None => return Err(wrong("")),
            Some('{') => {
                let (mut value, mut digits) = (0_u32, 0);
                loop {
                    marks.check_first(rest.as_str())?;
                    match rest.next() {
                        Some('}') if digits > 0 => break value,
                        None | Some('}') => return Err(wrong(rest.as_str())),
                        Some(digit) => {
                            let Some(digit) = digit.to_digit(16) else {
                                return Err(wrong(rest.as_str()));
                            };
                            value = value * 16 + digit;
                            if value > u32::from(char::MAX) {
                                return Err(wrong(rest.as_str()));
                            }
                            digits += 1;
                        }
                    }
                }
            }
            Some(high) => {
                marks.check_first(rest.as_str())?;
                let low = rest.next();
                match (high.to_digit(16), low.and_then(|low| low.to_digit(16))) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => return Err(wrong(rest.as_str())),
                }
            }
        },
        'a' => 7,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
        _ => return Err(wrong(rest.as_str())),
    };
    Ok((code, rest.as_str()))
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}`: a class of the crate `regex`, and what follows.
pub(super) fn unicode_class(text: &str, marks: Marks) -> Outcome<(String, &str)> {
    let mut negative = text.as_bytes()[1] == b'P';
    let after = &text[2..];
    marks.check_first(after)?;
    let (name, length) = match after.chars().next() {
        // As in Go, which reads on with nothing.
        None => ("", 2),
        Some('{') => {
            let Some(end) = text.find('}') else {
                marks.check(text)?;
                return Err(Reason::CharacterRange.at(text));
            };
            marks.check(&text[3..end])?;
            (&text[3..end], end + 1)
        }
        Some(character) => {
            let length = character.len_utf8();
            (&after[..length], 2 + length)
        }
    };
    let (sequence, rest) = text.split_at(length);
    let name = match name.strip_prefix('^') {
        Some(name) => {
            negative = !negative;
            name
        }
        None => name,
    };
    let canonical: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .enumerate()
        .map(|(index, c)| {
            if index == 0 {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    let name = super::super::unicode_names::resolve(&canonical)
        .ok_or_else(|| Reason::CharacterRange.at(sequence))?;
    let class = match (name, negative) {
        // No text contains surrogates.
        ("Cs", false) => "[a&&b]".to_owned(),
        ("Cs", true) => "[\\x{0}-\\x{10FFFF}]".to_owned(),
        (name, false) => format!("\\p{{{name}}}"),
        (name, true) => format!("\\P{{{name}}}"),
    };
    Ok((class, rest))
}

pub(super) fn is_posix_class(name: &str) -> bool {
    matches!(
        name.strip_prefix('^').unwrap_or(name),
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}
