//! Kinds that make no pods.

use serde_json::{Map, Value};

use super::{Errors, FieldError, integer, items, object_at, text};
use crate::embedded::names;

pub(super) fn service(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    let service_type = text(spec, "type");
    let is_headless = text(spec, "clusterIP") == "None";
    let ports = spec
        .get("ports")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if ports == 0 && !is_headless && service_type != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    let mut seen = Vec::new();
    for (index, port) in items(spec, "ports") {
        let path = format!("spec.ports[{index}]");
        let name = text(port, "name");
        if name.is_empty() {
            if ports > 1 {
                errors.push(FieldError::required(format!("{path}.name"), ""));
            }
        } else if let Err(reason) = names::dns_label(name) {
            errors.push(FieldError::invalid(
                format!("{path}.name"),
                &name.into(),
                &reason,
            ));
        } else if seen.contains(&name) {
            errors.push(FieldError::duplicate(format!("{path}.name"), &name.into()));
        }
        seen.push(name);
        for key in ["port", "targetPort"] {
            let number = match port.get(key) {
                Some(Value::String(_)) => continue,
                Some(value) => value.as_i64().unwrap_or(0),
                None => 0,
            };
            port_number(number, &format!("{path}.{key}"), errors);
        }
        let protocol = text(port, "protocol");
        if !protocol.is_empty() && !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            errors.push(FieldError::not_supported(
                format!("{path}.protocol"),
                &protocol.into(),
                &["SCTP", "TCP", "UDP"],
            ));
        }
    }
    match service_type {
        "NodePort" | "LoadBalancer" if is_headless => errors.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            &"None".into(),
            &format!("may not be set to 'None' for {service_type} services"),
        )),
        "ExternalName" if text(spec, "externalName").is_empty() => {
            errors.push(FieldError::required("spec.externalName", ""));
        }
        "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName" => {}
        other => errors.push(FieldError::not_supported(
            "spec.type",
            &other.into(),
            &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        )),
    }
    let affinity = text(spec, "sessionAffinity");
    if !matches!(affinity, "" | "None" | "ClientIP") {
        errors.push(FieldError::not_supported(
            "spec.sessionAffinity",
            &affinity.into(),
            &["ClientIP", "None"],
        ));
    }
}

fn port_number(number: i64, path: &str, errors: &mut Errors) {
    if !(1..=65535).contains(&number) {
        errors.push(FieldError::invalid(
            path,
            &number.into(),
            "must be between 1 and 65535, inclusive",
        ));
    }
}

pub(super) fn config_map(root: &Map<String, Value>, errors: &mut Errors) {
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in object_at(root, field).into_iter().flatten() {
            if let Err(reason) = names::config_key(key) {
                errors.push(FieldError::invalid(
                    format!("{field}[{key}]"),
                    &key.as_str().into(),
                    &reason,
                ));
            }
            if field == "binaryData"
                && object_at(root, "data").is_some_and(|data| data.contains_key(key))
            {
                errors.push(FieldError::invalid(
                    format!("binaryData[{key}]"),
                    &key.as_str().into(),
                    "duplicate of key present in data",
                ));
            }
            size += value.as_str().map_or(0, str::len);
        }
    }
    too_large(size, "", errors);
}

