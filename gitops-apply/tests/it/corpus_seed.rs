//! The rendered seed repository, application by application: everything is applied, and a second
//! plan finds nothing to do.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and prints scores"
)]

use std::{collections::BTreeMap, fs, path::Path};

use gitops_core::{
    Manifest, ObjectRef,
    app::{ApplicationDestination, OperationPhase, SyncPolicy},
    apply::Applier,
    cluster::Cluster,
    plan::{DesiredSet, Owner, Plan},
};
use serde_json::Value;

use crate::{
    corpus::{Score, equal, root},
    sync::{World, pruning},
};

/// In the order in which they come to be: `seed` is applied by hand, `applications` makes the others.
const APPLICATIONS: [&str; 13] = [
    "seed",
    "applications",
    "argocd",
    "cerebro",
    "curator",
    "elasticsearch",
    "fluent-bit",
    "kibana",
    "kube-ops-view",
    "kubernetes-dashboard",
    "metrics-server",
    "prometheus-operator",
    "spotify-docker-gc",
];

#[tokio::test]
async fn corpus_seed_is_applied_and_stays() {
    let Some(golden) = root().map(|root| root.join("seed/golden")) else {
        return;
    };
    if !golden.is_dir() {
        println!("{} is missing: skipped", golden.display());
        return;
    }
    let namespaces: BTreeMap<String, String> = load(&golden, "applications")
        .iter()
        .filter(|object| object.kind() == "Application")
        .filter_map(|object| {
            let namespace = object.pointer("/spec/destination/namespace")?.as_str()?;
            Some((object.name().to_owned(), namespace.to_owned()))
        })
        .collect();
    // The newest version that still serves all the kinds of 2020.
    let world = World::of("1.21");
    let mut score = Score::of("seed");
    let sets: Vec<DesiredSet> = APPLICATIONS
        .iter()
        .map(|name| desired(name, load(&golden, name), namespaces.get(*name)))
        .collect();
    for set in &sets {
        let plan = plan(&world, set).await;
        let report = world.execute(&plan).await.unwrap();
        let outcome = equal("phase", report.phase, OperationPhase::Succeeded)
            .map_err(|difference| format!("{difference}: {}", report.message));
        score.case(&format!("{}/sync", set.owner.name), outcome);
    }
    for set in &sets {
        let plan = plan(&world, set).await;
        let changes: Vec<String> = plan
            .changes()
            .filter(|step| !step.hook)
            .map(|step| format!("{:?} {}: {}", step.action, step.object, step.reason))
            .collect();
        score.case(
            &format!("{}/again", set.owner.name),
            equal("changes", changes, Vec::new()),
        );
    }
    score.finish();
}

fn load(golden: &Path, name: &str) -> Vec<Manifest> {
    let text = fs::read_to_string(golden.join(format!("{name}.yaml"))).unwrap();
    text.split("\n---")
        .map(|document| gitops_core::yaml::from_str(document.trim_start_matches("---")).unwrap())
        .filter(|document| *document != Value::Null)
        .map(|document| Manifest::try_from(document).unwrap())
        .collect()
}

fn desired(name: &str, objects: Vec<Manifest>, namespace: Option<&String>) -> DesiredSet {
    let bootstrap = name == "seed";
    DesiredSet {
        owner: Owner {
            name: name.to_owned(),
            namespace: if bootstrap { "" } else { "argocd" }.to_owned(),
            bootstrap,
        },
        revision: "0123456789abcdef".to_owned(),
        objects,
        destination: ApplicationDestination {
            namespace: Some(namespace.map_or("argocd", String::as_str).to_owned()),
            ..ApplicationDestination::default()
        },
        sync_policy: SyncPolicy {
            sync_options: vec!["CreateNamespace=true".to_owned()],
            ..SyncPolicy::default()
        },
        ..DesiredSet::default()
    }
}

async fn plan(world: &World, set: &DesiredSet) -> Plan {
    let mut live = world.live(set).await;
    for object in &mut live.objects {
        // Live objects are compared in the version in which they are declared.
        let declared = set.objects.iter().find(|declared| {
            declared.group() == object.group()
                && declared.kind() == object.kind()
                && declared.name() == object.name()
        });
        let Some(declared) = declared.filter(|declared| declared.gvk() != object.gvk()) else {
            continue;
        };
        let reference = ObjectRef::new(declared.gvk(), object.namespace(), object.name());
        if let Ok(Some(converted)) = world.cluster.get(&reference).await {
            *object = converted;
        }
    }
    let schemas = world.cluster.schemas().await.unwrap();
    let plan = world
        .applier
        .plan(set, &live, &*schemas, &pruning())
        .unwrap();
    world
        .applier
        .confirm(plan, &live, &world.cluster)
        .await
        .unwrap()
}
