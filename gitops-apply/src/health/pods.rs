//! The rule of Pods.

use gitops_core::{
    Manifest,
    health::{Health, HealthError, HealthStatus},
};
use serde::Deserialize;

use super::{
    shapes,
    typed::{Condition, condition, decode_whole, unsupported_version},
};
use crate::hooks;

/// Annotation by which a Pod that is not restarted for ever is judged as if it were.
const IGNORE_RESTART_POLICY: &str = "argocd.argoproj.io/ignore-restart-policy";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pod {
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    restart_policy: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    message: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<Container>,
    init_container_statuses: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    state: State,
    last_state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    message: String,
    exit_code: i32,
}

impl Terminated {
    fn failure(&self, container: &str) -> Option<String> {
        if !self.message.is_empty() {
            Some(self.message.clone())
        } else if self.reason == "OOMKilled" {
            Some(self.reason.clone())
        } else if self.exit_code != 0 {
            Some(format!(
                "container {container:?} failed with exit code {}",
                self.exit_code
            ))
        } else {
            None
        }
    }
}

pub(super) fn pod(object: &Manifest) -> Result<Health, HealthError> {
    if object.version() != "v1" {
        return Err(unsupported_version(object));
    }
    let Pod { spec, status } = decode_whole::<shapes::Pod, _>(object)?;
    // Pods that end (hooks, say) are not degraded by a back-off: the image may still come, and then
    // they would run although their phase has failed.
    let lasting = spec.restart_policy == "Always"
        || (object.annotation(IGNORE_RESTART_POLICY) == Some("true") && !hooks::is_hook(object));
    if lasting {
        let stuck: Vec<&str> = status
            .container_statuses
            .iter()
            .filter_map(|container| container.state.waiting.as_ref())
            .filter(|waiting| {
                waiting.reason.starts_with("Err")
                    || waiting.reason.ends_with("Error")
                    || waiting.reason.ends_with("BackOff")
            })
            .map(|waiting| waiting.message.as_str())
            .collect();
        if !stuck.is_empty() {
            return Ok(Health::new(HealthStatus::Degraded, stuck.join(", ")));
        }
    }
    let verdict = match status.phase.as_str() {
        "Pending" => HealthStatus::Progressing,
        "Succeeded" => HealthStatus::Healthy,
        "Failed" => return Ok(failed(&status)),
        "Running" if lasting => {
            if condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True") {
                HealthStatus::Healthy
            } else if status
                .container_statuses
                .iter()
                .any(|container| container.last_state.terminated.is_some())
            {
                HealthStatus::Degraded
            } else {
                HealthStatus::Progressing
            }
        }
        "Running" if matches!(spec.restart_policy.as_str(), "OnFailure" | "Never") => {
            HealthStatus::Progressing
        }
        _ => HealthStatus::Unknown,
    };
    Ok(Health::new(verdict, status.message))
}

fn failed(status: &Status) -> Health {
    let message = if status.message.is_empty() {
        status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .find_map(|container| {
                container
                    .state
                    .terminated
                    .as_ref()?
                    .failure(&container.name)
            })
            .unwrap_or_default()
    } else {
        status.message.clone()
    };
    Health::new(HealthStatus::Degraded, message)
}
