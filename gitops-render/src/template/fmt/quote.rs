//! Characters in quotes, and by their code.

use gitops_core::go::{quote, quote_ascii, unicode::is_print};

/// `%#U`: `U+002D '-'`.
pub(crate) fn unicode_point(character: char) -> String {
    let code = u32::from(character);
    if is_print(character) {
        format!("U+{code:04X} '{character}'")
    } else {
        format!("U+{code:04X}")
    }
}

/// `%q` of a number: a character constant.
pub(super) fn quote_character(character: char, ascii_only: bool) -> String {
    match character {
        '\'' => r"'\''".to_owned(),
        '"' => "'\"'".to_owned(),
        _ => {
            let mut buffer = [0; 4];
            let text = character.encode_utf8(&mut buffer);
            let quoted = if ascii_only {
                quote_ascii(text.as_bytes())
            } else {
                quote(text.as_bytes())
            };
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

/// Whether a text can stand in backquotes: one line, without backquotes and control characters.
pub(super) fn can_backquote(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| {
        text.chars().all(|character| {
            !matches!(character, '\u{feff}' | '`' | '\u{7f}' | '\u{fffd}')
                && (character >= ' ' || character == '\t')
        })
    })
}
