//! Commits made and pushed by this crate, read back by Git.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use gitops_core::{Classified, ErrorClass, clock::Timestamp, error::BoxError, source::FileTree};
use gitops_git::{
    GitError,
    credentials::{Access, ByPrefix},
    verify::{Keyring, VerifyMode},
    write::{CommitOptions, Committed, Edit, Identity, Proposal, Signer},
};

use crate::{
    server::{Behaviour, Server, publish},
    world::{World, git, git_command},
};

fn options(branch: &str) -> CommitOptions {
    CommitOptions::new(
        branch,
        Identity::new("Image Bot", "bot@example.org"),
        Timestamp::from_second(1_700_000_000).unwrap(),
    )
}

fn write(path: &str, content: &str) -> Edit {
    Edit::Write {
        path: path.to_owned(),
        content: content.to_owned().into(),
    }
}

fn proposal(edits: Vec<Edit>) -> Proposal {
    Proposal {
        message: "Update images\n\nAutomated.".to_owned(),
        edits,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_reach_the_branch() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("apps/web/values.yaml", "tag: 1\n");
    repo.write("apps/web/old.yaml", "x\n");
    repo.write("apps.yaml", "x\n");
    repo.write("run.sh", "#!/bin/sh\n");
    repo.git(&["add", "-A"]);
    repo.git(&["update-index", "--chmod=+x", "run.sh"]);
    repo.git(&["commit", "-q", "-m", "first"]);
    let first = repo.head();
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let other = publish(&repo.path, &world.path("srv"), "other.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    for (url, bare) in [
        (server.url("repo.git"), bare),
        (other.display().to_string(), other),
    ] {
        let source = provider.open_url(&url).await.unwrap();
        let committed = source
            .commit(&options("main"), |tree| {
                assert_eq!(
                    &tree.read("apps/web/values.yaml")?.unwrap()[..],
                    b"tag: 1\n"
                );
                Ok(proposal(vec![
                    write("apps/web/values.yaml", "tag: 2\n"),
                    write("apps/new/deep/file.yaml", "new: true\n"),
                    write("run.sh", "#!/bin/sh\necho\n"),
                    Edit::Remove {
                        path: "apps/web/old.yaml".to_owned(),
                    },
                ]))
            })
            .await
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        let Committed::Pushed(revision) = committed else {
            panic!("something changed");
        };
        assert_eq!(git(&bare, &["rev-parse", "main"]), revision.id);
        assert_eq!(git(&bare, &["rev-parse", "main^"]), first);
        git(&bare, &["fsck", "--strict", "--full"]);
        assert_eq!(
            git(
                &bare,
                &["log", "-1", "--format=%an <%ae> %at %s|%b", "main"]
            ),
            "Image Bot <bot@example.org> 1700000000 Update images|Automated."
        );
        assert_eq!(
            git(&bare, &["diff", "--name-status", &first, "main"]),
            "A\tapps/new/deep/file.yaml\nD\tapps/web/old.yaml\nM\tapps/web/values.yaml\nM\trun.sh"
        );
        assert!(git(&bare, &["ls-tree", "main", "run.sh"]).starts_with("100755"));
        // The new commit is here without a fetch.
        let tree = source.tree(&revision).await.unwrap();
        assert_eq!(
            &tree.read("apps/web/values.yaml").unwrap().unwrap()[..],
            b"tag: 2\n"
        );
        assert_eq!(
            source.resolve(&"main".into()).await.unwrap().id,
            revision.id
        );

        // The same edit again changes nothing.
        let again = source
            .commit(&options("main"), |_| {
                Ok(proposal(vec![write("apps/web/values.yaml", "tag: 2\n")]))
            })
            .await
            .unwrap();
        assert_eq!(again, Committed::Unchanged(revision.clone()));

        // A branch of its own, from another one.
        let made = source
            .commit(&options("bot/update").from_branch("main"), |_| {
                Ok(proposal(vec![write("x", "x")]))
            })
            .await
            .unwrap();
        assert!(matches!(made, Committed::Pushed(_)));
        assert_eq!(git(&bare, &["rev-parse", "bot/update^"]), revision.id);
        let error = source
            .commit(&options("nope"), |_| Ok(proposal(vec![write("x", "x")])))
            .await
            .unwrap_err();
        assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_race_is_run_again_and_overwrites_nothing() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("ours", "0\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    for url in [server.url("repo.git"), bare.display().to_string()] {
        let source = provider.open_url(&url).await.unwrap();
        let runs = AtomicU32::new(0);
        let competitor = |text: &str| {
            repo.git(&[
                "pull",
                "-q",
                "--rebase",
                &bare.display().to_string(),
                "main",
            ]);
            repo.write("theirs", text);
            repo.commit("theirs");
            repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        };
        source
            .commit(&options("main"), |tree| {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                if run < 2 {
                    competitor(&format!("{url} {run}"));
                } else {
                    assert!(tree.read("theirs")?.is_some());
                }
                Ok(proposal(vec![write("ours", &format!("{url}\n"))]))
            })
            .await
            .unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert_eq!(git(&bare, &["show", "main:theirs"]), format!("{url} 1"));
        assert_eq!(git(&bare, &["show", "main:ours"]), url);

        let mut few = options("main");
        few.attempts = 2;
        let count = AtomicU32::new(0);
        let error = source
            .commit(&few, |_| {
                let run = count.fetch_add(1, Ordering::SeqCst);
                competitor(&format!("{url} again {run}"));
                Ok(proposal(vec![write("ours", "never\n")]))
            })
            .await
            .unwrap_err();
        assert!(
            matches!(error, GitError::LostRace { attempts: 2, .. }),
            "{error}"
        );
        assert_ne!(git(&bare, &["show", "main:ours"]), "never");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_branch_that_somebody_else_is_moving_is_waited_for() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("file", "0\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .build()
        .open_url(&server.url("repo.git"))
        .await
        .unwrap();
    let lock = bare.join("refs/heads/main.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let runs = AtomicU32::new(0);
    let main = options("main");
    let commit = source.commit(&main, |_| {
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(proposal(vec![write("file", "1\n")]))
    });
    let release = async {
        while runs.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        std::fs::remove_file(&lock).unwrap();
    };
    let (committed, ()) = tokio::join!(commit, release);
    assert!(matches!(committed.unwrap(), Committed::Pushed(_)));
    assert_eq!(git(&bare, &["show", "main:file"]), "1");
    // Where it stays locked, the attempts end.
    std::fs::write(&lock, "").unwrap();
    let mut few = options("main");
    few.attempts = 2;
    let error = source
        .commit(&few, |_| Ok(proposal(vec![write("file", "2\n")])))
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("file", "0\n");
    repo.link("link", "file");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let hook = bare.join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'main is protected' >&2\nexit 1\n").unwrap();
    std::process::Command::new("chmod")
        .arg("+x")
        .arg(&hook)
        .status()
        .unwrap();
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    let source = provider.open_url(&server.url("repo.git")).await.unwrap();
    let error = source
        .commit(&options("main"), |_| {
            Ok(proposal(vec![write("file", "1\n")]))
        })
        .await
        .unwrap_err();
    assert!(matches!(error, GitError::PushRejected { .. }), "{error}");
    assert!(error.to_string().contains("main is protected"), "{error}");

    let checked_out = provider.open_url(&repo.url()).await.unwrap();
    let error = checked_out
        .commit(&options("main"), |_| {
            Ok(proposal(vec![write("file", "1\n")]))
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("checked out"), "{error}");

    for (path, word) in [
        ("../x", "inside the tree"),
        ("a/.git/config", "does not allow"),
        ("", "names no file"),
        ("link", "is a symlink"),
        ("file/x", "not a directory"),
    ] {
        let error = source
            .commit(&options("main"), |_| Ok(proposal(vec![write(path, "1\n")])))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(word), "{path}: {error}");
    }
    let error = source
        .commit(&options("main"), |_| Err("no new tag found".into()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no new tag found"), "{error}");
    let error = source
        .commit(&options("bad..name"), |_| Ok(Proposal::default()))
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_commit_of_an_empty_repository() {
    let world = World::new();
    std::fs::create_dir_all(world.path("srv")).unwrap();
    let output = git_command(&world.path("srv"))
        .args(["init", "-q", "--bare", "-b", "main", "new.git"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let bare = world.path("srv/new.git");
    git(&bare, &["config", "http.receivepack", "true"]);
    let server = Server::start(&world.path("srv")).await;
    let provider = world
        .provider()
        .refresh_interval(Duration::from_secs(60))
        .build();
    let source = provider.open_url(&server.url("new.git")).await.unwrap();
    let error = source.resolve(&"main".into()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::NotFound);
    source
        .commit(&options("main"), |tree| {
            assert!(tree.list("")?.is_empty());
            Ok(proposal(vec![write("README.md", "# New\n")]))
        })
        .await
        .unwrap();
    assert_eq!(git(&bare, &["show", "main:README.md"]), "# New");
    let revision = source.resolve(&"main".into()).await.unwrap();
    let tree = source.tree(&revision).await.unwrap();
    assert_eq!(tree.list("").unwrap().len(), 1);
}

/// Signs with `ssh-keygen`, as `git` does.
struct KeyFile(std::path::PathBuf);

impl Signer for KeyFile {
    fn sign(&self, commit: &[u8]) -> Result<String, BoxError> {
        let file = self.0.with_extension("payload");
        std::fs::write(&file, commit)?;
        let output = std::process::Command::new("ssh-keygen")
            .args(["-Y", "sign", "-n", "git", "-f"])
            .args([&self.0, &file])
            .output()?;
        assert!(output.status.success());
        let signature = file.with_extension("payload.sig");
        let text = std::fs::read_to_string(&signature)?;
        std::fs::remove_file(signature)?;
        Ok(text)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_can_be_signed_and_pushed_with_credentials() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("file", "0\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let key = world.path("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "bot", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let server = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        require: Some("Basic YWxpY2U6czNjcmV0".to_owned()),
        ..Behaviour::default()
    });
    let url = server.url("repo.git");
    let open = async |access: Access| {
        world
            .provider()
            .credentials(ByPrefix::new().with(&url, access))
            .build()
            .open_url(&url)
            .await
            .unwrap()
    };
    let propose = |_: &_| Ok(proposal(vec![write("file", "1\n")]));
    let error = open(Access::default())
        .await
        .commit(&options("main"), propose)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthenticated, "{error}");
    let source = open(Access::basic("alice", "s3cret")).await;
    let signed = options("main").signed_by(Arc::new(KeyFile(key)));
    let Committed::Pushed(revision) = source.commit(&signed, propose).await.unwrap() else {
        panic!("something changed");
    };
    git(&bare, &["fsck", "--strict", "--full"]);
    // Git itself takes the signature for good, and so does this crate.
    std::fs::write(world.path("allowed"), format!("* {public}")).unwrap();
    let allowed = format!(
        "gpg.ssh.allowedSignersFile={}",
        world.path("allowed").display()
    );
    git(&bare, &["-c", &allowed, "verify-commit", &revision.id]);
    let mut ring = Keyring::new();
    ring.add_ssh(&public).unwrap();
    let verified = source
        .verify(&revision, VerifyMode::Head, &ring)
        .await
        .unwrap();
    assert!(verified.commit.is_some());
}
