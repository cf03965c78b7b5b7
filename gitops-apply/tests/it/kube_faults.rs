//! `KubeCluster` on a server that fails: over the REST face of the embedded cluster.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use gitops_apply::{
    embedded::{EmbeddedCluster, Fault, FaultKind, RequestVerb, rest::RestServer},
    execute::SyncApplier,
    health::ArgoHealth,
    kube::{Impersonation, KubeCluster, KubeOptions, Rate},
};
use gitops_core::{
    GroupVersionKind, Manifest,
    app::{ApplicationDestination, OperationPhase},
    apply::{Applier as _, ExecuteContext, ExecuteOptions},
    clock::{Clock, SystemClock},
    cluster::{ApplyOptions, Cluster, ClusterError, ListScope, WatchEvent, WriteOptions},
    events::Silent,
    pipeline::LiveCache,
    plan::{DesiredSet, LiveSet, Owner, PlanOptions},
    policy::PermitAll,
    state::MemoryStateStore,
};
use gitops_diff::StructuralDiffer;
use serde_json::json;

use crate::on_runtime;

struct Served {
    embedded: EmbeddedCluster,
    serving: tokio::task::JoinHandle<()>,
    url: String,
}

impl Served {
    async fn new() -> Self {
        let embedded = EmbeddedCluster::builder()
            .clock(Arc::new(SystemClock))
            .build()
            .expect("a cluster");
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = RestServer::bind(&embedded, address).await.expect("a port");
        Self {
            url: server.url(),
            serving: tokio::spawn(server.run()),
            embedded,
        }
    }

    fn cluster(&self, options: KubeOptions) -> KubeCluster {
        let mut config = kube::Config::new(self.url.parse().expect("a URL"));
        config.default_retry = false;
        let client = kube::Client::try_from(config).expect("a client");
        KubeCluster::new(client, Arc::new(SystemClock), options)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn config(name: &str, value: &str) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"x": "y"}},
        "data": {"k": value},
    }))
    .expect("an object")
}

fn configs() -> ListScope {
    ListScope {
        gvk: GroupVersionKind::new("", "v1", "ConfigMap"),
        namespace: Some("default".to_owned()),
        label_selector: "x=y".to_owned(),
        metadata_only: false,
    }
}

/// Three of ten requests fail: one throttled, one with an internal error, one in time-out.
fn fail_a_third(cluster: &EmbeddedCluster) {
    let kinds = [
        FaultKind::Throttled(None),
        FaultKind::Internal("boom".to_owned()),
        FaultKind::Timeout,
    ];
    for kind in kinds {
        cluster.inject(Fault::new(kind).every(10));
    }
}

pub(crate) async fn sync(cluster: &dyn Cluster, objects: Vec<Manifest>) -> OperationPhase {
    let desired = DesiredSet {
        owner: Owner {
            name: "shop".to_owned(),
            namespace: "argocd".to_owned(),
            bootstrap: false,
        },
        revision: "1".to_owned(),
        objects,
        destination: ApplicationDestination {
            namespace: Some("default".to_owned()),
            ..ApplicationDestination::default()
        },
        ..DesiredSet::default()
    };
    let state = Arc::new(MemoryStateStore::default());
    let applier = SyncApplier::new(Arc::new(StructuralDiffer::default()), state);
    let schemas = cluster.schemas().await.expect("schemas");
    let options = PlanOptions::default();
    let plan = applier
        .plan(&desired, &LiveSet::default(), &*schemas, &options)
        .expect("a plan");
    let context = ExecuteContext {
        clock: &SystemClock,
        health: &ArgoHealth,
        policy: &PermitAll,
        events: &Silent,
    };
    let report = applier
        .execute(&plan, cluster, &context, &ExecuteOptions::default())
        .await
        .expect("a report");
    if report.phase != OperationPhase::Succeeded {
        println!("{report:#?}");
    }
    report.phase
}

#[test]
fn a_third_of_all_requests_fails_and_everything_is_applied() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions::default());
        fail_a_third(&served.embedded);
        let objects = (0..200).map(|n| config(&format!("c{n:03}"), "v")).collect();
        assert_eq!(sync(&cluster, objects).await, OperationPhase::Succeeded);
        let list = cluster.list(&configs()).await.expect("a list");
        assert_eq!(list.items.len(), 200);
        let requests = served.embedded.requests();
        let failed = requests.all.iter().filter(|r| r.failed_by_fault).count();
        assert!(
            failed * 5 > requests.all.len(),
            "{failed} of {}",
            requests.all.len()
        );
        assert!(requests.all.len() < 400, "{}", requests.all.len());
    });
}

