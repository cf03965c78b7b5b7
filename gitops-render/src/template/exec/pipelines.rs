//! Pipelines, commands and operands.

use super::{
    super::{
        ast::{Command, Operand, Pipe, Shown},
        containers::with_stack,
        context::Context,
        error::CallError,
        types::Type,
    },
    At, Evaluated, Frame, Slot,
    arguments::constant,
};

impl Context<'_> {
    pub(super) fn pipeline<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        pipe: &'t Pipe,
    ) -> Evaluated {
        frame.at = At::Pipe(pipe);
        let mut slot = None;
        let source = frame.source();
        for command in source.commands(pipe) {
            let mut result = self.command(frame, dot, command, slot)?;
            result.is_interface = false;
            slot = Some(result);
        }
        let slot = slot.unwrap_or(Slot::NOTHING);
        for variable in source.declarations(pipe) {
            if pipe.is_assignment {
                frame.assign(variable.id, source.name(variable.name), slot.clone())?;
            } else {
                frame.variables.push((variable.id, slot.clone()));
            }
        }
        Ok(slot)
    }

    pub(super) fn command<'t>(
        &mut self,
        frame: &mut Frame<'t>,
        dot: &Slot,
        command: &'t Command,
        last: Option<Slot>,
    ) -> Evaluated {
        let operands = frame.source().operands(command);
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

    pub(super) fn field<'t>(
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
        self.fields(frame, dot, dot, operand, *fields, operands, last)
    }

    pub(super) fn chain<'t>(
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
        let inner = frame.source().inner(*inner);
        let receiver = match inner {
            Operand::Pipe(pipe) => {
                frame.at = At::Operand(inner);
                with_stack(|| self.pipeline(frame, dot, pipe))?
            }
            Operand::Function { .. } => {
                self.function(frame, dot, inner, At::Operand(inner), &[], None)?
            }
            Operand::Nil { .. } => {
                let shown = Shown(frame.source(), operand);
                return frame.error(format_args!("indirection through explicit nil in {shown}"));
            }
            other => self.argument(frame, dot, Type::Any, other)?,
        };
        self.fields(frame, dot, &receiver, operand, *fields, operands, last)
    }

    pub(super) fn variable<'t>(
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
            let name = frame.source().name(variable.name);
            return frame.error(format_args!("undefined variable: {name}"));
        };
        if fields.fields.is_empty() {
            no_arguments(frame, operands, last.as_ref())?;
            return Ok(slot);
        }
        self.fields(frame, dot, &slot, operand, *fields, operands, last)
    }
}

fn no_arguments(
    frame: &Frame<'_>,
    operands: &[Operand],
    last: Option<&Slot>,
) -> Result<(), CallError> {
    if operands.len() > 1 || last.is_some() {
        return match operands.first() {
            Some(operand) => frame.error(format_args!(
                "can't give argument to non-function {}",
                Shown(frame.source(), operand)
            )),
            None => Ok(()),
        };
    }
    Ok(())
}
