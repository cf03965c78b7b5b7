//! Policies (Kyverno, Open Cluster Management) and the spread of objects over clusters (Karmada).

use gitops_core::health::HealthStatus;

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, said},
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
    let status = view.at("/status/conditionStatus");
    let generation = view.at("/metadata/generation");
    if generation.exists() {
        let stale = |condition: &Node<'_>| {
            let observed = condition.at("observedGeneration");
            observed.exists() && observed.less(generation)
        };
        if status.at("conditions").list().iter().any(stale) {
            return progressing(format!(
                "Waiting for {kind} status to reflect latest generation"
            ));
        }
    }
    let own = status.message();
    let own_or = |text: &str| {
        if own.exists() && !own.equals("") {
            Message::or(own, text)
        } else {
            text.into()
        }
    };
    // Policies that the API server itself evaluates need no webhook.
    let by_webhook = kind.contains("Validating") || kind.contains("Mutating");
    if status.at("ready").bool() == Some(true) {
        let good = status
            .at("conditions")
            .list()
            .into_iter()
            .find(|condition| {
                condition.has("True") && (!by_webhook || condition.is("WebhookConfigured"))
            });
        let message = good.map_or(view.nothing(), Node::message);
        let names_own = !by_webhook || kind.contains("Image");
        return if message.exists() {
            healthy(message)
        } else if names_own {
            healthy(own_or("Policy is ready"))
        } else {
            healthy("Policy is ready")
        };
    }
    for condition in status.at("conditions").list() {
        if condition.has("False") {
            let (kind, message) = (condition.at("type").shown(), condition.message().shown());
            return degraded(format!("{kind}: {message}"));
        }
    }
    degraded(own_or("Policy is not ready"))
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
    for detail in view.at("/status/compliancyDetails").list() {
        for condition in detail.at("conditions").list() {
            let (kind, message) = (condition.at("type"), condition.message());
            if kind.exists() && message.exists() {
                messages.push(format!("{} - {}", kind.shown(), message.shown()));
            }
        }
    }
    said(compliance(view), messages.join("; "))
}

fn policy(view: View<'_>) -> Judged {
    if view.need("/spec").at("disabled").truth() {
        return healthy("Policy is disabled");
    }
    if !view.has("/status/compliant") {
        let placement = view.at("/status/placement");
        let unplaced = !view.has("/status/status") && placement.exists() && placement.length() > 0;
        return if unplaced {
            healthy("No clusters match this policy")
        } else {
            progressing("Waiting for the status to be reported")
        };
    }
    let (what, entries) = if view.has("/status/status") {
        ("clusters", view.at("/status/status"))
    } else if view.has("/status/details") {
        ("templates", view.at("/status/details"))
    } else {
        return said(compliance(view), "");
    };
    let mut offenders = Vec::new();
    for entry in entries.list() {
        if entry.at("compliant").equals("Compliant") {
            continue;
        }
        let name = match what {
            "clusters" => entry.at("clustername"),
            _ => entry.at("templateMeta").need().at("name"),
        };
        if name.exists() {
            offenders.push(name.shown());
        }
    }
    let message = if offenders.is_empty() {
        format!("All {what} are compliant")
    } else {
        format!("NonCompliant {what}: {}", offenders.join(", "))
    };
    said(compliance(view), message)
}

const INSUFFICIENT: &str = "Current resource status is insufficient";

fn cluster_binding(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing(INSUFFICIENT);
    }
    let clusters = view.need("/spec").at("clusters");
    if !clusters.exists() || clusters.length() == 0 {
        return progressing(INSUFFICIENT);
    }
    let reports = view.at("/status/aggregatedStatus");
    if !reports.exists() || clusters.length() != reports.length() {
        return progressing(INSUFFICIENT);
    }
    reported(reports)
}

fn binding(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing(INSUFFICIENT);
    }
    let clusters = view.need("/spec").at("clusters");
    if clusters.exists() && clusters.length() == 0 {
        return progressing(INSUFFICIENT);
    }
    let reports = view.at("/status/aggregatedStatus");
    if !reports.exists()
        || reports.length() == 0
        || clusters.exists() && clusters.length() != reports.length()
    {
        return progressing(INSUFFICIENT);
    }
    reported(reports)
}

fn reported(reports: Node<'_>) -> Judged {
    let bad = |report: Node<'_>| {
        let health = report.at("health");
        health.equals("Unhealthy")
            || health.equals("Unknown") && report.at("applied").bool() != Some(true)
    };
    if reports.list().into_iter().any(bad) {
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
    let exhausted = view.at("/status/exhaustions").entries();
    let mut exhausted: Vec<String> = exhausted.into_iter().map(|(name, _)| name).collect();
    exhausted.sort_unstable();
    if !exhausted.is_empty() {
        return degraded(format!("Pool exhausted for: {}", exhausted.join(", ")));
    }
    for condition in view.conditions() {
        match condition.get("status") {
            Some("False") if condition.is("Ready") => return degraded(condition.message()),
            Some("True") if condition.is("Ready") => return healthy(condition.message()),
            _ => {}
        }
    }
    progressing("Waiting for Ready condition")
}
