//! Parsed templates. They hold everything that errors need to name a place as Go does: byte
//! offsets, and enough to print each node in Go's canonical form.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use gitops_core::go::quote;

use crate::funcs::Function;

/// A text that was parsed: a file, or the argument of `tpl`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Box<str>,
    pub(super) text: Box<[u8]>,
}

impl Source {
    /// `file:line:column`, as Go prints places.
    pub(super) fn location(&self, position: usize) -> String {
        let before = &self.text[..position.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = match before.iter().rposition(|byte| *byte == b'\n') {
            Some(newline) => before.len() - newline - 1,
            None => before.len(),
        };
        format!("{}:{line}:{column}", self.name)
    }
}

/// A named template.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) name: Box<str>,
    pub(super) source: Arc<Source>,
    pub(super) body: Vec<Node>,
}

impl Template {
    /// Whether it has nothing but space.
    pub(super) fn is_blank(&self) -> bool {
        is_blank(&self.body)
    }
}

pub(super) fn is_blank(body: &[Node]) -> bool {
    body.iter().all(|node| match node {
        Node::Text { text, .. } => String::from_utf8_lossy(text)
            .chars()
            .all(gitops_core::go::unicode::is_space),
        _ => false,
    })
}

#[derive(Debug)]
pub(super) enum Node {
    Text {
        text: Box<[u8]>,
    },
    Action {
        position: usize,
        pipe: Pipe,
    },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        position: usize,
        name: Box<str>,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) position: usize,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) position: usize,
    pub(super) is_assignment: bool,
    pub(super) declarations: Vec<Variable>,
    pub(super) commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Variable {
    pub(super) id: u32,
    pub(super) name: Box<str>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) position: usize,
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) enum Operand {
    Function {
        position: usize,
        function: Arc<Function>,
        name: Box<str>,
    },
    Variable {
        position: usize,
        variable: Variable,
        fields: Vec<Box<str>>,
    },
    Field {
        position: usize,
        fields: Vec<Box<str>>,
    },
    Chain {
        position: usize,
        operand: Box<Self>,
        fields: Vec<Box<str>>,
    },
    Dot {
        position: usize,
    },
    Nil {
        position: usize,
    },
    Bool {
        position: usize,
        value: bool,
    },
    Number {
        position: usize,
        number: Box<Number>,
    },
    String {
        position: usize,
        quoted: Box<str>,
        text: Box<[u8]>,
    },
    Pipe(Box<Pipe>),
}

impl Operand {
    pub(super) fn position(&self) -> usize {
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

impl Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function { name, .. } => f.write_str(name),
            Self::Variable {
                variable, fields, ..
            } => {
                f.write_str(&variable.name)?;
                write_fields(f, fields)
            }
            Self::Field { fields, .. } => write_fields(f, fields),
            Self::Chain {
                operand, fields, ..
            } => {
                write_operand(f, operand)?;
                write_fields(f, fields)
            }
            Self::Dot { .. } => f.write_str("."),
            Self::Nil { .. } => f.write_str("nil"),
            Self::Bool { value, .. } => write!(f, "{value}"),
            Self::Number { number, .. } => f.write_str(&number.text),
            Self::String { quoted, .. } => f.write_str(quoted),
            Self::Pipe(pipe) => pipe.fmt(f),
        }
    }
}

fn write_operand(f: &mut fmt::Formatter<'_>, operand: &Operand) -> fmt::Result {
    match operand {
        Operand::Pipe(pipe) => write!(f, "({pipe})"),
        other => other.fmt(f),
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[Box<str>]) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(f, ".{field}"))
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write_operand(f, operand)?;
        }
        Ok(())
    }
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, variable) in self.declarations.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&variable.name)?;
        }
        if !self.declarations.is_empty() {
            f.write_str(if self.is_assignment { " = " } else { " := " })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl Branch {
    fn write(&self, f: &mut fmt::Formatter<'_>, keyword: &str) -> fmt::Result {
        write!(f, "{{{{{keyword} {}}}}}", self.pipe)?;
        self.body.iter().try_for_each(|node| node.fmt(f))?;
        if let Some(otherwise) = &self.otherwise {
            f.write_str("{{else}}")?;
            otherwise.iter().try_for_each(|node| node.fmt(f))?;
        }
        f.write_str("{{end}}")
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text } => f.write_str(&String::from_utf8_lossy(text)),
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::If(branch) => branch.write(f, "if"),
            Self::With(branch) => branch.write(f, "with"),
            Self::Range(branch) => branch.write(f, "range"),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Self::Break => f.write_str("{{break}}"),
            Self::Continue => f.write_str("{{continue}}"),
        }
    }
}
