//! TOML 1.1 as `github.com/BurntSushi/toml` 1.6 reads it into a `map[string]interface {}`.

use std::collections::{BTreeMap, HashSet};

use gitops_core::go::{NumberError, parse_float, parse_int, quote};

use super::toml_lex::{Kind, LexError, Lexer, Token};
use crate::{
    funcs::{Registry, dates},
    template::{CallError, Context, Entries, List, ListType, Map, MapType, Str, Value, with_stack},
};

pub(super) fn register(registry: &mut Registry) {
    registry.add("fromToml", |context: &mut Context<'_>, text: Str| {
        context.spend(text.len() as u64 / 4)?;
        // What is wrong is told under the key `Error`.
        Ok::<_, CallError>(match from_toml(&text) {
            Ok(map) => map,
            Err(error) => [("Error", Value::str(error.to_string()))]
                .into_iter()
                .collect(),
        })
    });
}

/// Arrays and inline tables nested deeper than this are an error.
const MAX_DEPTH: usize = 10_000;

/// A text is no TOML; the message is the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("toml: line {line}{}: {message}", last_key_text(last_key))]
struct TomlError {
    line: usize,
    last_key: String,
    message: String,
}

fn last_key_text(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(" (last key {})", quote(key))
    }
}

fn from_toml(text: &[u8]) -> Result<Map, TomlError> {
    let failure = |line, message: &str| TomlError {
        line,
        last_key: String::new(),
        message: message.to_owned(),
    };
    let text = text
        .strip_prefix(b"\xff\xfe")
        .or_else(|| text.strip_prefix(b"\xfe\xff"))
        .or_else(|| text.strip_prefix(b"\xef\xbb\xbf"))
        .unwrap_or(text);
    if text[..text.len().min(6)].contains(&0) {
        return Err(failure(
            1,
            "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8",
        ));
    }
    let (valid, wrong) = match std::str::from_utf8(text) {
        Ok(valid) => (valid, None),
        Err(error) => {
            let valid = std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default();
            (valid, text.get(error.valid_up_to()).copied())
        }
    };
    let mut parser = Parser {
        lexer: Lexer::new(valid),
        context: Vec::new(),
        current: String::new(),
        line: 1,
        depth: 0,
        arrays: HashSet::new(),
        implicit: HashSet::new(),
        root: Table::new(),
    };
    let outcome = parser.document();
    if let Some(byte) = wrong
        && outcome
            .as_ref()
            .err()
            .is_none_or(|_| parser.lexer.is_at_end())
    {
        let line = 1 + valid.matches('\n').count();
        return Err(TomlError {
            line,
            last_key: parser.last_key(),
            message: format!("invalid UTF-8 byte: 0x{byte:02x}"),
        });
    }
    outcome?;
    Ok(parser.root.into_map())
}

/// A table while it can still be added to.
#[derive(Debug, Default)]
struct Table(BTreeMap<String, Node>);

#[derive(Debug)]
enum Node {
    Value(Value),
    Table(Table),
    Tables(Vec<Table>),
}

impl Table {
    fn new() -> Self {
        Self::default()
    }

    fn into_map(self) -> Map {
        let entries: Entries = self
            .0
            .into_iter()
            .map(|(key, node)| (Str::from(key), with_stack(|| node.into_value())))
            .collect();
        Map::from_entries(MapType::Any, entries)
    }
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Table(table) => Value::Map(table.into_map()),
            Self::Tables(tables) => {
                let maps = tables.into_iter().map(|table| Value::Map(table.into_map()));
                Value::List(List::typed(ListType::Maps, maps.collect()))
            }
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The key of the table that is read.
    context: Vec<String>,
    /// The key in that table.
    current: String,
    /// The line of the last key.
    line: usize,
    depth: usize,
    /// Keys whose values are arrays.
    arrays: HashSet<String>,
    /// Keys that exist because others are in them.
    implicit: HashSet<String>,
    root: Table,
}

type Outcome<T> = Result<T, TomlError>;

