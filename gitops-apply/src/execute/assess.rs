//! What a turn makes of the state of the tasks: wait, fail, go on or end.

use std::time::Duration;

use gitops_core::{
    Manifest,
    app::OperationPhase,
    health::HealthStatus,
    plan::{Phase, Preflight},
};
use serde_json::Value;

use super::{
    machine::{Awaited, Instruction, Machine, Operation},
    progress::TaskStatus,
    request::{Completion, Request, RequestKind},
    run::{Part, Purpose},
};
use crate::hooks::{self, DeletePolicy};

impl Machine<'_> {
    /// Checks what would be sent, as long as nothing was. The namespace of the destination is made
    /// before: many checks fail without it.
    pub(super) fn preflight(&mut self) {
        let wanted = self.options.preflight != Preflight::None || self.options.dry_run;
        if self.progress.is_started() || !wanted {
            return;
        }
        let namespace = self.indices().find(|&task| {
            let entry = &self.tasks[task];
            entry.object.gvk.kind == "Namespace"
                && entry.object.gvk.group.is_empty()
                && entry.object.name == self.options.namespace
                && matches!(entry.operation, Operation::Write { .. })
        });
        let mut requests = Vec::new();
        for task in self.indices().filter(|task| Some(*task) != namespace) {
            let entry = &self.tasks[task];
            let delivery = match &entry.operation {
                Operation::Write { delivery, .. } => delivery.clone(),
                Operation::Keep if self.options.preflight == Preflight::All => {
                    gitops_core::plan::Delivery::default()
                }
                _ => continue,
            };
            let (Some(object), false) = (&entry.target, entry.skip_dry_run) else {
                continue;
            };
            requests.push(Request {
                task,
                kind: RequestKind::DryRun {
                    object: object.clone(),
                    delivery,
                },
            });
        }
        self.todo
            .push_front(Instruction::Send(requests, Awaited::Preflight));
        if let (Some(task), false) = (namespace, self.options.dry_run) {
            self.start(vec![task], Purpose::Namespace);
        }
    }

    pub(super) fn dry_run_ended(&mut self, completion: &Completion) {
        let task = completion.task;
        match &completion.outcome {
            Ok(_) if self.options.dry_run => {
                self.record(
                    task,
                    Some(TaskStatus::Synced),
                    OperationPhase::Succeeded,
                    "",
                );
            }
            Ok(_) => {}
            Err(refusal) => {
                self.record(
                    task,
                    Some(TaskStatus::SyncFailed),
                    OperationPhase::Failed,
                    &refusal.message,
                );
                self.progress.set(
                    OperationPhase::Failed,
                    "one or more objects failed to apply (dry run)",
                );
                self.todo.clear();
                self.todo.push_back(Instruction::Rest);
            }
        }
    }

    /// Brings results up to date with what was seen; waits if something runs that must end first.
    pub(super) fn assess(&mut self) {
        if self.options.dry_run {
            for task in self.indices() {
                if self.is_pending(task) && self.is_prune(task) {
                    let (status, message) = match &self.tasks[task].operation {
                        Operation::KeepUndeclared(why) => (TaskStatus::PruneSkipped, why.clone()),
                        _ => (TaskStatus::Pruned, "pruned (dry run)".to_owned()),
                    };
                    self.record(task, Some(status), OperationPhase::Succeeded, &message);
                }
            }
        }
        self.adopt_issued_hooks();
        self.update_running();
        if self.wait_for_running() || self.wait_for_deletions() {
            self.todo.push_front(Instruction::Rest);
            return;
        }
        let requests = self
            .indices()
            .filter(|&task| self.is_hook(task) && self.is_completed(task))
            .filter_map(|task| self.finalizer_removal(task))
            .collect();
        self.todo
            .push_back(Instruction::Send(requests, Awaited::Finalizers));
        self.todo.push_back(Instruction::Decide);
    }

    /// Hooks whose creation was under way when a process ended: one that exists, and is not the one
    /// that was there before, was created. Others are applied again, which changes nothing.
    fn adopt_issued_hooks(&mut self) {
        for task in self.indices() {
            let before = self.progress.issued.get(&self.keys[task]);
            if let Some(before) = before
                && self.is_pending(task)
                && self
                    .live(task)
                    .is_some_and(|live| !live.is_terminating() && live.uid() != before)
            {
                let message = format!("{} created", self.tasks[task].object.name);
                self.record(
                    task,
                    Some(TaskStatus::Synced),
                    OperationPhase::Running,
                    &message,
                );
            }
        }
    }

    fn update_running(&mut self) {
        for task in self.indices() {
            if !self.is_running(task) {
                continue;
            }
            let status = self.status(task);
            let Some(live) = self.live(task).cloned() else {
                continue;
            };
            if self.is_hook(task) {
                let (state, message) = self.hook_state(&live);
                self.record(task, status, state, &message);
            } else {
                match self.judge(&live) {
                    None => self.record(task, status, OperationPhase::Succeeded, ""),
                    Some(health) if health.status == HealthStatus::Healthy => {
                        self.record(task, status, OperationPhase::Succeeded, &health.message);
                    }
                    Some(health) if health.status == HealthStatus::Degraded => {
                        self.record(task, status, OperationPhase::Failed, &health.message);
                    }
                    Some(_) if self.is_unreported(task, &live) => self.record(
                        task,
                        status,
                        OperationPhase::Succeeded,
                        "not waited for: no controller has written a status",
                    ),
                    Some(_) => {}
                }
            }
            self.time_out(task);
        }
    }

    /// Whether the object is a custom one of which nobody has written a status for a while.
    fn is_unreported(&self, task: usize, live: &Manifest) -> bool {
        let group = live.group();
        let is_custom = group.contains('.') && !group.ends_with(".k8s.io");
        let status = live.pointer("/status").and_then(Value::as_object);
        is_custom
            && status.is_none_or(serde_json::Map::is_empty)
            && self.age(task) >= self.options.unreported_after
    }

    /// How long ago the task was sent.
    fn age(&self, task: usize) -> Duration {
        let since = self.result(task).map_or(0, |result| result.since);
        let age = self.now.as_millisecond().saturating_sub(since);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    fn time_out(&mut self, task: usize) {
        let (Some(timeout), true) = (self.options.task_timeout, self.is_running(task)) else {
            return;
        };
        let Some(result) = self.result(task) else {
            return;
        };
        if self.age(task) >= timeout {
            let (status, last) = (result.status, result.message.clone());
            self.record(
                task,
                status,
                OperationPhase::Failed,
                &format!("not healthy within {timeout:?}: {last}"),
            );
        }
    }

    /// Whether tasks differ in phase or wave. Pruned objects that are gone do not count any more.
    fn is_multi_step(&self) -> bool {
        let mut places = self
            .indices()
            .filter(|&task| !self.result(task).is_some_and(|result| result.gone))
            .map(|task| {
                let entry = &self.tasks[task];
                (entry.phase, entry.wave, entry.stage)
            });
        let first = places.next();
        first.is_some() && places.next_back().is_some_and(|last| Some(last) != first)
    }

    fn wait_for_running(&mut self) -> bool {
        let gated = self.is_multi_step() || self.options.wait_healthy;
        let running: Vec<usize> = self
            .indices()
            .filter(|&task| (gated || self.is_hook(task)) && self.is_running(task))
            .collect();
        if running.is_empty() {
            return false;
        }
        for &task in &running {
            if self.live(task).is_none() {
                let object = &self.tasks[task].object;
                let message = format!(
                    "Resource {}/{}/{} is missing, it might have been deleted",
                    object.gvk.group, object.gvk.kind, object.name
                );
                self.record(
                    task,
                    Some(TaskStatus::SyncFailed),
                    OperationPhase::Error,
                    &message,
                );
            }
        }
        self.set_running(&running, false);
        true
    }

    fn wait_for_deletions(&mut self) -> bool {
        let mut under_deletion = Vec::new();
        let mut late = Vec::new();
        for task in self.indices() {
            if self.status(task) != Some(TaskStatus::Pruned) {
                continue;
            }
            match self.live.get(&self.tasks[task].object.id()) {
                Some(Some(live)) if live.is_terminating() => {
                    let finalizers: Vec<&str> = live.finalizers().collect();
                    match self.options.task_timeout {
                        Some(timeout) if self.age(task) >= timeout => late.push((
                            task,
                            format!(
                                "not gone within {timeout:?}; finalizers: {}",
                                finalizers.join(", ")
                            ),
                        )),
                        _ => under_deletion.push(task),
                    }
                }
                Some(None) => {
                    if let Some(result) = self.progress.results.get_mut(&self.keys[task]) {
                        result.gone = true;
                    }
                }
                _ => {}
            }
        }
        for (task, message) in late {
            self.record(
                task,
                Some(TaskStatus::Pruned),
                OperationPhase::Failed,
                &message,
            );
        }
        if under_deletion.is_empty() {
            return false;
        }
        self.set_running(&under_deletion, true);
        true
    }

    pub(super) fn finalizer_removal(&self, task: usize) -> Option<Request> {
        let live = self.live(task)?;
        hooks::has_hook_finalizer(live).then(|| Request {
            task,
            kind: RequestKind::RemoveFinalizer {
                object: live.clone(),
            },
        })
    }

    /// Hooks that go after success or failure.
    pub(super) fn hook_deletions(&self, policy: DeletePolicy) -> Vec<Request> {
        self.indices()
            .filter(|&task| self.has_policy(task, policy) && !self.is_running(task))
            .filter_map(|task| {
                let live = self.live(task)?;
                Some(Request {
                    task,
                    kind: RequestKind::DeleteHook {
                        object: live.object_ref(),
                    },
                })
            })
            .collect()
    }

    /// Starts the next wave, or ends the sync.
    pub(super) fn decide(&mut self) {
        let failed = self.indices().any(|task| {
            self.tasks[task].phase != Phase::SyncFail
                && self.is_completed(task)
                && !self.is_successful(task)
        });
        if failed {
            let deletions = self.hook_deletions(DeletePolicy::HookFailed);
            self.todo
                .push_back(Instruction::Send(deletions, Awaited::Cleanup));
            self.todo.push_back(Instruction::Fail {
                message: "one or more synchronization tasks completed unsuccessfully",
                cleanup: false,
            });
            return;
        }
        let pending: Vec<usize> = self
            .indices()
            .filter(|&task| self.tasks[task].phase != Phase::SyncFail && self.is_pending(task))
            .collect();
        let place = |task: usize| {
            let entry = &self.tasks[task];
            (entry.phase, entry.wave, entry.stage)
        };
        let (Some(&first), Some(&last)) = (pending.first(), pending.last()) else {
            let deletions = self.hook_deletions(DeletePolicy::HookSucceeded);
            self.todo
                .push_back(Instruction::Send(deletions, Awaited::Cleanup));
            self.todo.push_back(Instruction::Rest);
            self.progress.set(
                OperationPhase::Succeeded,
                "successfully synced (no more tasks)",
            );
            return;
        };
        let (now, is_last) = (place(first), place(first) == place(last));
        let wave: Vec<usize> = pending
            .iter()
            .copied()
            .filter(|&task| place(task) == now)
            .collect();
        let rest = pending.len() - wave.len();
        self.progress
            .set(OperationPhase::Running, "one or more tasks are running");
        self.start(wave, Purpose::Wave { is_last, rest });
    }

    /// Starts a run.
    pub(super) fn start(&mut self, tasks: Vec<usize>, purpose: Purpose) {
        self.run.begin(tasks, purpose);
        self.todo.push_front(Instruction::Run(Part::Finalizers));
    }

    /// Runs SyncFail hooks, then fails with the reasons of failed tasks. With `cleanup`, hooks that
    /// go after a failure are deleted once it is final.
    pub(super) fn fail(&mut self, message: &'static str, cleanup: bool) {
        let is_sync_fail = |task: usize| self.tasks[task].phase == Phase::SyncFail;
        let refused = |task: &usize| self.status(*task) == Some(TaskStatus::SyncFailed);
        let (fail_hooks, others): (Vec<usize>, Vec<usize>) =
            self.indices().partition(|&task| is_sync_fail(task));
        let mut text = self.with_reasons(message, others.into_iter().filter(refused));
        if !fail_hooks.iter().all(|&task| self.is_completed(task)) {
            let pending: Vec<usize> = fail_hooks
                .into_iter()
                .filter(|&task| self.is_pending(task))
                .collect();
            self.start(pending, Purpose::SyncFail { beside: Vec::new() });
            return;
        }
        let refused: Vec<usize> = fail_hooks.into_iter().filter(refused).collect();
        if !refused.is_empty() {
            let reasons = self.with_reasons("one or more SyncFail hooks failed", refused);
            text = format!("{text}\n{reasons}");
        }
        self.progress.set(OperationPhase::Failed, text);
        if cleanup {
            let deletions = self.hook_deletions(DeletePolicy::HookFailed);
            self.todo
                .push_back(Instruction::Send(deletions, Awaited::Cleanup));
        }
        self.todo.push_back(Instruction::Rest);
    }

    fn with_reasons(&self, message: &str, tasks: impl IntoIterator<Item = usize>) -> String {
        let mut reasons: Vec<&str> = Vec::new();
        for task in tasks {
            let reason = self.result(task).map_or("", |result| &result.message);
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        if reasons.is_empty() {
            message.to_owned()
        } else {
            format!("{message}, reason: {}", reasons.join(","))
        }
    }

    /// Says what is waited for.
    pub(super) fn set_running(&mut self, tasks: &[usize], deletion: bool) {
        let (hooks, resources): (Vec<usize>, Vec<usize>) =
            tasks.iter().partition(|&&task| self.is_hook(task));
        let Some(&first) = hooks.first().or(resources.first()) else {
            self.progress.set(OperationPhase::Running, "");
            return;
        };
        let reason = match (deletion, hooks.is_empty()) {
            (false, false) => "completion of hook",
            (false, true) => "healthy state of",
            (true, false) => "deletion of hook",
            (true, true) => "deletion of",
        };
        let object = &self.tasks[first].object;
        let mut message = format!(
            "waiting for {reason} {}/{}/{}",
            object.gvk.group, object.gvk.kind, object.name
        );
        if tasks.len() > 1 {
            let what = if resources.is_empty() {
                "hooks"
            } else {
                "resources"
            };
            message.push_str(&format!(" and {} more {what}", tasks.len() - 1));
        }
        self.progress.set(OperationPhase::Running, message);
    }
}
