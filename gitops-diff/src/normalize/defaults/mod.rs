//! The defaults that an API server gives to objects of the built-in kinds.
//!
//! In: an object as Go writes it ([`super::remarshal()`]). Out: the same with the defaults of its
//! kind (Kubernetes 1.36 with its default feature gates).

mod fields;
mod pod;
mod workloads;

use gitops_core::GroupVersionKind;
use serde_json::{Map, Value, json};

use self::fields::{Object, at, child, default, default_pointer, each, is_unset, made, text};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Sets the defaults of a kind.
pub(crate) fn set_defaults(gvk: &GroupVersionKind, object: &mut Value) {
    let Value::Object(object) = object else {
        return;
    };
    match (gvk.group.as_str(), gvk.version.as_str(), gvk.kind.as_str()) {
        ("", "v1", kind) => core(kind, object),
        ("extensions", _, "NetworkPolicy") | ("networking.k8s.io", "v1", "NetworkPolicy") => {
            network_policy(object);
        }
        ("extensions" | "networking.k8s.io", "v1beta1", "Ingress") => ingress_paths(object),
        (group @ ("apps" | "extensions"), version, kind) => {
            workloads::apps(group, version, kind, object);
        }
        ("batch", "v1" | "v1beta1", kind) => workloads::batch(kind, object),
        ("autoscaling", version, "HorizontalPodAutoscaler") => {
            workloads::autoscaler(version, object);
        }
        ("networking.k8s.io", "v1", "IngressClass") => {
            if let Some(parameters) = at(object, &["spec", "parameters"]) {
                default_pointer(parameters, "scope", "Cluster");
            }
        }
        (RBAC, _, "RoleBinding" | "ClusterRoleBinding") => {
            if let Some(role) = child(object, "roleRef") {
                default(role, "apiGroup", RBAC);
            }
            each(object, "subjects", |subject| {
                if matches!(text(subject, "kind"), "User" | "Group") {
                    default(subject, "apiGroup", RBAC);
                }
            });
        }
        ("storage.k8s.io", _, "StorageClass") => {
            default_pointer(object, "reclaimPolicy", "Delete");
            default_pointer(object, "volumeBindingMode", "Immediate");
        }
        ("storage.k8s.io", _, "CSIDriver") => csi_driver(object),
        ("scheduling.k8s.io", _, "PriorityClass") => {
            default_pointer(object, "preemptionPolicy", "PreemptLowerPriority");
        }
        ("discovery.k8s.io", "v1", "EndpointSlice") => each(object, "ports", |port| {
            default_pointer(port, "name", "");
            default_pointer(port, "protocol", "TCP");
        }),
        ("admissionregistration.k8s.io", version, kind) => admission(version, kind, object),
        _ => {}
    }
}

fn core(kind: &str, object: &mut Object) {
    match kind {
        "Pod" => pod::pod(object),
        "PodTemplate" => pod::template(object, &[]),
        "ReplicationController" => workloads::replication_controller(object),
        "Service" => service(object),
        "Secret" => default(object, "type", "Opaque"),
        "ConfigMap" => default_pointer(object, "data", Value::Object(Map::new())),
        "Endpoints" => each(object, "subsets", |subset| {
            each(subset, "ports", |port| default(port, "protocol", "TCP"));
        }),
        "Namespace" => {
            let name = at(object, &["metadata"])
                .map(|metadata| text(metadata, "name").to_owned())
                .unwrap_or_default();
            if !name.is_empty()
                && let Some(labels) =
                    at(object, &["metadata"]).and_then(|metadata| made(metadata, "labels"))
            {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
            }
            if let Some(status) = made(object, "status") {
                default(status, "phase", "Active");
            }
        }
        "PersistentVolumeClaim" => {
            if let Some(status) = made(object, "status") {
                default(status, "phase", "Pending");
                pod::resource_list(status, "capacity");
                pod::resource_list(status, "allocatedResources");
            }
            if let Some(spec) = made(object, "spec") {
                pod::claim_spec(spec);
            }
        }
        "PersistentVolume" => {
            if let Some(status) = made(object, "status") {
                default(status, "phase", "Pending");
            }
            if let Some(spec) = made(object, "spec") {
                default(spec, "persistentVolumeReclaimPolicy", "Retain");
                default_pointer(spec, "volumeMode", "Filesystem");
                pod::resource_list(spec, "capacity");
                if let Some(path) = child(spec, "hostPath") {
                    default_pointer(path, "type", "");
                }
            }
        }
        "LimitRange" => {
            if let Some(spec) = child(object, "spec") {
                each(spec, "limits", limit_range_item);
            }
        }
        "ResourceQuota" => {
            for (part, list) in [("spec", "hard"), ("status", "hard"), ("status", "used")] {
                if let Some(part) = child(object, part) {
                    pod::resource_list(part, list);
                }
            }
        }
        _ => {}
    }
}

