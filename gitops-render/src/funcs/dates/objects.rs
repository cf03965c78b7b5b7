//! `time.Time`, `time.Duration`, `time.Month` and `time.Weekday` as templates see them: with methods.

use std::{any::Any, borrow::Cow};

use gitops_core::go;

use super::{
    layout::{LONG_MONTHS, LONG_WEEKDAYS},
    time::{RFC3339_NANO, Time},
    zone::Zone,
};
use crate::template::{
    CallError, Context, Kind, List, ListType, Object, Signature, Str, Type, Value,
};

pub(super) const TIME: &str = "time.Time";
const DURATION: &str = "time.Duration";
const LOCATION: &str = "*time.Location";

/// Go's `time.Time`.
#[derive(Debug, Clone)]
pub(crate) struct TimeObject(pub(crate) Time);

impl Object for TimeObject {
    fn type_name(&self) -> Cow<'static, str> {
        TIME.into()
    }

    /// Not exported: they are printed by verbs for numbers, but templates cannot read them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let time = &self.0;
        let location = Value::object(Location {
            zone: time.zone().clone(),
            is_nil: *time.zone() == Zone::Utc,
        });
        let since_year_one = time.unix_seconds().wrapping_sub(Time::ZERO.unix_seconds());
        vec![
            ("wall", Value::Uint64(u64::from(time.nanosecond()))),
            ("ext", Value::Int64(since_year_one)),
            ("loc", location),
        ]
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    fn go_string(&self) -> Option<String> {
        Some(go_string(&self.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let parameters: &[Type] = match name {
            "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "Year" | "Month" | "Day" | "Hour"
            | "Minute" | "Second" | "Nanosecond" | "Weekday" | "YearDay" | "UTC" | "Local"
            | "Location" | "IsZero" | "IsDST" | "String" | "GoString" | "MarshalText"
            | "MarshalJSON" | "MarshalBinary" | "GobEncode" | "ISOWeek" | "Zone" | "ZoneBounds"
            | "Date" | "Clock" => &[],
            "AppendText" | "AppendBinary" => &[Type::Bytes],
            "AppendFormat" => &[Type::Bytes, Type::String],
            "Format" => &[Type::String],
            "Add" | "Truncate" | "Round" => &[Type::Duration],
            "AddDate" => &[Type::Int, Type::Int, Type::Int],
            "Sub" | "Before" | "After" | "Equal" | "Compare" => &[Type::Object(TIME)],
            "In" => &[Type::Object(LOCATION)],
            _ => return None,
        };
        Some(Signature::new(parameters))
    }

    fn unfit_results(&self, name: &str) -> Option<&'static str> {
        Some(match name {
            "ISOWeek" => {
                "invalid function signature for ISOWeek: second return value should be error; is int"
            }
            "Zone" => {
                "invalid function signature for Zone: second return value should be error; is int"
            }
            "ZoneBounds" => {
                "invalid function signature for ZoneBounds: second return value should be error; is \
                 time.Time"
            }
            "Date" => "function Date has 3 return values; should be 1 or 2",
            "Clock" => "function Clock has 3 return values; should be 1 or 2",
            _ => return None,
        })
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        let time = &self.0;
        let moment = |time: Time| Ok(Value::object(Self(time)));
        let civil = time.civil();
        match (name, &*arguments) {
            ("Unix", _) => Ok(Value::Int64(time.unix_seconds())),
            ("UnixMilli", _) => Ok(Value::Int64(
                time.unix_seconds()
                    .wrapping_mul(1000)
                    .wrapping_add(i64::from(time.nanosecond() / 1_000_000)),
            )),
            ("UnixMicro", _) => Ok(Value::Int64(
                time.unix_seconds()
                    .wrapping_mul(1_000_000)
                    .wrapping_add(i64::from(time.nanosecond() / 1000)),
            )),
            ("UnixNano", _) => Ok(Value::Int64(time.unix_nanoseconds())),
            ("Year", _) => Ok(Value::Int(civil.year)),
            ("Month", _) => Ok(Value::object(Named::Month(civil.month))),
            ("Day", _) => Ok(Value::Int(civil.day)),
            ("Hour", _) => Ok(Value::Int(civil.hour)),
            ("Minute", _) => Ok(Value::Int(civil.minute)),
            ("Second", _) => Ok(Value::Int(civil.second)),
            ("Nanosecond", _) => Ok(Value::Int(i64::from(time.nanosecond()))),
            ("Weekday", _) => Ok(Value::object(Named::Weekday(time.weekday()))),
            ("YearDay", _) => Ok(Value::Int(time.year_day())),
            ("UTC", _) => moment(time.in_zone(Zone::Utc)),
            ("Local", _) => moment(time.in_zone(Zone::Local)),
            ("Location", _) => Ok(Value::object(Location {
                zone: time.zone().clone(),
                is_nil: false,
            })),
            ("IsZero", _) => Ok(time.is_zero().into()),
            ("IsDST", _) => Ok(time.zone().at(time.unix_seconds()).is_dst.into()),
            ("String", _) => Ok(time.text().into()),
            ("GoString", _) => Ok(go_string(time).into()),
            ("MarshalText" | "MarshalJSON" | "AppendText", _) if unwritable(time).is_some() => {
                let reason = unwritable(time).unwrap_or_default();
                Err(CallError::new(format!("Time.{name}: {reason}")))
            }
            ("MarshalBinary" | "GobEncode", _) => Ok(Value::Bytes(binary(time)?.into())),
            ("AppendBinary", [Value::Bytes(start)]) => {
                Ok(Value::Bytes([&**start, &binary(time)?].concat().into()))
            }
            ("AppendText", [Value::Bytes(start)]) => Ok(Value::Bytes(
                [&**start, time.format(RFC3339_NANO).as_bytes()]
                    .concat()
                    .into(),
            )),
            ("AppendFormat", [Value::Bytes(start), Value::Str(layout)]) => Ok(Value::Bytes(
                [&**start, &time.format_bytes(layout)].concat().into(),
            )),
            ("MarshalText", _) => Ok(Value::Bytes(time.format(RFC3339_NANO).into_bytes().into())),
            ("MarshalJSON", _) => {
                let text = format!("\"{}\"", time.format(RFC3339_NANO));
                Ok(Value::Bytes(text.into_bytes().into()))
            }
            ("Format", [Value::Str(layout)]) => Ok(Value::Str(time.format_bytes(layout).into())),
            ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
                moment(time.add_date(*years, *months, *days))
            }
            ("Add" | "Truncate" | "Round", [duration]) => {
                let duration = duration
                    .downcast::<DurationObject>()
                    .ok_or_else(CallError::nil_pointer)?
                    .0;
                moment(match name {
                    "Add" => time.add(duration),
                    "Truncate" => time.truncate(duration),
                    _ => time.round(duration),
                })
            }
            ("In", [location]) => match location.downcast::<Location>() {
                Some(location) => moment(time.in_zone(location.zone.clone())),
                None => Err(CallError::new("time: missing Location in call to Time.In")),
            },
            (_, [other]) => {
                let other = &other
                    .downcast::<Self>()
                    .ok_or_else(CallError::nil_pointer)?
                    .0;
                let order = time.compare(other);
                Ok(match name {
                    "Sub" => Value::object(DurationObject(time.since(other))),
                    "Before" => order.is_lt().into(),
                    "After" => order.is_gt().into(),
                    "Equal" => order.is_eq().into(),
                    _ => Value::Int(order as i64),
                })
            }
            _ => Err(CallError::nil_pointer()),
        }
    }

    fn string(&self) -> Option<String> {
        Some(self.0.text())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| {
            self.0.compare(&other.0).is_eq() && self.0.zone() == other.0.zone()
        })
    }

    fn json_failure(&self) -> Option<String> {
        let reason = unwritable(&self.0)?;
        Some(format!(
            "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: {reason}"
        ))
    }

    fn to_json(&self) -> Option<Value> {
        Some(self.0.format(RFC3339_NANO).into())
    }

    fn plain_yaml(&self) -> Option<String> {
        Some(self.0.format(RFC3339_NANO))
    }
}

