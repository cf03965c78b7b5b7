//! Go's literals: quoted strings, character constants, numbers.

use std::borrow::Cow;

use super::{
    ast::Number,
    lex::{TokenKind, decode},
};

/// The text of a string literal with its quotes, as `strconv.Unquote` reads it.
pub(super) fn unquote(literal: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let invalid = || "invalid syntax".to_owned();
    let [quote, inner @ .., last] = literal else {
        return Err(invalid());
    };
    if quote != last {
        return Err(invalid());
    }
    if *quote == b'`' {
        if !inner.contains(&b'\r') {
            return Ok(Cow::Borrowed(inner));
        }
        let kept = inner.iter().copied().filter(|byte| *byte != b'\r');
        return Ok(kept.collect());
    }
    let is_plain = |byte: u8| byte.is_ascii() && !matches!(byte, b'\\' | b'\n') && byte != *quote;
    if inner.iter().all(|byte| is_plain(*byte)) {
        return Ok(Cow::Borrowed(inner));
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        rest = unquote_one(rest, *quote, &mut text).ok_or_else(invalid)?.1;
    }
    Ok(Cow::Owned(text))
}

/// Reads one character or escape, appends it, and gives its code and what follows.
fn unquote_one<'t>(text: &'t [u8], quote: u8, out: &mut Vec<u8>) -> Option<(u32, &'t [u8])> {
    let (character, width) = decode(text)?;
    if character != '\\' {
        if character == char::from(quote) || character == '\n' {
            return None;
        }
        // What is not UTF-8 becomes U+FFFD.
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return Some((u32::from(character), &text[width..]));
    }
    let (escape, rest) = text[1..].split_first()?;
    let simple = match escape {
        b'a' => Some(0x07),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(0x0b),
        b'\\' => Some(b'\\'),
        b'\'' | b'"' if *escape == quote => Some(*escape),
        _ => None,
    };
    if let Some(byte) = simple {
        out.push(byte);
        return Some((u32::from(byte), rest));
    }
    match escape {
        b'x' | b'u' | b'U' => {
            let length = match escape {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let digits = std::str::from_utf8(rest.get(..length)?).ok()?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let code = u32::from_str_radix(digits, 16).ok()?;
            if *escape == b'x' {
                out.push(code as u8);
            } else {
                let character = char::from_u32(code)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some((code, &rest[length..]))
        }
        b'0'..=b'7' => {
            let digits = text.get(1..4)?;
            let code = digits.iter().try_fold(0u32, |code, digit| {
                matches!(digit, b'0'..=b'7').then(|| code * 8 + u32::from(digit - b'0'))
            })?;
            if code > 255 {
                return None;
            }
            out.push(code as u8);
            Some((code, &text[4..]))
        }
        _ => None,
    }
}

/// A number or character constant.
pub(super) fn number(text: &str, kind: TokenKind) -> Result<Number, String> {
    let mut number = Number {
        text: text.into(),
        ..Number::default()
    };
    match kind {
        TokenKind::CharConstant => {
            let body = &text.as_bytes()[1..];
            let (code, tail) = unquote_one(body, b'\'', &mut Vec::new())
                .ok_or_else(|| "invalid syntax".to_owned())?;
            if tail != b"'" {
                return Err(format!("malformed character constant: {text}"));
            }
            number.int = Some(i64::from(code));
            number.uint = Some(u64::from(code));
            number.float = Some(f64::from(code));
            return Ok(number);
        }
        TokenKind::Complex => {
            let complex = parse_complex(text)
                .ok_or_else(|| "syntax error scanning complex number".to_owned())?;
            number.complex = Some(complex);
            simplify_complex(&mut number, complex);
            return Ok(number);
        }
        _ => {}
    }
    if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
        number.complex = Some((0.0, imaginary));
        simplify_complex(&mut number, (0.0, imaginary));
        return Ok(number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!(
                "integer overflow: {}",
                gitops_core::go::quote(text)
            ));
        }
        number.float = Some(float);
        number.int = exact_int(float);
        number.uint = exact_uint(float);
    }
    if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
        return Err(format!(
            "illegal number syntax: {}",
            gitops_core::go::quote(text)
        ));
    }
    Ok(number)
}

fn exact_int(float: f64) -> Option<i64> {
    let int = float as i64;
    (int as f64 == float && float < 9_223_372_036_854_775_808.0).then_some(int)
}

