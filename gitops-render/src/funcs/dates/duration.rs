//! Durations: sprig's texts, and Helm's conversions.

use gitops_core::go::{self, parse_float, parse_int, quote, unicode::is_space};

use super::{
    Registry,
    objects::{DurationObject, TimeObject},
};
use crate::{
    funcs::{Concrete, math::float_to_int, strings::printed},
    template::{CallError, Context, FunctionSet, Str, Value},
};

pub(super) fn register(registry: &mut Registry, functions: FunctionSet) {
    registry.add("duration", duration);
    registry.add("durationRound", duration_round);
    if functions >= FunctionSet::Helm4_3 {
        register_conversions(registry);
    }
}

fn register_conversions(registry: &mut Registry) {
    registry.add("mustToDuration", |value: Value| {
        to_duration(&value).map(object)
    });
    for (name, unit) in UNITS {
        registry.add(name, move |value: Value| {
            Concrete(unit(to_duration(&value).unwrap_or_default()))
        });
    }
    registry.add("durationRoundTo", |value: Value, unit: Value| {
        object(to_multiple(&value, &unit, go::Duration::round))
    });
    registry.add("durationTruncateTo", |value: Value, unit: Value| {
        object(to_multiple(&value, &unit, go::Duration::truncate))
    });
}

/// A duration in a unit.
type Unit = fn(go::Duration) -> Value;

const UNITS: [(&str, Unit); 8] = [
    ("durationSeconds", |d| Value::Float(d.seconds())),
    ("durationMilliseconds", |d| Value::Int64(d.milliseconds())),
    ("durationMicroseconds", |d| Value::Int64(d.microseconds())),
    ("durationNanoseconds", |d| Value::Int64(d.0)),
    ("durationMinutes", |d| Value::Float(d.minutes())),
    ("durationHours", |d| Value::Float(d.hours())),
    ("durationDays", |d| Value::Float(d.hours() / 24.0)),
    ("durationWeeks", |d| Value::Float(d.hours() / 24.0 / 7.0)),
];

fn object(duration: go::Duration) -> Concrete {
    Concrete(Value::object(DurationObject(duration)))
}

/// The text of so many seconds, given as a string or an `int64`; of anything else, of none.
fn duration(seconds: Value) -> String {
    let seconds = match &seconds {
        Value::Str(text) => text.as_str().map_or(0, seconds_of),
        Value::Int64(seconds) => *seconds,
        _ => 0,
    };
    go::Duration(seconds.wrapping_mul(1_000_000_000)).to_string()
}

/// Out of range gives the nearest integer.
fn seconds_of(text: &str) -> i64 {
    match parse_int(text, 10) {
        Ok(seconds) => seconds,
        Err(go::NumberError::Range { negative: true }) => i64::MIN,
        Err(go::NumberError::Range { negative: false }) => i64::MAX,
        Err(_) => 0,
    }
}

/// The number of the largest unit of which there is more than one: `2y`, `3mo`, `1d`, `5h`, `2m`, `9s`.
fn duration_round(context: &mut Context<'_>, value: Value) -> String {
    let duration = match &value {
        Value::Str(text) => text.to_str().parse().unwrap_or_default(),
        Value::Int64(nanoseconds) => go::Duration(*nanoseconds),
        _ => match value.downcast::<TimeObject>() {
            Some(TimeObject(time)) => super::now(context).since(time),
            None => go::Duration::default(),
        },
    };
    let nanoseconds = duration.0.unsigned_abs();
    const SECOND: u64 = 1_000_000_000;
    const DAY: u64 = 86_400 * SECOND;
    [
        (365 * DAY, "y"),
        (30 * DAY, "mo"),
        (DAY, "d"),
        (3600 * SECOND, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ]
    .into_iter()
    .find(|&(unit, _)| nanoseconds > unit)
    .map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", nanoseconds / unit),
    )
}

