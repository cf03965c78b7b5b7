//! Defaults of built-in kinds: what the API server fills in where an object leaves a field out.
//!
//! | kinds | fields |
//! |---|---|
//! | pod templates | see [`pod`] |
//! | Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController | `replicas`, strategies, `revisionHistoryLimit`, `progressDeadlineSeconds`, `podManagementPolicy`, claim retention, claim templates |
//! | Job, CronJob | `parallelism`, `completions`, `backoffLimit`, `completionMode`, `suspend`, `podReplacementPolicy`, `concurrencyPolicy`, history limits |
//! | Service | `type`, `sessionAffinity`, `ports[].protocol`, `ports[].targetPort`, traffic policies, IP families |
//! | Secret | `type`; `stringData` becomes `data` |
//! | PersistentVolume, PersistentVolumeClaim, StorageClass, CSIDriver | modes and policies |
//! | Ingress, NetworkPolicy, Endpoints, EndpointSlice | path types, policy types, protocols |
//! | Role, binding | API groups of role and subjects |
//! | HorizontalPodAutoscaler | `minReplicas`, the CPU metric, scaling policies |
//! | webhook configurations, APIService, CustomResourceDefinition | policies, scopes, ports, names |
//! | PriorityClass, LimitRange | preemption, default limits |
//!
//! They are those of the version of the cluster where versions differ, and applied to each write,
//! so that an object that is applied twice is the same after the second time.

pub(crate) mod pod;
mod workloads;

use gitops_core::GroupVersionKind;
use serde_json::{Map, Value, json};

/// Fills in the defaults of a built-in kind. `minor` is the minor version of the cluster.
pub(crate) fn fill(gvk: &GroupVersionKind, object: &mut Map<String, Value>, minor: u32) {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => {
            if let Some(spec) = child(object, "spec") {
                pod::fill(spec);
                pod::fill_pod_only(spec);
            }
        }
        ("", "Service") => service(object, minor),
        ("", "Secret") => secret(object),
        ("", "PersistentVolumeClaim") => {
            if let Some(spec) = child(object, "spec") {
                put(spec, "volumeMode", "Filesystem");
            }
        }
        ("", "PersistentVolume") => {
            if let Some(spec) = child(object, "spec") {
                put(spec, "persistentVolumeReclaimPolicy", "Retain");
                put(spec, "volumeMode", "Filesystem");
                if let Some(path) = child(spec, "hostPath") {
                    put(path, "type", "");
                }
            }
        }
        ("", "Endpoints") => {
            for subset in children(object, "subsets") {
                children(subset, "ports").for_each(|port| put(port, "protocol", "TCP"));
            }
        }
        ("", "LimitRange") => limit_range(object),
        ("", "ReplicationController") => workloads::replication_controller(object),
        ("", "PodTemplate") => {
            if let Some(template) = child(object, "template") {
                pod::fill_template(template);
            }
        }
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => {
            workloads::fill(gvk, object, minor);
        }
        ("batch", "Job") => {
            if let Some(spec) = child(object, "spec") {
                workloads::job(spec, minor);
            }
        }
        ("batch", "CronJob") => workloads::cron_job(object),
        ("discovery.k8s.io", "EndpointSlice") => {
            for port in children(object, "ports") {
                put(port, "name", "");
                put(port, "protocol", "TCP");
            }
        }
        ("networking.k8s.io" | "extensions", "Ingress")
            if gvk.version == "v1beta1" && minor >= 18 =>
        {
            for rule in child(object, "spec")
                .into_iter()
                .flat_map(|s| children(s, "rules"))
            {
                for path in child(rule, "http")
                    .into_iter()
                    .flat_map(|h| children(h, "paths"))
                {
                    put(path, "pathType", "ImplementationSpecific");
                }
            }
        }
        ("networking.k8s.io" | "extensions", "NetworkPolicy") => network_policy(object),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(gvk, object),
        ("storage.k8s.io", "StorageClass") => {
            put(object, "reclaimPolicy", "Delete");
            put(object, "volumeBindingMode", "Immediate");
        }
        ("storage.k8s.io", "CSIDriver") => {
            if let Some(spec) = child(object, "spec") {
                put(spec, "attachRequired", true);
                put(spec, "podInfoOnMount", false);
                if minor >= 19 {
                    put(spec, "storageCapacity", false);
                    put(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
                }
                put(spec, "volumeLifecycleModes", json!(["Persistent"]));
                if minor >= 21 {
                    put(spec, "requiresRepublish", false);
                }
                if minor >= 25 {
                    put(spec, "seLinuxMount", false);
                }
            }
        }
        ("scheduling.k8s.io", "PriorityClass") if minor >= 19 => {
            put(object, "preemptionPolicy", "PreemptLowerPriority");
        }
        ("apiregistration.k8s.io", "APIService") => {
            if let Some(service) = child(object, "spec").and_then(|spec| child(spec, "service")) {
                put(service, "port", 443);
            }
        }
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration",
        ) => webhooks(gvk, object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            super::custom::fill_defaults(object);
        }
        _ => {}
    }
}

pub(crate) fn put(map: &mut Map<String, Value>, key: &str, default: impl Into<Value>) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.to_owned(), default.into());
    }
}

/// For fields whose zero value counts as left out.
pub(super) fn put_unless_set(map: &mut Map<String, Value>, key: &str, default: impl Into<Value>) {
    let is_zero = match map.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(_) => false,
    };
    if is_zero {
        map.insert(key.to_owned(), default.into());
    }
}

pub(crate) fn child<'a>(
    map: &'a mut Map<String, Value>,
    key: &str,
) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(key)?.as_object_mut()
}

/// The object under `key`, made where it is missing.
pub(crate) fn made<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

