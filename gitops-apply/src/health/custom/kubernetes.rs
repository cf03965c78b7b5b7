//! Kinds of Kubernetes itself that have no built-in rule.

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition,
        ("batch", "CronJob") => cron_job,
        ("policy", "PodDisruptionBudget") => disruption_budget,
        _ => return None,
    })
}

fn definition(view: View<'_>) -> Judged {
    if view.has("/metadata/deletionTimestamp") {
        return progressing("CRD is terminating");
    }
    let conditions = view.need("/status").at("conditions");
    if !conditions.exists() || conditions.length() == 0 {
        return progressing("Status conditions not found");
    }
    let mut is_established = false;
    for condition in conditions.values() {
        let message = || condition.message().shown();
        if condition.says("Terminating", "True") {
            return progressing(format!("CRD is terminating: {}", message()));
        }
        if condition.says("NamesAccepted", "False") {
            return degraded(format!("CRD names have not been accepted: {}", message()));
        }
        if condition.says("NonStructuralSchema", "True") {
            return degraded(format!("Schema violations found: {}", message()));
        }
        if condition.is("Established") {
            if condition.has("True") {
                is_established = true;
            } else if condition.reason() == Some("InvalidCABundle") {
                return degraded(format!("CRD is not established: {}", message()));
            } else if condition.reason() == Some("Installing") {
                return progressing("CRD is being installed");
            }
        }
    }
    if is_established {
        healthy("CRD is healthy")
    } else {
        degraded("CRD is not established")
    }
}

/// A CronJob that has run at least once.
fn cron_job(view: View<'_>) -> Judged {
    let active = view.at("/status/active");
    if active.exists() && !active.list().is_empty() {
        return healthy("The job is running. Its last execution may not have been successful");
    }
    if view
        .at("/status/lastSuccessfulTime")
        .less(view.at("/status/lastScheduleTime"))
    {
        degraded("CronJob has not completed its last execution successfully")
    } else {
        healthy("CronJob has completed its last execution successfully")
    }
}

fn disruption_budget(view: View<'_>) -> Judged {
    let mut verdict = progressing("Waiting for status");
    for condition in view.conditions() {
        let reason = condition.at("reason");
        let message = format!("PodDisruptionBudget has {}", reason.shown());
        if condition.has("False") && !reason.equals("InsufficientPods") {
            return degraded(message);
        }
        verdict = healthy(message);
    }
    verdict
}
