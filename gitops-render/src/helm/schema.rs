//! `values.schema.json`: validation with the words of the Go library that Helm uses.

use std::fmt::Write as _;

use boon::{Compiler, ErrorKind, SchemaIndex, Schemas, ValidationError};
use gitops_core::go::quote;
use serde_json::{Number, Value};

const URL: &str = "file:///values.schema.json";

/// A `values.schema.json`.
pub(crate) struct Schema {
    text: Value,
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    /// Validates the values of a chart. The error is Helm's text for this chart, with its line end.
    pub(crate) fn validate(&self, values: &Value) -> Result<(), String> {
        self.schemas.validate(values, self.index).map_err(|error| {
            let text = describe(&error, &self.text);
            let headline = format!("jsonschema validation failed with '{URL}#'\n");
            format!("{}\n", text.strip_prefix(&headline).unwrap_or(&text))
        })
    }
}

/// Reads a schema. The error is Helm's text.
pub(crate) fn compile(schema: &[u8]) -> Result<Schema, String> {
    let text = read_schema(schema)?;
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(NothingElse));
    compiler
        .add_resource(URL, text.clone())
        .map_err(|error| error.to_string())?;
    let mut schemas = Schemas::new();
    let index = compiler.compile(URL, &mut schemas).map_err(|error| {
        match (&error, text.get("$schema")) {
            // A name without a scheme is one that nothing loads.
            (boon::CompileError::ParseUrlError { .. }, Some(Value::String(name)))
            | (boon::CompileError::InvalidMetaSchemaUrl { .. }, Some(Value::String(name)))
                if !name.contains(':') =>
            {
                let name = quote(name.split('#').next().unwrap_or_default());
                format!("failing loading {name}: no URLLoader registered for {name}")
            }
            _ => compile_error(&error),
        }
    })?;
    Ok(Schema {
        text,
        schemas,
        index,
    })
}

/// Other documents are not fetched; `urn:` references, which Helm cannot resolve either, accept
/// everything.
struct NothingElse;

impl boon::UrlLoader for NothingElse {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        if url.starts_with("urn:") {
            return Ok(Value::Bool(true));
        }
        Err("reading other files or the network is not allowed".into())
    }
}

fn read_schema(schema: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(schema).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof if schema.iter().all(u8::is_ascii_whitespace) => {
            "EOF".to_owned()
        }
        serde_json::error::Category::Eof => "unexpected EOF".to_owned(),
        _ => error.to_string(),
    })
}

fn compile_error(error: &boon::CompileError) -> String {
    use boon::CompileError as E;
    let absolute = |url: &str| {
        if url.contains('#') {
            url.to_owned()
        } else {
            format!("{url}#")
        }
    };
    match error {
        E::ValidationError { url, src } => format!(
            "{} is not valid against metaschema: {}",
            quote(absolute(url)),
            describe(src, &Value::Null)
        ),
        E::LoadUrlError { url, src } => format!("failing loading {}: {src}", quote(url)),
        E::UnsupportedUrlScheme { url } => format!("no URLLoader registered for {}", quote(url)),
        E::JsonPointerNotFound(url) => format!("json-pointer in {} not found", quote(url)),
        E::InvalidJsonPointer(url) => format!("invalid json-pointer {}", quote(url)),
        E::AnchorNotFound { url, reference } => format!(
            "anchor in {} not found in schema {}",
            quote(reference),
            quote(url)
        ),
        E::UnsupportedDraft { url } => format!("draft {} is not supported", quote(url)),
        E::MetaSchemaCycle { url } => format!("cycle in resolving $schema in {}", quote(url)),
        E::InvalidRegex { url, regex, src } => {
            let reason = crate::funcs::regex_error(regex).unwrap_or_else(|| src.to_string());
            format!("invalid regex {} at {}: {reason}", quote(regex), quote(url))
        }
        other => other.to_string(),
    }
}

