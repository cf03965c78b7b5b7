//! Fields whose differences are ignored, on the embedded cluster: neither reverted nor fought over.

use gitops_core::{
    Manifest, ObjectRef,
    app::{IgnoreDifferences, OperationPhase},
    cluster::{ApplyOptions, Cluster, Patch, WriteOptions},
    plan::DesiredSet,
};
use serde_json::{Value, json};

use crate::sync::{World, deployment, desired, options, pruning};

fn set(image: &str, rule: Value, sync_options: &[&str]) -> DesiredSet {
    let mut web = deployment("web", image);
    web.as_map_mut()["spec"]["replicas"] = json!(1);
    web.set_label("team", "shop");
    let mut set = desired(vec![web]);
    let mut all = vec!["CreateNamespace=true"];
    all.extend(sync_options);
    set.sync_policy = options(&all);
    set.ignore_differences = vec![serde_json::from_value::<IgnoreDifferences>(rule).unwrap()];
    set
}

fn rules() -> Vec<Value> {
    vec![
        json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}),
        json!({"group": "*", "kind": "Deploy*", "jqPathExpressions": [".spec.replicas"], "labelSelector": "team=shop"}),
        json!({"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["scaler"]}),
        json!({"paths": ["/spec/replicas"], "target": {"kind": "Deployment", "name": "w.*", "labelSelector": "team in (shop)"}}),
    ]
}

async fn web(world: &World) -> Manifest {
    world.get("Deployment", "web").await.unwrap()
}

async fn scale(world: &World, replicas: u32) {
    let by_scaler = WriteOptions {
        field_manager: "scaler".to_owned(),
        ..WriteOptions::default()
    };
    let object: ObjectRef = web(world).await.object_ref();
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    world
        .cluster
        .patch(&object, &patch, &by_scaler)
        .await
        .unwrap();
}

/// Our own entry of `managedFields`.
fn owns_replicas(live: &Manifest, manager: &str) -> bool {
    let entry = live
        .managed_fields()
        .find(|entry| entry.get("manager") == Some(&json!(manager)));
    entry.is_some_and(|entry| entry.to_string().contains("f:replicas"))
}

#[tokio::test]
async fn fields_of_others_are_neither_reverted_nor_fought_over() {
    for rule in rules() {
        let world = World::new();
        let before = set("nginx:1", rule.clone(), &[]);
        assert_eq!(world.sync(&before).await.phase, OperationPhase::Succeeded);
        assert_eq!(
            web(&world).await.pointer("/spec/replicas"),
            Some(&json!(1)),
            "a new object is as declared"
        );
        assert!(world.plan(&before, &pruning()).await.is_empty());

        scale(&world, 4).await;
        assert!(world.plan(&before, &pruning()).await.is_empty(), "{rule}");

        // A change that is declared is applied, and releases the field.
        let after = set("nginx:2", rule.clone(), &[]);
        assert_eq!(world.sync(&after).await.phase, OperationPhase::Succeeded);
        let live = web(&world).await;
        assert_eq!(live.pointer("/spec/replicas"), Some(&json!(4)), "{rule}");
        assert!(!owns_replicas(&live, "gitops") && owns_replicas(&live, "scaler"));

        // Drift elsewhere is healed, and the field stays.
        let image = Patch::Json(
            serde_json::from_value(json!([
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil"},
                {"op": "replace", "path": "/spec/replicas", "value": 5},
            ]))
            .unwrap(),
        );
        let by_hand = WriteOptions {
            field_manager: "scaler".to_owned(),
            ..WriteOptions::default()
        };
        let object = live.object_ref();
        world
            .cluster
            .patch(&object, &image, &by_hand)
            .await
            .unwrap();
        if rule.get("managedFieldsManagers").is_some() {
            // Everything that this manager changes is its own.
            assert!(world.plan(&after, &pruning()).await.is_empty());
            continue;
        }
        assert_eq!(world.sync(&after).await.phase, OperationPhase::Succeeded);
        let live = web(&world).await;
        assert_eq!(
            live.pointer("/spec/template/spec/containers/0/image"),
            Some(&json!("nginx:2"))
        );
        assert_eq!(live.pointer("/spec/replicas"), Some(&json!(5)));

        // Nothing goes on for ever.
        world.cluster.clear_requests();
        for _ in 0..3 {
            world.sync(&after).await;
        }
        assert_eq!(world.cluster.requests().writes, 0, "{rule}");
    }
}

#[tokio::test]
async fn a_field_that_another_applier_takes_over_is_released() {
    let rule = json!({"paths": ["/spec/replicas"]});
    let world = World::new();
    let declared = set("nginx:1", rule, &[]);
    world.sync(&declared).await;
    let mut scaled = Manifest::try_from(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web"}, "spec": {"replicas": 1},
    }))
    .unwrap();
    scaled.set_namespace(web(&world).await.namespace());
    let other = ApplyOptions {
        field_manager: "other".to_owned(),
        ..ApplyOptions::default()
    };
    // Both own the field now, with one value: it is given up once.
    world.cluster.apply(&scaled, &other).await.unwrap();
    world.sync(&declared).await;
    let live = web(&world).await;
    assert!(!owns_replicas(&live, "gitops") && owns_replicas(&live, "other"));
    assert!(world.plan(&declared, &pruning()).await.is_empty());
    // The other applier may change it without a conflict.
    scaled.as_map_mut()["spec"]["replicas"] = json!(9);
    world.cluster.apply(&scaled, &other).await.unwrap();
    assert!(world.plan(&declared, &pruning()).await.is_empty());
}

#[tokio::test]
async fn every_way_to_send_respects_ignored_fields() {
    for option in ["Replace=true", "ServerSideApply=false"] {
        let rule =
            json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]});
        let world = World::new();
        world.sync(&set("nginx:1", rule.clone(), &[option])).await;
        scale(&world, 4).await;
        world.sync(&set("nginx:2", rule.clone(), &[option])).await;
        let live = web(&world).await;
        assert_eq!(
            live.pointer("/spec/template/spec/containers/0/image"),
            Some(&json!("nginx:2")),
            "{option}"
        );
        assert_eq!(live.pointer("/spec/replicas"), Some(&json!(4)), "{option}");
    }
}

#[tokio::test]
async fn an_application_may_insist_on_what_it_declares() {
    let rule = json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]});
    let insisting = ["RespectIgnoreDifferences=false"];
    let world = World::new();
    world.sync(&set("nginx:1", rule.clone(), &insisting)).await;
    scale(&world, 4).await;
    let same = set("nginx:1", rule.clone(), &insisting);
    assert!(
        world.plan(&same, &pruning()).await.is_empty(),
        "it is still no difference"
    );
    world.sync(&set("nginx:2", rule, &insisting)).await;
    assert_eq!(web(&world).await.pointer("/spec/replicas"), Some(&json!(1)));
}
