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
//! `.path<value`, `.path>value`, `.path^=prefix`, `.path in a|b`, `.path is number`, `.path` (is
//! there), `!.path`, `.path?` (is there and not false).
//!
//! An object of a shape that the rule does not expect is an error where the rule gets to it: a field
//! of a number, conditions that are no list, a prefix of something that is no text, the order of a
//! number and a text.

mod parse;

use std::{collections::BTreeMap, sync::OnceLock};

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use parse::{Atom, Compare, Piece, Side, Statement, Template, Test, Verdict};
use serde_json::Value;

use super::node::{Fault, Message, Node};

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
    let fault = Fault::default();
    let said = Run {
        object,
        fault: &fault,
    }
    .judge(body);
    fault.settle(object, Ok(said))
}

/// One rule and one object.
#[derive(Clone, Copy)]
struct Run<'a> {
    object: &'a Manifest,
    fault: &'a Fault,
}

impl<'a> Run<'a> {
    fn judge(self, body: &'a [Statement]) -> Said {
        for statement in body {
            match statement {
                Statement::Need(path) => {
                    self.lookup(path).need();
                }
                Statement::If(test, verdict) => {
                    if self.holds(test, None) {
                        return self.said(verdict, None);
                    }
                }
                Statement::Each(clauses) => {
                    let conditions = Node::of(self.object, ["status", "conditions"], self.fault);
                    for condition in conditions.list() {
                        for (test, verdict) in clauses {
                            if self.holds(test, Some(condition)) {
                                return self.said(verdict, Some(condition));
                            }
                        }
                    }
                }
                Statement::End(verdict) => return self.said(verdict, None),
            }
        }
        Said::Nothing
    }

    fn lookup(self, path: &'a [String]) -> Node<'a> {
        Node::of(self.object, path.iter().map(String::as_str), self.fault)
    }

    fn holds(self, test: &'a Test, condition: Option<Node<'a>>) -> bool {
        let mut any = test.0.iter();
        any.any(|all| all.iter().all(|atom| self.atom_holds(atom, condition)))
    }

    fn value(self, side: &'a Side, condition: Option<Node<'a>>) -> Node<'a> {
        let nothing = Node::new(None, self.fault);
        match side {
            Side::Path(path) => self.lookup(path),
            Side::Field(name) => condition.map_or(nothing, |condition| condition.at(name)),
            Side::Literal(literal) => Node::new(Some(literal), self.fault),
        }
    }

    fn atom_holds(self, atom: &'a Atom, condition: Option<Node<'a>>) -> bool {
        let left = self.value(&atom.left, condition);
        let literal = |value: &'a Value| Node::new(Some(value), self.fault);
        match &atom.compare {
            Compare::Exists => left.exists(),
            Compare::Missing => !left.exists(),
            Compare::True => left.truth(),
            Compare::Equal(right) => left.same(self.value(right, condition)),
            Compare::NotEqual(right) => !left.same(self.value(right, condition)),
            Compare::Less(right) => less(left, self.value(right, condition)),
            Compare::Greater(right) => less(self.value(right, condition), left),
            Compare::Prefix(prefix) => left.starts_with(prefix),
            Compare::Number => left.number().is_some(),
            Compare::In(values) => values.iter().any(|value| left.same(literal(value))),
            Compare::Condition((kind, status), same) => {
                left.equals(kind) && condition.is_some_and(|c| c.has(status)) == *same
            }
        }
    }

    fn said(self, verdict: &'a Verdict, condition: Option<Node<'a>>) -> Said {
        let Some(status) = verdict.status else {
            return Said::Verdict(None);
        };
        Said::Verdict(self.fill(&verdict.message, condition).verdict(status))
    }

    fn fill(self, template: &'a Template, condition: Option<Node<'a>>) -> Message {
        let any = |sides: &'a [Side]| {
            let mut sides = sides.iter().map(|side| self.value(side, condition));
            let first = sides.next();
            first.map(|first| sides.fold(first, Node::or))
        };
        match template.0.as_slice() {
            [Piece::Any(sides)] => any(sides).map_or_else(|| Message::from(""), Message::from),
            pieces => {
                let pieces = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Any(sides) => any(sides).map(Node::shown).unwrap_or_default(),
                });
                pieces.collect::<String>().into()
            }
        }
    }
}

/// Nothing is less than nothing.
fn less(a: Node<'_>, b: Node<'_>) -> bool {
    a.exists() && b.exists() && a.less(b)
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
    fn odd_shapes_are_errors_only_where_the_rule_gets() {
        let rule = "g/K:\n  if .status.phase^=Run: Healthy\n  each A: Degraded {message}\n  if .status.n is number and .status.n>1: Healthy {.status.n}\n  Progressing Waiting\n";
        let rules = Rules::parse(&[rule]).unwrap();
        let judge = |status: Value| {
            let object = json!({"apiVersion": "g/v1", "kind": "K", "status": status});
            rules
                .assess(&Manifest::try_from(object).unwrap())
                .unwrap()
                .is_err()
        };
        for wrong in [
            json!(1),
            json!({"phase": 1}),
            json!({"conditions": "x"}),
            json!({"conditions": [1]}),
        ] {
            assert!(judge(wrong.clone()), "{wrong}");
        }
        for good in [
            json!("x"),
            json!({"phase": "Run", "conditions": 1}),
            json!({"conditions": [{"type": "A"}, 1]}),
            json!({"conditions": [null]}),
            json!({"n": "2"}),
            json!({"n": 2}),
        ] {
            assert!(!judge(good.clone()), "{good}");
        }
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
