//! Errors of templates: Go's chains of errors, and Helm's two ways to print them.

use std::fmt;

use gitops_core::{Classified, ErrorClass, render::RenderError};

use super::options::ErrorFormat;

/// A template could not be parsed or executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text of a template is wrong.
    #[error("{message}")]
    Parse {
        /// Helm's text, with file and line.
        message: String,
    },
    /// The execution failed.
    #[error("{message}")]
    Execution {
        /// Helm's text, with file, line and column.
        message: String,
    },
    /// A limit was exceeded.
    #[error("rendering exceeds the limit {limit} of {allowed}{}", at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default())]
    LimitExceeded {
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        allowed: u64,
        /// The place in the templates.
        at: Option<String>,
    },
    /// A template asked for something that the caller forbade.
    #[error("{at} asks for {what}, which is forbidden for this render")]
    Forbidden {
        /// Randomness or network.
        what: &'static str,
        /// The place in the templates.
        at: String,
    },
}

impl Classified for TemplateError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            _ => ErrorClass::Invalid,
        }
    }
}

impl From<TemplateError> for RenderError {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Parse { message } | TemplateError::Execution { message } => {
                Self::Template { message }
            }
            TemplateError::LimitExceeded { limit, allowed, at } => {
                Self::LimitExceeded { limit, allowed, at }
            }
            TemplateError::Forbidden { what, at } => Self::Forbidden { what, at },
        }
    }
}

/// Why a function failed: the text of Go's error (or panic), or a reason to stop at once.
#[derive(Debug, Clone)]
pub struct CallError(Box<Failure>);

#[derive(Debug, Clone)]
enum Failure {
    /// A Go error: its own text, then that of the error it wraps.
    Error {
        text: String,
        wraps: Option<CallError>,
    },
    Limit {
        limit: &'static str,
        allowed: u64,
        at: Option<String>,
    },
    Forbidden {
        what: &'static str,
        at: Option<String>,
    },
}

impl CallError {
    /// An error with Go's text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Box::new(Failure::Error {
            text: text.into(),
            wraps: None,
        }))
    }

    /// What Go's runtime says of a nil pointer that is followed.
    #[must_use]
    pub fn nil_pointer() -> Self {
        Self::new("runtime error: invalid memory address or nil pointer dereference")
    }

    /// A limit of the render is exceeded.
    #[must_use]
    pub fn limit(limit: &'static str, allowed: u64) -> Self {
        Self(Box::new(Failure::Limit {
            limit,
            allowed,
            at: None,
        }))
    }

    /// The caller of the render forbade this.
    #[must_use]
    pub fn forbidden(what: &'static str) -> Self {
        Self(Box::new(Failure::Forbidden { what, at: None }))
    }

    /// The error `prefix` + this one, as Go's `fmt.Errorf("prefix%w", err)`. Reasons to stop
    /// stay as they are.
    #[must_use]
    pub fn wrap(self, prefix: impl Into<String>) -> Self {
        match *self.0 {
            Failure::Error { .. } => Self(Box::new(Failure::Error {
                text: prefix.into(),
                wraps: Some(self),
            })),
            _ => self,
        }
    }

    /// Whether it is an error of the template rather than a reason to stop.
    pub(crate) fn is_error(&self) -> bool {
        matches!(*self.0, Failure::Error { .. })
    }

    /// Says where a reason to stop came up, unless that is known.
    pub(super) fn at(mut self, place: impl FnOnce() -> String) -> Self {
        match &mut *self.0 {
            Failure::Limit { at, .. } | Failure::Forbidden { at, .. } if at.is_none() => {
                *at = Some(place());
            }
            _ => {}
        }
        self
    }

    fn wraps(&self) -> Option<&Self> {
        match &*self.0 {
            Failure::Error { wraps, .. } => wraps.as_ref(),
            _ => None,
        }
    }

    /// The error of a render whose outermost error this is.
    pub(super) fn into_execution_error(self, format: ErrorFormat) -> TemplateError {
        match *self.0 {
            Failure::Limit { limit, allowed, at } => {
                TemplateError::LimitExceeded { limit, allowed, at }
            }
            Failure::Forbidden { what, at } => TemplateError::Forbidden {
                what,
                at: at.unwrap_or_else(|| "a template".to_owned()),
            },
            Failure::Error { .. } => TemplateError::Execution {
                message: execution_message(&self, format),
            },
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut current = Some(self);
        while let Some(error) = current {
            match &*error.0 {
                Failure::Error { text, wraps } => {
                    f.write_str(text)?;
                    current = wraps.as_ref();
                }
                Failure::Limit { limit, allowed, .. } => {
                    return write!(f, "the limit {limit} of {allowed} is exceeded");
                }
                Failure::Forbidden { what, .. } => return write!(f, "{what} is forbidden"),
            }
        }
        Ok(())
    }
}

