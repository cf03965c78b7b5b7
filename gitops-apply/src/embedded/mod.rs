//! An embedded cluster: a Kubernetes API server in memory.
//!
//! [`EmbeddedCluster`] implements [`Cluster`] with the API server's semantics: server-side apply on
//! real schemas with `managedFields` and conflicts, optimistic locking, dry runs, field validation,
//! defaults, names and immutable fields, status sub-resources, namespaces and their end, custom
//! resources with structural schemas, finalizers, garbage collection, watches with a bounded
//! history. A [`Simulation`] of workloads lets what is applied become ready.
//!
//! ```
//! use gitops_apply::embedded::EmbeddedCluster;
//! use gitops_core::{Manifest, ObjectRef, cluster::{ApplyOptions, Cluster}};
//! # futures::executor::block_on(async {
//! let cluster = EmbeddedCluster::builder().kubernetes("1.34").build()?;
//! let web = Manifest::try_from(serde_json::json!({
//!     "apiVersion": "apps/v1", "kind": "Deployment",
//!     "metadata": {"name": "web", "namespace": "default"},
//!     "spec": {
//!         "selector": {"matchLabels": {"app": "web"}},
//!         "template": {
//!             "metadata": {"labels": {"app": "web"}},
//!             "spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]},
//!         },
//!     },
//! }))?;
//! cluster.apply(&web, &ApplyOptions::default()).await?;
//! let live = cluster.get(&web.object_ref()).await?.expect("it was applied");
//! assert_eq!(live.pointer("/status/readyReplicas"), Some(&1.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Time
//!
//! The cluster reads no clock but the one it is given; without one it has a
//! [`ManualClock`](gitops_core::clock::ManualClock) of its own that shows the start of 2020 and moves
//! only when something waits. Its controllers run at the end of each write and, where something is
//! due by the clock, before each read; a watch that has nothing to say waits with the clock's `sleep`
//! until the next thing is due. So a caller that awaits sees everything happen in order and, with a
//! manual clock, without real time passing.
//!
//! # Differences from a real cluster
//!
//! Known and meant: no authentication and authorisation, no admission plugins but the lifecycle of
//! namespaces, no CEL rules of CustomResourceDefinitions, no conversion webhooks, no graceful
//! deletion of pods, no resource quotas. Versions of a kind that differ in shape are converted for
//! CustomResourceDefinition, Ingress and HorizontalPodAutoscaler.

mod addresses;
mod admission;
mod builder;
mod controllers;
mod convert;
mod custom;
mod decode;
mod defaults;
mod definitions;
mod delete;
mod faults;
mod garbage;
mod journal;
mod merge;
mod names;
mod namespaces;
mod registry;
#[cfg(feature = "rest")]
pub mod rest;
mod saved;
mod selector;
mod server;
mod simulation;
mod status;
mod store;
mod strategy;
mod structural;
mod validate;
mod watch;
mod write;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use gitops_core::{
    GroupVersionKind, Manifest, ObjectRef, async_trait,
    clock::{Clock, Timestamp},
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, Discovery, FieldValidation, ListScope,
        ObjectList, Patch, WatchEvent, WriteOptions,
    },
    schema::Schemas,
};

pub use self::{
    admission::{Hook, Operation, Review},
    builder::EmbeddedClusterBuilder,
    faults::{Fault, FaultKind},
    journal::{Request, RequestVerb, Requests},
    saved::EmbeddedError,
    simulation::Simulation,
};
use self::{
    faults::Faults,
    journal::Journal,
    server::{Call, Server},
    status::ApiError,
};

/// A Kubernetes API server in memory; see the [module](self).
///
/// Clones share one cluster.
#[derive(Clone)]
pub struct EmbeddedCluster {
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<Server>,
    journal: Mutex<Journal>,
    faults: Mutex<Faults>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for EmbeddedCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.shared.server();
        f.debug_struct("EmbeddedCluster")
            .field("version", &server.registry.discovery().version)
            .field("objects", &server.store.len())
            .field("revision", &server.store.revision())
            .finish_non_exhaustive()
    }
}

