//! A run of tasks that belong together: finalizers of old hooks, prunes, old hooks, then objects,
//! one kind after the other and those of one kind at once.

use gitops_core::{Manifest, app::OperationPhase, clock::Timestamp};
use serde_json::Value;

use super::{
    machine::{Awaited, Instruction, Machine, Operation},
    progress::TaskStatus,
    request::{Action, Completion, Request, RequestKind},
};
use crate::hooks::{self, DeletePolicy};

/// The run under way.
#[derive(Debug, Default)]
pub(super) struct Run {
    tasks: Vec<usize>,
    purpose: Purpose,
    state: RunState,
    /// Tasks whose old hook object is being deleted.
    deleting: Vec<usize>,
    /// Groups of tasks that are still to be sent.
    groups: Vec<Vec<usize>>,
    /// CustomResourceDefinitions that are waited for, and until when.
    definitions: Vec<usize>,
    definitions_until: Option<Timestamp>,
}

/// Why tasks are run.
#[derive(Debug, Clone, Default)]
pub(super) enum Purpose {
    /// The namespace of the destination, before the preflight check.
    #[default]
    Namespace,
    /// A wave; `rest` is how many tasks come after it.
    Wave { is_last: bool, rest: usize },
    /// SyncFail hooks, beside tasks that still run.
    SyncFail { beside: Vec<usize> },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum RunState {
    #[default]
    Successful,
    Pending,
    Failed,
}

/// The parts of a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Finalizers,
    Prunes,
    HookDeletions,
    Writes,
    NextGroup,
    AwaitDefinitions,
    End,
}

impl Run {
    pub(super) fn begin(&mut self, tasks: Vec<usize>, purpose: Purpose) {
        *self = Self {
            tasks,
            purpose,
            ..Self::default()
        };
    }

    fn worsen(&mut self, state: RunState) {
        self.state = match (self.state, state) {
            (RunState::Failed, _) | (_, RunState::Failed) => RunState::Failed,
            (RunState::Pending, _) | (_, RunState::Pending) => RunState::Pending,
            _ => RunState::Successful,
        };
    }
}

