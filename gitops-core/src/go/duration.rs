//! `time.Duration`: nanoseconds, read and written as `1h15m0.5s`.

use std::{fmt, str::FromStr};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A span of time in nanoseconds, positive or negative, with Go's text form.
///
/// ```
/// use gitops_core::go::Duration;
///
/// let duration: Duration = "1h15m30.918s".parse()?;
/// assert_eq!(duration.round(Duration::SECOND).to_string(), "1h15m31s");
/// assert_eq!(std::time::Duration::try_from(duration).ok().map(|d| d.as_secs()), Some(4530));
/// # Ok::<(), gitops_core::go::ParseDurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(
    /// Nanoseconds.
    pub i64,
);

impl Duration {
    /// One second.
    pub const SECOND: Self = Self(SECOND as i64);
    /// One hour.
    pub const HOUR: Self = Self(HOUR as i64);

    /// Seconds with their fraction, computed as Go does.
    pub fn seconds(self) -> f64 {
        self.in_units(SECOND)
    }

    /// Minutes with their fraction, computed as Go does.
    pub fn minutes(self) -> f64 {
        self.in_units(MINUTE)
    }

    /// Hours with their fraction, computed as Go does.
    pub fn hours(self) -> f64 {
        self.in_units(HOUR)
    }

    /// Whole milliseconds, towards zero.
    pub fn milliseconds(self) -> i64 {
        self.0 / MILLISECOND as i64
    }

    /// Whole microseconds, towards zero.
    pub fn microseconds(self) -> i64 {
        self.0 / MICROSECOND as i64
    }

    /// Towards zero to a multiple of `unit`; unchanged for units that are not positive.
    #[must_use]
    pub fn truncate(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        Self(self.0 - self.0 % unit.0)
    }

    /// To the nearest multiple of `unit`, halfway away from zero, saturating; unchanged for units
    /// that are not positive.
    #[must_use]
    pub fn round(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let remainder = (self.0 % unit.0).unsigned_abs();
        let down = remainder.wrapping_add(remainder) < unit.0.unsigned_abs();
        let remainder = remainder as i64;
        if self.0 < 0 {
            if down {
                return Self(self.0 + remainder);
            }
            return Self(self.0.checked_sub(unit.0 - remainder).unwrap_or(i64::MIN));
        }
        if down {
            return Self(self.0 - remainder);
        }
        Self(self.0.checked_add(unit.0 - remainder).unwrap_or(i64::MAX))
    }

    /// The absolute value, saturating.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    fn in_units(self, unit: u64) -> f64 {
        let unit = unit as i64;
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let text = match nanoseconds {
            0 => "0s".to_owned(),
            1..MICROSECOND => format!("{sign}{nanoseconds}ns"),
            MICROSECOND..MILLISECOND => format!("{sign}{}µs", fraction(nanoseconds, MICROSECOND)),
            MILLISECOND..SECOND => format!("{sign}{}ms", fraction(nanoseconds, MILLISECOND)),
            _ => {
                let seconds = fraction(nanoseconds % MINUTE, SECOND);
                let minutes = nanoseconds / MINUTE;
                if minutes == 0 {
                    format!("{sign}{seconds}s")
                } else if minutes < 60 {
                    format!("{sign}{minutes}m{seconds}s")
                } else {
                    format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60)
                }
            }
        };
        f.pad(&text)
    }
}

/// `value / unit` in decimal, without trailing zeros.
fn fraction(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{:0width$}", rest, width = unit.ilog10() as usize);
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, ParseDurationError> {
        let invalid = || ParseDurationError::Invalid {
            text: text.to_owned(),
        };
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (digits, after) = split_digits(rest);
            let whole = leading_integer(digits).ok_or_else(invalid)?;
            rest = after;
            let mut decimals = (0_u64, 1.0_f64);
            let mut any = !digits.is_empty();
            if let Some(after) = rest.strip_prefix('.') {
                let (digits, after) = split_digits(after);
                decimals = leading_fraction(digits);
                any |= !digits.is_empty();
                rest = after;
            }
            if !any {
                return Err(invalid());
            }
            let end = rest
                .find(|c: char| c == '.' || c.is_ascii_digit())
                .unwrap_or(rest.len());
            if end == 0 {
                return Err(ParseDurationError::MissingUnit {
                    text: text.to_owned(),
                });
            }
            let unit = match &rest[..end] {
                "ns" => 1,
                "us" | "µs" | "μs" => MICROSECOND,
                "ms" => MILLISECOND,
                "s" => SECOND,
                "m" => MINUTE,
                "h" => HOUR,
                unit => {
                    return Err(ParseDurationError::UnknownUnit {
                        unit: unit.to_owned(),
                        text: text.to_owned(),
                    });
                }
            };
            rest = &rest[end..];
            if whole > LIMIT / unit {
                return Err(invalid());
            }
            let mut part = whole * unit;
            let (numerator, scale) = decimals;
            if numerator > 0 {
                part += (numerator as f64 * (unit as f64 / scale)) as u64;
                if part > LIMIT {
                    return Err(invalid());
                }
            }
            // Two parts of exactly the limit wrap in Go too.
            total = total.wrapping_add(part);
            if total > LIMIT {
                return Err(invalid());
            }
        }
        if negative {
            return Ok(Self((total as i64).wrapping_neg()));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }
}

