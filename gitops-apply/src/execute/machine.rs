//! The state machine of a sync: it decides, others act.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use gitops_core::{
    Manifest, ObjectId, ObjectRef,
    app::OperationPhase,
    clock::Timestamp,
    health::{Health, HealthCheck, HealthStatus},
    plan::{Delivery, Phase, Preflight},
};

use super::{
    progress::{Progress, TaskResult, TaskStatus, key},
    request::{Action, Completion, Observation, Request, RequestKind},
    run::Run,
};
use crate::hooks::{self, DeletePolicy};

/// What a task does when its turn comes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Sends the object.
    Write {
        /// How.
        delivery: Delivery,
        /// Deletes the live object first.
        recreate: bool,
    },
    /// Nothing: the object is as declared. Its health still counts.
    Keep,
    /// Deletes the object.
    Prune,
    /// Nothing, for this reason, although the object is no longer declared.
    KeepUndeclared(String),
}

/// One task of a sync, in order.
#[derive(Debug, Clone)]
pub struct SyncTask {
    /// Phase.
    pub phase: Phase,
    /// Wave within the phase.
    pub wave: i64,
    /// Position within the wave.
    pub stage: u32,
    /// What it does.
    pub operation: Operation,
    /// The object.
    pub object: ObjectRef,
    /// The object to send.
    pub target: Option<Manifest>,
    /// Whether it is a hook, with its delete policies.
    pub hook: Option<Vec<DeletePolicy>>,
    /// Leaves it out of the preflight check: the kind comes with this very sync.
    pub skip_dry_run: bool,
}

/// How a sync goes.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    /// What to check before anything is applied.
    pub preflight: Preflight,
    /// Does nothing but check.
    pub dry_run: bool,
    /// Waits after the last wave until all objects are healthy.
    pub wait_healthy: bool,
    /// Waits at the end until everything that was pruned is gone.
    pub wait_gone: bool,
    /// One object must be healthy, or gone, within this time, where it is waited for.
    pub task_timeout: Option<Duration>,
    /// A custom object is waited for no longer than this while nobody has written any status of it.
    pub unreported_after: Duration,
    /// How long a CustomResourceDefinition may take to be served before the sync goes on anyway.
    pub definition_timeout: Duration,
    /// Namespace of the destination.
    pub namespace: String,
}

impl Default for MachineOptions {
    fn default() -> Self {
        Self {
            preflight: Preflight::None,
            dry_run: false,
            wait_healthy: false,
            wait_gone: false,
            task_timeout: None,
            unreported_after: Duration::from_secs(30),
            definition_timeout: Duration::from_secs(10),
            namespace: String::new(),
        }
    }
}

/// A sync under way. [`Machine::next`] is asked again and again what to do; all that must survive a
/// crash is in [`Machine::progress`].
pub struct Machine<'a> {
    pub(super) tasks: Vec<SyncTask>,
    pub(super) keys: Vec<String>,
    pub(super) options: MachineOptions,
    pub(super) health: &'a dyn HealthCheck,
    pub(super) progress: Progress,
    /// What was seen in this turn.
    pub(super) live: BTreeMap<ObjectId, Option<Manifest>>,
    /// Instructions of this turn that are still to be carried out.
    pub(super) todo: VecDeque<Instruction>,
    /// What the requests that are under way are for.
    pub(super) awaited: Option<Awaited>,
    pub(super) run: Run,
    pub(super) now: Timestamp,
    /// Why the sync ends early.
    terminating: Option<String>,
}

/// One thing to do within a turn.
#[derive(Debug, Clone)]
pub(super) enum Instruction {
    /// Reads what the turn needs.
    Look,
    /// Checks everything by dry-run.
    Preflight,
    /// Brings results up to date with what was seen, and waits if something runs.
    Assess,
    /// Starts the next wave, or ends the sync.
    Decide,
    /// Runs SyncFail hooks, then fails.
    Fail {
        message: &'static str,
        cleanup: bool,
    },
    /// Sends requests, then goes on.
    Send(Vec<Request>, Awaited),
    /// One part of a run, see [`Run`].
    Run(super::run::Part),
    /// Reads these objects.
    Read(Vec<ObjectRef>),
    /// Ends the sync early.
    Terminate,
    /// Ends the turn.
    Rest,
}

