//! Texts of the formats that templates read: YAML, JSON, TOML, dates, versions, patterns.

use super::random::Random;

const SCALARS: &[&str] = &[
    "1",
    "-7",
    "1.0",
    "1.50",
    "1e3",
    "1E-7",
    "0x1f",
    "0o17",
    "017",
    "08",
    "0b101",
    "+1",
    "-0",
    "-0.0",
    ".5",
    "1.",
    ".inf",
    "-.Inf",
    ".nan",
    "~",
    "null",
    "Null",
    "NULL",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "true",
    "True",
    "TRUE",
    "false",
    "2024-01-02",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-15 2:59:43.10",
    "1_000",
    "1:30",
    "190:20:30",
    "1__0",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e400",
    "\"a\\tb\"",
    "\"\\u00e9\\x41\\n\"",
    "'it''s'",
    "'a: b'",
    "\"\"",
    "''",
    "[a, b]",
    "[]",
    "{}",
    "{a: 1}",
    "[1, [2, {x: y}]]",
    "{a: [1, 2], b: {c: ~}}",
    "!!str 5",
    "!!int \"3\"",
    "!!float 3",
    "!!bool \"yes\"",
    "!!null x",
    "!!binary aGk=",
    "!!binary \"*\"",
    "!foo bar",
    "&x 1",
    "*x",
    "a b c",
    "a # c",
    "a#c",
    "a:b",
    "-",
    "- x",
    "a: b: c",
    "@x",
    "`x`",
    "%y",
    "!x",
    "?",
    "|x",
    ">",
    "\"open",
    "'open",
    "[a",
    "{a",
    "a]",
    "é",
    "日本",
    "😀",
    "\"\\ud83d\\ude00\"",
    "\"\\q\"",
    "x  ",
    "0.1e-6",
    "1e21",
    "123456789.5",
    "<<",
    "=",
    "!!set {a}",
    "0x",
    "1e",
    "+.inf",
    "._1",
];

const BLOCKS: &[&str] = &[
    "|\n    text\n    more\n",
    "|-\n    text\n\n",
    "|+\n    text\n\n\n",
    ">\n    a\n    b\n\n    c\n",
    ">-\n    a\n      b\n    c\n",
    "|2\n      x\n",
    ">+\n    z\n\n",
    "\n    - a\n    - b: c\n      d: e\n",
    "\n    k: v\n    l: [1]\n",
    "\n  - 1\n  - - 2\n    - 3\n",
    "&b\n    k: v\n",
    "\n    <<: *b\n    z: 1\n",
    "\n    <<: {q: 1}\n    q: 2\n",
    "\n    <<: [*b, {r: 1}]\n",
    "a\n    b\n    c\n",
    "\"a\n    b\\\n    c\"\n",
    "\n  ? k\n  : v\n",
    "\n\tk: v\n",
    "\n   k: v\n  l: w\n",
];

const YAML_KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "1",
    "1.5",
    "true",
    "yes",
    "~",
    "\"q r\"",
    "'s'",
    "a b",
    "é",
    "a",
    "x-y",
    "0x10",
    "null",
    "1e3",
    "[a]",
    "{a: b}",
    "2024-01-01",
    "? a",
    "&k k",
    "!!str t",
    "<<",
    "-",
    "10",
    "9",
    "a10",
    "a9",
];

/// A YAML document, most likely a mapping.
pub(super) fn yaml(random: &mut Random) -> String {
    let mut text = String::new();
    if random.chance(10) {
        text.push_str(random.pick(&[
            "---\n",
            "%YAML 1.1\n---\n",
            "# c\n",
            "--- # c\n",
            "\n\n",
            "\u{feff}",
            "...\n",
        ]));
    }
    match random.below(12) {
        0 => text.push_str(random.pick(SCALARS)),
        1 => {
            for _ in 0..random.below(4) {
                text.push_str("- ");
                text.push_str(random.pick(SCALARS));
                text.push('\n');
            }
        }
        _ => {
            for _ in 0..1 + random.below(4) {
                text.push_str(random.pick(YAML_KEYS));
                text.push_str(": ");
                if random.chance(25) {
                    text.push_str(random.pick(BLOCKS));
                } else {
                    text.push_str(random.pick(SCALARS));
                    text.push('\n');
                }
            }
        }
    }
    if random.chance(8) {
        text.push_str(random.pick(&["---\nsecond: 1\n", "...\n", "--- x", "# end", "---\n---\n"]));
    }
    if random.chance(6) {
        text = random.damaged(
            &text,
            &["\t", ":", "\n", " ", "-", "\"", "*", "&", "{", "#", "|"],
        );
    }
    text
}

