//! Operators, clusters made of machines, observability, and what is left.

use gitops_core::health::{Health, HealthStatus};
use serde_json::Value;

use super::{
    Check,
    view::{Cond, Judged, View, degraded, healthy, progressing, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apps.3scale.net", "APIManager") => api_manager,
        ("apps.openshift.io", "DeploymentConfig") => deployment_config,
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
        ("ocs.openshift.io", "StorageCluster") => storage_cluster,
        ("opentelemetry.io", "OpenTelemetryCollector") => collector,
        ("operators.coreos.com", "Subscription") => subscription,
        ("proclaim.dogmatiq.io", "DNSSDServiceInstance") => service_instance,
        ("route.openshift.io", "Route") => route,
        _ => return None,
    })
}

fn api_manager(view: View<'_>) -> Judged {
    let available = "3scale APIManager is available";
    if view.has("/status/deployments/ready")
        && !view.has("/status/deployments/starting")
        && !view.has("/status/deployments/stopped")
    {
        return healthy(available);
    }
    for condition in view.conditions()?.into_iter().filter(|c| c.is("Available")) {
        if condition.has("True") {
            return healthy(available);
        }
        if let Some(reason) = condition.reason().filter(|reason| !reason.is_empty()) {
            return degraded(format!("3scale APIManager is degraded: {reason}"));
        }
    }
    progressing("Waiting for 3scale APIManager status...")
}

fn deployment_config(view: View<'_>) -> Judged {
    let waiting = "replication controller is waiting for pods to run";
    if !view.has("/status/conditions") || !view.has("/status/replicas") {
        return progressing(waiting);
    }
    let good = view
        .conditions()?
        .into_iter()
        .filter(|condition| {
            let rolled_out = condition.is("Progressing")
                && condition.reason() == Some("NewReplicationControllerAvailable");
            (condition.is("Available") || rolled_out) && condition.has("True")
        })
        .count();
    if good == 2 || view.number("/status/replicas") == Some(0.0) {
        healthy("replication controller successfully rolled out")
    } else if good == 1 {
        progressing(waiting)
    } else {
        degraded("Deployment config is degraded")
    }
}

fn machine_pool(view: View<'_>) -> Judged {
    let mut status = HealthStatus::Progressing;
    let mut message = String::new();
    if let Some(phase) = view.text("/status/phase") {
        message = format!("MachinePool is {phase}");
        status = match phase {
            "Running" | "Scaling" => HealthStatus::Healthy,
            "Failed" | "Unknown" => HealthStatus::Degraded,
            _ => status,
        };
    }
    let lacking: Vec<String> = view
        .conditions()?
        .into_iter()
        .filter(|condition| condition.has("False"))
        .filter_map(|condition| {
            let kind = condition.get("type")?;
            Some(match condition.reason() {
                Some(reason) => format!("Not {kind} ({reason})"),
                None => format!("Not {kind}"),
            })
        })
        .collect();
    if !lacking.is_empty() {
        message.push_str(&format!(": {}", lacking.join(", ")));
    }
    Ok(Some(Health::new(status, message)))
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
    if let Some(failure) = view
        .text("/status/failureMessage")
        .filter(|text| !text.is_empty())
    {
        return degraded(failure);
    }
    if !view.has("/status/conditions") {
        return progressing("Provisioning...");
    }
    let conditions = view.conditions()?;
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
            errors.push_str(&format!("{} ", condition.need(view, "message")?));
        }
    }
    if !errors.is_empty() {
        return degraded(errors);
    }
    progressing(if view.at("/status/ready") == Some(&Value::Bool(false)) {
        "Control plane is not ready (.status.ready is false)"
    } else {
        "Control plane is not ready"
    })
}

fn metric(view: View<'_>) -> Judged {
    let conditions = view.conditions()?;
    if let Some(error) = conditions.iter().find(|c| c.says("Error", "True")) {
        let message = error.message_or("DatadogMetric reported an error");
        return degraded(match error.reason() {
            Some(reason) if !reason.is_empty() => format!("{reason}: {message}"),
            _ => message.to_owned(),
        });
    }
    match conditions.iter().find(|c| c.says("Valid", "False")) {
        Some(invalid) => degraded(invalid.message_or("DatadogMetric is not valid")),
        None => healthy("DatadogMetric is healthy"),
    }
}

