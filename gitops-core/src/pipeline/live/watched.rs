//! One kind under watch.

use std::{
    collections::BTreeSet,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, stream::BoxStream};

use super::{LiveOptions, Objects, Written};
use crate::{
    clock::Timestamp,
    cluster::{Cluster, ClusterError, ListScope, WatchEvent},
    object::{CompactPool, Manifest},
    tracking::Tracking,
};

pub(super) struct Watched {
    pub(super) objects: Arc<Objects>,
    scope: ListScope,
    events: Option<BoxStream<'static, Result<WatchEvent, ClusterError>>>,
    /// Up to where events were heard; empty where there is no way on from there.
    resource_version: String,
    heard: Option<Timestamp>,
    /// Uids of objects that are known to be gone before the watch says so.
    gone: BTreeSet<String>,
}

impl Watched {
    pub(super) fn new(
        scope: ListScope,
        objects: Arc<Objects>,
        resource_version: String,
        events: Option<BoxStream<'static, Result<WatchEvent, ClusterError>>>,
        now: Option<Timestamp>,
    ) -> Self {
        Self {
            objects,
            scope,
            events,
            resource_version,
            heard: now,
            gone: BTreeSet::new(),
        }
    }

    /// Watches from where it stands; `false` where that is not possible.
    async fn open(&mut self, cluster: &dyn Cluster) -> bool {
        self.events = cluster
            .watch(&self.scope, &self.resource_version)
            .await
            .ok();
        self.events.is_some()
    }

    /// Takes in what has happened since; `false` where the kind has to be listed anew.
    pub(super) async fn is_current(
        &mut self,
        pool: &mut CompactPool,
        now: Option<Timestamp>,
        cluster: &dyn Cluster,
        options: &LiveOptions,
    ) -> bool {
        let is_open = self.catch_up(pool, now, &options.tracking);
        if is_open && !self.is_dormant(now, options) {
            return true;
        }
        if self.resource_version.is_empty() {
            return false;
        }
        self.heard = now;
        // What was missed is told by the new watch; one that ends right away cannot tell it.
        self.open(cluster).await && self.catch_up(pool, now, &options.tracking)
    }

    fn is_dormant(&self, now: Option<Timestamp>, options: &LiveOptions) -> bool {
        let (Some(now), Some(heard)) = (now, self.heard) else {
            return false;
        };
        let silence = std::time::Duration::try_from(now.duration_since(heard)).unwrap_or_default();
        silence >= options.dormant_after
    }

    /// Takes in the events that are there; `false` where the watch has ended.
    fn catch_up(
        &mut self,
        pool: &mut CompactPool,
        now: Option<Timestamp>,
        tracking: &Tracking,
    ) -> bool {
        loop {
            let Some(events) = &mut self.events else {
                return false;
            };
            match events.next().now_or_never() {
                None => return true,
                Some(Some(Ok(event))) => {
                    self.take(event, pool, now, tracking);
                }
                Some(Some(Err(ClusterError::Expired { .. }))) => {
                    self.events = None;
                    self.resource_version.clear();
                }
                Some(_) => self.events = None,
            }
        }
    }

    /// Takes in one event where there is one; whether an object changed or the watch has ended.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        pool: &mut CompactPool,
        now: Option<Timestamp>,
        tracking: &Tracking,
    ) -> bool {
        let Some(events) = &mut self.events else {
            return false;
        };
        match events.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(event))) => {
                let changed = self.take(event, pool, now, tracking);
                if !changed {
                    context.waker().wake_by_ref();
                }
                changed
            }
            Poll::Ready(end) => {
                if matches!(end, Some(Err(ClusterError::Expired { .. }))) {
                    self.resource_version.clear();
                }
                self.events = None;
                true
            }
            Poll::Pending => false,
        }
    }

    /// Whether an object changed.
    fn take(
        &mut self,
        event: WatchEvent,
        pool: &mut CompactPool,
        now: Option<Timestamp>,
        tracking: &Tracking,
    ) -> bool {
        self.heard = now;
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.hear(object.resource_version());
                !self.gone.contains(object.uid()) && self.put(&object, pool, tracking)
            }
            WatchEvent::Deleted(object) => {
                self.hear(object.resource_version());
                self.gone.remove(object.uid());
                self.remove(&object, tracking)
            }
            WatchEvent::Bookmark(resource_version) => {
                self.hear(&resource_version);
                false
            }
        }
    }

    fn hear(&mut self, resource_version: &str) {
        if !resource_version.is_empty() {
            resource_version.clone_into(&mut self.resource_version);
        }
    }

    /// Keeps the object, unless a later state of it is known.
    fn put(&mut self, object: &Manifest, pool: &mut CompactPool, tracking: &Tracking) -> bool {
        let known = self.objects.compact(object.namespace(), object.name());
        if known.is_some_and(|known| !is_later(object.resource_version(), known.resource_version()))
        {
            return false;
        }
        Arc::make_mut(&mut self.objects).insert(object, tracking, pool);
        true
    }

    /// Forgets the object, unless another one of its name has come.
    fn remove(&mut self, object: &Manifest, tracking: &Tracking) -> bool {
        let Some(known) = self.objects.get(object.namespace(), object.name()) else {
            return false;
        };
        let is_other = !object.uid().is_empty()
            && known.uid() != object.uid()
            && is_later(known.resource_version(), object.resource_version());
        if is_other {
            return false;
        }
        Arc::make_mut(&mut self.objects).remove(object.namespace(), object.name(), tracking);
        true
    }

    /// Takes in what a request has answered.
    pub(super) fn note(&mut self, written: Written, pool: &mut CompactPool, tracking: &Tracking) {
        match written {
            Written::There(object) => {
                if !self.gone.contains(object.uid()) {
                    self.put(&object, pool, tracking);
                }
            }
            Written::Gone(object) => {
                let Some(known) = self.objects.get(&object.namespace, &object.name) else {
                    return;
                };
                if self.events.is_some() && !known.uid().is_empty() {
                    self.gone.insert(known.uid().to_owned());
                }
                Arc::make_mut(&mut self.objects).remove(&object.namespace, &object.name, tracking);
            }
        }
    }
}

/// Whether one resource version comes after another; `true` where they are no numbers.
fn is_later(one: &str, other: &str) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one > other,
        _ => true,
    }
}
