//! Operators, clusters made of machines, observability, and what is left.

use gitops_core::health::HealthStatus;

use super::{
    Check,
    view::{Judged, Message, Node, View, degraded, healthy, progressing, said, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apps.3scale.net", "APIManager") => api_manager,
        ("cluster.x-k8s.io", "MachinePool") => machine_pool,
        ("controlplane.cluster.x-k8s.io", "AWSManagedControlPlane") => control_plane,
        ("datadoghq.com", "DatadogMetric") => metric,
        ("external-secrets.io", "ClusterExternalSecret") => cluster_secret,
        ("grafana.integreatly.org", "GrafanaDashboard") => |view| grafana(view, false),
        ("grafana.integreatly.org", "GrafanaFolder") => |view| grafana(view, true),
        ("iammanager.keikoproj.io", "Iamrole") => role,
        ("k8s.keycloak.org", "Keycloak") => keycloak,
        ("kubernetes-client.io", "ExternalSecret") => external_secret,
        ("monitoring.coreos.com", "Alertmanager" | "Prometheus" | "ThanosRuler") => monitoring,
        ("networking.gke.io", "ManagedCertificate") => certificate,
        ("opentelemetry.io", "OpenTelemetryCollector") => collector,
        ("proclaim.dogmatiq.io", "DNSSDServiceInstance") => service_instance,
        _ => return None,
    })
}

fn api_manager(view: View<'_>) -> Judged {
    let available = "3scale APIManager is available";
    let deployments = view.at("/status/deployments");
    if deployments.at("ready").exists()
        && !deployments.at("starting").exists()
        && !deployments.at("stopped").exists()
    {
        return healthy(available);
    }
    for condition in view.conditions().into_iter().filter(|c| c.is("Available")) {
        if condition.has("True") {
            return healthy(available);
        }
        let reason = condition.at("reason");
        if reason.exists() && !reason.equals("") {
            return degraded(format!("3scale APIManager is degraded: {}", reason.shown()));
        }
    }
    progressing("Waiting for 3scale APIManager status...")
}

fn machine_pool(view: View<'_>) -> Judged {
    let mut status = HealthStatus::Progressing;
    let mut message = String::new();
    let phase = view.at("/status/phase");
    if phase.exists() {
        message = format!("MachinePool is {}", phase.shown());
        status = match phase.text() {
            Some("Running" | "Scaling") => HealthStatus::Healthy,
            Some("Failed" | "Unknown") => HealthStatus::Degraded,
            _ => status,
        };
    }
    let mut lacking = Vec::new();
    for condition in view.conditions() {
        let (kind, reason) = (condition.at("type"), condition.at("reason"));
        if kind.exists() && condition.has("False") {
            let kind = kind.shown();
            lacking.push(if reason.exists() {
                format!("Not {kind} ({})", reason.shown())
            } else {
                format!("Not {kind}")
            });
        }
    }
    if !lacking.is_empty() {
        message.push_str(&format!(": {}", lacking.join(", ")));
    }
    said(status, message)
}

fn control_plane(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing("Provisioning...");
    }
    if view.has("/metadata/generation")
        && view.has("/status/observedGeneration")
        && !view.same("/status/observedGeneration", "/metadata/generation")
    {
        return progressing("Waiting for the control plane spec to be reconciled");
    }
    let failure = view.at("/status/failureMessage");
    if failure.exists() && !failure.equals("") {
        return degraded(failure);
    }
    if !view.has("/status/conditions") {
        return progressing("Provisioning...");
    }
    let conditions = view.conditions();
    if conditions
        .iter()
        .any(|c| c.says("EKSControlPlaneUpdating", "True"))
    {
        return progressing("EKS control plane is updating");
    }
    let mut errors = String::new();
    for condition in conditions {
        if condition.says("Ready", "True") {
            return healthy("Control plane is ready");
        }
        if condition.has("False") && condition.get("severity") == Some("Error") {
            errors.push_str(&format!("{} ", condition.message().shown()));
        }
    }
    if !errors.is_empty() {
        return degraded(errors);
    }
    progressing(if view.at("/status/ready").bool() == Some(false) {
        "Control plane is not ready (.status.ready is false)"
    } else {
        "Control plane is not ready"
    })
}

