//! `gitops template`: what `helm template` prints, byte for byte.

mod flags;
mod locate;
mod write;

use std::{
    io::Write as _,
    net::ToSocketAddrs as _,
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use gitops_core::clock::Timestamp;
use gitops_render::{
    helm::{
        Capabilities, ChartSource, LoadOptions, Profile, TemplateOptions, ValueOptions, template,
    },
    transform::{RemovedApis, Target},
    tree::DirTree,
};

use self::{
    flags::{Flags, truth},
    locate::{Access, Located, locate, said},
    write::{go_error, update_dependencies, write_files},
};
use crate::{Exit, FAILED, output};

pub use self::flags::command;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Runs the command behind `gitops template`; nothing where help is asked for.
pub async fn run(arguments: &[String]) -> Option<Exit> {
    let profile = match profile_of(arguments) {
        Ok(profile) => profile,
        Err(error) => return Some(refused(&error)),
    };
    let (flags, read) = Flags::parse(arguments, profile);
    output::complain(&flags.notices);
    if let Err(error) = read {
        return Some(refused(&error));
    }
    if flags.is_set("help") {
        return None;
    }
    let checked = flags.check(profile).and_then(|()| dry_run(&flags, profile));
    if let Err(error) = checked {
        return Some(refused(&error));
    }
    Some(render(&flags, profile).await)
}

/// An error as Helm prints it.
fn refused(error: &str) -> Exit {
    output::complain(&format!("Error: {error}\n"));
    Ok(FAILED)
}

/// The profile decides which flags there are: it is looked for before they are read.
fn profile_of(arguments: &[String]) -> Result<HelmProfile, String> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    let mut profile = HelmProfile::V4;
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--profile") {
            Some("") => arguments.next().map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => continue,
        };
        profile = match value {
            Some("v3") => HelmProfile::V3,
            Some("v4") | None => HelmProfile::V4,
            Some(other) => return Err(format!("--profile {other}: use v3 or v4")),
        };
    }
    Ok(profile)
}

/// What asks for a cluster is refused; Helm 4 checks the words of `--dry-run` first.
fn dry_run(flags: &Flags, helm: HelmProfile) -> Result<(), String> {
    const INSTEAD: &str = "needs a cluster, and this command reaches none; `gitops plan --cluster kubeconfig` has a cluster check everything that an application declares";
    match (flags.text("dry-run"), helm) {
        (None | Some("client"), _) => {}
        (Some("server"), _) => return Err(format!("--dry-run=server {INSTEAD}")),
        (Some("none" | "true" | "false"), HelmProfile::V3) => {}
        (Some(_), HelmProfile::V3) => {
            return Err(
                "Invalid dry-run flag. Flag must one of the following: false, true, none, client, server"
                    .to_owned(),
            );
        }
        (Some("unset"), HelmProfile::V4) => output::complain(&helm.log_line(
            "--dry-run is deprecated and should be replaced with '--dry-run=client'",
        )),
        (Some(value), HelmProfile::V4) => match truth(value) {
            Some(true) => output::complain(&helm.log_line(&format!(
                "boolean '--dry-run={value}' flag is deprecated and must be replaced with '--dry-run=client'"
            ))),
            None if value != "none" => {
                return Err(format!(
                    "invalid dry-run value ({value:?}). Must be \"none\", \"server\", or \"client\""
                ));
            }
            _ => {
                return Err(format!(
                    "invalid dry-run value ({value:?}). Must be \"server\" or \"client\""
                ));
            }
        },
    }
    if flags.is_set("validate") {
        return Err(format!("--validate {INSTEAD}"));
    }
    Ok(())
}

fn options(flags: &Flags, name: Option<String>, now: Timestamp) -> TemplateOptions {
    let text = |name: &str| flags.text(name).map(str::to_owned);
    let mut options = TemplateOptions::default();
    options.name = name;
    options.name_template = text("name-template");
    let namespace = || std::env::var_os("HELM_NAMESPACE")?.into_string().ok();
    options.namespace = text("namespace").or_else(namespace);
    options.values = ValueOptions {
        files: flags.all("values"),
        set_json: flags.all("set-json"),
        set: flags.all("set"),
        set_string: flags.all("set-string"),
        set_file: flags.all("set-file"),
        set_literal: flags.all("set-literal"),
    };
    options.show_only = flags.all("show-only");
    options.no_hooks = flags.is_set("no-hooks");
    options.skip_tests = flags.is_set("skip-tests");
    options.include_crds = flags.is_set("include-crds");
    options.is_upgrade = flags.is_set("is-upgrade");
    options.kube_version = text("kube-version");
    options.api_versions = flags.all("api-versions");
    options.skip_schema_validation = flags.is_set("skip-schema-validation");
    options.into_files = flags.text("output-dir").is_some();
    options.post_renderer = text("post-renderer").map(|program| {
        let arguments = flags.all("post-renderer-args");
        Arc::new(move |manifests: &str| run_filter(&program, &arguments, manifests)) as Arc<_>
    });
    options.render.now = now;
    if flags.is_set("enable-dns") {
        options.render.resolver = Some(Arc::new(host_addresses));
    }
    options
}

