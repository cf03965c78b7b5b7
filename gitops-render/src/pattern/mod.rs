//! Glob dialects of charts and Applications beside gobwas globs: Go's `filepath.Match`
//! ([`go_match`]) and doublestar paths ([`doublestar`]).

mod go;
mod stars;

pub(crate) use go::{BadPattern, go_match};
pub(crate) use stars::{doublestar, is_glob};
