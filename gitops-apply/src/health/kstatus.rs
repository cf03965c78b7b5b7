//! The status of an object by the conventions of `kstatus` (cli-utils), as Flux waits by it.

use std::time::Duration;

use gitops_core::{
    Manifest,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthError, HealthStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    go,
    typed::{Condition, WithConditions, decode, malformed},
};

/// Health by the rules of `kstatus`: every object has a verdict.
///
/// `Current` is Healthy, `InProgress` and `Terminating` are Progressing, `Failed` is Degraded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kstatus;

/// What `kstatus` says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KstatusResult {
    /// The verdict.
    pub status: KstatusStatus,
    /// Why.
    pub message: String,
    /// The conditions that the verdict stands for: `Reconciling` or `Stalled`, or none.
    pub conditions: Vec<KstatusCondition>,
}

/// The verdicts of `kstatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KstatusStatus {
    /// Not there yet.
    InProgress,
    /// Will not get there without help.
    Failed,
    /// As declared.
    Current,
    /// Under deletion.
    Terminating,
    /// Cannot be told.
    Unknown,
}

/// A condition that a verdict stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KstatusCondition {
    /// `Reconciling` or `Stalled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `True`.
    pub status: String,
    /// A word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

impl HealthCheck for Kstatus {
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError> {
        let KstatusResult {
            status, message, ..
        } = self.compute(object, now)?;
        let status = match status {
            KstatusStatus::Current => HealthStatus::Healthy,
            KstatusStatus::Failed => HealthStatus::Degraded,
            KstatusStatus::InProgress | KstatusStatus::Terminating => HealthStatus::Progressing,
            KstatusStatus::Unknown => HealthStatus::Unknown,
        };
        Ok(Some(Health::new(status, message)))
    }
}

/// How long a Pod may be unschedulable before that counts as a failure.
const SCHEDULE_WINDOW: Duration = Duration::from_secs(15);

impl Kstatus {
    /// The status of one object.
    pub fn compute(&self, object: &Manifest, now: Timestamp) -> Result<KstatusResult, HealthError> {
        let deletion = nested(object, ["metadata", "deletionTimestamp"])?;
        if let Some(deletion) = deletion {
            let text = deletion
                .as_str()
                .ok_or_else(|| malformed(object, "metadata.deletionTimestamp is not a string"))?;
            if !text.is_empty() {
                return Ok(verdict(
                    KstatusStatus::Terminating,
                    "Resource scheduled for deletion",
                ));
            }
        }
        if let Some(generation) = int64(object, ["metadata", "generation"])?
            && let Some(observed) = int64(object, ["status", "observedGeneration"])?
            && observed != generation
        {
            return Ok(in_progress(
                "LatestGenerationNotObserved",
                format!(
                    "{} generation is {generation}, but latest observed generation is {observed}",
                    object.kind()
                ),
            ));
        }
        let conditions = decode::<WithConditions>(object)?.status.conditions;
        for condition in conditions.iter().filter(|c| c.status == "True") {
            match condition.kind.as_str() {
                "Reconciling" => {
                    return Ok(in_progress(&condition.reason, &condition.message));
                }
                "Stalled" => return Ok(failed(&condition.reason, &condition.message)),
                _ => {}
            }
        }
        let current = |message: &str| Ok(verdict(KstatusStatus::Current, message));
        match (object.group(), object.kind()) {
            ("", "Service") => Ok(service(object)),
            ("", "Pod") => pod(object, &conditions, now),
            ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => {
                current("Resource is always ready")
            }
            ("policy", "PodDisruptionBudget") => current("AllowedDisruptions has been computed."),
            ("", "PersistentVolumeClaim") => Ok(claim(object)),
            ("apps", "StatefulSet") => Ok(stateful_set(object)),
            ("apps" | "extensions", "DaemonSet") => daemon_set(object),
            ("apps" | "extensions", "Deployment") => Ok(deployment(object, &conditions)),
            ("apps" | "extensions", "ReplicaSet") => Ok(replica_set(object, &conditions)),
            ("batch", "Job") => Ok(job(object, &conditions)),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Ok(definition(&conditions)),
            _ => Ok(by_ready_condition(&conditions)),
        }
    }
}

