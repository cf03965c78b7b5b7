//! Watches: streams that read the history of a kind, so that a slow reader costs no memory.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, future::BoxFuture};
use gitops_core::{
    Manifest,
    cluster::{ClusterError, WatchEvent},
};

use super::{
    Shared,
    faults::Faults,
    registry::Kind,
    server::{Seen, seen_by},
    status::ApiError,
    store::{Filter, Next},
};

/// A bookmark is sent when so many changes of other objects have passed.
const BOOKMARK_AFTER: u64 = 100;

/// One watch.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    kind: Arc<Kind>,
    filter: Filter,
    /// Objects that exist at the start and are reported first.
    initial: std::vec::IntoIter<Manifest>,
    position: u64,
    told: u64,
    era: u64,
    budget: Option<u32>,
    alarm: Option<BoxFuture<'static, ()>>,
    is_over: bool,
}

impl Watch {
    /// Opens a watch from a resource version; from none or `0` it begins with all that exists.
    pub(crate) fn open(
        shared: Arc<Shared>,
        kind: Arc<Kind>,
        filter: Filter,
        from: &str,
    ) -> Result<Self, ClusterError> {
        let request = Faults::watch_request(&kind.gvk);
        let (era, budget) = {
            let mut faults = shared.faults();
            (faults.era, faults.watch_budget(&request))
        };
        let server = shared.server();
        let (initial, position) = if from.is_empty() || from == "0" {
            (server.list(&kind, &filter).items, server.store.revision())
        } else {
            let position: u64 = from.parse().map_err(|_| ClusterError::Invalid {
                object: kind.gvk.to_string(),
                message: format!("Invalid value: \"{from}\": not a resource version"),
                immutable: false,
            })?;
            if server.store.is_forgotten(&kind.stored, position) {
                return Err(ClusterError::Expired {
                    from: from.to_owned(),
                });
            }
            (Vec::new(), position)
        };
        drop(server);
        Ok(Self {
            shared,
            kind,
            filter,
            initial: initial.into_iter(),
            position,
            told: position,
            era,
            budget,
            alarm: None,
            is_over: false,
        })
    }

    /// Where it stands.
    #[cfg(feature = "rest")]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Number of objects that it reports first.
    #[cfg(feature = "rest")]
    pub(crate) fn initial_count(&self) -> usize {
        self.initial.len()
    }

    fn end(&mut self) -> Poll<Option<Result<WatchEvent, ClusterError>>> {
        self.is_over = true;
        Poll::Ready(None)
    }

    fn tell(&mut self, event: WatchEvent) -> Poll<Option<Result<WatchEvent, ClusterError>>> {
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(1);
        }
        Poll::Ready(Some(Ok(event)))
    }

    /// What is known now; `Ok(None)` where there is nothing new.
    fn advance(&mut self, cx: &Context<'_>) -> Result<Option<WatchEvent>, ClusterError> {
        let shared = Arc::clone(&self.shared);
        let mut server = shared.server();
        server.settle();
        loop {
            match server.next_event(&self.kind.stored, self.position) {
                Next::Forgotten => {
                    return Err(ApiError::expired(&self.position.to_string())
                        .into_cluster_error(&self.kind.gvk.to_string(), &self.kind.gvk));
                }
                Next::Event(event) => {
                    self.position = event.revision;
                    let Some(seen) = seen_by(&self.filter, &event) else {
                        continue;
                    };
                    self.told = event.revision;
                    let mut object = server.read(&self.kind, &event.object);
                    if object.resource_version() != event.revision.to_string() {
                        object.metadata_mut().insert(
                            "resourceVersion".to_owned(),
                            event.revision.to_string().into(),
                        );
                    }
                    return Ok(Some(match seen {
                        Seen::Added => WatchEvent::Added(object),
                        Seen::Modified => WatchEvent::Modified(object),
                        Seen::Deleted => WatchEvent::Deleted(object),
                    }));
                }
                Next::Idle => {
                    let revision = server.store.revision();
                    self.position = self.position.max(revision);
                    if revision >= self.told + BOOKMARK_AFTER {
                        self.told = revision;
                        return Ok(Some(WatchEvent::Bookmark(revision.to_string())));
                    }
                    server.store.wake_on_change(&self.kind.stored, cx.waker());
                    self.set_alarm(&server);
                    return Ok(None);
                }
            }
        }
    }

    /// Wakes the watch when something is due by itself.
    fn set_alarm(&mut self, server: &super::server::Server) {
        self.alarm = server.queue.next_due().map(|due| {
            let now = self.shared.clock.now();
            let wait = Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO);
            let clock = Arc::clone(&self.shared.clock);
            Box::pin(async move { clock.sleep(wait).await }) as BoxFuture<'static, ()>
        });
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent, ClusterError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.budget == Some(0) || this.shared.faults().era != this.era {
            return this.end();
        }
        if let Some(object) = this.initial.next() {
            return this.tell(WatchEvent::Added(object));
        }
        loop {
            match this.advance(cx) {
                Err(error) => {
                    this.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Ok(Some(event)) => return this.tell(event),
                Ok(None) => {}
            }
            match &mut this.alarm {
                Some(alarm) => match Future::poll(alarm.as_mut(), cx) {
                    Poll::Ready(()) => {
                        this.alarm = None;
                        // The clock may stand where it was; then there is nothing to come.
                        let due = this.shared.server().queue.next_due();
                        if due.is_some_and(|due| due > this.shared.clock.now()) {
                            return Poll::Pending;
                        }
                    }
                    Poll::Pending => return Poll::Pending,
                },
                None => return Poll::Pending,
            }
        }
    }
}