/// What requests are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Preflight,
    Finalizers,
    Cleanup,
    RunFinalizers,
    RunPrunes,
    RunHookDeletions,
    RunWrites,
    Termination,
}

impl<'a> Machine<'a> {
    /// A sync of these tasks, which must be in order. `progress` is empty, or that of a sync of the
    /// same tasks that was interrupted.
    #[must_use]
    pub fn new(
        tasks: Vec<SyncTask>,
        options: MachineOptions,
        progress: Progress,
        health: &'a dyn HealthCheck,
    ) -> Self {
        let keys = tasks
            .iter()
            .map(|task| key(task.phase, &task.object.id()))
            .collect();
        Self {
            tasks,
            keys,
            options,
            health,
            progress,
            live: BTreeMap::new(),
            todo: VecDeque::new(),
            awaited: None,
            run: Run::default(),
            now: Timestamp::UNIX_EPOCH,
            terminating: None,
        }
    }

    /// The tasks.
    #[must_use]
    pub fn tasks(&self) -> &[SyncTask] {
        &self.tasks
    }

    /// What is known so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The result of a task so far.
    #[must_use]
    pub fn result(&self, task: usize) -> Option<&TaskResult> {
        self.progress.results.get(self.keys.get(task)?)
    }

    /// What is waited for, in words that name each object and what holds it; empty where nothing is.
    #[must_use]
    pub fn waiting_for(&self) -> String {
        let held = |task: usize| {
            let object = &self.tasks[task].object;
            let id = object.id();
            let live = self.live.get(&id)?.as_ref()?;
            let result = self.result(task)?;
            if result.status == Some(TaskStatus::Pruned) && live.is_terminating() {
                let finalizers: Vec<&str> = live.finalizers().collect();
                return Some(format!(
                    "{id} is not gone (finalizers: {})",
                    finalizers.join(", ")
                ));
            }
            if result.state != Some(OperationPhase::Running) {
                return None;
            }
            let health = self.judge(live)?;
            let why = match health.message.as_str() {
                "" => String::new(),
                message => format!(" ({message})"),
            };
            (health.status != HealthStatus::Healthy)
                .then(|| format!("{id} is {:?}{why}", health.status))
        };
        let all: Vec<String> = self.indices().filter_map(held).collect();
        all.join("; ")
    }

    /// What to do next. Everything of one answer may be done at once, and must be answered with the
    /// next call. After [`Action::Finish`] the answer stays the same.
    pub fn next(&mut self, observation: &Observation, now: Timestamp) -> Vec<Action> {
        self.now = now;
        for (object, live) in &observation.reads {
            self.live.insert(object.id(), live.clone());
        }
        if let Some(awaited) = self.awaited.take() {
            for completion in &observation.completions {
                self.complete(awaited, completion);
            }
        }
        if self.progress.is_completed() && self.todo.is_empty() {
            return vec![Action::Finish];
        }
        if let Some(reason) = &observation.terminate
            && self.terminating.is_none()
        {
            self.terminating = Some(reason.clone());
            self.progress.phase = OperationPhase::Terminating;
            self.todo.clear();
            self.todo.extend([
                Instruction::Read(self.hooks_to_see()),
                Instruction::Terminate,
            ]);
        }
        loop {
            let Some(instruction) = self.todo.pop_front() else {
                // A new turn.
                self.live.clear();
                self.todo.push_back(Instruction::Look);
                continue;
            };
            let actions = self.carry_out(instruction);
            if !actions.is_empty() {
                return actions;
            }
        }
    }

    fn carry_out(&mut self, instruction: Instruction) -> Vec<Action> {
        match instruction {
            Instruction::Look => {
                let wanted = self.objects_to_see();
                self.todo.push_back(Instruction::Read(wanted));
                self.todo.push_back(Instruction::Preflight);
                self.todo.push_back(Instruction::Assess);
                Vec::new()
            }
            Instruction::Read(mut objects) => {
                objects.sort();
                objects.dedup();
                objects.into_iter().map(Action::Read).collect()
            }
            Instruction::Preflight => {
                self.preflight();
                Vec::new()
            }
            Instruction::Assess => {
                self.assess();
                Vec::new()
            }
            Instruction::Decide => {
                self.decide();
                Vec::new()
            }
            Instruction::Fail { message, cleanup } => {
                self.fail(message, cleanup);
                Vec::new()
            }
            Instruction::Send(requests, awaited) => self.send(requests, awaited),
            Instruction::Run(part) => self.run_part(part),
            Instruction::Terminate => {
                self.terminate();
                Vec::new()
            }
            Instruction::Rest => {
                self.todo.clear();
                vec![if self.progress.is_completed() {
                    Action::Finish
                } else {
                    Action::Wait
                }]
            }
        }
    }

