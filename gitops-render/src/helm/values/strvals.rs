//! The grammar of `--set`, `--set-string`, `--set-json`, `--set-file` and `--set-literal`.

use gitops_core::go::{quote, quote_rune, unicode};
use serde_json::{Map, Value};

use crate::helm::values::{go_type, numbers_as_floats};

/// Highest index of a list.
const MAX_INDEX: i64 = 65_536;
/// Depth of names within names.
const MAX_NESTING: usize = 30;
/// Depth of lists within lists, which Helm does not limit.
const MAX_LIST_NESTING: usize = 100;

/// Which flag a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetKind {
    /// `--set`: integers, booleans and nulls are recognised.
    Typed,
    /// `--set-string`: every value is a string.
    String,
    /// `--set-json`: values are JSON.
    Json,
    /// `--set-literal`: everything after the first `=` is the value.
    Literal,
}

/// A text does not follow the grammar. The message is Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SetError {
    message: String,
    /// The end of the text was the reason, which Helm 4 lets pass.
    at_end: bool,
}

impl gitops_core::Classified for SetError {
    fn class(&self) -> gitops_core::ErrorClass {
        gitops_core::ErrorClass::Invalid
    }
}

/// What becomes of the text of a value.
pub(crate) enum Reading<'a> {
    Typed,
    String,
    Json,
    Literal,
    /// The text names a file whose content is the value.
    File(&'a dyn Fn(&str) -> Result<String, String>),
}

impl From<SetKind> for Reading<'_> {
    fn from(kind: SetKind) -> Self {
        match kind {
            SetKind::Typed => Self::Typed,
            SetKind::String => Self::String,
            SetKind::Json => Self::Json,
            SetKind::Literal => Self::Literal,
        }
    }
}

/// Sets what `text` says in `table`. `end_is_fine`: a text that ends inside an index is not an error
/// (Helm 4).
pub(super) fn set(
    text: &str,
    table: &mut Map<String, Value>,
    reading: Reading<'_>,
    end_is_fine: bool,
) -> Result<(), SetError> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser {
        chars: &chars,
        at: 0,
        reading,
        lists: 0,
    };
    loop {
        match parser.key(table, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Error(error)) if error.at_end && end_is_fine => return Ok(()),
            Err(Stop::Error(error)) => return Err(error),
        }
    }
}

enum Stop {
    /// The text ended where it may.
    End,
    Error(SetError),
}

impl Stop {
    fn error(message: impl Into<String>) -> Self {
        Self::Error(SetError {
            message: message.into(),
            at_end: false,
        })
    }

    fn in_index(self) -> Self {
        let (reason, at_end) = match self {
            Self::End => ("EOF".to_owned(), true),
            Self::Error(error) => (error.message, error.at_end),
        };
        Self::Error(SetError {
            message: format!("error parsing index: {reason}"),
            at_end,
        })
    }
}

/// A value of another type stands where a table or list is needed.
fn wrong_type(value: &Value, wanted: &str) -> Stop {
    Stop::error(format!(
        "unable to parse key: interface conversion: interface {{}} is {}, not {wanted}",
        go_type(value)
    ))
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    reading: Reading<'a>,
    /// Lists that the current item is in.
    lists: usize,
}

