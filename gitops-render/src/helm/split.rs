//! Splits what a template gave into documents.

use std::ops::Range;

use memchr::memmem;

use crate::helm::profile::DocumentSplit;

/// Where the documents of a rendered file are, without those that are blank.
pub(crate) fn split_documents(text: &str, rule: DocumentSplit) -> Vec<Range<usize>> {
    let start = text.len() - text.trim_start().len();
    let end = match rule {
        DocumentSplit::Trimmed => start + text[start..].trim_end().len(),
        DocumentSplit::TrimmedStart | DocumentSplit::LineStart => text.len(),
    };
    let mut pieces = match rule {
        DocumentSplit::LineStart => at_line_starts(&text[start..end]),
        DocumentSplit::Trimmed | DocumentSplit::TrimmedStart => {
            with_space_around(&text[start..end])
        }
    };
    pieces.retain_mut(|range| {
        let whole = &text[start + range.start..start + range.end];
        let piece = whole.trim_start();
        let blank = whole.len() - piece.len();
        let piece = match rule {
            DocumentSplit::Trimmed => piece.trim_end(),
            _ => piece,
        };
        let from = start + range.start + blank;
        *range = from..from + piece.len();
        !piece.is_empty()
    });
    pieces
}

/// Splits at `(?m)^---[ \t]*`.
fn at_line_starts(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut start = 0;
    let first = text.starts_with("---").then_some(0);
    let others = memmem::find_iter(bytes, b"\n---").map(|newline| newline + 1);
    for dashes in first.into_iter().chain(others) {
        pieces.push(start..dashes);
        start = dashes + 3;
        while matches!(bytes.get(start), Some(b' ' | b'\t')) {
            start += 1;
        }
    }
    pieces.push(start..text.len());
    pieces
}

/// Splits at `(?:^|\s*\n)---\s*`, where `^` is the start of the text and `\s` is ASCII.
fn with_space_around(text: &str) -> Vec<Range<usize>> {
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
        pieces.push(start..end);
        start = dashes + 3;
        while start < bytes.len() && is_space(bytes[start]) {
            start += 1;
        }
        at = start;
    }
    pieces.push(start..text.len());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str, rule: DocumentSplit) -> Vec<&str> {
        let ranges = split_documents(text, rule).into_iter();
        ranges.map(|range| &text[range]).collect()
    }

    #[test]
    fn helm_4_splits_at_lines() {
        let split = |text| documents(text, DocumentSplit::LineStart);
        assert_eq!(split("\n---\na: 1\n---\nb: 2\n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(split("---kind: A\n----\nx"), ["kind: A\n", "-\nx"]);
        assert_eq!(split("a: 1\n ---\nb: 2"), ["a: 1\n ---\nb: 2"]);
        assert_eq!(split("---\n---\na"), ["a"]);
        assert_eq!(split("a\n--- # x\nb"), ["a\n", "# x\nb"]);
        assert!(split(" \n---\n \n").is_empty());
    }

    #[test]
    fn helm_3_swallows_space() {
        let split = |text| documents(text, DocumentSplit::Trimmed);
        assert_eq!(split("a: 1\n\n---\n  b: 2\n"), ["a: 1", "b: 2"]);
        assert_eq!(split("---\n---\na"), ["---\na"]);
        assert_eq!(split("x---\na"), ["x---\na"]);
    }
}
