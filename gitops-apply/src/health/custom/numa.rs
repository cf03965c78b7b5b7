//! Numaflow pipelines and the rollouts that Numaplane makes of them.

use super::{
    Check,
    view::{Judged, Node, View, degraded, healthy, progressing, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        (
            "numaflow.numaproj.io",
            "InterStepBufferService" | "MonoVertex" | "Pipeline" | "Vertex",
        ) => flow,
        ("numaplane.numaproj.io", "ISBServiceRollout") => {
            |view| rollout(view, Some("ISBSvcFailed"), None, "Unknown status")
        }
        ("numaplane.numaproj.io", "MonoVertexRollout") => |view| {
            let paused = Some("MonoVertexPausingOrPaused");
            rollout(
                view,
                Some("MonoVertexFailed"),
                paused,
                "Unknown MonoVertex status",
            )
        },
        ("numaplane.numaproj.io", "PipelineRollout") => |view| {
            let paused = Some("PipelinePausingOrPaused");
            rollout(
                view,
                Some("PipelineFailed"),
                paused,
                "Unknown Pipeline status",
            )
        },
        ("numaplane.numaproj.io", "NumaflowControllerRollout") => {
            |view| rollout(view, None, None, "Unknown status")
        }
        _ => return None,
    })
}

fn flow(view: View<'_>) -> Judged {
    const RESULT: &str = "numaplane.numaproj.io/progressive-result-state";
    let kind = view.object.kind();
    let waiting = format!("Waiting for {kind} status");
    if !view.has("/status") {
        return progressing(waiting);
    }
    let mut failure = None;
    for condition in view.conditions() {
        if condition.has("False") {
            failure = Some(condition.message());
        }
    }
    let is_rejected = kind != "Vertex" && view.at("/metadata/labels").at(RESULT).equals("failed");
    if !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(waiting);
    }
    let names_failure = matches!(kind, "InterStepBufferService" | "Vertex");
    let phase = view.text("/status/phase").unwrap_or_default();
    if phase == "Failed" {
        return degraded(view.at("/status/message"));
    }
    if is_rejected {
        return degraded("Failed progressive upgrade");
    }
    if let Some(message) = failure {
        return if names_failure {
            degraded(message)
        } else {
            degraded("Subresources are unhealthy")
        };
    }
    match phase {
        "Paused" if kind != "InterStepBufferService" => healthy(format!("{kind} is paused")),
        "Pausing" if kind == "Pipeline" => healthy("Pipeline is paused"),
        "Running" => healthy(format!("{kind} is healthy")),
        _ => progressing(waiting),
    }
}

/// `failed` is the reason of failed children; any reason but `Progressing` where there is none, and
/// then upgrades are not progressive.
fn rollout(view: View<'_>, failed: Option<&str>, paused: Option<&str>, otherwise: &str) -> Judged {
    if !view.has("/status") || !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing("Not yet reconciled");
    }
    let upgrade = view.at("/status/upgradeInProgress");
    if upgrade.exists() && !upgrade.equals("") || view.is("/status/phase", "Pending") {
        // All are looked at: the last word of the upgrade may come late.
        let refused = |c: &Node<'_>| c.says("ProgressiveUpgradeSucceeded", "False");
        let is_rejected =
            failed.is_some() && view.conditions().iter().filter(|c| refused(c)).count() > 0;
        if !is_rejected {
            return progressing("Update in progress");
        }
    }
    for condition in view.conditions() {
        if condition.says("ChildResourcesHealthy", "False")
            && condition.reason() == Some("Progressing")
        {
            return progressing("Child Progressing");
        }
    }
    if view.is("/status/phase", "Failed") {
        return degraded(view.at("/status/message"));
    }
    for condition in view.conditions() {
        let is_child = condition.says("ChildResourcesHealthy", "False")
            && failed.is_none_or(|reason| condition.reason() == Some(reason));
        if is_child {
            return degraded(condition.message());
        }
        if failed.is_some() && condition.says("ProgressiveUpgradeSucceeded", "False") {
            return degraded("Progressive upgrade failed");
        }
    }
    for condition in view.conditions() {
        if paused.is_some_and(|kind| condition.says(kind, "True")) {
            return healthy(condition.message());
        }
    }
    for condition in view.conditions() {
        if condition.says("ChildResourcesHealthy", "True") {
            return healthy("Healthy");
        }
    }
    unknown(otherwise)
}
