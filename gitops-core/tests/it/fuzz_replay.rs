//! Inputs of the fuzz targets (seeds and what once failed), checked by every test run.

use std::{fs, path::Path};

use crate::fuzz_checks;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus of the target") {
        let path = entry.expect("an entry").path();
        check(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn yaml_parse() {
    replay("yaml_parse", fuzz_checks::yaml_parse);
}

#[test]
fn yaml_roundtrip() {
    replay("yaml_roundtrip", fuzz_checks::yaml_roundtrip);
}
