//! OpenKruise: workloads with partitions that somebody moves on by hand, and game servers.

use serde_json::Value;

use super::{
    Check,
    view::{Judged, Node, View, degraded, healthy, progressing, suspended, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apps.kruise.io", "AdvancedCronJob") => cron_job,
        ("apps.kruise.io", "BroadcastJob") => broadcast_job,
        ("apps.kruise.io", "CloneSet") => clone_set,
        ("apps.kruise.io", "DaemonSet") => daemon_set,
        ("apps.kruise.io", "StatefulSet") => stateful_set,
        ("game.kruise.io", "GameServer") => game_server,
        ("game.kruise.io", "GameServerSet") => game_server_set,
        _ => return None,
    })
}

fn cron_job(view: View<'_>) -> Judged {
    let scheduled = view.need("/status").at("lastScheduleTime");
    if scheduled.exists() {
        // The time is read as a text, whatever that says.
        scheduled.shown();
    } else if view.need("/spec").at("paused").bool() == Some(true) {
        return suspended("AdvancedCronJob is Paused");
    }
    let active = view.at("/status/active");
    if active.exists() && active.length() > 0 {
        return progressing("AdvancedCronJobs has active jobs");
    }
    if scheduled.exists() {
        healthy("AdvancedCronJobs has run successfully")
    } else {
        degraded("AdvancedCronJobs has not run successfully")
    }
}

fn broadcast_job(view: View<'_>) -> Judged {
    let running = "BroadcastJob is still running";
    if !view.has("/status") {
        return progressing(running);
    }
    let is_zero = |pointer: &str| view.number(pointer) == Some(0.0);
    let phase = view.text("/status/phase");
    if view.same("/status/desired", "/status/succeeded") && phase == Some("completed") {
        healthy("BroadcastJob is completed successfully")
    } else if phase == Some("failed") && !is_zero("/status/failed") {
        degraded("BroadcastJob failed")
    } else if phase == Some("paused") && is_paused(view.need("/spec")) {
        suspended("BroadcastJob is Paused")
    } else {
        progressing(running)
    }
}

const INITIALIZING: &str = "Waiting for initialization";

/// Whether the generation is a later one than the first.
fn was_changed(view: View<'_>) -> bool {
    view.at("/metadata/generation").quantity() > 1.0
}

fn is_observed(view: View<'_>) -> bool {
    view.has("/status") && view.same("/metadata/generation", "/status/observedGeneration")
}

fn is_paused(strategy: Node<'_>) -> bool {
    strategy.at("paused").bool() == Some(true)
}

fn clone_set(view: View<'_>) -> Judged {
    if !is_observed(view) {
        return progressing(INITIALIZING);
    }
    let strategy = view.need("/spec").at("updateStrategy").need();
    if is_paused(strategy) || !view.truth("/status/updatedAvailableReplicas") {
        return suspended("Cloneset is paused");
    }
    if strategy.at("partition").number() != Some(0.0) && was_changed(view) {
        let updated = view.at("/status/updatedReplicas");
        return if updated.less(view.at("/status/expectedUpdatedReplicas")) {
            progressing(INITIALIZING)
        } else {
            suspended("Cloneset needs manual intervention")
        };
    }
    all_ready(view, "All Cloneset workloads are ready and updated")
}

fn rolling_update(view: View<'_>) -> Node<'_> {
    let strategy = view.need("/spec").at("updateStrategy").need();
    strategy.at("rollingUpdate").need()
}

fn stateful_set(view: View<'_>) -> Judged {
    if !is_observed(view) {
        return progressing(INITIALIZING);
    }
    let rolling = rolling_update(view);
    if is_paused(rolling) || !view.truth("/status/updatedAvailableReplicas") {
        return suspended("Statefulset is paused");
    }
    let partition = rolling.at("partition");
    if partition.number() != Some(0.0) && was_changed(view) {
        let share = view.at("/status/replicas").amount() - partition.amount();
        return if view.at("/status/updatedReplicas").quantity() > share {
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
    if !is_observed(view) {
        return progressing(INITIALIZING);
    }
    let rolling = rolling_update(view);
    if is_paused(rolling) || !view.truth("/status/updatedNumberScheduled") {
        return suspended("Daemonset is paused");
    }
    let partition = rolling.at("partition");
    if partition.exists() && partition.number() != Some(0.0) && was_changed(view) {
        let share = view.at("/status/desiredNumberScheduled").amount() - partition.amount();
        return if view.at("/status/updatedNumberScheduled").quantity() > share {
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
    let status = view.at("/status").if_true();
    if !status.exists() {
        return unknown(waiting);
    }
    let (current, wanted) = (status.at("currentState"), status.at("desiredState"));
    if !current.same(wanted) {
        return progressing(format!(
            "State change: {} → {}",
            current.shown_or("Unknown"),
            wanted.shown_or("Unknown")
        ));
    }
    let pod = status.at("podStatus").if_true();
    for condition in pod.at("conditions").if_true().list() {
        if condition.is("KruisePodReady") && !condition.has("True") {
            return degraded("Pod is not ready: KruisePodReady");
        }
    }
    if current.equals("Ready") {
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
    let strategy = view.need("/spec").at("updateStrategy").if_true();
    let rolling = strategy.at("rollingUpdate").if_true();
    if is_paused(rolling) {
        return suspended("GameServerSet is paused");
    }
    let zero = Value::from(0);
    let zero = Node::new(Some(&zero), view.fault);
    let amount = |name: &str| view.at("/status").at(name).or(zero);
    let (partition, replicas) = (rolling.at("partition").or(zero), amount("replicas"));
    if !partition.same(zero)
        && amount("updatedReplicas").quantity() >= replicas.amount() - partition.amount()
    {
        return suspended(format!(
            "Partition={}, waiting for manual intervention",
            partition.shown()
        ));
    }
    let ready = amount("readyReplicas");
    if amount("updatedReadyReplicas").same(replicas) {
        healthy("All GameServerSet replicas are updated and ready")
    } else if ready.less(replicas) {
        progressing(format!(
            "ReadyReplicas {}/{}, still progressing",
            ready.shown(),
            replicas.shown()
        ))
    } else {
        progressing(waiting)
    }
}