pub(super) fn children<'a>(
    map: &'a mut Map<String, Value>,
    key: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    map.get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn service(object: &mut Map<String, Value>, minor: u32) {
    let spec = made(object, "spec");
    put_unless_set(spec, "type", "ClusterIP");
    put_unless_set(spec, "sessionAffinity", "None");
    if text(spec, "sessionAffinity") == "ClientIP" {
        let config = made(made(spec, "sessionAffinityConfig"), "clientIP");
        put(config, "timeoutSeconds", 10800);
    }
    for port in children(spec, "ports") {
        put_unless_set(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_else(|| 0.into());
        put_unless_set(port, "targetPort", number);
        if port.get("nodePort").and_then(Value::as_i64) == Some(0) {
            port.remove("nodePort");
        }
    }
    let service_type = text(spec, "type").to_owned();
    if matches!(service_type.as_str(), "NodePort" | "LoadBalancer") {
        put_unless_set(spec, "externalTrafficPolicy", "Cluster");
    }
    if service_type != "ExternalName" && minor >= 22 {
        put_unless_set(spec, "internalTrafficPolicy", "Cluster");
    }
    if service_type == "LoadBalancer" && minor >= 22 {
        put(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn secret(object: &mut Map<String, Value>) {
    use base64::Engine as _;
    if let Some(Value::Object(texts)) = object.remove("stringData") {
        let data = made(object, "data");
        for (key, value) in texts {
            let text = value.as_str().unwrap_or_default();
            data.insert(
                key,
                base64::engine::general_purpose::STANDARD
                    .encode(text)
                    .into(),
            );
        }
        if data.is_empty() {
            object.remove("data");
        }
    }
    put_unless_set(object, "type", "Opaque");
}

fn limit_range(object: &mut Map<String, Value>) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    for limit in children(spec, "limits") {
        if text(limit, "type") != "Container" {
            continue;
        }
        let max = limit
            .get("max")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let min = limit
            .get("min")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        let default = made(limit, "default");
        max.into_iter()
            .for_each(|(name, value)| put(default, &name, value));
        let default = default.clone();
        let request = made(limit, "defaultRequest");
        default
            .into_iter()
            .for_each(|(name, value)| put(request, &name, value));
        min.into_iter()
            .for_each(|(name, value)| put(request, &name, value));
        for key in ["default", "defaultRequest"] {
            if limit
                .get(key)
                .and_then(Value::as_object)
                .is_some_and(Map::is_empty)
            {
                limit.remove(key);
            }
        }
    }
}

fn network_policy(object: &mut Map<String, Value>) {
    let spec = made(object, "spec");
    put(spec, "podSelector", json!({}));
    for direction in ["ingress", "egress"] {
        for rule in children(spec, direction) {
            children(rule, "ports").for_each(|port| put(port, "protocol", "TCP"));
        }
    }
    if spec
        .get("policyTypes")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        let mut types = vec!["Ingress"];
        if spec
            .get("egress")
            .and_then(Value::as_array)
            .is_some_and(|rules| !rules.is_empty())
        {
            types.push("Egress");
        }
        spec.insert("policyTypes".to_owned(), json!(types));
    }
}

fn binding(object: &mut Map<String, Value>) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(role) = child(object, "roleRef") {
        put_unless_set(role, "apiGroup", GROUP);
    }
    for subject in children(object, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            put_unless_set(subject, "apiGroup", GROUP);
        } else if subject.get("apiGroup").and_then(Value::as_str) == Some("") {
            subject.remove("apiGroup");
        }
    }
}

fn autoscaler(gvk: &GroupVersionKind, object: &mut Map<String, Value>) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    put(spec, "minReplicas", 1);
    if gvk.version == "v1" {
        put(spec, "targetCPUUtilizationPercentage", 80);
        return;
    }
    if spec
        .get("metrics")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        let resource = if gvk.version == "v2beta1" {
            json!({"name": "cpu", "targetAverageUtilization": 80})
        } else {
            json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}})
        };
        spec.insert(
            "metrics".to_owned(),
            json!([{"type": "Resource", "resource": resource}]),
        );
    }
    if let Some(behavior) = child(spec, "behavior") {
        let up = made(behavior, "scaleUp");
        put(up, "selectPolicy", "Max");
        put(up, "stabilizationWindowSeconds", 0);
        put(
            up,
            "policies",
            json!([
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ]),
        );
        let down = made(behavior, "scaleDown");
        put(down, "selectPolicy", "Max");
        put(
            down,
            "policies",
            json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]),
        );
    }
}

fn webhooks(gvk: &GroupVersionKind, object: &mut Map<String, Value>) {
    let is_beta = gvk.version == "v1beta1";
    let is_mutating = gvk.kind == "MutatingWebhookConfiguration";
    for webhook in children(object, "webhooks") {
        put(
            webhook,
            "failurePolicy",
            if is_beta { "Ignore" } else { "Fail" },
        );
        put(
            webhook,
            "matchPolicy",
            if is_beta { "Exact" } else { "Equivalent" },
        );
        put(webhook, "namespaceSelector", json!({}));
        put(webhook, "objectSelector", json!({}));
        put(webhook, "timeoutSeconds", if is_beta { 30 } else { 10 });
        if is_beta {
            put(webhook, "sideEffects", "Unknown");
            put(webhook, "admissionReviewVersions", json!(["v1beta1"]));
        }
        if is_mutating {
            put(webhook, "reinvocationPolicy", "Never");
        }
        children(webhook, "rules").for_each(|rule| put(rule, "scope", "*"));
        if let Some(service) = child(webhook, "clientConfig").and_then(|c| child(c, "service")) {
            put(service, "port", 443);
        }
    }
}
