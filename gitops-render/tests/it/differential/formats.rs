//! Verbs with flags, widths, precisions and indexes over values of every kind.

use super::random::Random;

const VERBS: &[&str] = &[
    "v", "T", "t", "b", "c", "d", "o", "O", "q", "x", "X", "U", "e", "E", "f", "F", "g", "G", "s",
    "p", "w", "%", "v", "T", "t", "b", "c", "d", "o", "O", "q", "x", "X", "U", "e", "E", "f", "F",
    "g", "G", "s", "p", "w", "%", "z", "!", "y", "é", "", "\\n", "k", "u", "i", "a", "l", "h", "D",
    "S", "V",
];

const VALUES: &[&str] = &[
    "1",
    "-1",
    "0",
    "255",
    "-128",
    "1.5",
    "-0.0",
    "1e21",
    "1e-7",
    "100000",
    "nil",
    ".Values.nul",
    "true",
    "false",
    "\"\"",
    "\"abc\"",
    "\"é日\"",
    "\"a\\xffb\"",
    "\"\\x00\\n\\t\"",
    "'a'",
    "'é'",
    "'\\x00'",
    "1i",
    "(divf 1 0)",
    "(divf 0 0)",
    "(int64 5)",
    "(int64 -9223372036854775808)",
    "9223372036854775807",
    "(index \"a\" 0)",
    "(list)",
    "(list 1 \"a\" nil 2.5 true)",
    "(dict)",
    "(dict \"a\" 1 \"b\" nil \"c\" (list))",
    ".Values",
    ".Values.m",
    ".Values.c",
    ".Chart",
    ".Chart.Metadata",
    ".Release",
    ".Files",
    ".Capabilities",
    ".Capabilities.KubeVersion",
    ".Capabilities.APIVersions.Has",
    ".Template",
    "(toDate \"2006-01-02\" \"2024-05-06\")",
    "(toDate \"2006-01-02T15:04:05Z07:00\" \"2024-05-06T07:08:09.5+05:30\")",
    "(toDate \"2006-01-02\" \"2024-05-06\").Month",
    "(toDate \"2006-01-02\" \"2024-05-06\").Weekday",
    "(toDate \"2006-01-02\" \"2024-05-06\").Location",
    "(mustToDuration \"1h\")",
    "(mustToDuration \"0s\")",
    "((toDate \"2006-01-02\" \"2024-05-06\").Sub (toDate \"2006-01-02\" \"2024-05-05\"))",
    "(semver \"1.2.3-a+b\")",
    "(semver \"1.2.3\").IncMajor",
    "(urlParse \"http://u:p@h/p\")",
    "(splitList \",\" \"a,b\")",
    "(split \",\" \"a,b\")",
    "(.Files.GetBytes \"x\")",
    "(b64dec \"!\")",
    "(until 3)",
    "(chunk 1 (list 1 2))",
    "(fromJson \"{\\\"a\\\":[1,{}]}\")",
    "(fromYamlArray \"- 1\")",
    "(atoi \"7\")",
    "(len \"abc\")",
    "(add 1 2)",
    "(float64 3)",
    "(list nil nil)",
    "(list (list 1) (dict \"k\" \"v\"))",
    "(seq 3)",
    "(adler32sum \"a\")",
    "(list (toDate \"2006-01-02\" \"2024-05-06\"))",
    "(dict \"t\" (toDate \"2006-01-02\" \"2024-05-06\"))",
    "(list (semver \"1.2.3\"))",
    "(list (mustToDuration \"1h\"))",
    "(list .Capabilities.KubeVersion)",
    "(list \"a\\xff\")",
    "(fromToml \"a = 2024-01-02\").a",
    "(fromToml \"a = 07:08:09\").a",
    "(list 'a' 1i)",
    "(uniq (list 1 1))",
];

/// A template that prints values.
pub(super) fn template(random: &mut Random) -> String {
    let mut values = String::new();
    for _ in 0..[0, 1, 1, 1, 2, 2, 3][random.below(7)] {
        values.push(' ');
        values.push_str(random.pick(VALUES));
    }
    if random.chance(15) {
        let function = random.pick(&[
            "print",
            "println",
            "html",
            "js",
            "urlquery",
            "quote",
            "squote",
            "cat",
            "toString",
            "list",
            "toStrings",
        ]);
        return format!("{{{{ {function}{values} }}}}");
    }
    let mut format = String::new();
    for _ in 0..[1, 1, 1, 2, 3][random.below(5)] {
        format.push_str(random.pick(&["", " ", "|", "é"]));
        format.push_str(&verb(random));
    }
    format.push_str(random.pick(&["", "|"]));
    format!("{{{{ printf \"{format}\"{values} }}}}")
}

fn verb(random: &mut Random) -> String {
    let mut text = "%".to_owned();
    for _ in 0..[0, 0, 1, 1, 2, 3][random.below(6)] {
        text.push_str(random.pick(&["+", "-", "#", " ", "0"]));
    }
    match random.below(40) {
        0 | 1 => text.push_str(&format!("[{}]", random.below(6) as i64 - 1)),
        2 => text.push_str(random.pick(&["[", "[]", "[a]", "[1", "[1][2]", "[999999999999]"])),
        _ => {}
    }
    match random.below(12) {
        0..3 => text.push_str(&random.below(15).to_string()),
        3 => text.push('*'),
        _ => {}
    }
    match random.below(20) {
        0..4 => text.push_str(&format!(".{}", random.below(10))),
        4 => text.push('.'),
        5 => text.push_str(".*"),
        6 => text.push_str(".-1"),
        _ => {}
    }
    if random.chance(4) {
        text.push_str(&format!("[{}]", random.below(5)));
    }
    text + random.pick(VERBS)
}