impl EmbeddedCluster {
    /// A builder with the defaults: the newest Kubernetes that is bundled, workloads simulated.
    #[must_use]
    pub fn builder() -> EmbeddedClusterBuilder {
        EmbeddedClusterBuilder::default()
    }

    /// Lets everything happen that is due at `now`, whatever the clock shows.
    pub fn tick(&self, now: Timestamp) {
        self.shared.server().settle_until(now);
    }

    /// When something is due by itself next: a pod becomes ready, a job ends or is cleaned up.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shared.server().queue.next_due()
    }

    /// Number of objects.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.shared.server().store.len()
    }

    /// All objects, by group, kind, namespace and name, in the versions in which they are stored.
    #[must_use]
    pub fn objects(&self) -> Vec<Manifest> {
        self.shared.server().store.all().cloned().collect()
    }

    /// What was asked of the cluster since it was built or since
    /// [`clear_requests`](Self::clear_requests).
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.shared.journal().snapshot()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.journal().clear();
    }

    /// Adds a fault that requests run into.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults().add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Ends all watches that are open now, as a restart of the API server does.
    pub fn drop_watches(&self) {
        self.shared.faults().drop_watches();
        self.shared.server().store.wake_all();
    }

    /// Forgets the history: watches and new watches from before now end with
    /// [`ClusterError::Expired`].
    pub fn compact(&self) {
        self.shared.server().store.compact();
    }

    async fn enter(&self, request: Request) -> Result<(), ClusterError> {
        let Some((wait, verdict)) = self.faults_of(&request) else {
            self.shared.journal().note(request, false);
            return Ok(());
        };
        let (object, gvk) = (request.object_text(), request.gvk.clone());
        self.meet(request, wait, verdict)
            .await
            .map_err(|error| error.into_cluster_error(&object, &gvk))
    }

    /// Notes a request and lets it run into the faults that are for it.
    async fn admit_request(&self, request: Request) -> Result<(), ApiError> {
        match self.faults_of(&request) {
            Some((wait, verdict)) => self.meet(request, wait, verdict).await,
            None => {
                self.shared.journal().note(request, false);
                Ok(())
            }
        }
    }

    /// How long a request is to take, and its refusal, where faults are for it.
    fn faults_of(&self, request: &Request) -> Option<(Option<Duration>, Option<ApiError>)> {
        let mut faults = self.shared.faults();
        if faults.is_empty() {
            return None;
        }
        let verdict = faults.meet(request);
        Some((faults.latency(request), verdict))
    }

    async fn meet(
        &self,
        request: Request,
        wait: Option<Duration>,
        verdict: Option<ApiError>,
    ) -> Result<(), ApiError> {
        self.shared.journal().note(request, verdict.is_some());
        if let Some(wait) = wait {
            self.shared.clock.sleep(wait).await;
        }
        verdict.map_or(Ok(()), Err)
    }

    fn write<T>(
        &self,
        object: &ObjectRef,
        work: impl FnOnce(&mut Server) -> Result<T, ApiError>,
    ) -> Result<T, ClusterError> {
        let mut server = self.shared.server();
        server.settle();
        let done = work(&mut server);
        server.settle();
        done.map_err(|error| error.into_cluster_error(&object.to_string(), &object.gvk))
    }
}

impl Shared {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn call<'a>(
    server: &Server,
    gvk: &GroupVersionKind,
    manager: &'a str,
    dry_run: bool,
    validation: FieldValidation,
    subresource: Option<&'a str>,
) -> Result<Call<'a>, ApiError> {
    Ok(Call {
        kind: server.kind(gvk)?,
        manager,
        dry_run,
        validation,
        subresource: subresource.unwrap_or_default(),
        is_internal: false,
    })
}