/// The text of an error and its causes. `schema` is the document that `URL` stands for.
fn describe(error: &ValidationError<'_, '_>, schema: &Value) -> String {
    let mut describer = Describer {
        schema,
        text: String::new(),
    };
    describer.error(error, &Place::default(), 0);
    describer.text
}

/// Where in the schema an error stands, as far as its causes need it.
#[derive(Default, Clone)]
struct Place {
    /// Location of the schema that gave the error.
    schema: String,
    /// The keyword that the error itself stands for, if it is one with alternatives.
    keyword: &'static str,
    /// What to add to an index of the instance location, by its depth.
    offsets: Vec<(usize, usize)>,
}

/// Writes errors as the Go library does. The library used here leaves out a level where exactly one
/// alternative of `allOf`, `anyOf` or `oneOf` failed, and counts items after `prefixItems` from 0;
/// both can be told from the locations of the schemas.
struct Describer<'a> {
    schema: &'a Value,
    text: String,
}

impl Describer<'_> {
    fn error(&mut self, error: &ValidationError<'_, '_>, parent: &Place, indent: usize) {
        let tokens: Vec<String> = instance_tokens(error);
        let mut place = Place {
            schema: error.schema_url.to_owned(),
            keyword: "",
            offsets: parent.offsets.clone(),
        };
        let steps = steps_below(&parent.schema, error.schema_url, parent.keyword);
        let descents = steps.iter().filter(|step| step.descends()).count();
        let mut depth = tokens.len().saturating_sub(descents);
        let mut below = indent;
        for step in steps {
            match step {
                Step::Alternatives(reason) => {
                    let at = corrected(&tokens[..depth.min(tokens.len())], &place.offsets);
                    self.line(below, &at, reason);
                    below += 1;
                }
                Step::Other => {}
                Step::Down(pointer) => {
                    let skipped = pointer.map_or(0, |at| self.prefix_items(&at));
                    if skipped > 0 {
                        place.offsets.push((depth, skipped));
                    }
                    depth += 1;
                }
            }
        }
        let is_skipped =
            error.causes.len() == 1 && matches!(error.kind, ErrorKind::Reference { .. });
        if !is_skipped {
            let reason = reason(&error.kind);
            if matches!(error.kind, ErrorKind::Schema { .. }) {
                self.text.push_str(&reason);
            } else {
                self.line(below, &corrected(&tokens, &place.offsets), &reason);
            }
            below += 1;
        }
        match &error.kind {
            ErrorKind::Reference { url, .. } => place.schema = (*url).to_owned(),
            ErrorKind::AllOf => place.keyword = "allOf",
            ErrorKind::AnyOf => place.keyword = "anyOf",
            ErrorKind::OneOf(_) => place.keyword = "oneOf",
            _ => {}
        }
        for cause in in_order(&error.causes) {
            self.error(cause, &place, below);
        }
    }

    fn line(&mut self, indent: usize, at: &str, reason: &str) {
        if indent > 0 {
            self.text.push('\n');
            self.text.push_str(&"  ".repeat(indent - 1));
            self.text.push_str("- ");
        }
        let _ = write!(self.text, "at {}: {reason}", quoted(at));
    }

    /// How many items come before those of `items` or `additionalItems` of a schema.
    fn prefix_items(&self, pointer: &str) -> usize {
        let Some(schema) = self.schema.pointer(pointer) else {
            return 0;
        };
        let list = |key: &str| {
            schema
                .get(key)
                .and_then(Value::as_array)
                .map_or(0, Vec::len)
        };
        list("prefixItems").max(list("items"))
    }
}

/// Causes as they come, but for properties that nothing evaluated, which come in any order: by name.
fn in_order<'c, 's, 'v>(causes: &'c [ValidationError<'s, 'v>]) -> Vec<&'c ValidationError<'s, 'v>> {
    let is_unordered =
        |cause: &ValidationError<'_, '_>| cause.schema_url.contains("/unevaluatedProperties");
    let mut ordered: Vec<_> = causes.iter().collect();
    for run in ordered.chunk_by_mut(|a, b| is_unordered(a) && is_unordered(b)) {
        if run.len() > 1 {
            run.sort_by_cached_key(|cause| cause.instance_location.to_string());
        }
    }
    ordered
}

