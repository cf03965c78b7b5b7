//! Reads an object the way the checks of this folder need it.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};

use crate::health::node::Fault;
pub(super) use crate::health::node::{Message, Node};

/// A verdict; `None` where a check says nothing.
pub(super) type Judged = Result<Option<Health>, HealthError>;

/// An object under judgement. Paths are JSON pointers without escapes.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) object: &'a Manifest,
    pub(super) fault: &'a Fault,
}

impl<'a> View<'a> {
    pub(super) fn at(self, pointer: &str) -> Node<'a> {
        Node::of(self.object, pointer.split('/').skip(1), self.fault)
    }

    pub(super) fn nothing(self) -> Node<'a> {
        Node::new(None, self.fault)
    }

    pub(super) fn has(self, pointer: &str) -> bool {
        self.at(pointer).exists()
    }

    pub(super) fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer).text()
    }

    pub(super) fn is(self, pointer: &str, text: &str) -> bool {
        self.at(pointer).equals(text)
    }

    pub(super) fn number(self, pointer: &str) -> Option<f64> {
        self.at(pointer).number()
    }

    /// Whether something is there that is not `false`.
    pub(super) fn truth(self, pointer: &str) -> bool {
        self.at(pointer).truth()
    }

    /// Something that must be there.
    pub(super) fn need(self, pointer: &str) -> Node<'a> {
        self.at(pointer).need()
    }

    pub(super) fn conditions(self) -> Vec<Node<'a>> {
        self.at("/status/conditions").list()
    }

    /// Whether the two are equal; two that are missing are.
    pub(super) fn same(self, a: &str, b: &str) -> bool {
        self.at(a).same(self.at(b))
    }
}

pub(super) fn said(status: HealthStatus, message: impl Into<Message>) -> Judged {
    Ok(message.into().verdict(status))
}

pub(super) fn healthy(message: impl Into<Message>) -> Judged {
    said(HealthStatus::Healthy, message)
}

pub(super) fn progressing(message: impl Into<Message>) -> Judged {
    said(HealthStatus::Progressing, message)
}

pub(super) fn degraded(message: impl Into<Message>) -> Judged {
    said(HealthStatus::Degraded, message)
}

pub(super) fn suspended(message: impl Into<Message>) -> Judged {
    said(HealthStatus::Suspended, message)
}

pub(super) fn unknown(message: impl Into<Message>) -> Judged {
    said(HealthStatus::Unknown, message)
}
