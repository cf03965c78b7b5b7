//! Compare, decide, sync, look again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    app::{
        AppProject, Application, ApplicationStatus, OperationPhase, OperationState, ProjectRules,
        Retry,
    },
    apply::{Checkpoints, ExecuteContext, ExecuteOptions},
    clock::Timestamp,
    cluster::Propagation,
    object::{GroupKind, GroupVersionKind, Manifest, ObjectId, Scope},
    pipeline::{Desired, Pipeline, PipelineError, desired::remembered_key, live::Noting, status},
    plan::{Action, LiveSet, Owner, Phase, Plan, PlanOptions, Prune, Reason, Report, Step},
    policy::Policy,
    state::{StateItem, StateKey, load_json, save_json},
};

/// Desired and live state of an application, and what would be done about the difference.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What is wanted.
    pub desired: Desired,
    /// What is there.
    pub live: LiveSet,
    /// What would be done.
    pub plan: Plan,
}

impl Comparison {
    /// Steps that show that the cluster is not as declared: changes, and objects that pruning would
    /// delete. Hooks do not count.
    pub fn differences(&self) -> impl Iterator<Item = &Step> {
        self.plan
            .steps
            .iter()
            .filter(|step| status::is_difference(step))
    }

    /// The live object of a step.
    #[must_use]
    pub fn live_object(&self, id: &ObjectId) -> Option<&Manifest> {
        self.live.objects.iter().find(|object| object.id() == *id)
    }
}

/// A sync that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct SyncRequest {
    /// Deletes objects that are no longer declared.
    pub prune: bool,
    /// Only these objects, without hooks; all where it is empty.
    pub only: Vec<ObjectId>,
    /// Deletes and creates objects whose immutable fields change.
    pub recreate: bool,
    /// Runs no hooks.
    pub skip_hooks: bool,
}

/// What came of reconciling an application.
#[derive(Debug)]
pub struct Outcome {
    /// The new status of the Application.
    pub status: ApplicationStatus,
    /// The last comparison, where there was one.
    pub comparison: Option<Comparison>,
    /// The sync, where there was one.
    pub report: Option<Report>,
    /// What went wrong.
    pub error: Option<PipelineError>,
    /// When to look again without a cause, where waiting was decided.
    pub look_again_after: Option<Duration>,
}

impl Outcome {
    /// Whether objects were written.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.writes > 0)
    }
}

/// What to do about a difference.
enum Decision {
    Nothing,
    Wait(Duration),
    Refuse(&'static str),
    Sync { request: SyncRequest, tries: Tries },
}

/// How often the same thing was tried before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    /// Failed syncs of the same revision.
    pub(super) retries: i64,
    /// Syncs that reverted changes made in the cluster.
    pub(super) self_heals: i64,
}

impl Pipeline {
    /// The owner that an Application's objects are marked with.
    #[must_use]
    pub fn owner(&self, application: &Application) -> Owner {
        let namespace = application.namespace();
        let own = namespace.is_empty() || namespace == self.options.control_namespace;
        let name = application.name();
        Owner {
            name: if own {
                name.to_owned()
            } else {
                format!("{namespace}_{name}")
            },
            namespace: namespace.to_owned(),
            bootstrap: false,
        }
    }

    /// What a sync of the application would do.
    ///
    /// # Errors
    /// When the Application violates its project, its sources cannot be rendered, or desired and live
    /// state cannot be compared.
    pub async fn plan(
        &self,
        owner: &Owner,
        application: &Application,
        project: &AppProject,
        request: &SyncRequest,
    ) -> Result<Comparison, PipelineError> {
        let rules = ProjectRules::new(project, &application.spec.destination);
        for source in application.sources() {
            rules
                .permits_source(&source.repo_url)
                .map_err(|reason| PipelineError::InvalidSpec { reason })?;
        }
        rules
            .permits_destination()
            .map_err(|reason| PipelineError::InvalidSpec { reason })?;
        let desired = self.desired(owner, application).await?;
        let live = self.live_set(owner, Some(&desired)).await?;
        let schemas = self.cluster.schemas().await?;
        let options = PlanOptions {
            tracking: self.options.tracking.clone(),
            ..plan_options(
                request,
                desired.set.sync_policy.option("PrunePropagationPolicy"),
                self.clock.now(),
            )
        };
        let plan = self
            .applier
            .plan(&desired.set, &live, &*schemas, &options)?;
        let plan = self.applier.confirm(plan, &live, &*self.cluster).await?;
        Ok(Comparison {
            desired,
            live,
            plan,
        })
    }

