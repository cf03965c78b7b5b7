//! Repositories of this machine, read in place.

use gitops_core::{
    Classified, ErrorClass,
    source::{EntryKind, FileTree, Revision, RevisionSpec, SourceProvider, SourceRef, TreeError},
};
use gitops_git::{GitError, GitTree, Limits, LocalAccess, UrlMap};

use crate::world::{Repo, World, git};

async fn tree(world: &World, repo: &Repo, spec: &str) -> GitTree {
    let source = world
        .provider()
        .build()
        .open_url(&repo.url())
        .await
        .unwrap();
    let revision = source.resolve(&RevisionSpec::from(spec)).await.unwrap();
    source.tree(&revision).await.unwrap()
}

#[tokio::test]
async fn every_kind_of_revision() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a.yaml", "one: 1\n");
    let first = repo.commit("first");
    repo.git(&["tag", "-a", "-m", "release", "v1.0.0"]);
    repo.git(&["tag", "light"]);
    repo.write("a.yaml", "two: 2\n");
    let second = repo.commit("second");
    repo.git(&["branch", "feature/x"]);
    repo.git(&["update-ref", "refs/pull/1/head", &first]);
    let bare = world.path("bare.git");
    git(
        world.dir.path(),
        &["clone", "-q", "--mirror", "repo", "bare.git"],
    );
    let provider = world.provider().build();
    for url in [
        repo.url(),
        format!("file://{}", repo.path.display()),
        bare.display().to_string(),
    ] {
        let source = provider.open_url(&url).await.unwrap();
        for (spec, commit, reference) in [
            ("", &second, Some("refs/heads/main")),
            ("HEAD", &second, Some("refs/heads/main")),
            ("main", &second, Some("refs/heads/main")),
            ("refs/heads/main", &second, Some("refs/heads/main")),
            ("feature/x", &second, Some("refs/heads/feature/x")),
            ("v1.0.0", &first, Some("refs/tags/v1.0.0")),
            ("light", &first, Some("refs/tags/light")),
            ("refs/pull/1/head", &first, Some("refs/pull/1/head")),
            ("pull/1/head", &first, Some("refs/pull/1/head")),
            (first.as_str(), &first, None),
            (&first[..8], &first, None),
        ] {
            let revision = source
                .resolve(&RevisionSpec::from(spec))
                .await
                .unwrap_or_else(|error| panic!("{url} {spec}: {error}"));
            assert_eq!(&revision.id, commit, "{url} {spec}");
            assert_eq!(revision.reference.as_deref(), reference, "{url} {spec}");
        }
        let error = source.resolve(&"nope".into()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::NotFound);
        assert!(error.to_string().contains("`nope`"), "{error}");
        let missing = Revision::new("0123456789012345678901234567890123456789");
        assert!(matches!(
            source.tree(&missing).await,
            Err(GitError::UnknownRevision { .. })
        ));
    }
}

#[tokio::test]
async fn what_is_no_repository_is_said_so() {
    let world = World::new();
    std::fs::create_dir(world.path("plain")).unwrap();
    let provider = world.provider().build();
    let plain = world.path("plain").display().to_string();
    assert!(matches!(
        provider.open_url(&plain).await,
        Err(GitError::NotARepository { .. })
    ));
    let absent = world.path("absent").display().to_string();
    assert!(matches!(
        provider.open_url(&absent).await,
        Err(GitError::UnknownRepository { .. })
    ));
    let repo = world.repository("empty");
    let source = provider.open_url(&repo.url()).await.unwrap();
    assert!(matches!(
        source.resolve(&RevisionSpec::head()).await,
        Err(GitError::UnknownRevision { .. })
    ));
}

#[tokio::test]
async fn urls_are_redirected() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a", "a");
    let head = repo.commit("a");
    let provider = world
        .provider()
        .map(UrlMap::new().with("https://github.com/org/repo.git", repo.url()))
        .local_access(LocalAccess::Mapped)
        .build();
    for url in [
        "https://github.com/Org/repo",
        "https://github.com/org/repo.git/",
    ] {
        let source = provider
            .open(&SourceRef {
                url: url.to_owned(),
                chart: None,
            })
            .await
            .unwrap();
        assert_eq!(source.resolve(&"main".into()).await.unwrap().id, head);
    }
    let error = provider.open_url(&repo.url()).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Invalid, "{error}");
    let chart = SourceRef {
        url: "https://charts.example.org".to_owned(),
        chart: Some("web".to_owned()),
    };
    let error = provider.open(&chart).await.err().unwrap();
    assert_eq!(error.class(), ErrorClass::Unsupported);
}

