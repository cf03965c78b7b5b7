use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, executor::block_on};
use gitops_core::{clock::ManualClock, cluster::Propagation};
use serde_json::{Value, json};

use super::*;

fn cluster() -> EmbeddedCluster {
    EmbeddedCluster::builder().build().unwrap()
}

fn manifest(value: Value) -> Manifest {
    Manifest::try_from(value).unwrap()
}

fn deployment(name: &str) -> Manifest {
    manifest(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
            },
        },
    }))
}

fn list(cluster: &EmbeddedCluster, group: &str, version: &str, kind: &str) -> Vec<Manifest> {
    let scope = ListScope::all(GroupVersionKind::new(group, version, kind));
    block_on(cluster.list(&scope)).unwrap().items
}

#[test]
fn a_fresh_cluster_has_its_namespaces() {
    let cluster = cluster();
    let names: Vec<String> = list(&cluster, "", "v1", "Namespace")
        .iter()
        .map(|n| n.name().to_owned())
        .collect();
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
    assert_eq!(list(&cluster, "", "v1", "ServiceAccount").len(), 4);
    assert_eq!(list(&cluster, "", "v1", "Node").len(), 1);
}

#[test]
fn deployments_become_available_and_a_second_apply_changes_nothing() {
    let cluster = cluster();
    let web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let live = block_on(cluster.get(&web.object_ref())).unwrap().unwrap();
    assert_eq!(
        live.pointer("/status/availableReplicas"),
        Some(&2.into()),
        "{:#}",
        live.to_value()
    );
    assert_eq!(list(&cluster, "", "v1", "Pod").len(), 2);
    assert_eq!(list(&cluster, "apps", "v1", "ReplicaSet").len(), 1);
    let again = block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    assert_eq!(again.to_value(), live.to_value());
}

#[test]
fn a_new_template_rolls_out() {
    let cluster = cluster();
    let mut web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    web.as_map_mut()["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2".into();
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let live = block_on(cluster.get(&web.object_ref())).unwrap().unwrap();
    assert_eq!(live.pointer("/status/updatedReplicas"), Some(&2.into()));
    assert_eq!(live.pointer("/status/replicas"), Some(&2.into()));
    assert_eq!(
        live.annotation("deployment.kubernetes.io/revision"),
        Some("2")
    );
    let pods = list(&cluster, "", "v1", "Pod");
    assert_eq!(pods.len(), 2);
    assert!(
        pods.iter()
            .all(|pod| pod.pointer("/spec/containers/0/image") == Some(&"nginx:2".into()))
    );
}

#[test]
fn deleting_a_deployment_takes_its_pods() {
    let cluster = cluster();
    let web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    for propagation in [Propagation::Foreground, Propagation::Background] {
        block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
        let options = DeleteOptions {
            propagation,
            ..DeleteOptions::default()
        };
        block_on(cluster.delete(&web.object_ref(), &options)).unwrap();
        assert!(
            list(&cluster, "", "v1", "Pod").is_empty(),
            "{propagation:?}"
        );
        assert!(list(&cluster, "apps", "v1", "ReplicaSet").is_empty());
        assert!(block_on(cluster.get(&web.object_ref())).unwrap().is_none());
    }
}

#[test]
fn orphans_stay() {
    let cluster = cluster();
    let web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let options = DeleteOptions {
        propagation: Propagation::Orphan,
        ..DeleteOptions::default()
    };
    block_on(cluster.delete(&web.object_ref(), &options)).unwrap();
    let sets = list(&cluster, "apps", "v1", "ReplicaSet");
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].owner_references().count(), 0);
    assert_eq!(list(&cluster, "", "v1", "Pod").len(), 2);
}