    /// Compares, syncs if the application's policy or `request` asks for it, and says how things
    /// stand afterwards.
    ///
    /// Nothing is written when nothing differs. An error is part of the outcome, never a panic or an
    /// early return: the status always says what is known.
    pub async fn reconcile(
        &self,
        owner: &Owner,
        application: &Application,
        project: &AppProject,
        request: Option<&SyncRequest>,
    ) -> Outcome {
        let automated = application
            .spec
            .sync_policy
            .as_ref()
            .and_then(|policy| policy.automated.as_ref())
            .filter(|automated| automated.is_enabled());
        let planned_for = request.cloned().unwrap_or_else(|| SyncRequest {
            prune: automated.is_some_and(|automated| automated.prune),
            ..SyncRequest::default()
        });
        let comparison = match self.plan(owner, application, project, &planned_for).await {
            Ok(comparison) => comparison,
            Err(error) => return status::failed(application, error, &*self.clock),
        };
        let decision = match request {
            Some(request)
                if comparison.plan.is_empty() || only_hooks(&comparison.plan, request) =>
            {
                if synced_before(application, &comparison) {
                    Decision::Nothing
                } else {
                    Decision::Sync {
                        request: request.clone(),
                        tries: Tries::default(),
                    }
                }
            }
            Some(request) => Decision::Sync {
                request: request.clone(),
                tries: Tries::default(),
            },
            None => decide(application, &comparison, self.clock.now()),
        };
        let outcome = match decision {
            Decision::Nothing => status::compared(self, application, comparison),
            Decision::Wait(duration) => {
                let mut outcome = status::compared(self, application, comparison);
                outcome.look_again_after = Some(duration);
                outcome
            }
            Decision::Refuse(message) => {
                let mut outcome = status::compared(self, application, comparison);
                status::add_sync_error(&mut outcome.status, message);
                outcome
            }
            Decision::Sync { request, tries } => {
                self.sync(owner, application, project, comparison, &request, tries)
                    .await
            }
        };
        status::keep_transition_times(outcome, application, self.clock.now())
    }

    async fn sync(
        &self,
        owner: &Owner,
        application: &Application,
        project: &AppProject,
        comparison: Comparison,
        request: &SyncRequest,
        tries: Tries,
    ) -> Outcome {
        let started = self.clock.now();
        let rules = ProjectRules::new(project, &application.spec.destination);
        if let Err(error) = permit(&rules, &comparison.plan) {
            return status::refused(self, application, comparison, error, started, tries);
        }
        // A plan that was narrowed to some objects, or made for another request, is made anew.
        let comparison = if request.only.is_empty() {
            comparison
        } else {
            match self.plan(owner, application, project, request).await {
                Ok(comparison) => comparison,
                Err(error) => return status::failed(application, error, &*self.clock),
            }
        };
        let recorded = application
            .status
            .as_ref()
            .and_then(|status| status.operation_state.as_ref())
            .and_then(finished_at);
        let report = match self.execute(owner, &comparison, &rules, recorded).await {
            Ok(report) => report,
            Err(error) => {
                self.live.forget_all().await;
                return status::refused(self, application, comparison, error, started, tries);
            }
        };
        let after = self.plan(owner, application, project, request).await;
        status::synced(self, application, after, report, started, tries, request)
    }

