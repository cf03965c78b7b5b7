//! Patterns that are not UTF-8 are read with the bytes that are no text marked, up to where Go finds one.

use super::{Outcome, Reason};
use crate::template::marked_byte;

/// Whether a pattern has marks: others may have these characters of their own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks(pub(super) bool);

impl Marks {
    /// As Go's `nextRune`.
    pub(super) fn check_first(self, text: &str) -> Outcome<()> {
        match text.chars().next() {
            Some(first) if self.0 && marked_byte(first).is_some() => Err(Reason::Utf8.at(text)),
            _ => Ok(()),
        }
    }

    /// As Go's `checkUTF8`.
    pub(super) fn check(self, text: &str) -> Outcome<()> {
        if !self.0 {
            return Ok(());
        }
        match text.find(|character| marked_byte(character).is_some()) {
            Some(at) => Err(Reason::Utf8.at(&text[at..])),
            None => Ok(()),
        }
    }
}
