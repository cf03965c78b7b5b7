//! Values of manifests as most are written, without tokens, events and nodes: what [`skim`](super::skim)
//! recognises becomes a value at once.

use std::mem;

use serde_json::{Map, Value};

use super::{
    mapping::Report,
    options::Options,
    scalar::{Scalar, plain_key},
    scan::Mark,
    skim::{Sink, Style, flow_sequence, skim},
};

/// The value of a text with a block mapping at its root; `None` where it needs a closer look.
pub(crate) fn value(text: &str, options: &Options) -> Option<Value> {
    let default = Options::default();
    let is_bounded = options.max_depth < default.max_depth
        || options.max_nodes < default.max_nodes
        || options.max_key_length < default.max_key_length
        || options.max_scalar_length < default.max_scalar_length;
    if is_bounded {
        return None;
    }
    let builder = Builder {
        options,
        open: vec![Open::Mapping(Map::new(), None)],
        scalar: None,
        text: Vec::new(),
        blank: 0,
    };
    let mut builder = skim(text, builder, |_, _| Some(()))?;
    builder.complete()?;
    builder.open.pop()?.finish(options)
}

/// A collection, and where the next value of it belongs.
enum Open {
    Sequence(Vec<Value>, bool),
    Mapping(Map<String, Value>, Option<String>),
}

impl Open {
    fn put(&mut self, value: Value, options: &Options) -> Option<()> {
        match self {
            Self::Sequence(items, is_due) => {
                *is_due = false;
                items.push(value);
            }
            Self::Mapping(entries, key) => {
                let earlier = entries.insert(key.take()?, value);
                if earlier.is_some() && !options.allow_duplicate_keys {
                    return None;
                }
            }
        }
        Some(())
    }

    /// A value that is due and was not written is null.
    fn fill(&mut self, options: &Options) -> Option<()> {
        match self {
            Self::Sequence(_, true) | Self::Mapping(_, Some(_)) => self.put(Value::Null, options),
            _ => Some(()),
        }
    }

    fn finish(mut self, options: &Options) -> Option<Value> {
        self.fill(options)?;
        Some(match self {
            Self::Sequence(items, _) => Value::Array(items),
            Self::Mapping(entries, _) => Value::Object(entries),
        })
    }
}

struct Builder<'o> {
    options: &'o Options,
    open: Vec<Open>,
    /// The scalar that may have further lines.
    scalar: Option<Style>,
    /// What it holds so far.
    text: Vec<u8>,
    /// How many empty lines followed.
    blank: usize,
}

impl Builder<'_> {
    fn top(&mut self) -> Option<&mut Open> {
        self.open.last_mut()
    }

    /// Puts the scalar where it belongs.
    fn complete(&mut self) -> Option<()> {
        let Some(style) = self.scalar.take() else {
            return Some(());
        };
        let mut bytes = mem::take(&mut self.text);
        if let Style::Block { chomping, .. } = style {
            chomp(&mut bytes, chomping);
        }
        let text = String::from_utf8(bytes).ok()?;
        let value = match style {
            Style::Plain => plain(text, self.options)?,
            _ => Value::String(text),
        };
        let options = self.options;
        self.top()?.put(value, options)
    }

    /// Adds a line of a scalar in quotes; of a plain one nothing stands for anything else.
    fn add(&mut self, style: Style, line: &[u8]) {
        match style {
            Style::Double => unescape(line, &mut self.text),
            Style::Single => undouble(line, &mut self.text),
            _ => self.text.extend_from_slice(line),
        }
    }
}