#[async_trait]
impl Cluster for EmbeddedCluster {
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        self.enter(Request::discovery()).await?;
        let mut server = self.shared.server();
        server.settle();
        Ok(server.registry.discovery())
    }

    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError> {
        self.enter(Request::discovery()).await?;
        let mut server = self.shared.server();
        server.settle();
        Ok(server.registry.schemas())
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        self.enter(Request::of(RequestVerb::Get, object)).await?;
        let mut server = self.shared.server();
        server.settle();
        server
            .get(object)
            .map_err(|error| error.into_cluster_error(&object.to_string(), &object.gvk))
    }

    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        self.enter(Request::scope(RequestVerb::List, scope)).await?;
        let mut server = self.shared.server();
        server.settle();
        let (kind, filter) = server
            .filter(scope)
            .map_err(|error| error.into_cluster_error(&scope.gvk.to_string(), &scope.gvk))?;
        let mut list = server.list(&kind, &filter);
        if scope.metadata_only {
            list.items.iter_mut().for_each(drop_content);
        }
        Ok(list)
    }

    async fn watch(
        &self,
        scope: &ListScope,
        from: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError> {
        self.enter(Request::scope(RequestVerb::Watch, scope))
            .await?;
        let (kind, filter) = {
            let mut server = self.shared.server();
            server.settle();
            server
                .filter(scope)
                .map_err(|error| error.into_cluster_error(&scope.gvk.to_string(), &scope.gvk))?
        };
        let stream = watch::Watch::open(Arc::clone(&self.shared), kind, filter, from)?;
        if !scope.metadata_only {
            return Ok(Box::pin(stream));
        }
        Ok(Box::pin(stream.map(|event| {
            event.map(|mut event| {
                if let WatchEvent::Added(object)
                | WatchEvent::Modified(object)
                | WatchEvent::Deleted(object) = &mut event
                {
                    drop_content(object);
                }
                event
            })
        })))
    }

    async fn apply(
        &self,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Manifest, ClusterError> {
        let target = object.object_ref();
        let request = Request::of(RequestVerb::Apply, &target)
            .manager(&options.field_manager)
            .dry_run(options.dry_run);
        self.enter(request).await?;
        self.write(&target, |server| {
            let call = call(
                server,
                &target.gvk,
                &options.field_manager,
                options.dry_run,
                options.field_validation,
                None,
            )?;
            server.apply(&call, object.clone(), options.force)
        })
    }

    async fn create(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let target = object.object_ref();
        let request = Request::of(RequestVerb::Create, &target)
            .manager(&options.field_manager)
            .dry_run(options.dry_run);
        self.enter(request).await?;
        self.write(&target, |server| {
            let call = call(
                server,
                &target.gvk,
                &options.field_manager,
                options.dry_run,
                options.field_validation,
                None,
            )?;
            server.create(&call, object.clone())
        })
    }

    async fn replace(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let target = object.object_ref();
        let request = Request::of(RequestVerb::Replace, &target)
            .manager(&options.field_manager)
            .dry_run(options.dry_run)
            .subresource(options.subresource.as_deref());
        self.enter(request).await?;
        self.write(&target, |server| {
            let call = call(
                server,
                &target.gvk,
                &options.field_manager,
                options.dry_run,
                options.field_validation,
                options.subresource.as_deref(),
            )?;
            server.replace(&call, object.clone())
        })
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let request = Request::of(RequestVerb::Patch, object)
            .manager(&options.field_manager)
            .dry_run(options.dry_run)
            .subresource(options.subresource.as_deref());
        self.enter(request).await?;
        self.write(object, |server| {
            let call = call(
                server,
                &object.gvk,
                &options.field_manager,
                options.dry_run,
                options.field_validation,
                options.subresource.as_deref(),
            )?;
            server.patch(&call, object, patch)
        })
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ClusterError> {
        let request = Request::of(RequestVerb::Delete, object).dry_run(options.dry_run);
        self.enter(request).await?;
        self.write(object, |server| {
            let call = call(
                server,
                &object.gvk,
                "",
                options.dry_run,
                FieldValidation::Ignore,
                None,
            )?;
            server.delete(&call, object, options)
        })
    }
}

/// Leaves what a request for metadata gets.
fn drop_content(object: &mut Manifest) {
    const KEPT: [&str; 3] = ["apiVersion", "kind", "metadata"];
    let kept = KEPT.map(|field| (field.to_owned(), object.as_map().get(field).cloned()));
    let kept = kept
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)));
    *object =
        Manifest::try_from(serde_json::Value::Object(kept.collect())).expect("it has its kind");
}

#[cfg(test)]
mod tests;
