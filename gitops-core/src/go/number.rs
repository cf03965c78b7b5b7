//! `strconv.ParseInt` and `strconv.ParseFloat`.

/// Why a text is no number of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// It has another form.
    #[error("invalid syntax")]
    Syntax,
    /// It is too large; the nearest number of the type would be negative or not.
    #[error("value out of range")]
    Range {
        /// Whether the number is negative.
        negative: bool,
    },
}

/// Reads an integer. With `base` 0 the prefixes `0b`, `0o`, `0` and `0x` tell the base, and underscores
/// may separate digits.
///
/// ```
/// use gitops_core::go::parse_int;
///
/// assert_eq!(parse_int("-0x1F", 0), Ok(-31));
/// assert_eq!(parse_int("0_7", 0), Ok(7));
/// assert!(parse_int("08", 0).is_err() && parse_int("1_0", 10).is_err());
/// ```
pub fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let guesses_base = base == 0;
    let (base, digits) = match (base, unsigned.as_bytes()) {
        (0, [b'0', b'b' | b'B', _, ..]) => (2, &unsigned[2..]),
        (0, [b'0', b'o' | b'O', _, ..]) => (8, &unsigned[2..]),
        (0, [b'0', b'x' | b'X', _, ..]) => (16, &unsigned[2..]),
        (0, [b'0', _, ..]) => (8, &unsigned[1..]),
        (0, _) => (10, unsigned),
        (other, _) => (other, unsigned),
    };
    if digits.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut value = 0_u64;
    let mut overflow = false;
    let mut underscores = false;
    for byte in digits.bytes() {
        if byte == b'_' && guesses_base {
            underscores = true;
            continue;
        }
        let digit = char::from(byte).to_digit(base).ok_or(NumberError::Syntax)?;
        match value
            .checked_mul(u64::from(base))
            .and_then(|value| value.checked_add(u64::from(digit)))
        {
            Some(next) => value = next,
            None => overflow = true,
        }
    }
    if underscores && !underscores_separate(unsigned) {
        return Err(NumberError::Syntax);
    }
    let limit = 1_u64 << 63;
    if overflow || value > limit || (value == limit && !negative) {
        return Err(NumberError::Range { negative });
    }
    Ok(if negative {
        (value as i64).wrapping_neg()
    } else {
        value as i64
    })
}

/// Reads a `float64`: decimal or hexadecimal (`0x1p-2`), with underscores between digits, `inf`,
/// `infinity` and `nan` in any case.
pub fn parse_float(text: &str) -> Result<f64, NumberError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    let sign = if negative { -1.0 } else { 1.0 };
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Ok(f64::INFINITY * sign);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || (unsigned.contains('_') && !underscores_separate(unsigned))
    {
        return Err(NumberError::Syntax);
    }
    let plain = unsigned.replace('_', "");
    let value = match plain.get(..2) {
        Some("0x" | "0X") => parse_hexadecimal(&plain[2..]).ok_or(NumberError::Syntax)?,
        _ => {
            if !plain
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
            {
                return Err(NumberError::Syntax);
            }
            plain.parse::<f64>().map_err(|_| NumberError::Syntax)?
        }
    };
    if value.is_infinite() {
        return Err(NumberError::Range { negative });
    }
    Ok(value * sign)
}

/// Underscores stand between digits, or between a base's prefix and a digit.
fn underscores_separate(unsigned: &str) -> bool {
    let (start, hexadecimal, rest) = match unsigned.as_bytes() {
        [b'0', b'b' | b'B' | b'o' | b'O', ..] => ('0', false, &unsigned[2..]),
        [b'0', b'x' | b'X', ..] => ('0', true, &unsigned[2..]),
        _ => ('^', false, unsigned),
    };
    let mut last = start;
    for character in rest.chars() {
        if character.is_ascii_digit() || (hexadecimal && character.is_ascii_hexdigit()) {
            last = '0';
        } else if character == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// `1.8p1`: a mantissa in base 16 and a binary exponent, rounded to nearest even.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let at = text.find(['p', 'P'])?;
    let (mantissa_text, exponent) = (&text[..at], &text[at + 1..]);
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = digits.parse().unwrap_or(i64::MAX / 4);
    let mut exponent = if text[at + 1..].starts_with('-') {
        -exponent
    } else {
        exponent
    };
    let (mut mantissa, mut sticky, mut seen_dot, mut any) = (0_u128, false, false, false);
    for character in mantissa_text.chars() {
        if character == '.' && !seen_dot {
            seen_dot = true;
            continue;
        }
        let digit = character.to_digit(16)?;
        any = true;
        if mantissa >> 100 == 0 {
            mantissa = (mantissa << 4) | u128::from(digit);
            exponent -= if seen_dot { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if seen_dot { 0 } else { 4 };
        }
    }
    if !any {
        return None;
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    let bits = i64::from(128 - mantissa.leading_zeros());
    let top = exponent.saturating_add(bits - 1);
    if top > 1023 {
        return Some(f64::INFINITY);
    }
    if top < -1080 {
        return Some(0.0);
    }
    // Bits of the result, fewer for subnormal numbers.
    let keep = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    let drop = bits - keep;
    if drop > 0 {
        let drop = drop as u32;
        let half = 1_u128 << (drop - 1);
        let rest = mantissa & ((1_u128 << drop) - 1);
        mantissa >>= drop;
        if rest > half || (rest == half && (sticky || mantissa & 1 == 1)) {
            mantissa += 1;
        }
        exponent += i64::from(drop);
    }
    // The mantissa is exact now, and so is each of the two steps.
    let half = exponent / 2;
    Some(mantissa as f64 * 2_f64.powi(half as i32) * 2_f64.powi((exponent - half) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        for (text, expected) in [
            ("0", 0),
            ("0x_1", 1),
            ("0b1_0", 2),
            ("1_0", 10),
            ("010", 8),
            ("-0x8000000000000000", i64::MIN),
            ("+5", 5),
            ("0O17", 15),
        ] {
            assert_eq!(parse_int(text, 0), Ok(expected), "{text}");
        }
        for text in [
            "", "-", "08", "_1", "0x", "--5", "1_", "0_", "0__1", "1.0", "5 ",
        ] {
            assert_eq!(parse_int(text, 0), Err(NumberError::Syntax), "{text}");
        }
        let range = |negative| Err(NumberError::Range { negative });
        assert_eq!(parse_int("9223372036854775808", 0), range(false));
        assert_eq!(parse_int("-99999999999999999999", 10), range(true));
        assert_eq!(
            (parse_int("777", 8), parse_int("1_0", 10)),
            (Ok(511), Err(NumberError::Syntax))
        );
    }

    #[test]
    fn floats() {
        for (text, expected) in [
            ("1_000.5", 1000.5),
            ("0x1p4", 16.0),
            ("0x_1.8p1", 3.0),
            ("-.5", -0.5),
            ("1.e5", 1e5),
            ("1_000e1_0", 1e13),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1p-1074", 5e-324),
            ("0x0.00001p-1040", f64::from_bits(1 << 14)),
        ] {
            assert_eq!(parse_float(text), Ok(expected), "{text}");
        }
        assert!(parse_float("NaN").is_ok_and(f64::is_nan));
        assert_eq!(parse_float("-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(
            parse_float("1e400"),
            Err(NumberError::Range { negative: false })
        );
        for text in [
            "", "-nan", "0x10", "1e", "0b1", "1__0", "_1", "1_", "infi", " 1", "1p4", ".",
        ] {
            assert_eq!(parse_float(text), Err(NumberError::Syntax), "{text}");
        }
    }
}
