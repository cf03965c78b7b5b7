//! TOML as `github.com/BurntSushi/toml` 1.6 writes it: keys sorted, plain values before tables, tables
//! indented by two spaces.

use crate::{
    funcs::{Registry, dates},
    template::{
        CallError, FunctionSet, Kind, Map, Object, Str, Value, fmt::format_float, with_stack,
    },
};

pub(super) fn register(registry: &mut Registry, functions: FunctionSet) {
    // The text of an error is the result.
    registry.add("toToml", |value: Value| match to_toml(&value) {
        Ok(text) => Ok(text),
        Err(Failure::Encoding(text)) => Ok(text.into_bytes()),
        Err(Failure::Fatal(error)) => Err(error),
    });
    if functions >= FunctionSet::Helm4_2 {
        registry.add("mustToToml", |value: Value| {
            to_toml(&value).map_err(|failure| match failure {
                Failure::Encoding(text) => CallError::new(text),
                Failure::Fatal(error) => error,
            })
        });
    }
}

#[derive(Debug)]
enum Failure {
    /// An error of the encoder.
    Encoding(String),
    /// A panic of Go, or a limit.
    Fatal(CallError),
}

type Outcome<T = ()> = Result<T, Failure>;

fn failure<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Failure::Encoding(text.into()))
}

fn to_toml(value: &Value) -> Outcome<Vec<u8>> {
    if matches!(value, Value::Nil) {
        return Err(Failure::Fatal(CallError::new(
            "reflect: call of reflect.Value.Type on zero Value",
        )));
    }
    if matches!(value, Value::Complex(_)) {
        return failure("unsupported type for key '': complex128");
    }
    let mut writer = Writer { out: Vec::new() };
    writer.encode(&mut Vec::new(), value)?;
    Ok(writer.out)
}

/// Values nested deeper than this are not written.
const MAX_DEPTH: usize = 10_000;

/// What TOML makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nil: not written.
    Nothing,
    Plain,
    Table,
    TableArray,
}

impl Form {
    fn of(value: &Value, depth: usize) -> Outcome<Self> {
        if depth > MAX_DEPTH {
            return Err(Failure::Fatal(CallError::limit(
                "value_depth",
                MAX_DEPTH as u64,
            )));
        }
        Ok(match value {
            _ if value.is_nil() => Self::Nothing,
            Value::Map(_) => Self::Table,
            Value::List(list) => {
                let mut all_tables = !list.is_empty();
                for item in list {
                    match with_stack(|| Self::of(item, depth + 1))? {
                        Self::Nothing => {
                            return failure("toml: cannot encode array with nil element");
                        }
                        Self::Table => {}
                        Self::Plain | Self::TableArray => all_tables = false,
                    }
                }
                if all_tables {
                    Self::TableArray
                } else {
                    Self::Plain
                }
            }
            Value::Object(object) => match object.underlying() {
                Some(underlying) if object.to_json().is_none() => {
                    with_stack(|| Self::of(&underlying, depth + 1))?
                }
                _ if text_of(value).is_some() => Self::Plain,
                _ => Self::Table,
            },
            Value::Complex(_) => return failure("unsupported type: complex128"),
            _ => Self::Plain,
        })
    }
}