#[test]
fn the_retries_of_all_requests_share_a_budget() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            retry_budget: Rate {
                per_second: 0.001,
                burst: 7,
            },
            ..KubeOptions::default()
        });
        cluster.discovery().await.expect("discovery");
        served.embedded.clear_requests();
        served.embedded.inject(Fault::new(FaultKind::Unavailable));
        for _ in 0..10 {
            let failed = cluster.list(&configs()).await.expect_err("it fails");
            assert!(
                matches!(failed, ClusterError::Unavailable { .. }),
                "{failed}"
            );
        }
        assert_eq!(served.embedded.requests().all.len(), 17);
    });
}

#[test]
fn writes_are_sent_again_only_where_the_server_did_not_take_them() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions::default());
        cluster.discovery().await.expect("discovery");
        served
            .embedded
            .inject(Fault::new(FaultKind::Throttled(None)).times(2));
        let options = WriteOptions::default();
        cluster
            .create(&config("a", "v"), &options)
            .await
            .expect("it is created");
        served
            .embedded
            .inject(Fault::new(FaultKind::Internal("boom".to_owned())).times(1));
        let failed = cluster.create(&config("b", "v"), &options).await;
        assert!(matches!(failed, Err(ClusterError::Unavailable { .. })));
        let creates = served.embedded.requests().count(RequestVerb::Create);
        assert_eq!(creates, 4);
    });
}

#[test]
fn the_wait_that_the_server_asks_for_is_kept() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions::default());
        cluster.discovery().await.expect("discovery");
        let wait = Some(Duration::from_secs(1));
        served
            .embedded
            .inject(Fault::new(FaultKind::Throttled(wait)).times(1));
        let started = Instant::now();
        cluster.list(&configs()).await.expect("a list");
        assert!(started.elapsed() >= Duration::from_millis(990));
    });
}

#[test]
fn a_request_that_hangs_ends_at_its_deadline() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            request_timeout: Duration::from_millis(200),
            retries: 1,
            ..KubeOptions::default()
        });
        cluster.discovery().await.expect("discovery");
        served
            .embedded
            .inject(Fault::new(FaultKind::Latency(Duration::from_secs(60))));
        let started = Instant::now();
        let failed = cluster.list(&configs()).await;
        assert!(matches!(failed, Err(ClusterError::Timeout { .. })));
        assert!(started.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn requests_keep_to_the_rate() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            rate_limit: Some(Rate {
                per_second: 50.0,
                burst: 5,
            }),
            ..KubeOptions::default()
        });
        let started = Instant::now();
        let scope = ListScope::all(configs().gvk);
        let all = (0..55).map(|_| cluster.list(&scope));
        for list in futures::future::join_all(all).await {
            list.expect("a list");
        }
        assert!(started.elapsed() >= Duration::from_millis(990));
    });
}

/// Applies objects while watches fail, and reads them through the cache until it agrees.
async fn converges(served: &Served, cluster: KubeCluster) {
    let cluster: Arc<dyn Cluster> = Arc::new(cluster);
    let cache = LiveCache::new(Arc::clone(&cluster));
    let gvk = configs().gvk;
    for round in 0..20 {
        cache.objects(&gvk).await.expect("objects");
        let name = format!("c{}", round % 5);
        let object = config(&name, &round.to_string());
        served
            .embedded
            .apply(&object, &ApplyOptions::default())
            .await
            .expect("it is applied");
        let started = Instant::now();
        loop {
            let objects = cache.objects(&gvk).await.expect("objects");
            let found = objects.get("default", &name);
            let value = found.and_then(|o| o.pointer("/data/k").cloned());
            if value == Some(round.to_string().into()) {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[test]
fn dropped_watches_are_resumed() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions::default());
        served
            .embedded
            .inject(Fault::new(FaultKind::DroppedWatch(2)));
        converges(&served, cluster).await;
    });
}

#[test]
fn expired_watches_begin_anew() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions::default());
        let from = cluster.list(&configs()).await.expect("a list");
        for round in 0..5 {
            let object = config("a", &round.to_string());
            let options = ApplyOptions::default();
            served
                .embedded
                .apply(&object, &options)
                .await
                .expect("it is applied");
        }
        served.embedded.compact();
        let version = &from.resource_version;
        let expired = match cluster.watch(&configs(), version).await {
            Err(error) => Err(error),
            Ok(mut events) => events.next().await.expect("an event"),
        };
        assert!(
            matches!(&expired, Err(ClusterError::Expired { from }) if from == version),
            "{expired:?}"
        );
        converges(&served, cluster).await;
    });
}

