//! The seed corpus of 2020 on a real control plane of today, its removed API versions migrated.
//!
//! Two Applications cannot become Healthy here, where the Pods of kwok do nothing: `metrics-server`
//! registers an API that only a metrics server that runs can answer for, and `prometheus-operator`
//! declares a Prometheus and an Alertmanager that its operator would have to tend.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, Controllers},
    corpus_seed::{SEED, world},
    support::{Ran, World},
};

/// The project of this Application does not permit its webhooks before a commit says otherwise.
const REFUSED: &str = "prometheus-operator";
/// Health of what only an operator would tell.
const RULES: &str = "\
- apiVersion: monitoring.coreos.com/v1
  kind: Prometheus
  current: spec.replicas == 1
- apiVersion: monitoring.coreos.com/v1
  kind: Alertmanager
  current: has(spec.replicas)
";
/// Its APIService waits for a server that answers.
const UNANSWERED: &str = "metrics-server";

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
    let seed = Seed {
        world: world(&root.join("seed")),
        plane,
    };
    // Elasticsearch wants three nodes and a volume on each.
    seed.add_nodes_and_volumes();

    // The project of prometheus-operator does not permit its webhooks: refused as a whole.
    let first = seed.bootstrap();
    assert_eq!(first.status, 1, "{}", summary(&first));
    let applications = applications(&first);
    assert_eq!(applications.len(), 13, "{}", summary(&first));
    let (mut synced, mut healthy) = (0, 0);
    for (name, application) in &applications {
        let status = &application["status"];
        let is_synced = status["sync"]["status"] == "Synced";
        let is_healthy = status["health"]["status"] == "Healthy";
        assert_eq!(is_synced, name != REFUSED, "{name}\n{}", summary(&first));
        let expected = !matches!(name.as_str(), REFUSED | UNANSWERED);
        if is_healthy != expected {
            println!("{}", seed.kubectl(&["get", "pods,pvc,pv,events", "-A"]));
        }
        assert_eq!(is_healthy, expected, "{name}\n{}", summary(&first));
        synced += usize::from(is_synced);
        healthy += usize::from(is_healthy);
    }
    println!("seed on a real server: {synced}/13 synced, {healthy}/13 healthy");
    let refusal = conditions(&applications[REFUSED]);
    for named in [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "clusterResourceWhitelist",
    ] {
        assert!(refusal.contains(named), "{refusal}");
    }
    // Every rewrite is reported, and so is what is left out.
    let reported = [
        (
            "argocd",
            "RewrittenResourceWarning",
            "applications.argoproj.io",
        ),
        (
            "curator",
            "RewrittenResourceWarning",
            "batch/v1beta1 is written as batch/v1",
        ),
        (UNANSWERED, "RewrittenResourceWarning", "APIService"),
        (REFUSED, "ExcludedResourceWarning", "PodSecurityPolicy"),
    ];
    for (name, condition, text) in reported {
        let conditions = conditions(&applications[name]);
        assert!(conditions.contains(condition), "{name}: {conditions}");
        assert!(conditions.contains(text), "{name}: {conditions}");
    }
    seed.writes_nothing();

    // A commit permits the two kinds; the next pass converges.
    seed.world.edit(
        "repos-gitops-k8s",
        "applications/templates/observe/project.yaml",
        "  clusterResourceWhitelist:\n",
        "  clusterResourceWhitelist:\n    \
         - group: admissionregistration.k8s.io\n      kind: MutatingWebhookConfiguration\n    \
         - group: admissionregistration.k8s.io\n      kind: ValidatingWebhookConfiguration\n",
    );
    let permitted = seed.bootstrap();
    let applications = self::applications(&permitted);
    for (name, application) in &applications {
        let status = &application["status"];
        assert_eq!(
            status["sync"]["status"],
            "Synced",
            "{name}\n{}",
            summary(&permitted)
        );
        let is_healthy = status["health"]["status"] == "Healthy";
        let expected = !matches!(name.as_str(), REFUSED | UNANSWERED);
        assert_eq!(is_healthy, expected, "{name}\n{}", summary(&permitted));
    }
    // No operator runs that would tend these two; everything else of the application is Healthy.
    let health = applications[REFUSED]["status"]["health"]["message"].to_string();
    for kind in ["Alertmanager:", "Prometheus:"] {
        assert!(health.contains(kind), "{health}");
    }
    assert_eq!(
        health.matches("monitoring.coreos.com").count(),
        2,
        "{health}"
    );
    println!("seed on a real server, permitted: 13/13 synced, 11/13 healthy");
    seed.is_lifted();
    seed.writes_nothing();

    // Somebody who knows better says so.
    seed.world.write("rules", "health.yaml", RULES);
    let rules = seed.world.path("rules").join("health.yaml");
    let judged = seed.bootstrap_with(&["--health-rules", rules.to_str().expect("a text")]);
    let health = &self::applications(&judged)[REFUSED]["status"]["health"]["status"];
    assert_eq!(health, "Healthy", "{}", summary(&judged));
}

struct Seed {
    world: World,
    plane: ControlPlane,
}

impl Seed {
    fn bootstrap(&self) -> Ran {
        self.bootstrap_with(&[])
    }

    fn bootstrap_with(&self, more: &[&str]) -> Ran {
        let arguments = [
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
        ];
        self.world.gitops_on(
            "kubeconfig",
            &[("KUBECONFIG", self.plane.kubeconfig.as_path())],
            &[&arguments[..], more].concat(),
        )
    }

