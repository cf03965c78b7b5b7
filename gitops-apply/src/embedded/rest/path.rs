//! The part of Kubernetes' JSONPath that printer columns use: fields, indexes, all items, and items
//! whose field has a value.

use gitops_core::Manifest;
use serde_json::Value;

/// What an expression such as `.status.conditions[?(@.type=="Ready")].status` finds; nothing where it
/// cannot be read.
pub(super) fn find<'a>(object: &'a Manifest, expression: &str) -> Vec<&'a Value> {
    let Some(steps) = parse(expression) else {
        return Vec::new();
    };
    let mut steps = steps.into_iter();
    let Some(Step::Field(first)) = steps.next() else {
        return Vec::new();
    };
    let mut found: Vec<&Value> = object.as_map().get(&first).into_iter().collect();
    for step in steps {
        found = found
            .into_iter()
            .flat_map(|value| step.apply(value))
            .collect();
    }
    found
}

#[derive(Debug, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
    All,
    Where(Vec<String>, Value),
}

impl Step {
    fn apply<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => value.get(index).into_iter().collect(),
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Where(path, wanted) => {
                let items = value.as_array().into_iter().flatten();
                let matches = |item: &&Value| {
                    let mut field = Some(*item);
                    for name in path {
                        field = field.and_then(|value| value.get(name));
                    }
                    field == Some(wanted)
                };
                items.filter(matches).collect()
            }
        }
    }
}

fn parse(expression: &str) -> Option<Vec<Step>> {
    let mut rest = expression
        .trim()
        .trim_start_matches('{')
        .trim_end_matches('}')
        .trim_start_matches('$');
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            steps.push(bracket(inner[..end].trim())?);
            rest = &inner[end + 1..];
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = field(rest);
            if name.is_empty() {
                return None;
            }
            steps.push(if name == "*" {
                Step::All
            } else {
                Step::Field(name)
            });
            rest = after;
        }
    }
    Some(steps)
}

/// Where the bracket ends: quoted text may hold brackets.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some(index),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Ok(index) = text.parse() {
        return Some(Step::Index(index));
    }
    if let Some(name) = unquote(text) {
        return Some(Step::Field(name.to_owned()));
    }
    let condition = text.strip_prefix("?(")?.strip_suffix(')')?;
    let (path, wanted) = condition.split_once("==")?;
    let path = path.trim().strip_prefix('@')?.trim_start_matches('.');
    let wanted = wanted.trim();
    let wanted = match unquote(wanted) {
        Some(text) => text.into(),
        None => serde_json::from_str(wanted).ok()?,
    };
    Some(Step::Where(
        path.split('.').map(str::to_owned).collect(),
        wanted,
    ))
}

fn unquote(text: &str) -> Option<&str> {
    ['"', '\''].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?;
        inner.strip_suffix(quote)
    })
}

/// A name up to the next dot or bracket; a backslash takes the next character as it is.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((index, c)) = characters.next() {
        match c {
            '.' | '[' => return (name, &text[index..]),
            '\\' => name.extend(characters.next().map(|(_, c)| c)),
            c => name.push(c),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions() {
        let object = Manifest::try_from(json!({
            "apiVersion": "example.com/v1", "kind": "Widget",
            "metadata": {"name": "a", "annotations": {"example.com/size": "large"}},
            "spec": {"ports": [{"n": 1}, {"n": 2}]},
            "status": {"conditions": [{"type": "Live", "status": "False"}, {"type": "Ready", "status": "True"}]},
        }))
        .unwrap();
        let found = |expression: &str| json!(find(&object, expression));
        assert_eq!(found(".metadata.name"), json!(["a"]));
        assert_eq!(
            found(r".metadata.annotations.example\.com/size"),
            json!(["large"])
        );
        assert_eq!(
            found(".metadata.annotations['example.com/size']"),
            json!(["large"])
        );
        assert_eq!(found("{.spec.ports[1].n}"), json!([2]));
        assert_eq!(found(".spec.ports[*].n"), json!([1, 2]));
        assert_eq!(
            found(r#".status.conditions[?(@.type=="Ready")].status"#),
            json!(["True"])
        );
        assert_eq!(found(".spec.nothing"), json!([]));
        assert_eq!(found(".spec["), json!([]));
        assert_eq!(found(""), json!([]));
    }
}
