//! A real control plane for tests: etcd, kube-apiserver, controller-manager, scheduler and kwok nodes on
//! loopback ports, found through `KUBEBUILDER_ASSETS`, stopped and removed when dropped.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running control plane.
pub struct ControlPlane {
    /// A kubeconfig file with one context.
    pub kubeconfig: PathBuf,
    assets: PathBuf,
    folder: tempfile::TempDir,
    ports: Ports,
    processes: Vec<(&'static str, Child)>,
}

#[derive(Clone, Copy)]
struct Ports {
    etcd: u16,
    etcd_peer: u16,
    apiserver: u16,
    controllers: u16,
    scheduler: u16,
}

/// Which controllers run beside the API server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// None: objects are stored and nothing else happens.
    #[allow(
        dead_code,
        reason = "not every test binary that includes this file uses both"
    )]
    None,
    /// Controller-manager, scheduler and one kwok node: workloads become ready.
    #[allow(
        dead_code,
        reason = "not every test binary that includes this file uses both"
    )]
    All,
}

const TOKEN: &str = "test-token";
const START_LIMIT: Duration = Duration::from_secs(120);

impl ControlPlane {
    /// Starts a control plane; `None`, with a line that says so, where the binaries are not at hand.
    pub fn start(controllers: Controllers) -> Option<Self> {
        let Ok(assets) = std::env::var("KUBEBUILDER_ASSETS") else {
            println!(
                "KUBEBUILDER_ASSETS is not set: skipped (.ci/control-plane builds the binaries)"
            );
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let ports = Ports {
            etcd: free_port(),
            etcd_peer: free_port(),
            apiserver: free_port(),
            controllers: free_port(),
            scheduler: free_port(),
        };
        let mut plane = Self {
            kubeconfig: folder.path().join("kubeconfig"),
            assets: PathBuf::from(assets),
            folder,
            ports,
            processes: Vec::new(),
        };
        plane.write_files();
        plane.start_store();
        plane.start_apiserver();
        if controllers == Controllers::All {
            plane.start_controllers();
        }
        Some(plane)
    }

    /// The path of a program of the control plane, `kubectl` for example.
    #[allow(
        dead_code,
        reason = "not every test binary that includes this file uses it"
    )]
    pub fn program(&self, name: &str) -> PathBuf {
        self.assets.join(name)
    }

    /// Stops the API server at once, as a crash would.
    #[allow(
        dead_code,
        reason = "not every test binary that includes this file uses it"
    )]
    pub fn kill_apiserver(&mut self) {
        let index = self
            .processes
            .iter()
            .position(|(name, _)| *name == "kube-apiserver");
        if let Some(index) = index {
            let (_, mut child) = self.processes.remove(index);
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the API server (again) on the same port and store.
    pub fn start_apiserver(&mut self) {
        let file = |name: &str| self.path(name).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--secure-port={}", self.ports.apiserver),
            "--bind-address=127.0.0.1".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/12".to_owned(),
            format!("--cert-dir={}", file("certificates")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--authorization-mode=AlwaysAllow".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("service-account.pub")),
            format!(
                "--service-account-signing-key-file={}",
                file("service-account.key")
            ),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--allow-privileged=true".to_owned(),
        ];
        self.spawn("kube-apiserver", &arguments);
        self.wait_for("/readyz");
    }

    fn start_store(&mut self) {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let arguments = [
            format!("--data-dir={}", self.path("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--unsafe-no-fsync".to_owned(),
        ];
        self.spawn("etcd", &arguments);
        let port = self.ports.etcd;
        wait_until("etcd", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    fn start_controllers(&mut self) {
        let kubeconfig = self.kubeconfig.display().to_string();
        self.spawn(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={kubeconfig}"),
                "--leader-elect=false".to_owned(),
                format!("--secure-port={}", self.ports.controllers),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--cert-dir={}", self.path("controllers").display()),
                format!(
                    "--service-account-private-key-file={}",
                    self.path("service-account.key").display()
                ),
                "--concurrent-deployment-syncs=10".to_owned(),
                "--concurrent-namespace-syncs=20".to_owned(),
                "--kube-api-qps=1000".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
        );
        self.spawn(
            "kube-scheduler",
            &[
                format!("--kubeconfig={kubeconfig}"),
                "--leader-elect=false".to_owned(),
                format!("--secure-port={}", self.ports.scheduler),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--cert-dir={}", self.path("scheduler").display()),
                "--kube-api-qps=1000".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
        );
        self.spawn(
            "kwok",
            &[
                format!("--kubeconfig={kubeconfig}"),
                "--manage-all-nodes=true".to_owned(),
                "--node-lease-duration-seconds=40".to_owned(),
                "--server-address=".to_owned(),
            ],
        );
        self.request("POST", "/api/v1/nodes", NODE)
            .expect("the node is created");
    }

    fn write_files(&self) {
        let write = |name: &str, text: &str| {
            fs::write(self.path(name), text).expect("the folder is writable");
        };
        write(
            "tokens.csv",
            &format!("{TOKEN},test-admin,1,\"system:masters\"\n"),
        );
        let key = rcgen::KeyPair::generate().expect("an ECDSA key");
        write("service-account.key", &key.serialize_pem());
        write("service-account.pub", &key.public_key_pem());
        write(
            "kubeconfig",
            &format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
                 clusters:\n- name: test\n  cluster:\n    server: https://127.0.0.1:{}\n    \
                 insecure-skip-tls-verify: true\n\
                 users:\n- name: test\n  user:\n    token: {TOKEN}\n\
                 contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n",
                self.ports.apiserver
            ),
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn spawn(&mut self, program: &'static str, arguments: &[String]) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{program}.log")))
            .expect("the folder is writable");
        let child = Command::new(self.assets.join(program))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        self.processes.push((program, child));
    }

    fn wait_for(&self, path: &str) {
        wait_until("kube-apiserver", || {
            self.request("GET", path, "")
                .is_ok_and(|answer| answer.contains("ok"))
        });
    }

    /// One request through the control plane's own kubectl, which needs no HTTP client of ours.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<String, String> {
        let mut command = Command::new(self.assets.join("kubectl"));
        command.arg(format!("--kubeconfig={}", self.kubeconfig.display()));
        command.args(["--request-timeout=5s"]);
        match method {
            "GET" => command.args(["get", "--raw", path]),
            _ => command.args(["create", "--raw", path, "-f", "-"]),
        };
        let mut child = command
            .env("HOME", self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(body.as_bytes())
                .map_err(|error| error.to_string())?;
        }
        let output = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{method} {path}: {}", output.status))
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (name, _) in &self.processes {
                println!("--- {name}: {}", tail(&self.path(&format!("{name}.log"))));
            }
        }
        for (_, child) in self.processes.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const NODE: &str = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-0",
"annotations":{"kwok.x-k8s.io/node":"fake","node.alpha.kubernetes.io/ttl":"0"},
"labels":{"kubernetes.io/hostname":"node-0","kubernetes.io/os":"linux","type":"kwok"}},
"status":{"allocatable":{"cpu":"64","memory":"256Gi","pods":"1000"},
"capacity":{"cpu":"64","memory":"256Gi","pods":"1000"}}}"#;

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
        .port()
}

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(
            started.elapsed() < START_LIMIT,
            "{what} was not ready within {START_LIMIT:?}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn tail(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = File::open(path) {
        let _ = file.read_to_string(&mut text);
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
