//! Structural schemas out of any schema that `v1beta1` takes.
//!
//! A structural schema states the type of every value, states every field outside of `anyOf`, `oneOf`,
//! `allOf` and `not`, and uses none of the keywords by which a schema would depend on the value. What
//! is missing is added such that every value that passed still passes; what cannot be said is left
//! out and noted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::draft::{Fields, is_unset, text};

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const JUNCTORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// Deeper than this a schema lets everything pass.
const DEEPEST: usize = 100;

/// How schemas of a definition are made structural, and what that took.
pub(super) struct Structure {
    /// Fields that no schema states are kept.
    preserve: bool,
    changes: BTreeSet<&'static str>,
    /// Where each kind of loss happened.
    losses: BTreeMap<&'static str, BTreeSet<String>>,
}

/// Losses name this many places.
const NAMED: usize = 3;

impl Structure {
    pub(super) fn new(preserve: bool) -> Self {
        Self {
            preserve,
            changes: BTreeSet::new(),
            losses: BTreeMap::new(),
        }
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &'static str> {
        self.changes.iter().copied()
    }

    pub(super) fn losses(&self) -> impl Iterator<Item = String> {
        self.losses.iter().map(|(what, places)| {
            let named: Vec<&str> = places.iter().take(NAMED).map(String::as_str).collect();
            let more = match places.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{what} at {}{more}", named.join(", "))
        })
    }

    fn lost(&mut self, what: &'static str, at: &str) {
        let at = if at.is_empty() { "the root" } else { at };
        self.losses.entry(what).or_default().insert(at.to_owned());
    }
}

/// Where in a schema a value is described.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root { with_status: bool },
    Value,
}

