//! Deployments: one ReplicaSet per template, the newest scaled up, the others down.

use gitops_core::{GroupKind, Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{
    CONTROLLER, controller_reference, generation, number, set_count, status_of, template_hash,
};
use crate::embedded::{definitions::set_condition, server::Server, status::ApiError};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HASH: &str = "pod-template-hash";

impl Server {
    pub(super) fn simulate_deployment(
        &mut self,
        id: &ObjectId,
        deployment: &Manifest,
    ) -> Result<(), ApiError> {
        if deployment.is_terminating() {
            return Ok(());
        }
        let wanted = number(deployment, "/spec/replicas", 1);
        let is_paused = deployment.pointer("/spec/paused").and_then(Value::as_bool) == Some(true);
        let name = format!(
            "{}-{}",
            id.name,
            template_hash(deployment.pointer("/spec/template"))
        );
        let sets = self.replica_sets_of(deployment);
        let current = sets.iter().find(|set| set.name() == name).cloned();
        let old: Vec<Manifest> = sets
            .iter()
            .filter(|set| set.name() != name)
            .cloned()
            .collect();
        let newest = sets.iter().map(revision).max().unwrap_or(0);
        let revision = match &current {
            Some(set) if revision(set) == newest => newest,
            Some(_) if !is_paused => newest + 1,
            Some(set) => revision(set),
            None => newest + 1,
        };
        let recreates = deployment
            .pointer("/spec/strategy/type")
            .and_then(Value::as_str)
            == Some("Recreate");
        let old_are_gone = old
            .iter()
            .all(|set| number(set, "/status/replicas", 0) == 0);
        if !is_paused {
            if recreates {
                for set in &old {
                    self.scale(set, 0)?;
                }
            }
            if !recreates || old_are_gone {
                match &current {
                    None => self.make_replica_set(deployment, &name, wanted, revision)?,
                    Some(set) => self.update_replica_set(set, wanted, revision)?,
                }
            }
        }
        let current = self.stored(&set_id(id, &name)).cloned();
        let available = |set: &Manifest| number(set, "/status/availableReplicas", 0);
        let is_rolled_out = current.as_ref().is_some_and(|set| available(set) >= wanted);
        if is_rolled_out && !is_paused {
            for set in &old {
                self.scale(set, 0)?;
            }
            self.forget_old_sets(deployment, &old)?;
        }
        self.deployment_status(
            id,
            deployment,
            current.as_ref(),
            wanted,
            revision,
            is_paused,
        )
    }

    fn replica_sets_of(&self, deployment: &Manifest) -> Vec<Manifest> {
        self.store
            .dependents(deployment.uid())
            .iter()
            .filter(|id| id.kind == "ReplicaSet")
            .filter_map(|id| self.stored(id).cloned())
            .collect()
    }

    fn make_replica_set(
        &mut self,
        deployment: &Manifest,
        name: &str,
        wanted: i64,
        revision: i64,
    ) -> Result<(), ApiError> {
        let hash = name.rsplit('-').next().unwrap_or_default().to_owned();
        let mut template = deployment
            .pointer("/spec/template")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let mut selector = deployment
            .pointer("/spec/selector")
            .cloned()
            .unwrap_or_else(|| json!({}));
        template["metadata"]["labels"][HASH] = hash.clone().into();
        selector["matchLabels"][HASH] = hash.into();
        let mut annotations = serde_json::Map::new();
        for (key, value) in deployment.annotations() {
            if key != REVISION && key != "kubectl.kubernetes.io/last-applied-configuration" {
                annotations.insert(key.to_owned(), value.into());
            }
        }
        annotations.insert(
            "deployment.kubernetes.io/desired-replicas".to_owned(),
            wanted.to_string().into(),
        );
        annotations.insert(
            "deployment.kubernetes.io/max-replicas".to_owned(),
            (wanted + surge(deployment, wanted)).to_string().into(),
        );
        annotations.insert(REVISION.to_owned(), revision.to_string().into());
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": deployment.namespace(),
                "labels": template["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [controller_reference(deployment)],
            },
            "spec": {"replicas": wanted, "selector": selector, "template": template},
        });
        match Manifest::try_from(set) {
            Ok(set) => self.control_create(CONTROLLER, set).map(|_| ()),
            Err(_) => Ok(()),
        }
    }

    fn update_replica_set(
        &mut self,
        set: &Manifest,
        wanted: i64,
        revision: i64,
    ) -> Result<(), ApiError> {
        self.control(&set.id(), CONTROLLER, "", |set| {
            set.set_annotation(
                "deployment.kubernetes.io/desired-replicas",
                wanted.to_string(),
            );
            set.set_annotation(REVISION, revision.to_string());
            if let Some(spec) = set
                .as_map_mut()
                .get_mut("spec")
                .and_then(Value::as_object_mut)
            {
                spec.insert("replicas".to_owned(), wanted.into());
            }
        })
    }

    fn scale(&mut self, set: &Manifest, replicas: i64) -> Result<(), ApiError> {
        self.control(&set.id(), CONTROLLER, "", |set| {
            if let Some(spec) = set
                .as_map_mut()
                .get_mut("spec")
                .and_then(Value::as_object_mut)
            {
                spec.insert("replicas".to_owned(), replicas.into());
            }
        })
    }

    fn forget_old_sets(&mut self, deployment: &Manifest, old: &[Manifest]) -> Result<(), ApiError> {
        let limit = number(deployment, "/spec/revisionHistoryLimit", 10);
        let mut idle: Vec<&Manifest> = old
            .iter()
            .filter(|set| number(set, "/status/replicas", 0) == 0)
            .collect();
        idle.sort_by_key(|set| revision(set));
        let surplus = idle
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for set in idle.into_iter().take(surplus) {
            self.control_delete(&set.id(), Propagation::Background)?;
        }
        Ok(())
    }

    fn deployment_status(
        &mut self,
        id: &ObjectId,
        deployment: &Manifest,
        current: Option<&Manifest>,
        wanted: i64,
        revision: i64,
        is_paused: bool,
    ) -> Result<(), ApiError> {
        let sets = self.replica_sets_of(deployment);
        let sum = |pointer: &str| -> i64 { sets.iter().map(|set| number(set, pointer, 0)).sum() };
        let total = sum("/status/replicas");
        let ready = sum("/status/readyReplicas");
        let available = sum("/status/availableReplicas");
        let updated = current.map_or(0, |set| number(set, "/status/replicas", 0));
        let updated_available =
            current.map_or(0, |set| number(set, "/status/availableReplicas", 0));
        let is_complete = updated == wanted && total == wanted && updated_available == wanted;
        let needed = wanted - unavailable(deployment, wanted);
        let name = current.map_or_else(String::new, |set| set.name().to_owned());
        let observed = generation(deployment);
        let now = self.now();
        let now_text = self.now_text();
        let deadline = number(
            deployment,
            "/spec/progressDeadlineSeconds",
            i64::from(i32::MAX),
        );
        let started = current.and_then(super::created_at).map(|time| {
            super::after(
                time,
                std::time::Duration::from_secs(deadline.unsigned_abs()),
            )
        });
        let is_late = !is_complete && started.is_some_and(|due| due <= now);
        if !is_complete
            && !is_late
            && !is_paused
            && deadline < i64::from(i32::MAX)
            && let Some(due) = started
        {
            self.simulate_at(due, id);
        }
        self.control(id, CONTROLLER, "status", |deployment| {
            if current.is_some() {
                deployment.set_annotation(REVISION, revision.to_string());
            }
            let status = status_of(deployment);
            status.insert("observedGeneration".to_owned(), observed.into());
            set_count(status, "replicas", total);
            set_count(status, "updatedReplicas", updated);
            set_count(status, "readyReplicas", ready);
            set_count(status, "availableReplicas", available);
            set_count(status, "unavailableReplicas", (wanted - available).max(0));
            let availability = if available >= needed {
                (
                    "True",
                    "MinimumReplicasAvailable",
                    "Deployment has minimum availability.".to_owned(),
                )
            } else {
                (
                    "False",
                    "MinimumReplicasUnavailable",
                    "Deployment does not have minimum availability.".to_owned(),
                )
            };
            set_condition(status, "Available", availability, &now_text);
            let progress = if is_paused {
                (
                    "Unknown",
                    "DeploymentPaused",
                    "Deployment is paused".to_owned(),
                )
            } else if is_complete {
                (
                    "True",
                    "NewReplicaSetAvailable",
                    format!("ReplicaSet \"{name}\" has successfully progressed."),
                )
            } else if is_late {
                (
                    "False",
                    "ProgressDeadlineExceeded",
                    format!("ReplicaSet \"{name}\" has timed out progressing."),
                )
            } else {
                (
                    "True",
                    "ReplicaSetUpdated",
                    format!("ReplicaSet \"{name}\" is progressing."),
                )
            };
            set_condition(status, "Progressing", progress, &now_text);
            for condition in status
                .get_mut("conditions")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(condition) = condition.as_object_mut() {
                    condition
                        .entry("lastUpdateTime")
                        .or_insert_with(|| now_text.clone().into());
                }
            }
        })
    }
}

fn set_id(deployment: &ObjectId, name: &str) -> ObjectId {
    let kind = GroupKind::new("apps", "ReplicaSet");
    ObjectId {
        group: kind.group,
        kind: kind.kind,
        namespace: deployment.namespace.clone(),
        name: name.to_owned(),
    }
}

fn revision(set: &Manifest) -> i64 {
    set.annotation(REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// A number of pods, or a percentage of them.
fn share(value: Option<&Value>, of: i64, round_up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(text)) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or(0);
            if round_up {
                (of * percent + 99) / 100
            } else {
                of * percent / 100
            }
        }
        _ => 0,
    }
}

fn surge(deployment: &Manifest, wanted: i64) -> i64 {
    share(
        deployment.pointer("/spec/strategy/rollingUpdate/maxSurge"),
        wanted,
        true,
    )
}

fn unavailable(deployment: &Manifest, wanted: i64) -> i64 {
    let share = share(
        deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"),
        wanted,
        false,
    );
    if share == 0 && surge(deployment, wanted) == 0 && wanted > 0 {
        1
    } else {
        share
    }
}
