//! Compiled patterns, and the ways in which package `regexp` walks over a text.

use std::{borrow::Cow, ops::Range};

use gitops_core::go::unicode::{is_digit, is_letter};
use regex::{Captures, Match, Regex, RegexBuilder};

use super::syntax::{PatternError, translate};

/// Memory that a compiled pattern may take.
const SIZE_LIMIT: usize = 64 << 20;

/// A compiled pattern of Go.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Names of the groups by number.
    names: Vec<Option<String>>,
    is_empty: bool,
}

impl Pattern {
    /// `regexp.Compile`.
    pub(crate) fn compile(source: &str) -> Result<Self, PatternError> {
        let translated = translate(source)?;
        let regex = RegexBuilder::new(&translated.pattern)
            .size_limit(SIZE_LIMIT)
            .nest_limit(4096)
            .build()
            .map_err(|_| PatternError::too_large(source))?;
        Ok(Self {
            regex,
            names: translated.names,
            is_empty: source.is_empty(),
        })
    }

    /// `MatchString`.
    pub(crate) fn is_match(&self, subject: &Subject<'_>) -> bool {
        self.regex.is_match(&subject.text)
    }

    /// `FindString`: empty where nothing matches.
    pub(crate) fn find<'t>(&self, subject: &Subject<'t>) -> &'t [u8] {
        self.regex
            .find(&subject.text)
            .map_or(b"", |found| subject.bytes(found.range()))
    }

    /// `FindAllString`: at most `limit` matches, all for negative limits.
    pub(crate) fn find_all<'t>(&self, subject: &Subject<'t>, limit: i64) -> Vec<&'t [u8]> {
        self.matches(&subject.text, limit)
            .into_iter()
            .map(|found| subject.bytes(found.range()))
            .collect()
    }

    /// `Split`: `None` for the limit 0, at most `limit` parts for positive limits, all for negative
    /// limits.
    pub(crate) fn split<'t>(&self, subject: &Subject<'t>, limit: i64) -> Option<Vec<&'t [u8]>> {
        if limit == 0 {
            return None;
        }
        let text = &*subject.text;
        if text.is_empty() && !self.is_empty {
            return Some(vec![&b""[..]]);
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for found in self.matches(text, limit) {
            if limit > 0 && parts.len() as i64 >= limit - 1 {
                break;
            }
            end = found.start();
            if found.end() != 0 {
                parts.push(subject.bytes(begin..end));
            }
            begin = found.end();
        }
        if end != text.len() {
            parts.push(subject.bytes(begin..text.len()));
        }
        Some(parts)
    }

    /// `ReplaceAllLiteralString`.
    pub(crate) fn replace_all_literal(&self, subject: &Subject<'_>, replacement: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(subject.original.len());
        let mut walk = Replacements::new(subject);
        while let Some(found) = walk.next_match(|at| self.regex.find_at(&subject.text, at)) {
            if walk.copy_until(&found, &mut out) {
                out.extend_from_slice(replacement);
            }
        }
        walk.copy_rest(&mut out);
        out
    }

    /// `ReplaceAllString`: `$1`, `${1}`, `$name`, `${name}` and `$$` in the replacement are expanded.
    pub(crate) fn replace_all(&self, subject: &Subject<'_>, replacement: &[u8]) -> Vec<u8> {
        if !replacement.contains(&b'$') {
            return self.replace_all_literal(subject, replacement);
        }
        let replacement = Subject::new(replacement);
        let template = Template::parse(&replacement, &self.names);
        let mut out = Vec::with_capacity(subject.original.len());
        let mut walk = Replacements::new(subject);
        loop {
            let mut captures = None;
            let found = walk.next_match(|at| {
                captures = self.regex.captures_at(&subject.text, at);
                captures.as_ref().and_then(|captures| captures.get(0))
            });
            let (Some(found), Some(captures)) = (found, &captures) else {
                break;
            };
            if walk.copy_until(&found, &mut out) {
                template.expand(captures, subject, &mut out);
            }
        }
        walk.copy_rest(&mut out);
        out
    }

    /// All matches; none that is empty directly after another.
    fn matches<'t>(&self, text: &'t str, limit: i64) -> Vec<Match<'t>> {
        let mut found = Vec::new();
        let (mut position, mut previous_end) = (0, None);
        while position <= text.len() && (limit < 0 || (found.len() as i64) < limit) {
            let Some(next) = self.regex.find_at(text, position) else {
                break;
            };
            let mut accept = true;
            if next.end() == position {
                accept = previous_end != Some(next.start());
                position += width(text, position).max(1);
            } else {
                position = next.end();
            }
            previous_end = Some(next.end());
            if accept {
                found.push(next);
            }
        }
        found
    }
}

