//! Trees: equal to what `git archive` writes, compared with each other, hostile ones.

use std::collections::BTreeMap;

use gitops_core::source::{EntryKind, FileTree, Revision, RevisionSpec, TreeError};
use gitops_core::{Classified, ErrorClass};
use gitops_git::{Change, ChangeKind, GitTree, Limits};
use proptest::prelude::*;

use crate::{
    server::{Server, publish},
    world::{Repo, World, git_output},
};

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn open(world: &World, url: &str, spec: &str) -> GitTree {
    let source = world.provider().build().open_url(url).await.unwrap();
    let revision = source.resolve(&RevisionSpec::from(spec)).await.unwrap();
    source.tree(&revision).await.unwrap()
}

pub(crate) fn walk(tree: &dyn FileTree, dir: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in tree.list(dir).unwrap() {
        let path = if dir.is_empty() {
            entry.name
        } else {
            format!("{dir}/{}", entry.name)
        };
        match entry.kind {
            EntryKind::Directory => walk(tree, &path, files),
            EntryKind::File => {
                files.insert(path.clone(), tree.read(&path).unwrap().unwrap().to_vec());
            }
        }
    }
}

/// The files that `git archive` writes, by its own tar.
fn archive(repo: &Repo, commit: &str) -> BTreeMap<String, Vec<u8>> {
    let tar = git_output(&repo.path, &["archive", "--format=tar", commit]).stdout;
    let mut files = BTreeMap::new();
    let mut at = 0;
    let mut long: Option<String> = None;
    while at + 512 <= tar.len() && tar[at] != 0 {
        let header = &tar[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            let bytes = &header[range];
            let end = bytes
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let size = usize::from_str_radix(text(124..136).trim(), 8).unwrap();
        let content = tar[at + 512..at + 512 + size].to_vec();
        let prefix = text(345..500);
        let name = match (long.take(), prefix.is_empty()) {
            (Some(name), _) => name,
            (None, true) => text(0..100),
            (None, false) => format!("{prefix}/{}", text(0..100)),
        };
        match header[156] {
            b'0' | 0 => {
                files.insert(name, content);
            }
            b'x' => {
                let records = String::from_utf8_lossy(&content).into_owned();
                long = records
                    .lines()
                    .find_map(|line| line.split_once(" path=").map(|(_, path)| path.to_owned()));
            }
            _ => {}
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_equals_the_archive_of_its_commit(
        files in proptest::collection::btree_map(
            proptest::collection::vec("[a-zA-Zäß .+~-]{1,12}", 1..4).prop_map(|parts| parts.join("/")),
            proptest::collection::vec(any::<u8>(), 0..300),
            1..20,
        )
    ) {
        let world = World::new();
        let repo = world.repository("repo");
        let mut kept = 0;
        for (path, content) in &files {
            let usable = path.split('/').all(|part| !part.trim_matches('.').is_empty())
                && !path.to_ascii_lowercase().contains(".git");
            let file = repo.path.join(path);
            // A name that is file and directory at once cannot be made.
            if usable && std::fs::create_dir_all(file.parent().unwrap()).is_ok() && !file.is_dir() {
                std::fs::write(file, content).unwrap();
                kept += 1;
            }
        }
        prop_assume!(kept > 0);
        let commit = repo.commit("x");
        let expected = archive(&repo, &commit);
        publish(&repo.path, &world.path("srv"), "repo.git");
        let (local, remote) = block(async {
            let server = Server::start(&world.path("srv")).await;
            let local = open(&world, &repo.url(), "HEAD").await;
            let remote = open(&world, &server.url("repo.git"), "HEAD").await;
            (local, remote)
        });
        for tree in [local, remote] {
            let mut found = BTreeMap::new();
            walk(&tree, "", &mut found);
            prop_assert_eq!(&found, &expected);
        }
    }
}

#[tokio::test]
async fn changes_between_revisions() {
    let world = World::new();
    let repo = world.repository("repo");
    for n in 0..20 {
        repo.write(&format!("apps/{n}/values.yaml"), format!("n: {n}\n"));
    }
    repo.write("thing", "a file");
    repo.write("gone/a", "a");
    repo.commit("one");
    let old = open(&world, &repo.url(), "HEAD").await;
    repo.write("apps/7/values.yaml", "n: seven\n");
    repo.write("apps/8/extra.yaml", "x: 1\n");
    std::fs::remove_file(repo.path.join("thing")).unwrap();
    repo.write("thing/is-a/directory", "now");
    std::fs::remove_dir_all(repo.path.join("gone")).unwrap();
    repo.commit("two");
    let new = open(&world, &repo.url(), "HEAD").await;
    let change = |path: &str, kind| Change {
        path: path.to_owned(),
        kind,
    };
    assert_eq!(
        new.changes_since(&old).unwrap(),
        [
            change("apps/7/values.yaml", ChangeKind::Modified),
            change("apps/8/extra.yaml", ChangeKind::Added),
            change("gone/a", ChangeKind::Removed),
            change("thing", ChangeKind::Removed),
            change("thing/is-a/directory", ChangeKind::Added),
        ]
    );
    assert!(new.changes_since(&new).unwrap().is_empty());
}

pub(crate) fn entry(mode: &str, name: &str, id: &str) -> Vec<u8> {
    let mut bytes = format!("{mode} {name}\0").into_bytes();
    bytes.extend((0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()));
    bytes
}

#[tokio::test]
async fn hostile_trees_are_errors() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a", "a");
    repo.commit("x");
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    let missing = "ffffffffffffffffffffffffffffffffffffffff";
    let bad = |names: &[(&str, &str, &str)]| -> String {
        let content: Vec<u8> = names
            .iter()
            .flat_map(|(mode, name, id)| entry(mode, name, id))
            .collect();
        let tree = repo.raw_object("tree", &content);
        repo.commit_tree(&tree)
    };
    for (names, word) in [
        (vec![("100644", "..", blob.as_str())], "`..`"),
        (vec![("100644", "../x", &blob)], "`../x`"),
        (vec![("40000", ".git", &blob)], "`.git`"),
        (vec![("40000", ".GIT", &blob)], "`.GIT`"),
        (vec![("40000", ".git. .", &blob)], "`.git. .`"),
        (vec![("40000", "GIT~1", &blob)], "`GIT~1`"),
        (vec![("40000", ".git::$INDEX_ALLOCATION", &blob)], "`.git::"),
        (vec![("40000", ".g\u{200c}it", &blob)], "forbidden name"),
        (vec![("100644", "a/b", &blob)], "`a/b`"),
        (vec![("100644", "", &blob)], "cannot be read"),
        (
            vec![("100644", "a", &blob), ("100644", "a", &blob)],
            "two entries",
        ),
        (vec![("40000", "dir", &blob)], "not a directory"),
        (vec![("40000", "dir", missing)], "missing"),
        (vec![("100644", "dir", missing)], "missing"),
    ] {
        let commit = bad(&names);
        let tree = open(&world, &repo.url(), &commit).await;
        let error = tree
            .list("")
            .and_then(|_| tree.list("dir"))
            .and_then(|_| tree.read("dir"))
            .expect_err(word);
        assert!(matches!(error, TreeError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    // Names that differ in case only are fine where nothing is checked out.
    let commit = bad(&[("100644", "A", &blob), ("100644", "a", &blob)]);
    let tree = open(&world, &repo.url(), &commit).await;
    assert_eq!(tree.list("").unwrap().len(), 2);

    // More entries than a directory may have.
    let many: Vec<u8> = (0..200)
        .flat_map(|n| entry("100644", &format!("file-{n:04}"), &blob))
        .collect();
    let commit = repo.commit_tree(&repo.raw_object("tree", &many));
    let mut limits = Limits::default();
    limits.directory_entries = 199;
    let source = world
        .provider()
        .limits(limits)
        .build()
        .open_url(&repo.url())
        .await
        .unwrap();
    let tree = source.tree(&Revision::new(commit)).await.unwrap();
    let error = tree.list("").unwrap_err();
    assert!(error.to_string().contains("directory entries"), "{error}");

    // A tree that is deeper than any path may be.
    let mut id = repo.raw_object("tree", &entry("100644", "leaf", &blob));
    for _ in 0..3000 {
        id = deeper(&repo, &id);
    }
    let commit = repo.commit_tree(&id);
    let tree = open(&world, &repo.url(), &commit).await;
    let mut path = String::from("d");
    let error = loop {
        match tree.list(&path) {
            Ok(entries) => assert_eq!(entries.len(), 1),
            Err(error) => break error,
        }
        path.push_str("/d");
    };
    assert!(matches!(error, TreeError::LimitExceeded { .. }), "{error}");
    assert!(tree.id("").unwrap().is_some(), "which needs no walk");
}

#[tokio::test]
async fn trees_that_unfold_without_end_are_refused() {
    let world = World::new();
    let repo = world.repository("repo");
    repo.write("a", "a");
    repo.commit("x");
    let blob = repo.git(&["rev-parse", "HEAD:a"]);
    // Thirty objects, ten times each: more files than there are atoms in a room.
    let mut id = repo.raw_object("tree", &entry("100644", "leaf", &blob));
    for _ in 0..30 {
        let wide: Vec<u8> = (0..10)
            .flat_map(|n| entry("40000", &format!("d{n}"), &id))
            .collect();
        id = repo.raw_object("tree", &wide);
    }
    let first = open(&world, &repo.url(), &repo.commit_tree(&id)).await;
    let refused = |error: TreeError| {
        assert!(matches!(error, TreeError::LimitExceeded { .. }), "{error}");
        assert!(error.to_string().contains("entries of a tree"), "{error}");
    };
    refused(first.list("").unwrap_err());
    // A name inside it is found all the same, and so is what ends soon enough.
    let deep = vec!["d3"; 30].join("/");
    assert_eq!(
        &first.read(&format!("{deep}/leaf")).unwrap().unwrap()[..],
        b"a"
    );
    assert_eq!(first.list(&vec!["d3"; 27].join("/")).unwrap().len(), 10);
    let empty = open(
        &world,
        &repo.url(),
        &repo.commit_tree(&repo.raw_object("tree", b"")),
    )
    .await;
    refused(first.changes_since(&empty).unwrap_err());
    refused(empty.changes_since(&first).unwrap_err());

    // The same by links: eleven directories, each with a hundred links to the next.
    std::fs::remove_file(repo.path.join("a")).unwrap();
    for n in 0..11 {
        repo.write(&format!("l{n}/file"), "x");
        for k in 0..100 {
            repo.link(&format!("l{n}/{k}"), &format!("../l{}", n + 1));
        }
    }
    let commit = repo.commit("links");
    let linked = open(&world, &repo.url(), &commit).await;
    refused(linked.list("l0").unwrap_err());
    refused(linked.id("").unwrap_err());
    assert_eq!(linked.list("l9").unwrap().len(), 101);
    assert!(linked.read("l0/1/2/3/4/file").unwrap().is_some());

    // Links round in a circle, each a harmless one.
    let circle = world.repository("circle");
    for (a, b) in [("a", "b"), ("b", "c"), ("c", "a")] {
        circle.write(&format!("{a}/file"), "x");
        circle.link(&format!("{a}/next"), &format!("../{b}"));
    }
    circle.commit("x");
    let tree = open(&world, &circle.url(), "HEAD").await;
    let (mut todo, mut seen) = (vec![String::new()], 0);
    while let Some(dir) = todo.pop() {
        for entry in tree.list(&dir).unwrap() {
            seen += 1;
            if entry.kind == EntryKind::Directory {
                todo.push(
                    format!("{dir}/{}", entry.name)
                        .trim_start_matches('/')
                        .to_owned(),
                );
            }
        }
    }
    assert!((9..100).contains(&seen), "{seen}");
    assert!(tree.id("").unwrap().is_some());
}

/// Writes the object without starting a program: thousands of them are needed.
fn deeper(repo: &Repo, id: &str) -> String {
    use std::io::Write as _;
    let content = entry("40000", "d", id);
    let mut object = format!("tree {}\0", content.len()).into_bytes();
    object.extend_from_slice(&content);
    let name = sha1_hex(&object);
    // A stored (not compressed) zlib stream.
    let mut stream = vec![0x78, 0x01, 0x01];
    let length = u16::try_from(object.len()).unwrap();
    stream.extend_from_slice(&length.to_le_bytes());
    stream.extend_from_slice(&(!length).to_le_bytes());
    stream.extend_from_slice(&object);
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in &object {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    stream.extend_from_slice(&((b << 16) | a).to_be_bytes());
    let dir = repo.path.join(".git/objects").join(&name[..2]);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::File::create(dir.join(&name[2..]))
        .unwrap()
        .write_all(&stream)
        .unwrap();
    name
}

fn sha1_hex(data: &[u8]) -> String {
    use sha1::Digest as _;
    sha1::Sha1::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn blob_id(content: &[u8]) -> String {
    sha1_hex(&[format!("blob {}\0", content.len()).as_bytes(), content].concat())
}

/// A pack of a blob, and of a delta that repeats it.
fn pack_with_delta(base: &[u8], times: usize) -> Vec<u8> {
    use sha1::Digest as _;
    use std::io::Write as _;
    let header = |kind: u8, mut size: usize| {
        let mut bytes = vec![(kind << 4) | (size & 15) as u8];
        size >>= 4;
        while size > 0 {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push((size & 0x7f) as u8);
            size >>= 7;
        }
        bytes
    };
    let number = |mut size: usize| {
        let mut bytes = Vec::new();
        while size >= 0x80 {
            bytes.push((size & 0x7f) as u8 | 0x80);
            size >>= 7;
        }
        bytes.push(size as u8);
        bytes
    };
    let compressed = |data: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    let mut delta = number(base.len());
    delta.extend(number(base.len() * times));
    for _ in 0..times {
        // Copies from the start; three bytes say how much.
        delta.push(0xf0);
        delta.extend_from_slice(&u32::try_from(base.len()).unwrap().to_le_bytes()[..3]);
    }
    let mut pack = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
    pack.extend(header(3, base.len()));
    pack.extend(compressed(base));
    pack.extend(header(7, delta.len()));
    let id = blob_id(base);
    pack.extend((0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()));
    pack.extend(compressed(&delta));
    let sum = sha1::Sha1::digest(&pack);
    pack.extend_from_slice(&sum);
    pack
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packs_that_explode_are_refused() {
    let world = World::new();
    let repo = world.repository("repo");
    // Compresses a thousand times; the other is a delta that says a hundred times what is in its base.
    repo.write("bomb", vec![0_u8; 20 << 20]);
    repo.commit("x");
    publish(&repo.path, &world.path("srv"), "repo.git");
    let deltas = world.repository("deltas");
    let base: Vec<u8> = b"0123456789abcdef".repeat(10_000);
    let bomb = base.repeat(100);
    let pack = pack_with_delta(&base, 100);
    assert!(pack.len() * 1000 < bomb.len(), "{}", pack.len());
    std::fs::write(deltas.path.join("../deltas.pack"), pack).unwrap();
    let indexed = crate::world::git_command(&deltas.path)
        .args(["index-pack", "--stdin"])
        .stdin(std::fs::File::open(deltas.path.join("../deltas.pack")).unwrap())
        .output()
        .unwrap();
    assert!(indexed.status.success(), "{indexed:?}");
    let mut tree = entry("100644", "base", &blob_id(&base));
    tree.extend(entry("100644", "bomb", &blob_id(&bomb)));
    deltas.commit_tree(&deltas.raw_object("tree", &tree));
    publish(&deltas.path, &world.path("srv"), "deltas.git");
    let server = Server::start(&world.path("srv")).await;
    for name in ["repo.git", "deltas.git"] {
        let source = world
            .provider()
            .limits(Limits::default().object_size(1 << 20))
            .build()
            .open_url(&server.url(name))
            .await
            .unwrap();
        let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
        match source.tree(&revision).await {
            Err(error) => {
                assert!(error.to_string().contains("object size"), "{name}: {error}");
                assert_eq!(error.class(), ErrorClass::Invalid, "{name}: {error}");
            }
            Ok(tree) => {
                let error = tree.read("bomb").unwrap_err();
                assert!(error.to_string().contains("bomb"), "{name}: {error}");
            }
        }
    }
}
