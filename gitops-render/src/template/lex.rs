//! From the text of a template to its tokens.

use gitops_core::go::unicode::{is_digit, is_letter, is_print};

use super::fmt::quote::unicode_point;

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
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) line: usize,
    /// The message of an error.
    pub(super) message: Option<Box<str>>,
}

impl Token {
    pub(super) fn none() -> Self {
        Self {
            kind: TokenKind::Error,
            start: 0,
            end: 0,
            line: 0,
            message: None,
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
    line: usize,
    start_line: usize,
    is_inside_action: bool,
    is_finished: bool,
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
            line: 1,
            start_line: 1,
            is_inside_action: false,
            is_finished: false,
        }
    }

    pub(super) fn next_token(&mut self) -> Token {
        if self.is_finished {
            return Token {
                kind: TokenKind::Eof,
                start: 0,
                end: 0,
                line: self.start_line,
                message: None,
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
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    fn back(&mut self) {
        self.position -= self.width;
        if self.width == 1 && self.text.get(self.position) == Some(&b'\n') {
            self.line -= 1;
        }
        self.width = 0;
    }

    fn peek(&self) -> Option<char> {
        decode(self.rest()).map(|(character, _)| character)
    }

    fn take(&mut self, kind: TokenKind) -> Token {
        let token = Token {
            kind,
            start: self.start,
            end: self.position,
            line: self.start_line,
            message: None,
        };
        self.start = self.position;
        self.start_line = self.line;
        token
    }

    fn emit(&mut self, kind: TokenKind) -> Step {
        Step::Token(self.take(kind))
    }

    fn count_lines(&mut self) {
        self.line += count_newlines(&self.text[self.start..self.position]);
    }

    /// Skips what is pending and was not read character by character.
    fn skip(&mut self) {
        self.count_lines();
        self.start = self.position;
        self.start_line = self.line;
    }

    fn error(&mut self, message: impl Into<Box<str>>) -> Step {
        let token = Token {
            kind: TokenKind::Error,
            start: self.start,
            end: self.start,
            line: self.start_line,
            message: Some(message.into()),
        };
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
        let Some(offset) = find(self.rest(), LEFT) else {
            self.position = self.text.len();
            if self.position > self.start {
                self.count_lines();
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
            self.count_lines();
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
        let Some(offset) = find(self.rest(), b"*/") else {
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
            '"' => self.quoted('"', TokenKind::String, "unterminated quoted string"),
            '`' => self.raw_quoted(),
            '$' => {
                if self.at_terminator() {
                    return self.emit(TokenKind::Variable);
                }
                self.field_or_variable(TokenKind::Variable)
            }
            '\'' => self.quoted(
                '\'',
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
        let mut count = 0;
        while self.peek().is_some_and(is_space) {
            self.next();
            count += 1;
        }
        let before = self.position - 1;
        let rest = &self.text[before..];
        if has_right_marker(rest) && rest[MARKER..].starts_with(RIGHT) {
            self.position = before;
            if self.text[before] == b'\n' {
                self.line -= 1;
            }
            if count == 1 {
                return Step::RightDelimiter;
            }
        }
        self.emit(TokenKind::Space)
    }

    fn identifier(&mut self) -> Step {
        let next = loop {
            match self.next() {
                Some(character) if is_alphanumeric(character) => {}
                other => {
                    self.back();
                    break other;
                }
            }
        };
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
        let next = loop {
            match self.next() {
                Some(character) if is_alphanumeric(character) => {}
                other => {
                    self.back();
                    break other;
                }
            }
        };
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
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(character) => is_space(character) || self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, quote: char, kind: TokenKind, error: &'static str) -> Step {
        loop {
            match self.next() {
                Some('\\') => match self.next() {
                    None | Some('\n') => return self.error(error),
                    Some(_) => {}
                },
                None | Some('\n') => return self.error(error),
                Some(character) if character == quote => return self.emit(kind),
                Some(_) => {}
            }
        }
    }

    fn raw_quoted(&mut self) -> Step {
        loop {
            match self.next() {
                None => return self.error("unterminated raw quoted string"),
                Some('`') => return self.emit(TokenKind::RawString),
                Some(_) => {}
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

fn find(haystack: &[u8], needle: &[u8; 2]) -> Option<usize> {
    let mut offset = 0;
    loop {
        let found = haystack[offset..].iter().position(|b| *b == needle[0])?;
        offset += found;
        if haystack.get(offset + 1) == Some(&needle[1]) {
            return Some(offset);
        }
        offset += 1;
    }
}

fn count_newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
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

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
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
