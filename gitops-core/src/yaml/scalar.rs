//! What scalars and keys become, by their tags or their text.

use std::borrow::Cow;

use base64::{Engine as _, alphabet, engine};
use serde_json::Value;

use super::{
    error::YamlError,
    go_number,
    mapping::{NotJson, Report},
    options::Options,
    resolve::{Resolved, resolve, resolve_as},
    scan::Mark,
};
use crate::go::quote;

pub(crate) const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// A scalar as it is written.
pub(crate) struct Scalar<'s> {
    pub(crate) text: Cow<'s, str>,
    /// Whether the text says what the scalar is: plain, or tagged `!`.
    pub(crate) implicit: bool,
    pub(crate) tag: Option<&'s str>,
    pub(crate) at: Mark,
}

impl<'s> Scalar<'s> {
    /// Whether this is the key of a merge.
    pub(crate) fn is_merge(&self) -> bool {
        self.text == "<<"
            && (self.implicit
                || self.tag.and_then(|tag| tag.strip_prefix(TAG_PREFIX)) == Some("merge"))
    }

    /// Whether it is text, and says so without a tag.
    pub(crate) fn is_text(&self) -> bool {
        self.tag.is_none() && (!self.implicit || resolve(&self.text) == Resolved::Text)
    }

    /// The value; what JSON cannot have is reported.
    pub(crate) fn into_value(
        self,
        options: &Options,
        report: &mut Report,
    ) -> Result<Value, YamlError> {
        let at = self.at;
        let (resolved, text) = self.resolve()?;
        Ok(match resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(truth) => Value::Bool(truth),
            Resolved::Int(int) => Value::Number(int.into()),
            Resolved::Uint(int) => Value::Number(int.into()),
            Resolved::Float(float) if options.keep_integral_floats && float.is_finite() => {
                Value::from(float)
            }
            Resolved::Float(float) => match go_number::to_json(float) {
                Some(number) => Value::Number(number),
                None => {
                    let shown = go_number::general(float);
                    let message = format!("json: unsupported value: {shown}");
                    report.not_json.push(NotJson::value(at, message));
                    Value::Null
                }
            },
            Resolved::Timestamp | Resolved::Text => Value::String(text.into_owned()),
        })
    }

    /// The value as it is shown in Go's syntax: floats and great integers stay what they are.
    pub(crate) fn into_shown(self) -> Result<Value, YamlError> {
        let (resolved, text) = self.resolve()?;
        Ok(match resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(truth) => Value::Bool(truth),
            Resolved::Int(int) => shown(&int.to_string()),
            Resolved::Uint(int) => shown(&format!("{int:#x}")),
            Resolved::Float(float) => shown(&go_number::general(float)),
            Resolved::Timestamp | Resolved::Text => Value::String(text.into_owned()),
        })
    }

    /// The key.
    pub(crate) fn into_key(self) -> Result<Key, YamlError> {
        let (resolved, text) = self.resolve()?;
        Ok(match resolved {
            Resolved::Null => Key::Unsupported("%!s(<nil>)", "<nil>".to_owned()),
            Resolved::Bool(truth) => Key::Bool(truth),
            Resolved::Int(int) => Key::Int(int),
            Resolved::Uint(int) => Key::Unsupported("uint64", format!("{int:#x}")),
            Resolved::Float(float) => Key::Float(float.to_bits()),
            Resolved::Timestamp | Resolved::Text => Key::Text(text.into_owned()),
        })
    }

    /// What the scalar means, by its tag or, where it has none, by its text.
    fn resolve(self) -> Result<(Resolved, Cow<'s, str>), YamlError> {
        let at = self.at;
        let Some(tag) = self.tag else {
            let resolved = if self.implicit {
                resolve(&self.text)
            } else {
                Resolved::Text
            };
            return Ok((resolved, self.text));
        };
        let wanted = match tag.strip_prefix(TAG_PREFIX) {
            Some("str") => return Ok((Resolved::Text, self.text)),
            Some("binary") => {
                let bytes = decode_base64(&self.text).ok_or_else(|| {
                    YamlError::value(at, "!!binary value contains invalid base64 data")
                })?;
                return Ok((Resolved::Text, Cow::Owned(go_lossy(&bytes))));
            }
            Some(name @ ("bool" | "int" | "float" | "null" | "timestamp")) => name,
            _ => return Ok((Resolved::Text, self.text)),
        };
        let resolved = resolve_as(&self.text, wanted == "timestamp");
        let found = resolved.tag();
        if found.strip_prefix("!!") == Some(wanted) {
            return Ok((resolved, self.text));
        }
        if let (Resolved::Int(int), "float") = (resolved, wanted) {
            return Ok((Resolved::Float(int as f64), self.text));
        }
        let text = &self.text;
        Err(YamlError::value(
            at,
            format_args!("cannot decode {found} `{text}` as a !!{wanted}"),
        ))
    }
}