async fn render(flags: &Flags, helm: HelmProfile) -> Exit {
    let profile = match helm {
        HelmProfile::V3 => Profile::helm_3_22(),
        HelmProfile::V4 => Profile::helm_4_3(),
    };
    let (name, chart) = match flags.arguments.as_slice() {
        [name, chart, ..] => (Some(name.clone()), chart),
        [chart] => (None, chart),
        [] => return refused("name a chart"),
    };
    if name.is_some() && flags.is_set("generate-name") {
        return refused("cannot set --generate-name and also specify a name");
    }
    let mut options = options(flags, name, Timestamp::now());
    if flags.is_set("migrate-removed-apis") && options.into_files {
        return refused("--migrate-removed-apis works on what is printed: leave out --output-dir");
    }
    if options.post_renderer.is_some() && options.into_files {
        return refused("--post-renderer works on what is printed: leave out --output-dir");
    }
    options.load = LoadOptions::default();
    options.load.shown_path = std::path::absolute(chart)
        .map_or_else(|_| chart.clone(), |path| path.display().to_string());
    let access = match Access::of(flags).checked(helm) {
        Ok(access) => access,
        Err(error) => return refused(&format!("missing registry client: {error}")),
    };
    let located = locate(flags, chart, access, helm).await;
    if flags.is_set("dependency-update")
        && let Ok(Located::Directory(directory)) = &located
    {
        // Helm sends the command line's credentials to no dependency.
        let repositories = Access::default().repositories()?;
        let now = options.render.now;
        let updated = update_dependencies(directory, &repositories, &profile, now).await;
        if let Err(error) = updated {
            return refused(&error);
        }
    }
    let read = |name: &str| read_input(name);
    let mut output = tokio::task::block_in_place(|| match located {
        Ok(Located::Archive(archive)) => {
            let archive = ChartSource::Archive(&archive);
            Ok(template(archive, &options, &profile, &read))
        }
        Ok(Located::Directory(path)) => DirTree::open(path)
            .map(|tree| template(ChartSource::Directory(&tree), &options, &profile, &read)),
        Err(message) => {
            let missing = ChartSource::Missing(&message);
            Ok(template(missing, &options, &profile, &read))
        }
    })?;
    for warning in &output.warnings {
        output::complain(&helm.log_line(warning));
    }
    if let Some(directory) = flags.text("output-dir") {
        let below = flags
            .is_set("release-name")
            .then_some(output.release.as_str());
        if let Err(error) = write_files(directory, below, &output.files) {
            return refused(&error);
        }
    }
    if flags.is_set("migrate-removed-apis") {
        let version = options.kube_version.filter(|version| !version.is_empty());
        let version =
            version.unwrap_or_else(|| Capabilities::default_of(&profile).kube_version.version);
        let target = Target::version(&version)?;
        let (stdout, rewrites) = RemovedApis.migrate_text(&output.stdout, &target)?;
        output.stdout = stdout;
        let rewrites = rewrites.iter().map(|rewrite| format!("{rewrite}\n"));
        output::complain(&rewrites.collect::<String>());
    }
    output::print(&output.stdout);
    output::complain(&output.stderr);
    Ok(i32::from(output.code))
}

/// Addresses of a host, for `getHostByName`.
fn host_addresses(host: &str) -> Vec<String> {
    let addresses = (host, 0).to_socket_addrs();
    let addresses = addresses.into_iter().flatten();
    addresses.map(|address| address.ip().to_string()).collect()
}

/// A values file or input of `--set-file`: a local file, or one at a URL.
fn read_input(name: &str) -> Result<Bytes, String> {
    if !(name.starts_with("http://") || name.starts_with("https://")) {
        return read_local(name);
    }
    let repositories = Access::default().repositories()?;
    let file = tokio::runtime::Handle::current().block_on(repositories.file(name));
    file.map_err(|error| said(&error))
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
            std::io::ErrorKind::IsADirectory => go_error("read", name, &error),
            _ => go_error("open", name, &error),
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
