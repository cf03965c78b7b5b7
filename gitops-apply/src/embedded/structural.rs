//! Structural schemas of CustomResourceDefinitions: pruning, defaults and validation of custom
//! objects. How they merge is the business of [`gitops_core::schema::Schema`].
//!
//! Rules in CEL (`x-kubernetes-validations`) are not evaluated.

use std::{collections::BTreeMap, sync::OnceLock};

use regex::Regex;
use serde_json::{Map, Value};

use super::status::FieldError;

/// One node of a structural schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Structural {
    kind: Kind,
    nullable: bool,
    properties: BTreeMap<String, Self>,
    additional: Option<Box<Self>>,
    items: Option<Box<Self>>,
    required: Vec<String>,
    preserve_unknown: bool,
    embedded_resource: bool,
    default: Option<Value>,
    limits: Option<Box<Limits>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

#[derive(Debug, Clone, Default)]
struct Limits {
    one_of: Vec<Value>,
    minimum: Option<(f64, bool)>,
    maximum: Option<(f64, bool)>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    unique: bool,
    pattern: Option<(String, OnceLock<Option<Regex>>)>,
    all_of: Vec<Structural>,
    any_of: Vec<Structural>,
    exactly_one_of: Vec<Structural>,
    not: Option<Structural>,
}

impl Structural {
    /// Reads an `openAPIV3Schema`. What it does not know it takes for unrestricted.
    pub(crate) fn parse(schema: &Value) -> Self {
        let flag = |key: &str| schema.get(key).and_then(Value::as_bool).unwrap_or(false);
        let list = |key: &str| -> Vec<Self> {
            let items = schema.get(key).and_then(Value::as_array);
            items.into_iter().flatten().map(Self::parse).collect()
        };
        let number = |key: &str| schema.get(key).and_then(Value::as_f64);
        let size = |key: &str| schema.get(key).and_then(Value::as_u64);
        let kind = if flag("x-kubernetes-int-or-string") {
            Kind::IntOrString
        } else {
            match schema.get("type").and_then(Value::as_str) {
                Some("object") => Kind::Object,
                Some("array") => Kind::Array,
                Some("string") => Kind::String,
                Some("integer") => Kind::Integer,
                Some("number") => Kind::Number,
                Some("boolean") => Kind::Boolean,
                _ => Kind::Any,
            }
        };
        let limits = Limits {
            one_of: schema
                .get("enum")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            minimum: number("minimum").map(|n| (n, flag("exclusiveMinimum"))),
            maximum: number("maximum").map(|n| (n, flag("exclusiveMaximum"))),
            min_length: size("minLength"),
            max_length: size("maxLength"),
            min_items: size("minItems"),
            max_items: size("maxItems"),
            min_properties: size("minProperties"),
            max_properties: size("maxProperties"),
            unique: flag("uniqueItems")
                || schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set"),
            pattern: schema
                .get("pattern")
                .and_then(Value::as_str)
                .map(|pattern| (pattern.to_owned(), OnceLock::new())),
            all_of: list("allOf"),
            any_of: list("anyOf"),
            exactly_one_of: list("oneOf"),
            not: schema.get("not").map(Self::parse),
        };
        Self {
            kind,
            nullable: flag("nullable"),
            properties: schema
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), Self::parse(property)))
                .collect(),
            additional: match schema.get("additionalProperties") {
                Some(Value::Object(_)) => {
                    Some(Box::new(Self::parse(&schema["additionalProperties"])))
                }
                Some(Value::Bool(true)) => Some(Box::default()),
                _ => None,
            },
            items: schema
                .get("items")
                .map(|items| Box::new(Self::parse(items))),
            required: schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded_resource: flag("x-kubernetes-embedded-resource"),
            default: schema.get("default").cloned(),
            limits: limits.is_any().then(|| Box::new(limits)),
        }
    }

    /// Drops fields that the schema does not know; their paths are added to `unknown`.
    pub(crate) fn prune(&self, value: &mut Value, unknown: &mut Vec<String>) {
        self.prune_at(value, true, "", unknown);
    }

    fn prune_at(&self, value: &mut Value, is_root: bool, path: &str, unknown: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                let is_resource = is_root || self.embedded_resource;
                map.retain(|key, child| {
                    if is_resource && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                        return true;
                    }
                    let at = join(path, key);
                    match self.properties.get(key).or(self.additional.as_deref()) {
                        Some(schema) => schema.prune_at(child, false, &at, unknown),
                        None if self.preserve_unknown => {}
                        None => {
                            unknown.push(at);
                            return false;
                        }
                    }
                    true
                });
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter_mut().enumerate() {
                        schema.prune_at(item, false, &format!("{path}[{index}]"), unknown);
                    }
                }
            }
            _ => {}
        }
    }

    /// Fills in defaults.
    pub(crate) fn fill_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (name, property) in &self.properties {
                    let missing = match map.get(name) {
                        None => true,
                        Some(Value::Null) => !property.nullable,
                        Some(_) => false,
                    };
                    if missing && let Some(default) = &property.default {
                        map.insert(name.clone(), default.clone());
                    }
                    if let Some(child) = map.get_mut(name) {
                        property.fill_defaults(child);
                    }
                }
                if let Some(additional) = &self.additional {
                    for (name, child) in map.iter_mut() {
                        if !self.properties.contains_key(name) {
                            additional.fill_defaults(child);
                        }
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    items.iter_mut().for_each(|item| schema.fill_defaults(item));
                }
            }
            _ => {}
        }
    }

    /// Whether any field has a default.
    pub(crate) fn has_defaults(&self) -> bool {
        self.properties
            .values()
            .any(|p| p.default.is_some() || p.has_defaults())
            || self.additional.as_deref().is_some_and(Self::has_defaults)
            || self.items.as_deref().is_some_and(Self::has_defaults)
    }

    /// Adds what is wrong with a value.
    pub(crate) fn validate(&self, value: &Value, errors: &mut Vec<FieldError>) {
        self.validate_at(value, "", true, errors);
    }

    fn validate_at(&self, value: &Value, path: &str, is_root: bool, errors: &mut Vec<FieldError>) {
        if value.is_null() && (self.nullable || self.kind == Kind::Any) {
            return;
        }
        if let Some((wanted, found)) = self.mismatch(value) {
            errors.push(FieldError::type_invalid(
                if path.is_empty() { "<nil>" } else { path },
                &Value::String(found.to_owned()),
                &format!("{path} in body must be of type {wanted}: \"{found}\""),
            ));
            return;
        }
        match value {
            Value::Object(map) => self.validate_object(map, path, is_root, errors),
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        schema.validate_at(item, &format!("{path}[{index}]"), false, errors);
                    }
                }
            }
            _ => {}
        }
        if let Some(limits) = &self.limits {
            limits.validate(value, path, errors);
        }
    }

    fn validate_object(
        &self,
        map: &Map<String, Value>,
        path: &str,
        is_root: bool,
        errors: &mut Vec<FieldError>,
    ) {
        for (key, child) in map {
            if is_root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                continue;
            }
            if let Some(schema) = self.properties.get(key).or(self.additional.as_deref()) {
                schema.validate_at(child, &join(path, key), false, errors);
            }
        }
        for name in &self.required {
            if !map.contains_key(name) {
                errors.push(FieldError::required(join(path, name), ""));
            }
        }
    }

    fn mismatch(&self, value: &Value) -> Option<(&'static str, &'static str)> {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(n) if is_integer(n) => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let wanted = match self.kind {
            Kind::Any => return None,
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number if found == "integer" => return None,
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::IntOrString if found == "string" => return None,
            Kind::IntOrString => "integer",
        };
        (wanted != found).then_some((wanted, found))
    }

    fn accepts(&self, value: &Value) -> bool {
        let mut errors = Vec::new();
        self.validate_at(value, "", false, &mut errors);
        errors.is_empty()
    }
}

