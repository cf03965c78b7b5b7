//! Values of Go types that are more than data: with fields, methods or a text of their own.

use std::{any::Any, borrow::Cow, fmt};

use super::{context::Context, error::CallError, types::Kind, types::Type, value::Value};

/// A value of a named Go type: a time, a version, a certificate, the files of a chart.
pub trait Object: fmt::Debug {
    /// Go's name of the type, as `%T` prints it: `time.Time`, `*semver.Version`.
    fn type_name(&self) -> Cow<'static, str>;

    /// Its kind; objects that hold a basic value, slice or map have that one's kind.
    fn kind(&self) -> Kind {
        Kind::Struct
    }

    /// For downcasts: `self`.
    fn as_any(&self) -> &dyn Any;

    /// The exported fields in order, or those that `%v` prints: `{a b}`.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// One exported field.
    fn field(&self, name: &str) -> Option<Value> {
        self.fields()
            .into_iter()
            .find_map(|(field, value)| (field == name).then_some(value))
    }

    /// The signature of a method, or None.
    fn method(&self, _name: &str) -> Option<Signature> {
        None
    }

    /// What Go says of a method whose results no template can take.
    fn unfit_results(&self, _name: &str) -> Option<&'static str> {
        None
    }

    /// Calls a method of which [`Object::method`] gave the signature; the arguments fit it.
    fn call(
        &self,
        _context: &mut Context<'_>,
        name: &str,
        _arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        Err(CallError::new(format!("there is no method {name}")))
    }

    /// What its `String` or `Error` method gives, if the type itself has one.
    fn string(&self) -> Option<String> {
        None
    }

    /// For pointers: what the `String` method of that to which it points gives, if it has one itself.
    fn string_of_element(&self) -> Option<String> {
        self.string()
    }

    /// What its `GoString` method gives, for `%#v`, if the type has one.
    fn go_string(&self) -> Option<String> {
        None
    }

    /// What the `String` method gives where only the pointer type has one: `{{ .x }}` prints that,
    /// while `{{ .x | quote }}` prints the fields.
    fn string_of_pointer(&self) -> Option<String> {
        None
    }

    /// What a function gets: Go gives functions copies, of which nothing has an address, so that
    /// [`Object::string_of_pointer`] no longer counts.
    fn as_argument(&self) -> Option<Value> {
        None
    }

    /// Whether the first field is an embedded struct.
    fn has_embedded_fields(&self) -> bool {
        false
    }

    /// What an object of a named basic, slice or map type holds.
    fn underlying(&self) -> Option<Value> {
        None
    }

    /// A number of the same type, for objects of integer types: `range` over them counts in it.
    fn counted(&self, number: i64) -> Value {
        Value::Int64(number)
    }

    /// What a missing key of a map gives: the zero value of the element type.
    fn zero_element(&self) -> Value {
        Value::Nil
    }

    /// Whether it is a nil pointer, map or slice.
    fn is_nil(&self) -> bool {
        false
    }

    /// Go's `==`, for comparable types.
    fn equals(&self, _other: &dyn Object) -> bool {
        false
    }

    /// Whether Go's `==` is defined for the type.
    fn is_comparable(&self) -> bool {
        true
    }

    /// What is left of it in a deep copy, if that is less: such copies lack what is not exported.
    fn deep_copy(&self) -> Option<Value> {
        None
    }

    /// What encodes to JSON in its place, as the result of a `MarshalJSON` or `MarshalText`.
    fn to_json(&self) -> Option<Value> {
        None
    }

    /// Why it has no JSON.
    fn json_failure(&self) -> Option<String> {
        None
    }

    /// The fields under the names that their JSON tags give, in the struct's order and without
    /// those that are empty and tagged `omitempty`.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        self.fields()
    }

    /// What stands for it in YAML, without quotes, without the detour over JSON (`toYamlPretty`).
    fn plain_yaml(&self) -> Option<String> {
        None
    }

    /// What encodes to YAML in its place without the detour over JSON (`toYamlPretty`).
    fn to_yaml(&self) -> Option<Value> {
        self.to_json()
    }
}

/// The parameters of a function or method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Types of the parameters; the last one is the element type where it is variadic.
    pub parameters: &'static [Type],
    /// Whether the last parameter takes any number of arguments.
    pub is_variadic: bool,
    /// Whether the result is an `interface {}`.
    pub returns_interface: bool,
}

impl Signature {
    /// A function with these parameters and a result of a concrete type.
    #[must_use]
    pub const fn new(parameters: &'static [Type]) -> Self {
        Self {
            parameters,
            is_variadic: false,
            returns_interface: false,
        }
    }

    /// The type of the argument at an index.
    #[must_use]
    pub fn parameter(&self, index: usize) -> Option<Type> {
        match self.parameters.get(index) {
            Some(parameter) => Some(*parameter),
            None if self.is_variadic => self.parameters.last().copied(),
            None => None,
        }
    }

    /// How many arguments there must be at least.
    #[must_use]
    pub fn required(&self) -> usize {
        self.parameters.len() - usize::from(self.is_variadic)
    }
}
