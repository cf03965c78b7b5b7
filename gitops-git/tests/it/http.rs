//! Repositories over HTTP, served by `git http-backend`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gitops_core::{
    Classified, ErrorClass,
    events::{Event, EventSink, FetchProgress},
    source::{FileTree, RevisionSpec},
};
use gitops_git::{
    FluxReference, GitError, GitSource, Limits, Timeouts,
    credentials::{Access, ByPrefix},
};

use crate::{
    server::{Behaviour, Server, publish},
    world::{Repo, World},
};

fn sample(world: &World) -> Repo {
    let repo = world.repository("repo");
    for n in 0..50 {
        repo.write(&format!("apps/{n}/values.yaml"), format!("replicas: {n}\n"));
    }
    // Random enough not to compress: the pack must have a size worth cutting.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(40_000)
    .collect();
    repo.write("noise", noise);
    repo.commit("first");
    repo
}

async fn head(source: &GitSource) -> Result<String, GitError> {
    let revision = source.resolve(&RevisionSpec::head()).await?;
    let tree = source.tree(&revision).await?;
    let file = tree.read("apps/7/values.yaml").unwrap().unwrap();
    Ok(String::from_utf8(file.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_what_changed_and_nothing_else() {
    let world = World::new();
    let repo = sample(&world);
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    for version_0 in [false, true] {
        server.set(Behaviour {
            version_0,
            ..Behaviour::default()
        });
        let provider = world.provider().build();
        let source = provider.open_url(&server.url("repo.git")).await.unwrap();
        head(&source).await.unwrap();
        let first: usize = server.take_log().iter().map(|seen| seen.sent).sum();

        // Nothing changed: the references are listed, nothing is fetched.
        head(&source).await.unwrap();
        let poll = server.take_log();
        assert_eq!(poll.len(), if version_0 { 1 } else { 2 }, "{poll:?}");

        // One file changed: just that comes over.
        repo.write("apps/7/values.yaml", format!("replicas: {version_0}\n"));
        repo.commit("second");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        assert_eq!(
            head(&source).await.unwrap(),
            format!("replicas: {version_0}\n")
        );
        let second: usize = server.take_log().iter().map(|seen| seen.sent).sum();
        assert!(second * 10 < first, "{second} of {first}");

        // What is fetched survives the process.
        let provider = world.provider().build();
        let source = provider.open_url(&server.url("repo.git")).await.unwrap();
        head(&source).await.unwrap();
        let log = server.take_log();
        assert!(!log.iter().any(|seen| seen.sent > 5000), "{log:?}");
        std::fs::remove_dir_all(world.path("cache")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_abbreviated_commits() {
    let world = World::new();
    let repo = sample(&world);
    let first = repo.head();
    repo.write("apps/7/values.yaml", "replicas: 8\n");
    repo.commit("second");
    repo.git(&["update-ref", "refs/pull/3/head", &first]);
    repo.git(&["tag", "-a", "-m", "x", "v1", &first]);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    for version_0 in [false, true] {
        server.set(Behaviour {
            version_0,
            ..Behaviour::default()
        });
        let source = world
            .provider()
            .build()
            .open_url(&server.url("repo.git"))
            .await
            .unwrap();
        for spec in [
            first.as_str(),
            &first[..9],
            "refs/pull/3/head",
            "pull/3/head",
            "v1",
        ] {
            let revision = source.resolve(&spec.into()).await.unwrap();
            assert_eq!(revision.id, first, "{spec}");
        }
        let tree = source
            .tree(&source.resolve(&first.as_str().into()).await.unwrap())
            .await
            .unwrap();
        assert_eq!(
            &tree.read("apps/7/values.yaml").unwrap().unwrap()[..],
            b"replicas: 7\n"
        );
        let unknown = "0123456789012345678901234567890123456789";
        let error = source
            .tree(&source.resolve(&unknown.into()).await.unwrap())
            .await
            .err()
            .unwrap();
        assert_eq!(error.class(), ErrorClass::NotFound, "{error}");
        for spec in ["abcdef01234", "nope", "refs/pull/9/head"] {
            let error = source.resolve(&spec.into()).await.unwrap_err();
            assert!(matches!(error, GitError::UnknownRevision { .. }), "{error}");
        }
        std::fs::remove_dir_all(world.path("cache")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_cut_anywhere_leaves_the_store_usable() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    let source = provider.open_url(&server.url("repo.git")).await.unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    for cut in (0..40_000).step_by(4096) {
        server.set(Behaviour {
            cut_after: Some(cut),
            ..Behaviour::default()
        });
        let error = source
            .tree(&revision)
            .await
            .err()
            .expect("the pack was cut");
        assert!(error.is_retryable(), "{cut}: {error}");
    }
    server.set(Behaviour::default());
    let tree = source.tree(&revision).await.unwrap();
    assert!(tree.read("apps/7/values.yaml").unwrap().is_some());
    let packs = std::fs::read_dir(world.path("cache"))
        .unwrap()
        .map(|dir| dir.unwrap().path().join("objects/pack"))
        .flat_map(|dir| std::fs::read_dir(dir).unwrap())
        .count();
    assert_eq!(packs, 2, "a pack and its index, and nothing left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_errors() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    let source = provider.open_url(&server.url("repo.git")).await.unwrap();
    let plain = ("Content-Type".to_owned(), "text/plain".to_owned());
    let html = ("Content-Type".to_owned(), "text/html".to_owned());
    let later = ("Retry-After".to_owned(), "17".to_owned());
    for (status, headers, body, class, words) in [
        (
            401,
            vec![],
            "",
            ErrorClass::Unauthenticated,
            "none are configured",
        ),
        (
            403,
            vec![plain.clone()],
            "not you\nsecond line",
            ErrorClass::Forbidden,
            "403: not you",
        ),
        (
            403,
            vec![later.clone()],
            "",
            ErrorClass::Throttled,
            "slow down",
        ),
        (404, vec![], "", ErrorClass::NotFound, "no repository"),
        (429, vec![later.clone()], "", ErrorClass::Throttled, "429"),
        (500, vec![], "", ErrorClass::Unavailable, "500"),
        (503, vec![later.clone()], "", ErrorClass::Unavailable, "503"),
        (200, vec![html], "<html>", ErrorClass::Invalid, "text/html"),
        (200, vec![plain], "0000", ErrorClass::Invalid, "dumb HTTP"),
    ] {
        let retry = headers.contains(&later);
        server.set(Behaviour {
            answer: Some((status, headers, body.to_owned())),
            ..Behaviour::default()
        });
        let error = source.resolve(&RevisionSpec::head()).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        assert!(error.to_string().contains(words), "{status}: {error}");
        assert_eq!(error.retry_after().is_some(), retry, "{status}");
    }
    server.set(Behaviour::default());
    let missing = provider.open_url(&server.url("nope.git")).await.unwrap();
    let error = missing.resolve(&RevisionSpec::head()).await.unwrap_err();
    assert!(
        matches!(error, GitError::UnknownRepository { .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_sent_where_they_belong() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        require: Some("Basic YWxpY2U6czNjcmV0".to_owned()),
        ..Behaviour::default()
    });
    let url = server.url("repo.git");
    let anonymous = world.provider().build().open_url(&url).await.unwrap();
    let error = head(&anonymous).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unauthenticated);
    let access = || ByPrefix::new().with(&server.url(""), Access::basic("alice", "s3cret"));
    let known = world
        .provider()
        .credentials(access())
        .build()
        .open_url(&url)
        .await
        .unwrap();
    head(&known).await.unwrap();
    let inline = url.replace("http://", "http://alice:s3cret@");
    let source = world.provider().build().open_url(&inline).await.unwrap();
    head(&source).await.unwrap();
    let wrong = url.replace("http://", "http://alice:wr0ng@");
    let source = world.provider().build().open_url(&wrong).await.unwrap();
    let error = head(&source).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("wr0ng"), "{error:?}");

    // A redirect to another host gets no credentials, one to the same host does.
    let elsewhere = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        redirect: Some(elsewhere.url("repo.git")),
        ..Behaviour::default()
    });
    elsewhere.take_log();
    let source = world
        .provider()
        .credentials(access())
        .build()
        .open_url(&url)
        .await
        .unwrap();
    source.resolve(&RevisionSpec::head()).await.unwrap();
    let log = elsewhere.take_log();
    assert_eq!(log.len(), 2);
    assert!(
        log.iter().all(|seen| seen.authorization.is_none()),
        "{log:?}"
    );

    // A circle of redirects ends.
    server.set(Behaviour {
        redirect: Some(url.clone()),
        ..Behaviour::default()
    });
    let error = source.resolve(&RevisionSpec::head()).await.unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_are_bounded() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        silent: true,
        ..Behaviour::default()
    });
    let provider = world
        .provider()
        .timeouts(Timeouts::all(Duration::from_millis(300)))
        .build();
    let source = provider.open_url(&server.url("repo.git")).await.unwrap();
    let started = Instant::now();
    // However many wait, they wait once.
    let all = futures::future::join_all((0..50).map(|_| {
        let source = source.clone();
        async move { source.resolve(&RevisionSpec::head()).await.unwrap_err() }
    }))
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(all.iter().all(|error| error.class() == ErrorClass::Timeout));

    let closed = provider.open_url("http://127.0.0.1:1/x.git").await.unwrap();
    let error = closed.resolve(&RevisionSpec::head()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");

    let small = world
        .provider()
        .limits(Limits::default().pack_size(10_000))
        .build();
    server.set(Behaviour::default());
    let source = small.open_url(&server.url("repo.git")).await.unwrap();
    let error = head(&source).await.unwrap_err();
    assert!(
        matches!(
            error,
            GitError::LimitExceeded {
                allowed: 10_000,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_applications_ask_once() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        delay: Some(Duration::from_millis(20)),
        ..Behaviour::default()
    });
    for (interval, lists) in [(Duration::from_secs(60), 1), (Duration::ZERO, 1)] {
        let provider = world.provider().refresh_interval(interval).build();
        let url = server.url("repo.git");
        server.take_log();
        futures::future::join_all((0..40).map(|_| {
            let provider = provider.clone();
            let url = url.clone();
            async move {
                let source = provider.open_url(&url).await.unwrap();
                head(&source).await.unwrap();
            }
        }))
        .await;
        let log = server.take_log();
        let listed = log.iter().filter(|seen| seen.method == "GET").count();
        let sent: usize = log.iter().filter(|seen| seen.sent > 30_000).count();
        assert!(listed <= lists + 2, "{listed} {log:?}");
        assert!(sent <= 1, "{log:?}");
        assert!(log.iter().all(|seen| seen.path.contains("repo.git")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_equal_versions_flux_takes_the_newest_commit() {
    let world = World::new();
    let repo = world.repository("repo");
    for (tag, at) in [
        ("1.0.0", "2024-01-05"),
        ("v1.1.0+c", "2024-01-01"),
        ("v1.1.0", "2024-01-03"),
        ("1.1.0+a", "2024-01-02"),
    ] {
        repo.write("file", tag);
        repo.git(&["add", "-A"]);
        let mut command = crate::world::git_command(&repo.path);
        command.env("GIT_COMMITTER_DATE", format!("{at}T00:00:00Z"));
        let done = command.args(["commit", "-q", "-m", tag]).status().unwrap();
        assert!(done.success());
        repo.git(&["tag", "-a", "-m", tag, tag]);
    }
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    for url in [server.url("repo.git"), repo.url()] {
        let source = provider.open_url(&url).await.unwrap();
        let reference = FluxReference {
            semver: Some(">=1.0.0".to_owned()),
            ..FluxReference::default()
        };
        let revision = source.resolve_flux(&reference).await.unwrap();
        assert_eq!(revision.reference.as_deref(), Some("refs/tags/v1.1.0"));
        assert_eq!(revision.id, repo.git(&["rev-parse", "v1.1.0^{}"]));
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Listener(std::sync::Mutex<Vec<FetchProgress>>);

impl EventSink for Listener {
    fn event(&self, event: &Event) {
        if let Event::Fetch { url, progress, .. } = event {
            assert!(!url.contains("s3cret"), "{url}");
            self.0.lock().unwrap().push(progress.clone());
        }
    }
}

impl Listener {
    fn take(&self) -> Vec<FetchProgress> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn leftovers(world: &World) -> Vec<String> {
    std::fs::read_dir(world.path("cache"))
        .unwrap()
        .map(|dir| dir.unwrap().path().join("objects/pack"))
        .flat_map(|dir| std::fs::read_dir(dir).unwrap())
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_are_told_of_and_can_be_cancelled() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let listener = Arc::new(Listener::default());
    let source = world
        .provider()
        .events(listener.clone())
        .build()
        .open_url(
            &server
                .url("repo.git")
                .replace("http://", "http://me:s3cret@"),
        )
        .await
        .unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    assert!(listener.take().is_empty());
    // Slow enough to be caught in the middle.
    server.set(Behaviour {
        slow: Some((1024, Duration::from_millis(30))),
        ..Behaviour::default()
    });
    let fetching = source.clone();
    let wanted = revision.clone();
    let task = tokio::spawn(async move { fetching.tree(&wanted).await.map(|_| ()) });
    while !listener
        .0
        .lock()
        .unwrap()
        .iter()
        .any(|progress| matches!(progress, FetchProgress::Receiving { .. }))
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let told = listener.take();
    assert_eq!(told[0], FetchProgress::Started);
    assert!(
        matches!(&told[1], FetchProgress::Receiving { bytes, objects: Some(objects) } if *bytes > 0 && *objects > 50),
        "{told:?}"
    );
    assert_eq!(
        told.last(),
        Some(&FetchProgress::Failed {
            message: "it was cancelled".to_owned()
        })
    );
    // A deadline of the caller's is the same.
    let late = tokio::time::timeout(Duration::from_millis(200), source.tree(&revision)).await;
    assert!(late.is_err());
    // Nothing is left behind, and the next attempt succeeds.
    for _ in 0..200 {
        if leftovers(&world).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(leftovers(&world), Vec::<String>::new());
    server.set(Behaviour::default());
    listener.take();
    source.tree(&revision).await.unwrap();
    let told = listener.take();
    assert!(
        matches!(told.last(), Some(FetchProgress::Ended { bytes }) if *bytes > 40_000),
        "{told:?}"
    );
    assert_eq!(leftovers(&world).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_silent_and_truncated_answers() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .timeouts(Timeouts::all(Duration::from_millis(1500)))
        .build()
        .open_url(&server.url("repo.git"))
        .await
        .unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    // A pack that ends too early although the server says that it is whole.
    for keep in [0, 3, 100, 5_000, 20_000, 45_000] {
        server.set(Behaviour {
            truncate: Some(keep),
            ..Behaviour::default()
        });
        let error = source.tree(&revision).await.err().expect("truncated");
        assert!(error.is_retryable(), "{keep}: {error}");
    }
    // Silence in the middle.
    server.set(Behaviour {
        stall_after: Some(10_000),
        ..Behaviour::default()
    });
    let error = source.tree(&revision).await.err().expect("silence");
    assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
    // A trickle that never falls silent does not go on for ever either.
    server.set(Behaviour {
        slow: Some((100, Duration::from_millis(20))),
        ..Behaviour::default()
    });
    let started = Instant::now();
    let error = source.tree(&revision).await.err().expect("too slow");
    assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
    assert!(started.elapsed() < Duration::from_secs(7));
    server.set(Behaviour::default());
    let tree = source.tree(&revision).await.unwrap();
    assert!(tree.read("apps/7/values.yaml").unwrap().is_some());
    assert_eq!(leftovers(&world).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_in_one_url_do_not_let_others_in() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    server.set(Behaviour {
        require: Some("Basic YWxpY2U6czNjcmV0".to_owned()),
        ..Behaviour::default()
    });
    let provider = world
        .provider()
        .refresh_interval(Duration::from_secs(600))
        .build();
    let open = async |who: &str| {
        let url = server
            .url("repo.git")
            .replace("http://", &format!("http://{who}"));
        provider.open_url(&url).await.unwrap()
    };
    let alice = open("alice:s3cret@").await;
    head(&alice).await.unwrap();
    let revision = alice.resolve(&RevisionSpec::head()).await.unwrap();
    for stranger in ["", "alice:wrong@", "bob:s3cret@"] {
        let other = open(stranger).await;
        let error = other.resolve(&RevisionSpec::head()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unauthenticated, "{stranger}");
        // Not even what is in the store already, by its commit.
        if !stranger.is_empty() {
            let error = other.tree(&revision).await.err().expect("not for them");
            assert_eq!(error.class(), ErrorClass::Unauthenticated, "{stranger}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_fetch_greets_the_server_once() {
    let world = World::new();
    let repo = sample(&world);
    publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .build()
        .open_url(&server.url("repo.git"))
        .await
        .unwrap();
    head(&source).await.unwrap();
    let log = server.take_log();
    assert_eq!(log.len(), 3, "greeting, references, pack: {log:?}");
    // While one commit is on its way, others that are there are read.
    let first = source.resolve(&RevisionSpec::head()).await.unwrap();
    repo.write("apps/7/values.yaml", "replicas: 8\n");
    repo.commit("second");
    let bare = world.path("srv/repo.git").display().to_string();
    repo.git(&["push", "-q", &bare, "main"]);
    let second = source.resolve(&RevisionSpec::head()).await.unwrap();
    server.set(Behaviour {
        silent: true,
        ..Behaviour::default()
    });
    let fetching = source.clone();
    let task = tokio::spawn(async move { fetching.tree(&second).await.map(|_| ()) });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let again = world.provider().build();
    let again = again.open_url(&server.url("repo.git")).await.unwrap();
    for source in [&source, &again] {
        let tree = tokio::time::timeout(Duration::from_secs(2), source.tree(&first))
            .await
            .expect("it does not wait")
            .unwrap();
        assert!(tree.read("noise").unwrap().is_some());
    }
    task.abort();
}
