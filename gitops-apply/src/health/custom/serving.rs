//! Functions, jobs and virtual machines that serve: KEDA, Spark, KubeVirt, Spin, Flagger.

use gitops_core::health::HealthStatus;
use serde_json::Value;

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, said, suspended, unknown},
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
    let mut why = Message::from("");
    for condition in view.at("/status/conditions").if_true().list() {
        let message = condition.message();
        if condition.is("Progressing") {
            if condition.has("False") {
                let failed = condition.reason() == Some("ProgressDeadlineExceeded") || {
                    let lower = message.shown_or("").to_lowercase();
                    lower.contains("timeout") || lower.contains("failed")
                };
                if failed {
                    return degraded(Message::or(message, "Application deployment has failed"));
                }
            }
            if condition.has("True") {
                in_progress = Some(Message::or(message, "Application progress status"));
            }
        } else if condition.is("Available") {
            available = condition.has("True");
            let text = if available {
                "Application availability status"
            } else {
                "Application is not available"
            };
            why = Message::or(message, text);
        }
    }
    let (zero, one) = (Value::from(0), Value::from(1));
    let ready = view.at("/status/readyReplicas");
    let ready = ready.or(Node::new(Some(&zero), view.fault));
    let desired = view.need("/spec").at("replicas");
    let desired = desired.or(Node::new(Some(&one), view.fault));
    if !available {
        return degraded(why);
    }
    let lacks = ready.less(desired);
    let whole = |count: Node<'_>| match count.number() {
        Some(number) => number.trunc().to_string(),
        None => count.shown(),
    };
    let (ready, desired) = (whole(ready), whole(desired));
    if lacks {
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
    let (mut good, mut bad, mut paused) = (false, false, false);
    let mut message = view.nothing();
    for condition in view.conditions() {
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
            message = condition.message();
        }
    }
    match (bad, good, paused) {
        (true, ..) => degraded(message),
        (_, true, false) => healthy(message),
        (_, true, true) => suspended(message),
        _ => progressing(waiting),
    }
}

fn machine(view: View<'_>) -> Judged {
    let mut status = HealthStatus::Progressing;
    let mut message = "No status available";
    for condition in view.conditions() {
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
    let printable = view.at("/status/printableStatus");
    if printable.exists() {
        said(status, printable)
    } else {
        said(status, message)
    }
}

fn instance(view: View<'_>) -> Judged {
    let phase = view.at("/status/phase");
    match phase.text() {
        Some("Failed") => return degraded(phase),
        Some("Pending" | "Scheduling" | "Scheduled") => return progressing(phase),
        Some("Succeeded") => return suspended(phase),
        Some("Unknown") => return unknown(phase),
        _ => {}
    }
    let mut verdict = if phase.exists() {
        progressing(phase)
    } else {
        progressing("No status available")
    };
    for condition in view.conditions() {
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

fn spark(view: View<'_>) -> Judged {
    let waiting = "Waiting for Executor pods";
    if !view.has("/status") {
        return progressing(waiting);
    }
    let application = view.need("/status/applicationState");
    let Some(state) = application.at("state").text() else {
        return progressing(waiting);
    };
    let error = application.at("errorMessage");
    match state {
        "" => progressing("SparkApplication was added, enqueuing it for submission"),
        "RUNNING" if executors_run(view) => healthy("SparkApplication is Running"),
        "SUBMITTED" => progressing("SparkApplication was submitted successfully"),
        "COMPLETED" => healthy("SparkApplication was Completed"),
        "FAILED" | "SUBMISSION_FAILED" | "FAILING" => degraded(error),
        "PENDING_RERUN" => progressing("SparkApplication is Pending Rerun"),
        "INVALIDATING" => said(
            HealthStatus::Missing,
            "SparkApplication is in InvalidatingState",
        ),
        "SUCCEEDING" => progressing(
            "The driver pod has been completed successfully. The executor pods terminate and are cleaned up.\n                                Under this circumstances, we assume the executor pod are completed.",
        ),
        "UNKNOWN" => progressing(
            "SparkApplication is in UnknownState because either driver pod or one or all executor pods in unknown state  ",
        ),
        _ => progressing(waiting),
    }
}

/// Whether as many executors run as are asked for, by number or by the bounds of dynamic allocation.
fn executors_run(view: View<'_>) -> bool {
    let executors = view.at("/status/executorState");
    if !executors.exists() {
        return false;
    }
    let executors = executors.values().into_iter();
    let running = executors.filter(|state| state.equals("RUNNING")).count() as f64;
    let spec = view.need("/spec");
    let instances = spec.at("executor").need().at("instances");
    if instances.number() == Some(running) {
        return true;
    }
    let allocation = spec.at("dynamicAllocation");
    let conf = spec.at("sparkConf");
    if allocation.if_true().at("enabled").truth() {
        // Bounds are compared as they are.
        let bound = |name: &str| allocation.at(name).if_true();
        let (least, most) = (bound("minExecutors"), bound("maxExecutors"));
        return (!least.exists() || running >= least.quantity())
            && (!most.exists() || running <= most.quantity());
    }
    if let Some(prefix) = [
        "spark.streaming.dynamicAllocation",
        "spark.dynamicAllocation",
    ]
    .into_iter()
    .find(|prefix| conf.at(&format!("{prefix}.enabled")).equals("true"))
    {
        let bound = |name: &str| conf.at(&format!("{prefix}.{name}"));
        let (least, most) = (bound("minExecutors"), bound("maxExecutors"));
        // A lower bound that is no number counts as if there were no bounds.
        if !least.exists() || least.number_of_text().is_some() {
            return running >= least.number_of_text().unwrap_or(0.0)
                && (!most.exists() || running <= most.amount());
        }
    }
    !allocation.exists() && !instances.exists() && running >= 1.0
}

fn canary(view: View<'_>) -> Judged {
    const SEPARATOR: &str = " --- ";
    if !view.has("/status") {
        return unknown("No status");
    }
    let weight = view.at("/status/canaryWeight");
    let mut message = String::new();
    if weight.amount() > 0.0 {
        message = format!("Canary Weight: {} %", weight.shown());
    }
    for condition in view.need("/status/conditions").list() {
        if !message.is_empty() {
            message.push_str(SEPARATOR);
        }
        message.push_str(&condition.message().shown());
    }
    let phase = view.at("/status/phase");
    let message = format!("{}{SEPARATOR}{message}", phase.shown());
    match phase.text() {
        Some("Failed") => degraded(message),
        Some("Progressing" | "Finalising" | "Promoting") => progressing(message),
        Some("Succeeded" | "Initialized") => healthy(message),
        _ => unknown(message),
    }
}
