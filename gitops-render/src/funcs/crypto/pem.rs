//! Texts with base 64 between `-----BEGIN` and `-----END`.

use crate::funcs::encoding::{Alphabet, decode_base, encode_base};

/// One block, without headers.
pub(super) fn encode(label: &str, content: &[u8]) -> String {
    let base = encode_base(Alphabet::Base64, content);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = base.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The label and content of the first block of a text.
pub(super) fn decode(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let mut rest = text.as_ref();
    loop {
        let start = if rest.starts_with("-----BEGIN ") {
            0
        } else {
            rest.find("\n-----BEGIN ")? + 1
        };
        let after = &rest[start + "-----BEGIN ".len()..];
        rest = after;
        let (line, body) = after.split_once('\n').unwrap_or((after, ""));
        let Some(label) = line.trim_end().strip_suffix("-----") else {
            continue;
        };
        let end_mark = format!("-----END {label}-----");
        let Some(end) = body.find(&end_mark) else {
            continue;
        };
        let mut body = &body[..end];
        // Headers, as those of encrypted keys, end with an empty line.
        if body.lines().next().is_some_and(|line| line.contains(':')) {
            body = body
                .split_once("\n\n")
                .or_else(|| body.split_once("\r\n\r\n"))
                .map_or(body, |(_, body)| body);
        }
        let base: Vec<u8> = body
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        if let Ok(content) = decode_base(Alphabet::Base64, &base) {
            return Some((label.to_owned(), content));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        let text = encode("X KEY", &[9; 70]);
        assert_eq!(text.lines().nth(1).map(str::len), Some(64));
        let noise = format!("noise\n-----BEGIN bad\n{text}");
        assert_eq!(
            decode(noise.as_bytes()),
            Some(("X KEY".to_owned(), vec![9; 70]))
        );
        assert_eq!(decode(b"-----BEGIN A-----\n!\n-----END A-----\n"), None);
        assert_eq!(decode(b""), None);
    }
}
