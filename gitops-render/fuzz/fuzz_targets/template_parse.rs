//! Runs the check `parse` of templates on arbitrary bytes.

#![no_main]

#[path = "../templates.rs"]
#[allow(dead_code)]
mod templates;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| templates::parse(bytes));
