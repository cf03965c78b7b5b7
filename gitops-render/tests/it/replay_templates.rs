//! Replays the inputs of the fuzz targets of templates.

use std::{fs, path::Path};

#[path = "../../fuzz/templates.rs"]
mod templates;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no inputs");
}

#[test]
fn template_parse() {
    replay("template_parse", templates::parse);
}

#[test]
fn template_execute() {
    replay("template_execute", templates::execute);
}
