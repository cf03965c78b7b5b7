//! The flags of `helm template`: one table, from which they are read as Helm reads them, and from
//! which help and completion are made.

use clap::{Arg, ArgAction, Command, ValueHint};
use gitops_core::go::{Duration, parse_float, parse_int, quote, quote_rune};

use super::HelmProfile;

/// How the value of a flag is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Text,
    /// Several, each as it stands.
    Texts,
    /// Several, each a line of CSV.
    List,
    /// `key=value`, several of them in a line of CSV.
    Pairs,
    Duration,
    Integer,
    Float,
    /// Helm 4 names a way to wait, Helm 3 says yes or no.
    Wait,
    /// A text that may be missing.
    DryRun,
}

/// Which Helm has a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Both,
    V4,
    /// Helm has no such flag.
    Gitops,
}

struct Flag {
    name: &'static str,
    short: Option<char>,
    kind: Kind,
    since: Since,
    help: &'static str,
    /// What Helm 4 says about its use.
    deprecated: Option<&'static str>,
}

const fn flag(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag {
        name,
        short: None,
        kind,
        since: Since::Both,
        help,
        deprecated: None,
    }
}

impl Flag {
    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    const fn deprecated(mut self, text: &'static str) -> Self {
        self.deprecated = Some(text);
        self
    }

    /// The name in messages.
    fn shown(&self) -> String {
        match self.short {
            Some(short) => format!("-{short}, --{}", self.name),
            None => format!("--{}", self.name),
        }
    }

    /// The value where none is written.
    fn implied(&self, helm: HelmProfile) -> Option<&'static str> {
        match (self.kind, helm) {
            (Kind::Bool, _) | (Kind::Wait, HelmProfile::V3) => Some("true"),
            (Kind::Wait, HelmProfile::V4) => Some("watcher"),
            (Kind::DryRun, HelmProfile::V3) => Some("client"),
            (Kind::DryRun, HelmProfile::V4) => Some("unset"),
            _ => None,
        }
    }
}

