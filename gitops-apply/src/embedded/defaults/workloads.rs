//! Defaults of the kinds that make pods.

use gitops_core::GroupVersionKind;
use serde_json::{Map, Value, json};

use super::{child, children, made, pod, put, put_unless_set};

/// Deployment, StatefulSet, DaemonSet and ReplicaSet at all their versions.
pub(super) fn fill(gvk: &GroupVersionKind, object: &mut Map<String, Value>, minor: u32) {
    let is_old = gvk.group == "extensions" || gvk.version == "v1beta1";
    if object.get("spec").is_none_or(|spec| !spec.is_object()) {
        return;
    }
    if gvk.kind == "DaemonSet" {
        // The server keeps the count of templates in an annotation, which `v1` has no field for.
        let annotations = made(made(object, "metadata"), "annotations");
        put(annotations, "deprecated.daemonset.template.generation", "0");
    }
    let spec = made(object, "spec");
    pod::fill_template(made(spec, "template"));
    if is_old {
        selector_of_template(spec);
    }
    match gvk.kind.as_str() {
        "Deployment" => {
            put(spec, "replicas", 1);
            let strategy = made(spec, "strategy");
            put_unless_set(strategy, "type", "RollingUpdate");
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
                let rolling = made(strategy, "rollingUpdate");
                let step: Value = if is_old { 1.into() } else { "25%".into() };
                put(rolling, "maxUnavailable", step.clone());
                put(rolling, "maxSurge", step);
            }
            let (history, deadline) = match (gvk.group.as_str(), gvk.version.as_str()) {
                ("extensions", _) => (i64::from(i32::MAX), i64::from(i32::MAX)),
                (_, "v1beta1") => (2, 600),
                _ => (10, 600),
            };
            put(spec, "revisionHistoryLimit", history);
            put(spec, "progressDeadlineSeconds", deadline);
        }
        "StatefulSet" => stateful_set(gvk, spec, minor),
        "DaemonSet" => {
            let strategy = made(spec, "updateStrategy");
            put_unless_set(
                strategy,
                "type",
                if gvk.group == "extensions" {
                    "OnDelete"
                } else {
                    "RollingUpdate"
                },
            );
            if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
                let rolling = made(strategy, "rollingUpdate");
                put(rolling, "maxUnavailable", 1);
                if minor >= 22 {
                    put(rolling, "maxSurge", 0);
                }
            }
            put(spec, "revisionHistoryLimit", 10);
        }
        _ => put(spec, "replicas", 1),
    }
}

fn stateful_set(gvk: &GroupVersionKind, spec: &mut Map<String, Value>, minor: u32) {
    put(spec, "replicas", 1);
    put_unless_set(spec, "podManagementPolicy", "OrderedReady");
    let strategy = made(spec, "updateStrategy");
    put_unless_set(
        strategy,
        "type",
        if gvk.version == "v1beta1" {
            "OnDelete"
        } else {
            "RollingUpdate"
        },
    );
    if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
        put(made(strategy, "rollingUpdate"), "partition", 0);
    }
    put(spec, "revisionHistoryLimit", 10);
    if minor >= 27 {
        let retention = made(spec, "persistentVolumeClaimRetentionPolicy");
        put_unless_set(retention, "whenDeleted", "Retain");
        put_unless_set(retention, "whenScaled", "Retain");
    }
    for claim in children(spec, "volumeClaimTemplates") {
        put(claim, "apiVersion", "v1");
        put(claim, "kind", "PersistentVolumeClaim");
        put(made(claim, "spec"), "volumeMode", "Filesystem");
        claim.insert("status".to_owned(), json!({"phase": "Pending"}));
    }
}

pub(super) fn replication_controller(object: &mut Map<String, Value>) {
    let labels = child(object, "spec")
        .and_then(|spec| child(spec, "template"))
        .and_then(|template| child(template, "metadata"))
        .and_then(|metadata| metadata.get("labels"))
        .cloned();
    if let Some(labels) = &labels {
        put(made(object, "metadata"), "labels", labels.clone());
    }
    let Some(spec) = child(object, "spec") else {
        return;
    };
    if let Some(labels) = labels {
        put(spec, "selector", labels);
    }
    put(spec, "replicas", 1);
    if let Some(template) = child(spec, "template") {
        pod::fill_template(template);
    }
}

pub(super) fn job(spec: &mut Map<String, Value>, minor: u32) {
    let is_missing =
        |spec: &Map<String, Value>, key: &str| spec.get(key).is_none_or(Value::is_null);
    if is_missing(spec, "completions") && is_missing(spec, "parallelism") {
        put(spec, "completions", 1);
    }
    put(spec, "parallelism", 1);
    if !is_missing(spec, "backoffLimitPerIndex") {
        put(spec, "backoffLimit", i32::MAX);
    }
    put(spec, "backoffLimit", 6);
    pod::fill_template(made(spec, "template"));
    if minor >= 21 {
        put_unless_set(spec, "completionMode", "NonIndexed");
        put(spec, "suspend", false);
    }
    if minor >= 32 {
        put(spec, "manualSelector", false);
    }
    if minor >= 29 {
        put(spec, "podReplacementPolicy", "TerminatingOrFailed");
    }
}

pub(super) fn cron_job(object: &mut Map<String, Value>) {
    let Some(spec) = child(object, "spec") else {
        return;
    };
    put_unless_set(spec, "concurrencyPolicy", "Allow");
    put(spec, "suspend", false);
    put(spec, "successfulJobsHistoryLimit", 3);
    put(spec, "failedJobsHistoryLimit", 1);
    let template = made(spec, "jobTemplate");
    made(template, "metadata");
    let job = made(template, "spec");
    pod::fill_template(made(job, "template"));
}

fn selector_of_template(spec: &mut Map<String, Value>) {
    let labels = child(spec, "template")
        .and_then(|template| child(template, "metadata"))
        .and_then(|metadata| metadata.get("labels"))
        .cloned();
    if let Some(labels) = labels {
        put(spec, "selector", json!({"matchLabels": labels}));
    }
}
