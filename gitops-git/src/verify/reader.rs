//! Reading bytes with bounds, and armour.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Takes bytes from the front; `None` where there are too few.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, amount: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(amount)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A string of the SSH protocol: four bytes of length, then bytes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }
}

/// Appends a string of the SSH protocol.
pub(super) fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The bytes of all armoured blocks with this label.
pub(super) fn dearmor(text: &str, label: &str) -> Result<Vec<Vec<u8>>, String> {
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while lines.by_ref().any(|line| line == begin) {
        let mut body = String::new();
        let mut closed = false;
        let mut headers = true;
        for line in lines.by_ref() {
            if line == end {
                closed = true;
                break;
            }
            // Headers such as `Comment: x` end at the first empty line or line of data, which has no colon.
            if headers && (line.is_empty() || line.contains(':')) {
                continue;
            }
            headers = false;
            // OpenPGP's checksum guards against nothing that a signature does not, and RFC 9580 (6.1) forbids to
            // refuse a block for it. Padding may begin a line too, where lines have odd lengths.
            if !is_checksum(line) {
                body.push_str(line);
            }
        }
        if !closed {
            return Err(format!("`{end}` is missing"));
        }
        blocks.push(
            STANDARD
                .decode(body)
                .map_err(|_| format!("the block `{label}` is not valid base64"))?,
        );
    }
    Ok(blocks)
}

/// `=` and 24 bits.
fn is_checksum(line: &str) -> bool {
    line.strip_prefix('=')
        .is_some_and(|sum| sum.len() == 4 && !sum.contains('='))
}

/// A number without its leading zeros, or padded to `length`.
pub(super) fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let start = number
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(number.len());
    let number = &number[start..];
    let mut out = vec![0; length.checked_sub(number.len())?];
    out.extend_from_slice(number);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_in_all_its_forms() {
        let block = |inside: &str| format!("-----BEGIN X-----\n{inside}\n-----END X-----\n");
        for (text, expected) in [
            (block("YWJj"), vec![&b"abc"[..]]),
            (block("\nYWJj\n=abcd"), vec![b"abc"]),
            (block("Comment:\nVersion: 1\n\nYWJj\n"), vec![b"abc"]),
            (block("YWJjZA\n=="), vec![b"abcd"]),
            (block("YWJjZGU\n="), vec![b"abcde"]),
            (format!("before\r\n{}", block("YW\r\nJj\r")), vec![b"abc"]),
            (
                format!("{}{}", block("YQ=="), block("Yg==")),
                vec![b"a", b"b"],
            ),
            (String::new(), vec![]),
        ] {
            assert_eq!(dearmor(&text, "X").unwrap(), expected, "{text}");
        }
        for bad in ["-----BEGIN X-----\nYWJj\n", &block("Y!"), &block("YWJj\n=")] {
            assert!(dearmor(bad, "X").is_err(), "{bad}");
        }
    }
}
