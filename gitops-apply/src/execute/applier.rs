//! [`Applier`] of this crate: plans by a [`Differ`], executes by the [`Machine`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use gitops_core::{
    Classified, Manifest, ObjectId, ObjectRef, Scope,
    app::OperationPhase,
    apply::{
        Applier, Checkpoints, DeletionHooks, ExecuteContext, ExecuteError, ExecuteOptions,
        PlanError,
    },
    clock::Timestamp,
    cluster::{Cluster, ClusterError, ListScope},
    diff::Differ,
    events::Event,
    health::Health,
    plan::{
        Action as PlanAction, DesiredSet, LiveSet, Outcome, Owner, Phase, Plan, PlanOptions,
        Reason, Report, Step,
    },
    schema::Schemas,
    state::{StateItem, StateKey, StateStore, load_json, save_json},
};

use super::{
    confirm::{self, Answers},
    machine::{Machine, MachineOptions},
    outdated,
    parent::Parent,
    program,
    progress::Progress,
    proven::Proven,
    report,
    request::{Action, Completion, Observation, Request, RequestKind},
    send::Sender,
};
use crate::{
    hooks::{self, DeleteHook},
    plan::{self, Earlier},
};

/// Plans and executes on any [`Cluster`].
///
/// ```
/// # use std::sync::Arc;
/// # use gitops_core::{diff::Differ, state::MemoryStateStore};
/// # fn example(differ: Arc<dyn Differ>) {
/// use gitops_apply::execute::SyncApplier;
/// let applier = SyncApplier::new(differ, Arc::new(MemoryStateStore::default()));
/// # }
/// ```
pub struct SyncApplier {
    differ: Arc<dyn Differ>,
    state: Arc<dyn StateStore>,
    answers: Answers,
    prepared: Mutex<Earlier>,
}

impl SyncApplier {
    /// `state` keeps the progress of syncs that run hooks, so that no hook runs twice when a process
    /// ends in the middle.
    #[must_use]
    pub fn new(differ: Arc<dyn Differ>, state: Arc<dyn StateStore>) -> Self {
        Self {
            differ,
            state,
            answers: Answers::default(),
            prepared: Mutex::default(),
        }
    }
}

#[async_trait]
impl Applier for SyncApplier {
    fn plan(
        &self,
        desired: &DesiredSet,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        let owner = confirm::key(&desired.owner);
        let differ = Proven {
            differ: &*self.differ,
            answers: &self.answers,
            owner: &owner,
        };
        let prepared = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let mut earlier = prepared().take(&owner, desired, &options.tracking);
        let plan = plan::plan_again(&differ, desired, live, schemas, options, &mut earlier);
        prepared().put(&owner, earlier);
        let plan = plan?;
        let objects = plan.steps.iter().map(|step| &step.object);
        self.answers.keep(&owner, objects);
        Ok(plan)
    }

    fn plan_deletion(
        &self,
        owner: &Owner,
        desired: Option<&DesiredSet>,
        live: &LiveSet,
        schemas: &dyn Schemas,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        plan::plan_deletion(owner, desired, live, schemas, options)
    }

    fn deletion_hooks(&self, desired: &DesiredSet) -> DeletionHooks {
        let has = |hook| {
            let objects = &desired.objects;
            objects
                .iter()
                .any(|object| hooks::is_delete_hook(object, hook))
        };
        DeletionHooks {
            before: has(DeleteHook::PreDelete),
            after: has(DeleteHook::PostDelete),
        }
    }

    async fn confirm(
        &self,
        plan: Plan,
        live: &LiveSet,
        cluster: &dyn Cluster,
    ) -> Result<Plan, ExecuteError> {
        Ok(confirm::confirm(&self.answers, plan, live, cluster).await)
    }

