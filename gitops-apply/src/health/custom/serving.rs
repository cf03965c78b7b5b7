//! Functions, models, jobs and virtual machines that serve: Knative, KServe, KEDA, Spark, KubeVirt, Spin.

use serde_json::Value;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, suspended, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("core.spinkube.dev", "SpinApp") => spin_app,
        ("keda.sh", "ScaledJob") => |view| scaled(view, false, "Waiting for ScaledJob"),
        ("keda.sh", "ScaledObject") => {
            |view| scaled(view, true, "Creating HorizontalPodAutoscaler Object")
        }
        ("kubevirt.io", "VirtualMachine") => machine,
        ("kubevirt.io", "VirtualMachineInstance") => instance,
        ("operator.knative.dev", "KnativeEventing") => |view| knative(view, &[], 2),
        ("operator.knative.dev", "KnativeServing") => {
            |view| knative(view, &["DependenciesInstalled", "DeploymentsAvailable"], 4)
        }
        ("serving.knative.dev", "Service") => knative_service,
        ("serving.kserve.io", "InferenceService") => inference,
        ("serving.kserve.io", "LLMInferenceService") => llm_inference,
        ("sparkoperator.k8s.io", "SparkApplication") => spark,
        ("flagger.app", "Canary") => canary,
        _ => return None,
    })
}

fn spin_app(view: View<'_>) -> Judged {
    if !view.truth("/status") {
        return progressing("Waiting for status to be available");
    }
    let (mut available, mut in_progress) = (false, None);
    let mut why = "";
    for condition in view.conditions()? {
        if condition.is("Progressing") {
            let lower = condition.message().to_lowercase();
            let failed = condition.reason() == Some("ProgressDeadlineExceeded")
                || lower.contains("timeout")
                || lower.contains("failed");
            if condition.has("False") && failed {
                return degraded(condition.message_or("Application deployment has failed"));
            }
            if condition.has("True") {
                in_progress = Some(condition.message_or("Application progress status"));
            }
        } else if condition.is("Available") {
            available = condition.has("True");
            why = condition.message_or(if available {
                "Application availability status"
            } else {
                "Application is not available"
            });
        }
    }
    view.need("/spec")?;
    let ready = view.number("/status/readyReplicas").unwrap_or(0.0);
    let desired = view.number("/spec/replicas").unwrap_or(1.0);
    if !available {
        degraded(why)
    } else if ready < desired {
        progressing(format!(
            "Waiting for replicas to be ready ({ready}/{desired})"
        ))
    } else if let Some(message) = in_progress {
        progressing(message)
    } else {
        healthy(format!(
            "Application is healthy with {ready}/{desired} replicas ready"
        ))
    }
}

fn scaled(view: View<'_>, is_object: bool, waiting: &str) -> Judged {
    let (mut good, mut bad, mut paused, mut message) = (false, false, false, None);
    for condition in view.conditions()? {
        let counts = if condition.says("Ready", "False") {
            bad = true;
            true
        } else if condition.says("Ready", "True") {
            good = true;
            true
        } else if condition.says("Paused", "True") {
            paused = true;
            true
        } else if is_object && condition.says("Fallback", "True")
            || !is_object && condition.says("Ready", "Unknown")
        {
            bad = true;
            true
        } else {
            false
        };
        if counts {
            message = condition.get("message");
        }
    }
    let message = message.unwrap_or_default();
    match (bad, good, paused) {
        (true, ..) => degraded(message),
        (_, true, false) => healthy(message),
        (_, true, true) => suspended(message),
        _ => progressing(waiting),
    }
}

fn machine(view: View<'_>) -> Judged {
    use gitops_core::health::{Health, HealthStatus};
    let mut status = HealthStatus::Progressing;
    let mut message = "No status available";
    for condition in view.conditions()? {
        if condition.says("Paused", "True") {
            return suspended("Paused");
        }
        if condition.is("Ready") {
            if condition.has("True") {
                (status, message) = (HealthStatus::Healthy, "Running");
            } else if view.truth("/status/created") {
                message = "Starting";
            } else {
                (status, message) = (HealthStatus::Suspended, "Stopped");
            }
        }
    }
    let message = view.text("/status/printableStatus").unwrap_or(message);
    Ok(Some(Health::new(status, message)))
}

fn instance(view: View<'_>) -> Judged {
    let phase = view.text("/status/phase");
    match phase {
        Some(phase @ "Failed") => return degraded(phase),
        Some(phase @ ("Pending" | "Scheduling" | "Scheduled")) => return progressing(phase),
        Some(phase @ "Succeeded") => return suspended(phase),
        Some(phase @ "Unknown") => return unknown(phase),
        _ => {}
    }
    let mut verdict = progressing(phase.unwrap_or("No status available"));
    for condition in view.conditions()? {
        if condition.is("Ready") {
            verdict = if condition.has("True") {
                healthy("Running")
            } else {
                degraded(condition.message())
            };
        } else if condition.says("Paused", "True") {
            return suspended(condition.message());
        }
    }
    verdict
}

