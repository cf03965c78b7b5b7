//! An application under adverse conditions: processes that die anywhere, somebody who undoes every
//! sync, syncs that are cancelled in each phase, many objects.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use gitops_apply::embedded::RequestVerb;
use gitops_core::{
    Manifest,
    app::{OperationPhase, SyncState},
    apply::{Applier, CancelToken, ExecuteContext, ExecuteOptions},
    cluster::{ApplyOptions, Cluster},
    events::{Event, EventSink},
    pipeline::PipelineOptions,
    plan::Phase,
    policy::PermitAll,
    tracking,
};
use serde_json::json;

use crate::{
    crash::{Mortal, endless_job},
    stage::Stage,
    sync::{World, annotated, config, deployment, desired, job, object, pruning},
};

const HOOK: &str = "argocd.argoproj.io/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";

#[tokio::test]
async fn nothing_applied_is_unknown_wherever_the_process_dies() {
    let first = vec![
        annotated(job("before"), &[(HOOK, "PreSync")]),
        config("a", "1"),
        config("b", "1"),
        annotated(config("c", "1"), &[(WAVE, "1")]),
        annotated(deployment("web", "nginx"), &[(WAVE, "2")]),
        annotated(job("after"), &[(HOOK, "PostSync")]),
    ];
    let mut second = first.clone();
    second[1] = config("a", "2");
    second.remove(2);
    second.push(config("d", "1"));
    let mut left = 1;
    loop {
        let mut stage = Stage::new(&first);
        let mortal = Arc::new(Mortal::new(stage.cluster.clone(), left, left % 2 == 0));
        let doomed = stage.pipeline_on(mortal.clone(), PipelineOptions::default());
        let lived = {
            let work = async {
                let outcome = stage.reconcile(&doomed).await;
                assert!(outcome.error.is_none(), "{:?}", outcome.error);
                stage.declare(&second);
                stage.reconcile(&doomed).await
            };
            tokio::select! {
                outcome = work => Some(outcome),
                () = mortal.death() => None,
            }
        };
        let inventory: BTreeSet<_> = stage.inventory().await.into_iter().collect();
        for object in stage.cluster.objects() {
            let is_hook = object.annotation(HOOK).is_some();
            if tracking::own_mark_of(&object).is_some() && !is_hook {
                let id = object.id();
                assert!(
                    inventory.contains(&id),
                    "{id} is unknown after {left} writes"
                );
            }
        }
        if let Some(outcome) = lived {
            assert!(left > 20, "{left}");
            assert_eq!(outcome.status.sync.status, SyncState::Synced);
            break;
        }
        // Another process, which knows only what the cluster holds.
        stage.clock.advance(Duration::from_secs(5));
        stage.declare(&second);
        let pipeline = stage.pipeline();
        for _ in 0..3 {
            let outcome = stage.reconcile(&pipeline).await;
            assert!(outcome.error.is_none(), "{left}: {:?}", outcome.error);
            stage.clock.advance(Duration::from_secs(60));
        }
        let status = stage.application.status.as_ref().unwrap();
        assert_eq!(status.sync.status, SyncState::Synced, "{left}");
        let value = |name| {
            let object = stage.get("ConfigMap", name)?;
            object.pointer("/data/key").cloned()
        };
        let found = [value("a"), value("b"), value("c"), value("d")];
        let expected = [Some(json!("2")), None, Some(json!("1")), Some(json!("1"))];
        assert_eq!(found, expected, "{left}");
        assert!(stage.get("Deployment", "web").is_some(), "{left}");
        assert_eq!(stage.inventory().await.len(), 4, "{left}");
        left += 1;
    }
}

#[tokio::test]
async fn who_undoes_every_sync_is_named_and_backed_off_from() {
    let mut stage = Stage::new(&[config("contested", "ours"), config("other", "1")]);
    let pipeline = stage.pipeline();
    stage.reconcile(&pipeline).await;
    let mut theirs = config("contested", "theirs");
    theirs.set_namespace("shop");
    let options = ApplyOptions {
        field_manager: "meddler".to_owned(),
        ..ApplyOptions::default()
    };
    stage.cluster.clear_requests();
    let mut told = false;
    for _ in 0..600 {
        stage.cluster.apply(&theirs, &options).await.unwrap();
        let outcome = stage.reconcile(&pipeline).await;
        assert!(outcome.error.is_none());
        told |= outcome.status.conditions.iter().any(|condition| {
            condition.message.contains("again and again")
                && condition.message.contains("data.key by meddler")
        });
        stage.clock.advance(Duration::from_secs(1));
    }
    let requests = stage.cluster.requests();
    let ours = requests
        .written()
        .filter(|request| request.name == "contested" && request.field_manager != "meddler");
    let ours = ours.count();
    assert!((4..=9).contains(&ours), "{ours} syncs in ten minutes");
    assert!(told, "{:?}", stage.application.status);
    // Dry runs are not repeated either.
    assert!(requests.dry_runs <= 2 * 600, "{}", requests.dry_runs);
    let others = requests
        .written()
        .filter(|request| request.name == "other" && request.verb == RequestVerb::Apply);
    assert_eq!(others.count(), 0);
}