impl Machine<'_> {
    pub(super) fn run_part(&mut self, part: Part) -> Vec<Action> {
        match part {
            Part::Finalizers => {
                let requests = self
                    .run
                    .tasks
                    .iter()
                    .filter(|&&task| self.is_hook(task) && self.is_pending(task))
                    .filter_map(|&task| self.finalizer_removal(task))
                    .collect();
                self.then(Part::Prunes);
                self.send(requests, Awaited::RunFinalizers)
            }
            Part::Prunes => {
                if self.run.state != RunState::Successful {
                    self.then(Part::End);
                    return Vec::new();
                }
                self.then(Part::HookDeletions);
                let requests = self.prunes();
                self.send(requests, Awaited::RunPrunes)
            }
            Part::HookDeletions => {
                if self.run.state != RunState::Successful {
                    self.then(Part::End);
                    return Vec::new();
                }
                self.then(Part::Writes);
                let deleting: Vec<usize> = self
                    .run
                    .tasks
                    .iter()
                    .copied()
                    .filter(|&task| {
                        self.is_pending(task)
                            && self.has_policy(task, DeletePolicy::BeforeHookCreation)
                            && self.live(task).is_some()
                    })
                    .collect();
                let requests = deleting
                    .iter()
                    .filter_map(|&task| {
                        Some(Request {
                            task,
                            kind: RequestKind::DeleteHook {
                                object: self.live(task)?.object_ref(),
                            },
                        })
                    })
                    .collect();
                self.run.deleting = deleting;
                self.send(requests, Awaited::RunHookDeletions)
            }
            Part::Writes => {
                if self.run.state != RunState::Successful {
                    self.then(Part::End);
                    return Vec::new();
                }
                self.run.groups = self.groups();
                self.then(Part::NextGroup);
                Vec::new()
            }
            Part::NextGroup => {
                let Some(group) = self.run.groups.pop() else {
                    self.then(Part::End);
                    return Vec::new();
                };
                self.then(Part::AwaitDefinitions);
                self.run.definitions_until = None;
                self.run.definitions = group
                    .iter()
                    .copied()
                    .filter(|&task| {
                        self.tasks[task]
                            .target
                            .as_ref()
                            .is_some_and(hooks::is_definition)
                    })
                    .collect();
                let requests = self.writes(&group);
                self.send(requests, Awaited::RunWrites)
            }
            Part::AwaitDefinitions => self.await_definitions(),
            Part::End => self.run_ended(),
        }
    }

    fn then(&mut self, part: Part) {
        self.todo.push_front(Instruction::Run(part));
    }

    fn prunes(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        for task in self.run.tasks.clone() {
            match &self.tasks[task].operation {
                Operation::KeepUndeclared(why) => {
                    let why = why.clone();
                    self.record(
                        task,
                        Some(TaskStatus::PruneSkipped),
                        OperationPhase::Succeeded,
                        &why,
                    );
                }
                Operation::Prune => requests.push(Request {
                    task,
                    kind: RequestKind::Prune {
                        object: self.tasks[task].object.clone(),
                    },
                }),
                _ => {}
            }
        }
        requests
    }

    /// Tasks that create something, by kind, last group first.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &task in self.run.tasks.iter().filter(|&&task| !self.is_prune(task)) {
            let kind = &self.tasks[task].object.gvk.kind;
            match groups.last_mut() {
                Some(group) if self.tasks[group[0]].object.gvk.kind == *kind => group.push(task),
                _ => groups.push(vec![task]),
            }
        }
        groups.reverse();
        groups
    }

    fn writes(&mut self, group: &[usize]) -> Vec<Request> {
        let mut requests = Vec::new();
        for &task in group {
            let entry = &self.tasks[task];
            match (&entry.operation, &entry.target) {
                (Operation::Write { delivery, recreate }, Some(object)) => requests.push(Request {
                    task,
                    kind: RequestKind::Write {
                        object: object.clone(),
                        delivery: delivery.clone(),
                        recreate: *recreate,
                    },
                }),
                _ => self.record(
                    task,
                    Some(TaskStatus::Synced),
                    OperationPhase::Running,
                    "unchanged",
                ),
            }
        }
        requests
    }

    /// Waits until definitions that were sent are served, for a while.
    fn await_definitions(&mut self) -> Vec<Action> {
        let waiting: Vec<usize> = self
            .run
            .definitions
            .iter()
            .copied()
            .filter(|&task| self.status(task) == Some(TaskStatus::Synced))
            .filter(|&task| !self.live(task).is_some_and(is_established))
            .filter(|&task| matches!(self.tasks[task].operation, Operation::Write { .. }))
            .collect();
        let until = self.run.definitions_until;
        if waiting.is_empty() || until.is_some_and(|until| self.now >= until) {
            self.then(Part::NextGroup);
            return Vec::new();
        }
        self.then(Part::AwaitDefinitions);
        let objects: Vec<Action> = waiting
            .iter()
            .map(|&task| Action::Read(self.tasks[task].object.clone()))
            .collect();
        if until.is_none() {
            let timeout = self.options.definition_timeout;
            self.run.definitions_until = self.now.checked_add(timeout).ok();
            return objects;
        }
        // What was seen is not enough: look again after a while.
        let objects = waiting
            .into_iter()
            .map(|task| self.tasks[task].object.clone())
            .collect();
        self.todo.push_front(Instruction::Read(objects));
        vec![Action::Wait]
    }

    pub(super) fn run_completed(&mut self, awaited: Awaited, completion: &Completion) {
        let task = completion.task;
        let refusal = match (&completion.outcome, awaited) {
            (Ok(sent), Awaited::RunWrites) => {
                self.record(
                    task,
                    Some(TaskStatus::Synced),
                    OperationPhase::Running,
                    &sent.message,
                );
                return;
            }
            (Ok(_), Awaited::RunPrunes) => {
                self.record(
                    task,
                    Some(TaskStatus::Pruned),
                    OperationPhase::Succeeded,
                    "pruned",
                );
                return;
            }
            (Ok(_), Awaited::RunHookDeletions) => {
                // The old hook must be gone before the new one can be made: the next turn sees to it.
                self.run.worsen(RunState::Pending);
                return;
            }
            (Ok(_), _) => return,
            (Err(refusal), _) => refusal,
        };
        let (not_found, message) = (refusal.not_found, refusal.message.clone());
        match awaited {
            Awaited::RunFinalizers if not_found => {}
            Awaited::RunFinalizers => {
                self.run.worsen(RunState::Failed);
                self.error(task, "failed to remove hook finalizer", &message);
            }
            Awaited::RunPrunes if not_found => self.record(
                task,
                Some(TaskStatus::Pruned),
                OperationPhase::Succeeded,
                "pruned",
            ),
            Awaited::RunHookDeletions if not_found => {
                self.live.insert(self.tasks[task].object.id(), None);
                self.run.deleting.retain(|&other| other != task);
            }
            Awaited::RunHookDeletions => {
                self.run.worsen(RunState::Failed);
                self.error(task, "failed to delete resource", &message);
            }
            _ => {
                self.run.worsen(RunState::Failed);
                self.record(
                    task,
                    Some(TaskStatus::SyncFailed),
                    OperationPhase::Failed,
                    &message,
                );
            }
        }
    }

    fn run_ended(&mut self) -> Vec<Action> {
        let Run {
            tasks,
            purpose,
            state,
            deleting,
            ..
        } = std::mem::take(&mut self.run);
        match purpose {
            Purpose::Namespace => {
                if state == RunState::Failed {
                    self.todo.clear();
                    self.todo.push_back(Instruction::Fail {
                        message: "the namespace failed to apply",
                        cleanup: false,
                    });
                }
                Vec::new()
            }
            Purpose::SyncFail { beside } => {
                let mut waited_for = beside;
                waited_for.extend(tasks);
                self.set_running(&waited_for, false);
                self.todo.push_front(Instruction::Rest);
                Vec::new()
            }
            Purpose::Wave { is_last, rest } => {
                let ended = tasks.first().map(|&task| Action::WaveEnded {
                    phase: self.tasks[task].phase,
                    wave: self.tasks[task].wave,
                    last: is_last,
                    tasks: tasks.len(),
                });
                match state {
                    RunState::Failed => {
                        self.wave_failed(&tasks);
                        return Vec::new();
                    }
                    RunState::Pending => {
                        self.set_running(&deleting, true);
                        self.todo.push_front(Instruction::Rest);
                    }
                    RunState::Successful => self.wave_sent(&tasks, rest),
                }
                ended.into_iter().collect()
            }
        }
    }

    fn wave_sent(&mut self, tasks: &[usize], rest: usize) {
        let prunes = self.options.wait_gone && tasks.iter().any(|&task| self.is_prune(task));
        let gated =
            tasks.iter().any(|&task| self.is_hook(task)) || self.options.wait_healthy || prunes;
        if rest > 0 || gated {
            self.set_running(tasks, false);
            self.todo.push_front(Instruction::Rest);
            return;
        }
        // The last wave, without hooks: done, whatever becomes of the objects.
        self.progress.set(
            OperationPhase::Succeeded,
            "successfully synced (all tasks run)",
        );
        let deletions = self.hook_deletions(DeletePolicy::HookSucceeded);
        self.todo
            .push_back(Instruction::Send(deletions, Awaited::Cleanup));
        self.todo.push_back(Instruction::Rest);
    }

    /// An object was refused: SyncFail hooks start at once, what runs is still waited for.
    fn wave_failed(&mut self, tasks: &[usize]) {
        let running: Vec<usize> = tasks
            .iter()
            .copied()
            .filter(|&task| self.is_running(task))
            .collect();
        if running.is_empty() {
            self.todo.push_front(Instruction::Fail {
                message: "one or more objects failed to apply",
                cleanup: true,
            });
            return;
        }
        let fail_hooks: Vec<usize> = self
            .indices()
            .filter(|&task| self.tasks[task].phase == gitops_core::plan::Phase::SyncFail)
            .collect();
        if fail_hooks.iter().any(|&task| self.is_pending(task)) {
            let pending = fail_hooks
                .into_iter()
                .filter(|&task| self.is_pending(task))
                .collect();
            self.start(pending, Purpose::SyncFail { beside: running });
            return;
        }
        self.set_running(&running, false);
        self.todo.push_front(Instruction::Rest);
    }
}

fn is_established(definition: &Manifest) -> bool {
    definition
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}
