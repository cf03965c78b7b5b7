//! Chart repositories over HTTP, served by this process.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gitops_core::{
    app::ApplicationSource,
    render::{Dependencies as _, Trees},
    source::{ContentId, MemoryTree, SourceError},
};
use gitops_render::repositories::{
    ChartRepositories, Credential, Credentials, LockPolicy, RepositoryOptions,
};

/// What a server answers for a path.
enum Reply {
    Content(Vec<u8>),
    Redirect(String),
    Missing,
}

/// What a server was asked for: path and `Authorization`.
type Seen = Vec<(String, Option<String>)>;

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// Serves what `reply` gives, to those who know the password where there is one.
    fn start(
        password: Option<&'static str>,
        reply: impl Fn(&str) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let log = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, password, &reply, &log);
            }
        });
        Self { address, seen }
    }

    fn url(&self) -> String {
        format!("http://{}/stable", self.address)
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(
    stream: TcpStream,
    password: Option<&str>,
    reply: &dyn Fn(&str) -> Reply,
    log: &Mutex<Seen>,
) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut authorization = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.to_owned());
        }
    }
    log.lock()
        .unwrap()
        .push((path.clone(), authorization.clone()));
    let is_known = password.is_none_or(|password| authorization == Some(basic(password)));
    let (status, header, body) = match reply(&path) {
        _ if !is_known => ("401 Unauthorized", String::new(), Vec::new()),
        Reply::Content(body) => ("200 OK", String::new(), body),
        Reply::Redirect(to) => ("302 Found", format!("Location: {to}\r\n"), Vec::new()),
        Reply::Missing => ("404 Not Found", String::new(), Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = &stream;
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
}

fn basic(password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("user:{password}"))
    )
}

fn packed(version: &str) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut builder = tar::Builder::new(encoder);
    let text = format!("apiVersion: v2\nname: redis\nversion: {version}\n");
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, "redis/Chart.yaml", text.as_bytes())
        .unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

const VERSIONS: [&str; 4] = ["10.3.1", "10.3.5", "11.0.0-rc.1", "9.0.0"];

/// An index whose packed charts are at `base`, relative where that is empty.
fn index(base: &str, digest: impl Fn(&[u8]) -> String) -> Vec<u8> {
    let mut index = "apiVersion: v1\nentries:\n  redis:\n".to_owned();
    for version in VERSIONS {
        let digest = digest(&packed(version));
        index.push_str(&format!(
            "  - {{name: redis, version: {version}, digest: {digest}, urls: ['{base}redis-{version}.tgz']}}\n"
        ));
    }
    index.into_bytes()
}

fn true_digest(archive: &[u8]) -> String {
    ContentId::of(archive).0
}

/// The packed chart that a path names.
fn chart_at(path: &str) -> Reply {
    let version = path
        .rsplit('/')
        .next()
        .and_then(|name| name.strip_prefix("redis-")?.strip_suffix(".tgz"));
    version.map_or(Reply::Missing, |version| Reply::Content(packed(version)))
}

/// A repository with everything at one host.
fn repository(password: Option<&'static str>) -> Server {
    Server::start(password, |path| match path {
        "/stable/index.yaml" => Reply::Content(index("", true_digest)),
        path => chart_at(path),
    })
}

