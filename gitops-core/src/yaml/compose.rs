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
    scalar::{Key, Scalar, invalid_key},
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

/// Reads the next document.
pub(crate) fn next_document(parser: &mut Parser<'_>, options: &Options) -> Result<Value, NoValue> {
    let event = parser.next().map_err(scan_error)?;
    if matches!(event.kind, EventKind::StreamEnd) {
        return Err(NoValue::End);
    }
    let mut composer = Composer {
        options,
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

struct Composer<'o> {
    options: &'o Options,
    open: Vec<Open>,
    report: Report,
    nodes: usize,
}

impl Composer<'_> {
    /// Takes an event; gives the value when it is complete.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Value>, NoValue> {
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
            *key = Some((scalar.into_key()?, self.report.not_json.len()));
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
                    return Err(invalid_key(at, &value).into());
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