/// A structural schema that lets the same values pass.
pub(super) fn structural(schema: Value, with_status: bool, structure: &mut Structure) -> Value {
    let mut fields = match schema {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    shape(&mut fields, Level::Root { with_status }, "", 0, structure);
    Value::Object(fields)
}

fn anything() -> Value {
    json!({ PRESERVE: true })
}

/// Makes the description of one value structural.
fn shape(schema: &mut Fields, level: Level, at: &str, depth: usize, structure: &mut Structure) {
    if depth > DEEPEST {
        structure.lost("everything", at);
        *schema = Map::from_iter([(PRESERVE.to_owned(), Value::Bool(true))]);
        return;
    }
    remove_unusable(schema, at, structure);
    if schema.get(PRESERVE) == Some(&Value::Bool(false)) {
        schema.remove(PRESERVE);
    }
    let is_root = level != Level::Value;
    if is_root {
        schema.insert("type".to_owned(), "object".into());
        schema.remove("nullable");
        if schema
            .remove("additionalProperties")
            .is_some_and(|more| more != Value::Bool(false))
        {
            schema.insert(PRESERVE.to_owned(), Value::Bool(true));
        }
    }
    if level == (Level::Root { with_status: true }) {
        for keyword in [
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "default",
            "enum",
            "minProperties",
            "maxProperties",
        ] {
            if schema.remove(keyword).is_some() {
                structure.lost(keyword, at);
            }
        }
    }
    if !shape_int_or_string(schema) {
        shape_type(schema, structure);
    }
    // Only objects can be resources.
    if text(schema, "type") != "object" {
        schema.remove(EMBEDDED);
    }
    state_fields_of_junctors(schema, structure);
    for junctor in JUNCTORS {
        nested_list(schema, junctor, at, depth, structure);
    }
    if let Some(Value::Object(not)) = schema.get_mut("not") {
        nest(not, "", false, at, depth + 1, structure);
    }
    shape_object(schema, level, at, depth, structure);
    shape_array(schema, at, depth, structure);
}

/// Keywords that no definition may use, and those that nobody reads.
fn remove_unusable(schema: &mut Fields, at: &str, structure: &mut Structure) {
    for keyword in [
        "$ref",
        "additionalItems",
        "definitions",
        "dependencies",
        "patternProperties",
    ] {
        if schema.remove(keyword).is_some_and(|it| !it.is_null()) {
            structure.lost(keyword, at);
        }
    }
    if schema.remove("uniqueItems") == Some(Value::Bool(true)) {
        structure.lost("uniqueItems", at);
    }
    schema.retain(|keyword, value| !value.is_null() && KEYWORDS.contains(&keyword.as_str()));
}

/// What a schema may say; anything else was always left out by the API server.
const KEYWORDS: [&str; 36] = [
    "allOf",
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    PRESERVE,
    EMBEDDED,
    INT_OR_STRING,
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
];

/// Integers or texts have a keyword of their own; whether it is one.
fn shape_int_or_string(schema: &mut Fields) -> bool {
    let marked = schema.get(INT_OR_STRING) == Some(&Value::Bool(true));
    let is_open = is_unset(schema, "type") || schema.get("type").is_some_and(Value::is_array);
    if is_open {
        hoist_restrictions(schema);
    }
    let alternatives = ["anyOf", "oneOf"]
        .into_iter()
        .find(|junctor| is_int_or_string(schema.get(*junctor)));
    let formatted = text(schema, "format") == "int-or-string" && is_unset(schema, "type");
    if !marked && !(is_open && (alternatives.is_some() || formatted)) {
        return false;
    }
    schema.remove("type");
    schema.remove(PRESERVE);
    schema.remove(EMBEDDED);
    schema.insert(INT_OR_STRING.to_owned(), Value::Bool(true));
    if let Some(junctor) = alternatives {
        schema.remove(junctor);
        schema.insert("anyOf".to_owned(), integer_or_text());
    }
    true
}

/// The one form of these alternatives in which types may be named.
fn integer_or_text() -> Value {
    json!([{"type": "integer"}, {"type": "string"}])
}

/// What restricts only numbers or only texts means the same outside of the alternative for them.
fn hoist_restrictions(schema: &mut Fields) {
    const OF_NUMBERS: [&str; 5] = [
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maximum",
        "minimum",
        "multipleOf",
    ];
    const OF_TEXTS: [&str; 3] = ["maxLength", "minLength", "pattern"];
    let restrictions = |alternative: &Fields| -> Option<Vec<String>> {
        let movable: &[&str] = match text(alternative, "type") {
            "integer" => &OF_NUMBERS,
            "string" => &OF_TEXTS,
            _ => return None,
        };
        alternative
            .keys()
            .filter(|keyword| !matches!(keyword.as_str(), "type" | "format" | "description"))
            .map(|keyword| movable.contains(&keyword.as_str()).then(|| keyword.clone()))
            .collect()
    };
    for junctor in ["anyOf", "oneOf"] {
        let Some(Value::Array(alternatives)) = schema.get(junctor) else {
            continue;
        };
        let found: Option<Vec<Vec<String>>> = alternatives
            .iter()
            .map(|alternative| alternative.as_object().and_then(restrictions))
            .collect();
        let types: BTreeSet<&str> = alternatives
            .iter()
            .filter_map(|alternative| alternative.get("type")?.as_str())
            .collect();
        let Some(found) = found else { continue };
        let is_free = found
            .iter()
            .flatten()
            .all(|keyword| !schema.contains_key(keyword));
        if alternatives.len() != 2 || types.len() != 2 || !is_free {
            continue;
        }
        let mut hoisted = Vec::new();
        if let Some(Value::Array(alternatives)) = schema.get_mut(junctor) {
            for (alternative, keywords) in alternatives.iter_mut().zip(found) {
                for keyword in keywords {
                    let value = alternative
                        .as_object_mut()
                        .and_then(|it| it.remove(&keyword));
                    hoisted.extend(value.map(|value| (keyword, value)));
                }
            }
        }
        schema.extend(hoisted);
        return;
    }
}

/// Whether alternatives are just those of integers and texts.
fn is_int_or_string(alternatives: Option<&Value>) -> bool {
    let Some(Value::Array(alternatives)) = alternatives else {
        return false;
    };
    let types: BTreeSet<&str> = alternatives
        .iter()
        .filter_map(Value::as_object)
        .filter(|alternative| {
            alternative
                .keys()
                .all(|keyword| matches!(keyword.as_str(), "type" | "format" | "description"))
        })
        .map(|alternative| text(alternative, "type"))
        .collect();
    alternatives.len() == 2 && types == BTreeSet::from(["integer", "string"])
}

/// States the type.
fn shape_type(schema: &mut Fields, structure: &mut Structure) {
    if let Some(Value::Array(types)) = schema.get("type") {
        let named: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        let rest: Vec<&str> = named
            .iter()
            .copied()
            .filter(|name| *name != "null")
            .collect();
        let only = match rest.as_slice() {
            [only] => Some((*only).to_owned()),
            _ => None,
        };
        if named.contains(&"null") {
            schema.insert("nullable".to_owned(), Value::Bool(true));
        }
        match only {
            Some(only) => schema.insert("type".to_owned(), only.into()),
            None => schema.remove("type"),
        };
        structure.changes.insert("one type a value");
    }
    let known = TYPES.contains(&text(schema, "type"));
    if known {
        return;
    }
    let was_null = text(schema, "type") == "null";
    schema.remove("type");
    if schema.get(EMBEDDED) == Some(&Value::Bool(true)) {
        schema.insert("type".to_owned(), "object".into());
        return;
    }
    if was_null {
        schema.insert("nullable".to_owned(), Value::Bool(true));
    }
    match inferred_type(schema) {
        Some(name) => {
            schema.insert("type".to_owned(), name.into());
            structure.changes.insert("types stated in the schema");
        }
        None => {
            schema.insert(PRESERVE.to_owned(), Value::Bool(true));
            structure
                .changes
                .insert("values without a type let everything pass");
        }
    }
}

/// The one type that a schema without one can mean.
fn inferred_type(schema: &Fields) -> Option<&'static str> {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.contains_key(*keyword));
    if has(&["properties", "additionalProperties", "required"]) {
        return Some("object");
    }
    if has(&["items"]) {
        return Some("array");
    }
    if let Some(Value::Array(values)) = schema.get("enum")
        && !values.is_empty()
    {
        if values.iter().all(Value::is_string) {
            return Some("string");
        }
        if values.iter().all(Value::is_boolean) {
            return Some("boolean");
        }
        if values.iter().all(|value| value.is_i64() || value.is_u64()) {
            return Some("integer");
        }
        return None;
    }
    if has(&["pattern", "minLength", "maxLength"]) {
        return Some("string");
    }
    if has(&["minItems", "maxItems"]) {
        return Some("array");
    }
    if has(&["minProperties", "maxProperties"]) {
        return Some("object");
    }
    let stated = |alternatives: &Value| -> Option<&'static str> {
        let types: BTreeSet<&str> = alternatives
            .as_array()?
            .iter()
            .map(|alternative| alternative.as_object().map_or("", |it| text(it, "type")))
            .collect();
        match types.iter().collect::<Vec<_>>().as_slice() {
            [only] => TYPES.iter().copied().find(|name| name == *only),
            _ => None,
        }
    };
    JUNCTORS
        .iter()
        .find_map(|junctor| schema.get(*junctor).and_then(stated))
}