/// The text of an object that Go encodes as text, and whether it is quoted.
fn text_of(value: &Value) -> Option<(String, bool)> {
    let Value::Object(object) = value else {
        return None;
    };
    if let Some(text) = dates::toml_text(value) {
        return Some((text, false));
    }
    match object.type_name().as_ref() {
        "time.Duration" => object.string().map(|text| (text, true)),
        _ => match object.to_json() {
            Some(Value::Str(text)) => Some((text.to_str().into_owned(), true)),
            _ => None,
        },
    }
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn encode(&mut self, key: &mut Vec<Str>, value: &Value) -> Outcome {
        with_stack(|| match Form::of(value, key.len())? {
            Form::Nothing if value.kind() != Kind::Slice => Ok(()),
            Form::Nothing => self.key_value(key, value, false),
            Form::Plain => self.key_value(key, value, false),
            Form::Table => self.table(key, value),
            Form::TableArray => self.table_array(key, value),
        })
    }

    fn table(&mut self, key: &mut Vec<Str>, value: &Value) -> Outcome {
        if key.len() == 1 {
            self.break_line();
        }
        if !key.is_empty() {
            self.indent(key);
            self.header("[", key, "]");
            self.break_line();
        }
        self.entries(key, value, false)
    }

    fn table_array(&mut self, key: &mut Vec<Str>, value: &Value) -> Outcome {
        if key.is_empty() {
            return failure("toml: top-level values must be Go maps or structs");
        }
        if let Value::List(list) = value.underlying().as_ref() {
            for item in list {
                self.break_line();
                self.indent(key);
                self.header("[[", key, "]]");
                self.break_line();
                self.entries(key, item, false)?;
            }
        }
        Ok(())
    }

    /// The entries of a map or struct: plain ones first, then tables.
    fn entries(&mut self, key: &mut Vec<Str>, value: &Value, inline: bool) -> Outcome {
        let entries = entries_of(value);
        let count = entries.len();
        let mut plain = Vec::new();
        let mut tables = Vec::new();
        for entry in entries {
            match Form::of(&entry.value, key.len())? {
                Form::Table | Form::TableArray => tables.push(entry),
                Form::Plain | Form::Nothing => plain.push(entry),
            }
        }
        if inline {
            self.push("{");
        }
        let more = !tables.is_empty();
        for (group, comma_after) in [(plain, more), (tables, false)] {
            let last = group.len().saturating_sub(1);
            for (index, entry) in group.into_iter().enumerate() {
                let Entry { name, value, place } = entry;
                if value.is_nil() {
                    continue;
                }
                if inline {
                    self.key_value(&[name], &value, true)?;
                    let has_comma = match place {
                        Some(place) => place + 1 != count,
                        None => comma_after || index != last,
                    };
                    if has_comma {
                        self.push(", ");
                    }
                } else {
                    key.push(name);
                    self.encode(key, &value)?;
                    key.pop();
                }
            }
        }
        if inline {
            self.push("}");
        }
        Ok(())
    }

    fn key_value(&mut self, key: &[Str], value: &Value, inline: bool) -> Outcome {
        let Some(last) = key.last() else {
            return self.element(value);
        };
        if !inline {
            self.indent(key);
        }
        write_key(&mut self.out, last);
        self.push(" = ");
        self.element(value)?;
        if !inline {
            self.break_line();
        }
        Ok(())
    }

    fn element(&mut self, value: &Value) -> Outcome {
        if let Some((text, quoted)) = text_of(value) {
            self.push(&if quoted { quote(&text) } else { text });
            return Ok(());
        }
        with_stack(|| match value {
            Value::Nil => failure("unexpected type: <nil>"),
            Value::Bool(value) => self.plain(value),
            Value::Int(value) | Value::Int64(value) => self.plain(value),
            Value::Uint8(value) => self.plain(value),
            Value::Uint32(value) => self.plain(value),
            Value::Uint64(value) => self.plain(value),
            Value::Float(value) => {
                self.push(&float_text(*value));
                Ok(())
            }
            Value::Complex(_) => failure("unexpected type: complex128"),
            Value::Str(text) => {
                self.out.push(b'"');
                write_escaped(&mut self.out, text);
                self.out.push(b'"');
                Ok(())
            }
            Value::Bytes(bytes) => {
                let items: Vec<String> = bytes.iter().map(ToString::to_string).collect();
                self.push(&format!("[{}]", items.join(", ")));
                Ok(())
            }
            Value::List(list) => {
                self.push("[");
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        self.push(", ");
                    }
                    self.element(item)?;
                }
                self.push("]");
                Ok(())
            }
            Value::Map(_) => self.entries(&mut Vec::new(), value, true),
            Value::Object(object) => match object.underlying() {
                Some(underlying) => self.element(&underlying),
                None => self.entries(&mut Vec::new(), value, true),
            },
        })
    }

    fn header(&mut self, open: &str, key: &[Str], close: &str) {
        self.push(open);
        for (index, part) in key.iter().enumerate() {
            if index > 0 {
                self.push(".");
            }
            write_key(&mut self.out, part);
        }
        self.push(close);
    }

    fn plain(&mut self, value: impl std::fmt::Display) -> Outcome {
        self.push(&value.to_string());
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A line break, unless nothing was written yet.
    fn break_line(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self, key: &[Str]) {
        let spaces = 2 * key.len().saturating_sub(1);
        self.out.resize(self.out.len() + spaces, b' ');
    }
}

struct Entry {
    name: Str,
    value: Value,
    /// Where a field stands in its struct; with those of an embedded one in the place of that. Within an
    /// inline table the encoder takes the place for the number of fields before it.
    place: Option<usize>,
}

fn entries_of(value: &Value) -> Vec<Entry> {
    let of_map = |map: &Map| {
        map.snapshot()
            .into_iter()
            .map(|(name, value)| Entry {
                name,
                value,
                place: None,
            })
            .collect()
    };
    match value {
        Value::Map(map) => of_map(map),
        Value::Object(object) => match object.underlying() {
            Some(Value::Map(map)) => of_map(&map),
            _ => fields_of(&**object),
        },
        _ => Vec::new(),
    }
}

/// The exported fields; those of an embedded struct stand in its place.
fn fields_of(object: &dyn Object) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (place, (name, value)) in object.fields().into_iter().enumerate() {
        let fields = match &value {
            Value::Object(embedded) if place == 0 && object.has_embedded_fields() => {
                embedded.fields()
            }
            _ => vec![(name, value)],
        };
        let fields = fields.into_iter().filter(|(name, value)| {
            name.starts_with(char::is_uppercase) && value.kind() != Kind::Func
        });
        entries.extend(fields.map(|(name, value)| Entry {
            name: Str::from(name),
            value,
            place: Some(place),
        }));
    }
    entries
}

/// A key as it is written, its parts joined by dots.
pub(super) fn dotted(key: &[String]) -> String {
    let mut out = Vec::new();
    for (index, part) in key.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        write_key(&mut out, part.as_bytes());
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn write_key(out: &mut Vec<u8>, key: &[u8]) {
    let is_bare = !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_bare {
        out.extend_from_slice(key);
        return;
    }
    out.push(b'"');
    write_escaped(out, key);
    out.push(b'"');
}

fn quote(text: &str) -> String {
    let mut out = vec![b'"'];
    write_escaped(&mut out, text.as_bytes());
    out.push(b'"');
    String::from_utf8_lossy(&out).into_owned()
}

fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// As `%g` with the shortest digits; numbers without point and exponent get `.0`.
fn float_text(value: f64) -> String {
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_nan() {
        return format!("{sign}nan");
    }
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    let text = format_float(value, b'g', None);
    if text.contains(['e', '.']) {
        text
    } else {
        text + ".0"
    }
}
