//! The text form of rules.

use gitops_core::health::HealthStatus;
use serde_json::Value;

use super::status_of;

#[derive(Debug)]
pub(super) enum Statement {
    Need(Vec<String>),
    If(Test, Verdict),
    Each(Vec<(Test, Verdict)>),
    End(Verdict),
}

/// Any of these holds, each of which is: all of those hold.
#[derive(Debug)]
pub(super) struct Test(pub(super) Vec<Vec<Atom>>);

#[derive(Debug)]
pub(super) struct Atom {
    pub(super) left: Side,
    pub(super) compare: Compare,
}

#[derive(Debug)]
pub(super) enum Side {
    Path(Vec<String>),
    Field(String),
    Literal(Value),
}

#[derive(Debug)]
pub(super) enum Compare {
    Exists,
    Missing,
    True,
    Equal(Side),
    NotEqual(Side),
    Less(Side),
    Greater(Side),
    Prefix(String),
    Number,
    In(Vec<Value>),
    /// Type and status of a condition; the status is this one, or is not.
    Condition((String, String), bool),
}

#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) status: Option<HealthStatus>,
    pub(super) message: Template,
}

#[derive(Debug)]
pub(super) struct Template(pub(super) Vec<Piece>);

#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Any(Vec<Side>),
}

/// Fields of a condition; other bare words are types of conditions.
const FIELDS: [&str; 6] = [
    "type",
    "status",
    "reason",
    "message",
    "severity",
    "observedGeneration",
];

type Kinds = Vec<(String, String)>;

pub(super) fn rules(text: &str) -> Result<Vec<(Kinds, Vec<Statement>)>, String> {
    let mut rules: Vec<(Kinds, Vec<Statement>)> = Vec::new();
    let mut new_round = true;
    for (index, line) in text.lines().enumerate() {
        let fail = |what: &str| format!("line {}: {what}: {line}", index + 1);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            let header = trimmed
                .strip_suffix(':')
                .ok_or_else(|| fail("a header ends with `:`"))?;
            let kinds: Option<Kinds> = header
                .split(',')
                .map(|kind| {
                    let (group, kind) = kind.trim().rsplit_once('/')?;
                    Some((group.to_owned(), kind.to_owned()))
                })
                .collect();
            rules.push((
                kinds.ok_or_else(|| fail("a kind is `group/Kind`"))?,
                Vec::new(),
            ));
            new_round = true;
            continue;
        }
        let Some((_, body)) = rules.last_mut() else {
            return Err(fail("a header is missing"));
        };
        if trimmed == "--" {
            new_round = true;
            continue;
        }
        let statement = statement(trimmed).map_err(|what| fail(&what))?;
        match (statement, body.last_mut()) {
            (Statement::Each(clauses), Some(Statement::Each(round))) if !new_round => {
                round.extend(clauses);
            }
            (statement, _) => {
                new_round = !matches!(statement, Statement::Each(_));
                body.push(statement);
            }
        }
    }
    Ok(rules)
}

fn statement(line: &str) -> Result<Statement, String> {
    let guarded = |rest: &str| -> Result<(Test, Verdict), String> {
        let (test, then) = split_outside_quotes(rest, ": ").ok_or("a test ends with `: `")?;
        Ok((parse_test(test)?, verdict(then)?))
    };
    if let Some(path) = line.strip_prefix("need ") {
        return Ok(Statement::Need(path_of(path.trim())?));
    }
    if let Some(rest) = line.strip_prefix("if ") {
        let (test, verdict) = guarded(rest)?;
        return Ok(Statement::If(test, verdict));
    }
    if let Some(rest) = line.strip_prefix("each ") {
        return Ok(Statement::Each(vec![guarded(rest)?]));
    }
    Ok(Statement::End(verdict(line)?))
}

fn verdict(text: &str) -> Result<Verdict, String> {
    let (word, message) = text.split_once(' ').unwrap_or((text, ""));
    let status = match word {
        "None" => None,
        word => Some(status_of(word).ok_or_else(|| format!("`{word}` is no status"))?),
    };
    Ok(Verdict {
        status,
        message: template(message)?,
    })
}

fn template(text: &str) -> Result<Template, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let end = rest[start..].find('}').ok_or("`{` without `}`")? + start;
        if start > 0 {
            pieces.push(Piece::Text(rest[..start].to_owned()));
        }
        let sides: Result<Vec<Side>, String> = rest[start + 1..end]
            .split('|')
            .map(|side| parse_side(side.trim()))
            .collect();
        pieces.push(Piece::Any(sides?));
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(Template(pieces))
}

