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
            // Headers such as `Comment: x` end at the first empty line or line of data.
            if headers && (line.is_empty() || line.contains(": ")) {
                continue;
            }
            headers = false;
            // The checksum, which guards against nothing that a signature does not.
            if !line.starts_with('=') {
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
