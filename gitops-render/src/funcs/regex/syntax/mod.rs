//! Go's regular expressions read as Go reads them, with its error texts, and written anew for the
//! crate `regex`.
//!
//! Both are leftmost-first and linear in time; they differ in what `\d`, `\w`, `\s` and `\b` mean, in
//! what may be left unescaped, in classes inside classes, and in what is an error.

mod marks;
mod piece;

use std::fmt::Write as _;

use gitops_core::go::quote;

use crate::template::{marked, unmarked};

use self::{
    marks::Marks,
    piece::{class_character, counts, escaped, is_posix_class, unicode_class},
};

/// Why a pattern cannot be used; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{expression}`")]
pub(crate) struct PatternError {
    reason: Reason,
    expression: String,
}

impl PatternError {
    /// The text of the panic of `regexp.MustCompile`.
    pub(crate) fn panic_text(&self, pattern: &[u8]) -> String {
        format!("regexp: Compile({}): {self}", quote_pattern(pattern))
    }

    /// What is wrong with a pattern whose bytes are no text: what Go comes upon first.
    pub(super) fn not_utf8(pattern: &[u8]) -> Self {
        let marked = marked(pattern);
        match translate_marked(&marked, true) {
            Ok(_) => Reason::Utf8.at(&marked),
            Err(error) => error,
        }
        .unmarked()
    }

    fn unmarked(self) -> Self {
        let bytes = unmarked(&self.expression);
        Self {
            expression: String::from_utf8_lossy(&bytes).into_owned(),
            ..self
        }
    }

    /// A pattern that is fine for Go but needs more memory than is given here.
    pub(super) fn too_large(pattern: &str) -> Self {
        Reason::Large.at(pattern)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("invalid UTF-8")]
    Utf8,
    #[error("invalid character class range")]
    CharacterRange,
    #[error("invalid escape sequence")]
    Escape,
    #[error("invalid named capture")]
    NamedCapture,
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    #[error("invalid repeat count")]
    RepeatCount,
    #[error("missing closing ]")]
    MissingBracket,
    #[error("missing closing )")]
    MissingParenthesis,
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    #[error("unexpected )")]
    UnexpectedParenthesis,
    #[error("expression nests too deeply")]
    Depth,
    #[error("expression too large")]
    Large,
}

impl Reason {
    fn at(self, expression: &str) -> PatternError {
        PatternError {
            reason: self,
            expression: expression.to_owned(),
        }
    }
}

/// A pattern for the crate `regex`, and the names of its groups, of which several may be equal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// By number; the whole match is number 0.
    pub(super) names: Vec<Option<String>>,
}

/// Reads a pattern of Go.
pub(super) fn translate(source: &str) -> Result<Translated, PatternError> {
    translate_marked(source, false)
}

fn translate_marked(source: &str, are_marked: bool) -> Result<Translated, PatternError> {
    let mut translator = Translator {
        marks: Marks(are_marked),
        source,
        rest: source,
        out: String::with_capacity(source.len() + 16),
        names: vec![None],
        frames: vec![Frame::default()],
        flags: Flags::default(),
        written_flags: Flags::default(),
    };
    translator.run()?;
    Ok(Translated {
        pattern: translator.out,
        names: translator.names,
    })
}

/// A class of no characters.
const NOTHING: &str = "[a&&b]";
const SURROGATES: std::ops::RangeInclusive<u32> = 0xd800..=0xdfff;
const MAX_REPEAT: i64 = 1000;
const MAX_HEIGHT: usize = 1000;
const MAX_SIZE: u64 = (128 << 20) / 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    /// Decides at each repetition, and is not written.
    swap_greed: bool,
}

impl Flags {
    /// The other three flags, those that are on before those that are off.
    fn text(self) -> String {
        let all = [
            ('i', self.fold_case),
            ('m', self.multi_line),
            ('s', self.dot_newline),
        ];
        let pick = |wanted| {
            all.iter()
                .filter(move |(_, on)| *on == wanted)
                .map(|(flag, _)| *flag)
                .collect::<String>()
        };
        let (on, off) = (pick(true), pick(false));
        if off.is_empty() {
            on
        } else {
            format!("{on}-{off}")
        }
    }
}

/// What is known of a part of a pattern, for the limits.
#[derive(Debug, Clone, Copy, Default)]
struct Operand {
    /// The product of nested repeat counts.
    repeats: i64,
    height: usize,
    size: u64,
    /// Where it begins in the new pattern.
    start: usize,
    is_repeated: bool,
}