impl Limits {
    fn is_any(&self) -> bool {
        !self.one_of.is_empty()
            || self.minimum.is_some()
            || self.maximum.is_some()
            || self.min_length.is_some()
            || self.max_length.is_some()
            || self.min_items.is_some()
            || self.max_items.is_some()
            || self.min_properties.is_some()
            || self.max_properties.is_some()
            || self.unique
            || self.pattern.is_some()
            || !self.all_of.is_empty()
            || !self.any_of.is_empty()
            || !self.exactly_one_of.is_empty()
            || self.not.is_some()
    }

    fn validate(&self, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let mut invalid = |text: String| {
            errors.push(FieldError::invalid(
                path,
                value,
                &format!("{path} in body {text}"),
            ));
        };
        match value {
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if let Some((limit, exclusive)) = self.minimum {
                    if exclusive && number <= limit {
                        invalid(format!("should be greater than {limit}"));
                    } else if number < limit {
                        invalid(format!("should be greater than or equal to {limit}"));
                    }
                }
                if let Some((limit, exclusive)) = self.maximum {
                    if exclusive && number >= limit {
                        invalid(format!("should be less than {limit}"));
                    } else if number > limit {
                        invalid(format!("should be less than or equal to {limit}"));
                    }
                }
            }
            Value::String(text) => {
                let length = text.chars().count() as u64;
                if self.min_length.is_some_and(|limit| length < limit) {
                    let limit = self.min_length.unwrap_or_default();
                    invalid(format!("should be at least {limit} chars long"));
                }
                if let Some((pattern, regex)) = &self.pattern {
                    let regex = regex.get_or_init(|| Regex::new(pattern).ok());
                    if regex.as_ref().is_some_and(|regex| !regex.is_match(text)) {
                        invalid(format!("should match '{pattern}'"));
                    }
                }
                if let Some(limit) = self.max_length.filter(|limit| length > *limit) {
                    errors.push(FieldError::too_long(
                        path,
                        usize::try_from(limit).unwrap_or(usize::MAX),
                    ));
                }
            }
            Value::Array(items) => {
                let length = items.len() as u64;
                if let Some(limit) = self.min_items.filter(|limit| length < *limit) {
                    invalid(format!("should have at least {limit} items"));
                }
                if let Some(limit) = self.max_items.filter(|limit| length > *limit) {
                    errors.push(FieldError {
                        field: path.to_owned(),
                        reason: "FieldValueTooMany",
                        detail: format!("Too many: {length}: must have at most {limit} items"),
                    });
                }
                if self.unique {
                    for (index, item) in items.iter().enumerate() {
                        if items[..index].contains(item) {
                            errors.push(FieldError::duplicate(format!("{path}[{index}]"), item));
                        }
                    }
                }
            }
            Value::Object(map) => {
                let length = map.len() as u64;
                if let Some(limit) = self.min_properties.filter(|limit| length < *limit) {
                    invalid(format!("should have at least {limit} properties"));
                }
                if let Some(limit) = self.max_properties.filter(|limit| length > *limit) {
                    errors.push(FieldError {
                        field: path.to_owned(),
                        reason: "FieldValueTooMany",
                        detail: format!("Too many: {length}: must have at most {limit} items"),
                    });
                }
            }
            _ => {}
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|allowed| same(allowed, value)) {
            let known: Vec<String> = self
                .one_of
                .iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            errors.push(FieldError::not_supported(path, value, &known));
        }
        self.validate_combined(value, path, errors);
    }

    fn validate_combined(&self, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
        let mut invalid = |text: &str| {
            let field = if path.is_empty() { "<nil>" } else { path };
            errors.push(FieldError::invalid(
                field,
                value,
                &format!("\"{path}\" {text}"),
            ));
        };
        if self.all_of.iter().any(|schema| !schema.accepts(value)) {
            invalid("must validate all the schemas (allOf)");
        }
        if !self.any_of.is_empty() && !self.any_of.iter().any(|schema| schema.accepts(value)) {
            invalid("must validate at least one schema (anyOf)");
        }
        if !self.exactly_one_of.is_empty()
            && self
                .exactly_one_of
                .iter()
                .filter(|schema| schema.accepts(value))
                .count()
                != 1
        {
            invalid("must validate one and only one schema (oneOf)");
        }
        if self
            .not
            .as_ref()
            .is_some_and(|schema| schema.accepts(value))
        {
            invalid("must not validate the schema (not)");
        }
    }
}

