//! Floats as Go writes them.

use std::fmt::Write as _;

use serde_json::Number;

use crate::go::shortest;

/// Shortest digits and exponent of a finite float: `0.d1d2d3… × 10^point`.
struct Decimal {
    negative: bool,
    digits: String,
    point: i32,
}

impl Decimal {
    fn from_scientific(text: &str) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let zero = digits == "0";
        Self {
            negative,
            digits,
            point: if zero { 1 } else { exponent + 1 },
        }
    }

    fn of(float: f64) -> Self {
        Self::from_scientific(&shortest(float))
    }

    /// `1.5e+06`: at least two digits of exponent.
    fn scientific(&self, exponent_digits: usize) -> String {
        let mut text = self.sign();
        text.push_str(&self.digits[..1]);
        if self.digits.len() > 1 {
            text.push('.');
            text.push_str(&self.digits[1..]);
        }
        let exponent = self.point - 1;
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(
            text,
            "e{sign}{:0width$}",
            exponent.abs(),
            width = exponent_digits
        );
        text
    }

    fn positional(&self) -> String {
        let mut text = self.sign();
        let len = self.digits.len() as i32;
        if self.point <= 0 {
            text.push_str("0.");
            text.extend(std::iter::repeat_n('0', self.point.unsigned_abs() as usize));
            text.push_str(&self.digits);
        } else if self.point >= len {
            text.push_str(&self.digits);
            text.extend(std::iter::repeat_n('0', (self.point - len) as usize));
        } else {
            let (whole, fraction) = self.digits.split_at(self.point as usize);
            text.push_str(whole);
            text.push('.');
            text.push_str(fraction);
        }
        text
    }

    fn sign(&self) -> String {
        if self.negative { "-" } else { "" }.to_owned()
    }
}

/// `strconv.FormatFloat(f, 'g', -1, 64)`: scientific from 10^6 on and below 10^-4.
pub(crate) fn general(float: f64) -> String {
    special(float)
        .map(str::to_owned)
        .unwrap_or_else(|| shortest_general(&Decimal::of(float)))
}

/// A float as a mapping key: as [`general`], rounded to 32 bits.
pub(crate) fn float_key(float: f64) -> String {
    let float = float as f32;
    match special(f64::from(float)) {
        Some("+Inf") => ".inf".to_owned(),
        Some("-Inf") => "-.inf".to_owned(),
        Some(_) => ".nan".to_owned(),
        None => shortest_general(&Decimal::from_scientific(&format!("{float:e}"))),
    }
}

/// As encoding/json writes a finite float.
pub(crate) fn json(float: f64) -> String {
    let decimal = Decimal::of(float);
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        decimal.scientific(1)
    } else {
        decimal.positional()
    }
}

/// The JSON number a float becomes: an integer where it is written as one. `None` for what JSON
/// cannot have.
pub(crate) fn to_json(float: f64) -> Option<Number> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && (float != 0.0 || float.is_sign_positive()) {
        if float.abs() < EXACT {
            return Some((float as i64).into());
        }
        if float.abs() < 1e21 {
            let digits = json(float);
            if let Ok(int) = digits.parse::<i64>() {
                return Some(int.into());
            }
            if let Ok(int) = digits.parse::<u64>() {
                return Some(int.into());
            }
        }
    }
    Number::from_f64(float)
}

fn special(float: f64) -> Option<&'static str> {
    if float.is_nan() {
        Some("NaN")
    } else if float == f64::INFINITY {
        Some("+Inf")
    } else if float == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

fn shortest_general(decimal: &Decimal) -> String {
    if (-4..6).contains(&(decimal.point - 1)) {
        decimal.positional()
    } else {
        decimal.scientific(2)
    }
}
