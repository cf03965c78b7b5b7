//! ReplicaSets and ReplicationControllers.

use gitops_core::{Manifest, ObjectId, cluster::Propagation};

use super::{CONTROLLER, PodName, generation, is_ready, number, phase, set_count, status_of};
use crate::embedded::{server::Server, status::ApiError};

impl Server {
    pub(super) fn simulate_replicas(
        &mut self,
        id: &ObjectId,
        set: &Manifest,
    ) -> Result<(), ApiError> {
        let pods = self.pods_of(set);
        let active: Vec<&Manifest> = pods
            .iter()
            .filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed"))
            .collect();
        let wanted = number(set, "/spec/replicas", 1);
        let present = active.len() as i64;
        if !set.is_terminating() {
            if present < wanted {
                let prefix = format!("{}-", id.name);
                for _ in present..wanted {
                    self.make_pod(set, PodName::Prefix(&prefix), |_| {})?;
                }
            }
            if present > wanted {
                // Those that are not ready go first, then the youngest.
                let mut order = active.clone();
                order.sort_by_key(|pod| (is_ready(pod), std::cmp::Reverse(pod.uid().to_owned())));
                let surplus: Vec<ObjectId> = order
                    .into_iter()
                    .take(usize::try_from(present - wanted).unwrap_or_default())
                    .map(Manifest::id)
                    .collect();
                for pod in surplus {
                    self.control_delete(&pod, Propagation::Background)?;
                }
            }
        }
        let pods = self.pods_of(set);
        let active: Vec<&Manifest> = pods
            .iter()
            .filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed"))
            .collect();
        let ready = active.iter().filter(|pod| is_ready(pod)).count() as i64;
        let present = active.len() as i64;
        let observed = generation(set);
        self.control(id, CONTROLLER, "status", |set| {
            let status = status_of(set);
            status.insert("replicas".to_owned(), present.into());
            set_count(status, "fullyLabeledReplicas", present);
            set_count(status, "readyReplicas", ready);
            set_count(status, "availableReplicas", ready);
            status.insert("observedGeneration".to_owned(), observed.into());
        })
    }
}
