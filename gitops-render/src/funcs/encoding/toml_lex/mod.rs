//! The tokens of TOML 1.1 as `github.com/BurntSushi/toml` 1.6 finds them, with its error texts.

mod cursor;
mod scalar;

use std::collections::VecDeque;

use gitops_core::go::{quote_rune, unicode::is_letter};

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
                    quote_rune(other)
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
                        quote_rune(other)
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
                quote_rune(other)
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
                let message = format!("expected '.' or '=', but got {} instead", quote_rune(other));
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
            format!("expected value but found {} instead", quote_rune(first))
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
