//! Whether an update that a plan foresees would change anything: a dry-run decides.
//!
//! A manifest that is not written canonically (`1000m`, nulls) always looks like a change without
//! asking the server, since the server stores another text than the one applied. Where the answer of
//! a dry-run is the live object but for generation, resource version and times, the object is in
//! sync; the verdict is remembered for as long as neither side changes, so that it costs one request.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    cluster::ApplyOptions,
    object::{Manifest, ObjectId},
    pipeline::{Pipeline, PipelineError},
    plan::{Action, LiveSet, Plan, Reason},
};

/// Verdicts that still hold.
#[derive(Default)]
pub(super) struct Confirmed {
    verdicts: Mutex<HashMap<ObjectId, (String, String)>>,
}

impl Confirmed {
    fn holds(&self, id: &ObjectId, desired: &str, live: &str) -> bool {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(id).is_some_and(|(d, l)| d == desired && l == live)
    }

    fn remember(&self, id: ObjectId, desired: String, live: String) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.insert(id, (desired, live));
    }
}

impl Pipeline {
    /// Turns foreseen updates that would change nothing into steps that do nothing.
    pub(super) async fn confirm(
        &self,
        plan: &mut Plan,
        live: &LiveSet,
    ) -> Result<(), PipelineError> {
        for index in 0..plan.steps.len() {
            let step = &plan.steps[index];
            let foreseen = step.action == Action::Update && step.reason == Reason::Differs;
            let Some(desired) = plan.payload.0.get(&index).filter(|_| foreseen && !step.hook)
            else {
                continue;
            };
            let id = step.object.clone();
            let Some(current) = live.objects.iter().find(|object| object.id() == id) else {
                continue;
            };
            let desired_hash = desired.content_hash().to_string();
            let live_hash = content(current).content_hash().to_string();
            if !self.confirmed.holds(&id, &desired_hash, &live_hash) {
                let options = ApplyOptions {
                    dry_run: true,
                    force: true,
                    field_manager: plan.settings.field_manager.clone(),
                    ..ApplyOptions::default()
                };
                // A refusal is the execution's to report.
                let Ok(predicted) = self.cluster.apply(desired, &options).await else { continue };
                if content(&predicted) != content(current) {
                    continue;
                }
                self.confirmed.remember(id, desired_hash, live_hash);
            }
            let step = &mut plan.steps[index];
            step.action = Action::Unchanged;
            step.reason = Reason::InSync;
            step.changes.clear();
        }
        Ok(())
    }
}

/// The object without what moves by itself: generation, resource version, times of managed fields,
/// status.
fn content(object: &Manifest) -> Manifest {
    let mut object = object.clone();
    object.as_map_mut().remove("status");
    let metadata = object.metadata_mut();
    metadata.remove("resourceVersion");
    metadata.remove("generation");
    if let Some(Value::Array(entries)) = metadata.get_mut("managedFields") {
        entries.retain(|entry| entry.get("subresource").is_none_or(|s| s != "status"));
        for entry in entries.iter_mut() {
            if let Some(entry) = entry.as_object_mut() {
                entry.remove("time");
            }
        }
    }
    object
}
