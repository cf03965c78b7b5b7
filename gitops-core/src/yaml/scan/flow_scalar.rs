//! Scalars in single and double quotes.

use std::borrow::Cow;

use super::{Mark, Scan, Scanner, Token, TokenKind, plain::fold};

impl<'a> Scanner<'a> {
    pub(super) fn scan_flow_scalar(&mut self, single: bool) -> Scan<Token<'a>> {
        let start = self.mark();
        let quote = if single { b'\'' } else { b'"' };
        self.pos += 1;
        let mut owned: Option<String> = None;
        // What is not yet in `owned`.
        let mut from = self.pos;
        let mut more_breaks = String::new();
        loop {
            if self.column() == 0 && self.at_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.at(0) == 0 {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut after_break = false;
            let mut first_break = "";
            loop {
                self.skip_quoted_run(quote);
                let byte = self.at(0);
                if byte == 0 || self.is_blank() || self.is_break() {
                    break;
                }
                if single && byte == b'\'' && self.at(1) == b'\'' {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[from..=self.pos]);
                    self.pos += 2;
                    from = self.pos;
                } else if byte == quote {
                    break;
                } else if byte == b'\\' {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[from..self.pos]);
                    self.pos += 1;
                    if self.skip_break() {
                        from = self.pos;
                        after_break = true;
                        break;
                    }
                    self.pos -= 1;
                    let character = self.scan_escape(start)?;
                    owned.get_or_insert_default().push(character);
                    from = self.pos;
                }
            }
            if self.at(0) == quote {
                break;
            }
            // Blanks within a line are kept, blanks around line breaks are not.
            let blanks = self.pos;
            if after_break {
                from = blanks;
            }
            loop {
                if self.is_blank() {
                    self.pos += 1;
                    if after_break {
                        from = self.pos;
                    }
                } else if let Some(found) = self.take_break() {
                    if after_break {
                        more_breaks.push_str(found);
                    } else {
                        let text = owned.get_or_insert_default();
                        text.push_str(&self.text[from..blanks]);
                        first_break = found;
                        after_break = true;
                    }
                    from = self.pos;
                } else {
                    break;
                }
            }
            if after_break {
                let text = owned.get_or_insert_default();
                fold(text, first_break, &mut more_breaks);
            }
        }
        let last = &self.text[from..self.pos];
        self.pos += 1;
        let value = match owned {
            None => Cow::Borrowed(last),
            Some(mut text) => {
                text.push_str(last);
                Cow::Owned(text)
            }
        };
        Ok(Token {
            kind: TokenKind::Scalar {
                value,
                plain: false,
            },
            start,
            end: self.mark(),
        })
    }

    /// Goes over everything but blanks, line breaks, backslashes and the quote.
    fn skip_quoted_run(&mut self, quote: u8) {
        while let Some(&byte) = self.bytes.get(self.pos) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => return,
                b'\\' if quote == b'"' => return,
                _ if byte == quote => return,
                0xC2 | 0xE2 if self.is_break() => return,
                0x80.. => self.advance(),
                _ => self.pos += 1,
            }
        }
    }

    /// The character a `\` and what follows stand for.
    fn scan_escape(&mut self, start: Mark) -> Scan<char> {
        let digits = match self.at(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let character = match other {
                    b'0' => '\0',
                    b'a' => '\x07',
                    b'b' => '\x08',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\x0B',
                    b'f' => '\x0C',
                    b'r' => '\r',
                    b'e' => '\x1B',
                    b' ' => ' ',
                    b'"' => '"',
                    b'\'' => '\'',
                    b'\\' => '\\',
                    b'N' => '\u{85}',
                    b'_' => '\u{A0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => return Err(self.error(start, "found unknown escape character")),
                };
                self.pos += 2;
                return Ok(character);
            }
        };
        self.pos += 2;
        let mut code: u32 = 0;
        for offset in 0..digits {
            let Some(digit) = char::from(self.at(offset)).to_digit(16) else {
                return Err(self.error(start, "did not find expected hexdecimal number"));
            };
            code = code.wrapping_shl(4) | digit;
        }
        let Some(character) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        self.pos += digits;
        Ok(character)
    }
}
