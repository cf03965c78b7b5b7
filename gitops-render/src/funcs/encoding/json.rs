//! JSON as Go's package `encoding/json` writes and reads it.

use std::fmt::Write as _;

use gitops_core::go::shortest;

use crate::{
    funcs::{
        Registry,
        encoding::{Alphabet, encode_base},
    },
    template::{
        CallError, Context, List, ListType, Map, MapType, Str, Value, fmt::format_float, with_stack,
    },
};

use super::json_read::{JsonError, read};

pub(super) fn register(registry: &mut Registry) {
    // The must-forms fail, the others give an empty text.
    registry.add("toJson", |value: Value| {
        tolerant(to_json(&value, Style::COMPACT))
    });
    registry.add("toPrettyJson", |value: Value| {
        tolerant(to_json(&value, Style::PRETTY))
    });
    registry.add("mustToJson", |value: Value| to_json(&value, Style::COMPACT));
    registry.add("mustToPrettyJson", |value: Value| {
        to_json(&value, Style::PRETTY)
    });
    for name in ["toRawJson", "mustToRawJson"] {
        registry.add(name, |value: Value| to_json(&value, Style::RAW));
    }
    registry.add("mustFromJson", |context: &mut Context<'_>, text: Str| {
        context.spend(text.len() as u64 / 16)?;
        let document = read(&text).map_err(|error| CallError::new(error.to_string()))?;
        match document.trouble {
            Some(error) => Err(CallError::new(error.to_string())),
            None => Ok(document.value),
        }
    });
    registry.add("fromJson", |context: &mut Context<'_>, text: Str| {
        context.spend(text.len() as u64 / 16)?;
        Ok::<_, CallError>(from_json(&text))
    });
    registry.add("fromJsonArray", |context: &mut Context<'_>, text: Str| {
        context.spend(text.len() as u64 / 16)?;
        Ok::<_, CallError>(from_json_array(&text))
    });
}

/// Errors of values give an empty text; reasons to stop remain.
fn tolerant(result: Result<Vec<u8>, CallError>) -> Result<Vec<u8>, CallError> {
    match result {
        Err(error) if error.is_error() => Ok(Vec::new()),
        other => other,
    }
}

/// An object as a map. What is wrong is told under the key `Error`.
fn from_json(text: &[u8]) -> Map {
    let (map, error) = match read(text) {
        Err(error) => (Map::new(), Some(error)),
        Ok(document) => match document.value {
            Value::Map(map) => (map, document.trouble),
            Value::Nil if document.trouble.is_none() => (Map::nil(MapType::Any), None),
            other => (
                Map::new(),
                Some(mismatch(&other, "map[string]interface {}")),
            ),
        },
    };
    let Some(error) = error else { return map };
    let map = if map.is_nil() { Map::new() } else { map };
    // The map is not nil, so that this cannot fail.
    let _ = map.insert("Error", Value::str(error.to_string()));
    map
}

/// An array as a list. What is wrong is its only item.
fn from_json_array(text: &[u8]) -> List {
    let (list, error) = match read(text) {
        Err(error) => (List::nil(ListType::Any), Some(error)),
        Ok(document) => match document.value {
            Value::List(list) => (list, document.trouble),
            Value::Nil if document.trouble.is_none() => (List::nil(ListType::Any), None),
            other => (
                List::nil(ListType::Any),
                Some(mismatch(&other, "[]interface {}")),
            ),
        },
    };
    match error {
        Some(error) => List::new(vec![Value::str(error.to_string())]),
        None => list,
    }
}

fn mismatch(value: &Value, wanted: &'static str) -> JsonError {
    JsonError::Mismatch {
        found: match value {
            Value::Map(_) => "object",
            Value::List(_) => "array",
            Value::Str(_) => "string",
            Value::Bool(_) => "bool",
            _ => "number",
        }
        .to_owned(),
        wanted,
    }
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// `<`, `>` and `&` are escaped.
    escape_html: bool,
    /// Two spaces for each level.
    indented: bool,
}

