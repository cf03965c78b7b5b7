//! Kinds of Kubernetes itself that have no built-in rule.

use serde_json::Value;

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
    view.need("/status")?;
    let conditions = view.conditions()?;
    if conditions.is_empty() {
        return progressing("Status conditions not found");
    }
    let mut is_established = false;
    for condition in conditions {
        let message = || condition.need(view, "message");
        if condition.says("Terminating", "True") {
            return progressing(format!("CRD is terminating: {}", message()?));
        }
        if condition.says("NamesAccepted", "False") {
            return degraded(format!("CRD names have not been accepted: {}", message()?));
        }
        if condition.says("NonStructuralSchema", "True") {
            return degraded(format!("Schema violations found: {}", message()?));
        }
        if condition.is("Established") {
            if condition.has("True") {
                is_established = true;
            } else if condition.reason() == Some("InvalidCABundle") {
                return degraded(format!("CRD is not established: {}", message()?));
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
    if let Some(active) = view.at("/status/active") {
        let running = match active {
            Value::Array(jobs) => !jobs.is_empty(),
            Value::Object(_) => false,
            _ => return Err(view.fail("status.active is not a list")),
        };
        if running {
            return healthy("The job is running. Its last execution may not have been successful");
        }
    }
    match (
        view.text("/status/lastSuccessfulTime"),
        view.text("/status/lastScheduleTime"),
    ) {
        (Some(success), Some(schedule)) if success < schedule => {
            degraded("CronJob has not completed its last execution successfully")
        }
        (Some(_), Some(_)) => healthy("CronJob has completed its last execution successfully"),
        _ => Err(view.fail("status.lastSuccessfulTime or status.lastScheduleTime is not a text")),
    }
}

fn disruption_budget(view: View<'_>) -> Judged {
    let mut verdict = progressing("Waiting for status");
    for condition in view.conditions()? {
        let reason = condition.need(view, "reason")?;
        let message = format!("PodDisruptionBudget has {reason}");
        if condition.has("False") && reason != "InsufficientPods" {
            return degraded(message);
        }
        verdict = healthy(message);
    }
    verdict
}
