//! The file of rules.

use gitops_core::{health::HealthStatus, yaml};
use serde::Deserialize;
use serde_json::Value;

use super::CelRuleError;

/// What is said of a kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) api_version: String,
    pub(super) kind: Option<String>,
    pub(super) in_progress: Option<String>,
    pub(super) failed: Option<String>,
    pub(super) current: Option<String>,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) rules: Vec<Line>,
}

/// One rule of several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) when: String,
    pub(super) status: HealthStatus,
    pub(super) message: Option<String>,
}

/// The entries of a text.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, CelRuleError> {
    let whole = yaml::from_str_strict(text)?;
    let list = match whole {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        Value::Object(mut fields) => match fields.remove("healthCheckExprs") {
            Some(Value::Array(list)) if fields.is_empty() => list,
            _ => return Err(no_list()),
        },
        _ => return Err(no_list()),
    };
    list.into_iter()
        .enumerate()
        .map(|(index, entry)| {
            serde_json::from_value(entry).map_err(|error| CelRuleError::Malformed {
                index: index + 1,
                reason: error.to_string(),
            })
        })
        .collect()
}

fn no_list() -> CelRuleError {
    CelRuleError::Malformed {
        index: 1,
        reason: "write a list of entries, alone or as `healthCheckExprs`".to_owned(),
    }
}
