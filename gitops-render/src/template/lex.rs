//! From the text of a template to its tokens.

use gitops_core::go::unicode::{is_digit, is_letter, is_print};
use memchr::memmem;

use super::{ast::Span, fmt::quote::unicode_point};

/// The kinds of tokens. Keywords come after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TokenKind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelimiter,
    LeftParenthesis,
    Number,
    Pipe,
    RawString,
    RightDelimiter,
    RightParenthesis,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl TokenKind {
    pub(super) fn is_keyword(self) -> bool {
        self >= Self::Block
    }
}

fn keyword(word: &[u8]) -> Option<TokenKind> {
    Some(match word {
        b"." => TokenKind::Dot,
        b"block" => TokenKind::Block,
        b"break" => TokenKind::Break,
        b"continue" => TokenKind::Continue,
        b"define" => TokenKind::Define,
        b"else" => TokenKind::Else,
        b"end" => TokenKind::End,
        b"if" => TokenKind::If,
        b"range" => TokenKind::Range,
        b"nil" => TokenKind::Nil,
        b"template" => TokenKind::Template,
        b"with" => TokenKind::With,
        _ => return None,
    })
}

/// A token: where it is and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    /// What stands where nothing was read yet.
    pub(super) const NONE: Self = Self {
        kind: TokenKind::Error,
        start: u32::MAX,
        end: u32::MAX,
    };

    pub(super) fn span(self) -> Span {
        Span {
            start: self.start,
            end: self.end,
        }
    }
}

/// The tokens of a text, one at a time.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    position: usize,
    start: usize,
    width: usize,
    parentheses: i32,
    is_inside_action: bool,
    is_finished: bool,
    left: memmem::Finder<'static>,
    /// What is wrong, where the last token is an error.
    message: Box<str>,
}

const LEFT: &[u8; 2] = b"{{";
const RIGHT: &[u8; 2] = b"}}";
/// The length of a trim marker and the space beside it.
const MARKER: usize = 2;