fn cluster_secret(view: View<'_>) -> Judged {
    if view.has("/status/conditions") {
        let conditions = view.conditions()?;
        let last = conditions
            .last()
            .ok_or_else(|| view.fail("status.conditions is empty"))?;
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
    for condition in view.conditions()? {
        let Some(state) = condition.get("status") else {
            continue;
        };
        if !text.is_empty() {
            text.push_str(", ");
        }
        if let Some(reason) = condition.reason() {
            text.push_str(reason);
            if let Some(kind) = condition.get("type") {
                text.push_str(&format!(" for {kind}"));
                if let Some(message) = condition.get("message") {
                    text.push_str(&format!(" because {message}"));
                }
            }
        }
        let inverted = is_folder && condition.is(MISMATCH);
        match state {
            "True" if inverted => return degraded(text),
            "False" if !inverted => return degraded(text),
            "True" => status = HealthStatus::Healthy,
            _ => {}
        }
    }
    Ok(Some(Health::new(status, text)))
}

fn role(view: View<'_>) -> Judged {
    let waiting = "Waiting for Iamrole to be reconciled";
    let text = |pointer: &str| view.text(pointer).unwrap_or("<none>");
    let (name, arn) = (text("/status/roleName"), text("/status/roleARN"));
    let id = text("/status/roleID");
    match view.text("/status/state") {
        Some("Ready") => healthy(format!(
            "Role '{name}' exists with ARN '{arn}' and ID '{id}'."
        )),
        Some("Error" | "RolesMaxLimitReached" | "PolicyNotAllowed" | "RoleNameNotAvailable") => {
            let mut message = "Failed to reconcile the Iamrole ".to_owned();
            if let Some(retries) = view.number("/status/retryCount").filter(|n| *n > 0.0) {
                message.push_str(&format!("(retry {retries}) "));
            }
            message.push_str(&format!(
                "for role '{name}' with ARN '{arn}' and ID '{id}'."
            ));
            if let Some(error) = view.text("/status/errorDescription") {
                message.push_str(&format!(" Reconciliation error was: {error}"));
            }
            degraded(message)
        }
        _ => progressing(waiting),
    }
}

fn keycloak(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("Waiting for Keycloak status conditions to exist");
    }
    let mut conditions = view.conditions()?;
    // Oldest first; those without a time last.
    conditions.sort_by_key(|condition| {
        let time = condition.get("lastTransitionTime");
        (time.is_none(), time)
    });
    for condition in conditions {
        if condition.says("Ready", "True") {
            return healthy("");
        }
        if condition.says("HasErrors", "True") {
            let message = condition.need(view, "message")?;
            return degraded(format!("Has Errors: {message}"));
        }
    }
    progressing("")
}

fn external_secret(view: View<'_>) -> Judged {
    let status = view.need("/status/status")?;
    let status = status
        .as_str()
        .ok_or_else(|| view.fail("status.status is not a text"))?;
    if status.starts_with("ERROR") {
        degraded(status.replace("ERROR, ", ""))
    } else {
        progressing("Waiting for ExternalSecret.")
    }
}

fn monitoring(view: View<'_>) -> Judged {
    let mut verdict = progressing("Waiting for initialization");
    for condition in view.conditions()?.into_iter().filter(|c| c.is("Available")) {
        let message = condition
            .get("message")
            .or(condition.reason())
            .unwrap_or_default();
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
    let failed = |domain: &Value| domain["status"] == "FailedNotVisible";
    if view.list("/status/domainStatus")?.iter().any(failed) {
        return degraded("At least one certificate has failed to be provisioned");
    }
    if view.is("/status/certificateStatus", "Active") {
        return healthy("All certificates are active");
    }
    progressing("At least one certificate is still being provisioned")
}

fn storage_cluster(view: View<'_>) -> Judged {
    let conditions = view.conditions()?;
    let last = |kind: &str| conditions.iter().rev().find(|c| c.says(kind, "True"));
    if let Some(condition) = last("Degraded") {
        degraded(condition.message())
    } else if let Some(condition) = last("Progressing") {
        progressing(condition.message())
    } else if let Some(condition) = last("Available") {
        healthy(condition.message())
    } else {
        unknown("StorageCluster is in an unknown state.")
    }
}

fn collector(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing("Waiting for OpenTelemetry Collector status");
    }
    let Some(replicas) = view.at("/status/scale/statusReplicas") else {
        view.need("/spec")?;
        return if view.is("/spec/mode", "sidecar") {
            healthy("Collector is running in sidecar mode")
        } else {
            progressing("Scale status not available")
        };
    };
    let parts = replicas.as_str().and_then(|text| {
        let (ready, total) = text.split_once('/')?;
        let ready = ready.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        let total = total.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((ready.parse::<u64>().ok()?, total.parse::<u64>().ok()?))
    });
    match parts {
        Some((0, 0)) if view.is("/spec/mode", "daemonset") => {
            healthy("DaemonSet has no eligible nodes (0/0)")
        }
        Some((0, _)) => degraded("No replicas are ready"),
        Some((ready, total)) if ready == total => healthy("All replicas are ready"),
        Some(_) => progressing("Replicas are starting up"),
        None => progressing(format!(
            "Unable to parse replica status: {}",
            replicas
                .as_str()
                .map_or_else(|| replicas.to_string(), ToOwned::to_owned)
        )),
    }
}

