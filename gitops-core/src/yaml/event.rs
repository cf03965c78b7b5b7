//! From tokens to events, by the rules of libyaml's YAML 1.1 parser.

use std::borrow::Cow;

use super::scan::{Mark, Origin, Scan, ScanError, Scanner, Token, TokenKind};

#[derive(Debug, Clone)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind<'a>,
    pub(crate) start: Mark,
}

#[derive(Debug, Clone)]
pub(crate) enum EventKind<'a> {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Alias(&'a str),
    Scalar {
        value: Cow<'a, str>,
        /// Whether the value may be resolved: plain, or tagged `!`.
        implicit: bool,
        properties: Properties<'a>,
    },
    SequenceStart(Properties<'a>),
    SequenceEnd,
    MappingStart(Properties<'a>),
    MappingEnd,
}

/// Anchor and tag of a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Properties<'a> {
    pub(crate) anchor: Option<&'a str>,
    pub(crate) tag: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceEntry { first: bool },
    IndentlessSequenceEntry,
    BlockMappingKey { first: bool },
    BlockMappingValue,
    FlowSequenceEntry { first: bool },
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingKey { first: bool },
    FlowMappingValue { empty: bool },
    End,
}

pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began.
    marks: Vec<Mark>,
    tag_directives: Vec<(String, String)>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(scanner: Scanner<'a>) -> Self {
        Self {
            scanner,
            state: State::ImplicitDocumentStart,
            states: Vec::new(),
            marks: Vec::new(),
            tag_directives: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self) -> Scan<Event<'a>> {
        match self.state {
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceEntry { first } => self.block_sequence_entry(first),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingKey { first } => self.block_mapping_key(first),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceEntry { first } => self.flow_sequence_entry(first),
            State::FlowSequenceEntryMappingKey => self.flow_sequence_entry_mapping_key(),
            State::FlowSequenceEntryMappingValue => self.flow_sequence_entry_mapping_value(),
            State::FlowSequenceEntryMappingEnd => {
                let start = self.scanner.peek()?.start;
                self.state = State::FlowSequenceEntry { first: false };
                Ok(Event {
                    kind: EventKind::MappingEnd,
                    start,
                })
            }
            State::FlowMappingKey { first } => self.flow_mapping_key(first),
            State::FlowMappingValue { empty } => self.flow_mapping_value(empty),
            State::End => Ok(Event {
                kind: EventKind::StreamEnd,
                start: Mark::default(),
            }),
        }
    }

    fn document_start(&mut self, implicit: bool) -> Scan<Event<'a>> {
        if !implicit {
            while self.scanner.peek()?.kind == TokenKind::DocumentEnd {
                self.scanner.next()?;
            }
        }
        let token = self.scanner.peek()?;
        let start = token.start;
        match token.kind {
            TokenKind::StreamEnd => {
                self.state = State::End;
                return Ok(Event {
                    kind: EventKind::StreamEnd,
                    start,
                });
            }
            TokenKind::VersionDirective { .. }
            | TokenKind::TagDirective(_)
            | TokenKind::DocumentStart => {}
            _ if implicit => {
                self.process_directives()?;
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                return Ok(Event {
                    kind: EventKind::DocumentStart,
                    start,
                });
            }
            _ => {}
        }
        self.process_directives()?;
        let token = self.scanner.peek()?;
        if token.kind != TokenKind::DocumentStart {
            let at = token.start;
            return Err(error("did not find expected <document start>", at, None));
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        self.scanner.next()?;
        Ok(Event {
            kind: EventKind::DocumentStart,
            start,
        })
    }

    fn document_content(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        let start = token.start;
        if matches!(
            token.kind,
            TokenKind::VersionDirective { .. }
                | TokenKind::TagDirective(_)
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd
        ) {
            self.pop_state();
            return Ok(empty_scalar(start));
        }
        self.node(true, false)
    }

    fn document_end(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        let start = token.start;
        if token.kind == TokenKind::DocumentEnd {
            self.scanner.next()?;
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(Event {
            kind: EventKind::DocumentEnd,
            start,
        })
    }

    fn node(&mut self, block: bool, indentless_sequence: bool) -> Scan<Event<'a>> {
        let first = self.scanner.peek()?;
        let start = first.start;
        if let TokenKind::Alias(name) = first.kind {
            self.pop_state();
            self.scanner.next()?;
            return Ok(Event {
                kind: EventKind::Alias(name),
                start,
            });
        }
        let mut anchor = None;
        let mut tag: Option<((String, String), Mark)> = None;
        if matches!(first.kind, TokenKind::Anchor(_) | TokenKind::Tag(_)) {
            for _ in 0..2 {
                let token = self.scanner.peek()?;
                let wanted = match token.kind {
                    TokenKind::Anchor(_) => anchor.is_none(),
                    TokenKind::Tag(_) => tag.is_none(),
                    _ => false,
                };
                if !wanted {
                    break;
                }
                let token = self.scanner.next()?;
                match token.kind {
                    TokenKind::Anchor(name) => anchor = Some(name),
                    TokenKind::Tag(parts) => tag = Some((*parts, token.start)),
                    _ => {}
                }
            }
            self.scanner.peek()?;
        }
        let tag = match tag {
            None => None,
            Some(((handle, suffix), _)) if handle.is_empty() => Some(suffix),
            Some(((handle, suffix), at)) => match self.prefix_of(&handle) {
                Some(prefix) if !(prefix.is_empty() && suffix.is_empty()) => {
                    Some(format!("{prefix}{suffix}"))
                }
                _ => return Err(error("found undefined tag handle", at, Some(start))),
            },
        };
        let tag = tag
            .filter(|tag| !tag.is_empty())
            .map(String::into_boxed_str);
        let properties = Properties { anchor, tag };
        let token = self.scanner.peek()?;
        let (kind, state) = match &token.kind {
            TokenKind::BlockEntry if indentless_sequence => (
                EventKind::SequenceStart(properties),
                State::IndentlessSequenceEntry,
            ),
            TokenKind::Scalar { .. } => {
                self.pop_state();
                let TokenKind::Scalar { value, plain } = self.scanner.next()?.kind else {
                    unreachable!("peeked above");
                };
                let implicit = match properties.tag.as_deref() {
                    None => plain,
                    Some(tag) => tag == "!",
                };
                return Ok(Event {
                    kind: EventKind::Scalar {
                        value,
                        implicit,
                        properties,
                    },
                    start,
                });
            }
            TokenKind::FlowSequenceStart => (
                EventKind::SequenceStart(properties),
                State::FlowSequenceEntry { first: true },
            ),
            TokenKind::FlowMappingStart => (
                EventKind::MappingStart(properties),
                State::FlowMappingKey { first: true },
            ),
            TokenKind::BlockSequenceStart if block => (
                EventKind::SequenceStart(properties),
                State::BlockSequenceEntry { first: true },
            ),
            TokenKind::BlockMappingStart if block => (
                EventKind::MappingStart(properties),
                State::BlockMappingKey { first: true },
            ),
            _ if properties.anchor.is_some() || properties.tag.is_some() => {
                self.pop_state();
                return Ok(Event {
                    kind: EventKind::Scalar {
                        value: Cow::Borrowed(""),
                        implicit: properties.tag.is_none(),
                        properties,
                    },
                    start,
                });
            }
            _ => {
                let at = token.start;
                return Err(error("did not find expected node content", at, Some(start)));
            }
        };
        self.state = state;
        Ok(Event { kind, start })
    }

    fn block_sequence_entry(&mut self, first: bool) -> Scan<Event<'a>> {
        if first {
            self.open_collection()?;
        }
        let token = self.scanner.peek()?;
        match token.kind {
            TokenKind::BlockEntry => {
                let end = self.scanner.next()?.end;
                let token = self.scanner.peek()?;
                if matches!(token.kind, TokenKind::BlockEntry | TokenKind::BlockEnd) {
                    self.state = State::BlockSequenceEntry { first: false };
                    return Ok(empty_scalar(end));
                }
                self.states.push(State::BlockSequenceEntry { first: false });
                self.node(true, false)
            }
            TokenKind::BlockEnd => self.close_collection(EventKind::SequenceEnd),
            _ => self.expected("did not find expected '-' indicator"),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        if token.kind != TokenKind::BlockEntry {
            let start = token.start;
            self.pop_state();
            return Ok(Event {
                kind: EventKind::SequenceEnd,
                start,
            });
        }
        let end = self.scanner.next()?.end;
        let token = self.scanner.peek()?;
        if matches!(
            token.kind,
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
        ) {
            self.state = State::IndentlessSequenceEntry;
            return Ok(empty_scalar(end));
        }
        self.states.push(State::IndentlessSequenceEntry);
        self.node(true, false)
    }

    fn block_mapping_key(&mut self, first: bool) -> Scan<Event<'a>> {
        if first {
            self.open_collection()?;
        }
        let token = self.scanner.peek()?;
        match token.kind {
            TokenKind::Key => {
                let end = self.scanner.next()?.end;
                if self.at_key_value_or_block_end()? {
                    self.state = State::BlockMappingValue;
                    return Ok(empty_scalar(end));
                }
                self.states.push(State::BlockMappingValue);
                self.node(true, true)
            }
            TokenKind::BlockEnd => self.close_collection(EventKind::MappingEnd),
            _ => self.expected("did not find expected key"),
        }
    }

    fn block_mapping_value(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        let start = token.start;
        let next = State::BlockMappingKey { first: false };
        if token.kind != TokenKind::Value {
            self.state = next;
            return Ok(empty_scalar(start));
        }
        let end = self.scanner.next()?.end;
        if self.at_key_value_or_block_end()? {
            self.state = next;
            return Ok(empty_scalar(end));
        }
        self.states.push(next);
        self.node(true, true)
    }

    fn at_key_value_or_block_end(&mut self) -> Scan<bool> {
        Ok(matches!(
            self.scanner.peek()?.kind,
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
        ))
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Scan<Event<'a>> {
        if first {
            self.open_collection()?;
        }
        if self.scanner.peek()?.kind != TokenKind::FlowSequenceEnd {
            if !first {
                if self.scanner.peek()?.kind != TokenKind::FlowEntry {
                    return self.expected("did not find expected ',' or ']'");
                }
                self.scanner.next()?;
            }
            let token = self.scanner.peek()?;
            match token.kind {
                TokenKind::Key => {
                    let start = self.scanner.next()?.start;
                    self.state = State::FlowSequenceEntryMappingKey;
                    return Ok(Event {
                        kind: EventKind::MappingStart(Properties::default()),
                        start,
                    });
                }
                TokenKind::FlowSequenceEnd => {}
                _ => {
                    self.states.push(State::FlowSequenceEntry { first: false });
                    return self.node(false, false);
                }
            }
        }
        self.close_collection(EventKind::SequenceEnd)
    }

    fn flow_sequence_entry_mapping_key(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        if matches!(
            token.kind,
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSequenceEnd
        ) {
            // libyaml takes the token here, so that the value of an empty key is empty too.
            let end = self.scanner.next()?.end;
            self.state = State::FlowSequenceEntryMappingValue;
            return Ok(empty_scalar(end));
        }
        self.states.push(State::FlowSequenceEntryMappingValue);
        self.node(false, false)
    }

    fn flow_sequence_entry_mapping_value(&mut self) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        let mut start = token.start;
        if token.kind == TokenKind::Value {
            self.scanner.next()?;
            let token = self.scanner.peek()?;
            if !matches!(
                token.kind,
                TokenKind::FlowEntry | TokenKind::FlowSequenceEnd
            ) {
                self.states.push(State::FlowSequenceEntryMappingEnd);
                return self.node(false, false);
            }
            start = token.start;
        }
        self.state = State::FlowSequenceEntryMappingEnd;
        Ok(empty_scalar(start))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Scan<Event<'a>> {
        if first {
            self.open_collection()?;
        }
        if self.scanner.peek()?.kind != TokenKind::FlowMappingEnd {
            if !first {
                if self.scanner.peek()?.kind != TokenKind::FlowEntry {
                    return self.expected("did not find expected ',' or '}'");
                }
                self.scanner.next()?;
            }
            match self.scanner.peek()?.kind {
                TokenKind::Key => {
                    self.scanner.next()?;
                    let token = self.scanner.peek()?;
                    if matches!(
                        token.kind,
                        TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMappingEnd
                    ) {
                        let start = token.start;
                        self.state = State::FlowMappingValue { empty: false };
                        return Ok(empty_scalar(start));
                    }
                    self.states.push(State::FlowMappingValue { empty: false });
                    return self.node(false, false);
                }
                TokenKind::FlowMappingEnd => {}
                _ => {
                    self.states.push(State::FlowMappingValue { empty: true });
                    return self.node(false, false);
                }
            }
        }
        self.close_collection(EventKind::MappingEnd)
    }

    fn flow_mapping_value(&mut self, empty: bool) -> Scan<Event<'a>> {
        let token = self.scanner.peek()?;
        let mut start = token.start;
        let next = State::FlowMappingKey { first: false };
        if !empty && token.kind == TokenKind::Value {
            self.scanner.next()?;
            let token = self.scanner.peek()?;
            if !matches!(token.kind, TokenKind::FlowEntry | TokenKind::FlowMappingEnd) {
                self.states.push(next);
                return self.node(false, false);
            }
            start = token.start;
        }
        self.state = next;
        Ok(empty_scalar(start))
    }

    fn open_collection(&mut self) -> Scan<()> {
        let Token { start, .. } = self.scanner.next()?;
        self.marks.push(start);
        Ok(())
    }

    fn close_collection(&mut self, kind: EventKind<'a>) -> Scan<Event<'a>> {
        let start = self.scanner.next()?.start;
        self.pop_state();
        self.marks.pop();
        Ok(Event { kind, start })
    }

    fn expected(&mut self, problem: &'static str) -> Scan<Event<'a>> {
        let context = self.marks.last().copied();
        let at = self.scanner.peek()?.start;
        Err(error(problem, at, context))
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// What a tag handle stands for, by the directives of the document or by default.
    fn prefix_of(&self, handle: &str) -> Option<&str> {
        let declared = self.tag_directives.iter().find(|(name, _)| name == handle);
        match (declared, handle) {
            (Some((_, prefix)), _) => Some(prefix),
            (None, "!") => Some("!"),
            (None, "!!") => Some("tag:yaml.org,2002:"),
            (None, _) => None,
        }
    }

    fn process_directives(&mut self) -> Scan<()> {
        let mut version_seen = false;
        loop {
            let token = self.scanner.peek()?;
            let at = token.start;
            match &token.kind {
                TokenKind::VersionDirective { major, minor } => {
                    if version_seen {
                        return Err(error("found duplicate %YAML directive", at, None));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(error("found incompatible YAML document", at, None));
                    }
                    version_seen = true;
                }
                TokenKind::TagDirective(parts) => {
                    let (handle, prefix) = &**parts;
                    if self.tag_directives.iter().any(|(known, _)| known == handle) {
                        return Err(error("found duplicate %TAG directive", at, None));
                    }
                    self.tag_directives.push((handle.clone(), prefix.clone()));
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        Ok(())
    }
}

fn empty_scalar<'a>(at: Mark) -> Event<'a> {
    Event {
        kind: EventKind::Scalar {
            value: Cow::Borrowed(""),
            implicit: true,
            properties: Properties::default(),
        },
        start: at,
    }
}

fn error(problem: &str, at: Mark, context: Option<Mark>) -> Box<ScanError> {
    Box::new(ScanError {
        problem: problem.to_owned(),
        at,
        context: context.unwrap_or_default(),
        origin: Origin::Parser,
    })
}