/// Cancels when a phase begins.
struct CancelIn(Phase, CancelToken);

impl EventSink for CancelIn {
    fn event(&self, event: &Event) {
        if let Event::WaveStarted { phase, .. } = event
            && *phase == self.0
        {
            self.1.cancel();
        }
    }
}

#[tokio::test]
async fn a_sync_can_be_ended_in_each_phase() {
    let hook = |name: &str, phase: &str, waits: bool| {
        let hook = if waits { endless_job(name) } else { job(name) };
        annotated(hook, &[(HOOK, phase)])
    };
    for phase in [
        Phase::PreSync,
        Phase::Sync,
        Phase::PostSync,
        Phase::SyncFail,
    ] {
        let mut stuck = deployment("stuck", "nginx");
        if phase == Phase::Sync {
            stuck.as_map_mut()["spec"]["paused"] = json!(true);
        }
        let mut objects = vec![
            hook("pre", "PreSync", phase == Phase::PreSync),
            stuck,
            annotated(config("late", "1"), &[(WAVE, "1")]),
            hook("post", "PostSync", phase == Phase::PostSync),
            hook("fail", "SyncFail", phase == Phase::SyncFail),
        ];
        if phase == Phase::SyncFail {
            let mut refused = config("refused", "1");
            refused.as_map_mut()["data"] = json!({"not a key": "x"});
            objects.push(refused);
        }
        let set = desired(objects);
        let world = World::new();
        let plan = world.plan(&set, &pruning()).await;
        let token = CancelToken::default();
        let sink = CancelIn(phase, token.clone());
        let context = ExecuteContext {
            clock: &*world.clock,
            health: &gitops_apply::health::ArgoHealth,
            policy: &PermitAll,
            events: &sink,
        };
        let options = ExecuteOptions {
            cancel: Some(token),
            ..ExecuteOptions::default()
        };
        let report = world
            .applier
            .execute(&plan, &world.cluster, &context, &options)
            .await
            .unwrap();
        assert_eq!(report.phase, OperationPhase::Failed, "{phase}");
        assert!(
            report.message.contains("Operation terminated: cancelled"),
            "{phase}: {}",
            report.message
        );
        let exists = async |kind: &str, name: &str| world.get(kind, name).await.is_some();
        assert_eq!(
            exists("Deployment", "stuck").await,
            phase != Phase::PreSync,
            "{phase}"
        );
        assert_eq!(
            exists("ConfigMap", "late").await,
            phase == Phase::PostSync,
            "{phase}"
        );
        // The hook that ran is ended; what had ended before is left to its delete policy.
        let running = match phase {
            Phase::PreSync => "pre",
            Phase::PostSync => "post",
            _ => "fail",
        };
        assert!(!exists("Job", running).await, "{phase}");
        let held = world.cluster.objects().into_iter().filter(|object| {
            object
                .finalizers()
                .any(|name| name == "argocd.argoproj.io/hook-finalizer")
        });
        let held: Vec<Manifest> = held.collect();
        assert!(held.is_empty(), "{phase}: {held:?}");
    }
}

#[tokio::test]
async fn ten_thousand_objects() {
    let objects: Vec<Manifest> = (0..10_000)
        .map(|number| match number % 10 {
            0 => object(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("s-{number}")},
                "spec": {"selector": {"app": "x"}, "ports": [{"port": 80}]},
            })),
            _ => config(&format!("c-{number}"), "1"),
        })
        .collect();
    let mut stage = Stage::new(&objects);
    let pipeline = stage.pipeline();
    let outcome = stage.reconcile(&pipeline).await;
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(outcome.status.sync.status, SyncState::Synced);
    assert_eq!(outcome.status.resources.len(), 10_000);
    // Once each, and the namespace; the rest are the inventory.
    let applied = |stage: &Stage| {
        let requests = stage.cluster.requests();
        requests
            .written()
            .filter(|request| request.namespace == "shop")
            .count()
    };
    assert_eq!(applied(&stage), 10_000);
    stage.cluster.clear_requests();
    let outcome = stage.reconcile(&pipeline).await;
    assert!(!outcome.wrote());
    let requests = stage.cluster.requests();
    assert_eq!((requests.writes, requests.dry_runs), (0, 0));
    assert_eq!(requests.count(RequestVerb::List), 0);
    // Ten of them change.
    let mut changed = objects;
    for number in 1..=10 {
        changed[number * 100 + 1] = config(&format!("c-{}", number * 100 + 1), "2");
    }
    stage.declare(&changed);
    stage.cluster.clear_requests();
    let outcome = stage.reconcile(&pipeline).await;
    assert_eq!(outcome.status.sync.status, SyncState::Synced);
    assert_eq!(applied(&stage), 10);
    assert_eq!(stage.cluster.requests().count(RequestVerb::List), 0);
}
