//! Shortening and wrapping, all of it on bytes as goutils does.

/// goutils `WrapCustom`. Words end at spaces; those longer than `width` are broken if
/// `break_words`.
pub(super) fn wrap(text: &[u8], width: i64, new_line: &[u8], break_words: bool) -> Vec<u8> {
    let new_line = if new_line.is_empty() { b"\n" } else { new_line };
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let mut out = Vec::with_capacity(text.len() + text.len() / width.min(64));
    let mut rest = text;
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(b" ") {
            rest = after;
            continue;
        }
        let space = rest[..=width].iter().rposition(|&byte| byte == b' ');
        let end = match space {
            Some(space) => space,
            None if break_words => {
                out.extend_from_slice(&rest[..width]);
                out.extend_from_slice(new_line);
                rest = &rest[width..];
                continue;
            }
            None => match rest[width..].iter().position(|&byte| byte == b' ') {
                Some(space) => width + space,
                None => break,
            },
        };
        out.extend_from_slice(&rest[..end]);
        out.extend_from_slice(new_line);
        rest = &rest[end + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// goutils `AbbreviateFull`: at most `width` bytes, of which dots take three at each end that is
/// cut. Empty where the width is too small for that.
pub(super) fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    const DOTS: &[u8] = b"...";
    let length = text.len() as i64;
    if text.is_empty() || width < 4 {
        return Vec::new();
    }
    if length <= width {
        return text.to_vec();
    }
    let offset = offset.min(length).min(length - (width - 3));
    let kept = (width - 3) as usize;
    if offset <= 4 {
        return [&text[..kept], DOTS].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        let rest = abbreviate(&text[offset as usize..], 0, width - 3);
        return [DOTS, &rest].concat();
    }
    [DOTS, &text[text.len() - kept..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, width: i64, break_words: bool) -> String {
        String::from_utf8(wrap(text.as_bytes(), width, b"", break_words)).expect("ASCII")
    }

    #[test]
    fn words_are_kept_whole_or_broken() {
        assert_eq!(wrapped("Hello World", 5, false), "Hello\nWorld");
        assert_eq!(
            wrapped("Click here to jump: https://x.y/z", 10, false),
            "Click here\nto jump:\nhttps://x.y/z"
        );
        assert_eq!(wrapped("Hello World", 3, true), "Hel\nlo\nWor\nld");
        assert_eq!(wrapped("   a b", 1, false), "a\nb");
        assert_eq!(wrapped("", 5, false), "");
        assert_eq!(wrapped("abc", -1, true), "a\nb\nc");
        assert_eq!(wrap(b"aa bb", 2, b"--", true), b"aa--bb");
    }

    #[test]
    fn dots_replace_what_is_cut() {
        let short = |offset, width| {
            String::from_utf8(abbreviate(b"abcdefghijklmno", offset, width)).expect("ASCII")
        };
        assert_eq!(short(0, 10), "abcdefg...");
        assert_eq!(short(5, 10), "...fghi...");
        assert_eq!(short(6, 10), "...ghij...");
        assert_eq!(short(8, 10), "...ijklmno");
        assert_eq!(short(20, 10), "...ijklmno");
        assert_eq!(short(0, 15), "abcdefghijklmno");
        assert_eq!(short(5, 6), "");
    }
}
