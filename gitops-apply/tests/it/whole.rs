//! Whole applications: how they are marked, and how they go.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use gitops_apply::embedded::RequestVerb;
use gitops_core::{
    Manifest,
    app::{OperationPhase, SyncState},
    apply_set::{self, ApplySet},
    cluster::{Cluster, Propagation, WriteOptions},
    pipeline::{PipelineError, PipelineOptions},
    plan::{Action, Method, Owner, PlanOptions},
    tracking::{TRACKING_ANNOTATION, TRACKING_LABEL, Tracking, TrackingMethod},
};
use serde_json::json;

use crate::{
    stage::{Stage, application},
    sync::{World, annotated, config, desired, job, pruning},
};

const HOOK: &str = "argocd.argoproj.io/hook";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const WAVE: &str = "argocd.argoproj.io/sync-wave";

fn with(tracking: Tracking) -> PipelineOptions {
    PipelineOptions {
        tracking,
        ..PipelineOptions::default()
    }
}

fn by(method: TrackingMethod) -> Tracking {
    Tracking {
        method,
        ..Tracking::default()
    }
}

#[tokio::test]
async fn objects_are_tracked_by_label_where_asked() {
    for method in [TrackingMethod::Label, TrackingMethod::AnnotationAndLabel] {
        let mut stage = Stage::new(&[config("a", "1"), config("b", "1")]);
        let cluster = std::sync::Arc::new(stage.cluster.clone());
        let pipeline = stage.pipeline_on(cluster, with(by(method)));
        stage.reconcile(&pipeline).await;
        let live = stage.get("ConfigMap", "a").unwrap();
        assert_eq!(live.label(TRACKING_LABEL), Some("shop"));
        let annotated = live.annotation(TRACKING_ANNOTATION).is_some();
        assert_eq!(annotated, method == TrackingMethod::AnnotationAndLabel);

        stage.declare(&[config("a", "1")]);
        let outcome = stage.reconcile(&pipeline).await;
        assert_eq!(outcome.status.sync.status, SyncState::Synced);
        assert!(stage.get("ConfigMap", "b").is_none());

        // What is another application's stays as it is.
        let mut foreign = config("c", "theirs");
        foreign.set_namespace("shop");
        let other = Owner {
            name: "bakery".to_owned(),
            ..stage.owner()
        };
        by(method).mark(&mut foreign, &other, "shop");
        let options = WriteOptions::default();
        stage.cluster.create(&foreign, &options).await.unwrap();
        stage.declare(&[config("a", "1"), config("c", "ours")]);
        stage.reconcile(&pipeline).await;
        let live = stage.get("ConfigMap", "c").unwrap();
        assert_eq!(live.pointer("/data/key"), Some(&json!("theirs")));
    }
}

#[tokio::test]
async fn an_apply_set_is_made_where_asked() {
    let mut other_place = config("far", "1");
    other_place.set_namespace("default");
    let mut stage = Stage::new(&[config("a", "1"), other_place.clone()]);
    let cluster = std::sync::Arc::new(stage.cluster.clone());
    let tracking = Tracking {
        apply_sets: true,
        ..Tracking::default()
    };
    let pipeline = stage.pipeline_on(cluster, with(tracking));
    let outcome = stage.reconcile(&pipeline).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let set = ApplySet::of(&stage.owner());
    let parent = |stage: &Stage| stage.get("Secret", &set.parent().name);
    let live = stage.get("ConfigMap", "a").unwrap();
    assert_eq!(live.label(apply_set::PART_OF_LABEL), Some(&*set.id()));
    let found = parent(&stage).unwrap();
    assert_eq!(found.label(apply_set::ID_LABEL), Some(&*set.id()));
    assert_eq!(
        found.annotation(apply_set::NAMESPACES_ANNOTATION),
        Some("default,shop")
    );
    stage.cluster.clear_requests();
    stage.reconcile(&pipeline).await;
    assert_eq!(stage.cluster.requests().writes, 0);

    stage.declare(&[config("a", "1")]);
    stage.reconcile(&pipeline).await;
    let found = parent(&stage).unwrap();
    assert_eq!(
        found.annotation(apply_set::GROUP_KINDS_ANNOTATION),
        Some("ConfigMap")
    );
    assert_eq!(
        found.annotation(apply_set::NAMESPACES_ANNOTATION),
        Some("shop")
    );
    let names: Vec<String> = stage
        .cluster
        .requests()
        .written()
        .filter(|request| request.gvk.kind != "Secret" || request.name == set.parent().name)
        .map(|request| request.name.clone())
        .collect();
    assert_eq!(names, ["far", set.parent().name.as_str()]);

    pipeline
        .delete(&stage.owner(), &stage.application, Propagation::Background)
        .await
        .unwrap();
    assert!(parent(&stage).is_none());
}

