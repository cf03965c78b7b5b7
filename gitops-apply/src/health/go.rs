//! Decoding as Go programs convert the untyped form of an object to a typed one.
//!
//! `null` is the zero value, also in lists; fields that the type does not have are ignored; a list is
//! no struct; a number without a fraction is an integer, and one that is too big for 32 bits is cut.
//! Anything else of another type is an error, wherever it is.

use std::fmt;

use gitops_core::{clock::Timestamp, quantity};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value};

/// A value, or the map that an object is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Go<'a> {
    Value(&'a Value),
    Map(&'a Map<String, Value>),
}

impl<'a> Go<'a> {
    fn is_null(self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    fn wrong<T>(self, expected: &str) -> Result<T, Error> {
        let found = match self {
            Self::Value(Value::Null) => Unexpected::Unit,
            Self::Value(Value::Bool(flag)) => Unexpected::Bool(*flag),
            Self::Value(Value::Number(number)) => {
                Unexpected::Float(number.as_f64().unwrap_or_default())
            }
            Self::Value(Value::String(text)) => Unexpected::Str(text),
            Self::Value(Value::Array(_)) => Unexpected::Seq,
            Self::Value(Value::Object(_)) | Self::Map(_) => Unexpected::Map,
        };
        Err(Error::invalid_type(found, &expected))
    }

    fn integer(self) -> Result<i64, Error> {
        let Self::Value(Value::Number(number)) = self else {
            return if self.is_null() {
                Ok(0)
            } else {
                self.wrong("an integer")
            };
        };
        let whole = number.as_f64().filter(|float| float.fract() == 0.0);
        #[allow(clippy::cast_possible_truncation, reason = "Go converts so")]
        let cut = whole.map(|float| float as i64);
        match number.as_i64().or(cut) {
            Some(integer) => Ok(integer),
            None => self.wrong("an integer"),
        }
    }
}

impl<'de> IntoDeserializer<'de, Error> for Go<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Go<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(value) => value.deserialize_any(visitor),
            Self::Map(map) => visitor.visit_map(MapDeserializer::new(
                map.iter()
                    .map(|(key, value)| (key.as_str(), Go::Value(value))),
            )),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Value::Null) => visitor.visit_bool(false),
            Self::Value(Value::Bool(flag)) => visitor.visit_bool(*flag),
            _ => self.wrong("a boolean"),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        #[allow(clippy::cast_possible_truncation, reason = "Go converts so")]
        visitor.visit_i32(self.integer()? as i32)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.integer()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Value::Null) => visitor.visit_borrowed_str(""),
            Self::Value(Value::String(text)) => visitor.visit_borrowed_str(text),
            _ => self.wrong("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items: &[Value] = match self {
            Self::Value(Value::Null) => &[],
            Self::Value(Value::Array(items)) => items,
            _ => return self.wrong("a list"),
        };
        visitor.visit_seq(SeqDeserializer::new(items.iter().map(Go::Value)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(Value::Null) => {
                let nothing = std::iter::empty::<(&str, Go<'de>)>();
                visitor.visit_map(MapDeserializer::new(nothing))
            }
            Self::Value(Value::Object(map)) => Go::Map(map).deserialize_any(visitor),
            Self::Map(_) => self.deserialize_any(visitor),
            Self::Value(_) => self.wrong("an object"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct enum identifier ignored_any
    }
}

/// A time as Go reads it: RFC 3339, to the letter.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked("2006-01-02T15:04:05".len())?;
    let fits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, shape)| match shape {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte == shape,
                })
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
    };
    let is_zone = zone == "Z" || fits(zone, "+00:00") || fits(zone, "-00:00");
    (fits(date, "0000-00-00T00:00:00") && is_zone)
        .then(|| text.parse().ok())
        .flatten()
}

/// A time that is read for its form only.
#[derive(Debug, Default)]
pub(super) struct Time;

/// A quantity such as `500m` that is read for its form only.
#[derive(Debug, Default)]
pub(super) struct Quantity;

/// An integer or a text that is read for its form only.
#[derive(Debug, Default)]
pub(super) struct IntOrString;

fn check<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: impl fmt::Display,
    is_good: impl FnOnce(&Value) -> bool,
) -> Result<(), D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() || is_good(&value) {
        Ok(())
    } else {
        Err(D::Error::custom(format!("{value} is no {what}")))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_good = |value: &Value| value.as_str().is_some_and(|text| time(text).is_some());
        check(deserializer, "time", is_good).map(|()| Self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_good = |value: &Value| {
            (value.is_string() || value.is_number())
                && quantity::Quantity::from_json_text(&value.to_string()).is_ok()
        };
        check(deserializer, "quantity", is_good).map(|()| Self)
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_good = |value: &Value| {
            let integer = value
                .as_i64()
                .and_then(|integer| i32::try_from(integer).ok());
            value.is_string() || integer.is_some()
        };
        check(deserializer, "integer or text", is_good).map(|()| Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Sample {
        text: String,
        flag: bool,
        small: i32,
        big: Option<i64>,
        list: Vec<Self>,
    }

    fn read(value: Value) -> Result<Sample, Error> {
        Sample::deserialize(Go::Value(&value))
    }

    #[test]
    fn null_is_the_zero_value() {
        let nulls = json!({"text": null, "flag": null, "small": null, "big": null, "list": [null]});
        let sample = read(nulls).unwrap();
        assert_eq!(sample.list, [Sample::default()]);
        assert_eq!((sample.big, sample.small), (None, 0));
        assert_eq!(read(Value::Null).unwrap(), Sample::default());
    }

    #[test]
    fn numbers_are_converted_where_nothing_is_lost_but_bits() {
        assert_eq!(read(json!({"small": 2.0})).unwrap().small, 2);
        assert_eq!(
            read(json!({"small": 2_147_483_648_i64})).unwrap().small,
            i32::MIN
        );
        assert!(read(json!({"small": 1.5})).is_err());
        assert!(read(json!({"small": "1"})).is_err());
        assert!(read(json!({"small": true})).is_err());
    }

    #[test]
    fn other_types_are_errors() {
        for wrong in [
            json!([]),
            json!({"list": {}}),
            json!({"list": [[]]}),
            json!({"text": 1}),
            json!({"flag": "true"}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_to_the_letter() {
        for good in [
            "2024-01-02T03:04:05Z",
            "2024-01-02T03:04:05.5+01:00",
            "0001-01-01T00:00:00Z",
        ] {
            assert!(time(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2024-01-02",
            "2024-01-02 03:04:05Z",
            "2024-01-02T03:04:05Zx",
            "2024-01-02T03:04:05",
            "2024-01-02T03:04:05.Z",
            "2024-02-31T03:04:05Z",
        ] {
            assert!(time(bad).is_none(), "{bad}");
        }
    }
}