impl<'a> Parser<'a> {
    fn document(&mut self) -> Outcome<()> {
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::Eof => return Ok(()),
                Kind::CommentStart => {
                    self.next()?;
                }
                Kind::TableStart | Kind::ArrayTableStart => {
                    let is_array = token.kind == Kind::ArrayTableStart;
                    let end = if is_array {
                        Kind::ArrayTableEnd
                    } else {
                        Kind::TableEnd
                    };
                    let key = self.key(end)?;
                    self.add_context(&key, is_array)?;
                    self.arrays.remove(&dotted(&self.context));
                }
                _ => {
                    let outer = self.context.clone();
                    let key = self.key(Kind::KeyEnd)?;
                    let path = self.enter(key)?;
                    let token = self.next()?;
                    let value = self.value(&token, false)?;
                    drop(path);
                    self.finish(value)?;
                    self.context = outer;
                    self.current.clear();
                }
            }
        }
    }

    /// Reads a key up to its end.
    fn key(&mut self, end: Kind) -> Outcome<Vec<String>> {
        let mut token = self.next()?;
        self.line = token.line;
        let mut key = Vec::new();
        while token.kind != end && token.kind != Kind::Eof {
            key.push(match token.kind {
                Kind::StringWithEscapes => self.unescaped(&token, token.text)?,
                _ => token.text.to_owned(),
            });
            token = self.next()?;
        }
        Ok(key)
    }

    /// Makes the tables that a dotted key goes through; gives their names.
    fn enter(&mut self, mut key: Vec<String>) -> Outcome<Vec<String>> {
        self.current = key.pop().unwrap_or_default();
        for part in &key {
            let mut path = self.context.clone();
            path.push(part.clone());
            self.implicit.insert(dotted(&path));
            self.add_context(&path, false)?;
        }
        Ok(key)
    }

    /// Sets the current key.
    fn finish(&mut self, value: Value) -> Outcome<()> {
        let is_array = matches!(value, Value::List(_));
        let key = self.current.clone();
        self.set(&key, Node::Value(value))?;
        let path = self.path_of(&key);
        if is_array {
            self.arrays.insert(path);
        } else {
            self.arrays.remove(&path);
        }
        Ok(())
    }

    fn value(&mut self, token: &Token<'a>, in_array: bool) -> Outcome<Value> {
        match token.kind {
            Kind::StringWithEscapes => Ok(self.unescaped(token, token.text)?.into()),
            Kind::MultilineString => {
                let text = without_escaped_breaks(without_first_break(token.text));
                Ok(self.unescaped(token, &text)?.into())
            }
            Kind::RawMultilineString => Ok(without_first_break(token.text).into()),
            Kind::Integer => self.integer(token),
            Kind::Float => self.float(token),
            Kind::Bool => Ok(Value::Bool(token.text == "true")),
            Kind::Datetime => self.datetime(token),
            Kind::Array | Kind::InlineTableStart => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error(token.line, "values are nested too deep"));
                }
                let value = with_stack(|| {
                    if token.kind == Kind::Array {
                        self.array()
                    } else {
                        self.inline_table(in_array)
                    }
                });
                self.depth -= 1;
                value
            }
            _ => Ok(token.text.into()),
        }
    }

    fn array(&mut self) -> Outcome<Value> {
        let path = self.path_of(&self.current.clone());
        self.arrays.insert(path);
        let mut items = Vec::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::ArrayEnd => return Ok(Value::list(items)),
                Kind::CommentStart => {
                    self.next()?;
                }
                _ => items.push(self.value(&token, true)?),
            }
        }
    }

    fn inline_table(&mut self, in_array: bool) -> Outcome<Value> {
        let table = Map::new();
        let outer = (self.context.clone(), std::mem::take(&mut self.current));
        self.context.push(outer.1.clone());
        let own = self.context.clone();
        self.implicit.insert(dotted(&own));
        self.add_context(&own, in_array)?;
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::InlineTableEnd => break,
                Kind::CommentStart => {
                    self.next()?;
                    continue;
                }
                _ => {}
            }
            let key = self.key(Kind::KeyEnd)?;
            let path = self.enter(key)?;
            let token = self.next()?;
            let value = self.value(&token, false)?;
            self.finish(value.clone())?;
            let mut target = table.clone();
            for part in &path {
                target = match target.get(part) {
                    None => {
                        let inner = Map::new();
                        self.put(&target, part, Value::Map(inner.clone()));
                        inner
                    }
                    Some(Value::Map(inner)) => inner,
                    Some(_) => {
                        let names: Vec<String> = self.context.iter().map(quote).collect();
                        let message = format!("[{}] is not a table", names.join(" "));
                        return Err(self.error(self.line, message));
                    }
                };
            }
            self.put(&target, &self.current.clone(), value);
            self.context.clone_from(&own);
        }
        (self.context, self.current) = outer;
        Ok(Value::Map(table))
    }

    fn put(&self, map: &Map, key: &str, value: Value) {
        // Only nil maps cannot be written.
        let _ = map.insert(key, value);
    }

    fn integer(&self, token: &Token<'_>) -> Outcome<Value> {
        let text = token.text;
        let wrong = |reason: &str| {
            self.error(
                token.line,
                format!("Invalid integer {}: {reason}", quote(text)),
            )
        };
        if !underscores_are_fine(text) {
            return Err(wrong("underscores must be surrounded by digits"));
        }
        if has_leading_zero(text) {
            return Err(wrong("cannot have leading zeroes"));
        }
        match parse_int(text, 0) {
            Ok(value) => Ok(Value::Int64(value)),
            Err(NumberError::Range { .. }) => {
                Err(self.error(token.line, format!("{text} is out of range for int64")))
            }
            Err(_) => Err(wrong("not a number")),
        }
    }

    fn float(&self, token: &Token<'_>) -> Outcome<Value> {
        let text = token.text;
        let wrong = |reason: &str| {
            self.error(
                token.line,
                format!("Invalid float {}: {reason}", quote(text)),
            )
        };
        let mut parts = text
            .split(['.', 'e', 'E'])
            .filter(|part| !part.is_empty())
            .peekable();
        let first = parts.peek().copied().unwrap_or_default();
        if !parts.all(underscores_are_fine) {
            return Err(wrong("underscores must be surrounded by digits"));
        }
        if has_leading_zero(first) {
            return Err(wrong("cannot have leading zeroes"));
        }
        if !points_are_fine(text) {
            return Err(wrong("'.' must be followed by one or more digits"));
        }
        match text {
            "nan" | "+nan" => return Ok(Value::Float(f64::NAN)),
            "-nan" => return Ok(Value::Float(-f64::NAN)),
            _ => {}
        }
        match parse_float(&text.replace('_', "")) {
            Ok(value) => Ok(Value::Float(value)),
            Err(NumberError::Range { .. }) => {
                Err(self.error(token.line, format!("{text} is out of range for float64")))
            }
            Err(_) => Err(self.error(token.line, format!("Invalid float value: {}", quote(text)))),
        }
    }

    fn datetime(&self, token: &Token<'_>) -> Outcome<Value> {
        let text = token.text.replace('z', "Z").replace(['t', ' '], "T");
        const FORMS: [(&str, Option<&str>); 7] = [
            ("2006-01-02T15:04:05.999999999Z07:00", None),
            ("2006-01-02T15:04:05.999999999", Some("datetime-local")),
            ("2006-01-02", Some("date-local")),
            ("15:04:05.999999999", Some("time-local")),
            ("2006-01-02T15:04Z07:00", None),
            ("2006-01-02T15:04", Some("datetime-local")),
            ("15:04", Some("time-local")),
        ];
        for (layout, zone) in FORMS {
            if let Some(time) = dates::parsed_in(layout, &text, zone) {
                if !lacks_leading_zero(&text, layout) {
                    return Ok(time);
                }
                break;
            }
        }
        Err(self.error(token.line, format!("invalid datetime: {}", quote(&text))))
    }

    /// Makes the tables on the way to a key, and the table of the key itself.
    fn add_context(&mut self, key: &[String], is_array: bool) -> Outcome<()> {
        let (last, parents) = key.split_last().expect("keys are not empty");
        let line = self.line;
        let implicit = &mut self.implicit;
        let table = match descend(&mut self.root, parents, |path| {
            implicit.insert(dotted(path));
            true
        }) {
            Ok(table) => table,
            Err(index) => {
                let path = dotted(&parents[..=index]);
                return Err(
                    self.error(line, format!("Key '{path}' was already created as a hash."))
                );
            }
        };
        if is_array {
            let node = table
                .0
                .entry(last.clone())
                .or_insert_with(|| Node::Tables(Vec::new()));
            let Node::Tables(tables) = node else {
                self.context = parents.to_vec();
                let message = format!(
                    "Key '{}' was already created and cannot be used as an array.",
                    dotted(key)
                );
                return Err(self.error(line, message));
            };
            tables.push(Table::new());
            self.context = parents.to_vec();
        } else {
            self.context = parents.to_vec();
            self.set(last, Node::Table(Table::new()))?;
        }
        self.context.push(last.clone());
        Ok(())
    }

    /// Sets a key of the table that is read.
    fn set(&mut self, key: &str, node: Node) -> Outcome<()> {
        let line = self.line;
        let defined = |path: &str| format!("Key '{path}' has already been defined.");
        let path = self.path_of(key);
        let table = match descend(&mut self.root, &self.context, |_| false) {
            Ok(table) => table,
            Err(index) => return Err(self.error(line, defined(&dotted(&self.context[..=index])))),
        };
        if table.0.contains_key(key) {
            let was_implicit = self.implicit.remove(&path);
            if !was_implicit {
                return Err(self.error(line, defined(&path)));
            }
            if self.arrays.contains(&path) {
                table.0.insert(key.to_owned(), node);
            }
            return Ok(());
        }
        table.0.insert(key.to_owned(), node);
        Ok(())
    }

    fn unescaped(&self, token: &Token<'_>, text: &str) -> Outcome<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\\') {
            out.push_str(before);
            let Some(escape) = after.chars().next() else {
                break;
            };
            rest = &after[escape.len_utf8()..];
            let digits = match escape {
                'b' => {
                    out.push('\x08');
                    continue;
                }
                'e' => {
                    out.push('\x1b');
                    continue;
                }
                'f' => {
                    out.push('\x0c');
                    continue;
                }
                'n' => {
                    out.push('\n');
                    continue;
                }
                'r' => {
                    out.push('\r');
                    continue;
                }
                't' => {
                    out.push('\t');
                    continue;
                }
                'x' => 2,
                'u' => 4,
                'U' => 8,
                ' ' | '\t' => {
                    return Err(self.error(token.line, format!("invalid escape: '\\{escape}'")));
                }
                other => {
                    out.push(other);
                    continue;
                }
            };
            let (number, after) = rest.split_at_checked(digits).unwrap_or((rest, ""));
            rest = after;
            let character = u32::from_str_radix(number, 16)
                .ok()
                .and_then(char::from_u32)
                .ok_or_else(|| {
                    self.error(
                        token.line,
                        format!("Escaped character '\\u{number}' is not valid UTF-8."),
                    )
                })?;
            out.push(character);
        }
        out.push_str(rest);
        Ok(out)
    }

    fn next(&mut self) -> Outcome<Token<'a>> {
        self.lexer
            .next_token()
            .map_err(|LexError { message, line }| self.error(line, message))
    }

    fn error(&self, line: usize, message: impl Into<String>) -> TomlError {
        TomlError {
            line,
            last_key: self.last_key(),
            message: message.into(),
        }
    }

    fn last_key(&self) -> String {
        match (self.context.is_empty(), self.current.is_empty()) {
            (_, true) => dotted(&self.context),
            (true, false) => self.current.clone(),
            (false, false) => format!("{}.{}", dotted(&self.context), self.current),
        }
    }

    fn path_of(&self, key: &str) -> String {
        let mut path = self.context.clone();
        path.push(key.to_owned());
        dotted(&path)
    }
}