    async fn execute(
        &self,
        plan: &Plan,
        cluster: &dyn Cluster,
        context: &ExecuteContext<'_>,
        options: &ExecuteOptions,
    ) -> Result<Report, ExecuteError> {
        if plan::digest(&plan.payload) != plan.payload_digest {
            return Err(ExecuteError::PayloadMismatch);
        }
        let refusals = refusals(plan, context);
        if !refusals.is_empty() {
            return Ok(report::refused(plan, &refusals));
        }
        if !plan.fresh {
            let changed = outdated::changes(&*self.differ, plan, cluster).await?;
            if !changed.is_empty() {
                return Err(ExecuteError::Outdated { changed });
            }
        }
        let (checkpoint, progress) =
            Checkpoint::open(&*self.state, plan, options.checkpoints).await?;
        let mut progress = progress.unwrap_or_else(|| Progress {
            revision: plan.revision.clone(),
            started_at: plan.settings.started_at,
            hooks: program::hooks_digest(plan),
            ..Progress::default()
        });
        let program = program::of(plan, progress.started_at);
        program.forget_objects(&mut progress);
        let machine = Machine::new(
            program.tasks,
            MachineOptions {
                preflight: plan.settings.preflight,
                dry_run: false,
                wait_healthy: options.wait_healthy,
                task_timeout: options.task_timeout,
                unreported_after: options.unreported_after,
                namespace: plan.settings.namespace.clone(),
                wait_gone: plan.settings.deletion,
                ..MachineOptions::default()
            },
            progress,
            context.health,
        );
        let mut drive = Drive {
            plan,
            steps: program.steps,
            machine,
            sender: Sender {
                cluster,
                clock: context.clock,
                field_manager: &plan.settings.field_manager,
                propagation: plan.settings.propagation,
                poll_interval: options.poll_interval,
                brings_kinds: program.brings_kinds,
            },
            context,
            options,
            checkpoint,
            started: context.clock.now(),
            seen: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            wave: None,
        };
        let parent = Parent::open(&drive.sender, plan).await?;
        drive.run().await?;
        let report = drive.report();
        if let Some(parent) = parent {
            parent.close(&drive.sender, plan, &report).await?;
        }
        Ok(report)
    }
}

/// Steps that the policy does not permit: nothing is done where there is one.
fn refusals(plan: &Plan, context: &ExecuteContext<'_>) -> Vec<(usize, String)> {
    let is_checked = |step: &Step| !matches!(step.action, PlanAction::Skip | PlanAction::Prune);
    let fail_on_shared = plan
        .settings
        .sync_options
        .iter()
        .any(|option| option == "FailOnSharedResource=true");
    let shared = plan
        .steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| match &step.reason {
            Reason::OwnedBy { owner } if fail_on_shared => Some((
                index,
                format!("{} is part of application {owner}", step.object),
            )),
            _ => None,
        });
    let forbidden = plan
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| is_checked(step))
        .filter_map(|(index, step)| {
            let scope = if step.object.namespace.is_empty() {
                Scope::Cluster
            } else {
                Scope::Namespaced
            };
            let verdict = context.policy.permits(&step.gvk, &step.object, scope);
            Some((index, verdict.err()?))
        });
    shared.chain(forbidden).collect()
}

/// Progress that outlives the process. Only syncs with hooks need it: everything else can be sent
/// again without harm, and is not, because a new plan sees what is there.
struct Checkpoint<'a> {
    state: &'a dyn StateStore,
    key: StateKey,
    wanted: bool,
    kept: Checkpoints,
    stored: bool,
    /// What was saved last: waiting for something that does not change costs no writes.
    last: Option<Progress>,
}

/// A sync that was interrupted longer ago begins anew.
const MAX_AGE_SECONDS: i64 = 24 * 60 * 60;

impl<'a> Checkpoint<'a> {
    /// Also the progress of the same sync that was interrupted, where there is any.
    async fn open(
        state: &'a dyn StateStore,
        plan: &Plan,
        kept: Checkpoints,
    ) -> Result<(Self, Option<Progress>), ExecuteError> {
        let key = StateKey {
            owner: plan.owner.clone(),
            item: StateItem::Checkpoint,
        };
        let wanted = plan.steps.iter().any(|step| step.hook);
        let mut checkpoint = Self {
            state,
            key,
            wanted,
            kept,
            stored: false,
            last: None,
        };
        if !wanted {
            return Ok((checkpoint, None));
        }
        let stored: Option<Progress> = load_json(state, &checkpoint.key)
            .await
            .map_err(state_failed)?;
        checkpoint.stored = stored.is_some();
        let progress = stored
            .filter(|stored| {
                stored.revision == plan.revision
                    && stored.hooks == program::hooks_digest(plan)
                    && plan.settings.started_at - stored.started_at < MAX_AGE_SECONDS
                    && !is_over(stored, kept)
            })
            .map(|mut stored| {
                // The process may have ended while it cleaned up: that is done again.
                stored.phase = OperationPhase::Running;
                stored.ended = false;
                stored
            });
        Ok((checkpoint, progress))
    }

    async fn save(&mut self, progress: &Progress) -> Result<(), ExecuteError> {
        if self.wanted && self.last.as_ref() != Some(progress) {
            save_json(self.state, &self.key, progress)
                .await
                .map_err(state_failed)?;
            self.stored = true;
            self.last = Some(progress.clone());
        }
        Ok(())
    }

