//! Writing strings in each style.

use super::{
    Emitter,
    analyze::{Analysis, Style, break_width, is_printable, width},
};

impl Emitter {
    /// Writes a scalar where the value is due. `foldable` scalars may go over several lines.
    pub(super) fn scalar(&mut self, text: &str, style: Style, analysis: Analysis, foldable: bool) {
        let outer_indent = self.indent;
        self.increase_indent(true);
        match style {
            Style::Plain => self.write_plain(text, analysis, foldable),
            Style::SingleQuoted => self.write_single_quoted(text, analysis, foldable),
            Style::DoubleQuoted => self.write_double_quoted(text, foldable),
            Style::Literal => self.write_literal(text, analysis),
        }
        self.indent = outer_indent;
    }

    fn write_plain(&mut self, text: &str, analysis: Analysis, foldable: bool) {
        if !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
        if !foldable || self.fits(text) {
            self.write_run(text, analysis.simple);
        } else if analysis.simple {
            self.write_words(text, false);
        } else {
            self.write_folded(text, false, foldable);
        }
        self.whitespace = false;
        self.indention = false;
    }

    fn write_single_quoted(&mut self, text: &str, analysis: Analysis, foldable: bool) {
        self.indicator("'", true, false);
        if !analysis.simple || analysis.multiline || text.contains('\'') {
            self.write_folded(text, true, foldable);
        } else if !foldable || self.fits(text) {
            self.write_run(text, true);
        } else {
            self.write_words(text, true);
        }
        self.indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn fits(&self, text: &str) -> bool {
        text.len() <= self.dialect.best_width().saturating_sub(self.column)
    }

    /// Writes text of simple characters without line breaks over several lines.
    fn write_words(&mut self, text: &str, quoted: bool) {
        let bytes = text.as_bytes();
        let best_width = self.dialect.best_width();
        let mut from = 0;
        for at in memchr::memchr_iter(b' ', bytes) {
            let inner = !quoted || (at > 0 && at < bytes.len() - 1);
            let single = (at == 0 || bytes[at - 1] != b' ') && bytes.get(at + 1) != Some(&b' ');
            if inner && single && self.column + (at - from) > best_width {
                self.out.push_str(&text[from..at]);
                self.column += at - from;
                self.indention = false;
                self.write_indent();
                from = at + 1;
            }
        }
        self.write_run(&text[from..], true);
    }

    fn write_folded(&mut self, text: &str, quoted: bool, foldable: bool) {
        let bytes = text.as_bytes();
        let mut spaces = false;
        let mut breaks = false;
        let mut at = 0;
        while at < bytes.len() {
            let first = bytes[at];
            let break_bytes = break_width(&bytes[at..]);
            if first == b' ' {
                let inner = !quoted || (at > 0 && at < bytes.len() - 1);
                if foldable
                    && !spaces
                    && self.column > self.dialect.best_width()
                    && inner
                    && bytes.get(at + 1) != Some(&b' ')
                {
                    self.write_indent();
                } else {
                    self.out.push(' ');
                    self.column += 1;
                }
                at += 1;
                spaces = true;
            } else if break_bytes > 0 {
                if !breaks && first == b'\n' {
                    self.put_break();
                }
                self.write_break(&text[at..at + break_bytes]);
                at += break_bytes;
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if quoted && first == b'\'' {
                    self.out.push('\'');
                    self.column += 1;
                }
                let next = at + width(first);
                self.out.push_str(&text[at..next]);
                self.column += 1;
                at = next;
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    fn write_double_quoted(&mut self, text: &str, foldable: bool) {
        self.indicator("\"", true, false);
        let bytes = text.as_bytes();
        // libyaml looks for a byte order mark at the beginning of the text, wherever it is.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut spaces = false;
        let mut at = 0;
        while at < bytes.len() {
            let first = bytes[at];
            let rest = &bytes[at..];
            let next = at + width(first);
            let escaped = escape_all
                || matches!(first, b'"' | b'\\')
                || !is_printable(rest)
                || break_width(rest) > 0;
            if escaped {
                let character = text[at..].chars().next().unwrap_or_default();
                self.write_escape(character);
                spaces = false;
            } else if first == b' ' {
                if foldable
                    && !spaces
                    && self.column > self.dialect.best_width()
                    && at > 0
                    && at < bytes.len() - 1
                {
                    self.write_indent();
                    if bytes[at + 1] == b' ' {
                        self.out.push('\\');
                        self.column += 1;
                    }
                } else {
                    self.out.push(' ');
                    self.column += 1;
                }
                spaces = true;
            } else {
                self.out.push_str(&text[at..next]);
                self.column += 1;
                spaces = false;
            }
            at = next;
        }
        self.indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_escape(&mut self, character: char) {
        let before = self.out.len();
        self.out.push('\\');
        let short = match character {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0B' => 'v',
            '\x0C' => 'f',
            '\r' => 'r',
            '\x1B' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{A0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => '\0',
        };
        if short != '\0' {
            self.out.push(short);
        } else {
            let code = u32::from(character);
            let (letter, digits) = match code {
                0..=0xFF => ('x', 2),
                0x100..=0xFFFF => ('u', 4),
                _ => ('U', 8),
            };
            self.out.push(letter);
            for digit in (0..digits).rev() {
                let nibble = (code >> (digit * 4)) & 0xF;
                let hex = char::from_digit(nibble, 16).unwrap_or('0');
                self.out.push(hex.to_ascii_uppercase());
            }
        }
        self.column += self.out.len() - before;
    }

    fn write_literal(&mut self, text: &str, analysis: Analysis) {
        self.indicator("|", true, false);
        let bytes = text.as_bytes();
        if bytes.first() == Some(&b' ') || break_width(bytes) > 0 {
            self.indicator("2", false, false);
        }
        let mut characters = text.chars().rev();
        let ends_with_break = characters.next().is_some_and(is_break);
        if !ends_with_break {
            self.indicator("-", false, false);
        } else if characters.next().is_none_or(is_break) {
            self.indicator("+", false, false);
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        let mut at = 0;
        while at < bytes.len() {
            let break_bytes = break_width(&bytes[at..]);
            if break_bytes > 0 {
                self.write_break(&text[at..at + break_bytes]);
                at += break_bytes;
                self.indention = true;
                breaks = true;
                continue;
            }
            if breaks {
                self.write_indent();
                breaks = false;
            }
            let from = at;
            if analysis.simple {
                at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
            } else {
                while at < bytes.len() && break_width(&bytes[at..]) == 0 {
                    at += 1;
                }
            }
            self.write_run(&text[from..at], analysis.simple);
            self.indention = false;
        }
    }

    /// Writes text in which nothing needs a look.
    fn write_run(&mut self, text: &str, simple: bool) {
        self.out.push_str(text);
        self.column += if simple {
            text.len()
        } else {
            text.chars().count()
        };
    }

    fn write_break(&mut self, text: &str) {
        self.out.push_str(text);
        self.column = 0;
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}