/// The password for one repository.
struct Password(String, &'static str);

impl Credentials for Password {
    fn for_repository(&self, url: &str) -> Option<Credential> {
        (url.trim_end_matches('/') == self.0).then(|| Credential::new("user", self.1))
    }
}

fn client(change: impl FnOnce(&mut RepositoryOptions)) -> ChartRepositories {
    let mut options = RepositoryOptions::default();
    change(&mut options);
    ChartRepositories::new(options).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

fn version(
    client: &ChartRepositories,
    server: &Server,
    range: &str,
) -> Result<String, SourceError> {
    block_on(client.download(&server.url(), "redis", range)).map(|(version, _)| version)
}

#[test]
fn ranges_choose_the_highest_version() {
    let server = repository(None);
    let client = client(|_| {});
    for (range, expected) in [
        ("", "10.3.5"),
        ("10.3.1", "10.3.1"),
        ("10.3.*", "10.3.5"),
        ("<10", "9.0.0"),
        (">0.0.0-0", "11.0.0-rc.1"),
        ("^10.3.0", "10.3.5"),
    ] {
        assert_eq!(
            version(&client, &server, range).unwrap(),
            expected,
            "{range}"
        );
    }
    assert!(matches!(
        version(&client, &server, "12.*"),
        Err(SourceError::UnknownRevision { .. })
    ));
}

#[test]
fn charts_must_have_the_digest_of_the_index() {
    let server = Server::start(None, |path| match path {
        "/stable/index.yaml" => Reply::Content(index("", |_| "0".repeat(64))),
        path => chart_at(path),
    });
    let error = version(&client(|_| {}), &server, "10.*").unwrap_err();
    assert!(matches!(error, SourceError::Unverified { .. }), "{error}");
}

#[test]
fn passwords_are_sent_where_they_belong() {
    let server = repository(Some("secret"));
    let error = version(&client(|_| {}), &server, "10.*").unwrap_err();
    assert!(
        matches!(error, SourceError::Unauthenticated { .. }),
        "{error}"
    );
    let knowing = client(|options| {
        options.credentials = Arc::new(Password(server.url(), "secret"));
    });
    assert_eq!(version(&knowing, &server, "10.*").unwrap(), "10.3.5");
    let wrong = client(|options| options.credentials = Arc::new(Password(server.url(), "wrong")));
    let error = version(&wrong, &server, "10.*").unwrap_err();
    assert!(!format!("{error} {error:?} {wrong:?}").contains("wrong"));
}

#[test]
fn a_redirect_to_another_host_is_followed_without_the_password() {
    let other = Server::start(None, chart_at);
    let to = other.url();
    let server = Server::start(Some("secret"), move |path| match path {
        "/stable/index.yaml" => Reply::Content(index("", true_digest)),
        path => Reply::Redirect(format!("{to}{}", path.trim_start_matches("/stable"))),
    });
    let client = client(|options| {
        options.credentials = Arc::new(Password(server.url(), "secret"));
        // Not even where other hosts of the index are believed.
        options.pass_credentials = true;
    });
    assert_eq!(version(&client, &server, "10.*").unwrap(), "10.3.5");
    assert!(
        server
            .seen()
            .iter()
            .all(|(_, sent)| *sent == Some(basic("secret")))
    );
    assert_eq!(
        other.seen(),
        [("/stable/redis-10.3.5.tgz".to_owned(), None)]
    );
}

#[test]
fn charts_at_another_host_get_the_password_only_where_that_is_asked_for() {
    for pass_credentials in [false, true] {
        let other = Server::start(None, chart_at);
        let base = format!("{}/", other.url());
        let server = Server::start(Some("secret"), move |path| match path {
            "/stable/index.yaml" => Reply::Content(index(&base, true_digest)),
            _ => Reply::Missing,
        });
        let client = client(|options| {
            options.credentials = Arc::new(Password(server.url(), "secret"));
            options.pass_credentials = pass_credentials;
        });
        assert_eq!(version(&client, &server, "9.*").unwrap(), "9.0.0");
        let sent = pass_credentials.then(|| basic("secret"));
        assert_eq!(other.seen(), [("/stable/redis-9.0.0.tgz".to_owned(), sent)]);
    }
}

/// A chart that needs `redis`, and its lock.
fn chart(server: &Server, range: &str, locked: Option<(&str, &str)>) -> Trees {
    let url = server.url();
    let mut tree = MemoryTree::new().with(
        "app/Chart.yaml",
        format!(
            "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- name: redis\n  version: \"{range}\"\n  repository: {url}\n"
        ),
    );
    if let Some((version, of_range)) = locked {
        let item = |version: &str| {
            let version = version.replace('>', "\\u003e");
            format!("{{\"name\":\"redis\",\"version\":\"{version}\",\"repository\":\"{url}\"}}")
        };
        let digest =
            ContentId::of(format!("[[{}],[{}]]", item(of_range), item(version)).as_bytes());
        tree.insert(
            "app/Chart.lock",
            format!(
                "dependencies:\n- name: redis\n  repository: {url}\n  version: {version}\ndigest: sha256:{}\ngenerated: \"2024-01-01T00:00:00Z\"\n",
                digest.0
            ),
        );
    }
    Trees::new(Arc::new(tree), "app")
}

fn completed(trees: Trees, lock: LockPolicy) -> Result<Vec<String>, SourceError> {
    let client = client(|options| options.lock = lock);
    let trees = block_on(client.complete(trees, &ApplicationSource::default()))?;
    let entries = trees.root.list("app/charts")?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

#[test]
fn dependencies_are_built_from_the_lock_and_updated_without_it() {
    let server = repository(None);
    let range = ">=10.0.0";
    let locked = chart(&server, range, Some(("10.3.1", range)));
    let build = completed(locked.clone(), LockPolicy::Required).unwrap();
    assert_eq!(build, ["redis-10.3.1.tgz"]);
    let update = completed(locked, LockPolicy::Ignored).unwrap();
    assert_eq!(update, ["redis-10.3.5.tgz"]);
    let unlocked = chart(&server, range, None);
    let build = completed(unlocked, LockPolicy::Required).unwrap();
    assert_eq!(build, ["redis-10.3.5.tgz"]);
    let stale = chart(&server, range, Some(("10.3.1", "9.*")));
    let error = completed(stale, LockPolicy::Required).unwrap_err();
    assert!(error.to_string().contains("out of sync"), "{error}");
    let gone = chart(&server, range, Some(("10.3.2", range)));
    assert!(completed(gone.clone(), LockPolicy::Required).is_err());
    let preferred = completed(gone, LockPolicy::Preferred).unwrap();
    assert_eq!(preferred, ["redis-10.3.5.tgz"]);
}