    /// The sync has ended.
    async fn end(&mut self, progress: &Progress) -> Result<(), ExecuteError> {
        if matches!(self.kept, Checkpoints::UntilRecorded(_)) {
            let progress = Progress {
                ended: true,
                ..progress.clone()
            };
            return self.save(&progress).await;
        }
        if self.stored {
            self.state
                .save(&self.key, None)
                .await
                .map_err(state_failed)?;
            self.stored = false;
        }
        Ok(())
    }
}

/// Whether a checkpoint is of a sync whose end is known.
fn is_over(progress: &Progress, kept: Checkpoints) -> bool {
    // A process may have ended while it cleaned up.
    progress.ended
        && match kept {
            Checkpoints::UntilRecorded(recorded) => {
                recorded.is_some_and(|recorded| progress.started_at <= recorded.as_second())
            }
            _ => true,
        }
}

fn state_failed(error: gitops_core::state::StateError) -> ExecuteError {
    ExecuteError::Other {
        class: error.class(),
        source: Box::new(error),
    }
}

/// One execution.
struct Drive<'a> {
    plan: &'a Plan,
    /// The step of each task.
    steps: Vec<usize>,
    machine: Machine<'a>,
    sender: Sender<'a>,
    context: &'a ExecuteContext<'a>,
    options: &'a ExecuteOptions,
    checkpoint: Checkpoint<'a>,
    started: Timestamp,
    /// Objects as they were seen last.
    seen: BTreeMap<ObjectId, Manifest>,
    verdicts: BTreeMap<ObjectId, Health>,
    wave: Option<(Phase, i64)>,
}

