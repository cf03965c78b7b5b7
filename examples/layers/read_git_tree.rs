//! Git only: the files of a commit, read from the object database without a checkout.
//!
//! `cargo run -p gitops-examples --example read_git_tree -- [REPOSITORY [REVISION]]`

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::sync::Arc;

use gitops_core::{
    clock::SystemClock,
    source::{EntryKind, RevisionSpec, SourceProvider as _, SourceRef},
};
use gitops_git::GitProvider;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let repository = arguments.next().unwrap_or_else(|| ".".to_owned());
    let revision = arguments.next().unwrap_or_else(|| "HEAD".to_owned());
    print!("{}", run(&repository, &revision).await?);
    Ok(())
}

pub(crate) async fn run(repository: &str, revision: &str) -> Result<String, Failure> {
    let cache = tempfile::tempdir()?;
    let provider = GitProvider::builder(cache.path(), Arc::new(SystemClock)).build();
    let url = match repository.contains("://") {
        true => repository.to_owned(),
        false => std::path::absolute(repository)?
            .to_string_lossy()
            .into_owned(),
    };
    let source = provider.open(&SourceRef { url, chart: None }).await?;
    let revision = source.resolve(&RevisionSpec::from(revision)).await?;
    let tree = source.tree(&revision).await?;

    let mut text = format!("{}\n", revision.id);
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in tree.list(&folder)? {
            let path = format!("{folder}{}", entry.name);
            match entry.kind {
                EntryKind::Directory => folders.push(format!("{path}/")),
                EntryKind::File => {
                    let content = tree.read(&path)?.unwrap_or_default();
                    text.push_str(&format!("{path}  {} bytes\n", content.len()));
                }
            }
        }
    }
    Ok(text)
}