const IGNORED: &str = "Accepted as Helm does; without a cluster it changes nothing";
const NO_EFFECT: &str = "this flag has no effect for 'helm template' and will be removed in Helm 5";

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("namespace", Kind::Text, "Namespace of the release").short('n'),
    flag("values", Kind::List, "Values from a YAML file or a URL; can be given several times").short('f'),
    flag("set", Kind::Texts, "Values on the command line: key1=val1,key2=val2"),
    flag("set-string", Kind::Texts, "String values on the command line"),
    flag("set-json", Kind::Texts, "JSON values on the command line: key=json, or a whole JSON object"),
    flag("set-file", Kind::Texts, "Values from files: key=path"),
    flag("set-literal", Kind::Texts, "A literal string value"),
    flag("show-only", Kind::Texts, "Print only manifests rendered from these templates").short('s'),
    flag("output-dir", Kind::Text, "Write the manifests into files below this directory"),
    flag("release-name", Kind::Bool, "Put the release's name into the paths below --output-dir"),
    flag("no-hooks", Kind::Bool, "Leave out hooks"),
    flag("skip-tests", Kind::Bool, "Leave out tests"),
    flag("include-crds", Kind::Bool, "Print the chart's CRDs, too"),
    flag("is-upgrade", Kind::Bool, "Set .Release.IsUpgrade instead of .Release.IsInstall"),
    flag("kube-version", Kind::Text, "Kubernetes version that the chart sees"),
    flag("api-versions", Kind::List, "API versions that the chart sees besides the default ones").short('a'),
    flag("skip-schema-validation", Kind::Bool, "Do not check values against values.schema.json"),
    flag("enable-dns", Kind::Bool, "Let templates look up host names"),
    flag("name-template", Kind::Text, "Template of the release name"),
    flag("generate-name", Kind::Bool, "Leave out NAME; the release is called release-name").short('g'),
    flag("post-renderer", Kind::Text, "A program that reads the manifests (without hooks) and writes what takes their place"),
    flag("post-renderer-args", Kind::Texts, "An argument of the post-renderer; can be given several times"),
    flag("dependency-update", Kind::Bool, "Fetch missing dependencies into charts/ and write Chart.lock"),
    flag("repo", Kind::Text, "URL of the repository that has the chart"),
    flag("version", Kind::Text, "Version of the chart, or a range; the latest where it is missing"),
    flag("devel", Kind::Bool, "Take development versions, too: version >0.0.0-0"),
    flag("username", Kind::Text, "User name for the repository"),
    flag("password", Kind::Text, "Password for the repository"),
    flag("pass-credentials", Kind::Bool, "Send them to other hosts that the repository names, too"),
    flag("ca-file", Kind::Text, "Certificates (PEM) that sign those of HTTPS servers"),
    flag("cert-file", Kind::Text, "The client's certificate (PEM)"),
    flag("key-file", Kind::Text, "The key of the client's certificate (PEM)"),
    flag("insecure-skip-tls-verify", Kind::Bool, "Believe every HTTPS server"),
    flag("plain-http", Kind::Bool, "Accepted as Helm does; it is about OCI registries"),
    flag("verify", Kind::Bool, "Refused: provenance files are not supported"),
    flag("keyring", Kind::Text, "Accepted as Helm does; it is about --verify"),
    flag("validate", Kind::Bool, "Refused: ask a cluster with `gitops plan`").deprecated("use '--dry-run=server' instead"),
    flag("dry-run", Kind::DryRun, "client; server is refused: ask a cluster with `gitops plan`"),
    flag("registry-config", Kind::Text, "Accepted as Helm does; it is about OCI registries"),
    flag("repository-config", Kind::Text, "File with the repositories that `helm repo add` wrote"),
    flag("repository-cache", Kind::Text, "Accepted as Helm does; indexes are read afresh"),
    flag("content-cache", Kind::Text, "Accepted as Helm does; nothing is cached").since(Since::V4),
    flag("profile", Kind::Text, "The Helm whose output is wanted: v4 (4.3, the default) or v3 (3.22)").since(Since::Gitops),
    flag("migrate-removed-apis", Kind::Bool, "Write objects of API versions that the Kubernetes version has removed as their successors, and leave out those that have none; each is reported").since(Since::Gitops),
    flag("debug", Kind::Bool, IGNORED),
    flag("atomic", Kind::Bool, IGNORED).deprecated("use --rollback-on-failure instead"),
    flag("rollback-on-failure", Kind::Bool, IGNORED).since(Since::V4),
    flag("force", Kind::Bool, IGNORED).deprecated("use --force-replace instead"),
    flag("force-replace", Kind::Bool, IGNORED).since(Since::V4),
    flag("force-conflicts", Kind::Bool, IGNORED).since(Since::V4),
    flag("server-side", Kind::Bool, IGNORED).since(Since::V4),
    flag("create-namespace", Kind::Bool, IGNORED),
    flag("description", Kind::Text, IGNORED),
    flag("disable-openapi-validation", Kind::Bool, IGNORED),
    flag("hide-notes", Kind::Bool, IGNORED).deprecated(NO_EFFECT),
    flag("render-subchart-notes", Kind::Bool, IGNORED).deprecated(NO_EFFECT),
    flag("labels", Kind::Pairs, IGNORED).short('l'),
    flag("replace", Kind::Bool, IGNORED),
    flag("skip-crds", Kind::Bool, IGNORED),
    flag("take-ownership", Kind::Bool, IGNORED),
    flag("timeout", Kind::Duration, IGNORED),
    flag("wait", Kind::Wait, IGNORED),
    flag("wait-for-jobs", Kind::Bool, IGNORED),
    flag("burst-limit", Kind::Integer, IGNORED),
    flag("qps", Kind::Float, IGNORED),
    flag("color", Kind::Text, IGNORED).since(Since::V4),
    flag("colour", Kind::Text, IGNORED).since(Since::V4),
    flag("kube-apiserver", Kind::Text, IGNORED),
    flag("kube-as-group", Kind::Texts, IGNORED),
    flag("kube-as-user", Kind::Text, IGNORED),
    flag("kube-ca-file", Kind::Text, IGNORED),
    flag("kube-context", Kind::Text, IGNORED),
    flag("kube-insecure-skip-tls-verify", Kind::Bool, IGNORED),
    flag("kube-tls-server-name", Kind::Text, IGNORED),
    flag("kube-token", Kind::Text, IGNORED),
    flag("kubeconfig", Kind::Text, IGNORED),
    flag("add-dir-header", Kind::Bool, IGNORED),
    flag("alsologtostderr", Kind::Bool, IGNORED),
    flag("log-backtrace-at", Kind::Text, IGNORED),
    flag("log-dir", Kind::Text, IGNORED),
    flag("log-file", Kind::Text, IGNORED),
    flag("log-file-max-size", Kind::Integer, IGNORED),
    flag("logtostderr", Kind::Bool, IGNORED),
    flag("one-output", Kind::Bool, IGNORED),
    flag("skip-headers", Kind::Bool, IGNORED),
    flag("skip-log-headers", Kind::Bool, IGNORED),
    flag("stderrthreshold", Kind::Text, IGNORED),
    flag("vmodule", Kind::Text, IGNORED),
    flag("v", Kind::Integer, IGNORED).short('v'),
    flag("help", Kind::Bool, "Print help").short('h'),
];