/// `QuoteMeta`.
pub(crate) fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// What a pattern looks at: text, in which Go takes each byte that is none for U+FFFD. What is cut out
/// of it are its own bytes.
pub(crate) struct Subject<'t> {
    original: &'t [u8],
    text: Cow<'t, str>,
    /// Where each byte of the text comes from, and the end; empty if the original is text.
    origins: Vec<usize>,
}

impl<'t> Subject<'t> {
    pub(crate) fn new(original: &'t [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(original) {
            return Self {
                original,
                text: Cow::Borrowed(text),
                origins: Vec::new(),
            };
        }
        let mut text = String::with_capacity(original.len() + 16);
        let mut origins = Vec::with_capacity(original.len() + 17);
        let mut at = 0;
        for chunk in original.utf8_chunks() {
            text.push_str(chunk.valid());
            origins.extend(at..at + chunk.valid().len());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                text.push(char::REPLACEMENT_CHARACTER);
                origins.extend([at; char::REPLACEMENT_CHARACTER.len_utf8()]);
                at += 1;
            }
        }
        origins.push(at);
        Self {
            original,
            text: Cow::Owned(text),
            origins,
        }
    }

    /// The own bytes of a part of the text.
    fn bytes(&self, part: Range<usize>) -> &'t [u8] {
        if self.origins.is_empty() {
            &self.original[part]
        } else {
            &self.original[self.origins[part.start]..self.origins[part.end]]
        }
    }
}

fn width(text: &str, position: usize) -> usize {
    text[position..].chars().next().map_or(0, char::len_utf8)
}

/// The walk of `replaceAll`.
struct Replacements<'s, 't> {
    subject: &'s Subject<'t>,
    last_end: usize,
    position: usize,
}

impl<'s, 't> Replacements<'s, 't> {
    fn new(subject: &'s Subject<'t>) -> Self {
        Self {
            subject,
            last_end: 0,
            position: 0,
        }
    }

    fn next_match(&mut self, find: impl FnOnce(usize) -> Option<Match<'s>>) -> Option<Match<'s>> {
        (self.position <= self.subject.text.len())
            .then(|| find(self.position))
            .flatten()
    }

    /// Copies the text before a match; whether the match is to be replaced.
    fn copy_until(&mut self, found: &Match<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.subject.bytes(self.last_end..found.start()));
        let replace = found.end() > self.last_end || found.start() == 0;
        self.last_end = found.end();
        let width = width(&self.subject.text, self.position);
        self.position = if self.position + width > found.end() {
            self.position + width
        } else if self.position + 1 > found.end() {
            self.position + 1
        } else {
            found.end()
        };
        replace
    }

    fn copy_rest(&self, out: &mut Vec<u8>) {
        let rest = self.last_end..self.subject.text.len();
        out.extend_from_slice(self.subject.bytes(rest));
    }
}

/// A replacement, split at its references.
struct Template<'r> {
    parts: Vec<Part<'r>>,
}

enum Part<'r> {
    Text(&'r [u8]),
    Group(usize),
    /// Groups of one name: the first that took part in the match counts.
    Named(Vec<usize>),
}

impl<'r> Template<'r> {
    fn parse(replacement: &Subject<'r>, names: &[Option<String>]) -> Self {
        let mut parts = Vec::new();
        let text = &*replacement.text;
        let mut rest = text;
        let part = |rest: &str, length: usize| {
            let start = text.len() - rest.len();
            Part::Text(replacement.bytes(start..start + length))
        };
        while let Some(dollar) = rest.find('$') {
            parts.push(part(rest, dollar));
            let after = &rest[dollar + 1..];
            if let Some(after) = after.strip_prefix('$') {
                parts.push(Part::Text(b"$"));
                rest = after;
            } else if let Some((name, after)) = reference(after) {
                parts.push(match group_number(name) {
                    Some(number) => Part::Group(number),
                    None => Part::Named(
                        names
                            .iter()
                            .enumerate()
                            .filter(|(_, own)| own.as_deref() == Some(name))
                            .map(|(number, _)| number)
                            .collect(),
                    ),
                });
                rest = after;
            } else {
                parts.push(Part::Text(b"$"));
                rest = after;
            }
        }
        parts.push(part(rest, rest.len()));
        Self { parts }
    }

    fn expand(&self, captures: &Captures<'_>, subject: &Subject<'_>, out: &mut Vec<u8>) {
        let of = |group: Match<'_>| subject.bytes(group.range());
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Group(number) => {
                    out.extend_from_slice(captures.get(*number).map_or(b"", of));
                }
                Part::Named(numbers) => {
                    if let Some(group) = numbers.iter().find_map(|&number| captures.get(number)) {
                        out.extend_from_slice(of(group));
                    }
                }
            }
        }
    }
}

