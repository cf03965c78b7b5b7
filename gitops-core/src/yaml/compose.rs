//! From events straight to a JSON value, for documents without anchors, aliases and merges.
//!
//! Most documents have none of them, and need no tree of nodes. As soon as one is met, this gives
//! up, and the document is read again by way of [`tree`](super::tree) and [`decode`](super::decode).

use serde_json::Value;

use super::{
    error::{Limit, YamlError},
    event::{Event, EventKind, Parser},
    mapping::{Entries, Report},
    options::Options,
    resolve::{Resolved, resolve},
    scalar::{Key, Scalar},
    scan::Mark,
    tree::scan_error,
};

/// Why there is no value.
pub(crate) enum NoValue {
    /// The stream has ended.
    End,
    /// There is something only a tree can tell.
    NeedsTree,
    Error(YamlError),
}

impl From<YamlError> for NoValue {
    fn from(error: YamlError) -> Self {
        Self::Error(error)
    }
}

/// Which keys of the mapping at the root are kept.
pub(crate) type Wanted<'o> = &'o dyn Fn(&str) -> bool;

/// Reads the next document.
pub(crate) fn next_document(
    parser: &mut Parser<'_>,
    options: &Options,
    wanted: Option<Wanted<'_>>,
) -> Result<Value, NoValue> {
    let event = parser.next().map_err(scan_error)?;
    if matches!(event.kind, EventKind::StreamEnd) {
        return Err(NoValue::End);
    }
    let mut composer = Composer {
        options,
        wanted,
        skipped: None,
        open: Vec::new(),
        report: Report::default(),
        nodes: 0,
    };
    let composed = loop {
        match composer.take(parser.next().map_err(scan_error)?) {
            Ok(None) => {}
            Ok(Some(value)) => break Ok(value),
            Err(NoValue::Error(error)) => {
                // What is not even YAML is reported first, wherever it is.
                break Err(error);
            }
            Err(other) => return Err(other),
        }
    };
    match composed {
        Ok(value) => {
            parser.next().map_err(scan_error)?;
            Ok(composer.report.finish(value)?)
        }
        Err(error) if error.is_limit() => Err(error.into()),
        Err(error) => {
            skip_document(parser)?;
            Err(error.into())
        }
    }
}

/// Reads on to the end of the document.
fn skip_document(parser: &mut Parser<'_>) -> Result<(), NoValue> {
    loop {
        match parser.next().map_err(scan_error)?.kind {
            EventKind::DocumentEnd | EventKind::StreamEnd => return Ok(()),
            EventKind::Alias(_) => return Err(NoValue::NeedsTree),
            _ => {}
        }
    }
}

/// A collection whose end has not come yet.
enum Open {
    Sequence {
        items: Vec<Value>,
        at: Mark,
    },
    Mapping {
        entries: Entries,
        /// The key whose value comes next, and how many problems were known before it.
        key: Option<(Key, usize)>,
        at: Mark,
    },
}

/// Where the next node of a skipped collection belongs.
#[derive(Clone, Copy, PartialEq)]
enum Skipped {
    Item,
    Key,
    Value,
}

struct Composer<'o> {
    options: &'o Options,
    wanted: Option<Wanted<'o>>,
    /// While a value is left out: its open collections.
    skipped: Option<Vec<Skipped>>,
    open: Vec<Open>,
    report: Report,
    nodes: usize,
}

