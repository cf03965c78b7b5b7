//! A quick look over manifests as most are written: block mappings and sequences with plain keys,
//! scalars on one line, block scalars.
//!
//! It tells where the entries of the root are, and that nothing in them is an error. Of any text that
//! is written in another way it says nothing, be it right or wrong: that is left to the scanner, whose
//! rules are libyaml's. What is taken here must therefore be right beyond doubt.

use std::ops::Range;

use super::resolve::{Resolved, resolve};

/// What is made of what was read. A method that gives `None` leaves the text to the scanner.
pub(crate) trait Sink {
    /// A mapping or a sequence begins as the value that is due.
    fn begin(&mut self, is_sequence: bool);

    /// The innermost collection is complete.
    fn end(&mut self) -> Option<()>;

    /// A key as it is written, quotes included.
    fn key(&mut self, written: &[u8]) -> Option<()>;

    /// An item of a sequence begins.
    fn item(&mut self) -> Option<()>;

    /// The first line of a scalar that is the value due, without its quotes.
    fn scalar(&mut self, style: Style, line: &[u8], ends: bool) -> Option<()>;

    /// A further line of the scalar, without what is before it for the sake of indentation.
    fn further(&mut self, line: &[u8], ends: bool) -> Option<()>;

    /// A line without anything, of the last scalar or between values.
    fn blank(&mut self);

    /// The text ended in a block scalar whose last line has no line break.
    fn unbroken(&mut self);
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    /// `{}`
    EmptyMapping,
    /// `[…]`, whole.
    Flow,
    /// `|` and `>`; what may follow is how the line breaks at the end are treated.
    Block {
        is_folded: bool,
        chomping: Option<u8>,
    },
}

/// Nothing is made.
struct Nothing;

impl Sink for Nothing {
    fn begin(&mut self, _is_sequence: bool) {}
    fn end(&mut self) -> Option<()> {
        Some(())
    }
    fn key(&mut self, _written: &[u8]) -> Option<()> {
        Some(())
    }
    fn item(&mut self) -> Option<()> {
        Some(())
    }
    fn scalar(&mut self, _style: Style, _line: &[u8], _ends: bool) -> Option<()> {
        Some(())
    }
    fn further(&mut self, _line: &[u8], _ends: bool) -> Option<()> {
        Some(())
    }
    fn blank(&mut self) {}
    fn unbroken(&mut self) {}
}

/// The lines of those entries of the mapping at the root whose key is wanted; `None` where the text
/// needs a closer look.
pub(crate) fn entries(text: &str, wanted: &dyn Fn(&str) -> bool) -> Option<Vec<Range<usize>>> {
    let mut kept: Vec<Range<usize>> = Vec::new();
    let mut is_kept = false;
    skim(text, Nothing, |line, key| {
        if let Some(length) = key {
            let key = &text[line.start..line.start + length];
            // Of a key in quotes it would have to be known what is between them.
            if key.starts_with(['"', '\'']) || resolve(key) != Resolved::Text {
                return None;
            }
            is_kept = wanted(key);
        }
        if is_kept {
            match kept.last_mut() {
                Some(last) if last.end == line.start => last.end = line.end,
                _ => kept.push(line),
            }
        }
        Some(())
    })?;
    Some(kept)
}

/// Gives `sink` what is in the mapping at the root, and hands each line to `each`, with the length of
/// its key if it begins an entry of the root.
pub(crate) fn skim<S: Sink>(
    text: &str,
    sink: S,
    mut each: impl FnMut(Range<usize>, Option<usize>) -> Option<()>,
) -> Option<S> {
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
        quote: None,
        is_plain: false,
        has_started: false,
        has_entries: false,
        sink,
    };
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
        let key = skim.line(&bytes[start..end])?;
        let next = (end + 1).min(bytes.len());
        each(start..next, key)?;
        start = next;
    }
    if skim.scalar.is_some() && !bytes.ends_with(b"\n") {
        skim.sink.unbroken();
    }
    while skim.open.len() > 1 {
        skim.close()?;
    }
    (skim.has_entries && skim.quote.is_none()).then_some(skim.sink)
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

struct Skim<S> {
    open: Vec<Open>,
    /// Whether the last entry or item has no value so far.
    is_pending: bool,
    scalar: Option<BlockScalar>,
    /// The quote that has to close a scalar of several lines.
    quote: Option<u8>,
    /// Whether the last value is a plain scalar that may go on.
    is_plain: bool,
    /// Whether `---` was there.
    has_started: bool,
    has_entries: bool,
    sink: S,
}

