//! Deletion of an application: its hooks, and its objects in the reverse order of waves.

use std::collections::{BTreeMap, BTreeSet};

use gitops_core::{
    Manifest, ObjectId,
    apply::PlanError,
    plan::{
        Action, Delivery, DesiredSet, LiveSet, Owner, Payload, Phase, Plan, PlanOptions,
        PlanSettings, Reason, Step,
    },
    schema::Schemas,
};

use super::{
    earlier::PreparedSet,
    finish,
    objects::{self, Scopes},
    prune,
};
use crate::hooks::{self, DeleteHook, TaskOptions};

/// What must be done so that everything the owner has is gone.
///
/// PreDelete hooks of `desired` run first (as phase PreSync), then objects go, highest wave first,
/// each wave when the one before is gone, then PostDelete hooks run. Kept are objects with
/// `Delete=false`, `Delete=confirm` (unless confirmed), `helm.sh/resource-policy: keep`, and
/// CustomResourceDefinitions.
///
/// # Errors
/// When hooks are declared that cannot be.
pub fn plan_deletion(
    owner: &Owner,
    desired: Option<&DesiredSet>,
    live: &LiveSet,
    schemas: &dyn Schemas,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let namespace = desired
        .and_then(|desired| desired.destination.namespace.clone())
        .unwrap_or_default();
    let revision = desired
        .map(|desired| desired.revision.clone())
        .unwrap_or_default();
    let mut steps = Vec::new();
    let mut payload = Payload::default();
    if let Some(desired) = desired {
        add_hooks(desired, live, schemas, options, &mut steps)?;
    }
    for object in prune::candidates(live, owner, &options.tracking, &BTreeSet::new(), true) {
        let (action, reason) = match prune::protection(object, "Delete", None, options.confirmed) {
            Some(by) => (Action::Skip, Reason::PruneProtected { by }),
            None => (
                Action::Prune,
                Reason::Other("the application is deleted".to_owned()),
            ),
        };
        steps.push((
            hooks::kind_rank(object.kind()),
            Step {
                phase: Phase::Sync,
                wave: -hooks::wave(object),
                action,
                gvk: object.gvk(),
                object: object.id(),
                hook: false,
                reason,
                changes: Vec::new(),
                planned_on: object.resource_version().to_owned(),
                delivery: Delivery::default(),
                stage: 0,
            },
            None,
        ));
    }
    steps.sort_by(|(rank, a, _), (other, b, _)| {
        (a.phase, a.wave)
            .cmp(&(b.phase, b.wave))
            // Namespaces go last within a wave.
            .then_with(|| other.cmp(rank))
            .then_with(|| a.object.cmp(&b.object))
    });
    let mut ordered = Vec::with_capacity(steps.len());
    for (_, step, object) in steps {
        if let Some(object) = object {
            payload.0.insert(ordered.len(), object);
        }
        ordered.push(step);
    }
    Ok(finish(
        owner.clone(),
        revision,
        ordered,
        payload,
        PlanSettings {
            field_manager: options.field_manager.clone(),
            preflight: options.preflight,
            propagation: options.propagation,
            sync_options: Vec::new(),
            namespace,
            started_at: options.now.as_second(),
            tracking: options.tracking.clone(),
            deletion: true,
        },
    ))
}

type Ranked = (usize, Step, Option<Manifest>);

fn add_hooks(
    desired: &DesiredSet,
    live: &LiveSet,
    schemas: &dyn Schemas,
    options: &PlanOptions,
    steps: &mut Vec<Ranked>,
) -> Result<(), PlanError> {
    let live: BTreeMap<ObjectId, &Manifest> = live
        .objects
        .iter()
        .map(|object| (object.id(), object))
        .collect();
    for (hook, phase) in [
        (DeleteHook::PreDelete, Phase::PreSync),
        (DeleteHook::PostDelete, Phase::PostSync),
    ] {
        let scopes = Scopes::new(schemas, &desired.objects);
        let task_options = TaskOptions {
            namespace: desired.destination.namespace.clone().unwrap_or_default(),
            revision: desired.revision.clone(),
            started_at: options.now.as_second(),
            ..TaskOptions::default()
        };
        let wanted = |object: &Manifest| hooks::is_delete_hook(object, hook);
        for object in objects::prepare(
            desired,
            &scopes,
            &options.tracking,
            &mut PreparedSet::default(),
            &wanted,
        )? {
            let object = hooks::hook_object(&object, phase, &task_options);
            let current = live.get(&object.id());
            steps.push((
                // Objects are sorted by falling rank.
                hooks::kind_rank("") - hooks::kind_rank(object.kind()),
                Step {
                    phase,
                    wave: hooks::wave(&object),
                    action: Action::RunHook,
                    gvk: object.gvk(),
                    object: object.id(),
                    hook: true,
                    reason: Reason::Hook,
                    changes: Vec::new(),
                    planned_on: current
                        .map_or_else(String::new, |live| live.resource_version().to_owned()),
                    delivery: Delivery::default(),
                    stage: 0,
                },
                Some(object),
            ));
        }
    }
    Ok(())
}
