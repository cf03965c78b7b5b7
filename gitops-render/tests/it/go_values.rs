//! What Go's own types show through in templates: verbs, methods, copies, bytes that are no text. The
//! expected texts are Helm's.

use gitops_render::helm::Profile;
use serde_json::json;

use crate::corpus_expressions::{Case, chart, helm, render_bytes};

#[test]
fn values_of_go() {
    let mut chart = chart();
    let helms = [
        (3, helm(Profile::helm_3_22())),
        (4, helm(Profile::helm_4_3())),
    ];
    for (only, expression, expected) in [
        (
            Some(4),
            r#"{{ toYamlPretty (dict "a" (mustToDuration "0s") "b" (mustToDuration "1h")) }}"#,
            Ok("a: 0s\nb: 1h0m0s"),
        ),
        (
            None,
            r#"{{ toYamlPretty (toDate "2006-01-02" "0001-01-01") }}"#,
            Ok("0001-01-01T00:00:00Z"),
        ),
        (
            None,
            r#"{{ printf "%e" (toDate "2006-01-02" "2024-05-06").Location }}"#,
            Ok(
                "&{%!e(string=UTC) [] [] %!e(string=) %!e(int64=0) %!e(int64=0) %!e(*time.zone=<nil>)}",
            ),
        ),
        (
            None,
            r#"{{ printf "%#.2v" (toDate "2006-01-02" "2024-05-06") }}"#,
            Ok("ti"),
        ),
        (
            None,
            r#"{{ range (toDate "2006-01-02" "2024-05-06").Location }}{{ end }}"#,
            Err("range can't iterate over {UTC [] []  0 0 <nil>}"),
        ),
        (
            None,
            r#"{{ range (toDate "2006-01-02" "2024-05-06").Month }}{{ . }},{{ end }}"#,
            Ok("%!Month(0),January,February,March,April,"),
        ),
        (
            None,
            r#"{{ range (toDate "2006-01-02" "2024-05-06").Weekday }}{{ . }} {{ typeOf . }}{{ end }}"#,
            Ok("Sunday time.Weekday"),
        ),
        (
            Some(4),
            r#"{{ len (mustToDuration "5ns") }}"#,
            Err("error calling len: len of type time.Duration"),
        ),
        (
            Some(4),
            r#"{{ (mustToDuration "1h30m").Truncate 7 }}"#,
            Ok("1h29m59.999999996s"),
        ),
        (
            Some(4),
            r#"{{ (mustToDuration "1h30m").Truncate "x" }}"#,
            Err(r#"expected integer; found "x""#),
        ),
        (
            None,
            r#"{{ (toDate "2006-01-02" "2024-05-06").wall }}"#,
            Err("wall is an unexported field of struct type time.Time"),
        ),
        (
            None,
            r#"{{ (toDate "2006-01-02" "2024-05-06").MarshalBinary }}"#,
            Ok("[1 0 0 0 14 221 202 20 128 0 0 0 0 0 0]"),
        ),
        (
            None,
            r#"{{ (toDate "2006-01-02" "2024-05-06").AppendFormat (b64dec "") "2006" }}"#,
            Err("wrong type for value; expected []uint8; got string"),
        ),
        (
            Some(3),
            "{{ deepCopy .Capabilities.KubeVersion }}",
            Ok("{v1.31.0 1 31}"),
        ),
        (
            Some(4),
            "{{ deepCopy .Capabilities.KubeVersion }}",
            Ok("{v1.31.0  1 31}"),
        ),
        (
            None,
            "{{ (deepCopy .Capabilities).KubeVersion }}",
            Ok("v1.31.0"),
        ),
        (
            Some(3),
            "{{ .Capabilities | html | trunc 20 }}",
            Ok("{{v1.31.0 1 31} [v1 "),
        ),
        (
            Some(4),
            "{{ .Capabilities | html | trunc 20 }}",
            Ok("{{v1.31.0 v1.31.0 1 "),
        ),
        (
            None,
            "{{ html 1 .Capabilities | trunc 10 }}",
            Ok("1 {{v1.31."),
        ),
        (
            Some(3),
            r#"{{ printf "%#v" .Chart.Maintainers }}"#,
            Ok("[]*chart.Maintainer(nil)"),
        ),
        (
            Some(4),
            r#"{{ printf "%#v" .Chart.Maintainers }}"#,
            Ok("[]interface {}{}"),
        ),
        (
            Some(3),
            "{{ typeOf .Chart.Dependencies }}",
            Ok("[]*chart.Dependency"),
        ),
        (
            Some(4),
            "{{ typeOf .Chart.Dependencies }}",
            Ok("[]interface {}"),
        ),
        (
            None,
            r#"{{ (semver "1.2.3").Value }}{{ (semver "1.2.3").Equal nil }}"#,
            Ok("1.2.3false"),
        ),
        (
            None,
            r#"{{ (semver "1.2.3").major }}"#,
            Err("major is an unexported field of struct type *semver.Version"),
        ),
        (
            None,
            "{{ .Values.Encode nil }}",
            Err(
                "error calling Encode: runtime error: invalid memory address or nil pointer dereference",
            ),
        ),
        (
            Some(3),
            r#"{{ dict "a" (list .Capabilities.KubeVersion 1) | toToml }}"#,
            Ok("a = [{Version = \"v1.31.0\", Major = \"1\", Minor = \"31\"}, 1]\n"),
        ),
        (
            Some(4),
            r#"{{ dict "a" (list .Capabilities.KubeVersion 1) | toToml }}"#,
            Ok("a = [{Version = \"v1.31.0\", Major = \"1\"Minor = \"31\", }, 1]\n"),
        ),
        (
            None,
            r#"{{ dict "a\xffb" "\xe6" | toToml | b64enc }}"#,
            Ok("ImH/YiIgPSAi5iIK"),
        ),
        (
            None,
            r#"{{ snakecase "Aa\xe6\x97b" | b64enc }}{{ date "2006\xff" (toDate "2006" "2024") | b64enc }}"#,
            Ok("YWHvv73vv71iMjAyNP8="),
        ),
        (None, r#"{{ toYaml "\xe6\x97" | b64enc }}"#, Ok("77+977+9")),
        (
            Some(4),
            r#"{{ mustToYaml (dict "\u0085" 1) }}"#,
            Err("error calling mustToYaml: yaml: line 1: did not find expected ',' or '}'"),
        ),
        (
            None,
            r#"{{ index "abc" .Files }}"#,
            Err("error calling index: cannot index slice/array with type engine.files"),
        ),
        (
            None,
            r#"{{ printf "%.2T|%#w" nil (.Files.GetBytes "x") }}"#,
            Ok("<nil>|[]uint8{}"),
        ),
        (
            None,
            r#"{{ regexFind "a(?U)+" "aaa" }}{{ regexReplaceAll "b" "\xffb\xe6" "<$0\xfe>" | b64enc }}"#,
            Ok("a/zxi/j7m"),
        ),
        (
            None,
            r#"{{ mustRegexFind "(?P<a\xff>b)" "b" }}"#,
            Err("error calling mustRegexFind: error parsing regexp: invalid UTF-8: `\u{fffd}`"),
        ),
    ] {
        for (version, helm) in &helms {
            if only.is_some_and(|only| only != *version) {
                continue;
            }
            let case = Case::of(expression, &json!({}));
            match (render_bytes(helm, &mut chart, &case), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found, expected.as_bytes(), "v{version} {expression}");
                }
                (Err(found), Err::<&str, &str>(expected)) => {
                    assert!(
                        found.ends_with(expected),
                        "v{version} {expression}: {found}"
                    );
                }
                (found, _) => panic!("v{version} {expression}: {found:?}"),
            }
        }
    }
}
