//! Nodes: text, actions, control structures.

use gitops_core::go::quote;

use super::{
    super::{
        ast::{Branch, Node, Pipe},
        containers::with_stack,
        context::Context,
        error::CallError,
        fmt as go_fmt,
        types::ListType,
        value::Value,
    },
    At, Evaluated, Flow, Found, Frame, MAXIMUM_TEMPLATE_DEPTH, NO_VALUE, Slot,
};

impl Context<'_> {
    pub(super) fn walk<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        body: &'t [Node],
    ) -> Evaluated<Flow> {
        for node in body {
            self.host.spend(1)?;
            let flow = match node {
                Node::Text { text } => {
                    let text = frame.source().bytes(*text);
                    self.state.output.extend_from_slice(text);
                    self.check_output(frame)?;
                    Flow::Next
                }
                Node::Action { pipe, .. } => {
                    frame.at = At::Node(node);
                    if let Some(text) = frame.source().literal(pipe) {
                        self.state.output.extend_from_slice(text);
                        self.check_output(frame)?;
                        continue;
                    }
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
                Node::Template { invocation, .. } => {
                    frame.at = At::Node(node);
                    self.invoke(frame, dot, &invocation.name, invocation.pipe.as_ref())?;
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

    pub(super) fn check_output(&self, frame: &Frame<'_>) -> Evaluated<()> {
        let allowed = self.host.limits().output_bytes;
        if self.state.output.len() as u64 > allowed {
            return Err(CallError::limit("output_bytes", allowed).at(|| frame.location()));
        }
        Ok(())
    }

    pub(super) fn print(&mut self, frame: &Frame<'_>, slot: &Slot) -> Evaluated<()> {
        match &slot.value {
            Value::Str(text) => self.state.output.extend_from_slice(text),
            Value::Nil => self.state.output.extend_from_slice(NO_VALUE),
            value => {
                let limits = *self.host.limits();
                go_fmt::print_directly(&mut self.state.output, value, &limits)
                    .map_err(|error| error.at(|| frame.location()))?;
            }
        }
        self.check_output(frame)
    }

    pub(super) fn branch<'t>(
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

    pub(super) fn range<'t>(
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
    pub(super) fn iterate<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        value: &Value,
        branch: &'t Branch,
    ) -> Evaluated<bool> {
        let variables = branch.pipe.declarations.range().len();
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
                Some(value @ (Value::Int(_) | Value::Int64(_))) if variables < 2 => {
                    let count = as_count(&value);
                    for number in 0..count {
                        let item = Slot::concrete(object.counted(number as i64));
                        if !self.iteration(frame, Slot::NOTHING, item, branch)? {
                            break;
                        }
                    }
                    Ok(count > 0)
                }
                // The text of the whole, `1h0m0s`, not of the number below it.
                Some(Value::Int(_) | Value::Int64(_)) => frame.error(format_args!(
                    "can't use {} to iterate over more than one variable",
                    go_fmt::to_text(value)
                )),
                Some(value @ (Value::List(_) | Value::Map(_) | Value::Bytes(_))) => {
                    self.iterate(frame, &value, branch)
                }
                _ if object.is_nil() => Ok(false),
                _ => frame.error(format_args!(
                    "range can't iterate over {}",
                    go_fmt::reflected(value)
                )),
            },
            _ => frame.error(format_args!(
                "range can't iterate over {}",
                go_fmt::to_text(value)
            )),
        }
    }

    /// One round; false if it ended with `break`.
    pub(super) fn iteration<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        index: Slot,
        item: Slot,
        branch: &'t Branch,
    ) -> Evaluated<bool> {
        // A body may be empty.
        self.host.spend(1)?;
        let pipe = &branch.pipe;
        let mark = frame.variables.len();
        let source = frame.source();
        match source.declarations(pipe) {
            [] => {}
            [only] if pipe.is_assignment => {
                frame.assign(only.id, source.name(only.name), item.clone())?
            }
            [_] => frame.variables[mark - 1].1 = item.clone(),
            [first, second, ..] if pipe.is_assignment => {
                frame.assign(first.id, source.name(first.name), index)?;
                frame.assign(second.id, source.name(second.name), item.clone())?;
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

    pub(super) fn invoke<'t>(
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
