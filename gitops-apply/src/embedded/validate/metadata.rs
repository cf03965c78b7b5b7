//! `metadata`.

use gitops_core::Manifest;
use serde_json::Value;

use super::{Errors, FieldError};
use crate::embedded::{
    names::{self, NameRule},
    registry::Kind,
};

const MAX_ANNOTATIONS: usize = 256 * 1024;

pub(super) fn check(kind: &Kind, object: &Manifest, errors: &mut Errors) {
    let rule = NameRule::of(&kind.gvk.group, &kind.gvk.kind);
    let generate = object.generate_name();
    if !generate.is_empty()
        && let Err(reason) = rule.check(generate, true)
    {
        errors.push(FieldError::invalid(
            "metadata.generateName",
            &generate.into(),
            &reason,
        ));
    }
    if object.name().is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if let Err(reason) = rule.check(object.name(), false) {
        errors.push(FieldError::invalid(
            "metadata.name",
            &object.name().into(),
            &reason,
        ));
    }
    if let Some(metadata) = object.metadata() {
        labels(metadata.get("labels"), "metadata.labels", errors);
        annotations(metadata.get("annotations"), errors);
    }
    owners(object, errors);
    for (index, finalizer) in object.finalizers().enumerate() {
        if let Err(reason) = names::qualified_name(finalizer) {
            errors.push(FieldError::invalid(
                "metadata.finalizers",
                &finalizer.into(),
                &reason,
            ));
        } else if !finalizer.contains('/')
            && !matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion")
            && kind.custom.is_none()
        {
            errors.push(FieldError::invalid(
                format!("metadata.finalizers[{index}]"),
                &finalizer.into(),
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}

pub(super) fn labels(value: Option<&Value>, path: &str, errors: &mut Errors) {
    let Some(labels) = value.and_then(Value::as_object) else {
        return;
    };
    for (key, value) in labels {
        if let Err(reason) = names::qualified_name(key) {
            errors.push(FieldError::invalid(path, &key.as_str().into(), &reason));
        }
        if let Err(reason) = names::label_value(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid(path, value, &reason));
        }
    }
}

fn annotations(value: Option<&Value>, errors: &mut Errors) {
    let Some(annotations) = value.and_then(Value::as_object) else {
        return;
    };
    let mut size = 0;
    for (key, value) in annotations {
        // Keys of annotations may be written in capitals.
        if let Err(reason) = names::qualified_name(&key.to_lowercase()) {
            errors.push(FieldError::invalid(
                "metadata.annotations",
                &key.as_str().into(),
                &reason,
            ));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long(
            "metadata.annotations",
            MAX_ANNOTATIONS,
        ));
    }
}

fn owners(object: &Manifest, errors: &mut Errors) {
    let Some(owners) = object
        .metadata()
        .and_then(|metadata| metadata.get("ownerReferences"))
        .and_then(Value::as_array)
    else {
        return;
    };
    let mut controllers = Vec::new();
    for owner in owners {
        let text = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        let path = |key: &str| format!("metadata.ownerReferences.{key}");
        let empty: Value = "".into();
        if text("apiVersion").is_empty() {
            errors.push(FieldError::invalid(
                path("apiVersion"),
                &empty,
                "version must not be empty",
            ));
        }
        for key in ["kind", "name", "uid"] {
            if text(key).is_empty() {
                errors.push(FieldError::invalid(path(key), &empty, "must not be empty"));
            }
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            controllers.push(text("name").to_owned());
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        errors.push(FieldError::invalid(
            "metadata.ownerReferences",
            &Value::Array(owners.clone()),
            &format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"),
        ));
    }
}

pub(super) fn check_change(new: &Manifest, old: &Manifest, errors: &mut Errors) {
    if new.is_terminating() {
        let known: Vec<&str> = old.finalizers().collect();
        let added: Vec<String> = new
            .finalizers()
            .filter(|finalizer| !known.contains(finalizer))
            .map(|finalizer| format!("{finalizer:?}"))
            .collect();
        if !added.is_empty() {
            errors.push(FieldError::forbidden(
                "metadata.finalizers",
                &format!(
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    added.join(", ")
                ),
            ));
        }
    }
}
