//! Differences that do not count.
//!
//! In: ignore rules as an Application spells them (JSON pointers, jq expressions, field managers,
//! by globs of group and kind), a desired object and the live one. Out: what to apply instead of
//! desired ([`respect`]), so that the fields in question are left to whoever owns them: they are
//! released where somebody else owns them, and keep their live value where nobody does.

mod jq;
mod paths;
mod payload;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gitops_core::{Manifest, app::IgnoreDifferences, diff::DiffError, glob::Glob};
use serde_json::Value;

pub use jq::{JqError, JqPaths, TIME_LIMIT};
pub use paths::{JsonPath, JsonStep, parse_pointer, remove_paths, resolve, resolve_pointer};
pub use payload::respect;
pub(crate) use payload::{owns, pointer_to};

/// Compiled ignore rules.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    group: Glob,
    kind: Glob,
    name: String,
    namespace: String,
    pointers: Vec<Vec<String>>,
    jq: Vec<Arc<JqPaths>>,
    managers: Vec<String>,
}

/// jq expressions compiled before; compiling takes longer than running.
#[derive(Debug, Default)]
pub struct JqCache {
    compiled: Mutex<HashMap<String, Arc<JqPaths>>>,
}

impl JqCache {
    /// Kept at most; beyond that the cache starts anew.
    const LIMIT: usize = 1000;

    fn get(&self, expression: &str) -> Result<Arc<JqPaths>, JqError> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(expression) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(JqPaths::compile(expression)?);
        let mut cache = lock();
        if cache.len() >= Self::LIMIT {
            cache.clear();
        }
        cache.insert(expression.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

impl IgnoreRules {
    /// Compiles rules.
    pub fn compile(rules: &[IgnoreDifferences], cache: &JqCache) -> Result<Self, DiffError> {
        let compile = |rule: &IgnoreDifferences| {
            let bad = |rule: &str, reason: String| DiffError::IgnoreRule {
                rule: rule.to_owned(),
                reason,
            };
            let glob = |pattern: &str| {
                Glob::new(pattern, &[]).map_err(|error| bad(pattern, error.to_string()))
            };
            Ok(Rule {
                group: glob(&rule.group)?,
                kind: glob(&rule.kind)?,
                name: rule.name.clone(),
                namespace: rule.namespace.clone(),
                pointers: rule
                    .json_pointers
                    .iter()
                    .map(|pointer| {
                        parse_pointer(pointer).ok_or_else(|| {
                            bad(pointer, "a JSON pointer begins with `/`".to_owned())
                        })
                    })
                    .collect::<Result<_, _>>()?,
                jq: rule
                    .jq_path_expressions
                    .iter()
                    .map(|expression| {
                        cache
                            .get(expression)
                            .map_err(|error| bad(expression, error.to_string()))
                    })
                    .collect::<Result<_, _>>()?,
                managers: rule.managed_fields_managers.clone(),
            })
        };
        Ok(Self {
            rules: rules
                .iter()
                .map(compile)
                .collect::<Result<_, DiffError>>()?,
        })
    }

    /// Whether any rule is for the object.
    #[must_use]
    pub fn concern(&self, object: &Manifest) -> bool {
        self.of(object).next().is_some()
    }

    fn of<'a>(&'a self, object: &'a Manifest) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| {
            let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
            rule.group.matches(object.group())
                && rule.kind.matches(object.kind())
                && is(&rule.name, object.name())
                && is(&rule.namespace, object.namespace())
        })
    }

    /// The fields that pointers and jq expressions select in a state of the object. An expression
    /// that does not fit the state selects nothing, as in Argo CD.
    fn selected(&self, object: &Manifest, state: &Value) -> Result<Vec<JsonPath>, DiffError> {
        let mut found = Vec::new();
        for rule in self.of(object) {
            for pointer in &rule.pointers {
                found.extend(resolve_pointer(state, pointer));
            }
            for jq in &rule.jq {
                match jq.select(state) {
                    Ok(paths) => {
                        found.extend(paths.iter().flat_map(|path| resolve(state, path)));
                    }
                    Err(JqError::Run { .. }) => {}
                    Err(error) => {
                        return Err(DiffError::IgnoreRule {
                            rule: jq.expression().to_owned(),
                            reason: error.to_string(),
                        });
                    }
                }
            }
        }
        Ok(found)
    }

    /// The field managers whose fields are theirs.
    fn managers<'a>(&'a self, object: &'a Manifest) -> impl Iterator<Item = &'a str> {
        self.of(object)
            .flat_map(|rule| rule.managers.iter().map(String::as_str))
    }
}
