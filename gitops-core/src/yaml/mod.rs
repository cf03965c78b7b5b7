//! YAML as Kubernetes tools read and write it (sigs.k8s.io/yaml: go-yaml v2's YAML 1.1 rules, then JSON).
//!
//! Reading goes through the same steps as in Go: characters, tokens, events (libyaml's rules), nodes,
//! values (go-yaml v2's: `yes`, `on` and `y` are booleans, `0644` is octal, `<<` merges), JSON
//! (keys become strings, `.inf` is an error). The scanner is one of our own, since YAML 1.2 parsers
//! accept, refuse and read texts otherwise than libyaml does.
//!
//! Writing gives the bytes go-yaml v2 would write: [`to_string`] for JSON values, [`Emitter`] for
//! other types.

mod block;
mod compose;
mod decode;
mod emit;
mod error;
mod event;
pub(crate) mod go_number;
mod mapping;
mod options;
mod resolve;
mod scalar;
mod scan;
mod skim;
mod stream;
mod tree;

pub use emit::{Emitter, key_order, sort_by_key_order};
pub use error::{Limit, YamlError, YamlErrorKind};
pub use options::Options;
pub use stream::{Chunks, Documents, chunks, documents, documents_with};

use std::borrow::Cow;

use serde_json::Value;

use self::{
    compose::{NoValue, Wanted},
    event::Parser,
    scan::{Input, Mark, Scanner},
};

/// Reads the first document of `text`. Empty text is `null`; of equal keys the last wins.
///
/// ```
/// let value = gitops_core::yaml::from_str("mode: 0644\nenabled: yes\n")?;
/// assert_eq!(value, serde_json::json!({"mode": 420, "enabled": true}));
/// # Ok::<(), gitops_core::yaml::YamlError>(())
/// ```
pub fn from_str(text: &str) -> Result<Value, YamlError> {
    from_str_with(text, &Options::default())
}

/// As [`from_str`], but equal keys in a mapping are an error (`YAMLToJSONStrict`).
pub fn from_str_strict(text: &str) -> Result<Value, YamlError> {
    from_str_with(text, &Options::strict())
}

/// As [`from_str`], with options.
pub fn from_str_with(text: &str, options: &Options) -> Result<Value, YamlError> {
    check_bytes(text.len(), options)?;
    read_first(&Input::from_text(text), options)
}

/// As [`from_str`], but of a mapping at the root only those entries are kept whose key is `wanted`.
///
/// Everything else is read as far as it takes to know whether the document as a whole is an error.
///
/// ```
/// let text = "kind: Secret\ndata: {token: x}\n";
/// let head = gitops_core::yaml::from_str_only(text, &|key| key == "kind")?;
/// assert_eq!(head, serde_json::json!({"kind": "Secret"}));
/// assert!(gitops_core::yaml::from_str_only("data: .inf\n", &|key| key == "kind").is_err());
/// # Ok::<(), gitops_core::yaml::YamlError>(())
/// ```
pub fn from_str_only(text: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Value, YamlError> {
    let options = Options::default();
    check_bytes(text.len(), &options)?;
    let input = Input::from_text(text);
    let skimmed = match input.problem {
        None => read_skimmed(&input.text, wanted, &options),
        Some(_) => None,
    };
    let mut value = match skimmed {
        Some(value) => value,
        None => read(&input, &options, Some(wanted))?,
    };
    if let Value::Object(entries) = &mut value {
        entries.retain(|key, _| wanted(key));
    }
    Ok(value)
}

/// Reads the first document of text in UTF-8, or in UTF-16 with a byte order mark.
pub fn from_slice(bytes: &[u8]) -> Result<Value, YamlError> {
    from_slice_with(bytes, &Options::default())
}

/// As [`from_slice`], with options.
pub fn from_slice_with(bytes: &[u8], options: &Options) -> Result<Value, YamlError> {
    check_bytes(bytes.len(), options)?;
    read_first(&Input::from_bytes(bytes), options)
}

/// Writes a value as go-yaml does, keys sorted, integers exact.
///
/// ```
/// let value = serde_json::json!({"a10": [1, {"b": "yes"}], "a9": {}});
/// assert_eq!(gitops_core::yaml::to_string(&value), "a9: {}\na10:\n- 1\n- b: \"yes\"\n");
/// ```
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut emitter = Emitter::new();
    emitter.value(value);
    emitter.finish()
}

/// Writes a value as go-yaml v3 does with an indentation of two, which is Helm's `toYamlPretty`: lists
/// are indented below their keys and long lines are not folded.
///
/// ```
/// let value = serde_json::json!({"a": [1, {"b": "yes"}]});
/// assert_eq!(gitops_core::yaml::to_string_pretty(&value), "a:\n  - 1\n  - b: \"yes\"\n");
/// ```
#[must_use]
pub fn to_string_pretty(value: &Value) -> String {
    let mut emitter = Emitter::pretty();
    emitter.value(value);
    emitter.finish()
}

fn check_bytes(bytes: usize, options: &Options) -> Result<(), YamlError> {
    /// Places are counted in 32 bits.
    const MOST: usize = u32::MAX as usize;
    let allowed = options.max_bytes.min(MOST);
    if bytes > allowed {
        return Err(YamlError::limit(Mark::default(), Limit::Bytes, allowed));
    }
    Ok(())
}

/// libyaml's own limit of nesting.
const SCANNER_DEPTH: usize = 10_000;

fn read_first(input: &Input<'_>, options: &Options) -> Result<Value, YamlError> {
    read(input, options, None)
}

/// The wanted entries of a text that is known to have no error in the others.
fn read_skimmed(text: &str, wanted: Wanted<'_>, options: &Options) -> Option<Value> {
    let parts = skim::entries(text, wanted)?;
    if parts.is_empty() {
        return Some(Value::Object(serde_json::Map::new()));
    }
    let part: Cow<'_, str> = match parts.as_slice() {
        [part] => Cow::Borrowed(&text[part.clone()]),
        parts => parts.iter().map(|part| &text[part.clone()]).collect(),
    };
    read_first(&Input::from_text(&part), options).ok()
}

/// Reads the first document; where it is a mapping, entries that are not wanted may be left out.
fn read(
    input: &Input<'_>,
    options: &Options,
    wanted: Option<Wanted<'_>>,
) -> Result<Value, YamlError> {
    if wanted.is_none()
        && input.problem.is_none()
        && let Some(value) = block::value(&input.text, options)
    {
        return Ok(value);
    }
    scan_first(input, options, wanted)
}

/// Reads the first document by tokens and events.
fn scan_first(
    input: &Input<'_>,
    options: &Options,
    wanted: Option<Wanted<'_>>,
) -> Result<Value, YamlError> {
    let parser = || Parser::new(Scanner::new(&input.text, input.problem, SCANNER_DEPTH));
    match compose::next_document(&mut parser(), options, wanted) {
        Ok(value) => Ok(value),
        Err(NoValue::End) => Ok(Value::Null),
        Err(NoValue::Error(error)) => Err(error),
        Err(NoValue::NeedsTree) => match tree::next_document(&mut parser(), options)? {
            Some(tree) => decode::decode(&tree, options),
            None => Ok(Value::Null),
        },
    }
}

#[cfg(test)]
fn scanned(text: &str, options: &Options) -> Result<Value, YamlError> {
    scan_first(&Input::from_text(text), options, None)
}
