//! What came of a plan, step by step.

use std::collections::BTreeMap;

use gitops_core::{
    ObjectId,
    app::OperationPhase,
    health::Health,
    plan::{Action, Outcome, Plan, Report, Step, StepResult},
};

use super::{
    machine::Machine,
    progress::{TaskResult, TaskStatus},
};

/// The report of a machine that has ended.
pub(super) fn of(
    plan: &Plan,
    steps: &[usize],
    machine: &Machine<'_>,
    health: &dyn Fn(&ObjectId) -> Option<Health>,
) -> Report {
    let progress = machine.progress();
    let ended_well = progress.phase == OperationPhase::Succeeded;
    let tasks: BTreeMap<usize, usize> = steps
        .iter()
        .enumerate()
        .map(|(task, step)| (*step, task))
        .collect();
    let results = plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let result = tasks.get(&index).and_then(|task| machine.result(*task));
            let (outcome, message) = outcome(step, result, ended_well);
            StepResult {
                health: match outcome {
                    Outcome::Synced | Outcome::Failed => health(&step.object),
                    _ => None,
                },
                ..blank(step, outcome, message)
            }
        })
        .collect();
    Report {
        owner: plan.owner.clone(),
        revision: plan.revision.clone(),
        phase: progress.phase,
        message: progress.message.clone(),
        results,
        writes: progress.writes,
    }
}

/// The report of a plan that was not begun because steps are not permitted.
pub(super) fn refused(plan: &Plan, refusals: &[(usize, String)]) -> Report {
    let reasons: Vec<&str> = refusals.iter().map(|(_, reason)| reason.as_str()).collect();
    Report {
        owner: plan.owner.clone(),
        revision: plan.revision.clone(),
        phase: OperationPhase::Failed,
        message: format!(
            "one or more synchronization tasks are not valid: {}",
            reasons.join("; ")
        ),
        results: refusals
            .iter()
            .map(|(index, reason)| blank(&plan.steps[*index], Outcome::Failed, reason.clone()))
            .collect(),
        writes: 0,
    }
}

fn outcome(step: &Step, result: Option<&TaskResult>, ended_well: bool) -> (Outcome, String) {
    let Some(result) = result else {
        return match step.action {
            Action::Skip => (Outcome::Skipped, step.reason.to_string()),
            Action::Unchanged => (Outcome::Synced, String::new()),
            _ if ended_well => (Outcome::Skipped, "not needed".to_owned()),
            _ => (
                Outcome::Skipped,
                "not done: the sync ended before".to_owned(),
            ),
        };
    };
    let outcome = match (result.status, result.state) {
        (_, Some(OperationPhase::Failed | OperationPhase::Error))
        | (Some(TaskStatus::SyncFailed), _) => Outcome::Failed,
        (Some(TaskStatus::Pruned), _) => Outcome::Pruned,
        (Some(TaskStatus::PruneSkipped), _) => Outcome::Skipped,
        (_, Some(OperationPhase::Running)) if step.hook || !ended_well => Outcome::Running,
        _ => Outcome::Synced,
    };
    (outcome, result.message.clone())
}

fn blank(step: &Step, outcome: Outcome, message: String) -> StepResult {
    StepResult {
        phase: step.phase,
        wave: step.wave,
        action: step.action,
        gvk: step.gvk.clone(),
        object: step.object.clone(),
        hook: step.hook,
        outcome,
        message,
        health: None,
    }
}
