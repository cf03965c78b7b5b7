//! Helm's own functions.

use super::Registry;
use crate::template::{CallError, EngineOptions, Str, Value, message_alone};

pub(super) fn register(registry: &mut Registry, _options: &EngineOptions) {
    registry.add("required", required);
    registry.add("fail", fail);
}

/// Fails with the message alone if the value is nil or the empty string.
fn required(message: Str, value: Value) -> Result<Value, CallError> {
    match &value {
        Value::Nil => Err(CallError::new(message_alone(&message.to_str()))),
        Value::Str(text) if text.is_empty() => {
            Err(CallError::new(message_alone(&message.to_str())))
        }
        _ => Ok(value),
    }
}

/// Fails with the message alone.
fn fail(message: Str) -> Result<Str, CallError> {
    Err(CallError::new(message_alone(&message.to_str())))
}
