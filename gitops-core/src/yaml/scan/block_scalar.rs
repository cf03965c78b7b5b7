//! Literal (`|`) and folded (`>`) block scalars.

use std::borrow::Cow;

use super::{Mark, Scan, Scanner, Token, TokenKind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl<'a> Scanner<'a> {
    pub(super) fn scan_block_scalar(&mut self, literal: bool) -> Scan<Token<'a>> {
        let start = self.mark();
        self.pos += 1;
        let (chomping, increment) = self.scan_block_header(start)?;
        let mut indent = match increment {
            0 => 0,
            increment => self.indent.max(0) as usize + increment,
        };
        let mut end = self.mark();
        let mut text = String::new();
        let mut leading_break = "";
        let mut trailing_breaks = String::new();
        self.scan_block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        let mut leading_blank = false;
        while self.column() == indent && self.at(0) != 0 {
            let blank = self.is_blank();
            if !literal && !leading_blank && !blank && leading_break == "\n" {
                if trailing_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(leading_break);
            }
            text.push_str(&trailing_breaks);
            trailing_breaks.clear();
            leading_blank = blank;
            let from = self.pos;
            self.skip_line();
            text.push_str(&self.text[from..self.pos]);
            leading_break = self.take_break().unwrap_or("");
            self.scan_block_breaks(&mut indent, &mut trailing_breaks, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(leading_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&trailing_breaks);
        }
        Ok(Token {
            kind: TokenKind::Scalar {
                value: Cow::Owned(text),
                plain: false,
            },
            start,
            end,
        })
    }

    /// Chomping and indentation indicators, in either order, up to the end of the line.
    fn scan_block_header(&mut self, start: Mark) -> Scan<(Chomping, usize)> {
        let mut chomping = self.scan_chomping();
        let mut increment = 0;
        if self.at(0).is_ascii_digit() {
            if self.at(0) == b'0' {
                return Err(self.error(start, "found an indentation indicator equal to 0"));
            }
            increment = usize::from(self.at(0) - b'0');
            self.pos += 1;
            if chomping.is_none() {
                chomping = self.scan_chomping();
            }
        }
        self.skip_blanks();
        if self.at(0) == b'#' {
            self.skip_line();
        }
        if self.at(0) != 0 && !self.skip_break() {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn scan_chomping(&mut self) -> Option<Chomping> {
        let chomping = match self.at(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return None,
        };
        self.pos += 1;
        Some(chomping)
    }

    /// Goes over indentation and empty lines, and finds the indentation if it is not known.
    fn scan_block_breaks(
        &mut self,
        indent: &mut usize,
        breaks: &mut String,
        start: Mark,
        end: &mut Mark,
    ) -> Scan<()> {
        *end = self.mark();
        let mut deepest = 0;
        loop {
            while (*indent == 0 || self.column() < *indent) && self.at(0) == b' ' {
                self.pos += 1;
            }
            deepest = deepest.max(self.column());
            if (*indent == 0 || self.column() < *indent) && self.at(0) == b'\t' {
                return Err(self.error(
                    start,
                    "found a tab character where an indentation space is expected",
                ));
            }
            let Some(found) = self.take_break() else {
                break;
            };
            breaks.push_str(found);
            *end = self.mark();
        }
        if *indent == 0 {
            *indent = deepest.max((self.indent + 1).max(1) as usize);
        }
        Ok(())
    }
}
