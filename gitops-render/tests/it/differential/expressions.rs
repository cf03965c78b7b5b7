//! Expressions of every function with arguments of every kind, and templates around them.

use serde_json::{Value as Json, json};

use super::random::Random;

pub(super) const KEYS: &[&str] = &["a", "b", "c", "n", "s", "l", "m", "nul", "x-y", "YAML"];
pub(super) const STRINGS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    "Hello World",
    "  pad ",
    "1",
    "-5",
    "1.5",
    "0x1F",
    "017",
    "true",
    "null",
    "a,b,,c",
    "k: v",
    "- x\n- y\n",
    "{\"a\":1}",
    "[1,2]",
    "line1\nline2\n",
    "ünï ✓",
    "😀",
    "日本",
    "a.b/c-d_e",
    "fooBar2Baz",
    "<a href='x'>&",
    "%d %s",
    "%",
    "1.2.3",
    "v1.10.0-rc.1+b",
    ">=1.2",
    "^1.x",
    "(a|b)+",
    "[",
    "$1x",
    "{{ .a }}",
    "{{ 1 | add 2 }}",
    "key",
    "https://u:p@h:80/p?q=1#f",
    "2024-05-06",
    "1h30m",
    "aGVsbG8=",
    "\t",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "yes",
    "~",
    "a: [b",
];
const LITERALS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "5",
    "10",
    "1.5",
    "2.0",
    "-0.0",
    "1e3",
    "0x10",
    "1_000",
    "'a'",
    "true",
    "false",
    "nil",
    "`raw`",
    "1i",
    "017",
    "3.7e-5",
    "100000",
    "1234567.25",
    "0b11",
];
/// Numbers that only functions without loops get.
const LARGE: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "1e20",
    "1e300",
    "4611686018427387904",
    "1e15",
];
const FORMATS: &[&str] = &[
    "%v",
    "%s",
    "%d",
    "%q",
    "%x",
    "%X",
    "%T",
    "%t",
    "%f",
    "%5d",
    "%-5s|",
    "%05d",
    "%+v",
    "%#v",
    "%.2f",
    "%8.3f",
    "%e",
    "%g",
    "%G",
    "%c",
    "%U",
    "%#x",
    "%o",
    "%b",
    "%%",
    "%[1]v",
    "%[2]d %[1]d",
    "%*d",
    "%.1s",
    "% d",
    "% x",
    "%#q",
    "%+q",
    "%z",
    "%!",
    "%w",
    "%6.2f%%",
    "%+d",
    "%x %X",
    "%v %v",
    "%#o",
    "%O",
    "%#U",
    "%.3v",
    "%10v|",
    "%-10v|",
    "%010.2f",
    "%[5]d",
    "%.*f",
    "%s %s %s",
];
/// Functions with any arguments; the number says how many are usual.
const FUNCTIONS: &[(&str, usize)] = &[
    ("trim", 1),
    ("upper", 1),
    ("lower", 1),
    ("title", 1),
    ("untitle", 1),
    ("nospace", 1),
    ("swapcase", 1),
    ("snakecase", 1),
    ("camelcase", 1),
    ("kebabcase", 1),
    ("initials", 1),
    ("quote", 1),
    ("quote", 2),
    ("squote", 1),
    ("cat", 2),
    ("cat", 3),
    ("toString", 1),
    ("contains", 2),
    ("hasPrefix", 2),
    ("hasSuffix", 2),
    ("replace", 3),
    ("trimAll", 2),
    ("trimPrefix", 2),
    ("trimSuffix", 2),
    ("b64enc", 1),
    ("b64dec", 1),
    ("b32enc", 1),
    ("b32dec", 1),
    ("sha256sum", 1),
    ("sha1sum", 1),
    ("adler32sum", 1),
    ("plural", 3),
    ("splitList", 2),
    ("split", 2),
    ("splitn", 3),
    ("join", 2),
    ("sortAlpha", 1),
    ("toStrings", 1),
    ("int", 1),
    ("int64", 1),
    ("float64", 1),
    ("toDecimal", 1),
    ("add", 2),
    ("add", 3),
    ("add1", 1),
    ("sub", 2),
    ("mul", 2),
    ("div", 2),
    ("mod", 2),
    ("max", 2),
    ("min", 2),
    ("floor", 1),
    ("ceil", 1),
    ("round", 2),
    ("addf", 2),
    ("subf", 2),
    ("mulf", 2),
    ("divf", 2),
    ("maxf", 2),
    ("minf", 2),
    ("add1f", 1),
    ("default", 2),
    ("default", 1),
    ("empty", 1),
    ("coalesce", 2),
    ("coalesce", 3),
    ("ternary", 3),
    ("all", 2),
    ("any", 2),
    ("list", 0),
    ("list", 1),
    ("list", 3),
    ("first", 1),
    ("last", 1),
    ("rest", 1),
    ("initial", 1),
    ("reverse", 1),
    ("uniq", 1),
    ("compact", 1),
    ("append", 2),
    ("prepend", 2),
    ("concat", 2),
    ("without", 2),
    ("has", 2),
    ("slice", 2),
    ("slice", 3),
    ("chunk", 2),
    ("mustFirst", 1),
    ("mustLast", 1),
    ("mustRest", 1),
    ("mustAppend", 2),
    ("mustHas", 2),
    ("mustUniq", 1),
    ("mustWithout", 3),
    ("dict", 0),
    ("dict", 2),
    ("dict", 3),
    ("dict", 4),
    ("get", 2),
    ("set", 3),
    ("unset", 2),
    ("hasKey", 2),
    ("pluck", 2),
    ("pick", 2),
    ("omit", 2),
    ("merge", 2),
    ("mergeOverwrite", 2),
    ("mustMerge", 2),
    ("dig", 3),
    ("dig", 4),
    ("deepCopy", 1),
    ("deepEqual", 2),
    ("typeOf", 1),
    ("kindOf", 1),
    ("typeIs", 2),
    ("kindIs", 2),
    ("typeIsLike", 2),
    ("eq", 2),
    ("eq", 3),
    ("ne", 2),
    ("lt", 2),
    ("le", 2),
    ("gt", 2),
    ("ge", 2),
    ("and", 2),
    ("or", 2),
    ("and", 3),
    ("or", 1),
    ("not", 1),
    ("len", 1),
    ("index", 2),
    ("index", 3),
    ("print", 2),
    ("print", 3),
    ("println", 2),
    ("html", 1),
    ("js", 1),
    ("urlquery", 1),
    ("call", 1),
    ("toYaml", 1),
    ("toJson", 1),
    ("toYamlPretty", 1),
    ("toPrettyJson", 1),
    ("toRawJson", 1),
    ("toToml", 1),
    ("fromYaml", 1),
    ("fromYamlArray", 1),
    ("fromJson", 1),
    ("fromJsonArray", 1),
    ("mustToYaml", 1),
    ("mustToJson", 1),
    ("required", 2),
    ("semverCompare", 2),
    ("semver", 1),
    ("regexMatch", 2),
    ("regexFind", 2),
    ("regexFindAll", 3),
    ("regexReplaceAll", 3),
    ("regexReplaceAllLiteral", 3),
    ("regexSplit", 3),
    ("regexQuoteMeta", 1),
    ("mustRegexFind", 2),
    ("urlParse", 1),
    ("urlJoin", 1),
    ("base", 1),
    ("dir", 1),
    ("ext", 1),
    ("clean", 1),
    ("isAbs", 1),
    ("tpl", 2),
    ("include", 2),
    ("fail", 1),
    ("hello", 0),
    ("duration", 1),
    ("durationRound", 1),
    ("abbrev", 2),
    ("lookup", 4),
    ("atoi", 1),
    ("durationSeconds", 1),
    ("upper", 0),
    ("upper", 2),
    ("mustDeepCopy", 1),
];
/// Functions whose first arguments say how long the result is.
const SIZED: &[&str] = &[
    "trunc %i %e",
    "substr %i %i %e",
    "repeat %i %e",
    "indent %i %e",
    "nindent %i %e",
    "wrap %i %e",
    "wrapWith %i \"-\" %e",
    "until %i",
    "untilStep %i %i %i",
    "seq %i %i",
    "seq %i",
    "abbrevboth %i %i %e",
    "(until %i)",
];
const NAMES: &[&str] = &["t", "u", "x/templates/e.yaml", "gotpl", "nope"];

