//! YAML from values: by way of JSON, as sigs.k8s.io/yaml does, and directly, as go-yaml v3 does.

use gitops_core::yaml::Emitter;

use crate::funcs::encoding::json::{Style, to_json};
use crate::template::{CallError, Map, Object, Str, Value, with_stack};

/// Nesting at which writing fails; go-yaml reads the JSON back, and stops there.
const MAXIMUM_DEPTH: usize = 10_000;

/// `yaml.Marshal` of sigs.k8s.io/yaml. The text ends with a line break.
pub(crate) fn marshal(value: &Value) -> Result<String, CallError> {
    let mut writer = Writer {
        emitter: Emitter::new(),
        dialect: Dialect::Json,
        depth: 0,
        breaks: 0,
        values_left: MAXIMUM_VALUES,
    };
    writer.value(value).map_err(|error| {
        let text = error.to_string();
        let first = match to_json(value, Style::COMPACT) {
            // All of it becomes JSON before any of that is read.
            Err(first) if text.starts_with("yaml: ") => first,
            _ if text.starts_with("json: ") => error,
            _ => return error,
        };
        first.wrap("error marshaling into JSON: ")
    })?;
    Ok(writer.emitter.finish())
}

/// go-yaml v3's encoder with an indentation of two. The text ends with a line break.
pub(crate) fn marshal_pretty(value: &Value) -> Result<String, CallError> {
    let mut writer = Writer {
        emitter: Emitter::pretty(),
        dialect: Dialect::Direct,
        depth: 0,
        breaks: 0,
        values_left: MAXIMUM_VALUES,
    };
    writer.value(value)?;
    Ok(writer.emitter.finish())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Through JSON text.
    Json,
    /// Without it.
    Direct,
}

struct Writer {
    emitter: Emitter,
    dialect: Dialect,
    depth: usize,
    /// Line breaks in what was written of the JSON, which are those that JSON does not escape.
    breaks: usize,
    /// Lists that share their items are small in memory and can be endless as text.
    values_left: u32,
}

