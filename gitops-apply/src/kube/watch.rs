//! Watches: events after a resource version, with bookmarks.

use std::{error::Error, io, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use gitops_core::{
    ErrorClass,
    cluster::{ClusterError, ListScope, ServedKind, WatchEvent},
};
use http_body_util::BodyExt as _;
use kube::{
    client::Body,
    core::{Status, WatchEvent as Raw},
};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    KubeCluster, failure, manifest,
    request::{Call, JSON},
};

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
    let body = cluster
        .patiently(&call, || cluster.begin(&call, JSON))
        .await
        .map_err(|error| expired(error, from))?;
    let gvk = scope.gvk.clone();
    let from = from.to_owned();
    let lines = received(body, cluster.options.watch_silence);
    let stream = lines.filter_map(move |line| {
        let event = line
            .map_err(|error| failure::of(error, &call).error)
            .and_then(|line| event(&line, &call))
            .transpose();
        let event = event.map(|event| match event? {
            Raw::Added(object) => manifest(object, &gvk).map(WatchEvent::Added),
            Raw::Modified(object) => manifest(object, &gvk).map(WatchEvent::Modified),
            Raw::Deleted(object) => manifest(object, &gvk).map(WatchEvent::Deleted),
            Raw::Bookmark(bookmark) => Ok(WatchEvent::Bookmark(bookmark.metadata.resource_version)),
            Raw::Error(status) => Err(expired(failure::of_status(&status, None, &call), &from)),
        });
        std::future::ready(event)
    });
    Ok(stream.boxed())
}

/// One event; `None` where the stream broke off in the middle of it.
fn event(line: &[u8], call: &Call) -> Result<Option<Raw<Value>>, ClusterError> {
    match serde_json::from_slice(line) {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.is_eof() => Ok(None),
        Err(error) => Err(match serde_json::from_slice::<Status>(line) {
            Ok(status) => failure::of_status(&status, None, call),
            Err(_) => ClusterError::Other {
                class: ErrorClass::Internal,
                source: format!("an event of {} is no JSON: {error}", call.object).into(),
            },
        }),
    }
}

/// The lines, until none comes for too long. They are received as they come, not as they are asked
/// for: who reads what there is, and not more, gets all that the server has sent. They are taken
/// apart when somebody asks for them: the echo of own writes is of no hurry.
fn received(
    mut body: Body,
    silence: Duration,
) -> impl futures::Stream<Item = Result<Bytes, kube::Error>> + Send {
    /// So many events wait for a reader before the server is made to wait.
    const WAITING: usize = 16_384;
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut receiving = JoinSet::new();
    receiving.spawn(async move {
        let mut rest = BytesMut::new();
        while let Ok(Some(frame)) = tokio::time::timeout(silence, body.frame()).await {
            let data = match frame {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(error) if broke_off(&error) => return,
                Err(error) => {
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            };
            let mut seen = rest.len();
            rest.extend_from_slice(&data);
            while let Some(end) = rest[seen..].iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(seen + end + 1).freeze();
                seen = 0;
                let is_blank = line.iter().all(u8::is_ascii_whitespace);
                if !is_blank && sender.send(Ok(line)).await.is_err() {
                    return;
                }
            }
        }
        if !rest.is_empty() {
            let _ = sender.send(Ok(rest.freeze())).await;
        }
    });
    // The task ends with the stream.
    stream::unfold((receiver, receiving), |(mut receiver, receiving)| async {
        // The runtime's budget would make a watch look idle.
        let next = tokio::task::unconstrained(receiver.recv()).await?;
        Some((next, (receiver, receiving)))
    })
}

/// Whether the connection ended in the middle of the answer, as connections of watches do.
fn broke_off(error: &kube::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let is_end = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        if error.downcast_ref().is_some_and(is_end)
            || error.to_string().contains("unexpected EOF during chunk")
        {
            return true;
        }
        cause = error.source();
    }
    false
}

fn expired(error: ClusterError, from: &str) -> ClusterError {
    match error {
        ClusterError::Expired { .. } => ClusterError::Expired {
            from: from.to_owned(),
        },
        error => error,
    }
}
