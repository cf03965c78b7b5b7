//! Execution of templates.
//!
//! Go evaluates with `reflect.Value`s, which know whether a value was taken out of an
//! `interface {}`: the result of `.a.b` still is one, that of a pipeline is not. Errors and the two
//! kinds of nil depend on it, so it is kept beside each value in a [`Slot`].

use std::{
    collections::HashMap,
    fmt::{self, Display},
    rc::Rc,
    sync::Arc,
};

use gitops_core::go::quote;

use super::{
    ast::{Branch, Command, Node, Operand, Pipe, Template},
    containers::with_stack,
    context::Context,
    error::CallError,
    fmt as go_fmt,
    parse::{ParseFailure, parse},
    program::ROOT,
    text::Str,
    types::ListType,
    value::Value,
};

/// What Go prints for no value, and Helm removes.
const NO_VALUE: &[u8] = b"<no value>";

/// How often a name may be active in nested `include`s before Helm gives up.
const MAXIMUM_INCLUDES: u32 = 1000;

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
    included: HashMap<Str, u32>,
    include_depth: u32,
    parsed: HashMap<Str, Rc<[Arc<Template>]>>,
    site: Option<(Box<str>, String)>,
    file: String,
    /// Which arguments of the current call are nil interfaces.
    nil_interfaces: u64,
}

/// Templates that a text given to `tpl` defines, visible only while it runs.
struct Overlay {
    templates: Rc<[Arc<Template>]>,
    below: Option<Rc<Overlay>>,
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
        match self {
            Self::Operand(operand) => operand.position(),
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Branch(branch, _) => branch.position,
            Self::Node(node) => match node {
                Node::Action { position, .. } | Node::Template { position, .. } => *position,
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => branch.position,
                Node::Text { .. } | Node::Break | Node::Continue => 0,
            },
        }
    }
}

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(operand) => operand.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Node(node) | Self::Branch(_, node) => node.fmt(f),
        }
    }
}