fn subscription(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("An install plan for a subscription is pending installation");
    }
    let conditions = view.conditions()?;
    let awaits_approval = |condition: &&Cond<'_>| {
        condition.says("InstallPlanPending", "True")
            && condition.reason() == Some("RequiresApproval")
    };
    let by_hand = view.is("/spec/installPlanApproval", "Manual")
        && view.has("/status/installedCSV")
        && conditions
            .iter()
            .any(|condition| awaits_approval(&condition));
    let (mut bad, mut pending, mut text) = (0, 0, String::new());
    for (index, condition) in conditions.iter().enumerate() {
        if by_hand && condition.is("InstallPlanPending") {
            continue;
        }
        let (kind, status) = (
            condition.need(view, "type")?,
            condition.need(view, "status")?,
        );
        text.push_str(&format!("{}: {kind} | {status}\n", index + 1));
        match kind {
            "InstallPlanPending" if status == "True" => pending += 1,
            "InstallPlanMissing" if condition.reason() != Some("ReferencedInstallPlanNotFound") => {
                bad += 1;
            }
            "CatalogSourcesUnhealthy" | "InstallPlanFailed" | "ResolutionFailed"
                if status == "True" =>
            {
                bad += 1;
            }
            _ => {}
        }
    }
    match view.text("/status/state") {
        None => {
            pending += 1;
            text.push_str(".status.state not yet known\n");
        }
        Some("UpgradePending") if by_hand => text.push_str(
            ".status.state is 'UpgradePending' (manual InstallPlan approval pending; treated as healthy)\n",
        ),
        Some(state) => {
            match state {
                "" | "UpgradeAvailable" | "UpgradePending" => pending += 1,
                "UpgradeFailed" => bad += 1,
                _ => {}
            }
            text.push_str(&format!(".status.state is '{state}'\n"));
        }
    }
    match (bad, pending) {
        (0, 0) => healthy(text),
        (0, _) => progressing(text),
        _ => degraded(text),
    }
}

fn service_instance(view: View<'_>) -> Judged {
    let conditions = view.conditions()?;
    let last = |kind: &str| conditions.iter().rev().find(|condition| condition.is(kind));
    let (adopted, advertised) = (last("Adopted"), last("Advertised"));
    let discovered = last("Discoverable");
    let found = discovered.map_or("", |condition| condition.message());
    if let Some(condition) = adopted.filter(|condition| condition.has("False")) {
        return degraded(condition.message());
    }
    if let Some(condition) = advertised
        && matches!(
            condition.reason(),
            Some("AdvertiseError" | "UnadvertiseError")
        )
    {
        return degraded(condition.message());
    }
    if discovered.and_then(|condition| condition.reason()) == Some("DiscoveryError") {
        return unknown(found);
    }
    if discovered.is_some_and(|condition| condition.has("True")) {
        healthy(found)
    } else {
        progressing(found)
    }
}

fn route(view: View<'_>) -> Judged {
    let waiting = "Route is still getting admitted";
    let rules = view.list("/status/ingress")?;
    if !view.has("/status/ingress") {
        return progressing(waiting);
    }
    let (mut admitted, mut refused) = (0, 0);
    for rule in rules {
        for condition in rule["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Cond)
        {
            if condition.says("Admitted", "True") {
                admitted += 1;
            } else if condition.says("Admitted", "False") {
                refused += 1;
            }
        }
    }
    if admitted == rules.len() {
        healthy("Route is healthy")
    } else if refused > 0 {
        degraded("Route is degraded")
    } else {
        progressing(waiting)
    }
}