/// Flags that Helm 4 refuses together.
const EXCLUSIVE: [[&str; 2]; 3] = [
    ["force-replace", "force-conflicts"],
    ["force", "force-conflicts"],
    ["validate", "dry-run"],
];

/// A command line that was read.
#[derive(Debug, Default)]
pub struct Flags {
    /// NAME and CHART.
    pub arguments: Vec<String>,
    /// What the use of flags makes Helm say on standard error.
    pub notices: String,
    given: Vec<(&'static str, Vec<String>)>,
}

impl Flags {
    /// Reads a command line up to the first thing wrong with it; what that is, in Helm's words.
    pub fn parse(arguments: &[String], helm: HelmProfile) -> (Self, Result<(), String>) {
        let mut flags = Self::default();
        let result = flags.read(arguments, helm);
        (flags, result)
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| truth(text) == Some(true))
    }

    /// The last value; none where it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let last = self.given.iter().rev().find(|(given, _)| *given == name);
        let value = last?.1.last().map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// All values in the order of the command line.
    pub fn all(&self, name: &str) -> Vec<String> {
        let given = self.given.iter().filter(|(given, _)| *given == name);
        given.flat_map(|(_, values)| values.clone()).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    fn read(&mut self, arguments: &[String], helm: HelmProfile) -> Result<(), String> {
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                self.arguments.extend(rest.by_ref().cloned());
            } else if let Some(long) = argument.strip_prefix("--") {
                if long.starts_with(['-', '=']) {
                    return Err(format!("bad flag syntax: {argument}"));
                }
                let (name, written) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                let flag = find(helm, |flag| flag.name == name)
                    .ok_or_else(|| format!("unknown flag: --{name}"))?;
                let value = written.or_else(|| flag.implied(helm));
                let value = value.or_else(|| rest.next().map(String::as_str));
                let value = value.ok_or_else(|| format!("flag needs an argument: {argument}"))?;
                self.set(flag, value, helm)?;
            } else if argument.len() > 1 && argument.starts_with('-') {
                let mut group = &argument[1..];
                while let Some(letter) = group.chars().next() {
                    let flag = find(helm, |flag| flag.short == Some(letter)).ok_or_else(|| {
                        format!("unknown shorthand flag: {} in -{group}", quote_rune(letter))
                    })?;
                    let behind = &group[letter.len_utf8()..];
                    let assigned = behind.strip_prefix('=').filter(|value| !value.is_empty());
                    let value = if let Some(value) = assigned {
                        group = "";
                        value
                    } else if let Some(value) = flag.implied(helm) {
                        group = behind;
                        value
                    } else if !behind.is_empty() {
                        group = "";
                        behind
                    } else {
                        let missing = || {
                            let letter = quote_rune(letter);
                            format!("flag needs an argument: {letter} in -{group}")
                        };
                        let value = rest.next().ok_or_else(missing)?;
                        group = "";
                        value
                    };
                    self.set(flag, value, helm)?;
                }
            } else {
                self.arguments.push(argument.clone());
            }
        }
        Ok(())
    }

    fn set(&mut self, flag: &'static Flag, value: &str, helm: HelmProfile) -> Result<(), String> {
        let values = match flag.name {
            "post-renderer" if value.is_empty() => return Ok(()),
            "post-renderer" if self.has("post-renderer") => {
                Err("cannot specify --post-renderer flag more than once".to_owned())
            }
            _ => checked(flag.kind, value, helm, &mut self.notices),
        };
        let values = values.map_err(|reason| {
            let (value, name) = (quote(value), quote(flag.shown()));
            format!("invalid argument {value} for {name} flag: {reason}")
        })?;
        if let Some(text) = flag.deprecated
            && helm == HelmProfile::V4
        {
            let notice = format!("Flag --{} has been deprecated, {text}\n", flag.name);
            self.notices.push_str(&notice);
        }
        self.given.push((flag.name, values));
        Ok(())
    }

    /// What cannot be together, in Helm's words; said once the command line is read.
    pub fn check(&self, helm: HelmProfile) -> Result<(), String> {
        if self.arguments.is_empty() {
            return Err(
                "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]"
                    .to_owned(),
            );
        }
        for group in EXCLUSIVE {
            if helm == HelmProfile::V4 && group.iter().all(|name| self.has(name)) {
                let mut sorted = group;
                sorted.sort_unstable();
                return Err(format!(
                    "if any flags in the group [{}] are set none of the others can be; [{}] were all set",
                    group.join(" "),
                    sorted.join(" ")
                ));
            }
        }
        match self.arguments.as_slice() {
            [_, _, more @ ..] if !more.is_empty() => Err(format!(
                "expected at most two arguments, unexpected arguments: {}",
                more.join(", ")
            )),
            _ => Ok(()),
        }
    }
}

