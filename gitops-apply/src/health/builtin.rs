//! Rules of the other built-in kinds: Service, PersistentVolumeClaim, Job, HorizontalPodAutoscaler,
//! Ingress, APIService, and the Workflow of Argo.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    go::Go,
    pods, shapes,
    typed::{
        Condition, WithConditions, condition, decode, decode_whole, malformed, unsupported_version,
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
    spec: ServiceSpec,
    status: ServiceStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatus {
    load_balancer: LoadBalancer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<Map<String, Value>>,
}

fn service(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let Service { spec, status } = decode_whole::<shapes::Service, _>(object)?;
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
    status: PhasedStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PhasedStatus {
    phase: String,
}

fn claim(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let claim: Phased = decode_whole::<shapes::Claim, _>(object)?;
    Ok(plain(match claim.status.phase.as_str() {
        "Lost" => HealthStatus::Degraded,
        "Pending" => HealthStatus::Progressing,
        "Bound" => HealthStatus::Healthy,
        _ => HealthStatus::Unknown,
    }))
}

fn job(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let job: WithConditions = decode_whole::<shapes::Job, _>(object)?;
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

fn autoscaler(object: &Manifest) -> Result<Health, HealthError> {
    let conditions = match object.version() {
        // Conditions in the status of the first version are ignored.
        "v1" => {
            decode::<shapes::Scaler>(object)?;
            annotated_conditions(object)?
        }
        "v2" => {
            let scaler: WithConditions = decode_whole::<shapes::MetricScaler, _>(object)?;
            scaler.status.conditions
        }
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
            shapes::AnnotatedCondition::deserialize(Go::Map(&lower))
                .and_then(|_| Condition::deserialize(Go::Map(&lower)))
                .map_err(|error| fail(error.to_string()))
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
    let service: WithConditions = decode_whole::<shapes::ApiService, _>(object)?;
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

/// A Workflow is not read as a whole: fields that are no texts are as good as none.
fn workflow(object: &Manifest) -> Result<Health, HealthError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let phase = text("/status/phase").unwrap_or_default();
    let message = text("/status/message").unwrap_or_default();
    let status = match phase {
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