    /// Executes a plan with everything that must be durable before and after.
    async fn execute(
        &self,
        owner: &Owner,
        comparison: &Comparison,
        policy: &dyn Policy,
        recorded: Option<Timestamp>,
    ) -> Result<Report, PipelineError> {
        if comparison.desired.remembered_changed {
            let key = remembered_key(owner);
            save_json(&*self.state, &key, &comparison.desired.remembered).await?;
        }
        let inventory = Inventory {
            pipeline: self,
            owner,
        };
        let before: BTreeSet<ObjectId> = comparison.live.inventory.iter().cloned().collect();
        let mut during = before.clone();
        during.extend(
            comparison
                .plan
                .steps
                .iter()
                .filter(|step| is_kept(step))
                .map(|s| s.object.clone()),
        );
        inventory.save(&before, &during).await?;
        let options = ExecuteOptions {
            checkpoints: Checkpoints::UntilRecorded(recorded),
            ..self.options.execute.clone()
        };
        let report = self.run(&comparison.plan, policy, &options).await?;
        let mut after: BTreeSet<ObjectId> = comparison
            .plan
            .steps
            .iter()
            .filter(|step| is_kept(step) || is_left_over(step))
            .map(|step| step.object.clone())
            .collect();
        if report.phase != OperationPhase::Succeeded || !is_whole(&comparison.plan) {
            after.extend(before);
        }
        for result in &report.results {
            if result.outcome == crate::plan::Outcome::Pruned {
                after.remove(&result.object);
            }
        }
        inventory.save(&during, &after).await?;
        Ok(report)
    }

    async fn run(
        &self,
        plan: &Plan,
        policy: &dyn Policy,
        options: &ExecuteOptions,
    ) -> Result<Report, PipelineError> {
        let context = ExecuteContext {
            clock: &*self.clock,
            health: &*self.health,
            policy,
            events: &*self.events,
        };
        let cluster = Noting::new(&*self.cluster);
        let report = self
            .applier
            .execute(plan, &cluster, &context, options)
            .await;
        // What the answers have shown is known before the watches tell it.
        self.live.note(cluster.into_written()).await;
        Ok(report?)
    }

    /// Deletes everything that an application has, and forgets its state.
    ///
    /// # Errors
    /// When objects cannot be deleted. What remains stays in the inventory: call it again.
    pub async fn delete(
        &self,
        owner: &Owner,
        application: &Application,
        propagation: Propagation,
    ) -> Result<Report, PipelineError> {
        // Hooks of the deletion are rendered where that is still possible; deletion never fails for it.
        let desired = self.desired(owner, application).await.ok();
        let live = self.live_set(owner, desired.as_ref()).await?;
        let schemas = self.cluster.schemas().await?;
        let options = PlanOptions {
            propagation,
            now: self.clock.now(),
            prune: Prune::Tracked,
            tracking: self.options.tracking.clone(),
            ..PlanOptions::default()
        };
        let set = desired.as_ref().map(|desired| &desired.set);
        let plan = self
            .applier
            .plan_deletion(owner, set, &live, &*schemas, &options)?;
        let options = &self.options.execute;
        let report = self.run(&plan, &crate::policy::PermitAll, options).await?;
        if report.phase == OperationPhase::Succeeded {
            self.forget_state(owner).await?;
        }
        Ok(report)
    }