impl Parser<'_> {
    fn is_literal(&self) -> bool {
        matches!(self.reading, Reading::Literal)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    /// Text up to one of the stops, with `\` as the escape except in literals. `None`: the text ended.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (text, Some(c));
            }
            if c == '\\' && !self.is_literal() {
                match self.next() {
                    Some(escaped) => text.push(escaped),
                    None => break,
                }
            } else {
                text.push(c);
            }
        }
        (text, None)
    }

    fn key(&mut self, table: &mut Map<String, Value>, nesting: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.is_literal() {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let (key, stop) = self.until(stops);
        match stop {
            None if key.is_empty() => Err(Stop::End),
            None => Err(Stop::error(format!("key {} has no value", quote(&key)))),
            Some('[') => {
                let index = self.index().map_err(Stop::in_index)?;
                let mut list = match table.get_mut(&key) {
                    None => Vec::new(),
                    Some(Value::Array(list)) => std::mem::take(list),
                    Some(other) => return Err(wrong_type(other, "[]interface {}")),
                };
                let result = self.item(&mut list, index, nesting);
                put(table, key, Value::Array(list));
                result
            }
            Some('=') => self.assign(table, key),
            Some(',') => {
                put(table, key.clone(), Value::String(String::new()));
                Err(Stop::error(format!(
                    "key {} has no value (cannot end with ,)",
                    quote(&key)
                )))
            }
            Some(_) => {
                let nesting = nesting + 1;
                if nesting > MAX_NESTING {
                    return Err(Stop::error(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
                    )));
                }
                let mut inner = match table.get_mut(&key) {
                    None => Map::new(),
                    Some(Value::Object(inner)) => std::mem::take(inner),
                    Some(other) => return Err(wrong_type(other, "map[string]interface {}")),
                };
                let result = self.key(&mut inner, nesting);
                if inner.is_empty() {
                    if result.is_ok() {
                        return Err(Stop::error(format!("key map {} has no value", quote(&key))));
                    }
                } else {
                    put(table, key, Value::Object(inner));
                }
                result
            }
        }
    }

    fn assign(&mut self, table: &mut Map<String, Value>, key: String) -> Result<(), Stop> {
        match self.reading {
            Reading::Literal => {
                let (text, _) = self.until(&[]);
                put(table, key, Value::String(text));
                Ok(())
            }
            Reading::Json => {
                let value = self.json()?;
                put(table, key, value);
                Ok(())
            }
            _ => match self.list()? {
                Listed::End => {
                    put(table, key, Value::String(String::new()));
                    Err(Stop::End)
                }
                Listed::List(list) => {
                    put(table, key, Value::Array(list));
                    Ok(())
                }
                Listed::NotAList => {
                    let (text, _) = self.until(&[',']);
                    let value = self.read(text)?;
                    put(table, key, value);
                    Ok(())
                }
            },
        }
    }

    fn index(&mut self) -> Result<i64, Stop> {
        let (text, stop) = self.until(&[']']);
        if stop.is_none() {
            return Err(Stop::End);
        }
        text.parse().map_err(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let reason = match error.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Stop::error(format!("strconv.Atoi: parsing {}: {reason}", quote(&text)))
        })
    }

    /// What follows `]`.
    fn item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Result<(), Stop> {
        if index < 0 {
            return Err(Stop::error(format!("negative {index} index not allowed")));
        }
        let (rest, stop) = self.until(&['[', '.', '=']);
        if !rest.is_empty() {
            let runes: Vec<String> = rest.chars().map(quote_rune).collect();
            return Err(Stop::error(format!(
                "unexpected data at end of array index: [{}]",
                runes.join(" ")
            )));
        }
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        match stop {
            None => Err(Stop::End),
            Some('=') => match self.reading {
                Reading::Literal => {
                    let (text, _) = self.until(&[]);
                    put_at(list, index, Value::String(text))
                }
                Reading::Json => {
                    // As in Helm, a comma or space after the value is taken only if the index is fine.
                    let value = self.json_value()?;
                    put_at(list, index, value.unwrap_or(Value::Null))?;
                    self.skip_blank();
                    Ok(())
                }
                _ => match self.list()? {
                    Listed::End => put_at(list, index, Value::String(String::new())),
                    Listed::List(items) => put_at(list, index, Value::Array(items)),
                    Listed::NotAList => {
                        let (text, _) = self.until(&[',']);
                        let value = self.read(text)?;
                        put_at(list, index, value)
                    }
                },
            },
            Some('[') => {
                let next = self.index().map_err(Stop::in_index)?;
                if self.lists >= MAX_LIST_NESTING {
                    return Err(Stop::error(format!(
                        "lists are nested deeper than {MAX_LIST_NESTING} levels"
                    )));
                }
                let mut inner = match list.get_mut(place) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(inner)) => std::mem::take(inner),
                    Some(other) => return Err(wrong_type(other, "[]interface {}")),
                };
                self.lists += 1;
                self.item(&mut inner, next, nesting)?;
                self.lists -= 1;
                put_at(list, index, Value::Array(inner))
            }
            Some(_) => {
                let mut inner = match list.get_mut(place) {
                    Some(Value::Object(inner)) => std::mem::take(inner),
                    _ => Map::new(),
                };
                let result = self.key(&mut inner, nesting);
                if let Err(stop) = result {
                    if let Some(old) = list.get_mut(place) {
                        *old = Value::Object(inner);
                    }
                    return Err(stop);
                }
                put_at(list, index, Value::Object(inner))
            }
        }
    }

    /// `{a,b}`, if the value begins like that.
    fn list(&mut self) -> Result<Listed, Stop> {
        match self.chars.get(self.at) {
            None => return Ok(Listed::End),
            Some('{') => self.at += 1,
            Some(_) => return Ok(Listed::NotAList),
        }
        let mut items = Vec::new();
        loop {
            let (text, stop) = self.until(&[',', '}']);
            match stop {
                None => return Err(Stop::error("list must terminate with '}'")),
                Some(stop) => {
                    if stop == '}' && self.chars.get(self.at) == Some(&',') {
                        self.at += 1;
                    }
                    items.push(self.read(text)?);
                    if stop == '}' {
                        return Ok(Listed::List(items));
                    }
                }
            }
        }
    }

    fn read(&self, text: String) -> Result<Value, Stop> {
        match self.reading {
            Reading::Typed => Ok(typed(text)),
            Reading::File(read) => read(&text).map(Value::String).map_err(Stop::error),
            _ => Ok(Value::String(text)),
        }
    }

    fn json(&mut self) -> Result<Value, Stop> {
        let Some(value) = self.json_value()? else {
            return Ok(Value::Null);
        };
        self.skip_blank();
        Ok(value)
    }

    /// The JSON at this place; `None` where there is only blank space up to a comma or the end.
    fn json_value(&mut self) -> Result<Option<Value>, Stop> {
        if self.skip_blank() {
            return Ok(None);
        }
        let rest = &self.chars[self.at..];
        let text = without_lone_surrogates(rest.iter().collect());
        let scalar = scalar_length(&text);
        let (value, length) = if scalar > 0 {
            (serde_json::from_str(&text[..scalar]), scalar)
        } else {
            let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            match stream.next() {
                Some(value) => (value, stream.byte_offset()),
                None => return Err(Stop::error("unexpected end of JSON input")),
            }
        };
        let value = value.map_err(|error| Stop::error(error.to_string()))?;
        self.at += text[..length].chars().count();
        Ok(Some(numbers_as_floats(value)))
    }

    /// Skips white space and one comma; whether a comma or the end was reached.
    fn skip_blank(&mut self) -> bool {
        while let Some(&c) = self.chars.get(self.at) {
            if !unicode::is_space(c) && c != ',' {
                return false;
            }
            self.at += 1;
            if c == ',' {
                return true;
            }
        }
        true
    }
}

