//! Diffs against the answers of a real API server.
//!
//! Random live objects, changed by several managers, and what is desired of them: what the differ
//! predicts, and what it says about ownership, is what the server answers to a dry-run.
//! `GITOPS_DIFF_PAIRS` says how many pairs, `GITOPS_DIFF_SEED` which.

mod kinds;
#[path = "../../../../gitops-diff/tests/it/prediction.rs"]
mod prediction;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, stream};
use gitops_apply::kube::{KubeCluster, KubeOptions};
use gitops_core::{
    Manifest,
    clock::SystemClock,
    cluster::{ApplyOptions, Cluster, ClusterError, Patch, WriteOptions},
    schema::Schemas as _,
};
use gitops_diff::proof::{differs_in_content, is_strictly_unchanged};
use kinds::{KINDS, Random, definitions, object, reordered};
use prediction::{Pair, faults};
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, Controllers},
    on_runtime,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Unchanged,
    LiveMutated,
    DesiredMutated,
    Reordered,
    CoOwned,
}

const STATES: [State; 5] = [
    State::Unchanged,
    State::LiveMutated,
    State::DesiredMutated,
    State::Reordered,
    State::CoOwned,
];

fn manifest(value: Value) -> Manifest {
    Manifest::try_from(value).expect("an object")
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

fn applying(manager: &str, dry_run: bool) -> ApplyOptions {
    ApplyOptions {
        field_manager: manager.to_owned(),
        dry_run,
        ..ApplyOptions::default()
    }
}

/// Makes a pair; an error where the server finds one of the objects invalid.
async fn make(cluster: &KubeCluster, seed: u64) -> Result<Pair, ClusterError> {
    let mut random = Random::new(seed);
    let at = usize::try_from(seed).expect("few pairs");
    let (kind, state) = (at % KINDS.len(), STATES[at / KINDS.len() % STATES.len()]);
    let name = format!("o{seed}");
    let first = object(&mut random, kind, &name);
    let second = object(&mut random, kind, &name);
    let mut live = cluster
        .apply(&manifest(first.clone()), &applying("gitops", false))
        .await?;
    let mut desired = first.clone();
    match state {
        State::Unchanged => {}
        State::LiveMutated => {
            if random.coin() {
                live = cluster
                    .apply(&manifest(second), &applying("other", false))
                    .await?;
            } else {
                let patch = Patch::Merge(changes(second));
                let by_hand = WriteOptions {
                    field_manager: "by-hand".to_owned(),
                    ..WriteOptions::default()
                };
                live = cluster.patch(&live.object_ref(), &patch, &by_hand).await?;
            }
        }
        State::DesiredMutated => desired = second,
        State::Reordered => desired = reordered(&mut random, &first),
        State::CoOwned => {
            live = cluster
                .apply(&manifest(first), &applying("other", false))
                .await?;
            desired = second;
        }
    }
    let desired = manifest(desired);
    let answer = cluster.apply(&desired, &applying("gitops", true)).await?;
    Ok(Pair {
        name: format!("{} {name} {state:?}", desired.kind()),
        live,
        desired,
        answer,
    })
}

/// An object as a merge patch of an existing one.
fn changes(mut object: Value) -> Value {
    let labels = json!({"labels": object["metadata"]["labels"].take()});
    let map = object.as_object_mut().expect("an object");
    map.insert("metadata".to_owned(), labels);
    object
}

#[test]
fn predictions_are_the_answers_of_a_real_api_server() {
    let Some(plane) = ControlPlane::start(Controllers::None) else {
        return;
    };
    let (wanted, seed) = (
        number("GITOPS_DIFF_PAIRS", 2000),
        number("GITOPS_DIFF_SEED", 0),
    );
    on_runtime(async {
        let text = std::fs::read_to_string(&plane.kubeconfig).expect("a kubeconfig");
        let cluster = KubeCluster::from_kubeconfig_text(
            &text,
            None,
            Arc::new(SystemClock),
            KubeOptions::default(),
        );
        let cluster = cluster.await.expect("a cluster");
        for definition in definitions() {
            cluster
                .apply(&manifest(definition), &ApplyOptions::default())
                .await
                .expect("a definition");
        }
        for kind in ["Widget", "Gadget"] {
            let at = KINDS
                .iter()
                .position(|(_, name, ..)| *name == kind)
                .expect("a kind");
            let probe = manifest(object(&mut Random::new(0), at, "probe"));
            while cluster
                .apply(&probe, &ApplyOptions::default())
                .await
                .is_err()
            {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
        let schemas = cluster.schemas().await.expect("schemas");

        let (mut total, mut refused, mut wrong) =
            (0, BTreeMap::<String, String>::new(), Vec::new());
        let (mut kinds, mut by_state) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        let cluster = &cluster;
        let mut pairs = stream::iter(seed..seed + wanted * 2)
            .map(|seed| make(cluster, seed))
            .buffered(8);
        let (mut refusals, mut quiet, mut proven) = (0, 0, 0);
        while total < wanted {
            match pairs.next().await.expect("enough pairs") {
                Ok(pair) => {
                    total += 1;
                    kinds.insert(pair.desired.gvk());
                    let state = pair.name.rsplit(' ').next().unwrap_or_default().to_owned();
                    *by_state.entry(state).or_default() += 1;
                    let schema = schemas.schema(&pair.desired.gvk());
                    quiet += usize::from(!differs_in_content(&pair.live, &pair.answer));
                    proven += usize::from(is_strictly_unchanged(
                        &pair.desired,
                        &pair.live,
                        "gitops",
                        schema.as_deref(),
                    ));
                    wrong.extend(faults(&pair, &*schemas));
                }
                Err(error @ ClusterError::Invalid { .. }) => {
                    refusals += 1;
                    let text = error.to_string();
                    refused
                        .entry(text.chars().take(60).collect())
                        .or_insert(text);
                }
                Err(error) => panic!("{error}"),
            }
        }
        let right = total - u64::try_from(wrong.len()).expect("few");
        println!(
            "diff live: {right}/{total} pairs over {} kinds",
            kinds.len()
        );
        println!("{proven} of {quiet} applies without effect proven");
        println!("states {by_state:?}; {refusals} drawn objects refused by the server");
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/diff-live.failures");
        let refused: Vec<String> = refused.into_values().collect();
        std::fs::write(
            file,
            wrong.join("\n\n") + "\n\nrefused:\n" + &refused.join("\n"),
        )
        .expect("target is writable");
        assert!(
            wrong.is_empty(),
            "{} of {total} are wrong, see {file}",
            wrong.len()
        );
        assert!(kinds.len() >= 30 && refusals < wanted / 2);
    });
}
