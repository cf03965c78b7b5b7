//! Splits what a template gave into documents.

use crate::helm::profile::DocumentSplit;

/// The documents of a rendered file, without those that are blank.
pub(crate) fn split_documents(text: &str, rule: DocumentSplit) -> Vec<&str> {
    let text = match rule {
        DocumentSplit::Trimmed => text.trim(),
        DocumentSplit::TrimmedStart | DocumentSplit::LineStart => text.trim_start(),
    };
    let pieces = match rule {
        DocumentSplit::LineStart => at_line_starts(text),
        DocumentSplit::Trimmed | DocumentSplit::TrimmedStart => with_space_around(text),
    };
    pieces
        .into_iter()
        .map(|piece| match rule {
            DocumentSplit::Trimmed => piece.trim(),
            _ => piece.trim_start(),
        })
        .filter(|piece| !piece.trim_end().is_empty())
        .collect()
}

/// Splits at `(?m)^---[ \t]*`.
fn at_line_starts(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut line = 0;
    loop {
        if text[line..].starts_with("---") {
            let after = line + 3;
            let blank = text[after..]
                .bytes()
                .take_while(|b| matches!(b, b' ' | b'\t'))
                .count();
            pieces.push(&text[start..line]);
            start = after + blank;
        }
        match text[line..].find('\n') {
            Some(end) => line += end + 1,
            None => break,
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Splits at `(?:^|\s*\n)---\s*`, where `^` is the start of the text and `\s` is ASCII.
fn with_space_around(text: &str) -> Vec<&str> {
    let is_space = |b: u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c);
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("---") {
        let dashes = at + found;
        let starts_text = dashes == 0;
        // A line break that an earlier separator swallowed cannot begin this one.
        let starts_line = dashes > at && bytes[dashes - 1] == b'\n';
        if !starts_text && !starts_line {
            at = dashes + 1;
            continue;
        }
        let mut end = dashes;
        while end > start && is_space(bytes[end - 1]) {
            end -= 1;
        }
        pieces.push(&text[start..end]);
        start = dashes + 3;
        while start < bytes.len() && is_space(bytes[start]) {
            start += 1;
        }
        at = start;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_4_splits_at_lines() {
        let split = |text| split_documents(text, DocumentSplit::LineStart);
        assert_eq!(split("\n---\na: 1\n---\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(split("---kind: A\n----\nx"), ["kind: A\n", "-\nx"]);
        assert_eq!(split("a: 1\n ---\nb: 2"), ["a: 1\n ---\nb: 2"]);
        assert_eq!(split("---\n---\na"), ["a"]);
        assert_eq!(split("a\n--- # x\nb"), ["a\n", "# x\nb"]);
        assert!(split(" \n---\n \n").is_empty());
    }

    #[test]
    fn helm_3_swallows_space() {
        let split = |text| split_documents(text, DocumentSplit::Trimmed);
        assert_eq!(split("a: 1\n\n---\n  b: 2\n"), ["a: 1", "b: 2"]);
        assert_eq!(split("---\n---\na"), ["---\na"]);
        assert_eq!(split("x---\na"), ["x---\na"]);
    }
}