enum Step {
    Token(Token),
    Text,
    Space,
    RightDelimiter,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            position: 0,
            start: 0,
            width: 0,
            parentheses: 0,
            is_inside_action: false,
            is_finished: false,
            left: memmem::Finder::new(LEFT),
            message: Box::default(),
        }
    }

    /// The message of the error with which the tokens ended.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The line of a token, counted from 1; 0 if there is none.
    pub(super) fn line(&self, token: Token) -> usize {
        let before = self.text.get(..token.start as usize);
        before.map_or(0, |before| 1 + memchr::memchr_iter(b'\n', before).count())
    }

    pub(super) fn next_token(&mut self) -> Token {
        if self.is_finished {
            return Token {
                kind: TokenKind::Eof,
                start: self.start as u32,
                end: self.start as u32,
            };
        }
        let mut step = if self.is_inside_action {
            self.inside_action()
        } else {
            self.text()
        };
        loop {
            step = match step {
                Step::Token(token) => return token,
                Step::Text => self.text(),
                Step::Space => self.space(),
                Step::RightDelimiter => self.right_delimiter(),
            };
        }
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.position..]
    }

    /// The next character; None at the end. A byte that is not UTF-8 reads as U+FFFD.
    fn next(&mut self) -> Option<char> {
        let Some((character, width)) = decode(self.rest()) else {
            self.width = 0;
            return None;
        };
        self.width = width;
        self.position += width;
        Some(character)
    }

    fn back(&mut self) {
        self.position -= self.width;
        self.width = 0;
    }

    fn peek(&self) -> Option<char> {
        decode(self.rest()).map(|(character, _)| character)
    }

    fn take(&mut self, kind: TokenKind) -> Token {
        let token = Token {
            kind,
            start: self.start as u32,
            end: self.position as u32,
        };
        self.start = self.position;
        token
    }

    fn emit(&mut self, kind: TokenKind) -> Step {
        Step::Token(self.take(kind))
    }

    /// Skips what is pending.
    fn skip(&mut self) {
        self.start = self.position;
    }

    #[cold]
    fn error(&mut self, message: impl Into<Box<str>>) -> Step {
        let token = Token {
            kind: TokenKind::Error,
            start: self.start as u32,
            end: self.start as u32,
        };
        self.message = message.into();
        self.is_finished = true;
        Step::Token(token)
    }

    fn accept(&mut self, valid: &str) -> bool {
        match self.next() {
            Some(character) if valid.contains(character) => true,
            _ => {
                self.back();
                false
            }
        }
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn text(&mut self) -> Step {
        let Some(offset) = self.left.find(self.rest()) else {
            self.position = self.text.len();
            if self.position > self.start {
                return self.emit(TokenKind::Text);
            }
            return self.emit(TokenKind::Eof);
        };
        if offset > 0 {
            self.position += offset;
            let trimmed = if has_left_marker(&self.text[self.position + LEFT.len()..]) {
                let text = &self.text[self.start..self.position];
                text.iter()
                    .rev()
                    .take_while(|byte| is_space_byte(**byte))
                    .count()
            } else {
                0
            };
            self.position -= trimmed;
            let token = self.take(TokenKind::Text);
            self.position += trimmed;
            self.skip();
            if token.end > token.start {
                return Step::Token(token);
            }
        }
        self.left_delimiter()
    }

    /// Whether a right delimiter is here, and whether it trims.
    fn at_right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_marker(rest) && rest[MARKER..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn left_delimiter(&mut self) -> Step {
        self.position += LEFT.len();
        let after_marker = if has_left_marker(self.rest()) {
            MARKER
        } else {
            0
        };
        if self.text[self.position + after_marker..].starts_with(b"/*") {
            self.position += after_marker;
            self.skip();
            return self.comment();
        }
        let token = self.take(TokenKind::LeftDelimiter);
        self.is_inside_action = true;
        self.position += after_marker;
        self.skip();
        self.parentheses = 0;
        Step::Token(token)
    }

    fn comment(&mut self) -> Step {
        self.position += 2;
        let Some(offset) = memmem::find(self.rest(), b"*/") else {
            return self.error("unclosed comment");
        };
        self.position += offset + 2;
        let Some(trims) = self.at_right_delimiter() else {
            return self.error("comment ends before closing delimiter");
        };
        if trims {
            self.position += MARKER;
        }
        self.position += RIGHT.len();
        if trims {
            self.position += leading_space(self.rest());
        }
        self.skip();
        Step::Text
    }

    fn right_delimiter(&mut self) -> Step {
        let trims = self.at_right_delimiter() == Some(true);
        if trims {
            self.position += MARKER;
            self.skip();
        }
        self.position += RIGHT.len();
        let token = self.take(TokenKind::RightDelimiter);
        if trims {
            self.position += leading_space(self.rest());
            self.skip();
        }
        self.is_inside_action = false;
        Step::Token(token)
    }

    fn inside_action(&mut self) -> Step {
        if self.at_right_delimiter().is_some() {
            if self.parentheses == 0 {
                return Step::RightDelimiter;
            }
            return self.error("unclosed left paren");
        }
        let Some(character) = self.next() else {
            return self.error("unclosed action");
        };
        match character {
            ' ' | '\t' | '\r' | '\n' => {
                self.back();
                Step::Space
            }
            '=' => self.emit(TokenKind::Assign),
            ':' => {
                if self.next() != Some('=') {
                    return self.error("expected :=");
                }
                self.emit(TokenKind::Declare)
            }
            '|' => self.emit(TokenKind::Pipe),
            '"' => self.quoted(b'"', TokenKind::String, "unterminated quoted string"),
            '`' => self.raw_quoted(),
            '$' => {
                if self.at_terminator() {
                    return self.emit(TokenKind::Variable);
                }
                self.field_or_variable(TokenKind::Variable)
            }
            '\'' => self.quoted(
                b'\'',
                TokenKind::CharConstant,
                "unterminated character constant",
            ),
            '.' if self
                .rest()
                .first()
                .is_some_and(|byte| !byte.is_ascii_digit()) =>
            {
                self.field_or_variable(TokenKind::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.back();
                self.number()
            }
            _ if is_alphanumeric(character) => {
                self.back();
                self.identifier()
            }
            '(' => {
                self.parentheses += 1;
                self.emit(TokenKind::LeftParenthesis)
            }
            ')' => {
                self.parentheses -= 1;
                if self.parentheses < 0 {
                    return self.error("unexpected right paren");
                }
                self.emit(TokenKind::RightParenthesis)
            }
            _ if character.is_ascii() && is_print(character) => self.emit(TokenKind::Char),
            _ => self.error(format!(
                "unrecognized character in action: {}",
                unicode_point(character)
            )),
        }
    }

    fn space(&mut self) -> Step {
        let from = self.position;
        self.position += leading_space(self.rest());
        let before = self.position - 1;
        let rest = &self.text[before..];
        if has_right_marker(rest) && rest[MARKER..].starts_with(RIGHT) {
            let count = self.position - from;
            self.position = before;
            if count == 1 {
                return Step::RightDelimiter;
            }
        }
        self.emit(TokenKind::Space)
    }

    /// Goes over letters, digits and underscores; gives what comes after them.
    fn word(&mut self) -> Option<char> {
        loop {
            let rest = self.rest();
            let plain = rest.iter().take_while(|byte| is_word_byte(**byte));
            self.position += plain.count();
            match self.next() {
                Some(character) if !character.is_ascii() && is_alphanumeric(character) => {}
                other => {
                    self.back();
                    return other;
                }
            }
        }
    }

    fn identifier(&mut self) -> Step {
        let next = self.word();
        if !self.at_terminator() {
            return self.bad_character(next);
        }
        let word = &self.text[self.start..self.position];
        let kind = match keyword(word) {
            Some(kind) => kind,
            None if word == b"true" || word == b"false" => TokenKind::Bool,
            None => TokenKind::Identifier,
        };
        self.emit(kind)
    }

    fn field_or_variable(&mut self, kind: TokenKind) -> Step {
        if self.at_terminator() {
            return self.emit(match kind {
                TokenKind::Variable => TokenKind::Variable,
                _ => TokenKind::Dot,
            });
        }
        let next = self.word();
        if !self.at_terminator() {
            return self.bad_character(next);
        }
        self.emit(kind)
    }

    fn bad_character(&mut self, character: Option<char>) -> Step {
        self.error(format!(
            "bad character {}",
            unicode_point(character.unwrap_or('\0'))
        ))
    }

    /// Whether an identifier may end here.
    fn at_terminator(&self) -> bool {
        match self.rest() {
            [] => true,
            [b'.' | b',' | b'|' | b':' | b')' | b'(', ..] => true,
            [byte, ..] if is_space_byte(*byte) => true,
            rest => rest.starts_with(RIGHT),
        }
    }

    /// A literal that ends with its quote on the same line.
    fn quoted(&mut self, quote: u8, kind: TokenKind, error: &'static str) -> Step {
        loop {
            let Some(offset) = memchr::memchr3(quote, b'\\', b'\n', self.rest()) else {
                return self.error(error);
            };
            self.position += offset + 1;
            match self.text[self.position - 1] {
                b'\n' => return self.error(error),
                b'\\' => match self.rest().first() {
                    None | Some(b'\n') => return self.error(error),
                    Some(_) => self.position += 1,
                },
                _ => return self.emit(kind),
            }
        }
    }

    fn raw_quoted(&mut self) -> Step {
        match memchr::memchr(b'`', self.rest()) {
            None => self.error("unterminated raw quoted string"),
            Some(offset) => {
                self.position += offset + 1;
                self.emit(TokenKind::RawString)
            }
        }
    }

    fn number(&mut self) -> Step {
        if !self.scan_number() {
            return self.bad_number();
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || self.text[self.position - 1] != b'i' {
                return self.bad_number();
            }
            return self.emit(TokenKind::Complex);
        }
        self.emit(TokenKind::Number)
    }

    fn bad_number(&mut self) -> Step {
        let text = gitops_core::go::quote(&self.text[self.start..self.position]);
        self.error(format!("bad number syntax: {text}"))
    }

    /// Takes what looks like a number; false if a letter follows.
    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits.len() == 10 + 1 && self.accept("eE") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        if digits.len() == 16 + 6 + 1 && self.accept("pP") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// The first character of a text and its length.
pub(super) fn decode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((char::from(first), 1));
    }
    let window = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    Some(match valid.chars().next() {
        Some(character) => (character, character.len_utf8()),
        None => (char::REPLACEMENT_CHARACTER, 1),
    })
}

fn leading_space(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| is_space_byte(**byte))
        .count()
}

fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_alphanumeric(character: char) -> bool {
    character == '_' || is_letter(character) || is_digit(character)
}

fn has_left_marker(bytes: &[u8]) -> bool {
    matches!(bytes, [b'-', space, ..] if is_space_byte(*space))
}

fn has_right_marker(bytes: &[u8]) -> bool {
    matches!(bytes, [space, b'-', ..] if is_space_byte(*space))
}
