//! What must hold for any bytes given to the loader of charts and to `--set`. The fuzz targets and
//! the replay of their inputs share this.

use std::io::Write as _;

use gitops_render::helm::{Chart, LoadOptions, Profile, SetKind, Values};
use serde_json::Value;

/// Any text ends with values or an error; what is set as strings is strings, and no list is longer
/// than an index may be.
pub(crate) fn set_grammar(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for kind in [
        SetKind::Typed,
        SetKind::String,
        SetKind::Json,
        SetKind::Literal,
    ] {
        let mut values = Values::new();
        // Once more over what the first gave: keys then exist with all kinds of values.
        let first = values.set(kind, text);
        let second = values.set(kind, text);
        if first.is_ok() && kind != SetKind::Typed && kind != SetKind::Json {
            check_strings(&Value::Object(values.as_map().clone()));
        }
        drop(second);
    }
}

fn check_strings(value: &Value) {
    match value {
        Value::String(_) | Value::Null => {}
        Value::Array(items) => {
            assert!(items.len() <= 65_537);
            items.iter().for_each(check_strings);
        }
        Value::Object(object) => object.values().for_each(check_strings),
        other => panic!("{other} is no string"),
    }
}

/// Any bytes, as an archive and as the tar file in one, end with a chart or an error; no name of a
/// file leaves the chart.
pub(crate) fn chart_archive(bytes: &[u8]) {
    load(bytes);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if packed.write_all(bytes).is_ok()
        && let Ok(packed) = packed.finish()
    {
        load(&packed);
    }
}

fn load(archive: &[u8]) {
    let mut options = LoadOptions::default();
    options.total_bytes = 1 << 20;
    for profile in [Profile::helm_3_22(), Profile::helm_4_3()] {
        if let Ok(chart) = Chart::load_archive(archive, &profile, &options) {
            check_names(&chart);
        }
    }
}

fn check_names(chart: &Chart) {
    for file in chart.templates.iter().chain(chart.files.iter()) {
        assert!(!file.name.starts_with('/'), "{}", file.name);
        assert!(
            !file.name.split('/').any(|part| part == ".."),
            "{}",
            file.name
        );
    }
    for subchart in &chart.subcharts {
        check_names(subchart);
    }
}
