//! Plans and their execution on the embedded cluster.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{collections::BTreeSet, sync::Arc};

use gitops_apply::{
    embedded::{EmbeddedCluster, RequestVerb},
    execute::SyncApplier,
    health::ArgoHealth,
    plan,
};
use gitops_core::{
    Manifest, ObjectId, ObjectRef,
    app::{ApplicationDestination, OperationPhase, SyncPolicy},
    apply::{Applier, ExecuteContext, ExecuteError, ExecuteOptions, PlanError},
    clock::ManualClock,
    cluster::{Cluster, ClusterError, ListScope, Propagation},
    events::Silent,
    plan::{Action, DesiredSet, LiveSet, Outcome, Owner, Plan, PlanOptions, Prune, Reason, Report},
    policy::PermitAll,
    state::{MemoryStateStore, StateStore},
    tracking,
};
use gitops_diff::StructuralDiffer;
use serde_json::{Value, json};

/// A cluster, an applier and what both share.
pub(crate) struct World {
    pub(crate) cluster: EmbeddedCluster,
    pub(crate) applier: SyncApplier,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_state(Arc::new(MemoryStateStore::default()))
    }

    pub(crate) fn with_state(state: Arc<dyn StateStore>) -> Self {
        Self::build("1.34", state)
    }

    /// With a version of Kubernetes.
    pub(crate) fn of(kubernetes: &str) -> Self {
        Self::build(kubernetes, Arc::new(MemoryStateStore::default()))
    }

    fn build(kubernetes: &str, state: Arc<dyn StateStore>) -> Self {
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let cluster = EmbeddedCluster::builder()
            .kubernetes(kubernetes)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            applier: SyncApplier::new(Arc::new(StructuralDiffer::default()), state),
            cluster,
            clock,
        }
    }

    /// What is there of the desired objects and of the owner.
    pub(crate) async fn live(&self, desired: &DesiredSet) -> LiveSet {
        live_of(&self.cluster, desired).await
    }

    pub(crate) async fn plan(&self, desired: &DesiredSet, options: &PlanOptions) -> Plan {
        self.try_plan(desired, options).await.unwrap()
    }

    pub(crate) async fn try_plan(
        &self,
        desired: &DesiredSet,
        options: &PlanOptions,
    ) -> Result<Plan, PlanError> {
        let live = self.live(desired).await;
        let schemas = self.cluster.schemas().await.unwrap();
        self.applier.plan(desired, &live, &*schemas, options)
    }

    pub(crate) async fn execute(&self, plan: &Plan) -> Result<Report, ExecuteError> {
        self.execute_with(plan, &ExecuteOptions::default()).await
    }

    pub(crate) async fn execute_with(
        &self,
        plan: &Plan,
        options: &ExecuteOptions,
    ) -> Result<Report, ExecuteError> {
        let context = ExecuteContext {
            clock: &*self.clock,
            health: &ArgoHealth,
            policy: &PermitAll,
            events: &Silent,
        };
        self.applier
            .execute(plan, &self.cluster, &context, options)
            .await
    }

    pub(crate) async fn sync(&self, desired: &DesiredSet) -> Report {
        let plan = self.plan(desired, &pruning()).await;
        self.execute(&plan).await.unwrap()
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Manifest> {
        let all = self.cluster.objects();
        all.into_iter()
            .find(|object| object.kind() == kind && object.name() == name)
    }

    /// Writes of the requests so far, as `verb kind/name`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.cluster
            .requests()
            .all
            .iter()
            .filter(|request| request.verb.is_write() && !request.dry_run)
            .map(|request| {
                format!("{:?} {}/{}", request.verb, request.gvk.kind, request.name).to_lowercase()
            })
            .collect()
    }
}

