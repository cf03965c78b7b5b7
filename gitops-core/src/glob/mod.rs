//! Globs in the two dialects that Application and AppProject use.
//!
//! * [`Glob`]: gobwas/glob, for names, URLs and file paths: `*` stops at the separators given, `**`
//!   does not, `?` is one character, `[abc]`, `[a-z]` and `[!abc]` are classes, `{a,b}` alternatives,
//!   `\` quotes.
//! * [`file_path_match`]: Go's `filepath.Match`, for kinds and groups.

mod file_path;

use std::fmt;

pub use file_path::{BadPattern, file_path_match};

/// A compiled gobwas glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
    separators: Vec<char>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    AnyOne,
    Any,
    AnyAcross,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Alternatives(Vec<Vec<Self>>),
}

/// A glob is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the glob `{pattern}` is malformed: {reason}")]
#[non_exhaustive]
pub struct GlobError {
    /// The glob.
    pub pattern: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl crate::error::Classified for GlobError {
    fn class(&self) -> crate::error::ErrorClass {
        crate::error::ErrorClass::Invalid
    }
}

impl Glob {
    /// Compiles a glob whose `*` and `?` stop at `separators`.
    pub fn new(pattern: &str, separators: &[char]) -> Result<Self, GlobError> {
        let chars: Vec<char> = pattern.chars().collect();
        let mut position = 0;
        let tokens = parse(&chars, &mut position, 0).map_err(|reason| GlobError {
            pattern: pattern.to_owned(),
            reason,
        })?;
        Ok(Self {
            tokens,
            separators: separators.to_vec(),
        })
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let parts: Vec<&Token> = self.tokens.iter().collect();
        matches(&parts, &text, &self.separators)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn parse(chars: &[char], position: &mut usize, depth: usize) -> Result<Vec<Token>, &'static str> {
    if depth > 16 {
        return Err("alternatives are nested too deeply");
    }
    let mut tokens = Vec::new();
    while let Some(&c) = chars.get(*position) {
        match c {
            '}' | ',' if depth > 0 => return Ok(tokens),
            '*' => {
                let mut stars = 0;
                while chars.get(*position) == Some(&'*') {
                    stars += 1;
                    *position += 1;
                }
                tokens.push(if stars == 1 {
                    Token::Any
                } else {
                    Token::AnyAcross
                });
                continue;
            }
            '?' => tokens.push(Token::AnyOne),
            '[' => {
                *position += 1;
                tokens.push(class(chars, position)?);
                continue;
            }
            '{' => {
                let mut alternatives = Vec::new();
                loop {
                    *position += 1;
                    alternatives.push(parse(chars, position, depth + 1)?);
                    match chars.get(*position) {
                        Some(',') => {}
                        Some('}') => break,
                        _ => return Err("`{` without `}`"),
                    }
                }
                tokens.push(Token::Alternatives(alternatives));
            }
            '\\' => {
                *position += 1;
                let quoted = chars.get(*position).ok_or("`\\` at the end")?;
                tokens.push(Token::Literal(*quoted));
            }
            c => tokens.push(Token::Literal(c)),
        }
        *position += 1;
    }
    if depth > 0 {
        Err("`{` without `}`")
    } else {
        Ok(tokens)
    }
}

/// Parses a class; `position` is behind the `[` before and behind the `]` after.
fn class(chars: &[char], position: &mut usize) -> Result<Token, &'static str> {
    let negated = chars.get(*position) == Some(&'!');
    if negated {
        *position += 1;
    }
    let mut ranges = Vec::new();
    loop {
        let mut next = || -> Result<char, &'static str> {
            let c = *chars.get(*position).ok_or("`[` without `]`")?;
            *position += 1;
            if c != '\\' {
                return Ok(c);
            }
            let quoted = *chars.get(*position).ok_or("`\\` at the end")?;
            *position += 1;
            Ok(quoted)
        };
        let low = next()?;
        if low == ']' && !ranges.is_empty() {
            return Ok(Token::Class { negated, ranges });
        }
        if low == ']' {
            return Err("empty class");
        }
        if chars.get(*position) == Some(&'-') && chars.get(*position + 1) != Some(&']') {
            *position += 1;
            let mut next = || -> Result<char, &'static str> {
                let c = *chars.get(*position).ok_or("`[` without `]`")?;
                *position += 1;
                Ok(c)
            };
            let high = next()?;
            if high < low {
                return Err("a range runs backwards");
            }
            ranges.push((low, high));
        } else {
            ranges.push((low, low));
        }
    }
}

