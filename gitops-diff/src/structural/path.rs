//! Paths as people read them.

use serde_json::Value;

use crate::fields::PathElement;

/// `spec.template.spec.containers[name=web].image`, `metadata.labels["app.kubernetes.io/name"]`.
#[must_use]
pub fn readable_path(path: &[PathElement]) -> String {
    let mut out = String::new();
    for element in path {
        match element {
            PathElement::Field(name) if is_plain(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            PathElement::Field(name) => {
                out.push('[');
                out.push_str(&Value::String(name.to_string()).to_string());
                out.push(']');
            }
            PathElement::Key(fields) => {
                out.push('[');
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(name);
                    out.push('=');
                    out.push_str(&plain_text(value));
                }
                out.push(']');
            }
            PathElement::Value(value) => {
                out.push_str("[=");
                out.push_str(&plain_text(value));
                out.push(']');
            }
            PathElement::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

fn is_plain(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.chars().all(word)
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One more step of a JSON pointer.
pub(super) fn pointer_step(pointer: &str, step: &str) -> String {
    let mut out = String::with_capacity(pointer.len() + 1 + step.len());
    out.push_str(pointer);
    out.push('/');
    if step.contains(['~', '/']) {
        out.push_str(&step.replace('~', "~0").replace('/', "~1"));
    } else {
        out.push_str(step);
    }
    out
}
