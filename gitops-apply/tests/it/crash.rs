//! Processes that end in the middle, clusters that fail, and syncs that are ended early.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gitops_apply::embedded::{EmbeddedCluster, Fault, FaultKind, RequestVerb};
use gitops_apply::{execute::SyncApplier, health::ArgoHealth};
use gitops_core::{
    Manifest,
    app::OperationPhase,
    apply::{Applier, CancelToken, ExecuteContext, ExecuteOptions},
    async_trait,
    cluster::{Cluster, ClusterError, WriteOptions},
    delegate::{Delegate, Write},
    events::Silent,
    plan::{DesiredSet, Plan},
    policy::PermitAll,
    state::MemoryStateStore,
};
use gitops_diff::StructuralDiffer;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::sync::{World, annotated, config, deployment, desired, job, pruning};

/// A cluster whose client dies at its n-th write, before or after the write has its effect.
pub(crate) struct Mortal {
    inner: EmbeddedCluster,
    left: AtomicUsize,
    after_effect: bool,
    died: Notify,
}

impl Mortal {
    /// Dies at its write number `left`.
    pub(crate) fn new(inner: EmbeddedCluster, left: usize, after_effect: bool) -> Self {
        Self {
            inner,
            left: AtomicUsize::new(left),
            after_effect,
            died: Notify::new(),
        }
    }

    /// Waits for its death.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }

