//! What must hold for any text given to the template engine. The fuzz targets and the replay of
//! their inputs share this.

use gitops_render::template::{EngineOptions, Host, Limits, Program, TemplateError, Value};

/// Any text ends with a program or an error that says where it is wrong.
pub(crate) fn parse(bytes: &[u8]) {
    for options in [EngineOptions::helm_3(), EngineOptions::helm_4()] {
        match Program::parse([("x/templates/a.yaml", bytes)], &options) {
            Ok(program) => assert!(program.contains("x/templates/a.yaml") || bytes.is_empty()),
            Err(TemplateError::Parse { message }) => {
                assert!(message.starts_with("parse error "), "{message}");
            }
            Err(TemplateError::LimitExceeded { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The first line is JSON for the values, the rest a template: any pair ends, within the bounds of
/// its host, with a text or an error; twice with the same.
pub(crate) fn execute(bytes: &[u8]) {
    let (values, text) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&b"{}"[..], bytes),
    };
    let values = serde_json::from_slice(values).unwrap_or_else(|_| serde_json::json!({}));
    let options = EngineOptions::helm_4();
    let Ok(program) = Program::parse([("x/templates/a.yaml", text)], &options) else {
        return;
    };
    let run = || {
        let mut limits = Limits::default();
        limits.steps = 200_000;
        limits.output_bytes = 1 << 20;
        limits.list_items = 10_000;
        limits.template_depth = 2_000;
        limits.include_depth = 2_000;
        let now = gitops_core::clock::Timestamp::UNIX_EPOCH;
        let mut host = Host::new(now)
            .with_limits(limits)
            .with_randomness(gitops_core::render::Randomness::Seeded(1));
        let dot = serde_json::json!({"Values": values, "Release": {"Name": "r"}});
        program.execute("x/templates/a.yaml", Value::from(&dot), &mut host)
    };
    assert_eq!(run(), run());
}
