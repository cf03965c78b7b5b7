//! Runs the check `set_grammar` on arbitrary bytes.

#![no_main]

#[path = "../charts.rs"]
#[allow(dead_code)]
mod charts;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| charts::set_grammar(bytes));
