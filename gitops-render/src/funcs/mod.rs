//! The functions of templates. Each chapter registers its functions in a [`Registry`], one line for
//! each; functions are plain Rust functions whose parameters and results are Go's by their types:
//!
//! | Rust | Go |
//! |---|---|
//! | [`Str`] (`String`, `&str` as results) | `string` |
//! | [`i64`] | `int` |
//! | [`Int64`], [`Uint32`] | `int64`, `uint32` |
//! | [`f64`], [`bool`] | `float64`, `bool` |
//! | [`Value`] | `interface {}` |
//! | [`Map`] | `map[string]interface {}` |
//! | [`List`] | `[]interface {}` |
//! | [`Rest<T>`] | `...T` |
//! | `Result<T, CallError>` | `(T, error)`, or a panic: both read `error calling F: TEXT` |
//!
//! A function that needs the render takes `&mut Context<'_>` first.

pub mod builtin;
mod crypto;
mod dates;
mod defaults;
mod dicts;
mod encoding;
pub mod helm;
#[cfg(test)]
mod laws;
mod lists;
mod math;
mod network;
mod paths;
mod reflection;
mod regex;
mod semver;
mod strings;
mod url;

pub(crate) use self::dates::DurationObject;
pub(crate) use self::regex::regex_error;

use std::{
    collections::HashMap,
    fmt,
    marker::PhantomData,
    slice::IterMut,
    sync::{Arc, OnceLock},
};

use crate::template::{
    CallError, Context, EngineOptions, FunctionSet, List, ListType, Map, MapType, Signature, Str,
    Type, Value,
};

/// Functions by name.
#[derive(Clone, Default)]
pub struct Registry {
    functions: Vec<Arc<Function>>,
    /// By name, the place in `functions`.
    places: HashMap<&'static str, u32, foldhash::fast::RandomState>,
}

impl Registry {
    /// [`Registry::helm`], made once for each set of functions.
    #[must_use]
    pub fn shared(options: &EngineOptions) -> Arc<Self> {
        static SETS: [OnceLock<Arc<Registry>>; 4] = [const { OnceLock::new() }; 4];
        let set = match options.functions {
            FunctionSet::Helm3 => 0,
            FunctionSet::Helm4_0 => 1,
            FunctionSet::Helm4_2 => 2,
            FunctionSet::Helm4_3 => 3,
        };
        Arc::clone(SETS[set].get_or_init(|| Arc::new(Self::helm(options))))
    }

    /// All functions that Helm gives to templates under the options.
    #[must_use]
    pub fn helm(options: &EngineOptions) -> Self {
        let mut registry = Self::default();
        for register in [
            strings::register,
            lists::register,
            dicts::register,
            math::register,
            semver::register,
            regex::register,
            crypto::register,
            defaults::register,
            reflection::register,
            paths::register,
            url::register,
            network::register,
        ] {
            register(&mut registry);
        }
        dates::register(&mut registry, options.functions);
        encoding::register(&mut registry, options.functions);
        builtin::register(&mut registry);
        helm::register(&mut registry, options);
        registry
    }

    /// Adds a function, or replaces the one of that name.
    pub fn add<M>(&mut self, name: &'static str, function: impl Implementation<M>) {
        self.insert(Function::new(name, function));
    }

    fn insert(&mut self, function: Function) {
        let place = self.functions.len() as u32;
        self.places.insert(function.name, place);
        self.functions.push(Arc::new(function));
    }

    /// Adds `and` (stops at false) or `or` (stops at true).
    fn add_short_circuit(&mut self, name: &'static str, stops_at: bool) {
        let mut function =
            Function::new(name, |_first: Reflect, _others: Rest<Reflect>| Value::Nil);
        function.special = Special::ShortCircuit(stops_at);
        self.insert(function);
    }

    /// Adds `call`, which is given the text of its first operand too.
    fn add_with_callee(&mut self, name: &'static str, error: fn(&Str, &Value) -> CallError) {
        let body: Box<Body> = Box::new(move |_, arguments| match arguments {
            [Value::Str(callee), function, ..] => Err(error(callee, function)),
            _ => Ok(Value::Nil),
        });
        let mut function =
            Function::new(name, |_first: Reflect, _others: Rest<Reflect>| Value::Nil);
        function.body = body;
        function.special = Special::Callee;
        self.insert(function);
    }

