//! Reads an object the way the checks of this folder need it.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde_json::Value;

use crate::health::{
    rules::{conditions, number, render},
    typed::malformed,
};

/// A verdict; `None` where a check says nothing.
pub(super) type Judged = Result<Option<Health>, HealthError>;

/// An object under judgement. Paths are JSON pointers; `null` is nothing.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) object: &'a Manifest,
}

impl<'a> View<'a> {
    pub(super) fn at(self, pointer: &str) -> Option<&'a Value> {
        self.object
            .pointer(pointer)
            .filter(|value| !value.is_null())
    }

    pub(super) fn has(self, pointer: &str) -> bool {
        self.at(pointer).is_some()
    }

    pub(super) fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer)?.as_str()
    }

    pub(super) fn is(self, pointer: &str, text: &str) -> bool {
        self.text(pointer) == Some(text)
    }

    pub(super) fn number(self, pointer: &str) -> Option<f64> {
        number(self.at(pointer)?)
    }

    /// Whether something is there that is not `false`.
    pub(super) fn truth(self, pointer: &str) -> bool {
        self.at(pointer)
            .is_some_and(|value| *value != Value::Bool(false))
    }

    /// Something that must be there.
    pub(super) fn need(self, pointer: &str) -> Result<&'a Value, HealthError> {
        self.at(pointer)
            .ok_or_else(|| self.fail(format!("{pointer} is missing")))
    }

    /// A number that must be there.
    pub(super) fn need_number(self, pointer: &str) -> Result<f64, HealthError> {
        number(self.need(pointer)?).ok_or_else(|| self.fail(format!("{pointer} is not a number")))
    }

    /// A scalar, as text, that must be there.
    pub(super) fn show(self, pointer: &str) -> Result<String, HealthError> {
        render(self.need(pointer)?).ok_or_else(|| self.fail(format!("{pointer} is not a scalar")))
    }

    /// A list; nothing is an empty one, something else an error.
    pub(super) fn list(self, pointer: &str) -> Result<&'a [Value], HealthError> {
        match self.at(pointer) {
            None | Some(Value::Object(_)) => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.fail(format!("{pointer} is not a list"))),
        }
    }

    pub(super) fn conditions(self) -> Result<Vec<Cond<'a>>, HealthError> {
        Ok(conditions(self.object)?.iter().map(Cond).collect())
    }

    /// Whether the two are equal; two that are missing are.
    pub(super) fn same(self, a: &str, b: &str) -> bool {
        match (self.number(a), self.number(b)) {
            (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
            _ => self.at(a) == self.at(b),
        }
    }

    pub(super) fn fail(self, reason: impl Into<String>) -> HealthError {
        malformed(self.object, reason)
    }
}

/// One condition.
#[derive(Clone, Copy)]
pub(super) struct Cond<'a>(pub(super) &'a Value);

impl<'a> Cond<'a> {
    pub(super) fn get(self, key: &str) -> Option<&'a str> {
        self.0.get(key)?.as_str()
    }

    pub(super) fn is(self, kind: &str) -> bool {
        self.get("type") == Some(kind)
    }

    pub(super) fn says(self, kind: &str, status: &str) -> bool {
        self.is(kind) && self.has(status)
    }

    pub(super) fn has(self, status: &str) -> bool {
        self.get("status") == Some(status)
    }

    pub(super) fn reason(self) -> Option<&'a str> {
        self.get("reason")
    }

    pub(super) fn message(self) -> &'a str {
        self.get("message").unwrap_or_default()
    }

    /// The message, or this text where there is none.
    pub(super) fn message_or(self, text: &'a str) -> &'a str {
        self.get("message").unwrap_or(text)
    }

    /// A field that must be there.
    pub(super) fn need(self, view: View<'_>, key: &str) -> Result<&'a str, HealthError> {
        self.get(key)
            .ok_or_else(|| view.fail(format!("{key} of a condition is missing")))
    }
}

pub(super) fn healthy(message: impl Into<String>) -> Judged {
    Ok(Some(Health::new(HealthStatus::Healthy, message)))
}

pub(super) fn progressing(message: impl Into<String>) -> Judged {
    Ok(Some(Health::new(HealthStatus::Progressing, message)))
}

pub(super) fn degraded(message: impl Into<String>) -> Judged {
    Ok(Some(Health::new(HealthStatus::Degraded, message)))
}

pub(super) fn suspended(message: impl Into<String>) -> Judged {
    Ok(Some(Health::new(HealthStatus::Suspended, message)))
}

pub(super) fn unknown(message: impl Into<String>) -> Judged {
    Ok(Some(Health::new(HealthStatus::Unknown, message)))
}

/// Whether the generation that `conditions` were made for is the present one, where both are said.
pub(super) fn is_observed(view: View<'_>, conditions: &[Value]) -> bool {
    let Some(generation) = view.at("/metadata/generation") else {
        return true;
    };
    !conditions.is_empty()
        && conditions.iter().all(|condition| {
            condition
                .get("observedGeneration")
                .is_none_or(|observed| observed.is_null() || observed == generation)
        })
}