pub(crate) async fn live_of(cluster: &EmbeddedCluster, desired: &DesiredSet) -> LiveSet {
    let discovery = cluster.discovery().await.unwrap();
    let wanted: BTreeSet<ObjectId> = desired
        .objects
        .iter()
        .map(|object| {
            let mut id = object.id();
            let scope = discovery.get(&object.gvk()).map(|served| served.scope);
            if scope != Some(gitops_core::Scope::Cluster) && id.namespace.is_empty() {
                id.namespace = desired.destination.namespace.clone().unwrap_or_default();
            }
            id
        })
        .collect();
    let namespace = desired.destination.namespace.as_deref().unwrap_or_default();
    let objects = cluster
        .objects()
        .into_iter()
        .filter(|object| {
            wanted.contains(&object.id())
                || tracking::own_mark_of(object).is_some_and(|mark| mark.is_of(&desired.owner))
                || object.kind() == "Namespace" && object.name() == namespace
        })
        .collect();
    LiveSet {
        objects,
        inventory: Vec::new(),
    }
}

pub(crate) fn pruning() -> PlanOptions {
    PlanOptions {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        ..PlanOptions::default()
    }
    .prune(Prune::Tracked)
}

pub(crate) fn object(value: Value) -> Manifest {
    Manifest::try_from(value).unwrap()
}

pub(crate) fn config(name: &str, value: &str) -> Manifest {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value},
    }))
}

pub(crate) fn annotated(mut object: Manifest, annotations: &[(&str, &str)]) -> Manifest {
    for (key, value) in annotations {
        object.set_annotation(*key, *value);
    }
    object
}

pub(crate) fn deployment(name: &str, image: &str) -> Manifest {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image}]},
            },
        },
    }))
}

pub(crate) fn job(name: &str) -> Manifest {
    object(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}],
        }}},
    }))
}

const HOOK: &str = "argocd.argoproj.io/hook";
const WAVE: &str = "argocd.argoproj.io/sync-wave";
const OPTIONS: &str = "argocd.argoproj.io/sync-options";
const POLICY: &str = "argocd.argoproj.io/hook-delete-policy";

pub(crate) fn desired(objects: Vec<Manifest>) -> DesiredSet {
    DesiredSet {
        owner: owner("shop"),
        revision: "0123456789abcdef".to_owned(),
        objects,
        destination: ApplicationDestination {
            namespace: Some("shop".to_owned()),
            ..ApplicationDestination::default()
        },
        sync_policy: options(&["CreateNamespace=true"]),
        ..DesiredSet::default()
    }
}

fn owner(name: &str) -> Owner {
    Owner {
        name: name.to_owned(),
        namespace: "argocd".to_owned(),
        bootstrap: false,
    }
}

pub(crate) fn options(options: &[&str]) -> SyncPolicy {
    SyncPolicy {
        sync_options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..SyncPolicy::default()
    }
}

fn step<'a>(plan: &'a Plan, name: &str) -> &'a gitops_core::plan::Step {
    plan.steps
        .iter()
        .find(|step| step.object.name == name)
        .unwrap_or_else(|| panic!("no step for {name}"))
}

#[tokio::test]
async fn a_sync_creates_everything_and_a_second_plan_is_empty() {
    let world = World::new();
    let desired = desired(vec![deployment("web", "nginx:1"), config("settings", "1")]);
    let plan = world.plan(&desired, &pruning()).await;
    assert_eq!(step(&plan, "shop").reason, Reason::NamespaceNeeded);
    assert_eq!(step(&plan, "web").action, Action::Create);
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(
        report.phase,
        OperationPhase::Succeeded,
        "{}",
        report.message
    );
    assert_eq!(
        world.writes(),
        [
            "apply namespace/shop",
            "apply configmap/settings",
            "apply deployment/web"
        ]
    );
    assert_eq!(report.writes, 3);
    let live = world.get("ConfigMap", "settings").await.unwrap();
    assert_eq!(live.namespace(), "shop");
    assert_eq!(
        live.annotation(tracking::TRACKING_ANNOTATION),
        Some("shop:/ConfigMap:shop/settings")
    );
    let again = world.plan(&desired, &pruning()).await;
    assert!(again.is_empty(), "{:#?}", again.steps);
}

