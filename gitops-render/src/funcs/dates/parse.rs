//! `time.Parse`.

use super::{
    layout::{Element, LONG_MONTHS, LONG_WEEKDAYS, Offset, OffsetPrecision, next_element},
    time::{Civil, Time, days_in, is_leap},
    zone::Zone,
};
use crate::template::{marked, unmarked};

/// A text does not have the layout; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {}{}", quote(value), self.detail())]
pub(crate) struct ParseTimeError {
    layout: Vec<u8>,
    value: Vec<u8>,
    layout_element: Vec<u8>,
    value_element: Vec<u8>,
    message: String,
}

impl ParseTimeError {
    fn detail(&self) -> String {
        if self.message.is_empty() {
            format!(
                " as {}: cannot parse {} as {}",
                quote(&self.layout),
                quote(&self.value_element),
                quote(&self.layout_element)
            )
        } else {
            self.message.clone()
        }
    }
}

/// Reads a time; without a zone in the text it is in the local one.
pub(crate) fn parse(layout: &[u8], value: &[u8]) -> Result<Time, ParseTimeError> {
    match std::str::from_utf8(layout) {
        Ok(layout) => parse_in(layout, value, |text| text.as_bytes().to_vec()),
        Err(_) => parse_in(&marked(layout), value, unmarked),
    }
}

/// `bytes` gives those of a part of the layout.
fn parse_in(
    layout: &str,
    value: &[u8],
    bytes: impl Fn(&str) -> Vec<u8>,
) -> Result<Time, ParseTimeError> {
    let mut parts = Parts::default();
    let failure = |layout_element: &str, value_element: &[u8], message: String| ParseTimeError {
        layout: bytes(layout),
        value: value.to_owned(),
        layout_element: bytes(layout_element),
        value_element: value_element.to_owned(),
        message,
    };
    let mut layout_rest = layout;
    let mut rest = value;
    loop {
        let (prefix, element, element_text, suffix) = next_element(layout_rest);
        rest = skip(rest, &bytes(prefix)).map_err(|rest| failure(prefix, rest, String::new()))?;
        let Some(element) = element else {
            if rest.is_empty() {
                break;
            }
            let text = quote(rest);
            return Err(failure("", rest, format!(": extra text: {text}")));
        };
        layout_rest = suffix;
        let hold = rest;
        match parts.read(element, suffix, &mut rest) {
            Ok(()) => {}
            Err(Trouble::Bad) => return Err(failure(element_text, hold, String::new())),
            Err(Trouble::OutOfRange(what)) => {
                let message = format!(": {what} out of range");
                return Err(failure(element_text, rest, message));
            }
        }
    }
    parts
        .time()
        .map_err(|message| failure("", rest, format!(": {message}")))
}

enum Trouble {
    Bad,
    OutOfRange(&'static str),
}

type Outcome<T> = Result<T, Trouble>;

#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: i64,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i64>,
    zone_name: String,
}