/// The table at a path; tables are made where `make` says so. Fails with the index of the first key that
/// has no table.
fn descend<'t>(
    root: &'t mut Table,
    path: &[String],
    mut make: impl FnMut(&[String]) -> bool,
) -> Result<&'t mut Table, usize> {
    let mut table = root;
    for (index, part) in path.iter().enumerate() {
        if !table.0.contains_key(part) && make(&path[..=index]) {
            table.0.insert(part.clone(), Node::Table(Table::new()));
        }
        table = match table.0.get_mut(part) {
            Some(Node::Table(table)) => table,
            Some(Node::Tables(tables)) => tables.last_mut().expect("it has a table"),
            Some(Node::Value(_)) | None => return Err(index),
        };
    }
    Ok(table)
}

fn dotted(key: &[String]) -> String {
    super::toml_write::dotted(key)
}

fn without_first_break(text: &str) -> &str {
    text.strip_prefix('\n')
        .or_else(|| text.strip_prefix("\r\n"))
        .unwrap_or(text)
}

/// Without backslashes at the end of lines, and the white space that follows them.
fn without_escaped_breaks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let trimmed = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let space = &after[..after.len() - trimmed.len()];
        if space.contains('\n') {
            rest = trimmed;
        } else {
            out.push('\\');
            // A backslash that is escaped does not escape.
            let kept = usize::from(after.starts_with('\\'));
            out.push_str(&after[..kept]);
            rest = &after[kept..];
        }
    }
    out.push_str(rest);
    out
}

