//! Submodules: the same files as a recursive checkout by Git, and what must not be opened.

use std::collections::BTreeMap;

use gitops_core::{
    Classified, ErrorClass,
    source::{EntryKind, FileTree, Revision, RevisionSpec, Source, TreeError},
};
use gitops_git::{
    ChangeKind, GitSource, GitTree, Limits, LocalAccess, Submodules, UrlMap,
    credentials::{Access, ByPrefix},
};

use crate::{
    server::{Behaviour, Server, publish},
    trees::{entry, walk},
    world::{Repo, World, git},
};

/// Adds a submodule without asking Git to fetch it.
fn pin(repo: &Repo, path: &str, url: &str, commit: &str) {
    let mut file = std::fs::read_to_string(repo.path.join(".gitmodules")).unwrap_or_default();
    file.push_str(&format!(
        "[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n"
    ));
    repo.write(".gitmodules", file);
    repo.git(&["add", ".gitmodules"]);
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},{path}"),
    ]);
    repo.git(&["commit", "-q", "-m", "pin"]);
}

async fn with_submodules(source: &GitSource) -> GitTree {
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    source.tree_with_submodules(&revision).await.unwrap()
}

fn text(tree: &dyn FileTree, path: &str) -> String {
    let content = tree.read(path).unwrap().unwrap_or_else(|| panic!("{path}"));
    String::from_utf8(content.to_vec()).unwrap()
}

