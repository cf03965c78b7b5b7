//! The methods of Helm's type `Values`, a map of values.

use gitops_core::go::quote;

use super::{
    containers::Map,
    error::CallError,
    object::Signature,
    text::Str,
    types::{MapType, Type},
    value::Value,
};

/// The signature of a method of maps of a type.
pub(super) fn of_map(map_type: MapType, name: &str) -> Option<Signature> {
    if !map_type.is_values() {
        return None;
    }
    let parameters: &'static [Type] = match name {
        "YAML" | "AsMap" => &[],
        "Table" | "PathValue" => &[Type::String],
        "Encode" => &[Type::Object("io.Writer")],
        _ => return None,
    };
    Some(Signature {
        parameters,
        is_variadic: false,
        returns_interface: name == "PathValue",
    })
}

/// Calls a method of which [`of_map`] gave the signature.
pub(super) fn call_map(map: &Map, name: &str, arguments: &mut [Value]) -> Result<Value, CallError> {
    let argument = match arguments.first() {
        Some(Value::Str(text)) => text.clone(),
        _ => Str::EMPTY,
    };
    match name {
        "YAML" => crate::funcs::helm::yaml(&Value::Map(map.clone())).map(Value::str),
        "AsMap" if map.is_empty() => Ok(Value::Map(Map::new())),
        "AsMap" => Ok(Value::Map(map.clone().with_type(MapType::Any))),
        "Table" => table(map, argument.split(|byte| *byte == b'.')).map(Value::Map),
        "PathValue" => path_value(map, &argument),
        _ => Err(CallError::nil_pointer()),
    }
}

fn table<'k>(map: &Map, path: impl Iterator<Item = &'k [u8]>) -> Result<Map, CallError> {
    let mut table = map.clone();
    for key in path {
        table = match table.get(key) {
            Some(Value::Map(inner)) if inner.map_type().holds_interfaces() => {
                inner.with_type(map.map_type())
            }
            _ => return Err(CallError::new(format!("{} is not a table", quote(key)))),
        };
    }
    Ok(table)
}

fn path_value(map: &Map, path: &Str) -> Result<Value, CallError> {
    if path.is_empty() {
        return Err(CallError::new("YAML path cannot be empty"));
    }
    let mut keys: Vec<&[u8]> = path.split(|byte| *byte == b'.').collect();
    let last = keys.pop().unwrap_or_default();
    let found = table(map, keys.into_iter())
        .ok()
        .and_then(|table| table.get(last));
    match found {
        Some(value) if !is_table(&value) => Ok(value),
        _ => Err(CallError::new(format!("{} is not a value", quote(last)))),
    }
}

fn is_table(value: &Value) -> bool {
    matches!(value, Value::Map(map) if map.map_type() == MapType::Any)
}
