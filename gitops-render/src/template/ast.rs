//! Parsed templates. They hold everything that errors need to name a place as Go does: byte
//! offsets, and enough to print each node in Go's canonical form.
//!
//! Nodes refer to their text by [`Span`]s, and to commands and operands by ranges of the two lists
//! that all templates of a text share: parsing makes hardly any allocation.

use std::{
    fmt::{self, Display},
    ops::Range,
    sync::Arc,
};

use gitops_core::go::quote;

use super::entries::Place;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A text that was parsed: a file, or the argument of `tpl`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Box<str>,
    pub(super) text: Text,
    pub(super) code: Code,
}

/// What was parsed; names in it are quick to take from what is known to be UTF-8.
#[derive(Debug)]
pub(super) enum Text {
    Utf8(Box<str>),
    Bytes(Box<[u8]>),
}

impl Text {
    pub(super) fn new(text: &[u8]) -> Self {
        match std::str::from_utf8(text) {
            Ok(text) => Self::Utf8(text.into()),
            Err(_) => Self::Bytes(text.into()),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The commands and operands of a text. Those that belong together lie together.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) commands: Vec<Command>,
    pub(super) operands: Vec<Operand>,
    pub(super) declarations: Vec<Variable>,
    pub(super) fields: Vec<Field>,
}

/// A name in `.a.b.c`, and where it was found last: the maps of one place mostly have the same keys.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Span,
    pub(super) place: Place,
}

/// `.a.b.c`, as it is written and name by name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Path {
    pub(super) span: Span,
    pub(super) fields: Part,
}

impl Source {
    /// `file:line:column`, as Go prints places.
    pub(super) fn location(&self, position: usize) -> String {
        let text = self.text.as_bytes();
        let before = &text[..position.min(text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => before.len() - newline - 1,
            None => before.len(),
        };
        format!("{}:{line}:{column}", self.name)
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        &self.text.as_bytes()[span.start as usize..span.end as usize]
    }

    /// The text of a name, of which the lexer knows that it is UTF-8.
    pub(super) fn name(&self, span: Span) -> &str {
        match &self.text {
            Text::Utf8(text) => text
                .get(span.start as usize..span.end as usize)
                .unwrap_or_default(),
            Text::Bytes(_) => std::str::from_utf8(self.bytes(span)).unwrap_or_default(),
        }
    }

    /// The names in `.a.b.c`.
    pub(super) fn fields(&self, path: Path) -> &[Field] {
        &self.code.fields[path.fields.range()]
    }

    pub(super) fn commands(&self, pipe: &Pipe) -> &[Command] {
        &self.code.commands[pipe.commands.range()]
    }

    pub(super) fn declarations(&self, pipe: &Pipe) -> &[Variable] {
        &self.code.declarations[pipe.declarations.range()]
    }

    pub(super) fn operands(&self, command: &Command) -> &[Operand] {
        &self.code.operands[command.operands.range()]
    }

    /// What an action prints that has nothing but a string literal.
    pub(super) fn literal(&self, pipe: &Pipe) -> Option<&[u8]> {
        match self.commands(pipe) {
            [command] if pipe.declarations.is_empty() => match self.operands(command) {
                [operand] => operand.string(self),
                _ => None,
            },
            _ => None,
        }
    }

    /// The operand whose fields a chain follows.
    pub(super) fn inner(&self, index: u32) -> &Operand {
        &self.code.operands[index as usize]
    }
}

/// A range of one of the lists of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Part {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A named template.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: Box<str>,
    pub(super) source: Arc<Source>,
    pub(super) body: Vec<Node>,
    /// Whether it has nothing but space.
    pub(super) is_blank: bool,
}

#[derive(Debug)]
pub(super) enum Node {
    Text {
        text: Span,
    },
    Action {
        position: u32,
        pipe: Pipe,
    },
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Template {
        position: u32,
        invocation: Box<Invocation>,
    },
    Break,
    Continue,
}

/// `{{ template NAME PIPE }}`
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) name: Box<str>,
    pub(super) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) position: u32,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Pipe {
    pub(super) position: u32,
    pub(super) is_assignment: bool,
    pub(super) declarations: Part,
    pub(super) commands: Part,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    pub(super) id: u32,
    pub(super) name: Span,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) position: u32,
    pub(super) operands: Part,
}

#[derive(Debug)]
pub(super) enum Operand {
    Function {
        position: u32,
        /// Its place in the registry.
        function: u32,
        name: Span,
    },
    Variable {
        position: u32,
        variable: Variable,
        fields: Path,
    },
    Field {
        position: u32,
        fields: Path,
    },
    Chain {
        position: u32,
        operand: u32,
        fields: Path,
    },
    Dot {
        position: u32,
    },
    Nil {
        position: u32,
    },
    Bool {
        position: u32,
        value: bool,
    },
    Number {
        position: u32,
        number: Box<Number>,
    },
    String {
        position: u32,
        quoted: Span,
        /// What the literal stands for, where that is not just what is between the quotes.
        text: Option<Box<[u8]>>,
    },
    Pipe(Pipe),
}

