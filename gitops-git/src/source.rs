//! One repository as a [`Source`].

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gitops_core::clock::{Clock, Timestamp};
use gitops_core::source::{FileTree, Revision, RevisionSpec, Source, SourceError};
use gix::ObjectId;

use crate::{
    blocking,
    error::GitError,
    options::Limits,
    provider::GitProvider,
    remote::{References, RemoteRepository},
    resolve::{self, FluxReference, Meaning, full_commit},
    store::LocalRepository,
    submodules::Submodules,
    tree::{GitTree, Surveys},
    url::GitUrl,
};

/// Trees kept for the next caller.
const KEPT_TREES: usize = 4;

/// One Git repository: a local one is read in place, of a remote one just the commits asked for are fetched.
#[derive(Clone)]
pub struct GitSource {
    shared: Arc<SourceState>,
    provider: GitProvider,
}

/// What all handles of one repository share. The provider keeps it, and not the other way round.
pub(crate) struct SourceState {
    url: GitUrl,
    shown: String,
    limits: Limits,
    clock: Arc<dyn Clock>,
    place: Place,
    trees: Mutex<Trees>,
    surveys: Arc<Surveys>,
}

pub(crate) enum Place {
    Local(LocalRepository),
    Remote(Box<RemoteRepository>),
}

impl SourceState {
    pub(crate) fn new(url: GitUrl, place: Place, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            shown: url.to_string(),
            url,
            limits,
            clock,
            place,
            trees: Mutex::default(),
            surveys: Arc::default(),
        }
    }

    /// Makes the next look at the references ask the server.
    pub(crate) async fn invalidate(&self) {
        if let Place::Remote(repository) = &self.place {
            repository.invalidate().await;
        }
    }
}

#[derive(Default)]
struct Trees {
    /// The most recently used last.
    kept: Vec<GitTree>,
}

impl GitSource {
    pub(crate) fn new(shared: Arc<SourceState>, provider: GitProvider) -> Self {
        Self { shared, provider }
    }

    /// The URL, as the user wrote it.
    #[must_use]
    pub fn url(&self) -> &GitUrl {
        &self.shared.url
    }

    /// Makes the next [`GitSource::resolve`] ask the server, as after a webhook.
    pub async fn invalidate(&self) {
        self.shared.invalidate().await;
    }

    /// Finds the commit that `spec` means now, by Argo CD's rules for `targetRevision`.
    pub async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision, GitError> {
        self.resolve_tagged(spec, "").await
    }

    /// As [`GitSource::resolve`], but only tags that begin with `tag_prefix` count, and what follows
    /// the prefix is their version (Argo CD's `tagPrefix`).
    pub async fn resolve_tagged(
        &self,
        spec: &RevisionSpec,
        tag_prefix: &str,
    ) -> Result<Revision, GitError> {
        let text = spec.0.trim();
        if let Some(commit) = full_commit(text) {
            return Ok(Revision::new(commit.to_string()));
        }
        self.find(text, text, |references| {
            resolve::argocd(text, tag_prefix, references)
        })
        .await
    }

    /// Finds the commit that a Flux GitRepository's `spec.ref` means now.
    pub async fn resolve_flux(&self, reference: &FluxReference) -> Result<Revision, GitError> {
        let name = reference.name.as_deref().unwrap_or_default();
        self.find(&reference.shown(), name, |references| {
            resolve::flux(reference, references)
        })
        .await
    }

    /// Applies a rule to the references; where it finds nothing, to a list that has `name` as well.
    async fn find(
        &self,
        shown: &str,
        name: &str,
        rule: impl Fn(&References) -> Meaning,
    ) -> Result<Revision, GitError> {
        let unknown = || GitError::UnknownRevision {
            url: self.shared.shown.clone(),
            revision: if shown.is_empty() { "HEAD" } else { shown }.to_owned(),
        };
        let mut found = rule(&*self.references(None).await?);
        if found == Meaning::Unknown
            && let Some(name) = unlisted(name)
        {
            found = rule(&*self.references(Some(&name)).await?);
        }
        match found {
            Meaning::Found(revision) => Ok(revision),
            Meaning::Unknown => Err(unknown()),
            Meaning::Tied(tags) => self.newest(tags).await?.ok_or_else(unknown),
            Meaning::Abbreviated(prefix) => self
                .expand(&prefix)
                .await?
                .map(|commit| Revision::new(commit.to_string()))
                .ok_or_else(unknown),
        }
    }

    /// The revision with the newest commit, by what the commits say; of several the last.
    async fn newest(&self, revisions: Vec<Revision>) -> Result<Option<Revision>, GitError> {
        let mut newest = None;
        for revision in revisions {
            let Some(commit) = full_commit(&revision.id) else {
                continue;
            };
            let (_, data) = self.raw_object(commit).await?;
            let at = committed_at(&data).unwrap_or(i64::MIN);
            if newest.as_ref().is_none_or(|(known, _)| *known <= at) {
                newest = Some((at, revision));
            }
        }
        Ok(newest.map(|(_, revision)| revision))
    }