pub(super) fn secret(root: &Map<String, Value>, errors: &mut Errors) {
    use base64::Engine as _;
    let data = object_at(root, "data");
    let mut size = 0;
    for (key, value) in data.into_iter().flatten() {
        if let Err(reason) = names::config_key(key) {
            errors.push(FieldError::invalid(
                format!("data[{key}]"),
                &key.as_str().into(),
                &reason,
            ));
        }
        size += value.as_str().map_or(0, |text| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_or(0, |bytes| bytes.len())
        });
    }
    too_large(size, "data", errors);
    let needed: &[&str] = match text(root, "type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in needed {
        if data.is_none_or(|data| !data.contains_key(*key)) {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
}

fn too_large(size: usize, path: &str, errors: &mut Errors) {
    const LIMIT: usize = 1024 * 1024;
    if size > LIMIT {
        errors.push(FieldError::too_long(path, LIMIT));
    }
}

pub(super) fn claim(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    access_modes(spec, errors);
    let storage = object_at(spec, "resources")
        .and_then(|resources| object_at(resources, "requests"))
        .and_then(|requests| requests.get("storage"));
    if storage.is_none() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
}

pub(super) fn volume(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    access_modes(spec, errors);
    if object_at(spec, "capacity").is_none_or(|capacity| !capacity.contains_key("storage")) {
        errors.push(FieldError::required("spec.capacity", ""));
    }
}

fn access_modes(spec: &Map<String, Value>, errors: &mut Errors) {
    const MODES: [&str; 4] = [
        "ReadOnlyMany",
        "ReadWriteMany",
        "ReadWriteOnce",
        "ReadWriteOncePod",
    ];
    let modes = spec.get("accessModes").and_then(Value::as_array);
    if modes.is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    for mode in modes.into_iter().flatten() {
        if !mode.as_str().is_some_and(|mode| MODES.contains(&mode)) {
            errors.push(FieldError::not_supported("spec.accessModes", mode, &MODES));
        }
    }
}

pub(super) fn binding(root: &Map<String, Value>, kind: &str, errors: &mut Errors) {
    let empty = Map::new();
    let role = object_at(root, "roleRef").unwrap_or(&empty);
    let role_kind = text(role, "kind");
    let kinds: &[&str] = if kind == "ClusterRoleBinding" {
        &["ClusterRole"]
    } else {
        &["ClusterRole", "Role"]
    };
    if !kinds.contains(&role_kind) {
        errors.push(FieldError::not_supported(
            "roleRef.kind",
            &role_kind.into(),
            kinds,
        ));
    }
    if text(role, "name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
    for (index, subject) in items(root, "subjects") {
        let path = format!("subjects[{index}]");
        if text(subject, "name").is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" => {
                if text(subject, "namespace").is_empty() && kind == "ClusterRoleBinding" {
                    errors.push(FieldError::required(format!("{path}.namespace"), ""));
                }
            }
            "User" | "Group" => {}
            other => errors.push(FieldError::not_supported(
                format!("{path}.kind"),
                &other.into(),
                &["Group", "ServiceAccount", "User"],
            )),
        }
    }
}

pub(super) fn role(root: &Map<String, Value>, kind: &str, errors: &mut Errors) {
    for (index, rule) in items(root, "rules") {
        let path = format!("rules[{index}]");
        let is_empty = |key: &str| {
            rule.get(key)
                .and_then(Value::as_array)
                .is_none_or(Vec::is_empty)
        };
        if is_empty("verbs") {
            errors.push(FieldError::required(
                format!("{path}.verbs"),
                "verbs must contain at least one value",
            ));
        }
        if !is_empty("nonResourceURLs") {
            if kind == "Role" {
                errors.push(FieldError::invalid(
                    format!("{path}.nonResourceURLs"),
                    &rule["nonResourceURLs"],
                    "namespaced rules cannot apply to non-resource URLs",
                ));
            }
            continue;
        }
        if is_empty("apiGroups") {
            errors.push(FieldError::required(
                format!("{path}.apiGroups"),
                "resource rules must supply at least one api group",
            ));
        }
        if is_empty("resources") {
            errors.push(FieldError::required(
                format!("{path}.resources"),
                "resource rules must supply at least one resource",
            ));
        }
    }
}

