//! Strings. Most functions work on bytes, some on characters, exactly as Go's do.

mod case;
mod search;
mod wrap;

use gitops_core::go::{quote, unicode::is_space};

use self::search::{find, replace_all, split};
use super::{Registry, Rest};
use crate::template::{CallError, Context, Entries, Limits, List, Map, MapType, Str, Value, fmt};

pub(super) fn register(registry: &mut Registry) {
    registry.add("hello", || "Hello!");
    registry.add("abbrev", |width: i64, text: Str| {
        abbreviated(0, width, text)
    });
    registry.add("abbrevboth", |left: i64, right: i64, text: Str| {
        if left > 0 && right < 7 {
            return text.to_vec();
        }
        abbreviated(left, right, text)
    });
    registry.add("trunc", |length: i64, text: Str| truncated(length, text));
    registry.add("substr", substring);
    registry.add("trim", |text: Str| trimmed(&text, is_space).to_vec());
    for name in ["trimall", "trimAll"] {
        registry.add(name, |characters: Str, text: Str| {
            let characters = characters.to_str();
            trimmed(&text, |c| characters.contains(c)).to_vec()
        });
    }
    registry.add("trimSuffix", |suffix: Str, text: Str| {
        text.strip_suffix(suffix.as_bytes())
            .unwrap_or(&text)
            .to_vec()
    });
    registry.add("trimPrefix", |prefix: Str, text: Str| {
        text.strip_prefix(prefix.as_bytes())
            .unwrap_or(&text)
            .to_vec()
    });
    registry.add("upper", |text: Str| mapped(text, case::upper));
    registry.add("lower", |text: Str| mapped(text, case::lower));
    registry.add("title", |text: Str| mapped(text, case::title));
    registry.add("untitle", |text: Str| mapped(text, case::untitle));
    registry.add("swapcase", |text: Str| mapped(text, case::swap_case));
    registry.add("snakecase", |text: Str| {
        Str::from(case::separated_case(&text, '_'))
    });
    registry.add("kebabcase", |text: Str| {
        Str::from(case::separated_case(&text, '-'))
    });
    registry.add("camelcase", |text: Str| case::camel_case(&text));
    registry.add("initials", |text: Str| case::initials(&text));
    registry.add("nospace", without_spaces);
    registry.add("repeat", repeat);
    registry.add(
        "wrap",
        |context: &mut Context<'_>, width: i64, text: Str| {
            wrapped(context, width, &Str::EMPTY, &text, false)
        },
    );
    registry.add(
        "wrapWith",
        |context: &mut Context<'_>, width: i64, separator: Str, text: Str| {
            wrapped(context, width, &separator, &text, true)
        },
    );
    registry.add("contains", |part: Str, text: Str| {
        find(&text, &part).is_some()
    });
    registry.add("hasPrefix", |prefix: Str, text: Str| {
        text.starts_with(&prefix)
    });
    registry.add("hasSuffix", |suffix: Str, text: Str| {
        text.ends_with(&suffix)
    });
    registry.add("quote", |Rest(values): Rest<Value>| {
        joined(&values, |value| Ok(quote(strval(value)?).into_bytes()))
    });
    registry.add("squote", |Rest(values): Rest<Value>| {
        joined(&values, |value| {
            Ok([b"'", printed(value)?.as_bytes(), b"'"].concat())
        })
    });
    registry.add("cat", |Rest(values): Rest<Value>| {
        joined(&values, |value| Ok(printed(value)?.to_vec()))
    });
    registry.add(
        "indent",
        |context: &mut Context<'_>, spaces: i64, text: Str| indented(context, spaces, &text, b""),
    );
    registry.add(
        "nindent",
        |context: &mut Context<'_>, spaces: i64, text: Str| indented(context, spaces, &text, b"\n"),
    );
    registry.add(
        "replace",
        |context: &mut Context<'_>, old: Str, new: Str, text: Str| {
            replace_all(context, &text, &old, &new)
        },
    );
    registry.add(
        "plural",
        |one: Str, many: Str, count: i64| {
            if count == 1 { one } else { many }
        },
    );
    registry.add("toString", |value: Value| strval(&value));
    registry.add("split", |separator: Str, text: Str| {
        numbered(split(&text, &separator, -1))
    });
    registry.add("splitn", |separator: Str, count: i64, text: Str| {
        numbered(split(&text, &separator, count))
    });
    registry.add("splitList", |separator: Str, text: Str| {
        List::strings(split(&text, &separator, -1))
    });
}

