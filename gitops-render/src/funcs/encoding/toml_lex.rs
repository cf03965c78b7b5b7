//! The tokens of TOML 1.1 as `github.com/BurntSushi/toml` 1.6 finds them, with its error texts.

use std::collections::VecDeque;

use gitops_core::go::{quote, unicode::is_letter};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Eof,
    Text,
    String,
    StringWithEscapes,
    RawString,
    MultilineString,
    RawMultilineString,
    Bool,
    Integer,
    Float,
    Datetime,
    Array,
    ArrayEnd,
    TableStart,
    TableEnd,
    ArrayTableStart,
    ArrayTableEnd,
    KeyStart,
    KeyEnd,
    CommentStart,
    InlineTableStart,
    InlineTableEnd,
}

/// A token and the line on which it ends.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// What is wrong, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LexError {
    pub(super) message: String,
    pub(super) line: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Top,
    TopEnd,
    TableStart,
    TableEnd,
    ArrayTableEnd,
    TableNameStart,
    TableNameEnd,
    BareName,
    QuotedName,
    KeyStart,
    KeyNameStart,
    KeyEnd,
    Value,
    ArrayValue,
    ArrayValueEnd,
    InlineTableValue,
    InlineTableValueEnd,
    Comment,
    Done,
}

/// Cuts a text into tokens.
pub(super) struct Lexer<'a> {
    input: &'a str,
    start: usize,
    at: usize,
    line: usize,
    at_eof: bool,
    state: State,
    stack: Vec<State>,
    tokens: VecDeque<Result<Token<'a>, LexError>>,
    failed: bool,
    /// Whether the last character was not passed because it is wrong.
    stuck: bool,
}

/// The end of the input, where a character is asked for.
const EOF: char = '\0';

