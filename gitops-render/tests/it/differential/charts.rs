//! Whole charts: subcharts with aliases, conditions, tags, imports and globals, templates that use them,
//! files, hooks, CRDs, schemas, values files and flags.

use std::{collections::BTreeMap, fs, path::Path};

use bytes::Bytes;
use gitops_render::{
    helm::{ChartSource, Profile, TemplateOptions, ValueOptions, template},
    tree::DirTree,
};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{expressions::Generator, flags, manifests, peer::Answer, random::Random, texts};

/// The flags of `helm template`; `{{PLACE}}` is the folder of the case.
#[derive(Default, Clone, Debug, Serialize)]
pub(super) struct Flags {
    pub(super) release: String,
    pub(super) namespace: String,
    pub(super) kube_version: String,
    pub(super) api_versions: Vec<String>,
    pub(super) values: Vec<String>,
    pub(super) set: Vec<String>,
    pub(super) set_string: Vec<String>,
    pub(super) set_file: Vec<String>,
    pub(super) set_json: Vec<String>,
    pub(super) set_literal: Vec<String>,
    pub(super) show_only: Vec<String>,
    pub(super) include_crds: bool,
    pub(super) no_hooks: bool,
    pub(super) skip_tests: bool,
    pub(super) is_upgrade: bool,
    pub(super) skip_schema_validation: bool,
}

/// Files below a folder, `chart/` among them, and flags.
#[derive(Default)]
pub(super) struct ChartCase {
    pub(super) files: BTreeMap<String, String>,
    pub(super) flags: Flags,
}

