//! Opens repositories by URL.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use gitops_core::{
    clock::Clock,
    events::{EventSink, Silent},
    source::{Source, SourceError, SourceProvider, SourceRef},
};
use sha2::{Digest, Sha256};

use crate::{
    blocking,
    credentials::{Anonymous, Credentials},
    error::GitError,
    options::{Limits, Timeouts},
    remote::{Dialer, Identified, Leases, RemoteRepository, SshProgram, http::Clients},
    source::{GitSource, Place, SourceState},
    store::{Budget, LocalRepository},
    submodules::Submodules,
    url::{GitUrl, UrlMap},
};

/// Packs of one store before they are made one; each is an open file and a step of every search.
const PACKS: usize = 32;
/// Commits kept when that happens, beside those in use.
const COMMITS: usize = 16;

/// Opens Git repositories. Cloning it is cheap and shares everything.
#[derive(Clone)]
pub struct GitProvider {
    shared: Arc<Shared>,
}

struct Shared {
    cache: PathBuf,
    map: UrlMap,
    local: LocalAccess,
    refresh: Duration,
    budget: Budget,
    dialer: Arc<Dialer>,
    submodules: Submodules,
    open: Mutex<HashMap<String, Arc<SourceState>>>,
    leases: Mutex<HashMap<PathBuf, Arc<Leases>>>,
}

/// Which repositories of this machine may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LocalAccess {
    /// All that the process can read. Right for a command; wrong for a service, whose users could
    /// name any path.
    #[default]
    Any,
    /// Only those that the URL map names.
    Mapped,
}

/// Builds a [`GitProvider`].
pub struct GitProviderBuilder {
    cache: PathBuf,
    map: UrlMap,
    local: LocalAccess,
    refresh: Duration,
    credentials: Arc<dyn Credentials>,
    timeouts: Timeouts,
    limits: Limits,
    clock: Arc<dyn Clock>,
    ssh: Option<PathBuf>,
    store_size: u64,
    submodules: Submodules,
    events: Arc<dyn EventSink>,
}

impl GitProviderBuilder {
    /// Redirects repository URLs.
    #[must_use]
    pub fn map(mut self, map: UrlMap) -> Self {
        self.map = map;
        self
    }

    /// Sets which repositories of this machine may be opened. Default: any.
    #[must_use]
    pub fn local_access(mut self, local: LocalAccess) -> Self {
        self.local = local;
        self
    }

    /// How long the references of a remote repository, once listed, are taken as current. A
    /// controller sets its polling interval, so that each remote is asked once per round. Default: 5 s.
    #[must_use]
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh = interval;
        self
    }

    /// Who knows how repositories are reached. Default: anonymously.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// How long servers may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How much is read.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The `ssh` program by which ssh URLs are reached. Default: none, and ssh URLs are refused.
    #[must_use]
    pub fn ssh_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.ssh = Some(program.into());
        self
    }

    /// Bytes that the store of one remote repository may take before commits that were not used for
    /// longest are dropped from it. Commits that somebody reads stay. Default: 1 GiB.
    #[must_use]
    pub fn store_size(mut self, bytes: u64) -> Self {
        self.store_size = bytes;
        self
    }

    /// Whether trees opened through [`Source::tree`] hold the files of their submodules. Default: they do.
    #[must_use]
    pub fn submodules(mut self, submodules: Submodules) -> Self {
        self.submodules = submodules;
        self
    }

    /// Who is told how fetches go. Default: nobody.
    #[must_use]
    pub fn events(mut self, events: Arc<dyn EventSink>) -> Self {
        self.events = events;
        self
    }

    /// The provider. Nothing is opened or written yet.
    #[must_use]
    pub fn build(self) -> GitProvider {
        let ssh = self.ssh.map(|program| SshProgram {
            program,
            scratch: self.cache.join("ssh"),
        });
        GitProvider {
            shared: Arc::new(Shared {
                cache: self.cache,
                map: self.map,
                local: self.local,
                refresh: self.refresh,
                budget: Budget {
                    bytes: self.store_size,
                    packs: PACKS,
                    commits: COMMITS,
                },
                dialer: Arc::new(Dialer {
                    clients: Clients::default(),
                    credentials: self.credentials,
                    timeouts: self.timeouts,
                    limits: self.limits,
                    clock: self.clock,
                    ssh,
                    events: self.events,
                }),
                submodules: self.submodules,
                open: Mutex::default(),
                leases: Mutex::default(),
            }),
        }
    }
}

