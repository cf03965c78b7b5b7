//! Pods and what is in them.

use gitops_core::quantity::Quantity;
use serde_json::{Map, Value, json};

use super::fields::{
    Object, at, child, default, default_number, default_pointer, each, made, text,
};

/// `v1` Pod: more than a template has.
pub(super) fn pod(pod: &mut Object) {
    let Some(spec) = made(pod, "spec") else {
        return;
    };
    for containers in ["containers", "initContainers"] {
        each(spec, containers, requests_from_limits);
    }
    default_pointer(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        for containers in ["containers", "initContainers"] {
            each(spec, containers, host_ports);
        }
    }
    pod_spec(spec);
}

fn requests_from_limits(container: &mut Object) {
    let Some(resources) = child(container, "resources") else {
        return;
    };
    if let Some(Value::Object(limits)) = resources.get("limits").cloned()
        && let Some(requests) = made(resources, "requests")
    {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

fn host_ports(container: &mut Object) {
    each(container, "ports", |port| {
        if let Some(number) = port.get("containerPort").and_then(Value::as_i64) {
            default_number(port, "hostPort", number);
        }
    });
}

/// A template in `spec.template`.
pub(super) fn template(object: &mut Object, path: &[&str]) {
    let Some(holder) = at(object, path) else {
        return;
    };
    if let Some(template) = made(holder, "template")
        && let Some(spec) = made(template, "spec")
    {
        pod_spec(spec);
    }
}

pub(super) fn pod_spec(spec: &mut Object) {
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "restartPolicy", "Always");
    default_pointer(spec, "securityContext", Value::Object(Map::new()));
    default_pointer(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "schedulerName", "default-scheduler");
    each(spec, "volumes", volume);
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec, containers, container);
    }
    resource_list(spec, "overhead");
    if let Some(resources) = child(spec, "resources") {
        resource_list(resources, "limits");
        resource_list(resources, "requests");
    }
}

fn container(container: &mut Object) {
    let policy = pull_policy(text(container, "image"));
    default(container, "imagePullPolicy", policy);
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| default(port, "protocol", "TCP"));
    each(container, "env", |variable| {
        if let Some(from) = child(variable, "valueFrom") {
            if let Some(field) = child(from, "fieldRef") {
                default(field, "apiVersion", "v1");
            }
            if let Some(file) = child(from, "fileKeyRef") {
                default_pointer(file, "optional", false);
            }
        }
    });
    if let Some(resources) = child(container, "resources") {
        resource_list(resources, "limits");
        resource_list(resources, "requests");
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = child(container, name) {
            default_number(probe, "timeoutSeconds", 1);
            default_number(probe, "periodSeconds", 10);
            default_number(probe, "successThreshold", 1);
            default_number(probe, "failureThreshold", 3);
            http_get(probe);
            if let Some(grpc) = child(probe, "grpc") {
                default_pointer(grpc, "service", "");
            }
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = at(container, &["lifecycle", name]) {
            http_get(handler);
        }
    }
}

fn http_get(handler: &mut Object) {
    if let Some(action) = child(handler, "httpGet") {
        default(action, "path", "/");
        default(action, "scheme", "HTTP");
    }
}

/// Images without tag and digest, and those with the tag `latest`, are always pulled.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let (name, digest) = match name.split_once('@') {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    let valid = is_reference(image);
    match name.split_once(':') {
        _ if !valid => "IfNotPresent",
        Some((_, "latest")) => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
    }
}

/// Whether an image reference can be parsed; others have no tag.
fn is_reference(image: &str) -> bool {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| {
        let Some((algorithm, hex)) = digest.split_once(':') else {
            return true;
        };
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return true,
        };
        hex.len() != length
            || !hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }) {
        return false;
    }
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (rest, None),
    };
    let tag_fits = tag.is_none_or(|tag| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        tag.len() <= 128
            && tag.bytes().next().is_some_and(word)
            && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
    });
    let (first, others) = match path.split_once('/') {
        Some((first, others)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), others)
        }
        _ => (None, path),
    };
    let host_fits = first.is_none_or(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
    });
    let component = |part: &str| {
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.bytes().next())
            && edge(part.bytes().last())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    tag_fits && host_fits && others.split('/').all(component)
}

fn volume(volume: &mut Object) {
    if volume.keys().all(|name| name == "name") {
        volume.insert("emptyDir".to_owned(), Value::Object(Map::new()));
    }
    for (name, mode) in [
        ("secret", "defaultMode"),
        ("configMap", "defaultMode"),
        ("downwardAPI", "defaultMode"),
        ("projected", "defaultMode"),
    ] {
        if let Some(source) = child(volume, name) {
            default_pointer(source, mode, 0o644);
        }
    }
    if let Some(source) = child(volume, "downwardAPI") {
        downward_items(source);
    }
    if let Some(projected) = child(volume, "projected") {
        each(projected, "sources", |source| {
            if let Some(downward) = child(source, "downwardAPI") {
                downward_items(downward);
            }
            if let Some(token) = child(source, "serviceAccountToken") {
                default_pointer(token, "expirationSeconds", 3600);
            }
        });
    }
    if let Some(path) = child(volume, "hostPath") {
        default_pointer(path, "type", "");
    }
    if let Some(image) = child(volume, "image") {
        let policy = pull_policy(text(image, "reference"));
        default(image, "pullPolicy", policy);
    }
    if let Some(spec) = at(volume, &["ephemeral", "volumeClaimTemplate", "spec"]) {
        claim_spec(spec);
    }
    for (name, defaults) in [
        ("iscsi", json!({"iscsiInterface": "default"})),
        (
            "rbd",
            json!({"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
        ),
        (
            "azureDisk",
            json!({"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": false, "kind": "Shared"}),
        ),
        (
            "scaleIO",
            json!({"storageMode": "ThinProvisioned", "fsType": "xfs"}),
        ),
    ] {
        if let (Some(source), Value::Object(defaults)) = (child(volume, name), defaults) {
            for (name, value) in defaults {
                default(source, &name, value);
            }
        }
    }
}

fn downward_items(source: &mut Object) {
    each(source, "items", |item| {
        if let Some(field) = child(item, "fieldRef") {
            default(field, "apiVersion", "v1");
        }
    });
}

pub(super) fn claim_spec(spec: &mut Object) {
    default_pointer(spec, "volumeMode", "Filesystem");
    if let Some(resources) = child(spec, "resources") {
        resource_list(resources, "limits");
        resource_list(resources, "requests");
    }
}

/// Quantities are rounded up to thousandths.
pub(super) fn resource_list(object: &mut Object, name: &str) {
    let Some(list) = child(object, name) else {
        return;
    };
    for value in list.values_mut() {
        let Some(quantity) = value
            .as_str()
            .and_then(|text| text.parse::<Quantity>().ok())
        else {
            continue;
        };
        let decimal = quantity.to_decimal_string();
        let fraction = decimal
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        if fraction > 3 {
            let rounded = Quantity::from_milli(quantity.milli_value(), quantity.format());
            *value = Value::String(rounded.to_string());
        }
    }
}