    fn add_nodes_and_volumes(&self) {
        let mut items = Vec::new();
        for index in 0..3 {
            let node = format!("node-{index}");
            if index > 0 {
                let amounts = json!({"cpu": "64", "memory": "256Gi", "pods": "1000"});
                items.push(json!({
                    "apiVersion": "v1", "kind": "Node",
                    "metadata": {
                        "name": node,
                        "annotations": {"kwok.x-k8s.io/node": "fake"},
                        "labels": {"kubernetes.io/hostname": node, "kubernetes.io/os": "linux"},
                    },
                    "status": {"allocatable": amounts, "capacity": amounts},
                }));
            }
            items.push(json!({
                "apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {"name": format!("volume-{index}")},
                "spec": {
                    "storageClassName": "standard",
                    "capacity": {"storage": "100Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "hostPath": {"path": "/data"},
                },
            }));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let file = self.world.path("nodes.json");
        std::fs::write(&file, list.to_string()).expect("the folder is writable");
        self.kubectl(&["create", "-f", file.to_str().expect("a text")]);
    }

    /// Bootstrapping once more changes no object that the repository declares.
    fn writes_nothing(&self) {
        let before = self.versions();
        let again = self.bootstrap();
        for (name, application) in applications(&again) {
            assert_eq!(application["writes"], 0, "{name}\n{}", summary(&again));
        }
        assert_eq!(
            again.json()["bootstrap"]["writes"],
            0,
            "{}",
            summary(&again)
        );
        assert_eq!(before, self.versions());
    }

    /// Resource versions of what nobody but the engine writes.
    fn versions(&self) -> BTreeMap<String, String> {
        let kinds = "configmaps,secrets,services,serviceaccounts,customresourcedefinitions,\
                     clusterroles,clusterrolebindings,roles,rolebindings,appprojects.argoproj.io,\
                     applications.argoproj.io";
        let list = self.kubectl(&["get", kinds, "-A", "-o", "json"]);
        let list: Value = serde_json::from_str(&list).expect("a list");
        let items = list["items"].as_array().expect("a list").clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        items
            .iter()
            .map(|item| {
                let metadata = &item["metadata"];
                let name = format!(
                    "{} {}/{}",
                    text(&item["kind"]),
                    text(&metadata["namespace"]),
                    text(&metadata["name"])
                );
                (name, text(&metadata["resourceVersion"]))
            })
            // The one's status tells what the API server says, which differs from try to try; the
            // other is where the engine remembers that the seed has become Healthy meanwhile.
            .filter(|(name, _)| {
                *name != format!("Application argocd/{UNANSWERED}")
                    && name != "Secret argocd/gitops-bootstrap-seed"
            })
            .collect()
    }

    /// The successors live, as the server takes them.
    fn is_lifted(&self) {
        let established = self.kubectl(&[
            "get",
            "customresourcedefinitions",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=='Established')].status} {end}",
        ]);
        for definition in [
            "applications.argoproj.io",
            "appprojects.argoproj.io",
            "alertmanagers.monitoring.coreos.com",
            "podmonitors.monitoring.coreos.com",
            "prometheuses.monitoring.coreos.com",
            "prometheusrules.monitoring.coreos.com",
            "servicemonitors.monitoring.coreos.com",
            "thanosrulers.monitoring.coreos.com",
        ] {
            let expected = format!("{definition}=True");
            assert!(established.contains(&expected), "{established}");
        }
        let nonstructural = self.kubectl(&[
            "get",
            "customresourcedefinitions",
            "-o",
            "jsonpath={.items[*].status.conditions[?(@.type=='NonStructuralSchema')].message}",
        ]);
        assert_eq!(nonstructural.trim(), "");
        let webhook = self.kubectl(&[
            "get",
            "mutatingwebhookconfigurations",
            "prometheus-operator-admission",
            "-o",
            "jsonpath={.webhooks[0].failurePolicy} {.webhooks[0].matchPolicy} {.webhooks[0].timeoutSeconds}",
        ]);
        assert_eq!(webhook, "Ignore Exact 30");
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new(self.plane.program("kubectl"))
            .arg(format!("--kubeconfig={}", self.plane.kubeconfig.display()))
            .args(arguments)
            .env("HOME", self.world.folder.path())
            .output()
            .expect("kubectl starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The Applications by name.
fn applications(ran: &Ran) -> BTreeMap<String, Value> {
    ran.json()["applications"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|application| {
            let name = application["name"].as_str().unwrap_or_default();
            (name.to_owned(), application.clone())
        })
        .collect()
}

fn conditions(application: &Value) -> String {
    application["status"]["conditions"].to_string()
}

/// What of every Application is not as it should be.
fn summary(ran: &Ran) -> String {
    let mut text = format!("exit status {}\n{}\n", ran.status, ran.err);
    let value = ran.json();
    let all = value["applications"].as_array().into_iter().flatten();
    for application in all.chain([&value["bootstrap"]]) {
        let status = &application["status"];
        text.push_str(&format!(
            "{}: {} {} {} writes: {}\n",
            application["name"],
            status["sync"]["status"],
            status["health"],
            application["writes"],
            status["operationState"]["message"]
        ));
        for condition in status["conditions"].as_array().into_iter().flatten() {
            text.push_str(&format!(
                "    {}: {}\n",
                condition["type"], condition["message"]
            ));
        }
        for resource in status["resources"].as_array().into_iter().flatten() {
            let health = resource["health"]["status"].as_str();
            if resource["status"] != "Synced" || !matches!(health, None | Some("Healthy")) {
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