fn matches(tokens: &[&Token], text: &[char], separators: &[char]) -> bool {
    // Position by position, the set of tokens that can come next: linear in the text for each token.
    let Some((first, rest)) = tokens.split_first() else {
        return text.is_empty();
    };
    match first {
        Token::Literal(c) => text.first() == Some(c) && matches(rest, &text[1..], separators),
        Token::AnyOne => {
            text.first().is_some_and(|c| !separators.contains(c))
                && matches(rest, &text[1..], separators)
        }
        Token::Class { negated, ranges } => {
            text.first()
                .is_some_and(|c| ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated)
                && matches(rest, &text[1..], separators)
        }
        Token::Any | Token::AnyAcross => {
            let across = **first == Token::AnyAcross;
            // A later star can take over whatever this one would have to give back.
            if let Some(star) = next_star(rest) {
                return skip_to(tokens, star, text, separators, across);
            }
            (0..=text.len())
                .take_while(|&n| n == 0 || across || !separators.contains(&text[n - 1]))
                .any(|n| matches(rest, &text[n..], separators))
        }
        Token::Alternatives(alternatives) => alternatives.iter().any(|alternative| {
            let joined: Vec<&Token> = alternative.iter().chain(rest.iter().copied()).collect();
            matches(&joined, text, separators)
        }),
    }
}

/// Index (in `rest`) of a star that follows single-character tokens only.
fn next_star(rest: &[&Token]) -> Option<usize> {
    let index = rest
        .iter()
        .position(|t| matches!(t, Token::Any | Token::AnyAcross))?;
    rest[..index]
        .iter()
        .all(|t| matches!(t, Token::Literal(_) | Token::AnyOne | Token::Class { .. }))
        .then_some(index)
}

/// Matches a star, the single characters behind it and a second star: the first place where the
/// characters fit decides, unless separators limit one of the stars.
fn skip_to(
    tokens: &[&Token],
    star: usize,
    text: &[char],
    separators: &[char],
    across: bool,
) -> bool {
    let fixed = &tokens[1..=star];
    let after = &tokens[1 + star..];
    let second_across = *tokens[1 + star] == Token::AnyAcross;
    let decided_by_first = second_across || separators.is_empty();
    for n in 0..=text.len() {
        if n > 0 && !across && separators.contains(&text[n - 1]) {
            return false;
        }
        if text.len() - n < fixed.len() {
            return false;
        }
        if matches(fixed, &text[n..n + fixed.len()], separators) {
            let rest = matches(after, &text[n + fixed.len()..], separators);
            if rest || decided_by_first {
                return rest;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::new(pattern, &['/']).unwrap().matches(text)
    }

    #[test]
    fn stars_stop_at_separators() {
        assert!(glob("https://example.com/*", "https://example.com/a"));
        assert!(!glob("https://example.com/*", "https://example.com/a/b"));
        assert!(glob("https://example.com/**", "https://example.com/a/b"));
        assert!(Glob::new("*", &[]).unwrap().matches("a/b"));
        assert!(glob("*a*b*c", "xaxbxc"));
        assert!(!glob("*a*b*c", "xaxbxcx"));
        assert!(glob("a*/b*", "ax/bx"));
    }

    #[test]
    fn classes_and_alternatives() {
        assert!(glob("{a,b{c,d}}[x-z]?", "bdy1"));
        assert!(!glob("{a,b}[!x]", "ax"));
        assert!(glob("\\*", "*"));
        assert!(Glob::new("{a", &[]).is_err());
        assert!(Glob::new("[", &[]).is_err());
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(40) + "b";
        assert!(!Glob::new(&pattern, &[]).unwrap().matches(&"a".repeat(400)));
    }
}
