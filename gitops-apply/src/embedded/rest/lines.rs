//! The lines of a watch: events, bookmarks, and its end.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::Stream;
use gitops_core::{
    GroupVersionKind, Manifest,
    cluster::{ClusterError, WatchEvent},
};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, Sleep, interval_at, sleep};

use crate::embedded::{status::ApiError, watch::Watch};

/// A bookmark is due so often, whatever happens.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// What the request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Whether there are timers to tell the time by.
    pub(super) timed: bool,
    /// After so many seconds the watch ends.
    pub(super) seconds: Option<u64>,
    pub(super) bookmarks: bool,
    /// A bookmark tells where the objects that existed at the start end.
    pub(super) tells_start: bool,
}

pub(super) struct Lines<F> {
    watch: Watch,
    gvk: GroupVersionKind,
    bookmarks: bool,
    /// How many events are still due before the start is told; `None` once it is.
    until_start: Option<usize>,
    ready: VecDeque<Value>,
    ticks: Option<Pin<Box<Interval>>>,
    end: Option<Pin<Box<Sleep>>>,
    is_over: bool,
    show: F,
}

impl<F: Fn(Manifest) -> Value> Lines<F> {
    pub(super) fn new(watch: Watch, gvk: GroupVersionKind, limits: Limits, show: F) -> Self {
        let ticks = (limits.timed && limits.bookmarks)
            .then(|| Box::pin(interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY)));
        let end = limits.seconds.filter(|_| limits.timed);
        let mut lines = Self {
            until_start: limits.tells_start.then(|| watch.initial_count()),
            watch,
            gvk,
            bookmarks: limits.bookmarks,
            ready: VecDeque::new(),
            ticks,
            end: end.map(|seconds| Box::pin(sleep(Duration::from_secs(seconds)))),
            is_over: false,
            show,
        };
        lines.tell_start();
        lines
    }

    fn tell_start(&mut self) {
        if self.until_start == Some(0) {
            self.until_start = None;
            let line = self.bookmark(&self.watch.position().to_string(), true);
            self.ready.push_back(line);
        }
    }

    fn bookmark(&self, version: &str, is_start: bool) -> Value {
        let mut metadata = json!({"resourceVersion": version, "creationTimestamp": null});
        if is_start {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        json!({"type": "BOOKMARK", "object": {
            "kind": self.gvk.kind, "apiVersion": self.gvk.api_version(), "metadata": metadata,
        }})
    }

    fn take(&mut self, event: Result<WatchEvent, ClusterError>) {
        let error = |error: ApiError| json!({"type": "ERROR", "object": error.to_status()});
        let line = match event {
            Ok(WatchEvent::Bookmark(version)) if self.bookmarks => {
                Some(self.bookmark(&version, false))
            }
            Ok(WatchEvent::Added(object)) => Some(self.line("ADDED", object)),
            Ok(WatchEvent::Modified(object)) => Some(self.line("MODIFIED", object)),
            Ok(WatchEvent::Deleted(object)) => Some(self.line("DELETED", object)),
            Ok(_) => None,
            Err(ClusterError::Expired { from }) => Some(error(ApiError::expired(&from))),
            Err(other) => Some(error(ApiError::internal(other.to_string()))),
        };
        self.ready.extend(line);
        if let Some(left) = &mut self.until_start {
            *left = left.saturating_sub(1);
        }
        self.tell_start();
    }

    fn line(&self, kind: &str, object: Manifest) -> Value {
        json!({"type": kind, "object": (self.show)(object)})
    }

    /// A bookmark where the watch stands; all before it was told.
    fn mark(&mut self) {
        if self.bookmarks && self.until_start.is_none() {
            let line = self.bookmark(&self.watch.position().to_string(), false);
            self.ready.push_back(line);
        }
    }
}

impl<F: Fn(Manifest) -> Value + Unpin> Stream for Lines<F> {
    type Item = Value;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Value>> {
        let this = self.get_mut();
        loop {
            if let Some(line) = this.ready.pop_front() {
                return Poll::Ready(Some(line));
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.watch).poll_next(cx) {
                Poll::Ready(Some(event)) => this.take(event),
                Poll::Ready(None) => this.is_over = true,
                Poll::Pending => {
                    let is_due = |end: &mut Pin<Box<Sleep>>| end.as_mut().poll(cx).is_ready();
                    if this.end.as_mut().is_some_and(is_due) {
                        this.mark();
                        this.is_over = true;
                        continue;
                    }
                    let is_due = |ticks: &mut Pin<Box<Interval>>| ticks.poll_tick(cx).is_ready();
                    if this.ticks.as_mut().is_some_and(is_due) {
                        this.mark();
                        continue;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