impl Style {
    /// `json.Marshal`.
    pub(crate) const COMPACT: Self = Self {
        escape_html: true,
        indented: false,
    };
    const PRETTY: Self = Self {
        escape_html: true,
        indented: true,
    };
    const RAW: Self = Self {
        escape_html: false,
        indented: false,
    };
}

/// Values nested deeper than this are not written.
const MAX_DEPTH: usize = 10_000;

/// Lists that share their items are small in memory and can be endless as text.
const MAX_BYTES: usize = 256 << 20;

/// From here on maps are remembered, to find those that contain themselves.
const CYCLES_FROM: usize = 1000;

/// Writes a value.
pub(crate) fn to_json(value: &Value, style: Style) -> Result<Vec<u8>, CallError> {
    let mut writer = Writer {
        out: Vec::new(),
        style,
        depth: 0,
        seen: Vec::new(),
    };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    style: Style,
    depth: usize,
    /// Addresses of the maps that are being written.
    seen: Vec<usize>,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        if self.out.len() > MAX_BYTES {
            return Err(CallError::limit("output_bytes", MAX_BYTES as u64));
        }
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::Bool(value) => self.plain(value),
            Value::Int(value) | Value::Int64(value) => self.plain(value),
            Value::Uint8(value) => self.plain(value),
            Value::Uint32(value) => self.plain(value),
            Value::Uint64(value) => self.plain(value),
            Value::Float(value) => self.float(*value)?,
            Value::Complex(_) => {
                return Err(CallError::new("json: unsupported type: complex128"));
            }
            Value::Str(text) => write_string(&mut self.out, text, self.style.escape_html),
            Value::Bytes(bytes) if bytes.is_nil() => self.out.extend_from_slice(b"null"),
            Value::Bytes(bytes) => {
                let text = encode_base(Alphabet::Base64, bytes);
                write_string(&mut self.out, text.as_bytes(), false);
            }
            Value::List(list) if list.is_nil() => self.out.extend_from_slice(b"null"),
            Value::List(list) => self.nested(b"[]", |writer| {
                for (index, item) in list.iter().enumerate() {
                    writer.separate(index);
                    writer.value(item)?;
                }
                Ok(list.is_empty())
            })?,
            Value::Map(map) if map.is_nil() => self.out.extend_from_slice(b"null"),
            Value::Map(map) => self.map(map)?,
            Value::Object(object) => {
                if let Some(reason) = object.json_failure() {
                    return Err(CallError::new(reason));
                }
                if let Some(value) = object.to_json().or_else(|| object.underlying()) {
                    return with_stack(|| self.value(&value));
                }
                if object.is_nil() {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                let fields = object.json_fields();
                self.nested(b"{}", |writer| {
                    for (index, (name, value)) in fields.iter().enumerate() {
                        writer.separate(index);
                        writer.key(name.as_bytes());
                        writer.value(value)?;
                    }
                    Ok(fields.is_empty())
                })?;
            }
        }
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), CallError> {
        let watched = self.depth > CYCLES_FROM;
        if watched {
            if self.seen.contains(&map.address()) {
                return Err(CallError::new(format!(
                    "json: unsupported value: encountered a cycle via {}",
                    map.map_type().name()
                )));
            }
            self.seen.push(map.address());
        }
        let Some(entries) = map.entries() else {
            return Ok(());
        };
        self.nested(b"{}", |writer| {
            for (index, (key, value)) in entries.iter().enumerate() {
                writer.separate(index);
                writer.key(key);
                writer.value(value)?;
            }
            Ok(entries.is_empty())
        })?;
        if watched {
            self.seen.pop();
        }
        Ok(())
    }

    /// Brackets around what `content` writes; it says whether that is nothing.
    fn nested(
        &mut self,
        brackets: &[u8; 2],
        content: impl FnOnce(&mut Self) -> Result<bool, CallError>,
    ) -> Result<(), CallError> {
        if self.depth > MAX_DEPTH {
            return Err(CallError::limit("value_depth", MAX_DEPTH as u64));
        }
        self.out.push(brackets[0]);
        self.depth += 1;
        let is_empty = with_stack(|| content(self))?;
        self.depth -= 1;
        if !is_empty {
            self.break_line();
        }
        self.out.push(brackets[1]);
        Ok(())
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(b',');
        }
        self.break_line();
    }

    fn break_line(&mut self) {
        if self.style.indented {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.depth, b' ');
        }
    }

    fn key(&mut self, key: &[u8]) {
        write_string(&mut self.out, key, self.style.escape_html);
        self.out.push(b':');
        if self.style.indented {
            self.out.push(b' ');
        }
    }

    fn plain(&mut self, value: impl std::fmt::Display) {
        self.out.extend_from_slice(value.to_string().as_bytes());
    }

    fn float(&mut self, value: f64) -> Result<(), CallError> {
        if !value.is_finite() {
            let name = if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(CallError::new(format!("json: unsupported value: {name}")));
        }
        self.out.extend_from_slice(float_text(value).as_bytes());
        Ok(())
    }
}

