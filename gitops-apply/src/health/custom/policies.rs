//! Policies (Kyverno, Open Cluster Management) and the spread of objects over clusters (Karmada).

use gitops_core::health::{Health, HealthStatus};
use serde_json::Value;

use super::{
    Check,
    view::{Cond, Judged, View, degraded, healthy, progressing},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("policies.kyverno.io", kind) if kind.ends_with("Policy") => kyverno,
        ("policy.open-cluster-management.io", "ConfigurationPolicy") => configuration,
        ("policy.open-cluster-management.io", "Policy") => policy,
        ("work.karmada.io", "ClusterResourceBinding") => cluster_binding,
        ("work.karmada.io", "ResourceBinding") => binding,
        ("capsule.clastix.io", "ResourcePool") => resource_pool,
        _ => return None,
    })
}

fn kyverno(view: View<'_>) -> Judged {
    let kind = view.object.kind();
    if !view.has("/status/conditionStatus") {
        return progressing(format!("Waiting for {kind} status"));
    }
    let conditions = view.list("/status/conditionStatus/conditions")?;
    if let Some(generation) = view.number("/metadata/generation") {
        let stale = |condition: &Value| {
            condition["observedGeneration"]
                .as_f64()
                .is_some_and(|observed| observed < generation)
        };
        if conditions.iter().any(stale) {
            return progressing(format!(
                "Waiting for {kind} status to reflect latest generation"
            ));
        }
    }
    let own = view
        .text("/status/conditionStatus/message")
        .filter(|message| !message.is_empty());
    // Policies that the API server itself evaluates need no webhook.
    let by_webhook = kind.contains("Validating") || kind.contains("Mutating");
    if view.at("/status/conditionStatus/ready") == Some(&Value::Bool(true)) {
        let good = conditions.iter().map(Cond).find(|condition| {
            condition.has("True") && (!by_webhook || condition.is("WebhookConfigured"))
        });
        let message = good.and_then(|condition| condition.get("message"));
        let names_own = !by_webhook || kind.contains("Image");
        return healthy(
            message
                .or(own.filter(|_| names_own))
                .unwrap_or("Policy is ready"),
        );
    }
    if let Some(condition) = conditions.iter().map(Cond).find(|c| c.has("False")) {
        let (kind, message) = (
            condition.need(view, "type")?,
            condition.need(view, "message")?,
        );
        return degraded(format!("{kind}: {message}"));
    }
    degraded(own.unwrap_or("Policy is not ready"))
}

fn compliance(view: View<'_>) -> HealthStatus {
    if view.is("/status/compliant", "Compliant") {
        HealthStatus::Healthy
    } else {
        HealthStatus::Degraded
    }
}

fn configuration(view: View<'_>) -> Judged {
    if !view.has("/status/compliant") {
        return progressing("Waiting for the status to be reported");
    }
    if !view.same("/status/lastEvaluatedGeneration", "/metadata/generation") {
        return progressing("Waiting for the status to be updated");
    }
    if !view.has("/status/compliancyDetails") {
        return progressing("Waiting for compliance");
    }
    let mut messages = Vec::new();
    for detail in view.list("/status/compliancyDetails")? {
        for condition in detail["conditions"].as_array().into_iter().flatten() {
            let condition = Cond(condition);
            if let (Some(kind), Some(message)) = (condition.get("type"), condition.get("message")) {
                messages.push(format!("{kind} - {message}"));
            }
        }
    }
    Ok(Some(Health::new(compliance(view), messages.join("; "))))
}

fn policy(view: View<'_>) -> Judged {
    view.need("/spec")?;
    if view.truth("/spec/disabled") {
        return healthy("Policy is disabled");
    }
    if !view.has("/status/compliant") {
        let unplaced = view.has("/status")
            && !view.has("/status/status")
            && !view.list("/status/placement")?.is_empty();
        return if unplaced {
            healthy("No clusters match this policy")
        } else {
            progressing("Waiting for the status to be reported")
        };
    }
    let (what, entries, name) = if view.has("/status/status") {
        ("clusters", "/status/status", "/clustername")
    } else if view.has("/status/details") {
        ("templates", "/status/details", "/templateMeta/name")
    } else {
        return Ok(Some(Health::new(compliance(view), "")));
    };
    let offenders: Vec<&str> = view
        .list(entries)?
        .iter()
        .filter(|entry| entry["compliant"] != "Compliant")
        .filter_map(|entry| entry.pointer(name)?.as_str())
        .collect();
    let message = if offenders.is_empty() {
        format!("All {what} are compliant")
    } else {
        format!("NonCompliant {what}: {}", offenders.join(", "))
    };
    Ok(Some(Health::new(compliance(view), message)))
}

const INSUFFICIENT: &str = "Current resource status is insufficient";

fn cluster_binding(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing(INSUFFICIENT);
    }
    view.need("/spec")?;
    let clusters = view.list("/spec/clusters")?;
    let reports = view.list("/status/aggregatedStatus")?;
    if clusters.is_empty() || clusters.len() != reports.len() {
        return progressing(INSUFFICIENT);
    }
    reported(reports)
}

fn binding(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing(INSUFFICIENT);
    }
    view.need("/spec")?;
    let reports = view.list("/status/aggregatedStatus")?;
    let clusters = view.list("/spec/clusters")?;
    let fits = !view.has("/spec/clusters") || clusters.len() == reports.len();
    if reports.is_empty() || !fits {
        return progressing(INSUFFICIENT);
    }
    reported(reports)
}

fn reported(reports: &[Value]) -> Judged {
    let bad = |report: &Value| {
        report["health"] == "Unhealthy"
            || report["health"] == "Unknown" && report["applied"] != Value::Bool(true)
    };
    if reports.iter().any(bad) {
        degraded("Current resource status is unhealthy")
    } else {
        healthy("")
    }
}

fn resource_pool(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("Waiting for status");
    }
    if view.has("/metadata/generation")
        && view.has("/status/observedGeneration")
        && !view.same("/status/observedGeneration", "/metadata/generation")
    {
        return progressing("Waiting for reconciliation (generation mismatch)");
    }
    let exhausted = view.at("/status/exhaustions").and_then(Value::as_object);
    let mut exhausted: Vec<&str> = exhausted
        .into_iter()
        .flatten()
        .map(|(k, _)| k.as_str())
        .collect();
    exhausted.sort_unstable();
    if !exhausted.is_empty() {
        return degraded(format!("Pool exhausted for: {}", exhausted.join(", ")));
    }
    for condition in view.conditions()? {
        match condition.get("status") {
            Some("False") if condition.is("Ready") => return degraded(condition.message()),
            Some("True") if condition.is("Ready") => return healthy(condition.message()),
            _ => {}
        }
    }
    progressing("Waiting for Ready condition")
}
