//! Rules as data: most kinds are judged by their conditions or by a phase, and a few lines say how.
//!
//! ```text
//! cert-manager.io/Certificate:
//!   each Issuing=True: Progressing {message}
//!   --
//!   each Ready=False: Degraded {message}
//!   each Ready=True: Healthy {message}
//!   Progressing Waiting for certificate
//! ```
//!
//! A header names kinds as `group/Kind`, separated by commas; `_` stands for any kind, `_.` at the
//! beginning of a group for any prefix. Below it, line by line, the first verdict counts:
//!
//! * `each TEST: VERDICT` looks at `status.conditions`. Neighbouring `each` lines are asked together
//!   for one condition after the other; `--` begins a new round.
//! * `if TEST: VERDICT` looks at the object; a lone `VERDICT` ends the rule.
//! * `need PATH` is an error where the object has nothing there.
//!
//! A verdict is a status (or `None`) and a message. `{…}` in it is a field of the condition
//! (`message`) or a path in the object (`.status.phase`); alternatives are separated by `|`, a text is
//! quoted. A message that is one field may lack; within a longer text that is an error.
//!
//! A test is atoms joined by `and` and `or` (`or` binds less). Atoms: `Ready=True` (type and status of
//! a condition), `Ready` (its type), `reason=X`, `.path=value`, `.path!=value`, `.path=.other`,
//! `.path<value`, `.path>value`, `.path^=prefix`, `.path in a|b`, `.path` (is there), `!.path`,
//! `.path?` (is there and not false).

mod parse;
mod path;

use std::{collections::BTreeMap, sync::OnceLock};

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use parse::{Atom, Compare, Piece, Side, Statement, Template, Test, Verdict};
pub(super) use path::{lookup, number, render};
use serde_json::Value;

use super::typed::malformed;

/// Rules by kind.
pub(super) struct Rules {
    exact: BTreeMap<(String, String), usize>,
    patterns: Vec<(String, String, usize)>,
    bodies: Vec<Vec<Statement>>,
}

/// The rules that come with this crate.
pub(super) fn builtin() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        let texts = [
            include_str!("clusters.rules"),
            include_str!("delivery.rules"),
            include_str!("data.rules"),
            include_str!("network.rules"),
            include_str!("operations.rules"),
        ];
        Rules::parse(&texts).expect("a unit test parses the rules of this crate")
    })
}

impl Rules {
    /// Parses texts of rules; the error names the line.
    pub(super) fn parse(texts: &[&str]) -> Result<Self, String> {
        let mut rules = Self {
            exact: BTreeMap::new(),
            patterns: Vec::new(),
            bodies: Vec::new(),
        };
        for text in texts {
            for (kinds, body) in parse::rules(text)? {
                let index = rules.bodies.len();
                rules.bodies.push(body);
                for (group, kind) in kinds {
                    if kind == "_" || group.starts_with("_.") {
                        rules.patterns.push((group, kind, index));
                    } else {
                        rules.exact.insert((group, kind), index);
                    }
                }
            }
        }
        Ok(rules)
    }

    fn find(&self, group: &str, kind: &str) -> Option<&[Statement]> {
        let exact = self.exact.get(&(group.to_owned(), kind.to_owned()));
        let index = exact.copied().or_else(|| {
            self.patterns
                .iter()
                .find(|(pattern, of_kind, _)| {
                    matches_group(pattern, group) && (of_kind == "_" || of_kind == kind)
                })
                .map(|(_, _, index)| *index)
        });
        index.map(|index| self.bodies[index].as_slice())
    }

    /// What the rule of the kind says of an object, where there is one.
    pub(super) fn assess(&self, object: &Manifest) -> Option<Result<Said, HealthError>> {
        let body = self.find(object.group(), object.kind())?;
        Some(judge(object, body))
    }
}

/// What a rule says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// A verdict, or that there is none.
    Verdict(Option<Health>),
    /// Nothing: none of its lines applies. A check in Rust may know more.
    Nothing,
}

/// Whether a group is the one, or ends as `_.suffix` says.
pub(super) fn matches_group(pattern: &str, group: &str) -> bool {
    match pattern.strip_prefix('_') {
        Some(suffix) => group.len() > suffix.len() && group.ends_with(suffix),
        None => pattern == group,
    }
}

fn judge(object: &Manifest, body: &[Statement]) -> Result<Said, HealthError> {
    for statement in body {
        match statement {
            Statement::Need(path) => {
                if lookup(object, path).is_none() {
                    return Err(malformed(object, format!("{} is missing", path.join("."))));
                }
            }
            Statement::If(test, verdict) => {
                if holds(test, object, None) {
                    return state(verdict, object, None);
                }
            }
            Statement::Each(clauses) => {
                for condition in conditions(object)? {
                    for (test, verdict) in clauses {
                        if holds(test, object, Some(condition)) {
                            return state(verdict, object, Some(condition));
                        }
                    }
                }
            }
            Statement::End(verdict) => return state(verdict, object, None),
        }
    }
    Ok(Said::Nothing)
}

/// `status.conditions`; nothing is an empty list, something else than a list is an error.
pub(super) fn conditions(object: &Manifest) -> Result<&[Value], HealthError> {
    match object.pointer("/status/conditions") {
        None | Some(Value::Null | Value::Object(_)) => Ok(&[]),
        Some(Value::Array(conditions)) => Ok(conditions),
        Some(_) => Err(malformed(object, "status.conditions is not a list")),
    }
}