#[tokio::test]
async fn trees_are_read_without_a_checkout() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("b/c.yaml", "c\n");
    repo.write("b/d/e.yaml", "e\n");
    repo.write("b.yaml", "b\n");
    repo.write("empty", "");
    repo.commit("x");
    let tree = tree(&world, &repo, "HEAD").await;
    let names = |dir: &str| -> Vec<(String, EntryKind)> {
        tree.list(dir)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name, entry.kind))
            .collect()
    };
    assert_eq!(
        names(""),
        [
            ("b".to_owned(), EntryKind::Directory),
            ("b.yaml".to_owned(), EntryKind::File),
            ("empty".to_owned(), EntryKind::File),
        ]
    );
    assert_eq!(names("b").len(), 2);
    assert_eq!(names("./b/d/"), [("e.yaml".to_owned(), EntryKind::File)]);
    assert!(names("nope").is_empty());
    assert!(names("b.yaml").is_empty());
    assert_eq!(&tree.read("b/c.yaml").unwrap().unwrap()[..], b"c\n");
    assert_eq!(&tree.read("empty").unwrap().unwrap()[..], b"");
    assert!(tree.read("b").unwrap().is_none());
    assert!(tree.read("b.yaml/x").unwrap().is_none());
    assert!(tree.read("nope/x").unwrap().is_none());
    assert!(matches!(
        tree.read("../etc/passwd"),
        Err(TreeError::OutsideTree { .. })
    ));
    assert_ne!(tree.id("b").unwrap(), tree.id("b/d").unwrap());
    assert!(tree.id("nope").unwrap().is_none());
}

#[tokio::test]
async fn symlinks_are_followed_inside_only() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("shared/values.yaml", "v: 1\n");
    repo.link("apps/a/values.yaml", "../../shared/values.yaml");
    repo.link("apps/a/shared", "../../shared");
    repo.link("apps/a/root", "../..");
    repo.link("apps/a/here", ".");
    repo.link("apps/a/out", "../../../etc/passwd");
    repo.link("apps/a/abs", "/etc/passwd");
    repo.link("apps/a/dangling", "nothing");
    repo.link("apps/a/self", "self");
    repo.link("one/two", "../two/one");
    repo.link("two/one", "../one/two");
    repo.commit("x");
    let tree = tree(&world, &repo, "HEAD").await;
    for path in [
        "apps/a/values.yaml",
        "apps/a/shared/values.yaml",
        "apps/a/root/shared/values.yaml",
        "apps/a/root/apps/a/shared/values.yaml",
    ] {
        assert_eq!(&tree.read(path).unwrap().unwrap()[..], b"v: 1\n", "{path}");
    }
    for (path, word) in [
        ("apps/a/out", "outside the tree"),
        ("apps/a/abs", "outside the tree"),
        ("apps/a/dangling", "does not exist"),
        ("apps/a/self", "symlinks on one path"),
        ("one/two", "symlinks on one path"),
        ("apps/a/here", "leads back"),
    ] {
        let error = tree.read(path).unwrap_err();
        assert!(
            matches!(error, TreeError::Symlink { .. }),
            "{path}: {error}"
        );
        assert!(error.to_string().contains(word), "{path}: {error}");
    }
    let kinds: Vec<_> = tree
        .list("apps/a")
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind == EntryKind::Directory))
        .collect();
    assert_eq!(
        kinds,
        [
            ("abs", false),
            ("dangling", false),
            ("here", false),
            ("out", false),
            ("root", false),
            ("self", false),
            ("shared", true),
            ("values.yaml", false),
        ]
        .map(|(name, dir)| (name.to_owned(), dir))
    );
    assert_eq!(tree.list("apps/a/shared").unwrap().len(), 1);
}

#[tokio::test]
async fn ids_follow_symlinks() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("shared/values.yaml", "v: 1\n");
    repo.link("apps/a/values.yaml", "../../shared/values.yaml");
    repo.write("apps/b/x", "x");
    repo.commit("x");
    let before = tree(&world, &repo, "HEAD").await;
    repo.write("shared/values.yaml", "v: 2\n");
    repo.commit("y");
    let after = tree(&world, &repo, "HEAD").await;
    assert_ne!(before.id("apps/a").unwrap(), after.id("apps/a").unwrap());
    assert_eq!(before.id("apps/b").unwrap(), after.id("apps/b").unwrap());
    assert_ne!(before.id("").unwrap(), after.id("").unwrap());
}

#[tokio::test]
async fn limits_pointers_and_submodules() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("big", vec![b'x'; 3000]);
    repo.write(
        "model.bin",
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    );
    repo.write(
        ".gitmodules",
        "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n",
    );
    repo.git(&["add", "-A"]);
    let pinned = "1234567890123456789012345678901234567890";
    repo.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{pinned},vendor/lib"),
    ]);
    repo.git(&["commit", "-q", "-m", "x"]);
    let provider = world
        .provider()
        .limits(Limits::default().file_size(2999))
        .build();
    let source = provider.open_url(&repo.url()).await.unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    let tree = source.tree(&revision).await.unwrap();
    let error = tree.read("big").unwrap_err();
    assert!(
        matches!(error, TreeError::LimitExceeded { allowed: 2999, .. }),
        "{error}"
    );
    assert!(matches!(
        tree.read("model.bin"),
        Err(TreeError::LfsPointer { .. })
    ));
    let long = "a/".repeat(3000);
    assert!(matches!(
        tree.read(&long),
        Err(TreeError::LimitExceeded { .. })
    ));
    let submodules = tree.submodules().unwrap();
    assert_eq!(submodules.len(), 1);
    assert_eq!(submodules[0].path, "vendor/lib");
    assert_eq!(submodules[0].url.as_deref(), Some("../lib.git"));
    assert_eq!(submodules[0].commit.as_deref(), Some(pinned));
    assert_eq!(tree.list("vendor").unwrap()[0].kind, EntryKind::Directory);
    assert!(tree.list("vendor/lib").unwrap().is_empty());
    assert!(tree.read("vendor/lib/x").unwrap().is_none());
}