impl std::error::Error for CallError {}

impl From<String> for CallError {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for CallError {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Marks around the messages of `required` and `fail`: of a failed render only that message is
/// shown. They are Helm's, so a text that contains them is cut in the same way.
const MESSAGE_START: &str = "HELM_ERR_START";
const MESSAGE_END: &str = "HELM_ERR_END";

/// The text of an error that shall be shown alone.
pub(crate) fn message_alone(message: &str) -> String {
    format!("{MESSAGE_START}{message}{MESSAGE_END}")
}

/// Helm's text for an error of parsing.
pub(super) fn parse_error(file: &str, text: &str) -> TemplateError {
    let mut tokens = text.split(": ");
    let message = match (tokens.next(), tokens.next()) {
        (Some(_), Some(location)) => {
            let message = tokens.last().unwrap_or(location);
            format!("parse error at ({location}): {message}")
        }
        _ => format!("parse error in ({file}): {text}"),
    };
    TemplateError::Parse { message }
}

fn execution_message(error: &CallError, format: ErrorFormat) -> String {
    let text = error.to_string();
    let mut tokens = text.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (tokens.next(), tokens.next(), tokens.next())
    else {
        return text;
    };
    if let Some(message) = shown_alone(rest) {
        return format!("execution error at ({location}): {message}");
    }
    match format {
        ErrorFormat::OneLine => text,
        ErrorFormat::Traced => traced(error).unwrap_or(text),
    }
}

/// What is between the first start mark and the last end mark.
fn shown_alone(text: &str) -> Option<&str> {
    let (_, after) = text.split_once(MESSAGE_START)?;
    after.rsplit_once(MESSAGE_END).map(|(message, _)| message)
}

/// The chain as blocks of location, context and message; None if any error of it is not one of
/// text/template.
fn traced(error: &CallError) -> Option<String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut current = Some(error);
    while let Some(error) = current {
        let block = Block::parse(&error.to_string())?;
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
        current = error.wraps();
    }
    let text: String = blocks.iter().map(ToString::to_string).collect();
    Some(text.trim().to_owned())
}

#[derive(PartialEq, Eq, Default)]
struct Block {
    location: String,
    message: String,
    executed: String,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                message: text.to_owned(),
                ..Self::default()
            });
        }
        Self::executing(rest).or_else(|| Self::simple(rest))
    }

    /// `LOCATION: executing "NAME" at <CONTEXT>: MESSAGE`
    fn executing(rest: &str) -> Option<Self> {
        let (location, after) = rest.split_once(": executing ")?;
        let (name, after) = after.strip_prefix('"')?.split_once('"')?;
        let (context, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self {
            location: location.to_owned(),
            message: until_next(message).to_owned(),
            executed: format!("executing \"{name}\" at <{context}>:"),
        })
    }

    /// `LOCATION: MESSAGE`
    fn simple(rest: &str) -> Option<Self> {
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Self {
            location: location.to_owned(),
            message: until_next(message).to_owned(),
            executed: String::new(),
        })
    }
}

fn until_next(message: &str) -> &str {
    message
        .split_once(" template:")
        .map_or(message, |(before, _)| before)
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.location.is_empty() {
            write!(f, "{}\n  ", self.location)?;
        }
        if !self.executed.is_empty() {
            write!(f, "{}\n    ", self.executed)?;
        }
        if !self.message.is_empty() {
            writeln!(f, "{}", self.message)?;
        }
        Ok(())
    }
}
