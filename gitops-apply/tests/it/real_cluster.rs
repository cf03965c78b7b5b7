//! `KubeCluster` on a real control plane.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt as _;
use gitops_apply::kube::{ClusterSecret, Impersonation, KubeCluster, KubeOptions};
use gitops_core::{
    GroupVersionKind, Manifest,
    app::OperationPhase,
    clock::SystemClock,
    cluster::{ApplyOptions, Cluster, ListScope, WatchEvent, WriteOptions},
    pipeline::LiveCache,
};
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, Controllers},
    kube_faults::sync,
    on_runtime,
};

async fn connect(plane: &ControlPlane, options: KubeOptions) -> KubeCluster {
    let text = std::fs::read_to_string(&plane.kubeconfig).expect("a kubeconfig");
    KubeCluster::from_kubeconfig_text(&text, None, Arc::new(SystemClock), options)
        .await
        .expect("a cluster")
}

fn config(name: &str, value: &str) -> Manifest {
    Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"k": value},
    }))
    .expect("an object")
}

/// Who the server takes the client for.
async fn whoami(cluster: &KubeCluster) -> Value {
    let review = Manifest::try_from(json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {},
    }))
    .expect("an object");
    let made = cluster.create(&review, &WriteOptions::default()).await;
    let made = made.expect("a review");
    made.pointer("/status/userInfo")
        .cloned()
        .unwrap_or_default()
}

#[test]
fn clusters_come_from_contexts_and_secrets_and_act_as_others() {
    let Some(plane) = ControlPlane::start(Controllers::None) else {
        return;
    };
    on_runtime(async {
        let text = std::fs::read_to_string(&plane.kubeconfig).expect("a kubeconfig");
        assert_eq!(KubeCluster::contexts(&text).expect("contexts"), ["test"]);
        let clock = Arc::new(SystemClock);
        let missing = KubeCluster::from_kubeconfig_text(
            &text,
            Some("elsewhere"),
            clock.clone(),
            KubeOptions::default(),
        );
        let error = missing.await.expect_err("no such context").to_string();
        assert!(error.contains("elsewhere"), "{error}");

        let cluster = connect(&plane, KubeOptions::default()).await;
        assert_eq!(whoami(&cluster).await["username"], "test-admin");
        let other = KubeOptions {
            impersonate: Some(Impersonation::service_account("shop", "deployer")),
            ..KubeOptions::default()
        };
        let user = whoami(&connect(&plane, other).await).await;
        assert_eq!(user["username"], "system:serviceaccount:shop:deployer");
        let groups = user["groups"].to_string();
        assert!(groups.contains("system:serviceaccounts:shop"), "{groups}");

        let server = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("server: "));
        let config = json!({"bearerToken": "test-token", "tlsClientConfig": {"insecure": true}});
        let secret = Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "west", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "data": {
                "name": STANDARD.encode("west"),
                "server": STANDARD.encode(server.expect("an address")),
                "config": STANDARD.encode(config.to_string()),
            },
        }))
        .expect("a Secret");
        let secret = ClusterSecret::parse(&secret).expect("a cluster");
        let cluster = KubeCluster::from_secret(&secret, clock, KubeOptions::default())
            .await
            .expect("a cluster");
        assert_eq!(whoami(&cluster).await["username"], "test-admin");
    });
}

#[test]
fn the_api_server_restarts_in_the_middle_of_a_sync() {
    let Some(mut plane) = ControlPlane::start(Controllers::None) else {
        return;
    };
    on_runtime(async {
        let cluster = Arc::new(connect(&plane, KubeOptions::default()).await);
        let gvk = GroupVersionKind::new("", "v1", "ConfigMap");
        let scope = ListScope::all(gvk.clone());
        let cache = LiveCache::new(cluster.clone());
        cache.objects(&gvk).await.expect("objects");
        let syncing = {
            let cluster = Arc::clone(&cluster);
            let objects = (0..2000)
                .map(|n| config(&format!("c{n:04}"), "v"))
                .collect();
            tokio::spawn(async move { sync(&*cluster, objects).await })
        };
        let some = async |least: usize| {
            for _ in 0..200 {
                let list = cluster.list(&scope).await.expect("a list");
                if list.items.len() >= least {
                    return list.items.len();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("fewer than {least} objects in time")
        };
        let at_restart = some(100).await;
        assert!(at_restart < 2000, "the sync was over before the restart");
        let plane = tokio::task::spawn_blocking(move || {
            plane.kill_apiserver();
            plane.start_apiserver();
            plane
        });
        let _plane = plane.await.expect("it restarts");
        assert_eq!(syncing.await.expect("no panic"), OperationPhase::Succeeded);
        let list = cluster.list(&scope).await.expect("a list");
        let synced = list.items.iter().filter(|o| o.namespace() == "default");
        assert_eq!(synced.count(), 2000);
        // The cache's watch died with the server.
        for _ in 0..100 {
            if cache
                .objects(&gvk)
                .await
                .expect("objects")
                .get("default", "c1999")
                .is_some()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the cache does not catch up");
    });
}

#[test]
fn watches_go_on_after_their_time() {
    let Some(plane) = ControlPlane::start(Controllers::None) else {
        return;
    };
    on_runtime(async {
        let options = KubeOptions {
            watch_time: Duration::from_secs(4),
            ..KubeOptions::default()
        };
        let cluster = connect(&plane, options).await;
        let scope = ListScope {
            namespace: Some("default".to_owned()),
            ..ListScope::all(GroupVersionKind::new("", "v1", "ConfigMap"))
        };
        let mut from = cluster.list(&scope).await.expect("a list").resource_version;
        let mut seen = Vec::new();
        for round in 0..2 {
            let mut events = cluster.watch(&scope, &from).await.expect("a watch");
            let object = config(&format!("c{round}"), "v");
            let options = ApplyOptions::default();
            cluster
                .apply(&object, &options)
                .await
                .expect("it is applied");
            while let Some(event) = events.next().await {
                match event.expect("no error") {
                    WatchEvent::Bookmark(version) => from = version,
                    WatchEvent::Added(object) => {
                        from = object.resource_version().to_owned();
                        seen.push(object.name().to_owned());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(seen, ["c0", "c1"]);
    });
}
