//! Case conversions of Go's `strings`, goutils and xstrings, on the characters of a string.

use std::iter;

use gitops_core::go::unicode::{
    is_digit, is_letter, is_lower, is_number, is_punctuation, is_space, is_title, is_upper, runes,
    to_lower, to_title, to_upper,
};

use crate::template::{marked, marked_byte, unmarked};

/// `strings.ToUpper`.
pub(super) fn upper(text: &[u8]) -> String {
    runes(text).map(to_upper).collect()
}

/// `strings.ToLower`.
pub(super) fn lower(text: &[u8]) -> String {
    runes(text).map(to_lower).collect()
}

/// `strings.Title`: the first letter of each word, where anything that is no letter, digit or
/// underscore ends a word within ASCII, and white space beyond.
pub(super) fn title(text: &[u8]) -> String {
    let mut previous = ' ';
    runes(text)
        .map(|character| {
            let mapped = if separates_words(previous) {
                to_title(character)
            } else {
                character
            };
            previous = character;
            mapped
        })
        .collect()
}

fn separates_words(character: char) -> bool {
    if character.is_ascii() {
        return !(character.is_ascii_alphanumeric() || character == '_');
    }
    !is_letter(character) && !is_digit(character) && is_space(character)
}

/// goutils `Uncapitalize`: the first character of each word between white space becomes lower case.
pub(super) fn untitle(text: &[u8]) -> String {
    let mut starts = true;
    runes(text)
        .map(|character| {
            if is_space(character) {
                starts = true;
                character
            } else if std::mem::take(&mut starts) {
                to_lower(character)
            } else {
                character
            }
        })
        .collect()
}

/// goutils `SwapCase`: lower case becomes upper case (title case after white space), others lower
/// case.
pub(super) fn swap_case(text: &[u8]) -> String {
    let mut after_space = true;
    runes(text)
        .map(|character| {
            if is_upper(character) || is_title(character) {
                after_space = false;
                to_lower(character)
            } else if is_lower(character) {
                if std::mem::take(&mut after_space) {
                    to_title(character)
                } else {
                    to_upper(character)
                }
            } else {
                after_space = is_space(character);
                character
            }
        })
        .collect()
}

/// goutils `Initials`: the first *byte* of each word between white space, as a character.
pub(super) fn initials(text: &[u8]) -> String {
    let mut after_space = true;
    text.iter()
        .copied()
        .map(char::from)
        .filter(|&byte| {
            let starts = after_space;
            after_space = is_space(byte);
            starts && !after_space
        })
        .collect()
}