#[test]
fn stateful_sets_daemon_sets_and_jobs_finish() {
    let cluster = EmbeddedCluster::builder()
        .simulation(Simulation::default().nodes(3))
        .build()
        .unwrap();
    let template = |policy: &str| {
        json!({
            "metadata": {"labels": {"app": "x"}},
            "spec": {"restartPolicy": policy, "containers": [{"name": "c", "image": "i:1"}]},
        })
    };
    let set = manifest(json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "namespace": "default"},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "x"}},
            "template": template("Always"),
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }],
        },
    }));
    let daemon = manifest(json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template("Always")},
    }));
    let job = manifest(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "default"},
        "spec": {"template": template("Never")},
    }));
    for object in [&set, &daemon, &job] {
        block_on(cluster.apply(object, &ApplyOptions::default())).unwrap();
    }
    let get = |object: &Manifest| {
        block_on(cluster.get(&object.object_ref()))
            .unwrap()
            .unwrap()
    };
    assert_eq!(get(&set).pointer("/status/readyReplicas"), Some(&3.into()));
    assert_eq!(get(&daemon).pointer("/status/numberReady"), Some(&3.into()));
    assert_eq!(get(&job).pointer("/status/succeeded"), Some(&1.into()));
    let claims = list(&cluster, "", "v1", "PersistentVolumeClaim");
    assert_eq!(claims.len(), 3);
    assert!(
        claims
            .iter()
            .all(|claim| claim.pointer("/status/phase") == Some(&"Bound".into()))
    );
    for object in [&set, &daemon, &job] {
        let before = get(object);
        let again = block_on(cluster.apply(object, &ApplyOptions::default())).unwrap();
        assert_eq!(again.to_value(), before.to_value());
    }
}

#[test]
fn failing_pods_fail_their_job() {
    let simulation = Simulation::default().failing(|pod| pod.label("fail").is_some());
    let cluster = EmbeddedCluster::builder()
        .simulation(simulation)
        .build()
        .unwrap();
    let job = manifest(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "default"},
        "spec": {"backoffLimit": 1, "template": {
            "metadata": {"labels": {"fail": "yes"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]},
        }},
    }));
    block_on(cluster.create(&job, &WriteOptions::default())).unwrap();
    let live = block_on(cluster.get(&job.object_ref())).unwrap().unwrap();
    let failed = live
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .unwrap()
        .iter()
        .any(|c| {
            c["type"] == "Failed" && c["status"] == "True" && c["reason"] == "BackoffLimitExceeded"
        });
    assert!(failed, "{:#}", live.to_value());
}

#[test]
fn slow_pods_become_ready_while_a_watch_waits() {
    let simulation = Simulation::default().start(Duration::from_secs(30));
    let cluster = EmbeddedCluster::builder()
        .simulation(simulation)
        .build()
        .unwrap();
    let web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let live = block_on(cluster.get(&web.object_ref())).unwrap().unwrap();
    assert_eq!(live.pointer("/status/availableReplicas"), None);
    let scope = ListScope::all(web.gvk());
    let mut watch = block_on(cluster.watch(&scope, live.resource_version())).unwrap();
    let ready = block_on(async {
        while let Some(event) = watch.next().await {
            if let WatchEvent::Modified(object) = event.unwrap()
                && object.pointer("/status/availableReplicas") == Some(&2.into())
            {
                return true;
            }
        }
        false
    });
    assert!(ready);
}

#[test]
fn a_manual_clock_of_the_caller_moves_time() {
    let clock = Arc::new(ManualClock::at("2024-05-01T10:00:00Z".parse().unwrap()));
    let cluster = EmbeddedCluster::builder()
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .simulation(Simulation::default().start(Duration::from_secs(5)))
        .build()
        .unwrap();
    let web = deployment("web");
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let ready = || {
        let live = block_on(cluster.get(&web.object_ref())).unwrap().unwrap();
        live.pointer("/status/readyReplicas").cloned()
    };
    assert_eq!(ready(), None);
    clock.advance(Duration::from_secs(5));
    assert_eq!(ready(), Some(2.into()));
}

