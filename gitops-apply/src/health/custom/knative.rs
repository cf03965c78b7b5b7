//! Knative, and the models that KServe serves on it.

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, suspended},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("operator.knative.dev", "KnativeEventing") => |view| knative(view, &[], 2),
        ("operator.knative.dev", "KnativeServing") => {
            |view| knative(view, &["DependenciesInstalled", "DeploymentsAvailable"], 4)
        }
        ("serving.knative.dev", "Service") => knative_service,
        ("serving.kserve.io", "InferenceService") => inference,
        ("serving.kserve.io", "LLMInferenceService") => llm_inference,
        _ => return None,
    })
}

/// `more` are conditions that must be true beside `Ready` and `InstallSucceeded`.
fn knative(view: View<'_>, more: &[&str], needed: usize) -> Judged {
    let kind = view.object.kind();
    if !view.has("/status/conditions") {
        return progressing(format!("Waiting for {kind}"));
    }
    let (mut good, mut bad, mut text) = (0, 0, String::new());
    for (number, condition) in view.at("/status/conditions").entries() {
        let (name, status) = (condition.at("type"), condition.at("status"));
        text.push_str(&format!(
            "{number}: {} | {}\n",
            name.shown(),
            status.shown()
        ));
        let name = name.text().unwrap_or_default();
        let status = status.text().unwrap_or_default();
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
    for condition in view.at("/status/conditions").values() {
        let kind = condition.at("type");
        let counts = matches!(
            kind.text(),
            Some("ConfigurationsReady" | "RoutesReady" | "Ready")
        );
        if counts && condition.has("True") {
            good += 1;
        } else if condition.has("False") || condition.has("Unknown") {
            let is_bad = condition.has("False");
            let status = if is_bad { "False" } else { "Unknown" };
            text.push_str(&format!("{} is {status}", kind.shown()));
            let (reason, message) = (condition.at("reason"), condition.message());
            if reason.exists() && !reason.equals("") {
                text.push_str(&format!(", since {}.", reason.shown()));
            }
            if message.exists() && !message.equals("") {
                text.push_str(&format!(" {}", message.shown()));
            }
            text.push('\n');
            if is_bad {
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
    let model = view.at("/status/modelStatus");
    let transition = model.at("transitionStatus");
    if model.exists() && !transition.equals("UpToDate") {
        pending = transition.equals("InProgress");
        bad = !pending;
        text.push_str(&format!("0: transitionStatus | {}", transition.shown()));
    }
    if !view.has("/status/conditions") {
        return progressing(waiting);
    }
    let mut all_true = true;
    for (number, condition) in view.at("/status/conditions").entries() {
        if condition.says("Stopped", "True") {
            return suspended("InferenceService is Stopped");
        }
        let is_stopped = condition.is("Stopped");
        if condition.has("Unknown") || condition.has("False") && !is_stopped {
            all_true = false;
        }
        if !condition.has("True") && !is_stopped {
            text.push_str(&format!(" | {number}: {}", outline(condition, " | ")));
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

/// Type, status, and what there is of reason and message.
fn outline(condition: Node<'_>, after_type: &str) -> String {
    let mut text = format!(
        "{}{after_type}{}",
        condition.at("type").shown(),
        condition.at("status").shown()
    );
    for part in [condition.at("reason"), condition.message()] {
        if part.exists() && !part.equals("") {
            text.push_str(&format!(" | {}", part.shown()));
        }
    }
    text
}

fn llm_inference(view: View<'_>) -> Judged {
    let waiting = "Waiting for LLMInferenceService to report status...";
    if !view.has("/status/conditions") {
        return progressing(waiting);
    }
    let (mut ready, mut stopped, mut parts) = (view.nothing(), false, Vec::new());
    for condition in view.conditions() {
        stopped |= condition.reason() == Some("Stopped");
        if condition.is("Ready") {
            ready = condition;
        } else if !condition.has("True") {
            parts.push(outline(condition, ": "));
        }
    }
    let generation = view.at("/metadata/generation");
    if generation.exists() {
        let differs = |observed: Node<'_>| observed.exists() && !observed.same(generation);
        let of_status = differs(view.at("/status/observedGeneration"));
        if differs(ready.at("observedGeneration")) || of_status {
            return progressing(
                "Waiting for LLMInferenceService reconciliation (generation mismatch)",
            );
        }
    }
    if stopped {
        return suspended("LLMInferenceService is Stopped");
    }
    if ready.has("True") {
        return healthy("LLMInferenceService is healthy.");
    }
    let said_by_ready = ready.message();
    let message = if !parts.is_empty() {
        Message::from(parts.join("; "))
    } else if said_by_ready.exists() && !said_by_ready.equals("") {
        said_by_ready.into()
    } else {
        waiting.into()
    };
    if ready.has("False") {
        degraded(message)
    } else {
        progressing(message)
    }
}