#[tokio::test]
async fn hooks_run_in_their_phases_and_only_what_changed_is_sent() {
    let world = World::new();
    let objects = |image| {
        desired(vec![
            annotated(job("migrate"), &[(HOOK, "PreSync")]),
            annotated(deployment("web", image), &[(WAVE, "1")]),
            config("settings", "1"),
            annotated(
                job("notify"),
                &[(HOOK, "PostSync"), (POLICY, "HookSucceeded")],
            ),
        ])
    };
    let report = world.sync(&objects("nginx:1")).await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    let order: Vec<String> = world
        .writes()
        .into_iter()
        .filter(|write| write.starts_with("apply"))
        .collect();
    assert_eq!(
        order,
        [
            "apply namespace/shop",
            "apply job/migrate",
            "apply configmap/settings",
            "apply deployment/web",
            "apply job/notify",
        ]
    );
    assert!(
        world.get("Job", "notify").await.is_none(),
        "deleted by its policy"
    );
    assert!(world.get("Job", "migrate").await.is_some());

    world.cluster.clear_requests();
    let report = world.sync(&objects("nginx:2")).await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    let writes = world.writes();
    assert!(
        writes.contains(&"delete job/migrate".to_owned()),
        "{writes:?}"
    );
    assert!(writes.contains(&"apply deployment/web".to_owned()));
    assert!(!writes.contains(&"apply configmap/settings".to_owned()));
}

#[tokio::test]
async fn a_failing_hook_stops_the_sync_and_runs_sync_fail_hooks() {
    let world = World::new();
    let mut broken = job("migrate");
    broken.as_map_mut()["spec"]["template"]["spec"]["containers"] = json!([]);
    let desired = desired(vec![
        annotated(broken, &[(HOOK, "PreSync")]),
        config("settings", "1"),
        annotated(config("cleanup", "1"), &[(HOOK, "SyncFail")]),
    ]);
    let report = world.sync(&desired).await;
    assert_eq!(report.phase, OperationPhase::Failed);
    assert!(world.get("ConfigMap", "settings").await.is_none());
    assert!(world.get("ConfigMap", "cleanup").await.is_some());
    let failed = report
        .results
        .iter()
        .find(|r| r.object.name == "migrate")
        .unwrap();
    assert_eq!(failed.outcome, Outcome::Failed);
    let skipped = report
        .results
        .iter()
        .find(|r| r.object.name == "settings")
        .unwrap();
    assert_eq!(skipped.outcome, Outcome::Skipped);
}

#[tokio::test]
async fn objects_of_others_are_left_alone_and_bootstrap_objects_taken_over() {
    let world = World::new();
    let shared = || vec![config("shared", "1")];
    let mut other = desired(shared());
    other.owner = owner("other");
    assert_eq!(world.sync(&other).await.phase, OperationPhase::Succeeded);

    let plan = world
        .plan(&desired(vec![config("shared", "2")]), &pruning())
        .await;
    let reason = Reason::OwnedBy {
        owner: "other".to_owned(),
    };
    assert_eq!(
        (step(&plan, "shared").action, &step(&plan, "shared").reason),
        (Action::Skip, &reason)
    );
    assert!(plan.is_empty());

    let mut bootstrap = desired(vec![config("seeded", "1")]);
    bootstrap.owner = Owner {
        name: "seed".to_owned(),
        namespace: String::new(),
        bootstrap: true,
    };
    assert_eq!(
        world.sync(&bootstrap).await.phase,
        OperationPhase::Succeeded
    );
    let application = desired(vec![config("seeded", "2")]);
    assert_eq!(
        world.sync(&application).await.phase,
        OperationPhase::Succeeded
    );
    let live = world.get("ConfigMap", "seeded").await.unwrap();
    assert_eq!(live.annotation(tracking::BOOTSTRAP_ANNOTATION), None);
    assert_eq!(live.pointer("/data/key"), Some(&json!("2")));
    // A later bootstrap leaves it alone, and does not prune it either.
    let plan = world.plan(&bootstrap, &pruning()).await;
    assert!(matches!(
        step(&plan, "seeded").reason,
        Reason::OwnedBy { .. }
    ));
    bootstrap.objects.clear();
    assert!(world.plan(&bootstrap, &pruning()).await.is_empty());
}