#[test]
fn custom_resources() {
    let cluster = cluster();
    let crd = manifest(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.ex.io"},
        "spec": {
            "group": "ex.io", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["a"], "properties": {
                        "a": {"type": "integer"}, "b": {"type": "string", "default": "dd"},
                    }},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    }));
    let foo = manifest(json!({
        "apiVersion": "ex.io/v1", "kind": "Foo", "metadata": {"name": "f", "namespace": "default"},
        "spec": {"a": 1},
    }));
    assert!(matches!(
        block_on(cluster.apply(&foo, &ApplyOptions::default())),
        Err(ClusterError::UnknownKind { .. })
    ));
    block_on(cluster.apply(&crd, &ApplyOptions::default())).unwrap();
    let live = block_on(cluster.get(&crd.object_ref())).unwrap().unwrap();
    assert_eq!(
        live.pointer("/status/conditions/1/type"),
        Some(&"Established".into())
    );
    let again = block_on(cluster.apply(&crd, &ApplyOptions::default())).unwrap();
    assert_eq!(again.to_value(), live.to_value());
    assert!(
        block_on(cluster.discovery())
            .unwrap()
            .get(&foo.gvk())
            .is_some()
    );
    let made = block_on(cluster.apply(&foo, &ApplyOptions::default())).unwrap();
    assert_eq!(made.pointer("/spec/b"), Some(&"dd".into()));
    let again = block_on(cluster.apply(&foo, &ApplyOptions::default())).unwrap();
    assert_eq!(again.to_value(), made.to_value());
    block_on(cluster.delete(&crd.object_ref(), &DeleteOptions::default())).unwrap();
    assert!(block_on(cluster.get(&crd.object_ref())).unwrap().is_none());
    assert!(matches!(
        block_on(cluster.get(&foo.object_ref())),
        Err(ClusterError::UnknownKind { .. })
    ));
}

#[test]
fn definitions_of_v1beta1_keep_unknown_fields() {
    let cluster = EmbeddedCluster::builder()
        .kubernetes("1.17")
        .build()
        .unwrap();
    let crd = manifest(json!({
        "apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.ex.io"},
        "spec": {"group": "ex.io", "version": "v1", "scope": "Namespaced", "names": {"plural": "foos", "kind": "Foo"}},
    }));
    block_on(cluster.apply(&crd, &ApplyOptions::default())).unwrap();
    let live = block_on(cluster.get(&crd.object_ref())).unwrap().unwrap();
    let again = block_on(cluster.apply(&crd, &ApplyOptions::default())).unwrap();
    assert_eq!(again.to_value(), live.to_value());
    let foo = manifest(json!({
        "apiVersion": "ex.io/v1", "kind": "Foo", "metadata": {"name": "f", "namespace": "default"},
        "spec": {"any": {"thing": [1, 2]}},
    }));
    let made = block_on(cluster.apply(&foo, &ApplyOptions::default())).unwrap();
    assert_eq!(made.pointer("/spec/any/thing/1"), Some(&2.into()));
}

#[test]
fn namespaces_end_with_their_content() {
    let cluster = cluster();
    let namespace =
        manifest(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}));
    let config = manifest(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "shop", "finalizers": ["example.com/hold"]},
    }));
    let refused = block_on(cluster.apply(&config, &ApplyOptions::default())).unwrap_err();
    assert!(
        matches!(&refused, ClusterError::NotFound { message, .. } if message == "namespaces \"shop\" not found")
    );
    block_on(cluster.apply(&namespace, &ApplyOptions::default())).unwrap();
    block_on(cluster.apply(&config, &ApplyOptions::default())).unwrap();
    block_on(cluster.delete(&namespace.object_ref(), &DeleteOptions::default())).unwrap();
    let live = block_on(cluster.get(&namespace.object_ref()))
        .unwrap()
        .unwrap();
    assert_eq!(live.pointer("/status/phase"), Some(&"Terminating".into()));
    let mut other = config.clone();
    other.metadata_mut().insert("name".to_owned(), "d".into());
    assert!(matches!(
        block_on(cluster.create(&other, &WriteOptions::default())),
        Err(ClusterError::Forbidden { .. })
    ));
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    block_on(cluster.patch(&config.object_ref(), &patch, &WriteOptions::default())).unwrap();
    assert!(
        block_on(cluster.get(&namespace.object_ref()))
            .unwrap()
            .is_none()
    );
}

