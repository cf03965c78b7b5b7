//! The store of a remote repository over time.

use gitops_core::source::FileTree;

use crate::{
    server::{Server, publish},
    world::{World, git},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_commits_are_dropped_and_those_in_use_stay() {
    let world = World::new();
    let repo = world.repository("repo");
    for n in 0..20 {
        repo.write(&format!("files/{n}"), format!("file {n}\n").repeat(50));
    }
    repo.write("counter", "0\n");
    repo.commit("first");
    let bare = publish(&repo.path, &world.path("srv"), "repo.git");
    let server = Server::start(&world.path("srv")).await;
    let provider = world.provider().build();
    let source = provider.open_url(&server.url("repo.git")).await.unwrap();
    let first = source.resolve(&"main".into()).await.unwrap();
    let held = source.tree(&first).await.unwrap();
    let mut revisions = vec![first.clone()];
    for n in 1..60 {
        repo.write("counter", format!("{n}\n"));
        repo.commit("next");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        let revision = source.resolve(&"main".into()).await.unwrap();
        let tree = source.tree(&revision).await.unwrap();
        assert_eq!(
            tree.read("counter").unwrap().unwrap(),
            format!("{n}\n").as_bytes()
        );
        assert_eq!(tree.list("files").unwrap().len(), 20);
        revisions.push(revision);
    }
    let store = std::fs::read_dir(world.path("cache"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("objects").exists())
        .unwrap();
    let packs = std::fs::read_dir(store.join("objects/pack"))
        .unwrap()
        .filter(|entry| {
            let path = entry.as_ref().unwrap().path();
            path.extension()
                .is_some_and(|extension| extension == "pack")
        })
        .count();
    assert!(packs <= 33, "{packs}");
    let tips = std::fs::read_dir(store.join("refs/gitops"))
        .unwrap()
        .count();
    assert!(tips < 55, "{tips}");
    // What somebody holds is still whole, even the parts never read before.
    for n in 0..20 {
        assert!(held.read(&format!("files/{n}")).unwrap().is_some());
    }
    assert_eq!(&held.read("counter").unwrap().unwrap()[..], b"0\n");
    // Git finds nothing wrong with the store.
    git(&store, &["fsck", "--full"]);
    // What was dropped is fetched again.
    for revision in &revisions {
        let tree = source.tree(revision).await.unwrap();
        assert!(tree.read("counter").unwrap().is_some());
    }
    git(&store, &["fsck", "--full"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_stays_within_its_bytes() {
    let world = World::new();
    let repo = world.repository("repo");
    let bare = {
        repo.write("small", "x\n");
        repo.commit("first");
        publish(&repo.path, &world.path("srv"), "repo.git")
    };
    let server = Server::start(&world.path("srv")).await;
    const BUDGET: u64 = 400_000;
    let source = world
        .provider()
        .store_size(BUDGET)
        .build()
        .open_url(&server.url("repo.git"))
        .await
        .unwrap();
    let mut state = 7_u32;
    let mut held = Vec::new();
    for round in 0..12 {
        // A hundred thousand bytes that do not compress, another time each.
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(100_000)
        .collect();
        repo.write("noise", &noise);
        repo.commit("next");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        let revision = source.resolve(&"main".into()).await.unwrap();
        let tree = source.tree(&revision).await.unwrap();
        assert_eq!(&tree.read("noise").unwrap().unwrap()[..], &noise[..]);
        if round == 0 {
            held.push((tree, noise));
        }
    }
    let store = std::fs::read_dir(world.path("cache"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("objects").exists())
        .unwrap();
    let bytes: u64 = std::fs::read_dir(store.join("objects/pack"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    // The trees that a source keeps at hand are in use too: five of them here.
    assert!(bytes < BUDGET + 300_000, "{bytes}");
    let (tree, noise) = &held[0];
    assert_eq!(&tree.read("noise").unwrap().unwrap()[..], &noise[..]);
    git(&store, &["fsck", "--full"]);
}
