//! Volumes and claims.

use gitops_core::{GroupKind, Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{CONTROLLER, core_id, phase, status_of};
use crate::embedded::{server::Server, status::ApiError, strategy::remove_finalizer};

const PROVISIONED: &str = "pv.kubernetes.io/provisioned-by";

/// The names of the claims that a pod uses.
pub(super) fn claims_of(pod: &Manifest) -> impl Iterator<Item = &str> {
    pod.pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|volume| {
            volume
                .get("persistentVolumeClaim")?
                .get("claimName")?
                .as_str()
        })
}

impl Server {
    pub(super) fn simulate_claim(
        &mut self,
        id: &ObjectId,
        claim: &Manifest,
    ) -> Result<(), ApiError> {
        if claim.is_terminating() {
            let is_used = self
                .store
                .list(&GroupKind::new("", "Pod"), Some(&id.namespace))
                .any(|pod| claims_of(pod).any(|name| name == id.name));
            if is_used {
                return Ok(());
            }
            return self.control(id, CONTROLLER, "", |claim| {
                remove_finalizer(claim, "kubernetes.io/pvc-protection");
            });
        }
        if phase(claim) == "Bound" {
            return Ok(());
        }
        let text = |pointer: &str| {
            claim
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (class, asked) = (
            text("/spec/storageClassName").to_owned(),
            text("/spec/volumeName").to_owned(),
        );
        let volume = self
            .store
            .list(&GroupKind::new("", "PersistentVolume"), None)
            .filter(|volume| !volume.is_terminating())
            .find(|volume| {
                let of = |pointer: &str| {
                    volume
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                let is_free = volume.pointer("/spec/claimRef").is_none_or(|claimed| {
                    claimed.get("name").and_then(Value::as_str) == Some(&id.name)
                        && claimed.get("namespace").and_then(Value::as_str) == Some(&id.namespace)
                });
                is_free
                    && of("/spec/storageClassName") == class
                    && (asked.is_empty() || volume.name() == asked)
            })
            .map(|volume| volume.name().to_owned());
        let volume = match volume {
            Some(volume) => volume,
            // A volume that is asked for by name, or with an empty class, is not made.
            None if !asked.is_empty()
                || claim
                    .pointer("/spec/storageClassName")
                    .and_then(Value::as_str)
                    == Some("") =>
            {
                return Ok(());
            }
            None => self.provision(id, claim, &class)?,
        };
        let reference = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": id.name,
            "namespace": id.namespace, "uid": claim.uid(),
        });
        self.control(
            &core_id("PersistentVolume", "", &volume),
            CONTROLLER,
            "",
            |volume| {
                if let Some(spec) = volume
                    .as_map_mut()
                    .get_mut("spec")
                    .and_then(Value::as_object_mut)
                {
                    spec.insert("claimRef".to_owned(), reference);
                }
            },
        )?;
        self.control(id, CONTROLLER, "", |claim| {
            claim.set_annotation("pv.kubernetes.io/bind-completed", "yes");
            claim.set_annotation("pv.kubernetes.io/bound-by-controller", "yes");
            if let Some(spec) = claim
                .as_map_mut()
                .get_mut("spec")
                .and_then(Value::as_object_mut)
            {
                spec.insert("volumeName".to_owned(), volume.into());
            }
        })?;
        self.control(id, CONTROLLER, "status", |claim| {
            let capacity = claim.pointer("/spec/resources/requests").cloned();
            let modes = claim.pointer("/spec/accessModes").cloned();
            let status = status_of(claim);
            status.insert("phase".to_owned(), "Bound".into());
            status.extend(modes.map(|modes| ("accessModes".to_owned(), modes)));
            status.extend(capacity.map(|capacity| ("capacity".to_owned(), capacity)));
        })
    }

    fn provision(
        &mut self,
        id: &ObjectId,
        claim: &Manifest,
        class: &str,
    ) -> Result<String, ApiError> {
        let name = format!("pvc-{}", claim.uid());
        let mut spec = json!({
            "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_default(),
            "capacity": {"storage": claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_else(|| "1Gi".into())},
            "volumeMode": claim.pointer("/spec/volumeMode").cloned().unwrap_or_else(|| "Filesystem".into()),
            "persistentVolumeReclaimPolicy": "Delete",
            "hostPath": {"path": format!("/simulated/{}/{}", id.namespace, id.name), "type": ""},
        });
        if !class.is_empty() {
            spec["storageClassName"] = class.into();
        }
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {PROVISIONED: "gitops.simulated"}},
            "spec": spec,
        });
        if let Ok(volume) = Manifest::try_from(volume) {
            self.control_create(CONTROLLER, volume)?;
        }
        Ok(name)
    }

    pub(super) fn simulate_volume(
        &mut self,
        id: &ObjectId,
        volume: &Manifest,
    ) -> Result<(), ApiError> {
        let text = |pointer: &str| {
            volume
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let claim = core_id(
            "PersistentVolumeClaim",
            text("/spec/claimRef/namespace"),
            text("/spec/claimRef/name"),
        );
        let uid = text("/spec/claimRef/uid");
        let is_claimed = !claim.name.is_empty();
        let is_bound = self
            .stored(&claim)
            .is_some_and(|c| uid.is_empty() || c.uid() == uid);
        if volume.is_terminating() {
            if is_bound {
                return Ok(());
            }
            return self.control(id, CONTROLLER, "", |volume| {
                remove_finalizer(volume, "kubernetes.io/pv-protection");
            });
        }
        if is_claimed
            && !is_bound
            && !uid.is_empty()
            && text("/spec/persistentVolumeReclaimPolicy") == "Delete"
        {
            return self.control_delete(id, Propagation::Background);
        }
        let wanted = match (is_claimed && !uid.is_empty(), is_bound) {
            (true, true) => "Bound",
            (true, false) => "Released",
            _ => "Available",
        };
        if phase(volume) == wanted {
            return Ok(());
        }
        let (now, minor) = (self.now_text(), self.minor);
        self.control(id, CONTROLLER, "status", |volume| {
            let status = status_of(volume);
            status.insert("phase".to_owned(), wanted.into());
            if minor >= 29 {
                status.insert("lastPhaseTransitionTime".to_owned(), now.into());
            }
        })?;
        if wanted == "Available" {
            let claims: Vec<ObjectId> = self
                .store
                .list(&GroupKind::new("", "PersistentVolumeClaim"), None)
                .filter(|claim| phase(claim) == "Pending")
                .map(Manifest::id)
                .collect();
            for claim in claims {
                self.queue
                    .push(crate::embedded::controllers::Work::Simulate(claim));
            }
        }
        Ok(())
    }
}
