//! The seed corpus of 2020 on a real control plane of today, its removed API versions migrated.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::{
    control_plane::{ControlPlane, Controllers},
    corpus_seed::{SEED, world},
    support::Ran,
};

#[test]
fn corpus_seed_of_2020_bootstraps_on_a_server_of_today() {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        std::path::PathBuf::from,
    );
    if !root.join("seed").exists() {
        println!("no seed corpus: skipped");
        return;
    }
    let Some(plane) = ControlPlane::start(Controllers::All) else {
        return;
    };
    let world = world(&root.join("seed"));
    let environment = [("KUBECONFIG", plane.kubeconfig.as_path())];
    let bootstrap = || -> Ran {
        world.gitops_on(
            "kubeconfig",
            &environment,
            &[
                "bootstrap",
                SEED,
                "--path",
                "charts/seed",
                "--sync-all",
                "--migrate-removed-apis",
                "--timeout",
                "240",
                "-o",
                "json",
            ],
        )
    };
    let first = bootstrap();
    println!("{}", summary(&first));
}

fn statuses(ran: &Ran) -> BTreeMap<String, Value> {
    let value = ran.json();
    let applications = value["applications"].as_array().expect("a list");
    let name = |application: &Value| application["name"].as_str().unwrap_or_default().to_owned();
    let mut all: BTreeMap<String, Value> = applications
        .iter()
        .map(|application| (name(application), application.clone()))
        .collect();
    all.insert("seed (bootstrap)".to_owned(), value["bootstrap"].clone());
    all
}

fn summary(ran: &Ran) -> String {
    let mut text = format!("status {}\n{}\n", ran.status, ran.err);
    for (name, application) in statuses(ran) {
        let status = &application["status"];
        text.push_str(&format!(
            "{name}: {} {} {} writes; {}\n",
            status["sync"]["status"],
            status["health"],
            application["writes"],
            status["operationState"]["message"]
        ));
        for condition in status["conditions"].as_array().into_iter().flatten() {
            text.push_str(&format!(
                "    {} {}\n",
                condition["type"], condition["message"]
            ));
        }
        for resource in status["resources"].as_array().into_iter().flatten() {
            if resource["status"] != "Synced"
                || !matches!(
                    resource["health"]["status"].as_str(),
                    None | Some("Healthy")
                )
            {
                text.push_str(&format!(
                    "    {} {}/{} {} {}\n",
                    resource["kind"],
                    resource["namespace"],
                    resource["name"],
                    resource["status"],
                    resource["health"]
                ));
            }
        }
    }
    text
}
