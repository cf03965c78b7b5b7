//! Fields that cannot change once they are set.

use gitops_core::Manifest;
use serde_json::{Map, Value, json};

use super::{Errors, FieldError, object_at, text};
use crate::embedded::registry::Kind;

const IMMUTABLE: &str = "field is immutable";

pub(super) fn check(kind: &Kind, new: &Manifest, old: &Manifest, errors: &mut Errors) {
    let (new, old) = (new.as_map(), old.as_map());
    match (kind.gvk.group.as_str(), kind.gvk.kind.as_str()) {
        // The early versions let selectors change.
        ("apps", "Deployment" | "DaemonSet" | "ReplicaSet") if kind.gvk.version == "v1" => {
            same(new, old, &["spec", "selector"], IMMUTABLE, errors);
        }
        ("apps", "StatefulSet") => stateful_set(new, old, errors),
        ("batch", "Job") => job(new, old, errors),
        ("", "Service") => service(new, old, errors),
        ("", "PersistentVolumeClaim") => claim(new, old, errors),
        ("", "PersistentVolume") => volume(new, old, errors),
        ("", "ConfigMap") => marked_immutable(new, old, &["data", "binaryData"], errors),
        ("", "Secret") => {
            same(new, old, &["type"], IMMUTABLE, errors);
            marked_immutable(new, old, &["data"], errors);
        }
        ("", "Pod") => pod(new, old, errors),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding")
            if new.get("roleRef") != old.get("roleRef") =>
        {
            let empty = Map::new();
            let role = object_at(new, "roleRef").unwrap_or(&empty);
            let value = json!({
                "APIGroup": text(role, "apiGroup"), "Kind": text(role, "kind"),
                "Name": text(role, "name"),
            });
            errors.push(FieldError::invalid(
                "roleRef",
                &value,
                "cannot change roleRef",
            ));
        }
        ("storage.k8s.io", "StorageClass") => {
            for (key, what) in [("parameters", "parameters"), ("provisioner", "provisioner")] {
                if new.get(key) != old.get(key) {
                    errors.push(FieldError::forbidden(
                        key,
                        &format!("updates to {what} are forbidden."),
                    ));
                }
            }
            for key in ["reclaimPolicy", "volumeBindingMode"] {
                same(new, old, &[key], IMMUTABLE, errors);
            }
        }
        ("scheduling.k8s.io", "PriorityClass") if new.get("value") != old.get("value") => {
            errors.push(FieldError::forbidden(
                "value",
                "may not be changed in an update.",
            ));
        }
        ("networking.k8s.io", "IngressClass") => {
            same(new, old, &["spec", "controller"], IMMUTABLE, errors);
        }
        ("policy", "PodDisruptionBudget") if kind.gvk.version == "v1beta1" => {}
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            for path in [
                ["spec", "group"].as_slice(),
                &["spec", "names", "kind"],
                &["spec", "scope"],
                &["spec", "names", "plural"],
            ] {
                same(new, old, path, IMMUTABLE, errors);
            }
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            same(new, old, &["addressType"], IMMUTABLE, errors);
        }
        _ => {}
    }
}

fn at<'a>(map: &'a Map<String, Value>, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(map.get(*first)?, |value, key| value.get(*key))
}

fn same(
    new: &Map<String, Value>,
    old: &Map<String, Value>,
    path: &[&str],
    detail: &str,
    errors: &mut Errors,
) {
    if at(new, path) != at(old, path) {
        errors.push(FieldError::invalid(
            path.join("."),
            at(new, path).unwrap_or(&Value::Null),
            detail,
        ));
    }
}

fn stateful_set(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    const CHANGEABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    if differs_but_for(new, old, &CHANGEABLE) {
        let (last, first) = CHANGEABLE.split_last().expect("a list of names");
        let first: Vec<String> = first.iter().map(|name| format!("'{name}'")).collect();
        errors.push(FieldError::forbidden(
            "spec",
            &format!(
                "updates to statefulset spec for fields other than {} and '{last}' are forbidden",
                first.join(", ")
            ),
        ));
    }
}

