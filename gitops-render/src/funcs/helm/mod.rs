//! Helm's own functions.

mod yaml;

use gitops_core::render::Lookup;

use super::Registry;
use crate::template::{
    CallError, Context, EngineOptions, FunctionSet, List, Map, Str, Value, message_alone,
};

pub(crate) use yaml::marshal as yaml;

pub(super) fn register(registry: &mut Registry, options: &EngineOptions) {
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
    registry.add("lookup", lookup);
    registry.add("toYaml", |value: Value| {
        yaml(&value).map_or_else(stop_or_empty, |text| Ok(without_break(text)))
    });
    registry.add("toYamlPretty", |value: Value| {
        yaml::marshal_pretty(&value).map(without_break)
    });
    registry.add("fromYaml", from_yaml);
    registry.add("fromYamlArray", from_yaml_array);
    if options.functions >= FunctionSet::Helm4_0 {
        registry.add("mustToYaml", |value: Value| yaml(&value).map(without_break));
    }
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

/// What sigs.k8s.io/yaml says of a document of another shape.
fn mismatch(value: &Value, target: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {target}"
    )
}

fn read_yaml(text: &Str) -> Result<Value, String> {
    match gitops_core::yaml::from_slice(text) {
        Ok(value) => Ok(Value::from(&value)),
        Err(error) => Err(error.unmarshal_message()),
    }
}

/// A document as a map. What is wrong with it is told under the key `Error`.
fn from_yaml(text: Str) -> Map {
    let error = match read_yaml(&text) {
        Ok(Value::Map(map)) => return map,
        Ok(Value::Nil) => return Map::new(),
        Ok(other) => mismatch(&other, "map[string]interface {}"),
        Err(error) => error,
    };
    Map::from_iter([("Error", Value::str(error))])
}

/// A document as a list. What is wrong with it is the only item.
fn from_yaml_array(text: Str) -> List {
    let error = match read_yaml(&text) {
        Ok(Value::List(list)) => return list,
        Ok(Value::Nil) => return List::new(Vec::new()),
        Ok(other) => mismatch(&other, "[]interface {}"),
        Err(error) => error,
    };
    List::new(vec![Value::str(error)])
}
