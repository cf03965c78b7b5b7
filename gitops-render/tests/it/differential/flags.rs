//! The grammar of `--set` and its kin: one small chart that prints its values.

use super::{
    charts::{ChartCase, Flags},
    random::Random,
    texts,
};

const CHART: &str = "apiVersion: v2\nname: x\nversion: 1.2.3\n";
const TEMPLATE: &str = "values: {{ toJson .Values | quote }}\nkinds:\n{{- range $k, $v := .Values }}\n  - {{ printf \"%s %T\" $k $v | quote }}\n{{- end }}\n";
const DEFAULTS: &[&str] = &[
    "a: 1\nb: [1, 2]\nc: {d: e}\n",
    "",
    "a: {b: {c: 1}}\nl:\n- x: 1\n- y: 2\n",
    "a: null\nb: text\n",
];

pub(super) fn chart(mut random: Random) -> ChartCase {
    let mut case = ChartCase::default();
    case.add("chart/Chart.yaml", CHART);
    case.add("chart/templates/values.yaml", TEMPLATE);
    case.add("chart/values.yaml", random.pick(DEFAULTS));
    case.flags = flags(&mut random, &mut case.files);
    case
}

/// Flags that set values.
pub(super) fn flags(
    random: &mut Random,
    files: &mut std::collections::BTreeMap<String, String>,
) -> Flags {
    let mut flags = Flags::default();
    for _ in 0..1 + random.below(3) {
        match random.below(12) {
            0..6 => flags.set.push(assignments(random)),
            6 => flags.set_string.push(assignments(random)),
            7 => {
                let json = texts::json(random);
                flags.set_json.push(if random.chance(25) {
                    json
                } else {
                    format!("{}={json}", path(random))
                });
            }
            8 => flags.set_literal.push(assignments(random)),
            9 => {
                files.insert("file.txt".to_owned(), texts::subject(random));
                let name = random.pick(&[
                    "{{PLACE}}/file.txt",
                    "{{PLACE}}/file.txt",
                    "{{PLACE}}/none.txt",
                ]);
                flags.set_file.push(format!("{}={name}", path(random)));
            }
            _ => {
                let name = format!("values-{}.yaml", flags.values.len());
                files.insert(name.clone(), texts::yaml(random));
                flags.values.push(format!("{{{{PLACE}}}}/{name}"));
            }
        }
    }
    flags
}

fn assignments(random: &mut Random) -> String {
    let mut text = String::new();
    for index in 0..1 + random.below(3) {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&path(random));
        text.push_str(random.pick(&["=", "=", "=", "=", "=", "=", "=", "", "==", " = "]));
        text.push_str(&value(random));
    }
    if random.chance(12) {
        text = random.damaged(
            &text,
            &[
                ",", "=", "[", "]", ".", "{", "}", "\\", " ", "0", "\"", "\n",
            ],
        );
    }
    text
}

fn path(random: &mut Random) -> String {
    let mut text = random
        .pick(&[
            "a", "b", "c", "l", "a b", "a\\.b", "a\\,b", "é", "a-b", "a\\=b", "\"q\"", "",
        ])
        .to_owned();
    if random.chance(70) {
        text = random.pick(&["a", "b", "c", "l"]).to_owned();
    }
    for _ in 0..random.below(3) {
        text.push_str(random.pick(&[
            ".b", ".c", ".d", "[0]", "[1]", "[2]", ".a", "[0].x", "[1].y", "[-1]", "[x]", "[]",
            "..", ".x\\.y", "[00]", "[0][1]", "[ 1 ]", "[99999]", "[3]", "[+1]", "[1_0]", "[0x1]",
        ]));
    }
    text
}

fn value(random: &mut Random) -> String {
    const VALUES: &[&str] = &[
        "1",
        "-5",
        "0",
        "01",
        "1.5",
        "1e3",
        "true",
        "TRUE",
        "false",
        "null",
        "NULL",
        "~",
        "",
        "text",
        "a b",
        "a\\,b",
        "a=b",
        "{a,b}",
        "{}",
        "{1,true,null}",
        "{a,{b}}",
        "{a",
        "a}",
        "[1]",
        "\"q\"",
        "'s'",
        "\\\\",
        "\\n",
        "9223372036854775807",
        "9223372036854775808",
        "0x10",
        " 1",
        "1 ",
        "{a\\,b,c}",
        "é",
        "{,}",
        "{a,}",
        "+1",
        "-0",
        "00",
        "1_000",
        "{x=1}",
        "a\\",
        "{a}b",
        "{ a , b }",
        "Null",
        "True",
    ];
    random.pick(VALUES).to_owned()
}
