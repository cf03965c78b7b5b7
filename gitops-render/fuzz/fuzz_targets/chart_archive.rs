//! Runs the check `chart_archive` on arbitrary bytes.

#![no_main]

#[path = "../charts.rs"]
#[allow(dead_code)]
mod charts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| charts::chart_archive(bytes));
