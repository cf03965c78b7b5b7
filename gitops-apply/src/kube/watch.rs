//! Watches: events after a resource version, with bookmarks.

use std::time::Duration;

use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use gitops_core::cluster::{ClusterError, ListScope, ServedKind, WatchEvent};
use kube::core::WatchEvent as Raw;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

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
    let stream = received(events, cluster.options.watch_silence).map(move |event| {
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

/// The events, until none comes for too long. They are received as they come, not as they are asked
/// for: who reads what there is, and not more, gets all that the server has sent.
fn received(
    mut events: Events,
    silence: Duration,
) -> impl futures::Stream<Item = Result<Raw<Value>, kube::Error>> + Send {
    /// So many events wait for a reader before the server is made to wait.
    const WAITING: usize = 16_384;
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut receiving = JoinSet::new();
    receiving.spawn(async move {
        while let Ok(Some(event)) = tokio::time::timeout(silence, events.next()).await {
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    // The task ends with the stream.
    stream::unfold((receiver, receiving), |(mut receiver, receiving)| async {
        // The runtime's budget would make a watch look idle.
        let next = tokio::task::unconstrained(receiver.recv()).await?;
        Some((next, (receiver, receiving)))
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
