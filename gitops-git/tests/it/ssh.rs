//! ssh and `git://`, against sshd and `git daemon` on loopback.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gitops_core::{
    Classified, ErrorClass,
    clock::Timestamp,
    source::{FileTree, Revision, RevisionSpec},
};
use gitops_git::{
    GitError,
    credentials::{Access, ByPrefix, Secret, SshIdentity},
    write::{CommitOptions, Edit, Identity, Proposal},
};

use crate::{
    server::publish,
    world::{World, git, isolate},
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn listening(port: u16) {
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing listens on {port}");
}

fn keygen(file: &Path) -> String {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "x", "-f"])
        .arg(file)
        .status()
        .unwrap();
    assert!(status.success());
    fs::read_to_string(file.with_extension("pub")).unwrap()
}

fn which(name: &str) -> Option<String> {
    ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"]
        .iter()
        .map(|dir| format!("{dir}/{name}"))
        .find(|path| Path::new(path).exists())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_ssh() {
    let (Some(sshd), Some(ssh)) = (which("sshd"), which("ssh")) else {
        eprintln!("sshd is not installed: ssh is not tried");
        return;
    };
    // A system directory that sshd insists on when it runs as root.
    let _ = fs::create_dir_all("/run/sshd");
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a", "a\n");
    let head = repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "it's a repo.git");
    let host_key = keygen(&world.path("host"));
    let public = keygen(&world.path("user"));
    keygen(&world.path("stranger"));
    fs::write(world.path("authorized"), public).unwrap();
    let port = free_port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
         UsePAM no\nPidFile none\nAcceptEnv GIT_PROTOCOL\nPermitRootLogin yes\nPasswordAuthentication no\n",
        world.path("host").display(),
        world.path("authorized").display()
    );
    fs::write(world.path("sshd_config"), config).unwrap();
    let child = Command::new(sshd)
        .args(["-D", "-e", "-f"])
        .arg(world.path("sshd_config"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    listening(port).await;

    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let known_hosts = format!("[127.0.0.1]:{port} {host_key}");
    let identity = |key: &str, known_hosts: &str| {
        SshIdentity::new(fs::read_to_string(world.path(key)).unwrap()).known_hosts(known_hosts)
    };
    let url = format!("ssh://{user}@127.0.0.1:{port}{}", bare.display()).replace(' ', "%20");
    let open = async |key: &str, known_hosts: &str, url: &str| {
        let prefix = format!("ssh://{user}@127.0.0.1:{port}");
        let access = ByPrefix::new().with(&prefix, Access::ssh(identity(key, known_hosts)));
        world
            .provider()
            .credentials(access)
            .ssh_program(&ssh)
            .build()
            .open_url(url)
            .await
            .unwrap()
    };
    let source = open("user", &known_hosts, &url).await;
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    assert_eq!(revision.id, head);
    let tree = source.tree(&revision).await.unwrap();
    assert_eq!(&tree.read("a").unwrap().unwrap()[..], b"a\n");

    let options = CommitOptions::new(
        "main",
        Identity::new("Bot", "bot@example.org"),
        Timestamp::from_second(1_700_000_000).unwrap(),
    );
    source
        .commit(&options, |_| {
            Ok(Proposal {
                message: "over ssh".to_owned(),
                edits: vec![Edit::Write {
                    path: "a".to_owned(),
                    content: "b\n".into(),
                }],
            })
        })
        .await
        .unwrap();
    assert_eq!(git(&bare, &["show", "main:a"]), "b");

    // An encrypted key, with its passphrase, without it, and with another.
    let status = Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "pass phrase $'\"",
            "-C",
            "x",
            "-f",
        ])
        .arg(world.path("locked"))
        .status()
        .unwrap();
    assert!(status.success());
    let mut authorized = fs::read_to_string(world.path("authorized")).unwrap();
    authorized.push_str(&fs::read_to_string(world.path("locked.pub")).unwrap());
    fs::write(world.path("authorized"), authorized).unwrap();
    for (passphrase, class) in [
        (Some("pass phrase $'\""), None),
        (Some("wrong"), Some(ErrorClass::Unauthenticated)),
        (None, Some(ErrorClass::Invalid)),
    ] {
        let mut identity = identity("locked", &known_hosts);
        identity.passphrase = passphrase.map(Secret::from);
        let prefix = format!("ssh://{user}@127.0.0.1:{port}");
        let source = world
            .provider()
            .credentials(ByPrefix::new().with(&prefix, Access::ssh(identity)))
            .ssh_program(&ssh)
            .build()
            .open_url(&url)
            .await
            .unwrap();
        match (source.resolve(&RevisionSpec::head()).await, class) {
            (Ok(_), None) => {}
            (Err(error), Some(class)) => {
                assert_eq!(error.class(), class, "{error}");
                assert!(!error.to_string().contains("pass phrase"), "{error}");
            }
            (result, _) => panic!("{passphrase:?}: {result:?}"),
        }
    }
    // Another key of the host than the known one, and no host asked about.
    let other_host = format!("[127.0.0.1]:{port} {}", keygen(&world.path("other-host")));
    let insecure = SshIdentity::new(fs::read_to_string(world.path("user")).unwrap()).any_host();
    let source = world
        .provider()
        .credentials(ByPrefix::new().with(
            &format!("ssh://{user}@127.0.0.1:{port}"),
            Access::ssh(insecure),
        ))
        .ssh_program(&ssh)
        .build()
        .open_url(&url)
        .await
        .unwrap();
    source.resolve(&RevisionSpec::head()).await.unwrap();
    for (key, hosts, url, class, words) in [
        (
            "user",
            other_host.as_str(),
            url.as_str(),
            ErrorClass::Unauthenticated,
            "host key",
        ),
        (
            "stranger",
            known_hosts.as_str(),
            url.as_str(),
            ErrorClass::Unauthenticated,
            "Permission denied",
        ),
        ("user", "", &url, ErrorClass::Unauthenticated, "host key"),
        (
            "user",
            &known_hosts,
            &format!("ssh://{user}@127.0.0.1:{port}/nothing.git"),
            ErrorClass::NotFound,
            "no repository",
        ),
    ] {
        let error = open(key, hosts, url)
            .await
            .resolve(&RevisionSpec::head())
            .await
            .unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let left: Vec<_> = fs::read_dir(world.path("cache/ssh")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let without = world.provider().build().open_url(&url).await.unwrap();
    let error = without.resolve(&RevisionSpec::head()).await.unwrap_err();
    assert!(matches!(error, GitError::Unsupported { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_git_protocol() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a", "a\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let port = free_port();
    let mut command = Command::new("git");
    isolate(&mut command);
    let child = command
        .args([
            "-c",
            "safe.directory=*",
            "daemon",
            "--export-all",
            "--reuseaddr",
        ])
        .args(["--listen=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--base-path={}", world.path("srv").display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    listening(port).await;
    let provider = world.provider().build();
    let source = provider
        .open_url(&format!("git://127.0.0.1:{port}/repo.git"))
        .await
        .unwrap();
    for content in ["a\n", "b\n"] {
        repo.write("a", content);
        repo.commit("next");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        let revision = source.resolve(&"main".into()).await.unwrap();
        let tree = source.tree(&revision).await.unwrap();
        assert_eq!(&tree.read("a").unwrap().unwrap()[..], content.as_bytes());
    }
    let missing = provider
        .open_url(&format!("git://127.0.0.1:{port}/nope.git"))
        .await
        .unwrap();
    let error = missing.resolve(&"main".into()).await.unwrap_err();
    assert!(
        matches!(error.class(), ErrorClass::NotFound | ErrorClass::Forbidden),
        "{error}"
    );
}

/// Passes connections on to a server, and cuts them off after so many bytes of its answers.
async fn cutting(to: u16, after: Arc<AtomicUsize>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let after = after.load(Ordering::SeqCst) as u64;
            tokio::spawn(async move {
                let server = tokio::net::TcpStream::connect(("127.0.0.1", to)).await;
                let mut server = server.unwrap();
                let (mut from_client, mut to_client) = client.split();
                let (from_server, mut to_server) = server.split();
                let mut from_server = tokio::io::AsyncReadExt::take(from_server, after);
                tokio::select! {
                    _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                    _ = async {
                        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
                        std::future::pending::<()>().await;
                    } => {}
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_anywhere_leaves_the_store_usable() {
    let world = World::new();
    let repo = world.repository("repo");
    let mut state = 3_u32;
    let mut noise = || -> Vec<u8> {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(30_000)
        .collect()
    };
    repo.write("noise", noise());
    repo.write("a", "a\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let port = free_port();
    let mut command = Command::new("git");
    isolate(&mut command);
    let child = command
        .args(["-c", "safe.directory=*", "daemon", "--export-all"])
        .args(["--listen=127.0.0.1", &format!("--port={port}")])
        .arg(format!("--base-path={}", world.path("srv").display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    listening(port).await;
    let whole = usize::MAX >> 2;
    let after = Arc::new(AtomicUsize::new(whole));
    let port = cutting(port, after.clone()).await;
    let url = format!("git://127.0.0.1:{port}/repo.git");
    let mut held: Vec<Revision> = Vec::new();
    for round in 0..2 {
        let open = async || world.provider().build().open_url(&url).await.unwrap();
        let revision = open().await.resolve(&RevisionSpec::head()).await.unwrap();
        for cut in (0..30_000).step_by(4096) {
            after.store(cut, Ordering::SeqCst);
            let source = open().await;
            let error = source.tree(&revision).await.err().expect("it was cut");
            assert!(error.is_retryable(), "{cut}: {error}");
            // What was there before is still whole.
            for known in &held {
                let tree = source.tree(known).await.unwrap();
                assert_eq!(tree.read("noise").unwrap().unwrap().len(), 30_000);
            }
        }
        after.store(whole, Ordering::SeqCst);
        let tree = open().await.tree(&revision).await.unwrap();
        assert_eq!(tree.read("noise").unwrap().unwrap().len(), 30_000);
        let store = fs::read_dir(world.path("cache"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.join("objects").exists())
            .unwrap();
        git(&store, &["fsck", "--full"]);
        let files = fs::read_dir(store.join("objects/pack")).unwrap().count();
        assert_eq!(files, 2 * (round + 1), "packs and their indices only");
        held.push(revision);
        repo.write("noise", noise());
        repo.commit("next");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
    }
}
