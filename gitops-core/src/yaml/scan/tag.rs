//! Tags and directives.

use super::{Mark, Scan, Scanner, Token, TokenKind, is_word};

impl<'a> Scanner<'a> {
    pub(super) fn scan_directive(&mut self) -> Scan<Token<'a>> {
        let start = self.mark();
        self.pos += 1;
        let from = self.pos;
        while is_word(self.at(0)) {
            self.pos += 1;
        }
        let name = &self.text[from..self.pos];
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.blank_or_end(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name {
            "YAML" => {
                self.skip_blanks();
                let major = self.scan_version_number(start)?;
                if self.at(0) != b'.' {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.pos += 1;
                let minor = self.scan_version_number(start)?;
                TokenKind::VersionDirective { major, minor }
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.scan_tag_handle(true, start)?;
                if !self.is_blank() {
                    return Err(self.error(start, "did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.scan_tag_uri("", start)?;
                if !self.blank_or_end(0) {
                    return Err(self.error(start, "did not find expected whitespace or line break"));
                }
                TokenKind::TagDirective(Box::new((handle, prefix)))
            }
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        let end = self.mark();
        self.skip_blanks();
        if self.at(0) == b'#' {
            self.skip_line();
        }
        if self.at(0) != 0 && !self.skip_break() {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        Ok(Token { kind, start, end })
    }

    fn scan_version_number(&mut self, start: Mark) -> Scan<u8> {
        let from = self.pos;
        let mut number = 0;
        while self.at(0).is_ascii_digit() {
            if self.pos - from == 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            number = number * 10 + (self.at(0) - b'0');
            self.pos += 1;
        }
        if self.pos == from {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(number)
    }

    pub(super) fn scan_tag(&mut self) -> Scan<Token<'a>> {
        let start = self.mark();
        let (handle, suffix) = if self.at(1) == b'<' {
            self.pos += 2;
            let suffix = self.scan_tag_uri("", start)?;
            if self.at(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.pos += 1;
            (String::new(), suffix)
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                (handle, suffix)
            } else {
                // Not a handle: what was read is the beginning of the suffix.
                let suffix = self.scan_tag_uri(&handle, start)?;
                if suffix.is_empty() {
                    (suffix, "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !self.blank_or_end(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        let end = self.mark();
        Ok(Token {
            kind: TokenKind::Tag(Box::new((handle, suffix))),
            start,
            end,
        })
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Scan<String> {
        if self.at(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        let from = self.pos;
        self.pos += 1;
        while is_word(self.at(0)) {
            self.pos += 1;
        }
        if self.at(0) == b'!' {
            self.pos += 1;
        } else if directive && self.pos - from != 1 {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(self.text[from..self.pos].to_owned())
    }

    /// Reads a URI with `%` escapes. `head` is a `!` and characters that belong to the URI.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Scan<String> {
        let mut uri = head.get(1..).unwrap_or("").as_bytes().to_vec();
        let from = self.pos;
        loop {
            let byte = self.at(0);
            if byte == b'%' {
                self.scan_uri_escapes(&mut uri, start)?;
            } else if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
                uri.push(byte);
                self.pos += 1;
            } else {
                break;
            }
        }
        if self.pos == from && head.is_empty() {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    fn scan_uri_escapes(&mut self, uri: &mut Vec<u8>, start: Mark) -> Scan<()> {
        let mut left = None;
        while left != Some(0) {
            let digits = (self.at(0) == b'%')
                .then(|| {
                    let high = char::from(self.at(1)).to_digit(16)?;
                    let low = char::from(self.at(2)).to_digit(16)?;
                    u8::try_from(high * 16 + low).ok()
                })
                .flatten();
            let Some(octet) = digits else {
                return Err(self.error(start, "did not find URI escaped octet"));
            };
            left = Some(match left {
                None => match octet {
                    0x00..=0x7F => 0,
                    0xC0..=0xDF => 1,
                    0xE0..=0xEF => 2,
                    0xF0..=0xF7 => 3,
                    _ => {
                        return Err(self.error(start, "found an incorrect leading UTF-8 octet"));
                    }
                },
                Some(left) => {
                    if octet & 0xC0 != 0x80 {
                        return Err(self.error(start, "found an incorrect trailing UTF-8 octet"));
                    }
                    left - 1
                }
            });
            uri.push(octet);
            self.pos += 3;
        }
        Ok(())
    }
}