/// sprig's `strval`: texts and bytes as they are, others as they print.
pub(crate) fn strval(value: &Value) -> Result<Str, CallError> {
    match value {
        Value::Str(text) | Value::Bytes(text) => Ok(text.clone()),
        _ => printed(value),
    }
}

/// The text of `%v`.
pub(crate) fn printed(value: &Value) -> Result<Str, CallError> {
    fmt::sprint(std::slice::from_ref(value), &Limits::default()).map(Str::from)
}

/// sprig's `strslice`: the texts of the items that are not nil, or of the value alone.
pub(super) fn to_strings(value: &Value) -> Result<Vec<Str>, CallError> {
    match value.underlying().as_ref() {
        Value::Nil => Ok(Vec::new()),
        Value::List(list) => list
            .iter()
            .filter(|item| !matches!(item, Value::Nil))
            .map(strval)
            .collect(),
        Value::Bytes(bytes) => Ok(bytes
            .iter()
            .map(|byte| Str::from(byte.to_string()))
            .collect()),
        _ => Ok(vec![strval(value)?]),
    }
}

fn mapped(text: Str, map: fn(&[u8]) -> String) -> Str {
    map(&text).into()
}

/// The texts of all values that are not nil, with spaces between them.
fn joined(
    values: &[Value],
    text: impl Fn(&Value) -> Result<Vec<u8>, CallError>,
) -> Result<Vec<u8>, CallError> {
    let texts = values
        .iter()
        .filter(|value| !matches!(value, Value::Nil))
        .map(text)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(texts.join(b" ".as_slice()))
}

/// Without the characters at both ends for which `is_cut` holds. Bytes that are not UTF-8 count as
/// U+FFFD.
fn trimmed(text: &[u8], is_cut: impl Fn(char) -> bool) -> &[u8] {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.trim_matches(is_cut).as_bytes();
    }
    let mut offset = 0;
    let (mut start, mut end) = (None, 0);
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().chars().map(|c| (c, c.len_utf8()));
        let invalid = chunk
            .invalid()
            .iter()
            .map(|_| (char::REPLACEMENT_CHARACTER, 1));
        for (character, width) in valid.chain(invalid) {
            if !is_cut(character) {
                start.get_or_insert(offset);
                end = offset + width;
            }
            offset += width;
        }
    }
    start.map_or(&[], |start| &text[start..end])
}

fn abbreviated(offset: i64, width: i64, text: Str) -> Vec<u8> {
    if width < 4 {
        return text.to_vec();
    }
    wrap::abbreviate(&text, offset, width)
}

fn truncated(length: i64, text: Str) -> Str {
    let own = text.len() as i64;
    if length < 0 && own.saturating_add(length) > 0 {
        return Str::new(&text[(own + length) as usize..]);
    }
    if length >= 0 && own > length {
        return Str::new(&text[..length as usize]);
    }
    text
}

/// Bytes from `start` to before `end`; a negative start is the beginning, a negative or too large end
/// the end, and what is left has Go's panics.
fn substring(start: i64, end: i64, text: Str) -> Result<Str, CallError> {
    let length = text.len() as i64;
    let out_of_range = |bounds: String| {
        CallError::new(format!("runtime error: slice bounds out of range {bounds}"))
    };
    if start < 0 {
        if end < 0 {
            return Err(out_of_range(format!("[:{end}]")));
        }
        if end > length {
            return Err(out_of_range(format!("[:{end}] with length {length}")));
        }
        return Ok(Str::new(&text[..end as usize]));
    }
    let end = if end < 0 || end > length { length } else { end };
    if start > end {
        return Err(out_of_range(format!("[{start}:{end}]")));
    }
    Ok(Str::new(&text[start as usize..end as usize]))
}

