//! Templates of every construct with words in the wrong places, for what the lexer, the parser and the
//! walk over the tree say of them.

use super::random::Random;

/// What templates are made of.
const WORDS: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "\t",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "nil",
    "true",
    "false",
    ".",
    ".a",
    ".Values",
    ".Values.a",
    ".Values.m.k",
    "$",
    "$x",
    "$x.a",
    "$.Values",
    "$x:=1",
    "$x := ",
    "$x = ",
    "$x, $y := ",
    ":=",
    "=",
    "|",
    ",",
    "(",
    ")",
    "()",
    "\"a\"",
    "\"",
    "`",
    "`raw`",
    "'",
    "'a'",
    "'ab'",
    "1",
    "-1",
    "+1",
    "0x1F",
    "0b1",
    "0o7",
    "1e3",
    "1_000",
    "0x1p-2",
    "1i",
    "1.5",
    "1.",
    "..",
    ".5",
    "-",
    "+",
    "/*",
    "*/",
    "/* c */",
    "{{/* c */}}",
    "{{- /* c */ -}}",
    "print",
    "len",
    "and",
    "or",
    "not",
    "eq",
    "index",
    "printf",
    "include",
    "tpl",
    "toYaml",
    "upper",
    "foo",
    "fail \"x\"",
    "else if",
    "else with",
    "else range",
    "\"\\n\"",
    "\"\\q\"",
    "\"\\u00e9\"",
    "\"\\xff\"",
    "\"\\777\"",
    "'\\n'",
    "'\\''",
    "\\",
    "@",
    "#",
    "%",
    "&",
    "*",
    "/",
    "!",
    "?",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    ";",
    ":",
    "~",
    "é",
    "日",
    "\u{a0}",
    "\u{2028}",
    "_",
    "_a",
    "a_b",
    ".é",
    ".1",
    "..a",
    ".a.b.c",
    ".a..b",
    "$.",
    "$1",
    "$$",
    "\0",
    "\r\n",
    "{{end}}",
    "{{else}}",
    "{{if .Values.a}}",
    "{{range .Values.l}}",
    "{{with .Values.m}}",
    "{{define \"t\"}}",
    "{{template \"t\" .}}",
    "{{block \"b\" .}}",
    "{{break}}",
    "{{continue}}",
    "x",
    "text",
];

/// Constructs, `%s` for one or more words.
const CONSTRUCTS: &[&str] = &[
    "{{ %s }}",
    "{{ %s %s }}",
    "{{ %s %s %s }}",
    "{{%s}}",
    "{{- %s -}}",
    "{{if %s}}x{{end}}",
    "{{if %s}}x{{else if %s}}y{{else}}z{{end}}",
    "{{range %s}}{{.}}{{else}}n{{end}}",
    "{{range $i, $e := %s}}{{$i}}{{$e}}{{end}}",
    "{{with %s}}{{.}}{{else with %s}}w{{end}}",
    "{{with $x := %s}}{{$x}}{{end}}",
    "{{define \"t\"}}%s{{end}}{{template \"t\" %s}}",
    "{{template \"t\" %s}}",
    "{{template %s}}",
    "{{block \"b\" %s}}%s{{end}}",
    "{{define %s}}x{{end}}",
    "{{$x := %s}}{{$x}}",
    "{{$x := %s}}{{$x = %s}}{{$x}}",
    "{{range %s}}{{break}}{{end}}",
    "{{range %s}}{{continue %s}}{{end}}",
    "{{if %s}}{{break}}{{end}}",
    "{{ %s | %s }}",
    "{{ (%s) }}",
    "{{ (%s).a }}",
    "{{ %s%s }}",
    "%s",
    "a%sb",
    "{{/* %s */}}",
    "{{ /* %s */ %s }}",
    "{{end %s}}",
    "{{else %s}}",
    "{{if %s}}{{else}}{{else}}{{end}}",
    "{{ `%s` }}",
    "{{ \"%s\" }}",
    "{{ '%s' }}",
    "{{if %s}}{{define \"q\"}}{{end}}{{end}}",
    "{{range $x := %s}}{{$x}}{{end}}{{$x}}",
    "{{ print %s }}",
    "{{ print (%s) %s }}",
    "{{ %s.a }}",
    "{{ .Values%s }}",
    "{{ tpl `%s` . }}",
    "{{ tpl \"{{ %s }}\" . }}",
    "{{ include \"t\" %s }}{{define \"t\"}}%s{{end}}",
];

/// A template, most likely wrong.
pub(super) fn template(random: &mut Random) -> String {
    if random.chance(25) {
        let mut text = String::new();
        for _ in 0..=random.below(12) {
            text.push_str(random.pick(WORDS));
            text.push_str(random.pick(&["", " "]));
        }
        return text;
    }
    let mut text = construct(random);
    if random.chance(25) {
        let before = construct(random);
        text.insert_str(0, &before);
    }
    text
}

fn construct(random: &mut Random) -> String {
    let mut text = String::new();
    for (index, part) in random.pick(CONSTRUCTS).split("%s").enumerate() {
        if index > 0 {
            text.push_str(&words(random));
        }
        text.push_str(part);
    }
    text
}

fn words(random: &mut Random) -> String {
    match random.below(10) {
        0..6 => random.pick(WORDS).to_owned(),
        6 | 7 => format!("{}{}", random.pick(WORDS), random.pick(WORDS)),
        _ => {
            let words: Vec<&str> = (0..=random.below(4)).map(|_| random.pick(WORDS)).collect();
            words.join(" ")
        }
    }
}