#[tokio::test]
async fn deletion_waits_for_approval_and_for_the_end() {
    let objects = [
        annotated(config("first", "1"), &[(WAVE, "1")]),
        annotated(config("asked", "1"), &[(OPTIONS, "Delete=confirm")]),
        annotated(config("kept", "1"), &[(OPTIONS, "Delete=false")]),
        annotated(
            config("policy", "1"),
            &[("helm.sh/resource-policy", "keep")],
        ),
        annotated(job("farewell"), &[(HOOK, "PostDelete")]),
    ];
    let mut stage = Stage::new(&objects);
    let pipeline = stage.pipeline();
    stage.reconcile(&pipeline).await;
    let deleted = |metadata| {
        let mut application = application(metadata);
        application.status = None;
        application
    };
    let unapproved = deleted(json!({"deletionTimestamp": "2026-01-01T00:10:00Z"}));
    let error = pipeline
        .delete(&stage.owner(), &unapproved, Propagation::Foreground)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, PipelineError::AwaitsApproval { objects } if objects.len() == 1),
        "{error}"
    );
    assert!(stage.get("ConfigMap", "first").is_some());

    let approved = deleted(json!({
        "deletionTimestamp": "2026-01-01T00:10:00Z",
        "annotations": {"argocd.argoproj.io/deletion-approved": "2026-01-01T00:11:00Z"},
    }));
    let report = pipeline
        .delete(&stage.owner(), &approved, Propagation::Foreground)
        .await
        .unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    for (name, stays) in [
        ("first", false),
        ("asked", false),
        ("kept", true),
        ("policy", true),
    ] {
        assert_eq!(stage.get("ConfigMap", name).is_some(), stays, "{name}");
    }
    assert!(stage.get("Job", "farewell").is_some());
    assert!(stage.inventory().await.is_empty());
}

#[tokio::test]
async fn what_holds_a_deletion_is_named() {
    let mut held = config("held", "1");
    held.metadata_mut()
        .insert("finalizers".to_owned(), json!(["example.com/hold"]));
    let mut stage = Stage::new(&[held]);
    let pipeline = stage.pipeline();
    stage.reconcile(&pipeline).await;
    let report = pipeline
        .delete(&stage.owner(), &stage.application, Propagation::Foreground)
        .await
        .unwrap();
    assert_eq!(report.phase, OperationPhase::Failed, "{report:#?}");
    assert!(
        report
            .message
            .contains("ConfigMap shop/held is not gone (finalizers: example.com/hold)"),
        "{}",
        report.message
    );
    assert_eq!(stage.inventory().await.len(), 1);
}

#[tokio::test]
async fn a_deletion_that_does_not_cascade_runs_hooks_and_keeps_objects() {
    let hook = annotated(job("farewell"), &[(HOOK, "PreDelete")]);
    let mut stage = Stage::new(&[config("a", "1"), hook]);
    let pipeline = stage.pipeline();
    stage.reconcile(&pipeline).await;
    assert!(stage.get("Job", "farewell").is_none());
    let report = pipeline
        .release(&stage.owner(), &stage.application)
        .await
        .unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded);
    assert!(stage.get("Job", "farewell").is_some());
    assert!(stage.get("ConfigMap", "a").is_some());
}

