//! `gitops run`, and what happens when a process is killed.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gitops_apply::{
    embedded::{EmbeddedCluster, RequestVerb, rest::RestServer},
    kube::{KubeCluster, KubeOptions},
};
use gitops_core::{
    GroupVersionKind, Manifest, ObjectRef,
    clock::SystemClock,
    cluster::{ApplyOptions, Cluster, DeleteOptions, Patch, WriteOptions},
};
use serde_json::{Value, json};

use crate::support::{World, git};

const SHOP: &str = "https://git.example.com/shop/deployment.git";

fn shop() -> World {
    let mut world = World::new();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    world.repository(SHOP, "shop", &demo);
    world
}

fn kubeconfig(url: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: test,
contexts: [{{name: test, context: {{cluster: test, user: test}}}}],
clusters: [{{name: test, cluster: {{server: '{url}'}}}}],
users: [{{name: test, user: {{}}}}]}}\n"
    )
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(world: &World, cluster: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitops"));
    command
        .args(arguments)
        .args(["--cluster", cluster, "--map"])
        .arg(world.path("urls.json"))
        .arg("--cache")
        .arg(world.path("cache"))
        .env("HOME", world.folder.path());
    command
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < end, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_heals_drift_follows_git_and_ends_when_asked() {
    let world = shop();
    let first = world.gitops(&["bootstrap", SHOP, "--path", "apps"]);
    assert_eq!(first.status, 0, "{}\n{}", first.out, first.err);

    let cluster = format!("embedded={}", world.path("cluster.json").display());
    let arguments = ["run", "--poll", "1", "--listen", "127.0.0.1:0"];
    let mut child = Running(
        command(&world, &cluster, &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let mut lines = BufReader::new(child.0.stderr.take().expect("it is piped")).lines();
    let url = loop {
        let line = lines.next().expect("a line").expect("a text");
        if let Some((_, url)) = line.split_once("served at ") {
            break url.to_owned();
        }
    };
    let client = KubeCluster::from_kubeconfig_text(
        &kubeconfig(&url),
        None,
        Arc::new(SystemClock),
        KubeOptions::default(),
    )
    .await
    .expect("a client");
    let object = |group: &str, kind: &str, name: &str| {
        ObjectRef::new(GroupVersionKind::new(group, "v1", kind), "shop", name)
    };
    let frontend = object("apps", "Deployment", "frontend");
    let cart = object("", "Service", "cart");
    let replicas = async |client: &KubeCluster| -> Value {
        let found = client.get(&frontend).await.expect("it answers");
        found.map_or(Value::Null, |found| {
            found.as_map()["spec"]["replicas"].clone()
        })
    };

    // Somebody scales one object and deletes another.
    let uid = client
        .get(&cart)
        .await
        .expect("it answers")
        .expect("it exists")
        .uid()
        .to_owned();
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    let by_hand = WriteOptions {
        field_manager: "kubectl-edit".to_owned(),
        ..WriteOptions::default()
    };
    client
        .patch(&frontend, &patch, &by_hand)
        .await
        .expect("it is patched");
    client
        .delete(&cart, &DeleteOptions::default())
        .await
        .expect("it is deleted");
    eventually("the drift is healed", async || {
        let healed = client.get(&cart).await.expect("it answers");
        replicas(&client).await == json!(2) && healed.is_some_and(|healed| healed.uid() != uid)
    })
    .await;

    // Somebody commits.
    world.edit(
        "shop",
        "monitoring/agent.yaml",
        "replicas: 1",
        "replicas: 3",
    );
    let agent = object("apps", "Deployment", "metrics-agent");
    eventually("the commit is applied", async || {
        let found = client.get(&agent).await.expect("it answers");
        found.is_some_and(|found| found.as_map()["spec"]["replicas"] == 3)
    })
    .await;

    let pid = child.0.id().to_string();
    let asked = Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .expect("kill starts");
    assert!(asked.success());
    assert_eq!(child.0.wait().expect("it ends").code(), Some(0));
    let mut out = String::new();
    child
        .0
        .stdout
        .take()
        .expect("it is piped")
        .read_to_string(&mut out)
        .expect("a text");
    assert!(
        out.contains("update apps/Deployment shop/frontend"),
        "{out}"
    );
    assert!(out.contains("create Service shop/cart"), "{out}");
    let agent = world
        .object("Deployment", "shop", "metrics-agent")
        .expect("it was saved");
    assert_eq!(agent["spec"]["replicas"], 3);
}

/// A cluster that outlives the processes that work on it.
struct Durable {
    cluster: EmbeddedCluster,
    kubeconfig: PathBuf,
}

impl Durable {
    async fn start(world: &World, name: &str) -> Self {
        let cluster = EmbeddedCluster::builder()
            .kubernetes("1.34")
            .build()
            .expect("a cluster");
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = RestServer::bind(&cluster, address).await.expect("a port");
        let file = world.path(name);
        std::fs::write(&file, kubeconfig(&server.url())).expect("the folder is writable");
        tokio::spawn(server.run());
        Self {
            cluster,
            kubeconfig: file,
        }
    }

    fn bootstrap(&self, world: &World) -> Command {
        let mut command = command(world, "kubeconfig", &["bootstrap", SHOP, "--path", "apps"]);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What was declared, without what differs from one run to the next.
    fn declared(&self) -> BTreeMap<String, Value> {
        let objects = self.cluster.objects().into_iter();
        objects
            .filter(|object| object.owner_references().next().is_none())
            .filter(|object| {
                object
                    .annotation("argocd.argoproj.io/tracking-id")
                    .is_some()
            })
            .map(|object| (object.object_ref().to_string(), essence(&object)))
            .collect()
    }
}

fn essence(object: &Manifest) -> Value {
    // Jobs carry their uid in labels and selectors.
    let text = object.to_value().to_string();
    let mut value: Value =
        serde_json::from_str(&text.replace(object.uid(), "UID")).expect("it was JSON");
    let secret = object.is_secret();
    let Some(map) = value.as_object_mut() else {
        return value;
    };
    map.remove("status");
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if secret {
        map.remove("data");
    }
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
        ] {
            metadata.remove(field);
        }
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_killed_at_any_moment_converges_when_started_again() {
    let world = shop();
    git(&world.path("shop"), &["gc", "--quiet"]);
    let whole = Durable::start(&world, "whole.kubeconfig").await;
    let started = Instant::now();
    let status = whole.bootstrap(&world).status().expect("it starts");
    assert!(status.success());
    let took = started.elapsed();
    let expected = whole.declared();
    let hooks = |cluster: &Durable| -> BTreeMap<String, usize> {
        let mut created = BTreeMap::new();
        for request in cluster.cluster.requests().written() {
            let creates = matches!(request.verb, RequestVerb::Create | RequestVerb::Apply);
            if request.gvk.kind == "Job" && creates && !request.failed_by_fault {
                *created.entry(request.name.clone()).or_default() += 1;
            }
        }
        created
    };
    let expected_hooks = hooks(&whole);
    assert!(!expected_hooks.is_empty());

    let broken = Durable::start(&world, "broken.kubeconfig").await;
    let kills = 12;
    for kill in 1..=kills {
        let mut child = Running(broken.bootstrap(&world).spawn().expect("it starts"));
        // Later each time, so that every stage is met: each start has less left to do.
        let wait = took * kill / (kills + 2);
        let end = Instant::now() + wait;
        while Instant::now() < end && child.0.try_wait().expect("it is ours").is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let last = broken.bootstrap(&world).status().expect("it starts");
    assert!(last.success());
    let found = broken.declared();
    for (object, value) in &expected {
        assert_eq!(found.get(object), Some(value), "{object}");
    }
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
    // A hook whose creation was sent is not sent a second time.
    assert_eq!(hooks(&broken), expected_hooks);

    // And the last state is stable.
    let writes = broken.cluster.requests().writes;
    assert!(
        broken
            .bootstrap(&world)
            .status()
            .expect("it starts")
            .success()
    );
    assert_eq!(broken.cluster.requests().writes, writes);
}

#[test]
fn a_killed_process_leaves_the_file_of_an_embedded_cluster_whole() {
    let world = shop();
    let cluster = format!("embedded={}", world.path("cluster.json").display());
    for kill in 0..10 {
        let mut child = command(&world, &cluster, &["bootstrap", SHOP, "--path", "apps"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(Duration::from_millis(60 * kill));
        let _ = child.kill();
        child.wait().expect("it ends");
        if world.path("cluster.json").exists() {
            assert_eq!(world.gitops(&["export"]).status, 0, "killed after {kill}");
        }
    }
    let last = world.gitops(&["bootstrap", SHOP, "--path", "apps"]);
    assert_eq!(last.status, 0, "{}\n{}", last.out, last.err);
    let again = world.gitops(&["bootstrap", SHOP, "--path", "apps"]);
    assert!(again.out.contains("nothing was written"), "{}", again.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_takes_nothing_from_an_argocd_that_is_running() {
    let world = shop();
    let durable = Durable::start(&world, "shared.kubeconfig").await;
    assert!(
        durable
            .bootstrap(&world)
            .status()
            .expect("it starts")
            .success()
    );
    let controller = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {
            "name": "argocd-application-controller", "namespace": "argocd",
            "labels": {"app.kubernetes.io/name": "argocd-application-controller"},
        },
        "spec": {
            "serviceName": "argocd", "replicas": 1,
            "selector": {"matchLabels": {"app": "controller"}},
            "template": {
                "metadata": {"labels": {"app": "controller"}},
                "spec": {"containers": [{"name": "controller", "image": "argocd:3"}]},
            },
        },
    });
    let controller = Manifest::try_from(controller).expect("a manifest");
    let applied = durable
        .cluster
        .apply(&controller, &ApplyOptions::default())
        .await;
    let address = applied.expect("it is applied").object_ref();
    eventually("the controller is ready", async || {
        let found = durable.cluster.get(&address).await.expect("it answers");
        found.is_some_and(|found| found.pointer("/status/readyReplicas") == Some(&json!(1)))
    })
    .await;
    let run = |more: &[&str]| {
        let mut command = command(&world, "kubeconfig", &["run", "--poll", "1"]);
        command.args(more).env("KUBECONFIG", &durable.kubeconfig);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("it starts"))
    };

    let mut refused = run(&[]);
    assert_eq!(refused.0.wait().expect("it ends").code(), Some(1));
    let mut text = String::new();
    let errors = refused.0.stderr.as_mut().expect("it is piped");
    errors.read_to_string(&mut text).expect("a text");
    assert!(text.contains("runs in namespace argocd"), "{text}");

    // One application is declared to be ours: its drift is healed, that of another is not.
    let label = |name: &str| {
        let gvk = GroupVersionKind::new("argoproj.io", "v1alpha1", "Application");
        ObjectRef::new(gvk, "argocd", name)
    };
    let by_hand = WriteOptions {
        field_manager: "kubectl-edit".to_owned(),
        ..WriteOptions::default()
    };
    let ours = Patch::Merge(json!({"metadata": {"labels": {"controller": "gitops"}}}));
    let shop = label("shop");
    durable
        .cluster
        .patch(&shop, &ours, &by_hand)
        .await
        .expect("it is patched");
    let deployment = |name: &str| {
        ObjectRef::new(
            GroupVersionKind::new("apps", "v1", "Deployment"),
            "shop",
            name,
        )
    };
    let five = Patch::Merge(json!({"spec": {"replicas": 5}}));
    for name in ["frontend", "metrics-agent"] {
        let written = durable
            .cluster
            .patch(&deployment(name), &five, &by_hand)
            .await;
        written.expect("it is patched");
    }
    let _running = run(&["--selector", "controller=gitops"]);
    let replicas = async |name: &str| -> Value {
        let found = durable
            .cluster
            .get(&deployment(name))
            .await
            .expect("it answers");
        found.expect("it exists").as_map()["spec"]["replicas"].clone()
    };
    eventually("our drift is healed", async || {
        replicas("frontend").await == json!(2)
    })
    .await;
    assert_eq!(replicas("metrics-agent").await, json!(5));
}
