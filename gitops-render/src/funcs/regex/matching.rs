//! Compiled patterns, and the ways in which package `regexp` walks over a text.

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
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// `FindString`: empty where nothing matches.
    pub(crate) fn find<'t>(&self, text: &'t str) -> &'t str {
        self.regex.find(text).map_or("", |found| found.as_str())
    }

    /// `FindAllString`: at most `limit` matches, all for negative limits.
    pub(crate) fn find_all<'t>(&self, text: &'t str, limit: i64) -> Vec<&'t str> {
        self.matches(text, limit)
            .into_iter()
            .map(|found| found.as_str())
            .collect()
    }

    /// `Split`: `None` for the limit 0, at most `limit` parts for positive limits, all for negative
    /// limits.
    pub(crate) fn split<'t>(&self, text: &'t str, limit: i64) -> Option<Vec<&'t str>> {
        if limit == 0 {
            return None;
        }
        if text.is_empty() && !self.is_empty {
            return Some(vec![""]);
        }
        let mut parts = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for found in self.matches(text, limit) {
            if limit > 0 && parts.len() as i64 >= limit - 1 {
                break;
            }
            end = found.start();
            if found.end() != 0 {
                parts.push(&text[begin..end]);
            }
            begin = found.end();
        }
        if end != text.len() {
            parts.push(&text[begin..]);
        }
        Some(parts)
    }

    /// `ReplaceAllLiteralString`.
    pub(crate) fn replace_all_literal(&self, text: &str, replacement: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut walk = Replacements::new(text);
        while let Some(found) = walk.next_match(|at| self.regex.find_at(text, at)) {
            if walk.copy_until(&found, &mut out) {
                out.push_str(replacement);
            }
        }
        walk.copy_rest(&mut out);
        out
    }

    /// `ReplaceAllString`: `$1`, `${1}`, `$name`, `${name}` and `$$` in the replacement are expanded.
    pub(crate) fn replace_all(&self, text: &str, replacement: &str) -> String {
        if !replacement.contains('$') {
            return self.replace_all_literal(text, replacement);
        }
        let template = Template::parse(replacement, &self.names);
        let mut out = String::with_capacity(text.len());
        let mut walk = Replacements::new(text);
        loop {
            let mut captures = None;
            let found = walk.next_match(|at| {
                captures = self.regex.captures_at(text, at);
                captures.as_ref().and_then(|captures| captures.get(0))
            });
            let (Some(found), Some(captures)) = (found, &captures) else {
                break;
            };
            if walk.copy_until(&found, &mut out) {
                template.expand(captures, &mut out);
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
pub(crate) fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\.+*?()|[]{}^$".contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn width(text: &str, position: usize) -> usize {
    text[position..].chars().next().map_or(0, char::len_utf8)
}

/// The walk of `replaceAll`.
struct Replacements<'t> {
    text: &'t str,
    last_end: usize,
    position: usize,
}

impl<'t> Replacements<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            last_end: 0,
            position: 0,
        }
    }

    fn next_match(&mut self, find: impl FnOnce(usize) -> Option<Match<'t>>) -> Option<Match<'t>> {
        (self.position <= self.text.len())
            .then(|| find(self.position))
            .flatten()
    }

    /// Copies the text before a match; whether the match is to be replaced.
    fn copy_until(&mut self, found: &Match<'_>, out: &mut String) -> bool {
        out.push_str(&self.text[self.last_end..found.start()]);
        let replace = found.end() > self.last_end || found.start() == 0;
        self.last_end = found.end();
        let width = width(self.text, self.position);
        self.position = if self.position + width > found.end() {
            self.position + width
        } else if self.position + 1 > found.end() {
            self.position + 1
        } else {
            found.end()
        };
        replace
    }

    fn copy_rest(&self, out: &mut String) {
        out.push_str(&self.text[self.last_end..]);
    }
}

/// A replacement, split at its references.
struct Template<'r> {
    parts: Vec<Part<'r>>,
}

enum Part<'r> {
    Text(&'r str),
    Group(usize),
    /// Groups of one name: the first that took part in the match counts.
    Named(Vec<usize>),
}

impl<'r> Template<'r> {
    fn parse(replacement: &'r str, names: &[Option<String>]) -> Self {
        let mut parts = Vec::new();
        let mut rest = replacement;
        while let Some(dollar) = rest.find('$') {
            parts.push(Part::Text(&rest[..dollar]));
            let after = &rest[dollar + 1..];
            if let Some(after) = after.strip_prefix('$') {
                parts.push(Part::Text("$"));
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
                parts.push(Part::Text("$"));
                rest = after;
            }
        }
        parts.push(Part::Text(rest));
        Self { parts }
    }

    fn expand(&self, captures: &Captures<'_>, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Group(number) => {
                    out.push_str(captures.get(*number).map_or("", |group| group.as_str()));
                }
                Part::Named(numbers) => {
                    if let Some(group) = numbers.iter().find_map(|&number| captures.get(number)) {
                        out.push_str(group.as_str());
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

    #[test]
    fn classes_are_ascii() {
        assert!(!pattern(r"^\d$").is_match("٣") && pattern(r"^\w\s$").is_match("a\t"));
        assert!(!pattern(r"\w").is_match("é") && !pattern(r"\s").is_match("\u{b}"));
        assert_eq!(pattern(r"\b").find_all("é a", -1), ["", ""]);
        assert_eq!(pattern(r"\pL+").find("12äb"), "äb");
        assert!(pattern(r"[\d&&a]").is_match("&") && pattern("(?i)K").is_match("\u{212a}"));
        assert!(pattern("^.$").is_match("é") && !pattern("^.$").is_match("\n"));
        assert!(pattern(r"\x{d800}|a").is_match("a") && !pattern(r"\p{Cs}").is_match("a"));
    }

    #[test]
    fn walks_are_those_of_go() {
        assert_eq!(pattern("a*").find_all("baac", -1), ["", "aa", ""]);
        assert_eq!(pattern("a").find_all("aaa", 2), ["a", "a"]);
        assert!(pattern("a").find_all("aaa", 0).is_empty());
        assert_eq!(pattern("a*").replace_all("baac", "x"), "xbxcx");
        assert_eq!(pattern("").replace_all("日本", "-"), "-日-本-");
        assert_eq!(
            pattern("a").split("banana", -1),
            Some(vec!["b", "n", "n", ""])
        );
        assert_eq!(pattern("a").split("banana", 2), Some(vec!["b", "nana"]));
        assert_eq!(pattern("").split("abc", -1), Some(vec!["a", "b", "c"]));
        assert_eq!(pattern("a").split("", -1), Some(vec![""]));
        assert_eq!(pattern("").split("", -1), Some(vec![]));
        assert_eq!(pattern("a").split("abc", 0), None);
    }

    #[test]
    fn replacements() {
        let swap = pattern(r"(?P<first>\w+) (\w+)");
        assert_eq!(swap.replace_all("a b", "$2 $first"), "b a");
        assert_eq!(swap.replace_all("a b", "${2}W$2W$$"), "bW$");
        assert_eq!(swap.replace_all("a b", "$ ${x $0 $9 $01"), "$ ${x a b  ");
        assert_eq!(swap.replace_all_literal("a b", "$2"), "$2");
        assert_eq!(
            pattern("(?P<n>a)|(?P<n>b)").replace_all("ab", "<$n>"),
            "<a><b>"
        );
        assert_eq!(quote_meta("a.b*c-"), r"a\.b\*c-");
    }
}
