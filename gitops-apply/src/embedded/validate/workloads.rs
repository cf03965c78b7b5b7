//! Kinds that make pods.

use serde_json::{Map, Value};

use super::{Errors, FieldError, metadata, not_negative, object_at, pods, text};
use crate::embedded::selector::Selector;

pub(super) fn controller(root: &Map<String, Value>, kind: &str, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    not_negative(spec, "replicas", "spec", errors);
    let template = object_at(spec, "template").unwrap_or(&empty);
    let labels = object_at(template, "metadata").and_then(|m| m.get("labels"));
    match spec.get("selector").filter(|selector| !selector.is_null()) {
        None => {
            // The API server takes a missing selector of a DaemonSet for an empty one.
            if kind != "DaemonSet" {
                errors.push(FieldError::required("spec.selector", ""));
            }
            does_not_match(labels, errors);
        }
        Some(selector) => {
            let is_empty = ["matchLabels", "matchExpressions"].iter().all(|key| {
                selector.get(key).is_none_or(|v| match v {
                    Value::Array(items) => items.is_empty(),
                    Value::Object(map) => map.is_empty(),
                    _ => true,
                })
            });
            if is_empty {
                errors.push(FieldError::invalid(
                    "spec.selector",
                    selector,
                    &format!("empty selector is invalid for {}", lower_first(kind)),
                ));
            } else if !Selector::from_object(selector).is_some_and(|s| s.matches_labels(labels)) {
                does_not_match(labels, errors);
            }
        }
    }
    metadata::labels(labels, "spec.template.metadata.labels", errors);
    // The volumes of a StatefulSet come with its claims, so the API server leaves its pods to
    // their creation.
    if kind != "StatefulSet" {
        pods::spec(object_at(template, "spec"), "spec.template.spec", errors);
    }
    let policy = object_at(template, "spec")
        .map(|spec| text(spec, "restartPolicy"))
        .unwrap_or_default();
    if !policy.is_empty() && policy != "Always" {
        errors.push(FieldError::not_supported(
            "spec.template.spec.restartPolicy",
            &policy.into(),
            &["Always"],
        ));
    }
    if kind == "Deployment"
        && let Some(strategy) = object_at(spec, "strategy")
    {
        let rolling = strategy
            .get("rollingUpdate")
            .filter(|rolling| !rolling.is_null());
        if text(strategy, "type") == "Recreate" && rolling.is_some() {
            errors.push(FieldError::forbidden(
                "spec.strategy.rollingUpdate",
                "may not be specified when strategy `type` is 'Recreate'",
            ));
        }
        let is_zero = |key: &str| {
            rolling
                .and_then(|r| r.get(key))
                .is_some_and(|v| v.as_i64() == Some(0) || matches!(v.as_str(), Some("0" | "0%")))
        };
        if is_zero("maxUnavailable") && is_zero("maxSurge") {
            errors.push(FieldError::invalid(
                "spec.strategy.rollingUpdate.maxUnavailable",
                &0.into(),
                "may not be 0 when `maxSurge` is 0",
            ));
        }
    }
}

fn does_not_match(labels: Option<&Value>, errors: &mut Errors) {
    errors.push(FieldError::invalid(
        "spec.template.metadata.labels",
        labels.unwrap_or(&Value::Null),
        "`selector` does not match template `labels`",
    ));
}

pub(super) fn replication_controller(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    if object_at(spec, "selector").is_none_or(Map::is_empty) {
        errors.push(FieldError::required("spec.selector", ""));
    }
    match object_at(spec, "template") {
        None => errors.push(FieldError::required("spec.template", "")),
        Some(template) => pods::spec(object_at(template, "spec"), "spec.template.spec", errors),
    }
}

pub(super) fn job(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    job_spec(object_at(root, "spec").unwrap_or(&empty), "spec", errors);
}

fn job_spec(spec: &Map<String, Value>, path: &str, errors: &mut Errors) {
    for key in [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ] {
        not_negative(spec, key, path, errors);
    }
    let empty = Map::new();
    let template = object_at(spec, "template").unwrap_or(&empty);
    let pod = object_at(template, "spec");
    pods::spec(pod, &format!("{path}.template.spec"), errors);
    let policy = pod
        .map(|spec| text(spec, "restartPolicy"))
        .unwrap_or_default();
    if policy.is_empty() || policy == "Always" {
        errors.push(FieldError::required(
            format!("{path}.template.spec.restartPolicy"),
            "valid values: \"OnFailure\", \"Never\"",
        ));
    }
}

pub(super) fn cron_job(root: &Map<String, Value>, errors: &mut Errors) {
    let empty = Map::new();
    let spec = object_at(root, "spec").unwrap_or(&empty);
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if !schedule.starts_with('@') && schedule.split_whitespace().count() != 5 {
        errors.push(FieldError::invalid(
            "spec.schedule",
            &schedule.into(),
            &format!(
                "expected exactly 5 fields, found {}: [{}]",
                schedule.split_whitespace().count(),
                schedule.split_whitespace().collect::<Vec<_>>().join(" ")
            ),
        ));
    }
    let policy = text(spec, "concurrencyPolicy");
    if !policy.is_empty() && !matches!(policy, "Allow" | "Forbid" | "Replace") {
        errors.push(FieldError::not_supported(
            "spec.concurrencyPolicy",
            &policy.into(),
            &["Allow", "Forbid", "Replace"],
        ));
    }
    for key in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        not_negative(spec, key, "spec", errors);
    }
    let job = object_at(spec, "jobTemplate").and_then(|template| object_at(template, "spec"));
    job_spec(job.unwrap_or(&empty), "spec.jobTemplate.spec", errors);
    if let Some(manual) = job
        .and_then(|job| job.get("manualSelector"))
        .and_then(Value::as_bool)
        && manual
    {
        errors.push(FieldError::not_supported(
            "spec.jobTemplate.spec.manualSelector",
            &true.into(),
            &["nil", "false"],
        ));
    }
}

fn lower_first(kind: &str) -> String {
    let mut chars = kind.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