/// Deeper texts are looked at more closely.
const DEPTH: usize = 100;

impl<S: Sink> Skim<S> {
    /// Goes over a line; gives the length of the key if it begins an entry of the root.
    fn line(&mut self, line: &[u8]) -> Option<Option<usize>> {
        let column = line.iter().take_while(|byte| **byte == b' ').count();
        let content = &line[column..];
        if self.block_scalar(line, column)? {
            return Some(None);
        }
        if let Some(quote) = self.quote {
            self.quote = None;
            let is_inside = content.is_empty() || self.top().column < column;
            if !is_inside || memchr::memchr(b'\t', line).is_some() {
                return None;
            }
            if content.is_empty() {
                self.sink.blank();
                self.quote = Some(quote);
                return Some(None);
            }
            let (line, rest) = self.quoted(quote, content)?;
            self.sink.further(line, rest.is_some())?;
            rest.map_or(Some(()), ends)?;
            return Some(None);
        }
        if content.is_empty() {
            self.sink.blank();
            return Some(None);
        }
        let goes_on = std::mem::take(&mut self.is_plain) && self.top().column < column;
        if content[0] == b'#' {
            return Some(None);
        }
        if memchr::memchr(b'\t', line).is_some() {
            return None;
        }
        if goes_on {
            let end = plain_end(content)?;
            self.is_plain = end == content.len();
            self.sink.further(&content[..end], !self.is_plain)?;
            return Some(None);
        }
        if content == b"---" && column == 0 && !self.has_started && !self.has_entries {
            self.has_started = true;
            return Some(None);
        }
        self.is_pending &= self.top().column <= column;
        while self.top().column > column {
            self.close()?;
        }
        if is_item(content) {
            self.item(column, content)?;
            return Some(None);
        }
        let top = self.top();
        if top.is_sequence && top.column == column {
            // Only a sequence that is not indented ends here; the mapping around it goes on.
            self.close()?;
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
        Some(Some(length))
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
        self.sink.begin(is_sequence);
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        self.open.pop();
        self.sink.end()
    }

    /// Whether the line belongs to a block scalar.
    fn block_scalar(&mut self, line: &[u8], column: usize) -> Option<bool> {
        let Some(scalar) = &mut self.scalar else {
            return Some(false);
        };
        let content = &line[column..];
        let inner = match scalar.column {
            None if content.is_empty() => {
                // Spaces before the first line would tell how far in the scalar is.
                if column > 0 {
                    return None;
                }
                0
            }
            None if content[0] == b'\t' => return None,
            None if column >= scalar.least => *scalar.column.insert(column),
            Some(least) if content.is_empty() => least.min(column),
            Some(least) if column >= least => least,
            Some(_) if content[0] == b'\t' => return None,
            _ => {
                self.scalar = None;
                return Some(false);
            }
        };
        self.sink.further(&line[inner..], false)?;
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
            self.sink.item()?;
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
        self.sink.key(&content[..length])?;
        if !matches!(value, [] | [b'#', ..]) {
            self.value(value)?;
        }
        Some(length)
    }

    /// A value that begins and, but for block scalars and texts of several lines, ends on the line.
    fn value(&mut self, value: &[u8]) -> Option<()> {
        self.is_pending = false;
        let (style, length) = match value[0] {
            indicator @ (b'|' | b'>') => return self.block(indicator == b'>', &value[1..]),
            quote @ (b'"' | b'\'') => {
                let (line, rest) = self.quoted(quote, &value[1..])?;
                let style = match quote {
                    b'"' => Style::Double,
                    _ => Style::Single,
                };
                self.sink.scalar(style, line, rest.is_some())?;
                return rest.map_or(Some(()), ends);
            }
            b'{' => (Style::EmptyMapping, value.starts_with(b"{}").then_some(2)?),
            b'[' => {
                let rest = flow_sequence(&value[1..], &mut |_| Some(()))?;
                (Style::Flow, value.len() - rest.len())
            }
            first if begins_plain(first) => return self.plain(value),
            b'-' | b':' if !matches!(value[1..], [] | [b' ', ..]) => return self.plain(value),
            b'<' if value.get(1) != Some(&b'<') => return self.plain(value),
            _ => return None,
        };
        let (value, rest) = value.split_at(length);
        self.sink.scalar(style, value, true)?;
        ends(rest)
    }

    /// What follows `|` or `>`.
    fn block(&mut self, is_folded: bool, header: &[u8]) -> Option<()> {
        let (chomping, rest) = match header {
            [chomping @ (b'-' | b'+'), rest @ ..] => (Some(*chomping), rest),
            rest => (None, rest),
        };
        self.scalar = Some(BlockScalar {
            least: self.top().column + 1,
            column: None,
        });
        let style = Style::Block {
            is_folded,
            chomping,
        };
        self.sink.scalar(style, b"", false)?;
        ends(rest)
    }

    /// A plain scalar, or its first line.
    fn plain(&mut self, value: &[u8]) -> Option<()> {
        let end = plain_end(value)?;
        self.is_plain = end == value.len();
        if matches!(value[0], b'.' | b'+' | b'-') {
            let text = std::str::from_utf8(&value[..end]).ok()?;
            if matches!(resolve(text.trim_end()), Resolved::Float(float) if !float.is_finite()) {
                return None;
            }
        }
        self.sink
            .scalar(Style::Plain, &value[..end], !self.is_plain)
    }

    /// What is inside the quotes on this line, and what follows if they are closed.
    fn quoted<'l>(&mut self, quote: u8, text: &'l [u8]) -> Option<(&'l [u8], Option<&'l [u8]>)> {
        let rest = match quote {
            b'"' => double_quoted(text)?,
            _ => single_quoted(text),
        };
        Some(match rest {
            Some(rest) => (&text[..text.len() - rest.len() - 1], Some(rest)),
            None => {
                self.quote = Some(quote);
                (text, None)
            }
        })
    }
}

