//! OpenKruise: workloads with partitions that somebody moves on by hand, and game servers.

use serde_json::Value;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, suspended, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apps.kruise.io", "AdvancedCronJob") => cron_job,
        ("apps.kruise.io", "CloneSet") => clone_set,
        ("apps.kruise.io", "DaemonSet") => daemon_set,
        ("apps.kruise.io", "StatefulSet") => stateful_set,
        ("game.kruise.io", "GameServer") => game_server,
        ("game.kruise.io", "GameServerSet") => game_server_set,
        _ => return None,
    })
}

fn cron_job(view: View<'_>) -> Judged {
    view.need("/status")?;
    let scheduled = match view.text("/status/lastScheduleTime") {
        None => false,
        Some(time) if is_time(time) => true,
        Some(_) => return Err(view.fail("status.lastScheduleTime is not a time")),
    };
    if !scheduled {
        view.need("/spec")?;
        if view.at("/spec/paused") == Some(&Value::Bool(true)) {
            return suspended("AdvancedCronJob is Paused");
        }
    }
    if !view.list("/status/active")?.is_empty() {
        return progressing("AdvancedCronJobs has active jobs");
    }
    if scheduled {
        healthy("AdvancedCronJobs has run successfully")
    } else {
        degraded("AdvancedCronJobs has not run successfully")
    }
}

/// Whether the text has the shape `2006-01-02T15:04:05Z`.
fn is_time(text: &str) -> bool {
    let digits: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    digits.contains("0-0") && digits.contains("0T0") && digits.ends_with("0Z")
}

const INITIALIZING: &str = "Waiting for initialization";

fn clone_set(view: View<'_>) -> Judged {
    if !view.has("/status") || !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(INITIALIZING);
    }
    view.need("/spec/updateStrategy")?;
    if view.at("/spec/updateStrategy/paused") == Some(&Value::Bool(true))
        || !view.truth("/status/updatedAvailableReplicas")
    {
        return suspended("Cloneset is paused");
    }
    if view.number("/spec/updateStrategy/partition") != Some(0.0)
        && view.need_number("/metadata/generation")? > 1.0
    {
        let updated = view.need_number("/status/updatedReplicas")?;
        return if updated >= view.need_number("/status/expectedUpdatedReplicas")? {
            suspended("Cloneset needs manual intervention")
        } else {
            progressing(INITIALIZING)
        };
    }
    all_ready(view, "All Cloneset workloads are ready and updated")
}

fn stateful_set(view: View<'_>) -> Judged {
    if !view.has("/status") || !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(INITIALIZING);
    }
    view.need("/spec/updateStrategy/rollingUpdate")?;
    if view.at("/spec/updateStrategy/rollingUpdate/paused") == Some(&Value::Bool(true))
        || !view.truth("/status/updatedAvailableReplicas")
    {
        return suspended("Statefulset is paused");
    }
    if view.number("/spec/updateStrategy/rollingUpdate/partition") != Some(0.0)
        && view.need_number("/metadata/generation")? > 1.0
    {
        let partition = view.need_number("/spec/updateStrategy/rollingUpdate/partition")?;
        let share = view.need_number("/status/replicas")? - partition;
        return if view.need_number("/status/updatedReplicas")? > share {
            suspended("Statefulset needs manual intervention")
        } else {
            progressing(INITIALIZING)
        };
    }
    all_ready(view, "All Statefulset workloads are ready and updated")
}

fn all_ready(view: View<'_>, message: &str) -> Judged {
    if view.same("/status/updatedAvailableReplicas", "/status/replicas") {
        healthy(message)
    } else {
        degraded("Some replicas are not ready or available")
    }
}

fn daemon_set(view: View<'_>) -> Judged {
    if !view.has("/status") || !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(INITIALIZING);
    }
    view.need("/spec/updateStrategy/rollingUpdate")?;
    if view.at("/spec/updateStrategy/rollingUpdate/paused") == Some(&Value::Bool(true))
        || !view.truth("/status/updatedNumberScheduled")
    {
        return suspended("Daemonset is paused");
    }
    if let Some(partition) = view.number("/spec/updateStrategy/rollingUpdate/partition")
        && partition != 0.0
        && view.need_number("/metadata/generation")? > 1.0
    {
        let share = view.need_number("/status/desiredNumberScheduled")? - partition;
        return if view.need_number("/status/updatedNumberScheduled")? > share {
            suspended("Daemonset needs manual intervention")
        } else {
            progressing(INITIALIZING)
        };
    }
    let desired = "/status/desiredNumberScheduled";
    let updated = view.same("/status/updatedNumberScheduled", desired);
    if updated && view.same("/status/numberAvailable", desired) {
        healthy("All Daemonset workloads are ready and updated")
    } else if updated && view.same("/status/numberUnavailable", desired) {
        degraded("Some pods are not ready or available")
    } else {
        progressing(INITIALIZING)
    }
}

fn game_server(view: View<'_>) -> Judged {
    let waiting = "Waiting for GameServer to be ready";
    if !view.truth("/status") {
        return unknown(waiting);
    }
    let current = view.text("/status/currentState");
    let wanted = view.text("/status/desiredState");
    if current != wanted {
        return progressing(format!(
            "State change: {} → {}",
            current.unwrap_or("Unknown"),
            wanted.unwrap_or("Unknown")
        ));
    }
    for condition in view.list("/status/podStatus/conditions")? {
        if condition["type"] == "KruisePodReady" && condition["status"] != "True" {
            return degraded("Pod is not ready: KruisePodReady");
        }
    }
    if current == Some("Ready") {
        healthy("GameServer is Ready")
    } else {
        unknown(waiting)
    }
}

fn game_server_set(view: View<'_>) -> Judged {
    let waiting = "Waiting for GameServerSet initialization";
    if !view.truth("/status") || !view.same("/metadata/generation", "/status/observedGeneration") {
        return progressing(waiting);
    }
    view.need("/spec")?;
    if view.at("/spec/updateStrategy/rollingUpdate/paused") == Some(&Value::Bool(true)) {
        return suspended("GameServerSet is paused");
    }
    let number = |pointer: &str| view.number(pointer).unwrap_or(0.0);
    let partition = number("/spec/updateStrategy/rollingUpdate/partition");
    let replicas = number("/status/replicas");
    if partition != 0.0 && number("/status/updatedReplicas") >= replicas - partition {
        return suspended(format!(
            "Partition={partition}, waiting for manual intervention"
        ));
    }
    let ready = number("/status/readyReplicas");
    if number("/status/updatedReadyReplicas") == replicas {
        healthy("All GameServerSet replicas are updated and ready")
    } else if ready < replicas {
        progressing(format!(
            "ReadyReplicas {ready}/{replicas}, still progressing"
        ))
    } else {
        progressing(waiting)
    }
}
