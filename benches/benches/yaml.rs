//! YAML beside sigs.k8s.io/yaml (if there is a Go toolchain) and serde_yaml's successor.
//!
//! The stream is the golden output of the prometheus-operator chart in the corpus (`GITOPS_CORPUS`,
//! or beside the workspace).

#![allow(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and prints what criterion does not measure"
)]
#![allow(missing_docs, reason = "criterion's macros make items without")]

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use gitops_benches::{processor_time, status_kib};
use gitops_core::yaml;
use serde_json::Value;

fn stream_path() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("GITOPS_CORPUS")
        .map_or(default, PathBuf::from)
        .join("seed/golden/prometheus-operator.yaml")
}

fn small_documents() -> Vec<String> {
    (0..10_000)
        .map(|number| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\n  \
                 namespace: shop\n  labels:\n    app.kubernetes.io/name: shop\n    \
                 app.kubernetes.io/instance: shop-{number}\ndata:\n  mode: \"{number}\"\n  \
                 enabled: \"true\"\n"
            )
        })
        .collect()
}

/// Runs the Go program on the same input and prints what it measured.
fn run_peer(name: &str, arguments: &[&str]) {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/yaml");
    let mut command = Command::new("go");
    command.current_dir(peer).args(["run", "."]).args(arguments);
    match command.output() {
        Ok(output) if output.status.success() => {
            let measured = String::from_utf8_lossy(&output.stdout);
            eprintln!("{name} in Go: {}", measured.trim());
        }
        Ok(output) => eprintln!("{name} in Go: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("{name} in Go: not measured ({error})"),
    }
}

fn parse_all(documents: &[String]) -> Vec<Value> {
    documents
        .iter()
        .map(|document| yaml::from_str(document).expect("YAML"))
        .collect()
}

/// Prints the least processor time of ten runs, which says more than the clock on a busy machine.
fn print_cpu<T>(name: &str, work: impl Fn() -> T) {
    let least = (0..10)
        .map(|_| {
            let start = processor_time();
            let result = black_box(work());
            let spent = processor_time() - start;
            drop(result);
            spent
        })
        .min()
        .unwrap_or_default();
    eprintln!(
        "{name}: {:.2} ms of the processor",
        least.as_secs_f64() * 1000.0
    );
}

/// Prints the peak memory of a process that does nothing but parse, ours and Go's: with all values
/// kept, and with each dropped before the next document is read, as tools do.
fn compare_peaks(name: &str, input: &[&str]) {
    let this = std::env::current_exe().expect("the bench is a file");
    for mode in ["kept", "dropped"] {
        let ours = Command::new(&this)
            .args(["--peak", mode])
            .args(input)
            .output();
        let ours = ours.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        eprintln!(
            "{name}: peak with values {mode}: {}",
            ours.unwrap_or_default()
        );
        run_peer(
            &format!("{name}: peak with values {mode}"),
            &[input, &["--peak", mode]].concat(),
        );
    }
}

/// What `--peak MODE (FILE | - COUNT)` does.
#[allow(clippy::print_stdout, reason = "the parent process reads it")]
fn peak_of(arguments: &[String]) {
    let [mode, input @ ..] = arguments else {
        return;
    };
    let text;
    let small;
    let documents: Box<dyn Iterator<Item = &str>> = if input.len() > 1 {
        small = small_documents();
        Box::new(small.iter().map(String::as_str))
    } else {
        text = std::fs::read_to_string(&input[0]).expect("the file is readable");
        Box::new(
            text.split("\n---")
                .filter(|document| !document.trim().is_empty()),
        )
    };
    let before = status_kib("VmHWM");
    let values = documents.map(|document| yaml::from_str(document).expect("YAML"));
    if mode == "kept" {
        black_box(values.collect::<Vec<Value>>());
    } else {
        values.for_each(|value| drop(black_box(value)));
    }
    let after = status_kib("VmHWM");
    println!("{after} KiB, {} of it for parsing", after - before);
}

fn compare(criterion: &mut Criterion, name: &str, documents: &[String]) {
    let values = parse_all(documents);
    let bytes = documents.iter().map(String::len).sum::<usize>() as u64;

    print_cpu(&format!("yaml/{name}/parse"), || parse_all(documents));
    print_cpu(&format!("yaml/{name}/parse/yaml_serde"), || {
        let parse = |document: &String| serde_yaml::from_str(document).expect("YAML");
        documents.iter().map(parse).collect::<Vec<Value>>()
    });
    print_cpu(&format!("yaml/{name}/emit"), || {
        values.iter().map(yaml::to_string).collect::<Vec<_>>()
    });
    print_cpu(&format!("yaml/{name}/emit/yaml_serde"), || {
        let emit = |value| serde_yaml::to_string(value).expect("YAML");
        values.iter().map(emit).collect::<Vec<_>>()
    });

    let mut group = criterion.benchmark_group(format!("yaml/{name}"));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::Bytes(bytes));
    group.bench_function("parse", |bencher| {
        bencher.iter_with_large_drop(|| parse_all(documents));
    });
    group.bench_function("parse/yaml_serde", |bencher| {
        bencher.iter_with_large_drop(|| {
            documents
                .iter()
                .map(|document| serde_yaml::from_str(document).expect("YAML"))
                .collect::<Vec<Value>>()
        });
    });
    group.bench_function("emit", |bencher| {
        bencher.iter(|| {
            for value in &values {
                black_box(yaml::to_string(value));
            }
        });
    });
    group.bench_function("emit/yaml_serde", |bencher| {
        bencher.iter(|| {
            for value in &values {
                black_box(serde_yaml::to_string(value).expect("YAML"));
            }
        });
    });
    group.finish();
}

