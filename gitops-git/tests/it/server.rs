//! `git http-backend` behind a loopback server, with faults on request.

use std::{
    collections::HashMap,
    io::Read as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::world::isolate;

/// What the server does with the next requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behaviour {
    /// Answer every request with this status, headers and body.
    pub(crate) answer: Option<(u16, Vec<(String, String)>, String)>,
    /// Ask for these credentials (`Authorization` header).
    pub(crate) require: Option<String>,
    /// Redirect `info/refs` to this base URL.
    pub(crate) redirect: Option<String>,
    /// Cut the connection after this many bytes of an answer to a POST.
    pub(crate) cut_after: Option<usize>,
    /// Wait before each answer.
    pub(crate) delay: Option<Duration>,
    /// Hide protocol version 2.
    pub(crate) version_0: bool,
    /// Accept connections and never answer.
    pub(crate) silent: bool,
    /// Keep this many bytes of the body of an answer to a POST, and say that they are all.
    pub(crate) truncate: Option<usize>,
    /// Write so many bytes of an answer at a time, and wait so long after each.
    pub(crate) slow: Option<(usize, Duration)>,
    /// Fall silent after this many bytes of an answer to a POST, without closing the connection.
    pub(crate) stall_after: Option<usize>,
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) sent: usize,
}

/// A connection.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A running server; it stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) behaviour: Arc<Mutex<Behaviour>>,
    pub(crate) log: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves the repositories below `root`.
    pub(crate) async fn start(root: &Path) -> Self {
        Self::start_with(root, |stream| async move {
            Some(Box::new(stream) as Box<dyn Io>)
        })
        .await
    }

    /// Serves the repositories below `root` over whatever `accept` makes of a connection.
    pub(crate) async fn start_with<F: Future<Output = Option<Box<dyn Io>>> + Send + 'static>(
        root: &Path,
        accept: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Mutex::new(Behaviour::default()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = (behaviour.clone(), log.clone(), root.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behaviour, log, root) = shared.clone();
                let accepted = accept(stream);
                tokio::spawn(async move {
                    if let Some(stream) = accepted.await {
                        let _ = serve(stream, &behaviour, &log, &root).await;
                    }
                });
            }
        });
        Self {
            address,
            behaviour,
            log,
            task,
        }
    }

    pub(crate) fn url(&self, repository: &str) -> String {
        format!("http://{}/{repository}", self.address)
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) fn take_log(&self) -> Vec<Seen> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

async fn serve(
    stream: Box<dyn Io>,
    behaviour: &Mutex<Behaviour>,
    log: &Mutex<Vec<Seen>>,
    root: &Path,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut parts = line.split_whitespace();
        let method = parts.next().unwrap_or_default().to_owned();
        // A proxy passes whole URLs on.
        let target = parts.next().unwrap_or_default();
        let target = match target.strip_prefix("http://") {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
            None => target.to_owned(),
        };
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;

        let rules = behaviour.lock().unwrap().clone();
        if rules.silent {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if let Some(delay) = rules.delay {
            tokio::time::sleep(delay).await;
        }
        let authorization = headers.get("authorization").cloned();
        let mut answer = if let Some((status, headers, body)) = rules.answer {
            raw(status, &headers, body.as_bytes())
        } else if rules.require.is_some() && authorization != rules.require {
            let headers = [
                (
                    "WWW-Authenticate".to_owned(),
                    "Basic realm=\"x\"".to_owned(),
                ),
                ("Content-Type".to_owned(), "text/plain".to_owned()),
            ];
            raw(401, &headers, b"who are you?\n")
        } else if let Some(base) = rules.redirect.filter(|_| target.contains("/info/refs")) {
            let suffix = target.find("/info/refs").map(|at| &target[at..]).unwrap();
            raw(
                302,
                &[("Location".to_owned(), format!("{base}{suffix}"))],
                b"",
            )
        } else {
            let root = root.to_owned();
            let (method, target) = (method.clone(), target.clone());
            let version = headers
                .get("git-protocol")
                .cloned()
                .filter(|_| !rules.version_0);
            let kind = headers.get("content-type").cloned();
            let keep = rules.truncate.filter(|_| method == "POST");
            tokio::task::spawn_blocking(move || {
                backend(&root, &method, &target, version, kind, &body, keep)
            })
            .await
            .unwrap()
        };
        let cut = rules.cut_after.filter(|_| method == "POST");
        if let Some(cut) = cut {
            answer.truncate(cut);
        }
        log.lock().unwrap().push(Seen {
            method,
            path: target,
            authorization,
            sent: answer.len(),
        });
        if let Some(stall) = rules.stall_after.filter(|_| answer.len() > 1000) {
            stream.get_mut().write_all(&answer[..stall]).await?;
            stream.get_mut().flush().await?;
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        if let Some((amount, pause)) = rules.slow {
            for piece in answer.chunks(amount) {
                stream.get_mut().write_all(piece).await?;
                stream.get_mut().flush().await?;
                tokio::time::sleep(pause).await;
            }
        } else {
            stream.get_mut().write_all(&answer).await?;
        }
        stream.get_mut().flush().await?;
        if cut.is_some() {
            return stream.get_mut().shutdown().await;
        }
    }
}

fn raw(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Runs `git http-backend` as a CGI program.
fn backend(
    root: &Path,
    method: &str,
    target: &str,
    version: Option<String>,
    kind: Option<String>,
    body: &[u8],
    keep: Option<usize>,
) -> Vec<u8> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    isolate(&mut command);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "tester")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    // The test's repositories belong to whoever runs the test, perhaps in a container as another user.
    command
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_CONFIG_KEY_1", "uploadpack.allowFilter")
        .env("GIT_CONFIG_VALUE_1", "true");
    if let Some(version) = version {
        command.env("GIT_PROTOCOL", version);
    }
    if let Some(kind) = kind {
        command.env("CONTENT_TYPE", kind);
    }
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = body.to_vec();
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let _ = stdin.write_all(&body);
    });
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    writer.join().unwrap();
    child.wait().unwrap();
    let split = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(output.len().saturating_sub(4));
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let content = &output[split + 4..];
    let content = &content[..keep.unwrap_or(content.len()).min(content.len())];
    let mut status = 200;
    let mut headers = Vec::new();
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("status") {
                status = value.trim().split(' ').next().unwrap().parse().unwrap();
            } else {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }
    raw(status, &headers, content)
}

/// A bare copy of a repository below `root`, as servers keep it.
pub(crate) fn publish(repository: &Path, root: &Path, name: &str) -> PathBuf {
    let target = root.join(name);
    std::fs::create_dir_all(root).unwrap();
    crate::world::git(
        root,
        &[
            "clone",
            "-q",
            "--mirror",
            &repository.display().to_string(),
            name,
        ],
    );
    crate::world::git(&target, &["config", "http.receivepack", "true"]);
    target
}