impl Drive<'_> {
    async fn run(&mut self) -> Result<(), ExecuteError> {
        let mut observation = Observation::default();
        loop {
            observation.terminate = self.reason_to_end();
            let actions = self.machine.next(&observation, self.context.clock.now());
            observation = Observation::default();
            let (mut reads, mut requests) = (Vec::new(), Vec::new());
            for action in actions {
                match action {
                    Action::Read(object) => reads.push(object),
                    Action::Send(request) => requests.push(request),
                    Action::WaveEnded { last, .. } => {
                        if !last && !self.options.wave_delay.is_zero() {
                            self.context.clock.sleep(self.options.wave_delay).await;
                        }
                    }
                    Action::Wait => {
                        self.checkpoint.save(self.machine.progress()).await?;
                        self.context.clock.sleep(self.options.poll_interval).await;
                    }
                    Action::Finish => {
                        self.checkpoint.end(self.machine.progress()).await?;
                        return Ok(());
                    }
                }
            }
            if !reads.is_empty() {
                observation.reads = self.read(reads).await?;
            }
            if !requests.is_empty() {
                self.announce(&requests);
                if requests.iter().any(|request| self.concerns_hook(request)) {
                    self.checkpoint.save(self.machine.progress()).await?;
                }
                observation.completions = self.send(requests).await;
            }
        }
    }

    fn reason_to_end(&self) -> Option<String> {
        let cancelled = self
            .options
            .cancel
            .as_ref()
            .is_some_and(gitops_core::apply::CancelToken::is_cancelled);
        if cancelled {
            return Some("cancelled".to_owned());
        }
        let since = self.context.clock.now().duration_since(self.started);
        let since = Duration::try_from(since).unwrap_or_default();
        (since >= self.options.deadline).then(|| {
            let waiting = self.machine.waiting_for();
            let deadline = self.options.deadline;
            match waiting.is_empty() {
                true => format!("not done within {deadline:?}"),
                false => format!("not done within {deadline:?}: {waiting}"),
            }
        })
    }

    /// Whether what is known must be durable before the request is sent.
    fn concerns_hook(&self, request: &Request) -> bool {
        !matches!(request.kind, RequestKind::DryRun { .. })
            && self.machine.tasks()[request.task].hook.is_some()
    }

    fn announce(&mut self, requests: &[Request]) {
        let Some(request) = requests
            .iter()
            .find(|request| !matches!(request.kind, RequestKind::DryRun { .. }))
        else {
            return;
        };
        let task = &self.machine.tasks()[request.task];
        let place = (task.phase, task.wave);
        let writes = matches!(
            request.kind,
            RequestKind::Write { .. } | RequestKind::Prune { .. }
        );
        if !writes || self.wave == Some(place) {
            return;
        }
        self.wave = Some(place);
        let steps = self
            .machine
            .tasks()
            .iter()
            .filter(|task| (task.phase, task.wave) == place)
            .count();
        self.context.events.event(&Event::WaveStarted {
            owner: self.plan.owner.clone(),
            phase: place.0,
            wave: place.1,
            steps,
        });
    }

    async fn send(&mut self, requests: Vec<Request>) -> Vec<Completion> {
        let concurrency = self.options.concurrency.max(1);
        let reported: BTreeSet<usize> = requests
            .iter()
            .filter(|request| {
                matches!(
                    request.kind,
                    RequestKind::Write { .. } | RequestKind::Prune { .. }
                )
            })
            .map(|request| request.task)
            .collect();
        let sender = &self.sender;
        let mut completions: Vec<Completion> = stream::iter(requests)
            .map(|request| sender.send(request))
            .buffer_unordered(concurrency)
            .collect()
            .await;
        // The order in which answers come is chance; results are recorded in the order of the plan.
        completions.sort_by_key(|completion| completion.task);
        for completion in &completions {
            if let Ok(sent) = &completion.outcome
                && let Some(object) = &sent.object
            {
                self.seen.insert(object.id(), object.clone());
            }
            if reported.contains(&completion.task) {
                self.step_ended(completion);
            }
        }
        completions
    }

    fn step_ended(&self, completion: &Completion) {
        let step = &self.plan.steps[self.steps[completion.task]];
        let (outcome, message) = match &completion.outcome {
            Err(refusal) => (Outcome::Failed, refusal.message.clone()),
            Ok(_) if step.action == PlanAction::Prune => (Outcome::Pruned, String::new()),
            Ok(sent) => (Outcome::Synced, sent.message.clone()),
        };
        self.context.events.event(&Event::StepEnded {
            owner: self.plan.owner.clone(),
            object: self.machine.tasks()[completion.task].object.id(),
            action: step.action,
            outcome,
            message,
        });
    }

    /// Reads objects, many of one kind and namespace by one list.
    async fn read(
        &mut self,
        objects: Vec<ObjectRef>,
    ) -> Result<Vec<(ObjectRef, Option<Manifest>)>, ExecuteError> {
        const WORTH_A_LIST: usize = 8;
        let mut groups: BTreeMap<_, Vec<ObjectRef>> = BTreeMap::new();
        for object in objects {
            let place = (object.gvk.clone(), object.namespace.clone());
            groups.entry(place).or_default().push(object);
        }
        let mut found = Vec::new();
        let mut single = Vec::new();
        for ((gvk, namespace), members) in groups {
            if members.len() < WORTH_A_LIST {
                single.extend(members);
                continue;
            }
            let scope = ListScope {
                gvk,
                namespace: (!namespace.is_empty()).then_some(namespace),
                label_selector: String::new(),
                metadata_only: false,
            };
            let list = self
                .sender
                .patiently("list", || self.sender.cluster.list(&scope))
                .await?;
            let by_name: BTreeMap<&str, &Manifest> = list
                .items
                .iter()
                .map(|object| (object.name(), object))
                .collect();
            for member in members {
                let live = by_name
                    .get(member.name.as_str())
                    .map(|live| (*live).clone());
                found.push((member, live));
            }
        }
        let sender = &self.sender;
        let mut reads = stream::iter(single)
            .map(|object| async move {
                let live = match sender.get(&object).await {
                    Ok(live) => live,
                    Err(ClusterError::UnknownKind { .. } | ClusterError::NotFound { .. }) => None,
                    Err(error) => return Err(error),
                };
                Ok((object, live))
            })
            .buffer_unordered(self.options.concurrency.max(1));
        while let Some(read) = reads.next().await {
            found.push(read?);
        }
        drop(reads);
        for (object, live) in &found {
            match live {
                Some(live) => self.look_at(live),
                None => {
                    self.seen.remove(&object.id());
                }
            }
        }
        Ok(found)
    }

    fn look_at(&mut self, live: &Manifest) {
        let id = live.id();
        if let Some(health) = self.machine.judge(live)
            && self.verdicts.get(&id) != Some(&health)
        {
            self.context.events.event(&Event::HealthChanged {
                owner: self.plan.owner.clone(),
                object: id.clone(),
                health: health.clone(),
            });
            self.verdicts.insert(id.clone(), health);
        }
        self.seen.insert(id, live.clone());
    }

    fn report(&self) -> Report {
        let health = |id: &ObjectId| {
            let live = self.seen.get(id)?;
            if hooks::is_hook(live) {
                return None;
            }
            self.machine.judge(live)
        };
        report::of(self.plan, &self.steps, &self.machine, &health)
    }
}