#[test]
fn a_silent_watch_is_given_up() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            watch_silence: Duration::from_millis(200),
            ..KubeOptions::default()
        });
        let list = cluster.list(&configs()).await.expect("a list");
        let mut events = cluster
            .watch(&configs(), &list.resource_version)
            .await
            .expect("a watch");
        let ended = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
        assert!(ended.expect("it ends").is_none());
        converges(&served, cluster).await;
    });
}

#[test]
fn a_watch_ends_when_its_time_is_over_with_a_bookmark_to_resume_from() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            watch_time: Duration::from_secs(1),
            ..KubeOptions::default()
        });
        let list = cluster.list(&configs()).await.expect("a list");
        let mut secret = config("other", "v");
        secret.metadata_mut().remove("labels");
        let options = ApplyOptions::default();
        let written = served
            .embedded
            .apply(&secret, &options)
            .await
            .expect("it is applied");
        let events = cluster
            .watch(&configs(), &list.resource_version)
            .await
            .expect("a watch");
        let events: Vec<_> = events.collect().await;
        let Some(Ok(WatchEvent::Bookmark(version))) = events.last() else {
            panic!("{events:?}")
        };
        assert!(version.parse::<u64>().ok() >= written.resource_version().parse().ok());
    });
}

#[test]
fn a_list_whose_pages_expire_begins_anew() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = Arc::new(served.cluster(KubeOptions {
            page_size: 2,
            ..KubeOptions::default()
        }));
        for n in 0..9 {
            let object = config(&format!("c{n}"), "v");
            served
                .embedded
                .apply(&object, &ApplyOptions::default())
                .await
                .expect("it is applied");
        }
        let slow = Fault::new(FaultKind::Latency(Duration::from_millis(50)));
        served
            .embedded
            .inject(slow.on(|request| request.verb == RequestVerb::List));
        let listing = {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move { cluster.list(&configs()).await })
        };
        tokio::time::sleep(Duration::from_millis(75)).await;
        let object = config("c4", "w");
        let options = ApplyOptions::default();
        served
            .embedded
            .apply(&object, &options)
            .await
            .expect("it is applied");
        served.embedded.compact();
        let list = listing.await.expect("no panic").expect("a list");
        let mut names: Vec<&str> = list.items.iter().map(Manifest::name).collect();
        names.dedup();
        assert_eq!(names.len(), 9);
    });
}

#[test]
fn a_definition_of_another_writer_is_found_and_its_change_too() {
    on_runtime(async {
        let served = Served::new().await;
        let cluster = served.cluster(KubeOptions {
            discovery_age: Duration::ZERO,
            ..KubeOptions::default()
        });
        cluster.schemas().await.expect("schemas");
        let definition = |field: &str| {
            Manifest::try_from(json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "widgets.example.com"},
                "spec": {
                    "group": "example.com", "scope": "Namespaced",
                    "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}}}},
                    }}}],
                },
            }))
            .expect("a definition")
        };
        let options = ApplyOptions::default();
        let widget = GroupVersionKind::new("example.com", "v1", "Widget");
        let known = async |field: &str| -> bool {
            let schemas = cluster.schemas().await.expect("schemas");
            let schema = schemas.schema(&widget).expect("a schema");
            format!("{schema:?}").contains(field)
        };
        served
            .embedded
            .apply(&definition("first"), &options)
            .await
            .expect("it is applied");
        let list = cluster.list(&ListScope::all(widget.clone())).await;
        assert!(list.expect("a list").items.is_empty());
        assert!(known("first").await);
        served
            .embedded
            .apply(&definition("second"), &options)
            .await
            .expect("it is applied");
        assert!(known("second").await);
        let before = cluster.schemas().await.expect("schemas");
        let after = cluster.schemas().await.expect("schemas");
        assert!(
            Arc::ptr_eq(&before, &after),
            "nothing changed, nothing is read"
        );
    });
}

#[test]
fn nobody_waits_for_a_server_that_never_answered() {
    on_runtime(async {
        let served = Served::new().await;
        served.serving.abort();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let cluster = served.cluster(KubeOptions {
            impersonate: Some(Impersonation::user("somebody")),
            ..KubeOptions::default()
        });
        let started = SystemClock.now();
        let failed = cluster.discovery().await;
        assert!(matches!(failed, Err(ClusterError::Unavailable { .. })));
        let took = SystemClock.now().duration_since(started).as_secs_f64();
        assert!(took < 2.0, "{took}");
    });
}
