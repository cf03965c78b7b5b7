//! Finding, splitting and replacing in bytes.

use crate::template::{CallError, Context};

/// `strings.Index`.
pub(super) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    if let [byte] = part {
        return text.iter().position(|own| own == byte);
    }
    // Valid UTF-8 matches at the boundaries of characters only, so searching texts is the same, and
    // is linear.
    if let (Ok(text), Ok(part)) = (std::str::from_utf8(text), std::str::from_utf8(part)) {
        return text.find(part);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Where each occurrence begins; none overlap.
fn occurrences(text: &[u8], part: &[u8]) -> Vec<usize> {
    if let (Ok(text), Ok(part)) = (std::str::from_utf8(text), std::str::from_utf8(part)) {
        return text.match_indices(part).map(|(start, _)| start).collect();
    }
    let mut starts = Vec::new();
    let mut start = 0;
    while let Some(found) = find(&text[start..], part) {
        starts.push(start + found);
        start += found + part.len();
    }
    starts
}

/// `strings.SplitN`: at most `count` parts, all for negative counts; into characters for an empty
/// separator.
pub(super) fn split<'t>(text: &'t [u8], separator: &[u8], count: i64) -> Vec<&'t [u8]> {
    if count == 0 {
        return Vec::new();
    }
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if separator.is_empty() {
        let mut rest = text;
        while !rest.is_empty() {
            if parts.len() + 1 >= limit {
                parts.push(rest);
                break;
            }
            let (character, after) = rest.split_at(character_width(rest));
            parts.push(character);
            rest = after;
        }
        return parts;
    }
    let mut start = 0;
    for found in occurrences(text, separator) {
        if parts.len() + 1 >= limit {
            break;
        }
        parts.push(&text[start..found]);
        start = found + separator.len();
    }
    parts.push(&text[start..]);
    parts
}

/// `strings.ReplaceAll`: an empty `old` is found before each character and at the end.
pub(super) fn replace_all(
    context: &mut Context<'_>,
    text: &[u8],
    old: &[u8],
    new: &[u8],
) -> Result<Vec<u8>, CallError> {
    if old == new {
        return Ok(text.to_vec());
    }
    let starts = if old.is_empty() {
        let mut starts = vec![0];
        let mut start = 0;
        while start < text.len() {
            start += character_width(&text[start..]);
            starts.push(start);
        }
        starts
    } else {
        occurrences(text, old)
    };
    let length = starts
        .len()
        .saturating_mul(new.len())
        .saturating_add(text.len() - starts.len() * old.len());
    context.allow_bytes(length)?;
    let mut out = Vec::with_capacity(length);
    let mut end = 0;
    for start in starts {
        out.extend_from_slice(&text[end..start]);
        out.extend_from_slice(new);
        end = start + old.len();
    }
    out.extend_from_slice(&text[end..]);
    Ok(out)
}

/// Bytes of the first character; one for what is not UTF-8.
fn character_width(text: &[u8]) -> usize {
    let start = &text[..text.len().min(4)];
    start
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next())
        .map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'t>(text: &'t str, separator: &str, count: i64) -> Vec<&'t str> {
        split(text.as_bytes(), separator.as_bytes(), count)
            .into_iter()
            .map(|part| std::str::from_utf8(part).expect("valid"))
            .collect()
    }

    #[test]
    fn splitting() {
        assert_eq!(parts("a,b,,c", ",", -1), ["a", "b", "", "c"]);
        assert_eq!(parts("a,b,c", ",", 2), ["a", "b,c"]);
        assert_eq!(parts("aé日", "", -1), ["a", "é", "日"]);
        assert_eq!(parts("aé日", "", 2), ["a", "é日"]);
        assert_eq!(parts("", ",", -1), [""]);
        assert!(parts("", "", -1).is_empty() && parts("a", ",", 0).is_empty());
        assert_eq!(split(b"a\xffb", b"\xff", -1), [b"a", b"b"]);
        assert_eq!(split(b"\xe6\x97a", b"", -1), [b"\xe6", b"\x97", b"a"]);
    }
}