impl Parts {
    fn read(&mut self, element: Element, layout: &str, rest: &mut &[u8]) -> Outcome<()> {
        use Element as E;
        match element {
            E::Year => {
                let year = integer(take(rest, 2)?)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            E::LongYear => {
                if rest.len() < 4 || !rest[0].is_ascii_digit() {
                    return Err(Trouble::Bad);
                }
                self.year = integer(take(rest, 4)?)?;
            }
            E::Month => {
                let names = LONG_MONTHS.map(|name| &name[..3]);
                self.month = Some(lookup(&names, rest)? + 1);
            }
            E::LongMonth => self.month = Some(lookup(&LONG_MONTHS, rest)? + 1),
            E::NumberMonth | E::ZeroMonth => {
                let month = number(rest, element == E::ZeroMonth)?;
                self.month = Some(month);
                in_range(month, 1, 12, "month")?;
            }
            E::Weekday => {
                let names = LONG_WEEKDAYS.map(|name| &name[..3]);
                lookup(&names, rest)?;
            }
            E::LongWeekday => {
                lookup(&LONG_WEEKDAYS, rest)?;
            }
            E::Day | E::UnderscoreDay | E::ZeroDay => {
                if element == E::UnderscoreDay {
                    skip_space(rest);
                }
                self.day = Some(number(rest, element == E::ZeroDay)?);
            }
            E::UnderscoreYearDay | E::ZeroYearDay => {
                if element == E::UnderscoreYearDay {
                    skip_space(rest);
                    skip_space(rest);
                }
                self.year_day = Some(three_digits(rest, element == E::ZeroYearDay)?);
            }
            E::Hour => {
                self.hour = number(rest, false)?;
                in_range(self.hour, 0, 23, "hour")?;
            }
            E::Hour12 | E::ZeroHour12 => {
                self.hour = number(rest, element == E::ZeroHour12)?;
                in_range(self.hour, 0, 12, "hour")?;
            }
            E::Minute | E::ZeroMinute => {
                self.minute = number(rest, element == E::ZeroMinute)?;
                in_range(self.minute, 0, 59, "minute")?;
            }
            E::Second | E::ZeroSecond => {
                self.second = number(rest, element == E::ZeroSecond)?;
                in_range(self.second, 0, 59, "second")?;
                // A fraction that the layout does not have.
                if let [b'.' | b',', b'0'..=b'9', ..] = rest
                    && !matches!(next_element(layout).1, Some(E::Fraction { .. }))
                {
                    self.fraction(rest)?;
                }
            }
            E::UpperHalf => self.half(take(rest, 2)?, *b"PM", *b"AM")?,
            E::LowerHalf => self.half(take(rest, 2)?, *b"pm", *b"am")?,
            E::Offset(offset) => self.offset(offset, rest)?,
            E::ZoneName => {
                if let Some(after) = rest.strip_prefix(b"UTC") {
                    *rest = after;
                    self.utc = true;
                } else {
                    let length = zone_name_length(rest).ok_or(Trouble::Bad)?;
                    let name = take(rest, length)?;
                    self.zone_name = String::from_utf8_lossy(name).into_owned();
                }
            }
            E::Fraction {
                digits,
                trim: false,
                ..
            } => {
                if rest.len() < 1 + digits {
                    return Err(Trouble::Bad);
                }
                self.nanoseconds = nanoseconds(&rest[..=digits])?;
                *rest = &rest[1 + digits..];
            }
            E::Fraction { trim: true, .. } => {
                if let [b'.' | b',', b'0'..=b'9', ..] = rest {
                    self.fraction(rest)?;
                }
            }
        }
        Ok(())
    }

    /// All digits after a separator.
    fn fraction(&mut self, rest: &mut &[u8]) -> Outcome<()> {
        let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.nanoseconds = nanoseconds(&rest[..=digits])?;
        *rest = &rest[1 + digits..];
        Ok(())
    }

    fn half(&mut self, text: &[u8], afternoon: [u8; 2], morning: [u8; 2]) -> Outcome<()> {
        if text == afternoon {
            self.afternoon = Some(true);
        } else if text == morning {
            // Go remembers both; the afternoon wins.
            self.afternoon = self.afternoon.or(Some(false));
        } else {
            return Err(Trouble::Bad);
        }
        Ok(())
    }

    fn offset(&mut self, style: Offset, rest: &mut &[u8]) -> Outcome<()> {
        if style.iso
            && let Some(after) = rest.strip_prefix(b"Z")
        {
            *rest = after;
            self.utc = true;
            return Ok(());
        }
        let mut fields = [b"00".as_slice(), b"00", b"00"];
        let count = match style.precision {
            OffsetPrecision::Hours => 1,
            OffsetPrecision::Minutes => 2,
            OffsetPrecision::Seconds => 3,
        };
        let width = 2 + usize::from(style.colons);
        let length = 1 + count * width - usize::from(style.colons);
        if rest.len() < length {
            return Err(Trouble::Bad);
        }
        for (index, field) in fields.iter_mut().take(count).enumerate() {
            let start = 1 + index * width;
            if style.colons && index > 0 && rest[start - 1] != b':' {
                return Err(Trouble::Bad);
            }
            *field = &rest[start..start + 2];
        }
        let sign = rest[0];
        *rest = &rest[length..];
        let mut values = [0; 3];
        let mut bad = false;
        for (value, mut field) in values.iter_mut().zip(fields) {
            match number(&mut field, true) {
                Ok(parsed) => *value = parsed,
                Err(_) => {
                    bad = true;
                    break;
                }
            }
        }
        // Out of range comes before wrong, and 24 hours or 60 minutes are not out of range.
        in_range(values[0], 0, 24, "time zone offset hour")?;
        in_range(values[1], 0, 60, "time zone offset minute")?;
        in_range(values[2], 0, 60, "time zone offset second")?;
        let total = (values[0] * 60 + values[1]) * 60 + values[2];
        self.offset = Some(match sign {
            b'+' => total,
            b'-' => -total,
            _ => return Err(Trouble::Bad),
        });
        if bad { Err(Trouble::Bad) } else { Ok(()) }
    }

    fn time(mut self) -> Result<Time, &'static str> {
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        if let Some(year_day) = self.year_day {
            let (month, day) =
                month_and_day(self.year, year_day).ok_or("day-of-year out of range")?;
            if self.month.is_some_and(|own| own != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|own| own != day) {
                return Err("day-of-year does not match day");
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let civil = Civil {
            year: self.year,
            month,
            day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
        };
        let time = Time::utc(civil, self.nanoseconds as u32);
        if self.utc {
            return Ok(time);
        }
        // The offset -1 s is taken for none, as in Go.
        if let Some(offset) = self.offset.filter(|&offset| offset != -1) {
            if offset == 0 && matches!(self.zone_name.as_str(), "" | "UTC") {
                return Ok(time.in_zone(Zone::Local));
            }
            return Ok(time.with_clock_in(Zone::Fixed(self.zone_name.into(), offset)));
        }
        if self.zone_name.is_empty() {
            return Ok(time.in_zone(Zone::Local));
        }
        let offset = self
            .zone_name
            .strip_prefix("GMT")
            .and_then(|hours| hours.parse::<i64>().ok())
            .map_or(0, |hours| hours * 3600);
        // The clock is that of UTC: the offset of the name is not known.
        Ok(time.in_zone(Zone::Fixed(self.zone_name.into(), offset)))
    }
}

fn month_and_day(year: i64, year_day: i64) -> Option<(i64, i64)> {
    let length = if is_leap(year) { 366 } else { 365 };
    if !(1..=length).contains(&year_day) {
        return None;
    }
    let mut day = year_day;
    for month in 1..=12 {
        let days = days_in(month, year);
        if day <= days {
            return Some((month, day));
        }
        day -= days;
    }
    None
}

/// Skips literal text of a layout; a run of spaces matches any run of spaces.
fn skip<'v>(mut value: &'v [u8], mut prefix: &[u8]) -> Result<&'v [u8], &'v [u8]> {
    while let Some(&first) = prefix.first() {
        if first == b' ' {
            if value.first().is_some_and(|&byte| byte != b' ') {
                return Err(value);
            }
            prefix = prefix.trim_prefix_spaces();
            value = value.trim_prefix_spaces();
            continue;
        }
        if value.first() != Some(&first) {
            return Err(value);
        }
        prefix = &prefix[1..];
        value = &value[1..];
    }
    Ok(value)
}

trait TrimSpaces {
    fn trim_prefix_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    fn trim_prefix_spaces(&self) -> &Self {
        let spaces = self.iter().take_while(|&&byte| byte == b' ').count();
        &self[spaces..]
    }
}

fn skip_space(rest: &mut &[u8]) {
    if let Some(after) = rest.strip_prefix(b" ") {
        *rest = after;
    }
}

fn take<'v>(rest: &mut &'v [u8], length: usize) -> Outcome<&'v [u8]> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Trouble::Bad)?;
    *rest = after;
    Ok(taken)
}

