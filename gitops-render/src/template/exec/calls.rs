//! Fields, methods and functions.

use gitops_core::go::quote;

use super::{
    super::{
        ast::{Field, Operand, Path, Shown},
        containers::with_stack,
        context::Context,
        error::CallError,
        fmt as go_fmt, methods,
        object::Signature,
        text::Str,
        types::Type,
        value::Value,
    },
    At, Evaluated, Frame, Slot,
    arguments::{literal, validate, zero},
};

impl Context<'_> {
    /// Follows `.a.b.c`; only the last one gets arguments.
    #[allow(clippy::too_many_arguments, reason = "the receiver and its place")]
    pub(super) fn fields<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        receiver: &Slot,
        operand: &'t Operand,
        fields: Path,
        operands: &'t [Operand],
        mut last: Option<Slot>,
    ) -> Evaluated {
        let mut found: Option<Slot> = None;
        let mut names = frame.source().fields(fields).iter();
        while let Some(field) = names.next() {
            let is_last = names.as_slice().is_empty();
            let arguments = match operands {
                [_, arguments @ ..] if is_last => arguments,
                _ => &[],
            };
            let piped = if is_last { last.take() } else { None };
            let receiver = found.as_ref().unwrap_or(receiver);
            let member = self.member(frame, dot, receiver, operand, field, arguments, piped)?;
            found = Some(member);
        }
        Ok(found.unwrap_or_default())
    }

    /// A method, a field of a struct, or the value of a key.
    #[allow(clippy::too_many_arguments, reason = "the receiver and its arguments")]
    pub(super) fn member<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        receiver: &Slot,
        operand: &'t Operand,
        field: &'t Field,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let name = frame.source().name(field.name);
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
                if let Some(signature) = methods::of_map(map.map_type(), name) {
                    return self.call_method(
                        frame, dot, receiver, operand, name, &signature, arguments, last,
                    );
                }
                if has_arguments {
                    return frame.error(format_args!("{name} is not a method but has arguments"));
                }
                let is_interface = map.map_type().holds_interfaces();
                return match map.get_at(name, &field.place) {
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
                        frame, dot, receiver, operand, name, &signature, arguments, last,
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
                if object.fields().iter().any(|(field, _)| *field == name) {
                    return frame.error(format_args!(
                        "{name} is an unexported field of struct type {}",
                        receiver.type_name()
                    ));
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
    pub(super) fn call_method<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        receiver: &Slot,
        operand: &'t Operand,
        name: &str,
        signature: &Signature,
        arguments: &'t [Operand],
        last: Option<Slot>,
    ) -> Evaluated {
        let mut values = self.arguments(frame, dot, name, signature, arguments, last)?;
        if let Value::Object(object) = &receiver.value
            && let Some(reason) = object.unfit_results(name)
        {
            return frame.error(format_args!("{reason}"));
        }
        let result = match &receiver.value {
            Value::Object(object) => object.call(self, name, &mut values),
            Value::Map(map) => methods::call_map(map, name, &mut values),
            _ => Ok(Value::Nil),
        };
        self.finish_call(frame, values, result, At::Operand(operand), name)
            .map(|value| Slot {
                value,
                is_interface: signature.returns_interface,
            })
    }

    pub(super) fn finish_call<'t>(
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
            Ok(Value::Str(text)) if text.len() as u64 > self.host.limits().output_bytes => {
                let allowed = self.host.limits().output_bytes;
                Err(CallError::limit("output_bytes", allowed).at(|| frame.location()))
            }
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

    pub(super) fn function<'t>(
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
        let program = self.program;
        let function = program.functions().at(*function);
        let source = frame.source();
        let name = source.name(*name);
        frame.at = At::Operand(operand);
        self.host.spend(1)?;
        let arguments = operands.get(1..).unwrap_or_default();
        let signature = function.signature();
        if let Some(stops_at) = function.stops_at() {
            return self.short_circuit(frame, dot, name, stops_at, arguments, last);
        }
        let mut values = self.arguments(frame, dot, name, signature, arguments, last)?;
        if function.takes_callee() {
            let shown = |operand| Shown(source, operand).to_string();
            let callee = arguments.first().map(shown);
            let callee = callee.unwrap_or_else(|| go_fmt::reflect_string(&values[0]).to_string());
            values.insert(0, Value::str(callee));
        }
        if function.is_random() && self.host.remembers() {
            self.state.site = Some((frame.template.name.clone(), call.show(source)));
        }
        let result = function.call(self, &mut values);
        self.finish_call(frame, values, result, call, name)
            .map(|value| Slot {
                value,
                is_interface: signature.returns_interface,
            })
    }

    /// `and` and `or`: the first operand with the deciding truth, else the last one.
    pub(super) fn short_circuit<'t>(
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
            slot = self.argument(frame, dot, Type::Reflect, argument)?;
            if slot.value.is_true() == stops_at {
                return Ok(slot);
            }
        }
        Ok(last.unwrap_or(slot))
    }

    /// Evaluates and checks the arguments of a call.
    pub(super) fn arguments<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        name: &str,
        signature: &Signature,
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
            let parameter = signature.parameter(index).unwrap_or(Type::Any);
            let slot = self.argument(frame, dot, parameter, argument)?;
            note_nil_interface(&mut nil_interfaces, index, &slot);
            values.push(slot.value);
        }
        if let Some(last) = last {
            let index = arguments.len();
            let parameter = signature.parameter(index).unwrap_or(Type::Any);
            let slot = validate(frame, last, parameter)?;
            note_nil_interface(&mut nil_interfaces, index, &slot);
            values.push(slot.value);
        }
        self.state.nil_interfaces = nil_interfaces;
        Ok(values)
    }

    pub(super) fn argument<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        parameter: Type,
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