impl Sink for Builder<'_> {
    fn begin(&mut self, is_sequence: bool) {
        self.open.push(if is_sequence {
            Open::Sequence(Vec::new(), false)
        } else {
            Open::Mapping(Map::new(), None)
        });
    }

    fn end(&mut self) -> Option<()> {
        self.complete()?;
        let value = self.open.pop()?.finish(self.options)?;
        let options = self.options;
        self.top()?.put(value, options)
    }

    fn key(&mut self, written: &[u8]) -> Option<()> {
        self.complete()?;
        let options = self.options;
        let key = match written {
            [b'"' | b'\'', text @ .., _] => std::str::from_utf8(text).ok()?.to_owned(),
            text => plain_key(std::str::from_utf8(text).ok()?)?,
        };
        let top = self.top()?;
        top.fill(options)?;
        match top {
            Open::Mapping(_, due) => *due = Some(key),
            Open::Sequence(..) => return None,
        }
        Some(())
    }

    fn item(&mut self) -> Option<()> {
        self.complete()?;
        let options = self.options;
        let top = self.top()?;
        top.fill(options)?;
        match top {
            Open::Sequence(_, is_due) => *is_due = true,
            Open::Mapping(..) => return None,
        }
        Some(())
    }

    fn scalar(&mut self, style: Style, line: &[u8], ends: bool) -> Option<()> {
        self.blank = 0;
        let options = self.options;
        match style {
            Style::EmptyMapping => return self.top()?.put(Value::Object(Map::new()), options),
            Style::Flow => {
                let mut items = Vec::new();
                flow_sequence(&line[1..], &mut |item| {
                    items.push(flow_item(item, options)?);
                    Some(())
                })?;
                return self.top()?.put(Value::Array(items), options);
            }
            Style::Block {
                is_folded: true, ..
            } => return None,
            _ => {}
        }
        let line = match style {
            Style::Plain => line.trim_ascii_end(),
            _ if ends => line,
            _ => without_spaces_at_end(style, line)?,
        };
        self.add(style, line);
        self.scalar = Some(style);
        if ends { self.complete() } else { Some(()) }
    }

    fn further(&mut self, line: &[u8], ends: bool) -> Option<()> {
        let style = self.scalar?;
        if matches!(style, Style::Block { .. }) {
            self.text.extend_from_slice(line);
            self.text.push(b'\n');
            return Some(());
        }
        match mem::take(&mut self.blank) {
            0 => self.text.push(b' '),
            blank => self.text.extend(std::iter::repeat_n(b'\n', blank)),
        }
        let line = match style {
            Style::Plain => line.trim_ascii_end(),
            _ if ends => line,
            _ => without_spaces_at_end(style, line)?,
        };
        self.add(style, line);
        if ends { self.complete() } else { Some(()) }
    }

    fn blank(&mut self) {
        self.blank += 1;
    }

    fn unbroken(&mut self) {
        self.text.pop();
    }
}

/// A line inside of quotes that goes on in the next line.
fn without_spaces_at_end(style: Style, line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_end();
    // The line break or a space before it is escaped.
    let is_escaped = style == Style::Double && line.ends_with(b"\\");
    (!is_escaped).then_some(line)
}

/// How a block scalar treats the line breaks at its end.
fn chomp(text: &mut Vec<u8>, chomping: Option<u8>) {
    if chomping == Some(b'+') {
        return;
    }
    let breaks = text.iter().rev().take_while(|byte| **byte == b'\n').count();
    text.truncate(text.len() - breaks);
    if chomping.is_none() && breaks > 0 && !text.is_empty() {
        text.push(b'\n');
    }
}

fn plain(text: String, options: &Options) -> Option<Value> {
    let scalar = Scalar {
        text: text.into(),
        implicit: true,
        tag: None,
        at: Mark::default(),
    };
    let mut report = Report::default();
    let value = scalar.into_value(options, &mut report).ok()?;
    report.not_json.is_empty().then_some(value)
}

fn flow_item(written: &[u8], options: &Options) -> Option<Value> {
    let mut bytes = Vec::with_capacity(written.len());
    match written {
        [b'"', text @ .., b'"'] => unescape(text, &mut bytes),
        [b'\'', text @ .., b'\''] => undouble(text, &mut bytes),
        text => return plain(std::str::from_utf8(text).ok()?.to_owned(), options),
    }
    String::from_utf8(bytes).ok().map(Value::String)
}