/// xstrings `ToPascalCase`: connectors go, the character after one becomes upper case, and of runs
/// of upper case only the first stays.
pub(super) fn camel_case(text: &[u8]) -> String {
    let characters: Vec<char> = runes(text).collect();
    let leading = characters.iter().take_while(|&&c| is_connector(c)).count();
    let mut out: String = characters[..leading].iter().collect();
    let Some((&first, rest)) = characters[leading..].split_first() else {
        // Of connectors alone the last one is written twice.
        out.extend(characters.last());
        return out;
    };
    let mut in_upper_run = is_upper(first);
    let mut current = to_upper(first);
    for &character in rest {
        let previous = std::mem::replace(&mut current, character);
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            in_upper_run = is_upper(current);
            current = to_upper(current);
        } else {
            if in_upper_run {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    in_upper_run = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

/// xstrings `ToSnakeCase` (connector `_`) and `ToKebabCase` (connector `-`).
pub(super) fn separated_case(text: &[u8], connector: char) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => separated(text, connector, false).into_bytes(),
        // What is no text is copied.
        Err(_) => unmarked(&separated(&marked(text), connector, true)),
    }
}

fn separated(text: &str, connector: char, has_marks: bool) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let mut out = Output {
        text: String::with_capacity(text.len() + 8),
        has_marks,
        connector,
    };
    let mut words = Words {
        rest: &characters,
        has_marks,
    };
    let mut word = words.next_word();
    while !words.rest.is_empty() {
        if word.kind != Kind::Connector {
            out.lower(word);
        }
        let previous = word;
        word = words.next_word();
        match previous.kind {
            Kind::Number => {
                while matches!(word.kind, Kind::Alphabet | Kind::Number) {
                    out.lower(word);
                    word = words.next_word();
                }
                if !matches!(
                    word.kind,
                    Kind::Invalid | Kind::Punctuation | Kind::Connector
                ) {
                    out.text.push(connector);
                }
            }
            Kind::Connector => out.lower(previous),
            Kind::Punctuation => {}
            Kind::Invalid | Kind::Upper | Kind::Alphabet | Kind::Other => {
                if word.kind != Kind::Number {
                    if !matches!(word.kind, Kind::Connector | Kind::Punctuation) {
                        out.text.push(connector);
                    }
                    continue;
                }
                if words.rest.is_empty() {
                    continue;
                }
                let number = word;
                word = words.next_word();
                // A number belongs to the word before it, unless lower-case letters follow.
                if word.kind != Kind::Alphabet {
                    out.lower(number);
                    if !matches!(word.kind, Kind::Connector | Kind::Punctuation) {
                        out.text.push(connector);
                    }
                    continue;
                }
                out.text.push(connector);
                out.lower(number);
                while matches!(word.kind, Kind::Alphabet | Kind::Number) {
                    out.lower(word);
                    word = words.next_word();
                }
                if !matches!(
                    word.kind,
                    Kind::Invalid | Kind::Connector | Kind::Punctuation
                ) {
                    out.text.push(connector);
                }
            }
        }
    }
    out.lower(word);
    out.text
}

fn is_connector(character: char) -> bool {
    matches!(character, '-' | '_') || is_space(character)
}

/// Letters but for the common ideographs.
fn is_alphabet(character: char) -> bool {
    is_letter(character)
        && !matches!(
            character,
            '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}'
        )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

#[derive(Clone, Copy)]
struct Word<'a> {
    kind: Kind,
    characters: &'a [char],
}

struct Words<'a> {
    rest: &'a [char],
    /// Whether bytes that are no text are marked.
    has_marks: bool,
}

impl<'a> Words<'a> {
    fn next_word(&mut self) -> Word<'a> {
        let rest = self.rest;
        let (first, size) = self.next_valid(rest, char::REPLACEMENT_CHARACTER);
        if first == char::REPLACEMENT_CHARACTER {
            return self.take(Kind::Invalid, size);
        }
        if is_connector(first) {
            return self.run(Kind::Connector, size, first, is_connector);
        }
        if is_punctuation(first) {
            return self.run(Kind::Punctuation, size, first, is_punctuation);
        }
        if is_upper(first) {
            return self.upper_word(size, first);
        }
        if is_alphabet(first) {
            return self.run(Kind::Alphabet, size, first, |c| {
                is_alphabet(c) && !is_upper(c)
            });
        }
        if is_number(first) {
            return self.run(Kind::Number, size, first, is_number);
        }
        self.run(Kind::Other, size, first, |c| {
            !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c))
        })
    }

    /// `HTTP` and `Status` of `HTTPStatus`.
    fn upper_word(&mut self, size: usize, first: char) -> Word<'a> {
        if size >= self.rest.len() {
            return self.take(Kind::Upper, size);
        }
        let (second, second_size) = self.next_valid(&self.rest[size..], first);
        let mut end = size;
        if is_upper(second) {
            end += second_size;
            let mut last_size = second_size;
            let mut next = second;
            while end < self.rest.len() {
                let next_size;
                (next, next_size) = self.next_valid(&self.rest[end..], next);
                if !is_upper(next) {
                    break;
                }
                last_size = next_size;
                end += next_size;
            }
            if end < self.rest.len() && is_alphabet(next) {
                end -= last_size;
            }
            return self.take(Kind::Upper, end);
        }
        if is_alphabet(second) {
            return self.run(Kind::Upper, size + second_size, second, |c| {
                is_alphabet(c) && !is_upper(c)
            });
        }
        self.take(Kind::Upper, size)
    }

    fn run(
        &mut self,
        kind: Kind,
        mut end: usize,
        mut previous: char,
        accepts: impl Fn(char) -> bool,
    ) -> Word<'a> {
        while end < self.rest.len() {
            let (next, size) = self.next_valid(&self.rest[end..], previous);
            if !accepts(next) {
                break;
            }
            previous = next;
            end += size;
        }
        self.take(kind, end)
    }

    /// The next character that is valid, or else `previous`, and how many characters it takes.
    fn next_valid(&self, characters: &[char], previous: char) -> (char, usize) {
        let is_valid = |c: char| {
            c != char::REPLACEMENT_CHARACTER && !(self.has_marks && marked_byte(c).is_some())
        };
        characters
            .iter()
            .position(|&c| is_valid(c))
            .map_or((previous, characters.len()), |index| {
                (characters[index], index + 1)
            })
    }

    fn take(&mut self, kind: Kind, length: usize) -> Word<'a> {
        let (characters, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Word { kind, characters }
    }
}

