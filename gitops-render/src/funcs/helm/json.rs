//! JSON as Go's encoding/json writes and reads it.

use base64::Engine as _;
use gitops_core::go::quote;

use crate::template::{
    CallError, List, ListType, Map, MapType, Object, Str, Value, fmt::format_float, with_stack,
};

/// How JSON is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonStyle {
    /// Whether `<`, `>` and `&` stay as they are.
    pub(crate) keeps_html: bool,
    /// Whether every element has a line of its own, indented by two spaces.
    pub(crate) is_pretty: bool,
}

/// Writes a value; fails with Go's text.
pub(crate) fn encode(value: &Value, style: JsonStyle) -> Result<Vec<u8>, CallError> {
    let mut encoder = Encoder {
        out: Vec::with_capacity(64),
        style,
        indent: 0,
        path: Vec::new(),
        depth: 0,
    };
    encoder.value(value)?;
    Ok(encoder.out)
}

/// Nesting from which on Go looks for values that contain themselves.
const CYCLE_DEPTH: usize = 1000;

/// Nesting at which writing fails whatever the values are.
const MAXIMUM_DEPTH: usize = 100_000;

struct Encoder {
    out: Vec<u8>,
    style: JsonStyle,
    indent: usize,
    /// Maps and lists in which the current value is, from [`CYCLE_DEPTH`] on.
    path: Vec<usize>,
    depth: usize,
}

