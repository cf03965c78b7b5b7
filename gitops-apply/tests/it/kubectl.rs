//! kubectl on the REST face of the embedded cluster, where the binary is among the assets.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use gitops_apply::embedded::{EmbeddedCluster, rest::RestServer};

struct Kubectl {
    program: PathBuf,
    url: String,
    home: tempfile::TempDir,
}

struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Kubectl {
    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(&self.program)
            .arg(format!("--server={}", self.url))
            .args(arguments)
            .env("HOME", self.home.path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("kubectl reads");
        drop(stdin);
        let output = child.wait_with_output().expect("kubectl ends");
        Ran {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ok(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.run(arguments, input);
        assert_eq!(ran.status, 0, "{arguments:?}: {}{}", ran.out, ran.err);
        ran.out
    }
}

fn with_kubectl(test: impl FnOnce(&Kubectl) + Send + 'static) {
    let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") else {
        println!("KUBEBUILDER_ASSETS is not set: skipped (.ci/control-plane builds kubectl)");
        return;
    };
    crate::on_runtime(async {
        let cluster = EmbeddedCluster::builder().build().expect("a cluster");
        let address = "127.0.0.1:0".parse().expect("an address");
        let server = RestServer::bind(&cluster, address).await.expect("a port");
        let kubectl = Kubectl {
            program: PathBuf::from(assets).join("kubectl"),
            url: server.url(),
            home: tempfile::tempdir().expect("a folder"),
        };
        let serving = tokio::spawn(server.run());
        let done = tokio::task::spawn_blocking(move || test(&kubectl)).await;
        serving.abort();
        if let Err(failed) = done {
            std::panic::resume_unwind(failed.into_panic());
        }
    });
}

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web:1
        ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {a: b}
";

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

#[test]
fn apply_get_diff_wait_and_delete() {
    with_kubectl(|kubectl| {
        let version = kubectl.ok(&["version"], "");
        assert!(version.contains("Server Version: v1.34"), "{version}");
        let applied = kubectl.ok(&["apply", "--server-side", "-f", "-"], SHOP);
        assert!(
            applied.contains("deployment.apps/web serverside-applied"),
            "{applied}"
        );
        kubectl.ok(
            &[
                "wait",
                "--for=condition=Available",
                "deployment/web",
                "--timeout=20s",
            ],
            "",
        );
        kubectl.ok(
            &["rollout", "status", "deployment/web", "--timeout=20s"],
            "",
        );
        let table = kubectl.ok(&["get", "deployments"], "");
        let mut lines = table.lines();
        let words = |line: Option<&str>| -> Vec<String> {
            let words = line.unwrap_or_default().split_whitespace();
            words.map(str::to_owned).collect()
        };
        assert_eq!(
            words(lines.next()),
            ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
        );
        assert_eq!(words(lines.next())[..4], ["web", "2/2", "2", "2"]);
        let pods = kubectl.ok(&["get", "pods", "-l", "app=web", "-o", "name"], "");
        assert_eq!(pods.lines().count(), 2, "{pods}");
        let all = kubectl.ok(&["get", "all"], "");
        assert!(
            all.contains("service/web") && all.contains("deployment.apps/web"),
            "{all}"
        );

        let same = kubectl.run(&["diff", "--server-side", "-f", "-"], SHOP);
        assert_eq!(same.status, 0, "{}{}", same.out, same.err);
        let changed = SHOP.replace("replicas: 2", "replicas: 3");
        let diff = kubectl.run(&["diff", "--server-side", "-f", "-"], &changed);
        assert_eq!(diff.status, 1, "{}{}", diff.out, diff.err);
        assert!(diff.out.contains("+  replicas: 3"), "{}", diff.out);

        kubectl.ok(&["scale", "deployment/web", "--replicas=1"], "");
        let replicas = [
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.spec.replicas}",
        ];
        assert_eq!(kubectl.ok(&replicas, ""), "1");
        let conflict = kubectl.run(&["apply", "--server-side", "-f", "-"], &changed);
        assert!(conflict.err.contains("conflict with"), "{}", conflict.err);

        let deleted = kubectl.ok(&["delete", "-f", "-", "--timeout=20s"], SHOP);
        assert!(deleted.contains("\"web\" deleted"), "{deleted}");
        let gone = kubectl.run(&["get", "deployment", "web"], "");
        assert!(gone.err.contains("(NotFound)"), "{}", gone.err);
    });
}

