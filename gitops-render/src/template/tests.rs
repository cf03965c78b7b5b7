use gitops_core::{clock::Timestamp, render::Randomness};
use serde_json::json;

use super::*;

fn run(texts: &[(&str, &str)], name: &str, options: &EngineOptions) -> Result<String, String> {
    let program =
        Program::parse(texts.iter().copied(), options).map_err(|error| error.to_string())?;
    let dot = json!({"Values": {"n": 5, "s": "str", "l": [1, "b"], "nul": null}});
    let mut host = Host::new(Timestamp::UNIX_EPOCH).with_randomness(Randomness::Forbidden);
    program
        .execute(name, Value::from(&dot), &mut host)
        .map(|output| String::from_utf8_lossy(&output).into_owned())
        .map_err(|error| error.to_string())
}

fn render(text: &str) -> Result<String, String> {
    run(&[("f", text)], "f", &EngineOptions::helm_4())
}

#[test]
fn programs_are_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Program>();
}

#[test]
fn nil_is_nothing_in_pipelines_and_an_error_in_chains() {
    assert_eq!(
        render("{{ .Values.none }}{{ (.Values.none).x.y }}"),
        Ok(String::new())
    );
    let error = render("{{ .Values.none.x }}").unwrap_err();
    assert!(
        error.ends_with("nil pointer evaluating interface {}.x"),
        "{error}"
    );
}

#[test]
fn errors_are_told_as_each_helm_does() {
    let texts = [
        ("d", "{{ define \"t\" }}\n{{ .Values.s.x }}{{ end }}"),
        ("f", "{{ include \"t\" . }}"),
    ];
    assert_eq!(
        run(&texts, "f", &EngineOptions::helm_3()),
        Err(
            "template: f:1:3: executing \"f\" at <include \"t\" .>: error calling include: \
             template: d:2:10: executing \"t\" at <.Values.s.x>: can't evaluate field x in type \
             interface {}"
                .to_owned()
        )
    );
    assert_eq!(
        run(&texts, "f", &EngineOptions::helm_4()),
        Err("f:1:3\n  executing \"f\" at <include \"t\" .>:\n    error calling include:\nd:2:10\n  \
             executing \"t\" at <.Values.s.x>:\n    can't evaluate field x in type interface {}"
            .to_owned())
    );
    assert_eq!(
        render("{{ fail \"no\" }}"),
        Err("execution error at (f:1:3): no".to_owned())
    );
    assert_eq!(
        render("a\n{{ nope }}"),
        Err("parse error at (f:2): function \"nope\" not defined".to_owned())
    );
}

#[test]
fn blank_definitions_replace_nothing() {
    let texts = [
        ("a", "{{ define \"t\" }}one{{ end }}"),
        ("b", "{{ define \"t\" }} {{/* c */}} {{ end }}"),
        (
            "f",
            "{{ template \"t\" }}{{ tpl \"{{ define \\\"t\\\" }}two{{ end }}{{ template \\\"t\\\" }}\" . }}{{ template \"t\" }}",
        ),
    ];
    assert_eq!(
        run(&texts, "f", &EngineOptions::helm_4()),
        Ok("onetwoone".to_owned())
    );
}

#[test]
fn limits_end_what_would_not_end() {
    for text in [
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ $s := \"x\" }}{{ range until 60 }}{{ $s = printf \"%s%s\" $s $s }}{{ end }}",
    ] {
        let program = Program::parse([("f", text)], &EngineOptions::helm_4()).unwrap();
        let limits = Limits {
            steps: 100_000,
            output_bytes: 1 << 20,
            ..Limits::default()
        };
        let mut host = Host::new(Timestamp::UNIX_EPOCH).with_limits(limits);
        let result = program.execute("f", Value::Nil, &mut host);
        assert!(
            matches!(result, Err(TemplateError::LimitExceeded { .. })),
            "{result:?}"
        );
    }
    assert!(
        render("{{ randAlpha 3 }}")
            .unwrap_err()
            .contains("forbidden")
    );
}
