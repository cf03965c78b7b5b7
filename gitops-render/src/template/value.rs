//! Values of templates, with Go's kinds.

use std::{borrow::Cow, rc::Rc};

use super::{
    containers::{List, Map},
    object::Object,
    text::Str,
    types::{Kind, ListType, Type},
};

/// A value that a template works with: what Go holds in an `interface{}`.
///
/// Maps are shared and mutable, as in Go: a clone of a [`Value::Map`] is the same map. Lists and
/// strings are shared and never change. Values belong to one render and stay on its thread.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `nil`.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// `int`: literals, lengths, indexes.
    Int(i64),
    /// `int64`: what sprig's arithmetic gives, and `--set`.
    Int64(i64),
    /// `uint8`: an indexed byte.
    Uint8(u8),
    /// `uint32`.
    Uint32(u32),
    /// `uint64`.
    Uint64(u64),
    /// `float64`: every number from YAML and JSON.
    Float(f64),
    /// `complex128`: imaginary literals.
    Complex(Rc<(f64, f64)>),
    /// `string`.
    Str(Str),
    /// `[]byte`.
    Bytes(Str),
    /// Slices of every element type but bytes.
    List(List),
    /// Maps with string keys.
    Map(Map),
    /// Everything else: times, versions, certificates, the chart's files, …
    Object(Rc<dyn Object>),
}

impl Value {
    /// A string.
    #[must_use]
    pub fn str(text: impl Into<Str>) -> Self {
        Self::Str(text.into())
    }

    /// An object.
    #[must_use]
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Rc::new(object))
    }

    /// A `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// The object, if it is one of type `T`.
    #[must_use]
    pub fn downcast<T: 'static>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Go's `reflect.Kind`; [`Kind::Invalid`] for nil.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) => Kind::Int64,
            Self::Uint8(_) => Kind::Uint8,
            Self::Uint32(_) => Kind::Uint32,
            Self::Uint64(_) => Kind::Uint64,
            Self::Float(_) => Kind::Float64,
            Self::Complex(_) => Kind::Complex128,
            Self::Str(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Object(object) => object.kind(),
        }
    }

    /// The name of the Go type, as `%T` prints it; `<nil>` for nil.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Self::Nil => "<nil>".into(),
            Self::Bool(_) => Type::Bool.name().into(),
            Self::Int(_) => Type::Int.name().into(),
            Self::Int64(_) => Type::Int64.name().into(),
            Self::Uint8(_) => "uint8".into(),
            Self::Uint32(_) => "uint32".into(),
            Self::Uint64(_) => "uint64".into(),
            Self::Float(_) => Type::Float64.name().into(),
            Self::Complex(_) => "complex128".into(),
            Self::Str(_) => Type::String.name().into(),
            Self::Bytes(_) => "[]uint8".into(),
            Self::List(list) => list.list_type().name().into(),
            Self::Map(map) => map.map_type().name().into(),
            Self::Object(object) => object.type_name(),
        }
    }

    /// Go's truth: not the zero value of its type.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Uint8(value) => *value != 0,
            Self::Uint32(value) => *value != 0,
            Self::Uint64(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(value) => value.0 != 0.0 || value.1 != 0.0,
            Self::Str(text) | Self::Bytes(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Object(object) => match object.underlying() {
                Some(value) => value.is_true(),
                None => !object.is_nil(),
            },
        }
    }

    /// What an object of a named basic, slice or map type holds (`time.Duration` an integer, files
    /// a map); every other value as it is.
    #[must_use]
    pub fn underlying(&self) -> Cow<'_, Self> {
        match self {
            Self::Object(object) => object.underlying().map_or(Cow::Borrowed(self), Cow::Owned),
            _ => Cow::Borrowed(self),
        }
    }

    /// Whether it is nil, or a nil map, slice or pointer.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Bytes(bytes) => bytes.is_nil(),
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            Self::Object(object) => object.is_nil(),
            _ => false,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Str> for Value {
    fn from(value: Str) -> Self {
        Self::Str(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value.into())
    }
}

impl From<List> for Value {
    fn from(value: List) -> Self {
        Self::List(value)
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Self {
        Self::Map(value)
    }
}

impl From<&serde_json::Value> for Value {
    /// As Go decodes JSON: every number is a `float64`.
    fn from(value: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::Str(text.as_str().into()),
            Json::Array(items) => {
                let items = items.iter().map(Self::from).collect();
                Self::List(List::appended(ListType::Any, items, 0))
            }
            Json::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| (Str::from(key.as_str()), Self::from(value)))
                    .collect(),
            ),
        }
    }
}