#[test]
fn saved_and_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.json");
    let cluster = cluster();
    block_on(cluster.apply(&deployment("web"), &ApplyOptions::default())).unwrap();
    cluster.save(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let loaded = EmbeddedCluster::load(&path).unwrap();
    loaded.save(&path).unwrap();
    assert_eq!(
        String::from_utf8(std::fs::read(&path).unwrap()).unwrap(),
        String::from_utf8(first).unwrap()
    );
    assert_eq!(loaded.object_count(), cluster.object_count());
    let before = loaded.object_count();
    block_on(loaded.apply(&deployment("web"), &ApplyOptions::default())).unwrap();
    assert_eq!(loaded.object_count(), before);
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(
        EmbeddedCluster::load(&path),
        Err(EmbeddedError::Content { .. })
    ));
}

#[test]
fn faults_and_requests() {
    let cluster = cluster();
    cluster.inject(
        Fault::new(FaultKind::Throttled(Some(Duration::from_secs(3))))
            .times(1)
            .on(|r| r.verb == RequestVerb::Apply),
    );
    let web = deployment("web");
    let refused = block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap_err();
    assert!(
        matches!(refused, ClusterError::Throttled { retry_after: Some(wait), .. } if wait.as_secs() == 3)
    );
    block_on(cluster.apply(&web, &ApplyOptions::default())).unwrap();
    let dry = ApplyOptions {
        dry_run: true,
        ..ApplyOptions::default()
    };
    block_on(cluster.apply(&web, &dry)).unwrap();
    let requests = cluster.requests();
    assert_eq!(
        (requests.reads, requests.writes, requests.dry_runs),
        (0, 2, 1)
    );
    assert!(requests.all[0].failed_by_fault);
    cluster.clear_requests();
    assert_eq!(cluster.requests(), Requests::default());
}

#[test]
fn history_is_bounded() {
    let cluster = EmbeddedCluster::builder().history(2).build().unwrap();
    let scope = ListScope::all(GroupVersionKind::new("", "v1", "ConfigMap"));
    let start = block_on(cluster.list(&scope)).unwrap().resource_version;
    let mut watch = block_on(cluster.watch(&scope, &start)).unwrap();
    for index in 0..5 {
        let object = manifest(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("c{index}"), "namespace": "default"},
        }));
        block_on(cluster.create(&object, &WriteOptions::default())).unwrap();
    }
    assert!(matches!(
        block_on(cluster.watch(&scope, &start)),
        Err(ClusterError::Expired { .. })
    ));
    assert!(matches!(
        block_on(watch.next()),
        Some(Err(ClusterError::Expired { .. }))
    ));
    assert!(block_on(watch.next()).is_none());
}

#[test]
fn admission_hooks_change_and_refuse() {
    let cluster = EmbeddedCluster::builder()
        .admission("owners.example.com", |review| {
            if review.object.label("owner").is_none() {
                return Err("every object needs an owner".to_owned());
            }
            review.object.set_annotation("seen", "yes");
            Ok(())
        })
        .build()
        .unwrap();
    let mut config = manifest(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"},
    }));
    let refused = block_on(cluster.apply(&config, &ApplyOptions::default())).unwrap_err();
    assert!(matches!(&refused, ClusterError::Forbidden { message, .. }
        if message == "admission webhook \"owners.example.com\" denied the request: every object needs an owner"));
    config.set_label("owner", "me");
    let made = block_on(cluster.apply(&config, &ApplyOptions::default())).unwrap();
    assert_eq!(made.annotation("seen"), Some("yes"));
}