impl Frame<'_> {
    #[cold]
    fn error<T>(&self, message: impl Display) -> Result<T, CallError> {
        Err(CallError::new(format!("{}{message}", self.prefix())))
    }

    fn prefix(&self) -> String {
        format!(
            "template: {}: executing {} at <{}>: ",
            self.location(),
            quote(self.template.name.as_bytes()),
            self.at
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
    // Entries.

    pub(super) fn execute_file(&mut self, name: &str, dot: Value) -> Evaluated<Vec<u8>> {
        let Some(found) = self.find(name) else {
            return Err(no_template(name.as_bytes()));
        };
        self.state.file.clear();
        self.state.file.push_str(name);
        let result = self.capture(found, dot);
        self.state.include_depth = 0;
        self.state.included.clear();
        self.state.overlay = None;
        let output = result?;
        Ok(without_no_value(output))
    }

    pub(super) fn execute_named(&mut self, name: &Str, data: Value) -> Evaluated<Str> {
        let active = self.state.included.entry(name.clone()).or_default();
        if *active > MAXIMUM_INCLUDES {
            return Err(CallError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *active += 1;
        let result = match self.find(&name.to_str()) {
            Some(found) => self.nested(|context| {
                let output = context.capture(found, data)?;
                let text = Str::new(&output);
                context.recycle(output);
                Ok(text)
            }),
            None => Err(no_template(name)),
        };
        if let Some(active) = self.state.included.get_mut(name) {
            *active -= 1;
        }
        result
    }

    /// Executes a text with the templates around it, as `tpl` does.
    pub(super) fn execute_text(&mut self, text: &Str, data: Value) -> Evaluated<Str> {
        let parsed = self.parse_text(text)?;
        // A blank definition does not replace another one.
        let visible: Rc<[_]> = if parsed.len() == 1 {
            Rc::clone(&parsed)
        } else {
            let visible = parsed.iter().filter(|template| {
                &*template.name == ROOT
                    || !template.is_blank()
                    || self.find(&template.name).is_none()
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

    // Nodes.

    fn walk<'t>(&mut self, frame: &mut Frame<'t>, dot: &Slot, body: &'t [Node]) -> Evaluated<Flow> {
        for node in body {
            self.host.spend(1)?;
            let flow = match node {
                Node::Text { text } => {
                    self.state.output.extend_from_slice(text);
                    self.check_output(frame)?;
                    Flow::Next
                }
                Node::Action { pipe, .. } => {
                    frame.at = At::Node(node);
                    let slot = self.pipeline(frame, dot, pipe)?;
                    if pipe.declarations.is_empty() {
                        frame.at = At::Node(node);
                        self.print(frame, &slot)?;
                    }
                    Flow::Next
                }
                Node::If(branch) => {
                    frame.at = At::Branch(branch, node);
                    self.branch(frame, dot, branch, false)?
                }
                Node::With(branch) => {
                    frame.at = At::Branch(branch, node);
                    self.branch(frame, dot, branch, true)?
                }
                Node::Range(branch) => {
                    frame.at = At::Branch(branch, node);
                    self.range(frame, dot, branch)?
                }
                Node::Template { name, pipe, .. } => {
                    frame.at = At::Node(node);
                    self.invoke(frame, dot, name, pipe.as_ref())?;
                    Flow::Next
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn check_output(&self, frame: &Frame<'_>) -> Evaluated<()> {
        let allowed = self.host.limits().output_bytes;
        if self.state.output.len() as u64 > allowed {
            return Err(CallError::limit("output_bytes", allowed).at(|| frame.location()));
        }
        Ok(())
    }

    fn print(&mut self, frame: &Frame<'_>, slot: &Slot) -> Evaluated<()> {
        match &slot.value {
            Value::Str(text) => self.state.output.extend_from_slice(text),
            Value::Nil => self.state.output.extend_from_slice(NO_VALUE),
            value => {
                let depth = self.host.limits().value_depth;
                go_fmt::print_directly(&mut self.state.output, value, depth)
                    .map_err(|error| error.at(|| frame.location()))?;
            }
        }
        self.check_output(frame)
    }

    fn branch<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        branch: &'t Branch,
        sets_dot: bool,
    ) -> Evaluated<Flow> {
        let mark = frame.variables.len();
        let slot = self.pipeline(frame, dot, &branch.pipe)?;
        let flow = if slot.value.is_true() {
            let dot = if sets_dot { &slot } else { dot };
            with_stack(|| self.walk(frame, dot, &branch.body))
        } else if let Some(otherwise) = &branch.otherwise {
            with_stack(|| self.walk(frame, dot, otherwise))
        } else {
            Ok(Flow::Next)
        };
        frame.variables.truncate(mark);
        flow
    }

    fn range<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        branch: &'t Branch,
    ) -> Evaluated<Flow> {
        let outer = frame.variables.len();
        let slot = self.pipeline(frame, dot, &branch.pipe)?;
        let iterated = with_stack(|| self.iterate(frame, &slot.value, branch))?;
        let mut flow = Flow::Next;
        if !iterated && let Some(otherwise) = &branch.otherwise {
            flow = with_stack(|| self.walk(frame, dot, otherwise))?;
        }
        frame.variables.truncate(outer);
        // A `break` in the `else` of a range ends that range.
        Ok(if flow == Flow::Break {
            Flow::Next
        } else {
            flow
        })
    }

    /// Runs the body for every item; whether there was any.
    fn iterate<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        value: &Value,
        branch: &'t Branch,
    ) -> Evaluated<bool> {
        let variables = branch.pipe.declarations.len();
        match value {
            Value::Nil => Ok(false),
            Value::List(list) => {
                let is_interface = list.list_type() == ListType::Any;
                for (index, item) in list.iter().enumerate() {
                    let item = Slot {
                        value: item.clone(),
                        is_interface,
                    };
                    let index = Slot::concrete(Value::Int(index as i64));
                    if !self.iteration(frame, index, item, branch)? {
                        break;
                    }
                }
                Ok(!list.is_empty())
            }
            Value::Map(map) => {
                let is_interface = map.map_type().holds_interfaces();
                let entries = map.snapshot();
                let any = !entries.is_empty();
                for (key, value) in entries {
                    let item = Slot {
                        value,
                        is_interface,
                    };
                    let key = Slot::concrete(Value::Str(key));
                    if !self.iteration(frame, key, item, branch)? {
                        break;
                    }
                }
                Ok(any)
            }
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    let index = Slot::concrete(Value::Int(index as i64));
                    let item = Slot::concrete(Value::Uint8(*byte));
                    if !self.iteration(frame, index, item, branch)? {
                        break;
                    }
                }
                Ok(!bytes.is_empty())
            }
            Value::Int(_)
            | Value::Int64(_)
            | Value::Uint8(_)
            | Value::Uint32(_)
            | Value::Uint64(_) => {
                if variables > 1 {
                    return frame.error(format_args!(
                        "can't use {} to iterate over more than one variable",
                        go_fmt::to_text(value)
                    ));
                }
                let count = as_count(value);
                for number in 0..count {
                    let item = Slot::concrete(same_kind(value, number));
                    if !self.iteration(frame, Slot::NOTHING, item, branch)? {
                        break;
                    }
                }
                Ok(count > 0)
            }
            Value::Object(object) => match object.underlying() {
                Some(
                    value @ (Value::Int(_)
                    | Value::Int64(_)
                    | Value::List(_)
                    | Value::Map(_)
                    | Value::Bytes(_)),
                ) => self.iterate(frame, &value, branch),
                _ if object.is_nil() => Ok(false),
                _ => frame.error(format_args!(
                    "range can't iterate over {}",
                    go_fmt::to_text(value)
                )),
            },
            _ => frame.error(format_args!(
                "range can't iterate over {}",
                go_fmt::to_text(value)
            )),
        }
    }

    /// One round; false if it ended with `break`.
    fn iteration<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        index: Slot,
        item: Slot,
        branch: &'t Branch,
    ) -> Evaluated<bool> {
        let pipe = &branch.pipe;
        let mark = frame.variables.len();
        match pipe.declarations.as_slice() {
            [] => {}
            [only] if pipe.is_assignment => frame.assign(only.id, &only.name, item.clone())?,
            [_] => frame.variables[mark - 1].1 = item.clone(),
            [first, second, ..] if pipe.is_assignment => {
                frame.assign(first.id, &first.name, index)?;
                frame.assign(second.id, &second.name, item.clone())?;
            }
            [_, _, ..] => {
                frame.variables[mark - 1].1 = item.clone();
                frame.variables[mark - 2].1 = index;
            }
        }
        let flow = self.walk(frame, &item, &branch.body)?;
        frame.variables.truncate(mark);
        Ok(flow != Flow::Break)
    }

    fn invoke<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        name: &str,
        pipe: Option<&'t Pipe>,
    ) -> Evaluated<()> {
        let Some(found) = self.find(name) else {
            return frame.error(format_args!("template {} not defined", quote(name)));
        };
        if frame.depth == MAXIMUM_TEMPLATE_DEPTH {
            return frame.error(format_args!(
                "exceeded maximum template depth ({MAXIMUM_TEMPLATE_DEPTH})"
            ));
        }
        let allowed = self.host.limits().template_depth;
        if frame.depth >= allowed {
            return Err(CallError::limit("template_depth", allowed.into()));
        }
        let dot = match pipe {
            Some(pipe) => self.pipeline(frame, dot, pipe)?,
            None => Slot::NOTHING,
        };
        let depth = frame.depth + 1;
        with_stack(|| match &found {
            Found::Program(template) => self.run(template, dot, depth),
            Found::Overlay(template) => self.run(template, dot, depth),
        })
    }

    // Pipelines.

    fn pipeline<'t>(&mut self, frame: &mut Frame<'t>, dot: &Slot, pipe: &'t Pipe) -> Evaluated {
        frame.at = At::Pipe(pipe);
        let mut slot = None;
        for command in &pipe.commands {
            let mut result = self.command(frame, dot, command, slot)?;
            result.is_interface = false;
            slot = Some(result);
        }
        let slot = slot.unwrap_or(Slot::NOTHING);
        for variable in &pipe.declarations {
            if pipe.is_assignment {
                frame.assign(variable.id, &variable.name, slot.clone())?;
            } else {
                frame.variables.push((variable.id, slot.clone()));
            }
        }
        Ok(slot)
    }

    fn command<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        command: &'t Command,
        last: Option<Slot>,
    ) -> Evaluated {
        let operands = command.operands.as_slice();
        let first = &operands[0];
        match first {
            Operand::Field { .. } => self.field(frame, dot, first, operands, last),
            Operand::Chain { .. } => self.chain(frame, dot, first, operands, last),
            Operand::Function { .. } => {
                self.function(frame, dot, first, At::Command(command), operands, last)
            }
            Operand::Variable { .. } => self.variable(frame, dot, first, operands, last),
            Operand::Pipe(pipe) => {
                no_arguments(frame, operands, last.as_ref())?;
                with_stack(|| self.pipeline(frame, dot, pipe))
            }
            _ => {
                frame.at = At::Operand(first);
                no_arguments(frame, operands, last.as_ref())?;
                match first {
                    Operand::Dot { .. } => Ok(dot.clone()),
                    Operand::Nil { .. } => frame.error("nil is not a command"),
                    _ => constant(frame, first),
                }
            }
        }
    }

    fn field<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        operand: &'t Operand,
        operands: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let Operand::Field { fields, .. } = operand else {
            return Ok(Slot::NOTHING);
        };
        frame.at = At::Operand(operand);
        self.fields(frame, dot, dot.clone(), operand, fields, operands, last)
    }

    fn chain<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        operand: &'t Operand,
        operands: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let Operand::Chain {
            operand: inner,
            fields,
            ..
        } = operand
        else {
            return Ok(Slot::NOTHING);
        };
        frame.at = At::Operand(operand);
        let receiver = match &**inner {
            Operand::Pipe(pipe) => {
                frame.at = At::Operand(inner);
                with_stack(|| self.pipeline(frame, dot, pipe))?
            }
            Operand::Function { .. } => {
                self.function(frame, dot, inner, At::Operand(inner), &[], None)?
            }
            Operand::Nil { .. } => {
                return frame.error(format_args!(
                    "indirection through explicit nil in {operand}"
                ));
            }
            other => self.argument(frame, dot, super::types::Type::Any, other)?,
        };
        self.fields(frame, dot, receiver, operand, fields, operands, last)
    }

    fn variable<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        operand: &'t Operand,
        operands: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let Operand::Variable {
            variable, fields, ..
        } = operand
        else {
            return Ok(Slot::NOTHING);
        };
        frame.at = At::Operand(operand);
        let Some(slot) = frame.variable(variable.id).cloned() else {
            return frame.error(format_args!("undefined variable: {}", variable.name));
        };
        if fields.is_empty() {
            no_arguments(frame, operands, last.as_ref())?;
            return Ok(slot);
        }
        self.fields(frame, dot, slot, operand, fields, operands, last)
    }

    /// Follows `.a.b.c`; only the last one gets arguments.
    #[allow(clippy::too_many_arguments, reason = "the receiver and its place")]
    fn fields<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        mut receiver: Slot,
        operand: &'t Operand,
        fields: &'t [Box<str>],
        operands: &'t [Operand],
        mut last: Option<Slot>,
    ) -> Evaluated {
        let count = fields.len();
        for (index, name) in fields.iter().enumerate() {
            let is_last = index + 1 == count;
            let arguments = match operands {
                [_, arguments @ ..] if is_last => arguments,
                _ => &[],
            };
            let piped = if is_last { last.take() } else { None };
            receiver = self.member(frame, dot, receiver, operand, name, arguments, piped)?;
        }
        Ok(receiver)
    }

    /// A method, a field of a struct, or the value of a key.
    #[allow(clippy::too_many_arguments, reason = "the receiver and its arguments")]
    fn member<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        receiver: Slot,
        operand: &'t Operand,
        name: &'t str,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let has_arguments = !arguments.is_empty() || last.is_some();
        match &receiver.value {
            Value::Nil if receiver.is_interface => {
                return frame.error(format_args!("nil pointer evaluating interface {{}}.{name}"));
            }
            Value::Nil => {
                if self.program.options().strict {
                    return frame.error(format_args!("nil data; no entry for key {}", quote(name)));
                }
                return Ok(Slot::NOTHING);
            }
            Value::Map(map) => {
                if let Some(signature) = super::methods::of_map(map.map_type(), name) {
                    return self.call_method(
                        frame, dot, &receiver, operand, name, &signature, arguments, last,
                    );
                }
                if has_arguments {
                    return frame.error(format_args!("{name} is not a method but has arguments"));
                }
                let is_interface = map.map_type().holds_interfaces();
                return match map.get(name) {
                    Some(value) => Ok(Slot {
                        value,
                        is_interface,
                    }),
                    None if self.program.options().strict => {
                        frame.error(format_args!("map has no entry for key {}", quote(name)))
                    }
                    None if is_interface => Ok(Slot::interface(Value::Nil)),
                    None => Ok(Slot::concrete(Value::Str(Str::EMPTY))),
                };
            }
            Value::Object(object) => {
                if let Some(signature) = object.method(name) {
                    return self.call_method(
                        frame, dot, &receiver, operand, name, &signature, arguments, last,
                    );
                }
                if let Some(value) = object.field(name) {
                    if has_arguments {
                        return frame.error(format_args!(
                            "{name} has arguments but cannot be invoked as function"
                        ));
                    }
                    return Ok(Slot::concrete(value));
                }
                if let Some(Value::Map(map)) = object.underlying() {
                    if has_arguments {
                        return frame
                            .error(format_args!("{name} is not a method but has arguments"));
                    }
                    return Ok(Slot::concrete(
                        map.get(name).unwrap_or_else(|| object.zero_element()),
                    ));
                }
            }
            _ => {}
        }
        frame.error(format_args!(
            "can't evaluate field {name} in type {}",
            receiver.type_name()
        ))
    }

    #[allow(clippy::too_many_arguments, reason = "the receiver and its arguments")]
    fn call_method<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        receiver: &Slot,
        operand: &'t Operand,
        name: &str,
        signature: &super::object::Signature,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let mut values = self.arguments(frame, dot, name, signature, arguments, last)?;
        let result = match &receiver.value {
            Value::Object(object) => object.call(self, name, &mut values),
            Value::Map(map) => super::methods::call_map(map, name, &mut values),
            _ => Ok(Value::Nil),
        };
        self.finish_call(frame, values, result, At::Operand(operand), name)
            .map(|value| Slot {
                value,
                is_interface: signature.returns_interface,
            })
    }

    fn finish_call<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        mut values: Vec<Value>,
        result: Evaluated<Value>,
        at: At<'t>,
        name: &str,
    ) -> Evaluated<Value> {
        values.clear();
        self.state.spare_arguments.push(values);
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                frame.at = at;
                if error.is_error() {
                    Err(error.wrap(format!("{}error calling {name}: ", frame.prefix())))
                } else {
                    Err(error.at(|| frame.location()))
                }
            }
        }
    }

    fn function<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        operand: &'t Operand,
        call: At<'t>,
        operands: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let Operand::Function { function, name, .. } = operand else {
            return Ok(Slot::NOTHING);
        };
        frame.at = At::Operand(operand);
        self.host.spend(1)?;
        let arguments = operands.get(1..).unwrap_or_default();
        let signature = *function.signature();
        if let Some(stops_at) = function.stops_at() {
            return self.short_circuit(frame, dot, name, stops_at, arguments, last);
        }
        let mut values = self.arguments(frame, dot, name, &signature, arguments, last)?;
        if function.takes_callee() {
            let callee = arguments.first().map(ToString::to_string);
            let callee = callee.unwrap_or_else(|| go_fmt::reflect_string(&values[0]).to_string());
            values.insert(0, Value::str(callee));
        }
        if function.is_random() && self.host.remembers() {
            self.state.site = Some((frame.template.name.clone(), call.to_string()));
        }
        let result = function.call(self, &mut values);
        self.finish_call(frame, values, result, call, name)
            .map(|value| Slot {
                value,
                is_interface: signature.returns_interface,
            })
    }

    /// `and` and `or`: the first operand with the deciding truth, else the last one.
    fn short_circuit<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        name: &str,
        stops_at: bool,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        if arguments.is_empty() && last.is_none() {
            return frame.error(format_args!(
                "wrong number of args for {name}: want at least 1 got 0"
            ));
        }
        let mut slot = Slot::NOTHING;
        for argument in arguments {
            slot = self.argument(frame, dot, super::types::Type::Reflect, argument)?;
            if slot.value.is_true() == stops_at {
                return Ok(slot);
            }
        }
        Ok(last.unwrap_or(slot))
    }

    /// Evaluates and checks the arguments of a call.
    fn arguments<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        name: &str,
        signature: &super::object::Signature,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated<Vec<Value>> {
        let given = arguments.len() + usize::from(last.is_some());
        let required = signature.required();
        if signature.is_variadic {
            if given < required {
                return frame.error(format_args!(
                    "wrong number of args for {name}: want at least {required} got {}",
                    arguments.len()
                ));
            }
        } else if given != required {
            return frame.error(format_args!(
                "wrong number of args for {name}: want {required} got {given}"
            ));
        }
        let mut values = self.state.spare_arguments.pop().unwrap_or_default();
        let mut nil_interfaces = 0u64;
        for (index, argument) in arguments.iter().enumerate() {
            let parameter = signature
                .parameter(index)
                .unwrap_or(super::types::Type::Any);
            let slot = self.argument(frame, dot, parameter, argument)?;
            note_nil_interface(&mut nil_interfaces, index, &slot);
            values.push(slot.value);
        }
        if let Some(last) = last {
            let index = arguments.len();
            let parameter = signature
                .parameter(index)
                .unwrap_or(super::types::Type::Any);
            let slot = validate(frame, last, parameter)?;
            note_nil_interface(&mut nil_interfaces, index, &slot);
            values.push(slot.value);
        }
        self.state.nil_interfaces = nil_interfaces;
        Ok(values)
    }

    fn argument<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        parameter: super::types::Type,
        operand: &'t Operand,
    ) -> Evaluated {
        frame.at = At::Operand(operand);
        let slot = match operand {
            Operand::Dot { .. } => dot.clone(),
            Operand::Nil { .. } => {
                return match zero(parameter) {
                    Some(slot) => Ok(slot),
                    None => frame.error(format_args!("cannot assign nil to {}", parameter.name())),
                };
            }
            Operand::Field { .. } => self.field(frame, dot, operand, &[], None)?,
            Operand::Variable { .. } => self.variable(frame, dot, operand, &[], None)?,
            Operand::Pipe(pipe) => with_stack(|| self.pipeline(frame, dot, pipe))?,
            Operand::Function { .. } => {
                self.function(frame, dot, operand, At::Operand(operand), &[], None)?
            }
            Operand::Chain { .. } => self.chain(frame, dot, operand, &[], None)?,
            Operand::Bool { .. } | Operand::Number { .. } | Operand::String { .. } => {
                return literal(frame, parameter, operand);
            }
        };
        validate(frame, slot, parameter)
    }
}