/// Nothing but a comment may follow a value.
fn ends(rest: &[u8]) -> Option<()> {
    let space = rest.iter().take_while(|byte| **byte == b' ').count();
    match &rest[space..] {
        [] => Some(()),
        [b'#', ..] if space > 0 => Some(()),
        _ => None,
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

/// Where a plain scalar ends on its line: before a comment, or with the line.
fn plain_end(value: &[u8]) -> Option<usize> {
    for at in memchr::memchr2_iter(b':', b'#', value) {
        match (value[at], value.get(at + 1)) {
            (b':', None | Some(b' ')) => return None,
            (b'#', _) if at > 0 && value[at - 1] == b' ' => return Some(at),
            _ => {}
        }
    }
    Some(value.len())
}

/// What follows the closing quote, if that is on the line.
fn double_quoted(mut rest: &[u8]) -> Option<Option<&[u8]>> {
    loop {
        let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
            return Some(None);
        };
        if rest[at] == b'"' {
            return Some(Some(&rest[at + 1..]));
        }
        match rest.get(at + 1) {
            None => return Some(None),
            Some(b'"' | b'\\' | b'n' | b't' | b'r') => rest = &rest[at + 2..],
            Some(_) => return None,
        }
    }
}

/// What follows the closing quote, if that is on the line.
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

/// What follows the bracket that closes a list of words and quoted texts, each of which is given to
/// `item` as it is written.
pub(crate) fn flow_sequence<'l>(
    mut rest: &'l [u8],
    item: &mut dyn FnMut(&'l [u8]) -> Option<()>,
) -> Option<&'l [u8]> {
    let skip_space = |rest: &mut &'l [u8]| {
        let space = rest.iter().take_while(|byte| **byte == b' ').count();
        *rest = &rest[space..];
    };
    skip_space(&mut rest);
    if let [b']', after @ ..] = rest {
        return Some(after);
    }
    loop {
        skip_space(&mut rest);
        let begin = rest;
        rest = match rest {
            [b'"', inner @ ..] => double_quoted(inner)??,
            [b'\'', inner @ ..] => single_quoted(inner)?,
            [first, ..] if first.is_ascii_alphanumeric() || *first == b'/' => {
                let is_word = |byte: &&u8| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
                };
                &rest[rest.iter().take_while(is_word).count()..]
            }
            _ => return None,
        };
        item(&begin[..begin.len() - rest.len()])?;
        skip_space(&mut rest);
        match rest {
            [b',', after @ ..] => rest = after,
            [b']', after @ ..] => return Some(after),
            _ => return None,
        }
    }
}
