//! Charts through our renderer and through Helm's SDK, both on one thread, to the text that
//! `helm template` prints.
//!
//! `cargo bench -p gitops-benches --bench helm [-- WORD]` runs the comparisons whose name contains
//! WORD. Charts come from the corpus (`GITOPS_CORPUS`, or beside the workspace). The peer needs a Go
//! toolchain. Each measurement is a process of its own that prints its processor time and its peak
//! of memory.

#![allow(clippy::print_stdout, reason = "a bench reports what it measured")]

mod charts;

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gitops_benches::{processor_time, status_kib};
use gitops_core::source::{EntryKind, FileTree, MemoryTree};
use gitops_render::{
    helm::{
        Chart, Helm, Output, PreparedChart, PrintOptions, Profile, Release, RenderOptions, Values,
    },
    tree::DirTree,
};
use serde_json::{Value, json};

/// Functions that make keys: their time says nothing about rendering.
const KEY_FUNCTIONS: [&str; 6] = [
    "genCA",
    "genSelfSignedCert",
    "genSignedCert",
    "genPrivateKey",
    "htpasswd",
    "derivePassword",
];

/// Runs of both sides that are compared, one after the other.
const RUNS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    if let [run, mode, rounds] = arguments.as_slice()
        && run == "measure"
    {
        measure(mode, rounds.parse().expect("a number of rounds"));
        return;
    }
    let word = arguments.first().map_or("", String::as_str);
    let corpus = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let peer = Peer::build();
    let all = rendered_charts(&corpus.join("helm/charts"));
    if all.is_empty() {
        println!("no charts below {}", corpus.display());
        return;
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let operator = charts::operator(&corpus.join("seed"), scratch);
    let sets = [
        ("charts", all, (10, 3)),
        ("operator", operator.into_iter().collect(), (200, 10)),
        ("heavy", vec![charts::heavy(scratch)], (20, 2)),
    ];
    for (name, charts, rounds) in &sets {
        for mode in ["memory", "disk", "again", "parsed"] {
            let title = format!("{name}/{mode}");
            if title.contains(word) {
                if mode == "memory" {
                    check(name, charts, &peer);
                }
                compare(&title, mode, *rounds, charts, &peer);
            }
        }
        let title = format!("{name}/threads");
        if title.contains(word) {
            threads(&title, charts);
        }
    }
}

/// Helm's SDK.
struct Peer(Option<PathBuf>);

impl Peer {
    fn build() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/helm");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm-peer");
        let built = Command::new("go")
            .current_dir(source)
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .status();
        let is_built = built.is_ok_and(|status| status.success());
        if !is_built {
            println!("Helm's SDK is not measured: its program could not be built");
        }
        Self(is_built.then_some(program))
    }
}

/// What a process reports of itself.
fn run(command: &mut Command, charts: &[PathBuf]) -> Option<Value> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut list = String::new();
    for chart in charts {
        list.push_str(&chart.to_string_lossy());
        list.push('\n');
    }
    child.stdin.take()?.write_all(list.as_bytes()).ok()?;
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    child.wait().ok()?;
    serde_json::from_str(&text).ok()
}

fn ours(mode: &str, rounds: usize, charts: &[PathBuf]) -> Option<Value> {
    let program = std::env::current_exe().ok()?;
    let rounds = rounds.to_string();
    run(
        Command::new(program).args(["measure", mode, &rounds]),
        charts,
    )
}

fn helms(peer: &Peer, mode: &str, rounds: usize, charts: &[PathBuf]) -> Option<Value> {
    let mut command = Command::new(peer.0.as_ref()?);
    run(command.args([mode, &rounds.to_string()]), charts)
}

