//! Values as a dynamic script sees them.
//!
//! The checks of Argo CD's library are scripts, and what they say of an object of a strange shape
//! follows from how their language treats values: `null` is nothing and has no place in a list, only
//! tables and texts have fields, only tables can be walked, only texts and numbers make up a message.
//! A wrong step raises an error, but only where the script gets to it.
//!
//! [`Node`] follows that. A wrong step is remembered in the [`Fault`] of the run, and a verdict that
//! was come to over one is void: checks can be written as plain reads, in the order of the script.

use std::{cell::RefCell, cmp::Ordering};

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde_json::{Map, Value};

use super::typed::malformed;

/// The first wrong step of a run.
#[derive(Debug, Default)]
pub(super) struct Fault(RefCell<Option<String>>);

impl Fault {
    fn report(&self, reason: impl FnOnce() -> String) {
        self.0.borrow_mut().get_or_insert_with(reason);
    }

    /// The outcome, unless it was come to over a wrong step.
    pub(super) fn settle<T>(
        self,
        object: &Manifest,
        outcome: Result<T, HealthError>,
    ) -> Result<T, HealthError> {
        match self.0.into_inner() {
            Some(reason) => Err(malformed(object, reason)),
            None => outcome,
        }
    }
}

/// A value or nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    value: Option<&'a Value>,
    fault: &'a Fault,
}

impl<'a> Node<'a> {
    pub(super) fn new(value: Option<&'a Value>, fault: &'a Fault) -> Self {
        let value = value.filter(|value| !value.is_null());
        Self { value, fault }
    }

    /// The value at a path in an object.
    pub(super) fn of<'k>(
        object: &'a Manifest,
        path: impl IntoIterator<Item = &'k str>,
        fault: &'a Fault,
    ) -> Self {
        let mut path = path.into_iter();
        let first = path.next().and_then(|key| object.as_map().get(key));
        path.fold(Self::new(first, fault), Node::at)
    }

    /// A field. Nothing has none, which scripts look out for; where they do not, [`need`](Self::need)
    /// comes before.
    pub(super) fn at(self, key: &str) -> Self {
        let field = match self.value {
            Some(Value::Object(map)) => map.get(key),
            None | Some(Value::Array(_) | Value::String(_)) => None,
            Some(_) => {
                self.report(|| format!("`{key}` is asked of something that has no fields"));
                None
            }
        };
        Self::new(field, self.fault)
    }

    /// A wrong step where there is nothing.
    pub(super) fn need(self) -> Self {
        if self.value.is_none() {
            self.report(|| "something is missing".to_owned());
        }
        self
    }

    /// Records a wrong step.
    pub(super) fn report(self, reason: impl FnOnce() -> String) {
        self.fault.report(reason);
    }

    pub(super) fn exists(self) -> bool {
        self.value.is_some()
    }

    /// Whether something is there that is not `false`.
    pub(super) fn truth(self) -> bool {
        !matches!(self.value, None | Some(Value::Bool(false)))
    }

    /// This, or where that is nothing or `false` the other.
    pub(super) fn or(self, other: Self) -> Self {
        if self.truth() { self } else { other }
    }

    /// This, with `false` for nothing.
    pub(super) fn if_true(self) -> Self {
        self.or(self.nothing())
    }

    pub(super) fn nothing(self) -> Self {
        Self::new(None, self.fault)
    }

    pub(super) fn text(self) -> Option<&'a str> {
        self.value?.as_str()
    }

    pub(super) fn number(self) -> Option<f64> {
        self.value?.as_f64()
    }

    pub(super) fn bool(self) -> Option<bool> {
        self.value?.as_bool()
    }

    /// Whether it is a list or a map.
    pub(super) fn is_table(self) -> bool {
        matches!(self.value, Some(Value::Array(_) | Value::Object(_)))
    }

    pub(super) fn map(self) -> Option<&'a Map<String, Value>> {
        self.value?.as_object()
    }

    pub(super) fn equals(self, text: &str) -> bool {
        self.text() == Some(text)
    }

    /// Whether both are the same; tables are so only with themselves.
    pub(super) fn same(self, other: Self) -> bool {
        match (self.value, other.value) {
            (None, None) => true,
            (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
            (Some(a @ (Value::Object(_) | Value::Array(_))), Some(b)) => std::ptr::eq(a, b),
            (a, b) => a == b,
        }
    }

    /// The order of two numbers or two texts; of anything else a wrong step.
    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self.value, other.value) {
            (Some(Value::Number(a)), Some(Value::Number(b))) => {
                a.as_f64()?.partial_cmp(&b.as_f64()?)
            }
            (Some(Value::String(a)), Some(Value::String(b))) => Some(a.cmp(b)),
            _ => {
                self.report(|| "things are compared that have no order".to_owned());
                None
            }
        }
    }

    pub(super) fn less(self, other: Self) -> bool {
        self.order(other) == Some(Ordering::Less)
    }

    /// Whether a text begins so; where something else is, that is a wrong step.
    pub(super) fn starts_with(self, prefix: &str) -> bool {
        if self.exists() && self.text().is_none() {
            self.report(|| "something is no text to look into".to_owned());
        }
        self.text().is_some_and(|text| text.starts_with(prefix))
    }

    /// A number to calculate with: texts that are one count.
    pub(super) fn amount(self) -> f64 {
        let amount = self.number_of_text();
        if amount.is_none() {
            self.report(|| "something is calculated with that is no number".to_owned());
        }
        amount.unwrap_or_default()
    }

    /// A number to compare with another; anything else is a wrong step.
    pub(super) fn quantity(self) -> f64 {
        if self.number().is_none() {
            self.report(|| "something is compared with a number that is none".to_owned());
        }
        self.number().unwrap_or_default()
    }

    /// A number, or a text that is one.
    pub(super) fn number_of_text(self) -> Option<f64> {
        match self.value? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The entries of a list; nothing is an empty one, and so is a map.
    pub(super) fn list(self) -> Vec<Self> {
        match self.value {
            None | Some(Value::Object(_)) => Vec::new(),
            Some(Value::Array(list)) => list
                .iter()
                .filter(|value| !value.is_null())
                .map(|value| Self::new(Some(value), self.fault))
                .collect(),
            Some(_) => {
                self.report(|| "something is walked that is no list".to_owned());
                Vec::new()
            }
        }
    }

    /// What can be asked for by number: of a text nothing.
    pub(super) fn list_of_table(self) -> Vec<Self> {
        match self.value {
            Some(Value::String(_)) => Vec::new(),
            _ => self.list(),
        }
    }

    /// The values of a list or a map; nothing is an empty one.
    pub(super) fn values(self) -> Vec<Self> {
        self.entries().into_iter().map(|(_, value)| value).collect()
    }

    /// The values of a list or a map, each with its key: in a list its number, from one.
    pub(super) fn entries(self) -> Vec<(String, Self)> {
        match self.value {
            Some(Value::Object(map)) => map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), Self::new(Some(value), self.fault)))
                .collect(),
            _ => (1..)
                .map(|number: usize| number.to_string())
                .zip(self.list())
                .collect(),
        }
    }

    /// How long a list or a text is; a map counts as an empty list.
    pub(super) fn length(self) -> usize {
        match self.value {
            Some(Value::String(text)) => text.len(),
            _ => self.need().list().len(),
        }
    }

    /// As a part of a longer text: only texts and numbers can be one.
    pub(super) fn shown(self) -> String {
        self.value.and_then(rendered).unwrap_or_else(|| {
            self.report(|| "a part of the message is no text".to_owned());
            String::new()
        })
    }

    /// As a part of a longer text, or this text where it is nothing or `false`.
    pub(super) fn shown_or(self, text: &str) -> String {
        if self.truth() {
            self.shown()
        } else {
            text.to_owned()
        }
    }
}

