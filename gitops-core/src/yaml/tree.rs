//! From events to a tree of nodes, in which aliases point at what they name.

use std::{borrow::Cow, collections::HashMap};

use super::{
    error::{Limit, YamlError, YamlErrorKind},
    event::{EventKind, Parser, Properties},
    options::Options,
    scan::{Mark, Origin, ScanError},
};

pub(crate) type NodeId = usize;

#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) kind: NodeKind<'a>,
    pub(crate) at: Mark,
    pub(crate) tag: Option<Box<str>>,
    /// The next node of the same parent.
    pub(crate) next: Option<NodeId>,
}

#[derive(Debug)]
pub(crate) enum NodeKind<'a> {
    Scalar {
        value: Cow<'a, str>,
        implicit: bool,
    },
    Alias {
        name: &'a str,
        target: NodeId,
    },
    Sequence {
        first: Option<NodeId>,
        len: usize,
    },
    /// Keys and values in turn.
    Mapping {
        first: Option<NodeId>,
    },
}

/// The nodes of one document.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
}

impl<'a> Tree<'a> {
    pub(crate) fn children(&self, first: Option<NodeId>) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(first, |id| self.nodes[*id].next)
    }
}

/// Reads the next document; `None` at the end of the stream.
pub(crate) fn next_document<'a>(
    parser: &mut Parser<'a>,
    options: &Options,
) -> Result<Option<Tree<'a>>, YamlError> {
    let event = parser.next().map_err(scan_error)?;
    match event.kind {
        EventKind::StreamEnd => return Ok(None),
        EventKind::DocumentStart => {}
        _ => unreachable!("a stream consists of documents"),
    }
    let tree = Builder {
        tree: Tree::default(),
        anchors: HashMap::new(),
        open: Vec::new(),
        options,
    }
    .build(parser)?;
    parser.next().map_err(scan_error)?;
    Ok(Some(tree))
}

/// A collection whose end has not come yet.
struct Open {
    id: NodeId,
    last: Option<NodeId>,
    len: usize,
}

struct Builder<'a, 'o> {
    tree: Tree<'a>,
    anchors: HashMap<&'a str, NodeId>,
    open: Vec<Open>,
    options: &'o Options,
}

impl<'a> Builder<'a, '_> {
    fn build(mut self, parser: &mut Parser<'a>) -> Result<Tree<'a>, YamlError> {
        loop {
            let event = parser.next().map_err(scan_error)?;
            let at = event.start;
            if self.tree.nodes.len() >= self.options.max_nodes {
                let allowed = self.options.max_nodes;
                return Err(YamlError::limit(at, Limit::Nodes, allowed));
            }
            let mut opens = false;
            let (kind, properties) = match event.kind {
                EventKind::Scalar {
                    value,
                    implicit,
                    properties,
                } => {
                    self.check_length(value.len(), at)?;
                    (NodeKind::Scalar { value, implicit }, properties)
                }
                EventKind::Alias(name) => {
                    let Some(&target) = self.anchors.get(name) else {
                        return Err(YamlError::value(
                            at,
                            format_args!("unknown anchor '{name}' referenced"),
                        ));
                    };
                    (NodeKind::Alias { name, target }, Properties::default())
                }
                EventKind::SequenceStart(properties) => {
                    opens = true;
                    let kind = NodeKind::Sequence {
                        first: None,
                        len: 0,
                    };
                    (kind, properties)
                }
                EventKind::MappingStart(properties) => {
                    opens = true;
                    (NodeKind::Mapping { first: None }, properties)
                }
                EventKind::SequenceEnd | EventKind::MappingEnd => {
                    let closed = self.open.pop().expect("every end has a start");
                    if let NodeKind::Sequence { len, .. } = &mut self.tree.nodes[closed.id].kind {
                        *len = closed.len;
                    }
                    if self.open.is_empty() {
                        return Ok(self.tree);
                    }
                    continue;
                }
                EventKind::DocumentStart | EventKind::DocumentEnd | EventKind::StreamEnd => {
                    unreachable!("a document holds one node")
                }
            };
            let id = self.push(Node {
                kind,
                at,
                tag: properties.tag,
                next: None,
            });
            if let Some(anchor) = properties.anchor {
                self.anchors.insert(anchor, id);
            }
            if opens {
                if self.open.len() >= self.options.max_depth {
                    let allowed = self.options.max_depth;
                    return Err(YamlError::limit(at, Limit::Depth, allowed));
                }
                self.open.push(Open {
                    id,
                    last: None,
                    len: 0,
                });
            } else if self.open.is_empty() {
                return Ok(self.tree);
            }
        }
    }

    /// Adds a node and links it into the open collection.
    fn push(&mut self, node: Node<'a>) -> NodeId {
        let id = self.tree.nodes.len();
        self.tree.nodes.push(node);
        if let Some(parent) = self.open.last_mut() {
            parent.len += 1;
            match parent.last.replace(id) {
                Some(last) => self.tree.nodes[last].next = Some(id),
                None => match &mut self.tree.nodes[parent.id].kind {
                    NodeKind::Sequence { first, .. } | NodeKind::Mapping { first } => {
                        *first = Some(id);
                    }
                    NodeKind::Scalar { .. } | NodeKind::Alias { .. } => {}
                },
            }
        }
        id
    }

    fn check_length(&self, length: usize, at: Mark) -> Result<(), YamlError> {
        let in_mapping = self.open.last().is_some_and(|open| {
            open.len % 2 == 0 && matches!(self.tree.nodes[open.id].kind, NodeKind::Mapping { .. })
        });
        let (limit, allowed) = if in_mapping {
            (Limit::KeyLength, self.options.max_key_length)
        } else {
            (Limit::ScalarLength, self.options.max_scalar_length)
        };
        if length > allowed {
            return Err(YamlError::limit(at, limit, allowed));
        }
        Ok(())
    }
}

/// Words an error as go-yaml does. It names lines from 0 in some cases and from 1 in others.
#[expect(clippy::boxed_local, reason = "as scanning gives it")]
pub(crate) fn scan_error(error: Box<ScanError>) -> YamlError {
    let line = match error.at.line {
        0 => error.context.line,
        line if error.origin == Origin::Scanner => line + 1,
        line => line,
    };
    let at = if line > 0 && error.origin != Origin::Reader {
        format!("line {line}: ")
    } else {
        String::new()
    };
    let (line, column) = match error.origin {
        Origin::Reader => (0, 0),
        _ => (error.at.line as usize + 1, error.at.column as usize + 1),
    };
    YamlError {
        line,
        column,
        message: format!("yaml: {at}{}", error.problem),
        kind: YamlErrorKind::Syntax,
    }
}
