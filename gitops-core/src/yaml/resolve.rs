//! What a plain scalar means, by go-yaml v2's YAML 1.1 rules.

/// What a scalar stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    /// A date or time; its text is kept.
    Timestamp,
    Text,
}

impl Resolved {
    /// The short tag, as error messages name it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Text => "!!str",
        }
    }
}

/// Resolves a scalar without a tag.
pub(crate) fn resolve(text: &str) -> Resolved {
    resolve_as(text, true)
}

/// Resolves a scalar; dates only where `timestamps`.
pub(crate) fn resolve_as(text: &str, timestamps: bool) -> Resolved {
    let Some(&first) = text.as_bytes().first() else {
        return Resolved::Null;
    };
    match first {
        b'0'..=b'9' | b'+' | b'-' => {
            special_float(text).unwrap_or_else(|| resolve_number(text, timestamps))
        }
        b'.' => special_float(text)
            .or_else(|| parse_fraction(text))
            .unwrap_or(Resolved::Text),
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => {
            resolve_word(text)
        }
        _ => Resolved::Text,
    }
}

fn resolve_word(text: &str) -> Resolved {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Resolved::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Resolved::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        _ => Resolved::Text,
    }
}

fn special_float(text: &str) -> Option<Resolved> {
    if text.len() > 5 {
        return None;
    }
    let float = match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    };
    Some(Resolved::Float(float))
}

fn resolve_number(text: &str, timestamps: bool) -> Resolved {
    if timestamps && is_timestamp(text) {
        return Resolved::Timestamp;
    }
    // Only these can be in a number, in any base.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'.'))
    {
        return Resolved::Text;
    }
    let stripped;
    let plain = if text.contains('_') {
        stripped = text.replace('_', "");
        stripped.as_str()
    } else {
        text
    };
    if let Some(number) = parse_int(plain) {
        return number;
    }
    if is_go_float(plain)
        && let Some(float) = parse_finite(plain)
    {
        return float;
    }
    // Go accepts a sign after `0b` here.
    let binary = |text: &str| i64::from_str_radix(text, 2).ok();
    if let Some(digits) = plain.strip_prefix("0b") {
        if let Some(int) = binary(digits) {
            return Resolved::Int(int);
        }
    } else if let Some(digits) = plain.strip_prefix("-0b")
        && !digits.starts_with(['+', '-'])
        && let Some(int) = binary(&format!("-{digits}"))
    {
        return Resolved::Int(int);
    }
    Resolved::Text
}

/// An integer in the base its prefix names, as Go's `ParseInt(s, 0, 64)` and `ParseUint` read it.
fn parse_int(text: &str) -> Option<Resolved> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Resolved::Int);
    }
    match i64::try_from(magnitude) {
        Ok(int) => Some(Resolved::Int(int)),
        Err(_) if !signed => Some(Resolved::Uint(magnitude)),
        Err(_) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_go_float(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction = digits(at);
        if whole + fraction == 0 {
            return false;
        }
        at += fraction;
    } else if whole == 0 {
        return false;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == bytes.len()
}

/// A float that begins with a point. Underscores may stand between digits.
fn parse_fraction(text: &str) -> Option<Resolved> {
    if !text.contains('_') {
        return is_go_float(text).then(|| parse_finite(text)).flatten();
    }
    let between_digits = text.split('_').is_sorted_by(|before, after| {
        before.ends_with(|c: char| c.is_ascii_digit())
            && after.starts_with(|c: char| c.is_ascii_digit())
    });
    let plain = text.replace('_', "");
    (between_digits && is_go_float(&plain))
        .then(|| parse_finite(&plain))
        .flatten()
}

fn parse_finite(text: &str) -> Option<Resolved> {
    let float: f64 = text.parse().ok()?;
    float.is_finite().then_some(Resolved::Float(float))
}

/// Whether go-yaml takes the text for a date or time (as read by Go's `time.Parse`).
pub(crate) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    let number = |at: &mut usize| -> Option<u32> {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(10);
        let first = digit(*at)?;
        *at += 1;
        Some(match digit(*at) {
            Some(second) => {
                *at += 1;
                first * 10 + second
            }
            None => first,
        })
    };
    let literal = |at: &mut usize, byte: u8| {
        let found = bytes.get(*at) == Some(&byte);
        *at += usize::from(found);
        found.then_some(())
    };
    let date_and_time = || -> Option<bool> {
        let year: u32 = text[..4].parse().ok()?;
        let mut at = 5;
        let month = number(&mut at)?;
        literal(&mut at, b'-')?;
        let day = number(&mut at)?;
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if day < 1 || day > days {
            return None;
        }
        if at == bytes.len() {
            return Some(true);
        }
        let zoned = matches!(bytes[at], b'T' | b't');
        if zoned {
            at += 1;
        } else if bytes[at] == b' ' {
            while bytes.get(at) == Some(&b' ') {
                at += 1;
            }
        } else {
            return None;
        }
        let hour = number(&mut at)?;
        literal(&mut at, b':')?;
        let minute = number(&mut at)?;
        literal(&mut at, b':')?;
        let second = number(&mut at)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if matches!(bytes.get(at), Some(b'.' | b','))
            && matches!(bytes.get(at + 1), Some(b'0'..=b'9'))
        {
            at += 1;
            while matches!(bytes.get(at), Some(b'0'..=b'9')) {
                at += 1;
            }
        }
        if zoned {
            match bytes.get(at)? {
                b'Z' => at += 1,
                b'+' | b'-' => {
                    let zone = bytes.get(at + 1..at + 6)?;
                    if zone[2] != b':' || ![0, 1, 3, 4].iter().all(|i| zone[*i].is_ascii_digit()) {
                        return None;
                    }
                    let two = |i: usize| (zone[i] - b'0') * 10 + (zone[i + 1] - b'0');
                    if two(0) > 24 || two(3) > 60 {
                        return None;
                    }
                    at += 6;
                }
                _ => return None,
            }
        }
        Some(at == bytes.len())
    };
    date_and_time().unwrap_or(false)
}