/// A text or a number as text; numbers without a needless fraction.
fn rendered(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_i64() {
            Some(integer) => integer.to_string(),
            None => number.as_f64().map_or_else(String::new, |float| {
                if float.fract() == 0.0 {
                    format!("{float:.0}")
                } else {
                    float.to_string()
                }
            }),
        }),
        _ => None,
    }
}

/// An entry of `status.conditions`, most often.
impl<'a> Node<'a> {
    pub(super) fn get(self, key: &str) -> Option<&'a str> {
        self.at(key).text()
    }

    pub(super) fn is(self, kind: &str) -> bool {
        self.at("type").equals(kind)
    }

    pub(super) fn has(self, status: &str) -> bool {
        self.at("status").equals(status)
    }

    pub(super) fn says(self, kind: &str, status: &str) -> bool {
        self.is(kind) && self.has(status)
    }

    pub(super) fn reason(self) -> Option<&'a str> {
        self.get("reason")
    }

    pub(super) fn message(self) -> Self {
        self.at("message")
    }
}

/// The message of a verdict.
///
/// A script may set any value as the message. Nothing is an empty message; with anything else that is
/// no text the whole verdict is not understood, and there is none.
pub(super) struct Message(Option<String>);

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<Node<'_>> for Message {
    fn from(node: Node<'_>) -> Self {
        Self(match node.value {
            None => Some(String::new()),
            Some(value) => value.as_str().map(ToOwned::to_owned),
        })
    }
}

impl Message {
    /// The value, or this text where it is nothing or `false`.
    pub(super) fn or(node: Node<'_>, text: &str) -> Self {
        if node.truth() {
            node.into()
        } else {
            text.into()
        }
    }

    /// The verdict with this message.
    pub(super) fn verdict(self, status: HealthStatus) -> Option<Health> {
        self.0.map(|message| Health::new(status, message))
    }
}

#[cfg(test)]
mod tests;
