//! Go's regular expressions read as Go reads them, with its error texts, and written anew for the
//! crate `regex`.
//!
//! Both are leftmost-first and linear in time; they differ in what `\d`, `\w`, `\s` and `\b` mean, in
//! what may be left unescaped, in classes inside classes, and in what is an error.

use std::fmt::Write as _;

use gitops_core::go::quote;

/// Why a pattern cannot be used; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{expression}`")]
pub(crate) struct PatternError {
    reason: Reason,
    expression: String,
}

impl PatternError {
    /// The text of the panic of `regexp.MustCompile`.
    pub(crate) fn panic_text(&self, pattern: &str) -> String {
        format!("regexp: Compile({}): {self}", quote_pattern(pattern))
    }

    /// A pattern that is fine for Go but needs more memory than is given here.
    pub(super) fn too_large(pattern: &str) -> Self {
        Reason::Large.at(pattern)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Reason {
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
    let mut translator = Translator {
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

const MAX_REPEAT: i64 = 1000;
const MAX_HEIGHT: usize = 1000;
const MAX_SIZE: u64 = (128 << 20) / 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Flags {
    fold_case: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

impl Flags {
    /// All four flags, those that are on before those that are off.
    fn text(self) -> String {
        let all = [
            ('i', self.fold_case),
            ('m', self.multi_line),
            ('s', self.dot_newline),
            ('U', self.swap_greed),
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
}

/// An open group.
#[derive(Debug, Default)]
struct Frame {
    /// Flags to return to.
    flags: Flags,
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
        if self.flags != self.written_flags {
            let flags = self.flags.text();
            write!(self.out, "(?{flags})").expect("writing to a string");
            self.written_flags = self.flags;
        }
    }

    fn operand(&mut self, text: &str) {
        self.write_flags();
        self.out.push_str(text);
        self.frame().push(Operand {
            repeats: 0,
            height: 1,
            size: 1,
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
        self.out.push_str(text);
        self.frames.push(Frame {
            flags: self.flags,
            captures,
            ..Frame::default()
        });
        self.flags = flags;
        self.written_flags = flags;
    }

    fn close(&mut self) -> Outcome<()> {
        if self.frames.len() < 2 {
            return Err(Reason::UnexpectedParenthesis.at(self.source));
        }
        let frame = self.frames.pop().expect("at least two are open");
        self.out.push(')');
        self.flags = frame.flags;
        self.written_flags = frame.flags;
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
            let end = start
                .find('>')
                .ok_or_else(|| Reason::NamedCapture.at(start))?;
            let name = start.get(name_at..end).unwrap_or_default();
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
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
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
        self.frame().last = Some(operand);
        self.out.push_str(text);
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
                for character in literal.chars() {
                    self.literal(character);
                }
                return Ok(());
            }
            Some(b'p' | b'P') => {
                let (class, rest) = unicode_class(start)?;
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
            let (character, rest) = escaped(start)?;
            self.rest = rest;
            self.literal(character);
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
                let (text, after) = unicode_class(rest)?;
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
            let low;
            (low, rest) = class_character(rest, whole)?;
            let mut high = low;
            if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
                (high, rest) = class_character(&rest[1..], whole)?;
                if high < low {
                    let text = &range[..range.len() - rest.len()];
                    return Err(Reason::CharacterRange.at(text));
                }
            }
            write!(
                class,
                "\\x{{{:x}}}-\\x{{{:x}}}",
                u32::from(low),
                u32::from(high)
            )
            .expect("writing to a string");
        }
        class.push(']');
        self.rest = &rest[1..];
        self.operand(&class);
        Ok(())
    }
}

/// `{2}`, `{2,}` and `{2,5}`: the counts (-1 for none, or for too large a minimum) and what follows.
fn counts(text: &str) -> Option<(i64, i64, &str)> {
    let (mut min, rest) = count(&text[1..])?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (min, rest),
        Some(rest) if rest.starts_with('}') => (-1, rest),
        Some(rest) => {
            let (max, rest) = count(rest)?;
            if max < 0 {
                min = -1;
            }
            (max, rest)
        }
    };
    Some((min, max, rest.strip_prefix('}')?))
}

fn count(text: &str) -> Option<(i64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let value = digits
        .parse()
        .ok()
        .filter(|&value: &i64| value < 1_000_000_000);
    Some((value.unwrap_or(-1), rest))
}

fn class_character<'a>(text: &'a str, whole: &str) -> Outcome<(char, &'a str)> {
    match text.chars().next() {
        None => Err(Reason::MissingBracket.at(whole)),
        Some('\\') => escaped(text),
        Some(character) => Ok((character, &text[character.len_utf8()..])),
    }
}

/// The character of an escape, and what follows it.
fn escaped(text: &str) -> Outcome<(char, &str)> {
    let mut rest = text[1..].chars();
    let Some(first) = rest.next() else {
        return Err(Reason::TrailingBackslash.at(""));
    };
    let wrong = |rest: &str| Reason::Escape.at(&text[..text.len() - rest.len()]);
    let code = match first {
        '1'..='7' if !rest.as_str().starts_with(|c| matches!(c, '0'..='7')) => {
            return Err(wrong(rest.as_str()));
        }
        '0'..='7' => {
            let digits = 1 + rest
                .as_str()
                .bytes()
                .take(2)
                .take_while(|byte| matches!(byte, b'0'..=b'7'))
                .count();
            let (digits, after) = text[1..].split_at(digits);
            rest = after.chars();
            u32::from_str_radix(digits, 8).expect("octal digits")
        }
        'x' => match rest.next() {
            None => return Err(wrong("")),
            Some('{') => {
                let (mut value, mut digits) = (0_u32, 0);
                loop {
                    match rest.next() {
                        Some('}') if digits > 0 => break value,
                        None | Some('}') => return Err(wrong(rest.as_str())),
                        Some(digit) => {
                            let Some(digit) = digit.to_digit(16) else {
                                return Err(wrong(rest.as_str()));
                            };
                            value = value * 16 + digit;
                            if value > u32::from(char::MAX) {
                                return Err(wrong(rest.as_str()));
                            }
                            digits += 1;
                        }
                    }
                }
            }
            Some(high) => {
                let low = rest.next();
                match (high.to_digit(16), low.and_then(|low| low.to_digit(16))) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => return Err(wrong(rest.as_str())),
                }
            }
        },
        'a' => 7,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
        _ => return Err(wrong(rest.as_str())),
    };
    // Surrogates are code points of a pattern but never of a text.
    Ok((
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        rest.as_str(),
    ))
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}`: a class of the crate `regex`, and what follows.
fn unicode_class(text: &str) -> Outcome<(String, &str)> {
    let mut negative = text.as_bytes()[1] == b'P';
    let after = &text[2..];
    let (name, length) = match after.chars().next() {
        // As in Go, which reads on with nothing.
        None => ("", 2),
        Some('{') => {
            let end = text
                .find('}')
                .ok_or_else(|| Reason::CharacterRange.at(text))?;
            (&text[3..end], end + 1)
        }
        Some(character) => {
            let length = character.len_utf8();
            (&after[..length], 2 + length)
        }
    };
    let (sequence, rest) = text.split_at(length);
    let name = match name.strip_prefix('^') {
        Some(name) => {
            negative = !negative;
            name
        }
        None => name,
    };
    let canonical: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .enumerate()
        .map(|(index, c)| {
            if index == 0 {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    let name = super::unicode_names::resolve(&canonical)
        .ok_or_else(|| Reason::CharacterRange.at(sequence))?;
    let class = match (name, negative) {
        // No text contains surrogates.
        ("Cs", false) => "[a&&b]".to_owned(),
        ("Cs", true) => "[\\x{0}-\\x{10FFFF}]".to_owned(),
        (name, false) => format!("\\p{{{name}}}"),
        (name, true) => format!("\\P{{{name}}}"),
    };
    Ok((class, rest))
}

fn is_posix_class(name: &str) -> bool {
    matches!(
        name.strip_prefix('^').unwrap_or(name),
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}

/// In grave accents where that is possible.
fn quote_pattern(pattern: &str) -> String {
    let plain = pattern
        .chars()
        .all(|c| !matches!(c, '`' | '\u{7f}' | '\u{feff}') && (c >= ' ' || c == '\t'));
    if plain {
        format!("`{pattern}`")
    } else {
        quote(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pattern: &str) -> String {
        translate(pattern)
            .expect_err(pattern)
            .to_string()
            .replace("error parsing regexp: ", "")
    }

    #[test]
    fn errors_are_those_of_go() {
        for (pattern, expected) in [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("[", "missing closing ]: `[`"),
            ("[]", "missing closing ]: `[]`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
            ("\\pX", "invalid character class range: `\\pX`"),
            (
                "\\p{Old_Italic}",
                "invalid character class range: `\\p{Old_Italic}`",
            ),
            ("*", "missing argument to repetition operator: `*`"),
            ("a|+?", "missing argument to repetition operator: `+?`"),
            ("(?i)*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a*?+b", "invalid nested repetition operator: `*?+`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("(a{100}){11}", "invalid repeat count: `{11}`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("\\Z", "invalid escape sequence: `\\Z`"),
            ("\\8", "invalid escape sequence: `\\8`"),
            ("\\1", "invalid escape sequence: `\\1`"),
            ("\\C", "invalid escape sequence: `\\C`"),
            ("\\x{110000}", "invalid escape sequence: `\\x{110000`"),
            ("\\xZ1", "invalid escape sequence: `\\xZ1`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
            ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
            ("(?<=a)", "invalid named capture: `(?<=a)`"),
            ("(?P<n!>a)", "invalid named capture: `(?P<n!>`"),
        ] {
            assert_eq!(error(pattern), expected, "{pattern}");
        }
        assert_eq!(error("("), "missing closing ): `(`");
        assert!(
            error(&format!("{}{}", "(".repeat(1001), ")".repeat(1001)))
                .starts_with("expression nests too deeply")
        );
    }

    #[test]
    fn texts_of_panics() {
        let text = |pattern| translate(pattern).expect_err("wrong").panic_text(pattern);
        assert_eq!(
            text("("),
            "regexp: Compile(`(`): error parsing regexp: missing closing ): `(`"
        );
        assert_eq!(
            text("`("),
            "regexp: Compile(\"`(\"): error parsing regexp: missing closing ): ``(`"
        );
    }

    #[test]
    fn what_differs_is_rewritten() {
        for (pattern, expected) in [
            ("a{,2}", "a\\{,2\\}"),
            ("\\d+\\Q.*\\E\\z", "[0-9]+\\.\\*\\z"),
            (
                "[&&~~[]",
                "[\\x{26}-\\x{26}\\x{26}-\\x{26}\\x{7e}-\\x{7e}\\x{7e}-\\x{7e}\\x{5b}-\\x{5b}]",
            ),
            ("(?i)a(?-i:b)", "(?i-msU)a(?-imsU:b)"),
            ("a(?i)*b", "a*(?i-msU)b"),
            ("\\141\\x41\\_", "aA_"),
        ] {
            assert_eq!(
                translate(pattern).expect(pattern).pattern,
                expected,
                "{pattern}"
            );
        }
        let names = translate("(?P<a>x)(?<a>y)(z)").expect("valid").names;
        assert_eq!(
            names,
            [None, Some("a".to_owned()), Some("a".to_owned()), None]
        );
    }
}
