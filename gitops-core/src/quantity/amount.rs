//! Numbers of quantities: an `i64` with a scale where that is enough, any number of digits otherwise.

use std::{cmp::Ordering, fmt};

use num_bigint::{BigInt, Sign};

#[derive(Debug, Clone)]
pub(super) enum Amount {
    Int(IntAmount),
    Decimal(Decimal),
}

/// `value × 10^scale`.
#[derive(Debug, Clone, Copy)]
pub(super) struct IntAmount {
    pub(super) value: i64,
    pub(super) scale: i32,
}

/// `unscaled × 10^-scale`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    pub(super) unscaled: BigInt,
    pub(super) scale: i32,
}

impl Amount {
    pub(super) fn to_decimal(&self) -> Decimal {
        match self {
            Self::Int(int) => int.to_decimal(),
            Self::Decimal(decimal) => decimal.clone(),
        }
    }

    pub(super) fn signum(&self) -> i32 {
        match self {
            Self::Int(int) => int.value.signum() as i32,
            Self::Decimal(decimal) => decimal.signum(),
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) if a.scale == b.scale => a.value.cmp(&b.value),
            _ => self.to_decimal().compare(&other.to_decimal()),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            return Self::Int(sum);
        }
        let (mut a, b) = align(&self.to_decimal(), &other.to_decimal());
        a.unscaled += b.unscaled;
        Self::Decimal(a)
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        if let (Self::Int(a), Self::Int(b)) = (self, other) {
            let negated = IntAmount {
                value: b.value.wrapping_neg(),
                scale: b.scale,
            };
            if let Some(difference) = a.checked_add(negated) {
                return Self::Int(difference);
            }
        }
        let (mut a, b) = align(&self.to_decimal(), &other.to_decimal());
        a.unscaled -= b.unscaled;
        Self::Decimal(a)
    }

    /// The value divided by `10^scale`, rounded up.
    pub(super) fn scaled(&self, scale: i32) -> i64 {
        match self {
            Self::Int(int) if int.scale < scale => int.divided(scale - int.scale).0,
            Self::Int(int) => {
                let steps = int.scale - scale;
                // Go gives the lower bits where it multiplies once, and 0 where it loops.
                int.multiplied(steps).unwrap_or_else(|| match steps {
                    1 | 2 | 3 | 6 | 9 if int.value != i64::MIN => {
                        int.value.wrapping_mul(10i64.pow(steps.unsigned_abs()))
                    }
                    _ => 0,
                })
            }
            Self::Decimal(decimal) => decimal.scaled(-scale),
        }
    }

    /// The whole number, if it is one.
    pub(super) fn to_whole(&self) -> Option<Self> {
        match self {
            Self::Int(int) if int.scale >= 0 => Some(self.clone()),
            Self::Int(int) => match int.divided(-int.scale) {
                (value, true) => Some(Self::Int(IntAmount::whole(value))),
                _ => None,
            },
            Self::Decimal(decimal) => {
                let rounded = decimal.round_up(0);
                (rounded.compare(decimal) == Ordering::Equal).then_some(Self::Decimal(rounded))
            }
        }
    }

    /// Digits and an exponent of ten that is a multiple of three.
    pub(super) fn decimal_parts(&self) -> (String, i32) {
        if let Self::Int(int) = self {
            let (mut amount, times) = without_factors(int.value, 10);
            let mut exponent = int.scale + times;
            let (factor, steps) = match exponent % 3 {
                1 | -2 => (10, 1),
                2 | -1 => (100, 2),
                _ => (1, 0),
            };
            if let Some(product) = amount.checked_mul(factor) {
                amount = product;
                exponent -= steps;
                return (amount.to_string(), exponent);
            }
        }
        let decimal = self.to_decimal();
        let (mut amount, times) = big_without_factors(decimal.unscaled, 10);
        let mut exponent = times - decimal.scale;
        while exponent % 3 != 0 {
            amount *= 10;
            exponent -= 1;
        }
        (amount.to_string(), exponent)
    }

    /// Digits and an exponent of 1024, of a whole number.
    pub(super) fn binary_parts(&self) -> (String, i32) {
        if let Self::Int(int) = self
            && let Some(value) = int.multiplied(int.scale)
        {
            let (amount, exponent) = without_factors(value, 1024);
            return (amount.to_string(), exponent);
        }
        let rounded = self.to_decimal().round_up(0);
        let (amount, exponent) = big_without_factors(rounded.unscaled, 1024);
        (amount.to_string(), exponent)
    }

    pub(super) fn approximate_f64(&self) -> f64 {
        let (base, exponent) = match self {
            Self::Int(int) => (int.value as f64, int.scale),
            Self::Decimal(decimal) => {
                let digits = decimal.unscaled.to_string();
                (digits.parse().unwrap_or(f64::INFINITY), -decimal.scale)
            }
        };
        if exponent == 0 {
            base
        } else {
            base * power_of_ten(exponent)
        }
    }
}

impl IntAmount {
    pub(super) fn whole(value: i64) -> Self {
        Self { value, scale: 0 }
    }

    fn to_decimal(self) -> Decimal {
        Decimal {
            unscaled: self.value.into(),
            scale: -self.scale,
        }
    }

