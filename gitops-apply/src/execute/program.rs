//! A plan as tasks of the machine.

use std::collections::BTreeSet;

use gitops_core::{
    Manifest,
    plan::{Action, Payload, Plan, Reason, Step},
};

use super::{
    machine::{Operation, SyncTask},
    progress::{Progress, key},
};
use crate::hooks::{self, TaskOptions};

/// The tasks of a plan.
pub(super) struct Program {
    pub(super) tasks: Vec<SyncTask>,
    /// The step of each task.
    pub(super) steps: Vec<usize>,
    /// Whether CustomResourceDefinitions are among what is sent.
    pub(super) brings_kinds: bool,
}

impl Program {
    /// Drops what an interrupted sync knew of objects: the plan, which was made after it, knows
    /// better. What it knew of hooks stays.
    pub(super) fn forget_objects(&self, progress: &mut Progress) {
        let hooks: BTreeSet<String> = self
            .tasks
            .iter()
            .filter(|task| task.hook.is_some())
            .map(|task| key(task.phase, &task.object.id()))
            .collect();
        progress.results.retain(|key, _| hooks.contains(key));
    }
}

/// Digest of the hooks of a plan, whatever names were generated for them.
pub(super) fn hooks_digest(plan: &Plan) -> String {
    let hooks = plan
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.hook)
        .filter_map(|(index, _)| {
            let mut hook = plan.payload.0.get(&index)?.clone();
            if !hook.generate_name().is_empty() {
                hook.metadata_mut().remove("name");
            }
            Some(hook)
        });
    crate::plan::digest(&Payload(hooks.enumerate().collect()))
}

/// `started_at` is when the sync began for the first time: names of generated hooks contain it.
pub(super) fn of(plan: &Plan, started_at: i64) -> Program {
    let only_changes = plan
        .settings
        .sync_options
        .iter()
        .any(|option| option == "ApplyOutOfSyncOnly=true");
    let mut program = Program {
        tasks: Vec::new(),
        steps: Vec::new(),
        brings_kinds: false,
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let target = plan.payload.0.get(&index).cloned();
        let operation = match (&step.action, &step.reason) {
            (Action::Unchanged, _) if only_changes => continue,
            (Action::Unchanged, _) => Operation::Keep,
            (Action::Prune, _) => Operation::Prune,
            (Action::Skip, Reason::PruneDisabled) => {
                Operation::KeepUndeclared("ignored (requires pruning)".to_owned())
            }
            (Action::Skip, Reason::PruneProtected { by }) => {
                Operation::KeepUndeclared(format!("ignored ({by})"))
            }
            (Action::Skip, _) => continue,
            _ => Operation::Write {
                delivery: step.delivery.clone(),
                recreate: step.action == Action::Recreate,
            },
        };
        let target = target.map(|target| renamed(target, step, plan, started_at));
        program.brings_kinds |= target.as_ref().is_some_and(hooks::is_definition);
        let mut object = gitops_core::ObjectRef::new(
            step.gvk.clone(),
            &step.object.namespace,
            &step.object.name,
        );
        if let Some(target) = &target {
            target.name().clone_into(&mut object.name);
        }
        let hook = step.hook.then(|| {
            target
                .as_ref()
                .map(hooks::delete_policies)
                .unwrap_or_default()
        });
        program.tasks.push(SyncTask {
            phase: step.phase,
            wave: step.wave,
            stage: step.stage,
            operation,
            object,
            target,
            hook,
            skip_dry_run: false,
        });
        program.steps.push(index);
    }
    program
}

/// A generated hook keeps the name that it got when the sync began.
fn renamed(target: Manifest, step: &Step, plan: &Plan, started_at: i64) -> Manifest {
    if !step.hook || target.generate_name().is_empty() || started_at == plan.settings.started_at {
        return target;
    }
    let suffix = format!("-{}", plan.settings.started_at);
    if !target.name().starts_with(target.generate_name()) || !target.name().ends_with(&suffix) {
        return target;
    }
    let mut nameless = target;
    nameless.metadata_mut().remove("name");
    hooks::hook_object(
        &nameless,
        step.phase,
        &TaskOptions {
            revision: plan.revision.clone(),
            started_at,
            ..TaskOptions::default()
        },
    )
}
