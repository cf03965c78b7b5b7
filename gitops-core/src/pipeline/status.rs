//! The status of an Application after a comparison or a sync.

use std::collections::BTreeMap;

use crate::{
    app::{
        Application, ApplicationStatus, ComparedTo, Condition, ConditionType, HealthSummary,
        HistoryEntry, OperationPhase, OperationState, ResourceStatus, SyncResourceResult,
        SyncResult, SyncState, SyncSummary,
    },
    clock::{Clock, Timestamp},
    health::{Health, HealthStatus, Member, aggregate},
    object::{Manifest, ObjectId},
    pipeline::{Comparison, Desired, Outcome, Pipeline, PipelineError, SyncRequest, decide::Tries},
    plan::{Action, Outcome as StepOutcome, Plan, Reason, Report, Step},
};

/// How many syncs the history keeps where the spec does not say.
const HISTORY_LIMIT: i64 = 10;

/// Whether a step shows that the cluster is not as declared.
pub(super) fn is_difference(step: &Step) -> bool {
    !step.hook
        && (step.action.changes()
            || matches!(
                step.reason,
                Reason::PruneDisabled | Reason::PruneProtected { .. }
            ))
}

/// Desired state could not be found out, or not be compared.
pub(super) fn failed(
    application: &Application,
    error: PipelineError,
    clock: &dyn Clock,
) -> Outcome {
    let before = application.status.clone().unwrap_or_default();
    let mut status = ApplicationStatus {
        sync: SyncSummary {
            status: SyncState::Unknown,
            compared_to: Some(compared_to(application)),
            ..before.sync.clone()
        },
        conditions: vec![error.condition()],
        ..before
    };
    status.health = HealthSummary {
        status: Some(status.health.status.unwrap_or(HealthStatus::Unknown)),
        ..status.health
    };
    let outcome = Outcome {
        status,
        comparison: None,
        report: None,
        error: Some(error),
        look_again_after: None,
    };
    keep_transition_times(outcome, application, clock.now())
}

/// Nothing was done.
pub(super) fn compared(
    pipeline: &Pipeline,
    application: &Application,
    comparison: Comparison,
) -> Outcome {
    let mut status = observed(pipeline, application, &comparison);
    status
        .conditions
        .extend(failed_sync(application, &comparison));
    Outcome {
        status,
        comparison: Some(comparison),
        report: None,
        error: None,
        look_again_after: None,
    }
}

/// A sync ended before or while objects were applied.
pub(super) fn refused(
    pipeline: &Pipeline,
    application: &Application,
    comparison: Comparison,
    error: PipelineError,
    started: Timestamp,
    tries: Tries,
) -> Outcome {
    let mut status = observed(pipeline, application, &comparison);
    status.conditions.push(error.condition());
    let phase = match &error {
        PipelineError::NotPermitted { .. } => OperationPhase::Failed,
        _ => OperationPhase::Error,
    };
    let state = OperationState {
        phase,
        message: error.to_string(),
        sync_result: Some(sync_result(application, &comparison.desired)),
        started_at: started.to_string(),
        finished_at: Some(pipeline.clock.now().to_string()),
        retry_count: (tries.retries > 0).then_some(tries.retries),
        operation: operation(tries, &comparison.desired.set.revision),
        ..OperationState::default()
    };
    // The same refusal once more is no news: the status need not be written.
    let before = application
        .status
        .as_ref()
        .and_then(|status| status.operation_state.as_ref());
    let is_news = before.is_none_or(|before| {
        before.phase != state.phase
            || before.message != state.message
            || before.sync_result != state.sync_result
    });
    if is_news || tries.retries > 0 {
        status.operation_state = Some(state);
    }
    Outcome {
        status,
        comparison: Some(comparison),
        report: None,
        error: Some(error),
        look_again_after: None,
    }
}

