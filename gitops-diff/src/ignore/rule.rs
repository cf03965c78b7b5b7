//! One ignore rule: which objects it is for, and which of their fields.

use std::sync::Arc;

use gitops_core::{
    Manifest,
    app::{IgnoreDifferences, IgnoreTarget},
    diff::DiffError,
    glob::Glob,
    selector::Selector,
};
use regex::Regex;

use super::{JqCache, JqPaths, parse_pointer};

/// A compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// Group and kind, where the rule names them itself.
    kind: Option<(Glob, Glob)>,
    name: Pattern,
    namespace: Pattern,
    labels: Selector,
    target: Option<Target>,
    /// Whether the whole object is ignored.
    pub(super) whole: bool,
    pub(super) pointers: Vec<Vec<String>>,
    pub(super) jq: Vec<Arc<JqPaths>>,
    pub(super) managers: Vec<String>,
}

impl Rule {
    pub(super) fn compile(rule: &IgnoreDifferences, cache: &JqCache) -> Result<Self, DiffError> {
        let by_target = rule.target.is_some() || !rule.paths.is_empty();
        let kind = if by_target && rule.kind.is_empty() && rule.group.is_empty() {
            None
        } else {
            Some((glob(&rule.group)?, glob(&rule.kind)?))
        };
        let whole = |path: &&String| path.is_empty();
        Ok(Self {
            kind,
            name: Pattern::new(&rule.name)?,
            namespace: Pattern::new(&rule.namespace)?,
            labels: selector(&rule.label_selector)?,
            target: rule.target.as_ref().map(Target::compile).transpose()?,
            whole: rule.paths.iter().any(|path| whole(&path)),
            pointers: rule
                .json_pointers
                .iter()
                .chain(rule.paths.iter().filter(|path| !whole(path)))
                .map(|pointer| {
                    parse_pointer(pointer)
                        .ok_or_else(|| bad(pointer, "a JSON pointer begins with `/`"))
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
    }

    /// Whether the rule is for an object; labels and annotations are those that are declared.
    pub(super) fn concerns(&self, object: &Manifest, declared: &Manifest) -> bool {
        let kind = self.kind.as_ref().is_none_or(|(group, kind)| {
            group.matches(object.group()) && kind.matches(object.kind())
        });
        let target = |target: &Target| target.matches(object, declared);
        kind && self.name.matches(object.name())
            && self.namespace.matches(object.namespace())
            && self.labels.matches(declared)
            && self.target.as_ref().is_none_or(target)
    }
}

fn bad(rule: &str, reason: impl Into<String>) -> DiffError {
    DiffError::IgnoreRule {
        rule: rule.to_owned(),
        reason: reason.into(),
    }
}

fn glob(pattern: &str) -> Result<Glob, DiffError> {
    Glob::new(pattern, &[]).map_err(|error| bad(pattern, error.to_string()))
}

fn selector(text: &str) -> Result<Selector, DiffError> {
    Selector::parse(text).map_err(|error| bad(text, error.to_string()))
}

/// A name, or a glob of names; nothing is any.
#[derive(Debug)]
enum Pattern {
    Any,
    Name(String),
    Glob(String, Glob),
}

impl Pattern {
    fn new(text: &str) -> Result<Self, DiffError> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if text.contains(['*', '?', '[', '{']) {
            return Ok(Self::Glob(text.to_owned(), glob(text)?));
        }
        Ok(Self::Name(text.to_owned()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(text) => text == name,
            // Names of RBAC objects may hold such characters.
            Self::Glob(text, glob) => text == name || glob.matches(name),
        }
    }
}

/// A compiled [`IgnoreTarget`].
#[derive(Debug)]
struct Target {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Selector,
    annotations: Selector,
}

impl Target {
    fn compile(target: &IgnoreTarget) -> Result<Self, DiffError> {
        let regex = |pattern: &str| {
            if pattern.is_empty() {
                return Ok(None);
            }
            Regex::new(&format!("^(?:{pattern})$"))
                .map(Some)
                .map_err(|error| bad(pattern, error.to_string()))
        };
        Ok(Self {
            group: regex(&target.group)?,
            version: regex(&target.version)?,
            kind: regex(&target.kind)?,
            name: regex(&target.name)?,
            namespace: regex(&target.namespace)?,
            labels: selector(&target.label_selector)?,
            annotations: selector(&target.annotation_selector)?,
        })
    }

    fn matches(&self, object: &Manifest, declared: &Manifest) -> bool {
        let is = |regex: &Option<Regex>, text: &str| {
            regex.as_ref().is_none_or(|regex| regex.is_match(text))
        };
        is(&self.group, object.group())
            && is(&self.version, object.version())
            && is(&self.kind, object.kind())
            && is(&self.name, object.name())
            && is(&self.namespace, object.namespace())
            && self.labels.matches(declared)
            && self.annotations.matches_annotations(declared)
    }
}
