//! From a tree of nodes to a JSON value, as go-yaml v2 decodes and sigs.k8s.io/yaml converts.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use base64::{Engine as _, alphabet, engine};
use serde_json::{Map, Value};

use super::{
    error::{Limit, YamlError, YamlErrorKind},
    go_number,
    options::Options,
    resolve::{Resolved, resolve, resolve_as},
    tree::{Node, NodeId, NodeKind, Tree},
};

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// The value of a document.
pub(crate) fn decode(tree: &Tree<'_>, options: &Options) -> Result<Value, YamlError> {
    let mut decoder = Decoder {
        tree,
        options,
        duplicates: Vec::new(),
        not_json: Vec::new(),
        decoded: 1,
        from_aliases: 0,
        alias_depth: 0,
        active_aliases: HashSet::new(),
        depth: 0,
    };
    let value = decoder.value(0)?;
    if let Some(first) = decoder.duplicates.first() {
        let lines: Vec<_> = decoder
            .duplicates
            .iter()
            .map(|duplicate| format!("\n  {}", duplicate.message))
            .collect();
        return Err(YamlError {
            line: first.line,
            column: first.column,
            message: format!("yaml: unmarshal errors:{}", lines.concat()),
            kind: YamlErrorKind::DuplicateKey,
        });
    }
    // Keys are converted before values are written.
    let mut problems = decoder.not_json;
    let first = problems
        .iter()
        .position(|problem| problem.in_key)
        .unwrap_or(0);
    match problems.len() {
        0 => Ok(value),
        _ => Err(problems.swap_remove(first).error),
    }
}

/// Something in the value that JSON cannot have. It is an error only if it is still there in the
/// end: a later key may replace it.
struct NotJson {
    in_key: bool,
    error: YamlError,
}

impl NotJson {
    fn at(node: &Node<'_>, in_key: bool, message: String) -> Self {
        Self {
            in_key,
            error: YamlError::not_json(node.line + 1, node.column + 1, message),
        }
    }
}

/// An error that does not end decoding.
struct Duplicate {
    line: usize,
    column: usize,
    message: String,
}

/// A key with its type: `1` and `"1"` are different keys to go-yaml, though equal in JSON.
#[derive(PartialEq, Eq, Hash, Clone)]
enum Key {
    Text(String),
    Int(i64),
    Float(u64),
    Bool(bool),
    /// A key that JSON cannot have, with what Go calls its type and writes for it.
    Unsupported(&'static str, String),
}

impl Key {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Unsupported(_, text) => text,
            Self::Int(int) => int.to_string(),
            Self::Float(bits) => go_number::float_key(f64::from_bits(bits)),
            Self::Bool(truth) => truth.to_string(),
        }
    }

    /// As Go writes it with `%#v`.
    fn go_syntax(&self) -> String {
        match self {
            Self::Text(text) => go_quote(text),
            Self::Unsupported(_, text) => text.clone(),
            Self::Int(int) => int.to_string(),
            Self::Float(bits) => go_number::general(f64::from_bits(*bits)),
            Self::Bool(truth) => truth.to_string(),
        }
    }
}

/// A mapping being filled.
#[derive(Default)]
struct Target {
    map: Map<String, Value>,
    /// Keys seen, kept where duplicates are an error.
    seen: HashSet<Key>,
    /// By key, what JSON cannot have of its entry.
    not_json: BTreeMap<String, Vec<NotJson>>,
}

struct Decoder<'t, 'a> {
    tree: &'t Tree<'a>,
    options: &'t Options,
    duplicates: Vec<Duplicate>,
    not_json: Vec<NotJson>,
    decoded: usize,
    from_aliases: usize,
    alias_depth: usize,
    active_aliases: HashSet<NodeId>,
    depth: usize,
}

type Decoded<T> = Result<T, YamlError>;

