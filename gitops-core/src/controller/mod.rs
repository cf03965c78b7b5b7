//! The loop over many applications: every Application of the cluster is reconciled, those that appear
//! (an application of applications) included, those that are deleted cascade as their finalizers say.
//!
//! [`Controller::pass`] looks once at each; [`Controller::converge`] repeats until nothing is left to
//! do; [`Controller::run`] goes on for ever, woken by changes in the cluster and by the poll interval.
//! An error of one Application never stops another.

#[cfg(feature = "schema")]
mod bootstrap;
mod coexistence;
mod deletion;

use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{Either, select};

use crate::{
    app::{
        AppProject, Application, ApplicationStatus, Condition, ConditionType, HealthSummary,
        OperationPhase, SyncState, application_kind, default_project, project_kind,
    },
    cluster::{ClusterError, Patch, WriteOptions},
    events::Event,
    health::HealthStatus,
    object::{Manifest, ObjectRef},
    pipeline::{Comparison, Outcome, Pipeline, PipelineError, SyncRequest},
    plan::Report,
    selector::Selector,
};

#[cfg(feature = "schema")]
pub use bootstrap::BootstrapSet;
pub use coexistence::running_argocd;

/// Reconciles all Applications of a cluster.
pub struct Controller {
    pipeline: Arc<Pipeline>,
    pub(crate) options: ControllerOptions,
    /// How often each Application without automated sync was synced because all were to be.
    tries: Mutex<BTreeMap<(String, String), u32>>,
}

/// A sync that fails for what comes only later in the same round gets this many chances.
const SYNC_ALL_TRIES: u32 = 3;

/// How a [`Controller`] works.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// Looks for new commits this often.
    pub poll_interval: Duration,
    /// Takes in all changes of this long before it looks.
    pub settle: Duration,
    /// Syncs Applications without automated sync too, once each.
    pub sync_all: bool,
    /// Only these Applications; all where it is empty.
    pub only: Vec<String>,
    /// Only Applications whose labels it matches; the empty selector matches all.
    pub selector: Selector,
    /// Gives up waiting for health after this long (in [`Controller::converge`]).
    pub deadline: Duration,
    /// Gives up waiting for health when nothing was written for this long (in
    /// [`Controller::converge`]): an object that nobody tends stays on its way for ever.
    pub patience: Duration,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(120),
            settle: Duration::from_millis(300),
            sync_all: false,
            only: Vec::new(),
            selector: Selector::default(),
            deadline: Duration::from_secs(300),
            patience: Duration::from_secs(30),
        }
    }
}

/// What a pass saw and did.
#[derive(Debug, Default)]
pub struct Pass {
    /// Every Application by namespace and name.
    pub applications: BTreeMap<(String, String), Seen>,
    /// Whether anything was written, status included.
    pub wrote: bool,
    /// When to look again at the latest, where waiting was decided.
    pub look_again_after: Option<Duration>,
}

/// One Application in a pass.
#[derive(Debug)]
pub struct Seen {
    /// Its status now.
    pub status: ApplicationStatus,
    /// The last comparison, where there was one.
    pub comparison: Option<Comparison>,
    /// The sync, where there was one.
    pub report: Option<Report>,
    /// What went wrong.
    pub error: Option<PipelineError>,
    /// Whether somebody asked for more than a look: automated sync or a request.
    pub sync_wanted: bool,
}

impl Seen {
    /// Whether it is in sync.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.status.sync.status == SyncState::Synced
    }

    /// Whether it was refused or its sync failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.error.is_some()
            || self.status.conditions.iter().any(|condition| {
                matches!(
                    condition.condition,
                    ConditionType::ComparisonError
                        | ConditionType::InvalidSpecError
                        | ConditionType::SyncError
                        | ConditionType::DeletionError
                        | ConditionType::UnknownError
                )
            })
    }

    fn is_progressing(&self) -> bool {
        self.status.health.status == Some(HealthStatus::Progressing)
    }
}