const JSON_VALUES: &[&str] = &[
    "1",
    "-1.5",
    "1e3",
    "1E+2",
    "0",
    "-0",
    "01",
    "1.",
    ".5",
    "+1",
    "9007199254740993",
    "1e400",
    "1e-400",
    "\"a\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\q\"",
    "\"a\nb\"",
    "\"\\/\"",
    "true",
    "false",
    "null",
    "nul",
    "True",
    "[]",
    "{}",
    "[1,2]",
    "[1,]",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "{a:1}",
    "{\"a\"}",
    "[1 2]",
    "\"<&>\"",
    "\"\u{2028}\"",
    "NaN",
    "12345678901234567890",
    "0.1",
    "1e21",
    "1e-7",
];

/// A JSON text.
pub(super) fn json(random: &mut Random) -> String {
    let mut text = match random.below(6) {
        0 => random.pick(JSON_VALUES).to_owned(),
        1 | 2 => {
            let items: Vec<&str> = (0..random.below(4))
                .map(|_| random.pick(JSON_VALUES))
                .collect();
            format!("[{}]", items.join(", "))
        }
        _ => {
            let items: Vec<String> = (0..random.below(4))
                .map(|_| {
                    let key = random.pick(&["a", "b", "", "é", "a.b", "\\n", "10", "9", "A"]);
                    format!("\"{key}\": {}", random.pick(JSON_VALUES))
                })
                .collect();
            format!("{{{}}}", items.join(","))
        }
    };
    if random.chance(10) {
        text = random.damaged(&text, &[",", ":", "\"", "{", "]", " ", "\\", "x"]);
    }
    text
}

const TOML_VALUES: &[&str] = &[
    "1",
    "-17",
    "+1",
    "1_000",
    "0x1F",
    "0o17",
    "0b11",
    "01",
    "1.5",
    "1e3",
    "-0.0",
    "6.26e-34",
    "1.",
    ".5",
    "inf",
    "-inf",
    "nan",
    "true",
    "false",
    "True",
    "\"a\"",
    "\"\\u00e9\\t\\\"\"",
    "\"\\q\"",
    "'raw\\n'",
    "''",
    "\"\"\"\nmulti\nline\\\n   on\"\"\"",
    "'''\nraw\n'''",
    "[]",
    "[1, 2]",
    "[1, \"a\", ]",
    "[[1], [\"a\"]]",
    "{}",
    "{ a = 1, b.c = 2 }",
    "{ a = 1, }",
    "2024-01-02",
    "2024-01-02T03:04:05Z",
    "2024-01-02 03:04:05.123",
    "2024-01-02T03:04:05-07:00",
    "03:04:05",
    "9223372036854775807",
    "9223372036854775808",
    "1__0",
    "\"open",
    "[1",
    "x",
    "",
    "[\n 1, # c\n 2\n]",
    "1e400",
    "{ a = { b = [ { c = 1 } ] } }",
];

const TOML_LINES: &[&str] = &[
    "[t]",
    "[t.u]",
    "[[l]]",
    "[[l.m]]",
    "[\"q.r\"]",
    "[ t . v ]",
    "[a]",
    "[[a]]",
    "# c",
    "",
    "[t",
    "[]",
    "[t]",
    "[a.b]",
];

const TOML_KEYS: &[&str] = &[
    "a", "b", "a.b", "\"q r\"", "'s'", "1", "1.2", "x-y", "é", "a . c", "", "t", "l", "t.u",
];

/// A TOML text.
pub(super) fn toml(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(6) {
        if random.chance(25) {
            text.push_str(random.pick(TOML_LINES));
        } else {
            text.push_str(random.pick(TOML_KEYS));
            text.push_str(random.pick(&[" = ", "=", " = ", "\t=  "]));
            text.push_str(random.pick(TOML_VALUES));
            text.push_str(random.pick(&["", "", "", " # c", "  "]));
        }
        text.push_str(random.pick(&["\n", "\n", "\n", "\r\n"]));
    }
    if random.chance(5) {
        text = random.damaged(&text, &["=", "[", "\"", "\n", "#", ".", "'"]);
    }
    text
}

/// The parts of a layout that Go knows, and some that it does not.
const LAYOUT_PARTS: &[&str] = &[
    "2006",
    "06",
    "01",
    "1",
    "Jan",
    "January",
    "02",
    "2",
    "_2",
    "002",
    "__2",
    "Mon",
    "Monday",
    "15",
    "03",
    "3",
    "04",
    "4",
    "05",
    "5",
    "PM",
    "pm",
    "MST",
    "-0700",
    "-07:00",
    "-07",
    "Z0700",
    "Z07:00",
    "Z07",
    "-07:00:00",
    "Z070000",
    ".000",
    ".999",
    ",000",
    "05.000000",
    "05.999999999",
    "T",
    "at",
    "Januaryx",
    "Jang",
    "2024",
    "20",
    "00",
    "99",
    "0",
];