/// A sync was executed; `after` is the comparison made afterwards.
pub(super) fn synced(
    pipeline: &Pipeline,
    application: &Application,
    after: Result<Comparison, PipelineError>,
    report: Report,
    started: Timestamp,
    tries: Tries,
    request: &SyncRequest,
) -> Outcome {
    let comparison = match after {
        Ok(comparison) => comparison,
        Err(error) => {
            let mut outcome = failed(application, error, &*pipeline.clock);
            outcome.report = Some(report);
            return outcome;
        }
    };
    let now = pipeline.clock.now();
    let mut status = observed(pipeline, application, &comparison);
    let result = SyncResult {
        resources: report.results.iter().map(resource_result).collect(),
        ..sync_result(application, &comparison.desired)
    };
    if report.phase == OperationPhase::Succeeded && request.only.is_empty() {
        add_history(&mut status, application, &result, started, now);
    }
    if report.phase != OperationPhase::Succeeded {
        add_sync_error(&mut status, &report.message);
    }
    status.operation_state = Some(OperationState {
        phase: report.phase,
        message: report.message.clone(),
        sync_result: Some(result),
        started_at: started.to_string(),
        finished_at: Some(now.to_string()),
        retry_count: (tries.retries > 0).then_some(tries.retries),
        operation: operation(tries, &comparison.desired.set.revision),
        ..OperationState::default()
    });
    Outcome {
        status,
        comparison: Some(comparison),
        report: Some(report),
        error: None,
        look_again_after: None,
    }
}

/// How many self-heals in a row the last sync ended.
pub(super) fn self_heals(state: &OperationState) -> i64 {
    state
        .operation
        .as_ref()
        .and_then(|operation| operation.pointer("/sync/autoHealAttemptsCount"))
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(0)
}

/// What was asked for. Argo CD's own definition of Application requires the field.
fn operation(tries: Tries, revision: &str) -> Option<serde_json::Value> {
    let mut sync = serde_json::json!({"revision": revision});
    if tries.self_heals > 0 {
        sync["autoHealAttemptsCount"] = tries.self_heals.into();
    }
    Some(serde_json::json!({"sync": sync}))
}

/// Says who undoes what is synced.
pub(super) fn contested(plan: &Plan, self_heals: i64) -> String {
    let own = &plan.settings.field_manager;
    let changes: Vec<String> = plan
        .changes()
        .filter(|step| !step.hook)
        .map(|step| {
            let fields = step.changes.iter().map(|change| {
                let others: Vec<&str> = change
                    .owners
                    .iter()
                    .map(String::as_str)
                    .filter(|owner| owner != own)
                    .collect();
                match others.is_empty() {
                    true => change.path.clone(),
                    false => format!("{} by {}", change.path, others.join(", ")),
                }
            });
            let fields: Vec<String> = fields.collect();
            format!("{} ({})", step.object, fields.join("; "))
        })
        .collect();
    format!(
        "somebody changes again and again what is synced: {}. It was reverted {self_heals} times in a \
         row and will be less and less often; leave the field out of the manifest or ignore its \
         differences, or stop the other side",
        changes.join(", ")
    )
}

/// Says that a sync is not made or went wrong.
pub(super) fn add_sync_error(status: &mut ApplicationStatus, message: &str) {
    status.conditions.push(Condition {
        condition: ConditionType::SyncError,
        message: message.to_owned(),
        last_transition_time: None,
    });
}

/// Conditions that were there before keep the time since which they are; a status that differs in
/// nothing else keeps the time of its comparison, so that it need not be written.
pub(super) fn keep_transition_times(
    mut outcome: Outcome,
    application: &Application,
    now: Timestamp,
) -> Outcome {
    let before = application.status.as_ref();
    for condition in &mut outcome.status.conditions {
        if condition.last_transition_time.is_some() {
            continue;
        }
        condition.last_transition_time = before
            .into_iter()
            .flat_map(|status| &status.conditions)
            .find(|old| old.condition == condition.condition && old.message == condition.message)
            .and_then(|old| old.last_transition_time.clone())
            .or_else(|| Some(now.to_string()));
    }
    outcome.status.reconciled_at = before.and_then(|status| status.reconciled_at.clone());
    if before != Some(&outcome.status) {
        outcome.status.reconciled_at = Some(now.to_string());
    }
    outcome
}

