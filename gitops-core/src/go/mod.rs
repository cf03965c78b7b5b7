//! What Go's standard library does, where its exact result is part of the behaviour of the tools
//! this engine stands in for: quoted texts in error messages ([`quote()`]), durations
//! ([`Duration`]), numbers ([`parse_int`], [`parse_float`], [`shortest`]) and character classes ([`unicode`]).
//!
//! Strings of Go are bytes that are mostly UTF-8; functions that give another result for invalid
//! UTF-8 take `&[u8]`.

mod duration;
mod float;
mod number;
mod quote;
pub mod unicode;
mod unicode_tables;

pub use duration::{Duration, ParseDurationError};
pub use float::shortest;
pub use number::{NumberError, parse_float, parse_int};
pub use quote::{quote, quote_ascii, quote_rune, quote_rune_ascii};
