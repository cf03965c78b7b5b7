//! Literals, and whether a value can be given for a parameter.

use std::rc::Rc;

use gitops_core::go::Duration;

use super::{
    super::{
        ast::{Operand, Shown},
        containers::{List, Map},
        text::Str,
        types::{MapType, Type},
        value::Value,
    },
    At, Evaluated, Frame, Slot,
};
use crate::funcs::DurationObject;

/// A literal where no type is asked for.
pub(super) fn constant<'t>(frame: &mut Frame<'t>, operand: &'t Operand) -> Evaluated {
    frame.at = At::Operand(operand);
    let value = match operand {
        Operand::Bool { value, .. } => Value::Bool(*value),
        Operand::String { .. } => text_of(frame, operand),
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
pub(super) fn literal<'t>(
    frame: &mut Frame<'t>,
    parameter: Type,
    operand: &'t Operand,
) -> Evaluated {
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
                Operand::String { .. } => Some(text_of(frame, operand)),
                _ => None,
            },
            "string",
        ),
        Type::Int => (number.and_then(|n| n.int).map(Value::Int), "integer"),
        Type::Int64 => (number.and_then(|n| n.int).map(Value::Int64), "integer"),
        Type::Duration => (
            number
                .and_then(|n| n.int)
                .map(|int| Value::object(DurationObject(Duration(int)))),
            "integer",
        ),
        Type::Uint32 => (
            number
                .and_then(|n| n.uint)
                .map(|uint| Value::Uint32(uint as u32)),
            "unsigned integer",
        ),
        Type::Float64 => (number.and_then(|n| n.float).map(Value::Float), "float"),
        Type::Bytes | Type::List(_) | Type::Map(_) | Type::Object(_) => {
            return frame.error(format_args!(
                "can't handle {} for arg of type {}",
                Shown(frame.source(), operand),
                parameter.name()
            ));
        }
    };
    match value {
        Some(value) => Ok(Slot::concrete(value)),
        None => frame.error(format_args!(
            "expected {expected}; found {}",
            Shown(frame.source(), operand)
        )),
    }
}

fn text_of(frame: &Frame<'_>, operand: &Operand) -> Value {
    let text = operand.string(frame.source());
    Value::Str(Str::new(text.unwrap_or_default()))
}

/// Nil as a value of a type, for types that have it.
pub(super) fn zero(parameter: Type) -> Option<Slot> {
    Some(match parameter {
        Type::Any => Slot::interface(Value::Nil),
        Type::Reflect => Slot::NOTHING,
        Type::List(list_type) => Slot::concrete(Value::List(List::nil(list_type))),
        Type::Map(map_type) => Slot::concrete(Value::Map(Map::nil(map_type))),
        Type::Bytes => Slot::concrete(Value::Bytes(Str::NIL)),
        Type::Object(_) if parameter.can_be_nil() => Slot::NOTHING,
        _ => return None,
    })
}

/// Checks that a value can be given for a parameter.
pub(super) fn validate(frame: &Frame<'_>, slot: Slot, parameter: Type) -> Evaluated {
    if slot.is_nothing() {
        return match zero(parameter) {
            Some(slot) => Ok(slot),
            None => frame.error(format_args!("invalid value; expected {}", parameter.name())),
        };
    }
    let fits = match (parameter, &slot.value) {
        (Type::Any | Type::Reflect, _)
        | (Type::String, Value::Str(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Int64, Value::Int64(_))
        | (Type::Uint32, Value::Uint32(_))
        | (Type::Float64, Value::Float(_)) => true,
        (Type::List(expected), Value::List(list)) => list.list_type() == expected,
        (Type::Map(expected), Value::Map(map)) => {
            expected == map.map_type() || expected == MapType::Any && map.map_type().is_values()
        }
        (Type::Object(_) | Type::Duration, Value::Object(object)) => {
            object.type_name() == parameter.name()
        }
        _ => false,
    };
    if fits {
        if let (Type::Any, Value::Object(object)) = (parameter, &slot.value)
            && let Some(value) = object.as_argument()
        {
            return Ok(Slot { value, ..slot });
        }
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