    /// Removes what the state store holds of an owner.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_state(&self, owner: &Owner) -> Result<(), PipelineError> {
        for item in [
            StateItem::Inventory,
            StateItem::Checkpoint,
            StateItem::RememberedValues,
        ] {
            let key = StateKey {
                owner: owner.clone(),
                item,
            };
            if self.state.load(&key).await?.is_some() {
                self.state.save(&key, None).await?;
            }
        }
        Ok(())
    }

    async fn live_set(
        &self,
        owner: &Owner,
        desired: Option<&Desired>,
    ) -> Result<LiveSet, PipelineError> {
        let key = StateKey {
            owner: owner.clone(),
            item: StateItem::Inventory,
        };
        let inventory: Vec<ObjectId> = load_json(&*self.state, &key).await?.unwrap_or_default();
        let discovery = self.cluster.discovery().await?;
        // Every object is read at the version it is declared in: two versions of one kind can be.
        let mut declared: BTreeMap<ObjectId, GroupVersionKind> = BTreeMap::new();
        if let Some(desired) = desired {
            let namespace = desired
                .set
                .destination
                .namespace
                .as_deref()
                .unwrap_or_default();
            for object in &desired.set.objects {
                let gvk = object.gvk();
                let mut id = object.id();
                match discovery.get(&gvk).map(|served| served.scope) {
                    Some(Scope::Cluster) => id.namespace.clear(),
                    Some(Scope::Namespaced) if id.namespace.is_empty() => {
                        namespace.clone_into(&mut id.namespace);
                    }
                    _ => {}
                }
                declared.insert(id, gvk);
            }
            if desired.set.sync_policy.option("CreateNamespace") == Some("true") {
                let id = ObjectId {
                    group: String::new(),
                    kind: "Namespace".to_owned(),
                    namespace: String::new(),
                    name: namespace.to_owned(),
                };
                declared
                    .entry(id)
                    .or_insert_with(|| GroupVersionKind::new("", "v1", "Namespace"));
            }
        }
        // The rest of a kind is read at one version, preferably one that is read anyway.
        let mut versions: BTreeMap<GroupKind, GroupVersionKind> = declared
            .values()
            .map(|gvk| (gvk.group_kind(), gvk.clone()))
            .collect();
        for id in &inventory {
            let kind = id.group_kind();
            if !versions.contains_key(&kind)
                && let Some(gvk) = discovery.preferred(&kind)
            {
                versions.insert(kind, gvk);
            }
        }
        let mut wanted: BTreeMap<GroupVersionKind, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for gvk in versions.values() {
            wanted.entry(gvk.clone()).or_default();
        }
        for (id, gvk) in &declared {
            let ids = wanted.entry(gvk.clone()).or_default();
            ids.insert((&id.namespace, &id.name));
        }
        for id in inventory.iter().filter(|id| !declared.contains_key(id)) {
            let version = versions.get(&id.group_kind());
            if let Some(ids) = version.and_then(|gvk| wanted.get_mut(gvk)) {
                ids.insert((&id.namespace, &id.name));
            }
        }
        let mut objects = Vec::new();
        for (gvk, ids) in &wanted {
            if discovery.get(gvk).is_none() {
                continue;
            }
            let live = self.live.objects(gvk).await?;
            objects.extend(ids.iter().filter_map(|(space, name)| live.get(space, name)));
            if versions.get(&gvk.group_kind()) == Some(gvk) {
                objects.extend(live.tracked_by(owner).filter(|object| {
                    !ids.contains(&(object.namespace(), object.name()))
                        && !declared.contains_key(&object.id())
                }));
            }
        }
        Ok(LiveSet { objects, inventory })
    }
}

struct Inventory<'a> {
    pipeline: &'a Pipeline,
    owner: &'a Owner,
}

impl Inventory<'_> {
    /// Saves where it differs: an unchanged inventory costs no write.
    async fn save(
        &self,
        before: &BTreeSet<ObjectId>,
        after: &BTreeSet<ObjectId>,
    ) -> Result<(), PipelineError> {
        if before != after {
            let key = StateKey {
                owner: self.owner.clone(),
                item: StateItem::Inventory,
            };
            save_json(&*self.pipeline.state, &key, after).await?;
        }
        Ok(())
    }
}

fn plan_options(request: &SyncRequest, propagation: Option<&str>, now: Timestamp) -> PlanOptions {
    PlanOptions {
        prune: if request.prune {
            Prune::Tracked
        } else {
            Prune::Never
        },
        only: request.only.clone(),
        skip_hooks: request.skip_hooks,
        recreate: request.recreate,
        propagation: match propagation {
            Some("background") => Propagation::Background,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Foreground,
        },
        now,
        ..PlanOptions::default()
    }
}

