//! The `gitops` command: bootstrap, plan, diff, sync, run.
#![allow(unreachable_pub, missing_docs, reason = "a binary has no outside")]

mod args;
mod commands;
mod output;
mod session;

use std::process::exit;

use clap::FromArgMatches as _;

use crate::args::{Cli, Command};

/// What every command returns: an exit status, or an error that is printed.
type Exit = Result<i32, Box<dyn std::error::Error + Send + Sync>>;

/// Exit status where something was refused or failed.
const FAILED: i32 = 1;
/// Exit status of plan and diff where something differs.
const DIFFERENT: i32 = 2;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        // On a worker: what runs on this thread is woken through the workers each time.
        Ok(runtime) => runtime
            .block_on(runtime.spawn(run()))
            .unwrap_or_else(|error| Err(error.into())),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(status) => exit(status),
        Err(error) => {
            let mut text = format!("error: {error}\n");
            let mut source = error.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text.push_str(&format!("  caused by: {cause_text}\n"));
                }
                source = cause.source();
            }
            output::complain(&text);
            exit(FAILED);
        }
    }
}

async fn run() -> Exit {
    let arguments: Vec<String> = std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    if let [_, first, rest @ ..] = arguments.as_slice()
        && first == "template"
    {
        if let Some(done) = commands::template::run(rest).await {
            return done;
        }
        let mut whole = args::command();
        whole.build();
        if let Some(template) = whole.find_subcommand_mut("template") {
            output::print(&template.render_help().to_string());
        }
        return Ok(0);
    }
    let matches = args::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Bootstrap(args) => commands::bootstrap::run(args).await,
        Command::Plan(args) => commands::plan::run(args).await,
        Command::Diff(args) => commands::diff::run(args).await,
        Command::Sync(args) => commands::sync::run(args).await,
        Command::Get(args) => commands::get::run(args).await,
        Command::Export(args) => commands::export::run(args).await,
        Command::Run(args) => commands::run::run(args).await,
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Completion(args) => {
            let mut out = Vec::new();
            clap_complete::generate(args.shell, &mut args::command(), "gitops", &mut out);
            output::print(&String::from_utf8_lossy(&out));
            Ok(0)
        }
    }
}