fn by_ready_condition(conditions: &[Condition]) -> KstatusResult {
    for condition in conditions.iter().filter(|c| c.kind == "Ready") {
        match condition.status.as_str() {
            "True" => return verdict(KstatusStatus::Current, "Resource is Ready"),
            "False" | "Unknown" => return in_progress(&condition.reason, &condition.message),
            _ => {}
        }
    }
    verdict(KstatusStatus::Current, "Resource is current")
}

fn stateful_set(object: &Manifest) -> KstatusResult {
    if text(object, "/spec/updateStrategy/type", "") == "OnDelete" {
        return verdict(
            KstatusStatus::Current,
            "StatefulSet is using the ondelete update strategy",
        );
    }
    let wanted = int(object, "/spec/replicas", 1);
    let ready = int(object, "/status/readyReplicas", 0);
    let current = int(object, "/status/currentReplicas", 0);
    let updated = int(object, "/status/updatedReplicas", 0);
    let replicas = int(object, "/status/replicas", 0);
    let partition = int(object, "/spec/updateStrategy/rollingUpdate/partition", -1);
    if wanted > replicas {
        return in_progress("LessReplicas", format!("Replicas: {replicas}/{wanted}"));
    }
    if wanted > ready {
        return in_progress("LessReady", format!("Ready: {ready}/{wanted}"));
    }
    if replicas > wanted {
        let surplus = replicas - wanted;
        return in_progress("ExtraPods", format!("Pending termination: {surplus}"));
    }
    if partition != -1 {
        let share = wanted.saturating_sub(partition);
        if updated < share {
            return in_progress("PartitionRollout", format!("updated: {updated}/{share}"));
        }
        return verdict(
            KstatusStatus::Current,
            format!("Partition rollout complete. updated: {updated}"),
        );
    }
    if wanted > current {
        return in_progress("LessCurrent", format!("current: {current}/{wanted}"));
    }
    if text(object, "/status/currentRevision", "") != text(object, "/status/updateRevision", "") {
        return in_progress(
            "RevisionMismatch",
            "Waiting for updated revision to match current",
        );
    }
    verdict(
        KstatusStatus::Current,
        format!("All replicas scheduled as expected. Replicas: {replicas}"),
    )
}

fn deployment(object: &Manifest, conditions: &[Condition]) -> KstatusResult {
    // Without a deadline the controller sets no Progressing condition.
    let without_deadline = i64::from(i32::MAX);
    let deadline = int(object, "/spec/progressDeadlineSeconds", without_deadline);
    let mut progressing = deadline == without_deadline;
    let mut is_available = false;
    for condition in conditions {
        match condition.kind.as_str() {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return KstatusResult {
                    message: "Progress deadline exceeded".to_owned(),
                    ..failed(&condition.reason, &condition.message)
                };
            }
            "Progressing" => {
                progressing |=
                    condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
            }
            "Available" => is_available |= condition.status == "True",
            _ => {}
        }
    }
    let wanted = int(object, "/spec/replicas", 1);
    let replicas = int(object, "/status/replicas", 0);
    let updated = int(object, "/status/updatedReplicas", 0);
    let ready = int(object, "/status/readyReplicas", 0);
    let available = int(object, "/status/availableReplicas", 0);
    if wanted > replicas {
        return in_progress("LessReplicas", format!("Replicas: {replicas}/{wanted}"));
    }
    if wanted > updated {
        return in_progress("LessUpdated", format!("Updated: {updated}/{wanted}"));
    }
    if replicas > wanted {
        let surplus = replicas - wanted;
        return in_progress("ExtraPods", format!("Pending termination: {surplus}"));
    }
    if updated > available {
        return in_progress("LessAvailable", format!("Available: {available}/{updated}"));
    }
    if wanted > ready {
        return in_progress("LessReady", format!("Ready: {ready}/{wanted}"));
    }
    if !progressing {
        return in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available");
    }
    if !is_available {
        return in_progress("DeploymentNotAvailable", "Deployment not Available");
    }
    verdict(
        KstatusStatus::Current,
        format!("Deployment is available. Replicas: {replicas}"),
    )
}