fn holds(test: &Test, object: &Manifest, condition: Option<&Value>) -> bool {
    test.0
        .iter()
        .any(|all| all.iter().all(|atom| atom_holds(atom, object, condition)))
}

fn value<'a>(
    side: &'a Side,
    object: &'a Manifest,
    condition: Option<&'a Value>,
) -> Option<&'a Value> {
    let value = match side {
        Side::Path(path) => lookup(object, path),
        Side::Field(name) => condition?.get(name),
        Side::Literal(literal) => Some(literal),
    };
    value.filter(|value| !value.is_null())
}

fn atom_holds(atom: &Atom, object: &Manifest, condition: Option<&Value>) -> bool {
    let left = value(&atom.left, object, condition);
    match &atom.compare {
        Compare::Exists => left.is_some(),
        Compare::Missing => left.is_none(),
        Compare::True => left.is_some_and(|value| *value != Value::Bool(false)),
        Compare::Equal(right) => equal(left, value(right, object, condition)),
        Compare::NotEqual(right) => !equal(left, value(right, object, condition)),
        Compare::Less(right) => less(left, value(right, object, condition)),
        Compare::Greater(right) => less(value(right, object, condition), left),
        Compare::Prefix(prefix) => left
            .and_then(Value::as_str)
            .is_some_and(|text| text.starts_with(prefix.as_str())),
        Compare::In(values) => values.iter().any(|value| equal(left, Some(value))),
        Compare::Condition(wanted, same) => {
            left.and_then(Value::as_str) == Some(wanted.0.as_str())
                && (condition
                    .and_then(|c| c.get("status"))
                    .and_then(Value::as_str)
                    == Some(wanted.1.as_str()))
                    == *same
        }
    }
}

fn equal(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn less(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() < b.as_f64(),
        (Some(Value::String(a)), Some(Value::String(b))) => a < b,
        _ => false,
    }
}

fn state(
    verdict: &Verdict,
    object: &Manifest,
    condition: Option<&Value>,
) -> Result<Said, HealthError> {
    let Some(status) = verdict.status else {
        return Ok(Said::Verdict(None));
    };
    let message = fill(&verdict.message, object, condition)
        .map_err(|what| malformed(object, format!("{what} is missing")))?;
    Ok(Said::Verdict(Some(Health::new(status, message))))
}

fn fill(
    template: &Template,
    object: &Manifest,
    condition: Option<&Value>,
) -> Result<String, String> {
    let part = |piece: &Piece| match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::Any(sides) => sides
            .iter()
            .find_map(|side| value(side, object, condition))
            .and_then(render),
    };
    if let [piece] = template.0.as_slice() {
        return Ok(part(piece).unwrap_or_default());
    }
    let mut message = String::new();
    for piece in &template.0 {
        let text = part(piece).ok_or_else(|| match piece {
            Piece::Any(sides) => format!("{:?}", sides.first()),
            Piece::Text(text) => text.clone(),
        })?;
        message.push_str(&text);
    }
    Ok(message)
}

/// Reads a status.
fn status_of(word: &str) -> Option<HealthStatus> {
    Some(match word {
        "Healthy" => HealthStatus::Healthy,
        "Suspended" => HealthStatus::Suspended,
        "Progressing" => HealthStatus::Progressing,
        "Missing" => HealthStatus::Missing,
        "Degraded" => HealthStatus::Degraded,
        "Unknown" => HealthStatus::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_of_this_crate_parse() {
        assert!(builtin().bodies.len() > 100);
    }

    fn verdict(rule: &str, object: Value) -> Option<Health> {
        let rules = Rules::parse(&[rule]).unwrap();
        let object = Manifest::try_from(object).unwrap();
        match rules.assess(&object)?.unwrap() {
            Said::Verdict(verdict) => verdict,
            Said::Nothing => None,
        }
    }

    #[test]
    fn conditions_are_asked_one_after_the_other() {
        let rule = "g/K:\n  each A=True: Degraded a: {message}\n  each B: Healthy {message|reason}\n  Progressing Waiting\n";
        let object = |conditions| json!({"apiVersion": "g/v1", "kind": "K", "status": {"conditions": conditions}});
        let b_first = json!([{"type": "B", "reason": "r"}, {"type": "A", "status": "True"}]);
        assert_eq!(
            verdict(rule, object(b_first)),
            Some(Health::new(HealthStatus::Healthy, "r"))
        );
        let a = json!([{"type": "A", "status": "True", "message": "m"}]);
        assert_eq!(
            verdict(rule, object(a)),
            Some(Health::new(HealthStatus::Degraded, "a: m"))
        );
        assert_eq!(
            verdict(rule, object(Value::Null)),
            Some(Health::new(HealthStatus::Progressing, "Waiting"))
        );
    }

    #[test]
    fn groups_match_by_suffix() {
        assert!(matches_group("_.crossplane.io", "s3.aws.crossplane.io"));
        assert!(!matches_group("_.crossplane.io", "crossplane.io"));
    }

    #[test]
    fn mistakes_name_the_line() {
        let error = Rules::parse(&["g/K:\n  each : X"]).err().unwrap();
        assert!(error.contains("line 2"), "{error}");
    }
}
