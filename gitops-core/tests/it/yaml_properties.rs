//! What holds for all values and texts.

use gitops_core::{Quantity, json, yaml};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::fuzz_checks;

/// Texts that look like YAML.
fn yaml_like() -> impl Strategy<Value = String> {
    let parts = [
        "a", "b", "1", "-1", "0x1", "1.5", "yes", "~", "<<", "*a", "&a ", "!!str ", "!!int ", "! ",
        ": ", ":", "- ", "-", "? ", ", ", "[", "]", "{", "}", "#", " #", "'", "\"", "\\", "|\n",
        ">-\n", "|2+\n", "\n", "\n", "\n  ", "\n    ", " ", "\t", "\r\n", "---\n", "...\n", "é",
        "\u{85}", "\u{2028}", "😀", "%",
    ];
    proptest::collection::vec(proptest::sample::select(parts.to_vec()), 0..24)
        .prop_map(|parts| parts.concat())
}

/// Texts that look like manifests, or nearly so.
fn manifest_like() -> impl Strategy<Value = String> {
    let lines = [
        "a:",
        "b:",
        "b: 1",
        "\"q/r\": 1",
        "'s' : 2",
        "b : 3",
        "{}",
        "null",
        "\"v\"",
        "|",
        "c: x y",
        "d: \"q\\n\"",
        "e: 'it''s'",
        "f: [a, \"b\"]",
        "g: {}",
        "h: |",
        "h: |-",
        "h: >+",
        "h: |2",
        "- x",
        "- a: 1",
        "- a:",
        "-",
        "- - x",
        "- |",
        "- \"q\"",
        "x",
        "x y",
        "# c",
        "",
        "",
        "i: x # c",
        "j: a: b",
        "k: .inf",
        "k: -.INF",
        "k: -1.5",
        "null: 1",
        "8080: x",
        "\"q\": 1",
        "l: &a x",
        "m: *a",
        "<<: x",
        "n: \tx",
        "\tx",
        "o: -",
        "o: --x",
        "p: \u{85}",
        "kind: K",
        "- é: ü",
        "...",
        "---",
        "q: [a, b",
        "r: 'x",
        "r: 'x' y",
        "s:x",
        "t: x:",
        "u: |\n\n   v",
        "12345678901234567890: x",
        "v: |#c",
        "w: %x",
        "x: @x",
        "y: ~",
        "z:   # c",
        "-   a: b",
        "a: - b",
        "- [x]",
        "- {x: y}",
        "a: !!str x",
        "a: > # c",
        "b: \"x",
        "y\"",
        "y z'",
        "c d",
        "e: <f>",
        "g: :h",
    ];
    let line = (0_usize..6, proptest::sample::select(lines.to_vec()))
        .prop_map(|(column, line)| format!("{}{line}\n", " ".repeat(column)));
    let column = proptest::sample::select(vec![0_usize, 0, 2, 2, 4]);
    let even = (column, proptest::sample::select(lines.to_vec()))
        .prop_map(|(column, line)| format!("{}{line}\n", " ".repeat(column)));
    proptest::collection::vec(prop_oneof![line, even.clone(), even], 1..9)
        .prop_map(|lines| lines.concat())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        yaml_like(),
        "\\PC{0,12}",
        "[ -~\n]{0,24}",
        any::<String>(),
        "([a-z]{1,12} {1,2}){0,20}",
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("integral floats become integers", |float| float.fract()
                != 0.0)
            .prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let key = text().prop_filter("written as a merge", |key| key != "<<");
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What a server answers in JSON and what a file says in YAML is one number, or a diff would
    /// show a change that nobody made.
    #[test]
    fn json_and_yaml_read_the_same_floats(bits in any::<u64>(), digits in "[1-9][0-9]{0,19}\\.[0-9]{1,20}") {
        let float = f64::from_bits(bits);
        let mut texts = vec![digits];
        if float.is_finite() {
            texts.push(format!("{float:e}"));
        }
        for text in texts {
            let of_json: Value = serde_json::from_str(&text).unwrap();
            let of_yaml = yaml::from_str(&text).unwrap();
            prop_assert_eq!(of_json.as_f64(), of_yaml.as_f64(), "{}", text);
        }
    }

    #[test]
    fn a_part_is_an_error_where_the_whole_is(text in yaml_like()) {
        let text = format!("a: {text}");
        let mut whole = yaml::from_str(&text);
        if let Ok(Value::Object(entries)) = &mut whole {
            entries.remove("a");
        }
        prop_assert_eq!(yaml::from_str_only(&text, &|key| key != "a"), whole, "{}", text);
    }

    #[test]
    fn a_part_of_a_manifest_is_that_of_the_whole(text in manifest_like(), name in "[a-p]") {
        let text = format!("a:\n{text}");
        let mut whole = yaml::from_str(&text);
        if let Ok(Value::Object(entries)) = &mut whole {
            entries.retain(|key, _| *key == name);
        }
        prop_assert_eq!(yaml::from_str_only(&text, &|key| key == name), whole, "{}", text);
    }

    #[test]
    fn what_is_written_is_read(value in json_value()) {
        let written = yaml::to_string(&value);
        prop_assert_eq!(yaml::from_str_strict(&written), Ok(value), "{}", written);
    }

    #[test]
    fn any_text_is_read_or_refused(text in yaml_like()) {
        fuzz_checks::yaml_parse(text.as_bytes());
        fuzz_checks::yaml_roundtrip(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        fuzz_checks::yaml_parse(&bytes);
    }

    #[test]
    fn json_is_yaml(value in json_value()) {
        // What Go's JSON holds unescaped and YAML does not allow.
        let text = json::to_go_string(&value);
        prop_assume!(!text.chars().any(|c| matches!(c, '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')));
        prop_assert_eq!(yaml::from_str(&text), Ok(value), "{}", text);
    }

    #[test]
    fn quantities_keep_their_value(number in any::<i32>(), suffix in "[numkMGTPE]?|[KMGTPE]i|e-?[0-9]") {
        // Beyond 2^63 Go itself may write another number: `715733000E` becomes `715733`.
        let most = match suffix.chars().next() {
            Some('E') => 9,
            Some('P') => 9_000,
            Some('T') => 9_000_000,
            _ => i32::MAX.unsigned_abs(),
        };
        prop_assume!(number.unsigned_abs() < most);
        let quantity: Quantity = format!("{number}{suffix}").parse().expect("a quantity");
        let again: Quantity = quantity.to_string().parse().expect("canonical");
        prop_assert_eq!(&again, &quantity);
        prop_assert!(quantity.minus(&again).is_zero());
    }
}
