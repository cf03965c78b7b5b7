//! Helm's own functions.

pub(crate) mod json;
mod yaml;

use gitops_core::render::Lookup;

use self::json::JsonStyle;
use super::Registry;
use crate::template::{
    CallError, Context, EngineOptions, FunctionSet, List, Map, Str, Value, message_alone,
};

pub(crate) use yaml::marshal as yaml;

pub(super) fn register(registry: &mut Registry, options: &EngineOptions) {
    registry.add("include", |context: &mut Context<'_>, name: Str, data: Value| {
        context.include(&name, data)
    });
    registry.add("tpl", |context: &mut Context<'_>, text: Str, data: Value| {
        context.tpl(&text, data)
    });
    registry.add("required", required);
    registry.add("fail", fail);
    registry.add("lookup", lookup);
    registry.add("toYaml", |value: Value| {
        yaml(&value).map_or_else(stop_or_empty, |text| Ok(without_break(text)))
    });
    registry.add("toYamlPretty", |value: Value| {
        yaml::marshal_pretty(&value).map(without_break)
    });
    registry.add("fromYaml", from_yaml);
    registry.add("fromYamlArray", from_yaml_array);
    registry.add("toJson", |value: Value| {
        json::encode(&value, JsonStyle::default()).map_or_else(stop_or_empty, |text| Ok(text.into()))
    });
    registry.add("fromJson", |text: Str| {
        let decoded = json::decode_map(&text);
        with_error(decoded.value, decoded.error)
    });
    registry.add("fromJsonArray", |text: Str| {
        let decoded = json::decode_list(&text);
        or_error(decoded.value, decoded.error)
    });
    if options.functions >= FunctionSet::Helm4_0 {
        registry.add("mustToYaml", |value: Value| yaml(&value).map(without_break));
    }
    registry.add("mustToJson", |value: Value| {
        json::encode(&value, JsonStyle::default()).map(Str::from)
    });
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

/// One object, or a list of them, or an empty map.
fn lookup(
    context: &mut Context<'_>,
    api_version: Str,
    kind: Str,
    namespace: Str,
    name: Str,
) -> Result<Map, CallError> {
    let is_list = name.is_empty();
    let text = |text: &Str| text.to_str().into_owned();
    let found = context.host().lookup(Lookup {
        api_version: text(&api_version),
        kind: text(&kind),
        namespace: text(&namespace),
        name: text(&name),
    });
    let as_map = |manifest: &gitops_core::Manifest| match Value::from(&manifest.to_value()) {
        Value::Map(map) => map,
        _ => Map::new(),
    };
    if !is_list {
        return Ok(found.first().map(as_map).unwrap_or_default());
    }
    if found.is_empty() {
        return Ok(Map::new());
    }
    let items = found.iter().map(|found| Value::Map(as_map(found)));
    let list = Value::List(items.collect());
    Ok(Map::from_iter([
        ("apiVersion", Value::Str(api_version)),
        ("kind", Value::str(format!("{kind}List"))),
        ("items", list),
        ("metadata", Value::Map(Map::new())),
    ]))
}

/// Helm swallows errors of encoding; only reasons to stop remain.
fn stop_or_empty(error: CallError) -> Result<Str, CallError> {
    if error.is_error() {
        Ok(Str::EMPTY)
    } else {
        Err(error)
    }
}

fn without_break(text: String) -> Str {
    Str::from(text.strip_suffix('\n').unwrap_or(&text))
}

/// An error is put into the map.
fn with_error(map: Map, error: Option<String>) -> Result<Map, CallError> {
    if let Some(error) = error {
        map.insert("Error", Value::str(error))?;
    }
    Ok(map)
}

/// An error is the only item.
fn or_error(list: List, error: Option<String>) -> List {
    match error {
        Some(error) => List::new(vec![Value::str(error)]),
        None => list,
    }
}

const DECODING: &str = "error unmarshaling JSON: while decoding JSON: ";

fn read_yaml(text: &Str) -> (Value, Option<String>) {
    match gitops_core::yaml::from_slice(text) {
        Ok(value) => (Value::from(&value), None),
        Err(error) => (Value::Nil, Some(error.unmarshal_message())),
    }
}

fn from_yaml(text: Str) -> Result<Map, CallError> {
    let (value, error) = read_yaml(&text);
    if error.is_some() {
        return with_error(Map::new(), error);
    }
    if matches!(value, Value::Nil) {
        return Ok(Map::new());
    }
    let decoded = json::as_map(value, None);
    let error = decoded.error.map(|error| format!("{DECODING}{error}"));
    with_error(decoded.value, error)
}

fn from_yaml_array(text: Str) -> List {
    let (value, error) = read_yaml(&text);
    if error.is_some() {
        return or_error(List::new(Vec::new()), error);
    }
    if matches!(value, Value::Nil) {
        return List::new(Vec::new());
    }
    let decoded = json::as_list(value, None);
    let error = decoded.error.map(|error| format!("{DECODING}{error}"));
    or_error(decoded.value, error)
}