    /// The files of a commit, without those of its submodules; fetches it where it is not there yet.
    pub async fn tree(&self, revision: &Revision) -> Result<GitTree, GitError> {
        let Some(commit) = full_commit(&revision.id) else {
            return Err(GitError::UnknownRevision {
                url: self.shared.shown.clone(),
                revision: revision.id.clone(),
            });
        };
        if let Some(tree) = self.kept(&commit) {
            return Ok(tree);
        }
        let (objects, lease) = match &self.shared.place {
            Place::Local(repository) => {
                let repository = repository.clone();
                let objects = blocking(&self.shared.shown, move || repository.objects()).await?;
                (objects, None)
            }
            Place::Remote(repository) => {
                let (objects, lease) = repository.objects_with(commit).await?;
                (objects, Some(lease))
            }
        };
        let root = {
            let objects = objects.clone();
            blocking(&self.shared.shown, move || objects.tree_of(&commit)).await?
        };
        let Some(root) = root else {
            return Err(GitError::UnknownRevision {
                url: self.shared.shown.clone(),
                revision: revision.id.clone(),
            });
        };
        let tree = GitTree::new(
            objects,
            self.shared.limits.clone(),
            commit,
            root,
            lease,
            self.shared.surveys.clone(),
        );
        self.keep(&tree);
        Ok(tree)
    }

    /// Opens the repository that this one's `.gitmodules` names.
    pub(crate) async fn open_submodule(&self, url: &str) -> Result<Self, GitError> {
        let lenders = match &self.shared.place {
            Place::Local(_) => Vec::new(),
            Place::Remote(repository) => repository.lenders(),
        };
        self.provider
            .open_submodule(&self.shared.url, url, lenders)
            .await
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn place(&self) -> &Place {
        &self.shared.place
    }

    pub(crate) fn unknown(&self, revision: &str) -> GitError {
        GitError::UnknownRevision {
            url: self.shared.shown.clone(),
            revision: revision.to_owned(),
        }
    }

    /// The files of a commit, or none at all where there is no commit yet.
    pub(crate) async fn tree_or_empty(
        &self,
        commit: Option<ObjectId>,
    ) -> Result<GitTree, GitError> {
        match commit {
            Some(commit) => self.tree(&Revision::new(commit.to_string())).await,
            None => {
                let objects = match &self.shared.place {
                    Place::Local(repository) => {
                        let repository = repository.clone();
                        blocking(&self.shared.shown, move || repository.objects()).await?
                    }
                    Place::Remote(repository) => repository.objects().await?,
                };
                Ok(GitTree::new(
                    objects,
                    self.shared.limits.clone(),
                    ObjectId::null(gix::hash::Kind::Sha1),
                    ObjectId::empty_tree(gix::hash::Kind::Sha1),
                    None,
                    self.shared.surveys.clone(),
                ))
            }
        }
    }

    pub(crate) async fn references(
        &self,
        extra: Option<&str>,
    ) -> Result<Arc<References>, GitError> {
        match &self.shared.place {
            Place::Local(repository) => {
                let repository = repository.clone();
                let limits = self.shared.limits.clone();
                blocking(&self.shared.shown, move || {
                    repository.references(&limits).map(Arc::new)
                })
                .await
            }
            Place::Remote(repository) => repository.references(extra).await,
        }
    }

    async fn expand(&self, prefix: &str) -> Result<Option<ObjectId>, GitError> {
        match &self.shared.place {
            Place::Local(repository) => {
                let repository = repository.clone();
                let prefix = prefix.to_owned();
                blocking(&self.shared.shown, move || repository.expand(&prefix)).await
            }
            Place::Remote(repository) => repository.expand(prefix).await,
        }
    }

    fn kept(&self, commit: &ObjectId) -> Option<GitTree> {
        let mut trees = self
            .shared
            .trees
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let at = trees.kept.iter().position(|tree| tree.is(commit))?;
        let tree = trees.kept.remove(at);
        trees.kept.push(tree.clone());
        Some(tree)
    }

    fn keep(&self, tree: &GitTree) {
        let mut trees = self
            .shared
            .trees
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if trees.kept.len() >= KEPT_TREES {
            trees.kept.remove(0);
        }
        trees.kept.push(tree.clone());
    }
}

/// When a commit says that it was made, in seconds since 1970.
fn committed_at(data: &[u8]) -> Option<i64> {
    let line = data
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(b"committer "))?;
    // `Name <address> seconds zone`
    let after = line.iter().rposition(|byte| *byte == b'>')? + 1;
    let text = std::str::from_utf8(&line[after..]).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The full name that a name outside branches and tags would have.
fn unlisted(spec: &str) -> Option<String> {
    let usable = !spec.is_empty() && !spec.contains(char::is_whitespace);
    match spec.strip_prefix("refs/") {
        Some(rest) if rest.starts_with("heads/") || rest.starts_with("tags/") => None,
        Some(_) => usable.then(|| spec.to_owned()),
        // Short names of such references have a `/` (`pull/1/head`).
        None => (usable && spec.contains('/')).then(|| format!("refs/{spec}")),
    }
}

#[async_trait]
impl Source for GitSource {
    async fn resolve(&self, spec: &RevisionSpec) -> Result<Revision, SourceError> {
        Ok(self.resolve(spec).await?)
    }

    async fn tree(&self, revision: &Revision) -> Result<Arc<dyn FileTree>, SourceError> {
        Ok(Arc::new(match self.provider.submodules() {
            Submodules::Ignored => self.tree(revision).await?,
            Submodules::Followed => self.tree_with_submodules(revision).await?,
        }))
    }
}