/// Processor time of a round and peak of memory of both sides, with their ratios. Of several runs
/// the least counts.
fn compare(title: &str, mode: &str, rounds: (usize, usize), charts: &[PathBuf], peer: &Peer) {
    let number =
        |report: &Option<Value>, key: &str| report.as_ref().and_then(|report| report[key].as_f64());
    let (mut least, mut helms_least) = (f64::INFINITY, f64::INFINITY);
    let (mut peak, mut helms_peak, mut bytes) = (0.0, 0.0, 0.0);
    for _ in 0..RUNS {
        let report = ours(mode, rounds.0, charts);
        least = least.min(number(&report, "milliseconds").unwrap_or(f64::INFINITY));
        peak = number(&report, "peak_kib").unwrap_or(0.0);
        bytes = number(&report, "bytes").unwrap_or(0.0);
        let report = helms(peer, mode, rounds.1, charts);
        helms_least = helms_least.min(number(&report, "milliseconds").unwrap_or(f64::INFINITY));
        helms_peak = number(&report, "peak_kib").unwrap_or(0.0);
    }
    println!(
        "{title:<16} ours {least:>9.2} ms {:>6.1} MiB | helm {helms_least:>9.2} ms {:>6.1} MiB | {:>5.1} x, memory 1/{:.1} | {:.1} MB of text",
        peak / 1024.0,
        helms_peak / 1024.0,
        helms_least / least,
        helms_peak / peak,
        bytes / 1e6,
    );
}

/// Both sides must print the same.
fn check(name: &str, charts: &[PathBuf], peer: &Peer) {
    let (Some(ours), Some(helms)) = (ours("check", 1, charts), helms(peer, "check", 1, charts))
    else {
        return;
    };
    let mut random = 0;
    let mut different = Vec::new();
    for path in charts {
        let path = path.to_string_lossy();
        if ours[&*path] == json!("random") {
            random += 1;
        } else if ours[&*path] != helms[&*path] {
            different.push(path);
        }
    }
    println!(
        "{name}: {} charts, {random} with random values or times; {} others differ {different:?}",
        charts.len(),
        different.len(),
    );
}

/// Renders all charts on one thread and, twice, on two. Beside the clock, which tells the speed-up
/// only if two processors are idle, the processor time says what the threads cost each other.
fn threads(title: &str, charts: &[PathBuf]) {
    let trees: Vec<MemoryTree> = charts.iter().map(|path| in_memory(path)).collect();
    let helm = Helm::new(Profile::helm_4_3());
    let prepared: Vec<PreparedChart> = trees.iter().map(|tree| prepare(&helm, tree)).collect();
    let rounds = 200 / charts.len() + 4;
    let work = || {
        let start = processor_time();
        for round in 0..rounds {
            for chart in &prepared {
                black_box(again(chart, round));
            }
        }
        processor_time() - start
    };
    let (mut clock_one, mut clock_two) = (Duration::MAX, Duration::MAX);
    let (mut one, mut two) = (Duration::MAX, Duration::MAX);
    work();
    for _ in 0..5 {
        let start = now();
        one = one.min(work());
        clock_one = clock_one.min(start.elapsed());
        let start = now();
        let both = std::thread::scope(|scope| {
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads.map(|thread| thread.join().expect("it does not panic"))
        });
        clock_two = clock_two.min(start.elapsed());
        two = two.min((both[0] + both[1]) / 2);
    }
    let ratio = |a: Duration, b: Duration| 2.0 * a.as_secs_f64() / b.as_secs_f64();
    println!(
        "{title:<16} two threads do {:.2} times the work of one by processor time, {:.2} by the clock",
        ratio(one, two),
        ratio(clock_one, clock_two),
    );
}

