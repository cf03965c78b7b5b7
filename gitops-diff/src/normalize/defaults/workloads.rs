//! Workloads and autoscalers.

use serde_json::{Map, Value, json};

use super::{
    fields::{Object, at, child, default, default_pointer, each, is_unset, made, text},
    pod,
};

pub(super) fn apps(group: &str, version: &str, kind: &str, object: &mut Object) {
    // The first versions take selector and labels from the template.
    let first = group == "extensions" || (version == "v1beta1" && kind != "ControllerRevision");
    if first {
        labels_from_template(object);
    }
    let Some(spec) = made(object, "spec") else {
        return;
    };
    if group == "extensions" {
        extensions(kind, spec);
    }
    match kind {
        "Deployment" => {
            default_pointer(spec, "replicas", 1);
            if let Some(strategy) = made(spec, "strategy") {
                default(strategy, "type", "RollingUpdate");
                if text(strategy, "type") == "RollingUpdate"
                    && let Some(rolling) = made(strategy, "rollingUpdate")
                {
                    default_pointer(rolling, "maxUnavailable", "25%");
                    default_pointer(rolling, "maxSurge", "25%");
                }
            }
            default_pointer(spec, "revisionHistoryLimit", if first { 2 } else { 10 });
            default_pointer(spec, "progressDeadlineSeconds", 600);
        }
        "DaemonSet" => {
            if let Some(strategy) = made(spec, "updateStrategy") {
                default(strategy, "type", "RollingUpdate");
                if text(strategy, "type") == "RollingUpdate"
                    && let Some(rolling) = made(strategy, "rollingUpdate")
                {
                    default_pointer(rolling, "maxUnavailable", 1);
                    default_pointer(rolling, "maxSurge", 0);
                }
            }
            default_pointer(spec, "revisionHistoryLimit", 10);
        }
        "StatefulSet" => {
            if first && let Some(strategy) = made(spec, "updateStrategy") {
                default(strategy, "type", "OnDelete");
            }
            stateful_set(spec);
        }
        "ReplicaSet" => default_pointer(spec, "replicas", 1),
        _ => return,
    }
    pod::template(object, &["spec"]);
}

fn labels_from_template(object: &mut Object) {
    let labels = at(object, &["spec", "template", "metadata"])
        .and_then(|metadata| child(metadata, "labels"))
        .cloned();
    let Some(labels) = labels else { return };
    if let Some(spec) = made(object, "spec") {
        default_pointer(spec, "selector", json!({ "matchLabels": labels }));
    }
    if let Some(metadata) = made(object, "metadata") {
        default_pointer(metadata, "labels", Value::Object(labels));
    }
}

/// What `extensions/v1beta1` does otherwise than `apps`.
fn extensions(kind: &str, spec: &mut Object) {
    match kind {
        "Deployment" => {
            if let Some(strategy) = made(spec, "strategy") {
                default(strategy, "type", "RollingUpdate");
                let rolls = text(strategy, "type") == "RollingUpdate"
                    || strategy.contains_key("rollingUpdate");
                if rolls && let Some(rolling) = made(strategy, "rollingUpdate") {
                    default_pointer(rolling, "maxUnavailable", 1);
                    default_pointer(rolling, "maxSurge", 1);
                }
            }
            default_pointer(spec, "progressDeadlineSeconds", i32::MAX);
            default_pointer(spec, "revisionHistoryLimit", i32::MAX);
        }
        "DaemonSet" => {
            if let Some(strategy) = made(spec, "updateStrategy") {
                default(strategy, "type", "OnDelete");
            }
        }
        _ => {}
    }
}

