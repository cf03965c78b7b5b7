//! Refusals in the API server's words, before they become a [`ClusterError`] or a `Status` document.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use gitops_core::{
    GroupVersionKind,
    cluster::{ClusterError, FieldConflict},
    error::ErrorClass,
};
use serde_json::{Value, json};

use crate::refusal;

/// A refused request: what a `Status` object of the API says. Boxed, since most requests succeed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError(Box<Refusal>);

/// What an [`ApiError`] says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    pub(crate) group: String,
    /// Kind (`Deployment`) or resource (`deployments`), as the server fills it per reason.
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) causes: Vec<Cause>,
    pub(crate) retry_after: Option<Duration>,
    /// Where an expired list goes on.
    pub(crate) next: Option<String>,
}

/// `reason` of a `Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Unknown,
    BadRequest,
    NotFound,
    AlreadyExists,
    Conflict,
    Invalid,
    Forbidden,
    Expired,
    TooManyRequests,
    InternalError,
    UnsupportedMediaType,
    NotAcceptable,
    MethodNotAllowed,
    ServiceUnavailable,
    Timeout,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::BadRequest => "BadRequest",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::Forbidden => "Forbidden",
            Self::Expired => "Expired",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalError => "InternalError",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::NotAcceptable => "NotAcceptable",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::Timeout => "Timeout",
        }
    }
}

/// One cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

/// One finding of validation (`field.Error` of apimachinery).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let detail = if detail.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {detail}")
        };
        Self {
            field: field.into(),
            reason: "FieldValueRequired",
            detail,
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueInvalid",
            detail: format!("Invalid value: {value}: {detail}"),
        }
    }

    pub(crate) fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self {
            reason: "FieldValueTypeInvalid",
            ..Self::invalid(field, value, detail)
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueForbidden",
            detail: format!("Forbidden: {detail}"),
        }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueDuplicate",
            detail: format!("Duplicate value: {value}"),
        }
    }

    pub(crate) fn not_supported(field: impl Into<String>, value: &Value, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
        Self {
            field: field.into(),
            reason: "FieldValueNotSupported",
            detail: format!(
                "Unsupported value: {value}: supported values: {}",
                known.join(", ")
            ),
        }
    }

    pub(crate) fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueTooLong",
            detail: format!("Too long: may not be more than {limit} bytes"),
        }
    }
}

impl Deref for ApiError {
    type Target = Refusal;

    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl DerefMut for ApiError {
    fn deref_mut(&mut self) -> &mut Refusal {
        &mut self.0
    }
}

impl ApiError {
    pub(crate) fn new(code: u16, reason: Reason, message: impl Into<String>) -> Self {
        Self(Box::new(Refusal {
            code,
            reason,
            message: message.into(),
            group: String::new(),
            kind: String::new(),
            name: String::new(),
            causes: Vec::new(),
            retry_after: None,
            next: None,
        }))
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        group.clone_into(&mut self.group);
        kind.clone_into(&mut self.kind);
        name.clone_into(&mut self.name);
        self
    }

    /// The address answers nothing: the kind is not served.
    pub(crate) fn unknown_kind(gvk: &GroupVersionKind) -> Self {
        Self::new(
            404,
            Reason::NotFound,
            "the server could not find the requested resource",
        )
        .about(&gvk.group, &format!("{}/{}", gvk.version, gvk.kind), "")
    }

    pub(crate) fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self::new(
            404,
            Reason::NotFound,
            format!("{} \"{name}\" not found", qualified(plural, group)),
        )
        .about(group, plural, name)
    }