fn replica_set(object: &Manifest, conditions: &[Condition]) -> KstatusResult {
    if has(conditions, "ReplicaFailure", "True") {
        return in_progress("ReplicaFailure", "Replica Failure condition. Check Pods");
    }
    let wanted = int(object, "/spec/replicas", 1);
    let replicas = int(object, "/status/replicas", 0);
    let ready = int(object, "/status/readyReplicas", 0);
    let available = int(object, "/status/availableReplicas", 0);
    let labelled = int(object, "/status/fullyLabeledReplicas", 0);
    if wanted > labelled {
        return in_progress("LessLabelled", format!("Labelled: {labelled}/{wanted}"));
    }
    if wanted > available {
        return in_progress("LessAvailable", format!("Available: {available}/{wanted}"));
    }
    if wanted > ready {
        return in_progress("LessReady", format!("Ready: {ready}/{wanted}"));
    }
    if replicas > wanted {
        let surplus = replicas - wanted;
        return in_progress("ExtraPods", format!("Pending termination: {surplus}"));
    }
    verdict(
        KstatusStatus::Current,
        format!("ReplicaSet is available. Replicas: {replicas}"),
    )
}

fn daemon_set(object: &Manifest) -> Result<KstatusResult, HealthError> {
    let kind = object.kind();
    if int64(object, ["metadata", "generation"])?.is_none() {
        return Ok(in_progress(
            "NoGeneration",
            format!("{kind} metadata.generation not found"),
        ));
    }
    if int64(object, ["status", "observedGeneration"])?.is_none() {
        return Ok(in_progress(
            "NoObservedGeneration",
            format!("{kind} status.observedGeneration not found"),
        ));
    }
    let desired = int(object, "/status/desiredNumberScheduled", -1);
    let current = int(object, "/status/currentNumberScheduled", 0);
    let updated = int(object, "/status/updatedNumberScheduled", 0);
    let available = int(object, "/status/numberAvailable", 0);
    let ready = int(object, "/status/numberReady", 0);
    Ok(if desired == -1 {
        in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled")
    } else if desired > current {
        in_progress("LessCurrent", format!("Current: {current}/{desired}"))
    } else if desired > updated {
        in_progress("LessUpdated", format!("Updated: {updated}/{desired}"))
    } else if desired > available {
        in_progress("LessAvailable", format!("Available: {available}/{desired}"))
    } else if desired > ready {
        in_progress("LessReady", format!("Ready: {ready}/{desired}"))
    } else {
        verdict(
            KstatusStatus::Current,
            format!("All replicas scheduled as expected. Replicas: {desired}"),
        )
    })
}

fn claim(object: &Manifest) -> KstatusResult {
    match text(object, "/status/phase", "unknown") {
        "Bound" => verdict(KstatusStatus::Current, "PVC is Bound"),
        phase => in_progress("NotBound", format!("PVC is not Bound. phase: {phase}")),
    }
}

fn pod(
    object: &Manifest,
    conditions: &[Condition],
    now: Timestamp,
) -> Result<KstatusResult, HealthError> {
    let current = |message: &str| verdict(KstatusStatus::Current, message);
    Ok(match text(object, "/status/phase", "") {
        "Succeeded" => current("Pod has completed successfully"),
        "Failed" => current("Pod has completed, but not successfully"),
        "Running" if has(conditions, "Ready", "True") => current("Pod is Ready"),
        "Running" => match crash_looping(object)? {
            containers if containers.is_empty() => {
                in_progress("PodRunningNotReady", "Pod is running but is not Ready")
            }
            containers => failed(
                "ContainerCrashLooping",
                format!("Containers in CrashLoop state: {}", containers.join(",")),
            ),
        },
        "Pending" => {
            let unschedulable = conditions
                .iter()
                .find(|c| c.kind == "PodScheduled" && c.status == "False")
                .is_some_and(|c| c.reason == "Unschedulable");
            if !unschedulable {
                in_progress("PodPending", "Pod is in the Pending phase")
            } else if is_recent(object, now) {
                in_progress("PodNotScheduled", "Pod has not been scheduled")
            } else {
                failed("PodUnschedulable", "Pod could not be scheduled")
            }
        }
        "" => in_progress("PodNotObserved", "Pod phase not available"),
        phase => return Err(malformed(object, format!("unknown phase {phase}"))),
    })
}

fn is_recent(object: &Manifest, now: Timestamp) -> bool {
    go::time(text(object, "/metadata/creationTimestamp", ""))
        .and_then(|created| created.checked_add(SCHEDULE_WINDOW).ok())
        .is_some_and(|end| now < end)
}

