//! StatefulSets: numbered pods, each with its claims.

use gitops_core::{Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{
    CONTROLLER, PodName, controller_reference, core_id, generation, is_ready, number, phase,
    set_count, status_of, template_hash,
};
use crate::embedded::{server::Server, status::ApiError};

const REVISION_LABEL: &str = "controller-revision-hash";

impl Server {
    pub(super) fn simulate_stateful_set(
        &mut self,
        id: &ObjectId,
        set: &Manifest,
    ) -> Result<(), ApiError> {
        let wanted = number(set, "/spec/replicas", 1);
        let first = number(set, "/spec/ordinals/start", 0);
        let revision = format!(
            "{}-{}",
            id.name,
            template_hash(set.pointer("/spec/template"))
        );
        if !set.is_terminating() {
            self.note_revision(set, &revision)?;
            let in_order = set
                .pointer("/spec/podManagementPolicy")
                .and_then(Value::as_str)
                != Some("Parallel");
            let rolls = set
                .pointer("/spec/updateStrategy/type")
                .and_then(Value::as_str)
                == Some("RollingUpdate");
            let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition", 0);
            for pod in self.pods_of(set) {
                let ordinal = ordinal(&pod, &id.name);
                let is_surplus = ordinal.is_none_or(|n| n < first || n >= first + wanted);
                let is_old = rolls
                    && pod.label(REVISION_LABEL) != Some(&revision)
                    && ordinal.is_some_and(|n| n >= partition);
                let has_ended = matches!(phase(&pod), "Succeeded" | "Failed");
                if is_surplus || is_old || has_ended {
                    self.control_delete(&pod.id(), Propagation::Background)?;
                }
            }
            for ordinal in first..first + wanted {
                let name = format!("{}-{ordinal}", id.name);
                match self.stored(&core_id("Pod", &id.namespace, &name)) {
                    Some(pod) if in_order && !is_ready(pod) => break,
                    Some(_) => continue,
                    None => {}
                }
                self.make_claims(set, ordinal)?;
                let minor = self.minor;
                self.make_pod(set, PodName::Exact(&name), |pod| {
                    pod.set_label("statefulset.kubernetes.io/pod-name", name.clone());
                    if minor >= 28 {
                        pod.set_label("apps.kubernetes.io/pod-index", ordinal.to_string());
                    }
                    pod.set_label(REVISION_LABEL, revision.clone());
                    use_claims(pod, set, ordinal);
                })?;
                if in_order {
                    // The next one waits until this one is ready, which brings us back here.
                    break;
                }
            }
        }
        let pods = self.pods_of(set);
        let count = |wanted: &dyn Fn(&Manifest) -> bool| {
            pods.iter().filter(|pod| wanted(pod)).count() as i64
        };
        let present = count(&|_| true);
        let ready = count(&is_ready);
        let updated = count(&|pod| pod.label(REVISION_LABEL) == Some(&revision));
        let observed = generation(set);
        let is_done = updated == wanted && ready == wanted;
        self.control(id, CONTROLLER, "status", |set| {
            let status = status_of(set);
            let current = match status.get("currentRevision").and_then(Value::as_str) {
                Some(current) if !is_done => current.to_owned(),
                _ => revision.clone(),
            };
            status.insert("observedGeneration".to_owned(), observed.into());
            status.insert("replicas".to_owned(), present.into());
            status.insert("availableReplicas".to_owned(), ready.into());
            set_count(status, "readyReplicas", ready);
            set_count(
                status,
                "currentReplicas",
                if current == revision {
                    updated
                } else {
                    present - updated
                },
            );
            set_count(status, "updatedReplicas", updated);
            status.insert("currentRevision".to_owned(), current.into());
            status.insert("updateRevision".to_owned(), revision.into());
            status.insert("collisionCount".to_owned(), 0.into());
        })
    }

    /// Keeps a template as a ControllerRevision.
    pub(super) fn note_revision(&mut self, owner: &Manifest, name: &str) -> Result<(), ApiError> {
        let id = ObjectId {
            group: "apps".to_owned(),
            kind: "ControllerRevision".to_owned(),
            namespace: owner.namespace().to_owned(),
            name: name.to_owned(),
        };
        if self.stored(&id).is_some() {
            return Ok(());
        }
        let known = self.store.dependents(owner.uid());
        let number = known
            .iter()
            .filter(|id| id.kind == "ControllerRevision")
            .count()
            + 1;
        let mut labels = owner
            .pointer("/spec/template/metadata/labels")
            .cloned()
            .unwrap_or_else(|| json!({}));
        labels[REVISION_LABEL] = name.rsplit('-').next().unwrap_or_default().into();
        let revision = json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": name, "namespace": owner.namespace(), "labels": labels,
                "ownerReferences": [controller_reference(owner)],
            },
            "revision": number,
            "data": {"spec": {"template": owner.pointer("/spec/template").cloned().unwrap_or_default()}},
        });
        match Manifest::try_from(revision) {
            Ok(revision) => self.control_create(CONTROLLER, revision).map(|_| ()),
            Err(_) => Ok(()),
        }
    }

    fn make_claims(&mut self, set: &Manifest, ordinal: i64) -> Result<(), ApiError> {
        for template in templates(set) {
            let Some(template_name) = template.pointer("/metadata/name").and_then(Value::as_str)
            else {
                continue;
            };
            let name = format!("{template_name}-{}-{ordinal}", set.name());
            if self
                .stored(&core_id("PersistentVolumeClaim", set.namespace(), &name))
                .is_some()
            {
                continue;
            }
            let mut metadata = template
                .get("metadata")
                .cloned()
                .unwrap_or_else(|| json!({}));
            metadata["name"] = name.into();
            metadata["namespace"] = set.namespace().into();
            let selector = set
                .pointer("/spec/selector/matchLabels")
                .and_then(Value::as_object);
            for (key, value) in selector.into_iter().flatten() {
                metadata["labels"][key.as_str()] = value.clone();
            }
            let claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
                "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
            });
            if let Ok(claim) = Manifest::try_from(claim) {
                self.control_create(CONTROLLER, claim)?;
            }
        }
        Ok(())
    }
}

fn templates(set: &Manifest) -> Vec<Value> {
    set.pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

fn use_claims(pod: &mut Manifest, set: &Manifest, ordinal: i64) {
    let name = set.name().to_owned();
    let Some(spec) = pod
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for template in templates(set) {
        let Some(volume) = template.pointer("/metadata/name").and_then(Value::as_str) else {
            continue;
        };
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        let Some(volumes) = volumes.as_array_mut() else {
            return;
        };
        volumes.retain(|known| known.get("name").and_then(Value::as_str) != Some(volume));
        volumes.push(json!({
            "name": volume,
            "persistentVolumeClaim": {"claimName": format!("{volume}-{name}-{ordinal}")},
        }));
    }
}

fn ordinal(pod: &Manifest, set: &str) -> Option<i64> {
    pod.name()
        .strip_prefix(set)?
        .strip_prefix('-')?
        .parse()
        .ok()
}