    /// The function of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        Some(&self.functions[*self.places.get(name)? as usize])
    }

    /// The place of the function of a name.
    pub(crate) fn place(&self, name: &str) -> Option<u32> {
        self.places.get(name).copied()
    }

    /// The function at a place that [`Registry::place`] gave.
    pub(crate) fn at(&self, place: u32) -> &Function {
        &self.functions[place as usize]
    }

    /// All names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.places.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

type Body = dyn Fn(&mut Context<'_>, &mut [Value]) -> Result<Value, CallError> + Send + Sync;

/// A function of templates.
pub struct Function {
    name: &'static str,
    signature: Signature,
    body: Box<Body>,
    special: Special,
    is_random: bool,
}

/// What the engine does itself for a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    ShortCircuit(bool),
    Callee,
}

impl Function {
    fn new<M>(name: &'static str, function: impl Implementation<M>) -> Self {
        let random = [
            "rand", "gen", "uuid", "shuffle", "bcrypt", "htpasswd", "encrypt",
        ];
        Self {
            name,
            signature: function.signature(),
            body: function.into_body(),
            special: Special::Nothing,
            is_random: random.iter().any(|prefix| name.starts_with(prefix)),
        }
    }

    /// Of `and` and `or`: the truth at which they stop.
    pub(crate) fn stops_at(&self) -> Option<bool> {
        match self.special {
            Special::ShortCircuit(stops_at) => Some(stops_at),
            _ => None,
        }
    }

    /// Whether it is given the text of its first operand before the operands.
    pub(crate) fn takes_callee(&self) -> bool {
        self.special == Special::Callee
    }

