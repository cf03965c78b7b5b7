//! `gitops template`: what `helm template` prints, byte for byte.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use clap::{Args, ValueEnum, ValueHint};
use gitops_core::clock::Timestamp;
use gitops_render::{
    helm::{
        Capabilities, ChartSource, LoadOptions, Profile, TemplateOptions, ValueOptions, template,
    },
    transform::{RemovedApis, Target},
    tree::DirTree,
};

use crate::{Exit, output};

#[derive(Debug, Args)]
#[command(args_override_self = false)]
pub struct Template {
    /// Release name, and the chart: a directory or a packed .tgz
    #[arg(value_name = "[NAME] CHART", num_args = 1..=2, required = true, value_hint = ValueHint::AnyPath)]
    pub target: Vec<String>,
    /// Namespace of the release
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Values from a YAML file; can be given several times
    #[arg(long, short = 'f', value_delimiter = ',', value_name = "FILE")]
    pub values: Vec<String>,
    /// Values on the command line: key1=val1,key2=val2
    #[arg(long, value_name = "K=V", allow_hyphen_values = true)]
    pub set: Vec<String>,
    /// String values on the command line
    #[arg(long, value_name = "K=V", allow_hyphen_values = true)]
    pub set_string: Vec<String>,
    /// JSON values on the command line: key=json, or a whole JSON object
    #[arg(long, value_name = "K=JSON", allow_hyphen_values = true)]
    pub set_json: Vec<String>,
    /// Values from files: key=path
    #[arg(long, value_name = "K=FILE", allow_hyphen_values = true)]
    pub set_file: Vec<String>,
    /// A literal string value
    #[arg(long, value_name = "K=V", allow_hyphen_values = true)]
    pub set_literal: Vec<String>,
    /// Print only manifests rendered from these templates
    #[arg(long, short = 's', value_name = "TEMPLATE")]
    pub show_only: Vec<String>,
    /// Leave out hooks
    #[arg(long)]
    pub no_hooks: bool,
    /// Leave out tests
    #[arg(long)]
    pub skip_tests: bool,
    /// Print the chart's CRDs, too
    #[arg(long)]
    pub include_crds: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    pub is_upgrade: bool,
    /// Kubernetes version that the chart sees
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// API versions that the chart sees besides the default ones
    #[arg(long, short = 'a', value_delimiter = ',', value_name = "VERSION")]
    pub api_versions: Vec<String>,
    /// Do not check values against values.schema.json
    #[arg(long)]
    pub skip_schema_validation: bool,
    /// Template of the release name
    #[arg(long, value_name = "TEMPLATE")]
    pub name_template: Option<String>,
    /// Generate the release name
    #[arg(long, short = 'g')]
    pub generate_name: bool,
    /// A program that reads the manifests (without hooks) and writes what takes their place
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::CommandName)]
    pub post_renderer: Option<String>,
    /// An argument of the post-renderer; can be given several times
    #[arg(
        long,
        value_name = "ARGUMENT",
        requires = "post_renderer",
        allow_hyphen_values = true
    )]
    pub post_renderer_args: Vec<String>,
    /// The Helm whose output is wanted: v4 (4.3) or v3 (3.22)
    #[arg(long, value_enum, default_value_t = HelmProfile::V4)]
    pub profile: HelmProfile,
    /// Write objects of API versions that the Kubernetes version has removed as their successors,
    /// and leave out those that have none; each is reported
    #[arg(long)]
    pub migrate_removed_apis: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HelmProfile {
    /// Helm 3.22
    V3,
    /// Helm 4.3
    V4,
}

impl HelmProfile {
    /// A warning as this Helm logs it.
    fn log_line(self, warning: &str) -> String {
        match self {
            Self::V3 => {
                let mut letters = warning.chars();
                let first = letters.next().into_iter().flat_map(char::to_uppercase);
                let text: String = first.chain(letters).collect();
                format!("WARNING: {text}\n")
            }
            Self::V4 => format!("level=WARN msg={warning:?}\n"),
        }
    }
}