    pub(super) fn send(&mut self, mut requests: Vec<Request>, awaited: Awaited) -> Vec<Action> {
        if matches!(awaited, Awaited::Finalizers | Awaited::Cleanup) {
            // A hook of several phases is one object.
            let mut seen = BTreeSet::new();
            requests.retain(|request| seen.insert(self.tasks[request.task].object.clone()));
        }
        if requests.is_empty() {
            return Vec::new();
        }
        for request in &requests {
            if !matches!(request.kind, RequestKind::DryRun { .. }) {
                self.progress.writes += 1;
            }
            if let RequestKind::RemoveFinalizer { object } = &request.kind
                && let Some(Some(live)) = self.live.get_mut(&object.id())
            {
                // It is asked for once in a turn.
                live.metadata_mut().remove("finalizers");
            }
            if matches!(request.kind, RequestKind::Write { .. })
                && self.tasks[request.task].hook.is_some()
            {
                let before = self.live(request.task).map_or("", Manifest::uid).to_owned();
                let key = self.keys[request.task].clone();
                self.progress.issued.insert(key, before);
            }
        }
        self.awaited = Some(awaited);
        requests.into_iter().map(Action::Send).collect()
    }

    fn complete(&mut self, awaited: Awaited, completion: &Completion) {
        let task = completion.task;
        if task >= self.tasks.len() {
            return;
        }
        match awaited {
            Awaited::Preflight => self.dry_run_ended(completion),
            Awaited::Finalizers => {
                if let Err(refusal) = &completion.outcome
                    && !refusal.not_found
                {
                    self.error(task, "Failed to remove hook finalizer", &refusal.message);
                }
            }
            Awaited::Cleanup => {
                if let Err(refusal) = &completion.outcome
                    && !refusal.not_found
                {
                    self.error(task, "failed to delete resource", &refusal.message);
                }
            }
            Awaited::Termination => self.hook_terminated(completion),
            Awaited::RunFinalizers
            | Awaited::RunPrunes
            | Awaited::RunHookDeletions
            | Awaited::RunWrites => self.run_completed(awaited, completion),
        }
    }

    /// Records an error of a task without touching what was done.
    pub(super) fn error(&mut self, task: usize, what: &str, why: &str) {
        let status = self.status(task);
        self.record(
            task,
            status,
            OperationPhase::Error,
            &format!("{what}: {why}"),
        );
    }

    pub(super) fn record(
        &mut self,
        task: usize,
        status: Option<TaskStatus>,
        state: OperationPhase,
        message: &str,
    ) {
        self.progress
            .record(&self.keys[task], status, Some(state), message, self.now);
    }

    pub(super) fn status(&self, task: usize) -> Option<TaskStatus> {
        self.result(task).and_then(|result| result.status)
    }

    pub(super) fn state(&self, task: usize) -> Option<OperationPhase> {
        self.result(task).and_then(|result| result.state)
    }

    pub(super) fn is_pending(&self, task: usize) -> bool {
        self.state(task).is_none()
    }

    pub(super) fn is_running(&self, task: usize) -> bool {
        self.state(task) == Some(OperationPhase::Running)
    }

    pub(super) fn is_completed(&self, task: usize) -> bool {
        matches!(
            self.state(task),
            Some(OperationPhase::Failed | OperationPhase::Error | OperationPhase::Succeeded)
        )
    }

    pub(super) fn is_successful(&self, task: usize) -> bool {
        self.state(task) == Some(OperationPhase::Succeeded)
    }

    pub(super) fn is_hook(&self, task: usize) -> bool {
        self.tasks[task].hook.is_some()
    }

    pub(super) fn is_prune(&self, task: usize) -> bool {
        matches!(
            self.tasks[task].operation,
            Operation::Prune | Operation::KeepUndeclared(_)
        )
    }