/// One part of the way from a schema to one within it.
enum Step {
    /// Into an alternative of `allOf`, `anyOf` or `oneOf`, with the text of its failure.
    Alternatives(&'static str),
    /// Into a property or item; with the pointer to the schema where items are counted anew.
    Down(Option<String>),
    Other,
}

impl Step {
    fn descends(&self) -> bool {
        matches!(self, Self::Down(_))
    }
}

/// The steps from one schema to another within it. `keyword` is already told.
fn steps_below(from: &str, to: &str, keyword: &str) -> Vec<Step> {
    let Some(rest) = to.strip_prefix(from).filter(|_| !from.is_empty()) else {
        return Vec::new();
    };
    let start = to
        .find('#')
        .filter(|_| to.starts_with(URL))
        .map(|hash| &to[hash + 1..]);
    let mut pointer = start.map(|pointer| pointer[..pointer.len() - rest.len()].to_owned());
    let tokens: Vec<&str> = rest.split('/').filter(|token| !token.is_empty()).collect();
    let is_index =
        |token: Option<&&str>| token.is_some_and(|token| token.bytes().all(|b| b.is_ascii_digit()));
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(&token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        let (step, length) = match token {
            "allOf" if is_index(next) => (Step::Alternatives("'allOf' failed"), 2),
            "anyOf" if is_index(next) => (Step::Alternatives("'anyOf' failed"), 2),
            "oneOf" if is_index(next) => (Step::Alternatives("'oneOf' failed, none matched"), 2),
            "properties" | "patternProperties" => (Step::Down(None), 2),
            "prefixItems" => (Step::Down(None), 2),
            "items" if is_index(next) => (Step::Down(None), 2),
            "items" | "additionalItems" => (Step::Down(pointer.clone()), 1),
            "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems" | "contains" => {
                (Step::Down(None), 1)
            }
            "dependentSchemas" | "dependencies" | "$defs" | "definitions" => (Step::Other, 2),
            _ => (Step::Other, 1),
        };
        let is_told = at == 0 && token == keyword;
        if !is_told {
            steps.push(step);
        }
        let end = (at + length).min(tokens.len());
        if let Some(pointer) = &mut pointer {
            for token in &tokens[at..end] {
                pointer.push('/');
                pointer.push_str(&percent_decoded(token));
            }
        }
        at = end;
    }
    steps
}

fn percent_decoded(token: &str) -> String {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn instance_tokens(error: &ValidationError<'_, '_>) -> Vec<String> {
    let location = error.instance_location.to_string();
    location.split('/').skip(1).map(str::to_owned).collect()
}

/// The instance location with the offsets applied.
fn corrected(tokens: &[String], offsets: &[(usize, usize)]) -> String {
    let mut location = String::new();
    for (depth, token) in tokens.iter().enumerate() {
        let offset: usize = offsets
            .iter()
            .filter(|(at, _)| *at == depth)
            .map(|(_, offset)| offset)
            .sum();
        location.push('/');
        match token.parse::<usize>() {
            Ok(index) if offset > 0 => location.push_str(&(index + offset).to_string()),
            _ => location.push_str(token),
        }
    }
    location
}

fn reason(kind: &ErrorKind<'_, '_>) -> String {
    use ErrorKind as K;
    let list = |indexes: &[usize]| {
        let texts: Vec<String> = indexes.iter().map(ToString::to_string).collect();
        texts.join(" ")
    };
    match kind {
        K::Group | K::Reference { .. } => "validation failed".to_owned(),
        K::Schema { url } => format!("jsonschema validation failed with {}", quoted(url)),
        K::ContentSchema => "'contentSchema' failed".to_owned(),
        K::PropertyName { prop } => format!("invalid propertyName {}", quoted(prop)),
        K::RefCycle {
            url,
            kw_loc1,
            kw_loc2,
        } => format!(
            "both {kw_loc1} and {kw_loc2} resolve to {} causing reference cycle",
            quote(url)
        ),
        K::FalseSchema => "false schema".to_owned(),
        K::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|t| t.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        K::Enum { want } => {
            if want.iter().any(is_container) {
                return "'enum' failed".to_owned();
            }
            match want.as_slice() {
                [one] => format!("value must be {}", shown(one)),
                _ => {
                    let want: Vec<String> = want.iter().map(shown).collect();
                    format!("value must be one of {}", want.join(", "))
                }
            }
        }
        K::Const { want } if is_container(want) => "'const' failed".to_owned(),
        K::Const { want } => format!("value must be {}", shown(want)),
        K::Format { got, want, err } => {
            let regex_error = match &**got {
                Value::String(pattern) if *want == "regex" => crate::funcs::regex_error(pattern),
                _ => None,
            };
            let reason = regex_error.unwrap_or_else(|| err.to_string());
            format!("{} is not valid {want}: {reason}", shown(got))
        }
        K::MinProperties { got, want } => bounds("minProperties", *got, *want),
        K::MaxProperties { got, want } => bounds("maxProperties", *got, *want),
        K::AdditionalProperties { got } => {
            let got: Vec<&str> = got.iter().map(AsRef::as_ref).collect();
            format!("additional properties {} not allowed", all_quoted(&got))
        }
        K::Required { want } => match want.as_slice() {
            [one] => format!("missing property {}", quoted(one)),
            _ => format!("missing properties {}", all_quoted(want)),
        },
        K::Dependency { prop, missing } | K::DependentRequired { prop, missing } => format!(
            "properties {} required, if {} exists",
            all_quoted(missing),
            quoted(prop)
        ),
        K::MinItems { got, want } => bounds("minItems", *got, *want),
        K::MaxItems { got, want } => bounds("maxItems", *got, *want),
        K::Contains => "no items match contains schema".to_owned(),
        K::MinContains { got, want } if got.is_empty() => format!(
            "min {} items required to match contains schema, but none matched",
            grouped(&want.to_string())
        ),
        K::MinContains { got, want } => format!(
            "min {} items required to match contains schema, but matched {} items at {}",
            grouped(&want.to_string()),
            grouped(&got.len().to_string()),
            list(got)
        ),
        K::MaxContains { got, want } => format!(
            "max {} items required to match contains schema, but matched {} items at {}",
            grouped(&want.to_string()),
            grouped(&got.len().to_string()),
            list(got)
        ),
        K::UniqueItems { got: [a, b] } => format!(
            "items at {} and {} are equal",
            grouped(&a.to_string()),
            grouped(&b.to_string())
        ),
        K::AdditionalItems { got } => format!(
            "last {} additionalItem(s) not allowed",
            grouped(&got.to_string())
        ),
        K::MinLength { got, want } => bounds("minLength", *got, *want),
        K::MaxLength { got, want } => bounds("maxLength", *got, *want),
        K::Pattern { got, want } => {
            format!("{} does not match pattern {}", quoted(got), quoted(want))
        }
        K::ContentEncoding { want, err } => {
            format!("value is not {} encoded: {err}", quoted(want))
        }
        K::ContentMediaType { want, err, .. } => {
            format!("value is not of mediatype {}: {err}", quoted(want))
        }
        K::Minimum { got, want } => numbers("minimum", got, want),
        K::Maximum { got, want } => numbers("maximum", got, want),
        K::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        K::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        K::MultipleOf { got, want } => numbers("multipleOf", got, want),
        K::Not => "'not' failed".to_owned(),
        K::AllOf => "'allOf' failed".to_owned(),
        K::AnyOf => "'anyOf' failed".to_owned(),
        K::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        K::OneOf(Some((a, b))) => format!(
            "'oneOf' failed, subschemas {}, {} matched",
            grouped(&a.to_string()),
            grouped(&b.to_string())
        ),
    }
}

fn is_container(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Null => "<nil>".to_owned(),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        other => other.to_string(),
    }
}

/// A text in single quotes.
fn quoted(text: &str) -> String {
    let text = quote(text);
    let text = text[1..text.len() - 1].replace("\\\"", "\"");
    format!("'{}'", text.replace('\'', "\\'"))
}

fn all_quoted(texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    texts.join(", ")
}

fn bounds(keyword: &str, got: usize, want: usize) -> String {
    format!(
        "{keyword}: got {}, want {}",
        grouped(&got.to_string()),
        grouped(&want.to_string())
    )
}

fn numbers(keyword: &str, got: &Number, want: &Number) -> String {
    format!("{keyword}: got {}, want {}", english(got), english(want))
}

/// A number in English: thousands are grouped, from a million on as a power of ten.
fn english(number: &Number) -> String {
    let value = number.as_f64().unwrap_or_default();
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = gitops_core::go::shortest(value);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return grouped(&value.to_string());
    }
    let mut power = String::new();
    if exponent < 0 {
        power.push('⁻');
    }
    for digit in format!("{:02}", exponent.abs()).bytes() {
        power.push(['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][usize::from(digit - b'0')]);
    }
    format!("{digits}×10{power}")
}

/// Commas between thousands of the part before the point.
fn grouped(number: &str) -> String {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, fraction) = match number.find('.') {
        Some(point) => number.split_at(point),
        None => (number, ""),
    };
    let mut text = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn validate(schema: &[u8], values: &Value) -> Result<(), String> {
        compile(schema)?.validate(values)
    }

    #[test]
    fn numbers_are_written_in_english() {
        for (number, text) in [
            (json!(70000), "70,000"),
            (json!(0.5), "0.5"),
            (json!(-1234.5), "-1,234.5"),
            (json!(1234567.5), "1.2345675×10⁰⁶"),
            (json!(1e-5), "1×10⁻⁰⁵"),
            (json!(0.0), "0"),
        ] {
            let Value::Number(number) = number else {
                panic!()
            };
            assert_eq!(english(&number), text);
        }
    }

    #[test]
    fn mistakes_have_the_words_of_the_go_library() {
        let check = |schema: Value, values: Value| {
            validate(schema.to_string().as_bytes(), &values).unwrap_err()
        };
        assert_eq!(
            check(
                json!({"properties": {"a": {"type": "string"}}}),
                json!({"a": 1})
            ),
            "- at '/a': got number, want string\n"
        );
        assert_eq!(
            check(json!({"required": ["a", "b"]}), json!({})),
            "- at '': missing properties 'a', 'b'\n"
        );
        assert_eq!(
            check(
                json!({"properties": {"a": {"oneOf": [{"const": 1}, {"const": "x"}]}}}),
                json!({"a": 2})
            ),
            "- at '/a': 'oneOf' failed, none matched\n  - at '/a': value must be 1\n  - at '/a': value must be 'x'\n"
        );
        assert_eq!(
            check(
                json!({"properties": {"a": {"allOf": [{"type": "string"}]}}}),
                json!({"a": 2})
            ),
            "- at '/a': 'allOf' failed\n  - at '/a': got number, want string\n"
        );
        assert_eq!(
            check(
                json!({"properties": {"a": {"prefixItems": [true], "items": {"$ref": "#/$defs/s"}}}, "$defs": {"s": {"type": "string"}}}),
                json!({"a": [1, 2]})
            ),
            "- at '/a/1': got number, want string\n"
        );
        assert!(validate(b"{\"type\": ", &json!({})).unwrap_err() == "unexpected EOF");
    }
}