/// `name` or `{name}`, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (braced, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner
        .find(|c| !(is_letter(c) || is_digit(c) || c == '_'))
        .unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        return Some((name, rest.strip_prefix('}')?));
    }
    Some((name, rest))
}

/// Numbers have no leading zeros; those that are too large are names.
fn group_number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit())
        && (name.len() == 1 || !name.starts_with('0'))
        && name.len() <= 9;
    is_number.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str) -> Pattern {
        Pattern::compile(source).expect(source)
    }

    fn text(text: &str) -> Subject<'_> {
        Subject::new(text.as_bytes())
    }

    #[test]
    fn classes_are_ascii() {
        assert!(
            !pattern(r"^\d$").is_match(&text("٣")) && pattern(r"^\w\s$").is_match(&text("a\t"))
        );
        assert!(!pattern(r"\w").is_match(&text("é")) && !pattern(r"\s").is_match(&text("\u{b}")));
        assert_eq!(pattern(r"\b").find_all(&text("é a"), -1), [b"", b""]);
        assert_eq!(pattern(r"\pL+").find(&text("12äb")), "äb".as_bytes());
        assert!(
            pattern(r"[\d&&a]").is_match(&text("&"))
                && pattern("(?i)K").is_match(&text("\u{212a}"))
        );
        assert!(pattern("^.$").is_match(&text("é")) && !pattern("^.$").is_match(&text("\n")));
        assert!(
            pattern(r"\x{d800}|a").is_match(&text("a")) && !pattern(r"\p{Cs}").is_match(&text("a"))
        );
    }

    #[test]
    fn walks_are_those_of_go() {
        assert_eq!(
            pattern("a*").find_all(&text("baac"), -1),
            [&b""[..], b"aa", b""]
        );
        assert_eq!(pattern("a").find_all(&text("aaa"), 2), [b"a", b"a"]);
        assert!(pattern("a").find_all(&text("aaa"), 0).is_empty());
        assert_eq!(pattern("a*").replace_all(&text("baac"), b"x"), b"xbxcx");
        assert_eq!(
            pattern("").replace_all(&text("日本"), b"-"),
            "-日-本-".as_bytes()
        );
        assert_eq!(
            pattern("a").split(&text("banana"), -1),
            Some(vec![&b"b"[..], b"n", b"n", b""])
        );
        assert_eq!(
            pattern("a").split(&text("banana"), 2),
            Some(vec![&b"b"[..], b"nana"])
        );
        assert_eq!(
            pattern("").split(&text("abc"), -1),
            Some(vec![&b"a"[..], b"b", b"c"])
        );
        assert_eq!(pattern("a").split(&text(""), -1), Some(vec![&b""[..]]));
        assert_eq!(pattern("").split(&text(""), -1), Some(vec![]));
        assert_eq!(pattern("a").split(&text("abc"), 0), None);
    }

    #[test]
    fn replacements() {
        let swap = pattern(r"(?P<first>\w+) (\w+)");
        assert_eq!(swap.replace_all(&text("a b"), b"$2 $first"), b"b a");
        assert_eq!(swap.replace_all(&text("a b"), b"${2}W$2W$$"), b"bW$");
        assert_eq!(
            swap.replace_all(&text("a b"), b"$ ${x $0 $9 $01"),
            b"$ ${x a b  "
        );
        assert_eq!(swap.replace_all_literal(&text("a b"), b"$2"), b"$2");
        assert_eq!(
            pattern("(?P<n>a)|(?P<n>b)").replace_all(&text("ab"), b"<$n>"),
            b"<a><b>"
        );
        assert_eq!(quote_meta(b"a.b*c-"), br"a\.b\*c-");
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        let subject = Subject::new(b"a\xe6\x97b\xff");
        assert_eq!(pattern(".").find_all(&subject, -1).len(), 5);
        assert_eq!(pattern("[^a]+").find(&subject), b"\xe6\x97b\xff");
        assert_eq!(
            pattern("b").split(&subject, -1),
            Some(vec![&b"a\xe6\x97"[..], b"\xff"])
        );
        assert_eq!(
            pattern("(\u{fffd})b").replace_all(&subject, b"<$1\xfe>"),
            b"a\xe6<\x97\xfe>\xff"
        );
        assert!(!pattern(r"\x{d800}").is_match(&text("\u{fffd}")));
        assert!(pattern(r"[\x{d700}-\x{d801}]").is_match(&text("\u{d7ff}")));
    }
}
