//! Live state of the kinds that applications use: listed once, then kept up to date by watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Poll,
};

use futures::{FutureExt, StreamExt, future::poll_fn, lock::Mutex, stream::BoxStream};

use crate::{
    cluster::{Cluster, ClusterError, Discovery, ListScope, WatchEvent},
    object::{GroupKind, GroupVersionKind, Manifest, ObjectId},
};

/// Live objects by kind, read through one cluster.
///
/// A kind is listed when it is first asked for and watched from then on; events are taken in when the
/// kind is asked for again, so that nothing runs in the background. After the caller has written
/// objects of a kind it says so with [`LiveCache::forget`], and the kind is listed anew: what was
/// written is always seen.
pub struct LiveCache {
    cluster: Arc<dyn Cluster>,
    kinds: Mutex<BTreeMap<GroupVersionKind, Watched>>,
}

struct Watched {
    objects: Arc<Objects>,
    events: Option<BoxStream<'static, Result<WatchEvent, ClusterError>>>,
}

/// Objects of one kind by namespace and name.
pub type Objects = BTreeMap<(String, String), Manifest>;

impl LiveCache {
    /// An empty cache.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self {
            cluster,
            kinds: Mutex::new(BTreeMap::new()),
        }
    }

    /// All live objects of a kind; none where the cluster does not serve it.
    pub async fn objects(&self, gvk: &GroupVersionKind) -> Result<Arc<Objects>, ClusterError> {
        let mut kinds = self.kinds.lock().await;
        if let Some(watched) = kinds.get_mut(gvk) {
            if watched.catch_up() {
                return Ok(watched.objects.clone());
            }
            kinds.remove(gvk);
        }
        let scope = ListScope::all(gvk.clone());
        let list = match self.cluster.list(&scope).await {
            Ok(list) => list,
            Err(ClusterError::UnknownKind { .. }) => return Ok(Arc::default()),
            Err(error) => return Err(error),
        };
        let objects: Arc<Objects> = Arc::new(
            list.items
                .into_iter()
                .map(|object| (key(&object), object))
                .collect(),
        );
        let events = self
            .cluster
            .watch(&scope, &list.resource_version)
            .await
            .ok();
        kinds.insert(
            gvk.clone(),
            Watched {
                objects: objects.clone(),
                events,
            },
        );
        Ok(objects)
    }

    /// Lists these kinds anew when they are next asked for.
    pub async fn forget<'a>(&self, kinds: impl IntoIterator<Item = &'a GroupKind>) {
        let kinds: BTreeSet<&GroupKind> = kinds.into_iter().collect();
        self.kinds
            .lock()
            .await
            .retain(|gvk, _| !kinds.contains(&gvk.group_kind()));
    }

    /// Lists everything anew when it is next asked for.
    pub async fn forget_all(&self) {
        self.kinds.lock().await.clear();
    }

    /// The live objects with these ids, at the versions given or else the server's preferred ones.
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
            found.extend(
                objects
                    .get(&(id.namespace.clone(), id.name.clone()))
                    .cloned(),
            );
        }
        Ok(found)
    }

    /// Waits until an object of a watched kind changes.
    pub async fn changed(&self) {
        let mut kinds = self.kinds.lock().await;
        poll_fn(|context| {
            let mut changed = false;
            for watched in kinds.values_mut() {
                let Some(events) = &mut watched.events else {
                    continue;
                };
                match events.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(WatchEvent::Bookmark(_)))) => {
                        context.waker().wake_by_ref();
                    }
                    Poll::Ready(Some(Ok(event))) => {
                        watched.take(event);
                        changed = true;
                    }
                    Poll::Ready(_) => {
                        watched.events = None;
                        changed = true;
                    }
                    Poll::Pending => {}
                }
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

impl Watched {
    /// Takes in what has happened since; `false` where the watch has ended.
    fn catch_up(&mut self) -> bool {
        loop {
            let Some(events) = &mut self.events else {
                return false;
            };
            match events.next().now_or_never() {
                None => return true,
                Some(Some(Ok(event))) => self.take(event),
                Some(_) => self.events = None,
            }
        }
    }

    fn take(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                Arc::make_mut(&mut self.objects).insert(key(&object), object);
            }
            WatchEvent::Deleted(object) => {
                Arc::make_mut(&mut self.objects).remove(&key(&object));
            }
            WatchEvent::Bookmark(_) => {}
        }
    }
}

fn key(object: &Manifest) -> (String, String) {
    (object.namespace().to_owned(), object.name().to_owned())
}