    /// Whether its results can be remembered by call site.
    pub(crate) fn is_random(&self) -> bool {
        self.is_random
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its parameters.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Calls it with arguments that fit the signature; they are used up.
    pub fn call(
        &self,
        context: &mut Context<'_>,
        arguments: &mut [Value],
    ) -> Result<Value, CallError> {
        (self.body)(context, arguments)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// Go's `int64`; a plain `i64` is `int`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int64(pub i64);

/// Go's `uint32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uint32(pub u32);

/// Go's `reflect.Value`: anything.
#[derive(Debug, Clone)]
pub struct Reflect(pub Value);

/// The arguments of a variadic parameter.
#[derive(Debug, Clone)]
pub struct Rest<T>(pub Vec<T>);

/// A type of parameters.
pub trait Argument: Sized {
    /// The Go type; of a variadic parameter, that of an element.
    const TYPE: Type;
    /// Whether it takes all remaining arguments.
    const IS_VARIADIC: bool = false;
    /// Takes its argument.
    fn take(arguments: &mut IterMut<'_, Value>) -> Result<Self, CallError>;
}

fn next(arguments: &mut IterMut<'_, Value>) -> Value {
    arguments.next().map(std::mem::take).unwrap_or_default()
}

/// For arguments that were not checked against the signature.
fn mismatch<T>(expected: Type, value: &Value) -> Result<T, CallError> {
    Err(CallError::new(format!(
        "wrong type for value; expected {}; got {}",
        expected.name(),
        value.type_name()
    )))
}

macro_rules! argument {
    ($type:ty, $go:expr, $($pattern:pat => $result:expr),+) => {
        impl Argument for $type {
            const TYPE: Type = $go;
            fn take(arguments: &mut IterMut<'_, Value>) -> Result<Self, CallError> {
                match next(arguments) {
                    $($pattern => Ok($result),)+
                    #[allow(unreachable_patterns, reason = "some types take everything")]
                    other => mismatch(Self::TYPE, &other),
                }
            }
        }
    };
}

argument!(Value, Type::Any, value => value);
argument!(Reflect, Type::Reflect, value => Self(value));
argument!(Str, Type::String, Value::Str(text) => text);
argument!(bool, Type::Bool, Value::Bool(value) => value);
argument!(i64, Type::Int, Value::Int(value) => value);
argument!(Int64, Type::Int64, Value::Int64(value) => Self(value));
argument!(Uint32, Type::Uint32, Value::Uint32(value) => Self(value));
argument!(f64, Type::Float64, Value::Float(value) => value);
argument!(
    Map,
    Type::Map(MapType::Any),
    Value::Map(map) => map.with_type(MapType::Any),
    Value::Nil => Self::nil(MapType::Any)
);
argument!(
    List,
    Type::List(ListType::Any),
    Value::List(list) => list,
    Value::Nil => Self::nil(ListType::Any)
);

impl<T: Argument> Argument for Rest<T> {
    const TYPE: Type = T::TYPE;
    const IS_VARIADIC: bool = true;
    fn take(arguments: &mut IterMut<'_, Value>) -> Result<Self, CallError> {
        let mut rest = Vec::with_capacity(arguments.len());
        while arguments.len() > 0 {
            rest.push(T::take(arguments)?);
        }
        Ok(Self(rest))
    }
}

/// A type of results.
pub trait Return {
    /// Whether the Go type is `interface {}`.
    const IS_INTERFACE: bool = false;
    /// The result as a value.
    fn into_result(self) -> Result<Value, CallError>;
}

macro_rules! result {
    ($type:ty, $name:ident => $result:expr) => {
        impl Return for $type {
            fn into_result(self) -> Result<Value, CallError> {
                let $name = self;
                Ok($result)
            }
        }
    };
}

/// A result that is a [`Value`], though the Go type of the function's result is a concrete one.
#[derive(Debug)]
pub struct Concrete(pub Value);

result!(Concrete, value => value.0);
result!(Str, text => Value::Str(text));
result!(String, text => Value::str(text));
result!(&'static str, text => Value::str(text));
result!(Vec<u8>, bytes => Value::str(bytes));
result!(bool, value => Value::Bool(value));
result!(i64, value => Value::Int(value));
result!(Int64, value => Value::Int64(value.0));
result!(f64, value => Value::Float(value));
result!(Map, map => Value::Map(map));
result!(List, list => Value::List(list));

impl Return for Value {
    const IS_INTERFACE: bool = true;
    fn into_result(self) -> Result<Value, CallError> {
        Ok(self)
    }
}

impl<T: Return, E: Into<CallError>> Return for Result<T, E> {
    const IS_INTERFACE: bool = T::IS_INTERFACE;
    fn into_result(self) -> Result<Value, CallError> {
        self.map_err(Into::into).and_then(Return::into_result)
    }
}

/// A Rust function that can be a function of templates. `M` only tells the shapes apart.
pub trait Implementation<M>: 'static {
    /// The parameters.
    fn signature(&self) -> Signature;
    /// The call, with conversion of arguments and result.
    fn into_body(self) -> Box<Body>;
}

/// Marks functions of their arguments alone.
#[derive(Debug)]
pub struct Plain<A>(PhantomData<A>);

/// Marks functions that take the context first.
#[derive(Debug)]
pub struct Contextual<A>(PhantomData<A>);

macro_rules! implementations {
    ($(($($argument:ident)*))*) => {$(
        #[allow(non_snake_case, unused_variables, unused_mut, reason = "arities differ")]
        impl<F, R, $($argument),*> Implementation<Plain<fn($($argument),*)>> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Return,
            $($argument: Argument,)*
        {
            fn signature(&self) -> Signature {
                Signature {
                    parameters: const { &[$($argument::TYPE),*] },
                    is_variadic: const { false $(|| $argument::IS_VARIADIC)* },
                    returns_interface: R::IS_INTERFACE,
                }
            }

            fn into_body(self) -> Box<Body> {
                Box::new(move |_context, arguments| {
                    let mut arguments = arguments.iter_mut();
                    $(let $argument = $argument::take(&mut arguments)?;)*
                    self($($argument),*).into_result()
                })
            }
        }

        #[allow(non_snake_case, unused_variables, unused_mut, reason = "arities differ")]
        impl<F, R, $($argument),*> Implementation<Contextual<fn($($argument),*)>> for F
        where
            F: Fn(&mut Context<'_>, $($argument),*) -> R + Send + Sync + 'static,
            R: Return,
            $($argument: Argument,)*
        {
            fn signature(&self) -> Signature {
                Signature {
                    parameters: const { &[$($argument::TYPE),*] },
                    is_variadic: const { false $(|| $argument::IS_VARIADIC)* },
                    returns_interface: R::IS_INTERFACE,
                }
            }

            fn into_body(self) -> Box<Body> {
                Box::new(move |context, arguments| {
                    let mut arguments = arguments.iter_mut();
                    $(let $argument = $argument::take(&mut arguments)?;)*
                    self(context, $($argument),*).into_result()
                })
            }
        }
    )*};
}

implementations!(
    ()
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E G)
);