    pub(crate) fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        Self::new(
            409,
            Reason::AlreadyExists,
            format!("{} \"{name}\" already exists", qualified(plural, group)),
        )
        .about(group, plural, name)
    }

    pub(crate) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        Self::new(
            409,
            Reason::Conflict,
            format!(
                "Operation cannot be fulfilled on {} \"{name}\": {why}",
                qualified(plural, group)
            ),
        )
        .about(group, plural, name)
    }

    pub(crate) fn modified(group: &str, plural: &str, name: &str) -> Self {
        Self::conflict(
            group,
            plural,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn field_conflicts(conflicts: &[FieldConflict]) -> Self {
        let count = conflicts.len();
        let mut error = Self::new(409, Reason::Conflict, "");
        error.causes = conflicts
            .iter()
            .map(|conflict| Cause {
                reason: "FieldManagerConflict",
                message: conflict.manager.clone(),
                field: conflict.field.clone(),
            })
            .collect();
        error.message = if count == 1 {
            format!(
                "Apply failed with 1 conflict: {}: {}",
                error.causes[0].message, error.causes[0].field
            )
        } else {
            let mut managers: Vec<(&str, Vec<&str>)> = Vec::new();
            for cause in &error.causes {
                match managers
                    .iter_mut()
                    .find(|(manager, _)| *manager == cause.message)
                {
                    Some((_, fields)) => fields.push(&cause.field),
                    None => managers.push((&cause.message, vec![&cause.field])),
                }
            }
            let text: Vec<String> = managers
                .iter()
                .map(|(manager, fields)| match fields.as_slice() {
                    [field] => format!("{manager}: {field}"),
                    _ => {
                        let lines: Vec<String> = fields.iter().map(|f| format!("- {f}")).collect();
                        let manager = manager.replacen("conflict with", "conflicts with", 1);
                        format!("{manager}:\n{}", lines.join("\n"))
                    }
                })
                .collect();
            format!("Apply failed with {count} conflicts: {}", text.join("\n"))
        };
        error
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let lines: Vec<String> = errors
            .iter()
            .map(|e| format!("{}: {}", e.field, e.detail))
            .collect();
        let text = match lines.as_slice() {
            [line] => line.clone(),
            lines => format!("[{}]", lines.join(", ")),
        };
        let mut error = Self::new(
            422,
            Reason::Invalid,
            format!("{} \"{name}\" is invalid: {text}", qualified(kind, group)),
        )
        .about(group, kind, name);
        error.causes = errors
            .iter()
            .map(|e| Cause {
                reason: e.reason,
                message: e.detail.clone(),
                field: e.field.clone(),
            })
            .collect();
        error
    }

    pub(crate) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        Self::new(
            403,
            Reason::Forbidden,
            format!(
                "{} \"{name}\" is forbidden: {why}",
                qualified(plural, group)
            ),
        )
        .about(group, plural, name)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, Reason::BadRequest, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, Reason::Unknown, message)
    }

    pub(crate) fn expired(from: &str) -> Self {
        let mut error = Self::new(
            410,
            Reason::Expired,
            format!("too old resource version: {from}"),
        );
        from.clone_into(&mut error.name);
        error
    }

    /// Whether another object in its place is the only way out.
    fn is_immutable(&self) -> bool {
        self.reason == Reason::Invalid
            && self
                .causes
                .iter()
                .any(|cause| refusal::is_immutable(&cause.message))
    }

    /// The `Status` document.
    pub(crate) fn to_status(&self) -> Value {
        let mut details = serde_json::Map::new();
        for (key, text) in [
            ("name", &self.name),
            ("group", &self.group),
            ("kind", &self.kind),
        ] {
            if !text.is_empty() && self.reason != Reason::Expired {
                details.insert(key.to_owned(), Value::String(text.clone()));
            }
        }
        if !self.causes.is_empty() {
            let causes = self
                .causes
                .iter()
                .map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field}))
                .collect();
            details.insert("causes".to_owned(), Value::Array(causes));
        }
        if let Some(wait) = self.retry_after {
            details.insert("retryAfterSeconds".to_owned(), wait.as_secs().max(1).into());
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        let map = status.as_object_mut().expect("written above as an object");
        if self.reason != Reason::Unknown {
            map.insert("reason".to_owned(), self.reason.as_str().into());
        }
        if let Some(next) = &self.next {
            map.insert("metadata".to_owned(), json!({"continue": next}));
        }
        if !details.is_empty() {
            map.insert("details".to_owned(), Value::Object(details));
        }
        status
    }

    /// As the trait reports it; `object` is what the request was about.
    pub(crate) fn into_cluster_error(self, object: &str, gvk: &GroupVersionKind) -> ClusterError {
        let object = object.to_owned();
        let immutable = self.is_immutable();
        let conflicts: Vec<FieldConflict> = self
            .causes
            .iter()
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict {
                field: cause.field.clone(),
                manager: cause.message.clone(),
            })
            .collect();
        let refusal = *self.0;
        let message = refusal.message;
        match refusal.reason {
            Reason::NotFound if refusal.name.is_empty() => {
                ClusterError::UnknownKind { gvk: gvk.clone() }
            }
            Reason::NotFound => ClusterError::NotFound { object, message },
            Reason::AlreadyExists => ClusterError::AlreadyExists { object },
            Reason::Conflict if !conflicts.is_empty() => {
                ClusterError::FieldConflicts { object, conflicts }
            }
            Reason::Conflict => ClusterError::Conflict { object, message },
            Reason::Forbidden => ClusterError::Forbidden { object, message },
            Reason::Expired => ClusterError::Expired { from: refusal.name },
            Reason::TooManyRequests => ClusterError::Throttled {
                message,
                retry_after: refusal.retry_after,
            },
            Reason::InternalError | Reason::ServiceUnavailable => {
                ClusterError::Unavailable { message }
            }
            Reason::Timeout => ClusterError::Timeout {
                after: refusal.retry_after.unwrap_or_default(),
            },
            Reason::UnsupportedMediaType | Reason::NotAcceptable | Reason::MethodNotAllowed => {
                ClusterError::Other {
                    class: ErrorClass::Unsupported,
                    source: message.into(),
                }
            }
            Reason::Invalid | Reason::BadRequest | Reason::Unknown => ClusterError::Invalid {
                object,
                message,
                immutable,
            },
        }
    }
}

/// `deployments.apps`, `services`.
fn qualified(kind: &str, group: &str) -> String {
    if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    }
}
