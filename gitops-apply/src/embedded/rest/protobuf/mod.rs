//! Objects in protobuf, which kubectl and other typed clients send for built-in kinds.
//!
//! In comes the envelope that Kubernetes puts around a message (four bytes and a `runtime.Unknown`),
//! out comes the object as JSON. Which fields a message has is written in `messages.txt`, made from
//! the Go types of the API by the program that its first lines name.

mod table;
mod wire;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::{
    table::{Field, Shape, Table},
    wire::{Fields, Wire},
};

/// The media type.
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may be nested.
const DEEPEST: usize = 64;

/// A body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtobufError {
    #[error("the body does not start as an object in protobuf does")]
    NoEnvelope,
    #[error("{kind} of {api_version} is not known in protobuf; send JSON")]
    UnknownKind { api_version: String, kind: String },
    #[error("the protobuf message is broken: {0}")]
    Broken(&'static str),
}

/// The object in an envelope.
pub(super) fn decode(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::NoEnvelope)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Fields::of(envelope) {
        match field? {
            (1, Wire::Bytes(type_meta)) => {
                for field in Fields::of(type_meta) {
                    match field? {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?.to_owned(),
                        (2, Wire::Bytes(text)) => kind = utf8(text)?.to_owned(),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let table = Table::get();
    let Some(message) = table.kind(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    read_message(table, message, raw, &mut object, 0)?;
    object.insert("apiVersion".to_owned(), api_version.into());
    object.insert("kind".to_owned(), kind.into());
    Ok(Value::Object(object))
}

fn read_message(
    table: &Table,
    message: &str,
    bytes: &[u8],
    into: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), ProtobufError> {
    if depth > DEEPEST {
        return Err(ProtobufError::Broken("it is nested too deeply"));
    }
    let fields = table.message(message);
    for found in Fields::of(bytes) {
        let (number, wire) = found?;
        // A newer client may send fields that are not known; JSON would have them dropped too.
        let Some(field) = fields.iter().find(|field| field.number == number) else {
            continue;
        };
        match (field.inline, field.shape, wire) {
            (true, Shape::Message(inner), Wire::Bytes(bytes)) => {
                read_message(table, inner, bytes, into, depth + 1)?;
            }
            _ if field.map => {
                let Wire::Bytes(entry) = wire else {
                    return Err(ProtobufError::Broken("an entry of a map is no message"));
                };
                let (key, value) = read_entry(table, field, entry, depth)?;
                if let Value::Object(map) = into
                    .entry(field.name)
                    .or_insert_with(|| Value::Object(Map::new()))
                {
                    map.insert(key, value);
                }
            }
            _ if field.list => {
                let value = read_value(table, field, wire, depth)?;
                if let Value::Array(items) = into
                    .entry(field.name)
                    .or_insert_with(|| Value::Array(Vec::new()))
                {
                    items.push(value);
                }
            }
            _ => {
                let value = read_value(table, field, wire, depth)?;
                if !field.omits(&value) {
                    into.insert(field.name.to_owned(), value);
                }
            }
        }
    }
    Ok(())
}

fn read_entry(
    table: &Table,
    field: &Field,
    entry: &[u8],
    depth: usize,
) -> Result<(String, Value), ProtobufError> {
    let (mut key, mut value) = (String::new(), None);
    for found in Fields::of(entry) {
        match found? {
            (1, Wire::Bytes(text)) => key = utf8(text)?.to_owned(),
            (2, wire) => value = Some(read_value(table, field, wire, depth)?),
            _ => {}
        }
    }
    let value = match value {
        Some(value) => value,
        None => read_value(table, field, Wire::Bytes(&[]), depth)?,
    };
    Ok((key, value))
}

fn read_value(
    table: &Table,
    field: &Field,
    wire: Wire<'_>,
    depth: usize,
) -> Result<Value, ProtobufError> {
    Ok(match (field.shape, wire) {
        (Shape::Integer, Wire::Number(number)) => number.cast_signed().into(),
        (Shape::Boolean, Wire::Number(number)) => (number != 0).into(),
        (Shape::Float, Wire::Fixed(bits)) => json!(f64::from_bits(bits)),
        (shape, Wire::Bytes(bytes)) => match shape {
            Shape::Text => utf8(bytes)?.into(),
            Shape::Bytes => base64::engine::general_purpose::STANDARD
                .encode(bytes)
                .into(),
            Shape::Time => time(bytes, 0)?,
            Shape::MicroTime => time(bytes, 6)?,
            Shape::Duration => {
                let nanoseconds = number(bytes, 1)?.unwrap_or(0);
                let span = std::time::Duration::from_nanos(nanoseconds.unsigned_abs());
                let sign = if nanoseconds < 0 { "-" } else { "" };
                format!("{sign}{}ms", span.as_millis()).into()
            }
            Shape::Quantity => text(bytes, 1)?.unwrap_or("0").into(),
            Shape::IntegerOrText => match number(bytes, 1)? {
                Some(1) => text(bytes, 3)?.unwrap_or_default().into(),
                _ => number(bytes, 2)?.unwrap_or(0).into(),
            },
            Shape::Json => {
                let raw = inner(bytes, 1)?.unwrap_or(b"null");
                serde_json::from_slice(raw)
                    .map_err(|_| ProtobufError::Broken("raw JSON is none"))?
            }
            Shape::Texts => {
                let mut items = Vec::new();
                for found in Fields::of(bytes) {
                    if let (1, Wire::Bytes(item)) = found? {
                        items.push(Value::from(utf8(item)?));
                    }
                }
                Value::Array(items)
            }
            Shape::Message(message) => {
                let mut object = Map::new();
                read_message(table, message, bytes, &mut object, depth + 1)?;
                Value::Object(object)
            }
            Shape::Integer | Shape::Boolean | Shape::Float => {
                return Err(ProtobufError::Broken("a number is written as text"));
            }
        },
        _ => return Err(ProtobufError::Broken("a field is written as another type")),
    })
}

/// The last value of a field of a message.
fn last(bytes: &[u8], wanted: u32) -> Result<Option<Wire<'_>>, ProtobufError> {
    let mut last = None;
    for found in Fields::of(bytes) {
        let (number, wire) = found?;
        if number == wanted {
            last = Some(wire);
        }
    }
    Ok(last)
}

fn number(bytes: &[u8], field: u32) -> Result<Option<i64>, ProtobufError> {
    Ok(match last(bytes, field)? {
        Some(Wire::Number(number)) => Some(number.cast_signed()),
        _ => None,
    })
}

fn inner(bytes: &[u8], field: u32) -> Result<Option<&[u8]>, ProtobufError> {
    Ok(match last(bytes, field)? {
        Some(Wire::Bytes(bytes)) => Some(bytes),
        _ => None,
    })
}

fn text(bytes: &[u8], field: u32) -> Result<Option<&str>, ProtobufError> {
    inner(bytes, field)?.map(utf8).transpose()
}

fn utf8(bytes: &[u8]) -> Result<&str, ProtobufError> {
    std::str::from_utf8(bytes).map_err(|_| ProtobufError::Broken("a text is not UTF-8"))
}

/// A time with so many digits of a second; `null` where it is not set.
fn time(bytes: &[u8], digits: usize) -> Result<Value, ProtobufError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let seconds = number(bytes, 1)?.unwrap_or(0);
    let nanoseconds = number(bytes, 2)?.unwrap_or(0);
    let nanoseconds = i32::try_from(nanoseconds).unwrap_or(0);
    let time = Timestamp::new(seconds, nanoseconds)
        .map_err(|_| ProtobufError::Broken("a time is out of range"))?;
    let text = match digits {
        0 => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
    };
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with bytes.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC, &bytes(1, &type_meta), &bytes(2, raw)].concat()
    }

    #[test]
    fn an_object_is_read() {
        let metadata = [bytes(1, b"a"), bytes(3, b""), bytes(8, b"")].concat();
        let entry = |key: &[u8], value: &[u8]| [bytes(1, key), bytes(2, value)].concat();
        let raw = [
            bytes(1, &metadata),
            bytes(2, &entry(b"k", b"v")),
            bytes(2, &entry(b"empty", b"")),
            bytes(3, &entry(b"bin", &[0, 1])),
        ]
        .concat();
        assert_eq!(
            decode(&envelope("v1", "ConfigMap", &raw)).unwrap(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                   "data": {"k": "v", "empty": ""}, "binaryData": {"bin": "AAE="}})
        );
    }

    #[test]
    fn an_absent_number_is_not_a_zero() {
        // replicas is a pointer, minReadySeconds is not.
        let spec = [&[1 << 3, 0][..], &[5 << 3, 0]].concat();
        let object = decode(&envelope("apps/v1", "Deployment", &bytes(2, &spec))).unwrap();
        assert_eq!(object["spec"], json!({"replicas": 0}));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert_eq!(decode(b"{}"), Err(ProtobufError::NoEnvelope));
        let unknown = decode(&envelope("example.com/v1", "Widget", &[]));
        assert!(matches!(unknown, Err(ProtobufError::UnknownKind { .. })));
        let whole = envelope("v1", "ConfigMap", &bytes(1, &bytes(1, b"name")));
        for end in 0..whole.len() {
            let _ = decode(&whole[..end]);
            let mut broken = whole.clone();
            broken[end] ^= 0xff;
            let _ = decode(&broken);
        }
        let cut = envelope("v1", "ConfigMap", &[1 << 3 | 2, 9, b'a']);
        assert!(matches!(decode(&cut), Err(ProtobufError::Broken(_))));
    }
}
