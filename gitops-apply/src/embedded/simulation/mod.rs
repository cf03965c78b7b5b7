//! A simulation of what a cluster's controllers, scheduler and kubelets do, so that what is applied
//! becomes ready.
//!
//! * Deployments make ReplicaSets, these and StatefulSets, DaemonSets, ReplicationControllers and
//!   Jobs make Pods, with owner references, as in a real cluster.
//! * Pods run on simulated nodes: those that restart always become ready, the others succeed.
//! * Services get endpoints, those of type LoadBalancer and Ingresses get an address; claims bind to
//!   volumes; PodDisruptionBudgets, HorizontalPodAutoscalers and APIServices get their status.
//! * CronJobs start nothing.
//!
//! It is driven by the clock of the cluster alone: nothing happens but at a write, a read, a polled
//! watch or [`EmbeddedCluster::tick`](super::EmbeddedCluster::tick), and what happens depends on
//! objects and time only.

mod autoscalers;
mod daemons;
mod deployments;
mod jobs;
mod pods;
mod replicas;
mod services;
mod stateful;
mod storage;

use std::{fmt, sync::Arc, time::Duration};

use gitops_core::{Manifest, ObjectId, clock::Timestamp};

pub(super) use self::pods::node_name;
use serde_json::{Map, Value, json};

use super::{
    controllers::Work,
    registry::Kind,
    server::{Server, safe_text},
    status::ApiError,
    strategy::hash,
};

/// The manager of what controllers write.
pub(super) const CONTROLLER: &str = "kube-controller-manager";

/// How simulated workloads behave.
#[derive(Clone)]
#[non_exhaustive]
pub struct Simulation {
    /// Number of nodes; DaemonSets run one pod on each.
    pub nodes: u32,
    /// How long a pod takes from its creation until it is ready. Zero: ready at once.
    pub start: Duration,
    /// How long a pod that does not restart takes from its start to its end.
    pub run: Duration,
    fails: Option<Decision>,
}

type Decision = Arc<dyn Fn(&Manifest) -> bool + Send + Sync>;