pub(super) struct Generator {
    pub(super) random: Random,
    pub(super) depth: usize,
    variables: Vec<String>,
    is_defining: bool,
    /// Whether the dot is the root, which holds pointers; those print as addresses.
    is_root: bool,
    /// Whether numbers may come up over which no loop should run.
    allows_large: bool,
}

impl Generator {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            depth: 0,
            variables: Vec::new(),
            is_defining: false,
            is_root: true,
            allows_large: false,
        }
    }

    pub(super) fn string(&mut self) -> String {
        let mut text = self.random.pick(STRINGS).to_owned();
        if self.random.chance(15) {
            text.push_str(self.random.pick(STRINGS));
        }
        if self.random.chance(1) {
            return format!("\"{}\\xff\\xe6\"", text.escape_default());
        }
        serde_json::to_string(&text).unwrap_or_default()
    }

    pub(super) fn small(&mut self) -> String {
        if self.random.chance(80) {
            (self.random.below(12) as i64 - 2).to_string()
        } else {
            self.operand()
        }
    }

    pub(super) fn field(&mut self) -> String {
        let mut text = self
            .random
            .pick(&[
                ".Values", ".Values", ".Values", "$.Values", "", ".Release", ".Chart", "$",
            ])
            .to_owned();
        let is_root = text.is_empty() || text == "$";
        for _ in 0..self.random.below(3) + usize::from(is_root) {
            text.push('.');
            text.push_str(self.random.pick(&KEYS[..8]));
        }
        match self.random.below(60) {
            0 => ".Release.Name".to_owned(),
            1 => ".Chart.Name".to_owned(),
            2 => ".Values.AsMap".to_owned(),
            3 => ".Files.Nope".to_owned(),
            4 => ".Template.Name".to_owned(),
            5 => ".Capabilities.KubeVersion".to_owned(),
            6 => ".Values.Table \"m\"".to_owned(),
            7 => "(.Files.Get \"x\")".to_owned(),
            8 => "(.Values.PathValue \"m.a\")".to_owned(),
            9 => ".Values.YAML".to_owned(),
            _ => text,
        }
    }

    pub(super) fn operand(&mut self) -> String {
        if self.depth > 4 {
            return self
                .random
                .pick(&["1", "\"a\"", ".Values", ".Values.a"])
                .to_owned();
        }
        match self.random.below(20) {
            0..5 => self.string(),
            5..8 => self.random.pick(LITERALS).to_owned(),
            8..13 => self.field(),
            13 if !self.is_root => ".".to_owned(),
            13 => "$.Values".to_owned(),
            14 if !self.variables.is_empty() => {
                let index = self.random.below(self.variables.len());
                let mut text = self.variables[index].clone();
                if self.random.chance(30) {
                    text.push('.');
                    text.push_str(self.random.pick(&KEYS[..8]));
                }
                text
            }
            16 => {
                let inner = self.chapter();
                format!("({inner})")
            }
            15 => {
                let inner = self.pipeline();
                format!("({inner}).{}", self.random.pick(&KEYS[..8]))
            }
            _ => {
                let inner = self.pipeline();
                format!("({inner})")
            }
        }
    }

    pub(super) fn call(&mut self) -> String {
        match self.random.below(12) {
            0 => {
                let mut text = String::from("printf ");
                let mut format = self.random.pick(FORMATS).to_owned();
                if self.random.chance(20) {
                    format.push_str(self.random.pick(FORMATS));
                }
                text.push_str(&format!("{format:?}"));
                for _ in 0..self.random.below(4) {
                    text.push(' ');
                    text.push_str(&self.operand());
                }
                text
            }
            1 => {
                let form = self.random.pick(SIZED);
                let mut text = String::new();
                for (index, part) in form.split('%').enumerate() {
                    let rest = match (index, part.chars().next()) {
                        (0, _) => part,
                        (_, Some('i')) => {
                            text.push_str(&self.small());
                            &part[1..]
                        }
                        _ => {
                            text.push_str(&self.operand());
                            &part[1..]
                        }
                    };
                    text.push_str(rest);
                }
                text
            }
            2 if self.allows_large && self.depth == 1 => {
                let name = self
                    .random
                    .pick(&["add", "mul", "int", "float64", "print", "div", "eq"]);
                let (a, b) = (self.random.pick(LARGE), self.random.pick(LARGE));
                match name {
                    "int" | "float64" => format!("{name} {a}"),
                    _ => format!("{name} {a} {b}"),
                }
            }
            _ => {
                let (name, count) = FUNCTIONS[self.random.below(FUNCTIONS.len())];
                let mut text = name.to_owned();
                for index in 0..count {
                    text.push(' ');
                    let operand = match (name, index) {
                        // Maps that contain themselves end the real engine.
                        ("set", 2) => self.string(),
                        ("merge" | "mergeOverwrite" | "mustMerge", _) => {
                            format!("(deepCopy {})", self.operand())
                        }
                        ("include", 0) if self.is_defining => "\"nope\"".to_owned(),
                        ("include", 0) => format!("{:?}", self.random.pick(NAMES)),
                        ("tpl", 0) if self.random.chance(50) => {
                            let inner = self.pipeline();
                            format!("`{{{{ {} }}}}`", inner.replace('`', ""))
                        }
                        ("set" | "get" | "unset" | "hasKey" | "dig", _)
                            if self.random.chance(50) =>
                        {
                            match index {
                                0 if name != "dig" => self
                                    .random
                                    .pick(&[".Values", ".Values.m", "(dict)"])
                                    .to_owned(),
                                _ => format!("{:?}", self.random.pick(KEYS)),
                            }
                        }
                        _ => self.operand(),
                    };
                    text.push_str(&operand);
                }
                text
            }
        }
    }

    pub(super) fn pipeline(&mut self) -> String {
        self.depth += 1;
        let mut text = if self.random.chance(55) {
            self.call()
        } else {
            self.operand()
        };
        while self.depth < 5 && self.random.chance(25) {
            let (name, count) = FUNCTIONS[self.random.below(FUNCTIONS.len())];
            text.push_str(" | ");
            text.push_str(name);
            for _ in 1..count {
                text.push(' ');
                text.push_str(&self.operand());
            }
        }
        self.depth -= 1;
        text
    }

    fn space(&mut self) -> (&'static str, &'static str) {
        (
            if self.random.chance(20) {
                "{{- "
            } else {
                "{{ "
            },
            if self.random.chance(20) {
                " -}}"
            } else {
                " }}"
            },
        )
    }

    fn action(&mut self) -> String {
        let (open, close) = self.space();
        let pipeline = self.pipeline();
        match self.random.below(16) {
            0 => {
                let body = self.body();
                let other = self.body();
                let or = self.random.pick(&["else", "else if .Values.a", "else"]);
                format!("{open}if {pipeline}{close}{body}{{{{ {or} }}}}{other}{{{{ end }}}}")
            }
            1 => {
                let known = self.variables.len();
                let header = if self.random.chance(30) {
                    self.variables.push("$w".to_owned());
                    format!("$w := {pipeline}")
                } else {
                    pipeline
                };
                let body = self.inner_body();
                let or = match self.random.below(5) {
                    0 => format!("{{{{ else }}}}{}", self.body()),
                    1 => {
                        let pipeline = self.pipeline();
                        format!("{{{{ else with {pipeline} }}}}{}", self.inner_body())
                    }
                    _ => String::new(),
                };
                self.variables.truncate(known);
                format!("{open}with {header}{close}{body}{or}{{{{ end }}}}")
            }
            2 | 3 => {
                let header = match self.random.below(3) {
                    0 => pipeline,
                    1 => format!("$i, $e := {pipeline}"),
                    _ => format!("$e := {pipeline}"),
                };
                let known = self.variables.len();
                if header.starts_with("$i") {
                    self.variables.extend(["$i".to_owned(), "$e".to_owned()]);
                } else if header.starts_with("$e") {
                    self.variables.push("$e".to_owned());
                }
                let mut body = self.inner_body();
                if self.random.chance(20) {
                    let leave = self.random.pick(&[
                        "{{ break }}",
                        "{{ continue }}",
                        "{{ if eq (len .) 1 }}{{ break }}{{ end }}",
                        "{{ with . }}{{ continue }}{{ end }}",
                        "{{ if . }}{{- continue -}}{{ else }}{{- break }}{{ end }}",
                    ]);
                    body.insert_str(0, leave);
                }
                self.variables.truncate(known);
                let other = self.random.pick(&["", "{{ else }}none"]);
                format!("{open}range {header}{close}{body}{other}{{{{ end }}}}")
            }
            14 => {
                let comment = self.random.pick(&[
                    "{{/* c */}}",
                    "{{- /* c */ -}}",
                    "{{ /* c */ }}",
                    "{{/* a\n\nb */}}",
                    "{{- \"\" -}}\n",
                    "\n\n",
                ]);
                format!("{comment}{open}{pipeline}{close}")
            }
            15 if !self.is_defining && self.depth == 1 => {
                let was = std::mem::replace(&mut self.is_defining, true);
                let body = self.inner_body();
                self.is_defining = was;
                format!("{open}block \"blk\" {pipeline}{close}{body}{{{{ end }}}}")
            }
            4 => {
                let name = format!("$v{}", self.random.below(3));
                self.variables.push(name.clone());
                format!("{open}{name} := {pipeline}{close}")
            }
            5 if !self.is_defining => {
                let name = self.random.pick(NAMES);
                let name = if name.contains('/') || name == "gotpl" {
                    "t"
                } else {
                    name
                };
                format!("{open}template {name:?} {pipeline}{close}")
            }
            6 if !self.variables.is_empty() => {
                let index = self.random.below(self.variables.len());
                let name = self.variables[index].clone();
                format!("{open}{name} = {pipeline}{close}{{{{ {name} }}}}")
            }
            _ => format!("{open}{pipeline}{close}"),
        }
    }

    /// A body whose dot is something of the values.
    fn inner_body(&mut self) -> String {
        let was = std::mem::replace(&mut self.is_root, false);
        let body = self.body();
        self.is_root = was;
        body
    }

    pub(super) fn body(&mut self) -> String {
        self.depth += 1;
        let mut text = self
            .random
            .pick(&["", " ", "x", "\n  y: ", "<no value>"])
            .to_owned();
        for _ in 0..if self.depth > 2 {
            1
        } else {
            1 + self.random.below(2)
        } {
            text.push_str(&self.action());
            text.push_str(self.random.pick(&["", " ", "\n", "z"]));
        }
        self.depth -= 1;
        text
    }

    pub(super) fn expression(&mut self) -> String {
        self.variables.clear();
        self.depth = 0;
        let mut text = if self.random.chance(75) {
            self.allows_large = true;
            let pipeline = self.pipeline();
            self.allows_large = false;
            format!("{{{{ {pipeline} }}}}")
        } else {
            self.body()
        };
        if text.contains("\"t\"") || text.contains("\"u\"") {
            self.is_defining = true;
            let body = self.inner_body();
            // The second template may use the first: errors then have two levels.
            let second = self.inner_body();
            let link = self.random.pick(&[
                "{{ template \"t\" . }}",
                "{{ include \"t\" . | trim }}",
                "{{ tpl \"{{ include `t` . }}\" . }}",
                "",
            ]);
            self.is_defining = false;
            text = format!(
                "{{{{ define \"t\" }}}}{body}{{{{ end }}}}{{{{- define \"u\" -}}}}{second}{link}{{{{ end }}}}{text}"
            );
        }
        if self.random.chance(6) {
            const EXTRAS: &[&str] = &[
                "{", "}", "\"", "|", "(", ")", ".", "$", "-", "\\", ":=", ",", "'", "`", "/*", "\n",
            ];
            text = self.random.damaged(&text, EXTRAS);
        }
        text
    }

    pub(super) fn value(&mut self, depth: usize) -> Json {
        match self.random.below(if depth > 2 { 7 } else { 10 }) {
            0 => Json::Null,
            1 => json!(self.random.chance(50)),
            2 => json!(self.random.below(1000) as f64 / 4.0),
            3 => json!(self.random.below(10)),
            4..7 => json!(self.random.pick(STRINGS)),
            7 => Json::Array(
                (0..self.random.below(4))
                    .map(|_| self.value(depth + 1))
                    .collect(),
            ),
            _ => self.values(depth + 1),
        }
    }

    pub(super) fn values(&mut self, depth: usize) -> Json {
        let mut map = serde_json::Map::new();
        for _ in 0..self.random.below(6) {
            let key = self.random.pick(KEYS).to_owned();
            let value = self.value(depth);
            map.insert(key, value);
        }
        Json::Object(map)
    }
}
