//! Which fields messages have.

use std::{collections::HashMap, sync::OnceLock};

use serde_json::Value;

/// Kinds and messages.
pub(super) struct Table {
    /// By API version and kind.
    kinds: HashMap<&'static str, HashMap<&'static str, &'static str>>,
    messages: HashMap<&'static str, Vec<Field>>,
}

/// A field of a message.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    /// Its fields are those of the message around it.
    pub(super) inline: bool,
    pub(super) list: bool,
    pub(super) map: bool,
    pub(super) shape: Shape,
    /// It is there only if it was set.
    optional: bool,
    /// JSON states it even where it is empty.
    stated: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Bytes,
    Integer,
    Float,
    Boolean,
    Time,
    MicroTime,
    Duration,
    Quantity,
    IntegerOrText,
    Json,
    /// A list of texts that is a message of its own.
    Texts,
    Message(&'static str),
}

impl Field {
    /// Whether JSON leaves the field out with this value.
    pub(super) fn omits(&self, value: &Value) -> bool {
        if value.is_null() {
            return true;
        }
        let empty = match value {
            Value::Bool(value) => !value,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        // An integer or a text is a structure in Go, which is never left out.
        let is_struct = self.shape == Shape::IntegerOrText;
        empty && !self.optional && !self.stated && !is_struct
    }
}

impl Table {
    /// The table, which is read once.
    pub(super) fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::parse(include_str!("messages.txt")))
    }

    /// The message of a kind.
    pub(super) fn kind(&self, api_version: &str, kind: &str) -> Option<&'static str> {
        self.kinds.get(api_version)?.get(kind).copied()
    }

    pub(super) fn message(&self, name: &str) -> &[Field] {
        self.messages.get(name).map_or(&[], Vec::as_slice)
    }

    fn parse(text: &'static str) -> Self {
        let mut table = Self {
            kinds: HashMap::new(),
            messages: HashMap::new(),
        };
        for line in text.lines() {
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default();
            if first == "kind" {
                let mut next = || words.next().unwrap_or_default();
                let kinds = table.kinds.entry(next()).or_default();
                kinds.insert(next(), next());
            } else {
                table
                    .messages
                    .insert(first, words.filter_map(field).collect());
            }
        }
        table
    }
}

/// `metadata:1::meta/v1.ObjectMeta`.
fn field(text: &'static str) -> Option<Field> {
    let mut parts = text.splitn(4, ':');
    let (name, number, flags, shape) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(Field {
        name,
        number: number.parse().ok()?,
        inline: flags.contains('^'),
        list: flags.contains('['),
        map: flags.contains('{'),
        optional: flags.contains('*'),
        stated: flags.contains('!'),
        shape: match shape {
            "s" => Shape::Text,
            "b" => Shape::Bytes,
            "i" => Shape::Integer,
            "d" => Shape::Float,
            "o" => Shape::Boolean,
            "t" => Shape::Time,
            "m" => Shape::MicroTime,
            "g" => Shape::Duration,
            "q" => Shape::Quantity,
            "n" => Shape::IntegerOrText,
            "r" => Shape::Json,
            "l" => Shape::Texts,
            message => Shape::Message(message),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_that_is_named_is_there() {
        let table = Table::get();
        assert!(table.kinds.len() > 10);
        for message in table.kinds.values().flat_map(HashMap::values) {
            assert!(table.messages.contains_key(message), "{message}");
        }
        for field in table.messages.values().flatten() {
            if let Shape::Message(message) = field.shape {
                assert!(table.messages.contains_key(message), "{message}");
            }
        }
        let read: usize = table.messages.values().map(Vec::len).sum();
        let written: usize = include_str!("messages.txt")
            .lines()
            .filter(|line| !line.starts_with("kind "))
            .map(|line| line.split(' ').count() - 1)
            .sum();
        assert_eq!(read, written);
    }
}
