//! Go's text/template as Helm configures it.
//!
//! In go texts of templates and a [`Value`]; out comes text, or an error with Go's and Helm's
//! wording. A program is parsed once, is shared between threads and executed many times; a render
//! keeps its values on its own thread.

mod ast;
mod containers;
mod context;
mod entries;
mod error;
mod exec;
pub mod fmt;
mod growth;
mod host;
mod lex;
mod literal;
mod marks;
mod methods;
mod object;
mod options;
mod parse;
mod program;
mod text;
mod types;
mod value;

pub(crate) use error::message_alone;

pub use containers::{List, Map, with_stack};
pub use context::Context;
pub use entries::Entries;
pub use error::{CallError, TemplateError};
pub use host::{Host, Lookups, Resolver};
pub use literal::{parse_float, parse_int, parse_uint};
pub(crate) use marks::{marked, marked_byte, unmarked};
pub use object::{Object, Signature};
pub use options::{EngineOptions, ErrorFormat, FunctionSet, Limits};
pub use program::{Program, Session};
pub use text::Str;
pub(crate) use text::lossy;
pub use types::{Kind, ListType, MapType, Type};
pub use value::Value;

#[cfg(test)]
mod tests;