/// Every field that an alternative speaks of is stated outside of it, too.
fn state_fields_of_junctors(schema: &mut Fields, structure: &mut Structure) {
    let mut spoken = Vec::new();
    for junctor in JUNCTORS {
        if let Some(Value::Array(alternatives)) = schema.get(junctor) {
            spoken.extend(alternatives.iter().filter_map(Value::as_object).cloned());
        }
    }
    if let Some(Value::Object(not)) = schema.get("not") {
        spoken.push(not.clone());
    }
    for alternative in &spoken {
        state_fields(schema, alternative, 0, structure);
    }
}

fn state_fields(schema: &mut Fields, spoken: &Fields, depth: usize, structure: &mut Structure) {
    if depth > DEEPEST {
        return;
    }
    let maps = schema
        .get("additionalProperties")
        .is_some_and(|more| more != &Value::Bool(false));
    if let Some(Value::Object(properties)) = spoken.get("properties")
        && !maps
    {
        for (name, property) in properties {
            let Some(property) = property.as_object() else {
                continue;
            };
            let stated = schema
                .entry("properties")
                .or_insert_with(|| Value::Object(Map::new()));
            let Some(stated) = stated.as_object_mut() else {
                return;
            };
            let stated = stated.entry(name.clone()).or_insert_with(|| {
                structure
                    .changes
                    .insert("fields of alternatives stated outside of them");
                Value::Object(outline(property))
            });
            if let Some(stated) = stated.as_object_mut() {
                state_fields(stated, property, depth + 1, structure);
            }
        }
    }
    if let Some(Value::Object(items)) = spoken.get("items") {
        let stated = schema
            .entry("items")
            .or_insert_with(|| Value::Object(outline(items)));
        if let Some(stated) = stated.as_object_mut() {
            state_fields(stated, items, depth + 1, structure);
        }
    }
    for junctor in JUNCTORS {
        if let Some(Value::Array(alternatives)) = spoken.get(junctor) {
            for alternative in alternatives.iter().filter_map(Value::as_object) {
                state_fields(schema, alternative, depth + 1, structure);
            }
        }
    }
    if let Some(Value::Object(not)) = spoken.get("not") {
        state_fields(schema, not, depth + 1, structure);
    }
}

/// As much of a schema as can be said of a value without ruling any out.
fn outline(spoken: &Fields) -> Fields {
    let name = TYPES.iter().find(|name| **name == text(spoken, "type"));
    let (keyword, value) = match name {
        Some(name) => ("type", Value::from(*name)),
        None => (PRESERVE, Value::Bool(true)),
    };
    Map::from_iter([(keyword.to_owned(), value)])
}

