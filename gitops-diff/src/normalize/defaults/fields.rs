//! Small steps of defaulting, on objects as Go writes them: what is absent is the zero value.

use serde_json::{Map, Value};

/// An object that can be defaulted.
pub(super) type Object = Map<String, Value>;

/// Sets a field that is absent, null or an empty string.
pub(super) fn default(object: &mut Object, name: &str, value: impl Into<Value>) {
    if is_unset(object, name) {
        object.insert(name.to_owned(), value.into());
    }
}

/// Sets a field that is absent, null or zero.
pub(super) fn default_number(object: &mut Object, name: &str, value: i64) {
    if is_unset(object, name) || object.get(name).and_then(Value::as_i64) == Some(0) {
        object.insert(name.to_owned(), value.into());
    }
}

/// Sets a field behind a pointer: empty strings count as set.
pub(super) fn default_pointer(object: &mut Object, name: &str, value: impl Into<Value>) {
    if object.get(name).is_none_or(Value::is_null) {
        object.insert(name.to_owned(), value.into());
    }
}

pub(super) fn is_unset(object: &Object, name: &str) -> bool {
    match object.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        _ => false,
    }
}

pub(super) fn text<'o>(object: &'o Object, name: &str) -> &'o str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A field that is an object.
pub(super) fn child<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Object> {
    object.get_mut(name).and_then(Value::as_object_mut)
}

/// An object at the end of fields.
pub(super) fn at<'o>(object: &'o mut Object, path: &[&str]) -> Option<&'o mut Object> {
    path.iter()
        .try_fold(object, |object, name| child(object, name))
}

/// A field that is an object, made where it is absent.
pub(super) fn made<'o>(object: &'o mut Object, name: &str) -> Option<&'o mut Object> {
    default_pointer(object, name, Value::Object(Map::new()));
    child(object, name)
}

/// Does something to each object of a list.
pub(super) fn each(object: &mut Object, name: &str, mut visit: impl FnMut(&mut Object)) {
    for item in object
        .get_mut(name)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Value::Object(item) = item {
            visit(item);
        }
    }
}
