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

use futures::{
    StreamExt as _,
    future::poll_fn,
    lock::Mutex,
    stream::{self, BoxStream},
};

pub(super) use self::noting::{Noting, Written};
pub use self::objects::Objects;
use self::watched::Watched;
use crate::{
    clock::Clock,
    cluster::{Cluster, ClusterError, Discovery, ListScope, ObjectList, WatchEvent},
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

/// A kind as it was listed, and what happens to it from there on.
struct Listed {
    scope: ListScope,
    list: ObjectList,
    /// `None` where the watch cannot be opened; the kind is taken up again where it was.
    events: Option<BoxStream<'static, Result<WatchEvent, ClusterError>>>,
}

/// So many kinds are listed at once.
const LISTS_AT_ONCE: usize = 8;

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
        Ok(match self.listed(scope).await? {
            Some(listed) => self.keep(listed, kinds, pool),
            None => Arc::default(),
        })
    }

    /// Lists a kind and opens the watch that goes on from there; `None` where the cluster does not
    /// serve it.
    async fn listed(&self, scope: ListScope) -> Result<Option<Listed>, ClusterError> {
        let list = match self.cluster.list(&scope).await {
            Ok(list) => list,
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let events = self.cluster.watch(&scope, &list.resource_version).await;
        Ok(Some(Listed {
            scope,
            list,
            events: events.ok(),
        }))
    }

    fn keep(
        &self,
        listed: Listed,
        kinds: &mut BTreeMap<GroupVersionKind, Watched>,
        pool: &mut CompactPool,
    ) -> Arc<Objects> {
        let Listed {
            scope,
            list,
            events,
        } = listed;
        let now = self.options.clock.as_ref().map(|clock| clock.now());
        let objects = Objects::of(list.items, &self.options.tracking, pool);
        let objects = Arc::new(objects);
        let gvk = scope.gvk.clone();
        let version = list.resource_version;
        let watched = Watched::new(scope, objects.clone(), version, events, now);
        kinds.insert(gvk, watched);
        objects
    }

    /// Lists those of these kinds that are not known yet, several at once: a list takes a server
    /// more time than work. Of the `outlines` only the metadata counts.
    ///
    /// # Errors
    /// When a kind cannot be listed.
    pub async fn prepare<'a>(
        &self,
        whole: impl IntoIterator<Item = &'a GroupVersionKind>,
        outlines: impl IntoIterator<Item = &'a GroupVersionKind>,
    ) -> Result<(), ClusterError> {
        let mut state = self.state.lock().await;
        let mut missing: Vec<ListScope> = Vec::new();
        let whole: BTreeSet<&GroupVersionKind> = whole.into_iter().collect();
        for gvk in &whole {
            if !state.kinds.contains_key(*gvk) {
                state.outlines.remove(*gvk);
                missing.push(ListScope::all((*gvk).clone()));
            }
        }
        for gvk in outlines.into_iter().collect::<BTreeSet<_>>() {
            let is_known = state.kinds.contains_key(gvk) || state.outlines.contains_key(gvk);
            if !is_known && !whole.contains(gvk) {
                missing.push(ListScope::all(gvk.clone()).metadata_only());
            }
        }
        let mut lists = stream::iter(missing)
            .map(|scope| self.listed(scope))
            .buffer_unordered(LISTS_AT_ONCE);
        let State {
            kinds,
            outlines,
            pool,
        } = &mut *state;
        while let Some(listed) = lists.next().await {
            if let Some(listed) = listed? {
                let known = match listed.scope.metadata_only {
                    true => &mut *outlines,
                    false => &mut *kinds,
                };
                self.keep(listed, known, pool);
            }
        }
        Ok(())
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
        let mut wanted: Vec<(&ObjectId, Option<GroupVersionKind>)> = Vec::new();
        let mut kinds: BTreeMap<GroupKind, Option<GroupVersionKind>> = BTreeMap::new();
        for id in ids {
            let kind = id.group_kind();
            let gvk = match kinds.get(&kind) {
                Some(gvk) => gvk.clone(),
                None => {
                    let version = versions.get(&kind).cloned();
                    let gvk = version.or_else(|| discovery.preferred(&kind));
                    kinds.insert(kind, gvk.clone());
                    gvk
                }
            };
            wanted.push((id, gvk));
        }
        self.prepare(kinds.values().flatten(), []).await?;
        let mut objects: BTreeMap<&GroupVersionKind, Arc<Objects>> = BTreeMap::new();
        for gvk in kinds.values().flatten() {
            objects.insert(gvk, self.objects(gvk).await?);
        }
        let found = wanted.iter().filter_map(|(id, gvk)| {
            let objects = objects.get(gvk.as_ref()?)?;
            objects.get(&id.namespace, &id.name)
        });
        Ok(found.collect())
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
