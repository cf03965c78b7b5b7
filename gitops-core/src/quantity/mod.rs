//! Amounts of resources (`500m`, `1.5Gi`, `1e3`), as apimachinery's `resource.Quantity` reads, writes
//! and counts them.

mod amount;
mod parse;

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Classified, ErrorClass};

use self::amount::{Amount, IntAmount};

/// A fixed-point number with a suffix.
///
/// Comparison is by value, whatever the suffix: `1000m` equals `1`. Text is kept as it was written
/// where it is canonical.
///
/// ```
/// use gitops_core::Quantity;
/// let memory: Quantity = "1.5Gi".parse()?;
/// assert_eq!(memory.to_string(), "1536Mi");
/// assert_eq!(memory.value(), 1_610_612_736);
/// assert_eq!("1000m".parse::<Quantity>()?, "1".parse()?);
/// # Ok::<(), gitops_core::QuantityError>(())
/// ```
#[derive(Clone)]
pub struct Quantity {
    amount: Amount,
    format: QuantityFormat,
    /// How it was written, if that is canonical.
    text: Option<Box<str>>,
}

/// Which suffixes a [`Quantity`] is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuantityFormat {
    /// `12e6`.
    DecimalExponent,
    /// `12Mi`: powers of 1024.
    BinarySi,
    /// `12M`: powers of 1000.
    DecimalSi,
}

impl QuantityFormat {
    /// The name apimachinery gives the format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DecimalExponent => "DecimalExponent",
            Self::BinarySi => "BinarySI",
            Self::DecimalSi => "DecimalSI",
        }
    }
}

/// A text is not a quantity. The messages are those of apimachinery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// Not a number with an optional suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number is none.
    #[error("unable to parse numeric part of quantity")]
    Number,
    /// The suffix is none.
    #[error("unable to parse quantity's suffix")]
    Suffix,
    /// The exponent is so large that calculating with the number would take all memory.
    #[error("the exponent of a quantity must be between -{max} and {max}", max = parse::MAX_EXPONENT)]
    Exponent,
}

impl Classified for QuantityError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

impl Quantity {
    /// A whole number.
    #[must_use]
    pub fn new(value: i64, format: QuantityFormat) -> Self {
        Self::of(Amount::Int(IntAmount { value, scale: 0 }), format)
    }

    /// A number of thousandths.
    #[must_use]
    pub fn from_milli(value: i64, format: QuantityFormat) -> Self {
        Self::of(Amount::Int(IntAmount { value, scale: -3 }), format)
    }

    /// Reads the JSON text of a quantity: a string (escapes in it are not undone), a number or
    /// `null`, which is 0.
    pub fn from_json_text(text: &str) -> Result<Self, QuantityError> {
        if text == "null" {
            return Ok(Self::default());
        }
        text.strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text)
            .trim()
            .parse()
    }

    /// The suffixes it is written with.
    #[must_use]
    pub fn format(&self) -> QuantityFormat {
        self.format
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.signum() == 0
    }

    /// -1, 0 or 1.
    #[must_use]
    pub fn signum(&self) -> i32 {
        self.amount.signum()
    }

    /// The value, rounded up (away from zero while it is small) to a whole number. Numbers that do
    /// not fit give what they give in Go, which is no useful number.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.amount.scaled(0)
    }

    /// The value in thousandths, rounded as [`Quantity::value`].
    #[must_use]
    pub fn milli_value(&self) -> i64 {
        self.amount.scaled(-3)
    }

    /// The value as a float, with its usual imprecision.
    #[must_use]
    pub fn approximate_f64(&self) -> f64 {
        self.amount.approximate_f64()
    }

    /// All digits as they are kept, without a suffix.
    #[must_use]
    pub fn to_decimal_string(&self) -> String {
        self.amount.to_decimal().to_string()
    }

    /// The sum, written as `self` is (or as `other`, if `self` is 0).
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let format = self.format_with(other);
        Self::of(self.amount.plus(&other.amount), format)
    }

    /// The difference, written as `self` is (or as `other`, if `self` is 0).
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let format = self.format_with(other);
        Self::of(self.amount.minus(&other.amount), format)
    }

    fn of(amount: Amount, format: QuantityFormat) -> Self {
        Self {
            amount,
            format,
            text: None,
        }
    }

    fn format_with(&self, other: &Self) -> QuantityFormat {
        if self.is_zero() {
            other.format
        } else {
            self.format
        }
    }

    fn canonical(&self) -> String {
        if self.is_zero() {
            return "0".to_owned();
        }
        let mut format = self.format;
        if format == QuantityFormat::BinarySi {
            let small = |limit| Amount::Int(IntAmount::whole(limit));
            let is_small = self.amount.compare(&small(-1024)) == Ordering::Greater
                && self.amount.compare(&small(1024)) == Ordering::Less;
            match self.amount.to_whole() {
                Some(whole) if !is_small => {
                    let (digits, exponent) = whole.binary_parts();
                    return digits + parse::binary_suffix(exponent * 10);
                }
                // Written with decimal suffixes nothing is lost.
                _ => format = QuantityFormat::DecimalSi,
            }
        }
        let (digits, exponent) = self.amount.decimal_parts();
        match format {
            QuantityFormat::DecimalExponent if exponent != 0 => format!("{digits}e{exponent}"),
            QuantityFormat::DecimalExponent => digits,
            _ => digits + parse::decimal_suffix(exponent),
        }
    }
}

impl Default for Quantity {
    /// 0.
    fn default() -> Self {
        Self::new(0, QuantityFormat::DecimalSi)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text)
    }
}

impl fmt::Display for Quantity {
    /// The canonical form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => f.write_str(&self.canonical()),
        }
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({self})")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.compare(&other.amount)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => return Ok(Self::default()),
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            _ => return Err(de::Error::custom(QuantityError::Format)),
        };
        text.trim().parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().expect("a quantity")
    }

    #[test]
    fn canonical_forms() {
        for (text, wanted) in [
            ("1.5Gi", "1536Mi"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("0.1Ki", "102400m"),
            ("1e3", "1e3"),
            ("1500e-3", "1500e-3"),
            ("-0", "0"),
        ] {
            assert_eq!(quantity(text).to_string(), wanted, "{text}");
        }
    }

    #[test]
    fn compares_by_value() {
        assert_eq!(quantity("1024Mi"), quantity("1Gi"));
        assert!(quantity("1G") < quantity("1Gi"));
        assert!(quantity("-1") < quantity("1n"));
    }

    #[test]
    fn huge_exponents_are_refused() {
        assert_eq!(
            "1e99999999".parse::<Quantity>(),
            Err(QuantityError::Exponent)
        );
        assert_eq!(
            "1e-99999999".parse::<Quantity>(),
            Err(QuantityError::Exponent)
        );
    }

    #[test]
    fn serde_reads_numbers_and_writes_text() {
        let read: Quantity = serde_json::from_str("2").expect("a number");
        assert_eq!(serde_json::to_string(&read).expect("text"), "\"2\"");
    }
}
