//! Replays the inputs of the fuzz targets of charts and `--set`.

use std::{fs, path::Path};

#[path = "../../fuzz/charts.rs"]
mod charts;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no inputs");
}

#[test]
fn set_grammar() {
    replay("set_grammar", charts::set_grammar);
}

#[test]
fn chart_archive() {
    replay("chart_archive", charts::chart_archive);
}