/// `more` are conditions that must be true beside `Ready` and `InstallSucceeded`.
fn knative(view: View<'_>, more: &[&str], needed: usize) -> Judged {
    let kind = view.object.kind();
    if !view.has("/status/conditions") {
        return progressing(format!("Waiting for {kind}"));
    }
    let (mut good, mut bad, mut text) = (0, 0, String::new());
    for (index, condition) in view.conditions()?.into_iter().enumerate() {
        let name = condition.need(view, "type")?;
        let status = condition.need(view, "status")?;
        text.push_str(&format!("{}: {name} | {status}\n", index + 1));
        let counts = matches!(name, "Ready" | "InstallSucceeded") || more.contains(&name);
        let can_fail = name == "Ready" || name == "DeploymentsAvailable" && !more.is_empty();
        if counts && status == "True" {
            good += 1;
        } else if can_fail && status == "False" || status == "Unknown" {
            bad += 1;
        }
    }
    if bad > 0 {
        progressing(text)
    } else if good == needed {
        healthy(format!("{kind} is healthy."))
    } else {
        degraded(text)
    }
}

fn knative_service(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("Waiting for status update.");
    }
    let (mut good, mut bad, mut open, mut text) = (0, 0, 0, String::new());
    for condition in view.conditions()? {
        let kind = condition.get("type").unwrap_or_default();
        if condition.has("True") && matches!(kind, "ConfigurationsReady" | "RoutesReady" | "Ready")
        {
            good += 1;
        } else if condition.has("False") || condition.has("Unknown") {
            let name = condition.need(view, "type")?;
            let status = condition.get("status").unwrap_or_default();
            text.push_str(&format!("{name} is {status}"));
            if let Some(reason) = condition.reason().filter(|reason| !reason.is_empty()) {
                text.push_str(&format!(", since {reason}."));
            }
            if !condition.message().is_empty() {
                text.push_str(&format!(" {}", condition.message()));
            }
            text.push('\n');
            if status == "False" {
                bad += 1;
            } else {
                open += 1;
            }
        }
    }
    if (good, bad, open) == (3, 0, 0) {
        healthy("Knative Service is healthy.")
    } else if bad > 0 {
        degraded(text)
    } else {
        progressing(text)
    }
}

fn inference(view: View<'_>) -> Judged {
    let waiting = "Waiting for InferenceService to report status...";
    if !view.has("/status") {
        return progressing(waiting);
    }
    let (mut pending, mut bad, mut text) = (false, false, String::new());
    if view.has("/status/modelStatus") {
        let transition = view.text("/status/modelStatus/transitionStatus");
        if transition != Some("UpToDate") {
            pending = transition == Some("InProgress");
            bad = !pending;
            let transition = view.show("/status/modelStatus/transitionStatus")?;
            text.push_str(&format!("0: transitionStatus | {transition}"));
        }
    }
    if !view.has("/status/conditions") {
        return progressing(waiting);
    }
    let mut all_true = true;
    for (index, condition) in view.conditions()?.into_iter().enumerate() {
        if condition.says("Stopped", "True") {
            return suspended("InferenceService is Stopped");
        }
        let is_stopped = condition.is("Stopped");
        if condition.has("Unknown") || condition.has("False") && !is_stopped {
            all_true = false;
        }
        if !condition.has("True") && !is_stopped {
            let name = condition.need(view, "type")?;
            let status = condition.need(view, "status")?;
            text.push_str(&format!(" | {}: {name} | {status}", index + 1));
            for part in [condition.reason().unwrap_or_default(), condition.message()] {
                if !part.is_empty() {
                    text.push_str(&format!(" | {part}"));
                }
            }
        }
    }
    if !pending && !bad && all_true {
        healthy("InferenceService is healthy.")
    } else if bad {
        degraded(text)
    } else {
        progressing(text)
    }
}

fn llm_inference(view: View<'_>) -> Judged {
    let waiting = "Waiting for LLMInferenceService to report status...";
    if !view.has("/status/conditions") {
        return progressing(waiting);
    }
    let (mut ready, mut stopped, mut parts) = (None, false, Vec::new());
    for condition in view.conditions()? {
        stopped |= condition.reason() == Some("Stopped");
        if condition.is("Ready") {
            ready = Some(condition);
        } else if !condition.has("True") {
            let name = condition.need(view, "type")?;
            let mut part = format!("{name}: {}", condition.need(view, "status")?);
            for more in [condition.reason().unwrap_or_default(), condition.message()] {
                if !more.is_empty() {
                    part.push_str(&format!(" | {more}"));
                }
            }
            parts.push(part);
        }
    }
    if let Some(generation) = view.at("/metadata/generation") {
        let differs = |observed: Option<&Value>| {
            observed.is_some_and(|observed| !observed.is_null() && observed != generation)
        };
        let of_ready = ready.and_then(|condition| condition.0.get("observedGeneration"));
        if differs(view.at("/status/observedGeneration")) || differs(of_ready) {
            return progressing(
                "Waiting for LLMInferenceService reconciliation (generation mismatch)",
            );
        }
    }
    if stopped {
        return suspended("LLMInferenceService is Stopped");
    }
    let status = ready.and_then(|condition| condition.get("status"));
    if status == Some("True") {
        return healthy("LLMInferenceService is healthy.");
    }
    let message = match (parts.is_empty(), ready) {
        (false, _) => parts.join("; "),
        (true, Some(condition)) if !condition.message().is_empty() => {
            condition.message().to_owned()
        }
        _ => waiting.to_owned(),
    };
    if status == Some("False") {
        degraded(message)
    } else {
        progressing(message)
    }
}

