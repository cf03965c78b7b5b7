//! Mappings being filled, and what is found wrong while values are made.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::{
    error::{YamlError, YamlErrorKind},
    options::Options,
    scalar::{Key, go_syntax},
    scan::Mark,
};

/// Something in the value that JSON cannot have. It is an error only if it is still there in the
/// end: a later key may replace it.
pub(crate) struct NotJson {
    in_key: bool,
    error: YamlError,
}

impl NotJson {
    pub(crate) fn value(at: Mark, message: String) -> Self {
        Self {
            in_key: false,
            error: YamlError::not_json(at, message),
        }
    }

    fn key(at: Mark, message: String) -> Self {
        Self {
            in_key: true,
            error: YamlError::not_json(at, message),
        }
    }
}

/// An error that does not end decoding.
struct Duplicate {
    at: Mark,
    message: String,
}

/// What is found wrong and only reported when the whole document was read.
#[derive(Default)]
pub(crate) struct Report {
    duplicates: Vec<Duplicate>,
    pub(crate) not_json: Vec<NotJson>,
}

impl Report {
    /// The value, unless something is wrong with it.
    pub(crate) fn finish(mut self, value: Value) -> Result<Value, YamlError> {
        if let Some(first) = self.duplicates.first() {
            let lines: Vec<_> = self
                .duplicates
                .iter()
                .map(|duplicate| format!("\n  {}", duplicate.message))
                .collect();
            return Err(YamlError {
                line: first.at.line as usize + 1,
                column: first.at.column as usize + 1,
                message: format!("yaml: unmarshal errors:{}", lines.concat()),
                kind: YamlErrorKind::DuplicateKey,
            });
        }
        // Keys are converted before values are written.
        let first_key = self.not_json.iter().position(|problem| problem.in_key);
        if self.not_json.is_empty() {
            Ok(value)
        } else {
            Err(self.not_json.swap_remove(first_key.unwrap_or(0)).error)
        }
    }
}

/// A mapping being filled.
#[derive(Default)]
pub(crate) struct Entries {
    map: Map<String, Value>,
    /// Keys seen, kept where duplicates are an error.
    seen: HashSet<Key>,
    /// By key, what JSON cannot have of its entry.
    not_json: BTreeMap<String, Vec<NotJson>>,
}

impl Entries {
    /// Adds an entry whose value begins at `at`. What was reported after `reported` is about this
    /// value.
    pub(crate) fn insert(
        &mut self,
        key: Key,
        value: Value,
        at: Mark,
        reported: usize,
        options: &Options,
        report: &mut Report,
    ) {
        let mut problems = report.not_json.split_off(reported);
        if !options.allow_duplicate_keys && !key.is_nan() && !self.seen.insert(key.clone()) {
            let line = at.line + 1;
            report.duplicates.push(Duplicate {
                at,
                message: format!("line {line}: key {} already set in map", key.go_syntax()),
            });
            return;
        }
        if let Key::Unsupported(type_name, text) = &key {
            let shown = go_syntax(&value);
            let message =
                format!("unsupported map key of type: {type_name}, key: {text}, value: {shown}");
            problems.push(NotJson::key(at, message));
        }
        let key = key.into_text();
        if !problems.is_empty() {
            self.not_json.insert(key.clone(), problems);
        } else if !self.not_json.is_empty() {
            self.not_json.remove(&key);
        }
        self.map.insert(key, value);
    }

    pub(crate) fn finish(self, report: &mut Report) -> Value {
        report
            .not_json
            .extend(self.not_json.into_values().flatten());
        Value::Object(self.map)
    }
}
