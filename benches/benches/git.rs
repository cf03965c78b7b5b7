//! Git as a source, beside the `git` command and go-git, on the same repository in the same run:
//! 5,000 files, 200 commits, served by `git http-backend` on loopback. Prints one table.
//!
//! The go-git peer is `benches/peers/git`; build it with `go build -o target/peers/git .` in that folder and
//! name the binary in `GITOPS_PEER_GIT`, or go without.
#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::type_complexity,
    clippy::print_stdout
)]

#[path = "../../gitops-git/tests/it/server.rs"]
mod server;
#[path = "../../gitops-git/tests/it/world.rs"]
mod world;

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use gitops_core::source::{FileTree, RevisionSpec};
use gitops_git::GitProvider;
use server::{Server, publish};
use world::{Repo, World, git, git_command};

const FILES: usize = 5_000;
const COMMITS: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(run());
}

async fn run() {
    let world = World::new();
    let repo = sample(&world);
    let root = world.path("srv");
    let bare = publish(&repo.path, &root, "repo.git");
    let server = Server::start(&root).await;
    let url = server.url("repo.git");
    let peer = std::env::var("GITOPS_PEER_GIT").ok();

    let mut table = Table::default();
    for round in 0..ROUNDS {
        let provider = fresh(&world, &format!("ours-{round}"));
        let theirs = world.path(&format!("git-{round}"));
        let gone = world.path(&format!("go-{round}"));

        table.ours("first shallow fetch", fetch(&provider, &url).await);
        table.git("first shallow fetch", git_clone(&theirs, &url));
        if let Some(peer) = &peer {
            let args = ["clone", &url, &gone.display().to_string()];
            table.go("first shallow fetch", go_git(peer, &args));
        }

        repo.write("apps/7/file-7.yaml", format!("round: {round}\n"));
        repo.commit("one file");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        table.ours("update of one file", fetch(&provider, &url).await);
        table.git("update of one file", git_fetch(&theirs));
        if let Some(peer) = &peer {
            table.go(
                "update of one file",
                go_git(peer, &["fetch", &gone.display().to_string()]),
            );
        }

        server.take_log();
        table.ours("poll, nothing changed", fetch(&provider, &url).await);
        table.requests = server.take_log().len();
        table.git("poll, nothing changed", git_fetch(&theirs));
        if let Some(peer) = &peer {
            table.go(
                "poll, nothing changed",
                go_git(peer, &["fetch", &gone.display().to_string()]),
            );
        }
    }
    table.print();

    // A thousand applications on fifty remotes, in one round.
    for n in 0..50 {
        std::os::unix::fs::symlink("repo.git", root.join(format!("r{n}.git"))).unwrap();
    }
    let provider =
        GitProvider::builder(world.path("many"), std::sync::Arc::new(world::SystemClock))
            .refresh_interval(Duration::from_secs(180))
            .build();
    server.take_log();
    let started = Instant::now();
    futures::future::join_all((0..1000).map(|n| {
        let provider = provider.clone();
        let url = server.url(&format!("r{}.git", n % 50));
        async move {
            let source = provider.open_url(&url).await.unwrap();
            source.resolve(&RevisionSpec::head()).await.unwrap();
        }
    }))
    .await;
    let lists = server
        .take_log()
        .iter()
        .filter(|seen| seen.method == "POST")
        .count();
    println!(
        "1,000 applications on 50 remotes: {lists} listings, {:.0} ms",
        started.elapsed().as_secs_f64() * 1e3
    );
}

fn sample(world: &World) -> Repo {
    let repo = world.repository("repo");
    for n in 0..FILES {
        let text = format!("# file {n}\nname: app-{n}\nimage: registry.example.org/{n}:1.0\n")
            .repeat(1 + n % 20);
        repo.write(&format!("apps/{}/file-{n}.yaml", n / 50), text);
    }
    repo.commit("all files");
    for n in 1..COMMITS {
        repo.write(
            &format!("apps/{}/file-{}.yaml", n % 100, n % 100 * 50),
            format!("commit: {n}\n"),
        );
        repo.commit("a change");
    }
    git(&repo.path, &["repack", "-adq"]);
    repo
}

fn fresh(world: &World, cache: &str) -> GitProvider {
    GitProvider::builder(world.path(cache), std::sync::Arc::new(world::SystemClock))
        .refresh_interval(Duration::ZERO)
        .build()
}

async fn fetch(provider: &GitProvider, url: &str) -> Duration {
    let started = Instant::now();
    let source = provider.open_url(url).await.unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    let tree = source.tree(&revision).await.unwrap();
    assert_eq!(tree.list("apps").unwrap().len(), FILES / 50);
    started.elapsed()
}

fn git_clone(dir: &Path, url: &str) -> Duration {
    let started = Instant::now();
    let status = git_command(Path::new("/"))
        .args(["clone", "-q", "--bare", "--depth", "1", url])
        .arg(dir)
        .status()
        .unwrap();
    assert!(status.success());
    started.elapsed()
}

fn git_fetch(dir: &Path) -> Duration {
    let started = Instant::now();
    git(
        dir,
        &[
            "fetch",
            "-q",
            "--depth",
            "1",
            "origin",
            "+refs/heads/main:refs/heads/main",
        ],
    );
    started.elapsed()
}

fn go_git(peer: &str, args: &[&str]) -> Duration {
    let output = Command::new(peer).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seconds: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    Duration::from_secs_f64(seconds)
}

#[derive(Default)]
struct Table {
    rows: Vec<(&'static str, [Vec<Duration>; 3])>,
    requests: usize,
}

impl Table {
    fn add(&mut self, row: &'static str, column: usize, time: Duration) {
        if !self.rows.iter().any(|(name, _)| *name == row) {
            self.rows.push((row, Default::default()));
        }
        let (_, cells) = self.rows.iter_mut().find(|(name, _)| *name == row).unwrap();
        cells[column].push(time);
    }

    fn ours(&mut self, row: &'static str, time: Duration) {
        self.add(row, 0, time);
    }

    fn git(&mut self, row: &'static str, time: Duration) {
        self.add(row, 1, time);
    }

    fn go(&mut self, row: &'static str, time: Duration) {
        self.add(row, 2, time);
    }

    fn print(&mut self) {
        println!(
            "{:<24}{:>12}{:>12}{:>12}   (median of {ROUNDS}, ms)",
            "", "gitops-git", "git", "go-git"
        );
        for (name, cells) in &mut self.rows {
            print!("{name:<24}");
            for times in cells {
                times.sort();
                match times.get(times.len() / 2) {
                    Some(time) => print!("{:>12.1}", time.as_secs_f64() * 1e3),
                    None => print!("{:>12}", "-"),
                }
            }
            println!();
        }
        println!("requests of a poll: {}", self.requests);
    }
}