impl Pass {
    /// Whether every Application that should be in sync is, and nothing failed.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.applications
            .values()
            .all(|seen| !seen.has_failed() && (seen.is_synced() || !seen.sync_wanted))
    }

    /// Writes that went to objects of Applications.
    #[must_use]
    pub fn object_writes(&self) -> u64 {
        self.applications
            .values()
            .filter_map(|seen| seen.report.as_ref())
            .map(|report| report.writes)
            .sum()
    }
}

impl Controller {
    /// A controller over a pipeline.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>, options: ControllerOptions) -> Self {
        Self {
            pipeline,
            options,
            tries: Mutex::default(),
        }
    }

    /// The pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Looks once at every Application there is.
    ///
    /// # Errors
    /// Only when the Applications themselves cannot be listed.
    pub async fn pass(&self) -> Result<Pass, ClusterError> {
        let mut pass = Pass::default();
        let projects = self.projects().await?;
        let objects = self.pipeline.live().objects(&application_kind()).await?;
        for object in objects.iter() {
            let is_named = self.options.only.is_empty()
                || self.options.only.iter().any(|name| name == object.name());
            if is_named && self.options.selector.matches(&object) {
                self.look_at(&object, &projects, &mut pass).await;
            }
        }
        Ok(pass)
    }

    /// Repeats passes until nothing is written any more and nothing is on its way to health.
    ///
    /// # Errors
    /// Only when the Applications themselves cannot be listed.
    pub async fn converge(&self) -> Result<Pass, ClusterError> {
        self.converge_with(|_| Ok::<(), ClusterError>(())).await
    }

    /// As [`Controller::converge`]; `seen` is told of every pass and can end it with an error.
    ///
    /// # Errors
    /// When the Applications themselves cannot be listed, or `seen` says so.
    pub async fn converge_with<E: From<ClusterError>>(
        &self,
        mut seen: impl FnMut(&Pass) -> Result<(), E>,
    ) -> Result<Pass, E> {
        let started = self.pipeline.clock.now();
        let mut written = started;
        let mut reports: BTreeMap<(String, String), Report> = BTreeMap::new();
        loop {
            let mut pass = self.pass().await?;
            seen(&pass)?;
            for (name, application) in &pass.applications {
                if let Some(report) = &application.report {
                    merge_report(reports.entry(name.clone()), report);
                }
            }
            let now = self.pipeline.clock.now();
            if pass.wrote {
                written = now;
            }
            let elapsed = now.duration_since(started);
            let quiet = Duration::try_from(now.duration_since(written)).unwrap_or_default();
            let late = Duration::try_from(elapsed).is_ok_and(|e| e >= self.options.deadline);
            let waits = pass.look_again_after.is_some()
                || pass.applications.values().any(Seen::is_progressing);
            let idle = pass.look_again_after.is_none() && quiet >= self.options.patience;
            if late || idle || (!pass.wrote && !waits) {
                for (name, application) in &mut pass.applications {
                    application.report = reports.remove(name);
                }
                return Ok(pass);
            }
            if !pass.wrote {
                let wait = pass.look_again_after.unwrap_or(self.options.settle);
                self.wait(wait.min(Duration::from_secs(1))).await;
            }
        }
    }

    /// Goes on until `shutdown` is ready; `seen` is told of every pass.
    pub async fn run(
        &self,
        shutdown: impl Future<Output = ()>,
        mut seen: impl FnMut(&Result<Pass, ClusterError>),
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            let pass = {
                let pass = pin!(self.pass());
                match select(pass, &mut shutdown).await {
                    Either::Left((pass, _)) => pass,
                    Either::Right(_) => return,
                }
            };
            seen(&pass);
            let wait = match &pass {
                Ok(pass) if pass.wrote => self.options.settle,
                Ok(pass) => pass
                    .look_again_after
                    .unwrap_or(self.options.poll_interval)
                    .min(self.options.poll_interval),
                Err(_) => {
                    self.pipeline.live().forget_all().await;
                    Duration::from_secs(5).min(self.options.poll_interval)
                }
            };
            let waiting = pin!(self.wait(wait));
            if let Either::Right(_) = select(waiting, &mut shutdown).await {
                return;
            }
        }
    }

    /// Waits for a change in the cluster, at most `longest`.
    async fn wait(&self, longest: Duration) {
        let changed = pin!(self.pipeline.live().changed());
        let sleep = pin!(self.pipeline.clock.sleep(longest));
        if let Either::Left(_) = select(changed, sleep).await {
            self.pipeline
                .clock
                .sleep(self.options.settle.min(longest))
                .await;
        }
    }

    async fn projects(&self) -> Result<BTreeMap<String, AppProject>, ClusterError> {
        let mut projects = BTreeMap::from([("default".to_owned(), default_project())]);
        let objects = self.pipeline.live().objects(&project_kind()).await?;
        for object in objects.iter() {
            let own = object.namespace() == self.pipeline.options.control_namespace;
            if own && let Ok(project) = AppProject::from_manifest(&object) {
                projects.insert(project.name().to_owned(), project);
            }
        }
        Ok(projects)
    }

    async fn look_at(
        &self,
        object: &Manifest,
        projects: &BTreeMap<String, AppProject>,
        pass: &mut Pass,
    ) {
        let key = (object.namespace().to_owned(), object.name().to_owned());
        let application = match Application::from_manifest(object) {
            Ok(application) => application,
            Err(error) => {
                let error = PipelineError::InvalidSpec {
                    reason: format!("the Application cannot be read: {error}"),
                };
                pass.applications.insert(key, unreadable(error));
                return;
            }
        };
        let owner = self.pipeline.owner(&application);
        self.pipeline.events.event(&Event::ApplicationStarted {
            owner: owner.clone(),
        });
        if object.is_terminating() {
            self.delete(&owner, &application, object, pass).await;
            return;
        }
        let automated = application
            .spec
            .sync_policy
            .as_ref()
            .and_then(|policy| policy.automated.as_ref())
            .is_some_and(crate::app::Automated::is_enabled);
        let requested = requested(&application);
        let request = requested
            .clone()
            .or_else(|| (self.options.sync_all && !automated).then(SyncRequest::default))
            .filter(|_| requested.is_some() || (!was_synced(&application) && self.may_try(&key)));
        let outcome = match projects.get(application.project()) {
            Some(project) => {
                self.pipeline
                    .reconcile(&owner, &application, project, request.as_ref())
                    .await
            }
            None => no_project(&application),
        };
        let summary = summary(&outcome);
        let wrote = outcome.wrote();
        pass.wrote |= wrote;
        if let Some(wait) = outcome.look_again_after {
            pass.look_again_after = Some(
                pass.look_again_after
                    .map_or(wait, |earlier| earlier.min(wait)),
            );
        }
        let mut seen = Seen {
            status: outcome.status,
            comparison: outcome.comparison,
            report: outcome.report,
            error: outcome.error,
            sync_wanted: automated || self.options.sync_all || requested.is_some(),
        };
        if let Some(comparison) = &seen.comparison {
            let hooks = self
                .pipeline
                .applier
                .deletion_hooks(&comparison.desired.set);
            match self.hold_for_hooks(&application, object, hooks).await {
                Ok(written) => pass.wrote |= written,
                Err(error) => seen.error = seen.error.or(Some(error.into())),
            }
        }
        match self
            .write_status(
                &object.object_ref(),
                &application,
                &seen.status,
                requested.is_some(),
            )
            .await
        {
            Ok(written) => pass.wrote |= written,
            Err(error) => seen.error = seen.error.or(Some(error.into())),
        }
        pass.applications.insert(key, seen);
        self.pipeline.events.event(&Event::ApplicationEnded {
            owner,
            summary,
            wrote,
        });
    }

    fn may_try(&self, key: &(String, String)) -> bool {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let count = tries.entry(key.clone()).or_default();
        *count += 1;
        *count <= SYNC_ALL_TRIES
    }

    /// Writes the status of an Application after a reconcile outside of a pass.
    ///
    /// # Errors
    /// When the cluster refuses it.
    pub async fn record(
        &self,
        application: &Application,
        outcome: &Outcome,
    ) -> Result<(), ClusterError> {
        let address = application_ref(application.namespace(), application.name());
        self.write_status(&address, application, &outcome.status, false)
            .await
            .map(|_| ())
    }

    /// Writes the status where it differs from the one that is there.
    async fn write_status(
        &self,
        address: &ObjectRef,
        application: &Application,
        status: &ApplicationStatus,
        operation_done: bool,
    ) -> Result<bool, ClusterError> {
        if application.status.as_ref() == Some(status) && !operation_done {
            return Ok(false);
        }
        let value = serde_json::to_value(status).map_err(|error| ClusterError::Other {
            class: crate::error::ErrorClass::Internal,
            source: Box::new(error),
        })?;
        let mut patch = vec![serde_json::json!({"op": "add", "path": "/status", "value": value})];
        if operation_done {
            patch.push(serde_json::json!({"op": "remove", "path": "/operation"}));
        }
        let patch: json_patch::Patch =
            serde_json::from_value(patch.into()).expect("two well-formed operations");
        let options = WriteOptions {
            field_manager: "gitops-controller".to_owned(),
            ..WriteOptions::default()
        };
        self.pipeline
            .patch(address, &Patch::Json(patch), &options)
            .await?;
        Ok(true)
    }
}