    /// Whether this write is the last thing the client does.
    fn is_last(&self) -> bool {
        self.left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    async fn die<T>(&self) -> T {
        self.died.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Delegate for Mortal {
    fn inner(&self) -> &dyn Cluster {
        &self.inner
    }

    async fn on_write(&self, write: Write<'_>) -> Result<Option<Manifest>, ClusterError> {
        let last = self.is_last();
        if last && !self.after_effect {
            return self.die().await;
        }
        let result = write.send(&self.inner).await;
        if last {
            return self.die().await;
        }
        result
    }
}

const HOOK: &str = "argocd.argoproj.io/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";

/// Fifty steps: hooks of all phases with all delete policies, waves, workloads.
fn fifty_steps() -> DesiredSet {
    let mut objects = vec![
        annotated(job("pre-1"), &[(HOOK, "PreSync")]),
        annotated(
            job("pre-2"),
            &[(HOOK, "PreSync"), (WAVE, "1"), (POLICY, "HookSucceeded")],
        ),
        annotated(job("during"), &[(HOOK, "Sync"), (WAVE, "2")]),
        annotated(
            job("post-1"),
            &[(HOOK, "PostSync"), (POLICY, "HookSucceeded,HookFailed")],
        ),
        annotated(
            job("post-2"),
            &[(HOOK, "PostSync"), (POLICY, "BeforeHookCreation")],
        ),
        annotated(job("never"), &[(HOOK, "SyncFail")]),
    ];
    let mut generated = annotated(job("x"), &[(HOOK, "PostSync"), (WAVE, "1")]);
    generated.metadata_mut().remove("name");
    generated
        .metadata_mut()
        .insert("generateName".into(), "made-".into());
    objects.push(generated);
    for index in 0..3 {
        let wave = index.to_string();
        let name = format!("web-{index}");
        objects.push(annotated(deployment(&name, "nginx"), &[(WAVE, &wave)]));
    }
    for index in 0..39 {
        let wave = (index % 4).to_string();
        objects.push(annotated(
            config(&format!("config-{index}"), "1"),
            &[(WAVE, &wave)],
        ));
    }
    desired(objects)
}

/// What is there in the end, without what differs from run to run.
fn end_state(cluster: &EmbeddedCluster) -> BTreeMap<String, Value> {
    cluster
        .objects()
        .into_iter()
        .filter(|object| {
            matches!(
                object.kind(),
                "ConfigMap" | "Deployment" | "Job" | "Namespace"
            )
        })
        .map(|object| {
            // Generated names end in the time at which the sync began.
            let id = object.id().to_string();
            let name = id.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            (
                if object.generate_name().is_empty() {
                    id
                } else {
                    name
                },
                object.pointer("/data").cloned().unwrap_or_default(),
            )
        })
        .collect()
}

/// Runs a sync on a client that may die; `true` where it ended by itself.
async fn run(
    world: &World,
    applier: &SyncApplier,
    plan: &Plan,
    left: usize,
    after_effect: bool,
) -> Option<OperationPhase> {
    let cluster = Mortal::new(world.cluster.clone(), left, after_effect);
    let context = ExecuteContext {
        clock: &*world.clock,
        health: &ArgoHealth,
        policy: &PermitAll,
        events: &Silent,
    };
    let options = ExecuteOptions {
        concurrency: 4,
        ..ExecuteOptions::default()
    };
    tokio::select! {
        report = applier.execute(plan, &cluster, &context, &options) => {
            let report = report.unwrap();
            assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
            Some(report.phase)
        }
        () = cluster.death() => None,
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_write_goes_on_where_it_was() {
    let desired = fifty_steps();
    let reference = World::new();
    assert_eq!(
        reference.sync(&desired).await.phase,
        OperationPhase::Succeeded
    );
    let expected = end_state(&reference.cluster);
    let total = reference.writes().len();
    assert!(total >= 50, "{total} writes");
    for left in 1..=total {
        for after_effect in [left % 2 == 0] {
            let state = Arc::new(MemoryStateStore::default());
            let world = World::with_state(state.clone());
            let plan = world.plan(&desired, &pruning()).await;
            let first = run(&world, &world.applier, &plan, left, after_effect).await;
            assert!(first.is_none(), "it died at write {left}");
            // A new process, later: it has what the cluster and the store hold, and nothing else.
            world.clock.advance(Duration::from_secs(7));
            let applier = SyncApplier::new(Arc::new(StructuralDiffer::default()), state);
            let options = gitops_core::plan::PlanOptions {
                now: gitops_core::clock::Clock::now(&*world.clock),
                ..pruning()
            };
            let plan = world.plan(&desired, &options).await;
            let second = run(&world, &applier, &plan, usize::MAX, false).await;
            let what = format!("death at write {left}, after its effect: {after_effect}");
            assert_eq!(second, Some(OperationPhase::Succeeded), "{what}");
            assert_eq!(end_state(&world.cluster), expected, "{what}");
            let mut sent: BTreeMap<String, usize> = BTreeMap::new();
            for write in world
                .writes()
                .into_iter()
                .filter(|w| w.starts_with("apply"))
            {
                *sent.entry(write).or_default() += 1;
            }
            let twice: Vec<_> = sent.iter().filter(|(_, count)| **count > 1).collect();
            assert!(twice.is_empty(), "{what}: sent twice: {twice:?}");
            assert!(!sent.contains_key("apply job/never"), "{what}");
        }
    }
}

#[tokio::test]
async fn a_cluster_where_a_third_of_the_requests_fail_is_synced_anyway() {
    let desired = fifty_steps();
    let world = World::new();
    for (kind, every) in [
        (FaultKind::Throttled(Some(Duration::from_millis(200))), 7),
        (FaultKind::Unavailable, 9),
        (FaultKind::Timeout, 11),
    ] {
        let fault = Fault::new(kind).every(every);
        world
            .cluster
            .inject(fault.on(|request| request.verb != RequestVerb::Discovery));
    }
    let report = world.sync(&desired).await;
    assert_eq!(
        report.phase,
        OperationPhase::Succeeded,
        "{}",
        report.message
    );
    world.cluster.clear_faults();
    assert!(
        world
            .plan(&desired, &pruning())
            .await
            .changes()
            .all(|step| step.hook)
    );
}

pub(crate) fn endless_job(name: &str) -> Manifest {
    let mut endless = job(name);
    // Nothing can run it: no node has such a label.
    endless.as_map_mut()["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "such-node"});
    endless.as_map_mut()["spec"]["suspend"] = json!(true);
    endless
}

#[tokio::test]
async fn a_sync_that_takes_too_long_or_is_cancelled_ends_its_hooks() {
    let set = desired(vec![
        annotated(endless_job("wait"), &[(HOOK, "PreSync")]),
        config("after", "1"),
    ]);
    let world = World::new();
    let plan = world.plan(&set, &pruning()).await;
    let options = ExecuteOptions {
        deadline: Duration::from_secs(30),
        ..ExecuteOptions::default()
    };
    let report = world.execute_with(&plan, &options).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Failed);
    assert_eq!(
        report.message,
        "Operation terminated: not done within 30s: batch/Job shop/wait is Suspended (Job suspended)"
    );
    assert!(world.get("Job", "wait").await.is_none());
    assert!(world.get("ConfigMap", "after").await.is_none());

    let token = CancelToken::default();
    token.cancel();
    let options = ExecuteOptions {
        cancel: Some(token),
        ..ExecuteOptions::default()
    };
    let plan = world.plan(&set, &pruning()).await;
    let report = world.execute_with(&plan, &options).await.unwrap();
    assert_eq!(report.message, "Operation terminated: cancelled");
}

#[tokio::test]
async fn an_object_that_does_not_become_healthy_in_time_fails_the_sync() {
    let mut stuck = deployment("stuck", "nginx");
    stuck.as_map_mut()["spec"]["template"]["spec"]["nodeSelector"] = json!({"no": "such-node"});
    stuck.as_map_mut()["spec"]["paused"] = json!(true);
    let set = desired(vec![stuck, annotated(config("later", "1"), &[(WAVE, "1")])]);
    let world = World::new();
    let plan = world.plan(&set, &pruning()).await;
    let options = ExecuteOptions {
        task_timeout: Some(Duration::from_secs(20)),
        ..ExecuteOptions::default()
    };
    let report = world.execute_with(&plan, &options).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Failed, "{report:#?}");
    let stuck = report
        .results
        .iter()
        .find(|r| r.object.name == "stuck")
        .unwrap();
    assert!(
        stuck.message.starts_with("not healthy within 20s"),
        "{}",
        stuck.message
    );
    assert!(world.get("ConfigMap", "later").await.is_none());
}

#[tokio::test]
async fn what_kubectl_applied_before_is_taken_over() {
    let world = World::new();
    let mut old = config("settings", "1");
    old.set_namespace("default");
    old.as_map_mut()["data"]["obsolete"] = json!("x");
    let options = WriteOptions {
        field_manager: "kubectl-client-side-apply".to_owned(),
        ..WriteOptions::default()
    };
    world.cluster.create(&old, &options).await.unwrap();
    let mut set = desired(vec![config("settings", "2")]);
    set.destination.namespace = Some("default".to_owned());
    let report = world.sync(&set).await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    let live = world.get("ConfigMap", "settings").await.unwrap();
    assert_eq!(live.pointer("/data"), Some(&json!({"key": "2"})));
    let managers: Vec<&str> = live
        .managed_fields()
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    assert_eq!(managers, ["gitops"]);
    assert!(world.plan(&set, &pruning()).await.is_empty());
}

#[tokio::test]
async fn objects_are_replaced_and_applied_by_the_client_where_asked() {
    const OPTIONS: &str = "argocd.argoproj.io/sync-options";
    let world = World::new();
    for (name, option) in [
        ("whole", "Replace=true"),
        ("client", "ServerSideApply=false"),
    ] {
        let set = |value| desired(vec![annotated(config(name, value), &[(OPTIONS, option)])]);
        for value in ["1", "2"] {
            let report = world.sync(&set(value)).await;
            assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
            let live = world.get("ConfigMap", name).await.unwrap();
            assert_eq!(live.pointer("/data/key"), Some(&json!(value)), "{name}");
        }
    }
    let mut verbs: Vec<String> = world
        .writes()
        .into_iter()
        .filter(|write| write.contains("whole") || write.contains("client"))
        .collect();
    // A strategic merge patch comes first; a merge patch follows where the cluster has none.
    verbs.dedup();
    assert_eq!(
        verbs,
        [
            "create configmap/whole",
            "replace configmap/whole",
            "delete configmap/whole",
            "create configmap/client",
            "patch configmap/client",
        ]
    );
}

#[tokio::test]
async fn a_thousand_objects_are_sent_once() {
    let objects = (0..1000)
        .map(|index| config(&format!("c-{index}"), "1"))
        .collect();
    let set = desired(objects);
    let world = World::new();
    let report = world.sync(&set).await;
    assert_eq!(report.phase, OperationPhase::Succeeded);
    assert_eq!((report.writes, world.writes().len()), (1001, 1001));
    world.cluster.clear_requests();
    assert!(world.plan(&set, &pruning()).await.is_empty());
    assert_eq!(world.cluster.requests().writes, 0);
}
