//! Live state of the kinds that applications use: listed once, then kept up to date by watches.
//!
//! Objects are kept as compact bytes ([`CompactManifest`](crate::object::CompactManifest)) and
//! indexed by the application that they are marked for.

mod noting;
mod objects;
mod watched;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::{future::poll_fn, lock::Mutex};

pub(super) use self::noting::{Noting, Written};
pub use self::objects::Objects;
use self::watched::Watched;
use crate::{
    clock::Clock,
    cluster::{Cluster, ClusterError, Discovery, ListScope},
    object::{CompactPool, GroupKind, GroupVersionKind, Manifest, ObjectId},
    tracking::Tracking,
};

/// Live objects by kind, read through one cluster.
///
/// A kind is listed when it is first asked for and watched from then on; events are taken in when the
/// kind is asked for again, so that nothing runs in the background. A watch that ends, or from which
/// nothing was heard for long ([`LiveOptions::dormant_after`]), is taken up again where it was; only
/// where the cluster has forgotten that place, the kind is listed anew. Whoever writes objects beside
/// the pipeline and wants to see them at once says so with [`LiveCache::forget`].
pub struct LiveCache {
    cluster: Arc<dyn Cluster>,
    options: LiveOptions,
    state: Mutex<State>,
}

/// How a [`LiveCache`] works.
#[derive(Clone)]
pub struct LiveOptions {
    /// Time; without it no watch counts as dormant.
    pub clock: Option<Arc<dyn Clock>>,
    /// A watch that has been silent for so long is taken for dead. API servers send a bookmark about
    /// once a minute.
    pub dormant_after: Duration,
    /// Which marks count for the index.
    pub tracking: Tracking,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            clock: None,
            dormant_after: Duration::from_secs(600),
            tracking: Tracking::default(),
        }
    }
}

#[derive(Default)]
struct State {
    kinds: BTreeMap<GroupVersionKind, Watched>,
    /// Kinds of which only metadata was asked for.
    outlines: BTreeMap<GroupVersionKind, Watched>,
    pool: CompactPool,
}

impl LiveCache {
    /// An empty cache.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self::with_options(cluster, LiveOptions::default())
    }

    /// An empty cache that works in this way.
    #[must_use]
    pub fn with_options(cluster: Arc<dyn Cluster>, options: LiveOptions) -> Self {
        Self {
            cluster,
            options,
            state: Mutex::default(),
        }
    }

    /// All live objects of a kind; none where the cluster does not serve it.
    ///
    /// # Errors
    /// When the kind cannot be listed.
    pub async fn objects(&self, gvk: &GroupVersionKind) -> Result<Arc<Objects>, ClusterError> {
        let mut state = self.state.lock().await;
        let State {
            kinds,
            outlines,
            pool,
        } = &mut *state;
        outlines.remove(gvk);
        self.current(kinds, pool, ListScope::all(gvk.clone())).await
    }

    /// All live objects of a kind, of which the metadata counts: without their content, unless
    /// somebody has asked for that before. None where the cluster does not serve the kind.
    ///
    /// # Errors
    /// When the kind cannot be listed.
    pub async fn metadata(&self, gvk: &GroupVersionKind) -> Result<Arc<Objects>, ClusterError> {
        let mut state = self.state.lock().await;
        let State {
            kinds,
            outlines,
            pool,
        } = &mut *state;
        let scope = ListScope::all(gvk.clone());
        if kinds.contains_key(gvk) {
            return self.current(kinds, pool, scope).await;
        }
        self.current(outlines, pool, scope.metadata_only()).await
    }

    /// What is known of the objects of a scope, brought up to date.
    async fn current(
        &self,
        kinds: &mut BTreeMap<GroupVersionKind, Watched>,
        pool: &mut CompactPool,
        scope: ListScope,
    ) -> Result<Arc<Objects>, ClusterError> {
        let gvk = &scope.gvk.clone();
        let now = self.options.clock.as_ref().map(|clock| clock.now());
        if let Some(watched) = kinds.get_mut(gvk) {
            if watched
                .is_current(pool, now, &*self.cluster, &self.options)
                .await
            {
                return Ok(watched.objects.clone());
            }
            kinds.remove(gvk);
        }
        let list = match self.cluster.list(&scope).await {
            Ok(list) => list,
            Err(ClusterError::UnknownKind { .. }) => return Ok(Arc::default()),
            Err(error) => return Err(error),
        };
        let resource_version = list.resource_version;
        let objects = Objects::of(list.items, &self.options.tracking, pool);
        let mut watched = Watched::new(scope, Arc::new(objects), resource_version, now);
        watched.open(&*self.cluster).await;
        let objects = watched.objects.clone();
        kinds.insert(gvk.clone(), watched);
        Ok(objects)
    }

    /// Lists these kinds anew when they are next asked for.
    pub async fn forget<'a>(&self, kinds: impl IntoIterator<Item = &'a GroupKind>) {
        let forgotten: BTreeSet<&GroupKind> = kinds.into_iter().collect();
        let mut state = self.state.lock().await;
        let State {
            kinds, outlines, ..
        } = &mut *state;
        for known in [kinds, outlines] {
            known.retain(|gvk, _| !forgotten.contains(&gvk.group_kind()));
        }
    }

    /// Lists everything anew when it is next asked for.
    pub async fn forget_all(&self) {
        let mut state = self.state.lock().await;
        state.kinds.clear();
        state.outlines.clear();
    }

    /// Takes in what requests have answered, ahead of the watches.
    pub(super) async fn note(&self, written: Vec<Written>) {
        let mut state = self.state.lock().await;
        let State {
            kinds,
            outlines,
            pool,
        } = &mut *state;
        for written in written {
            let gvk = written.gvk();
            let kind = gvk.group_kind();
            // Another version of the kind is seen by its own watch only.
            kinds.retain(|known, _| *known == gvk || known.group_kind() != kind);
            // A whole object has no place among those without content.
            outlines.retain(|known, _| known.group_kind() != kind);
            if let Some(watched) = kinds.get_mut(&gvk) {
                watched.note(written, pool, &self.options.tracking);
            }
        }
    }

    /// The live objects with these ids, at the versions given or else the server's preferred ones.
    ///
    /// # Errors
    /// When a kind cannot be listed.
    pub async fn find(
        &self,
        ids: impl IntoIterator<Item = &ObjectId>,
        versions: &BTreeMap<GroupKind, GroupVersionKind>,
        discovery: &Discovery,
    ) -> Result<Vec<Manifest>, ClusterError> {
        let mut found = Vec::new();
        for id in ids {
            let kind = id.group_kind();
            let Some(gvk) = versions
                .get(&kind)
                .cloned()
                .or_else(|| discovery.preferred(&kind))
            else {
                continue;
            };
            let objects = self.objects(&gvk).await?;
            found.extend(objects.get(&id.namespace, &id.name));
        }
        Ok(found)
    }

    /// Waits until an object of a watched kind changes.
    pub async fn changed(&self) {
        let mut state = self.state.lock().await;
        let now = self.options.clock.as_ref().map(|clock| clock.now());
        poll_fn(|context| {
            let State {
                kinds,
                outlines,
                pool,
            } = &mut *state;
            let mut changed = false;
            for watched in kinds.values_mut().chain(outlines.values_mut()) {
                changed |= watched.poll(context, pool, now, &self.options.tracking);
            }
            if changed {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
