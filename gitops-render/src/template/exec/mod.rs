//! Execution of templates.
//!
//! Go evaluates with `reflect.Value`s, which know whether a value was taken out of an
//! `interface {}`: the result of `.a.b` still is one, that of a pipeline is not. Errors and the two
//! kinds of nil depend on it, so it is kept beside each value in a [`Slot`].

mod arguments;
mod calls;
mod nodes;
mod pipelines;

use std::{collections::HashMap, fmt::Display, rc::Rc, sync::Arc};

use gitops_core::go::quote;
use memchr::memmem;

use super::{
    ast::{Branch, Command, Node, Operand, Pipe, Shown, Source, Template},
    containers::with_stack,
    context::Context,
    error::CallError,
    parse::{ParseFailure, parse},
    program::ROOT,
    text::Str,
    value::Value,
};

/// What Go prints for no value, and Helm removes.
const NO_VALUE: &[u8] = b"<no value>";

/// How often a name may be active in nested `include`s before Helm gives up.
const MAXIMUM_INCLUDES: usize = 1000;

/// Go's own bound on nested `{{ template }}`.
const MAXIMUM_TEMPLATE_DEPTH: u32 = 100_000;

/// A value as `reflect.Value` holds it: nil in an interface is a nil interface, nil outside of one
/// is no value at all.
#[derive(Clone, Default)]
pub(super) struct Slot {
    pub(super) value: Value,
    pub(super) is_interface: bool,
}

impl Slot {
    const NOTHING: Self = Self {
        value: Value::Nil,
        is_interface: false,
    };

    fn concrete(value: Value) -> Self {
        Self {
            value,
            is_interface: false,
        }
    }

    fn interface(value: Value) -> Self {
        Self {
            value,
            is_interface: true,
        }
    }

    fn is_nothing(&self) -> bool {
        !self.is_interface && matches!(self.value, Value::Nil)
    }

    fn type_name(&self) -> std::borrow::Cow<'static, str> {
        if self.is_interface {
            "interface {}".into()
        } else {
            self.value.type_name()
        }
    }
}

/// What lasts over the executions of one render.
#[derive(Default)]
pub(super) struct State {
    output: Vec<u8>,
    spare_buffers: Vec<Vec<u8>>,
    spare_arguments: Vec<Vec<Value>>,
    overlay: Option<Rc<Overlay>>,
    /// Names of the `include`s that are active.
    included: Vec<Str>,
    /// How often each of them is, while there are so many that it matters.
    included_often: HashMap<Str, u32>,
    include_depth: u32,
    parsed: HashMap<Str, Rc<[Arc<Template>]>, foldhash::fast::RandomState>,
    site: Option<(Box<str>, String)>,
    file: String,
    /// Which arguments of the current call are nil interfaces.
    nil_interfaces: u64,
}

impl State {
    fn is_included_too_often(&self, name: &Str) -> bool {
        self.included.len() > MAXIMUM_INCLUDES
            && self.included_often.get(name).copied().unwrap_or_default() as usize
                > MAXIMUM_INCLUDES
    }

    fn begin_include(&mut self, name: &Str) {
        self.included.push(name.clone());
        match self.included.len().checked_sub(MAXIMUM_INCLUDES + 1) {
            None => {}
            Some(0) => {
                self.included_often.clear();
                for name in &self.included {
                    *self.included_often.entry(name.clone()).or_default() += 1;
                }
            }
            Some(_) => *self.included_often.entry(name.clone()).or_default() += 1,
        }
    }

    fn end_include(&mut self, name: &Str) {
        if self.included.len() > MAXIMUM_INCLUDES
            && let Some(active) = self.included_often.get_mut(name)
        {
            *active -= 1;
        }
        self.included.pop();
    }
}

/// Templates that a text given to `tpl` defines, visible only while it runs.
struct Overlay {
    templates: Rc<[Arc<Template>]>,
    below: Option<Rc<Self>>,
}

enum Found<'r> {
    Program(&'r Template),
    Overlay(Arc<Template>),
}

/// The execution of one template.
struct Frame<'t> {
    template: &'t Template,
    /// The node that errors name.
    at: At<'t>,
    variables: Vec<(u32, Slot)>,
    depth: u32,
}

#[derive(Clone, Copy)]
enum At<'t> {
    Operand(&'t Operand),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Node(&'t Node),
    Branch(&'t Branch, &'t Node),
}