fn differs_but_for(
    new: &Map<String, Value>,
    old: &Map<String, Value>,
    changeable: &[&str],
) -> bool {
    let fixed = |map: &Map<String, Value>| -> Vec<(String, Value)> {
        let mut fields: Vec<(String, Value)> = object_at(map, "spec")
            .into_iter()
            .flatten()
            .filter(|(key, _)| !changeable.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields
    };
    fixed(new) != fixed(old)
}

fn job(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    let is_indexed = at(new, &["spec", "completionMode"]) == Some(&"Indexed".into());
    if !is_indexed {
        same(new, old, &["spec", "completions"], IMMUTABLE, errors);
    }
    for path in [
        ["spec", "selector"],
        ["spec", "template"],
        ["spec", "completionMode"],
        ["spec", "podFailurePolicy"],
        ["spec", "backoffLimitPerIndex"],
    ] {
        let is_suspended = at(old, &["spec", "suspend"]) == Some(&true.into());
        if path[1] == "template" && is_suspended {
            continue;
        }
        same(new, old, &path, IMMUTABLE, errors);
    }
}

fn service(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    let ip =
        |map: &Map<String, Value>| at(map, &["spec", "clusterIP"]).cloned().unwrap_or_default();
    let is_external =
        |map: &Map<String, Value>| at(map, &["spec", "type"]) == Some(&"ExternalName".into());
    let (new_ip, old_ip) = (ip(new), ip(old));
    if is_external(new) || is_external(old) || old_ip.is_null() || old_ip == "" {
        return;
    }
    if new_ip != old_ip {
        errors.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            &json!([new_ip]),
            "may not change once set",
        ));
    }
}

fn claim(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    // The size may grow, a volume may be bound and the default class filled in.
    let mut new_spec = object_at(new, "spec").cloned().unwrap_or_default();
    let old_spec = object_at(old, "spec").cloned().unwrap_or_default();
    let was_bound = !text(&old_spec, "volumeName").is_empty();
    if !was_bound && let Some(volume) = new_spec.get("volumeName").cloned() {
        let mut old_spec = old_spec;
        old_spec.insert("volumeName".to_owned(), volume);
        return claim_specs(new_spec, &old_spec, false, errors);
    }
    if was_bound && !old_spec.contains_key("storageClassName") {
        new_spec.remove("storageClassName");
    }
    claim_specs(new_spec, &old_spec, was_bound, errors);
}

fn claim_specs(
    mut new: Map<String, Value>,
    old: &Map<String, Value>,
    may_grow: bool,
    errors: &mut Errors,
) {
    if may_grow {
        for key in ["resources", "volumeAttributesClassName"] {
            match old.get(key) {
                Some(value) => new.insert(key.to_owned(), value.clone()),
                None => new.remove(key),
            };
        }
    }
    if new != *old {
        errors.push(FieldError::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ));
    }
}

fn volume(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    const SOURCES: [&str; 6] = [
        "hostPath",
        "nfs",
        "csi",
        "local",
        "iscsi",
        "awsElasticBlockStore",
    ];
    let source = |map: &Map<String, Value>| -> Vec<Option<Value>> {
        SOURCES
            .iter()
            .map(|key| at(map, &["spec", key]).cloned())
            .collect()
    };
    if source(new) != source(old) {
        errors.push(FieldError::forbidden(
            "spec.persistentvolumesource",
            "spec.persistentvolumesource is immutable after creation",
        ));
    }
    same(new, old, &["spec", "volumeMode"], IMMUTABLE, errors);
}

fn marked_immutable(
    new: &Map<String, Value>,
    old: &Map<String, Value>,
    keys: &[&str],
    errors: &mut Errors,
) {
    if old.get("immutable") != Some(&true.into()) {
        return;
    }
    for key in std::iter::once(&"immutable").chain(keys) {
        if new.get(*key) != old.get(*key) {
            errors.push(FieldError::forbidden(
                *key,
                "field is immutable when `immutable` is set",
            ));
        }
    }
}

fn pod(new: &Map<String, Value>, old: &Map<String, Value>, errors: &mut Errors) {
    let fixed = |map: &Map<String, Value>| {
        let mut spec = object_at(map, "spec").cloned().unwrap_or_default();
        for key in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "nodeName",
        ] {
            spec.remove(key);
        }
        for key in ["containers", "initContainers"] {
            for container in spec
                .get_mut(key)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(container) = container.as_object_mut() {
                    container.remove("image");
                }
            }
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}
