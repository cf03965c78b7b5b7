//! JSON text, byte for byte as Go's encoding/json writes it.

use serde_json::{Map, Number, Value};

use crate::yaml::go_number;

/// JSON as `json.Marshal` writes it: keys sorted by bytes, `<`, `>` and `&` escaped, no spaces.
///
/// ```
/// let value = serde_json::json!({"b": "<a>", "a": 1e21});
/// assert_eq!(gitops_core::json::to_go_string(&value), r#"{"a":1e+21,"b":"\u003ca\u003e"}"#);
/// ```
#[must_use]
pub fn to_go_string(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// As [`to_go_string`], for the entries of an object.
pub(crate) fn map_to_go_string(map: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_map(&mut text, map);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => write_map(text, map),
    }
}

fn write_map(text: &mut String, map: &Map<String, Value>) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    text.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, key);
        text.push(':');
        write_value(text, value);
    }
    text.push('}');
}

fn write_number(text: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() => {
            text.push_str(&go_number::json(float));
        }
        _ => text.push_str(&number.to_string()),
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    let mut from = 0;
    for (at, character) in string.char_indices() {
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\x08' => "\\b",
            '\x0C' => "\\f",
            '<' | '>' | '&' | '\0'..='\x1F' | '\u{2028}' | '\u{2029}' => "",
            _ => continue,
        };
        text.push_str(&string[from..at]);
        if short.is_empty() {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            text.push_str(short);
        }
        from = at + character.len_utf8();
    }
    text.push_str(&string[from..]);
    text.push('"');
}