impl Encoder {
    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        match value {
            Value::Nil => self.raw("null"),
            Value::Bool(true) => self.raw("true"),
            Value::Bool(false) => self.raw("false"),
            Value::Int(number) | Value::Int64(number) => self.display(number),
            Value::Uint8(number) => self.display(number),
            Value::Uint32(number) => self.display(number),
            Value::Uint64(number) => self.display(number),
            Value::Float(number) => {
                let text = float(*number)?;
                self.raw(&text);
            }
            Value::Complex(_) => return Err("json: unsupported type: complex128".into()),
            Value::Str(text) => self.string(text),
            Value::Bytes(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                self.string(text.as_bytes());
            }
            Value::List(list) if list.is_nil() => self.raw("null"),
            Value::List(list) => {
                let address = list.as_slice().as_ptr() as usize;
                self.nested(address, value, |encoder| encoder.list(list))?;
            }
            Value::Map(map) if map.is_nil() => self.raw("null"),
            Value::Map(map) => {
                self.nested(map.address(), value, |encoder| encoder.map(map))?;
            }
            Value::Object(object) => self.object(&**object)?,
        }
        Ok(())
    }

    fn nested(
        &mut self,
        address: usize,
        value: &Value,
        write: impl FnOnce(&mut Self) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.depth += 1;
        if self.depth > CYCLE_DEPTH {
            if self.path.contains(&address) {
                return Err(CallError::new(format!(
                    "json: unsupported value: encountered a cycle via {}",
                    value.type_name()
                )));
            }
            if self.depth > MAXIMUM_DEPTH {
                return Err(CallError::limit("value_depth", MAXIMUM_DEPTH as u64));
            }
            self.path.push(address);
        }
        with_stack(|| write(self))?;
        if self.depth > CYCLE_DEPTH {
            self.path.pop();
        }
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self, object: &dyn Object) -> Result<(), CallError> {
        if let Some(value) = object.to_json() {
            return self.value(&value);
        }
        if let Some(value) = object.underlying() {
            return self.value(&value);
        }
        if object.is_nil() {
            self.raw("null");
            return Ok(());
        }
        let fields = object.json_fields();
        let entries = fields.iter().map(|(name, value)| (name.as_bytes(), value));
        self.entries(entries)
    }

    fn list(&mut self, list: &List) -> Result<(), CallError> {
        self.out.push(b'[');
        self.indent += 1;
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.new_line();
            self.value(item)?;
        }
        self.indent -= 1;
        if !list.is_empty() {
            self.new_line();
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, map: &Map) -> Result<(), CallError> {
        match map.entries() {
            Some(entries) => {
                self.entries(entries.iter().map(|(key, value)| (key.as_bytes(), value)))
            }
            None => Ok(()),
        }
    }

    fn entries<'v>(
        &mut self,
        entries: impl Iterator<Item = (&'v [u8], &'v Value)>,
    ) -> Result<(), CallError> {
        self.out.push(b'{');
        self.indent += 1;
        let mut is_empty = true;
        for (key, value) in entries {
            if !is_empty {
                self.out.push(b',');
            }
            is_empty = false;
            self.new_line();
            self.string(key);
            self.out.push(b':');
            if self.style.is_pretty {
                self.out.push(b' ');
            }
            self.value(value)?;
        }
        self.indent -= 1;
        if !is_empty {
            self.new_line();
        }
        self.out.push(b'}');
        Ok(())
    }

    fn new_line(&mut self) {
        if self.style.is_pretty {
            self.out.push(b'\n');
            for _ in 0..self.indent {
                self.out.extend_from_slice(b"  ");
            }
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn display(&mut self, number: impl std::fmt::Display) {
        use std::io::Write as _;
        // Writing to a vector does not fail.
        let _ = write!(self.out, "{number}");
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        if text.iter().all(|byte| self.is_plain(*byte)) {
            self.out.extend_from_slice(text);
        } else {
            for chunk in text.utf8_chunks() {
                for character in chunk.valid().chars() {
                    self.character(character);
                }
                for _ in chunk.invalid() {
                    self.raw("\\ufffd");
                }
            }
        }
        self.out.push(b'"');
    }

    fn is_plain(&self, byte: u8) -> bool {
        matches!(byte, b' '..=b'~')
            && !matches!(byte, b'"' | b'\\')
            && (self.style.keeps_html || !matches!(byte, b'<' | b'>' | b'&'))
    }

    fn character(&mut self, character: char) {
        match character {
            '"' => self.raw("\\\""),
            '\\' => self.raw("\\\\"),
            '\u{8}' => self.raw("\\b"),
            '\u{c}' => self.raw("\\f"),
            '\n' => self.raw("\\n"),
            '\r' => self.raw("\\r"),
            '\t' => self.raw("\\t"),
            '<' | '>' | '&' if self.style.keeps_html => self.out.push(character as u8),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                self.raw(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => self
                .out
                .extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// A number as encoding/json writes it.
pub(crate) fn float(number: f64) -> Result<String, CallError> {
    if !number.is_finite() {
        let text = format_float(number, b'g', None);
        return Err(CallError::new(format!("json: unsupported value: {text}")));
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let mut text = format_float(number, b'e', None);
        // e-09 becomes e-9.
        if let Some(at) = text.find("e-0") {
            text.remove(at + 2);
        }
        return Ok(text);
    }
    Ok(format_float(number, b'f', None))
}

/// What JSON was decoded into, and Go's error. Errors of single values leave the rest.
pub(crate) struct Decoded<T> {
    pub(crate) value: T,
    pub(crate) error: Option<String>,
}

/// `json.Unmarshal` into an `interface {}`.
pub(crate) fn decode(text: &[u8]) -> Decoded<Value> {
    match read(text) {
        Ok(mut reader) => {
            let value = reader.value();
            Decoded {
                value,
                error: reader.type_error,
            }
        }
        Err(error) => Decoded {
            value: Value::Nil,
            error: Some(error),
        },
    }
}

/// `json.Unmarshal` into a `map[string]interface {}`.
pub(crate) fn decode_map(text: &[u8]) -> Decoded<Map> {
    let decoded = decode(text);
    as_map(decoded.value, decoded.error)
}

/// `json.Unmarshal` into a `[]interface {}`.
pub(crate) fn decode_list(text: &[u8]) -> Decoded<List> {
    let decoded = decode(text);
    as_list(decoded.value, decoded.error)
}

pub(crate) fn as_map(value: Value, error: Option<String>) -> Decoded<Map> {
    match value {
        Value::Map(map) => Decoded { value: map, error },
        Value::Nil if error.is_none() => Decoded {
            value: Map::nil(MapType::Any),
            error,
        },
        other => Decoded {
            value: Map::new(),
            error: error.or_else(|| Some(mismatch(&other, MapType::Any.name()))),
        },
    }
}

pub(crate) fn as_list(value: Value, error: Option<String>) -> Decoded<List> {
    match value {
        Value::List(list) => Decoded { value: list, error },
        Value::Nil if error.is_none() => Decoded {
            value: List::nil(ListType::Any),
            error,
        },
        other => Decoded {
            value: List::new(Vec::new()),
            error: error.or_else(|| Some(mismatch(&other, ListType::Any.name()))),
        },
    }
}

fn mismatch(value: &Value, target: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("json: cannot unmarshal {found} into Go value of type {target}")
}

/// Go's limit of nesting.
const NESTING: usize = 10_000;

/// Checks the whole text first, as Go does.
fn read(text: &[u8]) -> Result<Reader<'_>, String> {
    let mut checker = Checker {
        text,
        position: 0,
        depth: 0,
    };
    checker.space();
    checker.value()?;
    checker.space();
    if let Some(byte) = checker.peek() {
        return Err(invalid(byte, "after top-level value"));
    }
    Ok(Reader {
        text,
        position: 0,
        type_error: None,
    })
}

fn invalid(byte: u8, context: &str) -> String {
    let character = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let quoted = quote(char::from(byte).to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    format!("invalid character {character} {context}")
}

/// Finds the first error of a text.
struct Checker<'t> {
    text: &'t [u8],
    position: usize,
    depth: usize,
}

impl Checker<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn next(&mut self) -> Result<u8, String> {
        let byte = self
            .peek()
            .ok_or_else(|| "unexpected end of JSON input".to_owned())?;
        self.position += 1;
        Ok(byte)
    }

    /// The next byte where space is not allowed: the end of the text counts as a space.
    fn next_inside(&mut self) -> u8 {
        let byte = self.peek().unwrap_or(b' ');
        self.position += 1;
        byte
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.position += 1;
        }
    }

    fn value(&mut self) -> Result<(), String> {
        match self.next()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => match self.next_inside() {
                first @ b'0'..=b'9' => self.number(first),
                other => Err(invalid(other, "in numeric literal")),
            },
            first @ b'0'..=b'9' => self.number(first),
            other => Err(invalid(other, "looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<(), String>) -> Result<(), String> {
        self.depth += 1;
        if self.depth > NESTING {
            return Err("exceeded max depth".to_owned());
        }
        with_stack(|| read(self))?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), String> {
        self.space();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.space();
            match self.next()? {
                b'"' => self.string()?,
                other => {
                    return Err(invalid(other, "looking for beginning of object key string"));
                }
            }
            self.space();
            match self.next()? {
                b':' => {}
                other => return Err(invalid(other, "after object key")),
            }
            self.space();
            self.value()?;
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Ok(()),
                other => return Err(invalid(other, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<(), String> {
        self.space();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.space();
            self.value()?;
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Ok(()),
                other => return Err(invalid(other, "after array element")),
            }
        }
    }

    fn string(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next_inside() {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next_inside();
                            if !digit.is_ascii_hexdigit() {
                                return Err(invalid(
                                    digit,
                                    "in \\u hexadecimal character escape",
                                ));
                            }
                        }
                    }
                    other => return Err(invalid(other, "in string escape code")),
                },
                byte @ 0..0x20 => return Err(invalid(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes().skip(1) {
            let byte = self.next_inside();
            if byte != expected {
                return Err(invalid(
                    byte,
                    &format!("in literal {word} (expecting '{}')", char::from(expected)),
                ));
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
    }

    fn number(&mut self, first: u8) -> Result<(), String> {
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            match self.next_inside() {
                b'0'..=b'9' => self.digits(),
                other => return Err(invalid(other, "after decimal point in numeric literal")),
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            let mut byte = self.next_inside();
            if matches!(byte, b'+' | b'-') {
                byte = self.next_inside();
            }
            match byte {
                b'0'..=b'9' => self.digits(),
                other => return Err(invalid(other, "in exponent of numeric literal")),
            }
        }
        Ok(())
    }
}

/// Makes values of a text that was checked.
struct Reader<'t> {
    text: &'t [u8],
    position: usize,
    type_error: Option<String>,
}

impl Reader<'_> {
    /// The next byte that is no space; 0 at the end, which a checked text does not reach.
    fn peek(&mut self) -> u8 {
        while let Some(byte) = self.text.get(self.position) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return *byte;
            }
            self.position += 1;
        }
        0
    }

    fn value(&mut self) -> Value {
        match self.peek() {
            b'{' => with_stack(|| self.object()),
            b'[' => with_stack(|| self.array()),
            b'"' => Value::Str(self.string()),
            b't' => self.word(4, Value::Bool(true)),
            b'f' => self.word(5, Value::Bool(false)),
            b'n' => self.word(4, Value::Nil),
            _ => self.number(),
        }
    }

    fn word(&mut self, length: usize, value: Value) -> Value {
        self.position += length;
        value
    }

    fn object(&mut self) -> Value {
        self.position += 1;
        let mut entries = crate::template::Entries::new();
        while self.peek() == b'"' {
            let key = self.string();
            if self.peek() == b':' {
                self.position += 1;
            }
            let value = self.value();
            entries.insert(key, value);
            if self.peek() == b',' {
                self.position += 1;
            }
        }
        self.position += 1;
        Value::Map(Map::from_entries(MapType::Any, entries))
    }

    fn array(&mut self) -> Value {
        self.position += 1;
        let mut items = Vec::new();
        while !matches!(self.peek(), b']' | 0) {
            items.push(self.value());
            if self.peek() == b',' {
                self.position += 1;
            }
        }
        self.position += 1;
        Value::list(items)
    }

    fn number(&mut self) -> Value {
        let start = self.position;
        while matches!(
            self.text.get(self.position),
            Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
        ) {
            self.position += 1;
        }
        let text = String::from_utf8_lossy(&self.text[start..self.position]);
        // A text that was checked has no other bytes here, but the loop must move on.
        self.position = self.position.max(start + 1);
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => {
                self.type_error.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Value::Nil
            }
        }
    }

    fn string(&mut self) -> Str {
        self.position += 1;
        let start = self.position;
        let mut has_escape = false;
        while let Some(byte) = self.text.get(self.position) {
            match byte {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    self.position += 2;
                }
                _ => self.position += 1,
            }
        }
        let end = self.position.min(self.text.len());
        let raw = &self.text[start..end];
        self.position += 1;
        let text = String::from_utf8_lossy(raw);
        if has_escape {
            Str::from(unescape(&text))
        } else {
            Str::from(&*text)
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest[at + 1..].chars().next().unwrap_or('\\');
        let mut length = 2;
        match escape {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let code = |at: usize| {
                    let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
                    u32::from_str_radix(digits, 16).ok()
                };
                let first = code(at).unwrap_or(0xfffd);
                length = 6;
                let character = match (first, code(at + 6)) {
                    (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) => {
                        length = 12;
                        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
                    }
                    _ => char::from_u32(first),
                };
                out.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => out.push(other),
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}
