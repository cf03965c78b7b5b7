//! Characters in quotes, and by their code.

use gitops_core::go::unicode::is_print;

/// `%#U`: `U+002D '-'`.
pub(crate) fn unicode_point(character: char) -> String {
    let code = u32::from(character);
    if is_print(character) {
        format!("U+{code:04X} '{character}'")
    } else {
        format!("U+{code:04X}")
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
