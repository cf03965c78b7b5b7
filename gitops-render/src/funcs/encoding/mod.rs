//! Encodings: base 64, base 32, JSON, TOML.

mod base;
pub(crate) mod json;
mod json_read;
mod toml_lex;
mod toml_read;
mod toml_write;

use super::Registry;
use crate::template::{FunctionSet, Str};

pub(super) fn register(registry: &mut Registry, functions: FunctionSet) {
    json::register(registry);
    toml_read::register(registry);
    toml_write::register(registry, functions);
    registry.add("b64enc", |text: Str| encode_base(Alphabet::Base64, &text));
    registry.add("b32enc", |text: Str| encode_base(Alphabet::Base32, &text));
    registry.add("b64dec", |text: Str| decoded(Alphabet::Base64, &text));
    registry.add("b32dec", |text: Str| decoded(Alphabet::Base32, &text));
}

pub(crate) use base::{Alphabet, decode as decode_base, encode as encode_base};

/// The text of the error is the result where there is one.
fn decoded(alphabet: Alphabet, text: &Str) -> Vec<u8> {
    decode_base(alphabet, text).unwrap_or_else(|error| error.to_string().into_bytes())
}