struct Output {
    text: String,
    has_marks: bool,
    connector: char,
}

impl Output {
    fn lower(&mut self, word: Word<'_>) {
        if !matches!(word.kind, Kind::Upper | Kind::Connector) {
            self.text.extend(word.characters);
            return;
        }
        for &character in word.characters {
            self.text.extend(iter::once(if is_connector(character) {
                self.connector
            } else if is_upper(character) {
                to_lower(character)
            } else if self.has_marks && marked_byte(character).is_some() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_and_kebab() {
        for (text, expected) in [
            ("", ""),
            ("FirstName", "first_name"),
            ("HTTPServer", "http_server"),
            ("NoHTTPS", "no_https"),
            ("GO_PATH", "go_path"),
            ("GO PATH", "go_path"),
            ("GO-PATH", "go_path"),
            ("http2xx", "http_2xx"),
            ("HTTP20xOK", "http_20x_ok"),
            ("Duration2m3s", "duration_2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd"),
            ("A1B", "a1_b"),
            ("a__b", "a__b"),
            ("a.b", "a.b"),
            ("_HELLO_", "_hello_"),
            ("日本語Text", "日本語_text"),
        ] {
            let found = separated_case(text.as_bytes(), '_');
            assert_eq!(found, expected.as_bytes(), "{text}");
        }
        assert_eq!(separated_case(b"HTTPServer2Go", '-'), b"http-server2-go");
        assert_eq!(separated_case(b"a\xe6\x97b", '-'), b"a\xe6\x97b");
    }

    #[test]
    fn camel() {
        for (text, expected) in [
            ("http_server", "HttpServer"),
            ("_camel_case", "_CamelCase"),
            ("no_https", "NoHttps"),
            ("_complex__case_", "_Complex_Case_"),
            (" camel-case ", " CamelCase "),
            ("GOLANG_IS_GREAT", "GolangIsGreat"),
            ("a", "A"),
            ("-", "--"),
        ] {
            assert_eq!(camel_case(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(
            title("o'neil's bar_baz éa-ü".as_bytes()),
            "O'Neil'S Bar_baz Éa-Ü"
        );
        assert_eq!(untitle(b"First Try\tAgain"), "first try\tagain");
        assert_eq!(
            swap_case("This Is A.test ünï".as_bytes()),
            "tHIS iS a.TEST ÜNÏ"
        );
        assert_eq!(initials("First Try été".as_bytes()), "FTÃ");
        assert_eq!(upper("straße".as_bytes()), "STRAßE");
        assert_eq!(lower(b"A\xffB"), "a\u{fffd}b");
    }
}