/// A repository with a submodule that has one itself, served below `srv`.
fn family(world: &World) -> (Repo, Repo, Repo) {
    let deep = world.repository("deep");
    deep.write("deep.yaml", "deep: 1\n");
    deep.commit("deep");
    publish(&deep.path, &world.path("srv/org"), "deep.git");
    let lib = world.repository("lib");
    lib.write("values.yaml", "lib: 1\n");
    lib.write("charts/a/Chart.yaml", "name: a\n");
    lib.link("up.yaml", "../../apps/a/own.yaml");
    lib.commit("lib");
    pin(&lib, "nested/deep", "../deep.git", &deep.head());
    publish(&lib.path, &world.path("srv/org"), "lib.git");
    let repo = world.repository("repo");
    repo.write("apps/a/own.yaml", "own: 1\n");
    repo.link("apps/a/values.yaml", "../../vendor/lib/values.yaml");
    repo.link("apps/a/chart", "../../vendor/lib/charts/a");
    repo.git(&["add", "-A"]);
    pin(&repo, "vendor/lib", "../lib.git", &lib.head());
    publish(&repo.path, &world.path("srv/org"), "repo.git");
    (repo, lib, deep)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recursive_checkout_has_the_same_files() {
    let world = World::new();
    family(&world);
    let server = Server::start(&world.path("srv")).await;
    let url = server.url("org/repo.git");
    git(
        world.dir.path(),
        &["clone", "-q", "--recurse-submodules", &url, "checkout"],
    );
    let mut expected = BTreeMap::new();
    for file in git(
        &world.path("checkout"),
        &["ls-files", "--recurse-submodules"],
    )
    .lines()
    {
        let path = world.path("checkout").join(file);
        if path.is_file() && !path.is_symlink() {
            expected.insert(file.to_owned(), std::fs::read(&path).unwrap());
        }
    }
    expected.insert("apps/a/values.yaml".to_owned(), b"lib: 1\n".to_vec());
    expected.insert("apps/a/chart/Chart.yaml".to_owned(), b"name: a\n".to_vec());
    expected.insert("vendor/lib/up.yaml".to_owned(), b"own: 1\n".to_vec());

    let source = world.provider().build().open_url(&url).await.unwrap();
    let tree = with_submodules(&source).await;
    let mut found = BTreeMap::new();
    walk(&tree, "", &mut found);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>()
    );
    assert_eq!(found, expected);
    assert_eq!(text(&tree, "vendor/lib/nested/deep/deep.yaml"), "deep: 1\n");
    // The second look needs the server only for the references.
    server.take_log();
    with_submodules(&source).await;
    let log = server.take_log();
    assert!(log.iter().all(|seen| !seen.path.contains("git-receive")));
    assert!(
        !log.iter().any(|seen| seen.sent > 2000),
        "nothing is fetched twice: {log:?}"
    );

    // The trait's trees follow, unless they are told not to.
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    let followed = Source::tree(&source, &revision).await.unwrap();
    assert_eq!(text(&*followed, "vendor/lib/values.yaml"), "lib: 1\n");
    let plain = world
        .provider()
        .submodules(Submodules::Ignored)
        .build()
        .open_url(&url)
        .await
        .unwrap();
    let plain = Source::tree(&plain, &revision).await.unwrap();
    assert!(plain.read("vendor/lib/values.yaml").unwrap().is_none());
    assert!(plain.list("vendor/lib").unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_ids_see_into_submodules() {
    let world = World::new();
    let (repo, lib, _) = family(&world);
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .build()
        .open_url(&server.url("org/repo.git"))
        .await
        .unwrap();
    let old = with_submodules(&source).await;
    lib.write("values.yaml", "lib: 2\n");
    lib.write("more.yaml", "new\n");
    lib.git(&["add", "values.yaml", "more.yaml"]);
    lib.git(&["commit", "-q", "-m", "more"]);
    let push = |repo: &Repo, name: &str| {
        let target = world.path(&format!("srv/org/{name}"));
        repo.git(&["push", "-q", &target.display().to_string(), "main"]);
    };
    push(&lib, "lib.git");
    repo.git(&[
        "update-index",
        "--cacheinfo",
        &format!("160000,{},vendor/lib", lib.head()),
    ]);
    repo.git(&["commit", "-q", "-m", "newer"]);
    push(&repo, "repo.git");
    let new = with_submodules(&source).await;
    let changes: Vec<_> = new
        .changes_since(&old)
        .unwrap()
        .into_iter()
        .map(|change| (change.path, change.kind))
        .collect();
    assert_eq!(
        changes,
        [
            ("vendor/lib/more.yaml".to_owned(), ChangeKind::Added),
            ("vendor/lib/values.yaml".to_owned(), ChangeKind::Modified),
        ]
    );
    for changed in ["", "vendor", "vendor/lib", "apps/a"] {
        assert_ne!(
            old.id(changed).unwrap(),
            new.id(changed).unwrap(),
            "{changed}"
        );
    }
    for same in ["vendor/lib/nested", "vendor/lib/charts", "apps/a/chart"] {
        assert_eq!(old.id(same).unwrap(), new.id(same).unwrap(), "{same}");
    }
    // Without its submodules it is their commit that changes.
    let bare = |tree: &GitTree| Revision::new(tree.commit());
    let (old, new) = (
        source.tree(&bare(&old)).await.unwrap(),
        source.tree(&bare(&new)).await.unwrap(),
    );
    let changes = new.changes_since(&old).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].path, "vendor/lib");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_opened_hurts_only_who_reads_it() {
    let world = World::new();
    let secret = world.repository("secret");
    secret.write("token", "s3cret\n");
    let commit = secret.commit("x");
    let repo = world.repository("repo");
    repo.write("apps/a/x.yaml", "x: 1\n");
    repo.link("apps/b/token", "../../bad/local/token");
    repo.git(&["add", "-A"]);
    let local = secret.path.display().to_string();
    for (path, url) in [
        ("bad/local", local.as_str()),
        ("bad/file", &format!("file://{local}")),
        ("bad/helper", "ext::sh -c 'echo x >&2'"),
        ("bad/option", "--upload-pack=touch /tmp/x"),
        ("bad/above", "../../../../x"),
        ("bad/gone", "./gone.git"),
        ("bad/ssh", "ssh://git@127.0.0.1/x.git"),
    ] {
        pin(&repo, path, url, &commit);
    }
    pin(&repo, "bad/commit", "../repo.git", &"1".repeat(40));
    publish(&repo.path, &world.path("srv/org"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let source = world
        .provider()
        .build()
        .open_url(&server.url("org/repo.git"))
        .await
        .unwrap();
    let tree = with_submodules(&source).await;
    assert_eq!(text(&tree, "apps/a/x.yaml"), "x: 1\n");
    let names = tree.list("bad").unwrap();
    assert_eq!(names.len(), 8);
    assert!(names.iter().all(|entry| entry.kind == EntryKind::Directory));
    for (path, class, words) in [
        ("bad/local", ErrorClass::Invalid, "on this machine"),
        ("bad/file", ErrorClass::Invalid, "on this machine"),
        ("bad/helper", ErrorClass::Invalid, "programs that fetch"),
        ("bad/option", ErrorClass::Invalid, "begins with `-`"),
        ("bad/above", ErrorClass::Invalid, "above the host's root"),
        ("bad/gone", ErrorClass::NotFound, "no repository"),
        ("bad/ssh", ErrorClass::Unsupported, "ssh"),
        ("bad/commit", ErrorClass::NotFound, "no revision"),
    ] {
        for result in [
            tree.list(path).map(|_| ()),
            tree.read(&format!("{path}/token")).map(|_| ()),
        ] {
            let error = result.expect_err(path);
            assert!(matches!(error, TreeError::Other { .. }), "{path}: {error}");
            assert_eq!(error.class(), class, "{path}: {error}");
            assert!(error.to_string().contains(words), "{path}: {error}");
            assert!(!error.to_string().contains("s3cret"));
        }
        assert!(tree.id(path).unwrap().is_some());
    }
    assert!(tree.read("apps/b/token").is_err());
    assert!(tree.list("apps/b").is_ok());

    // A repository of this machine may name others of this machine, where any may be opened.
    let open = async |access| {
        world
            .provider()
            .map(UrlMap::new().with("https://h/repo", repo.url()))
            .local_access(access)
            .build()
            .open_url(if access == LocalAccess::Any {
                repo.path.to_str().unwrap()
            } else {
                "https://h/repo"
            })
            .await
            .unwrap()
    };
    let tree = with_submodules(&open(LocalAccess::Any).await).await;
    assert_eq!(text(&tree, "bad/local/token"), "s3cret\n");
    let tree = with_submodules(&open(LocalAccess::Mapped).await).await;
    assert!(tree.read("bad/local/token").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn depth_and_number_are_bounded() {
    let world = World::new();
    let mut last = world.repository("r0");
    last.write("file", "0\n");
    last.commit("x");
    publish(&last.path, &world.path("srv"), "r0.git");
    for n in 1..5 {
        let next = world.repository(&format!("r{n}"));
        next.write("file", format!("{n}\n"));
        next.commit("x");
        pin(&next, "sub", &format!("../r{}.git", n - 1), &last.head());
        pin(&next, "sub2", &format!("../r{}.git", n - 1), &last.head());
        publish(&next.path, &world.path("srv"), &format!("r{n}.git"));
        last = next;
    }
    let server = Server::start(&world.path("srv")).await;
    let open = async |limits: Limits| {
        let source = world
            .provider()
            .limits(limits)
            .build()
            .open_url(&server.url("r4.git"))
            .await
            .unwrap();
        with_submodules(&source).await
    };
    let tree = open(Limits::default()).await;
    assert_eq!(text(&tree, "sub/sub2/sub/sub2/file"), "0\n");
    let mut limits = Limits::default();
    limits.submodule_depth = 2;
    let tree = open(limits).await;
    assert_eq!(text(&tree, "sub/sub/file"), "2\n");
    let error = tree.read("sub/sub/sub/file").unwrap_err();
    assert!(error.to_string().contains("inside each other"), "{error}");
    let mut limits = Limits::default();
    limits.submodules = 3;
    let tree = open(limits).await;
    let mut unavailable = 0;
    for path in [
        "sub/file",
        "sub2/file",
        "sub/sub/file",
        "sub2/sub/file",
        "sub/sub2/file",
    ] {
        if let Err(error) = tree.read(path) {
            assert!(
                error.to_string().contains("limit submodules of 3"),
                "{error}"
            );
            unavailable += 1;
        }
    }
    assert_eq!(unavailable, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_stay_on_their_host() {
    let world = World::new();
    let (repo, ..) = family(&world);
    let server = Server::start(&world.path("srv")).await;
    let elsewhere = Server::start(&world.path("srv")).await;
    let foreign = world.repository("foreign");
    foreign.write("x", "x\n");
    foreign.commit("x");
    publish(&foreign.path, &world.path("srv/org"), "foreign.git");
    pin(
        &repo,
        "vendor/foreign",
        &elsewhere.url("org/foreign.git"),
        &foreign.head(),
    );
    repo.git(&[
        "push",
        "-q",
        &world.path("srv/org/repo.git").display().to_string(),
        "main",
    ]);
    server.set(Behaviour {
        require: Some("Basic YWxpY2U6czNjcmV0".to_owned()),
        ..Behaviour::default()
    });
    let url = server.url("org/repo.git");
    // Known for this one URL only; and written into the URL.
    let exact = world
        .provider()
        .credentials(ByPrefix::new().with(&url, Access::basic("alice", "s3cret")))
        .build()
        .open_url(&url)
        .await
        .unwrap();
    let inline = world
        .provider()
        .build()
        .open_url(&url.replace("http://", "http://alice:s3cret@"))
        .await
        .unwrap();
    for source in [exact, inline] {
        elsewhere.take_log();
        let tree = with_submodules(&source).await;
        assert_eq!(text(&tree, "vendor/lib/nested/deep/deep.yaml"), "deep: 1\n");
        assert_eq!(text(&tree, "vendor/foreign/x"), "x\n");
        let log = elsewhere.take_log();
        assert!(!log.is_empty() && log.iter().all(|seen| seen.authorization.is_none()));
        std::fs::remove_dir_all(world.path("cache")).unwrap();
    }
}

#[tokio::test]
async fn the_file_that_names_them_is_read_with_care() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("real", "[submodule \"x\"]\n\tpath = x\n\turl = ../x\n");
    repo.commit("x");
    let target = repo.raw_object("blob", b"real");
    let real = repo.git(&["rev-parse", "HEAD:real"]);
    let mut tree = entry("120000", ".gitmodules", &target);
    tree.extend(entry("100644", "real", &real));
    repo.commit_tree(&repo.raw_object("tree", &tree));
    let open = async || {
        let source = world
            .provider()
            .build()
            .open_url(&repo.url())
            .await
            .unwrap();
        let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
        (source.tree(&revision).await.unwrap(), source, revision)
    };
    let (tree, source, revision) = open().await;
    assert!(matches!(tree.submodules(), Err(TreeError::Corrupt { .. })));
    assert!(source.tree_with_submodules(&revision).await.is_err());
    repo.write(
        ".gitmodules",
        "[submodule \"a\"]\n\tpath = ../../etc\n\turl = x\n[submodule \"b\"]\n\tpath = lib\n\turl = old\n\
         [submodule \"b\"]\n\turl = new\n[submodule \"c\"]\n\tpath = lib\n\turl = other\n\
         [submodule \"d\"]\n\tpath = quiet\n\turl = x\n\tupdate = none\n",
    );
    repo.commit("y");
    let (tree, ..) = open().await;
    let found: Vec<_> = tree
        .submodules()
        .unwrap()
        .into_iter()
        .map(|one| (one.path, one.url.unwrap(), one.ignored))
        .collect();
    assert_eq!(
        found,
        [
            ("lib".to_owned(), "new".to_owned(), false),
            ("quiet".to_owned(), "x".to_owned(), true)
        ]
    );
}