pub fn run(args: Template) -> Exit {
    let profile = match args.profile {
        HelmProfile::V3 => Profile::helm_3_22(),
        HelmProfile::V4 => Profile::helm_4_3(),
    };
    let now = Timestamp::now();
    let (name, chart) = match args.target.as_slice() {
        [name, chart] => (Some(name.clone()), chart),
        [chart, ..] => (None, chart),
        [] => return Err("name a chart".into()),
    };
    let generated = || {
        let base = chart
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".tgz");
        format!("{base}-{}", now.as_second())
    };
    let mut options = TemplateOptions::default();
    options.name = name.or_else(|| args.generate_name.then(generated));
    options.name_template = args.name_template;
    options.namespace = args.namespace;
    options.values = ValueOptions {
        files: args.values,
        set_json: args.set_json,
        set: args.set,
        set_string: args.set_string,
        set_file: args.set_file,
        set_literal: args.set_literal,
    };
    options.show_only = args.show_only;
    options.no_hooks = args.no_hooks;
    options.skip_tests = args.skip_tests;
    options.include_crds = args.include_crds;
    options.is_upgrade = args.is_upgrade;
    options.kube_version = args.kube_version;
    options.api_versions = args.api_versions;
    options.skip_schema_validation = args.skip_schema_validation;
    options.post_renderer = args.post_renderer.map(|program| {
        let arguments = args.post_renderer_args;
        Arc::new(move |manifests: &str| run_filter(&program, &arguments, manifests)) as Arc<_>
    });
    options.render.now = now;
    options.load = LoadOptions::default();
    options.load.shown_path = std::path::absolute(chart)?.display().to_string();
    let kube_version = options
        .kube_version
        .clone()
        .filter(|version| !version.is_empty())
        .unwrap_or_else(|| Capabilities::default_of(&profile).kube_version.version);
    let path = Path::new(chart);
    let mut output = if path.is_file() {
        let archive = std::fs::read(path)?;
        template(
            ChartSource::Archive(&archive),
            &options,
            &profile,
            &read_local,
        )
    } else if path.is_dir() {
        let tree = DirTree::open(path)?;
        template(
            ChartSource::Directory(&tree),
            &options,
            &profile,
            &read_local,
        )
    } else {
        return Err(format!("path \"{chart}\" not found").into());
    };
    for warning in &output.warnings {
        output::complain(&args.profile.log_line(warning));
    }
    if args.migrate_removed_apis {
        let target = Target::version(&kube_version)?;
        let (stdout, rewrites) = RemovedApis.migrate_text(&output.stdout, &target)?;
        output.stdout = stdout;
        output::complain(
            &rewrites
                .iter()
                .map(|rewrite| format!("{rewrite}\n"))
                .collect::<String>(),
        );
    }
    output::print(&output.stdout);
    output::complain(&output.stderr);
    Ok(i32::from(output.code))
}

/// Values files and `--set-file` inputs, as the command line names them; errors in Go's words.
fn read_local(name: &str) -> Result<Bytes, String> {
    let content = if name == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    content
        .map(Bytes::from)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("open {name}: no such file or directory"),
            std::io::ErrorKind::PermissionDenied => format!("open {name}: permission denied"),
            std::io::ErrorKind::IsADirectory => format!("read {name}: is a directory"),
            _ => format!("open {name}: {error}"),
        })
}

/// What a program makes of a text; errors in Helm's words.
fn run_filter(
    program: &str,
    arguments: &[String],
    text: &str,
) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("unable to find binary at {program}: {error}"))?;
    let input = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // A program need not read all of it.
        scope.spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
        child.wait_with_output()
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        return Err(format!(
            "error while running command {program}. error output:\n{said}: {status}"
        )
        .into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
