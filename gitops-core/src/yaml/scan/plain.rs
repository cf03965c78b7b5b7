//! Plain scalars: text without quotes.

use std::borrow::Cow;

use super::{Scan, Scanner, Token, TokenKind};

/// Bytes that need no look at all inside of a plain scalar.
const ORDINARY: [bool; 256] = {
    let mut table = [true; 256];
    let stops = b"\0\t\n\r :,?[]{}";
    let mut i = 0;
    while i < stops.len() {
        table[stops[i] as usize] = false;
        i += 1;
    }
    let mut i = 0x80;
    while i < 0x100 {
        table[i] = false;
        i += 1;
    }
    table
};

impl<'a> Scanner<'a> {
    pub(super) fn scan_plain(&mut self) -> Scan<Token<'a>> {
        let start = self.mark();
        let indent = self.indent + 1;
        let mut end = start;
        let mut folded: Option<String> = None;
        // The part of the current line that belongs to the scalar.
        let (mut from, mut to) = (self.pos, self.pos);
        let mut first_break = "";
        let mut more_breaks = String::new();
        let mut after_break = false;
        loop {
            if (self.column() == 0 && self.at_document_indicator()) || self.at(0) == b'#' {
                break;
            }
            let run = self.pos;
            self.skip_plain_run();
            if self.pos > run {
                if after_break {
                    let folded = folded.get_or_insert_default();
                    folded.push_str(&self.text[from..to]);
                    fold(folded, first_break, &mut more_breaks);
                    from = run;
                    after_break = false;
                }
                to = self.pos;
                end = self.mark();
            }
            if !(self.is_blank() || self.is_break()) {
                break;
            }
            loop {
                if self.is_blank() {
                    if after_break && self.at(0) == b'\t' && (self.column() as isize) < indent {
                        return Err(
                            self.error(start, "found a tab character that violates indentation")
                        );
                    }
                    self.pos += 1;
                } else if let Some(found) = self.take_break() {
                    if after_break {
                        more_breaks.push_str(found);
                    } else {
                        first_break = found;
                        after_break = true;
                    }
                } else {
                    break;
                }
            }
            if self.flow_level == 0 && (self.column() as isize) < indent {
                break;
            }
        }
        if after_break {
            self.simple_key_allowed = true;
        }
        let last = &self.text[from..to];
        let value = match folded {
            None => Cow::Borrowed(last),
            Some(mut text) => {
                text.push_str(last);
                Cow::Owned(text)
            }
        };
        Ok(Token {
            kind: TokenKind::Scalar { value, plain: true },
            start,
            end,
        })
    }

    /// Goes over everything up to a blank, a line break or what ends a plain scalar.
    fn skip_plain_run(&mut self) {
        let in_flow = self.flow_level > 0;
        while let Some(&byte) = self.bytes.get(self.pos) {
            if ORDINARY[usize::from(byte)] {
                self.pos += 1;
                continue;
            }
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => return,
                b':' if self.blank_or_end(1) => return,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if in_flow => return,
                0xC2 | 0xE2 if self.is_break() => return,
                0x80.. => self.advance(),
                _ => self.pos += 1,
            }
        }
    }
}

/// One line break between words is a space; each further one is itself.
pub(super) fn fold(into: &mut String, first_break: &str, more_breaks: &mut String) {
    if first_break != "\n" {
        into.push_str(first_break);
    } else if more_breaks.is_empty() {
        into.push(' ');
    }
    into.push_str(more_breaks);
    more_breaks.clear();
}