/// What a state gives: the next one, or None after an error.
type Next = Option<State>;

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self {
            input,
            start: 0,
            at: 0,
            line: 1,
            at_eof: false,
            state: State::Top,
            stack: Vec::new(),
            tokens: VecDeque::new(),
            failed: false,
            stuck: false,
        }
    }

    /// The next token.
    pub(super) fn next_token(&mut self) -> Result<Token<'a>, LexError> {
        loop {
            if let Some(token) = self.tokens.pop_front() {
                return token;
            }
            self.state = self.step(self.state).unwrap_or(State::Done);
        }
    }

    /// Whether all of the text was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.input.len()
    }

    fn step(&mut self, state: State) -> Next {
        match state {
            State::Top => self.top(),
            State::TopEnd => self.top_end(),
            State::TableStart => {
                if self.peek() == '[' {
                    self.next();
                    self.emit(Kind::ArrayTableStart);
                    self.stack.push(State::ArrayTableEnd);
                } else {
                    self.emit(Kind::TableStart);
                    self.stack.push(State::TableEnd);
                }
                Some(State::TableNameStart)
            }
            State::TableEnd => {
                self.emit(Kind::TableEnd);
                Some(State::TopEnd)
            }
            State::ArrayTableEnd => match self.next() {
                ']' => {
                    self.emit(Kind::ArrayTableEnd);
                    Some(State::TopEnd)
                }
                other => self.error(format!(
                    "expected end of table array name delimiter ']', but got {} instead",
                    quote_character(other)
                )),
            },
            State::TableNameStart => self.table_name_start(),
            State::TableNameEnd => {
                self.skip_space();
                match self.next() {
                    '.' => {
                        self.ignore();
                        Some(State::TableNameStart)
                    }
                    ']' => self.stack.pop(),
                    other => self.error(format!(
                        "expected '.' or ']' to end table name, but got {} instead",
                        quote_character(other)
                    )),
                }
            }
            State::BareName => {
                while is_bare(self.next()) {}
                self.back();
                self.emit(Kind::Text);
                self.stack.pop()
            }
            State::QuotedName => {
                let quote = self.next();
                self.ignore();
                if quote == '"' {
                    self.string()
                } else {
                    self.raw_string()
                }
            }
            State::KeyStart => {
                self.skip_space();
                match self.peek() {
                    '=' | EOF => self.error("unexpected '=': key name appears blank"),
                    '.' => self.error("unexpected '.': keys cannot start with a '.'"),
                    _ => {
                        self.emit(Kind::KeyStart);
                        Some(State::KeyNameStart)
                    }
                }
            }
            State::KeyNameStart => {
                self.skip_space();
                match self.peek() {
                    '=' | EOF => self.error("unexpected '='"),
                    '.' => self.error("unexpected '.'"),
                    '"' | '\'' => {
                        self.stack.push(State::KeyEnd);
                        Some(State::QuotedName)
                    }
                    _ => {
                        self.stack.push(State::KeyEnd);
                        Some(State::BareName)
                    }
                }
            }
            State::KeyEnd => self.key_end(),
            State::Value => self.value(),
            State::ArrayValue => self.array_value(),
            State::ArrayValueEnd => self.array_value_end(),
            State::InlineTableValue => self.inline_table_value(),
            State::InlineTableValueEnd => self.inline_table_value_end(),
            State::Comment => {
                while !matches!(self.next(), '\n' | '\r' | EOF) && !self.failed {}
                self.back();
                self.emit(Kind::Text);
                self.stack.pop()
            }
            State::Done => self.error("unexpected EOF"),
        }
    }

    fn top(&mut self) -> Next {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => {
                self.ignore();
                Some(State::Top)
            }
            '#' => self.comment(State::Top),
            '[' => Some(State::TableStart),
            EOF => {
                if self.at > self.start {
                    return self.error("unexpected EOF");
                }
                self.emit(Kind::Eof);
                None
            }
            _ => {
                self.back();
                self.stack.push(State::TopEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn top_end(&mut self) -> Next {
        match self.next() {
            '#' => self.comment(State::Top),
            ' ' | '\t' => Some(State::TopEnd),
            '\n' | '\r' => {
                self.ignore();
                Some(State::Top)
            }
            EOF => {
                self.emit(Kind::Eof);
                None
            }
            other => self.error(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                quote_character(other)
            )),
        }
    }

    fn table_name_start(&mut self) -> Next {
        self.skip_space();
        match self.peek() {
            ']' | EOF => self.error("unexpected end of table name (table names cannot be empty)"),
            '.' => self.error("unexpected table separator (table names cannot be empty)"),
            '"' | '\'' => {
                self.ignore();
                self.stack.push(State::TableNameEnd);
                Some(State::QuotedName)
            }
            _ => {
                self.stack.push(State::TableNameEnd);
                Some(State::BareName)
            }
        }
    }

    fn key_end(&mut self) -> Next {
        self.skip_space();
        match self.next() {
            EOF => self.error("unexpected EOF; expected key separator '='"),
            '.' => {
                self.ignore();
                Some(State::KeyNameStart)
            }
            '=' => {
                self.emit(Kind::KeyEnd);
                self.ignore();
                Some(State::Value)
            }
            other => {
                let message = format!(
                    "expected '.' or '=', but got {} instead",
                    quote_character(other)
                );
                if other == '\n' {
                    self.error_on_previous_line(message)
                } else {
                    self.error(message)
                }
            }
        }
    }

    fn value(&mut self) -> Next {
        let first = self.next();
        match first {
            ' ' | '\t' => {
                self.ignore();
                return Some(State::Value);
            }
            '0'..='9' => return self.number_or_date(first),
            '[' => {
                self.ignore();
                self.emit(Kind::Array);
                return Some(State::ArrayValue);
            }
            '{' => {
                self.ignore();
                self.emit(Kind::InlineTableStart);
                return Some(State::InlineTableValue);
            }
            '"' | '\'' => {
                let marks: String = std::iter::repeat_n(first, 2).collect();
                if self.rest().starts_with(&marks) {
                    self.next();
                    self.next();
                    self.ignore();
                    return self.multiline_string(first);
                }
                self.ignore();
                return if first == '"' {
                    self.string()
                } else {
                    self.raw_string()
                };
            }
            '.' => return self.error("floats must start with a digit, not '.'"),
            'i' | 'n'
                if (self.accept('n') && self.accept('f'))
                    || (self.accept('a') && self.accept('n')) =>
            {
                self.emit(Kind::Float);
                return self.stack.pop();
            }
            '-' | '+' => return self.signed_number(),
            _ => {}
        }
        if is_letter(first) {
            self.back();
            return self.boolean();
        }
        let message = if first == EOF {
            "unexpected EOF; expected value".to_owned()
        } else {
            format!(
                "expected value but found {} instead",
                quote_character(first)
            )
        };
        if first == '\n' {
            return self.error_on_previous_line(message);
        }
        self.error(message)
    }

    fn array_value(&mut self) -> Next {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => {
                self.ignore();
                Some(State::ArrayValue)
            }
            '#' => self.comment(State::ArrayValue),
            ',' => self.error("unexpected comma"),
            ']' => self.end(Kind::ArrayEnd),
            _ => {
                self.back();
                self.stack.push(State::ArrayValueEnd);
                Some(State::Value)
            }
        }
    }

    fn array_value_end(&mut self) -> Next {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => {
                self.ignore();
                Some(State::ArrayValueEnd)
            }
            '#' => self.comment(State::ArrayValueEnd),
            ',' => {
                self.ignore();
                Some(State::ArrayValue)
            }
            ']' => self.end(Kind::ArrayEnd),
            other => self.error(format!(
                "expected a comma (',') or array terminator (']'), but got {}",
                character_or_end(other)
            )),
        }
    }

    fn inline_table_value(&mut self) -> Next {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => {
                self.ignore();
                Some(State::InlineTableValue)
            }
            '#' => self.comment(State::InlineTableValue),
            ',' => self.error("unexpected comma"),
            '}' => self.end(Kind::InlineTableEnd),
            _ => {
                self.back();
                self.stack.push(State::InlineTableValueEnd);
                Some(State::KeyStart)
            }
        }
    }

    fn inline_table_value_end(&mut self) -> Next {
        match self.next() {
            ' ' | '\t' | '\n' | '\r' => {
                self.ignore();
                Some(State::InlineTableValueEnd)
            }
            '#' => self.comment(State::InlineTableValueEnd),
            ',' => {
                self.ignore();
                self.skip_space();
                if self.peek() == '}' {
                    return Some(State::InlineTableValueEnd);
                }
                Some(State::InlineTableValue)
            }
            '}' => self.end(Kind::InlineTableEnd),
            other => self.error(format!(
                "expected a comma or an inline table terminator '}}', but got {} instead",
                character_or_end(other)
            )),
        }
    }

    fn end(&mut self, kind: Kind) -> Next {
        self.ignore();
        self.emit(kind);
        self.stack.pop()
    }

    fn comment(&mut self, after: State) -> Next {
        self.stack.push(after);
        self.ignore();
        self.emit(Kind::CommentStart);
        Some(State::Comment)
    }

    fn string(&mut self) -> Next {
        let mut has_escapes = false;
        loop {
            match self.next() {
                _ if self.failed => return None,
                EOF => return self.error("unexpected EOF; expected '\"'"),
                '\n' | '\r' => {
                    return self.error_on_previous_line("strings cannot contain newlines");
                }
                '\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                '"' => {
                    self.back();
                    self.emit(if has_escapes {
                        Kind::StringWithEscapes
                    } else {
                        Kind::String
                    });
                    self.next();
                    self.ignore();
                    return self.stack.pop();
                }
                _ => {}
            }
        }
    }

    fn raw_string(&mut self) -> Next {
        loop {
            match self.next() {
                _ if self.failed => return None,
                EOF => return self.error("unexpected EOF; expected \"'\""),
                '\n' | '\r' => {
                    return self.error_on_previous_line("strings cannot contain newlines");
                }
                '\'' => {
                    self.back();
                    self.emit(Kind::RawString);
                    self.next();
                    self.ignore();
                    return self.stack.pop();
                }
                _ => {}
            }
        }
    }

    /// Up to three marks; one or two more before them belong to the string.
    fn multiline_string(&mut self, mark: char) -> Next {
        let three: String = std::iter::repeat_n(mark, 3).collect();
        loop {
            let character = self.next();
            match character {
                _ if self.failed => return None,
                EOF if mark == '"' => return self.error("unexpected EOF; expected '\"\"\"'"),
                EOF => return self.error("unexpected EOF; expected \"'''\""),
                '\\' if mark == '"' => self.multiline_escape()?,
                _ if character == mark => {
                    self.back();
                    let run = self.rest().chars().take_while(|&c| c == mark).count();
                    if run < 3 {
                        for _ in 0..run {
                            self.next();
                        }
                        continue;
                    }
                    if run > 5 {
                        for _ in 0..5 {
                            self.next();
                        }
                        let six: String = std::iter::repeat_n(mark, 6).collect();
                        return self.error(if mark == '"' {
                            format!("unexpected '{six}'")
                        } else {
                            format!("unexpected \"{six}\"")
                        });
                    }
                    for _ in 3..run {
                        self.next();
                    }
                    self.emit(if mark == '"' {
                        Kind::MultilineString
                    } else {
                        Kind::RawMultilineString
                    });
                    debug_assert!(self.rest().starts_with(&three), "marks end the string");
                    for _ in 0..3 {
                        self.next();
                    }
                    self.ignore();
                    return self.stack.pop();
                }
                _ => {}
            }
        }
    }

    /// What follows a backslash, which may be the end of a line.
    fn multiline_escape(&mut self) -> Option<()> {
        if matches!(self.next(), '\n' | '\r') {
            return Some(());
        }
        self.back();
        self.escape()
    }

    /// What follows a backslash; None after an error.
    fn escape(&mut self) -> Option<()> {
        let (count, name, prefix) = match self.next() {
            'e' | 'b' | 't' | 'n' | 'f' | 'r' | '"' | ' ' | '\t' | '\\' => return Some(()),
            'x' => (2, "two", "\\x"),
            'u' => (4, "four", "\\u"),
            'U' => (8, "eight", "\\U"),
            other => {
                let message = format!("invalid escape in string '\\{other}'");
                if self.at_eof {
                    self.error_on_previous_line(message);
                } else {
                    self.error(message);
                }
                return None;
            }
        };
        for _ in 0..count {
            if !self.next().is_ascii_hexdigit() {
                let current = quote(self.current());
                self.error(format!(
                    "expected {name} hexadecimal digits after '{prefix}', but got {current} instead"
                ));
                return None;
            }
        }
        Some(())
    }

    fn number_or_date(&mut self, first: char) -> Next {
        let mut next = self.next();
        if first == '0' {
            let (name, is_digit): (&str, fn(char) -> bool) = match next {
                'b' => ("a binary", |c| matches!(c, '0' | '1')),
                'o' => ("an octal", |c| matches!(c, '0'..='7')),
                'x' => ("a hexadecimal", |c| c.is_ascii_hexdigit()),
                _ => ("", |_| false),
            };
            if !name.is_empty() {
                let digit = self.peek();
                if !is_digit(digit) {
                    let current = self.current();
                    return self.error(format!("not {name} number: '{current}{digit}'"));
                }
                return self.rest_of(Kind::Integer, |c| is_digit(c) || c == '_');
            }
        }
        while next.is_ascii_digit() {
            next = self.next();
        }
        match next {
            '-' | ':' => self.rest_of(Kind::Datetime, |c| {
                c.is_ascii_digit()
                    || matches!(c, '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+')
            }),
            '_' => self.decimal_number(),
            '.' | 'e' | 'E' => self.float(),
            _ => {
                self.back();
                self.emit(Kind::Integer);
                self.stack.pop()
            }
        }
    }

    fn decimal_number(&mut self) -> Next {
        loop {
            match self.next() {
                '0'..='9' | '_' => {}
                '.' | 'e' | 'E' => return self.float(),
                _ => {
                    self.back();
                    self.emit(Kind::Integer);
                    return self.stack.pop();
                }
            }
        }
    }

    fn float(&mut self) -> Next {
        self.rest_of(Kind::Float, |c| {
            c.is_ascii_digit() || matches!(c, '_' | '.' | '-' | '+' | 'e' | 'E')
        })
    }

    fn signed_number(&mut self) -> Next {
        let next = self.next();
        match next {
            'i' | 'n' => {
                let (second, third) = if next == 'i' { ('n', 'f') } else { ('a', 'n') };
                if !self.accept(second) || !self.accept(third) {
                    let message = format!("invalid float: '{}'", self.current());
                    return self.error(message);
                }
                self.emit(Kind::Float);
                self.stack.pop()
            }
            '0' if matches!(self.peek(), 'b' | 'o' | 'x') => {
                let base = self.peek();
                let message = format!(
                    "cannot use sign with non-decimal numbers: '{}{base}'",
                    self.current()
                );
                self.error(message)
            }
            '.' => self.error("floats must start with a digit, not '.'"),
            '0'..='9' => self.decimal_number(),
            _ => self.error(format!(
                "expected a digit but got {}",
                quote_character(next)
            )),
        }
    }

    fn boolean(&mut self) -> Next {
        while is_letter(self.next()) {}
        self.back();
        if matches!(self.current(), "true" | "false") {
            self.emit(Kind::Bool);
            return self.stack.pop();
        }
        let message = format!("expected value but found {} instead", quote(self.current()));
        self.error(message)
    }

    fn rest_of(&mut self, kind: Kind, accepts: impl Fn(char) -> bool) -> Next {
        while accepts(self.next()) {}
        self.back();
        self.emit(kind);
        self.stack.pop()
    }

    fn rest(&self) -> &'a str {
        &self.input[self.at..]
    }

    fn current(&self) -> &'a str {
        &self.input[self.start..self.at]
    }

    fn ignore(&mut self) {
        self.start = self.at;
    }

    fn skip_space(&mut self) {
        while matches!(self.next(), ' ' | '\t') {}
        self.back();
        self.ignore();
    }

    /// The next character; [`EOF`] at the end. Characters that TOML does not allow are errors, and are
    /// not passed.
    fn next(&mut self) -> char {
        let Some(character) = self.rest().chars().next() else {
            self.at_eof = true;
            return EOF;
        };
        let lone_return = character == '\r' && !self.rest().starts_with("\r\n");
        if (character.is_ascii_control() && !matches!(character, '\t' | '\n' | '\r')) || lone_return
        {
            if !self.failed {
                let message = format!(
                    "TOML files cannot contain control characters: '0x{:02x}'",
                    u32::from(character)
                );
                self.fail(message, self.line);
            }
            self.stuck = true;
            return char::REPLACEMENT_CHARACTER;
        }
        if character == '\n' {
            self.line += 1;
        }
        self.at += character.len_utf8();
        character
    }

    /// Undoes the last [`Self::next`].
    fn back(&mut self) {
        if std::mem::take(&mut self.at_eof) || std::mem::take(&mut self.stuck) {
            return;
        }
        let Some(last) = self.input[..self.at].chars().next_back() else {
            return;
        };
        self.at -= last.len_utf8();
        if last == '\n' {
            self.line -= 1;
        }
    }

    fn peek(&mut self) -> char {
        let character = self.next();
        self.back();
        character
    }

    fn accept(&mut self, expected: char) -> bool {
        if self.next() == expected {
            return true;
        }
        self.back();
        false
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.current();
        let text = if kind == Kind::Datetime {
            text.trim()
        } else {
            text
        };
        self.tokens.push_back(Ok(Token {
            kind,
            text,
            line: self.line,
        }));
        self.ignore();
    }

    fn error(&mut self, message: impl Into<String>) -> Next {
        let after_break = self.at_eof && self.input[..self.at].ends_with('\n');
        let line = self.line - usize::from(after_break);
        self.fail(message.into(), line);
        None
    }

    fn error_on_previous_line(&mut self, message: impl Into<String>) -> Next {
        self.fail(message.into(), self.line - 1);
        None
    }

    fn fail(&mut self, message: String, line: usize) {
        self.failed = true;
        self.tokens.push_back(Err(LexError { message, line }));
    }
}

fn is_bare(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

fn character_or_end(character: char) -> String {
    if character == EOF {
        "end of file".to_owned()
    } else {
        format!("'{character}'")
    }
}

/// `%q` of a character.
fn quote_character(character: char) -> String {
    match character {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => {
            let quoted = quote(character.encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}