fn find(helm: HelmProfile, is_it: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
    let known = |flag: &&Flag| flag.since != Since::V4 || helm == HelmProfile::V4;
    FLAGS.iter().filter(known).find(|flag| is_it(flag))
}

/// The values that a text gives for a flag; what is wrong with it, in Go's words.
fn checked(
    kind: Kind,
    value: &str,
    helm: HelmProfile,
    notices: &mut String,
) -> Result<Vec<String>, String> {
    let boolean = || match truth(value) {
        Some(_) => Ok(()),
        None => Err(format!(
            "strconv.ParseBool: parsing {}: invalid syntax",
            quote(value)
        )),
    };
    match kind {
        Kind::Text | Kind::Texts | Kind::DryRun => {}
        Kind::Bool => boolean()?,
        Kind::List => return csv(value),
        Kind::Pairs => {
            let pairs = match value.matches('=').count() {
                0 => return Err(format!("{value} must be formatted as key=value")),
                1 => vec![value.trim_matches('"').to_owned()],
                _ => csv(value)?,
            };
            if let Some(pair) = pairs.iter().find(|pair| !pair.contains('=')) {
                return Err(format!("{pair} must be formatted as key=value"));
            }
            return Ok(pairs);
        }
        Kind::Duration => {
            value
                .parse::<Duration>()
                .map_err(|error| error.to_string())?;
        }
        Kind::Integer => {
            let named = |error| format!("strconv.ParseInt: parsing {}: {error}", quote(value));
            parse_int(value, 0).map_err(named)?;
        }
        Kind::Float => {
            let named = |error| format!("strconv.ParseFloat: parsing {}: {error}", quote(value));
            parse_float(value).map_err(named)?;
        }
        Kind::Wait if helm == HelmProfile::V3 => boolean()?,
        Kind::Wait => match value {
            "watcher" | "hookOnly" | "legacy" => {}
            "true" | "false" => {
                let instead = if value == "true" {
                    "watcher"
                } else {
                    "hookOnly"
                };
                notices.push_str(&helm.log_line(&format!(
                    "--wait={value} is deprecated (boolean value) and can be replaced with --wait={instead}"
                )));
            }
            _ => {
                let value = quote(value);
                return Err(format!(
                    "invalid wait input {value}. Valid inputs are watcher, hookOnly, and legacy"
                ));
            }
        },
    }
    Ok(vec![value.to_owned()])
}

/// Whether Go's `strconv.ParseBool` reads yes or no.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The first record of a text, as Go's `encoding/csv` reads it.
fn csv(text: &str) -> Result<Vec<String>, String> {
    let bare = |at: usize| {
        Err(format!(
            "parse error on line 1, column {}: bare \" in non-quoted-field",
            at + 1
        ))
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let line = text.trim_start_matches('\n');
    if line.is_empty() {
        return Err("EOF".to_owned());
    }
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let mut field = String::new();
        if line[at..].starts_with('"') {
            at += 1;
            loop {
                let Some(end) = line[at..].find('"') else {
                    let column = line.len() + 1;
                    return Err(format!(
                        "parse error on line 1, column {column}: extraneous or missing \" in quoted-field"
                    ));
                };
                field.push_str(&line[at..at + end]);
                at += end + 1;
                if !line[at..].starts_with('"') {
                    break;
                }
                field.push('"');
                at += 1;
            }
            if !(at == line.len() || line[at..].starts_with([',', '\n'])) {
                return Err(format!(
                    "parse error on line 1, column {at}: extraneous or missing \" in quoted-field"
                ));
            }
        } else {
            let end = line[at..].find([',', '\n']).unwrap_or(line.len() - at);
            if let Some(mark) = line[at..at + end].find('"') {
                return bare(at + mark);
            }
            field.push_str(&line[at..at + end]);
            at += end;
        }
        fields.push(field);
        if !line[at..].starts_with(',') {
            return Ok(fields);
        }
        at += 1;
    }
}

