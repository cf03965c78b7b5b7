//! A quick look over manifests as most are written: block mappings and sequences with plain keys,
//! scalars on one line, block scalars.
//!
//! It tells where the entries of the root are, and that nothing in them is an error. Of any text that
//! is written in another way it says nothing, be it right or wrong: that is left to the scanner, whose
//! rules are libyaml's. What is taken here must therefore be right beyond doubt.

use std::ops::Range;

use super::resolve::{Resolved, resolve};

/// The lines of those entries of the mapping at the root whose key is wanted; `None` where the text
/// needs a closer look.
pub(crate) fn entries(text: &str, wanted: &dyn Fn(&str) -> bool) -> Option<Vec<Range<usize>>> {
    /// Below all limits on the number of values.
    const MOST: usize = 1 << 24;
    if text.len() > MOST || has_odd_characters(text) {
        return None;
    }
    let mut skim = Skim {
        open: vec![Open {
            column: 0,
            is_sequence: false,
        }],
        is_pending: false,
        scalar: None,
        has_entries: false,
    };
    let mut kept: Vec<Range<usize>> = Vec::new();
    let mut is_kept = false;
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let line = &bytes[start..end];
        if let Some(length) = skim.line(line)? {
            let key = &text[start..start + length];
            if resolve(key) != Resolved::Text {
                return None;
            }
            is_kept = wanted(key);
        }
        let next = (end + 1).min(bytes.len());
        if is_kept {
            match kept.last_mut() {
                Some(last) if last.end == start => last.end = next,
                _ => kept.push(start..next),
            }
        }
        start = next;
    }
    skim.has_entries.then_some(kept)
}

/// Characters that are line breaks or nothing at all only to YAML 1.1.
fn has_odd_characters(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr(b'\r', bytes).is_some()
        || !bytes.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
}

/// An open block collection.
#[derive(Clone, Copy)]
struct Open {
    column: usize,
    is_sequence: bool,
}

/// A block scalar that is not yet known to have ended.
#[derive(Clone, Copy)]
struct BlockScalar {
    /// Its lines are at least so far in.
    least: usize,
    /// How far in its first line is.
    column: Option<usize>,
}

struct Skim {
    open: Vec<Open>,
    /// Whether the last entry or item has no value so far.
    is_pending: bool,
    scalar: Option<BlockScalar>,
    has_entries: bool,
}

/// Deeper texts are looked at more closely.
const DEPTH: usize = 100;

impl Skim {
    /// Goes over a line; gives the length of the key if it begins an entry of the root.
    fn line(&mut self, line: &[u8]) -> Option<Option<usize>> {
        let column = line.iter().take_while(|byte| **byte == b' ').count();
        let content = &line[column..];
        if self.block_scalar(column, content)? {
            return Some(None);
        }
        match content {
            [] | [b'#', ..] => return Some(None),
            _ if memchr::memchr(b'\t', line).is_some() => return None,
            _ => {}
        }
        self.is_pending &= self.top().column <= column;
        while self.top().column > column {
            self.open.pop();
        }
        if is_item(content) {
            self.item(column, content)?;
            return Some(None);
        }
        let top = self.top();
        if top.is_sequence && top.column == column {
            // Only a sequence that is not indented ends here; the mapping around it goes on.
            self.open.pop();
            let around = self.top();
            if around.is_sequence || around.column != column {
                return None;
            }
            self.is_pending = false;
        } else if top.column < column {
            if key(content).is_none() && self.is_pending {
                self.value(content)?;
                return Some(None);
            }
            self.begin(column, false)?;
        }
        let length = self.entry(content)?;
        if column > 0 {
            return Some(None);
        }
        self.has_entries = true;
        // Of a key in quotes it would have to be known what is between them.
        (!matches!(content[0], b'"' | b'\'')).then_some(Some(length))
    }

    fn top(&self) -> Open {
        self.open.last().copied().unwrap_or(Open {
            column: 0,
            is_sequence: false,
        })
    }

    /// Opens a collection as the value that is pending.
    fn begin(&mut self, column: usize, is_sequence: bool) -> Option<()> {
        if !self.is_pending || self.open.len() > DEPTH {
            return None;
        }
        self.open.push(Open {
            column,
            is_sequence,
        });
        Some(())
    }

    /// Whether the line belongs to a block scalar.
    fn block_scalar(&mut self, column: usize, content: &[u8]) -> Option<bool> {
        let Some(scalar) = &mut self.scalar else {
            return Some(false);
        };
        match scalar.column {
            None if content.is_empty() => {
                // Spaces before the first line would tell how far in the scalar is.
                return (column == 0).then_some(true);
            }
            None if content[0] == b'\t' => return None,
            None if column >= scalar.least => scalar.column = Some(column),
            Some(least) if content.is_empty() || column >= least => {}
            Some(_) if content[0] == b'\t' => return None,
            _ => {
                self.scalar = None;
                return Some(false);
            }
        }
        Some(true)
    }

    /// `- ` and what follows.
    fn item(&mut self, mut column: usize, mut content: &[u8]) -> Option<()> {
        let top = self.top();
        if !(top.is_sequence && top.column == column) {
            self.begin(column, true)?;
        }
        loop {
            self.is_pending = true;
            let space = content[1..]
                .iter()
                .take_while(|byte| **byte == b' ')
                .count();
            content = &content[1 + space..];
            column += 1 + space;
            if matches!(content, [] | [b'#', ..]) {
                return Some(());
            }
            if !is_item(content) {
                break;
            }
            self.begin(column, true)?;
        }
        if key(content).is_some() {
            self.begin(column, false)?;
            self.entry(content)?;
            return Some(());
        }
        self.value(content)
    }