const LAYOUTS: &[&str] = &[
    "2006-01-02",
    "2006-01-02T15:04:05Z07:00",
    "2006-01-02T15:04:05.999999999Z07:00",
    "Mon Jan _2 15:04:05 2006",
    "02 Jan 06 15:04 MST",
    "Mon, 02 Jan 2006 15:04:05 -0700",
    "3:04PM",
    "15:04",
    "2006-01-02 15:04:05",
    "Jan 2, 2006",
    "20060102150405",
    "Monday, 02-Jan-06 15:04:05 MST",
    "",
];

/// A Go layout of dates.
pub(super) fn layout(random: &mut Random) -> String {
    if random.chance(55) {
        return random.pick(LAYOUTS).to_owned();
    }
    let mut text = String::new();
    for _ in 0..1 + random.below(5) {
        text.push_str(random.pick(LAYOUT_PARTS));
        text.push_str(random.pick(&["", "-", " ", ":", "/", ", "]));
    }
    text
}

/// A date that one of the layouts reads, or nearly.
pub(super) fn date(random: &mut Random) -> String {
    const DATES: &[&str] = &[
        "2024-05-06",
        "2024-02-29",
        "2023-02-29",
        "1969-12-31",
        "0001-01-01",
        "9999-12-31",
        "2024-13-01",
        "2024-05-06T07:08:09Z",
        "2024-05-06T07:08:09.123456789+05:30",
        "2024-05-06T24:00:00Z",
        "2024-5-6",
        "2024-05-06 07:08:09",
        "Mon May  6 07:08:09 2024",
        "06 May 24 07:08 CET",
        "Mon, 06 May 2024 07:08:09 -0700",
        "7:08PM",
        "13:08PM",
        "07:08",
        "May 6, 2024",
        "20240506070809",
        "Monday, 06-May-24 07:08:09 EST",
        "",
        "x",
        "2024-05-06T07:08:09",
        "06 May 24 07:08 GMT+3",
        "-0001-01-01",
        "2024-12-31T23:59:60Z",
        "2024-05-06T07:08:09,5Z",
    ];
    let text = random.pick(DATES);
    if random.chance(8) {
        return random.damaged(text, &["0", "1", "-", " ", "Z", ".", "T"]);
    }
    text.to_owned()
}

/// A duration as Go writes it, or nearly.
pub(super) fn duration(random: &mut Random) -> String {
    const PARTS: &[&str] = &[
        "1h",
        "30m",
        "15s",
        "1.5h",
        "250ms",
        "10us",
        "7ns",
        "-1h",
        "+2m",
        "0",
        "24h",
        "720h",
        "8760h",
        "90m",
        "µs",
        "1µs",
        ".5s",
        "1.s",
        "1d",
        "s",
        "",
        "-",
        "1h1h",
        "99999999h",
        "2562047h47m16.854775807s",
        "1e3s",
        " 1s",
    ];
    let mut text = random.pick(PARTS).to_owned();
    for _ in 0..random.below(3) {
        text.push_str(random.pick(&PARTS[..7]));
    }
    text
}

/// The name of a time zone, most likely one.
///
/// None whose early history differs between releases of the zone data, as that of `EST` does.
pub(super) fn zone(random: &mut Random) -> String {
    random
        .pick(&[
            "UTC",
            "Local",
            "",
            "America/New_York",
            "Asia/Kolkata",
            "Europe/Berlin",
            "Nope/Zone",
            "Etc/GMT+5",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "utc",
            "../etc",
            "Pacific/Apia",
        ])
        .to_owned()
}

/// A version, most likely one.
pub(super) fn version(random: &mut Random) -> String {
    const NUMBERS: &[&str] = &["0", "1", "2", "3", "10", "01", "99", "4294967296", "x"];
    let mut text = random.pick(&["", "", "", "v", "V", " "]).to_owned();
    let parts = [1, 2, 3, 3, 3, 3, 3, 4][random.below(8)];
    for index in 0..parts {
        if index > 0 {
            text.push('.');
        }
        let known = if random.chance(90) {
            &NUMBERS[..5]
        } else {
            NUMBERS
        };
        text.push_str(random.pick(known));
    }
    if random.chance(30) {
        text.push_str(random.pick(&[
            "-alpha",
            "-alpha.1",
            "-beta.2",
            "-rc1",
            "-0",
            "-1",
            "-01",
            "-",
            "-a..b",
            "-x-y",
            "-gke.100",
            "-1.a.2",
            "-eks-123456",
            "-a_b",
        ]));
    }
    if random.chance(12) {
        text.push_str(random.pick(&["+b", "+b.1", "+001", "+", "+k3s1", "+a_b"]));
    }
    text
}