/// The escapes that are recognised without a closer look.
fn unescape(mut text: &[u8], into: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', text) {
        into.extend_from_slice(&text[..at]);
        into.push(match text.get(at + 1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(other) => *other,
            None => return,
        });
        text = &text[at + 2..];
    }
    into.extend_from_slice(text);
}

/// Two single quotes stand for one.
fn undouble(mut text: &[u8], into: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\'', text) {
        into.extend_from_slice(&text[..=at]);
        text = text.get(at + 2..).unwrap_or_default();
    }
    into.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::scanned, *};

    fn line() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            "[a-d]",
            "[a-z]{1,9}",
            Just("on".to_owned()),
            "[0-9]{1,3}",
            "\"[a-c]\"",
            "'[a-c]'",
            Just("1.50".to_owned()),
            Just("2020-01-02".to_owned()),
        ];
        let word = prop_oneof![
            "[a-z0-9.]{1,5}",
            Just("yes".to_owned()),
            Just("~".to_owned()),
            Just("1e3".to_owned()),
            Just("#".to_owned()),
            Just("-".to_owned()),
            Just(":x".to_owned()),
            Just("<a>".to_owned()),
            Just("\"".to_owned()),
            Just("'".to_owned()),
            Just("''".to_owned()),
            Just("\\n".to_owned()),
            Just("\\\\".to_owned()),
            Just("\\".to_owned()),
        ];
        let words = prop::collection::vec(word, 0..4)
            .prop_flat_map(|words| (Just(words.join(" ")), 0usize..2))
            .prop_map(|(words, space)| format!("{words}{}", " ".repeat(space)));
        let value = prop_oneof![
            words.clone(),
            words.clone(),
            words.clone().prop_map(|words| format!("'{words}")),
            words.clone().prop_map(|words| format!("\"{words}")),
            words.clone().prop_map(|words| format!("'{words}'")),
            words.clone().prop_map(|words| format!("\"{words}\"")),
            words.clone().prop_map(|words| format!("{words}'")),
            words.prop_map(|words| format!("{words}\"")),
            Just(String::new()),
            Just("|".to_owned()),
            Just("|-".to_owned()),
            Just("|+".to_owned()),
            Just(">".to_owned()),
            Just("{}".to_owned()),
            Just("[a, 1, \"b\\n\", 'c''d', 0.5]".to_owned()),
        ];
        let content = prop_oneof![
            (key.clone(), value.clone()).prop_map(|(key, value)| format!("{key}: {value}")),
            (key, value.clone()).prop_map(|(key, value)| format!("{key}: {value}")),
            value.clone().prop_map(|value| format!("- {value}")),
            value,
            Just(String::new()),
            Just("# c".to_owned()),
        ];
        (0usize..4, content).prop_map(|(indent, content)| {
            let content = format!("{}{content}", "  ".repeat(indent));
            format!("{content}\n")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_taken_is_what_the_scanner_reads(
            lines in prop::collection::vec(line(), 0..7),
            complete in any::<bool>(),
        ) {
            let mut text = format!("k: {}", lines.concat());
            if !complete {
                text.pop();
            }
            for options in [Options::default(), Options::strict()] {
                if let Some(value) = value(&text, &options) {
                    prop_assert_eq!(scanned(&text, &options), Ok(value), "{}", text);
                }
            }
        }
    }

    #[test]
    fn scalars_of_every_style_are_taken() {
        let text = "---\na: b\n  c\n\n  d # e\nf: 'g''\n\n  h '\ni: \"j\\n\n  k\"\nl: |\n\n  m\n    n\n\n\no:\n- |-\n  p\n-\n- q: [1, \"r\"]\n  s: {}\n  \"t\": 0644\n";
        let found = value(text, &Options::default());
        let expected = serde_json::json!({
            "a": "b c\nd", "f": "g'\nh ", "i": "j\n k", "l": "\nm\n  n\n",
            "o": ["p", null, {"q": [1, "r"], "s": {}, "t": 420}],
        });
        assert_eq!(found.as_ref(), Some(&expected));
        assert_eq!(scanned(text, &Options::default()), Ok(expected));
    }
}
