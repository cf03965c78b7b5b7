//! One application, from commit to applied object: resolve → tree → render → plan → execute → health.
//!
//! A [`Pipeline`] is built once from the layers and then asked about applications:
//! [`Pipeline::desired`] renders, [`Pipeline::plan`] compares, [`Pipeline::reconcile`] does what the
//! application's sync policy (or the caller) asks for and returns the new status. Many applications
//! are the [`controller`](crate::controller)'s matter.

mod compare;
mod decide;
mod desired;
mod error;
mod live;
mod reconcile;
mod status;

use std::{sync::Arc, time::Duration};

use crate::{
    apply::{Applier, ExecuteOptions},
    clock::Clock,
    cluster::Cluster,
    events::EventSink,
    health::HealthCheck,
    render::{Dependencies, Renderer, Transformer},
    source::SourceProvider,
    state::StateStore,
    tracking::Tracking,
};

pub use compare::{Comparison, SyncRequest};
pub use desired::{Desired, SourceState};
pub use error::PipelineError;
pub use live::{LiveCache, LiveOptions, Objects};
pub use reconcile::Outcome;

/// The layers, joined.
pub struct Pipeline {
    /// Opens repositories.
    pub sources: Arc<dyn SourceProvider>,
    /// Fetches what charts depend on.
    pub dependencies: Arc<dyn Dependencies>,
    /// Renderers in the order in which they are asked whether a source is theirs.
    pub renderers: Vec<Arc<dyn Renderer>>,
    /// Stages that every manifest passes, in order.
    pub transformers: Vec<Arc<dyn Transformer>>,
    /// Plans and executes.
    pub applier: Arc<dyn Applier>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Health rules.
    pub health: Arc<dyn HealthCheck>,
    /// Inventories, checkpoints, remembered random values.
    pub state: Arc<dyn StateStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Is told what happens.
    pub events: Arc<dyn EventSink>,
    /// Settings.
    pub options: PipelineOptions,
    live: LiveCache,
    rendered: desired::RenderCache,
}

/// Settings of a [`Pipeline`].
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// Namespace of the Applications that are named without theirs in tracking marks.
    pub control_namespace: String,
    /// Kubernetes version that charts see; the cluster's where it is `None`.
    pub kube_version: Option<String>,
    /// Answers `lookup` from the cluster; otherwise it finds nothing, as with `helm template`.
    pub lookups: bool,
    /// How to execute.
    pub execute: ExecuteOptions,
    /// How objects are marked as an application's.
    pub tracking: Tracking,
    /// A watch of live objects that has been silent for so long is taken for dead.
    pub dormant_after: Duration,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            control_namespace: "argocd".to_owned(),
            kube_version: None,
            lookups: false,
            execute: ExecuteOptions::default(),
            tracking: Tracking::default(),
            dormant_after: LiveOptions::default().dormant_after,
        }
    }
}

/// The layers a [`Pipeline`] is joined from.
pub struct Layers {
    /// Opens repositories.
    pub sources: Arc<dyn SourceProvider>,
    /// Fetches what charts depend on.
    pub dependencies: Arc<dyn Dependencies>,
    /// Renderers in the order in which they are asked whether a source is theirs.
    pub renderers: Vec<Arc<dyn Renderer>>,
    /// Plans and executes.
    pub applier: Arc<dyn Applier>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Health rules.
    pub health: Arc<dyn HealthCheck>,
    /// Inventories, checkpoints, remembered random values.
    pub state: Arc<dyn StateStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

fn live_cache(
    cluster: &Arc<dyn Cluster>,
    clock: &Arc<dyn Clock>,
    options: &PipelineOptions,
) -> LiveCache {
    let options = LiveOptions {
        clock: Some(clock.clone()),
        dormant_after: options.dormant_after,
        tracking: options.tracking.clone(),
    };
    LiveCache::with_options(cluster.clone(), options)
}

impl Pipeline {
    /// Joins the layers with default settings and nobody listening.
    #[must_use]
    pub fn new(layers: Layers) -> Self {
        Self {
            live: live_cache(&layers.cluster, &layers.clock, &PipelineOptions::default()),
            rendered: desired::RenderCache::default(),
            sources: layers.sources,
            dependencies: layers.dependencies,
            renderers: layers.renderers,
            transformers: Vec::new(),
            applier: layers.applier,
            cluster: layers.cluster,
            health: layers.health,
            state: layers.state,
            clock: layers.clock,
            events: Arc::new(crate::events::Silent),
            options: PipelineOptions::default(),
        }
    }

    /// Changes the settings.
    #[must_use]
    pub fn with_options(mut self, options: PipelineOptions) -> Self {
        self.live = live_cache(&self.cluster, &self.clock, &options);
        self.options = options;
        self
    }

    /// Tells `events` what happens.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn EventSink>) -> Self {
        self.events = events;
        self
    }

    /// Adds a stage that every manifest passes.
    #[must_use]
    pub fn with_transformer(mut self, transformer: Arc<dyn Transformer>) -> Self {
        self.transformers.push(transformer);
        self
    }

    /// Live state of the kinds in use.
    #[must_use]
    pub fn live(&self) -> &LiveCache {
        &self.live
    }
}