impl ChartCase {
    pub(super) fn add(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    pub(super) fn shown(&self) -> String {
        let mut text = format!("{:?}\n", self.flags);
        for (path, content) in &self.files {
            text.push_str(&format!("    {path}: {content:?}\n"));
        }
        text
    }

    pub(super) fn write(&self, folder: &Path) {
        for (path, content) in &self.files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    fn placed(&self, folder: &Path) -> Flags {
        let place = folder.display().to_string();
        let mut flags = self.flags.clone();
        for list in [&mut flags.values, &mut flags.set_file] {
            for item in list {
                *item = item.replace("{{PLACE}}", &place);
            }
        }
        if flags.release.is_empty() {
            flags.release = "rel".to_owned();
        }
        if flags.namespace.is_empty() {
            flags.namespace = "ns".to_owned();
        }
        flags
    }

    pub(super) fn request(&self, version: u8, folder: &Path) -> Json {
        json!({"helm": version, "chart": folder.join("chart"), "flags": self.placed(folder)})
    }

    pub(super) fn render(&self, profile: &Profile, folder: &Path) -> Answer {
        let flags = self.placed(folder);
        let chart = folder.join("chart");
        let mut options = TemplateOptions::default();
        options.name = Some(flags.release);
        options.namespace = Some(flags.namespace);
        options.kube_version = Some(flags.kube_version);
        options.api_versions = flags.api_versions;
        options.include_crds = flags.include_crds;
        options.is_upgrade = flags.is_upgrade;
        options.show_only = flags.show_only;
        options.no_hooks = flags.no_hooks;
        options.skip_tests = flags.skip_tests;
        options.skip_schema_validation = flags.skip_schema_validation;
        options.values = ValueOptions {
            files: flags.values,
            set_json: flags.set_json,
            set: flags.set,
            set_string: flags.set_string,
            set_file: flags.set_file,
            set_literal: flags.set_literal,
        };
        options.load.shown_path = chart.display().to_string();
        let files = |name: &str| {
            fs::read(name)
                .map(Bytes::from)
                .map_err(|_| format!("open {name}: no such file or directory"))
        };
        let tree = DirTree::open(&chart).unwrap();
        let output = template(ChartSource::Directory(&tree), &options, profile, &files);
        if output.code == 0 {
            Ok(output.stdout)
        } else {
            let text = output.stderr;
            let text = text.strip_prefix("Error: ").unwrap_or(&text);
            Err(text.strip_suffix('\n').unwrap_or(text).to_owned())
        }
    }
}

/// Templates with holes: `%N` is the chart's name, `%S` one of its subcharts, `%E` an expression.
const TEMPLATES: &[&str] = &[
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-{{ .Chart.Name }}\ndata:\n  values: |\n{{ .Values | toYaml | indent 4 }}\n",
    "kind: Service\napiVersion: v1\nmetadata: {name: {{ include \"%N.name\" . }}, labels: {v: {{ .Chart.Version | quote }}}}\nspec: {{ .Values.global | toJson }}\n",
    "kind: Widget\nmetadata:\n  name: w\nsub: {{ .Subcharts | keys | sortAlpha | toJson }}\nvalues: {{ .Values.%S | toJson }}\n",
    "{{- $_ := set .Values \"z\" \"set\" }}\nkind: Secret\nz: {{ .Values.z }}\n",
    "{{- $_ := set .Values.global \"g\" .Chart.Name }}\nkind: Deployment\ng: {{ .Values.global | toJson }}\n",
    "kind: Role\nname: {{ include \"shared.name\" . | quote }}\n",
    "{{ if .Values.enabled }}kind: Enabled\n{{ else }}kind: Disabled\n{{ end }}",
    "kind: Pod\nmetadata:\n  name: t\n  annotations:\n    \"helm.sh/hook\": %H\n    \"helm.sh/hook-weight\": \"5\"\n    helm.sh/hook-delete-policy: hook-succeeded\n",
    "kind: A\n---\nkind: B\n\n--- # comment\nkind: C\n---\n# only a comment\n---\n\n---\nkind: Namespace\n",
    "---\n---\nkind: X\n",
    "--- \nkind: Y\n ---\nz: 1\n",
    "kind: ValidatingWebhookConfiguration\nmetadata:\n  name: v\n---\nkind: Ingress\nmetadata: {name: i}\n---\nkind: APIService\nmetadata: {name: a}\n---\nkind: MutatingWebhookConfiguration\n",
    "{{ range $k, $v := .Values }}\nkind: Of\nkey: {{ $k | quote }}\nvalue: {{ $v | toJson }}\n---\n{{ end }}",
    "kind: T\nname: {{ .Template.Name }}\nbase: {{ .Template.BasePath }}\nsum: {{ include (print $.Template.BasePath \"/t0.yaml\") . | sha256sum }}\n",
    "kind: F\na: {{ .Files.Get \"conf/a.txt\" | quote }}\nnone: {{ .Files.Get \"none\" | quote }}\nlines: {{ .Files.Lines \"conf/b.yaml\" | toJson }}\nall:\n{{ (.Files.Glob \"conf/**\").AsConfig | indent 2 }}\nsecrets:\n{{ (.Files.Glob \"*/b.yaml\").AsSecrets | indent 2 }}\n",
    "{{ range $path, $content := .Files.Glob \"**\" }}\nkind: G\npath: {{ $path }}\nlen: {{ len $content }}\n---\n{{ end }}",
    "kind: V\nv: {{ .Capabilities.KubeVersion }}\nmajor: {{ .Capabilities.KubeVersion.Major }}\nhas: {{ .Capabilities.APIVersions.Has \"x.io/v1\" }}\n",
    "kind: R\nr: {{ .Release | toJson }}\n",
    "kind: C\nc: {{ .Chart.Name }} {{ .Chart.AppVersion }} {{ .Chart.Type | quote }} {{ .Chart.IsRoot }} {{ len .Chart.Dependencies }} {{ .Chart.Annotations | toJson }}\n",
    "kind: D\ndeps: {{ range .Chart.Dependencies }}{{ .Name }}/{{ .Alias }}/{{ .Condition }}/{{ .Enabled }}/{{ .ImportValues | toJson }} {{ end }}\n",
    "kind: E\ne: {{ %E | toJson }}\n",
    "kind: E\nmetadata:\n  name: {{ %E | quote }}\n",
    "{{ %B }}",
    "kind: Tpl\nt: {{ tpl (toString .Values.t) . | quote }}\n",
    "kind: Tpl\nt: {{ tpl \"{{ include \\\"%N.name\\\" . }}{{ .Values.a }}\" $ | quote }}\n",
    "{{ required \"need a\" .Values.need }}",
    "{{ .Values.a.b.c }}",
    "{{ fail (printf \"no %s\" .Chart.Name) }}",
    "kind: [\n",
    "a: b: c\n",
    "just text\n",
    "- list\n",
    "kind: 5\nmetadata:\n  name: 7\n",
    "metadata:\n  annotations:\n    a: 1\nkind: N\n",
    "kind: Sub\nv: {{ .Values.%S.a | quote }}{{ .Values.%S.global | toJson }}\n",
    "kind: Sub\nv: {{ .Subcharts.%S.Values | toJson }}\n",
    "kind: Sub\nv: {{ .Subcharts.%S.Chart.Name }}\n",
    "{{ if eq (typeOf .Values.a) \"float64\" }}kind: Float\n{{ end }}\n\n",
    "   \n\t\n",
    "# comment\n",
    "kind: Job\r\nmetadata:\r\n  name: crlf\r\n---\r\nkind: CronJob\r\n",
    "{{- define \"%N.extra\" }}x{{ end -}}\nkind: L\nx: {{ include \"%N.extra\" . }}\n",
    "kind: Helper\nname: {{ template \"%N.name\" . }}\n",
    "kind: Exports\nv: {{ .Values.data | toJson }} {{ .Values.y | toJson }} {{ .Values.imported | toJson }}\n",
    "kind: List\nitems:\n- kind: A\n- kind: B\n",
    "{{ toYaml .Values.objects }}",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: q\ndata: {{ .Values.data }}\n",
];

const HOOKS: &[&str] = &[
    "pre-install",
    "post-install,post-upgrade",
    "test",
    "test-success",
    "PRE-INSTALL",
    "nope",
    "\"\"",
    "pre-install, nope",
    "crd-install",
    "\" test \"",
    "pre-delete,post-delete",
    "5",
];

struct ChartGenerator {
    generator: Generator,
    case: ChartCase,
}

pub(super) fn chart(random: Random) -> ChartCase {
    let mut this = ChartGenerator {
        generator: Generator::new(random),
        case: ChartCase::default(),
    };
    this.chart("chart", "root", 0);
    this.flags();
    this.case
}

impl ChartGenerator {
    fn random(&mut self) -> &mut Random {
        &mut self.generator.random
    }

    fn add(&mut self, path: &str, text: &str) {
        self.case.add(path, text);
    }

    fn chart(&mut self, folder: &str, name: &str, depth: usize) {
        let count = match depth {
            0 => self.random().below(4),
            1 => self.random().below(2),
            _ => 0,
        };
        let names: Vec<String> = ["sub", "db", "web"][..count]
            .iter()
            .map(|sub| {
                // The same names at both levels: globals and definitions then meet.
                if depth == 0 || self.random().chance(50) {
                    (*sub).to_owned()
                } else {
                    format!("{name}-{sub}")
                }
            })
            .collect();
        let is_v1 = self.random().chance(8);
        let dependencies = self.dependencies(&names);
        let mut metadata = format!(
            "apiVersion: {}\nname: {name}\nversion: {}\n",
            if is_v1 { "v1" } else { "v2" },
            self.random()
                .pick(&["1.2.3", "1.0.0", "0.1.0", "2.0.0-rc.1", "1.2"]),
        );
        for (percent, line) in [
            (30, "appVersion: 4.5\n"),
            (20, "description: d\n"),
            (20, "annotations:\n  x: y\n"),
            (10, "kubeVersion: \">=1.20.0-0\"\n"),
            (3, "kubeVersion: \">=99\"\n"),
            (5, "keywords: [a, b]\n"),
            (3, "deprecated: true\n"),
            (2, "unknown: field\n"),
        ] {
            if self.random().chance(percent) {
                metadata.push_str(line);
            }
        }
        if depth > 0 && self.random().chance(10) {
            metadata.push_str("type: library\n");
        } else if self.random().chance(20) {
            metadata.push_str("type: application\n");
        }
        let declared = if dependencies.is_empty() {
            String::new()
        } else {
            format!("dependencies:\n{dependencies}")
        };
        if is_v1 && !declared.is_empty() {
            self.add(&format!("{folder}/requirements.yaml"), &declared);
        } else {
            metadata.push_str(&declared);
        }
        if self.random().chance(10) {
            metadata.push_str(self.random().pick(manifests::CHART_LINES));
        }
        self.add(&format!("{folder}/Chart.yaml"), &metadata);
        if self.random().chance(6) {
            let text = self.random().pick(manifests::VALUES);
            self.add(&format!("{folder}/values.yaml"), text);
        } else if self.random().chance(90) {
            let values = self.values(&names, depth);
            let text = if self.random().chance(70) {
                gitops_core::yaml::to_string(&values)
            } else {
                values.to_string()
            };
            self.add(&format!("{folder}/values.yaml"), &text);
        }
        self.files(folder, name, &names);
        for sub in &names {
            self.chart(&format!("{folder}/charts/{sub}"), sub, depth + 1);
        }
    }

    fn dependencies(&mut self, names: &[String]) -> String {
        let mut text = String::new();
        for (index, name) in names.iter().enumerate() {
            // One undeclared subchart at most: Helm takes several in random order.
            if index == 0 && self.random().chance(12) {
                continue;
            }
            let copies = if self.random().chance(10) { 2 } else { 1 };
            for copy in 0..copies {
                let version = self.random().pick(&[
                    "\"*\"",
                    "\">=0\"",
                    "\"1.x.x\"",
                    "\"~1.2\"",
                    "\"^1\"",
                    "\">0.0.0-0\"",
                    "1.2.3",
                    "\"\"",
                    "\">=3\"",
                ]);
                let version = if self.random().chance(70) {
                    "\">=0.0.0-0\""
                } else {
                    version
                };
                text.push_str(&format!(
                    "- name: {name}\n  version: {version}\n  repository: \"\"\n"
                ));
                if copy > 0 || self.random().chance(15) {
                    text.push_str(&format!("  alias: alias{copy}\n"));
                }
                if self.random().chance(40) {
                    let condition = self.random().pick(&[
                        "%.enabled",
                        "enabled",
                        "%.enabled,enabled",
                        "global.on",
                        "%.nope",
                        "%.enabled, enabled",
                        "%.a.b",
                        "tags.front",
                    ]);
                    text.push_str(&format!("  condition: {}\n", condition.replace('%', name)));
                }
                if self.random().chance(25) {
                    text.push_str(self.random().pick(&[
                        "  tags: [front]\n",
                        "  tags: [front, back]\n",
                        "  tags:\n  - back\n",
                    ]));
                }
                if self.random().chance(30) {
                    text.push_str(self.random().pick(&[
                        "  import-values: [data]\n",
                        "  import-values:\n  - child: m\n    parent: imported\n",
                        "  import-values:\n  - child: m\n    parent: .\n  - data\n",
                        "  import-values:\n  - child: nope\n    parent: y\n",
                        "  import-values:\n  - child: global\n    parent: y.z\n",
                        "  import-values: [nope]\n",
                    ]));
                }
                if self.random().chance(4) {
                    text.push_str("  enabled: false\n");
                }
            }
        }
        if self.random().chance(2) {
            text.push_str("- name: missing\n  version: 1.0.0\n  repository: https://example.com\n");
        }
        text
    }

    /// Default or given values of a chart with these subcharts.
    fn values(&mut self, names: &[String], depth: usize) -> Json {
        let mut values = self.generator.values(1);
        let Some(map) = values.as_object_mut() else {
            return values;
        };
        map.remove("YAML");
        if self.random().chance(40) {
            map.insert(
                "enabled".to_owned(),
                json!(self.generator.random.chance(50)),
            );
        }
        if self.random().chance(30) {
            map.insert("global".to_owned(), self.generator.values(1));
        }
        if self.random().chance(5) {
            let value = self.generator.value(3);
            map.insert("global".to_owned(), value);
        }
        if self.random().chance(15) {
            map.insert(
                "tags".to_owned(),
                json!({"front": self.generator.random.chance(50), "back": self.generator.random.chance(50)}),
            );
        }
        if self.random().chance(25) {
            let exported = self.generator.values(1);
            map.insert("exports".to_owned(), json!({"data": exported}));
        }
        if self.random().chance(15) {
            let text = self.random().pick(&[
                "{{ .Values.a }}",
                "{{ .Chart.Name }}-{{ .Release.Name }}",
                "{{ nope }}",
                "{{ .x.y }}",
                "plain",
            ]);
            map.insert("t".to_owned(), json!(text));
        }
        if depth < 3 {
            let mut subs: Vec<String> = names.to_vec();
            subs.extend(["alias0".to_owned(), "alias1".to_owned()]);
            for sub in subs {
                if self
                    .random()
                    .chance(if sub.starts_with("alias") { 10 } else { 45 })
                {
                    let value = if self.random().chance(92) {
                        self.values(&["sub".to_owned()], depth + 1)
                    } else {
                        self.generator.value(3)
                    };
                    map.insert(sub, value);
                }
            }
        }
        values
    }

    fn files(&mut self, folder: &str, name: &str, subs: &[String]) {
        let helpers = format!(
            "{{{{- define \"{name}.name\" -}}}}\n{{{{ .Release.Name }}}}-{name}\n{{{{- end }}}}\n{{{{ define \"shared.name\" }}}}{name}:{{{{ .Chart.Name }}}}{{{{ end }}}}\n"
        );
        if self.random().chance(92) {
            self.add(&format!("{folder}/templates/_helpers.tpl"), &helpers);
        }
        for index in 0..1 + self.random().below(4) {
            let text = self.template(name, subs);
            let extension = self
                .random()
                .pick(&["yaml", "yaml", "yaml", "yml", "tpl", "txt", "json"]);
            let place = self.random().pick(&["", "", "", "", "deep/", "tests/"]);
            let extension = if index == 0 { "yaml" } else { extension };
            let place = if index == 0 { "" } else { place };
            self.add(
                &format!("{folder}/templates/{place}t{index}.{extension}"),
                &text,
            );
        }
        if self.random().chance(15) {
            let notes = self.random().pick(&[
                "Thanks for {{ .Release.Name }}",
                "{{ .Values.a }}",
                "{{ include \"shared.name\" . }}",
            ]);
            self.add(&format!("{folder}/templates/NOTES.txt"), notes);
        }
        if self.random().chance(35) {
            let text = texts::subject(self.random());
            self.add(&format!("{folder}/conf/a.txt"), &text);
            let text =
                self.random()
                    .pick(&["", "x: 1\n", "a\nb\n\n", "no end", "\n", "\u{feff}bom\r\n"]);
            self.add(&format!("{folder}/conf/b.yaml"), text);
        }
        if self.random().chance(12) {
            self.add(
                &format!("{folder}/crds/crd.yaml"),
                "kind: CustomResourceDefinition\nmetadata: {name: {{ raw }}}\n",
            );
            self.add(
                &format!("{folder}/crds/more/b.yml"),
                "kind: CustomResourceDefinition\n---\nkind: Second\n\n\n",
            );
        }
        if self.random().chance(10) {
            let rules = self.random().pick(&[
                "conf/\n",
                "*.txt\n# c\n",
                "templates/t1.*\n",
                "/conf/a.txt\n",
                "!conf\n",
                "a[\n",
                "t0.yaml\n",
            ]);
            self.add(&format!("{folder}/.helmignore"), rules);
        }
        if self.random().chance(12) {
            let schema = if self.random().chance(50) {
                self.random().pick(manifests::SCHEMAS)
            } else {
                self.random().pick(&[
                "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}",
                "{\"required\":[\"a\"]}",
                "{\"properties\":{\"n\":{\"type\":\"number\",\"minimum\":3}}}",
                "{\"properties\":{\"s\":{\"enum\":[\"a\",\"b\"]}}}",
                "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"properties\":{\"l\":{\"maxItems\":1}}}",
                "{\"properties\":{\"global\":{\"required\":[\"g\"]}}}",
                "{\"properties\":{\"s\":{\"type\":\"string\",\"pattern\":\"^a\"}}}",
                "{\"properties\":{\"m\":{\"additionalProperties\":{\"type\":[\"string\",\"null\"]},\"maxProperties\":1}}}",
                "{\"type\":\"nope\"}",
                "{",
            ])
            };
            self.add(&format!("{folder}/values.schema.json"), schema);
        }
    }

    fn template(&mut self, name: &str, subs: &[String]) -> String {
        if self.random().chance(20) {
            return manifests::manifest(self.random());
        }
        let form = if self.random().chance(70) {
            // The forms that fail or print nothing are rarer than their number.
            let at = self.random().below(24);
            TEMPLATES[at]
        } else {
            self.random().pick(TEMPLATES)
        };
        let sub = if subs.is_empty() {
            "sub".to_owned()
        } else {
            let at = self.random().below(subs.len());
            subs[at].replace('-', "_")
        };
        let mut text = form.replace("%N", name).replace("%S", &sub);
        let hook = self.random().pick(HOOKS);
        text = text.replace("%H", hook);
        if text.contains("%E") {
            self.generator.depth = 2;
            let expression = if self.random().chance(50) {
                self.generator.chapter()
            } else {
                self.generator.pipeline()
            };
            text = text.replace("%E", &expression);
        }
        if text.contains("{{ %B }}") {
            let body = if self.random().chance(50) {
                self.generator.chapters()
            } else {
                self.generator.body()
            };
            text = text.replace("{{ %B }}", &body);
        }
        text
    }

    fn flags(&mut self) {
        let mut flags = if self.random().chance(35) {
            flags::flags(&mut self.generator.random, &mut self.case.files)
        } else {
            Flags::default()
        };
        let subs: Vec<String> = ["sub", "db", "web"].map(str::to_owned).to_vec();
        for index in 0..self.random().below(3) {
            let values = self.values(&subs, 0);
            let name = format!("given-{index}.yaml");
            let text = if self.random().chance(8) {
                self.random().pick(manifests::VALUES).to_owned()
            } else {
                gitops_core::yaml::to_string(&values)
            };
            self.add(&name, &text);
            flags.values.push(format!("{{{{PLACE}}}}/{name}"));
        }
        for _ in 0..self.random().below(3) {
            let set = self.random().pick(&[
                "sub.enabled=true",
                "sub.enabled=false",
                "db.enabled=false",
                "enabled=true",
                "global.on=false",
                "global.g=1",
                "tags.front=false",
                "tags.back=true",
                "sub.a=null",
                "a=null",
                "sub=null",
                "sub.m.a=null",
                "global.m=null",
                "need=x",
                "a.b.c=1",
                "sub.global.g=2",
                "exports.data.q=1",
                "m=null",
                "sub.sub.a=3",
                "global=null",
                "db.m.s=null",
            ]);
            flags.set.push(set.to_owned());
        }
        let random = self.random();
        if random.chance(15) {
            flags.kube_version = random
                .pick(&[
                    "1.31.0",
                    "v1.20",
                    "1.33.4-gke.1",
                    "nope",
                    "1.16.0",
                    "v1.27.3+k3s1",
                    "1",
                ])
                .to_owned();
        }
        if random.chance(10) {
            flags.api_versions = vec!["x.io/v1".to_owned(), "y.io/v1/Kind".to_owned()];
        }
        flags.include_crds = random.chance(25);
        flags.no_hooks = random.chance(8);
        flags.skip_tests = random.chance(10);
        flags.is_upgrade = random.chance(15);
        flags.skip_schema_validation = random.chance(8);
        if random.chance(10) {
            flags.show_only = vec![
                random
                    .pick(&[
                        "templates/t0.yaml",
                        "templates/*.yaml",
                        "charts/sub/templates/t0.yaml",
                        "templates/none.yaml",
                        "*",
                        "[",
                        "templates/t1.*",
                        "crds/crd.yaml",
                    ])
                    .to_owned(),
            ];
        }
        if random.chance(4) {
            flags.release = random
                .pick(&[
                    "My",
                    "a.b",
                    "x-",
                    "a-very-long-name-that-has-more-than-fifty-three-characters",
                    "a_b",
                ])
                .to_owned();
        }
        self.case.flags = flags;
    }
}