fn is_integer(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Structural {
        Structural::parse(&json!({
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["a"],
                    "properties": {
                        "a": {"type": "integer", "minimum": 1},
                        "b": {"type": "string", "default": "dd", "enum": ["dd", "ee"]},
                        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "port": {"x-kubernetes-int-or-string": true},
                        "items": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}}},
                    },
                },
            },
        }))
    }

    #[test]
    fn prunes_and_fills() {
        let mut value = json!({
            "apiVersion": "a/v1", "kind": "A", "metadata": {"name": "x"}, "zz": 1,
            "spec": {"a": 1, "zz": 2, "free": {"any": 1}, "items": [{"q": 1}]},
        });
        let mut unknown = Vec::new();
        schema().prune(&mut value, &mut unknown);
        unknown.sort();
        assert_eq!(unknown, ["spec.items[0].q", "spec.zz", "zz"]);
        schema().fill_defaults(&mut value);
        assert_eq!(
            value["spec"],
            json!({"a": 1, "b": "dd", "free": {"any": 1}, "items": [{"x": "y"}]})
        );
    }

    #[test]
    fn validates_in_the_servers_words() {
        let mut errors = Vec::new();
        schema().validate(&json!({"spec": {"b": 3}}), &mut errors);
        let text: Vec<String> = errors
            .iter()
            .map(|e| format!("{}: {}", e.field, e.detail))
            .collect();
        assert_eq!(
            text,
            [
                "spec.b: Invalid value: \"integer\": spec.b in body must be of type string: \"integer\"",
                "spec.a: Required value",
            ]
        );
        let mut errors = Vec::new();
        schema().validate(
            &json!({"spec": {"a": 0, "b": "x", "port": true}}),
            &mut errors,
        );
        let text: Vec<String> = errors.iter().map(|e| e.detail.clone()).collect();
        assert_eq!(
            text,
            [
                "Invalid value: 0: spec.a in body should be greater than or equal to 1",
                "Unsupported value: \"x\": supported values: \"dd\", \"ee\"",
                "Invalid value: \"boolean\": spec.port in body must be of type integer: \"boolean\"",
            ]
        );
    }
}