#[tokio::test]
async fn a_prune_that_asks_for_confirmation_waits_for_approval() {
    let asked = annotated(config("asked", "1"), &[(OPTIONS, "Prune=confirm")]);
    let mut stage = Stage::new(&[config("a", "1"), asked]);
    let pipeline = stage.pipeline();
    stage.reconcile(&pipeline).await;
    stage.declare(&[config("a", "2")]);
    for _ in 0..3 {
        stage.clock.advance(std::time::Duration::from_secs(60));
        let outcome = stage.reconcile(&pipeline).await;
        assert_eq!(outcome.status.sync.status, SyncState::OutOfSync);
    }
    assert!(stage.get("ConfigMap", "asked").is_some());
    let now = gitops_core::clock::Clock::now(&*stage.clock).to_string();
    stage.application.metadata.insert(
        "annotations".to_owned(),
        json!({"argocd.argoproj.io/deletion-approved": now}),
    );
    let outcome = stage.reconcile(&pipeline).await;
    assert_eq!(outcome.status.sync.status, SyncState::Synced);
    assert!(stage.get("ConfigMap", "asked").is_none());
}

#[tokio::test]
async fn replace_with_force_makes_the_object_anew() {
    let world = World::new();
    let set = |value| {
        let forced = annotated(config("a", value), &[(OPTIONS, "Replace=true,Force=true")]);
        desired(vec![forced])
    };
    world.sync(&set("1")).await;
    let before = world.get("ConfigMap", "a").await.unwrap();
    let planned = world.plan(&set("2"), &pruning()).await;
    let step = planned.changes().next().unwrap();
    assert_eq!(
        (step.action, step.delivery.method),
        (Action::Recreate, Method::Replace)
    );
    world.execute(&planned).await.unwrap();
    let after = world.get("ConfigMap", "a").await.unwrap();
    assert_ne!(before.uid(), after.uid());
    assert_eq!(after.pointer("/data/key"), Some(&json!("2")));
}

#[tokio::test]
async fn fields_of_a_client_side_manager_that_the_application_names_are_taken_over() {
    let world = World::new();
    let mut old = config("settings", "1");
    old.set_namespace("default");
    old.as_map_mut()["data"]["obsolete"] = json!("x");
    let options = WriteOptions {
        field_manager: "our-old-tool".to_owned(),
        ..WriteOptions::default()
    };
    world.cluster.create(&old, &options).await.unwrap();
    let mut set = desired(vec![config("settings", "2")]);
    set.destination.namespace = Some("default".to_owned());
    set.migrate_from = Some("our-old-tool".to_owned());
    world.sync(&set).await;
    let live = world.get("ConfigMap", "settings").await.unwrap();
    assert_eq!(live.pointer("/data"), Some(&json!({"key": "2"})));
}

#[tokio::test]
async fn preflight_checks_nothing_what_changes_or_everything() {
    use gitops_core::plan::Preflight;
    for (preflight, expected) in [
        (Preflight::None, 0),
        (Preflight::Changed, 1),
        (Preflight::All, 2),
    ] {
        let world = World::new();
        let set = |value| desired(vec![config("a", "1"), config("b", value)]);
        world.sync(&set("1")).await;
        let options = PlanOptions {
            preflight,
            ..pruning()
        };
        let planned = world.plan(&set("2"), &options).await;
        world.cluster.clear_requests();
        world.execute(&planned).await.unwrap();
        assert_eq!(world.cluster.requests().dry_runs, expected, "{preflight:?}");
        assert_eq!(
            world.cluster.requests().count(RequestVerb::Apply) as u64,
            1 + expected
        );
    }
}

#[tokio::test]
async fn the_parent_of_another_tools_apply_set_is_refused() {
    let mut stage = Stage::new(&[config("a", "1")]);
    let set = ApplySet::of(&stage.owner());
    let namespace: Manifest = Manifest::try_from(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"},
    }))
    .unwrap();
    let options = WriteOptions::default();
    stage.cluster.create(&namespace, &options).await.unwrap();
    let mut parent = set.parent_object(&apply_set::Contents::default());
    parent.set_annotation(apply_set::TOOLING_ANNOTATION, "kubectl/v1.34");
    stage.cluster.create(&parent, &options).await.unwrap();
    let cluster = std::sync::Arc::new(stage.cluster.clone());
    let tracking = Tracking {
        apply_sets: true,
        ..Tracking::default()
    };
    let pipeline = stage.pipeline_on(cluster, with(tracking));
    let outcome = stage.reconcile(&pipeline).await;
    let error = outcome.error.unwrap().to_string();
    assert!(error.contains("kubectl/v1.34"), "{error}");
    assert!(stage.get("ConfigMap", "a").is_none());
}
