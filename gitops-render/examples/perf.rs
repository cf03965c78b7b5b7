#![allow(missing_docs, unused, clippy::all)]
use gitops_core::source::{EntryKind, FileTree, MemoryTree};
use gitops_render::{
    helm::{
        Chart, Helm, Output, PreparedChart, PrintOptions, Profile, Release, RenderOptions, Values,
    },
    tree::DirTree,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, hint::black_box, io::Read as _, path::Path, time::Duration};
fn processor_time() -> Duration {
    let t = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(t.split(' ').next().unwrap().parse().unwrap())
}
fn status_kib(k: &str) -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find(|l| l.starts_with(k))
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    measure(&a[2], a[3].parse().unwrap());
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