fn integer(text: &[u8]) -> Outcome<i64> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Trouble::Bad)
}

fn in_range(value: i64, low: i64, high: i64, what: &'static str) -> Outcome<()> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(Trouble::OutOfRange(what))
    }
}

/// One or two digits; two if `fixed`.
fn number(rest: &mut &[u8], fixed: bool) -> Outcome<i64> {
    let length = match rest {
        [b'0'..=b'9', b'0'..=b'9', ..] => 2,
        [b'0'..=b'9', ..] if !fixed => 1,
        _ => return Err(Trouble::Bad),
    };
    integer(take(rest, length)?)
}

fn three_digits(rest: &mut &[u8], fixed: bool) -> Outcome<i64> {
    let digits = rest
        .iter()
        .take(3)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 || (fixed && digits != 3) {
        return Err(Trouble::Bad);
    }
    integer(take(rest, digits)?)
}

fn lookup(names: &[&str], rest: &mut &[u8]) -> Outcome<i64> {
    let index = names
        .iter()
        .position(|name| {
            rest.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        })
        .ok_or(Trouble::Bad)?;
    *rest = &rest[names[index].len()..];
    Ok(index as i64)
}

/// A separator and digits, of which nine count.
fn nanoseconds(text: &[u8]) -> Outcome<i64> {
    let [b'.' | b',', digits @ ..] = text else {
        return Err(Trouble::Bad);
    };
    let digits = &digits[..digits.len().min(9)];
    let value = integer(digits)?;
    if value < 0 {
        return Err(Trouble::OutOfRange("fractional second"));
    }
    Ok(value * 10_i64.pow(9 - digits.len() as u32))
}