fn crash_looping(object: &Manifest) -> Result<Vec<&str>, HealthError> {
    let statuses = match nested(object, ["status", "containerStatuses"])? {
        None => return Ok(Vec::new()),
        Some(Value::Array(statuses)) => statuses,
        Some(_) => return Err(malformed(object, "status.containerStatuses is not a list")),
    };
    Ok(statuses
        .iter()
        .filter(|status| {
            status
                .pointer("/state/waiting/reason")
                .and_then(Value::as_str)
                == Some("CrashLoopBackOff")
        })
        .filter_map(|status| status.get("name")?.as_str())
        .collect())
}

fn job(object: &Manifest, conditions: &[Condition]) -> KstatusResult {
    let parallelism = int(object, "/spec/parallelism", 1);
    let completions = int(object, "/spec/completions", parallelism);
    let succeeded = int(object, "/status/succeeded", 0);
    let active = int(object, "/status/active", 0);
    let failures = int(object, "/status/failed", 0);
    for condition in conditions.iter().filter(|c| c.status == "True") {
        match condition.kind.as_str() {
            "Complete" => {
                return verdict(
                    KstatusStatus::Current,
                    format!("Job Completed. succeeded: {succeeded}/{completions}"),
                );
            }
            "Failed" => {
                return failed(
                    "JobFailed",
                    format!("Job Failed. failed: {failures}/{completions}"),
                );
            }
            _ => {}
        }
    }
    if text(object, "/status/startTime", "").is_empty() {
        return in_progress("JobNotStarted", "Job not started");
    }
    verdict(
        KstatusStatus::Current,
        format!("Job in progress. success:{succeeded}, active: {active}, failed: {failures}"),
    )
}

fn service(object: &Manifest) -> KstatusResult {
    if text(object, "/spec/type", "ClusterIP") == "LoadBalancer"
        && text(object, "/spec/clusterIP", "").is_empty()
    {
        return in_progress(
            "NoIPAssigned",
            "ClusterIP not set. Service type: LoadBalancer",
        );
    }
    verdict(KstatusStatus::Current, "Service is ready")
}

fn definition(conditions: &[Condition]) -> KstatusResult {
    for condition in conditions {
        match (condition.kind.as_str(), condition.status.as_str()) {
            ("NamesAccepted", "False") => {
                return failed(&condition.reason, &condition.message);
            }
            ("Established", "False") if condition.reason != "Installing" => {
                return failed(&condition.reason, &condition.message);
            }
            ("Established", "True") => {
                return verdict(KstatusStatus::Current, "CRD is established");
            }
            _ => {}
        }
    }
    in_progress("Installing", "Install in progress")
}

fn verdict(status: KstatusStatus, message: impl Into<String>) -> KstatusResult {
    KstatusResult {
        status,
        message: message.into(),
        conditions: Vec::new(),
    }
}

fn in_progress(reason: impl Into<String>, message: impl Into<String>) -> KstatusResult {
    with_condition(KstatusStatus::InProgress, "Reconciling", reason, message)
}

fn failed(reason: impl Into<String>, message: impl Into<String>) -> KstatusResult {
    with_condition(KstatusStatus::Failed, "Stalled", reason, message)
}

fn with_condition(
    status: KstatusStatus,
    kind: &str,
    reason: impl Into<String>,
    message: impl Into<String>,
) -> KstatusResult {
    let message = message.into();
    KstatusResult {
        status,
        conditions: vec![KstatusCondition {
            kind: kind.to_owned(),
            status: "True".to_owned(),
            reason: reason.into(),
            message: message.clone(),
        }],
        message,
    }
}

fn has(conditions: &[Condition], kind: &str, status: &str) -> bool {
    conditions
        .iter()
        .any(|condition| condition.kind == kind && condition.status == status)
}

/// A field two levels down; something else than a map on the way is an error.
fn nested<'a>(object: &'a Manifest, path: [&str; 2]) -> Result<Option<&'a Value>, HealthError> {
    match object.as_map().get(path[0]) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(map.get(path[1])),
        Some(_) => Err(malformed(object, format!("{} is not a map", path[0]))),
    }
}

fn int64(object: &Manifest, path: [&str; 2]) -> Result<Option<i64>, HealthError> {
    nested(object, path)?
        .map(|value| {
            value.as_i64().ok_or_else(|| {
                malformed(object, format!("{}.{} is not an integer", path[0], path[1]))
            })
        })
        .transpose()
}

fn int(object: &Manifest, pointer: &str, default: i64) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

fn text<'a>(object: &'a Manifest, pointer: &str, default: &'a str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or(default)
}
