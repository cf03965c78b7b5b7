//! Pods and pod templates.

use serde_json::{Map, Value};

use super::{Errors, FieldError, items, text};
use crate::embedded::names;

pub(super) fn spec(spec: Option<&Map<String, Value>>, path: &str, errors: &mut Errors) {
    let empty = Map::new();
    let spec = spec.unwrap_or(&empty);
    let volumes: Vec<&str> = items(spec, "volumes")
        .map(|(_, volume)| text(volume, "name"))
        .collect();
    for (index, volume) in items(spec, "volumes") {
        let at = format!("{path}.volumes[{index}]");
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        } else if let Err(reason) = names::dns_label(name) {
            errors.push(FieldError::invalid(
                format!("{at}.name"),
                &name.into(),
                &reason,
            ));
        } else if volumes[..index].contains(&name) {
            errors.push(FieldError::duplicate(format!("{at}.name"), &name.into()));
        }
    }
    let is_empty = spec
        .get("containers")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    if is_empty {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut names_seen: Vec<String> = Vec::new();
    for key in ["containers", "initContainers"] {
        for (index, container) in items(spec, key) {
            let at = format!("{path}.{key}[{index}]");
            self::container(container, &at, &volumes, &mut names_seen, errors);
        }
    }
    let policy = text(spec, "restartPolicy");
    if !policy.is_empty() && !matches!(policy, "Always" | "OnFailure" | "Never") {
        errors.push(FieldError::not_supported(
            format!("{path}.restartPolicy"),
            &policy.into(),
            &["Always", "Never", "OnFailure"],
        ));
    }
    let account = text(spec, "serviceAccountName");
    if !account.is_empty()
        && let Err(reason) = names::dns_subdomain(account)
    {
        errors.push(FieldError::invalid(
            format!("{path}.serviceAccountName"),
            &account.into(),
            &reason,
        ));
    }
}

fn container(
    container: &Map<String, Value>,
    path: &str,
    volumes: &[&str],
    names_seen: &mut Vec<String>,
    errors: &mut Errors,
) {
    let name = text(container, "name");
    let name_path = format!("{path}.name");
    if name.is_empty() {
        errors.push(FieldError::required(name_path, ""));
    } else if let Err(reason) = names::dns_label(name) {
        errors.push(FieldError::invalid(name_path, &name.into(), &reason));
    } else if names_seen.iter().any(|seen| seen == name) {
        errors.push(FieldError::duplicate(name_path, &name.into()));
    } else {
        names_seen.push(name.to_owned());
    }
    let image = text(container, "image");
    if !image.is_empty() && image.trim() != image {
        errors.push(FieldError::invalid(
            format!("{path}.image"),
            &image.into(),
            "must not have leading or trailing whitespace",
        ));
    }
    for (index, port) in items(container, "ports") {
        let at = format!("{path}.ports[{index}].containerPort");
        match port
            .get("containerPort")
            .and_then(Value::as_i64)
            .unwrap_or(0)
        {
            0 => errors.push(FieldError::required(at, "")),
            number if !(1..=65535).contains(&number) => errors.push(FieldError::invalid(
                at,
                &number.into(),
                "must be between 1 and 65535, inclusive",
            )),
            _ => {}
        }
    }
    for (index, variable) in items(container, "env") {
        if text(variable, "name").is_empty() {
            errors.push(FieldError::required(
                format!("{path}.env[{index}].name"),
                "",
            ));
        }
        if variable.contains_key("valueFrom") && !text(variable, "value").is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.env[{index}].valueFrom"),
                &"".into(),
                "may not be specified when `value` is not empty",
            ));
        }
    }
    for (index, mount) in items(container, "volumeMounts") {
        let at = format!("{path}.volumeMounts[{index}]");
        let name = text(mount, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        } else if !volumes.contains(&name) {
            errors.push(FieldError {
                field: format!("{at}.name"),
                reason: "FieldValueNotFound",
                detail: format!("Not found: \"{name}\""),
            });
        }
        if text(mount, "mountPath").is_empty() {
            errors.push(FieldError::required(format!("{at}.mountPath"), ""));
        }
    }
}
