//! Differences that do not count.
//!
//! In: ignore rules, a desired object and the live one. Out: what to send instead of desired
//! ([`respect`]), so that the fields in question are left to whoever owns them: they are released
//! where somebody else owns them, and keep their live value where nobody does.
//!
//! Rules select fields by JSON pointers, jq expressions and field managers, and objects in Argo
//! CD's spelling (globs of group, kind, name and namespace, and a selector of labels) or in Flux's
//! (`target`: regular expressions of group, version, kind, name and namespace, selectors of labels
//! and annotations). Selectors look at the labels that are declared.

mod jq;
mod paths;
mod payload;
mod rule;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gitops_core::{Manifest, app::IgnoreDifferences, diff::DiffError};
use serde_json::Value;

pub use jq::{JqError, JqPaths, TIME_LIMIT};
pub use paths::{JsonPath, JsonStep, parse_pointer, remove_paths, resolve, resolve_pointer};
pub use payload::respect;
pub(crate) use payload::{owns, pointer_to};
use rule::Rule;

/// Compiled ignore rules.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<Rule>,
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

/// Rules compiled before, with their jq expressions.
#[derive(Debug, Default)]
pub(crate) struct RuleCache {
    jq: JqCache,
    compiled: Mutex<Vec<(Vec<IgnoreDifferences>, Arc<IgnoreRules>)>>,
}

impl RuleCache {
    /// Sets of rules kept at most; each application has one.
    const LIMIT: usize = 64;

    pub(crate) fn get(&self, rules: &[IgnoreDifferences]) -> Result<Arc<IgnoreRules>, DiffError> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = lock().iter().find(|(known, _)| known == rules) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(IgnoreRules::compile(rules, &self.jq)?);
        let mut cache = lock();
        if cache.len() >= Self::LIMIT {
            cache.remove(0);
        }
        cache.push((rules.to_vec(), Arc::clone(&compiled)));
        Ok(compiled)
    }
}

impl IgnoreRules {
    /// Compiles rules.
    pub fn compile(rules: &[IgnoreDifferences], cache: &JqCache) -> Result<Self, DiffError> {
        let compiled = rules.iter().map(|rule| Rule::compile(rule, cache));
        Ok(Self {
            rules: compiled.collect::<Result<_, DiffError>>()?,
        })
    }

    /// Whether any rule is for the object; labels and annotations are those of `declared`.
    #[must_use]
    pub fn concern(&self, object: &Manifest, declared: &Manifest) -> bool {
        self.of(object, declared).next().is_some()
    }

    /// Whether the object is ignored as a whole.
    #[must_use]
    pub fn ignore_whole(&self, object: &Manifest, declared: &Manifest) -> bool {
        self.of(object, declared).any(|rule| rule.whole)
    }

    fn of<'a>(
        &'a self,
        object: &'a Manifest,
        declared: &'a Manifest,
    ) -> impl Iterator<Item = &'a Rule> + Clone {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.concerns(object, declared))
    }
}

/// The fields that pointers and jq expressions select in a state of the object. An expression
/// that does not fit the state selects nothing, as in Argo CD.
fn selected<'a>(
    rules: impl Iterator<Item = &'a Rule>,
    state: &Value,
) -> Result<Vec<JsonPath>, DiffError> {
    let mut found = Vec::new();
    for rule in rules {
        for pointer in &rule.pointers {
            found.extend(resolve_pointer(state, pointer));
        }
        for jq in &rule.jq {
            match jq.select(state) {
                Ok(paths) => found.extend(paths.iter().flat_map(|path| resolve(state, path))),
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
