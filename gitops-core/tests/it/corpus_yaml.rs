//! sigs.k8s.io/yaml and apimachinery.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{json, yaml};
use serde_json::Value;

use crate::corpus::{run, same};

const FILES: &[&str] = &[
    "yaml/resolve.jsonl",
    "yaml/scalars.jsonl",
    "yaml/blocks.jsonl",
    "yaml/structure.jsonl",
    "yaml/random.jsonl",
];

fn input(case: &Value) -> Vec<u8> {
    match case["in"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => STANDARD
            .decode(case["in_b64"].as_str().expect("in or in_b64"))
            .expect("base64"),
    }
}

#[test]
fn corpus_parse() {
    run("yaml parse", FILES, |case| {
        match (yaml::from_slice(&input(case)), case["json"].as_str()) {
            (Ok(value), Some(json)) => same(
                "json",
                &json::to_go_string(&value),
                // Go writes the escape where bytes are not UTF-8.
                &json.replace("\\ufffd", "\u{FFFD}"),
            ),
            (Ok(value), None) => Err(format!("{value} instead of {}", case["error"])),
            (Err(error), Some(json)) => Err(format!("{error} instead of {json}")),
            (Err(error), None) => same(
                "error",
                &error.to_string(),
                case["error"].as_str().unwrap_or_default(),
            ),
        }
    });
}

/// Leaving entries out changes neither the others nor which texts are errors.
#[test]
fn corpus_parse_in_part() {
    run("yaml parse in part", FILES, |case| {
        let input = input(case);
        let Ok(text) = std::str::from_utf8(&input) else {
            return Ok(());
        };
        for wanted in [|_: &str| false, |key: &str| key.len().is_multiple_of(2)] {
            let mut whole = yaml::from_str(text).map_err(|error| error.to_string());
            if let Ok(Value::Object(entries)) = &mut whole {
                entries.retain(|key, _| wanted(key));
            }
            let part = yaml::from_str_only(text, &wanted).map_err(|error| error.to_string());
            if whole != part {
                return Err(format!("{part:?} instead of {whole:?}"));
            }
        }
        Ok(())
    });
}

#[test]
fn corpus_reemit() {
    run("yaml reemit", FILES, |case| {
        let Some(json) = case["json"].as_str() else {
            return Ok(());
        };
        let read = |json: &str| yaml::from_str(json).map_err(|error| error.to_string());
        if let Some(wanted) = case["out_exact"].as_str().or(case["out"].as_str()) {
            emitted(&read(json)?, wanted)?;
        }
        let hopped = read(json).and_then(|value| read(&json::to_go_string(&floats(value))));
        match (hopped, case["out"].as_str(), case["out_error"].as_str()) {
            (Ok(value), Some(wanted), _) => emitted(&value, wanted),
            (Err(error), _, Some(wanted)) => same("error", &error, wanted),
            (hopped, ..) => Err(format!("{hopped:?} instead of {case}")),
        }
    });
}

#[test]
fn corpus_strict() {
    run("yaml strict", FILES, |case| {
        let strict = yaml::from_slice_with(&input(case), &yaml::Options::strict());
        match (strict, case["strict_error"].as_str(), case.get("error")) {
            (Ok(_), None, None) => Ok(()),
            // Which of its errors such a text gets is not in the corpus.
            (Err(_), None, Some(_)) => Ok(()),
            (Err(error), Some(wanted), _) => same("error", &error.to_string(), wanted),
            (Ok(value), ..) => Err(format!("{value} instead of an error")),
            (Err(error), None, None) => Err(format!("{error} instead of {}", case["json"])),
        }
    });
}

#[test]
fn corpus_split() {
    run("yaml split", &["yaml/split.jsonl"], |case| {
        let text = case["in"].as_str().expect("in");
        let mut chunks = Vec::new();
        let mut chunks_error = None;
        for chunk in yaml::chunks(text) {
            match chunk {
                Ok(chunk) => chunks.push(Value::String(chunk.into_owned())),
                Err(error) => chunks_error = Some(error.to_string()),
            }
        }
        same(
            "chunks",
            &Value::Array(chunks).to_string(),
            &case["chunks"].to_string(),
        )?;
        same(
            "chunks_error",
            &chunks_error.unwrap_or_default(),
            case["chunks_error"].as_str().unwrap_or_default(),
        )?;
        documents(text, case)
    });
}

fn documents(text: &str, case: &Value) -> Result<(), String> {
    let mut documents = Vec::new();
    let mut found_error = String::new();
    for document in yaml::documents(text) {
        match document {
            Ok(document) => documents.push(json::to_go_string(&document)),
            Err(error) => {
                // What comes before YAML is read, the splitting, says so itself.
                let reads = ["yaml:", "json: unsupported value", "unsupported map key"];
                let is_reading = reads.iter().any(|start| error.message.starts_with(start));
                found_error = if is_reading {
                    error.unmarshal_message()
                } else {
                    error.message
                };
            }
        }
    }
    let wanted = case["docs"].as_array().into_iter().flatten();
    let wanted: Vec<_> = wanted
        .map(|document| match document.as_str().expect("text") {
            "" => "null".to_owned(),
            text => serde_json::from_str(text)
                .map_or_else(|_| text.to_owned(), |value| json::to_go_string(&value)),
        })
        .collect();
    same("docs", &documents.join("\n"), &wanted.join("\n"))?;
    let wanted_error = case["docs_error"].as_str().unwrap_or_default();
    if found_error.starts_with("json: ") && wanted_error.starts_with("json: ") {
        return Ok(());
    }
    same("docs_error", &found_error, wanted_error)
}

#[test]
fn corpus_emit() {
    run("yaml emit", &["yaml/emit.jsonl"], |case| {
        let json = case["json"].as_str().expect("json");
        if let Some(wanted) = case["out_exact"].as_str() {
            let options = yaml::Options {
                keep_integral_floats: true,
                ..yaml::Options::default()
            };
            let value = yaml::from_str_with(json, &options).map_err(|e| e.to_string())?;
            emitted(&value, wanted)?;
        }
        let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let hopped = yaml::from_str(&json::to_go_string(&floats(value)));
        match (hopped, case["out"].as_str(), case["error"].as_str()) {
            (Ok(value), Some(wanted), _) => emitted(&value, wanted),
            (Err(error), _, Some(wanted)) => same("error", &error.to_string(), wanted),
            (hopped, ..) => Err(format!("{hopped:?} instead of {case}")),
        }
    });
}

/// A value as Go decodes it without types: every number is a float.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, floats(v))).collect(),
        other => other,
    }
}

/// Go's order of keys contradicts itself for some sets of keys; its result is random then, and only
/// the lines themselves can be compared.
fn emitted(value: &Value, wanted: &str) -> Result<(), String> {
    let found = yaml::to_string(value);
    if found == wanted || !has_contradictory_keys(value) {
        return same("out", &found, wanted);
    }
    let lines = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join("\n")
    };
    same("lines", &lines(&found), &lines(wanted))
}

fn has_contradictory_keys(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_contradictory_keys),
        Value::Object(map) => {
            let keys: Vec<_> = map.keys().collect();
            let less = |a: &str, b: &str| yaml::key_order(a, b).is_lt();
            let contradictory = keys.iter().any(|a| {
                keys.iter()
                    .any(|b| less(a, b) && keys.iter().any(|c| less(b, c) && less(c, a)))
            });
            contradictory || map.values().any(has_contradictory_keys)
        }
        _ => false,
    }
}
