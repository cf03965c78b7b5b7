//! JSON into typed fields as Go's encoding/json and sigs.k8s.io/yaml do it: names match whatever
//! their case, scalars become strings where strings are wanted, unknown fields are ignored, and the
//! first mismatch is reported once everything else was read.

use serde_json::{Map, Value};

/// A Go type, as far as charts need them.
#[derive(Debug)]
pub(crate) enum Type {
    String,
    Bool,
    Any,
    Time,
    List(&'static Self),
    Strings,
    Struct(&'static Struct),
}

/// A Go struct.
#[derive(Debug)]
pub(crate) struct Struct {
    /// Its bare name, empty for an anonymous struct.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(&'static str, Type)],
}

/// How Go writes the names of types in messages.
pub(crate) trait TypeNames {
    fn name_of(&self, of: &Struct) -> String;
}

struct Decoder<'a> {
    names: &'a dyn TypeNames,
    error: Option<String>,
    path: Vec<&'static str>,
    within: &'static str,
}

/// Decodes `value` over what `into` holds already. Fields get their exact names.
pub(crate) fn decode(
    value: &Value,
    into: &mut Map<String, Value>,
    of: &'static Struct,
    names: &dyn TypeNames,
) -> Result<(), String> {
    let mut decoder = Decoder {
        names,
        error: None,
        path: Vec::new(),
        within: "",
    };
    match value {
        Value::Null => {}
        Value::Object(object) => decoder.fields(object, into, of),
        other => decoder.mismatch(other, names.name_of(of)),
    }
    match decoder.error {
        None => Ok(()),
        Some(error) => Err(format!(
            "error unmarshaling JSON: while decoding JSON: {error}"
        )),
    }
}

impl Decoder<'_> {
    fn fields(
        &mut self,
        object: &Map<String, Value>,
        into: &mut Map<String, Value>,
        of: &'static Struct,
    ) {
        let outer = std::mem::replace(&mut self.within, of.name);
        // The detour through JSON sorts the keys; of two spellings of a name the later wins.
        let mut keys: Vec<&String> = object.keys().collect();
        keys.sort_unstable();
        for key in keys {
            let exact = of.fields.iter().find(|(name, _)| name == key);
            let field = exact.or_else(|| {
                of.fields
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(key))
            });
            let Some((name, kind)) = field else { continue };
            self.path.push(name);
            let old = into.remove(*name);
            if let Some(value) = self.value(&object[key], kind, old) {
                into.insert((*name).to_owned(), value);
            }
            self.path.pop();
        }
        self.within = outer;
    }

    /// The decoded value; `None` leaves the field unset.
    fn value(&mut self, value: &Value, kind: &'static Type, old: Option<Value>) -> Option<Value> {
        match (kind, value) {
            (Type::Any, value) => Some(value.clone()),
            (Type::String | Type::Bool | Type::Time, Value::Null) => old,
            (_, Value::Null) => None,
            (Type::String, Value::String(_)) | (Type::Bool, Value::Bool(_)) => Some(value.clone()),
            (Type::String, Value::Bool(_) | Value::Number(_)) => Some(scalar_text(value).into()),
            (Type::Time, Value::String(text)) => {
                if text.parse::<jiff::Timestamp>().is_err() {
                    self.save(format!(
                        "parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?}"
                    ));
                }
                Some(value.clone())
            }
            (Type::Time, _) => {
                self.save("Time.UnmarshalJSON: input is not a JSON string".to_owned());
                old
            }
            (Type::List(element), Value::Array(items)) => Some(Value::Array(
                items
                    .iter()
                    .map(|item| {
                        self.value(item, element, None).unwrap_or(match element {
                            Type::String => Value::String(String::new()),
                            _ => Value::Null,
                        })
                    })
                    .collect(),
            )),
            (Type::Strings, Value::Object(object)) => {
                let mut map = match old {
                    Some(Value::Object(old)) => old,
                    _ => Map::new(),
                };
                for (key, value) in object {
                    let text = self.value(value, &Type::String, None);
                    map.insert(key.clone(), text.unwrap_or_else(|| "".into()));
                }
                Some(Value::Object(map))
            }
            (Type::Struct(of), Value::Object(object)) => {
                let mut map = match old {
                    Some(Value::Object(old)) => old,
                    _ => Map::new(),
                };
                self.fields(object, &mut map, of);
                Some(Value::Object(map))
            }
            (kind, value) => {
                let expected = self.type_name(kind);
                self.mismatch(value, expected);
                old
            }
        }
    }

    fn type_name(&self, kind: &Type) -> String {
        match kind {
            Type::String => "string".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::Any => "interface {}".to_owned(),
            Type::Time => "time.Time".to_owned(),
            Type::Strings => "map[string]string".to_owned(),
            Type::List(element) => match element {
                Type::Struct(of) => format!("[]*{}", self.names.name_of(of)),
                element => format!("[]{}", self.type_name(element)),
            },
            Type::Struct(of) => self.names.name_of(of),
        }
    }

    fn mismatch(&mut self, value: &Value, expected: String) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let place = if self.path.is_empty() {
            "Go value".to_owned()
        } else {
            format!("Go struct field {}.{}", self.within, self.path.join("."))
        };
        self.save(format!(
            "json: cannot unmarshal {found} into {place} of type {expected}"
        ));
    }

    fn save(&mut self, error: String) {
        self.error.get_or_insert(error);
    }
}

/// A YAML scalar where a string is wanted: floats have the precision of 32 bits.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) if number.is_f64() => {
            #[allow(clippy::cast_possible_truncation)]
            let short = number.as_f64().unwrap_or_default() as f32;
            scientific(&format!("{short:e}"), &short.to_string())
        }
        other => other.to_string(),
    }
}

/// Go's choice between a number's two forms with the shortest digits.
fn scientific(with_exponent: &str, plain: &str) -> String {
    let (digits, exponent) = with_exponent
        .split_once('e')
        .unwrap_or((with_exponent, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if digits == "0" || (-4..6).contains(&exponent) {
        return plain.to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (value, text) in [
            (1.1, "1.1"),
            (1.0, "1"),
            (1.123_456_8, "1.1234568"),
            (1_234_567.0, "1.234567e+06"),
            (0.00001, "1e-05"),
            (0.0001, "0.0001"),
            (100_000.0, "100000"),
        ] {
            let value: f32 = value;
            assert_eq!(scientific(&format!("{value:e}"), &value.to_string()), text);
        }
    }
}