fn note_nil_interface(flags: &mut u64, index: usize, slot: &Slot) {
    if index < 64 && slot.is_interface && matches!(slot.value, Value::Nil) {
        *flags |= 1 << index;
    }
}

fn no_template(name: &[u8]) -> CallError {
    CallError::new(format!(
        "template: no template {} associated with template {}",
        quote(name),
        quote(ROOT)
    ))
}

fn no_arguments(
    frame: &Frame<'_>,
    operands: &[Operand],
    last: Option<&Slot>,
) -> Result<(), CallError> {
    if operands.len() > 1 || last.is_some() {
        return match operands.first() {
            Some(Operand::Pipe(pipe)) => {
                frame.error(format_args!("can't give argument to non-function {pipe}"))
            }
            Some(operand) => frame.error(format_args!(
                "can't give argument to non-function {operand}"
            )),
            None => Ok(()),
        };
    }
    Ok(())
}

/// A literal where no type is asked for.
fn constant<'t>(frame: &mut Frame<'t>, operand: &'t Operand) -> Evaluated {
    frame.at = At::Operand(operand);
    let value = match operand {
        Operand::Bool { value, .. } => Value::Bool(*value),
        Operand::String { text, .. } => Value::Str(Str::new(text)),
        Operand::Number { number, .. } => {
            let text = &*number.text;
            let is_hexadecimal = text.len() > 2
                && (text.starts_with("0x") || text.starts_with("0X"))
                && !text.contains(['p', 'P']);
            if let Some(complex) = number.complex {
                Value::Complex(Rc::new(complex))
            } else if let Some(float) = number.float
                && !is_hexadecimal
                && !text.starts_with('\'')
                && text.contains(['.', 'e', 'E', 'p', 'P'])
            {
                Value::Float(float)
            } else if let Some(int) = number.int {
                Value::Int(int)
            } else if number.uint.is_some() {
                return frame.error(format_args!("{text} overflows int"));
            } else {
                Value::Nil
            }
        }
        _ => Value::Nil,
    };
    Ok(Slot::concrete(value))
}