#[tokio::test]
async fn only_tracked_and_unprotected_objects_are_pruned() {
    let world = World::new();
    let all = desired(vec![
        config("gone", "1"),
        annotated(config("kept", "1"), &[(OPTIONS, "Prune=false")]),
        annotated(
            config("policy", "1"),
            &[("helm.sh/resource-policy", "keep")],
        ),
        annotated(config("asked", "1"), &[(OPTIONS, "Prune=confirm")]),
        config("stays", "1"),
    ]);
    world.sync(&all).await;
    let rest = desired(vec![config("stays", "1")]);
    let never = world.plan(&rest, &PlanOptions::default()).await;
    assert_eq!(step(&never, "gone").reason, Reason::PruneDisabled);
    let plan = world.plan(&rest, &pruning()).await;
    assert_eq!(step(&plan, "gone").action, Action::Prune);
    for (name, by) in [
        ("kept", "Prune=false"),
        ("policy", "helm.sh/resource-policy: keep"),
        ("asked", "Prune=confirm"),
    ] {
        let by = by.to_owned();
        assert_eq!(step(&plan, name).reason, Reason::PruneProtected { by });
    }
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    assert!(world.get("ConfigMap", "gone").await.is_none());
    assert!(world.get("ConfigMap", "kept").await.is_some());
    let confirmed = PlanOptions {
        confirmed: true,
        ..pruning()
    };
    let plan = world.plan(&rest, &confirmed).await;
    assert_eq!(step(&plan, "asked").action, Action::Prune);
}

#[tokio::test]
async fn unserved_kinds_are_all_named_unless_a_definition_brings_them() {
    let world = World::new();
    let custom = |kind: &str| {
        object(json!({
            "apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "x"}, "spec": {"size": 1},
        }))
    };
    let unserved = desired(vec![custom("Widget"), custom("Gadget"), config("a", "1")]);
    let error = world.try_plan(&unserved, &pruning()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cluster does not serve example.com/v1/Gadget, example.com/v1/Widget"
    );
    let definition = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                }}},
            }],
        },
    }));
    let served = desired(vec![custom("Widget"), definition]);
    let report = world.sync(&served).await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    assert!(world.get("Widget", "x").await.is_some());
    assert!(world.plan(&served, &pruning()).await.is_empty());
}

#[tokio::test]
async fn immutable_fields_are_named_and_recreated_only_when_allowed() {
    let world = World::new();
    world.sync(&desired(vec![deployment("web", "nginx")])).await;
    let mut changed = deployment("web", "nginx");
    changed.as_map_mut()["spec"]["selector"]["matchLabels"] =
        json!({"app": "web", "tier": "front"});
    changed.as_map_mut()["spec"]["template"]["metadata"]["labels"] =
        json!({"app": "web", "tier": "front"});
    let desired = desired(vec![changed]);
    let plan = world.plan(&desired, &pruning()).await;
    assert_eq!(step(&plan, "web").reason, Reason::Immutable);
    assert_eq!(step(&plan, "web").action, Action::Update);
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Failed);
    let allowed = PlanOptions {
        recreate: true,
        ..pruning()
    };
    let plan = world.plan(&desired, &allowed).await;
    assert_eq!(step(&plan, "web").action, Action::Recreate);
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
}

#[tokio::test]
async fn dependencies_come_first_and_circles_are_refused() {
    const DEPENDS: &str = "config.kubernetes.io/depends-on";
    let world = World::new();
    let database = deployment("database", "postgres");
    let web = annotated(
        deployment("a-web", "nginx"),
        &[(DEPENDS, "apps/namespaces/shop/Deployment/database")],
    );
    let report = world
        .sync(&desired(vec![web.clone(), database.clone()]))
        .await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    let applied: Vec<String> = world.writes();
    assert_eq!(
        applied,
        [
            "apply namespace/shop",
            "apply deployment/database",
            "apply deployment/a-web"
        ]
    );
    let back = annotated(
        database,
        &[(DEPENDS, "apps/namespaces/shop/Deployment/a-web")],
    );
    let error = world
        .try_plan(&desired(vec![web, back]), &pruning())
        .await
        .unwrap_err();
    assert!(matches!(error, PlanError::Cycle { .. }), "{error}");
}