/// What `MarshalBinary` gives: a version, the seconds since the year 1, nanoseconds, and the minutes and
/// seconds of the zone.
fn binary(time: &Time) -> Result<Vec<u8>, CallError> {
    let since_year_one = time.unix_seconds().wrapping_sub(Time::ZERO.unix_seconds());
    let (mut minutes, mut seconds) = (-1, 0);
    if *time.zone() != Zone::Utc {
        let offset = time.zone().at(time.unix_seconds()).offset;
        (minutes, seconds) = (offset / 60, offset % 60);
        if minutes == -1 || i16::try_from(minutes).is_err() {
            return Err("Time.MarshalBinary: unexpected zone offset".into());
        }
    }
    let mut out = vec![if seconds == 0 { 1 } else { 2 }];
    out.extend(since_year_one.to_be_bytes());
    out.extend(time.nanosecond().to_be_bytes());
    out.extend((minutes as i16).to_be_bytes());
    if seconds != 0 {
        out.push(seconds as u8);
    }
    Ok(out)
}

/// Why a time has no text in RFC 3339.
fn unwritable(time: &Time) -> Option<&'static str> {
    let offset = time.zone().at(time.unix_seconds()).offset;
    if !(0..=9999).contains(&time.civil().year) {
        Some("year outside of range [0,9999]")
    } else if offset.abs() / 3600 >= 24 {
        Some("timezone hour outside of range [0,23]")
    } else {
        None
    }
}