/// A literal for a parameter of a type.
fn literal<'t>(
    frame: &mut Frame<'t>,
    parameter: super::types::Type,
    operand: &'t Operand,
) -> Evaluated {
    use super::types::Type;
    let number = match operand {
        Operand::Number { number, .. } => Some(number),
        _ => None,
    };
    let (value, expected) = match parameter {
        Type::Any | Type::Reflect => return constant(frame, operand),
        Type::Bool => (
            match operand {
                Operand::Bool { value, .. } => Some(Value::Bool(*value)),
                _ => None,
            },
            "bool",
        ),
        Type::String => (
            match operand {
                Operand::String { text, .. } => Some(Value::Str(Str::new(text))),
                _ => None,
            },
            "string",
        ),
        Type::Int => (number.and_then(|n| n.int).map(Value::Int), "integer"),
        Type::Int64 => (number.and_then(|n| n.int).map(Value::Int64), "integer"),
        Type::Uint32 => (
            number
                .and_then(|n| n.uint)
                .map(|uint| Value::Uint32(uint as u32)),
            "unsigned integer",
        ),
        Type::Float64 => (number.and_then(|n| n.float).map(Value::Float), "float"),
        Type::List(_) | Type::Map(_) | Type::Object(_) => {
            return frame.error(format_args!(
                "can't handle {operand} for arg of type {}",
                parameter.name()
            ));
        }
    };
    match value {
        Some(value) => Ok(Slot::concrete(value)),
        None => frame.error(format_args!("expected {expected}; found {operand}")),
    }
}

