//! Crossplane: managed resources, packages, and anything of its providers.

use super::{
    Check,
    view::{Judged, Message, View, degraded, healthy, progressing, suspended},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("cloudfront.aws.crossplane.io", "Distribution") => |view| managed(view, "distribution"),
        ("iam.aws.crossplane.io", "Policy") => |view| managed(view, "Policy"),
        ("iam.aws.crossplane.io", "Role") => |view| managed(view, "Role"),
        ("iam.aws.crossplane.io", "RolePolicyAttachment") => {
            |view| managed(view, "RolePolicyAttachment")
        }
        ("rds.aws.crossplane.io", "DBCluster") => |view| managed(view, "DBCluster"),
        ("rds.aws.crossplane.io", "DBInstance") => |view| managed(view, "DBInstance"),
        ("route53.aws.crossplane.io", "ResourceRecordSet") => {
            |view| managed(view, "resourcrecordset")
        }
        ("s3.aws.crossplane.io", "Bucket") => |view| managed(view, "Bucket"),
        ("pkg.crossplane.io", "Provider") => provider,
        ("stacks.crossplane.io", "ClusterStackInstall") => stack_install,
        _ => return None,
    })
}

fn managed(view: View<'_>, what: &str) -> Judged {
    if !view.has("/status/conditions") {
        return progressing(format!("Waiting for {what} to be created"));
    }
    let (mut ready, mut synced, mut paused) = (false, false, false);
    let (mut ready_reason, mut error) = (view.nothing(), view.nothing());
    for condition in view.conditions() {
        if condition.is("Ready") {
            ready = condition.has("True");
            ready_reason = condition.at("reason");
        } else if condition.is("Synced") {
            synced = condition.has("True");
            match condition.reason() {
                Some("ReconcileError") => error = condition.message(),
                Some("ReconcilePaused") => paused = true,
                _ => {}
            }
        }
    }
    match (ready, synced, paused) {
        (true, true, _) => healthy(ready_reason),
        (_, false, true) => suspended("ReconcilePaused"),
        (false, true, false) => progressing(format!("Waiting for {what} to be available")),
        _ => degraded(error),
    }
}

fn provider(view: View<'_>) -> Judged {
    let (mut installed, mut works) = (view.nothing(), view.nothing());
    let mut all_true = (false, false);
    for condition in view.conditions() {
        if condition.is("Installed") {
            installed = condition.at("reason");
            all_true.0 = condition.has("True");
        } else if condition.is("Healthy") {
            works = condition.at("reason");
            all_true.1 = condition.has("True");
        }
    }
    let message = match (installed.exists(), works.exists()) {
        (true, true) => format!("{} {}", installed.shown(), works.shown()).into(),
        (false, false) => return progressing("Waiting for provider to be installed"),
        _ => Message::from(installed.or(works)),
    };
    if all_true == (true, true) {
        healthy(message)
    } else {
        degraded(message)
    }
}

fn stack_install(view: View<'_>) -> Judged {
    let mut message = Message::from("Waiting for stack to be installed");
    for condition in view.at("/status/conditionedStatus/conditions").list() {
        if condition.is("Ready") {
            message = condition.at("reason").into();
            if condition.has("True") {
                return healthy(message);
            }
        }
    }
    progressing(message)
}

pub(super) fn any(view: View<'_>) -> Judged {
    const WITHOUT_CONDITIONS: [&str; 11] = [
        "Composition",
        "CompositionRevision",
        "DeploymentRuntimeConfig",
        "EnvironmentConfig",
        "ImageConfig",
        "ProviderConfig",
        "ProviderConfigUsage",
        "ControllerConfig",
        "StoreConfig",
        "ClusterProviderConfig",
        "ClusterProviderConfigUsage",
    ];
    const GOOD: [&str; 6] = [
        "Ready",
        "Healthy",
        "Offered",
        "Established",
        "ValidPipeline",
        "RevisionHealthy",
    ];
    of_provider(view, &WITHOUT_CONDITIONS, &GOOD)
}

pub(super) fn upbound(view: View<'_>) -> Judged {
    const WITHOUT_CONDITIONS: [&str; 5] = [
        "ProviderConfig",
        "ProviderConfigUsage",
        "StoreConfig",
        "ClusterProviderConfig",
        "ClusterProviderConfigUsage",
    ];
    of_provider(view, &WITHOUT_CONDITIONS, &["Ready"])
}

fn of_provider(view: View<'_>, without_conditions: &[&str], good: &[&str]) -> Judged {
    let conditions = view.at("/status/conditions");
    if conditions.text().is_some() {
        conditions.report(|| "status.conditions is no list".to_owned());
    }
    if conditions.values().is_empty() {
        if !without_conditions.contains(&view.object.kind()) {
            return progressing("Provisioning ...");
        }
        return healthy(if view.has("/status/users") {
            "Resource is in use."
        } else {
            "Resource is up-to-date."
        });
    }
    let mut verdict = progressing("Provisioning ...");
    let knows_inactive = good.contains(&"Established");
    for condition in conditions.list() {
        let kind = condition.get("type").unwrap_or_default();
        if matches!(kind, "LastAsyncOperation" | "Synced") && condition.has("False") {
            return degraded(condition.message());
        }
        let inactive = knows_inactive
            && !view.is("/spec/state", "Active")
            && kind == "Established"
            && condition.reason() == Some("InactiveManagedResource");
        if (good.contains(&kind) && condition.has("True")) || inactive {
            verdict = healthy("Resource is up-to-date.");
        }
    }
    verdict
}
