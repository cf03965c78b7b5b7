//! OpenShift and its operator framework.

use super::{
    Check,
    view::{Judged, Node, View, degraded, healthy, progressing, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("apps.openshift.io", "DeploymentConfig") => deployment_config,
        ("ocs.openshift.io", "StorageCluster") => storage_cluster,
        ("operators.coreos.com", "Subscription") => subscription,
        ("route.openshift.io", "Route") => route,
        _ => return None,
    })
}

fn deployment_config(view: View<'_>) -> Judged {
    let waiting = "replication controller is waiting for pods to run";
    if !view.has("/status/conditions") || !view.has("/status/replicas") {
        return progressing(waiting);
    }
    let good = view
        .at("/status/conditions")
        .values()
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

fn storage_cluster(view: View<'_>) -> Judged {
    let (mut bad, mut working, mut good) = (None, None, None);
    for condition in view.at("/status/conditions").values() {
        let message = Some(condition.message());
        if condition.says("Degraded", "True") {
            bad = message;
        } else if condition.says("Progressing", "True") {
            working = message;
        } else if condition.says("Available", "True") {
            good = message;
        }
    }
    match (bad, working, good) {
        (Some(message), _, _) => degraded(message),
        (None, Some(message), _) => progressing(message),
        (None, None, Some(message)) => healthy(message),
        (None, None, None) => unknown("StorageCluster is in an unknown state."),
    }
}

fn subscription(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("An install plan for a subscription is pending installation");
    }
    let conditions = view.at("/status/conditions").entries();
    let mut by_hand = false;
    if view.is("/spec/installPlanApproval", "Manual") {
        let awaits_approval = |condition: &Node<'_>| {
            condition.says("InstallPlanPending", "True")
                && condition.reason() == Some("RequiresApproval")
        };
        by_hand = conditions
            .iter()
            .any(|(_, condition)| awaits_approval(condition))
            && view.has("/status/installedCSV");
    }
    let (mut bad, mut pending, mut text) = (0, 0, String::new());
    for (number, condition) in conditions {
        if by_hand && condition.is("InstallPlanPending") {
            continue;
        }
        let (kind, status) = (condition.at("type"), condition.at("status"));
        text.push_str(&format!(
            "{number}: {} | {}\n",
            kind.shown(),
            status.shown()
        ));
        let is_true = status.equals("True");
        match kind.text() {
            Some("InstallPlanPending") if is_true => pending += 1,
            Some("InstallPlanMissing")
                if condition.reason() != Some("ReferencedInstallPlanNotFound") =>
            {
                bad += 1;
            }
            Some("CatalogSourcesUnhealthy" | "InstallPlanFailed" | "ResolutionFailed")
                if is_true =>
            {
                bad += 1;
            }
            _ => {}
        }
    }
    let state = view.at("/status/state");
    if !state.exists() {
        pending += 1;
        text.push_str(".status.state not yet known\n");
    } else if state.equals("UpgradePending") && by_hand {
        text.push_str(
            ".status.state is 'UpgradePending' (manual InstallPlan approval pending; treated as healthy)\n",
        );
    } else {
        match state.text() {
            Some("" | "UpgradeAvailable" | "UpgradePending") => pending += 1,
            Some("UpgradeFailed") => bad += 1,
            _ => {}
        }
        text.push_str(&format!(".status.state is '{}'\n", state.shown()));
    }
    match (bad, pending) {
        (0, 0) => healthy(text),
        (0, _) => progressing(text),
        _ => degraded(text),
    }
}

fn route(view: View<'_>) -> Judged {
    let waiting = "Route is still getting admitted";
    let ingress = view.at("/status/ingress");
    if !ingress.exists() {
        return progressing(waiting);
    }
    let rules = ingress.values();
    let (mut admitted, mut refused) = (0, 0);
    for rule in &rules {
        for condition in rule.at("conditions").need().values() {
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
