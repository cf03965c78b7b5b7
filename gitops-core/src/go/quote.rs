//! `strconv.Quote`: the text of `%q` in messages.

use std::fmt::Write as _;

use super::unicode::is_print;

/// Quotes as `strconv.Quote` (and the verb `%q`) does: printable characters as they are, others
/// as `\n`, `\x01`, `\u200b` or `\U000e0001`, invalid UTF-8 byte by byte as `\xff`.
///
/// ```
/// use gitops_core::go::quote;
///
/// assert_eq!(quote("caf\u{e9}\n\u{200b}"), r#""café\n\u200b""#);
/// assert_eq!(quote(b"\xff"), r#""\xff""#);
/// ```
pub fn quote(text: impl AsRef<[u8]>) -> String {
    quoted(text.as_ref(), false)
}

/// Quotes as `strconv.QuoteToASCII` (and `%+q`) does: like [`quote`], and everything beyond ASCII
/// is escaped.
pub fn quote_ascii(text: impl AsRef<[u8]>) -> String {
    quoted(text.as_ref(), true)
}

/// The verb `%q` of a rune: a character constant, as `strconv.QuoteRune` writes it.
///
/// ```
/// use gitops_core::go::quote_rune;
///
/// assert_eq!(quote_rune('\''), r"'\''");
/// assert_eq!(quote_rune('"'), "'\"'");
/// assert_eq!(quote_rune('\n'), r"'\n'");
/// ```
#[must_use]
pub fn quote_rune(rune: char) -> String {
    quoted_rune(rune, false)
}

/// The verb `%+q` of a rune: like [`quote_rune`], and everything beyond ASCII is escaped.
#[must_use]
pub fn quote_rune_ascii(rune: char) -> String {
    quoted_rune(rune, true)
}

fn quoted_rune(rune: char, ascii_only: bool) -> String {
    match rune {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => {
            let text = quoted(rune.encode_utf8(&mut [0; 4]).as_bytes(), ascii_only);
            format!("'{}'", &text[1..text.len() - 1])
        }
    }
}

fn quoted(text: &[u8], ascii_only: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(&mut out, character, ascii_only);
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("writing to a string");
        }
    }
    out.push('"');
    out
}

fn escape(out: &mut String, character: char, ascii_only: bool) {
    match character {
        '"' | '\\' => {
            out.push('\\');
            out.push(character);
        }
        _ if is_print(character) && (!ascii_only || character.is_ascii()) => out.push(character),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ => {
            let code = u32::from(character);
            match code {
                0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            }
            .expect("writing to a string");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_stays_and_the_rest_is_escaped() {
        assert_eq!(quote("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(
            quote("\u{7}\u{8}\u{c}\n\r\t\u{b}\0\u{7f}"),
            r#""\a\b\f\n\r\t\v\x00\x7f""#
        );
        assert_eq!(
            quote("日本 😀\u{ad}\u{a0}\u{e0001}"),
            r#""日本 😀\u00ad\u00a0\U000e0001""#
        );
        assert_eq!(quote(b"\xe6\x97"), r#""\xe6\x97""#);
        assert_eq!(quote_ascii("é😀"), r#""\u00e9\U0001f600""#);
        assert_eq!(quote("\u{fffd}"), "\"\u{fffd}\"");
    }
}
