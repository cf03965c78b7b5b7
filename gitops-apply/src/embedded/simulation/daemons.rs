//! DaemonSets: one pod on each node that the template selects.

use gitops_core::{Manifest, ObjectId, cluster::Propagation};
use serde_json::Value;

use super::{
    CONTROLLER, PodName, generation, is_ready, phase, pods::node_name, set_count, status_of,
    template_hash,
};
use crate::embedded::{server::Server, status::ApiError};

const REVISION_LABEL: &str = "controller-revision-hash";

impl Server {
    pub(super) fn simulate_daemon_set(
        &mut self,
        id: &ObjectId,
        set: &Manifest,
    ) -> Result<(), ApiError> {
        let hash = template_hash(set.pointer("/spec/template"));
        let nodes: Vec<String> = self.nodes_for(set);
        if !set.is_terminating() {
            self.note_revision(set, &format!("{}-{hash}", id.name))?;
            let rolls = set
                .pointer("/spec/updateStrategy/type")
                .and_then(Value::as_str)
                != Some("OnDelete");
            let mut served: Vec<String> = Vec::new();
            for pod in self.pods_of(set) {
                let node = pod
                    .pointer("/spec/nodeName")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                let is_old = rolls && pod.label(REVISION_LABEL) != Some(&hash);
                let has_ended = matches!(phase(&pod), "Succeeded" | "Failed");
                if is_old || has_ended || !nodes.contains(&node) || served.contains(&node) {
                    self.control_delete(&pod.id(), Propagation::Background)?;
                } else {
                    served.push(node);
                }
            }
            let prefix = format!("{}-", id.name);
            for node in nodes.iter().filter(|node| !served.contains(node)) {
                self.make_pod(set, PodName::Prefix(&prefix), |pod| {
                    pod.set_label(REVISION_LABEL, hash.clone());
                    if let Some(spec) = pod
                        .as_map_mut()
                        .get_mut("spec")
                        .and_then(Value::as_object_mut)
                    {
                        spec.insert("nodeName".to_owned(), node.clone().into());
                    }
                })?;
            }
        }
        let pods = self.pods_of(set);
        let present = pods.len() as i64;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count() as i64;
        let updated = pods
            .iter()
            .filter(|pod| pod.label(REVISION_LABEL) == Some(&hash))
            .count() as i64;
        let desired = nodes.len() as i64;
        let observed = generation(set);
        self.control(id, CONTROLLER, "status", |set| {
            let status = status_of(set);
            status.insert("currentNumberScheduled".to_owned(), present.into());
            status.insert("desiredNumberScheduled".to_owned(), desired.into());
            status.insert("numberMisscheduled".to_owned(), 0.into());
            status.insert("numberReady".to_owned(), ready.into());
            status.insert("observedGeneration".to_owned(), observed.into());
            set_count(status, "numberAvailable", ready);
            set_count(status, "numberUnavailable", (desired - ready).max(0));
            set_count(status, "updatedNumberScheduled", updated);
        })
    }

    /// The nodes that the template's node selector fits.
    fn nodes_for(&self, set: &Manifest) -> Vec<String> {
        let count = self
            .simulation
            .as_ref()
            .map_or(0, |simulation| simulation.nodes);
        let selector = set
            .pointer("/spec/template/spec/nodeSelector")
            .and_then(Value::as_object);
        (0..count)
            .map(node_name)
            .filter(|node| {
                selector.into_iter().flatten().all(|(key, value)| {
                    match self.stored(&super::core_id("Node", "", node)) {
                        Some(node) => node.label(key) == value.as_str(),
                        None => false,
                    }
                })
            })
            .collect()
    }
}
