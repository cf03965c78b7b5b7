use super::*;
use crate::template::{List, Map};

fn format(format: &str, arguments: &[Value]) -> String {
    String::from_utf8(sprintf(format.as_bytes(), arguments, &Limits::default()).unwrap()).unwrap()
}

#[test]
fn verbs_flags_and_errors_are_gos() {
    let list = Value::list(vec![Value::Int(1), "a".into(), Value::Nil]);
    let map = Value::Map(Map::from_iter([("k", Value::Int(1))]));
    for (expected, text, arguments) in [
        ("   5|5   |00005", "%4d|%-4d|%05d", vec![Value::Int(5); 3]),
        ("%!d(string=str)", "%d", vec!["str".into()]),
        ("%!s(float64=5)", "%s", vec![Value::Float(5.0)]),
        ("%!s(<nil>)<nil>", "%s%v", vec![Value::Nil; 2]),
        ("%!d(MISSING)", "%d", vec![]),
        (
            "a%!(EXTRA int=2, string=b)",
            "a",
            vec![Value::Int(2), "b".into()],
        ),
        ("%!(NOVERB)", "%", vec![]),
        ("%!d(BADINDEX)", "%[3]d", vec![Value::Int(1)]),
        ("2 1", "%[2]d %[1]d", vec![Value::Int(1), Value::Int(2)]),
        ("%!(BADWIDTH)1", "%*d", vec!["x".into(), Value::Int(1)]),
        ("   1", "%*d", vec![Value::Int(4), Value::Int(1)]),
        ("[%!s(int=1) a <nil>]", "%s", vec![list.clone()]),
        ("map[%!d(string=k):1]", "%d", vec![map.clone()]),
        (
            "[]interface {}{1, \"a\", interface {}(nil)}",
            "%#v",
            vec![list],
        ),
        ("map[string]interface {}{\"k\":1}", "%#v", vec![map]),
        ("[]uint8{}", "%#w", vec![Value::Bytes("".into())]),
        (
            "[]interface {}{[]uint8{0x1}}",
            "%#v",
            vec![Value::list(vec![Value::Bytes([1][..].into())])],
        ),
        ("<nil> ti", "%.2T %#.2s", vec![Value::Nil, "time".into()]),
        ("0x1.4p+02", "%x", vec![Value::Float(5.0)]),
        (
            "000ab|éa|'x'|U+0041",
            "%05s|%.2s|%q|%U",
            vec!["ab".into(), "éab".into(), Value::Int(120), Value::Int(65)],
        ),
        (" 12.35%", "%6.2f%%", vec![Value::Float(12.345678)]),
        (
            "1e+06 1.234567e+06 0.0001 1e-05",
            "%v %v %v %v",
            vec![
                Value::Float(1e6),
                Value::Float(1_234_567.0),
                Value::Float(0.0001),
                Value::Float(1e-5),
            ],
        ),
        (
            "+5 +5.000000e+00 005 0x5",
            "%+d %+e %.3d %#x",
            vec![
                Value::Int(5),
                Value::Float(5.0),
                Value::Int(5),
                Value::Int(5),
            ],
        ),
        (
            "float64 []string <nil>",
            "%T %T %T",
            vec![
                Value::Float(1.0),
                Value::List(List::strings(["a"])),
                Value::Nil,
            ],
        ),
    ] {
        assert_eq!(format(text, &arguments), expected, "{text}");
    }
}

#[test]
fn very_wide_numbers() {
    for (verb, length, value) in [
        ("%.99999f", 100_001, Value::Float(0.5)),
        ("%.99999e", 100_005, Value::Float(0.5)),
        ("%.99999U", 100_001, Value::Int(5)),
        ("%099999d", 99_999, Value::Int(5)),
    ] {
        assert_eq!(format(verb, &[value]).len(), length, "{verb}");
    }
}