/// The length of what looks like the abbreviation of a zone.
fn zone_name_length(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours_length(after).unwrap_or(0));
    }
    if matches!(text[0], b'+' | b'-') {
        return signed_hours_length(text);
    }
    let upper = text
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match upper {
        5 if text[4] == b'T' => Some(5),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// `+3`, `-11`: at most 23 hours.
fn signed_hours_length(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(b'+' | b'-')) {
        return None;
    }
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let hours = integer(&text[1..=digits]).ok()?;
    (hours <= 23).then_some(1 + digits)
}

/// Package `time`'s own quoting: bytes beyond printable ASCII in hexadecimal.
fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in text {
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

    fn read(layout: &str, value: &str) -> String {
        match parse(layout.as_bytes(), value.as_bytes()) {
            Ok(time) => time.text(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values() {
        for (layout, value, expected) in [
            ("2006-01-02", "2020-05-06", "2020-05-06 00:00:00 +0000 UTC"),
            (
                "2006-01-02T15:04:05Z07:00",
                "2020-05-06T01:02:03.5+02:00",
                "2020-05-06 01:02:03.5 +0200 +0200",
            ),
            (
                "2006-01-02T15:04:05Z07:00",
                "2020-05-06T01:02:03Z",
                "2020-05-06 01:02:03 +0000 UTC",
            ),
            (
                "Jan _2 2006 3PM MST",
                "may  6 2020 1PM CET",
                "2020-05-06 13:00:00 +0000 CET",
            ),
            (
                "15:04 MST",
                "01:02 GMT-3",
                "-0001-12-31 22:02:00 -0300 GMT-3",
            ),
            ("2006 002", "2020 060", "2020-02-29 00:00:00 +0000 UTC"),
            ("06", "70", "1970-01-01 00:00:00 +0000 UTC"),
            ("3:04pm", "12:30am", "0000-01-01 00:30:00 +0000 UTC"),
        ] {
            assert_eq!(read(layout, value), expected, "{layout} {value}");
        }
    }

    #[test]
    fn errors() {
        for (layout, value, expected) in [
            (
                "2006-01-02",
                "x",
                r#"parsing time "x" as "2006-01-02": cannot parse "x" as "2006""#,
            ),
            (
                "2006-01-02",
                "2020-13-01",
                r#"parsing time "2020-13-01": month out of range"#,
            ),
            (
                "2006-01-02",
                "2020-02-30",
                r#"parsing time "2020-02-30": day out of range"#,
            ),
            (
                "2006-01-02",
                "2020-02-03 ",
                r#"parsing time "2020-02-03 ": extra text: " ""#,
            ),
            (
                "2006-01",
                "2020/01",
                r#"parsing time "2020/01" as "2006-01": cannot parse "/01" as "-""#,
            ),
            (
                "2006 002",
                "2021 366",
                r#"parsing time "2021 366": day-of-year out of range"#,
            ),
            (
                "15",
                "é",
                r#"parsing time "\xc3\xa9" as "15": cannot parse "\xc3\xa9" as "15""#,
            ),
        ] {
            assert_eq!(read(layout, value), expected, "{layout} {value}");
        }
        assert_eq!(
            parse(b"2006\xe6", b"x\xff")
                .expect_err("no year")
                .to_string(),
            r#"parsing time "x\xff" as "2006\xe6": cannot parse "x\xff" as "2006""#
        );
    }
}