/// Runs a mode in this process and prints what it took.
fn measure(mode: &str, rounds: usize) {
    let mut list = String::new();
    std::io::stdin()
        .read_to_string(&mut list)
        .expect("a list of charts");
    let paths: Vec<&Path> = list.lines().map(Path::new).collect();
    let helm = Helm::new(Profile::helm_4_3());
    if mode == "check" {
        let hashes: BTreeMap<_, _> = paths
            .iter()
            .map(|path| (path.to_string_lossy(), hash_of(&helm, path)))
            .collect();
        println!("{}", json!(hashes));
        return;
    }
    let (mut trees, mut prepared) = (Vec::new(), Vec::new());
    for path in &paths {
        match mode {
            "memory" => trees.push(in_memory(path)),
            "again" | "parsed" => prepared.push(prepare(&helm, &in_memory(path))),
            _ => {}
        }
    }
    let mut bytes = 0;
    // The kernel counts in ticks, so that only many rounds together can be measured.
    let start = processor_time();
    for round in 0..rounds {
        bytes = 0;
        for tree in &trees {
            bytes += black_box(text(&helm, tree)).map_or(0, |text| text.len());
        }
        for chart in &prepared {
            let output = again(chart, round);
            if mode == "parsed" {
                for document in output.manifests.iter().chain(&output.hooks) {
                    black_box(document.value());
                }
            }
            bytes += black_box(output.text(&PrintOptions::default())).len();
        }
        if mode == "disk" {
            for path in &paths {
                let tree = DirTree::open(path).expect("the chart was read before");
                bytes += black_box(text(&helm, &tree)).map_or(0, |text| text.len());
            }
        }
    }
    let spent = processor_time() - start;
    println!(
        "{}",
        json!({
            "milliseconds": spent.as_secs_f64() * 1e3 / rounds as f64,
            "peak_kib": status_kib("VmHWM"),
            "bytes": bytes,
        })
    );
}

fn prepare(helm: &Helm, tree: &MemoryTree) -> PreparedChart {
    helm.prepare(Chart::load(tree).expect("the chart was loaded before"))
}

/// Renders with values that no round had before.
fn again(chart: &PreparedChart, round: usize) -> Output {
    let values = Values::parse(&format!("replicaCount: {}\n", round + 2)).expect("a table");
    chart
        .render(&Release::named("rel"), &values, &RenderOptions::default())
        .expect("the chart rendered before")
}

fn output(helm: &Helm, tree: &dyn FileTree) -> Option<Output> {
    let chart = Chart::load(tree).ok()?;
    if !chart.missing_dependencies().is_empty() || chart.is_library() {
        return None;
    }
    helm.render(&chart, &Release::named("rel"), Values::new())
        .ok()
}

fn text(helm: &Helm, tree: &dyn FileTree) -> Option<String> {
    Some(output(helm, tree)?.text(&PrintOptions::default()))
}

/// FNV-1a, which the peer computes too.
fn hash_of(helm: &Helm, path: &Path) -> String {
    let output = DirTree::open(path)
        .ok()
        .and_then(|tree| output(helm, &tree));
    let Some(output) = output else {
        return "failed".to_owned();
    };
    if output
        .warnings
        .iter()
        .any(|w| w.starts_with("templates use"))
    {
        return "random".to_owned();
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in output.text(&PrintOptions::default()).bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// The charts of helm/charts that render with their own values and make no keys.
fn rendered_charts(folder: &Path) -> Vec<PathBuf> {
    let helm = Helm::new(Profile::helm_4_3());
    let mut charts = Vec::new();
    for group in ["helm-stable", "helm-incubator"] {
        for entry in fs::read_dir(folder.join(group)).into_iter().flatten() {
            let Ok(entry) = entry else { continue };
            let tree = in_memory(&entry.path());
            let makes_keys = tree.files().any(|(_, content)| {
                let content = String::from_utf8_lossy(content);
                KEY_FUNCTIONS.iter().any(|name| content.contains(name))
            });
            let other = Values::parse("replicaCount: 2\n").expect("a table");
            if !makes_keys
                && let Ok(chart) = Chart::load(&tree)
                && text(&helm, &tree).is_some()
                && helm.render(&chart, &Release::named("rel"), other).is_ok()
            {
                charts.push(entry.path());
            }
        }
    }
    charts.sort();
    charts
}

fn in_memory(path: &Path) -> MemoryTree {
    let mut memory = MemoryTree::new();
    if let Ok(tree) = DirTree::open(path) {
        copy(&tree, "", &mut memory);
    }
    memory
}

fn copy(tree: &DirTree, directory: &str, memory: &mut MemoryTree) {
    for entry in tree.list(directory).unwrap_or_default() {
        let path = if directory.is_empty() {
            entry.name
        } else {
            format!("{directory}/{}", entry.name)
        };
        match entry.kind {
            EntryKind::Directory => copy(tree, &path, memory),
            EntryKind::File => {
                if let Ok(Some(content)) = tree.read(&path) {
                    memory.insert(path, content);
                }
            }
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}
