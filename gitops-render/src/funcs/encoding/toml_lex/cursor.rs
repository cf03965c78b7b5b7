//! Characters: where the lexer is, and what it gives.

use super::{EOF, Kind, LexError, Lexer, Next, Token};

impl<'a> Lexer<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.input[self.at..]
    }

    pub(super) fn current(&self) -> &'a str {
        &self.input[self.start..self.at]
    }

    pub(super) fn ignore(&mut self) {
        self.start = self.at;
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.next(), ' ' | '\t') {}
        self.back();
        self.ignore();
    }

    /// The next character; [`EOF`] at the end. Characters that TOML does not allow are errors, and are
    /// not passed.
    pub(super) fn next(&mut self) -> char {
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
    pub(super) fn back(&mut self) {
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

    pub(super) fn peek(&mut self) -> char {
        let character = self.next();
        self.back();
        character
    }

    pub(super) fn accept(&mut self, expected: char) -> bool {
        if self.next() == expected {
            return true;
        }
        self.back();
        false
    }

    pub(super) fn emit(&mut self, kind: Kind) {
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

    pub(super) fn error(&mut self, message: impl Into<String>) -> Next {
        let after_break = self.at_eof && self.input[..self.at].ends_with('\n');
        let line = self.line - usize::from(after_break);
        self.fail(message.into(), line);
        None
    }

    pub(super) fn error_on_previous_line(&mut self, message: impl Into<String>) -> Next {
        self.fail(message.into(), self.line - 1);
        None
    }

    pub(super) fn fail(&mut self, message: String, line: usize) {
        self.failed = true;
        self.tokens.push_back(Err(LexError { message, line }));
    }
}
