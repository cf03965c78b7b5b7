//! Git as a source, beside the `git` command and go-git, on the same repository in the same run:
//! 5,000 files, 200 commits, served by `git http-backend` on loopback by a process of its own. Every
//! tool runs as a process of its own too, so that its processor time can be told. Prints one table.
//!
//! The go-git peer is `benches/peers/git`; build it with `go build -o ../../../target/peers/git .` in that folder and
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
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gitops_core::source::{FileTree, RevisionSpec};
use gitops_git::GitProvider;
use server::{Server, publish};
use world::{Repo, SystemClock, World, git, git_command};

const FILES: usize = 5_000;
const COMMITS: usize = 200;
const ROUNDS: usize = 15;
const POLLS: u32 = 100;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match args.as_slice() {
        ["serve", root] => runtime.block_on(serve(Path::new(root))),
        ["fetch", url, cache] => {
            let started = Instant::now();
            let provider = provider(Path::new(cache));
            runtime.block_on(fetch(&provider, url));
            println!("{:.6}", started.elapsed().as_secs_f64());
        }
        ["polls", url, cache] => runtime.block_on(polls(url, Path::new(cache))),
        ["idle", url, cache] => runtime.block_on(idle(url, Path::new(cache))),
        _ => runtime.block_on(compare()),
    }
}

/// Serves until its input ends; a line asks how many requests there were, and how many of them listed or fetched.
async fn serve(root: &Path) {
    let server = Server::start(root).await;
    println!("{}", server.url(""));
    tokio::task::block_in_place(|| {
        for line in std::io::stdin().lock().lines() {
            let Ok(_) = line else { return };
            let log = server.take_log();
            let posts = log.iter().filter(|seen| seen.method == "POST").count();
            println!("{} {posts}", log.len());
        }
    });
}

fn provider(cache: &Path) -> GitProvider {
    GitProvider::builder(cache, Arc::new(SystemClock))
        .refresh_interval(Duration::ZERO)
        .build()
}

async fn fetch(provider: &GitProvider, url: &str) {
    let source = provider.open_url(url).await.unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    let tree = source.tree(&revision).await.unwrap();
    assert_eq!(tree.list("apps").unwrap().len(), FILES / 50);
}

/// Polls a remote that does not change, and prints the time and processor time of one.
async fn polls(url: &str, cache: &Path) {
    let provider = provider(cache);
    fetch(&provider, url).await;
    let (started, before) = (Instant::now(), own_processor_time());
    for _ in 0..POLLS {
        fetch(&provider, url).await;
    }
    let polls = f64::from(POLLS);
    println!(
        "{:.6} {:.6}",
        started.elapsed().as_secs_f64() / polls,
        (own_processor_time() - before) / polls
    );
}

/// Fetches, reads every file once, and prints the memory before, after, and once nothing happens any more.
async fn idle(url: &str, cache: &Path) {
    let before = resident();
    let provider = provider(cache);
    let source = provider.open_url(url).await.unwrap();
    let revision = source.resolve(&RevisionSpec::head()).await.unwrap();
    let tree = source.tree(&revision).await.unwrap();
    let fetched = resident();
    for dir in tree.list("apps").unwrap() {
        for file in tree.list(&format!("apps/{}", dir.name)).unwrap() {
            let path = format!("apps/{}/{}", dir.name, file.name);
            assert!(tree.read(&path).unwrap().is_some());
        }
    }
    let read = resident();
    drop(tree);
    tokio::time::sleep(Duration::from_secs(12)).await;
    println!("{before} {fetched} {read} {}", resident());
}

/// KiB of memory in use.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Seconds of processor time: this process's own, and those of its children that ended. The kernel tells them in
/// hundredths, so they are taken over many rounds.
fn processor_times() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = stat[stat.rfind(')').unwrap() + 2..]
        .split(' ')
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    (
        (fields[11] + fields[12]) / 100.0,
        (fields[13] + fields[14]) / 100.0,
    )
}

fn own_processor_time() -> f64 {
    processor_times().0
}

/// The server, as another process.
struct Remote {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    base: String,
}