/// An open group.
#[derive(Debug, Default)]
struct Frame {
    /// Flags to return to.
    flags: Flags,
    /// Where it begins in the new pattern.
    start: usize,
    captures: bool,
    last: Option<Operand>,
    /// All before `last` in this alternative and in those before it.
    all: Operand,
    items: usize,
    alternatives: usize,
}

impl Frame {
    fn push(&mut self, operand: Operand) {
        if let Some(last) = self.last.replace(operand) {
            self.all.repeats = self.all.repeats.max(last.repeats);
            self.all.height = self.all.height.max(last.height);
            self.all.size = self.all.size.saturating_add(last.size);
        }
        self.items += 1;
    }

    fn close(mut self) -> Operand {
        let (items, alternatives) = (self.items, self.alternatives);
        if self.last.is_some() {
            self.push(Operand::default());
        }
        let mut operand = self.all;
        operand.start = self.start;
        operand.height =
            operand.height.max(1) + usize::from(items > 1) + usize::from(alternatives > 0);
        operand.size = operand.size.saturating_add(alternatives as u64).max(1);
        if self.captures {
            operand.height += 1;
            operand.size = operand.size.saturating_add(2);
        }
        operand
    }
}

struct Translator<'a> {
    marks: Marks,
    source: &'a str,
    rest: &'a str,
    out: String,
    names: Vec<Option<String>>,
    frames: Vec<Frame>,
    flags: Flags,
    /// The flags that hold at the end of `out`.
    written_flags: Flags,
}

type Outcome<T> = Result<T, PatternError>;