/// The address of an Application object.
#[must_use]
pub fn application_ref(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::new(application_kind(), namespace, name)
}

/// A sync that somebody asked for through the Application's `operation`.
fn requested(application: &Application) -> Option<SyncRequest> {
    let sync = application.operation.as_ref()?.get("sync")?;
    Some(SyncRequest {
        prune: sync
            .get("prune")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false),
        ..SyncRequest::default()
    })
}

/// Whether the last sync of the application went well.
fn was_synced(application: &Application) -> bool {
    application
        .status
        .as_ref()
        .and_then(|status| status.operation_state.as_ref())
        .is_some_and(|state| state.phase == OperationPhase::Succeeded)
}

fn merge_report(
    entry: std::collections::btree_map::Entry<'_, (String, String), Report>,
    report: &Report,
) {
    entry
        .and_modify(|earlier| {
            let writes = earlier.writes + report.writes;
            *earlier = report.clone();
            earlier.writes = writes;
        })
        .or_insert_with(|| report.clone());
}

fn no_project(application: &Application) -> Outcome {
    let error = PipelineError::InvalidSpec {
        reason: format!(
            "Application referencing project {} which does not exist",
            application.project()
        ),
    };
    let seen = unreadable(error);
    Outcome {
        status: ApplicationStatus { ..seen.status },
        comparison: None,
        report: None,
        error: seen.error,
        look_again_after: None,
    }
}

/// The state of an Application that cannot even be looked at.
fn unreadable(error: PipelineError) -> Seen {
    let condition: Condition = error.condition();
    Seen {
        status: ApplicationStatus {
            health: HealthSummary {
                status: Some(HealthStatus::Unknown),
                ..HealthSummary::default()
            },
            conditions: vec![condition],
            ..ApplicationStatus::default()
        },
        comparison: None,
        report: None,
        error: Some(error),
        sync_wanted: true,
    }
}

fn summary(outcome: &Outcome) -> String {
    if let Some(error) = &outcome.error {
        return error.to_string();
    }
    let health = outcome
        .status
        .health
        .status
        .map(|health| format!(", {health:?}"));
    format!(
        "{:?}{}",
        outcome.status.sync.status,
        health.unwrap_or_default()
    )
}