fn to_multiple(
    value: &Value,
    unit: &Value,
    operation: fn(go::Duration, go::Duration) -> go::Duration,
) -> go::Duration {
    let Ok(duration) = to_duration(value) else {
        return go::Duration::default();
    };
    to_duration(unit).map_or(duration, |unit| operation(duration, unit))
}

/// A duration as it is, its text, or numbers (also as text) of seconds.
fn to_duration(value: &Value) -> Result<go::Duration, CallError> {
    if let Some(DurationObject(duration)) = value.downcast() {
        return Ok(*duration);
    }
    match value.underlying().as_ref() {
        Value::Nil => Err(CallError::new("invalid duration")),
        // Named strings are no strings here, but there are none.
        Value::Str(text) => text_to_duration(text),
        Value::Int(seconds) | Value::Int64(seconds) => whole_seconds(i128::from(*seconds)),
        Value::Uint8(seconds) => whole_seconds(i128::from(*seconds)),
        Value::Uint32(seconds) => whole_seconds(i128::from(*seconds)),
        Value::Uint64(seconds) => whole_seconds(i128::from(*seconds)),
        Value::Float(seconds) => float_seconds(*seconds),
        _ => Err(CallError::new(format!(
            "unsupported duration type {}",
            value.type_name()
        ))),
    }
}

fn text_to_duration(text: &Str) -> Result<go::Duration, CallError> {
    let shown = text.to_str();
    let trimmed = shown.trim_matches(is_space);
    if trimmed.is_empty() {
        return Err(CallError::new("empty duration"));
    }
    if let Ok(duration) = trimmed.parse() {
        return Ok(duration);
    }
    match parse_float(trimmed) {
        Ok(seconds) => float_seconds(seconds),
        Err(_) => Err(CallError::new(format!(
            "could not parse duration {}",
            quote(text)
        ))),
    }
}

fn whole_seconds(seconds: i128) -> Result<go::Duration, CallError> {
    let allowed = i128::from(i64::MIN / 1_000_000_000)..=i128::from(i64::MAX / 1_000_000_000);
    if !allowed.contains(&seconds) {
        return Err(CallError::new(format!(
            "duration seconds overflow: {seconds}"
        )));
    }
    Ok(go::Duration(seconds as i64 * 1_000_000_000))
}

fn float_seconds(seconds: f64) -> Result<go::Duration, CallError> {
    const LIMIT: f64 = i64::MAX as f64;
    let text = |value: f64| printed(&Value::Float(value));
    if !seconds.is_finite() {
        return Err(CallError::new(format!(
            "invalid duration seconds: {}",
            text(seconds)?
        )));
    }
    if seconds.abs() > LIMIT / 1e9 {
        return Err(CallError::new(format!(
            "duration seconds overflow: {}",
            text(seconds)?
        )));
    }
    let nanoseconds = seconds * 1e9;
    if nanoseconds.abs() > LIMIT {
        return Err(CallError::new(format!(
            "duration nanoseconds overflow: {}",
            text(nanoseconds)?
        )));
    }
    Ok(go::Duration(float_to_int(nanoseconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        let seconds = |value: Value| {
            to_duration(&value)
                .map(|d| d.to_string())
                .map_err(|e| e.to_string())
        };
        assert_eq!(seconds(Value::str(" 1h30m ")), Ok("1h30m0s".to_owned()));
        assert_eq!(seconds(Value::str("2.5")), Ok("2.5s".to_owned()));
        assert_eq!(seconds(Value::Int(90)), Ok("1m30s".to_owned()));
        assert_eq!(
            seconds(Value::str("x ")),
            Err("could not parse duration \"x \"".to_owned())
        );
        assert_eq!(
            seconds(Value::Bool(true)),
            Err("unsupported duration type bool".to_owned())
        );
        assert_eq!(
            seconds(Value::Uint64(u64::MAX)),
            Err("duration seconds overflow: 18446744073709551615".to_owned())
        );
        assert_eq!(duration(Value::Int(95)), "0s");
        assert_eq!(duration(Value::str("95")), "1m35s");
    }
}