impl<'t, 'a> Decoder<'t, 'a> {
    fn value(&mut self, id: NodeId) -> Decoded<Value> {
        self.count(id)?;
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Scalar { value, implicit } => self.scalar(node, value, *implicit),
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
                let mut target = Target::default();
                self.mapping(node, *first, &mut target)?;
                self.not_json
                    .extend(target.not_json.into_values().flatten());
                Ok(Value::Object(target.map))
            }
        }
    }

    fn enter(&mut self, node: &Node<'_>) -> Decoded<()> {
        self.depth += 1;
        if self.depth > self.options.max_depth {
            return Err(limit_at(node, Limit::Depth, self.options.max_depth));
        }
        Ok(())
    }

    /// Counts a value, and refuses documents that are mostly made by aliases.
    fn count(&mut self, id: NodeId) -> Decoded<()> {
        self.decoded += 1;
        if self.alias_depth > 0 {
            self.from_aliases += 1;
            let node = &self.tree.nodes[id];
            if self.from_aliases > self.options.max_alias_expansion {
                let allowed = self.options.max_alias_expansion;
                return Err(limit_at(node, Limit::AliasExpansion, allowed));
            }
        }
        if self.from_aliases > 100
            && self.decoded > 1000
            && self.from_aliases as f64 / self.decoded as f64 > allowed_alias_ratio(self.decoded)
        {
            let node = &self.tree.nodes[id];
            return Err(YamlError {
                line: node.line + 1,
                column: node.column + 1,
                message: "yaml: document contains excessive aliasing".to_owned(),
                kind: YamlErrorKind::Limit {
                    limit: Limit::AliasExpansion,
                    allowed: (self.decoded as f64 * allowed_alias_ratio(self.decoded)) as usize,
                },
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
            let node = &self.tree.nodes[id];
            return Err(YamlError::value(
                node.line + 1,
                node.column + 1,
                format_args!("anchor '{name}' value contains itself"),
            ));
        }
        self.alias_depth += 1;
        let decoded = decode(self)?;
        self.alias_depth -= 1;
        self.active_aliases.remove(&id);
        Ok(decoded)
    }

    fn scalar(&mut self, node: &Node<'_>, text: &str, implicit: bool) -> Decoded<Value> {
        let (resolved, text) = resolve_node(node, text, implicit)?;
        Ok(match resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(truth) => Value::Bool(truth),
            Resolved::Int(int) => Value::Number(int.into()),
            Resolved::Uint(int) => Value::Number(int.into()),
            Resolved::Float(float) if self.options.keep_integral_floats && float.is_finite() => {
                Value::from(float)
            }
            Resolved::Float(float) => match go_number::to_json(float) {
                Some(number) => Value::Number(number),
                None => {
                    let shown = go_number::general(float);
                    let message = format!("json: unsupported value: {shown}");
                    self.not_json.push(NotJson::at(node, false, message));
                    Value::Null
                }
            },
            Resolved::Timestamp | Resolved::Text => Value::String(text.into_owned()),
        })
    }

    fn mapping(
        &mut self,
        node: &Node<'_>,
        first: Option<NodeId>,
        target: &mut Target,
    ) -> Decoded<()> {
        self.enter(node)?;
        let tree = self.tree;
        let mut children = tree.children(first);
        while let (Some(key), Some(value)) = (children.next(), children.next()) {
            if is_merge(&tree.nodes[key]) {
                self.merge(value, target)?;
                continue;
            }
            let key = self.key(key)?;
            let problems_before = self.not_json.len();
            let decoded = self.value(value)?;
            let mut problems = self.not_json.split_off(problems_before);
            let at = &tree.nodes[value];
            if !self.options.allow_duplicate_keys
                && !is_nan(&key)
                && !target.seen.insert(key.clone())
            {
                self.duplicates.push(Duplicate {
                    line: at.line + 1,
                    column: at.column + 1,
                    message: format!(
                        "line {}: key {} already set in map",
                        at.line + 1,
                        key.go_syntax()
                    ),
                });
                continue;
            }
            if let Key::Unsupported(type_name, text) = &key {
                let shown = go_syntax(&decoded);
                let message = format!(
                    "unsupported map key of type: {type_name}, key: {text}, value: {shown}"
                );
                problems.push(NotJson::at(at, true, message));
            }
            let key = key.into_text();
            if !problems.is_empty() {
                target.not_json.insert(key.clone(), problems);
            } else if !target.not_json.is_empty() {
                target.not_json.remove(&key);
            }
            target.map.insert(key, decoded);
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
                let (resolved, text) = resolve_node(node, value, *implicit)?;
                Ok(match resolved {
                    Resolved::Null => Key::Unsupported("%!s(<nil>)", "<nil>".to_owned()),
                    Resolved::Bool(truth) => Key::Bool(truth),
                    Resolved::Int(int) => Key::Int(int),
                    Resolved::Uint(int) => Key::Unsupported("uint64", format!("{int:#x}")),
                    Resolved::Float(float) => Key::Float(float.to_bits()),
                    Resolved::Timestamp | Resolved::Text => Key::Text(text.into_owned()),
                })
            }
            NodeKind::Alias { name, target } => {
                self.count(id)?;
                self.through_alias(id, name, |decoder| decoder.key(*target))
            }
            NodeKind::Sequence { .. } | NodeKind::Mapping { .. } => {
                let value = self.value(id)?;
                Err(YamlError::value(
                    node.line + 1,
                    node.column + 1,
                    format_args!("invalid map key: {}", go_syntax(&value)),
                ))
            }
        }
    }

    fn merge(&mut self, id: NodeId, target: &mut Target) -> Decoded<()> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Mapping { .. } | NodeKind::Alias { .. } => self.merge_one(id, target),
            NodeKind::Sequence { first, .. } => {
                // Earlier mappings win, so they are merged last.
                let children: Vec<_> = tree.children(*first).collect();
                for child in children.into_iter().rev() {
                    self.merge_one(child, target)?;
                }
                Ok(())
            }
            NodeKind::Scalar { .. } => Err(merge_wants_mapping(node)),
        }
    }

    fn merge_one(&mut self, id: NodeId, target: &mut Target) -> Decoded<()> {
        let tree = self.tree;
        let node = &tree.nodes[id];
        match &node.kind {
            NodeKind::Mapping { first } => {
                self.count(id)?;
                self.mapping(node, *first, target)
            }
            NodeKind::Alias {
                name,
                target: named,
            } => {
                if !matches!(tree.nodes[*named].kind, NodeKind::Mapping { .. }) {
                    return Err(merge_wants_mapping(node));
                }
                self.count(id)?;
                self.through_alias(id, name, |decoder| decoder.merge_one(*named, target))
            }
            _ => Err(merge_wants_mapping(node)),
        }
    }
}