/// All refusals at once, so that one commit can mend them.
fn permit(policy: &dyn Policy, plan: &Plan) -> Result<(), PipelineError> {
    let refusals: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| !matches!(step.action, Action::Skip | Action::Prune))
        .filter_map(|step| {
            let scope = if step.object.namespace.is_empty() {
                Scope::Cluster
            } else {
                Scope::Namespaced
            };
            policy.permits(&step.gvk, &step.object, scope).err()
        })
        .collect();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(PipelineError::NotPermitted { refusals })
    }
}

/// Steps whose objects belong to the owner afterwards.
fn is_kept(step: &Step) -> bool {
    !step.hook
        && matches!(
            step.action,
            Action::Create | Action::Update | Action::Recreate | Action::Unchanged
        )
        && step.reason != Reason::NamespaceNeeded
}

/// Steps about objects that are no longer declared.
fn is_left_over(step: &Step) -> bool {
    !step.hook
        && (step.action == Action::Prune
            || matches!(
                step.reason,
                Reason::PruneDisabled | Reason::PruneProtected { .. }
            ))
}

fn is_whole(plan: &Plan) -> bool {
    !plan
        .steps
        .iter()
        .any(|step| step.reason == Reason::NotSelected)
}

fn only_hooks(plan: &Plan, request: &SyncRequest) -> bool {
    request.only.is_empty() && plan.changes().all(|step| step.hook)
}

/// Whether the last sync was one of exactly what is desired now, and went well.
fn synced_before(application: &Application, comparison: &Comparison) -> bool {
    attempted(application, comparison).is_some_and(|state| state.phase == OperationPhase::Succeeded)
}

/// The last sync, if it was one of exactly what is desired now.
fn attempted<'a>(
    application: &'a Application,
    comparison: &Comparison,
) -> Option<&'a OperationState> {
    let state = application.status.as_ref()?.operation_state.as_ref()?;
    let result = state.sync_result.as_ref()?;
    let revisions: Vec<&str> = comparison
        .desired
        .sources
        .iter()
        .map(|source| source.revision.id.as_str())
        .collect();
    let same_revision = if revisions.len() > 1 {
        result.revisions == revisions
    } else {
        revisions.first() == Some(&result.revision.as_str())
    };
    let sources = application.sources();
    let same_source = if application.spec.sources.is_empty() {
        result.source.as_ref() == sources.first()
    } else {
        result.sources == sources
    };
    (same_revision && same_source).then_some(state)
}

fn finished_at(state: &OperationState) -> Option<Timestamp> {
    state.finished_at.as_deref()?.parse().ok()
}

