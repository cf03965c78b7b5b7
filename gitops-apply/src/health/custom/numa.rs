//! Numaflow pipelines and the rollouts that Numaplane makes of them.

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, unknown},
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
    for condition in view.conditions()? {
        if condition.has("False") {
            failure = Some(condition.message());
        }
    }
    if !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(waiting);
    }
    let names_failure = matches!(kind, "InterStepBufferService" | "Vertex");
    let phase = view.text("/status/phase").unwrap_or_default();
    let is_rejected = kind != "Vertex" && view.object.label(RESULT) == Some("failed");
    if phase == "Failed" {
        return degraded(view.text("/status/message").unwrap_or_default());
    }
    if is_rejected {
        return degraded("Failed progressive upgrade");
    }
    if let Some(message) = failure {
        return degraded(if names_failure {
            message
        } else {
            "Subresources are unhealthy"
        });
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
    let conditions = view.conditions()?;
    let is_rejected = failed.is_some()
        && conditions
            .iter()
            .any(|condition| condition.says("ProgressiveUpgradeSucceeded", "False"));
    let upgrading = view
        .at("/status/upgradeInProgress")
        .is_some_and(|value| *value != "");
    if (upgrading || view.is("/status/phase", "Pending")) && !is_rejected {
        return progressing("Update in progress");
    }
    let children = |status: &str| {
        conditions
            .iter()
            .filter(|condition| condition.says("ChildResourcesHealthy", status))
            .copied()
            .collect::<Vec<_>>()
    };
    let broken = children("False");
    if broken.iter().any(|c| c.reason() == Some("Progressing")) {
        return progressing("Child Progressing");
    }
    if view.is("/status/phase", "Failed") {
        return degraded(view.text("/status/message").unwrap_or_default());
    }
    for condition in &conditions {
        let is_child = condition.says("ChildResourcesHealthy", "False")
            && failed.is_none_or(|reason| condition.reason() == Some(reason));
        if is_child {
            return degraded(condition.message());
        }
        if failed.is_some() && condition.says("ProgressiveUpgradeSucceeded", "False") {
            return degraded("Progressive upgrade failed");
        }
    }
    if let Some(kind) = paused
        && let Some(condition) = conditions.iter().find(|c| c.says(kind, "True"))
    {
        return healthy(condition.message());
    }
    if children("True").is_empty() {
        unknown(otherwise)
    } else {
        healthy("Healthy")
    }
}
