//! From text to quantities.

use num_bigint::BigInt;

use super::{
    Quantity, QuantityError, QuantityFormat,
    amount::{Amount, Decimal, IntAmount},
};

/// Largest exponent, up and down.
pub(super) const MAX_EXPONENT: i32 = 10_000;

const NANO: i32 = -9;
/// Most decimal digits that certainly fit into an `i64`.
const MAX_DIGITS: i32 = 18;

/// A number and its suffix.
struct Parts<'a> {
    positive: bool,
    /// Sign, digits and point.
    number: &'a str,
    /// Digits before the point, without leading zeros (but `0` for none).
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, QuantityError> {
        let bytes = text.as_bytes();
        let digits_at = |from: usize| {
            bytes[from..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let signed = matches!(bytes.first(), Some(b'-' | b'+'));
        let positive = bytes.first() != Some(&b'-');
        let mut at = usize::from(signed);
        at += bytes[at..].iter().take_while(|byte| **byte == b'0').count();
        if at == bytes.len() {
            return Ok(Self {
                positive,
                number: "0",
                whole: "0",
                fraction: "",
                suffix: "",
            });
        }
        let whole = &text[at..at + digits_at(at)];
        at += whole.len();
        let mut fraction = "";
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            fraction = &text[at..at + digits_at(at)];
            at += fraction.len();
        }
        let number = &text[..at];
        let suffix_start = at;
        at += bytes[at..]
            .iter()
            .take_while(|byte| b"eEinumkKMGTP".contains(byte))
            .count();
        if at < bytes.len() {
            if matches!(bytes[at], b'-' | b'+') {
                at += 1;
            }
            at += digits_at(at);
            if at < bytes.len() {
                return Err(QuantityError::Format);
            }
        }
        Ok(Self {
            positive,
            number,
            whole: if whole.is_empty() { "0" } else { whole },
            fraction,
            suffix: &text[suffix_start..],
        })
    }
}

pub(super) fn parse(text: &str) -> Result<Quantity, QuantityError> {
    if text.is_empty() {
        return Err(QuantityError::Format);
    }
    let parts = Parts::of(text)?;
    let (exponent, mut format) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
    if exponent.abs() > MAX_EXPONENT {
        return Err(QuantityError::Exponent);
    }
    if let Some(quantity) = parse_small(text, &parts, exponent, format)? {
        return Ok(quantity);
    }
    let mut decimal = Decimal::parse(parts.number).ok_or(QuantityError::Number)?;
    if format == QuantityFormat::BinarySi {
        decimal.unscaled <<= exponent.unsigned_abs();
    } else {
        decimal.scale -= exponent;
    }
    let negative = decimal.signum() < 0;
    if negative {
        decimal.unscaled = -decimal.unscaled;
    }
    // Who asks for some of a resource gets some, so that nothing is rounded to zero.
    if decimal.signum() != 0 {
        decimal = decimal.round_up(-NANO);
    }
    if format == QuantityFormat::BinarySi {
        let max = Decimal::from_i64(i64::MAX);
        if decimal.compare(&max).is_gt() {
            decimal = max;
        }
        if decimal.signum() > 0 && decimal.compare(&Decimal::from_i64(1)).is_lt() {
            format = QuantityFormat::DecimalSi;
        }
    }
    if negative {
        decimal.unscaled = -decimal.unscaled;
    }
    Ok(Quantity::of(Amount::Decimal(decimal), format))
}

/// A number whose digits fit into an `i64`.
fn parse_small(
    text: &str,
    parts: &Parts<'_>,
    exponent: i32,
    format: QuantityFormat,
) -> Result<Option<Quantity>, QuantityError> {
    let binary = format == QuantityFormat::BinarySi;
    let length = |digits: &str| i32::try_from(digits.len()).unwrap_or(i32::MAX / 2);
    let (whole, fraction) = (length(parts.whole), length(parts.fraction));
    let (factor, room) = match binary {
        // A suffix of 2^20 stands for about six decimal digits.
        true if fraction == 0 => (1i64 << exponent, 15 - whole - exponent * 3 / 10 - 1),
        true => return Ok(None),
        false => (1, MAX_DIGITS - whole - fraction),
    };
    let scale = if binary { 0 } else { exponent } - fraction;
    if room < 0 || scale < NANO {
        return Ok(None);
    }
    let digits = format!("{}{}", parts.whole, parts.fraction);
    let value: i64 = digits.parse().map_err(|_| QuantityError::Number)?;
    let Some(product) = value.checked_mul(factor) else {
        return Ok(None);
    };
    let canonical = if binary {
        exponent % 10 == 0 && value & 0x07 != 0
    } else {
        scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
    };
    let amount = Amount::Int(IntAmount {
        value: if parts.positive { product } else { -product },
        scale,
    });
    Ok(Some(Quantity {
        amount,
        format,
        text: (canonical || text == "0").then(|| text.into()),
    }))
}

const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

const BINARY: &[(&str, i32)] = &[
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// The exponent (of 10, or of 2 for binary suffixes) a suffix stands for.
fn interpret(suffix: &str) -> Option<(i32, QuantityFormat)> {
    let find = |table: &[(&str, i32)]| {
        table
            .iter()
            .find(|(name, _)| *name == suffix)
            .map(|(_, exponent)| *exponent)
    };
    if let Some(exponent) = find(DECIMAL) {
        return Some((exponent, QuantityFormat::DecimalSi));
    }
    if let Some(exponent) = find(BINARY) {
        return Some((exponent, QuantityFormat::BinarySi));
    }
    let digits = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i64 = digits.parse().ok()?;
    // Out of range is reported by the caller.
    let exponent = exponent.clamp(i64::from(i32::MIN + 1), i64::from(i32::MAX));
    Some((
        i32::try_from(exponent).unwrap_or(i32::MAX),
        QuantityFormat::DecimalExponent,
    ))
}

/// The suffix of a power of ten; empty where there is none.
pub(super) fn decimal_suffix(exponent: i32) -> &'static str {
    suffix_of(DECIMAL, exponent)
}

/// The suffix of a power of two; empty where there is none.
pub(super) fn binary_suffix(exponent: i32) -> &'static str {
    suffix_of(BINARY, exponent)
}

fn suffix_of(table: &'static [(&str, i32)], exponent: i32) -> &'static str {
    table
        .iter()
        .find(|(_, found)| *found == exponent)
        .map_or("", |(name, _)| name)
}

impl Decimal {
    /// Sign, digits and at most one point.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        let unscaled: BigInt = digits.parse().ok()?;
        Some(Self {
            unscaled,
            scale: i32::try_from(fraction.len()).ok()?,
        })
    }
}