impl Operand {
    pub(super) fn position(&self) -> u32 {
        match self {
            Self::Function { position, .. }
            | Self::Variable { position, .. }
            | Self::Field { position, .. }
            | Self::Chain { position, .. }
            | Self::Dot { position }
            | Self::Nil { position }
            | Self::Bool { position, .. }
            | Self::Number { position, .. }
            | Self::String { position, .. } => *position,
            Self::Pipe(pipe) => pipe.position,
        }
    }

    /// What a string literal stands for.
    pub(super) fn string<'s>(&'s self, source: &'s Source) -> Option<&'s [u8]> {
        match self {
            Self::String {
                text: Some(text), ..
            } => Some(text),
            Self::String { quoted, .. } => {
                let quoted = source.bytes(*quoted);
                Some(&quoted[1..quoted.len() - 1])
            }
            _ => None,
        }
    }
}

/// A number with every reading that its text allows.
#[derive(Debug, Default)]
pub(super) struct Number {
    pub(super) text: Box<str>,
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    pub(super) complex: Option<(f64, f64)>,
}

/// A node in Go's canonical form.
pub(super) struct Shown<'s, T>(pub(super) &'s Source, pub(super) &'s T);

impl Display for Shown<'_, Operand> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, operand) = *self;
        match operand {
            Operand::Function { name, .. } => f.write_str(source.name(*name)),
            Operand::Variable {
                variable, fields, ..
            } => {
                f.write_str(source.name(variable.name))?;
                f.write_str(source.name(fields.span))
            }
            Operand::Field { fields, .. } => f.write_str(source.name(fields.span)),
            Operand::Chain {
                operand, fields, ..
            } => {
                write_operand(f, source, source.inner(*operand))?;
                f.write_str(source.name(fields.span))
            }
            Operand::Dot { .. } => f.write_str("."),
            Operand::Nil { .. } => f.write_str("nil"),
            Operand::Bool { value, .. } => write!(f, "{value}"),
            Operand::Number { number, .. } => f.write_str(&number.text),
            Operand::String { quoted, .. } => {
                f.write_str(&String::from_utf8_lossy(source.bytes(*quoted)))
            }
            Operand::Pipe(pipe) => Shown(source, pipe).fmt(f),
        }
    }
}

fn write_operand(f: &mut fmt::Formatter<'_>, source: &Source, operand: &Operand) -> fmt::Result {
    match operand {
        Operand::Pipe(pipe) => write!(f, "({})", Shown(source, pipe)),
        other => Shown(source, other).fmt(f),
    }
}

impl Display for Shown<'_, Command> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, command) = *self;
        for (index, operand) in source.operands(command).iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write_operand(f, source, operand)?;
        }
        Ok(())
    }
}

impl Display for Shown<'_, Pipe> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, pipe) = *self;
        for (index, variable) in source.declarations(pipe).iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(source.name(variable.name))?;
        }
        if !pipe.declarations.is_empty() {
            f.write_str(if pipe.is_assignment { " = " } else { " := " })?;
        }
        for (index, command) in source.commands(pipe).iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            Shown(source, command).fmt(f)?;
        }
        Ok(())
    }
}

impl Branch {
    fn write(&self, f: &mut fmt::Formatter<'_>, source: &Source, keyword: &str) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}", Shown(source, &self.pipe))?;
        let mut write_all = |nodes: &[Node]| {
            let mut nodes = nodes.iter();
            nodes.try_for_each(|node| Shown(source, node).fmt(f))
        };
        write_all(&self.body)?;
        if let Some(otherwise) = &self.otherwise {
            f.write_str("{{else}}")?;
            let mut nodes = otherwise.iter();
            nodes.try_for_each(|node| Shown(source, node).fmt(f))?;
        }
        f.write_str("{{end}}")
    }
}

impl Display for Shown<'_, Node> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, node) = *self;
        match node {
            Node::Text { text } => f.write_str(&String::from_utf8_lossy(source.bytes(*text))),
            Node::Action { pipe, .. } => write!(f, "{{{{{}}}}}", Shown(source, pipe)),
            Node::If(branch) => branch.write(f, source, "if"),
            Node::With(branch) => branch.write(f, source, "with"),
            Node::Range(branch) => branch.write(f, source, "range"),
            Node::Template { invocation, .. } => {
                write!(f, "{{{{template {}", quote(invocation.name.as_bytes()))?;
                if let Some(pipe) = &invocation.pipe {
                    write!(f, " {}", Shown(source, pipe))?;
                }
                f.write_str("}}")
            }
            Node::Break => f.write_str("{{break}}"),
            Node::Continue => f.write_str("{{continue}}"),
        }
    }
}
