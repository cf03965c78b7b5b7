//! Tables of values as templates hold them: shared and mutable.

use serde_json::Value as Json;

use crate::template::{List, ListType, Map, Str, Value, with_stack};

/// A table of values.
pub(crate) type Table = Map;

/// Sets a key of a table, which is never Go's nil map here.
pub(crate) fn put(table: &Table, key: impl Into<Str>, value: impl Into<Value>) {
    let set = table.insert(key, value.into());
    debug_assert!(set.is_ok(), "tables of values are made with `Map::new`");
}

/// A fresh table; integers stay integers, as those of `--set` do.
pub(crate) fn table_from_json(object: &serde_json::Map<String, Json>) -> Table {
    object
        .iter()
        .map(|(key, value)| (Str::from(key.as_str()), value_from_json(value)))
        .collect()
}

/// A fresh value; integers stay integers, as those of `--set` do.
pub(crate) fn value_from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) if !number.is_f64() => Value::Int64(integer),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text.as_str().into()),
        Json::Array(items) => with_stack(|| {
            let items = items.iter().map(value_from_json).collect();
            Value::List(List::appended(ListType::Any, items, 0))
        }),
        Json::Object(object) => with_stack(|| Value::Map(table_from_json(object))),
    }
}

/// A copy that shares no table with the original.
pub(crate) fn deep_copy(table: &Table) -> Table {
    table
        .snapshot()
        .into_iter()
        .map(|(key, value)| (key, deep_copy_value(&value)))
        .collect()
}

fn deep_copy_value(value: &Value) -> Value {
    match value {
        Value::Map(table) => with_stack(|| Value::Map(deep_copy(table))),
        Value::List(list) if list.iter().any(is_container) => {
            with_stack(|| Value::List(list.iter().map(deep_copy_value).collect::<List>()))
        }
        other => other.clone(),
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_))
}

/// The table at a dotted path.
pub(crate) fn table_at(table: &Table, path: &str) -> Option<Table> {
    let mut table = table.clone();
    for name in path.split('.') {
        match table.get(name) {
            Some(Value::Map(inner)) => table = inner,
            _ => return None,
        }
    }
    Some(table)
}

/// Plain values as JSON; what has no JSON form is null.
pub(crate) fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Json::from(*value),
        Value::Float(value) => {
            serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number)
        }
        Value::Str(text) => Json::String(text.to_str().into_owned()),
        Value::List(list) => with_stack(|| Json::Array(list.iter().map(value_to_json).collect())),
        Value::Map(table) => with_stack(|| {
            Json::Object(
                table
                    .snapshot()
                    .into_iter()
                    .map(|(key, value)| (key.to_str().into_owned(), value_to_json(&value)))
                    .collect(),
            )
        }),
        _ => Json::Null,
    }
}