impl At<'_> {
    fn position(self) -> usize {
        let position = match self {
            Self::Operand(operand) => operand.position(),
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Branch(branch, _) => branch.position,
            Self::Node(node) => match node {
                Node::Action { position, .. } | Node::Template { position, .. } => *position,
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.position,
                Node::Text { .. } | Node::Break | Node::Continue => 0,
            },
        };
        position as usize
    }

    fn show(self, source: &Source) -> String {
        match self {
            Self::Operand(operand) => Shown(source, operand).to_string(),
            Self::Pipe(pipe) => Shown(source, pipe).to_string(),
            Self::Command(command) => Shown(source, command).to_string(),
            Self::Node(node) | Self::Branch(_, node) => Shown(source, node).to_string(),
        }
    }
}

impl<'t> Frame<'t> {
    fn source(&self) -> &'t Source {
        &self.template.source
    }

    #[cold]
    fn error<T>(&self, message: impl Display) -> Result<T, CallError> {
        Err(CallError::new(format!("{}{message}", self.prefix())))
    }

    fn prefix(&self) -> String {
        format!(
            "template: {}: executing {} at <{}>: ",
            self.location(),
            quote(self.template.name.as_bytes()),
            self.at.show(self.source())
        )
    }

    fn location(&self) -> String {
        self.template.source.location(self.at.position())
    }

    fn variable(&self, id: u32) -> Option<&Slot> {
        self.variables
            .iter()
            .rev()
            .find_map(|(known, slot)| (*known == id).then_some(slot))
    }

    fn assign(&mut self, id: u32, name: &str, slot: Slot) -> Result<(), CallError> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == id)
        {
            Some((_, variable)) => {
                *variable = slot;
                Ok(())
            }
            None => self.error(format_args!("undefined variable: {name}")),
        }
    }
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

type Evaluated<T = Slot> = Result<T, CallError>;

impl<'r> Context<'r> {
    pub(super) fn execute_file(&mut self, name: &str, dot: Value) -> Evaluated<Vec<u8>> {
        let Some(found) = self.find(name) else {
            return Err(no_template(name.as_bytes()));
        };
        self.state.file.clear();
        self.state.file.push_str(name);
        // Most of what a file gives is its own text.
        let expected = match &found {
            Found::Program(template) => template.source.text.as_bytes().len(),
            Found::Overlay(_) => 0,
        };
        let buffer = Vec::with_capacity(expected.min(1 << 20));
        self.state.spare_buffers.push(buffer);
        let result = self.capture(found, dot);
        self.state.include_depth = 0;
        self.state.included.clear();
        self.state.overlay = None;
        let output = result?;
        Ok(without_no_value(output))
    }