impl Composer<'_> {
    /// Takes an event; gives the value when it is complete.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Value>, NoValue> {
        if self.skipped.is_some() {
            return self.skip(event).map(|()| None);
        }
        let at = event.start;
        match event.kind {
            EventKind::Scalar {
                value,
                implicit,
                properties,
            } => {
                if properties.anchor.is_some() {
                    return Err(NoValue::NeedsTree);
                }
                self.count(at)?;
                let scalar = Scalar {
                    text: value,
                    implicit,
                    tag: properties.tag.as_deref(),
                    at,
                };
                self.scalar(scalar)
            }
            EventKind::SequenceStart(properties) => {
                if properties.anchor.is_some() {
                    return Err(NoValue::NeedsTree);
                }
                let items = Vec::new();
                self.begin(Open::Sequence { items, at }, at)
            }
            EventKind::MappingStart(properties) => {
                if properties.anchor.is_some() {
                    return Err(NoValue::NeedsTree);
                }
                let open = Open::Mapping {
                    entries: Entries::default(),
                    key: None,
                    at,
                };
                self.begin(open, at)
            }
            EventKind::SequenceEnd | EventKind::MappingEnd => {
                let (value, at) = match self.open.pop().expect("every end has a start") {
                    Open::Sequence { items, at } => (Value::Array(items), at),
                    Open::Mapping { entries, at, .. } => (entries.finish(&mut self.report), at),
                };
                self.complete(value, at)
            }
            EventKind::Alias(_) => Err(NoValue::NeedsTree),
            EventKind::DocumentStart | EventKind::DocumentEnd | EventKind::StreamEnd => {
                unreachable!("a document holds one node")
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) -> Result<Option<Value>, NoValue> {
        let length = scalar.text.len();
        let is_root = self.open.len() == 1;
        if let Some(Open::Mapping { key, .. }) = self.open.last_mut()
            && key.is_none()
        {
            if length > self.options.max_key_length {
                let allowed = self.options.max_key_length;
                return Err(YamlError::limit(scalar.at, Limit::KeyLength, allowed).into());
            }
            if scalar.is_merge() {
                return Err(NoValue::NeedsTree);
            }
            if is_root
                && let Some(wanted) = self.wanted
                && scalar.is_text()
                && !wanted(&scalar.text)
            {
                self.skipped = Some(Vec::new());
                return Ok(None);
            }
            let next = scalar.into_key()?;
            if matches!(next, Key::Unsupported(..)) {
                return Err(NoValue::NeedsTree);
            }
            *key = Some((next, self.report.not_json.len()));
            return Ok(None);
        }
        if length > self.options.max_scalar_length {
            let allowed = self.options.max_scalar_length;
            return Err(YamlError::limit(scalar.at, Limit::ScalarLength, allowed).into());
        }
        let at = scalar.at;
        let value = scalar.into_value(self.options, &mut self.report)?;
        self.complete(value, at)
    }

    /// Goes over an event of a value that is left out. What only the whole can tell needs the tree.
    fn skip(&mut self, event: Event<'_>) -> Result<(), NoValue> {
        let at = event.start;
        let open = self.skipped.get_or_insert_default();
        match event.kind {
            EventKind::Scalar {
                value,
                implicit,
                properties,
            } => {
                if properties.anchor.is_some() || properties.tag.is_some() {
                    return Err(NoValue::NeedsTree);
                }
                let is_key = open.last() == Some(&Skipped::Key);
                let (limit, allowed) = if is_key {
                    (Limit::KeyLength, self.options.max_key_length)
                } else {
                    (Limit::ScalarLength, self.options.max_scalar_length)
                };
                if implicit && !is_harmless(&value, is_key) {
                    return Err(NoValue::NeedsTree);
                }
                self.count(at)?;
                if value.len() > allowed {
                    return Err(YamlError::limit(at, limit, allowed).into());
                }
                self.skip_one();
                Ok(())
            }
            EventKind::SequenceStart(properties) | EventKind::MappingStart(properties)
                if properties.anchor.is_some() || open.last() == Some(&Skipped::Key) =>
            {
                Err(NoValue::NeedsTree)
            }
            EventKind::SequenceStart(_) => self.skip_into(Skipped::Item, at),
            EventKind::MappingStart(_) => self.skip_into(Skipped::Key, at),
            EventKind::SequenceEnd | EventKind::MappingEnd => {
                open.pop();
                self.skip_one();
                Ok(())
            }
            EventKind::Alias(_) => Err(NoValue::NeedsTree),
            EventKind::DocumentStart | EventKind::DocumentEnd | EventKind::StreamEnd => {
                unreachable!("a document holds one node")
            }
        }
    }

    fn skip_into(&mut self, inner: Skipped, at: Mark) -> Result<(), NoValue> {
        self.count(at)?;
        let open = self.skipped.get_or_insert_default();
        if self.open.len() + open.len() >= self.options.max_depth {
            let allowed = self.options.max_depth;
            return Err(YamlError::limit(at, Limit::Depth, allowed).into());
        }
        open.push(inner);
        Ok(())
    }

    /// A node of what is left out is complete.
    fn skip_one(&mut self) {
        match self.skipped.as_mut().and_then(|open| open.last_mut()) {
            Some(part @ Skipped::Key) => *part = Skipped::Value,
            Some(part @ Skipped::Value) => *part = Skipped::Key,
            Some(Skipped::Item) => {}
            None => self.skipped = None,
        }
    }

    fn begin(&mut self, open: Open, at: Mark) -> Result<Option<Value>, NoValue> {
        self.count(at)?;
        if self.open.len() >= self.options.max_depth {
            let allowed = self.options.max_depth;
            return Err(YamlError::limit(at, Limit::Depth, allowed).into());
        }
        self.open.push(open);
        Ok(None)
    }

    /// Puts a value that began at `at` where it belongs.
    fn complete(&mut self, value: Value, at: Mark) -> Result<Option<Value>, NoValue> {
        match self.open.last_mut() {
            None => Ok(Some(value)),
            Some(Open::Sequence { items, .. }) => {
                items.push(value);
                Ok(None)
            }
            Some(Open::Mapping { entries, key, .. }) => {
                let Some((key, reported)) = key.take() else {
                    return Err(NoValue::NeedsTree);
                };
                entries.insert(key, value, at, reported, self.options, &mut self.report);
                Ok(None)
            }
        }
    }

    fn count(&mut self, at: Mark) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > self.options.max_nodes {
            return Err(YamlError::limit(at, Limit::Nodes, self.options.max_nodes));
        }
        Ok(())
    }
}

/// Whether a plain scalar can be left out without a further look: it is no merge, no infinity and
/// no key that JSON cannot have.
fn is_harmless(text: &str, is_key: bool) -> bool {
    match text.as_bytes().first() {
        None | Some(b'~' | b'n' | b'N' | b'<' | b'0'..=b'9') => {
            !is_key || text != "<<" && !matches!(resolve(text), Resolved::Null | Resolved::Uint(_))
        }
        Some(b'.' | b'+' | b'-') => match resolve(text) {
            Resolved::Uint(_) => !is_key,
            Resolved::Float(float) => float.is_finite(),
            _ => true,
        },
        _ => true,
    }
}