/// A range of versions.
pub(super) fn constraint(random: &mut Random) -> String {
    const OPERATORS: &[&str] = &[
        "", "=", "!=", ">", "<", ">=", "<=", "=>", "=<", "~", "~>", "^", "==", "> ", ">= ", "~ ",
        "!",
    ];
    let mut text = String::new();
    for index in 0..1 + random.below(3) {
        if index > 0 {
            text.push_str(random.pick(&[",", " ", " || ", "||", ", ", " - ", "|", " && "]));
        }
        let known = if random.chance(95) {
            &OPERATORS[..12]
        } else {
            OPERATORS
        };
        text.push_str(random.pick(known));
        match random.below(8) {
            0 => text.push_str(random.pick(&[
                "*", "x", "X", "1.x", "1.2.x", "1.x.x", "v1.X", "1.*", "*.1", "1.x.3",
            ])),
            1 => text.push_str(
                random.pick(&["1", "1.2", "0", "0.0", "0.1", "0.0.3", "1.2-0", "1.2.3-0"]),
            ),
            _ => text.push_str(version(random).trim_start()),
        }
    }
    if random.chance(5) {
        text = random.damaged(&text, &[" ", ",", ".", "-", "|", "x", "^"]);
    }
    text
}

/// A regular expression, mostly over the letters of [`subject`].
pub(super) fn pattern(random: &mut Random, depth: usize) -> String {
    const ATOMS: &[&str] = &[
        "a",
        "b",
        "1",
        ".",
        "\\d",
        "\\D",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "[a-c]",
        "[^a]",
        "[[:alpha:]]",
        "[\\d-]",
        "^",
        "$",
        "\\b",
        "\\B",
        "\\.",
        "-",
        "é",
        "\\pL",
        "\\p{Greek}",
        "[]a]",
        "\\x41",
        "\\x{e9}",
        "\\A",
        "\\z",
        "x*",
        "A",
        "(?i)",
        "(?s)",
        "(?m)",
        "\\Qa.b\\E",
        " ",
        "/",
        "_",
        "[^[:^alpha:]]",
        "\\t",
        "\\n",
        "(?U)",
        "\\PN",
    ];
    const BROKEN: &[&str] = &[
        "(",
        ")",
        "[",
        "*",
        "a**",
        "a{2,1}",
        "a{1001}",
        "\\",
        "(?P<n",
        "(?x)",
        "[b-a]",
        "\\pX",
        "(?=a)",
        "\\1",
        "a{,2}",
        "x{2}{3}",
        "(?P<a>x)(?P<a>y)",
        "[[:nope:]]",
        "\\C",
        "(?<n>a)",
        "\\8",
        "[\\]",
        "a++",
        "(?i-",
    ];
    let mut text = String::new();
    for _ in 0..1 + random.below(4) {
        let atom = match random.below(12) {
            0 if depth < 3 => format!("({})", pattern(random, depth + 1)),
            1 if depth < 3 => format!("(?:{})", pattern(random, depth + 1)),
            2 if depth < 3 => format!("(?P<n{}>{})", random.below(9), pattern(random, depth + 1)),
            3 if depth < 3 => format!(
                "{}|{}",
                pattern(random, depth + 1),
                pattern(random, depth + 1)
            ),
            4 if depth < 3 => format!("(?i:{})", pattern(random, depth + 1)),
            _ => random.pick(ATOMS).to_owned(),
        };
        text.push_str(&atom);
        if random.chance(35) {
            text.push_str(random.pick(&[
                "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,1}?", "{1,}", "{0}",
            ]));
        }
    }
    if random.chance(4) {
        text.push_str(random.pick(BROKEN));
    }
    text
}

/// A text for a pattern to look at.
pub(super) fn subject(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(10) {
        text.push_str(random.pick(&[
            "a", "b", "c", "A", "1", "2", " ", "-", ".", "_", "\n", "é", "ab", "x", "日", "α", "/",
            "a.b", "\t",
        ]));
    }
    text
}

pub(super) fn replacement(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        text.push_str(random.pick(&[
            "$1", "${1}", "$0", "$$", "x", "$n1", "${n1}", "$1x", "${1}x", "$", "${", "${x", "$2",
            "$-", "\\1", "-", "$10",
        ]));
    }
    text
}

/// A text that functions for names and words take apart.
pub(super) fn words(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(7) {
        text.push_str(random.pick(&[
            "foo", "Bar", "HTTP", "x1", "2y", "-", "_", "__", " ", "  ", "\t", ".", "é", "É", "ß",
            "日", "'", "a", "ID", "-_", "ǆ", "\u{a0}", "\u{2003}", "😀", "ﬁ", "İ", "_A", "9", "/",
            "a\u{301}", "\n",
        ]));
    }
    text
}
