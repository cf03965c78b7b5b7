//! Character classes and simple case mappings of Go's package `unicode`.
//!
//! Rust's own differ: `char::is_uppercase` and `char::is_lowercase` are derived properties, the
//! case mappings are the full ones (`ß` becomes `SS`), and the Unicode version is another.

use super::unicode_tables::{
    ALTERNATE, CASE, DIGIT, LETTER, LOWER, NUMBER, PRINT, PUNCTUATION, TITLE, UPPER,
};

/// Letters (categories `L*`).
pub fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphabetic();
    }
    in_ranges(LETTER, character)
}

/// Decimal digits (category `Nd`).
pub fn is_digit(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    in_ranges(DIGIT, character)
}

/// Numbers (categories `N*`), as `½`.
pub fn is_number(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_digit();
    }
    in_ranges(NUMBER, character)
}

/// Punctuation (categories `P*`); of ASCII not `$+<=>^`, the grave accent, `|` and `~`.
pub fn is_punctuation(character: char) -> bool {
    in_ranges(PUNCTUATION, character)
}

/// The characters of a string of Go as a `for … range` loop sees them: each byte that is no part of
/// valid UTF-8 is a U+FFFD.
pub fn runes(text: &[u8]) -> impl Iterator<Item = char> {
    text.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(invalid)
    })
}

/// What `%q` prints as it is: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub fn is_print(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    in_ranges(PRINT, character)
}

/// White space as `unicode.IsSpace` has it.
pub fn is_space(character: char) -> bool {
    matches!(
        character,
        '\t'..='\r'
            | ' '
            | '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

/// Upper-case letters (category `Lu`).
pub fn is_upper(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_uppercase();
    }
    in_stepped(UPPER, character)
}

/// Lower-case letters (category `Ll`).
pub fn is_lower(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_lowercase();
    }
    in_stepped(LOWER, character)
}

/// Title-case letters (category `Lt`), as `ǅ`.
pub fn is_title(character: char) -> bool {
    !character.is_ascii() && in_ranges(TITLE, character)
}

/// The simple upper-case mapping: always one character.
pub fn to_upper(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    mapped(character, Case::Upper)
}

/// The simple lower-case mapping: always one character.
pub fn to_lower(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    mapped(character, Case::Lower)
}

/// The simple title-case mapping: always one character.
pub fn to_title(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    mapped(character, Case::Title)
}

#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
    Title,
}

fn mapped(character: char, case: Case) -> char {
    let code = u32::from(character);
    let Some(&(first, _, upper, lower, title)) =
        find(CASE, |&(first, last, ..)| (first, last), code)
    else {
        return character;
    };
    let target = if upper == ALTERNATE {
        // Pairs begin at `first` with the upper-case letter.
        let within = code - first;
        first
            + match case {
                Case::Lower => within | 1,
                Case::Upper | Case::Title => within & !1,
            }
    } else {
        let delta = match case {
            Case::Upper => upper,
            Case::Lower => lower,
            Case::Title => title,
        };
        code.wrapping_add_signed(delta)
    };
    char::from_u32(target).unwrap_or(character)
}

fn in_ranges(ranges: &[(u32, u32)], character: char) -> bool {
    find(ranges, |&range| range, u32::from(character)).is_some()
}

fn in_stepped(ranges: &[(u32, u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    find(ranges, |&(first, last, _)| (first, last), code)
        .is_some_and(|&(first, _, step)| (code - first).is_multiple_of(step))
}

fn find<T>(ranges: &[T], bounds: impl Fn(&T) -> (u32, u32), code: u32) -> Option<&T> {
    ranges
        .binary_search_by(|range| {
            let (first, last) = bounds(range);
            if last < code {
                std::cmp::Ordering::Less
            } else if first > code {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .ok()
        .map(|index| &ranges[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_simple() {
        assert_eq!(to_upper('ß'), 'ß');
        assert_eq!(to_lower('ẞ'), 'ß');
        assert_eq!(
            (to_upper('ǆ'), to_title('ǆ'), to_lower('Ǆ')),
            ('Ǆ', 'ǅ', 'ǆ')
        );
        assert_eq!(
            (to_upper('ā'), to_lower('Ā'), to_upper('Ā')),
            ('Ā', 'ā', 'Ā')
        );
        assert_eq!((to_upper('ĺ'), to_lower('Ĺ')), ('Ĺ', 'ĺ'));
        assert_eq!(
            (to_upper('é'), to_lower('İ'), to_upper('ı')),
            ('É', 'i', 'I')
        );
        assert_eq!((to_upper('𐐨'), to_lower('𐐀')), ('𐐀', '𐐨'));
    }

    #[test]
    fn classes_are_categories() {
        assert!(!is_upper('Ⅰ') && is_upper('Ā') && !is_upper('ā') && is_lower('ā'));
        assert!(!is_lower('ª') && is_letter('ª') && is_title('ǅ') && !is_letter('Ⅰ'));
        assert!(is_digit('٣') && !is_digit('²') && is_space('\u{85}') && !is_space('\u{200b}'));
        assert!(is_print('é') && !is_print('\u{a0}') && !is_print('\u{200b}') && is_print('😀'));
    }
}
