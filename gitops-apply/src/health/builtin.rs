//! Rules of the other built-in kinds: Service, PersistentVolumeClaim, Job, HorizontalPodAutoscaler,
//! Ingress, APIService, and the Workflow of Argo.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    pods,
    typed::{
        Condition, Conditions, condition, decode, integer, malformed, nullable, unsupported_version,
    },
    workloads,
};

/// The verdict of a built-in rule; `None` where there is none for the kind.
pub(super) fn assess(object: &Manifest) -> Option<Result<Health, HealthError>> {
    let rule: fn(&Manifest) -> Result<Health, HealthError> = match (object.group(), object.kind()) {
        ("apps", "Deployment") => workloads::deployment,
        ("apps", "StatefulSet") => workloads::stateful_set,
        ("apps", "ReplicaSet") => workloads::replica_set,
        ("apps", "DaemonSet") => workloads::daemon_set,
        ("", "Pod") => pods::pod,
        ("", "Service") => service,
        ("", "PersistentVolumeClaim") => claim,
        ("batch", "Job") => job,
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler,
        ("networking.k8s.io" | "extensions", "Ingress") => ingress,
        ("apiregistration.k8s.io", "APIService") => api_service,
        ("argoproj.io", "Workflow") => workflow,
        _ => return None,
    };
    Some(rule(object))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    #[serde(deserialize_with = "nullable")]
    spec: ServiceSpec,
    #[serde(deserialize_with = "nullable")]
    status: ServiceStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatus {
    #[serde(deserialize_with = "nullable")]
    load_balancer: LoadBalancer,
    // Decoded for its type only.
    #[serde(rename = "conditions", deserialize_with = "nullable")]
    _conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    #[serde(deserialize_with = "nullable")]
    ingress: Vec<Map<String, Value>>,
}

fn service(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let Service { spec, status } = decode(object)?;
    let waits = spec.kind == "LoadBalancer" && status.load_balancer.ingress.is_empty();
    Ok(plain(if waits {
        HealthStatus::Progressing
    } else {
        HealthStatus::Healthy
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Phased {
    // Decoded for its type only.
    #[serde(rename = "spec", deserialize_with = "nullable")]
    _spec: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    status: PhasedStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PhasedStatus {
    #[serde(deserialize_with = "nullable")]
    phase: String,
    #[serde(deserialize_with = "nullable")]
    message: String,
    // Decoded for its type only.
    #[serde(rename = "conditions", deserialize_with = "nullable")]
    _conditions: Vec<Condition>,
}

fn claim(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let claim: Phased = decode(object)?;
    Ok(plain(match claim.status.phase.as_str() {
        "Lost" => HealthStatus::Degraded,
        "Pending" => HealthStatus::Progressing,
        "Bound" => HealthStatus::Healthy,
        _ => HealthStatus::Unknown,
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    // Decoded for its type only.
    #[serde(rename = "spec", deserialize_with = "nullable")]
    _spec: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    status: Conditions,
}

fn job(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let job: Job = decode(object)?;
    let (mut failure, mut ended, mut suspended) = (None, None, false);
    for condition in job.status.conditions {
        match condition.kind.as_str() {
            // The status of the condition is not looked at.
            "Failed" => failure = Some(condition.message),
            "Complete" => ended = Some(condition.message),
            "Suspended" => {
                suspended |= condition.status == "True";
                ended = Some(condition.message);
            }
            _ => {}
        }
    }
    Ok(match (failure, ended) {
        (Some(message), _) => Health::new(HealthStatus::Degraded, message),
        (None, None) => plain(HealthStatus::Progressing),
        (None, Some(message)) if suspended => Health::new(HealthStatus::Suspended, message),
        (None, Some(message)) => Health::new(HealthStatus::Healthy, message),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Autoscaler {
    // Decoded for its type only.
    #[serde(rename = "spec", deserialize_with = "nullable")]
    _spec: Map<String, Value>,
    #[serde(deserialize_with = "nullable")]
    status: AutoscalerStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AutoscalerStatus {
    // Decoded for its type only.
    #[serde(rename = "observedGeneration", deserialize_with = "integer")]
    _observed_generation: i64,
    // `autoscaling/v1` has no conditions: whatever is there is ignored.
    #[serde(deserialize_with = "nullable")]
    conditions: Value,
}

fn autoscaler(object: &Manifest) -> Result<Health, HealthError> {
    let conditions = match object.version() {
        "v1" => {
            decode::<Autoscaler>(object)?;
            annotated_conditions(object)?
        }
        "v2" => match decode::<Autoscaler>(object)?.status.conditions {
            Value::Null => Vec::new(),
            conditions => Vec::deserialize(conditions)
                .map_err(|error| malformed(object, error.to_string()))?,
        },
        _ => return Err(unsupported_version(object)),
    };
    for condition in &conditions {
        let degraded = match condition.kind.as_str() {
            "AbleToScale" => {
                matches!(
                    condition.reason.as_str(),
                    "FailedGetScale" | "FailedUpdateScale"
                )
            }
            "ScalingActive" => matches!(
                condition.reason.as_str(),
                "FailedGetResourceMetric"
                    | "FailedGetObjectMetric"
                    | "FailedGetPodsMetric"
                    | "FailedGetExternalMetric"
                    | "FailedComputeMetricsReplicas"
                    | "InvalidSelector"
            ),
            _ => false,
        };
        if degraded {
            return Ok(Health::new(HealthStatus::Degraded, &condition.message));
        }
    }
    for condition in conditions {
        if matches!(condition.kind.as_str(), "AbleToScale" | "ScalingLimited")
            && condition.status == "True"
        {
            return Ok(Health::new(HealthStatus::Healthy, condition.message));
        }
    }
    Ok(Health::new(
        HealthStatus::Progressing,
        "Waiting to Autoscale",
    ))
}

/// Conditions that `autoscaling/v1` keeps in an annotation, as JSON with field names in any case.
fn annotated_conditions(object: &Manifest) -> Result<Vec<Condition>, HealthError> {
    const ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/conditions";
    let Some(text) = object.annotation(ANNOTATION) else {
        return Ok(Vec::new());
    };
    let fail = |reason: String| malformed(object, format!("annotation {ANNOTATION}: {reason}"));
    let entries: Option<Vec<Option<Map<String, Value>>>> =
        serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    entries
        .unwrap_or_default()
        .into_iter()
        .map(|entry| {
            let lower: Map<String, Value> = entry
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect();
            Condition::deserialize(lower).map_err(|error| fail(error.to_string()))
        })
        .collect()
}

fn ingress(object: &Manifest) -> Result<Health, HealthError> {
    let assigned = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    Ok(plain(if assigned {
        HealthStatus::Healthy
    } else {
        HealthStatus::Progressing
    }))
}

fn api_service(object: &Manifest) -> Result<Health, HealthError> {
    if !matches!(object.version(), "v1" | "v1beta1") {
        return Err(unsupported_version(object));
    }
    let service: Job = decode(object)?;
    Ok(match condition(&service.status.conditions, "Available") {
        None => Health::new(HealthStatus::Progressing, "Waiting to be processed"),
        Some(available) => Health::new(
            if available.status == "True" {
                HealthStatus::Healthy
            } else {
                HealthStatus::Progressing
            },
            format!("{}: {}", available.reason, available.message),
        ),
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Workflow {
    #[serde(deserialize_with = "nullable")]
    status: WorkflowStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WorkflowStatus {
    #[serde(deserialize_with = "nullable")]
    phase: String,
    #[serde(deserialize_with = "nullable")]
    message: String,
}

fn workflow(object: &Manifest) -> Result<Health, HealthError> {
    let WorkflowStatus { phase, message } = decode::<Workflow>(object)?.status;
    let status = match phase.as_str() {
        "" | "Pending" | "Running" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" | "Error" => HealthStatus::Degraded,
        _ => HealthStatus::Unknown,
    };
    Ok(Health::new(status, message))
}

fn plain(status: HealthStatus) -> Health {
    Health::new(status, "")
}
