//! Watches: events after a resource version, with bookmarks.

use futures::{StreamExt as _, stream::BoxStream};
use gitops_core::cluster::{ClusterError, ListScope, ServedKind, WatchEvent};
use kube::{Client, core::WatchEvent as Raw};
use serde_json::Value;

use super::{KubeOptions, failure, manifest, request::Call};

/// The server ends a watch after this many seconds; the caller resumes it from the last event.
const WATCH_SECONDS: u64 = 290;

/// Opens a watch.
pub(super) async fn open(
    client: &Client,
    options: &KubeOptions,
    served: &ServedKind,
    scope: &ListScope,
    from: &str,
) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError> {
    let call = Call::watch(served, scope, from, WATCH_SECONDS);
    let request = call.request(options)?;
    let opening = client.request_events::<Value>(request);
    let events = match tokio::time::timeout(options.request_timeout, opening).await {
        Ok(Ok(events)) => events,
        Ok(Err(error)) => return Err(expired(failure::of(error, &call), from)),
        Err(_) => {
            return Err(ClusterError::Timeout {
                after: options.request_timeout,
            });
        }
    };
    let gvk = scope.gvk.clone();
    let from = from.to_owned();
    let stream = events.map(move |event: Result<Raw<Value>, kube::Error>| {
        match event.map_err(|error| failure::of(error, &call))? {
            Raw::Added(object) => manifest(object, &gvk).map(WatchEvent::Added),
            Raw::Modified(object) => manifest(object, &gvk).map(WatchEvent::Modified),
            Raw::Deleted(object) => manifest(object, &gvk).map(WatchEvent::Deleted),
            Raw::Bookmark(bookmark) => Ok(WatchEvent::Bookmark(bookmark.metadata.resource_version)),
            Raw::Error(status) => Err(expired(failure::of_status(&status, &call), &from)),
        }
    });
    Ok(stream.boxed())
}

fn expired(error: ClusterError, from: &str) -> ClusterError {
    match error {
        ClusterError::Expired { .. } => ClusterError::Expired {
            from: from.to_owned(),
        },
        error => error,
    }
}