fn exact_uint(float: f64) -> Option<u64> {
    let uint = float as u64;
    (uint as f64 == float && float < 18_446_744_073_709_551_616.0).then_some(uint)
}

fn simplify_complex(number: &mut Number, (real, imaginary): (f64, f64)) {
    if imaginary == 0.0 {
        number.float = Some(real);
        number.int = exact_int(real);
        number.uint = exact_uint(real);
    }
}

fn parse_complex(text: &str) -> Option<(f64, f64)> {
    let body = text.strip_suffix('i')?;
    let split = body
        .char_indices()
        .skip(1)
        .filter(|(index, character)| {
            matches!(character, '+' | '-')
                && !matches!(body.as_bytes()[index - 1], b'e' | b'E' | b'p' | b'P')
        })
        .last()?
        .0;
    Some((parse_float(&body[..split])?, parse_float(&body[split..])?))
}

/// `strconv.ParseUint(text, 0, 64)`: prefixes `0x`, `0o`, `0b`, `0`, and underscores.
#[must_use]
pub fn parse_uint(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if digits.starts_with(['+', '-']) || !underscores_are_right(text) {
        return None;
    }
    if digits.contains('_') {
        u64::from_str_radix(&digits.replace('_', ""), radix).ok()
    } else {
        u64::from_str_radix(digits, radix).ok()
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
#[must_use]
pub fn parse_int(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'+' => (false, &text[1..]),
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    if is_negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// `strconv.ParseFloat(text, 64)`; None if the text is no number or out of range.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => {
            return Some(if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        "nan" => return (unsigned.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    if let Some(body) = lower.strip_prefix("0x") {
        let value = parse_hexadecimal_float(body, unsigned)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    if !unsigned.bytes().all(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_')
    }) || !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
    {
        return None;
    }
    let value: f64 = if unsigned.contains('_') {
        if !underscores_are_right(text) {
            return None;
        }
        text.replace('_', "").parse().ok()?
    } else {
        text.parse().ok()?
    };
    value.is_finite().then_some(value)
}

/// `mantissa p exponent`, without the prefix, in lower case.
fn parse_hexadecimal_float(body: &str, original: &str) -> Option<f64> {
    if body.contains('_') && !underscores_are_right(original) {
        return None;
    }
    let body = body.replace('_', "");
    let (mantissa, exponent) = body.split_once('p')?;
    let exponent: i32 = exponent.parse().ok().filter(|_| {
        exponent
            .strip_prefix(['+', '-'])
            .unwrap_or(exponent)
            .bytes()
            .all(|byte| byte.is_ascii_digit())
    })?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut bits = 0u64;
    let mut shift = 0i32;
    for (is_fraction, digit) in whole
        .chars()
        .map(|digit| (false, digit))
        .chain(fraction.chars().map(|digit| (true, digit)))
    {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            shift -= if is_fraction { 4 } else { 0 };
        } else {
            bits |= u64::from(digit != 0);
            shift += if is_fraction { 0 } else { 4 };
        }
    }
    let exponent = exponent.checked_add(shift)?;
    let value = scale(bits as f64, exponent);
    value.is_finite().then_some(value)
}

fn scale(mut value: f64, mut exponent: i32) -> f64 {
    while exponent > 1000 && value.is_finite() && value != 0.0 {
        value *= 2f64.powi(1000);
        exponent -= 1000;
    }
    while exponent < -1000 && value != 0.0 {
        value *= 2f64.powi(-1000);
        exponent += 1000;
    }
    if value == 0.0 {
        value
    } else {
        value * 2f64.powi(exponent)
    }
}

/// Underscores may only separate digits; a base prefix counts as a digit.
fn underscores_are_right(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let bytes = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let (mut previous, rest, is_hexadecimal) = match bytes {
        [b'0', prefix, rest @ ..] if matches!(prefix | 0x20, b'b' | b'o' | b'x') => {
            (b'0', rest, prefix | 0x20 == b'x')
        }
        _ => (b'^', bytes, false),
    };
    for byte in rest {
        if byte.is_ascii_digit() || is_hexadecimal && byte.is_ascii_hexdigit() {
            previous = b'0';
        } else if *byte == b'_' {
            if previous != b'0' {
                return false;
            }
            previous = b'_';
        } else {
            if previous == b'_' {
                return false;
            }
            previous = b'!';
        }
    }
    previous != b'_'
}
