//! Plan now, apply later: a plan is a document to read and approve, with its payload beside it.
//! Another process may execute it; it refuses where the cluster has moved on.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::sync::Arc;

use gitops_apply::{
    embedded::EmbeddedCluster,
    execute::SyncApplier,
    health::ArgoHealth,
    plan::{load_plan, save_plan},
};
use gitops_core::{
    Manifest,
    apply::{Applier as _, ExecuteContext, ExecuteOptions},
    clock::SystemClock,
    cluster::Cluster as _,
    events::Silent,
    plan::{DesiredSet, LiveSet, Owner, PlanOptions},
    policy::PermitAll,
    state::MemoryStateStore,
    yaml,
};
use gitops_diff::StructuralDiffer;

type Failure = Box<dyn std::error::Error>;

const DESIRED: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {greeting: hello}
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    print!("{}", run().await?);
    Ok(())
}

pub(crate) async fn run() -> Result<String, Failure> {
    let cluster = EmbeddedCluster::builder().kubernetes("1.34").build()?;
    let state = Arc::new(MemoryStateStore::default());
    let applier = SyncApplier::new(Arc::new(StructuralDiffer::default()), state);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("change.plan");

    // Today: what would be done, kept in a file.
    let desired = DesiredSet {
        owner: Owner {
            name: "settings".to_owned(),
            namespace: "argocd".to_owned(),
            bootstrap: false,
        },
        objects: vec![Manifest::try_from(yaml::from_str(DESIRED)?)?],
        ..DesiredSet::default()
    };
    let schemas = cluster.schemas().await?;
    let plan = applier.plan(
        &desired,
        &LiveSet::default(),
        &*schemas,
        &PlanOptions::default(),
    )?;
    save_plan(&plan, &file)?;
    let mut text = String::new();
    for step in plan.changes() {
        text.push_str(&format!(
            "{:?} {}: {}\n",
            step.action, step.object, step.reason
        ));
    }

    // Tomorrow, perhaps elsewhere: done as it was approved.
    let plan = load_plan(&file)?;
    let context = ExecuteContext {
        clock: &SystemClock,
        health: &ArgoHealth,
        policy: &PermitAll,
        events: &Silent,
    };
    let report = applier
        .execute(&plan, &cluster, &context, &ExecuteOptions::default())
        .await?;
    text.push_str(&format!(
        "{:?}: {}, {} writes\n",
        report.phase, report.message, report.writes
    ));

    // The cluster has moved on: the same plan is refused now.
    let plan = load_plan(&file)?;
    let options = ExecuteOptions::default();
    if let Err(error) = applier.execute(&plan, &cluster, &context, &options).await {
        text.push_str(&format!("again: {error}\n"));
    }
    Ok(text)
}
