//! From values to text, as go-yaml writes.

mod analyze;
mod key_order;
mod scalar;

pub use key_order::{key_order, sort_by_key_order};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Number, Value};

use self::analyze::{Analysis, Style};
use super::go_number;

/// Whose layout is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// go-yaml v2: lists below keys are not indented, scalars fold after column 80.
    V2,
    /// go-yaml v3 with an indentation of two: lists below keys are indented, nothing folds.
    V3,
}

impl Dialect {
    /// The column after which scalars are folded.
    fn best_width(self) -> usize {
        match self {
            Self::V2 => 80,
            Self::V3 => usize::MAX,
        }
    }
}

/// Writes YAML piece by piece, byte for byte as go-yaml v2's encoder lays it out.
///
/// A value type of one's own is written by calling [`Emitter::begin_mapping`], [`Emitter::key`] and
/// the like in document order; nothing is copied into another value type first. Keys are written in
/// the order given: sort them with [`Emitter::sort_entries`].
///
/// ```
/// use gitops_core::yaml::Emitter;
/// let mut emitter = Emitter::new();
/// emitter.begin_mapping(2);
/// emitter.key("name");
/// emitter.string("yes");
/// emitter.key("ports");
/// emitter.begin_sequence(1);
/// emitter.int(80);
/// emitter.end_sequence();
/// emitter.end_mapping();
/// assert_eq!(emitter.finish(), "name: \"yes\"\nports:\n- 80\n");
/// ```
///
/// # Panics
///
/// None, but calls that do not make up a document (a value without a key in a mapping, an end
/// without a beginning) give text that is not what was meant.
#[derive(Debug, Clone)]
pub struct Emitter {
    dialect: Dialect,
    out: String,
    /// Characters in the current line.
    column: usize,
    indent: isize,
    /// Whether the last character was a blank.
    whitespace: bool,
    /// Whether only indentation and indicators are in the current line.
    indention: bool,
    stack: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: FrameKind,
    /// Indentation outside of the collection.
    outer_indent: isize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Sequence,
    /// A mapping; whether the last key was written in the form `? key`.
    Mapping {
        complex_key: bool,
    },
    /// An empty collection, already written.
    Empty,
}

impl Default for Emitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Emitter {
    /// An emitter of one document.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An emitter of one document that writes as go-yaml v3 does with an indentation of two (Helm's
    /// `toYamlPretty`).
    #[must_use]
    pub fn pretty() -> Self {
        Self {
            dialect: Dialect::V3,
            ..Self::new()
        }
    }

