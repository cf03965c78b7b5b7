//! Label selectors in the text form of Kubernetes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    error::{Classified, ErrorClass},
    object::Manifest,
};

/// A selector cannot be parsed; the text is the API server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);

impl Classified for SelectorError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Invalid
    }
}

/// A parsed label selector; empty selects all.
///
/// ```
/// use gitops_core::{Manifest, selector::Selector};
/// let object = Manifest::try_from(serde_json::json!({
///     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}},
/// }))?;
/// assert!(Selector::parse("app in (web,api),!tier")?.matches(&object));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Absent,
    Greater,
    Less,
}

impl Selector {
    /// Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut lexer = Lexer {
            rest: text.trim_start(),
        };
        let mut requirements = Vec::new();
        match lexer.peek() {
            "" => return Ok(Self::default()),
            first if first != "!" && is_special(first) => {
                return Err(SelectorError(format!(
                    "found '{first}', expected: !, identifier, or 'end of string'"
                )));
            }
            _ => {}
        }
        loop {
            requirements.push(lexer.requirement()?);
            match lexer.next() {
                "" => break,
                "," => {
                    let next = lexer.peek();
                    if next != "!" && (next.is_empty() || is_special(next)) {
                        return Err(SelectorError(format!(
                            "found '{next}', expected: identifier after ','"
                        )));
                    }
                }
                other => {
                    return Err(SelectorError(format!(
                        "found '{other}', expected: ',' or 'end of string'"
                    )));
                }
            }
        }
        requirements.sort_by(|a: &Requirement, b| a.key.cmp(&b.key));
        Ok(Self { requirements })
    }

    /// A `LabelSelector` object (`matchLabels`, `matchExpressions`); an unusable one selects nothing.
    #[must_use]
    pub fn from_object(selector: &Value) -> Option<Self> {
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                requirements.push(Requirement {
                    key: key.clone(),
                    operator: Operator::In,
                    values: [value.as_str()?.to_owned()].into(),
                });
            }
        }
        for expression in selector
            .get("matchExpressions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let operator = match expression.get("operator")?.as_str()? {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::Absent,
                _ => return None,
            };
            requirements.push(Requirement {
                key: expression.get("key")?.as_str()?.to_owned(),
                operator,
                values: expression
                    .get("values")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect(),
            });
        }
        Some(Self { requirements })
    }

    /// A plain map of labels, as in `spec.selector` of a Service.
    #[must_use]
    pub fn from_labels(labels: &Map<String, Value>) -> Self {
        Self {
            requirements: labels
                .iter()
                .filter_map(|(key, value)| {
                    Some(Requirement {
                        key: key.clone(),
                        operator: Operator::In,
                        values: [value.as_str()?.to_owned()].into(),
                    })
                })
                .collect(),
        }
    }

    /// Whether it selects all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether it selects the object by its labels.
    #[must_use]
    pub fn matches(&self, object: &Manifest) -> bool {
        self.requirements.is_empty() || self.matches_with(&|key| object.label(key))
    }

    /// Whether it selects the object by its annotations.
    #[must_use]
    pub fn matches_annotations(&self, object: &Manifest) -> bool {
        self.requirements.is_empty() || self.matches_with(&|key| object.annotation(key))
    }

    /// Whether it selects a map of labels.
    #[must_use]
    pub fn matches_labels(&self, labels: Option<&Value>) -> bool {
        self.matches_with(&|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }

    fn matches_with<'a>(&self, label: &dyn Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = label(&requirement.key);
            match requirement.operator {
                Operator::In => value.is_some_and(|v| requirement.values.contains(v)),
                Operator::NotIn => value.is_none_or(|v| !requirement.values.contains(v)),
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
                Operator::Greater | Operator::Less => {
                    let number = |text: &str| text.parse::<i64>().ok();
                    let (Some(value), Some(limit)) = (
                        value.and_then(number),
                        requirement.values.first().and_then(|v| number(v)),
                    ) else {
                        return false;
                    };
                    if requirement.operator == Operator::Greater {
                        value > limit
                    } else {
                        value < limit
                    }
                }
            }
        })
    }
}

struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let special = |c: char| "=!(),<>".contains(c);
        let length = match self.rest.chars().next() {
            None => 0,
            Some(first) if special(first) => {
                if self.rest.starts_with("==") || self.rest.starts_with("!=") {
                    2
                } else {
                    1
                }
            }
            Some(_) => self
                .rest
                .find(|c: char| special(c) || c.is_whitespace())
                .unwrap_or(self.rest.len()),
        };
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        token
    }

    fn peek(&self) -> &'a str {
        Lexer { rest: self.rest }.next()
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let first = self.next();
        let (negated, key) = if first == "!" {
            (true, self.next())
        } else {
            (false, first)
        };
        if key.is_empty() || is_special(key) {
            return Err(unparsable(&format!("found '{key}', expected: identifier")));
        }
        if let Err(reason) = crate::names::qualified_name(key) {
            return Err(SelectorError(format!(
                "unable to parse requirement: key: Invalid value: \"{key}\": {reason}"
            )));
        }
        let key = key.to_owned();
        let requirement = |operator, values: BTreeSet<String>| Requirement {
            key: key.clone(),
            operator,
            values,
        };
        if negated {
            return Ok(requirement(Operator::Absent, BTreeSet::new()));
        }
        if matches!(self.peek(), "" | ",") {
            return Ok(requirement(Operator::Exists, BTreeSet::new()));
        }
        let operator = self.next();
        match operator {
            "=" | "==" | "!=" => {
                let value = match self.peek() {
                    "" | "," => "",
                    _ => self.next(),
                };
                let operator = if operator == "!=" {
                    Operator::NotIn
                } else {
                    Operator::In
                };
                check_value(&key, value)?;
                Ok(requirement(operator, [value.to_owned()].into()))
            }
            "in" | "notin" => {
                let opening = self.next();
                if opening != "(" {
                    return Err(unparsable(&format!("found '{opening}' expected: '('")));
                }
                let mut values = BTreeSet::new();
                loop {
                    match self.next() {
                        ")" => break,
                        "," => {
                            if matches!(self.peek(), "," | ")") {
                                values.insert(String::new());
                            }
                        }
                        "" => return Err(unparsable("found '', expected: ',' or ')'")),
                        value => {
                            check_value(&key, value)?;
                            values.insert(value.to_owned());
                        }
                    }
                }
                let operator = if operator == "in" {
                    Operator::In
                } else {
                    Operator::NotIn
                };
                Ok(requirement(operator, values))
            }
            ">" | "gt" | "<" | "lt" => {
                let value = self.next();
                if value.parse::<i64>().is_err() {
                    return Err(SelectorError(format!(
                        "values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
                    )));
                }
                let operator = if operator == ">" || operator == "gt" {
                    Operator::Greater
                } else {
                    Operator::Less
                };
                Ok(requirement(operator, [value.to_owned()].into()))
            }
            other => Err(unparsable(&format!(
                "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
            ))),
        }
    }
}

fn is_special(token: &str) -> bool {
    token.chars().all(|c| "=!(),<>".contains(c))
}

fn check_value(key: &str, value: &str) -> Result<(), SelectorError> {
    crate::names::label_value(value).map_err(|reason| {
        SelectorError(format!(
            "unable to parse requirement: values[0][{key}]: Invalid value: \"{value}\": {reason}"
        ))
    })
}

fn unparsable(detail: &str) -> SelectorError {
    SelectorError(format!("unable to parse requirement: {detail}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(labels: Value) -> Manifest {
        Manifest::try_from(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "labels": labels}}))
            .unwrap()
    }

    #[test]
    fn operators() {
        let web = object(json!({"app": "web", "tier": "front", "size": "5"}));
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("app in (web, api)", true),
            ("app notin (web)", false),
            ("missing notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!missing", true),
            ("size>4", true),
            ("size<4", false),
            ("app=", false),
        ] {
            assert_eq!(
                Selector::parse(text).unwrap().matches(&web),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn malformed() {
        assert_eq!(
            Selector::parse("a b c").unwrap_err().to_string(),
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
        );
        assert!(Selector::parse("a in (b").is_err());
        assert!(Selector::parse("a=b c").is_err());
        assert!(Selector::parse("=b").is_err());
    }

    #[test]
    fn label_selector_objects() {
        let web = object(json!({"app": "web"}));
        let selector = Selector::from_object(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}],
        }));
        assert!(selector.unwrap().matches(&web));
    }
}