    /// The live object, where it was looked at in this turn and exists.
    pub(super) fn live(&self, task: usize) -> Option<&Manifest> {
        self.live.get(&self.tasks[task].object.id())?.as_ref()
    }

    pub(super) fn has_policy(&self, task: usize, policy: DeletePolicy) -> bool {
        self.tasks[task]
            .hook
            .as_ref()
            .is_some_and(|policies| policies.contains(&policy))
    }

    pub(super) fn indices(&self) -> std::ops::Range<usize> {
        0..self.tasks.len()
    }

    /// The verdict on a live object; a rule that cannot be evaluated says Unknown.
    pub(super) fn judge(&self, object: &Manifest) -> Option<Health> {
        match self.health.assess(object, self.now) {
            Ok(health) => health,
            Err(error) => Some(Health::new(HealthStatus::Unknown, error.to_string())),
        }
    }

    /// The live objects a turn depends on: whatever runs, hooks, and what is being deleted.
    fn objects_to_see(&self) -> Vec<ObjectRef> {
        self.indices()
            .filter(|&task| {
                let result = self.result(task);
                match self.tasks[task].operation {
                    _ if self.is_hook(task) => true,
                    Operation::Prune => {
                        result.is_some_and(|r| r.status == Some(TaskStatus::Pruned) && !r.gone)
                    }
                    Operation::KeepUndeclared(_) => false,
                    _ => self.is_running(task),
                }
            })
            .map(|task| self.tasks[task].object.clone())
            .collect()
    }

    fn hooks_to_see(&self) -> Vec<ObjectRef> {
        self.indices()
            .filter(|&task| self.is_hook(task))
            .map(|task| self.tasks[task].object.clone())
            .collect()
    }

    /// Ends the sync early: finalizers of hooks go, and hooks that still run.
    fn terminate(&mut self) {
        let mut requests = Vec::new();
        for task in self.indices() {
            if !self.is_hook(task) {
                continue;
            }
            let completed = self.is_completed(task);
            if !completed && !self.is_running(task) {
                continue;
            }
            let Some(live) = self.live(task).cloned() else {
                if self.is_running(task) {
                    let status = self.status(task);
                    self.record(task, status, OperationPhase::Succeeded, "Terminated");
                }
                continue;
            };
            if hooks::has_hook_finalizer(&live) {
                requests.push(Request {
                    task,
                    kind: RequestKind::RemoveFinalizer {
                        object: live.clone(),
                    },
                });
            }
            if completed {
                continue;
            }
            let (phase, message) = self.hook_state(&live);
            if phase == OperationPhase::Running || self.has_policy(task, DeletePolicy::HookFailed) {
                self.todo.push_back(Instruction::Send(
                    vec![Request {
                        task,
                        kind: RequestKind::DeleteHook {
                            object: live.object_ref(),
                        },
                    }],
                    Awaited::Termination,
                ));
            }
            let status = self.status(task);
            if phase == OperationPhase::Running {
                self.record(task, status, OperationPhase::Failed, "Terminated");
            } else {
                self.record(task, status, phase, &message);
            }
        }
        self.todo
            .push_front(Instruction::Send(requests, Awaited::Termination));
        self.todo.push_back(Instruction::Rest);
        let message = match self.terminating.as_deref() {
            None | Some("") => "Operation terminated".to_owned(),
            Some(reason) => format!("Operation terminated: {reason}"),
        };
        self.progress.set(OperationPhase::Failed, message);
    }

    fn hook_terminated(&mut self, completion: &Completion) {
        if let Err(refusal) = &completion.outcome
            && !refusal.not_found
        {
            self.error(completion.task, "Failed to end the hook", &refusal.message);
            self.progress
                .set(OperationPhase::Error, "Operation termination had errors");
        }
    }

    /// How far a hook is, by its health.
    pub(super) fn hook_state(&self, live: &Manifest) -> (OperationPhase, String) {
        let Some(health) = self.judge(live) else {
            return (
                OperationPhase::Succeeded,
                format!("{} created", live.name()),
            );
        };
        let phase = match health.status {
            HealthStatus::Unknown | HealthStatus::Degraded => OperationPhase::Failed,
            HealthStatus::Progressing | HealthStatus::Suspended => OperationPhase::Running,
            _ => OperationPhase::Succeeded,
        };
        (phase, health.message)
    }
}