const LIMIT: u64 = 1 << 63;

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn leading_integer(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        if value > LIMIT / 10 {
            return None;
        }
        Some(value * 10 + u64::from(digit - b'0')).filter(|&value| value <= LIMIT)
    })
}

/// Digits that no longer fit are dropped.
fn leading_fraction(digits: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0_u64, 1.0);
    for digit in digits.bytes() {
        if value > (LIMIT - 1) / 10 {
            break;
        }
        let next = value * 10 + u64::from(digit - b'0');
        if next > LIMIT {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value, scale)
}

impl TryFrom<Duration> for std::time::Duration {
    type Error = std::num::TryFromIntError;

    /// Fails for negative durations.
    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        u64::try_from(duration.0).map(Self::from_nanos)
    }
}

/// A text is not a duration; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDurationError {
    /// It has another form, or is out of range.
    #[error("time: invalid duration {}", quote(text))]
    Invalid {
        /// The text.
        text: String,
    },
    /// A number has no unit.
    #[error("time: missing unit in duration {}", quote(text))]
    MissingUnit {
        /// The text.
        text: String,
    },
    /// A unit is none of `ns`, `us`, `ms`, `s`, `m`, `h`.
    #[error("time: unknown unit {} in duration {}", quote(unit), quote(text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The text.
        text: String,
    },
}

impl crate::Classified for ParseDurationError {
    fn class(&self) -> crate::ErrorClass {
        crate::ErrorClass::Invalid
    }
}

/// `time`'s own quoting: bytes beyond printable ASCII in hexadecimal.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        text.parse::<Duration>()
            .map(|duration| duration.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn texts_are_those_of_go() {
        for (text, expected) in [
            ("0", "0s"),
            ("-0", "0s"),
            ("90s", "1m30s"),
            ("1h", "1h0m0s"),
            ("1.5h", "1h30m0s"),
            ("-2h3.5s", "-2h0m3.5s"),
            (".5us", "500ns"),
            ("1.234567ms", "1.234567ms"),
            ("1500us", "1.5ms"),
            ("2µs", "2µs"),
            ("1m0.001s", "1m0.001s"),
            ("9223372036854775807ns", "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", "-2562047h47m16.854775808s"),
            ("0.3333333333333333333h", "20m0s"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_are_those_of_go() {
        for (text, expected) in [
            ("", r#"time: invalid duration """#),
            ("abc", r#"time: invalid duration "abc""#),
            ("5", r#"time: missing unit in duration "5""#),
            ("5d", r#"time: unknown unit "d" in duration "5d""#),
            (
                "1é",
                r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#,
            ),
            (".s", r#"time: invalid duration ".s""#),
            (
                "9223372036854775808ns",
                r#"time: invalid duration "9223372036854775808ns""#,
            ),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn rounding_is_halfway_away_from_zero() {
        let second = Duration::SECOND;
        assert_eq!(
            Duration(1_500_000_000).round(second),
            Duration(2_000_000_000)
        );
        assert_eq!(
            Duration(-1_500_000_000).round(second),
            Duration(-2_000_000_000)
        );
        assert_eq!(Duration(1_499_999_999).round(second), second);
        assert_eq!(Duration(i64::MAX).round(Duration::HOUR), Duration(i64::MAX));
        assert_eq!(Duration(-1_999).truncate(Duration(1_000)), Duration(-1_000));
        assert_eq!(Duration(7).round(Duration(0)), Duration(7));
    }
}