    /// The sum, if it and what it takes to make the scales equal fit.
    fn checked_add(self, other: Self) -> Option<Self> {
        if other.value == 0 {
            return Some(self);
        }
        if self.value == 0 {
            return Some(other);
        }
        let scale = self.scale.min(other.scale);
        let a = self.multiplied(self.scale - scale)?;
        let b = other.multiplied(other.scale - scale)?;
        Some(Self {
            value: a.checked_add(b)?,
            scale,
        })
    }

    /// `value × 10^steps`, if it fits.
    fn multiplied(self, steps: i32) -> Option<i64> {
        let mut value = self.value;
        if value == 0 {
            return Some(0);
        }
        for _ in 0..steps {
            value = value.checked_mul(10)?;
        }
        Some(value)
    }

    /// `value / 10^steps`, rounded away from zero, and whether it is exact.
    fn divided(self, steps: i32) -> (i64, bool) {
        let mut value = self.value;
        let mut exact = true;
        for _ in 0..steps {
            exact &= value % 10 == 0;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        if !exact {
            value += self.value.signum();
        }
        (value, exact)
    }
}

impl Decimal {
    pub(super) fn from_i64(value: i64) -> Self {
        Self {
            unscaled: value.into(),
            scale: 0,
        }
    }

    pub(super) fn signum(&self) -> i32 {
        match self.unscaled.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match self.signum().cmp(&other.signum()) {
            Ordering::Equal => {}
            different => return different,
        }
        let (a, b) = align(self, other);
        a.unscaled.cmp(&b.unscaled)
    }

    /// With `scale` digits after the point, rounded away from zero.
    pub(super) fn round_up(&self, scale: i32) -> Self {
        if scale >= self.scale {
            let unscaled = &self.unscaled * big_power_of_ten(scale - self.scale);
            return Self { unscaled, scale };
        }
        let divisor = big_power_of_ten(self.scale - scale);
        let mut unscaled = &self.unscaled / &divisor;
        if &unscaled * &divisor != self.unscaled {
            unscaled += self.signum();
        }
        Self { unscaled, scale }
    }

    /// The value times `10^scale` as Go makes an integer of it: rounded up, and cut to 64 bits.
    fn scaled(&self, scale: i32) -> i64 {
        let digits = self.scale - scale;
        if digits == 0 {
            return low_bits(&self.unscaled);
        }
        if digits < 0 {
            let factor = match power_of_ten(-digits) {
                factor if factor < 9.3e18 && -digits < 19 => factor as i64,
                // What the conversion of a float that is too large gives on amd64.
                _ => i64::MIN,
            };
            return low_bits(&self.unscaled).wrapping_mul(factor);
        }
        if self.unscaled < BigInt::from(i64::MAX) && digits < 19 {
            let divisor = 10i64.pow(digits.unsigned_abs());
            let value = low_bits(&self.unscaled);
            return value / divisor + i64::from(value % divisor != 0);
        }
        let divisor = big_power_of_ten(digits);
        let mut quotient = &self.unscaled / &divisor;
        // Division truncates; up is where the rest is positive.
        if &quotient * &divisor < self.unscaled {
            quotient += 1;
        }
        low_bits(&quotient)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.to_string();
        if self.scale <= 0 {
            f.write_str(&digits)?;
            if self.signum() != 0 {
                for _ in 0..-self.scale {
                    f.write_str("0")?;
                }
            }
            return Ok(());
        }
        let (sign, digits) = match digits.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", digits.as_str()),
        };
        let scale = self.scale.unsigned_abs() as usize;
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

/// Both numbers with the larger scale of the two.
fn align(a: &Decimal, b: &Decimal) -> (Decimal, Decimal) {
    let scale = a.scale.max(b.scale);
    (a.round_up(scale), b.round_up(scale))
}

fn big_power_of_ten(exponent: i32) -> BigInt {
    BigInt::from(10).pow(exponent.unsigned_abs())
}

/// Powers of ten as Go's `math.Pow10` makes them, from two factors.
fn power_of_ten(exponent: i32) -> f64 {
    let literal = |exponent: i32| format!("1e{exponent}").parse::<f64>().unwrap_or(0.0);
    match exponent {
        309.. => f64::INFINITY,
        ..-323 => 0.0,
        0.. => literal(exponent / 32 * 32) * literal(exponent % 32),
        _ => literal(exponent / 32 * 32) / literal(-exponent % 32),
    }
}

/// The lower 64 bits in two's complement.
fn low_bits(number: &BigInt) -> i64 {
    let (sign, digits) = number.to_u64_digits();
    let low = digits.first().copied().unwrap_or(0).cast_signed();
    if sign == Sign::Minus {
        low.wrapping_neg()
    } else {
        low
    }
}

/// Takes factors out; how many.
fn without_factors(value: i64, base: i64) -> (i64, i32) {
    let mut value = value;
    let mut times = 0;
    while value.unsigned_abs() >= base.unsigned_abs() && value % base == 0 {
        value /= base;
        times += 1;
    }
    (value, times)
}

fn big_without_factors(value: BigInt, base: u32) -> (BigInt, i32) {
    let zero = BigInt::from(0);
    let mut value = value;
    let mut times = 0;
    while value != zero {
        let quotient = &value / base;
        if &quotient * base != value {
            break;
        }
        value = quotient;
        times += 1;
    }
    (value, times)
}