/// What the application's sync policy asks for.
fn decide(application: &Application, comparison: &Comparison, now: Timestamp) -> Decision {
    let Some(policy) = &application.spec.sync_policy else {
        return Decision::Nothing;
    };
    let Some(automated) = policy.automated.as_ref().filter(|a| a.is_enabled()) else {
        return Decision::Nothing;
    };
    let changes: Vec<&Step> = comparison
        .plan
        .changes()
        .filter(|step| !step.hook)
        .collect();
    let Some(state) = attempted(application, comparison) else {
        let everything_goes = !comparison.plan.steps.iter().any(is_kept)
            && changes.iter().any(|step| step.action == Action::Prune);
        if everything_goes && !automated.allow_empty {
            return Decision::Refuse(
                "auto-sync will wipe out all resources: nothing is declared any more; set \
                 syncPolicy.automated.allowEmpty if that is meant",
            );
        }
        if changes.is_empty() && !has_new_hooks(comparison) {
            return Decision::Nothing;
        }
        let request = SyncRequest {
            prune: automated.prune,
            ..SyncRequest::default()
        };
        return Decision::Sync {
            request,
            tries: Tries::default(),
        };
    };
    if changes.is_empty() {
        return Decision::Nothing;
    }
    let since = finished_at(state).map_or(Duration::MAX, |time| {
        Duration::try_from(now.duration_since(time)).unwrap_or_default()
    });
    let retries = state.retry_count.unwrap_or(0);
    let (wait, request, tries) = if state.phase == OperationPhase::Succeeded {
        if !automated.self_heal {
            return Decision::Nothing;
        }
        let only = changes.iter().map(|step| step.object.clone()).collect();
        let request = SyncRequest {
            prune: automated.prune,
            only,
            ..SyncRequest::default()
        };
        let self_heals = match status::self_heals(state) {
            _ if since > SELF_HEAL_QUIET => 0,
            self_heals => self_heals,
        };
        (
            self_heal_wait(self_heals),
            request,
            Tries {
                retries: 0,
                self_heals: self_heals + 1,
            },
        )
    } else {
        let limit = policy
            .retry
            .as_ref()
            .and_then(|retry| retry.limit)
            .unwrap_or(5);
        if limit >= 0 && retries >= limit {
            return Decision::Nothing;
        }
        let request = SyncRequest {
            prune: automated.prune,
            ..SyncRequest::default()
        };
        (
            backoff(policy.retry.as_ref(), retries),
            request,
            Tries {
                retries: retries + 1,
                self_heals: 0,
            },
        )
    };
    match wait.checked_sub(since) {
        Some(left) if !left.is_zero() => Decision::Wait(left),
        _ => Decision::Sync { request, tries },
    }
}

/// A first sync of something that has only hooks still runs them.
fn has_new_hooks(comparison: &Comparison) -> bool {
    comparison
        .plan
        .steps
        .iter()
        .any(|step| step.hook && step.action == Action::RunHook && step.phase != Phase::SyncFail)
}

/// After this long without a self-heal the next one is the first again.
const SELF_HEAL_QUIET: Duration = Duration::from_secs(600);

/// The wait before a change made in the cluster is reverted once more: somebody who changes it back
/// every second must not keep the engine busy.
fn self_heal_wait(self_heals: i64) -> Duration {
    if self_heals <= 0 {
        return Duration::ZERO;
    }
    let exponent = u32::try_from(self_heals - 1).unwrap_or(u32::MAX).min(8);
    Duration::from_secs((2 * 3_u64.pow(exponent)).min(300))
}

/// The wait before the next try: `duration · factor^tries`, at most `maxDuration`.
fn backoff(retry: Option<&Retry>, tries: i64) -> Duration {
    let backoff = retry.and_then(|retry| retry.backoff.as_ref());
    let seconds = |text: Option<&String>, default: u64| {
        text.and_then(|text| parse_duration(text))
            .unwrap_or(Duration::from_secs(default))
    };
    let first = seconds(backoff.and_then(|b| b.duration.as_ref()), 5);
    let longest = seconds(backoff.and_then(|b| b.max_duration.as_ref()), 180);
    let factor = backoff.and_then(|b| b.factor).unwrap_or(2).max(1) as f64;
    let exponent = i32::try_from(tries).unwrap_or(i32::MAX).clamp(0, 64);
    let wait = first.as_secs_f64() * factor.powi(exponent);
    if wait >= longest.as_secs_f64() {
        longest
    } else {
        Duration::from_secs_f64(wait)
    }
}

/// A duration such as `1m30s`; a bare number is seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let duration: crate::go::Duration = text.parse().ok()?;
    Duration::try_from(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5h"), Some(Duration::from_secs(5400)));
        assert_eq!(parse_duration("5x"), None);
    }

    #[test]
    fn backoff_grows_to_its_limit() {
        assert_eq!(backoff(None, 0), Duration::from_secs(5));
        assert_eq!(backoff(None, 2), Duration::from_secs(20));
        assert_eq!(backoff(None, 60), Duration::from_secs(180));
    }
}
