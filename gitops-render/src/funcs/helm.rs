//! Helm's own functions.

use super::Registry;
use crate::template::{CallError, Context, EngineOptions, Str, Value, message_alone};

pub(super) fn register(registry: &mut Registry, _options: &EngineOptions) {
    registry.add(
        "include",
        |context: &mut Context<'_>, name: Str, data: Value| context.include(&name, data),
    );
    registry.add(
        "tpl",
        |context: &mut Context<'_>, text: Str, data: Value| context.tpl(&text, data),
    );
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

/// `sigs.k8s.io/yaml`'s `Marshal`.
pub(crate) fn yaml(_value: &Value) -> Result<String, CallError> {
    Ok(String::new())
}
