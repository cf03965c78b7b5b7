//! Layouts of package `time`: texts written as the moment `Mon Jan 2 15:04:05 MST 2006`.

/// An element of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderscoreDay,
    ZeroDay,
    UnderscoreYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    Offset(Offset),
    Fraction {
        separator: char,
        digits: usize,
        trim: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` stands for UTC.
    pub(super) iso: bool,
    pub(super) precision: OffsetPrecision,
    pub(super) colons: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetPrecision {
    Hours,
    Minutes,
    Seconds,
}

pub(super) const LONG_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const LONG_WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The text before the first element, the element if there is one, its text, and what follows.
pub(super) fn next_element(layout: &str) -> (&str, Option<Element>, &str, &str) {
    for start in 0..layout.len() {
        if !layout.is_char_boundary(start) {
            continue;
        }
        if let Some((skip, length, element)) = element(&layout[start..]) {
            let start = start + skip;
            let (prefix, rest) = layout.split_at(start);
            let (text, suffix) = rest.split_at(length);
            return (prefix, Some(element), text, suffix);
        }
    }
    (layout, None, "", "")
}

/// The element at the beginning of a text: bytes before it, its bytes, and itself.
fn element(text: &str) -> Option<(usize, usize, Element)> {
    use Element as E;
    let table: &[(&str, Element)] = match text.as_bytes()[0] {
        b'J' => {
            if text.starts_with("January") {
                return Some((0, 7, E::LongMonth));
            }
            return (text.starts_with("Jan") && !starts_lower(&text[3..])).then_some((
                0,
                3,
                E::Month,
            ));
        }
        b'M' => {
            if text.starts_with("Monday") {
                return Some((0, 6, E::LongWeekday));
            }
            if text.starts_with("Mon") && !starts_lower(&text[3..]) {
                return Some((0, 3, E::Weekday));
            }
            &[("MST", E::ZoneName)]
        }
        b'0' => &[
            ("01", E::ZeroMonth),
            ("02", E::ZeroDay),
            ("03", E::ZeroHour12),
            ("04", E::ZeroMinute),
            ("05", E::ZeroSecond),
            ("06", E::Year),
            ("002", E::ZeroYearDay),
        ],
        b'1' => &[("15", E::Hour), ("1", E::NumberMonth)],
        b'2' => &[("2006", E::LongYear), ("2", E::Day)],
        b'_' => {
            if text.starts_with("_2006") {
                return Some((1, 4, E::LongYear));
            }
            &[("_2", E::UnderscoreDay), ("__2", E::UnderscoreYearDay)]
        }
        b'3' => &[("3", E::Hour12)],
        b'4' => &[("4", E::Minute)],
        b'5' => &[("5", E::Second)],
        b'P' => &[("PM", E::UpperHalf)],
        b'p' => &[("pm", E::LowerHalf)],
        b'-' => return offset(text, '-'),
        b'Z' => return offset(text, 'Z'),
        b'.' | b',' => return fraction(text),
        _ => return None,
    };
    table
        .iter()
        .find(|(name, _)| text.starts_with(name))
        .map(|&(name, element)| (0, name.len(), element))
}

fn starts_lower(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn offset(text: &str, first: char) -> Option<(usize, usize, Element)> {
    use OffsetPrecision::{Hours, Minutes, Seconds};
    [
        ("070000", Seconds, false),
        ("07:00:00", Seconds, true),
        ("0700", Minutes, false),
        ("07:00", Minutes, true),
        ("07", Hours, false),
    ]
    .into_iter()
    .find(|(digits, ..)| text[1..].starts_with(digits))
    .map(|(digits, precision, colons)| {
        let offset = Offset {
            iso: first == 'Z',
            precision,
            colons,
        };
        (0, 1 + digits.len(), Element::Offset(offset))
    })
}

/// `.000` or `,999`: the digits must end there.
fn fraction(text: &str) -> Option<(usize, usize, Element)> {
    let separator = text.chars().next()?;
    let digit = text[1..]
        .chars()
        .next()
        .filter(|c| matches!(c, '0' | '9'))?;
    let digits = text[1..].chars().take_while(|&c| c == digit).count();
    if text[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let element = Element::Fraction {
        separator,
        digits,
        trim: digit == '9',
    };
    Some((0, 1 + digits, element))
}
