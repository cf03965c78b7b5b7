//! From text to tokens, by the rules of libyaml's YAML 1.1 scanner.
//!
//! A mapping key is only known as one when its `:` is seen. The scanner therefore remembers where a
//! key could have begun, holds back the tokens from there on, and puts a `Key` token before them
//! when the `:` comes (on the same line and within 1024 characters).

mod block_scalar;
mod flow_scalar;
mod input;
mod plain;
mod tag;
mod token;

use std::collections::VecDeque;

pub(crate) use input::Input;
pub(crate) use token::{Mark, Token, TokenKind};

/// What is wrong, in libyaml's words, and where.
#[derive(Debug, Clone)]
pub(crate) struct ScanError {
    pub(crate) problem: String,
    /// Where the error was noticed.
    pub(crate) at: Mark,
    /// Where the construct began that could not be read.
    pub(crate) context: Mark,
    /// Whether characters, and not tokens, are wrong; the two count lines differently.
    pub(crate) origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Reader,
    Scanner,
    Parser,
}

/// The error is boxed: results are passed for every token, errors once.
pub(crate) type Scan<T> = Result<T, Box<ScanError>>;

/// A place where a mapping key may have begun.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Without this key the text would be wrong.
    required: bool,
    token_number: usize,
    mark: Mark,
}

pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    problem: Option<&'static str>,
    /// Offset in bytes.
    pos: usize,
    /// UTF-8 continuation bytes before `pos`; `pos - continuation` counts characters.
    continuation: usize,
    line: u32,
    /// Character index of the beginning of the line.
    line_start: usize,
    tokens: VecDeque<Token<'a>>,
    tokens_parsed: usize,
    /// Columns of the open block collections; `indent` is the innermost.
    indents: Vec<isize>,
    indent: isize,
    flow_level: usize,
    simple_key_allowed: bool,
    /// One for each flow level.
    simple_keys: Vec<SimpleKey>,
    /// Flow levels whose key is possible, outermost (oldest) first.
    possible_keys: VecDeque<usize>,
    ended: bool,
    max_depth: usize,
}