fn metric(view: View<'_>) -> Judged {
    let conditions = view.conditions();
    if let Some(error) = conditions.iter().find(|c| c.says("Error", "True")) {
        let message = "DatadogMetric reported an error";
        let reason = error.at("reason").if_true();
        return if reason.exists() && !reason.equals("") {
            let message = error.message().shown_or(message);
            degraded(format!("{}: {message}", reason.shown()))
        } else {
            degraded(Message::or(error.message(), message))
        };
    }
    match conditions.iter().find(|c| c.says("Valid", "False")) {
        Some(invalid) => degraded(Message::or(invalid.message(), "DatadogMetric is not valid")),
        None => healthy("DatadogMetric is healthy"),
    }
}

fn cluster_secret(view: View<'_>) -> Judged {
    let conditions = view.at("/status/conditions");
    if conditions.exists() {
        conditions.length();
        let last = conditions.list_of_table().pop();
        let last = last.unwrap_or(view.nothing()).need();
        if last.says("Ready", "True") {
            return healthy(last.message());
        }
        if last.says("PartiallyReady", "True") || last.says("NotReady", "True") {
            return degraded(last.message());
        }
    }
    progressing("Waiting for ClusterExternalSecret")
}

/// `is_folder`: a folder has a condition that is bad when it is true.
fn grafana(view: View<'_>, is_folder: bool) -> Judged {
    const MISMATCH: &str = "FolderUIDMismatch";
    let mut status = HealthStatus::Progressing;
    let mut text = String::new();
    for condition in view.conditions() {
        let (state, reason) = (condition.at("status"), condition.at("reason"));
        if !state.exists() {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        if reason.exists() {
            text.push_str(&reason.shown());
            let (kind, message) = (condition.at("type"), condition.message());
            if kind.exists() {
                text.push_str(&format!(" for {}", kind.shown()));
                if message.exists() {
                    text.push_str(&format!(" because {}", message.shown()));
                }
            }
        }
        let inverted = is_folder && condition.is(MISMATCH);
        match state.text() {
            Some("True") if inverted => return degraded(text),
            Some("False") if !inverted => return degraded(text),
            Some("True") => status = HealthStatus::Healthy,
            _ => {}
        }
    }
    said(status, text)
}

fn role(view: View<'_>) -> Judged {
    let waiting = "Waiting for Iamrole to be reconciled";
    let text = |pointer: &str| view.at(pointer).shown_or("<none>");
    let [name, arn, id] = ["/status/roleName", "/status/roleARN", "/status/roleID"];
    match view.text("/status/state") {
        Some("Ready") => healthy(format!(
            "Role '{}' exists with ARN '{}' and ID '{}'.",
            text(name),
            text(arn),
            text(id)
        )),
        Some("Error" | "RolesMaxLimitReached" | "PolicyNotAllowed" | "RoleNameNotAvailable") => {
            let mut message = "Failed to reconcile the Iamrole ".to_owned();
            let retries = view.at("/status/retryCount");
            if retries.exists() && retries.quantity() > 0.0 {
                message.push_str(&format!("(retry {}) ", retries.shown()));
            }
            message.push_str(&format!(
                "for role '{}' with ARN '{}' and ID '{}'.",
                text(name),
                text(arn),
                text(id)
            ));
            let error = view.at("/status/errorDescription");
            if error.exists() {
                message.push_str(&format!(" Reconciliation error was: {}", error.shown()));
            }
            degraded(message)
        }
        _ => progressing(waiting),
    }
}

fn keycloak(view: View<'_>) -> Judged {
    let conditions = view.at("/status/conditions");
    if !conditions.exists() {
        return progressing("Waiting for Keycloak status conditions to exist");
    }
    for condition in oldest_first(conditions.list()) {
        if condition.says("Ready", "True") {
            return healthy("");
        }
        if condition.says("HasErrors", "True") {
            return degraded(format!("Has Errors: {}", condition.message().shown()));
        }
    }
    progressing("")
}

/// Conditions by time; those without one last. An insertion sort, as the script's language sorts short
/// lists: which entries are compared decides whether one that cannot be is an error.
fn oldest_first(mut conditions: Vec<Node<'_>>) -> Vec<Node<'_>> {
    let is_older = |a: Node<'_>, b: Node<'_>| {
        let a = a.at("lastTransitionTime");
        if !a.exists() {
            return false;
        }
        let b = b.at("lastTransitionTime");
        !b.exists() || a.less(b)
    };
    for end in 1..conditions.len() {
        let mut place = end;
        while place > 0 && is_older(conditions[place], conditions[place - 1]) {
            conditions.swap(place, place - 1);
            place -= 1;
        }
    }
    conditions
}

fn external_secret(view: View<'_>) -> Judged {
    let Some(status) = view.at("/status/status").text() else {
        view.nothing().need();
        return Ok(None);
    };
    if status.starts_with("ERROR") {
        degraded(status.replace("ERROR, ", ""))
    } else {
        progressing("Waiting for ExternalSecret.")
    }
}

fn monitoring(view: View<'_>) -> Judged {
    let mut verdict = progressing("Waiting for initialization");
    for condition in view.conditions().into_iter().filter(|c| c.is("Available")) {
        let message = condition.message().or(condition.at("reason"));
        verdict = if condition.has("True") {
            healthy("All instances are available")
        } else if condition.reason() == Some("SomePodsNotReady") {
            progressing(message)
        } else {
            degraded(message)
        };
    }
    verdict
}

fn certificate(view: View<'_>) -> Judged {
    for domain in view.at("/status/domainStatus").list() {
        if domain.has("FailedNotVisible") {
            return degraded("At least one certificate has failed to be provisioned");
        }
    }
    if view.is("/status/certificateStatus", "Active") {
        return healthy("All certificates are active");
    }
    progressing("At least one certificate is still being provisioned")
}

fn collector(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing("Waiting for OpenTelemetry Collector status");
    }
    let replicas = view.at("/status/scale/statusReplicas");
    if !replicas.exists() {
        return if view.need("/spec").at("mode").equals("sidecar") {
            healthy("Collector is running in sidecar mode")
        } else {
            progressing("Scale status not available")
        };
    }
    let replicas = replicas.shown();
    let parts = ready_of_total(&replicas);
    match parts {
        Some((ready, total))
            if ready == 0.0 && view.is("/spec/mode", "daemonset") && total == 0.0 =>
        {
            healthy("DaemonSet has no eligible nodes (0/0)")
        }
        Some((0.0, _)) => degraded("No replicas are ready"),
        Some((ready, total)) if ready == total => healthy("All replicas are ready"),
        Some(_) => progressing("Replicas are starting up"),
        None => progressing(format!("Unable to parse replica status: {replicas}")),
    }
}

/// The first `N/M` in a text.
fn ready_of_total(text: &str) -> Option<(f64, f64)> {
    text.match_indices('/').find_map(|(place, _)| {
        let (before, after) = (&text[..place], &text[place + 1..]);
        let ready = before.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        let total = after.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((ready.parse().ok()?, total.parse().ok()?))
    })
}

fn service_instance(view: View<'_>) -> Judged {
    let nothing = view.nothing();
    let (mut adopted, mut advertised, mut discovered) = (nothing, nothing, nothing);
    for condition in view.conditions() {
        match condition.get("type") {
            Some("Adopted") => adopted = condition,
            Some("Advertised") => advertised = condition,
            Some("Discoverable") => discovered = condition,
            _ => {}
        }
    }
    let found = discovered.message();
    if adopted.has("False") {
        degraded(adopted.message())
    } else if matches!(
        advertised.reason(),
        Some("AdvertiseError" | "UnadvertiseError")
    ) {
        degraded(advertised.message())
    } else if discovered.reason() == Some("DiscoveryError") {
        unknown(found)
    } else if discovered.has("True") {
        healthy(found)
    } else {
        progressing(found)
    }
}
