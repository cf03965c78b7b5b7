//! Compare, decide, sync, look again; and the end of an application.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    app::{AppProject, Application, ApplicationStatus, OperationPhase, ProjectRules},
    apply::{Checkpoints, ExecuteContext, ExecuteOptions},
    clock::Timestamp,
    cluster::{Cluster as _, ClusterError, Patch, Propagation, WriteOptions},
    object::{Manifest, ObjectId, ObjectRef, Scope},
    pipeline::{
        Comparison, Pipeline, PipelineError, SyncRequest,
        decide::{CONTESTED, Decision, Tries, decide, finished_at},
        desired::remembered_key,
        live::Noting,
        status,
    },
    plan::{Action, Owner, Plan, PlanOptions, Prune, Reason, Report, Step},
    policy::Policy,
    state::{StateItem, StateKey, save_json},
};

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
        let decision = decide(application, &comparison, request, self.clock.now());
        let outcome = match decision {
            Decision::Nothing => status::compared(self, application, comparison),
            Decision::Wait(duration) => {
                let mut outcome = status::compared(self, application, comparison);
                outcome.look_again_after = Some(duration);
                outcome
            }
            Decision::BackOff(duration, self_heals) => {
                let message = status::contested(&comparison.plan, self_heals);
                let mut outcome = status::compared(self, application, comparison);
                outcome.look_again_after = Some(duration);
                if self_heals >= CONTESTED {
                    status::add_sync_error(&mut outcome.status, &message);
                }
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

    /// Patches an object; the next look at the live state sees what came of it.
    ///
    /// # Errors
    /// When the cluster refuses it.
    pub async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let cluster = Noting::new(&*self.cluster);
        let answer = cluster.patch(object, patch, options).await;
        self.live.note(cluster.into_written()).await;
        answer
    }

    /// Deletes everything that an application has, and forgets its state.
    ///
    /// # Errors
    /// When objects cannot be deleted, or wait for approval. What remains stays in the inventory: call
    /// it again.
    pub async fn delete(
        &self,
        owner: &Owner,
        application: &Application,
        propagation: Propagation,
    ) -> Result<Report, PipelineError> {
        self.take_down(owner, application, Some(propagation)).await
    }

    /// Runs the hooks of an application's deletion, keeps its objects, and forgets its state.
    ///
    /// # Errors
    /// When a hook fails.
    pub async fn release(
        &self,
        owner: &Owner,
        application: &Application,
    ) -> Result<Report, PipelineError> {
        self.take_down(owner, application, None).await
    }

    async fn take_down(
        &self,
        owner: &Owner,
        application: &Application,
        cascade: Option<Propagation>,
    ) -> Result<Report, PipelineError> {
        // Hooks of the deletion are rendered where that is still possible; deletion never fails for it.
        let desired = self.desired(owner, application).await.ok();
        let live = self.live_set(owner, desired.as_ref()).await?;
        let schemas = self.cluster.schemas().await?;
        let options = PlanOptions {
            propagation: cascade.unwrap_or_default(),
            confirmed: application.is_deletion_approved(application.deletion_timestamp()),
            now: self.clock.now(),
            prune: Prune::Tracked,
            tracking: self.options.tracking.clone(),
            ..PlanOptions::default()
        };
        let set = desired.as_ref().map(|desired| &desired.set);
        let mut plan = self
            .applier
            .plan_deletion(owner, set, &live, &*schemas, &options)?;
        if cascade.is_none() {
            for step in plan.steps.iter_mut().filter(|step| !step.hook) {
                step.action = Action::Skip;
                step.reason = Reason::Other("the deletion does not cascade".to_owned());
            }
        }
        let unapproved: Vec<String> = plan
            .steps
            .iter()
            .filter(|step| {
                matches!(&step.reason, Reason::PruneProtected { by } if by == "Delete=confirm")
            })
            .map(|step| step.object.to_string())
            .collect();
        if !unapproved.is_empty() {
            return Err(PipelineError::AwaitsApproval {
                objects: unapproved,
            });
        }
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
pub(super) fn is_kept(step: &Step) -> bool {
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