fn limit_range_item(item: &mut Object) {
    if text(item, "type") == "Container" {
        let list = |item: &Object, name: &str| -> Object {
            item.get(name)
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default()
        };
        let (max, min) = (list(item, "max"), list(item, "min"));
        let (mut limit, mut request) = (list(item, "default"), list(item, "defaultRequest"));
        for (name, value) in max {
            limit.entry(name).or_insert(value);
        }
        for (name, value) in limit.clone().into_iter().chain(min) {
            request.entry(name).or_insert(value);
        }
        for (name, list) in [("default", limit), ("defaultRequest", request)] {
            if !list.is_empty() {
                item.insert(name.to_owned(), Value::Object(list));
            }
        }
    }
    for name in [
        "max",
        "min",
        "default",
        "defaultRequest",
        "maxLimitRequestRatio",
    ] {
        pod::resource_list(item, name);
    }
}

fn service(object: &mut Object) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    default(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let stated = at(spec, &["sessionAffinityConfig", "clientIP"])
                .is_some_and(|client| !is_unset(client, "timeoutSeconds"));
            if !stated {
                spec.insert(
                    "sessionAffinityConfig".to_owned(),
                    json!({"clientIP": {"timeoutSeconds": 10800}}),
                );
            }
        }
        _ => {}
    }
    default(spec, "type", "ClusterIP");
    each(spec, "ports", |port| {
        default(port, "protocol", "TCP");
        let unset = match port.get("targetPort") {
            None | Some(Value::Null) => true,
            Some(Value::Number(number)) => number.as_i64() == Some(0),
            Some(Value::String(text)) => text.is_empty(),
            _ => false,
        };
        if unset {
            let number = port.get("port").cloned().unwrap_or_else(|| 0.into());
            port.insert("targetPort".to_owned(), number);
        }
    });
    let ty = text(spec, "type").to_owned();
    let has_external = spec
        .get("externalIPs")
        .and_then(Value::as_array)
        .is_some_and(|addresses| !addresses.is_empty());
    let external =
        matches!(ty.as_str(), "LoadBalancer" | "NodePort") || (ty == "ClusterIP" && has_external);
    if external {
        default(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(ty.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        default_pointer(spec, "internalTrafficPolicy", "Cluster");
    }
    if ty == "LoadBalancer" {
        default_pointer(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(balancer) = at(object, &["status", "loadBalancer"]) {
            each(balancer, "ingress", |ingress| {
                if !is_unset(ingress, "ip") {
                    default_pointer(ingress, "ipMode", "VIP");
                }
            });
        }
    }
}

fn network_policy(object: &mut Object) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    let is_empty = |spec: &Object, name: &str| {
        spec.get(name)
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
    };
    if is_empty(spec, "policyTypes") {
        let types = if is_empty(spec, "egress") {
            json!(["Ingress"])
        } else {
            json!(["Ingress", "Egress"])
        };
        spec.insert("policyTypes".to_owned(), types);
    }
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| {
            each(rule, "ports", |port| {
                default_pointer(port, "protocol", "TCP")
            });
        });
    }
}

fn csi_driver(object: &mut Object) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    default_pointer(spec, "attachRequired", true);
    for name in [
        "podInfoOnMount",
        "storageCapacity",
        "requiresRepublish",
        "seLinuxMount",
    ] {
        default_pointer(spec, name, false);
    }
    default_pointer(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    default_pointer(spec, "volumeLifecycleModes", json!(["Persistent"]));
}

fn ingress_paths(object: &mut Object) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    each(spec, "rules", |rule| {
        if let Some(http) = child(rule, "http") {
            each(http, "paths", |path| {
                default_pointer(path, "pathType", "ImplementationSpecific");
            });
        }
    });
}

fn admission(version: &str, kind: &str, object: &mut Object) {
    let beta = version == "v1beta1";
    match kind {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            each(object, "webhooks", |webhook| {
                default_pointer(
                    webhook,
                    "failurePolicy",
                    if beta { "Ignore" } else { "Fail" },
                );
                if beta {
                    default_pointer(webhook, "matchPolicy", "Exact");
                    default_pointer(webhook, "sideEffects", "Unknown");
                    default_pointer(webhook, "timeoutSeconds", 30);
                    default_pointer(webhook, "admissionReviewVersions", json!(["v1beta1"]));
                }
                match_resources(webhook);
                default_pointer(webhook, "timeoutSeconds", 10);
                if kind == "MutatingWebhookConfiguration" {
                    default_pointer(webhook, "reinvocationPolicy", "Never");
                }
                if let Some(service) = at(webhook, &["clientConfig", "service"]) {
                    default_pointer(service, "port", 443);
                }
                each(webhook, "rules", |rule| default_pointer(rule, "scope", "*"));
            });
        }
        "ValidatingAdmissionPolicy" => {
            if let Some(spec) = made(object, "spec") {
                default_pointer(spec, "failurePolicy", "Fail");
                if let Some(constraints) = child(spec, "matchConstraints") {
                    match_resources(constraints);
                    rules(constraints);
                }
            }
        }
        "ValidatingAdmissionPolicyBinding" => {
            if let Some(resources) = at(object, &["spec", "matchResources"]) {
                match_resources(resources);
                rules(resources);
            }
        }
        _ => {}
    }
}

fn match_resources(object: &mut Object) {
    default_pointer(object, "matchPolicy", "Equivalent");
    default_pointer(object, "namespaceSelector", Value::Object(Map::new()));
    default_pointer(object, "objectSelector", Value::Object(Map::new()));
}

fn rules(object: &mut Object) {
    for name in ["resourceRules", "excludeResourceRules"] {
        each(object, name, |rule| default_pointer(rule, "scope", "*"));
    }
}
