//! Secrets made fit to be shown.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::Manifest;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::merge::LAST_APPLIED;

/// An object whose secret values are replaced. It is of another type than what can be applied, so
/// that a masked value never ends up in a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    /// What can be shown.
    pub fn shown(&self) -> &T {
        &self.0
    }
}

impl Masked<Manifest> {
    /// The value at a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }
}

/// The mask of a value that is the same on both sides, or on one only.
pub const MASK: &str = "***";
const BEFORE: &str = "*** (before)";
const AFTER: &str = "*** (after)";

/// Shorter secret values are not looked for elsewhere in the object: they are in everything.
const SHORTEST_SEARCHED: usize = 6;

/// One object, masked.
#[must_use]
pub fn mask(object: &Manifest) -> Masked<Manifest> {
    let (masked, _) = mask_pair(Some(object), None);
    masked.expect("the object was given")
}

/// Two states of an object, masked so that equal and different values can be told apart, but not
/// read: `***`, `*** (before)` and `*** (after)`. Only Secrets hold what is masked: `data` and
/// `stringData`, also in the last-applied annotation and where other annotations repeat a value.
#[must_use]
pub fn mask_pair(
    before: Option<&Manifest>,
    after: Option<&Manifest>,
) -> (Option<Masked<Manifest>>, Option<Masked<Manifest>>) {
    let (old, new) = (secrets_of(before), secrets_of(after));
    let masked = |object: Option<&Manifest>, side: Side<'_>| {
        object.map(|object| Masked(mask_one(object, &side)))
    };
    (
        masked(
            before,
            Side {
                own: &old,
                other: &new,
                different: BEFORE,
            },
        ),
        masked(
            after,
            Side {
                own: &new,
                other: &old,
                different: AFTER,
            },
        ),
    )
}

/// Secret values of one object by key, decoded.
type Secrets = BTreeMap<String, Vec<Vec<u8>>>;

struct Side<'a> {
    own: &'a Secrets,
    other: &'a Secrets,
    different: &'static str,
}

impl Side<'_> {
    fn mask_of(&self, key: &str, value: &[u8]) -> &'static str {
        match self.other.get(key) {
            Some(others) if !others.iter().any(|other| other == value) => self.different,
            _ => MASK,
        }
    }
}

/// The bytes that a value of `data` or `stringData` stands for.
fn secret_bytes(section: &str, value: &Value) -> Vec<u8> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if section == "data" {
        let compact: String = text.split_whitespace().collect();
        return STANDARD.decode(&compact).unwrap_or(text.into_bytes());
    }
    text.into_bytes()
}

fn secrets_of(object: Option<&Manifest>) -> Secrets {
    let mut secrets = Secrets::new();
    let Some(object) = object.filter(|object| object.is_secret()) else {
        return secrets;
    };
    collect(object.as_map(), &mut secrets);
    if let Some(Value::Object(last)) = object.annotation(LAST_APPLIED).and_then(last_applied) {
        let mut older = Secrets::new();
        collect(&last, &mut older);
        // The applied value of a key is only of interest where the key has no value now.
        for (key, values) in older {
            secrets.entry(key).or_insert(values);
        }
    }
    secrets
}

fn last_applied(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn collect(object: &Map<String, Value>, secrets: &mut Secrets) {
    for section in ["data", "stringData"] {
        for (key, value) in object
            .get(section)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if !value.is_null() {
                secrets
                    .entry(key.clone())
                    .or_default()
                    .push(secret_bytes(section, value));
            }
        }
    }
}

fn mask_one(object: &Manifest, side: &Side<'_>) -> Manifest {
    let mut masked = object.clone();
    if !object.is_secret() {
        return masked;
    }
    let mut needles = needles(side.own);
    if let Some(Value::Object(last)) = object.annotation(LAST_APPLIED).and_then(last_applied) {
        let mut older = Secrets::new();
        collect(&last, &mut older);
        needles.extend(self::needles(&older));
    }
    mask_sections(masked.as_map_mut(), side);
    let has_annotations = masked
        .metadata()
        .is_some_and(|m| m.contains_key("annotations"));
    if has_annotations
        && let Some(Value::Object(annotations)) = masked.metadata_mut().get_mut("annotations")
    {
        for (name, value) in annotations {
            let Value::String(text) = value else { continue };
            if name == LAST_APPLIED {
                *text = mask_last_applied(text, side);
            }
            if needles.iter().any(|needle| text.contains(needle.as_str())) {
                MASK.clone_into(text);
            }
        }
    }
    masked
}

/// The secret values as they could be written elsewhere: plain and in base64.
fn needles(secrets: &Secrets) -> Vec<String> {
    let mut needles = Vec::new();
    for value in secrets.values().flatten() {
        if value.len() >= SHORTEST_SEARCHED {
            needles.push(STANDARD.encode(value));
            needles.extend(String::from_utf8(value.clone()));
        }
    }
    needles
}

fn mask_last_applied(text: &str, side: &Side<'_>) -> String {
    match last_applied(text) {
        Some(Value::Object(mut object)) => {
            mask_sections(&mut object, side);
            Value::Object(object).to_string()
        }
        // What cannot be read can hold anything.
        _ => MASK.to_owned(),
    }
}

fn mask_sections(object: &mut Map<String, Value>, side: &Side<'_>) {
    for section in ["data", "stringData"] {
        match object.get_mut(section) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => {
                for (key, value) in values {
                    if !value.is_null() {
                        let mask = side.mask_of(key, &secret_bytes(section, value));
                        *value = Value::String(mask.to_owned());
                    }
                }
            }
            Some(other) => *other = Value::String(MASK.to_owned()),
        }
    }
}
