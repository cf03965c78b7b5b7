//! Watches: events after a resource version, with bookmarks.

use std::time::Duration;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use gitops_core::cluster::{ClusterError, ListScope, ServedKind, WatchEvent};
use kube::core::WatchEvent as Raw;
use serde_json::Value;

use super::{
    KubeCluster, failure,
    failure::Failed,
    manifest,
    request::{Call, JSON},
};

type Events = BoxStream<'static, Result<Raw<Value>, kube::Error>>;

/// Opens a watch. It ends without an error when the server ends it, or when nothing is heard for so
/// long that the connection may be dead.
pub(super) async fn open(
    cluster: &KubeCluster,
    served: &ServedKind,
    scope: &ListScope,
    from: &str,
) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError> {
    let seconds = cluster.options.watch_time.as_secs().max(1);
    let call = Call::watch(served, scope, from, seconds);
    let events = cluster
        .patiently(&call, || opening(cluster, &call))
        .await
        .map_err(|error| expired(error, from))?;
    let gvk = scope.gvk.clone();
    let from = from.to_owned();
    let stream = heard(events, cluster.options.watch_silence).map(move |event| {
        match event.map_err(|error| failure::of(error, &call).error)? {
            Raw::Added(object) => manifest(object, &gvk).map(WatchEvent::Added),
            Raw::Modified(object) => manifest(object, &gvk).map(WatchEvent::Modified),
            Raw::Deleted(object) => manifest(object, &gvk).map(WatchEvent::Deleted),
            Raw::Bookmark(bookmark) => Ok(WatchEvent::Bookmark(bookmark.metadata.resource_version)),
            Raw::Error(status) => Err(expired(failure::of_status(&status, None, &call), &from)),
        }
    });
    Ok(stream.boxed())
}

async fn opening(cluster: &KubeCluster, call: &Call) -> Result<Events, Failed> {
    let request = cluster.request(call, JSON)?;
    let limit = cluster.options.request_timeout;
    match tokio::time::timeout(limit, cluster.client.request_events(request)).await {
        Ok(Ok(events)) => Ok(events.boxed()),
        Ok(Err(error)) => Err(failure::of(error, call)),
        Err(_) => Err(ClusterError::Timeout { after: limit }.into()),
    }
}

/// The events, until none comes for too long.
fn heard(
    events: Events,
    silence: Duration,
) -> impl futures::Stream<Item = Result<Raw<Value>, kube::Error>> + Send {
    stream::unfold(events, move |mut events| async move {
        // Who reads what there is, and not more, must get all of it: the runtime's budget would
        // make a watch look idle.
        let next = tokio::task::unconstrained(events.next());
        let next = tokio::time::timeout(silence, next).await;
        Some((next.ok()??, events))
    })
}

fn expired(error: ClusterError, from: &str) -> ClusterError {
    match error {
        ClusterError::Expired { .. } => ClusterError::Expired {
            from: from.to_owned(),
        },
        error => error,
    }
}