/// What a comparison shows: sync state, health, objects, warnings. History and the last sync stay.
fn observed(
    pipeline: &Pipeline,
    application: &Application,
    comparison: &Comparison,
) -> ApplicationStatus {
    let before = application.status.clone().unwrap_or_default();
    let live: BTreeMap<ObjectId, &Manifest> = comparison
        .live
        .objects
        .iter()
        .map(|object| (object.id(), object))
        .collect();
    let now = pipeline.clock.now();
    let assess = |id: &ObjectId| -> Option<Health> {
        let object = live.get(id)?;
        match pipeline.health.assess(object, now) {
            Ok(health) => health,
            Err(error) => Some(Health::new(HealthStatus::Unknown, error.to_string())),
        }
    };
    let mut resources = Vec::new();
    let mut judged: Vec<(&ObjectId, Option<Health>)> = Vec::new();
    let mut shared = Vec::new();
    for step in comparison.plan.steps.iter().filter(|step| !step.hook) {
        if step.reason == Reason::NamespaceNeeded {
            continue;
        }
        if let Reason::OwnedBy { owner } = &step.reason {
            shared.push(format!("{} is part of application {owner}", step.object));
        }
        let health = assess(&step.object);
        let is_there = live.contains_key(&step.object);
        let prunable = step.action == Action::Prune
            || matches!(
                step.reason,
                Reason::PruneDisabled | Reason::PruneProtected { .. }
            );
        if !prunable {
            judged.push((&step.object, health.clone()));
        }
        let health = health.map(|health| HealthSummary {
            status: Some(health.status),
            message: health.message,
        });
        resources.push(ResourceStatus {
            group: step.gvk.group.clone(),
            version: step.gvk.version.clone(),
            kind: step.gvk.kind.clone(),
            namespace: step.object.namespace.clone(),
            name: step.object.name.clone(),
            status: match step {
                step if is_difference(step) => SyncState::OutOfSync,
                step if matches!(step.reason, Reason::OwnedBy { .. }) => SyncState::Unknown,
                _ => SyncState::Synced,
            },
            health: if is_there {
                health
            } else {
                Some(HealthSummary {
                    status: Some(HealthStatus::Missing),
                    message: String::new(),
                })
            },
            hook: false,
            requires_pruning: prunable,
            sync_wave: (step.wave != 0).then_some(step.wave),
        });
    }
    resources.sort_by(|a, b| {
        (&a.group, &a.kind, &a.namespace, &a.name).cmp(&(&b.group, &b.kind, &b.namespace, &b.name))
    });
    let health = aggregate(judged.iter().map(|(id, health)| Member {
        id,
        live: live.get(id).copied(),
        health: health.as_ref(),
    }));
    let in_sync = comparison.differences().next().is_none();
    let revisions: Vec<String> = comparison
        .desired
        .sources
        .iter()
        .map(|source| source.revision.id.clone())
        .collect();
    let several = !application.spec.sources.is_empty();
    ApplicationStatus {
        sync: SyncSummary {
            status: if in_sync {
                SyncState::Synced
            } else {
                SyncState::OutOfSync
            },
            revision: if several {
                String::new()
            } else {
                revisions.first().cloned().unwrap_or_default()
            },
            revisions: if several { revisions } else { Vec::new() },
            compared_to: Some(compared_to(application)),
        },
        health: HealthSummary {
            status: Some(health.status),
            message: health.message,
        },
        resources,
        conditions: warnings(&comparison.desired, shared),
        source_type: comparison
            .desired
            .sources
            .iter()
            .map(|source| source.source_type)
            .find(|source_type| !source_type.is_empty())
            .map(str::to_owned),
        ..before
    }
}

