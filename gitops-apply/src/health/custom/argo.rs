//! Argo Rollouts.

use gitops_core::health::{Health, HealthStatus};
use serde_json::Value;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, suspended, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    match (group, kind) {
        ("argoproj.io", "Rollout") => Some(rollout),
        _ => None,
    }
}

/// A number, or a text that is one.
fn to_number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn rollout(view: View<'_>) -> Judged {
    let waiting = "Waiting for rollout spec update to be observed";
    if !view.has("/status") {
        return progressing(waiting);
    }
    if let Some(observed) = to_number(view.at("/status/observedGeneration")) {
        let generation = view.need_number("/metadata/generation")?;
        if observed < generation {
            return progressing(waiting);
        }
    }
    view.need("/spec")?;
    if view.has("/spec/workloadRef")
        && let Some(annotations) = view.at("/metadata/annotations")
        && to_number(annotations.get("rollout.argoproj.io/workload-generation"))
            != to_number(view.at("/status/workloadObservedGeneration"))
    {
        return progressing(waiting);
    }
    if let Some(phase) = view.text("/status/phase") {
        return by_phase(phase, view.text("/status/message").unwrap_or_default());
    }
    view.need("/status/conditions")?;
    for condition in view.conditions()? {
        let failed = condition.is("InvalidSpec")
            || condition.is("Progressing")
                && matches!(
                    condition.reason(),
                    Some("RolloutAborted" | "ProgressDeadlineExceeded")
                );
        if failed {
            return degraded(condition.message());
        }
    }
    if !view.list("/status/pauseConditions")?.is_empty() || view.truth("/spec/paused") {
        return suspended("Rollout is paused");
    }
    let Some(current) = view.at("/status/currentPodHash") else {
        return progressing("Waiting for rollout to finish: status has not been reconciled.");
    };
    let number = |pointer: &str, default: f64| {
        view.at(pointer)
            .map_or(Ok(default), |_| view.need_number(pointer))
    };
    let desired = number("/spec/replicas", 1.0)?;
    let replicas = number("/status/replicas", 0.0)?;
    let updated = number("/status/updatedReplicas", 0.0)?;
    let available = number("/status/availableReplicas", 0.0)?;
    if updated < desired {
        return progressing("Waiting for roll out to finish: More replicas need to be updated");
    }
    if available < updated {
        return progressing(
            "Waiting for roll out to finish: updated replicas are still becoming available",
        );
    }
    let empty = Value::from("");
    let stable = view
        .at("/status/stableRS")
        .or_else(|| {
            if view.has("/status/canary") {
                view.at("/status/canary/stableRS").or(Some(&Value::Null))
            } else {
                None
            }
        })
        .unwrap_or(&empty);
    view.need("/spec/strategy")?;
    if view.has("/spec/strategy/blueGreen") {
        if view.at("/status/blueGreen/activeSelector") != Some(current) {
            return progressing("active service cutover pending");
        }
        if *stable != empty && stable != current {
            return progressing("waiting for analysis to complete");
        }
    } else if view.has("/spec/strategy/canary") {
        if replicas > updated {
            return progressing(
                "Waiting for roll out to finish: old replicas are pending termination",
            );
        }
        if stable != current {
            return progressing("Waiting for rollout to finish steps");
        }
    }
    healthy("")
}

fn by_phase(phase: &str, message: &str) -> Judged {
    let status = match phase {
        "Paused" | "Suspended" => HealthStatus::Suspended,
        "Healthy" => HealthStatus::Healthy,
        "Progressing" => HealthStatus::Progressing,
        "Degraded" => HealthStatus::Degraded,
        "Missing" => HealthStatus::Missing,
        "Unknown" => HealthStatus::Unknown,
        _ => return unknown("Lua returned an invalid health status"),
    };
    Ok(Some(Health::new(status, message)))
}
