//! `gitops template` beyond what the corpus has.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

fn template(arguments: &[&str]) -> (i32, String, String) {
    run(&[&["shop", "demo/charts/shop"], arguments].concat())
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gitops"))
        .arg("template")
        .args(arguments)
        .env("HELM_CONFIG_HOME", "/nonexistent")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_post_renderer_changes_manifests_and_leaves_hooks() {
    let arguments = [
        "--post-renderer",
        "sed",
        "--post-renderer-args",
        "s/kind: .*/kind: Changed/",
    ];
    let (code, out, error) = template(&arguments);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("kind: Changed"), "{out}");
    assert!(!out.contains("kind: Deployment"), "{out}");
    assert!(out.contains("kind: Job"), "{out}");
}

#[test]
fn a_post_renderer_that_fails_is_an_error() {
    let (code, out, error) = template(&["--post-renderer", "false"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        error.starts_with("Error: error while running post render on files: "),
        "{error}"
    );
    let (code, _, error) = template(&["--post-renderer", "./no-such-program"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("unable to find binary at ./no-such-program"),
        "{error}"
    );
}

#[test]
fn errors_are_those_of_helm() {
    for (arguments, error) in [
        (
            &[][..],
            "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]",
        ),
        (
            &["a", "b", "c"],
            "expected at most two arguments, unexpected arguments: c",
        ),
        (&["a", "./b"], "path \"./b\" not found"),
        (
            &["a", "b"],
            "non-absolute URLs should be in form of repo_name/path_to_chart, got: b",
        ),
        (&["a", "b/c"], "repo b not found"),
        (&["a", "ftp://b/c"], "scheme \"ftp\" not supported"),
        (&["a", "b", "--bogus"], "unknown flag: --bogus"),
        (
            &["--name-template", "{{", "b"],
            "template: name-template:1: unclosed action",
        ),
        (
            &["--profile", "v3", "--server-side", "b"],
            "unknown flag: --server-side",
        ),
        (
            &["--force-replace", "--force-conflicts", "b"],
            "if any flags in the group [force-replace force-conflicts] are set none of the others can be; [force-conflicts force-replace] were all set",
        ),
        (
            &["-g", "a", "b"],
            "cannot set --generate-name and also specify a name",
        ),
    ] {
        let (code, out, said) = run(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert_eq!(said, format!("Error: {error}\n"), "{arguments:?}");
    }
}

#[test]
fn what_needs_a_cluster_or_provenance_is_refused() {
    for flag in ["--validate", "--dry-run=server", "--verify"] {
        let (code, out, error) = template(&[flag]);
        assert_eq!((code, out.as_str()), (1, ""), "{flag}: {error}");
    }
}

#[test]
fn flags_for_clusters_change_nothing() {
    let plain = template(&[]);
    let flags = [
        "--wait",
        "--timeout",
        "5m",
        "--description",
        "x",
        "--labels",
        "a=b",
        "--replace",
        "--rollback-on-failure",
        "--kube-context",
        "x",
        "--qps",
        "1.5",
        "-v",
        "3",
    ];
    assert_eq!(template(&flags), plain);
    assert_eq!(plain.0, 0);
}

#[test]
fn documents_are_written_to_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let into = directory.path().display().to_string();
    let (code, out, error) = template(&["--output-dir", &into, "--release-name"]);
    assert_eq!(code, 0, "{error}");
    let settings = format!("{into}/shop/shop/templates/settings.yaml");
    assert!(out.starts_with(&format!("wrote {settings}\n")), "{out}");
    assert!(out.ends_with(".yaml\n\n"), "{out}");
    let text = fs::read_to_string(settings).expect("it was written");
    assert!(
        text.starts_with("---\n# Source: shop/templates/settings.yaml\n"),
        "{text}"
    );
    // Hooks go behind what their files have, manifests replace it.
    let hook = directory.path().join("shop/shop/templates/migration.yaml");
    let before = fs::read_to_string(&hook).expect("it was written");
    template(&["--output-dir", &into, "--release-name"]);
    let after = fs::read_to_string(&hook).expect("it was written");
    assert_eq!(after, before.repeat(2));
}

/// Answers `GET` from a directory, and keeps what was asked with which credentials.
fn serve(directory: &Path) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, directory) = (asked.clone(), directory.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => head.extend_from_slice(&buffer[..count]),
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let authorized = head.to_ascii_lowercase().contains("\nauthorization: basic");
            log.lock()
                .expect("nobody panics")
                .push(format!("{path} {authorized}"));
            let target = fs::read_to_string(directory.join("redirects")).unwrap_or_default();
            let target = target.trim();
            let answer = match fs::read(directory.join(path.trim_start_matches('/'))) {
                Ok(body) => {
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                    [head.into_bytes(), body].concat()
                }
                Err(_) if !target.is_empty() => format!("HTTP/1.1 302 Found\r\nLocation: {target}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
                Err(_) => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
            };
            let _ = stream.write_all(&answer);
        }
    });
    (url, asked)
}

