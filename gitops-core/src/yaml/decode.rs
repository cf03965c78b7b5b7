//! From a tree of nodes to a JSON value, as go-yaml v2 decodes and sigs.k8s.io/yaml converts.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use super::{
    error::{Limit, YamlError, YamlErrorKind},
    mapping::{Entries, Report},
    options::Options,
    scalar::{Key, Scalar, invalid_key},
    scan::Mark,
    tree::{Node, NodeId, NodeKind, Tree},
};

/// The value of a document.
pub(crate) fn decode(tree: &Tree<'_>, options: &Options) -> Result<Value, YamlError> {
    let mut decoder = Decoder {
        tree,
        options,
        report: Report::default(),
        decoded: 1,
        from_aliases: 0,
        alias_depth: 0,
        active_aliases: HashSet::new(),
        depth: 0,
        is_shown: false,
    };
    let value = decoder.value(0)?;
    decoder.report.finish(value)
}

struct Decoder<'t, 'a> {
    tree: &'t Tree<'a>,
    options: &'t Options,
    report: Report,
    decoded: usize,
    from_aliases: usize,
    alias_depth: usize,
    active_aliases: HashSet<NodeId>,
    depth: usize,
    /// Whether values are made for [`go_syntax`](super::scalar::go_syntax) alone.
    is_shown: bool,
}

type Decoded<T> = Result<T, YamlError>;

impl Decoder<'_, '_> {
    fn value(&mut self, id: NodeId) -> Decoded<Value> {
        self.count(id)?;
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Scalar { value, implicit } => {
                let scalar = scalar(node, value, *implicit);
                if self.is_shown {
                    scalar.into_shown()
                } else {
                    scalar.into_value(self.options, &mut self.report)
                }
            }
            NodeKind::Alias { name, target } => {
                self.through_alias(id, name, |decoder| decoder.value(*target))
            }
            NodeKind::Sequence { first, len } => {
                self.enter(node)?;
                let mut items = Vec::with_capacity(*len);
                for child in tree.children(*first) {
                    items.push(self.value(child)?);
                }
                self.depth -= 1;
                Ok(Value::Array(items))
            }
            NodeKind::Mapping { first } => {
                let mut entries = Entries::default();
                self.mapping(node, *first, &mut entries)?;
                Ok(entries.finish(&mut self.report))
            }
        }
    }

    /// A value that only an error shows.
    fn shown(&mut self, id: NodeId) -> Decoded<Value> {
        let outer = std::mem::replace(&mut self.is_shown, true);
        let value = self.value(id);
        self.is_shown = outer;
        value
    }

    fn enter(&mut self, node: &Node<'_>) -> Decoded<()> {
        self.depth += 1;
        if self.depth > self.options.max_depth {
            let allowed = self.options.max_depth;
            return Err(YamlError::limit(node.at, Limit::Depth, allowed));
        }
        Ok(())
    }

    /// Counts a value, and refuses documents that are mostly made by aliases.
    fn count(&mut self, id: NodeId) -> Decoded<()> {
        self.decoded += 1;
        if self.alias_depth > 0 {
            self.from_aliases += 1;
            if self.from_aliases > self.options.max_alias_expansion {
                let at = self.tree.nodes[id].at;
                let allowed = self.options.max_alias_expansion;
                return Err(YamlError::limit(at, Limit::AliasExpansion, allowed));
            }
        }
        if self.from_aliases > 100
            && self.decoded > 1000
            && self.from_aliases as f64 / self.decoded as f64 > allowed_alias_ratio(self.decoded)
        {
            let allowed = (self.decoded as f64 * allowed_alias_ratio(self.decoded)) as usize;
            let limit = Limit::AliasExpansion;
            return Err(YamlError {
                kind: YamlErrorKind::Limit { limit, allowed },
                ..YamlError::value(
                    self.tree.nodes[id].at,
                    "document contains excessive aliasing",
                )
            });
        }
        Ok(())
    }

    fn through_alias<T>(
        &mut self,
        id: NodeId,
        name: &str,
        decode: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<T> {
        if !self.active_aliases.insert(id) {
            return Err(YamlError::value(
                self.tree.nodes[id].at,
                format_args!("anchor '{name}' value contains itself"),
            ));
        }
        self.alias_depth += 1;
        let decoded = decode(self)?;
        self.alias_depth -= 1;
        self.active_aliases.remove(&id);
        Ok(decoded)
    }

    fn mapping(
        &mut self,
        node: &Node<'_>,
        first: Option<NodeId>,
        entries: &mut Entries,
    ) -> Decoded<()> {
        self.enter(node)?;
        let tree = self.tree;
        let mut children = tree.children(first);
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            if is_merge(&tree.nodes[key]) {
                self.merge(value, entries)?;
                continue;
            }
            let mut key = self.key(key)?;
            let reported = self.report.not_json.len();
            let decoded = if matches!(key, Key::Unsupported(..)) {
                self.shown(value)?
            } else {
                self.value(value)?
            };
            if self.is_shown {
                key = key.into_shown();
            }
            let at = tree.nodes[value].at;
            entries.insert(key, decoded, at, reported, self.options, &mut self.report);
        }
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, id: NodeId) -> Decoded<Key> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Scalar { value, implicit } => {
                self.count(id)?;
                scalar(node, value, *implicit).into_key()
            }
            NodeKind::Alias { name, target } => {
                self.count(id)?;
                self.through_alias(id, name, |decoder| decoder.key(*target))
            }
            NodeKind::Sequence { .. } | NodeKind::Mapping { .. } => {
                let value = self.shown(id)?;
                Err(invalid_key(node.at, &value))
            }
        }
    }

    fn merge(&mut self, id: NodeId, entries: &mut Entries) -> Decoded<()> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Mapping { .. } | NodeKind::Alias { .. } => self.merge_one(id, entries),
            NodeKind::Sequence { first, .. } => {
                // Earlier mappings win, so they are merged last.
                let children: Vec<_> = tree.children(*first).collect();
                for child in children.into_iter().rev() {
                    self.merge_one(child, entries)?;
                }
                Ok(())
            }
            NodeKind::Scalar { .. } => Err(merge_wants_mapping(node.at)),
        }
    }

    fn merge_one(&mut self, id: NodeId, entries: &mut Entries) -> Decoded<()> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Mapping { first } => {
                self.count(id)?;
                self.mapping(node, *first, entries)
            }
            NodeKind::Alias { name, target } => {
                if !matches!(tree.nodes[*target].kind, NodeKind::Mapping { .. }) {
                    return Err(merge_wants_mapping(node.at));
                }
                self.count(id)?;
                self.through_alias(id, name, |decoder| decoder.merge_one(*target, entries))
            }
            _ => Err(merge_wants_mapping(node.at)),
        }
    }
}

fn scalar<'s>(node: &'s Node<'_>, text: &'s str, implicit: bool) -> Scalar<'s> {
    Scalar {
        text: Cow::Borrowed(text),
        implicit,
        tag: node.tag.as_deref(),
        at: node.at,
    }
}

fn is_merge(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { value, implicit } => scalar(node, value, *implicit).is_merge(),
        _ => false,
    }
}

fn merge_wants_mapping(at: Mark) -> YamlError {
    YamlError::value(
        at,
        "map merge requires map or sequence of maps as the value",
    )
}

/// The part of all values that may be made by aliases.
fn allowed_alias_ratio(decoded: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let decoded = decoded as f64;
    if decoded <= LOW {
        0.99
    } else if decoded >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW))
    }
}
