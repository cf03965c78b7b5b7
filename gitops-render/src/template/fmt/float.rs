//! Floating-point numbers as `strconv.FormatFloat` writes them.

use gitops_core::go::shortest;

/// Formats a number. The verb is one of `e E f g G x X b`; without a precision the digits are the
/// fewest that read back as the same number.
#[must_use]
pub fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    match verb {
        b'x' | b'X' => return hexadecimal(value, verb, precision),
        b'b' => return binary(value),
        b'f' | b'F' => {
            return match precision {
                Some(precision) => {
                    let written = precision.min(MAXIMUM_DIGITS);
                    format!("{value:.written$}") + &"0".repeat(precision - written)
                }
                None => {
                    let decimal = Decimal::shortest(value);
                    decimal.plain(decimal.fraction_digits())
                }
            };
        }
        _ => {}
    }
    let exponent_letter = if verb.is_ascii_uppercase() { 'E' } else { 'e' };
    if matches!(verb, b'e' | b'E') {
        return match precision {
            Some(precision) => {
                Decimal::rounded(value, precision + 1).scientific(precision, exponent_letter)
            }
            None => {
                let decimal = Decimal::shortest(value);
                let precision = decimal.digits.len().saturating_sub(1);
                decimal.scientific(precision, exponent_letter)
            }
        };
    }
    let (decimal, limit) = match precision {
        None => (Decimal::shortest(value), 6),
        Some(precision) => {
            let precision = precision.max(1);
            let decimal = Decimal::rounded(value, precision);
            let count = decimal.digits.len();
            let limit = if precision > count && count as i64 >= decimal.point {
                count
            } else {
                precision
            };
            (decimal, limit as i64)
        }
    };
    let exponent = decimal.point - 1;
    if exponent < -4 || exponent >= limit {
        let digits = decimal.digits.len();
        let shown = precision.map_or(digits, |precision| precision.max(1).min(digits));
        return decimal.scientific(shown.saturating_sub(1), exponent_letter);
    }
    decimal.plain(decimal.fraction_digits())
}

/// No float has more digits than these, before the point or after it.
const MAXIMUM_DIGITS: usize = 1100;

/// Digits without trailing zeros, and where the point is in them.
struct Decimal {
    is_negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn shortest(value: f64) -> Self {
        Self::read(value, &shortest(value.abs()))
    }

    fn rounded(value: f64, digits: usize) -> Self {
        let precision = digits.saturating_sub(1).min(MAXIMUM_DIGITS);
        Self::read(value, &format!("{:.precision$e}", value.abs()))
    }

    fn read(value: f64, text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let exponent: i64 = exponent.parse().unwrap_or(0);
        let point = if digits.is_empty() { 0 } else { exponent + 1 };
        Self {
            is_negative: value.is_sign_negative(),
            digits,
            point,
        }
    }

    fn fraction_digits(&self) -> usize {
        usize::try_from(self.digits.len() as i64 - self.point).unwrap_or(0)
    }

    fn sign(&self) -> String {
        String::from(if self.is_negative { "-" } else { "" })
    }

    fn digit(&self, index: i64) -> char {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.digits.get(index))
            .map_or('0', |digit| char::from(*digit))
    }

    fn scientific(&self, precision: usize, letter: char) -> String {
        let mut text = self.sign();
        text.push(self.digit(0));
        if precision > 0 {
            text.push('.');
            text.extend((1..=precision as i64).map(|index| self.digit(index)));
        }
        let exponent = if self.digits.is_empty() {
            0
        } else {
            self.point - 1
        };
        let sign = if exponent < 0 { '-' } else { '+' };
        text.push_str(&format!("{letter}{sign}{:02}", exponent.abs()));
        text
    }

    fn plain(&self, precision: usize) -> String {
        let mut text = self.sign();
        if self.point > 0 {
            text.extend((0..self.point).map(|index| self.digit(index)));
        } else {
            text.push('0');
        }
        if precision > 0 {
            text.push('.');
            text.extend((0..precision as i64).map(|index| self.digit(self.point + index)));
        }
        text
    }
}

const MANTISSA_BITS: u32 = 52;

fn parts(value: f64) -> (bool, i64, u64) {
    let bits = value.to_bits();
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1);
    let exponent = (bits >> MANTISSA_BITS & 0x7ff) as i64;
    let (exponent, mantissa) = if exponent == 0 {
        (1, mantissa)
    } else {
        (exponent, mantissa | 1 << MANTISSA_BITS)
    };
    (value.is_sign_negative(), exponent - 1023, mantissa)
}

fn binary(value: f64) -> String {
    let (is_negative, exponent, mantissa) = parts(value);
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}{mantissa}p{:+}", exponent - i64::from(MANTISSA_BITS))
}

fn hexadecimal(value: f64, verb: u8, precision: Option<usize>) -> String {
    let (is_negative, mut exponent, mut mantissa) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    }
    mantissa <<= 60 - MANTISSA_BITS;
    while mantissa != 0 && mantissa & 1 << 60 == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(precision @ 0..15) = precision {
        let shift = precision * 4;
        let extra = mantissa << shift & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | mantissa & 1 > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & 1 << 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let is_upper = verb == b'X';
    let mut text = String::from(if is_negative { "-0x" } else { "0x" });
    text.push(if mantissa >> 60 & 1 == 1 { '1' } else { '0' });
    mantissa <<= 4;
    let mut push_digit = |text: &mut String| {
        let digit = char::from_digit((mantissa >> 60 & 15) as u32, 16).unwrap_or('0');
        text.push(digit);
        mantissa <<= 4;
        mantissa != 0
    };
    match precision {
        None if value != 0.0 => {
            let mut fraction = String::new();
            let mut more = true;
            while more {
                more = push_digit(&mut fraction);
            }
            if fraction != "0" {
                text.push('.');
                text.push_str(&fraction);
            }
        }
        None => {}
        Some(0) => {}
        Some(precision) => {
            text.push('.');
            for _ in 0..precision {
                push_digit(&mut text);
            }
        }
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    text.push_str(&format!("p{sign}{:02}", exponent.abs()));
    if is_upper { text.to_uppercase() } else { text }
}