    /// Sorts the entries of a mapping by their keys, in the order of the dialect this emitter
    /// writes.
    pub fn sort_entries<T: Copy>(&self, entries: &mut [T], key: impl for<'t> Fn(&'t T) -> &'t str) {
        match self.dialect {
            Dialect::V2 => sort_by_key_order(entries, key),
            Dialect::V3 => key_order::sort_entries(entries, &key, key_order::key_order_v3),
        }
    }

    /// An emitter with room for `bytes` of text.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            dialect: Dialect::V2,
            out: String::with_capacity(bytes),
            column: 0,
            indent: -1,
            whitespace: true,
            indention: true,
            stack: Vec::new(),
        }
    }

    /// Begins a list of `len` items, which follow, ended by [`Emitter::end_sequence`]. Only whether
    /// `len` is 0 matters.
    pub fn begin_sequence(&mut self, len: usize) {
        let in_mapping = self.begin_node();
        let outer_indent = self.indent;
        let kind = if len == 0 {
            self.indicator("[]", true, false);
            FrameKind::Empty
        } else {
            if self.dialect == Dialect::V3 || !in_mapping || self.indention {
                self.increase_indent(false);
            }
            FrameKind::Sequence
        };
        self.stack.push(Frame { kind, outer_indent });
    }

    /// Ends the list begun last.
    pub fn end_sequence(&mut self) {
        self.end_collection();
    }

    /// Begins a mapping of `len` entries: [`Emitter::key`] and a value each, ended by
    /// [`Emitter::end_mapping`]. Only whether `len` is 0 matters.
    pub fn begin_mapping(&mut self, len: usize) {
        self.begin_node();
        let outer_indent = self.indent;
        let kind = if len == 0 {
            self.indicator("{}", true, false);
            FrameKind::Empty
        } else {
            self.increase_indent(false);
            FrameKind::Mapping { complex_key: false }
        };
        self.stack.push(Frame { kind, outer_indent });
    }

    /// Ends the mapping begun last.
    pub fn end_mapping(&mut self) {
        self.end_collection();
    }

    /// Writes a key; its value follows.
    pub fn key(&mut self, key: &str) {
        self.write_indent();
        let (style, analysis) = analyze::style_of(key, true, self.dialect);
        let simple = !analysis.multiline && key.len() <= 128;
        if let Some(Frame {
            kind: FrameKind::Mapping { complex_key },
            ..
        }) = self.stack.last_mut()
        {
            *complex_key = !simple;
        }
        if simple {
            self.scalar(key, style, analysis, false);
            self.indicator(":", false, false);
        } else {
            self.indicator("?", true, true);
            let (style, analysis) = analyze::style_of(key, false, self.dialect);
            self.scalar(key, style, analysis, true);
        }
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.plain("null");
    }

    /// Writes a boolean.
    pub fn bool(&mut self, value: bool) {
        self.plain(if value { "true" } else { "false" });
    }

    /// Writes an integer.
    pub fn int(&mut self, value: i64) {
        self.plain(&value.to_string());
    }

    /// Writes an unsigned integer.
    pub fn uint(&mut self, value: u64) {
        self.plain(&value.to_string());
    }

    /// Writes a float as go-yaml does: `1e+06`, `.inf`.
    pub fn float(&mut self, value: f64) {
        let text = go_number::general(value);
        self.plain(match text.as_str() {
            "+Inf" => ".inf",
            "-Inf" => "-.inf",
            "NaN" => ".nan",
            text => text,
        });
    }

    /// Writes a float as sigs.k8s.io/yaml does, which makes JSON first: `1000000`.
    pub fn float_as_json(&mut self, value: f64) {
        match go_number::to_json(value) {
            Some(number) if value != 0.0 => self.number(&number),
            Some(_) => self.plain("0"),
            None => self.float(value),
        }
    }

    /// Writes a number of JSON: integers exactly.
    pub fn number(&mut self, number: &Number) {
        if let Some(int) = number.as_i64() {
            self.int(int);
        } else if let Some(int) = number.as_u64() {
            self.uint(int);
        } else if let Some(float) = number.as_f64() {
            self.float(float);
        } else {
            self.plain(&number.to_string());
        }
    }

    /// Writes a string, quoted or as a block where that is needed.
    pub fn string(&mut self, value: &str) {
        self.begin_node();
        let (style, analysis) = analyze::style_of(value, false, self.dialect);
        self.scalar(value, style, analysis, true);
    }

    /// Writes bytes that are no text: base64 with the tag `!!binary`.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.begin_node();
        self.indicator("!!binary", true, false);
        let text = base64_lines(bytes);
        let (style, analysis) = style_of_base64(&text, self.dialect);
        self.scalar(&text, style, analysis, true);
    }

    /// Writes a key of bytes that are no text; its value follows.
    pub fn binary_key(&mut self, bytes: &[u8]) {
        self.write_indent();
        let text = base64_lines(bytes);
        let (style, analysis) = style_of_base64(&text, self.dialect);
        let simple = !analysis.multiline && text.len() + "!!binary".len() <= 128;
        if let Some(Frame {
            kind: FrameKind::Mapping { complex_key },
            ..
        }) = self.stack.last_mut()
        {
            *complex_key = !simple;
        }
        if !simple {
            self.indicator("?", true, true);
        }
        self.indicator("!!binary", true, false);
        self.scalar(&text, style, analysis, !simple);
        if simple {
            self.indicator(":", false, false);
        }
    }

    /// Writes a JSON value, keys sorted.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.null(),
            Value::Bool(truth) => self.bool(*truth),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.begin_sequence(items.len());
                for item in items {
                    self.value(item);
                }
                self.end_sequence();
            }
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                self.sort_entries(&mut entries, |(key, _)| key.as_str());
                self.begin_mapping(entries.len());
                for (key, value) in entries {
                    self.key(key);
                    self.value(value);
                }
                self.end_mapping();
            }
        }
    }

    /// The text, which ends with a line break.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.indent = -1;
        self.write_indent();
        self.out
    }

    /// Writes what comes before a value. Whether the value is one of a mapping.
    fn begin_node(&mut self) -> bool {
        match self.stack.last().map(|frame| frame.kind) {
            None | Some(FrameKind::Empty) => false,
            Some(FrameKind::Sequence) => {
                self.write_indent();
                self.indicator("-", true, true);
                false
            }
            Some(FrameKind::Mapping { complex_key }) => {
                if complex_key {
                    self.write_indent();
                    self.indicator(":", true, true);
                }
                true
            }
        }
    }

    fn end_collection(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.indent = frame.outer_indent;
        }
    }

    /// Writes a text as it is, without quotes: a number, or a time.
    pub fn plain(&mut self, text: &str) {
        self.begin_node();
        self.scalar(text, Style::Plain, Analysis::WORD, true);
    }

    fn increase_indent(&mut self, flow: bool) {
        self.indent = match self.indent {
            ..0 if flow => 2,
            ..0 => 0,
            indent => indent + 2,
        };
    }

    fn write_indent(&mut self) {
        let indent = self.indent.max(0) as usize;
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            const BLANKS: &str = "                                ";
            let blanks = (indent - self.column).min(BLANKS.len());
            self.out.push_str(&BLANKS[..blanks]);
            self.column += blanks;
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, indicator: &str, need_whitespace: bool, is_indention: bool) {
        if need_whitespace && !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
        self.out.push_str(indicator);
        self.column += indicator.len();
        self.whitespace = false;
        self.indention = self.indention && is_indention;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}

/// Base64; what is longer than a line is broken into lines, each with its line break.
fn base64_lines(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let mut rest = BASE64_STANDARD.encode(bytes);
    if rest.len() < LINE {
        return rest;
    }
    let mut lines = String::with_capacity(rest.len() + rest.len() / LINE + 1);
    while !rest.is_empty() {
        let after = rest.split_off(rest.len().min(LINE));
        lines.push_str(&rest);
        lines.push('\n');
        rest = after;
    }
    lines
}

/// The tag says what base64 is, so that it needs no quotes.
fn style_of_base64(text: &str, dialect: Dialect) -> (Style, Analysis) {
    let (style, analysis) = analyze::style_of(text, false, dialect);
    if analysis.multiline {
        (style, analysis)
    } else {
        (Style::Plain, analysis)
    }
}