    pub(super) fn execute_named(&mut self, name: &Str, data: Value) -> Evaluated<Str> {
        if self.state.is_included_too_often(name) {
            return Err(CallError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        self.state.begin_include(name);
        let result = match self.find(&name.to_str()) {
            Some(found) => self.nested(|context| {
                let output = context.capture(found, data)?;
                let text = Str::new(&output);
                context.recycle(output);
                Ok(text)
            }),
            None => Err(no_template(name)),
        };
        self.state.end_include(name);
        result
    }

    /// Executes a text with the templates around it, as `tpl` does.
    pub(super) fn execute_text(&mut self, text: &Str, data: Value) -> Evaluated<Str> {
        self.host.spend(text.len() as u64 / 64)?;
        if memmem::find(text, b"{{").is_none() {
            return Ok(match memmem::find(text, NO_VALUE) {
                None => text.clone(),
                Some(_) => Str::from(without_no_value(text.to_vec())),
            });
        }
        let parsed = self.parse_text(text)?;
        // A blank definition does not replace another one.
        let visible: Rc<[_]> = if parsed.len() == 1 {
            Rc::clone(&parsed)
        } else {
            let visible = parsed.iter().filter(|template| {
                &*template.name == ROOT || !template.is_blank || self.find(&template.name).is_none()
            });
            visible.cloned().collect()
        };
        let root = parsed.iter().find(|template| &*template.name == ROOT);
        let Some(root) = root.cloned() else {
            return Ok(Str::EMPTY);
        };
        let below = self.state.overlay.take();
        self.state.overlay = Some(Rc::new(Overlay {
            templates: visible,
            below: below.clone(),
        }));
        let result = self.nested(|context| context.capture(Found::Overlay(root), data));
        self.state.overlay = below;
        match result {
            Ok(output) => Ok(Str::from(without_no_value(output))),
            Err(error) => Err(error.wrap(format!(
                "error during tpl function execution for {}: ",
                quote(text)
            ))),
        }
    }

    fn parse_text(&mut self, text: &Str) -> Evaluated<Rc<[Arc<Template>]>> {
        if let Some(parsed) = self.state.parsed.get(text) {
            return Ok(Rc::clone(parsed));
        }
        self.host.spend(text.len() as u64)?;
        let depth = self.host.limits().parse_depth;
        let parsed = parse(ROOT, text, self.program.functions(), depth);
        match parsed {
            Ok(parsed) => {
                let parsed: Rc<[_]> = parsed.into();
                self.state.parsed.insert(text.clone(), Rc::clone(&parsed));
                Ok(parsed)
            }
            Err(ParseFailure::Message(message)) => Err(CallError::new(format!(
                "cannot parse template {}: {message}",
                quote(text)
            ))),
            Err(ParseFailure::TooDeep(allowed)) => {
                Err(CallError::limit("parse_depth", allowed.into()))
            }
        }
    }

    fn find(&self, name: &str) -> Option<Found<'r>> {
        let mut overlay = self.state.overlay.as_ref();
        while let Some(current) = overlay {
            let found = current.templates.iter().find(|known| &*known.name == name);
            if let Some(template) = found {
                return Some(Found::Overlay(Arc::clone(template)));
            }
            overlay = current.below.as_ref();
        }
        let program = self.program;
        program.template(name).map(Found::Program)
    }

    fn nested<T>(&mut self, work: impl FnOnce(&mut Self) -> Evaluated<T>) -> Evaluated<T> {
        let allowed = self.host.limits().include_depth;
        if self.state.include_depth >= allowed {
            return Err(CallError::limit("include_depth", allowed.into()));
        }
        self.state.include_depth += 1;
        let result = with_stack(|| work(self));
        self.state.include_depth -= 1;
        result
    }

    /// Executes a template into a buffer of its own.
    fn capture(&mut self, found: Found<'_>, dot: Value) -> Evaluated<Vec<u8>> {
        let buffer = self.state.spare_buffers.pop().unwrap_or_default();
        let outer = std::mem::replace(&mut self.state.output, buffer);
        let dot = Slot::concrete(dot);
        let result = match &found {
            Found::Program(template) => self.run(template, dot, 0),
            Found::Overlay(template) => self.run(template, dot, 0),
        };
        let output = std::mem::replace(&mut self.state.output, outer);
        match result {
            Ok(()) => Ok(output),
            Err(error) => {
                self.recycle(output);
                Err(error)
            }
        }
    }

    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.state.spare_buffers.len() < 8 && buffer.capacity() <= 1 << 20 {
            buffer.clear();
            self.state.spare_buffers.push(buffer);
        }
    }

    fn run(&mut self, template: &Template, dot: Slot, depth: u32) -> Evaluated<()> {
        let mut frame = Frame {
            template,
            at: match template.body.first() {
                Some(node) => At::Node(node),
                None => return Ok(()),
            },
            variables: vec![(0, dot.clone())],
            depth,
        };
        self.walk(&mut frame, &dot, &template.body).map(|_| ())
    }

    /// Where the current call is, for the keys of remembered values: free of line numbers, so that
    /// an edit elsewhere in the file does not change it.
    pub(super) fn call_site(&self) -> String {
        match &self.state.site {
            Some((template, command)) => format!("{}: {template}: {command}", self.state.file),
            None => self.state.file.clone(),
        }
    }

    /// Whether an argument of the current call is a nil that lies in an interface.
    pub(crate) fn is_nil_interface(&self, index: usize) -> bool {
        index < 64 && self.state.nil_interfaces >> index & 1 == 1
    }
}

fn no_template(name: &[u8]) -> CallError {
    CallError::new(format!(
        "template: no template {} associated with template {}",
        quote(name),
        quote(ROOT)
    ))
}

/// Helm removes what Go prints for missing values.
fn without_no_value(output: Vec<u8>) -> Vec<u8> {
    let mut found = memmem::find_iter(&output, NO_VALUE).peekable();
    if found.peek().is_none() {
        return output;
    }
    let mut cleaned = Vec::with_capacity(output.len());
    let mut start = 0;
    for at in found {
        cleaned.extend_from_slice(&output[start..at]);
        start = at + NO_VALUE.len();
    }
    cleaned.extend_from_slice(&output[start..]);
    cleaned
}
