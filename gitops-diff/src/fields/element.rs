//! One step of a path: a field, an item of a list by its keys, by its value or by its index.

use std::{cmp::Ordering, fmt, sync::Arc};

use serde_json::{Number, Value};

use super::name::FieldName;

/// One step of a path into an object, as `managedFields` writes it.
///
/// The order is that of the API server: fields, keys, values, indexes.
#[derive(Debug, Clone)]
#[allow(clippy::exhaustive_enums)]
pub enum PathElement {
    /// A field of an object (`f:`).
    Field(FieldName),
    /// An item of an associative list, by the fields that identify it, sorted by name (`k:`).
    Key(Arc<[(FieldName, Value)]>),
    /// An item of a set, by its value (`v:`).
    Value(Value),
    /// An item of a list, by its position (`i:`).
    Index(i64),
}

/// A path from the root of an object.
pub type Path = [PathElement];

impl PathElement {
    /// A field.
    pub fn field(name: impl Into<FieldName>) -> Self {
        Self::Field(name.into())
    }

    /// An item by the fields that identify it, in any order.
    #[must_use]
    pub fn key(mut fields: Vec<(FieldName, Value)>) -> Self {
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(fields.into())
    }

    /// Reads the text form of `FieldsV1` keys; `None` for kinds of elements that are not known.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let (Some(kind), Some(rest)) = (text.get(..2), text.get(2..)) else {
            return Err(format!("`{text}` is shorter than two characters"));
        };
        let bad = |error: serde_json::Error| format!("`{text}` holds no JSON: {error}");
        Ok(Some(match kind {
            "f:" => Self::field(rest),
            "v:" => Self::Value(serde_json::from_str(rest).map_err(bad)?),
            "k:" => {
                let fields: serde_json::Map<String, Value> =
                    serde_json::from_str(rest).map_err(bad)?;
                Self::key(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
            }
            "i:" => Self::Index(
                rest.parse()
                    .map_err(|_| format!("`{text}` holds no list index"))?,
            ),
            _ if kind.ends_with(':') => return Ok(None),
            _ => return Err(format!("`{text}` has no colon after its first character")),
        }))
    }

    /// The text form of `FieldsV1` keys.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Field(name) => {
                out.push_str("f:");
                out.push_str(name);
            }
            Self::Key(fields) => {
                out.push_str("k:");
                write_key_object(&mut out, fields.iter().map(|(n, v)| (n.as_str(), v)));
            }
            Self::Value(value) => {
                out.push_str("v:");
                write_json(&mut out, value, true);
            }
            Self::Index(index) => {
                out.push_str("i:");
                out.push_str(&index.to_string());
            }
        }
        out
    }
}

/// Writes the JSON object of a `k:` element; fields must be sorted by name.
pub(crate) fn write_key_object<'a>(
    out: &mut String,
    fields: impl Iterator<Item = (&'a str, &'a Value)>,
) {
    out.push('{');
    for (at, (name, value)) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_string(out, name, false);
        out.push(':');
        write_json(out, value, true);
    }
    out.push('}');
}

/// Writes JSON as Go's encoder does: sorted keys and, where asked, HTML-safe strings.
pub(crate) fn write_json(out: &mut String, value: &Value, html_safe: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text, html_safe),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_json(out, item, html_safe);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (at, (key, item)) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(out, key, html_safe);
                out.push(':');
                write_json(out, item, html_safe);
            }
            out.push('}');
        }
    }
}

fn write_number(out: &mut String, number: &Number) {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(integer), _, _) => out.push_str(&integer.to_string()),
        (_, Some(integer), _) => out.push_str(&integer.to_string()),
        (_, _, Some(float)) if float.fract() == 0.0 && float.abs() < 1e21 => {
            out.push_str(&format!("{float:.0}"));
        }
        _ => out.push_str(&number.to_string()),
    }
}

fn write_string(out: &mut String, text: &str, html_safe: bool) {
    use fmt::Write as _;
    out.push('"');
    let is_plain = |byte: &u8| match byte {
        b'"' | b'\\' | b'<' | b'>' | b'&' => false,
        byte => (0x20..0x80).contains(byte),
    };
    if text.as_bytes().iter().all(is_plain) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || (html_safe && matches!(c, '<' | '>' | '&')) => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            '\u{2028}' if html_safe => out.push_str("\\u2028"),
            '\u{2029}' if html_safe => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl fmt::Display for PathElement {
    /// As in the API server's messages: `.spec`, `[name="web"]`, `[="a"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                f.write_str("[")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{name}={}", go_text(value))?;
                }
                f.write_str("]")
            }
            Self::Value(value) => write!(f, "[={}]", go_text(value)),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

fn go_text(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value, false);
    out
}

/// A path in the API server's words: `.spec.containers[name="web"].image`.
#[must_use]
pub fn path_text(path: &Path) -> String {
    path.iter().map(ToString::to_string).collect()
}

impl PartialEq for PathElement {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for PathElement {}

impl PartialOrd for PathElement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathElement {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(a), Self::Field(b)) => a.cmp(b),
            (Self::Key(a), Self::Key(b)) => {
                for (x, y) in a.iter().zip(&**b) {
                    let order = x.0.cmp(&y.0).then_with(|| compare_values(&x.1, &y.1));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                a.len().cmp(&b.len())
            }
            (Self::Value(a), Self::Value(b)) => compare_values(a, b),
            (Self::Index(a), Self::Index(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PathElement {
    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

/// A total order of JSON values: floats and integers by value, then strings, booleans, lists,
/// objects, null.
pub(crate) fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            for (x, y) in a.iter().zip(b) {
                let order = compare_values(x, y);
                if order != Ordering::Equal {
                    return order;
                }
            }
            a.len().cmp(&b.len())
        }
        (Value::Object(a), Value::Object(b)) => {
            let sorted = |map: &serde_json::Map<String, Value>| {
                let mut keys: Vec<_> = map.keys().cloned().collect();
                keys.sort();
                keys
            };
            let (ka, kb) = (sorted(a), sorted(b));
            for (x, y) in ka.iter().zip(&kb) {
                let order = x.cmp(y).then_with(|| compare_values(&a[x], &b[y]));
                if order != Ordering::Equal {
                    return order;
                }
            }
            ka.len().cmp(&kb.len())
        }
        (Value::Null, Value::Null) => Ordering::Equal,
        _ => value_rank(a).cmp(&value_rank(b)),
    }
}

fn value_rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    let float = |n: &Number| n.as_f64().unwrap_or(f64::NAN);
    float(a).total_cmp(&float(b))
}

/// Whether two numbers have the same value.
pub(crate) fn numbers_equal(a: &Number, b: &Number) -> bool {
    compare_numbers(a, b) == Ordering::Equal
}

/// Whether two JSON values are the same; `1` and `1.0` are.
#[must_use]
pub fn values_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => numbers_equal(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(x, y)| values_equal(x, y))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, x), (other, y))| {
                    // Fields come in the same order, unless somebody has asked for another.
                    let y = if key == other { Some(y) } else { b.get(key) };
                    y.is_some_and(|y| values_equal(x, y))
                })
        }
        _ => a == b,
    }
}