/// The command as help and completion show it.
pub fn command() -> Command {
    let mut command = Command::new("template")
        .about("Render a chart as `helm template` does: same flags, same bytes")
        .disable_help_flag(true)
        .arg(
            Arg::new("target")
                .value_name("[NAME] CHART")
                .num_args(1..=2)
                .value_hint(ValueHint::AnyPath)
                .help("Release name, and the chart: a directory, a packed .tgz, a URL, or a name in --repo"),
        );
    for flag in FLAGS {
        let mut arg = Arg::new(flag.name).long(flag.name).help(flag.help);
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        arg = match flag.kind {
            Kind::Bool => arg.action(ArgAction::SetTrue),
            Kind::Wait | Kind::DryRun => arg.num_args(0..=1).require_equals(true),
            Kind::Texts | Kind::List | Kind::Pairs => arg.action(ArgAction::Append),
            Kind::Text | Kind::Duration | Kind::Integer | Kind::Float => arg,
        };
        if flag.kind != Kind::Bool {
            arg = arg.value_name(match flag.kind {
                Kind::Duration => "DURATION",
                Kind::Integer | Kind::Float => "NUMBER",
                _ => "TEXT",
            });
        }
        if flag.name.ends_with("-file") || flag.name == "values" {
            arg = arg.value_hint(ValueHint::FilePath);
        }
        if flag.help == IGNORED {
            arg = arg.help_heading("Without effect");
        }
        command = command.arg(arg);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{Flags, HelmProfile, command, csv};

    fn parse(arguments: &[&str]) -> Result<Flags, String> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let (flags, result) = Flags::parse(&arguments, HelmProfile::V4);
        result.map(|()| flags)
    }

    #[test]
    fn flags_and_arguments_may_be_mixed() {
        let flags = parse(&[
            "web",
            "-n=shop",
            "-gf",
            "a,\"b,c\"",
            "--set",
            "-x=1",
            "--no-hooks=0",
            "chart",
            "--dry-run",
            "-sa",
            "--",
            "-y",
        ])
        .unwrap();
        assert_eq!(flags.arguments, ["web", "chart", "-y"]);
        assert_eq!(flags.text("namespace"), Some("shop"));
        assert!(flags.is_set("generate-name") && !flags.is_set("no-hooks"));
        assert_eq!(flags.all("values"), ["a", "b,c"]);
        assert_eq!(flags.all("set"), ["-x=1"]);
        assert_eq!(flags.text("dry-run"), Some("unset"));
        assert_eq!(flags.all("show-only"), ["a"]);
    }

    #[test]
    fn errors_are_those_of_helm() {
        for (arguments, error) in [
            (&["--bogus"][..], "unknown flag: --bogus"),
            (&["-gZ"], "unknown shorthand flag: 'Z' in -Z"),
            (&["--set"], "flag needs an argument: --set"),
            (&["-gn"], "flag needs an argument: 'n' in -n"),
            (&["---x"], "bad flag syntax: ---x"),
            (
                &["--timeout", "5"],
                "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"",
            ),
            (
                &["-l", "a"],
                "invalid argument \"a\" for \"-l, --labels\" flag: a must be formatted as key=value",
            ),
            (
                &["-f", "a\"b"],
                "invalid argument \"a\\\"b\" for \"-f, --values\" flag: parse error on line 1, column 2: bare \" in non-quoted-field",
            ),
        ] {
            assert_eq!(parse(arguments).unwrap_err(), error);
        }
        assert_eq!(csv("\"a\"\"b\",c").unwrap(), ["a\"b", "c"]);
    }

    #[test]
    fn help_can_be_made() {
        command().debug_assert();
    }
}