fn nested_list(
    schema: &mut Fields,
    junctor: &str,
    at: &str,
    depth: usize,
    structure: &mut Structure,
) {
    let outer = text(schema, "type").to_owned();
    let maps = schema
        .get("additionalProperties")
        .is_some_and(|more| more != &Value::Bool(false));
    // The alternatives that the keyword for integers or texts allows are left as they are.
    if schema.get(INT_OR_STRING) == Some(&Value::Bool(true)) {
        if junctor == "anyOf" && is_int_or_string(schema.get(junctor)) {
            return;
        }
        if junctor == "allOf"
            && let Some(Value::Array(parts)) = schema.get_mut(junctor)
            && let Some(Value::Object(first)) = parts.first_mut()
            && is_int_or_string(first.get("anyOf"))
        {
            first.remove("anyOf");
            nest(first, &outer, maps, at, depth + 1, structure);
            first.insert("anyOf".to_owned(), integer_or_text());
            for part in parts.iter_mut().skip(1).filter_map(Value::as_object_mut) {
                nest(part, &outer, maps, at, depth + 1, structure);
            }
            return;
        }
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut(junctor) {
        for alternative in alternatives.iter_mut().filter_map(Value::as_object_mut) {
            nest(alternative, &outer, maps, at, depth + 1, structure);
        }
    }
}

/// Leaves in an alternative only what restricts a value.
fn nest(
    schema: &mut Fields,
    outer: &str,
    in_map: bool,
    at: &str,
    depth: usize,
    structure: &mut Structure,
) {
    if depth > DEEPEST {
        structure.lost("everything", at);
        schema.clear();
        return;
    }
    remove_unusable(schema, at, structure);
    let stated = text(schema, "type").to_owned();
    if schema.remove("type").is_some() && stated != outer {
        structure.lost("types within alternatives", at);
    }
    for keyword in ["title", "description", "default", "nullable"] {
        schema.remove(keyword);
    }
    schema.retain(|keyword, _| !keyword.starts_with("x-kubernetes-"));
    if schema
        .remove("additionalProperties")
        .is_some_and(|more| more != Value::Bool(true))
    {
        structure.lost("additionalProperties within alternatives", at);
    }
    if in_map && schema.remove("properties").is_some() {
        structure.lost("properties of a map within alternatives", at);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.remove("metadata");
        for (name, property) in properties.iter_mut() {
            let at = format!("{at}.{name}");
            match property {
                Value::Object(property) => {
                    let stated = text(property, "type").to_owned();
                    nest(property, &stated, false, &at, depth + 1, structure);
                }
                other => *other = Value::Object(Map::new()),
            }
        }
    }
    match schema.get_mut("items") {
        Some(Value::Object(items)) => {
            let stated = text(items, "type").to_owned();
            nest(
                items,
                &stated,
                false,
                &format!("{at}[]"),
                depth + 1,
                structure,
            );
        }
        Some(_) => {
            schema.remove("items");
            structure.lost("items by position", at);
        }
        None => {}
    }
    for junctor in JUNCTORS {
        if let Some(Value::Array(alternatives)) = schema.get_mut(junctor) {
            for alternative in alternatives.iter_mut().filter_map(Value::as_object_mut) {
                nest(alternative, outer, in_map, at, depth + 1, structure);
            }
        }
    }
    if let Some(Value::Object(not)) = schema.get_mut("not") {
        nest(not, outer, in_map, at, depth + 1, structure);
    }
}

fn shape_object(
    schema: &mut Fields,
    level: Level,
    at: &str,
    depth: usize,
    structure: &mut Structure,
) {
    let is_resource = level != Level::Value || schema.get(EMBEDDED) == Some(&Value::Bool(true));
    let has_properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .is_some_and(|properties| !properties.is_empty());
    if has_properties
        && schema
            .get("additionalProperties")
            .is_some_and(|more| more != &Value::Bool(true))
    {
        if schema.remove("additionalProperties") != Some(Value::Bool(false)) {
            structure.lost("additionalProperties beside properties", at);
        }
        if !structure.preserve {
            schema.insert(PRESERVE.to_owned(), Value::Bool(true));
        }
    }
    if schema.get(EMBEDDED) == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
        if !has_properties {
            schema.insert(PRESERVE.to_owned(), Value::Bool(true));
        }
    }
    match schema.get_mut("additionalProperties") {
        Some(Value::Object(more)) => {
            let at = format!("{at}.*");
            shape(more, Level::Value, &at, depth + 1, structure);
        }
        // What lies in the values of such a map would be pruned.
        Some(Value::Bool(true)) if structure.preserve && !has_properties => {
            schema.insert("additionalProperties".to_owned(), anything());
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties.iter_mut() {
            let at = format!("{at}.{name}");
            if !property.is_object() {
                *property = Value::Object(Map::new());
            }
            let Some(property) = property.as_object_mut() else {
                continue;
            };
            match name.as_str() {
                "metadata" if level != Level::Value => only_names(property, &at, structure),
                "metadata" if is_resource => {
                    property.insert("type".to_owned(), "object".into());
                    property.remove(EMBEDDED);
                    shape(property, Level::Value, &at, depth + 1, structure);
                }
                "apiVersion" | "kind" if is_resource => {
                    property.insert("type".to_owned(), "string".into());
                    property.remove("default");
                    shape(property, Level::Value, &at, depth + 1, structure);
                }
                _ => shape(property, Level::Value, &at, depth + 1, structure),
            }
        }
    }
    if structure.preserve
        && text(schema, "type") == "object"
        && !schema.contains_key("additionalProperties")
    {
        schema.insert(PRESERVE.to_owned(), Value::Bool(true));
    }
}

/// The metadata of a resource has its own schema; a definition can only restrict names.
fn only_names(metadata: &mut Fields, at: &str, structure: &mut Structure) {
    let mut names = Map::new();
    if let Some(Value::Object(properties)) = metadata.get_mut("properties") {
        for name in ["name", "generateName"] {
            if let Some(Value::Object(mut property)) = properties.remove(name) {
                property.insert("type".to_owned(), "string".into());
                property.remove("default");
                shape(&mut property, Level::Value, at, 0, structure);
                names.insert(name.to_owned(), Value::Object(property));
            }
        }
        if !properties.is_empty() {
            structure.lost("a schema of metadata", at);
        }
    }
    if metadata.contains_key("required") {
        structure.lost("required fields of metadata", at);
    }
    metadata.clear();
    metadata.insert("type".to_owned(), "object".into());
    if !names.is_empty() {
        metadata.insert("properties".to_owned(), Value::Object(names));
    }
}

fn shape_array(schema: &mut Fields, at: &str, depth: usize, structure: &mut Structure) {
    let is_array = text(schema, "type") == "array";
    match schema.get_mut("items") {
        Some(Value::Object(items)) => {
            let at = format!("{at}[]");
            shape(items, Level::Value, &at, depth + 1, structure);
        }
        Some(Value::Array(_)) => {
            schema.insert("items".to_owned(), anything());
            structure.lost("items by position", at);
        }
        Some(_) => {
            schema.insert("items".to_owned(), anything());
        }
        None if is_array => {
            schema.insert("items".to_owned(), anything());
            structure.changes.insert("types stated in the schema");
        }
        None => {}
    }
    let list_type = text(schema, "x-kubernetes-list-type").to_owned();
    let is_usable = match list_type.as_str() {
        "map" => keys_are_certain(schema),
        "set" => items_are_atomic(schema),
        _ => true,
    };
    if !is_usable {
        schema.remove("x-kubernetes-list-type");
        schema.remove("x-kubernetes-list-map-keys");
        structure.lost("merging of list items by key", at);
    }
}

/// Whether every item of a list has its keys: they are required or have a default.
fn keys_are_certain(schema: &Fields) -> bool {
    let Some(items) = schema.get("items").and_then(Value::as_object) else {
        return false;
    };
    let required = items.get("required").and_then(Value::as_array);
    let keys = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array);
    let Some(keys) = keys else { return false };
    let is_nullable = |fields: &Fields| fields.get("nullable") == Some(&Value::Bool(true));
    !is_nullable(items)
        && keys.iter().all(|key| {
            let property = key
                .as_str()
                .and_then(|key| items.get("properties")?.get(key)?.as_object());
            property.is_some_and(|property| {
                let is_required = required.is_some_and(|required| required.contains(key));
                let is_scalar = !matches!(text(property, "type"), "array" | "object");
                is_scalar
                    && !is_nullable(property)
                    && (is_required || property.contains_key("default"))
            })
        })
}

/// Whether the items of a set are replaced as a whole.
fn items_are_atomic(schema: &Fields) -> bool {
    let Some(items) = schema.get("items").and_then(Value::as_object) else {
        return false;
    };
    let list = text(items, "x-kubernetes-list-type");
    items.get("nullable") != Some(&Value::Bool(true))
        && match text(items, "type") {
            "array" => matches!(list, "" | "atomic"),
            "object" => text(items, "x-kubernetes-map-type") == "atomic",
            _ => true,
        }
}