/// Nil as a value of a type, for types that have it.
fn zero(parameter: super::types::Type) -> Option<Slot> {
    use super::{
        containers::{List, Map},
        types::Type,
    };
    Some(match parameter {
        Type::Any => Slot::interface(Value::Nil),
        Type::Reflect => Slot::NOTHING,
        Type::List(list_type) => Slot::concrete(Value::List(List::nil(list_type))),
        Type::Map(map_type) => Slot::concrete(Value::Map(Map::nil(map_type))),
        Type::Object(name) if name.starts_with('*') => Slot::NOTHING,
        _ => return None,
    })
}

/// Checks that a value can be given for a parameter.
fn validate(frame: &Frame<'_>, slot: Slot, parameter: super::types::Type) -> Evaluated {
    use super::types::Type;
    if slot.is_nothing() {
        return match zero(parameter) {
            Some(slot) => Ok(slot),
            None => frame.error(format_args!("invalid value; expected {}", parameter.name())),
        };
    }
    let fits = match (parameter, &slot.value) {
        (Type::Any | Type::Reflect, _)
        | (Type::String, Value::Str(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Int64, Value::Int64(_))
        | (Type::Uint32, Value::Uint32(_))
        | (Type::Float64, Value::Float(_)) => true,
        (Type::List(expected), Value::List(list)) => list.list_type() == expected,
        (Type::Map(expected), Value::Map(map)) => {
            expected == map.map_type()
                || expected == super::types::MapType::Any && map.map_type().is_values()
        }
        (Type::Object(name), Value::Object(object)) => object.type_name() == name,
        _ => false,
    };
    if fits {
        return Ok(slot);
    }
    let actual = match &slot.value {
        Value::Nil => "interface {}".into(),
        value => value.type_name(),
    };
    frame.error(format_args!(
        "wrong type for value; expected {}; got {actual}",
        parameter.name()
    ))
}

/// How often a number is ranged over.
fn as_count(value: &Value) -> u64 {
    match value {
        Value::Int(number) | Value::Int64(number) => u64::try_from(*number).unwrap_or(0),
        Value::Uint8(number) => u64::from(*number),
        Value::Uint32(number) => u64::from(*number),
        Value::Uint64(number) => *number,
        _ => 0,
    }
}

fn same_kind(value: &Value, number: u64) -> Value {
    match value {
        Value::Int64(_) => Value::Int64(number as i64),
        Value::Uint8(_) => Value::Uint8(number as u8),
        Value::Uint32(_) => Value::Uint32(number as u32),
        Value::Uint64(_) => Value::Uint64(number),
        _ => Value::Int(number as i64),
    }
}

/// Helm removes what Go prints for missing values.
fn without_no_value(output: Vec<u8>) -> Vec<u8> {
    let find = |from: usize| {
        let mut from = from;
        loop {
            let offset = output.get(from..)?.iter().position(|byte| *byte == b'<')?;
            if output[from + offset..].starts_with(NO_VALUE) {
                return Some(from + offset);
            }
            from += offset + 1;
        }
    };
    let Some(mut found) = find(0) else {
        return output;
    };
    let mut cleaned = Vec::with_capacity(output.len());
    let mut start = 0;
    loop {
        cleaned.extend_from_slice(&output[start..found]);
        start = found + NO_VALUE.len();
        match find(start) {
            Some(next) => found = next,
            None => break,
        }
    }
    cleaned.extend_from_slice(&output[start..]);
    cleaned
}
