//! JSON read with the error texts of Go's scanner.

use gitops_core::go::quote_rune;

use crate::template::{Entries, Map, MapType, Str, Value, with_stack};

/// Why a text is not the JSON that is wanted; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    #[error("invalid character {} {context}", quote_rune(char::from(*character)))]
    InvalidCharacter {
        character: u8,
        context: &'static str,
    },
    #[error("exceeded max depth")]
    Depth,
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Mismatch { found: String, wanted: &'static str },
}

/// A document, and the first of its numbers that no `float64` holds.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) trouble: Option<JsonError>,
}

/// Reads a document: all numbers are `float64`, of equal keys the last one counts.
pub(crate) fn read(text: &[u8]) -> Result<Document, JsonError> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        trouble: None,
    };
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        Some(_) => Err(reader.invalid("after top-level value")),
        None => Ok(Document {
            value,
            trouble: reader.trouble,
        }),
    }
}

const MAX_DEPTH: usize = 10_000;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    trouble: Option<JsonError>,
}

type Outcome<T> = Result<T, JsonError>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The error for the next character, or for the end: Go's scanner is given a space there,
    /// which is an error of its own inside of a literal.
    fn invalid(&self, context: &'static str) -> JsonError {
        let takes_space = !context.starts_with("in ") && !context.starts_with("after decimal")
            || context == "in string literal";
        match self.peek() {
            Some(character) => JsonError::InvalidCharacter { character, context },
            None if takes_space => JsonError::UnexpectedEnd,
            None => JsonError::InvalidCharacter {
                character: b' ',
                context,
            },
        }
    }

    /// The error for the next character within a token; at the end Go tries a space.
    fn invalid_in_token(&self, context: &'static str) -> JsonError {
        JsonError::InvalidCharacter {
            character: self.peek().unwrap_or(b' '),
            context,
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Outcome<Value> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::Str(self.string()?)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.invalid("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Outcome<Value>) -> Outcome<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        self.at += 1;
        let value = with_stack(|| read(self));
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Outcome<Value> {
        let mut entries = Entries::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::from_entries(MapType::Any, entries)));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.invalid("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.invalid("after object key"));
            }
            self.at += 1;
            let value = self.value()?;
            entries.insert(key, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(Map::from_entries(MapType::Any, entries)));
                }
                _ => return Err(self.invalid("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Outcome<Value> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::list(items));
                }
                _ => return Err(self.invalid("after array element")),
            }
        }
    }

    fn literal(&mut self, name: &'static str, value: Value) -> Outcome<Value> {
        let contexts: &[&str] = match name {
            "true" => &[
                "",
                "in literal true (expecting 'r')",
                "in literal true (expecting 'u')",
                "in literal true (expecting 'e')",
            ],
            "false" => &[
                "",
                "in literal false (expecting 'a')",
                "in literal false (expecting 'l')",
                "in literal false (expecting 's')",
                "in literal false (expecting 'e')",
            ],
            _ => &[
                "",
                "in literal null (expecting 'u')",
                "in literal null (expecting 'l')",
                "in literal null (expecting 'l')",
            ],
        };
        for (expected, context) in name.bytes().zip(contexts) {
            if self.peek() != Some(expected) {
                return Err(self.invalid_in_token(context));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &'static str) -> Outcome<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.invalid_in_token(context));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Outcome<Value> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            _ => {
                self.trouble.get_or_insert_with(|| JsonError::Mismatch {
                    found: format!("number {text}"),
                    wanted: "float64",
                });
                Ok(Value::Nil)
            }
        }
    }

    fn string(&mut self) -> Outcome<Str> {
        self.at += 1;
        let start = self.at;
        // Most strings have no escapes.
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let text = &self.text[start..self.at];
                    self.at += 1;
                    let mut out = Vec::new();
                    push_valid(&mut out, text);
                    return Ok(out.into());
                }
                b'\\' | 0..0x20 => break,
                _ => self.at += 1,
            }
        }
        let mut out = Vec::new();
        push_valid(&mut out, &self.text[start..self.at]);
        loop {
            let plain = self.at;
            while self
                .peek()
                .is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
            {
                self.at += 1;
            }
            push_valid(&mut out, &self.text[plain..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => return Err(self.invalid("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.invalid_in_token("in string escape code")),
        };
        self.at += 1;
        Ok(character)
    }

    /// Halves of surrogate pairs that stand alone become U+FFFD.
    fn unicode_escape(&mut self) -> Outcome<char> {
        let first = self.four_digits()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Outcome<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|byte| char::from(byte).to_digit(16))
                .ok_or_else(|| self.invalid_in_token("in \\u hexadecimal character escape"))?;
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }
}

/// What is not UTF-8 becomes U+FFFD, byte by byte.
fn push_valid(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for _ in chunk.invalid() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn errors_are_those_of_go() {
        for (text, expected) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (
                "[1,]",
                "invalid character ']' looking for beginning of value",
            ),
            (
                "{a}",
                "invalid character 'a' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2}",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("01", "invalid character '1' after top-level value"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1e+",
                "invalid character ' ' in exponent of numeric literal",
            ),
            (
                "nul",
                "invalid character ' ' in literal null (expecting 'l')",
            ),
            ("\"a", "unexpected end of JSON input"),
            ("-a", "invalid character 'a' in numeric literal"),
            (
                "trxe",
                "invalid character 'x' in literal true (expecting 'u')",
            ),
            ("\"\n\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            (
                "\"\\u12g\"",
                "invalid character 'g' in \\u hexadecimal character escape",
            ),
            (
                "'",
                "invalid character '\\'' looking for beginning of value",
            ),
            ("é", "invalid character 'Ã' looking for beginning of value"),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
        assert_eq!(error(&"[".repeat(10_001)), "exceeded max depth");
    }

    #[test]
    fn values() {
        let document =
            read(br#" {"a":[1e400,"\ud83d\ude00\ud800x\u0041"],"a":2,"b":1e5} "#).expect("valid");
        assert!(document.trouble.is_some_and(|error| error.to_string()
            == "json: cannot unmarshal number 1e400 into Go value of type float64"));
        let Value::Map(map) = document.value else {
            panic!("a map")
        };
        assert!(matches!(map.get("a"), Some(Value::Float(2.0))));
        let Value::Str(text) = read(br#""\ud83d\ude00\ud800x\u0041""#)
            .expect("valid")
            .value
        else {
            panic!("a text")
        };
        assert_eq!(text, "😀\u{fffd}xA");
    }
}
