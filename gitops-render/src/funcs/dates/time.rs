//! A moment with a time zone, as Go's `time.Time`, and its text.

use std::{cmp::Ordering, fmt::Write as _};

use gitops_core::go;

use super::{
    layout::{Element, LONG_MONTHS, LONG_WEEKDAYS, Offset, OffsetPrecision, next_element},
    zone::Zone,
};
use crate::template::{marked, unmarked};

/// `time.RFC3339Nano`.
pub(crate) const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

const DAY: i64 = 86_400;

/// Go's `time.Time`.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    /// Seconds since 1970 in UTC.
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

/// Date and clock in a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Time {
    /// Go's zero time: the beginning of the year 1, in UTC.
    pub(crate) const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanoseconds: 0,
        zone: Zone::Utc,
    };

    /// `time.Unix`, in the local zone.
    pub(crate) fn unix(seconds: i64, nanoseconds: u32) -> Self {
        Self {
            seconds,
            nanoseconds,
            zone: Zone::Local,
        }
    }

    /// `time.Date` in UTC: months, days, hours, minutes and seconds beyond their ranges carry.
    pub(crate) fn utc(civil: Civil, nanoseconds: u32) -> Self {
        let months = civil
            .year
            .saturating_mul(12)
            .saturating_add(civil.month - 1);
        let days = days_before_month(months.div_euclid(12), months.rem_euclid(12) + 1)
            .saturating_add(civil.day - 1);
        let seconds = days
            .saturating_mul(DAY)
            .saturating_add(civil.hour.saturating_mul(3600))
            .saturating_add(civil.minute.saturating_mul(60))
            .saturating_add(civil.second);
        Self::unix(seconds, nanoseconds).in_zone(Zone::Utc)
    }

    /// The same date and clock in another zone: the moment changes.
    pub(crate) fn with_clock_in(mut self, zone: Zone) -> Self {
        // The offset that holds at the moment itself decides, as `time.Date` has it.
        let first = zone.at(self.seconds).offset;
        let mut moment = self.seconds - first;
        let second = zone.at(moment).offset;
        if second != first {
            let other = self.seconds - second;
            if zone.at(other).offset == second {
                moment = other;
            }
        }
        self.seconds = moment;
        self.zone = zone;
        self
    }

    /// The same moment in another zone.
    #[must_use]
    pub(crate) fn in_zone(&self, zone: Zone) -> Self {
        Self {
            zone,
            ..self.clone()
        }
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    pub(crate) fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    pub(crate) fn nanosecond(&self) -> u32 {
        self.nanoseconds
    }

    /// Nanoseconds since 1970, wrapping as in Go.
    pub(crate) fn unix_nanoseconds(&self) -> i64 {
        self.seconds
            .wrapping_mul(1_000_000_000)
            .wrapping_add(i64::from(self.nanoseconds))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.seconds == Self::ZERO.seconds && self.nanoseconds == 0
    }

    pub(crate) fn civil(&self) -> Civil {
        let local = self.local_seconds();
        let (year, month, day) = civil_from_days(local.div_euclid(DAY));
        let clock = local.rem_euclid(DAY);
        Civil {
            year,
            month,
            day,
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
        }
    }

    /// From 0 for Sunday.
    pub(crate) fn weekday(&self) -> i64 {
        (self.local_seconds().div_euclid(DAY) + 4).rem_euclid(7)
    }

    /// From 1.
    pub(crate) fn year_day(&self) -> i64 {
        let civil = self.civil();
        self.local_seconds().div_euclid(DAY) - days_before_month(civil.year, 1) + 1
    }

    /// `Add`.
    #[must_use]
    pub(crate) fn add(&self, duration: go::Duration) -> Self {
        let total = i64::from(self.nanoseconds) + duration.0.rem_euclid(1_000_000_000);
        Self {
            seconds: self
                .seconds
                .saturating_add(duration.0.div_euclid(1_000_000_000))
                .saturating_add(total / 1_000_000_000),
            nanoseconds: (total % 1_000_000_000) as u32,
            zone: self.zone.clone(),
        }
    }

    /// `Sub`, saturating.
    pub(crate) fn since(&self, other: &Self) -> go::Duration {
        let nanoseconds = (i128::from(self.seconds) - i128::from(other.seconds)) * 1_000_000_000
            + i128::from(self.nanoseconds)
            - i128::from(other.nanoseconds);
        let clamped = nanoseconds.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        go::Duration(clamped as i64)
    }

    /// `AddDate`.
    #[must_use]
    pub(crate) fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        Self::utc(
            Civil {
                year: civil.year.saturating_add(years),
                month: civil.month.saturating_add(months),
                day: civil.day.saturating_add(days),
                ..civil
            },
            self.nanoseconds,
        )
        .with_clock_in(self.zone.clone())
    }

    /// `Truncate`: down to a multiple since the zero time; unchanged for units that are not positive.
    #[must_use]
    pub(crate) fn truncate(&self, unit: go::Duration) -> Self {
        if unit.0 <= 0 {
            return self.clone();
        }
        self.add(go::Duration(-self.remainder(unit)))
    }

    /// `Round`: to the nearest multiple since the zero time, halfway up.
    #[must_use]
    pub(crate) fn round(&self, unit: go::Duration) -> Self {
        if unit.0 <= 0 {
            return self.clone();
        }
        let remainder = self.remainder(unit);
        if remainder < unit.0 - remainder {
            self.add(go::Duration(-remainder))
        } else {
            self.add(go::Duration(unit.0 - remainder))
        }
    }

    fn remainder(&self, unit: go::Duration) -> i64 {
        let since_zero = (i128::from(self.seconds) - i128::from(Self::ZERO.seconds))
            * 1_000_000_000
            + i128::from(self.nanoseconds);
        since_zero.rem_euclid(i128::from(unit.0)) as i64
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }

    /// As [`Time::format`] in a layout that need not be text.
    pub(crate) fn format_bytes(&self, layout: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(layout) {
            Ok(layout) => self.format(layout).into_bytes(),
            Err(_) => unmarked(&self.format(&marked(layout))),
        }
    }

    /// `Format`.
    pub(crate) fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::with_capacity(layout.len() + 10);
        let mut rest = layout;
        loop {
            let (prefix, element, _, suffix) = next_element(rest);
            out.push_str(prefix);
            let Some(element) = element else {
                return out;
            };
            rest = suffix;
            self.write(&mut out, element, civil)
                .expect("writing to a string");
        }
    }

    /// The text of `String` and of `%v`.
    pub(crate) fn text(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    fn write(&self, out: &mut String, element: Element, civil: Civil) -> std::fmt::Result {
        use Element as E;
        let month = LONG_MONTHS[(civil.month - 1) as usize];
        let weekday = LONG_WEEKDAYS[self.weekday() as usize];
        let hour12 = match civil.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let afternoon = civil.hour >= 12;
        match element {
            E::Year => padded(out, civil.year.abs() % 100, 2),
            E::LongYear => padded(out, civil.year, 4),
            E::Month => write!(out, "{}", &month[..3]),
            E::LongMonth => write!(out, "{month}"),
            E::NumberMonth => write!(out, "{}", civil.month),
            E::ZeroMonth => padded(out, civil.month, 2),
            E::Weekday => write!(out, "{}", &weekday[..3]),
            E::LongWeekday => write!(out, "{weekday}"),
            E::Day => write!(out, "{}", civil.day),
            E::UnderscoreDay => write!(out, "{:2}", civil.day),
            E::ZeroDay => padded(out, civil.day, 2),
            E::UnderscoreYearDay => write!(out, "{:3}", self.year_day()),
            E::ZeroYearDay => padded(out, self.year_day(), 3),
            E::Hour => padded(out, civil.hour, 2),
            E::Hour12 => write!(out, "{hour12}"),
            E::ZeroHour12 => padded(out, hour12, 2),
            E::Minute => write!(out, "{}", civil.minute),
            E::ZeroMinute => padded(out, civil.minute, 2),
            E::Second => write!(out, "{}", civil.second),
            E::ZeroSecond => padded(out, civil.second, 2),
            E::UpperHalf => write!(out, "{}", if afternoon { "PM" } else { "AM" }),
            E::LowerHalf => write!(out, "{}", if afternoon { "pm" } else { "am" }),
            E::ZoneName => {
                let local = self.zone.at(self.seconds);
                if local.name.is_empty() {
                    let offset = Offset {
                        iso: false,
                        precision: OffsetPrecision::Minutes,
                        colons: false,
                    };
                    write_offset(out, offset, local.offset)
                } else {
                    write!(out, "{}", local.name)
                }
            }
            E::Offset(offset) => write_offset(out, offset, self.zone.at(self.seconds).offset),
            E::Fraction {
                separator,
                digits,
                trim,
            } => {
                if trim && self.nanoseconds == 0 {
                    return Ok(());
                }
                // More than nine digits are nine.
                let all = format!("{:09}", self.nanoseconds);
                let text = &all[..digits.min(9)];
                let text = if trim {
                    text.trim_end_matches('0')
                } else {
                    text
                };
                if trim && text.is_empty() {
                    return Ok(());
                }
                write!(out, "{separator}{text}")
            }
        }
    }

    fn local_seconds(&self) -> i64 {
        self.seconds
            .saturating_add(self.zone.at(self.seconds).offset)
    }
}

