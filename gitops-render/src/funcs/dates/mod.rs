//! Dates and durations. The current time is the host's, and the local time zone is UTC.

mod duration;
mod layout;
mod objects;
mod parse;
mod time;
mod zone;

use gitops_core::go;

use self::{objects::TimeObject, parse::parse, time::RFC3339_NANO, zone::Zone};
use super::{Argument, Concrete, Registry};
use crate::template::{CallError, Context, FunctionSet, Str, Type, Value};

pub(crate) use self::{objects::DurationObject, time::Time};

pub(super) fn register(registry: &mut Registry, functions: FunctionSet) {
    registry.add("now", |context: &mut Context<'_>| object(now(context)));
    registry.add(
        "date",
        |context: &mut Context<'_>, layout: Str, date: Value| {
            in_zone(context, &layout, &date, "Local")
        },
    );
    registry.add("htmlDate", |context: &mut Context<'_>, date: Value| {
        in_zone(context, HTML.as_bytes(), &date, "Local")
    });
    registry.add(
        "htmlDateInZone",
        |context: &mut Context<'_>, date: Value, zone: Str| {
            in_zone(context, HTML.as_bytes(), &date, &zone.to_str())
        },
    );
    for name in ["dateInZone", "date_in_zone"] {
        registry.add(
            name,
            |context: &mut Context<'_>, layout: Str, date: Value, zone: Str| {
                in_zone(context, &layout, &date, &zone.to_str())
            },
        );
    }
    for name in ["dateModify", "date_modify"] {
        registry.add(name, |change: Str, date: Time| {
            let changed = modified(&change, &date).unwrap_or(date);
            object(changed)
        });
    }
    for name in ["mustDateModify", "must_date_modify"] {
        registry.add(name, |change: Str, date: Time| {
            modified(&change, &date).map(object)
        });
    }
    registry.add("ago", |context: &mut Context<'_>, date: Value| {
        let now = now(context);
        let then = moment(&date).unwrap_or_else(|| now.clone());
        now.since(&then).round(go::Duration::SECOND).to_string()
    });
    registry.add("toDate", |layout: Str, text: Str| {
        let time = parse(&layout, &text);
        object(time.unwrap_or(Time::ZERO))
    });
    registry.add("mustToDate", |layout: Str, text: Str| {
        parse(&layout, &text)
            .map(object)
            .map_err(|error| CallError::new(error.to_string()))
    });
    registry.add("unixEpoch", |date: Time| date.unix_seconds().to_string());
    duration::register(registry, functions);
}

fn object(time: Time) -> Concrete {
    Concrete(Value::object(TimeObject(time)))
}

/// A date in a layout; with a name of a zone, in the zone of that name without offset.
pub(super) fn parsed_in(layout: &str, text: &str, zone: Option<&str>) -> Option<Value> {
    let time = parse(layout.as_bytes(), text.as_bytes()).ok()?;
    let time = match zone {
        Some(name) => time.in_zone(Zone::Fixed(name.into(), 0)),
        None => time,
    };
    Some(Value::object(TimeObject(time)))
}

/// The text of a time in TOML: without what is not known of it.
pub(super) fn toml_text(value: &Value) -> Option<String> {
    let TimeObject(time) = value.downcast()?;
    let layout = match time.zone().name() {
        "datetime-local" => "2006-01-02T15:04:05.999999999",
        "date-local" => "2006-01-02",
        "time-local" => "15:04:05.999999999",
        _ => RFC3339_NANO,
    };
    Some(time.format(layout))
}

const HTML: &str = "2006-01-02";

impl Argument for Time {
    const TYPE: Type = Type::Object(objects::TIME);

    fn take(arguments: &mut std::slice::IterMut<'_, Value>) -> Result<Self, CallError> {
        let value = arguments.next().map(std::mem::take).unwrap_or_default();
        match value.downcast::<TimeObject>() {
            Some(TimeObject(time)) => Ok(time.clone()),
            None => Err(CallError::new(format!(
                "wrong type for value; expected {}; got {}",
                objects::TIME,
                value.type_name()
            ))),
        }
    }
}

pub(crate) fn now(context: &mut Context<'_>) -> Time {
    let now = context.host().now();
    let nanoseconds = now.as_nanosecond();
    Time::unix(
        nanoseconds.div_euclid(1_000_000_000) as i64,
        nanoseconds.rem_euclid(1_000_000_000) as u32,
    )
}

/// The moment that a time or an integer means; None for everything else.
fn moment(date: &Value) -> Option<Time> {
    match date {
        Value::Int(seconds) | Value::Int64(seconds) => Some(Time::unix(*seconds, 0)),
        _ => date
            .downcast::<TimeObject>()
            .map(|TimeObject(time)| time.clone()),
    }
}

/// A date in a layout; the current time for what is no date, UTC for unknown zones.
fn in_zone(context: &mut Context<'_>, layout: &[u8], date: &Value, zone: &str) -> Str {
    let time = moment(date).unwrap_or_else(|| now(context));
    let zone = Zone::load(zone).unwrap_or(Zone::Utc);
    Str::from(time.in_zone(zone).format_bytes(layout))
}

fn modified(change: &Str, date: &Time) -> Result<Time, CallError> {
    let duration: go::Duration = change
        .to_str()
        .parse()
        .map_err(|error: go::ParseDurationError| CallError::new(error.to_string()))?;
    Ok(date.add(duration))
}