#[test]
fn client_side_apply_and_edits() {
    with_kubectl(|kubectl| {
        kubectl.ok(&["apply", "-f", "-"], SHOP);
        let again = kubectl.ok(&["apply", "-f", "-"], SHOP);
        assert!(again.contains("deployment.apps/web unchanged"), "{again}");
        let changed = SHOP.replace("a: b", "a: c").replace("web:1", "web:2");
        let applied = kubectl.ok(&["apply", "-f", "-"], &changed);
        assert!(
            applied.contains("deployment.apps/web configured"),
            "{applied}"
        );
        assert!(applied.contains("service/web unchanged"), "{applied}");
        kubectl.ok(&["label", "configmap", "web", "x=y"], "");
        kubectl.ok(&["annotate", "configmap", "web", "x=y"], "");
        kubectl.ok(
            &["set", "image", "deployment/web", "web=example.com/web:3"],
            "",
        );
        kubectl.ok(
            &["patch", "configmap", "web", "-p", r#"{"data":{"d":"e"}}"#],
            "",
        );
        let data = ["get", "configmap", "web", "-o", "jsonpath={.data}"];
        assert_eq!(kubectl.ok(&data, ""), r#"{"a":"c","d":"e"}"#);
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
        kubectl.ok(&["create", "-f", "-"], namespace);
        kubectl.ok(&["delete", "namespace", "shop", "--timeout=20s"], "");
        let refused = kubectl.run(
            &["apply", "-f", "-"],
            &SHOP.replace("replicas: 2", "replica: 2"),
        );
        assert!(
            refused.err.contains("unknown field \"spec.replica\""),
            "{}",
            refused.err
        );
        kubectl.ok(&["describe", "deployment", "web"], "");
    });
}

#[test]
fn create_makes_objects_of_all_sorts() {
    with_kubectl(|kubectl| {
        let make = |arguments: &[&str]| {
            let made = kubectl.ok(arguments, "");
            assert!(made.contains("created"), "{made}");
        };
        make(&["create", "namespace", "shop"]);
        kubectl.ok(&["create", "-f", "-"], SHOP);
        make(&["create", "configmap", "settings", "--from-literal=a=b"]);
        make(&["create", "secret", "generic", "keys", "--from-literal=a=b"]);
        make(&[
            "create",
            "deployment",
            "shop",
            "--image=nginx:1.27",
            "--replicas=2",
            "--port=80",
        ]);
        make(&["create", "service", "clusterip", "shop", "--tcp=80:http"]);
        make(&["create", "serviceaccount", "shop"]);
        make(&[
            "create",
            "role",
            "shop",
            "--verb=get,list",
            "--resource=pods",
        ]);
        make(&[
            "create",
            "rolebinding",
            "shop",
            "--role=shop",
            "--serviceaccount=default:shop",
        ]);
        make(&[
            "create",
            "clusterrole",
            "shop",
            "--verb=get",
            "--resource=nodes",
        ]);
        make(&["create", "job", "once", "--image=busybox:1", "--", "true"]);
        make(&[
            "create",
            "cronjob",
            "often",
            "--image=busybox:1",
            "--schedule=* * * * *",
        ]);
        make(&["create", "quota", "shop", "--hard=cpu=1,pods=2"]);
        make(&["create", "priorityclass", "high", "--value=1000"]);
        make(&["create", "ingress", "shop", "--rule=example.com/*=shop:80"]);
        make(&[
            "create",
            "poddisruptionbudget",
            "shop",
            "--selector=app=shop",
            "--min-available=50%",
        ]);
        make(&["run", "lone", "--image=nginx:1.27"]);
        kubectl.ok(
            &["expose", "deployment", "web", "--name=exposed", "--port=80"],
            "",
        );
        kubectl.ok(
            &["autoscale", "deployment", "web", "--max=3", "--cpu=80%"],
            "",
        );
        let see = |kind: &str, name: &str, path: &str| {
            kubectl.ok(
                &["get", kind, name, "-o", &format!("jsonpath={{{path}}}")],
                "",
            )
        };
        assert_eq!(see("configmap", "settings", ".data"), r#"{"a":"b"}"#);
        assert_eq!(see("secret", "keys", ".data"), r#"{"a":"Yg=="}"#);
        assert_eq!(see("deployment", "shop", ".spec.replicas"), "2");
        assert_eq!(see("service", "shop", ".spec.ports[0].targetPort"), "http");
        assert_eq!(see("resourcequota", "shop", ".spec.hard.cpu"), "1");
        assert_eq!(see("pdb", "shop", ".spec.minAvailable"), "50%");
        assert_eq!(see("role", "shop", ".rules[0].verbs"), r#"["get","list"]"#);
        kubectl.ok(
            &["rollout", "status", "deployment/shop", "--timeout=20s"],
            "",
        );
        kubectl.ok(&["describe", "configmap", "settings"], "");
        kubectl.ok(&["delete", "namespace", "shop", "--timeout=20s"], "");
        kubectl.ok(
            &[
                "delete",
                "configmap,secret,job,ingress",
                "--all",
                "--timeout=20s",
            ],
            "",
        );
        let logs = kubectl.run(&["logs", "lone"], "");
        assert_eq!(logs.status, 1, "{}", logs.out);
        assert!(logs.err.contains("runs no containers"), "{}", logs.err);
    });
}

#[test]
fn custom_kinds_have_columns_and_explanations() {
    with_kubectl(|kubectl| {
        kubectl.ok(&["apply", "--server-side", "-f", "-"], DEFINITION);
        kubectl.ok(
            &[
                "wait",
                "--for=condition=Established",
                "crd/widgets.example.com",
                "--timeout=20s",
            ],
            "",
        );
        let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}\nstatus: {conditions: [{type: Ready, status: 'True'}]}\n";
        kubectl.ok(&["apply", "--server-side", "-f", "-"], widget);
        let table = kubectl.ok(&["get", "wd"], "");
        let rows: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [vec!["NAME", "SIZE", "READY"], vec!["w", "3", "True"]]
        );
        let resources = kubectl.ok(&["api-resources", "--api-group=example.com"], "");
        assert!(resources.contains("widgets"), "{resources}");
        let explained = kubectl.ok(&["explain", "widget.spec"], "");
        assert!(explained.contains("size"), "{explained}");
        let explained = kubectl.ok(&["explain", "deployment.spec.template.spec.containers"], "");
        assert!(explained.contains("imagePullPolicy"), "{explained}");
    });
}