impl Default for Simulation {
    fn default() -> Self {
        Self {
            nodes: 1,
            start: Duration::ZERO,
            run: Duration::ZERO,
            fails: None,
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("nodes", &self.nodes)
            .field("start", &self.start)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// With so many nodes.
    #[must_use]
    pub fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// With pods that take so long to become ready.
    #[must_use]
    pub fn start(mut self, start: Duration) -> Self {
        self.start = start;
        self
    }

    /// With pods of Jobs that run so long.
    #[must_use]
    pub fn run(mut self, run: Duration) -> Self {
        self.run = run;
        self
    }

    /// Lets pods fail: those for which `fails` says so crash, or end as failed.
    #[must_use]
    pub fn failing(mut self, fails: impl Fn(&Manifest) -> bool + Send + Sync + 'static) -> Self {
        self.fails = Some(Arc::new(fails));
        self
    }

    fn fails(&self, pod: &Manifest) -> bool {
        self.fails.as_ref().is_some_and(|fails| fails(pod))
    }
}

impl Server {
    pub(super) fn observe_for_simulation(
        &mut self,
        kind: &Kind,
        id: &ObjectId,
        object: &Manifest,
        _previous: Option<&Manifest>,
    ) {
        if self.simulation.is_none() || kind.custom.is_some() || !is_simulated(id) {
            return;
        }
        self.queue.push(Work::Simulate(id.clone()));
        self.observe_relations(id, object);
    }

    pub(super) fn observe_removal_for_simulation(
        &mut self,
        kind: &Kind,
        id: &ObjectId,
        object: &Manifest,
    ) {
        if self.simulation.is_none() || kind.custom.is_some() || !is_simulated(id) {
            return;
        }
        self.observe_relations(id, object);
        match id.kind.as_str() {
            "Service" => self.queue.push(Work::Simulate(id.clone())),
            "PersistentVolumeClaim" => {
                if let Some(volume) = object.pointer("/spec/volumeName").and_then(Value::as_str) {
                    self.queue
                        .push(Work::Simulate(core_id("PersistentVolume", "", volume)));
                }
            }
            _ => {}
        }
    }

    /// What depends on the state of an object: its controller, and for a pod the services and
    /// budgets of its namespace and the claims that it uses.
    fn observe_relations(&mut self, id: &ObjectId, object: &Manifest) {
        for owner in object.owner_references().filter(|owner| owner.controller) {
            if let Some(owner) = self.store.by_uid(owner.uid).cloned() {
                self.queue.push(Work::Simulate(owner));
            }
        }
        if id.kind == "Pod" && id.group.is_empty() {
            for (group, kind) in [("", "Service"), ("policy", "PodDisruptionBudget")] {
                let kind = gitops_core::GroupKind::new(group, kind);
                let related: Vec<ObjectId> = self
                    .store
                    .list(&kind, Some(&id.namespace))
                    .map(|object| super::store::stored_id(&kind, object))
                    .collect();
                related
                    .into_iter()
                    .for_each(|id| self.queue.push(Work::Simulate(id)));
            }
            let claims: Vec<String> = storage::claims_of(object).map(str::to_owned).collect();
            for claim in claims {
                let id = core_id("PersistentVolumeClaim", &id.namespace, &claim);
                self.queue.push(Work::Simulate(id));
            }
        }
        if matches!(
            id.kind.as_str(),
            "Deployment" | "StatefulSet" | "ReplicaSet"
        ) {
            let kind = gitops_core::GroupKind::new("autoscaling", "HorizontalPodAutoscaler");
            let scalers: Vec<ObjectId> = self
                .store
                .list(&kind, Some(&id.namespace))
                .map(Manifest::id)
                .collect();
            scalers
                .into_iter()
                .for_each(|id| self.queue.push(Work::Simulate(id)));
        }
        if id.kind == "PersistentVolumeClaim"
            && let Some(volume) = object.pointer("/spec/volumeName").and_then(Value::as_str)
        {
            self.queue
                .push(Work::Simulate(core_id("PersistentVolume", "", volume)));
        }
    }

    pub(super) fn simulate(&mut self, id: &ObjectId) -> Result<(), ApiError> {
        if self.simulation.is_none() {
            return Ok(());
        }
        let Some(object) = self.stored(id).cloned() else {
            return match (id.group.as_str(), id.kind.as_str()) {
                ("", "Service") => self.drop_endpoints(id),
                _ => Ok(()),
            };
        };
        match (id.group.as_str(), id.kind.as_str()) {
            ("apps", "Deployment") => self.simulate_deployment(id, &object),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => {
                self.simulate_replicas(id, &object)
            }
            ("apps", "StatefulSet") => self.simulate_stateful_set(id, &object),
            ("apps", "DaemonSet") => self.simulate_daemon_set(id, &object),
            ("batch", "Job") => self.simulate_job(id, &object),
            ("", "Pod") => self.simulate_pod(id, &object),
            ("", "Service") => self.simulate_service(id, &object),
            ("", "PersistentVolumeClaim") => self.simulate_claim(id, &object),
            ("", "PersistentVolume") => self.simulate_volume(id, &object),
            ("networking.k8s.io", "Ingress") => self.simulate_ingress(id),
            ("autoscaling", "HorizontalPodAutoscaler") => self.simulate_autoscaler(id, &object),
            ("policy", "PodDisruptionBudget") => self.simulate_budget(id, &object),
            ("apiregistration.k8s.io", "APIService") => self.simulate_api_service(id, &object),
            _ => Ok(()),
        }
    }

    /// The pods that an object controls, by name.
    pub(super) fn pods_of(&self, owner: &Manifest) -> Vec<Manifest> {
        self.store
            .dependents(owner.uid())
            .iter()
            .filter(|id| id.kind == "Pod" && id.group.is_empty())
            .filter_map(|id| self.stored(id))
            .filter(|pod| {
                pod.owner_references()
                    .any(|o| o.controller && o.uid == owner.uid())
            })
            .cloned()
            .collect()
    }

    /// Makes a pod from the template of its owner.
    pub(super) fn make_pod(
        &mut self,
        owner: &Manifest,
        name: PodName<'_>,
        change: impl FnOnce(&mut Manifest),
    ) -> Result<(), ApiError> {
        let template = owner.pointer("/spec/template");
        let part = |key: &str| template.and_then(|template| template.get(key)).cloned();
        let mut metadata = Map::new();
        for key in ["labels", "annotations"] {
            if let Some(value) = part("metadata").and_then(|m| m.get(key).cloned()) {
                metadata.insert(key.to_owned(), value);
            }
        }
        match name {
            PodName::Exact(name) => metadata.insert("name".to_owned(), name.into()),
            PodName::Prefix(prefix) => metadata.insert("generateName".to_owned(), prefix.into()),
        };
        metadata.insert("namespace".to_owned(), owner.namespace().into());
        metadata.insert(
            "ownerReferences".to_owned(),
            json!([controller_reference(owner)]),
        );
        let value = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": part("spec").unwrap_or_else(|| json!({})),
        });
        let Ok(mut pod) = Manifest::try_from(value) else {
            return Ok(());
        };
        if let Some(spec) = pod
            .as_map_mut()
            .get_mut("spec")
            .and_then(Value::as_object_mut)
        {
            spec.entry("serviceAccountName")
                .or_insert_with(|| "default".into());
        }
        change(&mut pod);
        self.control_create(CONTROLLER, pod).map(|_| ())
    }

