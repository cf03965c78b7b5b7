//! The scheduler and the kubelets.

use gitops_core::{Manifest, ObjectId};
use serde_json::{Value, json};

use super::{after, created_at, generation, phase, status_of};
use crate::embedded::{server::Server, status::ApiError, strategy::hash};

impl Server {
    pub(super) fn simulate_pod(&mut self, id: &ObjectId, pod: &Manifest) -> Result<(), ApiError> {
        if pod.is_terminating() || matches!(phase(pod), "Succeeded" | "Failed") {
            return Ok(());
        }
        let Some(simulation) = self.simulation.clone() else {
            return Ok(());
        };
        if pod
            .pointer("/spec/nodeName")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            if simulation.nodes == 0 {
                return Ok(());
            }
            let number =
                hash(&format!("{}/{}", id.namespace, id.name)) % u64::from(simulation.nodes);
            let node = node_name(number as u32);
            return self.control(id, "kube-scheduler", "", |pod| {
                if let Some(spec) = pod
                    .as_map_mut()
                    .get_mut("spec")
                    .and_then(Value::as_object_mut)
                {
                    spec.insert("nodeName".to_owned(), node.into());
                }
            });
        }
        let now = self.now();
        let created = created_at(pod).unwrap_or(now);
        let ready_at = after(created, simulation.start);
        if now < ready_at {
            self.simulate_at(ready_at, id);
            return Ok(());
        }
        let restarts = pod.pointer("/spec/restartPolicy").and_then(Value::as_str);
        let fails = simulation.fails(pod);
        let ends = restarts != Some("Always");
        let ended_at = after(ready_at, simulation.run);
        let state = if !ends {
            if fails {
                State::Crashing
            } else {
                State::Running
            }
        } else if now >= ended_at {
            if fails {
                State::Failed
            } else {
                State::Succeeded
            }
        } else {
            self.simulate_at(ended_at, id);
            State::Running
        };
        let now = self.now_text();
        let minor = self.minor;
        self.control(id, "kubelet", "status", |pod| {
            set_status(pod, state, &now, minor)
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Crashing,
    Succeeded,
    Failed,
}

pub(crate) fn node_name(number: u32) -> String {
    format!("node-{}", number + 1)
}

fn set_status(pod: &mut Manifest, state: State, now: &str, minor: u32) {
    let address = hash(&format!("{}/{}", pod.namespace(), pod.name()));
    let ip = format!("10.244.{}.{}", (address >> 8) % 250, address % 250 + 2);
    let host = format!(
        "192.0.2.{}",
        10 + hash(
            pod.pointer("/spec/nodeName")
                .and_then(Value::as_str)
                .unwrap_or_default()
        ) % 200
    );
    let containers = |key: &str| -> Vec<(String, String)> {
        let pointer = format!("/spec/{key}");
        let text = |c: &Value, key: &str| {
            c.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        pod.pointer(&pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|c| (text(c, "name"), text(c, "image")))
            .collect()
    };
    let statuses = |containers: Vec<(String, String)>, is_init: bool| -> Value {
        containers
            .into_iter()
            .map(|(name, image)| {
                let ended = |code: i64, reason: &str| {
                    json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}})
                };
                let (state, ready, started, restarts, last) = match state {
                    _ if is_init => (ended(0, "Completed"), true, false, 0, json!({})),
                    State::Running => (json!({"running": {"startedAt": now}}), true, true, 0, json!({})),
                    State::Crashing => (
                        json!({"waiting": {
                            "reason": "CrashLoopBackOff",
                            "message": format!("back-off 10s restarting failed container={name}"),
                        }}),
                        false,
                        false,
                        1,
                        ended(1, "Error"),
                    ),
                    State::Succeeded => (ended(0, "Completed"), false, false, 0, json!({})),
                    State::Failed => (ended(1, "Error"), false, false, 0, json!({})),
                };
                json!({
                    "name": name, "image": image, "imageID": format!("simulated://{image}"),
                    "containerID": format!("simulated://{:016x}", hash(&name) ^ address),
                    "ready": ready, "started": started, "restartCount": restarts,
                    "state": state, "lastState": last,
                })
            })
            .collect()
    };
    let main = statuses(containers("containers"), false);
    let init = containers("initContainers");
    let init = (!init.is_empty()).then(|| statuses(init, true));
    let has_ended = matches!(state, State::Succeeded | State::Failed);
    let ready = match state {
        State::Running => json!({"status": "True"}),
        State::Crashing => json!({
            "status": "False", "reason": "ContainersNotReady",
            "message": "containers with unready status",
        }),
        State::Succeeded => json!({"status": "False", "reason": "PodCompleted"}),
        State::Failed => json!({"status": "False", "reason": "PodFailed"}),
    };
    let condition = |kind: &str, value: &Value| {
        let mut condition = json!({"type": kind, "lastProbeTime": null, "lastTransitionTime": now});
        if let (Some(condition), Some(value)) = (condition.as_object_mut(), value.as_object()) {
            condition.extend(value.clone());
        }
        condition
    };
    let yes = json!({"status": "True"});
    let mut conditions = Vec::new();
    if minor >= 29 {
        let no = json!({"status": "False"});
        let running = if has_ended { &no } else { &yes };
        conditions.push(condition("PodReadyToStartContainers", running));
    }
    let completed = json!({"status": "True", "reason": "PodCompleted"});
    let initialized = if state == State::Succeeded {
        &completed
    } else {
        &yes
    };
    conditions.push(condition("Initialized", initialized));
    conditions.push(condition("Ready", &ready));
    conditions.push(condition("ContainersReady", &ready));
    conditions.push(condition("PodScheduled", &yes));
    let observed = generation(pod);
    let status = status_of(pod);
    let unchanged = status
        .get("conditions")
        .and_then(Value::as_array)
        .is_some_and(|known| {
            let facts = |list: &[Value]| -> Vec<(Option<Value>, Option<Value>)> {
                list.iter()
                    .map(|c| (c.get("type").cloned(), c.get("status").cloned()))
                    .collect()
            };
            facts(known) == facts(&conditions)
        });
    let phase = match state {
        State::Running | State::Crashing => "Running",
        State::Succeeded => "Succeeded",
        State::Failed => "Failed",
    };
    if unchanged && status.get("phase").and_then(Value::as_str) == Some(phase) {
        return;
    }
    status.insert("phase".to_owned(), phase.into());
    status.insert("conditions".to_owned(), Value::Array(conditions));
    status.insert("containerStatuses".to_owned(), main);
    if let Some(init) = init {
        status.insert("initContainerStatuses".to_owned(), init);
    }
    status.entry("startTime").or_insert_with(|| now.into());
    status.insert("hostIP".to_owned(), host.clone().into());
    status.insert("podIP".to_owned(), ip.clone().into());
    status.insert("podIPs".to_owned(), json!([{"ip": ip}]));
    if minor >= 29 {
        status.insert("hostIPs".to_owned(), json!([{"ip": host}]));
    }
    if minor >= 33 && observed > 0 {
        status.insert("observedGeneration".to_owned(), observed.into());
    }
}
