//! Strings, numbers, dates and booleans.

use gitops_core::go::{quote, quote_rune, unicode::is_letter};

use super::{EOF, Kind, Lexer, Next};

impl Lexer<'_> {
    pub(super) fn string(&mut self) -> Next {
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

    pub(super) fn raw_string(&mut self) -> Next {
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
    pub(super) fn multiline_string(&mut self, mark: char) -> Next {
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
    pub(super) fn multiline_escape(&mut self) -> Option<()> {
        if matches!(self.next(), '\n' | '\r') {
            return Some(());
        }
        self.back();
        self.escape()
    }

    /// What follows a backslash; None after an error.
    pub(super) fn escape(&mut self) -> Option<()> {
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

    pub(super) fn number_or_date(&mut self, first: char) -> Next {
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

    pub(super) fn decimal_number(&mut self) -> Next {
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

    pub(super) fn float(&mut self) -> Next {
        self.rest_of(Kind::Float, |c| {
            c.is_ascii_digit() || matches!(c, '_' | '.' | '-' | '+' | 'e' | 'E')
        })
    }

    pub(super) fn signed_number(&mut self) -> Next {
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
            _ => self.error(format!("expected a digit but got {}", quote_rune(next))),
        }
    }

    pub(super) fn boolean(&mut self) -> Next {
        while is_letter(self.next()) {}
        self.back();
        if matches!(self.current(), "true" | "false") {
            self.emit(Kind::Bool);
            return self.stack.pop();
        }
        let message = format!("expected value but found {} instead", quote(self.current()));
        self.error(message)
    }

    pub(super) fn rest_of(&mut self, kind: Kind, accepts: impl Fn(char) -> bool) -> Next {
        while accepts(self.next()) {}
        self.back();
        self.emit(kind);
        self.stack.pop()
    }
}