/// Pads with zeros after the sign.
fn padded(out: &mut String, value: i64, width: usize) -> std::fmt::Result {
    if value < 0 {
        out.push('-');
    }
    write!(out, "{:0width$}", value.unsigned_abs())
}

fn write_offset(out: &mut String, style: Offset, offset: i64) -> std::fmt::Result {
    if style.iso && offset == 0 {
        out.push('Z');
        return Ok(());
    }
    let minutes = offset / 60;
    out.push(if minutes < 0 { '-' } else { '+' });
    let colon = if style.colons { ":" } else { "" };
    let absolute = if minutes < 0 { -offset } else { offset };
    padded(out, minutes.abs() / 60, 2)?;
    if style.precision != OffsetPrecision::Hours {
        out.push_str(colon);
        padded(out, minutes.abs() % 60, 2)?;
    }
    if style.precision == OffsetPrecision::Seconds {
        out.push_str(colon);
        padded(out, absolute % 60, 2)?;
    }
    Ok(())
}

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of a month.
fn days_before_month(year: i64, month: i64) -> i64 {
    let year = year.clamp(-1_000_000_000_000, 1_000_000_000_000);
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Time {
        Time::unix(1_588_723_323, 120_000_000)
    }

    #[test]
    fn layouts() {
        for (layout, expected) in [
            ("2006-01-02 15:04:05", "2020-05-06 00:02:03"),
            ("Mon Jan _2 3:4:5PM 06", "Wed May  6 12:2:3AM 20"),
            ("Monday, January 2; 03pm", "Wednesday, May 6; 12am"),
            ("002 __2 _2006", "127 127 _2020"),
            (
                ".000 .999 .99 ,0000000000 .05",
                ".120 .12 .12 ,120000000 .03",
            ),
            (
                "Z07:00 -0700 -07:00:00 Z070000 -07 MST",
                "Z +0000 +00:00:00 Z +00 UTC",
            ),
            ("Janu Jany Mons é 1", "Janu Jany Mons é 5"),
            (RFC3339_NANO, "2020-05-06T00:02:03.12Z"),
        ] {
            assert_eq!(moment().format(layout), expected, "{layout}");
        }
        assert_eq!(Time::ZERO.text(), "0001-01-01 00:00:00 +0000 UTC");
    }

    #[test]
    fn zones() {
        let berlin = moment().in_zone(Zone::load("Europe/Berlin").expect("known"));
        assert_eq!(berlin.text(), "2020-05-06 02:02:03.12 +0200 CEST");
        let fixed = moment().in_zone(Zone::Fixed("".into(), -12_645));
        assert_eq!(
            fixed.format("15:04:05 -07:00:00 MST"),
            "20:31:18 -03:30:45 -0330"
        );
        assert_eq!(Zone::load("europe/berlin"), None);
        assert_eq!(Zone::load("../etc/passwd"), None);
        let winter = Time::utc(
            Civil {
                year: 2020,
                month: 1,
                day: 31,
                hour: 12,
                minute: 0,
                second: 0,
            },
            0,
        )
        .with_clock_in(Zone::load("America/New_York").expect("known"));
        assert_eq!(winter.text(), "2020-01-31 12:00:00 -0500 EST");
        assert_eq!(
            winter.add_date(0, 6, 1).text(),
            "2020-08-01 12:00:00 -0400 EDT"
        );
    }

    #[test]
    fn arithmetic() {
        let time = moment();
        assert_eq!(
            time.add(go::Duration(-1_120_000_001)).text(),
            "2020-05-06 00:02:01.999999999 +0000 UTC"
        );
        assert_eq!(
            time.add_date(0, -3, 25).text(),
            "2020-03-02 00:02:03.12 +0000 UTC"
        );
        assert_eq!(time.since(&time.add(go::Duration(-5))), go::Duration(5));
        assert_eq!(
            time.truncate(go::Duration::HOUR).text(),
            "2020-05-06 00:00:00 +0000 UTC"
        );
        assert_eq!(
            time.round(go::Duration::SECOND).text(),
            "2020-05-06 00:02:03 +0000 UTC"
        );
        assert_eq!((time.weekday(), time.year_day()), (3, 127));
        assert_eq!(Time::ZERO.since(&time), go::Duration(i64::MIN));
    }

    #[test]
    fn every_day_survives() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_before_month(year, month) + day - 1, days);
        }
    }
}
