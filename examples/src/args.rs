//! The command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use gitops_core::selector::Selector;

/// A GitOps engine in one binary: what a Git repository declares, a Kubernetes cluster becomes.
///
/// Exit status: 0 in sync, 1 an error or a refused application, 2 differences (plan and diff).
#[derive(Debug, Parser)]
#[command(
    name = "gitops",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The whole command line. `template` reads its flags by itself, as Helm does.
pub fn command() -> clap::Command {
    Cli::command().subcommand(crate::commands::template::command())
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Apply a chart or directory of a repository, then reconcile every Application that appears
    Bootstrap(Bootstrap),
    /// Show what a sync would do, in order and with reasons
    Plan(Plan),
    /// Show what a sync would change, field by field
    Diff(Diff),
    /// Sync applications now, or execute a saved plan
    Sync(Sync),
    /// List applications with their sync state, health and revision
    Get(Get),
    /// Print every object of a cluster as one list
    Export(Export),
    /// Keep reconciling: poll Git, watch the cluster, revert drift
    Run(Run),
    /// Bootstrap the demo shop on an embedded cluster and heal a drift before your eyes
    Demo(Demo),
    /// Print the completion script of a shell
    Completion(Completion),
}

/// Options of every command that touches a cluster.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// The cluster: `embedded` (in memory), `embedded=FILE` (kept in FILE between commands),
    /// `kubeconfig` or `kubeconfig=CONTEXT`
    #[arg(
        long,
        default_value = "embedded",
        value_name = "CLUSTER",
        help_heading = "Cluster"
    )]
    pub cluster: ClusterChoice,
    /// Namespace of the Applications
    #[arg(long, short = 'n', default_value = "argocd", help_heading = "Cluster")]
    pub namespace: String,
    /// Kubernetes version: of a new embedded cluster, and what charts see
    #[arg(long, value_name = "VERSION", help_heading = "Cluster")]
    pub kube_version: Option<String>,
    /// Give up waiting after this many seconds
    #[arg(
        long,
        default_value_t = 300,
        value_name = "SECONDS",
        help_heading = "Cluster"
    )]
    pub timeout: u64,
}

/// Where repositories are.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// Read the repository URL from PATH instead: `URL=PATH`, or a JSON file of such pairs
    #[arg(long, value_name = "URL=PATH", help_heading = "Sources", value_hint = ValueHint::AnyPath)]
    pub map: Vec<String>,
    /// Where fetched repositories are kept
    #[arg(long, value_name = "DIR", help_heading = "Sources", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
    #[command(flatten)]
    pub rules: RuleArgs,
}

/// What is done to what repositories declare, and how it is judged.
#[derive(Debug, Clone, Default, Args)]
pub struct RuleArgs {
    /// Write objects of API versions that the cluster has removed as their successors, and leave
    /// out those that have none; each is reported
    #[arg(long, help_heading = "Rules")]
    pub migrate_removed_apis: bool,
    /// Judge the health of the kinds in FILE by its CEL expressions: a YAML list of
    /// `{apiVersion, kind, current, inProgress, failed, message}`, as Flux's healthCheckExprs
    #[arg(long, value_name = "FILE", help_heading = "Rules", value_hint = ValueHint::FilePath)]
    pub health_rules: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Output format
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Table, help_heading = "Output")]
    pub output: Format,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Where standard output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterChoice {
    /// In memory, or kept in a file.
    Embedded(Option<PathBuf>),
    /// A context of the kubeconfig; the current one where it is `None`.
    Kubeconfig(Option<String>),
}

impl std::str::FromStr for ClusterChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once('=') {
            Some((kind, rest)) if !rest.is_empty() => (kind, Some(rest)),
            Some((_, _)) => return Err(format!("`{text}` names nothing behind the `=`")),
            None => (text, None),
        };
        match kind {
            "embedded" => Ok(Self::Embedded(rest.map(PathBuf::from))),
            "kubeconfig" => Ok(Self::Kubeconfig(rest.map(str::to_owned))),
            _ => Err("use embedded, embedded=FILE, kubeconfig or kubeconfig=CONTEXT".to_owned()),
        }
    }
}

#[derive(Debug, Args)]
pub struct Bootstrap {
    /// Git repository: a URL or a local path
    #[arg(value_name = "REPOSITORY", value_hint = ValueHint::DirPath)]
    pub repository: String,
    /// Directory of the chart or of the manifests; its last segment names the application
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub path: String,
    /// Branch, tag, commit or version range
    #[arg(long, default_value = "HEAD", value_name = "REV")]
    pub revision: String,
    /// Value of the chart, as in `image.tag=1.2`
    #[arg(long = "parameter", value_name = "K=V", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// Sync Applications without automated sync too, once each
    #[arg(long)]
    pub sync_all: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Plan {
    /// Applications; all where none is named
    pub applications: Vec<String>,
    /// Plan to delete objects that are no longer declared
    #[arg(long)]
    pub prune: bool,
    /// Show objects that stay as they are, too
    #[arg(long)]
    pub all: bool,
    /// Save the plan of one application to FILE, its payload beside it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Diff {
    /// Applications; all where none is named
    pub applications: Vec<String>,
    /// Count objects that are no longer declared
    #[arg(long)]
    pub prune: bool,
    /// List the fields instead of showing the text
    #[arg(long)]
    pub fields: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Sync {
    /// Applications; all where none is named
    pub applications: Vec<String>,
    /// Delete objects that are no longer declared
    #[arg(long)]
    pub prune: bool,
    /// Delete and create objects whose immutable fields change
    #[arg(long)]
    pub recreate: bool,
    /// Run no hooks
    #[arg(long)]
    pub skip_hooks: bool,
    /// Execute the plan saved in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["applications", "prune"])]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Get {
    /// Applications; all where none is named
    pub applications: Vec<String>,
    /// List the objects of each application, too
    #[arg(long)]
    pub resources: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Export {
    /// Leave out objects that other objects own (Pods of a Deployment, …)
    #[arg(long)]
    pub roots: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Output format: yaml or json
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Yaml, help_heading = "Output")]
    pub output: Format,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Seconds between looks at the repositories
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub poll: u64,
    /// Only these applications
    #[arg(long = "application", value_name = "NAME")]
    pub applications: Vec<String>,
    /// Only applications with these labels, as in `controller=gitops,tier!=test`
    #[arg(long, value_name = "LABELS", value_parser = Selector::parse)]
    pub selector: Option<Selector>,
    /// Reconcile all applications even where Argo CD's controller runs
    #[arg(long)]
    pub takeover: bool,
    /// Sync Applications without automated sync too, once each
    #[arg(long)]
    pub sync_all: bool,
    /// Serve the embedded cluster's API on a loopback address, as in 127.0.0.1:8001, for kubectl and
    /// other clients
    #[arg(long, value_name = "ADDRESS", help_heading = "Cluster")]
    pub listen: Option<std::net::SocketAddr>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    pub shell: clap_complete::Shell,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not of the form K=V"))
}