impl GitProvider {
    /// A provider that keeps what it fetches under `cache`, a directory that it creates when needed.
    pub fn builder(cache: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> GitProviderBuilder {
        GitProviderBuilder {
            cache: cache.into(),
            map: UrlMap::new(),
            local: LocalAccess::default(),
            refresh: Duration::from_secs(5),
            credentials: Arc::new(Anonymous),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            clock,
            ssh: None,
            store_size: 1 << 30,
            submodules: Submodules::default(),
            events: Arc::new(Silent),
        }
    }

    /// Opens the repository at `url`. All spellings of one URL share one source.
    ///
    /// A repository of this machine is looked at at once; of a remote one nothing is asked yet.
    pub async fn open_url(&self, url: &str) -> Result<GitSource, GitError> {
        let asked = GitUrl::parse(url)?;
        let mapped = self.shared.map.get(url).map(str::to_owned);
        self.open_at(asked, mapped, Vec::new()).await
    }

    /// Opens a submodule of the repository that was asked for as `parent`.
    pub(crate) async fn open_submodule(
        &self,
        parent: &GitUrl,
        url: &str,
        lenders: Vec<GitUrl>,
    ) -> Result<GitSource, GitError> {
        let asked = parent.submodule(url)?;
        let mapped = self.shared.map.get(&asked.to_string()).map(str::to_owned);
        // What somebody writes into a repository elsewhere must not open files of this machine.
        if mapped.is_none() && asked.local_path().is_some() && parent.local_path().is_none() {
            return Err(GitError::InvalidUrl {
                url: asked.to_string(),
                reason: format!("{parent} names it as its submodule, and it is on this machine"),
            });
        }
        self.open_at(asked, mapped, lenders).await
    }

    pub(crate) fn submodules(&self) -> Submodules {
        self.shared.submodules
    }

    async fn open_at(
        &self,
        asked: GitUrl,
        mapped: Option<String>,
        lenders: Vec<GitUrl>,
    ) -> Result<GitSource, GitError> {
        let target = match &mapped {
            Some(target) => GitUrl::parse(target)?,
            None => asked.clone(),
        };
        // Whoever has other credentials must not read what these were let in for.
        let lenders: Vec<GitUrl> = lenders
            .into_iter()
            .filter(|lender| lender.same_host(&target))
            .collect();
        let who = who(&target, &lenders);
        let key = format!("{} {target} {who}", asked.normalized());
        if let Some(state) = self.known(&key) {
            return Ok(GitSource::new(state, self.clone()));
        }
        let limits = self.shared.dialer.limits.clone();
        let clock = self.shared.dialer.clock.clone();
        let place = match target.local_path() {
            Some(path) => {
                if mapped.is_none() && self.shared.local == LocalAccess::Mapped {
                    return Err(GitError::InvalidUrl {
                        url: asked.to_string(),
                        reason: "repositories of this machine are not opened here".to_owned(),
                    });
                }
                let path = path.to_owned();
                let shown = asked.to_string();
                let repository = blocking(&asked.to_string(), move || {
                    LocalRepository::open(&path, &shown)
                })
                .await?;
                Place::Local(repository)
            }
            None => {
                let directory = self.shared.cache.join(directory_name(&target));
                Place::Remote(Box::new(RemoteRepository::new(
                    self.shared.dialer.clone(),
                    Identified {
                        leases: self.leases(&directory),
                        url: target,
                        lenders,
                        shown: asked.to_string(),
                        directory,
                    },
                    self.shared.refresh,
                    self.shared.budget.clone(),
                )))
            }
        };
        let state = Arc::new(SourceState::new(asked, place, limits, clock));
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let state = open.entry(key).or_insert(state).clone();
        Ok(GitSource::new(state, self.clone()))
    }

    /// Makes the next look at `url` ask the server, as after a webhook.
    pub async fn invalidate(&self, url: &str) {
        let prefix = format!("{} ", crate::url::normalize(url));
        let sources: Vec<Arc<SourceState>> = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(_, source)| source.clone())
            .collect();
        for source in sources {
            source.invalidate().await;
        }
    }

    /// Who reads what in one store, whoever opened it.
    fn leases(&self, directory: &Path) -> Arc<Leases> {
        self.shared
            .leases
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(directory.to_owned())
            .or_default()
            .clone()
    }

    fn known(&self, key: &str) -> Option<Arc<SourceState>> {
        self.shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }
}

/// Tells apart who asks, where the URL says that; a digest, so that no secret lies around.
fn who(target: &GitUrl, lenders: &[GitUrl]) -> String {
    let mut hash = Sha256::new();
    for url in std::iter::once(target).chain(lenders) {
        hash.update(url.to_string());
        hash.update([0]);
        if let Some((user, password)) = url.userinfo() {
            hash.update(user);
            hash.update([1]);
            hash.update(password.unwrap_or_default());
        }
        hash.update([0]);
    }
    hex(&hash.finalize()[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory name that people recognise and that no two URLs share.
fn directory_name(url: &GitUrl) -> String {
    let normalized = url.normalized();
    let name: String = normalized
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'))
        .take(40)
        .collect();
    let user = url
        .userinfo()
        .map(|(user, _)| format!("{user}@"))
        .unwrap_or_default();
    let digest = Sha256::digest(format!("{user}{url}"));
    format!("{name}-{}", hex(&digest[..10]))
}

#[async_trait]
impl SourceProvider for GitProvider {
    async fn open(&self, source: &SourceRef) -> Result<Arc<dyn Source>, SourceError> {
        if let Some(chart) = &source.chart {
            return Err(GitError::Unsupported {
                url: crate::url::redact(&source.url),
                reason: format!(
                    "`{chart}` is a chart of a chart repository, not of a Git repository"
                ),
            }
            .into());
        }
        Ok(Arc::new(self.open_url(&source.url).await?))
    }
}