fn parse_test(text: &str) -> Result<Test, String> {
    let mut any = Vec::new();
    for all in split_all(text, " or ") {
        let atoms: Result<Vec<Atom>, String> =
            split_all(all, " and ").into_iter().map(atom).collect();
        any.push(atoms?);
    }
    Ok(Test(any))
}

fn atom(text: &str) -> Result<Atom, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a test is empty".to_owned());
    }
    let make = |left: &str, compare| {
        Ok(Atom {
            left: parse_side(left)?,
            compare,
        })
    };
    if let Some((left, values)) = split_outside_quotes(text, " in ") {
        let values = values
            .split('|')
            .map(|value| literal(value.trim()))
            .collect();
        return make(left, Compare::In(values));
    }
    if let Some(number) = text.strip_suffix(" is number") {
        return make(number, Compare::Number);
    }
    if let Some(missing) = text.strip_prefix('!') {
        return make(missing, Compare::Missing);
    }
    if let Some(truth) = text.strip_suffix('?') {
        return make(truth, Compare::True);
    }
    if let Some((left, right)) = split_outside_quotes(text, "^=") {
        return make(left, Compare::Prefix(unquoted(right)));
    }
    for (operator, is_equal) in [("!=", false), ("=", true)] {
        let Some((left, right)) = split_outside_quotes(text, operator) else {
            continue;
        };
        if is_type(left) {
            let wanted = (left.to_owned(), unquoted(right));
            return make("type", Compare::Condition(wanted, is_equal));
        }
        let right = right_side(right)?;
        return make(
            left,
            if is_equal {
                Compare::Equal(right)
            } else {
                Compare::NotEqual(right)
            },
        );
    }
    if let Some((left, right)) = split_outside_quotes(text, "<") {
        return make(left, Compare::Less(right_side(right)?));
    }
    if let Some((left, right)) = split_outside_quotes(text, ">") {
        return make(left, Compare::Greater(right_side(right)?));
    }
    if is_type(text) {
        return make("type", Compare::Equal(Side::Literal(Value::from(text))));
    }
    make(text, Compare::Exists)
}

fn is_type(text: &str) -> bool {
    !text.starts_with(['.', '\'']) && !FIELDS.contains(&text)
}

fn parse_side(text: &str) -> Result<Side, String> {
    if text.starts_with('.') {
        Ok(Side::Path(path_of(text)?))
    } else if text.starts_with('\'') {
        Ok(Side::Literal(Value::String(unquoted(text))))
    } else if FIELDS.contains(&text) {
        Ok(Side::Field(text.to_owned()))
    } else {
        Err(format!(
            "`{text}` is neither a path nor a field of a condition"
        ))
    }
}

fn right_side(text: &str) -> Result<Side, String> {
    if text.starts_with('.') {
        parse_side(text)
    } else {
        Ok(Side::Literal(literal(text)))
    }
}

fn literal(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::String(unquoted(text)),
        },
    }
}

fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    inner.unwrap_or(text).to_owned()
}

/// `.a.b["c.d"]`.
fn path_of(text: &str) -> Result<Vec<String>, String> {
    let mut path = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let end = quoted.find("\"]").ok_or("`[\"` without `\"]`")?;
            path.push(quoted[..end].to_owned());
            rest = &quoted[end + 2..];
        } else if let Some(named) = rest.strip_prefix('.') {
            let end = named.find(['.', '[']).unwrap_or(named.len());
            if end == 0 {
                return Err(format!("the path `{text}` has an empty name"));
            }
            path.push(named[..end].to_owned());
            rest = &named[end..];
        } else {
            return Err(format!("the path `{text}` does not begin with `.`"));
        }
    }
    if path.is_empty() {
        return Err("a path is empty".to_owned());
    }
    Ok(path)
}

fn split_outside_quotes<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut quoted = false;
    for (index, character) in text.char_indices() {
        if character == '\'' {
            quoted = !quoted;
        } else if !quoted && text[index..].starts_with(separator) {
            return Some((&text[..index], &text[index + separator.len()..]));
        }
    }
    None
}

fn split_all<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, after)) = split_outside_quotes(rest, separator) {
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}