impl Remote {
    fn start(root: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .arg(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ask = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut base = String::new();
        answers.read_line(&mut base).unwrap();
        Self {
            child,
            ask,
            answers,
            base: base.trim().to_owned(),
        }
    }

    /// Requests since the last question: all, and those that listed or fetched.
    fn requests(&mut self) -> (usize, usize) {
        self.ask.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let (all, posts) = line.trim().split_once(' ').unwrap();
        (all.parse().unwrap(), posts.parse().unwrap())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn compare() {
    let world = World::new();
    let repo = sample(&world);
    let root = world.path("srv");
    let bare = publish(&repo.path, &root, "repo.git");
    let mut remote = Remote::start(&root);
    let url = format!("{}repo.git", remote.base);
    let peer = std::env::var("GITOPS_PEER_GIT").ok();
    let us = std::env::current_exe().unwrap().display().to_string();

    let mut table = Table::default();
    let mut first = (0, 0);
    let mut update = (0, 0);
    let mut poll = (0, 0);
    for round in 0..ROUNDS {
        let [ours, theirs, gone, checked] = ["ours", "git", "go", "go-files"]
            .map(|name| world.path(&format!("{name}-{round}")).display().to_string());
        remote.requests();
        table.run("first shallow fetch", 0, || {
            own_time(&us, &["fetch", &url, &ours])
        });
        first = remote.requests();
        table.run("first shallow fetch", 1, || {
            git_clone(Path::new(&theirs), &url)
        });
        if let Some(peer) = &peer {
            table.run("first shallow fetch", 2, || {
                own_time(peer, &["clone-bare", &url, &gone])
            });
            table.run("first shallow fetch", 3, || {
                own_time(peer, &["clone", &url, &checked])
            });
        }
        repo.write("apps/7/file-7.yaml", format!("round: {round}\n"));
        repo.commit("one file");
        repo.git(&["push", "-q", &bare.display().to_string(), "main"]);
        for (row, seen) in [
            ("update of one file", &mut update),
            ("poll, nothing changed", &mut poll),
        ] {
            remote.requests();
            table.run(row, 0, || own_time(&us, &["fetch", &url, &ours]));
            *seen = remote.requests();
            table.run(row, 1, || git_fetch(Path::new(&theirs)));
            if let Some(peer) = &peer {
                table.run(row, 2, || own_time(peer, &["fetch", &gone]));
                table.run(row, 3, || own_time(peer, &["fetch", &checked]));
            }
        }
    }
    table.print();
    println!(
        "requests: first fetch {}, update {}, poll {}",
        first.0, update.0, poll.0
    );

    let cache = world.path("polls").display().to_string();
    let line = output(&us, &["polls", &url, &cache]);
    let (wall, processor) = line.split_once(' ').unwrap();
    let milliseconds = |text: &str| text.parse::<f64>().unwrap() * 1e3;
    println!(
        "a poll inside a process that runs: {:.1} ms, of which {:.2} ms are its own processor time",
        milliseconds(wall),
        milliseconds(processor)
    );
    let cache = world.path("idle").display().to_string();
    let memory: Vec<f64> = output(&us, &["idle", &url, &cache])
        .split(' ')
        .map(|text| text.parse::<f64>().unwrap() / 1024.0)
        .collect();
    println!(
        "resident memory in MiB: {:.1} before, {:.1} after the fetch, {:.1} after reading every file, {:.1} idle",
        memory[0], memory[1], memory[2], memory[3]
    );

    // A thousand applications on fifty remotes, in one round.
    for n in 0..50 {
        std::os::unix::fs::symlink("repo.git", root.join(format!("r{n}.git"))).unwrap();
    }
    let provider = GitProvider::builder(world.path("many"), Arc::new(SystemClock))
        .refresh_interval(Duration::from_secs(180))
        .build();
    remote.requests();
    let started = Instant::now();
    futures::future::join_all((0..1000).map(|n| {
        let provider = provider.clone();
        let url = format!("{}r{}.git", remote.base, n % 50);
        async move {
            let source = provider.open_url(&url).await.unwrap();
            source.resolve(&RevisionSpec::head()).await.unwrap();
        }
    }))
    .await;
    let time = started.elapsed();
    println!(
        "1,000 applications on 50 remotes: {} listings, {:.0} ms",
        remote.requests().1,
        time.as_secs_f64() * 1e3
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
    let branch = "+refs/heads/main:refs/heads/main";
    git(dir, &["fetch", "-q", "--depth", "1", "origin", branch]);
    started.elapsed()
}

/// The time that a program says it took, from the start of its `main`.
fn own_time(program: &str, args: &[&str]) -> Duration {
    Duration::from_secs_f64(output(program, args).parse().unwrap())
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const COLUMNS: [&str; 4] = ["gitops-git", "git", "go-git bare", "go-git"];

#[derive(Default)]
struct Table {
    rows: Vec<(&'static str, [(Vec<Duration>, f64); 4])>,
}

impl Table {
    fn run(&mut self, row: &'static str, column: usize, work: impl FnOnce() -> Duration) {
        if !self.rows.iter().any(|(name, _)| *name == row) {
            self.rows.push((row, Default::default()));
        }
        let (_, cells) = self.rows.iter_mut().find(|(name, _)| *name == row).unwrap();
        let before = processor_times().1;
        cells[column].0.push(work());
        cells[column].1 += processor_times().1 - before;
    }

    fn print(&mut self) {
        print!("{:<24}", "");
        for column in COLUMNS {
            print!("{column:>20}");
        }
        println!("   (ms: median of {ROUNDS}, processor time of one)");
        for (name, cells) in &mut self.rows {
            print!("{name:<24}");
            for (times, processor) in cells {
                times.sort();
                match times.get(times.len() / 2) {
                    Some(time) => print!(
                        "{:>20}",
                        format!(
                            "{:.1} ({:.1})",
                            time.as_secs_f64() * 1e3,
                            *processor * 1e3 / times.len() as f64
                        )
                    ),
                    None => print!("{:>20}", "-"),
                }
            }
            println!();
        }
    }
}
