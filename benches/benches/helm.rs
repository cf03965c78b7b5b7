//! Charts of a corpus through our renderer and through Helm's SDK, both on one thread, to the text
//! that `helm template` prints.
//!
//! Usage: `cargo bench -p gitops-benches --bench helm [-- FOLDER]`, where FOLDER holds charts, one
//! level or two deep (default `../shared/corpus/helm/charts/helm-stable`). Helm's times are shown if
//! `benches/peers/helm/peer` was built (`go build -o peer .` there).

#![allow(clippy::print_stdout, reason = "a bench reports what it measured")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use gitops_core::source::{EntryKind, FileTree, MemoryTree};
use gitops_render::{
    helm::{Chart, Helm, PreparedChart, PrintOptions, Profile, Release, RenderOptions, Values},
    tree::DirTree,
};

/// Functions that make keys: their time says nothing about rendering.
const KEY_FUNCTIONS: [&str; 6] = [
    "genCA",
    "genSelfSignedCert",
    "genSignedCert",
    "genPrivateKey",
    "htpasswd",
    "derivePassword",
];

const ROUNDS: usize = 5;

fn main() {
    let folder = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .map_or_else(
            || {
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("../../shared/corpus/helm/charts/helm-stable")
            },
            PathBuf::from,
        );
    let charts = rendered_charts(&folder);
    if charts.is_empty() {
        println!("no charts below {}", folder.display());
        return;
    }
    println!("{} charts, best of {ROUNDS} rounds", charts.len());
    let memory: Vec<MemoryTree> = charts.iter().map(|path| in_memory(path)).collect();
    let helm = Helm::new(Profile::helm_4_3());
    report("from disk", || {
        for path in &charts {
            let tree = DirTree::open(path).expect("the chart was read before");
            text(&helm, &tree).expect("the chart rendered before");
        }
    });
    report("from memory", || {
        for tree in &memory {
            text(&helm, tree).expect("the chart rendered before");
        }
    });
    let prepared: Vec<PreparedChart> = memory
        .iter()
        .map(|tree| helm.prepare(Chart::load(tree).expect("the chart was loaded before")))
        .collect();
    let values = Values::parse("replicaCount: 3\n").expect("a table");
    let release = Release::named("rel");
    report("prepared, other values", || {
        for chart in &prepared {
            let output = chart.render(&release, &values, &RenderOptions::default());
            if let Ok(output) = output {
                std::hint::black_box(output.text(&PrintOptions::default()));
            }
        }
    });
    peer(&charts);
}

fn report(what: &str, mut work: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = now();
        work();
        best = best.min(start.elapsed());
    }
    println!("ours  {what:<24} {:>9.2} ms", best.as_secs_f64() * 1e3);
}

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn text(helm: &Helm, tree: &dyn FileTree) -> Option<String> {
    let chart = Chart::load(tree).ok()?;
    if !chart.missing_dependencies().is_empty() {
        return None;
    }
    let output = helm
        .render(&chart, &Release::named("rel"), Values::new())
        .ok()?;
    Some(output.text(&PrintOptions::default()))
}

/// The charts that render with their own values and make no keys.
fn rendered_charts(folder: &Path) -> Vec<PathBuf> {
    let helm = Helm::new(Profile::helm_4_3());
    let mut charts = Vec::new();
    for path in chart_directories(folder) {
        let tree = in_memory(&path);
        let makes_keys = tree.files().any(|(_, content)| {
            let content = String::from_utf8_lossy(content);
            KEY_FUNCTIONS.iter().any(|name| content.contains(name))
        });
        if !makes_keys && text(&helm, &tree).is_some() {
            charts.push(path);
        }
    }
    charts
}

fn chart_directories(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.join("Chart.yaml").is_file() {
            found.push(path);
        } else {
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                if entry.path().join("Chart.yaml").is_file() {
                    found.push(entry.path());
                }
            }
        }
    }
    found.sort();
    found
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

/// Runs Helm's SDK on the same charts.
fn peer(charts: &[PathBuf]) {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/helm/peer");
    if !peer.is_file() {
        println!("helm  not measured: build benches/peers/helm (`go build -o peer .`)");
        return;
    }
    let output = Command::new(peer)
        .arg(ROUNDS.to_string())
        .args(charts)
        .output();
    match output {
        Ok(output) => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => println!("helm  not measured: {error}"),
    }
}
