//! Validation of objects: names, labels, required and immutable fields, in the API server's words.

mod immutable;
mod metadata;
mod pods;
mod resources;
mod workloads;

use gitops_core::Manifest;
use serde_json::{Map, Value};

use super::{registry::Kind, status::FieldError};

type Errors = Vec<FieldError>;

/// What is wrong with an object that is created or changed.
pub(crate) fn object(kind: &Kind, object: &Manifest, errors: &mut Errors) {
    metadata::check(kind, object, errors);
    if let Some(custom) = &kind.custom {
        if let Some(structural) = &custom.structural {
            structural.validate(&object.to_value(), errors);
        }
        return;
    }
    let root = object.as_map();
    match (kind.gvk.group.as_str(), kind.gvk.kind.as_str()) {
        ("apps" | "extensions", "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet") => {
            workloads::controller(root, &kind.gvk.kind, errors);
        }
        ("", "ReplicationController") => workloads::replication_controller(root, errors),
        ("batch", "Job") => workloads::job(root, errors),
        ("batch", "CronJob") => workloads::cron_job(root, errors),
        ("", "Pod") => {
            pods::spec(root.get("spec").and_then(Value::as_object), "spec", errors);
        }
        ("", "Service") => resources::service(root, errors),
        ("", "ConfigMap") => resources::config_map(root, errors),
        ("", "Secret") => resources::secret(root, errors),
        ("", "PersistentVolumeClaim") => resources::claim(root, errors),
        ("", "PersistentVolume") => resources::volume(root, errors),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            resources::binding(root, &kind.gvk.kind, errors);
        }
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
            resources::role(root, &kind.gvk.kind, errors);
        }
        ("networking.k8s.io", "Ingress") if kind.gvk.version == "v1" => {
            resources::ingress(root, errors);
        }
        ("autoscaling", "HorizontalPodAutoscaler") => resources::autoscaler(root, errors),
        ("policy", "PodDisruptionBudget") => resources::disruption_budget(root, errors),
        ("storage.k8s.io", "StorageClass") => resources::storage_class(root, errors),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            super::custom::validate(object, false, errors);
        }
        _ => {}
    }
}

/// What is wrong with a change.
pub(crate) fn change(kind: &Kind, new: &Manifest, old: &Manifest, errors: &mut Errors) {
    metadata::check_change(new, old, errors);
    if kind.custom.is_none() {
        immutable::check(kind, new, old, errors);
    }
}

pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn object_at<'a>(
    map: &'a Map<String, Value>,
    key: &str,
) -> Option<&'a Map<String, Value>> {
    map.get(key).and_then(Value::as_object)
}

pub(super) fn items<'a>(
    map: &'a Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = (usize, &'a Map<String, Value>)> + use<'a> {
    map.get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, item)| Some((index, item.as_object()?)))
}

pub(super) fn integer(map: &Map<String, Value>, key: &str) -> Option<i64> {
    map.get(key).and_then(Value::as_i64)
}

/// `0` where the field is missing, as a Go struct has it.
pub(super) fn not_negative(map: &Map<String, Value>, key: &str, path: &str, errors: &mut Errors) {
    if let Some(number) = integer(map, key)
        && number < 0
    {
        errors.push(FieldError::invalid(
            format!("{path}.{key}"),
            &number.into(),
            "must be greater than or equal to 0",
        ));
    }
}