enum Listed {
    End,
    NotAList,
    List(Vec<Value>),
}

/// An empty key is not set.
fn put(table: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        table.insert(key, value);
    }
}

fn put_at(list: &mut Vec<Value>, index: i64, value: Value) -> Result<(), Stop> {
    if index > MAX_INDEX {
        return Err(Stop::error(format!(
            "index of {index} is greater than maximum supported index of {MAX_INDEX}"
        )));
    }
    let place = usize::try_from(index).unwrap_or_default();
    if list.len() <= place {
        list.resize(place + 1, Value::Null);
    }
    list[place] = value;
    Ok(())
}

/// Go reads half a surrogate pair as U+FFFD, where serde_json has an error. The length stays.
pub(super) fn without_lone_surrogates(mut text: String) -> String {
    let unit = |text: &str, at: usize| -> Option<u32> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match unit(&text, at) {
            Some(0xd800..=0xdbff) if matches!(unit(&text, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                text.replace_range(at..at + 6, "\\ufffd");
                6
            }
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    text
}

fn typed(text: String) -> Value {
    let folds_to = |word: &str| {
        text.len() <= word.len() * 2 && {
            // The one letter outside ASCII that folds to a letter of these words.
            text.replace('\u{17f}', "s").eq_ignore_ascii_case(word)
        }
    };
    if folds_to("true") {
        return Value::Bool(true);
    }
    if folds_to("false") {
        return Value::Bool(false);
    }
    if folds_to("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0_i64);
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::from(number);
    }
    Value::String(text)
}

/// Length of the number or literal at the start of a JSON text; it ends where its grammar does,
/// whatever follows.
fn scalar_length(text: &str) -> usize {
    for word in ["true", "false", "null"] {
        if text.starts_with(word) {
            return word.len();
        }
    }
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at += digits(at),
        _ => return 0,
    }
    if bytes.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at += 1 + sign;
        at += digits(at);
    }
    at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set_with(reading: Reading<'_>, text: &str) -> Result<Value, String> {
        let mut table = Map::new();
        set(text, &mut table, reading, true)
            .map(|()| Value::Object(table))
            .map_err(|error| error.to_string())
    }

    fn typed(text: &str) -> Result<Value, String> {
        set_with(Reading::Typed, text)
    }

    #[test]
    fn sets_what_helm_sets() {
        for (text, expected) in [
            (
                "a=1,b=x,c=true,d=null,e=01,f=1.5",
                json!({"a": 1, "b": "x", "c": true, "d": null, "e": "01", "f": "1.5"}),
            ),
            ("a.b.c=1,a.b.d=2", json!({"a": {"b": {"c": 1, "d": 2}}})),
            ("a={x,1,true}", json!({"a": ["x", 1, true]})),
            ("a={}", json!({"a": [""]})),
            ("a={x},b=1", json!({"a": ["x"], "b": 1})),
            ("a[2]=x", json!({"a": [null, null, "x"]})),
            (
                "a[0].b=1,a[0].c=2,a[1].b=3",
                json!({"a": [{"b": 1, "c": 2}, {"b": 3}]}),
            ),
            ("a[0][1]=x", json!({"a": [[null, "x"]]})),
            ("a=x\\,y,b=z\\=", json!({"a": "x,y", "b": "z="})),
            ("a\\.b=1", json!({"a.b": 1})),
            ("a=", json!({"a": ""})),
            ("a=1,", json!({"a": 1})),
            ("=1", json!({})),
            ("a=b=c", json!({"a": "b=c"})),
            ("a[0", json!({})),
            ("a[0]", json!({"a": []})),
            (
                "a=-5,b=+5,c=-0,d=9223372036854775808",
                json!({"a": -5, "b": 5, "c": 0, "d": "9223372036854775808"}),
            ),
        ] {
            assert_eq!(typed(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn mistakes_have_helms_words() {
        for (text, message) in [
            ("abc", "key \"abc\" has no value"),
            ("a,b=1", "key \"a\" has no value (cannot end with ,)"),
            ("a..b=1", "key map \"a\" has no value"),
            ("a={x", "list must terminate with '}'"),
            (
                "a[x]=1",
                "error parsing index: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            ("a[-1]=1", "negative -1 index not allowed"),
            (
                "a[65537]=1",
                "index of 65537 is greater than maximum supported index of 65536",
            ),
            (
                "a[0]bc=1",
                "unexpected data at end of array index: ['b' 'c']",
            ),
            (
                "a=1,a.b=2",
                "unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}",
            ),
            (
                "a=1,a[0]=2",
                "unable to parse key: interface conversion: interface {} is int64, not []interface {}",
            ),
        ] {
            assert_eq!(typed(text), Err(message.to_owned()), "{text}");
        }
        let deep = format!("{}=1", vec!["a"; 40].join("."));
        assert!(typed(&deep).unwrap_err().contains("nested level"));
        let deep = format!("a{}=1", "[0]".repeat(5000));
        assert!(typed(&deep).unwrap_err().contains("nested deeper"));
    }

    #[test]
    fn json_values_are_taken_one_by_one() {
        for (text, expected) in [
            (
                "a={\"b\":1},c=[1,2] ,d=null",
                json!({"a": {"b": 1.0}, "c": [1.0, 2.0], "d": null}),
            ),
            ("a= ,b=\"x,y\"", json!({"a": null, "b": "x,y"})),
            ("a[1]=true,b=2", json!({"a": [null, true], "b": 2.0})),
            ("a=1b=2", json!({"a": 1.0, "b": 2.0})),
        ] {
            assert_eq!(set_with(Reading::Json, text), Ok(expected), "{text}");
        }
        assert!(set_with(Reading::Json, "a={bad").is_err());
    }

    #[test]
    fn literals_are_taken_whole() {
        assert_eq!(
            set_with(Reading::Literal, "a.b=x,y=\\z{1}"),
            Ok(json!({"a": {"b": "x,y=\\z{1}"}}))
        );
    }

    #[test]
    fn files_are_read() {
        let read = |path: &str| Ok(format!("<{path}>"));
        assert_eq!(
            set_with(Reading::File(&read), "a=x,b={y,z}"),
            Ok(json!({"a": "<x>", "b": ["<y>", "<z>"]}))
        );
    }
}