/// A key with its type: `1` and `"1"` are different keys to go-yaml, though equal in JSON.
#[derive(PartialEq, Eq, Hash, Clone)]
pub(crate) enum Key {
    Text(String),
    Int(i64),
    Float(u64),
    Bool(bool),
    /// A key that JSON cannot have, with what Go calls its type and writes for it.
    Unsupported(&'static str, String),
}

impl Key {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Unsupported(_, text) => text,
            Self::Int(int) => int.to_string(),
            Self::Float(bits) => go_number::float_key(f64::from_bits(bits)),
            Self::Bool(truth) => truth.to_string(),
        }
    }

    /// As Go writes it with `%#v`.
    pub(crate) fn go_syntax(&self) -> String {
        match self {
            Self::Text(text) => go_quote(text),
            Self::Unsupported(_, text) => text.clone(),
            Self::Int(int) => int.to_string(),
            Self::Float(bits) => go_number::general(f64::from_bits(*bits)),
            Self::Bool(truth) => truth.to_string(),
        }
    }

    /// The key as [`go_syntax`] shows it.
    pub(crate) fn into_shown(self) -> Self {
        match self {
            Self::Text(_) => self,
            other => Self::Text(format!("{SHOWN}{}", other.go_syntax())),
        }
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Self::Float(bits) if f64::from_bits(*bits).is_nan())
    }
}

/// The text of a plain key; `None` where JSON cannot have it.
pub(crate) fn plain_key(text: &str) -> Option<String> {
    Some(match resolve(text) {
        Resolved::Text | Resolved::Timestamp => text.to_owned(),
        Resolved::Bool(truth) => truth.to_string(),
        Resolved::Int(int) => int.to_string(),
        Resolved::Float(float) => go_number::float_key(float),
        Resolved::Null | Resolved::Uint(_) => return None,
    })
}

/// The error of a list or mapping as a key.
pub(crate) fn invalid_key(at: Mark, key: &Value) -> YamlError {
    YamlError::value(at, format_args!("invalid map key: {}", go_syntax(key)))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: engine::GeneralPurpose = engine::GeneralPurpose::new(
        &alphabet::STANDARD,
        engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ENGINE.decode(text).ok()
}

/// Text of bytes, each byte that is not UTF-8 replaced by U+FFFD, as Go's encoding/json does.
fn go_lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    text
}

/// Before what [`go_syntax`] shows as it stands. Texts cannot begin so by accident.
const SHOWN: &str = "\0go\0";

fn shown(text: &str) -> Value {
    Value::String(format!("{SHOWN}{text}"))
}

/// A value as Go writes it with `%#v`.
pub(crate) fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => go_quote(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_inner_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            // Numbers come in their order; of different types, Go's order is that of addresses.
            let number = |key: &str| key.strip_prefix(SHOWN)?.parse::<f64>().ok();
            entries.sort_by(|(a, _), (b, _)| match (number(a), number(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a.cmp(b),
            });
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", go_quote(key), go_inner_syntax(value)))
                .collect();
            let entries = entries.join(", ");
            format!("map[interface {{}}]interface {{}}{{{entries}}}")
        }
    }
}

fn go_inner_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        other => go_syntax(other),
    }
}

fn go_quote(text: &str) -> String {
    text.strip_prefix(SHOWN)
        .map_or_else(|| quote(text), str::to_owned)
}