/// How many values are written.
const MAXIMUM_VALUES: u32 = 10_000_000;

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        let Some(left) = self.values_left.checked_sub(1) else {
            return Err(CallError::limit("values", MAXIMUM_VALUES.into()));
        };
        self.values_left = left;
        match value {
            Value::Nil => self.emitter.null(),
            Value::Bool(boolean) => self.emitter.bool(*boolean),
            Value::Int(number) | Value::Int64(number) => self.emitter.int(*number),
            Value::Uint8(number) => self.emitter.uint(u64::from(*number)),
            Value::Uint32(number) => self.emitter.uint(u64::from(*number)),
            Value::Uint64(number) => self.emitter.uint(*number),
            Value::Float(number) => self.float(*number)?,
            Value::Complex(_) if self.dialect == Dialect::Direct => {
                return Err("cannot marshal type: complex128".into());
            }
            Value::Complex(_) => return Err("json: unsupported type: complex128".into()),
            Value::Str(text) => self.string(text)?,
            Value::Bytes(bytes) if bytes.is_nil() && self.dialect == Dialect::Json => {
                self.emitter.null();
            }
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(list) if list.is_nil() && self.dialect == Dialect::Json => {
                self.emitter.null();
            }
            Value::List(list) => self.nested(|writer| {
                writer.emitter.begin_sequence(list.len());
                list.iter().try_for_each(|item| writer.value(item))?;
                writer.emitter.end_sequence();
                Ok(())
            })?,
            Value::Map(map) if map.is_nil() && self.dialect == Dialect::Json => {
                self.emitter.null();
            }
            Value::Map(map) => self.nested(|writer| writer.map(map))?,
            Value::Object(object) => self.nested(|writer| writer.object(&**object))?,
        }
        Ok(())
    }

    fn nested(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.depth += 1;
        if self.depth > MAXIMUM_DEPTH {
            return Err(CallError::new("yaml: exceeded max depth"));
        }
        with_stack(|| write(self))?;
        self.depth -= 1;
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), CallError> {
        match self.dialect {
            Dialect::Json => {
                if !number.is_finite() {
                    to_json(&Value::Float(number), Style::COMPACT)?;
                }
                self.emitter.float_as_json(number);
            }
            Dialect::Direct => self.emitter.float(number),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &Str) -> Result<(), CallError> {
        match self.dialect {
            Dialect::Json => {
                let encoded = to_json(&Value::Bytes(bytes.clone()), Style::COMPACT)?;
                let text = String::from_utf8_lossy(&encoded);
                self.emitter.string(text.trim_matches('"'));
            }
            Dialect::Direct => {
                self.emitter.begin_sequence(bytes.len());
                for byte in bytes.iter() {
                    self.emitter.uint(u64::from(*byte));
                }
                self.emitter.end_sequence();
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &Str) -> Result<(), CallError> {
        match self.dialect {
            Dialect::Json => {
                let text = text.to_str();
                match through_json(&text)? {
                    Some(changed) => {
                        self.breaks += text.matches('\u{85}').count();
                        self.emitter.string(&changed);
                    }
                    None => self.emitter.string(&text),
                }
            }
            Dialect::Direct => match text.as_str() {
                Some(text) => self.emitter.string(text),
                None => self.emitter.binary(text),
            },
        }
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), CallError> {
        let Some(entries) = map.entries() else {
            self.emitter.begin_mapping(0);
            self.emitter.end_mapping();
            return Ok(());
        };
        self.emitter.begin_mapping(entries.len());
        let texts: Vec<_> = entries.keys().map(Str::to_str).collect();
        let mut order: Vec<(&str, (&Str, &Value))> =
            texts.iter().map(|key| &**key).zip(entries.iter()).collect();
        self.emitter.sort_entries(&mut order, |entry| entry.0);
        for (key, (bytes, value)) in order {
            match self.dialect {
                Dialect::Json => {
                    self.check_key(key)?;
                    self.emitter.key(key);
                }
                Dialect::Direct if bytes.as_str().is_none() => self.emitter.binary_key(bytes),
                Dialect::Direct => self.emitter.key(key),
            }
            self.value(value)?;
        }
        self.emitter.end_mapping();
        Ok(())
    }

    /// Keys of JSON that go-yaml does not read as keys: too long, or of several lines.
    fn check_key(&mut self, key: &str) -> Result<(), CallError> {
        if key.len() < 200 && key.bytes().all(|byte| byte < 0x7f) {
            return Ok(());
        }
        let encoded = to_json(&Value::from(key), Style::COMPACT)?;
        let characters = String::from_utf8_lossy(&encoded).chars().count();
        let breaks = key.matches('\u{85}').count();
        self.breaks += breaks;
        if characters > 1024 || breaks > 0 {
            let line = match self.breaks {
                0 => String::new(),
                breaks => format!("line {breaks}: "),
            };
            return Err(CallError::new(format!(
                "yaml: {line}did not find expected ',' or '}}'"
            )));
        }
        through_json(key).map(|_| ())
    }

    fn object(&mut self, object: &dyn Object) -> Result<(), CallError> {
        if self.dialect == Dialect::Direct {
            return self.object_directly(object);
        }
        if let Some(reason) = object.json_failure() {
            return Err(CallError::new(reason));
        }
        if let Some(value) = object.to_json().or_else(|| object.underlying()) {
            return self.value(&value);
        }
        if object.is_nil() {
            self.emitter.null();
            return Ok(());
        }
        let fields = object.json_fields();
        let mut order: Vec<(&str, &Value)> =
            fields.iter().map(|(name, value)| (*name, value)).collect();
        self.emitter.sort_entries(&mut order, |entry| entry.0);
        self.fields(&order)
    }

    fn object_directly(&mut self, object: &dyn Object) -> Result<(), CallError> {
        if let Some(text) = object.plain_yaml() {
            self.emitter.plain(&text);
            return Ok(());
        }
        if let Some(value) = object.to_yaml().or_else(|| object.underlying()) {
            return self.value(&value);
        }
        if object.is_nil() {
            self.emitter.null();
            return Ok(());
        }
        let fields: Vec<_> = object
            .fields()
            .into_iter()
            .filter(|(name, _)| name.starts_with(char::is_uppercase))
            .collect();
        let lower: Vec<String> = fields.iter().map(|(name, _)| name.to_lowercase()).collect();
        let order: Vec<(&str, &Value)> = lower
            .iter()
            .zip(&fields)
            .map(|(name, (_, value))| (name.as_str(), value))
            .collect();
        self.fields(&order)
    }

    fn fields(&mut self, fields: &[(&str, &Value)]) -> Result<(), CallError> {
        self.emitter.begin_mapping(fields.len());
        for (name, value) in fields {
            self.emitter.key(name);
            self.value(value)?;
        }
        self.emitter.end_mapping();
        Ok(())
    }
}

/// What becomes of a text that is written as JSON and read as YAML: the next-line character is a
/// line break there, and control characters that JSON does not escape are errors.
fn through_json(text: &str) -> Result<Option<String>, CallError> {
    if text.bytes().all(|byte| byte < 0x7f) {
        return Ok(None);
    }
    if text.chars().any(|character| {
        matches!(
            character,
            '\u{7f}' | '\u{80}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'
        )
    }) {
        return Err(CallError::new("yaml: control characters are not allowed"));
    }
    if !text.contains('\u{85}') {
        return Ok(None);
    }
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let after = rest[at..].trim_start_matches(['\u{85}', ' ']);
        let run = &rest[at..rest.len() - after.len()];
        let breaks = run.matches('\u{85}').count();
        if breaks == 1 {
            folded.push(' ');
        } else {
            folded.extend(std::iter::repeat_n('\n', breaks - 1));
        }
        rest = after;
    }
    folded.push_str(rest);
    Ok(Some(folded))
}