    /// Comes back to an object at a time.
    pub(super) fn simulate_at(&mut self, due: Timestamp, id: &ObjectId) {
        self.queue.push_at(due, Work::Simulate(id.clone()));
    }
}

/// The name of a new pod.
pub(super) enum PodName<'a> {
    Exact(&'a str),
    Prefix(&'a str),
}

fn is_simulated(id: &ObjectId) -> bool {
    matches!(
        (id.group.as_str(), id.kind.as_str()),
        (
            "apps",
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet"
        ) | ("batch", "Job")
            | (
                "",
                "Pod"
                    | "ReplicationController"
                    | "Service"
                    | "PersistentVolumeClaim"
                    | "PersistentVolume"
            )
            | ("networking.k8s.io", "Ingress")
            | ("autoscaling", "HorizontalPodAutoscaler")
            | ("policy", "PodDisruptionBudget")
            | ("apiregistration.k8s.io", "APIService")
    )
}

pub(super) fn core_id(kind: &str, namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        group: String::new(),
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

pub(super) fn controller_reference(owner: &Manifest) -> Value {
    json!({
        "apiVersion": owner.api_version(), "kind": owner.kind(), "name": owner.name(),
        "uid": owner.uid(), "controller": true, "blockOwnerDeletion": true,
    })
}

/// The `status` of an object, made where it is missing.
pub(super) fn status_of(object: &mut Manifest) -> &mut Map<String, Value> {
    super::defaults::made(object.as_map_mut(), "status")
}

/// Sets a count, which is left out where it is zero.
pub(super) fn set_count(status: &mut Map<String, Value>, key: &str, count: i64) {
    if count == 0 {
        status.remove(key);
    } else {
        status.insert(key.to_owned(), count.into());
    }
}

pub(super) fn number(object: &Manifest, pointer: &str, default: i64) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

pub(super) fn generation(object: &Manifest) -> i64 {
    number(object, "/metadata/generation", 0)
}

pub(super) fn is_ready(pod: &Manifest) -> bool {
    pod.pointer("/status/conditions")
        .and_then(Value::as_array)
        .is_some_and(|conditions| {
            conditions.iter().any(|condition| {
                condition.get("type").and_then(Value::as_str) == Some("Ready")
                    && condition.get("status").and_then(Value::as_str) == Some("True")
            })
        })
}

pub(super) fn phase(object: &Manifest) -> &str {
    object
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The name of a revision of a template: the same for the same content.
pub(super) fn template_hash(template: Option<&Value>) -> String {
    let text = template.map(canonical).unwrap_or_default();
    safe_text(hash(&text), 10)
}

/// JSON with sorted keys, whatever the order of the map type.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(key, value)| format!("{key:?}:{}", canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

pub(super) fn created_at(object: &Manifest) -> Option<Timestamp> {
    object
        .pointer("/metadata/creationTimestamp")
        .and_then(Value::as_str)?
        .parse()
        .ok()
}

pub(super) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(time)
}