pub(super) fn ingress(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    let has_rules = spec
        .get("rules")
        .and_then(Value::as_array)
        .is_some_and(|r| !r.is_empty());
    let default = object_at(spec, "defaultBackend");
    if !has_rules && default.is_none() {
        errors.push(FieldError::invalid(
            "spec",
            &Value::Null,
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    if let Some(backend) = default {
        self::backend(backend, "spec.defaultBackend", errors);
    }
    for (index, rule) in items(spec, "rules") {
        let host = text(rule, "host");
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if !host.is_empty()
            && let Err(reason) = names::dns_subdomain(bare)
        {
            errors.push(FieldError::invalid(
                format!("spec.rules[{index}].host"),
                &host.into(),
                &reason,
            ));
        }
        let Some(http) = object_at(rule, "http") else {
            continue;
        };
        let at = format!("spec.rules[{index}].http.paths");
        if http
            .get("paths")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
        {
            errors.push(FieldError::required(at.clone(), ""));
        }
        for (index, path) in items(http, "paths") {
            let at = format!("{at}[{index}]");
            let value = text(path, "path");
            match text(path, "pathType") {
                "" => errors.push(FieldError::required(
                    format!("{at}.pathType"),
                    "pathType must be specified",
                )),
                "Exact" | "Prefix" => {
                    if !value.starts_with('/') {
                        errors.push(FieldError::invalid(
                            format!("{at}.path"),
                            &value.into(),
                            "must be an absolute path",
                        ));
                    }
                }
                "ImplementationSpecific" => {
                    if !value.is_empty() && !value.starts_with('/') {
                        errors.push(FieldError::invalid(
                            format!("{at}.path"),
                            &value.into(),
                            "must be an absolute path",
                        ));
                    }
                }
                other => errors.push(FieldError::not_supported(
                    format!("{at}.pathType"),
                    &other.into(),
                    &["Exact", "ImplementationSpecific", "Prefix"],
                )),
            }
            match object_at(path, "backend") {
                Some(backend) => self::backend(backend, &format!("{at}.backend"), errors),
                None => errors.push(FieldError::required(format!("{at}.backend"), "")),
            }
        }
    }
}

fn backend(backend: &Map<String, Value>, path: &str, errors: &mut Errors) {
    let service = object_at(backend, "service");
    let resource = object_at(backend, "resource");
    match (service, resource) {
        (None, None) => errors.push(FieldError::required(
            path,
            "either service or resource is required",
        )),
        (Some(_), Some(_)) => errors.push(FieldError::invalid(
            path,
            &"".into(),
            "cannot set both resource and service backends",
        )),
        (Some(service), None) => {
            if text(service, "name").is_empty() {
                errors.push(FieldError::required(format!("{path}.service.name"), ""));
            }
            let port = object_at(service, "port");
            let has =
                |key: &str| port.is_some_and(|port| port.get(key).is_some_and(|v| !v.is_null()));
            if has("name") && has("number") {
                errors.push(FieldError::invalid(
                    path,
                    &"".into(),
                    "cannot set both port name & port number",
                ));
            } else if !has("name") && !has("number") {
                errors.push(FieldError::required(
                    path,
                    "port name or number is required",
                ));
            }
        }
        (None, Some(_)) => {}
    }
}

pub(super) fn autoscaler(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    let max = integer(spec, "maxReplicas").unwrap_or(0);
    let min = integer(spec, "minReplicas").unwrap_or(1);
    if min < 1 {
        errors.push(FieldError::invalid(
            "spec.minReplicas",
            &min.into(),
            "must be greater than or equal to 1",
        ));
    }
    if max < 1 {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &max.into(),
            "must be greater than 0",
        ));
    }
    if max < min {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &max.into(),
            "must be greater than or equal to `minReplicas`",
        ));
    }
    let target = object_at(spec, "scaleTargetRef").unwrap_or(&empty);
    for key in ["kind", "name"] {
        if text(target, key).is_empty() {
            errors.push(FieldError::required(
                format!("spec.scaleTargetRef.{key}"),
                "",
            ));
        }
    }
}

pub(super) fn disruption_budget(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    let has = |key: &str| spec.get(key).is_some_and(|value| !value.is_null());
    if has("minAvailable") && has("maxUnavailable") {
        errors.push(FieldError::invalid(
            "spec",
            &Value::Object(spec.clone()),
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
}

pub(super) fn storage_class(root: &Map<String, Value>, errors: &mut Errors) {
    if text(root, "provisioner").is_empty() {
        errors.push(FieldError::required("provisioner", ""));
    }
    let policy = text(root, "reclaimPolicy");
    if !policy.is_empty() && !matches!(policy, "Delete" | "Retain") {
        errors.push(FieldError::not_supported(
            "reclaimPolicy",
            &policy.into(),
            &["Delete", "Retain"],
        ));
    }
}