fn warnings(desired: &Desired, shared: Vec<String>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut warn = |condition, message| {
        conditions.push(Condition {
            condition,
            message,
            last_transition_time: None,
        });
    };
    for id in &desired.repeated {
        warn(
            ConditionType::RepeatedResourceWarning,
            format!("Resource {id} appeared 2 times among application resources."),
        );
    }
    if !shared.is_empty() {
        warn(ConditionType::SharedResourceWarning, shared.join("; "));
    }
    for rewrite in &desired.rewrites {
        let condition = match rewrite.to {
            Some(_) => ConditionType::RewrittenResourceWarning,
            None => ConditionType::ExcludedResourceWarning,
        };
        warn(condition, rewrite.to_string());
    }
    conditions
}

/// The error of the last sync, as long as it was one of what is desired now.
fn failed_sync(application: &Application, comparison: &Comparison) -> Option<Condition> {
    let state = application.status.as_ref()?.operation_state.as_ref()?;
    let result = state.sync_result.as_ref()?;
    let failed = matches!(state.phase, OperationPhase::Failed | OperationPhase::Error);
    let same = result.revision == comparison.desired.set.revision
        || result.revisions.join(",") == comparison.desired.set.revision;
    (failed && same && comparison.differences().next().is_some()).then(|| Condition {
        condition: ConditionType::SyncError,
        message: state.message.clone(),
        last_transition_time: None,
    })
}

fn compared_to(application: &Application) -> ComparedTo {
    let several = !application.spec.sources.is_empty();
    ComparedTo {
        source: application.spec.source.clone().filter(|_| !several),
        sources: application.spec.sources.clone(),
        destination: application.spec.destination.clone(),
    }
}

fn sync_result(application: &Application, desired: &Desired) -> SyncResult {
    let several = !application.spec.sources.is_empty();
    let revisions: Vec<String> = desired
        .sources
        .iter()
        .map(|source| source.revision.id.clone())
        .collect();
    SyncResult {
        revision: if several {
            String::new()
        } else {
            desired.set.revision.clone()
        },
        revisions: if several { revisions } else { Vec::new() },
        source: application.spec.source.clone().filter(|_| !several),
        sources: application.spec.sources.clone(),
        ..SyncResult::default()
    }
}

fn resource_result(result: &crate::plan::StepResult) -> SyncResourceResult {
    SyncResourceResult {
        group: result.gvk.group.clone(),
        version: result.gvk.version.clone(),
        kind: result.gvk.kind.clone(),
        namespace: result.object.namespace.clone(),
        name: result.object.name.clone(),
        status: match (result.outcome, result.action) {
            (StepOutcome::Pruned, _) => "Pruned",
            (StepOutcome::Skipped, _) => "PruneSkipped",
            (StepOutcome::Failed, _) => "SyncFailed",
            _ => "Synced",
        }
        .to_owned(),
        message: result.message.clone(),
        hook_type: result.hook.then(|| result.phase.to_string()),
        hook_phase: result.hook.then_some(match result.outcome {
            StepOutcome::Failed => OperationPhase::Failed,
            StepOutcome::Running => OperationPhase::Running,
            _ => OperationPhase::Succeeded,
        }),
        sync_phase: Some(result.phase.to_string()),
    }
}

fn add_history(
    status: &mut ApplicationStatus,
    application: &Application,
    result: &SyncResult,
    started: Timestamp,
    now: Timestamp,
) {
    let id = status.history.last().map_or(0, |entry| entry.id + 1);
    status.history.push(HistoryEntry {
        id,
        revision: result.revision.clone(),
        revisions: result.revisions.clone(),
        deployed_at: now.to_string(),
        deploy_started_at: Some(started.to_string()),
        source: result.source.clone(),
        ..HistoryEntry::default()
    });
    let limit = application
        .spec
        .revision_history_limit
        .unwrap_or(HISTORY_LIMIT)
        .max(0);
    let excess = status
        .history
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(0));
    status.history.drain(..excess);
}
