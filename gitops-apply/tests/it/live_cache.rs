//! The cache of live objects over watches that end, fall silent or are forgotten.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::stream;
use gitops_apply::embedded::{EmbeddedCluster, RequestVerb};
use gitops_core::{
    GroupVersionKind, ObjectRef, async_trait,
    clock::ManualClock,
    cluster::{ApplyOptions, Cluster, ClusterError, DeleteOptions, ListScope},
    delegate::{Delegate, Events},
    pipeline::{LiveCache, LiveOptions},
    plan::Owner,
    tracking,
};

use crate::sync::config;

/// A cluster whose first watches never say anything.
struct Deaf {
    inner: EmbeddedCluster,
    deaf: AtomicUsize,
}

#[async_trait]
impl Delegate for Deaf {
    fn inner(&self) -> &dyn Cluster {
        &self.inner
    }

    async fn on_watch(&self, scope: &ListScope, from: &str) -> Result<Events, ClusterError> {
        let left = self.deaf.load(Ordering::SeqCst);
        if left > 0 {
            self.deaf.store(left - 1, Ordering::SeqCst);
            return Ok(Box::pin(stream::pending()));
        }
        self.inner.watch(scope, from).await
    }
}

struct Setting {
    cluster: EmbeddedCluster,
    cache: LiveCache,
    clock: Arc<ManualClock>,
    kind: GroupVersionKind,
}

impl Setting {
    fn new(deaf: usize, history: usize) -> Self {
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let cluster = EmbeddedCluster::builder()
            .clock(clock.clone())
            .history(history)
            .build()
            .unwrap();
        let deaf = Deaf {
            inner: cluster.clone(),
            deaf: AtomicUsize::new(deaf),
        };
        let options = LiveOptions {
            clock: Some(clock.clone()),
            ..LiveOptions::default()
        };
        Self {
            cache: LiveCache::with_options(Arc::new(deaf), options),
            cluster,
            clock,
            kind: GroupVersionKind::new("", "v1", "ConfigMap"),
        }
    }

    async fn apply(&self, name: &str, value: &str, owner: &str) {
        let mut object = config(name, value);
        object.set_namespace("default");
        let owner = Owner {
            name: owner.to_owned(),
            ..Owner::default()
        };
        tracking::mark(&mut object, &owner, "default");
        let options = ApplyOptions::default();
        self.cluster.apply(&object, &options).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        let object = ObjectRef::new(self.kind.clone(), "default", name);
        let options = DeleteOptions::default();
        self.cluster.delete(&object, &options).await.unwrap();
    }

    async fn value(&self, name: &str) -> Option<String> {
        let objects = self.cache.objects(&self.kind).await.unwrap();
        let object = objects.get("default", name)?;
        Some(object.pointer("/data/key")?.as_str()?.to_owned())
    }

    async fn tracked(&self, owner: &str) -> Vec<String> {
        let owner = Owner {
            name: owner.to_owned(),
            ..Owner::default()
        };
        let objects = self.cache.objects(&self.kind).await.unwrap();
        let tracked = objects.tracked_by(&owner);
        tracked.map(|object| object.name().to_owned()).collect()
    }

    fn requests(&self) -> (usize, usize) {
        let requests = self.cluster.requests();
        (
            requests.count(RequestVerb::List),
            requests.count(RequestVerb::Watch),
        )
    }
}

#[tokio::test]
async fn objects_are_listed_once_and_found_by_their_application() {
    let setting = Setting::new(0, 1000);
    setting.apply("a", "1", "shop").await;
    assert_eq!(setting.value("a").await.as_deref(), Some("1"));
    setting.apply("a", "2", "shop").await;
    setting.apply("b", "1", "bakery").await;
    assert_eq!(setting.value("a").await.as_deref(), Some("2"));
    assert_eq!(setting.tracked("shop").await, ["a"]);
    setting.apply("a", "2", "bakery").await;
    assert!(setting.tracked("shop").await.is_empty());
    assert_eq!(setting.tracked("bakery").await, ["a", "b"]);
    setting.delete("a").await;
    assert_eq!(setting.tracked("bakery").await, ["b"]);
    assert_eq!(setting.requests(), (1, 1));
}

#[tokio::test]
async fn a_dormant_watch_is_taken_up_where_it_was() {
    let setting = Setting::new(1, 1000);
    setting.apply("a", "1", "shop").await;
    setting.apply("gone", "1", "shop").await;
    assert_eq!(setting.value("a").await.as_deref(), Some("1"));
    setting.apply("a", "2", "shop").await;
    setting.delete("gone").await;
    setting.clock.advance(Duration::from_secs(300));
    assert_eq!(
        setting.value("a").await.as_deref(),
        Some("1"),
        "not silent for long"
    );
    setting.clock.advance(Duration::from_secs(301));
    assert_eq!(setting.value("a").await.as_deref(), Some("2"));
    assert_eq!(setting.value("gone").await, None);
    // The deaf watch was not asked of the cluster; nothing was listed again.
    assert_eq!(setting.requests(), (1, 1));
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_and_one_that_is_forgotten_lists_again() {
    let setting = Setting::new(0, 5);
    setting.apply("a", "1", "shop").await;
    assert_eq!(setting.value("a").await.as_deref(), Some("1"));
    setting.cluster.drop_watches();
    setting.apply("a", "2", "shop").await;
    assert_eq!(setting.value("a").await.as_deref(), Some("2"));
    assert_eq!(setting.requests(), (1, 2));
    for value in 0..20 {
        setting.apply("b", &value.to_string(), "shop").await;
    }
    setting.delete("a").await;
    assert_eq!(setting.value("b").await.as_deref(), Some("19"));
    assert_eq!(setting.value("a").await, None);
    assert_eq!(setting.requests().0, 2);
}

#[tokio::test]
async fn metadata_is_read_without_content_until_somebody_needs_that() {
    let setting = Setting::new(0, 1000);
    setting.apply("a", "1", "shop").await;
    let outline = || async { setting.cache.metadata(&setting.kind).await.unwrap() };
    let has_content = |objects: &gitops_core::pipeline::Objects, name: &str| {
        let object = objects.get("default", name).unwrap();
        object.as_map().contains_key("data")
    };
    assert!(!has_content(&*outline().await, "a"));
    setting.apply("b", "1", "shop").await;
    let objects = outline().await;
    assert!(!has_content(&objects, "b"), "the watch brings no content");
    let owner = Owner {
        name: "shop".to_owned(),
        ..Owner::default()
    };
    assert_eq!(objects.tracked_by(&owner).count(), 2);
    setting.delete("b").await;
    assert_eq!(outline().await.tracked_by(&owner).count(), 1);
    assert_eq!(setting.requests(), (1, 1));

    assert_eq!(setting.value("a").await.as_deref(), Some("1"));
    assert!(has_content(&*outline().await, "a"), "what is there is used");
    assert_eq!(setting.requests(), (2, 2));
}