/// Characters within which the `:` of a key must come.
const KEY_LIMIT: usize = 1024;

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, problem: Option<&'static str>, max_depth: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            problem,
            pos: 0,
            continuation: 0,
            line: 0,
            line_start: 0,
            tokens: VecDeque::with_capacity(16),
            tokens_parsed: 0,
            indents: Vec::new(),
            indent: -1,
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            possible_keys: VecDeque::new(),
            ended: false,
            max_depth,
        }
    }

    /// The next token, which stays.
    pub(crate) fn peek(&mut self) -> Scan<&Token<'a>> {
        self.fetch_more_tokens()?;
        Ok(self.tokens.front().expect("fetched above"))
    }

    /// Takes the token that was seen last.
    pub(crate) fn next(&mut self) -> Scan<Token<'a>> {
        self.fetch_more_tokens()?;
        self.tokens_parsed += 1;
        Ok(self.tokens.pop_front().expect("fetched above"))
    }

    fn fetch_more_tokens(&mut self) -> Scan<()> {
        loop {
            if !self.tokens.is_empty() {
                // The first token must wait while it may turn out to begin a key.
                let Some(&level) = self.possible_keys.front() else {
                    return Ok(());
                };
                let key = self.simple_keys[level];
                if key.token_number != self.tokens_parsed || !self.simple_key_is_valid(level)? {
                    return Ok(());
                }
            }
            if self.ended {
                return Ok(());
            }
            self.fetch_next_token()?;
        }
    }

    fn fetch_next_token(&mut self) -> Scan<()> {
        self.skip_to_next_token()?;
        self.unroll_indent(self.column() as isize);
        if self.problem.is_some() && self.pos + 4 > self.bytes.len() {
            return Err(self.error(self.mark(), ""));
        }
        let first = self.at(0);
        if first == 0 {
            return self.fetch_stream_end();
        }
        let column = self.column();
        if column == 0 {
            if first == b'%' {
                return self.fetch_directive();
            }
            if self.at_document_indicator() {
                let kind = if first == b'-' {
                    TokenKind::DocumentStart
                } else {
                    TokenKind::DocumentEnd
                };
                return self.fetch_document_indicator(kind);
            }
        }
        let in_flow = self.flow_level > 0;
        match first {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if self.blank_or_end(1) => self.fetch_block_entry(),
            b'?' if in_flow || self.blank_or_end(1) => self.fetch_key(),
            b':' if in_flow || self.blank_or_end(1) => self.fetch_value(),
            b'*' | b'&' => self.fetch_anchor(),
            b'!' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.scan_tag()?;
                self.push(token);
                Ok(())
            }
            b'|' | b'>' if !in_flow => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                let token = self.scan_block_scalar(first == b'|')?;
                self.push(token);
                Ok(())
            }
            b'\'' | b'"' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.scan_flow_scalar(first == b'\'')?;
                self.push(token);
                Ok(())
            }
            _ if self.plain_may_start(first) => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let token = self.scan_plain()?;
                self.push(token);
                Ok(())
            }
            _ => Err(self.error(self.mark(), "found character that cannot start any token")),
        }
    }

    fn plain_may_start(&self, first: u8) -> bool {
        match first {
            b'-' => !matches!(self.at(1), b' ' | b'\t'),
            b'?' | b':' => self.flow_level == 0 && !self.blank_or_end(1),
            b' ' | b'\t' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|'
            | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' => false,
            _ => self.break_width(self.pos) == 0,
        }
    }

    fn simple_key_is_valid(&mut self, level: usize) -> Scan<bool> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.line || key.mark.index as usize + KEY_LIMIT < self.index() {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.forget_key(level);
            return Ok(false);
        }
        Ok(true)
    }

    fn forget_key(&mut self, level: usize) {
        self.simple_keys[level].possible = false;
        if self.possible_keys.front() == Some(&level) {
            self.possible_keys.pop_front();
        } else if self.possible_keys.back() == Some(&level) {
            self.possible_keys.pop_back();
        }
    }

    fn save_simple_key(&mut self) -> Scan<()> {
        if self.simple_key_allowed {
            let required = self.flow_level == 0 && self.indent == self.column() as isize;
            let key = SimpleKey {
                possible: true,
                required,
                token_number: self.tokens_parsed + self.tokens.len(),
                mark: self.mark(),
            };
            self.remove_simple_key()?;
            *self.simple_keys.last_mut().expect("one for each level") = key;
            self.possible_keys.push_back(self.simple_keys.len() - 1);
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Scan<()> {
        let level = self.simple_keys.len() - 1;
        let key = self.simple_keys[level];
        if key.possible {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.forget_key(level);
        }
        Ok(())
    }

    fn roll_indent(
        &mut self,
        column: usize,
        number: Option<usize>,
        kind: TokenKind<'a>,
        mark: Mark,
    ) -> Scan<()> {
        if self.flow_level > 0 || self.indent >= column as isize {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column as isize;
        if self.indents.len() > self.max_depth {
            return Err(self.too_deep());
        }
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match number {
            Some(number) => self.insert(number, token),
            None => self.push(token),
        }
        Ok(())
    }

    fn unroll_indent(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            let mark = self.mark();
            self.push(Token {
                kind: TokenKind::BlockEnd,
                start: mark,
                end: mark,
            });
            self.indent = self.indents.pop().expect("one for each open collection");
        }
    }

    fn too_deep(&self) -> Box<ScanError> {
        let context = self
            .simple_keys
            .last()
            .map_or_else(Mark::default, |key| key.mark);
        self.error(context, format!("exceeded max depth of {}", self.max_depth))
    }

    fn fetch_stream_end(&mut self) -> Scan<()> {
        if self.column() != 0 {
            self.line_start = self.index();
            self.line += 1;
        }
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        let mark = self.mark();
        self.push(Token {
            kind: TokenKind::StreamEnd,
            start: mark,
            end: mark,
        });
        Ok(())
    }

    fn fetch_directive(&mut self) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let token = self.scan_directive()?;
        self.push(token);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.unroll_indent(-1);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push_indicator(kind, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_keys.push(SimpleKey {
            possible: false,
            required: false,
            token_number: self.tokens_parsed + self.tokens.len(),
            mark: self.mark(),
        });
        self.flow_level += 1;
        if self.flow_level > self.max_depth {
            return Err(self.too_deep());
        }
        self.simple_key_allowed = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'a>) -> Scan<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let inner = self.simple_keys.pop().expect("one for each level");
            let level = self.simple_keys.len() - 1;
            let outer = self.simple_keys[level];
            // go-yaml no longer holds back an empty collection, though it may still be a key.
            if outer.token_number == inner.token_number && self.possible_keys.back() == Some(&level)
            {
                self.possible_keys.pop_back();
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Scan<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Scan<()> {
        // In flow context the parser reports the `-`, which knows the collection.
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(
                    self.mark(),
                    "block sequence entries are not allowed in this context",
                ));
            }
            self.roll_indent(
                self.column(),
                None,
                TokenKind::BlockSequenceStart,
                self.mark(),
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Scan<()> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(self.mark(), "mapping keys are not allowed in this context"));
            }
            self.roll_indent(
                self.column(),
                None,
                TokenKind::BlockMappingStart,
                self.mark(),
            )?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(TokenKind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Scan<()> {
        let level = self.simple_keys.len() - 1;
        if self.simple_key_is_valid(level)? {
            let key = self.simple_keys[level];
            self.insert(
                key.token_number,
                Token {
                    kind: TokenKind::Key,
                    start: key.mark,
                    end: key.mark,
                },
            );
            self.roll_indent(
                key.mark.column as usize,
                Some(key.token_number),
                TokenKind::BlockMappingStart,
                key.mark,
            )?;
            self.forget_key(level);
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error(
                        self.mark(),
                        "mapping values are not allowed in this context",
                    ));
                }
                self.roll_indent(
                    self.column(),
                    None,
                    TokenKind::BlockMappingStart,
                    self.mark(),
                )?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(TokenKind::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self) -> Scan<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        let alias = self.at(0) == b'*';
        self.pos += 1;
        let from = self.pos;
        while is_word(self.at(0)) {
            self.pos += 1;
        }
        let name = &self.text[from..self.pos];
        let ended = self.blank_or_end(0)
            || matches!(
                self.at(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ended {
            return Err(self.error(
                start,
                "did not find expected alphabetic or numeric character",
            ));
        }
        let kind = if alias {
            TokenKind::Alias(name)
        } else {
            TokenKind::Anchor(name)
        };
        let end = self.mark();
        self.push(Token { kind, start, end });
        Ok(())
    }

    fn skip_to_next_token(&mut self) -> Scan<()> {
        loop {
            if self.pos == 0 && self.text.starts_with('\u{FEFF}') {
                self.pos += 3;
                self.continuation += 2;
            }
            while self.at(0) == b' '
                || (self.at(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.pos += 1;
            }
            if self.at(0) == b'#' {
                self.skip_line();
            }
            if !self.skip_break() {
                return Ok(());
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// Puts a token before the token of a number, or to the end if that one is taken already.
    fn insert(&mut self, number: usize, token: Token<'a>) {
        match number.checked_sub(self.tokens_parsed) {
            Some(at) if at <= self.tokens.len() => self.tokens.insert(at, token),
            _ => self.push(token),
        }
    }

    fn push(&mut self, token: Token<'a>) {
        self.tokens.push_back(token);
    }

    fn push_indicator(&mut self, kind: TokenKind<'a>, width: usize) {
        let start = self.mark();
        self.pos += width;
        let end = self.mark();
        self.push(Token { kind, start, end });
    }
}

/// Characters and places.
impl<'a> Scanner<'a> {
    fn at(&self, offset: usize) -> u8 {
        self.bytes.get(self.pos + offset).copied().unwrap_or(0)
    }

    fn index(&self) -> usize {
        self.pos - self.continuation
    }

    fn column(&self) -> usize {
        self.index() - self.line_start
    }

    fn mark(&self) -> Mark {
        Mark {
            index: self.index() as u32,
            line: self.line,
            column: self.column() as u32,
        }
    }

    fn error(&self, context: Mark, problem: impl Into<String>) -> Box<ScanError> {
        let (problem, origin) = match self.problem {
            Some(problem) if self.pos + 4 > self.bytes.len() => {
                (problem.to_owned(), Origin::Reader)
            }
            _ => (problem.into(), Origin::Scanner),
        };
        Box::new(ScanError {
            problem,
            at: self.mark(),
            context,
            origin,
        })
    }

    /// How many bytes the line break at `at` has; 0 if there is none.
    fn break_width(&self, at: usize) -> usize {
        match self.bytes[at.min(self.bytes.len())..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            [0xC2, 0x85, ..] => 2,
            [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
            _ => 0,
        }
    }

    /// Whether a space, tab, line break or the end comes `offset` bytes on.
    fn blank_or_end(&self, offset: usize) -> bool {
        matches!(self.at(offset), b' ' | b'\t' | 0) || self.break_width(self.pos + offset) > 0
    }

    fn is_blank(&self) -> bool {
        matches!(self.at(0), b' ' | b'\t')
    }

    fn is_break(&self) -> bool {
        self.break_width(self.pos) > 0
    }

    /// `---` or `...`, ended by a blank.
    fn at_document_indicator(&self) -> bool {
        let rest = &self.bytes[self.pos..];
        (rest.starts_with(b"---") || rest.starts_with(b"...")) && self.blank_or_end(3)
    }

    /// Goes over one character that is no line break.
    fn advance(&mut self) {
        self.pos += 1;
        while matches!(self.bytes.get(self.pos), Some(byte) if byte & 0xC0 == 0x80) {
            self.pos += 1;
            self.continuation += 1;
        }
    }

    /// Goes over a line break, if there is one; gives what stands for it in a scalar.
    fn take_break(&mut self) -> Option<&'a str> {
        let at = self.pos;
        self.skip_break().then(|| match self.bytes[at] {
            0xE2 => &self.text[at..at + 3],
            _ => "\n",
        })
    }

    fn skip_break(&mut self) -> bool {
        let width = self.break_width(self.pos);
        if width == 0 {
            return false;
        }
        if self.bytes[self.pos] >= 0x80 {
            self.continuation += width - 1;
        }
        self.pos += width;
        self.line += 1;
        self.line_start = self.index();
        true
    }

    fn skip_blanks(&mut self) {
        while self.is_blank() {
            self.pos += 1;
        }
    }

    /// Goes to the end of the line.
    fn skip_line(&mut self) {
        let rest = &self.bytes[self.pos..];
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        if rest[..end].is_ascii() {
            self.pos += end;
            return;
        }
        while self.pos < self.bytes.len() && !self.is_break() {
            self.advance();
        }
    }
}

/// A letter, digit, `_` or `-`.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