#[tokio::test]
async fn a_plan_is_saved_without_secrets_and_refused_when_the_cluster_moved_on() {
    let world = World::new();
    let secret = object(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"},
        "stringData": {"password": "correct horse"},
    }));
    let first = desired(vec![config("settings", "1"), secret]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("change.plan");
    plan::save_plan(&world.plan(&first, &pruning()).await, &file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("correct horse"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(plan::payload_path(&file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let loaded = plan::load_plan(&file).unwrap();
    assert!(!loaded.fresh);
    let report = world.execute(&loaded).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded);

    let stale = plan_file(&world, &desired(vec![config("settings", "2")]), &file).await;
    world.sync(&desired(vec![config("settings", "3")])).await;
    let error = world.execute(&stale).await.unwrap_err();
    assert!(
        matches!(&error, ExecuteError::Outdated { changed } if changed[0].contains("data.key")),
        "{error}"
    );

    let mut forged = plan::load_plan(&file).unwrap();
    forged.payload.0.insert(0, config("settings", "evil"));
    assert!(matches!(
        world.execute(&forged).await.unwrap_err(),
        ExecuteError::PayloadMismatch
    ));
}

async fn plan_file(world: &World, desired: &DesiredSet, file: &std::path::Path) -> Plan {
    plan::save_plan(&world.plan(desired, &pruning()).await, file).unwrap();
    plan::load_plan(file).unwrap()
}

#[tokio::test]
async fn deletion_goes_in_reverse_with_hooks_and_keeps_what_is_protected() {
    let world = World::new();
    let set = desired(vec![
        annotated(config("first", "1"), &[(WAVE, "-1")]),
        annotated(config("last", "1"), &[(WAVE, "5")]),
        annotated(config("kept", "1"), &[(OPTIONS, "Delete=false")]),
        annotated(job("farewell"), &[(HOOK, "PreDelete")]),
    ]);
    world.sync(&set).await;
    assert!(world.get("Job", "farewell").await.is_none());
    let live = world.live(&set).await;
    let schemas = world.cluster.schemas().await.unwrap();
    let options = PlanOptions {
        propagation: Propagation::Foreground,
        ..pruning()
    };
    let plan = world
        .applier
        .plan_deletion(&set.owner, Some(&set), &live, &*schemas, &options)
        .unwrap();
    world.cluster.clear_requests();
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    let writes: Vec<String> = world
        .writes()
        .into_iter()
        .filter(|write| !write.starts_with("patch"))
        .collect();
    assert_eq!(
        writes,
        [
            "apply job/farewell",
            "delete configmap/last",
            "delete configmap/first"
        ]
    );
    assert!(world.get("ConfigMap", "kept").await.is_some());
}

#[tokio::test]
async fn selected_objects_only() {
    let world = World::new();
    let set = desired(vec![
        config("a", "1"),
        config("b", "1"),
        annotated(job("hook"), &[(HOOK, "PreSync")]),
    ]);
    let options = PlanOptions {
        only: vec![ObjectId {
            group: String::new(),
            kind: "ConfigMap".to_owned(),
            namespace: "shop".to_owned(),
            name: "a".to_owned(),
        }],
        ..pruning()
    };
    let plan = world.plan(&set, &options).await;
    assert_eq!(step(&plan, "b").reason, Reason::NotSelected);
    let report = world.execute(&plan).await.unwrap();
    assert_eq!(report.phase, OperationPhase::Succeeded);
    assert!(world.get("ConfigMap", "b").await.is_none());
    assert!(world.get("Job", "hook").await.is_none());
}

#[tokio::test]
async fn namespaces_are_given_and_taken() {
    let world = World::new();
    let role = object(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "reader", "namespace": "shop"}, "rules": [],
    }));
    let mut set = desired(vec![role, config("a", "1")]);
    let plan = world.plan(&set, &pruning()).await;
    assert_eq!(step(&plan, "reader").object.namespace, "");
    assert_eq!(step(&plan, "a").object.namespace, "shop");
    set.destination.namespace = None;
    let error = world.try_plan(&set, &pruning()).await.unwrap_err();
    assert!(
        matches!(error, PlanError::MissingNamespace { .. }),
        "{error}"
    );
    let scope = ListScope::all(config("a", "1").gvk());
    assert!(world.cluster.list(&scope).await.is_ok());
    let missing = ObjectRef::new(config("a", "1").gvk(), "shop", "a");
    assert!(matches!(
        world.cluster.get(&missing).await,
        Ok(None) | Err(ClusterError::NotFound { .. })
    ));
    assert_eq!(
        world
            .cluster
            .requests()
            .all
            .iter()
            .filter(|request| request.verb == RequestVerb::Apply)
            .count(),
        0
    );
}