/// Packs a chart with the one template `a.yaml`.
fn pack(directory: &Path, version: &str) {
    let chart = directory.join("build/web");
    fs::create_dir_all(chart.join("templates")).expect("a directory");
    let metadata = format!("apiVersion: v2\nname: web\nversion: {version}\n");
    fs::write(chart.join("Chart.yaml"), metadata).expect("a file");
    let template = "kind: ConfigMap\nversion: {{ .Chart.Version }}\n";
    fs::write(chart.join("templates/a.yaml"), template).expect("a file");
    let packed = Command::new("tar")
        .arg("czf")
        .arg(directory.join(format!("web-{version}.tgz")))
        .args([
            "-C".as_ref(),
            directory.join("build").as_os_str(),
            "web".as_ref(),
        ])
        .status();
    assert!(packed.expect("tar runs").success());
}

fn repository(digest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut index = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for version in ["1.2.0", "1.10.0", "2.0.0-rc1"] {
        pack(directory.path(), version);
        index.push_str(&format!(
            "  - {{name: web, version: {version}, urls: [web-{version}.tgz]{digest}}}\n"
        ));
    }
    fs::write(directory.path().join("index.yaml"), index).expect("a file");
    directory
}

fn version_of(arguments: &[&str]) -> String {
    let (code, out, error) = run(arguments);
    assert_eq!(code, 0, "{error}");
    let version = out.lines().find_map(|line| line.strip_prefix("version: "));
    version.expect("the chart prints it").to_owned()
}

#[test]
fn charts_come_from_repositories() {
    let directory = repository("");
    let (url, _) = serve(directory.path());
    assert_eq!(version_of(&["web", "--repo", &url]), "1.10.0");
    assert_eq!(
        version_of(&["web", "--repo", &url, "--version", "~1.2"]),
        "1.2.0"
    );
    assert_eq!(version_of(&["web", "--repo", &url, "--devel"]), "2.0.0-rc1");
    assert_eq!(version_of(&[&format!("{url}/web-1.2.0.tgz")]), "1.2.0");
    let (_, _, error) = run(&["web", "--repo", &url, "--version", "3"]);
    assert_eq!(
        error,
        format!("Error: chart \"web\" version \"3\" not found in {url} repository\n")
    );
    let (_, _, error) = run(&[&format!("{url}/no.tgz")]);
    assert_eq!(
        error,
        format!("Error: failed to fetch {url}/no.tgz : 404 Not Found\n")
    );
    let configuration = directory.path().join("repositories.yaml");
    fs::write(
        &configuration,
        format!("repositories:\n- {{name: mine, url: \"{url}\"}}\n"),
    )
    .expect("a file");
    let configuration = configuration.display().to_string();
    let arguments = ["mine/web", "--repository-config", &configuration];
    assert_eq!(version_of(&arguments), "1.10.0");
}

#[test]
fn a_digest_that_differs_is_refused() {
    let directory = repository(&format!(", digest: {}", "0a".repeat(32)));
    let (url, _) = serve(directory.path());
    let (code, _, error) = run(&["web", "--repo", &url]);
    assert_eq!(code, 1);
    assert!(error.contains("the index gives the digest 0a0a"), "{error}");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let directory = repository("");
    let (url, first) = serve(directory.path());
    let elsewhere = tempfile::tempdir().expect("a directory");
    fs::rename(
        directory.path().join("web-1.10.0.tgz"),
        elsewhere.path().join("web-1.10.0.tgz"),
    )
    .expect("one file system");
    let (target, second) = serve(elsewhere.path());
    fs::write(directory.path().join("redirects"), target).expect("a file");
    let arguments = [
        "web",
        "--repo",
        &url,
        "--username",
        "me",
        "--password",
        "secret",
    ];
    assert_eq!(version_of(&arguments), "1.10.0");
    let log = |asked: &Mutex<Vec<String>>| asked.lock().expect("nobody panics").clone();
    assert_eq!(log(&first), ["/index.yaml true", "/web-1.10.0.tgz true"]);
    assert_eq!(log(&second), ["/web-1.10.0.tgz false"]);
}

#[test]
fn missing_dependencies_are_fetched_and_locked() {
    let directory = repository("");
    let (url, _) = serve(directory.path());
    let chart = tempfile::tempdir().expect("a directory");
    let metadata = format!(
        "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n- {{name: web, version: 1.2.*, repository: \"{url}\"}}\n"
    );
    fs::write(chart.path().join("Chart.yaml"), metadata).expect("a file");
    let path = chart.path().display().to_string();
    let (code, out, error) = run(&[&path, "--dependency-update"]);
    assert_eq!(code, 0, "{error}");
    let said = format!(
        "Getting updates for unmanaged Helm repositories...\n...Successfully got an update from the \"{url}\" chart repository\nSaving 1 charts\nDownloading web from repo {url}\nDeleting outdated charts\n---\n"
    );
    assert!(out.starts_with(&said), "{out}");
    assert!(chart.path().join("charts/web-1.2.0.tgz").exists());
    let lock = fs::read_to_string(chart.path().join("Chart.lock")).expect("it was written");
    let start = format!(
        "dependencies:\n- name: web\n  repository: {url}\n  version: 1.2.0\ndigest: sha256:"
    );
    assert!(lock.starts_with(&start), "{lock}");
    assert!(lock.contains("\ngenerated: \""), "{lock}");
    let (_, out, _) = run(&[&path, "--dependency-update"]);
    assert!(out.starts_with("---\n"), "{out}");
}
