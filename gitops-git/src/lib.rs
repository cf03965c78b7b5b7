//! Git repositories as a source of desired state, read without a checkout.
//!
//! [`GitProvider`] opens a repository by URL, [`GitSource`] finds the commit that a revision means and
//! fetches just that commit, [`GitTree`] reads its files from the object database. A repository of
//! this machine is read in place; of a remote one a store below the cache directory keeps the
//! commits that were asked for. Submodules are part of the tree ([`Submodules`]), signatures are checked by
//! [`verify`], commits are made and pushed by [`mod@write`], push events are read by [`webhook`].
//!
//! Everything that comes from elsewhere is bounded by [`Limits`] and [`Timeouts`]. A fetch ends when its
//! future is dropped; the store is whole whatever moment that is.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use gitops_core::{clock::Clock, source::{FileTree, RevisionSpec}};
//! # async fn example(clock: Arc<dyn Clock>) -> Result<(), Box<dyn std::error::Error>> {
//! use gitops_git::GitProvider;
//!
//! let provider = GitProvider::builder("/var/cache/gitops", clock).build();
//! let source = provider.open_url("https://github.com/argoproj/argocd-example-apps.git").await?;
//! let revision = source.resolve(&RevisionSpec::from("master")).await?;
//! let tree = source.tree(&revision).await?;
//! for entry in tree.list("guestbook")? {
//!     println!("{}", entry.name);
//! }
//! # Ok(()) }
//! ```

mod changes;
pub mod credentials;
mod error;
mod ignore;
mod options;
mod provider;
mod remote;
mod resolve;
mod source;
mod store;
mod submodules;
mod tree;
mod url;
pub mod verify;
pub mod webhook;
pub mod write;

pub use changes::{Change, ChangeKind};
pub use error::GitError;
pub use ignore::SourceIgnore;
pub use options::{Limits, Timeouts};
pub use provider::{GitProvider, GitProviderBuilder, LocalAccess};
pub use resolve::{FluxReference, flux_revision};
pub use source::GitSource;
pub use submodules::{Submodule, Submodules};
pub use tree::GitTree;
pub use url::{GitUrl, UrlMap, redact};

/// Runs blocking work beside the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    url: &str,
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(GitError::Cancelled {
            url: url.to_owned(),
        }),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