#[tokio::test]
async fn an_application_may_refuse_shared_objects_as_a_whole() {
    let world = World::new();
    let mut other = desired(vec![config("shared", "1")]);
    other.owner = owner("other");
    world.sync(&other).await;
    let mut set = desired(vec![config("shared", "2"), config("own", "1")]);
    set.sync_policy = options(&["FailOnSharedResource=true"]);
    let report = world.sync(&set).await;
    assert_eq!(report.phase, OperationPhase::Failed);
    assert!(
        report.message.contains("ConfigMap shop/shared"),
        "{}",
        report.message
    );
    assert!(world.get("ConfigMap", "own").await.is_none());
}

#[tokio::test]
async fn changes_that_are_none_are_asked_about_once() {
    let world = World::new();
    let account = object(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"},
        "imagePullSecrets": [],
    }));
    let set = desired(vec![account]);
    assert_eq!(world.sync(&set).await.phase, OperationPhase::Succeeded);
    let live = world.live(&set).await;
    let plan = world.plan(&set, &pruning()).await;
    assert!(!plan.is_empty(), "comparing alone cannot know");
    world.cluster.clear_requests();
    let plan = world
        .applier
        .confirm(plan, &live, &world.cluster)
        .await
        .unwrap();
    assert!(plan.is_empty(), "{:#?}", plan.steps);
    assert_eq!(world.cluster.requests().dry_runs, 1);
    let again = world.plan(&set, &pruning()).await;
    let again = world
        .applier
        .confirm(again, &live, &world.cluster)
        .await
        .unwrap();
    assert!(again.is_empty());
    assert_eq!(world.cluster.requests().dry_runs, 1, "it is remembered");
    assert_eq!(world.cluster.requests().writes, 0);
    assert_eq!(
        world.execute(&again).await.unwrap().phase,
        OperationPhase::Succeeded
    );
}

#[tokio::test]
async fn an_edited_value_is_sent_without_a_question_and_asked_about_where_that_changed_nothing() {
    let world = World::new();
    let set = |value: &str| desired(vec![config("a", value)]);
    assert_eq!(
        world.sync(&set("first value")).await.phase,
        OperationPhase::Succeeded
    );
    let live = world.live(&set("first value")).await;
    assert!(world.plan(&set("first value"), &pruning()).await.is_empty());
    world.cluster.clear_requests();
    let confirmed = |set: DesiredSet| {
        let (world, live) = (&world, &live);
        async move {
            let plan = world.plan(&set, &pruning()).await;
            let plan = world.applier.confirm(plan, live, &world.cluster).await;
            (plan.unwrap().is_empty(), world.cluster.requests().dry_runs)
        }
    };
    assert_eq!(confirmed(set("second value")).await, (false, 0));
    // It was not sent, or something turned it back.
    assert_eq!(confirmed(set("second value")).await, (false, 1));
    assert_eq!(
        confirmed(set("second value")).await,
        (false, 1),
        "the answer is remembered"
    );
    assert_eq!(confirmed(set("third value")).await, (false, 1));
}

#[tokio::test]
async fn a_custom_object_that_nobody_reports_on_does_not_hold_up_the_sync() {
    let world = World::new();
    let definition = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "certificates.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io", "scope": "Namespaced",
            "names": {"kind": "Certificate", "plural": "certificates", "singular": "certificate", "listKind": "CertificateList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    }));
    let certificate = object(json!({
        "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "tls"},
    }));
    let later = annotated(config("later", "1"), &[(WAVE, "1")]);
    let set = desired(vec![definition, certificate, later]);
    let report = world.sync(&set).await;
    assert_eq!(report.phase, OperationPhase::Succeeded, "{report:#?}");
    assert!(world.get("ConfigMap", "later").await.is_some());
}