fn stream(criterion: &mut Criterion) {
    let path = stream_path();
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("yaml/stream: skipped, no {}", path.display());
        return;
    };
    run_peer("yaml/stream", &[&path.to_string_lossy()]);
    compare_peaks("yaml/stream", &[&path.to_string_lossy()]);
    let documents: Vec<_> = yaml::chunks(&text)
        .map(|chunk| chunk.expect("a stream").into_owned())
        .collect();
    compare(criterion, "stream", &documents);
}

fn small(criterion: &mut Criterion) {
    run_peer("yaml/small", &["-", "10000"]);
    compare_peaks("yaml/small", &["-", "10000"]);
    compare(criterion, "small", &small_documents());
}

/// A text made for a size in bytes.
type OfSize = fn(usize) -> String;

/// The time for a byte must not depend on the size of the text.
fn linear(criterion: &mut Criterion) {
    let texts: [(&str, OfSize, [usize; 3]); 4] = [
        (
            "flow-sequence",
            |size| format!("[{}]", "some-item-here, ".repeat(size / 16)),
            [1 << 20, 10 << 20, 100 << 20],
        ),
        (
            "anchors",
            |size| {
                let anchor = |number| format!("- &anchor{number} value\n");
                (0..size / 22).map(anchor).collect::<String>() + "- *anchor0\n"
            },
            [22_000, 220_000, 2_200_000],
        ),
        (
            "plain-scalar",
            |size| format!("a: {}\n", "word\n  ".repeat(size / 7)),
            [10_000, 100_000, 1_000_000],
        ),
        (
            "quoted-scalar",
            |size| format!("a: \"{}\"\n", "w\\x41 ".repeat(size / 6)),
            [10_000, 100_000, 1_000_000],
        ),
    ];
    for (name, text_of, sizes) in texts {
        let mut group = criterion.benchmark_group(format!("yaml/linear/{name}"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(2));
        for size in sizes {
            let text = text_of(size);
            group.throughput(Throughput::Bytes(text.len() as u64));
            let id = BenchmarkId::from_parameter(size);
            group.bench_with_input(id, &text, |bencher, text| {
                bencher.iter_with_large_drop(|| yaml::from_str(text).expect("YAML"));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, stream, small, linear);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == "--peak" => peak_of(rest),
        _ => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