fn is_nan(key: &Key) -> bool {
    matches!(key, Key::Float(bits) if f64::from_bits(*bits).is_nan())
}

fn is_merge(node: &Node<'_>) -> bool {
    match &node.kind {
        NodeKind::Scalar { value, implicit } => {
            value == "<<" && (*implicit || node.tag.strip_prefix(TAG_PREFIX) == Some("merge"))
        }
        _ => false,
    }
}

fn merge_wants_mapping(node: &Node<'_>) -> YamlError {
    YamlError::value(
        node.line + 1,
        node.column + 1,
        "map merge requires map or sequence of maps as the value",
    )
}

fn limit_at(node: &Node<'_>, limit: Limit, allowed: usize) -> YamlError {
    YamlError::limit(node.line + 1, node.column + 1, limit, allowed)
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

/// What a scalar node means, by its tag or, where it has none, by its text.
fn resolve_node<'s>(
    node: &Node<'_>,
    text: &'s str,
    implicit: bool,
) -> Decoded<(Resolved, Cow<'s, str>)> {
    let borrowed = Cow::Borrowed(text);
    if node.tag.is_empty() {
        let resolved = if implicit {
            resolve(text)
        } else {
            Resolved::Text
        };
        return Ok((resolved, borrowed));
    }
    let wanted = match node.tag.strip_prefix(TAG_PREFIX) {
        Some("str") => return Ok((Resolved::Text, borrowed)),
        Some("binary") => {
            let bytes = decode_base64(text).ok_or_else(|| {
                YamlError::value(
                    node.line + 1,
                    node.column + 1,
                    "!!binary value contains invalid base64 data",
                )
            })?;
            return Ok((Resolved::Text, Cow::Owned(go_lossy(&bytes))));
        }
        Some(name @ ("bool" | "int" | "float" | "null" | "timestamp")) => name,
        _ => return Ok((Resolved::Text, borrowed)),
    };
    let resolved = resolve_as(text, wanted == "timestamp");
    let found = resolved.tag();
    if found.strip_prefix("!!") == Some(wanted) {
        return Ok((resolved, borrowed));
    }
    if let (Resolved::Int(int), "float") = (resolved, wanted) {
        return Ok((Resolved::Float(int as f64), borrowed));
    }
    Err(YamlError::value(
        node.line + 1,
        node.column + 1,
        format_args!("cannot decode {found} `{text}` as a !!{wanted}"),
    ))
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const ENGINE: engine::GeneralPurpose = engine::GeneralPurpose::new(
        &alphabet::STANDARD,
        engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ENGINE.decode(text).ok()
}

/// Text of bytes, each byte that is not UTF-8 replaced by U+FFFD, as Go's encoding/json does.
fn go_lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    text
}

/// A value as Go writes it with `%#v`.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => go_quote(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(go_inner_syntax).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{}:{}", go_quote(key), go_inner_syntax(value)))
                .collect();
            format!(
                "map[interface {{}}]interface {{}}{{{}}}",
                entries.join(", ")
            )
        }
    }
}

fn go_inner_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        other => go_syntax(other),
    }
}

fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