    /// `key:` and what follows; gives the length of the key.
    fn entry(&mut self, content: &[u8]) -> Option<usize> {
        let (length, rest) = key(content)?;
        let space = rest.iter().take_while(|byte| **byte == b' ').count();
        let value = &rest[space..];
        self.is_pending = true;
        if !matches!(value, [] | [b'#', ..]) {
            self.value(value)?;
        }
        Some(length)
    }

    /// A value that begins and, but for block scalars, ends on the line.
    fn value(&mut self, value: &[u8]) -> Option<()> {
        self.is_pending = false;
        let rest = match value[0] {
            b'|' | b'>' => {
                let ([_, b'-' | b'+', rest @ ..] | [_, rest @ ..]) = value else {
                    return None;
                };
                self.scalar = Some(BlockScalar {
                    least: self.top().column + 1,
                    column: None,
                });
                rest
            }
            b'"' => double_quoted(&value[1..])?,
            b'\'' => single_quoted(&value[1..])?,
            b'{' => value.strip_prefix(b"{}")?,
            b'[' => flow_sequence(&value[1..])?,
            first if begins_plain(first) => return plain(value),
            b'-' if !matches!(value[1..], [] | [b' ', ..]) => return plain(value),
            _ => return None,
        };
        let space = rest.iter().take_while(|byte| **byte == b' ').count();
        match &rest[space..] {
            [] => Some(()),
            [b'#', ..] if space > 0 => Some(()),
            _ => None,
        }
    }
}

fn is_item(content: &[u8]) -> bool {
    matches!(content, [b'-'] | [b'-', b' ', ..])
}

/// The length of a key, plain or in quotes, and what comes after its `:`, which a space or the end
/// must follow.
fn key(content: &[u8]) -> Option<(usize, &[u8])> {
    /// Far below the length after which libyaml no longer takes it for a key.
    const LONGEST: usize = 250;
    let first = *content.first()?;
    let is_key =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let is_quoted = matches!(first, b'"' | b'\'');
    if !(is_quoted || first.is_ascii_alphanumeric() || first == b'_') {
        return None;
    }
    let quotes = usize::from(is_quoted);
    let mut length = quotes + content[quotes..].iter().take_while(is_key).count();
    if is_quoted {
        if content.get(length) != Some(&first) {
            return None;
        }
        length += 1;
    }
    let space = content[length..]
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    let after = match &content[length + space..] {
        [b':', after @ ..] if matches!(after, [] | [b' ', ..]) => after,
        _ => return None,
    };
    if length + space > LONGEST {
        return None;
    }
    let is_odd = match first {
        b'n' | b'N' => matches!(&content[..length], b"null" | b"Null" | b"NULL"),
        b'0'..=b'9' => length > 15,
        _ => false,
    };
    (!is_odd).then_some((length, after))
}

/// What cannot be taken for an indicator.
fn begins_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'/' | b'_' | b'.' | b'$' | b'(' | b'^' | b'+' | b'\\' | b';' | b'~'
        )
}

/// A plain scalar to the end of the line.
fn plain(value: &[u8]) -> Option<()> {
    let mut end = value.len();
    for colon in memchr::memchr2_iter(b':', b'#', value) {
        match (value[colon], value.get(colon + 1)) {
            (b':', None | Some(b' ')) => return None,
            (b'#', _) if value[colon - 1] == b' ' => {
                end = colon;
                break;
            }
            _ => {}
        }
    }
    if !matches!(value[0], b'.' | b'+' | b'-') {
        return Some(());
    }
    let text = std::str::from_utf8(&value[..end]).ok()?;
    let is_infinite =
        matches!(resolve(text.trim_end()), Resolved::Float(float) if !float.is_finite());
    (!is_infinite).then_some(())
}

/// What follows the closing quote.
fn double_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[at] == b'"' {
            return Some(&rest[at + 1..]);
        }
        if !matches!(rest.get(at + 1)?, b'"' | b'\\' | b'n' | b't') {
            return None;
        }
        rest = &rest[at + 2..];
    }
}

/// What follows the closing quote.
fn single_quoted(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr(b'\'', rest)?;
        rest = &rest[at + 1..];
        match rest {
            [b'\'', after @ ..] => rest = after,
            _ => return Some(rest),
        }
    }
}

/// What follows the bracket that closes a list of words and quoted texts.
fn flow_sequence(mut rest: &[u8]) -> Option<&[u8]> {
    let skip_space = |rest: &mut &[u8]| {
        let space = rest.iter().take_while(|byte| **byte == b' ').count();
        *rest = &rest[space..];
    };
    skip_space(&mut rest);
    if let [b']', after @ ..] = rest {
        return Some(after);
    }
    loop {
        skip_space(&mut rest);
        rest = match rest {
            [b'"', inner @ ..] => double_quoted(inner)?,
            [b'\'', inner @ ..] => single_quoted(inner)?,
            [first, ..] if first.is_ascii_alphabetic() || *first == b'/' => {
                let is_word = |byte: &&u8| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
                };
                &rest[rest.iter().take_while(is_word).count()..]
            }
            _ => return None,
        };
        skip_space(&mut rest);
        match rest {
            [b',', after @ ..] => rest = after,
            [b']', after @ ..] => return Some(after),
            _ => return None,
        }
    }
}
