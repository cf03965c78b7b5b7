//! Rules of `apps/v1`: what `kubectl rollout status` waits for.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    shapes,
    typed::{Condition, Meta, condition, decode_whole, unsupported_version},
};

#[derive(Default, Deserialize)]
#[serde(default, bound = "S: Deserialize<'de> + Default")]
struct Workload<S: Default> {
    metadata: Meta,
    spec: S,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    paused: bool,
    replicas: Option<i32>,
    update_strategy: UpdateStrategy,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DaemonSpec {
    update_strategy: UpdateStrategy,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct UpdateStrategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Option<RollingUpdate>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RollingUpdate {
    partition: Option<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    observed_generation: i64,
    replicas: i32,
    updated_replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    current_replicas: i32,
    current_revision: String,
    update_revision: String,
    desired_number_scheduled: i32,
    updated_number_scheduled: i32,
    number_available: i32,
    conditions: Vec<Condition>,
}

fn read<Shape, S>(object: &Manifest) -> Result<Workload<S>, HealthError>
where
    Shape: DeserializeOwned,
    S: DeserializeOwned + Default,
{
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    decode_whole::<Shape, _>(object)
}

fn progressing(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Progressing, message)
}

fn healthy(message: impl Into<String>) -> Health {
    Health::new(HealthStatus::Healthy, message)
}

pub(super) fn deployment(object: &Manifest) -> Result<Health, HealthError> {
    let Workload::<Spec> {
        metadata,
        spec,
        status,
    } = read::<shapes::Deployment, _>(object)?;
    if spec.paused {
        return Ok(Health::new(HealthStatus::Suspended, "Deployment is paused"));
    }
    if metadata.generation > status.observed_generation {
        return Ok(progressing(
            "Waiting for rollout to finish: observed deployment generation less than desired generation",
        ));
    }
    if condition(&status.conditions, "Progressing")
        .is_some_and(|condition| condition.reason == "ProgressDeadlineExceeded")
    {
        return Ok(Health::new(
            HealthStatus::Degraded,
            format!(
                "Deployment {:?} exceeded its progress deadline",
                metadata.name
            ),
        ));
    }
    let (updated, available) = (status.updated_replicas, status.available_replicas);
    if let Some(replicas) = spec.replicas.filter(|replicas| updated < *replicas) {
        return Ok(progressing(format!(
            "Waiting for rollout to finish: {updated} out of {replicas} new replicas have been updated..."
        )));
    }
    if status.replicas > updated {
        return Ok(progressing(format!(
            "Waiting for rollout to finish: {} old replicas are pending termination...",
            status.replicas.wrapping_sub(updated)
        )));
    }
    if available < updated {
        return Ok(progressing(format!(
            "Waiting for rollout to finish: {available} of {updated} updated replicas are available..."
        )));
    }
    Ok(healthy(""))
}

pub(super) fn stateful_set(object: &Manifest) -> Result<Health, HealthError> {
    let Workload::<Spec> {
        metadata,
        spec,
        status,
    } = read::<shapes::StatefulSet, _>(object)?;
    if status.observed_generation == 0 || metadata.generation > status.observed_generation {
        return Ok(progressing(
            "Waiting for statefulset spec update to be observed...",
        ));
    }
    if let Some(replicas) = spec
        .replicas
        .filter(|wanted| status.ready_replicas < *wanted)
    {
        return Ok(progressing(format!(
            "Waiting for {} pods to be ready...",
            replicas.wrapping_sub(status.ready_replicas)
        )));
    }
    let strategy = &spec.update_strategy;
    if let ("RollingUpdate", Some(rolling)) = (strategy.kind.as_str(), &strategy.rolling_update) {
        let updated = status.updated_replicas;
        if let (Some(replicas), Some(partition)) = (spec.replicas, rolling.partition)
            && updated < replicas.wrapping_sub(partition)
        {
            return Ok(progressing(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {} new pods have been updated...",
                replicas.wrapping_sub(partition)
            )));
        }
        return Ok(healthy(format!(
            "partitioned roll out complete: {updated} new pods have been updated..."
        )));
    }
    if strategy.kind == "OnDelete" {
        return Ok(healthy(format!(
            "statefulset has {} ready pods",
            status.ready_replicas
        )));
    }
    if status.update_revision != status.current_revision {
        return Ok(progressing(format!(
            "waiting for statefulset rolling update to complete {} pods at revision {}...",
            status.updated_replicas, status.update_revision
        )));
    }
    Ok(healthy(format!(
        "statefulset rolling update complete {} pods at revision {}...",
        status.current_replicas, status.current_revision
    )))
}

pub(super) fn daemon_set(object: &Manifest) -> Result<Health, HealthError> {
    let Workload::<DaemonSpec> {
        metadata,
        spec,
        status,
    } = read::<shapes::DaemonSet, _>(object)?;
    if metadata.generation > status.observed_generation {
        return Ok(progressing(
            "Waiting for rollout to finish: observed daemon set generation less than desired generation",
        ));
    }
    let (name, desired) = (&metadata.name, status.desired_number_scheduled);
    let (updated, available) = (status.updated_number_scheduled, status.number_available);
    if spec.update_strategy.kind == "OnDelete" {
        return Ok(healthy(format!(
            "daemon set {updated} out of {desired} new pods have been updated"
        )));
    }
    if updated < desired {
        return Ok(progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {updated} out of {desired} new pods have been updated..."
        )));
    }
    if available < desired {
        return Ok(progressing(format!(
            "Waiting for daemon set {name:?} rollout to finish: {available} of {desired} updated pods are available..."
        )));
    }
    Ok(healthy(""))
}

pub(super) fn replica_set(object: &Manifest) -> Result<Health, HealthError> {
    let Workload::<Spec> {
        metadata,
        spec,
        status,
    } = read::<shapes::ReplicaSet, _>(object)?;
    if metadata.generation > status.observed_generation {
        return Ok(progressing(
            "Waiting for rollout to finish: observed replica set generation less than desired generation",
        ));
    }
    if let Some(failure) = condition(&status.conditions, "ReplicaFailure")
        .filter(|condition| condition.status == "True")
    {
        return Ok(Health::new(HealthStatus::Degraded, &failure.message));
    }
    let available = status.available_replicas;
    if let Some(replicas) = spec.replicas.filter(|replicas| available < *replicas) {
        return Ok(progressing(format!(
            "Waiting for rollout to finish: {available} out of {replicas} new replicas are available..."
        )));
    }
    Ok(healthy(""))
}