fn underscores_are_fine(text: &str) -> bool {
    if matches!(text, "nan" | "+nan" | "-nan" | "inf" | "+inf" | "-inf") {
        return true;
    }
    let mut accept = false;
    for character in text.chars() {
        if character == '_' && !accept {
            return false;
        }
        accept = character.is_ascii_hexdigit();
    }
    accept
}

fn has_leading_zero(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', second, ..] => !matches!(second, b'b' | b'o' | b'x'),
        [b'-' | b'+', b'0', _, ..] => true,
        _ => false,
    }
}

fn points_are_fine(text: &str) -> bool {
    let mut after_point = false;
    for character in text.chars() {
        if after_point && !character.is_ascii_digit() {
            return false;
        }
        after_point = character == '.';
    }
    !after_point
}

/// Whether the punctuation of a date is not where its layout has it.
fn lacks_leading_zero(text: &str, layout: &str) -> bool {
    layout
        .bytes()
        .zip(text.bytes())
        .take_while(|(expected, _)| !matches!(expected, b'.' | b'Z'))
        .any(|(expected, own)| !expected.is_ascii_digit() && own != expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::funcs::encoding::json::{Style, to_json};

    fn read(text: &str) -> String {
        match from_toml(text.as_bytes()) {
            Ok(map) => {
                let json = to_json(&Value::Map(map), Style::COMPACT).expect("plain data");
                String::from_utf8(json).expect("UTF-8")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn documents() {
        for (text, expected) in [
            ("", "{}"),
            ("a = 1 # c\nb.c = 'x'\n", r#"{"a":1,"b":{"c":"x"}}"#),
            (
                "[t]\nx = [1, [2.5, \"\\u00e9\"],\n]\n",
                r#"{"t":{"x":[1,[2.5,"é"]]}}"#,
            ),
            (
                "[[p]]\na=1\n[p.q]\nz=true\n[[p]]\na=2\n",
                r#"{"p":[{"a":1,"q":{"z":true}},{"a":2}]}"#,
            ),
            (
                "i = { a = 1, b.c = { d = 2 } }",
                r#"{"i":{"a":1,"b":{"c":{"d":2}}}}"#,
            ),
            ("l = [{a = 1}, {b = {}}]", r#"{"l":[{"a":1},{"b":{}}]}"#),
            ("s = \"\"\"\n a \\\n   b\"\"\"\"", r#"{"s":" a b\""}"#),
            (
                "d = 2020-05-06 07:08:09Z",
                r#"{"d":"2020-05-06T07:08:09Z"}"#,
            ),
            (
                "h = 0xfF\no = 0o17\nn = -1_000\n\"q k\" = 1",
                r#"{"h":255,"n":-1000,"o":15,"q k":1}"#,
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn errors() {
        for (text, expected) in [
            (
                "a =",
                "toml: line 1 (last key \"a\"): unexpected EOF; expected value",
            ),
            (
                "a",
                "toml: line 1: unexpected EOF; expected key separator '='",
            ),
            (
                "a = 1\na = 2",
                "toml: line 2 (last key \"a\"): Key 'a' has already been defined.",
            ),
            (
                "a = 01",
                "toml: line 1 (last key \"a\"): Invalid integer \"01\": cannot have leading zeroes",
            ),
            (
                "a b = 1",
                "toml: line 1: expected '.' or '=', but got 'b' instead",
            ),
            (
                "[a\n",
                "toml: line 2: expected '.' or ']' to end table name, but got '\\n' instead",
            ),
            (
                "a = \"x",
                "toml: line 1 (last key \"a\"): unexpected EOF; expected '\"'",
            ),
            (
                "a = \"\\q\"",
                "toml: line 1 (last key \"a\"): invalid escape in string '\\q'",
            ),
            (
                "a = yes",
                "toml: line 1 (last key \"a\"): expected value but found \"yes\" instead",
            ),
            (
                "a = 1 2",
                "toml: line 1: expected a top-level item to end with a newline, comment, or EOF, but got '2' instead",
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
