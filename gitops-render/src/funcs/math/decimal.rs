//! Decimal arithmetic of `github.com/shopspring/decimal` 1.4, from and to `float64`.

use gitops_core::go::shortest;
use num_bigint::{BigInt, Sign};

use crate::template::CallError;

/// Digits after the point of a quotient.
const DIVISION_PRECISION: i64 = 16;

/// The most digits that a result may have on the way.
const MAX_DIGITS: u64 = 100_000;

/// An exact decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    coefficient: BigInt,
    /// The power of ten that the coefficient is multiplied with.
    exponent: i64,
}

impl Decimal {
    /// `NewFromFloat`: the shortest decimal that reads as the number.
    pub(super) fn from_float(value: f64) -> Result<Self, CallError> {
        if !value.is_finite() {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(CallError::new(format!(
                "Cannot create a Decimal from {name}"
            )));
        }
        let text = shortest(value);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let coefficient: BigInt = format!("{whole}{decimals}").parse().unwrap_or_default();
        let exponent: i64 = exponent.parse().unwrap_or(0);
        Ok(Self {
            coefficient,
            exponent: exponent - decimals.len() as i64,
        })
    }

    /// The nearest `float64`.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }

    pub(super) fn add(&self, other: &Self) -> Result<Self, CallError> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Self {
            coefficient: scaled(&self.coefficient, self.exponent - exponent)?
                + scaled(&other.coefficient, other.exponent - exponent)?,
            exponent,
        })
    }

    pub(super) fn subtract(&self, other: &Self) -> Result<Self, CallError> {
        self.add(&Self {
            coefficient: -other.coefficient.clone(),
            exponent: other.exponent,
        })
    }

    pub(super) fn multiply(&self, other: &Self) -> Result<Self, CallError> {
        check_bits(self.coefficient.bits() + other.coefficient.bits())?;
        Ok(Self {
            coefficient: &self.coefficient * &other.coefficient,
            exponent: self.exponent + other.exponent,
        })
    }

    /// To 16 digits after the point, halfway away from zero.
    pub(super) fn divide(&self, other: &Self) -> Result<Self, CallError> {
        if other.coefficient.sign() == Sign::NoSign {
            return Err(CallError::new("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let dividend = scaled(&self.coefficient, shift.max(0))?;
        let divisor = scaled(&other.coefficient, (-shift).max(0))?;
        let mut quotient = &dividend / &divisor;
        let remainder = &dividend - &quotient * &divisor;
        let twice: BigInt = remainder.magnitude().clone().into();
        let twice: BigInt = twice * 2;
        if twice.magnitude() >= divisor.magnitude() {
            if dividend.sign() == divisor.sign() {
                quotient += 1;
            } else {
                quotient -= 1;
            }
        }
        Ok(Self {
            coefficient: quotient,
            exponent: -DIVISION_PRECISION,
        })
    }
}

fn scaled(coefficient: &BigInt, power: i64) -> Result<BigInt, CallError> {
    check_bits(coefficient.bits() + (power as u64).saturating_mul(10) / 3)?;
    Ok(coefficient * BigInt::from(10).pow(power as u32))
}

fn check_bits(bits: u64) -> Result<(), CallError> {
    if bits > MAX_DIGITS * 10 / 3 {
        return Err(CallError::limit("decimal_digits", MAX_DIGITS));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Decimal {
        Decimal::from_float(value).expect("finite")
    }

    fn same(result: Result<Decimal, CallError>, expected: f64) {
        let value = result.expect("in range").to_float();
        assert!(value.to_bits() == expected.to_bits(), "{value} {expected}");
    }

    #[test]
    fn operations_are_exact() {
        same(number(0.1).add(&number(0.2)), 0.3);
        same(number(0.3).subtract(&number(0.1)), 0.2);
        same(number(1.1).multiply(&number(1.1)), 1.21);
        same(number(1e300).add(&number(1e-300)), 1e300);
        same(number(1e300).multiply(&number(1e300)), f64::INFINITY);
    }

    #[test]
    fn quotients_have_sixteen_digits() {
        same(number(10.0).divide(&number(3.0)), 3.333_333_333_333_333_5);
        same(number(2.0).divide(&number(3.0)), 0.666_666_666_666_666_7);
        same(number(-1.0).divide(&number(3.0)), -0.333_333_333_333_333_3);
        same(number(1.0).divide(&number(1e20)), 0.0);
        assert_eq!(
            number(1.0)
                .divide(&number(0.0))
                .expect_err("by zero")
                .to_string(),
            "decimal division by 0"
        );
        assert_eq!(
            Decimal::from_float(f64::INFINITY)
                .expect_err("infinite")
                .to_string(),
            "Cannot create a Decimal from +Inf"
        );
    }
}