/// The expression that makes a time, of `%#v`.
fn go_string(time: &Time) -> String {
    let civil = time.civil();
    let zone = match time.zone() {
        Zone::Utc => "time.UTC".to_owned(),
        Zone::Local => "time.Local".to_owned(),
        zone => format!("time.Location({})", go::quote(zone.name())),
    };
    format!(
        "time.Date({}, time.{}, {}, {}, {}, {}, {}, {zone})",
        civil.year,
        LONG_MONTHS[(civil.month - 1) as usize],
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        time.nanosecond()
    )
}

/// Go's `time.Duration`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DurationObject(pub(crate) go::Duration);

impl Object for DurationObject {
    fn type_name(&self) -> Cow<'static, str> {
        DURATION.into()
    }

    fn kind(&self) -> Kind {
        Kind::Int64
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(&self, name: &str) -> Option<Signature> {
        let parameters: &[Type] = match name {
            "Seconds" | "Minutes" | "Hours" | "Milliseconds" | "Microseconds" | "Nanoseconds"
            | "String" | "Abs" => &[],
            "Round" | "Truncate" => &[Type::Duration],
            _ => return None,
        };
        Some(Signature::new(parameters))
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        let duration = self.0;
        let other = || {
            arguments
                .first()
                .and_then(Value::downcast::<Self>)
                .map(|other| other.0)
                .ok_or_else(CallError::nil_pointer)
        };
        Ok(match name {
            "Seconds" => Value::Float(duration.seconds()),
            "Minutes" => Value::Float(duration.minutes()),
            "Hours" => Value::Float(duration.hours()),
            "Milliseconds" => Value::Int64(duration.milliseconds()),
            "Microseconds" => Value::Int64(duration.microseconds()),
            "Nanoseconds" => Value::Int64(duration.0),
            "Abs" => Value::object(Self(duration.abs())),
            "Round" => Value::object(Self(duration.round(other()?))),
            "Truncate" => Value::object(Self(duration.truncate(other()?))),
            _ => duration.to_string().into(),
        })
    }

    fn string(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int64(self.0.0))
    }

    fn counted(&self, number: i64) -> Value {
        Value::object(Self(go::Duration(number)))
    }

    fn plain_yaml(&self) -> Option<String> {
        Some(self.0.to_string())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| self.0 == other.0)
    }
}

/// Go's `time.Month` and `time.Weekday`: integers with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Month(i64),
    Weekday(i64),
}

impl Named {
    fn number(self) -> i64 {
        match self {
            Self::Month(number) | Self::Weekday(number) => number,
        }
    }
}

impl Object for Named {
    fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::Month(_) => "time.Month".into(),
            Self::Weekday(_) => "time.Weekday".into(),
        }
    }

    fn kind(&self) -> Kind {
        Kind::Int
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::new(&[]))
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        _name: &str,
        _arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        Ok(self.string().unwrap_or_default().into())
    }

    fn string(&self) -> Option<String> {
        let name = match *self {
            // A `range` over a month begins with one that there is not.
            Self::Month(number @ (..1 | 13..)) => return Some(format!("%!Month({number})")),
            Self::Month(number) => LONG_MONTHS[number as usize - 1],
            Self::Weekday(number) => LONG_WEEKDAYS[number.clamp(0, 6) as usize],
        };
        Some(name.to_owned())
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int(self.number()))
    }

    fn counted(&self, number: i64) -> Value {
        Value::object(match self {
            Self::Month(_) => Self::Month(number),
            Self::Weekday(_) => Self::Weekday(number),
        })
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }
}

