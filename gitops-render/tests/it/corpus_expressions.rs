//! Single template expressions with the results of Helm.

use std::{collections::BTreeMap, fs, path::PathBuf};

use gitops_core::clock::Timestamp;
use gitops_render::template::{EngineOptions, Host, Map, Program, Value};
use serde_json::Value as Json;

const FILE: &str = "x/templates/e.yaml";

/// One line of `expressions.jsonl`.
struct Case {
    expression: String,
    values: Json,
    v4: Result<String, String>,
    v3: Result<String, String>,
}

fn corpus() -> Option<PathBuf> {
    let root = std::env::var_os("GITOPS_CORPUS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    assert!(
        std::env::var("CI").is_err(),
        "the corpus is missing at {}",
        root.display()
    );
    println!("skipped: no corpus at {}", root.display());
    None
}

fn read(line: &str) -> Case {
    let case: Json = serde_json::from_str(line).unwrap();
    let text = |key: &str| case.get(key).and_then(Json::as_str).map(str::to_owned);
    let outcome = |out: &str, error: &str| match (text(out), text(error)) {
        (Some(out), _) => Some(Ok(out)),
        (None, Some(error)) => Some(Err(error)),
        (None, None) => None,
    };
    let v4 = outcome("out", "error").unwrap();
    Case {
        expression: text("expr").unwrap(),
        values: case
            .get("values")
            .cloned()
            .unwrap_or_else(|| Json::Object(Default::default())),
        v3: outcome("out_v3", "error_v3").unwrap_or_else(|| v4.clone()),
        v4,
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(Map::from_iter(entries))
}

fn root(case: &Case, options: &EngineOptions) -> Value {
    let Value::Map(values) = Value::from(&case.values) else {
        panic!("values are a map");
    };
    let Value::Map(template) = map([("Name", FILE.into()), ("BasePath", "x/templates".into())])
    else {
        unreachable!()
    };
    let Value::Map(root) = map([
        ("Values", Value::Map(values.with_type(options.values_type))),
        (
            "Template",
            Value::Map(template.with_type(options.values_type)),
        ),
        (
            "Release",
            map([
                ("Name", "r".into()),
                ("Namespace", "ns".into()),
                ("IsUpgrade", false.into()),
                ("IsInstall", true.into()),
                ("Revision", Value::Int(1)),
                ("Service", "Helm".into()),
            ]),
        ),
        ("Subcharts", map([])),
    ]) else {
        unreachable!()
    };
    Value::Map(root.with_type(options.values_type))
}

fn render(case: &Case, options: &EngineOptions) -> Result<String, String> {
    let program = Program::parse([(FILE, &case.expression)], options).map_err(|e| e.to_string())?;
    let mut host = Host::new(Timestamp::now());
    program
        .execute(FILE, root(case, options), &mut host)
        .map(|output| String::from_utf8_lossy(&output).into_owned())
        .map_err(|error| error.to_string())
}

#[test]
fn corpus_expressions() {
    let Some(root) = corpus() else { return };
    let path = root.join("helm/expressions.jsonl");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let mut failures = Vec::new();
    let mut by_function: BTreeMap<String, usize> = BTreeMap::new();
    let mut total = 0;
    for (number, line) in text.lines().enumerate() {
        let case = read(line);
        for (version, options, expected) in [
            ("v4", EngineOptions::helm_4(), &case.v4),
            ("v3", EngineOptions::helm_3(), &case.v3),
        ] {
            total += 1;
            let actual = render(&case, &options);
            if actual != *expected {
                let line = number + 1;
                failures.push(format!(
                    "{line} {version} {:?}\n  expected {expected:?}\n  actual   {actual:?}",
                    case.expression
                ));
                let function = case
                    .expression
                    .split(|c: char| !c.is_alphanumeric())
                    .find(|word| !word.is_empty());
                *by_function
                    .entry(function.unwrap_or_default().to_owned())
                    .or_default() += 1;
            }
        }
    }
    let report = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/corpus");
    fs::create_dir_all(&report).unwrap();
    fs::write(
        report.join("helm-expressions.failures"),
        failures.join("\n"),
    )
    .unwrap();
    println!("helm expressions: {}/{total}", total - failures.len());
    for (function, count) in &by_function {
        println!("  {function}: {count}");
    }
    assert!(failures.is_empty(), "{} expressions differ", failures.len());
}