impl<'a> Translator<'a> {
    fn run(&mut self) -> Outcome<()> {
        // Where the repetition operator before this one begins.
        let mut last_repeat: Option<&'a str> = None;
        while let Some(first) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeat = None;
            match first {
                '(' if before[1..].starts_with('?') => self.perl_group()?,
                '(' => {
                    self.rest = &before[1..];
                    self.names.push(None);
                    self.open("(", self.flags, true);
                }
                '|' => {
                    self.rest = &before[1..];
                    self.write_flags();
                    self.out.push('|');
                    let frame = self.frame();
                    frame.alternatives += 1;
                    if frame.last.is_some() {
                        frame.push(Operand::default());
                        frame.last = None;
                    }
                }
                ')' => {
                    self.rest = &before[1..];
                    self.close()?;
                }
                '^' => self.simple("^"),
                '$' => self.simple("$"),
                '.' => self.simple("."),
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.rest = &before[1..];
                    let (min, max) = match first {
                        '*' => (0, -1),
                        '+' => (1, -1),
                        _ => (0, 1),
                    };
                    self.repeat(before, last_repeat, min, max, false)?;
                    repeat = Some(before);
                }
                '{' => match counts(before) {
                    Some((min, max, rest)) => {
                        self.rest = rest;
                        let text = &before[..before.len() - rest.len()];
                        if !(0..=MAX_REPEAT).contains(&min)
                            || max > MAX_REPEAT
                            || (max >= 0 && min > max)
                        {
                            return Err(Reason::RepeatCount.at(text));
                        }
                        self.repeat(before, last_repeat, min, max, true)?;
                        repeat = Some(before);
                    }
                    None => {
                        self.rest = &before[1..];
                        self.literal('{');
                    }
                },
                '\\' => self.escape()?,
                _ => {
                    self.marks.check_first(before)?;
                    self.rest = &before[first.len_utf8()..];
                    self.literal(first);
                }
            }
            last_repeat = repeat;
        }
        if self.frames.len() > 1 {
            return Err(Reason::MissingParenthesis.at(self.source));
        }
        let whole = std::mem::take(self.frame()).close();
        self.check(whole)
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the pattern itself is open")
    }

    fn check(&self, operand: Operand) -> Outcome<()> {
        if operand.size > MAX_SIZE {
            return Err(Reason::Large.at(self.source));
        }
        if operand.height > MAX_HEIGHT {
            return Err(Reason::Depth.at(self.source));
        }
        Ok(())
    }

    fn write_flags(&mut self) {
        let wanted = Flags {
            swap_greed: false,
            ..self.flags
        };
        if wanted != self.written_flags {
            let flags = wanted.text();
            write!(self.out, "(?{flags})").expect("writing to a string");
            self.written_flags = wanted;
        }
    }

    fn operand(&mut self, text: &str) {
        self.write_flags();
        let start = self.out.len();
        self.out.push_str(text);
        self.frame().push(Operand {
            height: 1,
            size: 1,
            start,
            ..Operand::default()
        });
    }

    fn simple(&mut self, text: &str) {
        self.rest = &self.rest[1..];
        self.operand(text);
    }

    fn literal(&mut self, character: char) {
        self.operand(&regex::escape(character.encode_utf8(&mut [0; 4])));
    }

    fn open(&mut self, text: &str, flags: Flags, captures: bool) {
        self.write_flags();
        let start = self.out.len();
        self.out.push_str(text);
        self.frames.push(Frame {
            flags: self.flags,
            start,
            captures,
            ..Frame::default()
        });
        self.flags = flags;
        self.written_flags = Flags {
            swap_greed: false,
            ..flags
        };
    }

    fn close(&mut self) -> Outcome<()> {
        if self.frames.len() < 2 {
            return Err(Reason::UnexpectedParenthesis.at(self.source));
        }
        let frame = self.frames.pop().expect("at least two are open");
        self.out.push(')');
        self.flags = frame.flags;
        self.written_flags = Flags {
            swap_greed: false,
            ..frame.flags
        };
        let operand = frame.close();
        self.check(operand)?;
        self.frame().push(operand);
        Ok(())
    }

    fn perl_group(&mut self) -> Outcome<()> {
        let start = self.rest;
        let name_at = if start.len() > 4 && start[2..].starts_with("P<") {
            Some(4)
        } else if start.len() > 3 && start[2..].starts_with('<') {
            Some(3)
        } else {
            None
        };
        if let Some(name_at) = name_at {
            let Some(end) = start.find('>') else {
                self.marks.check(start)?;
                return Err(Reason::NamedCapture.at(start));
            };
            let name = start.get(name_at..end).unwrap_or_default();
            self.marks.check(name)?;
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                return Err(Reason::NamedCapture.at(&start[..=end]));
            }
            self.rest = &start[end + 1..];
            self.names.push(Some(name.to_owned()));
            self.open("(", self.flags, true);
            return Ok(());
        }
        let mut flags = self.flags;
        let (mut negative, mut saw_flag) = (false, false);
        let mut rest = &start[2..];
        while let Some(character) = rest.chars().next() {
            self.marks.check_first(rest)?;
            rest = &rest[character.len_utf8()..];
            match character {
                'i' | 'm' | 's' | 'U' => {
                    let flag = match character {
                        'i' => &mut flags.fold_case,
                        'm' => &mut flags.multi_line,
                        's' => &mut flags.dot_newline,
                        _ => &mut flags.swap_greed,
                    };
                    *flag = !negative;
                    saw_flag = true;
                }
                '-' if !negative => {
                    negative = true;
                    saw_flag = false;
                }
                ':' | ')' if !negative || saw_flag => {
                    self.rest = rest;
                    if character == ':' {
                        let text = format!("(?{}:", flags.text());
                        self.open(&text, flags, false);
                    } else {
                        self.flags = flags;
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        Err(Reason::PerlSyntax.at(&start[..start.len() - rest.len()]))
    }

    /// Repeats the last operand; `before` begins with the operator, and what follows it is the rest.
    fn repeat(
        &mut self,
        before: &'a str,
        last_repeat: Option<&'a str>,
        min: i64,
        max: i64,
        counted: bool,
    ) -> Outcome<()> {
        let operator = &before[..before.len() - self.rest.len()];
        let mut is_lazy = self.flags.swap_greed;
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            is_lazy = !is_lazy;
        }
        let text = &before[..before.len() - self.rest.len()];
        if let Some(last) = last_repeat {
            let text = &last[..last.len() - self.rest.len()];
            return Err(Reason::NestedRepetition.at(text));
        }
        let Some(mut operand) = self.frame().last else {
            return Err(Reason::MissingRepeatArgument.at(text));
        };
        operand.height += 1;
        if counted {
            let count = if max < 0 { min } else { max };
            operand.repeats = match count {
                0 => 0,
                _ => count.saturating_mul(operand.repeats.max(1)),
            };
            operand.size = operand
                .size
                .saturating_mul(count as u64)
                .saturating_add((max - min).max(1) as u64);
            if (min >= 2 || max >= 2) && operand.repeats > MAX_REPEAT {
                return Err(Reason::RepeatCount.at(text));
            }
        } else {
            operand.size = operand.size.saturating_add(2);
        }
        self.check(operand)?;
        if operand.is_repeated {
            // Flags may stand between two operators, and are not written there.
            self.out.insert_str(operand.start, "(?:");
            self.out.push(')');
        }
        operand.is_repeated = true;
        self.frame().last = Some(operand);
        self.out.push_str(operator);
        if is_lazy {
            self.out.push('?');
        }
        Ok(())
    }

    fn escape(&mut self) -> Outcome<()> {
        let start = self.rest;
        let text = match start.as_bytes().get(1) {
            Some(b'A') => Some("\\A"),
            Some(b'b') => Some("(?-u:\\b)"),
            Some(b'B') => Some("(?-u:\\B)"),
            Some(b'C') => return Err(Reason::Escape.at(&start[..2])),
            Some(b'z') => Some("\\z"),
            Some(b'd') => Some("[0-9]"),
            Some(b'D') => Some("[^0-9]"),
            Some(b's') => Some("[\\t\\n\\x0C\\r ]"),
            Some(b'S') => Some("[^\\t\\n\\x0C\\r ]"),
            Some(b'w') => Some("[0-9A-Za-z_]"),
            Some(b'W') => Some("[^0-9A-Za-z_]"),
            Some(b'Q') => {
                let (literal, rest) = start[2..].split_once("\\E").unwrap_or((&start[2..], ""));
                self.rest = rest;
                self.marks.check(literal)?;
                for character in literal.chars() {
                    self.literal(character);
                }
                return Ok(());
            }
            Some(b'p' | b'P') => {
                let (class, rest) = unicode_class(start, self.marks)?;
                self.rest = rest;
                self.operand(&class);
                return Ok(());
            }
            _ => None,
        };
        if let Some(text) = text {
            self.rest = &start[2..];
            self.operand(text);
        } else {
            let (code, rest) = escaped(start, self.marks)?;
            self.rest = rest;
            match char::from_u32(code) {
                Some(character) => self.literal(character),
                None => self.operand(NOTHING),
            }
        }
        Ok(())
    }

    fn class(&mut self) -> Outcome<()> {
        let whole = self.rest;
        let mut rest = &whole[1..];
        let mut class = String::from("[");
        if let Some(after) = rest.strip_prefix('^') {
            class.push('^');
            rest = after;
        }
        let mut first = true;
        while first || !rest.starts_with(']') {
            first = false;
            if rest.len() > 2
                && rest.starts_with("[:")
                && let Some(end) = rest[2..].find(":]")
            {
                let (name, after) = rest.split_at(end + 4);
                if !is_posix_class(&name[2..name.len() - 2]) {
                    return Err(Reason::CharacterRange.at(name));
                }
                class.push_str(name);
                rest = after;
                continue;
            }
            if rest.starts_with("\\p") || rest.starts_with("\\P") {
                let (text, after) = unicode_class(rest, self.marks)?;
                class.push_str(&text);
                rest = after;
                continue;
            }
            let perl = match rest.get(..2) {
                Some("\\d") => "0-9",
                Some("\\D") => "[^0-9]",
                Some("\\s") => "\\t\\n\\x0C\\r\\x20",
                Some("\\S") => "[^\\t\\n\\x0C\\r\\x20]",
                Some("\\w") => "0-9A-Za-z_",
                Some("\\W") => "[^0-9A-Za-z_]",
                _ => "",
            };
            if !perl.is_empty() {
                class.push_str(perl);
                rest = &rest[2..];
                continue;
            }
            let range = rest;
            let mut low;
            (low, rest) = class_character(rest, whole, self.marks)?;
            let mut high = low;
            if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
                (high, rest) = class_character(&rest[1..], whole, self.marks)?;
                if high < low {
                    let text = &range[..range.len() - rest.len()];
                    return Err(Reason::CharacterRange.at(text));
                }
            }
            // Surrogates are code points of a pattern but never of a text.
            if SURROGATES.contains(&low) {
                low = SURROGATES.end() + 1;
            }
            if SURROGATES.contains(&high) {
                high = SURROGATES.start() - 1;
            }
            if low <= high {
                write!(class, "\\x{{{low:x}}}-\\x{{{high:x}}}").expect("writing to a string");
            } else {
                class.push_str(NOTHING);
            }
        }
        class.push(']');
        self.rest = &rest[1..];
        self.operand(&class);
        Ok(())
    }
}

/// In grave accents where that is possible.
fn quote_pattern(pattern: &[u8]) -> String {
    let is_plain = |c: char| !matches!(c, '`' | '\u{7f}' | '\u{feff}') && (c >= ' ' || c == '\t');
    match std::str::from_utf8(pattern) {
        Ok(text) if text.chars().all(is_plain) => format!("`{text}`"),
        _ => quote(pattern),
    }
}

#[cfg(test)]
mod tests;
