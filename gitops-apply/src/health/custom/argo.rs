//! Argo Rollouts.

use gitops_core::health::{Health, HealthStatus};
use serde_json::Value;

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, said, suspended},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    match (group, kind) {
        ("argoproj.io", "Rollout") => Some(rollout),
        _ => None,
    }
}

fn rollout(view: View<'_>) -> Judged {
    let waiting = "Waiting for rollout spec update to be observed";
    if !view.has("/status") {
        return progressing(waiting);
    }
    if let Some(observed) = view.at("/status/observedGeneration").number_of_text() {
        let generation = view.at("/metadata/generation").quantity();
        if observed < generation {
            return progressing(waiting);
        }
    }
    let annotations = view.at("/metadata/annotations");
    if view.need("/spec").at("workloadRef").exists() && annotations.exists() {
        let made_for = annotations.at("rollout.argoproj.io/workload-generation");
        let observed = view.at("/status/workloadObservedGeneration");
        if made_for.number_of_text() != observed.number_of_text() {
            return progressing(waiting);
        }
    }
    let phase = view.at("/status/phase");
    if phase.exists() {
        return by_phase(phase, view.at("/status/message"));
    }
    for condition in view.need("/status/conditions").list() {
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
    let pauses = view.at("/status/pauseConditions");
    if pauses.text().is_some() {
        pauses.report(|| "status.pauseConditions is no list".to_owned());
    }
    if !pauses.list().is_empty() || view.truth("/spec/paused") {
        return suspended("Rollout is paused");
    }
    let current = view.at("/status/currentPodHash");
    if !current.exists() {
        return progressing("Waiting for rollout to finish: status has not been reconciled.");
    }
    by_replicas(view, current)
}

fn by_replicas(view: View<'_>, current: Node<'_>) -> Judged {
    let (zero, one) = (Value::from(0), Value::from(1));
    let amount = |pointer: &str, default| {
        let amount = view.at(pointer);
        if amount.exists() {
            amount
        } else {
            Node::new(Some(default), view.fault)
        }
    };
    let desired = amount("/spec/replicas", &one);
    let replicas = amount("/status/replicas", &zero);
    let updated = amount("/status/updatedReplicas", &zero);
    if updated.less(desired) {
        return progressing("Waiting for roll out to finish: More replicas need to be updated");
    }
    if amount("/status/availableReplicas", &zero).less(updated) {
        return progressing(
            "Waiting for roll out to finish: updated replicas are still becoming available",
        );
    }
    let stable = view.at("/status/stableRS");
    let (stable, is_unset) = if stable.exists() {
        (stable, stable.equals(""))
    } else {
        let canary = view.at("/status/canary");
        let of_canary = canary.at("stableRS");
        (of_canary, !canary.exists() || of_canary.equals(""))
    };
    let strategy = view.need("/spec/strategy");
    if strategy.at("blueGreen").exists() {
        if !view.at("/status/blueGreen/activeSelector").same(current) {
            return progressing("active service cutover pending");
        }
        if !is_unset && !stable.same(current) {
            return progressing("waiting for analysis to complete");
        }
    } else if strategy.at("canary").exists() {
        if updated.less(replicas) {
            return progressing(
                "Waiting for roll out to finish: old replicas are pending termination",
            );
        }
        if is_unset || !stable.same(current) {
            return progressing("Waiting for rollout to finish steps");
        }
    }
    healthy("")
}

/// The phase is the verdict: one that is no text makes none, one that is unknown a bad one.
fn by_phase(phase: Node<'_>, message: Node<'_>) -> Judged {
    let Some(phase) = phase.text() else {
        return Ok(None);
    };
    let status = match phase {
        "Paused" | "Suspended" => HealthStatus::Suspended,
        "Healthy" => HealthStatus::Healthy,
        "Progressing" => HealthStatus::Progressing,
        "Degraded" => HealthStatus::Degraded,
        "Missing" => HealthStatus::Missing,
        "Unknown" => HealthStatus::Unknown,
        _ => {
            let invalid = "Lua returned an invalid health status";
            return Ok(Message::from(message)
                .verdict(HealthStatus::Unknown)
                .map(|_| Health::new(HealthStatus::Unknown, invalid)));
        }
    };
    said(status, message)
}