/// goutils `DeleteWhiteSpace`, which takes bytes for characters: where there is any space, bytes beyond
/// ASCII are written as the characters of their values.
fn without_spaces(text: Str) -> Str {
    let spaces = |&byte: &u8| is_space(char::from(byte));
    if !text.iter().any(spaces) {
        return text;
    }
    let kept = text.iter().filter(|byte| !spaces(byte));
    Str::from(kept.map(|&byte| char::from(byte)).collect::<String>())
}

fn repeat(context: &mut Context<'_>, count: i64, text: Str) -> Result<Vec<u8>, CallError> {
    let count =
        usize::try_from(count).map_err(|_| CallError::new("strings: negative Repeat count"))?;
    let length = text
        .len()
        .checked_mul(count)
        .filter(|&length| length <= i64::MAX as usize)
        .ok_or_else(|| CallError::new("strings: Repeat output length overflow"))?;
    context.allow_bytes(length)?;
    Ok(text.as_bytes().repeat(count))
}

fn wrapped(
    context: &mut Context<'_>,
    width: i64,
    separator: &Str,
    text: &Str,
    break_words: bool,
) -> Result<Vec<u8>, CallError> {
    let lines = text.len() / usize::try_from(width).unwrap_or(1).max(1) + 1;
    context.allow_bytes(text.len() + lines.saturating_mul(separator.len().max(1)))?;
    Ok(wrap::wrap(text, width, separator, break_words))
}

fn indented(
    context: &mut Context<'_>,
    spaces: i64,
    text: &[u8],
    before: &[u8],
) -> Result<Vec<u8>, CallError> {
    let spaces =
        usize::try_from(spaces).map_err(|_| CallError::new("strings: negative Repeat count"))?;
    let breaks = text.iter().filter(|&&byte| byte == b'\n').count();
    let length = spaces
        .saturating_mul(breaks + 1)
        .saturating_add(text.len() + before.len());
    context.allow_bytes(length)?;
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(before);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    // After the last line break, or alone, there is padding too.
    if text.last().is_none_or(|&byte| byte == b'\n') {
        out.resize(out.len() + spaces, b' ');
    }
    Ok(out)
}

/// A `map[string]string` with the keys `_0`, `_1`, …
fn numbered(parts: Vec<&[u8]>) -> Map {
    let entries: Entries = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| (Str::from(format!("_{index}")), Value::Str(Str::new(part))))
        .collect();
    Map::from_entries(MapType::Strings, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }

    #[test]
    fn trimming() {
        assert_eq!(
            text(trimmed(" \u{a0}a b\u{2003}\n".as_bytes(), is_space)),
            "a b"
        );
        assert_eq!(trimmed(b" \xff \t", is_space), b"\xff");
        assert_eq!(trimmed(b"  ", is_space), b"");
    }

    #[test]
    fn bytes_are_counted() {
        assert_eq!(truncated(3, Str::from("aé日")), "aé");
        assert_eq!(truncated(-3, Str::from("aé日")), "日");
        assert_eq!(truncated(2, Str::from("é日")).as_bytes(), "é".as_bytes());
        assert_eq!(truncated(-9, Str::from("ab")), "ab");
        let error = |start, end| {
            substring(start, end, Str::from("abc"))
                .expect_err("out of range")
                .to_string()
        };
        assert_eq!(
            error(-1, 4),
            "runtime error: slice bounds out of range [:4] with length 3"
        );
        assert_eq!(
            error(5, -1),
            "runtime error: slice bounds out of range [5:3]"
        );
        assert_eq!(
            error(2, 1),
            "runtime error: slice bounds out of range [2:1]"
        );
        assert_eq!(
            error(-1, -1),
            "runtime error: slice bounds out of range [:-1]"
        );
        assert_eq!(text(without_spaces(Str::from("é x"))), "Ã©x");
        assert_eq!(text(without_spaces(Str::from("éx"))), "éx");
    }
}