/// The fields of a zone that only a text named: its one zone, when that began, and itself once more.
fn made_up(name: &str, offset: i64) -> (Vec<Value>, Vec<Value>, Option<Inner>) {
    let zone = Inner::Struct(
        "time.zone",
        vec![
            ("name", name.into()),
            ("offset", Value::Int(offset)),
            ("isDST", false.into()),
        ],
    );
    let since_ever = Inner::Struct(
        "time.zoneTrans",
        vec![
            ("when", Value::Int64(i64::MIN)),
            ("index", Value::Uint8(0)),
            ("isstd", false.into()),
            ("isutc", false.into()),
        ],
    );
    let zones = vec![Value::object(zone.clone())];
    (zones, vec![Value::object(since_ever)], Some(zone))
}

/// What lies within a `time.Location`, which nothing but package fmt sees.
#[derive(Debug, Clone)]
enum Inner {
    Struct(&'static str, Vec<(&'static str, Value)>),
    List(&'static str, Vec<Value>),
    /// A `*time.zone`.
    Pointer(Option<Box<Self>>),
}

impl Inner {
    fn list(type_name: &'static str, items: Vec<Value>) -> Value {
        Value::object(Self::List(type_name, items))
    }

    fn pointer(zone: Option<Self>) -> Value {
        Value::object(Self::Pointer(zone.map(Box::new)))
    }
}

impl Object for Inner {
    fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::Struct(name, _) | Self::List(name, _) => (*name).into(),
            Self::Pointer(_) => "*time.zone".into(),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Struct(..) => Kind::Struct,
            Self::List(..) => Kind::Slice,
            Self::Pointer(_) => Kind::Pointer,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Struct(_, fields) => fields.clone(),
            Self::List(..) => Vec::new(),
            Self::Pointer(zone) => zone.as_ref().map_or_else(Vec::new, |zone| zone.fields()),
        }
    }

    fn underlying(&self) -> Option<Value> {
        match self {
            Self::List(_, items) if items.is_empty() => Some(Value::List(List::nil(ListType::Any))),
            Self::List(_, items) => Some(Value::list(items.clone())),
            Self::Struct(..) | Self::Pointer(_) => None,
        }
    }

    fn is_nil(&self) -> bool {
        matches!(self, Self::Pointer(None))
    }
}

/// Go's `*time.Location`.
#[derive(Debug, Clone)]
struct Location {
    zone: Zone,
    /// Within a time in UTC the pointer is nil.
    is_nil: bool,
}

impl Object for Location {
    fn type_name(&self) -> Cow<'static, str> {
        LOCATION.into()
    }

    /// Not exported, and without the tables of zones that have some.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let (zones, changes, cache) = match &self.zone {
            Zone::Fixed(name, offset) => made_up(name, *offset),
            _ => (Vec::new(), Vec::new(), None),
        };
        let limits = cache.as_ref().map_or((0, 0), |_| (i64::MIN, i64::MAX));
        vec![
            ("name", Value::Str(Str::from(self.zone.name()))),
            ("zone", Inner::list("[]time.zone", zones)),
            ("tx", Inner::list("[]time.zoneTrans", changes)),
            ("extend", Value::Str(Str::EMPTY)),
            ("cacheStart", Value::Int64(limits.0)),
            ("cacheEnd", Value::Int64(limits.1)),
            ("cacheZone", Inner::pointer(cache)),
        ]
    }

    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    fn kind(&self) -> Kind {
        Kind::Pointer
    }

    fn is_nil(&self) -> bool {
        self.is_nil
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn method(&self, name: &str) -> Option<Signature> {
        (name == "String").then(|| Signature::new(&[]))
    }

    fn call(
        &self,
        _context: &mut Context<'_>,
        _name: &str,
        _arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        Ok(Value::Str(Str::from(self.zone.name())))
    }

    fn string(&self) -> Option<String> {
        Some(self.zone.name().to_owned())
    }

    fn string_of_element(&self) -> Option<String> {
        None
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other
            .as_any()
            .downcast_ref::<Self>()
            .is_some_and(|other| self.zone == other.zone)
    }
}
