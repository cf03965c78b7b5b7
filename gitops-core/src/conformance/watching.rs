//! Watches.

use futures::{StreamExt as _, stream::BoxStream};
use serde_json::json;

use super::{Case, Failure, Harness, case, holds, same};
use crate::{
    Manifest,
    cluster::{ClusterError, ListScope, WatchEvent},
};

type Events = BoxStream<'static, Result<WatchEvent, ClusterError>>;

async fn open(h: &Harness, scope: &ListScope) -> Result<Events, Failure> {
    let list = h.cluster.list(scope).await?;
    Ok(h.cluster.watch(scope, &list.resource_version).await?)
}

/// The next event that is no bookmark, as its kind and object.
async fn next(events: &mut Events) -> Result<(&'static str, Manifest), Failure> {
    loop {
        match events.next().await {
            Some(Ok(WatchEvent::Added(object))) => return Ok(("added", object)),
            Some(Ok(WatchEvent::Modified(object))) => return Ok(("modified", object)),
            Some(Ok(WatchEvent::Deleted(object))) => return Ok(("deleted", object)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the watch ended".to_owned().into()),
        }
    }
}

async fn expect(events: &mut Events, kind: &str, name: &str) -> Result<Manifest, Failure> {
    let (found, object) = next(events).await?;
    same(
        &json!([found, object.name()]),
        &json!([kind, name]),
        "the event",
    )?;
    Ok(object)
}

pub(super) fn add(cases: &mut Vec<Case>) {
    case(
        cases,
        "watch: creates, changes and deletes come in order",
        |h| async move {
            let mut events = open(&h, &h.configs("x=y")).await?;
            let mut config = h.config("a", json!({"k": "v"}));
            config.set_label("x", "y");
            let made = h.create(&config).await?;
            h.merge(&made, json!({"data": {"k": "w"}})).await?;
            h.remove(&made).await?;
            expect(&mut events, "added", "a").await?;
            let changed = expect(&mut events, "modified", "a").await?;
            same(
                &json!(changed.pointer("/data/k")),
                &"w".into(),
                "the change",
            )?;
            expect(&mut events, "deleted", "a").await.map(|_| ())
        },
    );
    case(
        cases,
        "watch: metadata comes without content",
        |h| async move {
            let mut events = open(&h, &h.configs("x=y").metadata_only()).await?;
            let mut config = h.config("a", json!({"k": "v"}));
            config.set_label("x", "y");
            let made = h.create(&config).await?;
            h.merge(&made, json!({"data": {"k": "w"}})).await?;
            h.remove(&made).await?;
            for kind in ["added", "modified", "deleted"] {
                let object = expect(&mut events, kind, "a").await?;
                same(
                    &json!([object.kind(), object.api_version(), object.uid()]),
                    &json!(["ConfigMap", "v1", made.uid()]),
                    "the object",
                )?;
                holds(!object.as_map().contains_key("data"), "there is no content")?;
            }
            Ok(())
        },
    );
    case(
        cases,
        "watch: from a list on nothing is missed",
        |h| async move {
            let list = h.cluster.list(&h.configs("x=y")).await?;
            for name in ["a", "b", "c"] {
                let mut config = h.config(name, json!({}));
                config.set_label("x", "y");
                h.create(&config).await?;
            }
            let mut events = h
                .cluster
                .watch(&h.configs("x=y"), &list.resource_version)
                .await?;
            for name in ["a", "b", "c"] {
                expect(&mut events, "added", name).await?;
            }
            Ok(())
        },
    );
    case(cases, "watch: it resumes after an event", |h| async move {
        let mut events = open(&h, &h.configs("x=y")).await?;
        for name in ["a", "b"] {
            let mut config = h.config(name, json!({}));
            config.set_label("x", "y");
            h.create(&config).await?;
        }
        let first = expect(&mut events, "added", "a").await?;
        drop(events);
        let mut events = h
            .cluster
            .watch(&h.configs("x=y"), first.resource_version())
            .await?;
        expect(&mut events, "added", "b").await.map(|_| ())
    });
    case(
        cases,
        "watch: other namespaces are left out",
        |h| async move {
            let mut events = open(&h, &h.configs("x=y")).await?;
            let mut other = h.config("other", json!({}));
            other.set_namespace("default");
            other.set_label("x", "y");
            let name = h.unique("other");
            other.metadata_mut().insert("name".to_owned(), name.into());
            let other = h.create(&other).await?;
            let mut own = h.config("own", json!({}));
            own.set_label("x", "y");
            h.create(&own).await?;
            let done = expect(&mut events, "added", "own").await.map(|_| ());
            h.remove(&other).await?;
            done
        },
    );
    case(cases, "watch: other kinds are left out", |h| async move {
        let mut events = open(&h, &h.configs("x=y")).await?;
        let mut secret =
            h.inside(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}));
        secret.set_label("x", "y");
        h.create(&secret).await?;
        let mut own = h.config("own", json!({}));
        own.set_label("x", "y");
        h.create(&own).await?;
        expect(&mut events, "added", "own").await.map(|_| ())
    });
    case(
        cases,
        "watch: an object that enters the selector is added",
        |h| async move {
            let made = h.create(&h.config("a", json!({}))).await?;
            let mut events = open(&h, &h.configs("x=y")).await?;
            h.merge(&made, json!({"metadata": {"labels": {"x": "y"}}}))
                .await?;
            expect(&mut events, "added", "a").await.map(|_| ())
        },
    );
    case(
        cases,
        "watch: an object that leaves the selector is deleted",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config.set_label("x", "y");
            let made = h.create(&config).await?;
            let mut events = open(&h, &h.configs("x=y")).await?;
            h.merge(&made, json!({"metadata": {"labels": {"x": "z"}}}))
                .await?;
            expect(&mut events, "deleted", "a").await.map(|_| ())
        },
    );
    case(
        cases,
        "watch: a deleted object has the revision of its end",
        |h| async move {
            let mut config = h.config("a", json!({}));
            config.set_label("x", "y");
            let made = h.create(&config).await?;
            let mut events = open(&h, &h.configs("x=y")).await?;
            h.remove(&made).await?;
            let gone = expect(&mut events, "deleted", "a").await?;
            holds(
                gone.resource_version() != made.resource_version(),
                "the resource version moved on",
            )
        },
    );
    case(
        cases,
        "watch: writes that change nothing are no events",
        |h| async move {
            let mut config = h.config("a", json!({"k": "v"}));
            config.set_label("x", "y");
            h.apply(&config).await?;
            let mut events = open(&h, &h.configs("x=y")).await?;
            h.apply(&config).await?;
            let mut second = h.config("b", json!({}));
            second.set_label("x", "y");
            h.apply(&second).await?;
            expect(&mut events, "added", "b").await.map(|_| ())
        },
    );
    case(cases, "watch: dry runs are no events", |h| async move {
        let mut events = open(&h, &h.configs("x=y")).await?;
        let mut first = h.config("a", json!({}));
        first.set_label("x", "y");
        let options = crate::cluster::ApplyOptions {
            dry_run: true,
            ..Default::default()
        };
        h.cluster.apply(&first, &options).await?;
        let mut second = h.config("b", json!({}));
        second.set_label("x", "y");
        h.apply(&second).await?;
        expect(&mut events, "added", "b").await.map(|_| ())
    });
    case(
        cases,
        "watch: a malformed selector is refused",
        |h| async move {
            let refused = h.cluster.watch(&h.configs("a in (b"), "").await;
            holds(refused.is_err(), "it is refused")
        },
    );
    case(
        cases,
        "watch: events of an object carry its revisions",
        |h| async move {
            let mut events = open(&h, &h.configs("x=y")).await?;
            let mut config = h.config("a", json!({}));
            config.set_label("x", "y");
            let made = h.create(&config).await?;
            let seen = expect(&mut events, "added", "a").await?;
            same(&seen.to_value(), &made.to_value(), "the object")
        },
    );
}