fn spark(view: View<'_>) -> Judged {
    let waiting = "Waiting for Executor pods";
    if !view.has("/status") {
        return progressing(waiting);
    }
    view.need("/status/applicationState")?;
    let Some(state) = view.text("/status/applicationState/state") else {
        return progressing(waiting);
    };
    let error = view
        .text("/status/applicationState/errorMessage")
        .unwrap_or_default();
    match state {
        "" => progressing("SparkApplication was added, enqueuing it for submission"),
        "RUNNING" if executors_run(view)? => healthy("SparkApplication is Running"),
        "SUBMITTED" => progressing("SparkApplication was submitted successfully"),
        "COMPLETED" => healthy("SparkApplication was Completed"),
        "FAILED" | "SUBMISSION_FAILED" | "FAILING" => degraded(error),
        "PENDING_RERUN" => progressing("SparkApplication is Pending Rerun"),
        "INVALIDATING" => Ok(Some(gitops_core::health::Health::new(
            gitops_core::health::HealthStatus::Missing,
            "SparkApplication is in InvalidatingState",
        ))),
        "SUCCEEDING" => progressing(
            "The driver pod has been completed successfully. The executor pods terminate and are cleaned up.\n                               Under this circumstances, we assume the executor pod are completed.",
        ),
        "UNKNOWN" => progressing(
            "SparkApplication is in UnknownState because either driver pod or one or all executor pods in unknown state ",
        ),
        _ => progressing(waiting),
    }
}

/// Whether as many executors run as are asked for, by number or by the bounds of dynamic allocation.
fn executors_run(view: View<'_>) -> Result<bool, gitops_core::health::HealthError> {
    let Some(executors) = view.at("/status/executorState") else {
        return Ok(false);
    };
    let running = executors
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, state)| **state == "RUNNING")
        .count() as f64;
    view.need("/spec/executor")?;
    if view.number("/spec/executor/instances") == Some(running) {
        return Ok(true);
    }
    let bounds = if view.truth("/spec/dynamicAllocation/enabled") {
        let number = |name: &str| view.number(&format!("/spec/dynamicAllocation/{name}"));
        Some((number("minExecutors"), number("maxExecutors")))
    } else {
        [
            "spark.streaming.dynamicAllocation",
            "spark.dynamicAllocation",
        ]
        .into_iter()
        .find(|prefix| view.is(&format!("/spec/sparkConf/{prefix}.enabled"), "true"))
        .map(|prefix| {
            let number = |name: &str| {
                let value = view.at(&format!("/spec/sparkConf/{prefix}.{name}"))?;
                value
                    .as_f64()
                    .or_else(|| value.as_str()?.trim().parse().ok())
            };
            (number("minExecutors"), number("maxExecutors"))
        })
    };
    Ok(match bounds {
        Some((least, most)) => {
            running >= least.unwrap_or(0.0) && running <= most.unwrap_or(f64::INFINITY)
        }
        None => {
            !view.has("/spec/dynamicAllocation")
                && !view.has("/spec/executor/instances")
                && running >= 1.0
        }
    })
}

fn canary(view: View<'_>) -> Judged {
    const SEPARATOR: &str = " --- ";
    if !view.has("/status") {
        return unknown("No status");
    }
    let weight = match view.at("/status/canaryWeight") {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_f64(),
        None => None,
    }
    .ok_or_else(|| view.fail("status.canaryWeight is not a number"))?;
    let mut parts = Vec::new();
    if weight > 0.0 {
        parts.push(format!(
            "Canary Weight: {} %",
            view.show("/status/canaryWeight")?
        ));
    }
    view.need("/status/conditions")?;
    for condition in view.conditions()? {
        parts.push(condition.need(view, "message")?.to_owned());
    }
    let phase = view.show("/status/phase")?;
    let message = format!("{phase}{SEPARATOR}{}", parts.join(SEPARATOR));
    match phase.as_str() {
        "Failed" => degraded(message),
        "Progressing" | "Finalising" | "Promoting" => progressing(message),
        "Succeeded" | "Initialized" => healthy(message),
        _ => unknown(message),
    }
}