fn stateful_set(spec: &mut Object) {
    default(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = made(spec, "updateStrategy") {
        if is_unset(strategy, "type") {
            strategy.insert("type".to_owned(), "RollingUpdate".into());
            default_pointer(strategy, "rollingUpdate", Value::Object(Map::new()));
        }
        if text(strategy, "type") == "RollingUpdate"
            && let Some(rolling) = child(strategy, "rollingUpdate")
        {
            default_pointer(rolling, "partition", 0);
        }
    }
    if let Some(policy) = made(spec, "persistentVolumeClaimRetentionPolicy") {
        default(policy, "whenDeleted", "Retain");
        default(policy, "whenScaled", "Retain");
    }
    default_pointer(spec, "replicas", 1);
    default_pointer(spec, "revisionHistoryLimit", 10);
    each(spec, "volumeClaimTemplates", |claim| {
        if let Some(status) = made(claim, "status") {
            default(status, "phase", "Pending");
        }
        if let Some(spec) = made(claim, "spec") {
            pod::claim_spec(spec);
        }
    });
}

pub(super) fn replication_controller(object: &mut Object) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    default_pointer(spec, "replicas", 1);
    let labels = at(spec, &["template", "metadata"])
        .and_then(|metadata| child(metadata, "labels"))
        .cloned();
    if let Some(labels) = labels {
        default_pointer(spec, "selector", Value::Object(labels.clone()));
        if let Some(metadata) = made(object, "metadata") {
            default_pointer(metadata, "labels", Value::Object(labels));
        }
    }
    pod::template(object, &["spec"]);
}

pub(super) fn batch(kind: &str, object: &mut Object) {
    match kind {
        "Job" => {
            let labels = at(object, &["spec", "template", "metadata"])
                .and_then(|metadata| child(metadata, "labels"))
                .cloned();
            if let Some(labels) = labels
                && let Some(metadata) = made(object, "metadata")
            {
                default_pointer(metadata, "labels", Value::Object(labels));
            }
            if let Some(spec) = made(object, "spec") {
                job_spec(spec);
            }
            pod::template(object, &["spec"]);
        }
        "CronJob" => {
            if let Some(spec) = made(object, "spec") {
                default(spec, "concurrencyPolicy", "Allow");
                default_pointer(spec, "suspend", false);
                default_pointer(spec, "successfulJobsHistoryLimit", 3);
                default_pointer(spec, "failedJobsHistoryLimit", 1);
                if let Some(template) = made(spec, "jobTemplate") {
                    made(template, "spec");
                }
            }
            pod::template(object, &["spec", "jobTemplate", "spec"]);
            if let Some(spec) = at(object, &["spec", "jobTemplate", "spec"]) {
                failure_policy(spec);
            }
        }
        _ => {}
    }
}

fn job_spec(spec: &mut Object) {
    if is_unset(spec, "completions") && is_unset(spec, "parallelism") {
        default_pointer(spec, "completions", 1);
    }
    default_pointer(spec, "parallelism", 1);
    let backoff = if is_unset(spec, "backoffLimitPerIndex") {
        6
    } else {
        i32::MAX
    };
    default_pointer(spec, "backoffLimit", backoff);
    default_pointer(spec, "completionMode", "NonIndexed");
    default_pointer(spec, "suspend", false);
    let replacement = if is_unset(spec, "podFailurePolicy") {
        "TerminatingOrFailed"
    } else {
        "Failed"
    };
    default_pointer(spec, "podReplacementPolicy", replacement);
    default_pointer(spec, "manualSelector", false);
    failure_policy(spec);
}

fn failure_policy(spec: &mut Object) {
    if let Some(policy) = child(spec, "podFailurePolicy") {
        each(policy, "rules", |rule| {
            each(rule, "onPodConditions", |condition| {
                default(condition, "status", "True");
            });
        });
    }
}

pub(super) fn autoscaler(version: &str, object: &mut Object) {
    let Some(spec) = made(object, "spec") else {
        return;
    };
    default_pointer(spec, "minReplicas", 1);
    if version == "v1" {
        return;
    }
    let no_metrics = spec
        .get("metrics")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    if no_metrics {
        let metrics = if version == "v2beta1" {
            json!([{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 80}}])
        } else {
            json!([{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
            }}])
        };
        spec.insert("metrics".to_owned(), metrics);
    }
    if let Some(behavior) = child(spec, "behavior") {
        for (name, defaults) in [
            (
                "scaleUp",
                json!({"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
                    {"type": "Pods", "value": 4, "periodSeconds": 15},
                    {"type": "Percent", "value": 100, "periodSeconds": 15},
                ]}),
            ),
            (
                "scaleDown",
                json!({"selectPolicy": "Max", "policies": [
                    {"type": "Percent", "value": 100, "periodSeconds": 15},
                ]}),
            ),
        ] {
            if let (Some(rules), Value::Object(defaults)) = (made(behavior, name), defaults) {
                for (name, value) in defaults {
                    default_pointer(rules, &name, value);
                }
            }
        }
    }
}