/// Digits alone between 1e-6 and 1e21, else with an exponent.
fn float_text(value: f64) -> String {
    let absolute = value.abs();
    if absolute != 0.0 && !(1e-6..1e21).contains(&absolute) {
        let text = shortest(value);
        return match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                format!("{mantissa}e+{exponent}")
            }
            _ => text,
        };
    }
    // −0 keeps its sign.
    format_float(value, b'f', None)
}

/// Writes a string with quotes; what is not UTF-8 becomes U+FFFD.
fn write_string(out: &mut Vec<u8>, text: &[u8], escape_html: bool) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        let mut plain = 0;
        let valid = chunk.valid();
        for (offset, character) in valid.char_indices() {
            let escape = match character {
                '"' => "\\\"".to_owned(),
                '\\' => "\\\\".to_owned(),
                '\x08' => "\\b".to_owned(),
                '\x0c' => "\\f".to_owned(),
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                '<' | '>' | '&' if !escape_html => continue,
                '\0'..'\x20' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    let mut escape = String::new();
                    write!(escape, "\\u{:04x}", u32::from(character)).expect("writing to a string");
                    escape
                }
                _ => continue,
            };
            out.extend_from_slice(&valid.as_bytes()[plain..offset]);
            out.extend_from_slice(escape.as_bytes());
            plain = offset + character.len_utf8();
        }
        out.extend_from_slice(&valid.as_bytes()[plain..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Value, style: Style) -> String {
        match to_json(value, style) {
            Ok(text) => String::from_utf8(text).expect("UTF-8"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn floats() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (0.000_001, "0.000001"),
            (1234.5678, "1234.5678"),
        ] {
            assert_eq!(text(&Value::Float(value), Style::COMPACT), expected);
        }
        assert_eq!(
            text(&Value::Float(f64::NAN), Style::COMPACT),
            "json: unsupported value: NaN"
        );
    }

    #[test]
    fn strings() {
        let value = Value::str("<a&b>\u{2028}\u{1}\t\"\u{7f}é");
        assert_eq!(
            text(&value, Style::COMPACT),
            "\"\\u003ca\\u0026b\\u003e\\u2028\\u0001\\t\\\"\u{7f}é\""
        );
        assert_eq!(
            text(&value, Style::RAW),
            "\"<a&b>\\u2028\\u0001\\t\\\"\u{7f}é\""
        );
        assert_eq!(
            text(&Value::str(b"\xff\xe6\x97".to_vec()), Style::RAW),
            "\"\\ufffd\\ufffd\\ufffd\""
        );
    }

    #[test]
    fn indentation() {
        let map: Map = [
            ("a", Value::list(vec![Value::Int(1), Value::Nil])),
            ("e", Value::list(vec![])),
            ("m", Value::Map(Map::new())),
        ]
        .into_iter()
        .collect();
        assert_eq!(
            text(&Value::Map(map), Style::PRETTY),
            "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"e\": [],\n  \"m\": {}\n}"
        );
    }

    #[test]
    fn cycles() {
        let map = Map::new();
        map.insert("m", Value::Map(map.clone())).expect("not nil");
        assert_eq!(
            text(&Value::Map(map.clone()), Style::COMPACT),
            "json: unsupported value: encountered a cycle via map[string]interface {}"
        );
        map.remove("m");
    }
}
