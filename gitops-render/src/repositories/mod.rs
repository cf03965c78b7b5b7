//! Chart repositories: charts by URL and version, and the dependencies that charts declare.
//!
//! The one part of this crate that does IO. [`ChartRepositories`] reads `index.yaml` and packed
//! charts over HTTP or from local directories; it completes trees with missing dependencies
//! ([`Dependencies`]) and opens `chart:` sources ([`Source`]). Rendering itself stays pure.
//!
//! HTTP needs a running tokio runtime, as reqwest does.

mod complete;
mod fetch;
mod index;
mod overlay;
mod source;
mod update;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use gitops_core::source::{SourceError, SourceRef};

use self::{
    complete::Completed,
    fetch::{Fetcher, Place, shown},
    index::{Entry, Index},
};
pub use source::ChartRepository;
pub use update::DependencyUpdate;

#[allow(unused_imports, reason = "named in the documentation")]
use gitops_core::{render::Dependencies, source::Source};

/// User name and password for a host. Never printed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

impl Credential {
    /// A user name and password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Knows the credentials for chart repositories.
pub trait Credentials: Send + Sync {
    /// The credential for a repository, by its URL as charts and Applications write it.
    fn for_repository(&self, url: &str) -> Option<Credential>;
}

/// No credentials for anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

impl Credentials for NoCredentials {
    fn for_repository(&self, _url: &str) -> Option<Credential> {
        None
    }
}

/// What a lock file decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LockPolicy {
    /// The locked version, if the repository still has it; else the highest that fits Chart.yaml.
    #[default]
    Preferred,
    /// The locked version or an error, as `helm dependency build`; a lock that does not belong to
    /// Chart.yaml is an error too.
    Required,
    /// The highest version that fits Chart.yaml, as `helm dependency update`.
    Ignored,
}

/// How chart repositories are reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct RepositoryOptions {
    /// Other places for URLs: every URL that begins with a key is looked for at the value instead, a
    /// URL or a local path. Of several keys that fit the longest counts.
    pub redirects: BTreeMap<String, String>,
    /// Credentials by repository.
    pub credentials: Arc<dyn Credentials>,
    /// Sends a repository's credentials to the other hosts that its index names.
    pub pass_credentials: bool,
    /// How long one request may take; a minute by default.
    pub timeout: Duration,
    /// Size of an index or packed chart in bytes; 100 MiB by default.
    pub download_bytes: u64,
    /// Whether local paths are allowed besides redirects to them (`file://` URLs of repositories).
    pub local_repositories: bool,
    /// What lock files decide.
    pub lock: LockPolicy,
    /// Certificates of HTTPS connections.
    pub tls: TlsOptions,
}

/// Which servers are believed over HTTPS, and who the client is.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// PEM: the only certificates that sign servers' certificates; those of the system otherwise.
    pub ca: Option<Bytes>,
    /// PEM: the client's certificate.
    pub certificate: Option<Bytes>,
    /// PEM: the key of the client's certificate.
    pub key: Option<Bytes>,
    /// Believes every server.
    pub accept_invalid_certificates: bool,
}

impl Default for RepositoryOptions {
    fn default() -> Self {
        Self {
            redirects: BTreeMap::new(),
            credentials: Arc::new(NoCredentials),
            pass_credentials: false,
            timeout: Duration::from_secs(60),
            download_bytes: 100 << 20,
            local_repositories: false,
            lock: LockPolicy::default(),
            tls: TlsOptions::default(),
        }
    }
}

impl fmt::Debug for RepositoryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryOptions")
            .field("timeout", &self.timeout)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

/// Chart repositories by URL. Charts that were downloaded once are kept; a clone shares them.
#[derive(Clone)]
pub struct ChartRepositories {
    shared: Arc<Shared>,
}

struct Shared {
    options: RepositoryOptions,
    fetcher: Fetcher,
    /// Packed charts by place and digest.
    charts: Mutex<BTreeMap<String, Bytes>>,
    /// Completed dependencies by the content of the chart that needed them.
    completed: Mutex<BTreeMap<String, Completed>>,
}

/// A chart that a repository has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundChart {
    repository: String,
    chart: String,
    entry: Entry,
}

impl FoundChart {
    /// The exact version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.entry.version
    }
}

/// How many charts are kept.
const KEPT_CHARTS: usize = 128;

impl ChartRepositories {
    /// Repositories reached as the options say.
    pub fn new(options: RepositoryOptions) -> Result<Self, SourceError> {
        Ok(Self {
            shared: Arc::new(Shared {
                fetcher: Fetcher::new(&options)?,
                options,
                charts: Mutex::default(),
                completed: Mutex::default(),
            }),
        })
    }

    /// Opens the chart of a `chart:` source.
    #[must_use]
    pub fn chart(&self, source: &SourceRef) -> Option<ChartRepository> {
        let chart = source.chart.clone()?;
        Some(ChartRepository::new(
            self.clone(),
            source.url.clone(),
            chart,
        ))
    }

    /// Downloads the chart of a repository in the version that an exact version or range asks for.
    pub async fn download(
        &self,
        repository: &str,
        chart: &str,
        version: &str,
    ) -> Result<(String, Bytes), SourceError> {
        let index = self.index(repository).await?;
        let entry = index.find(repository, chart, version)?;
        let archive = self.archive(repository, chart, entry).await?;
        Ok((entry.version.clone(), archive))
    }

    /// Finds a chart in a repository's index, by an exact version or a range.
    pub async fn find(
        &self,
        repository: &str,
        chart: &str,
        version: &str,
    ) -> Result<FoundChart, SourceError> {
        let index = self.index(repository).await?;
        let entry = index.find(repository, chart, version)?.clone();
        Ok(FoundChart {
            repository: repository.to_owned(),
            chart: chart.to_owned(),
            entry,
        })
    }

    /// Reads a chart that was found, and checks it against the digest of the index.
    pub async fn fetch(&self, found: &FoundChart) -> Result<Bytes, SourceError> {
        self.archive(&found.repository, &found.chart, &found.entry)
            .await
    }

    /// Reads the file at a URL, with the credentials that belong to it.
    pub async fn file(&self, url: &str) -> Result<Bytes, SourceError> {
        let credential = self.shared.options.credentials.for_repository(url);
        let place = self.place(url)?;
        self.shared.fetcher.get(&place, credential.as_ref()).await
    }

    async fn index(&self, repository: &str) -> Result<Index, SourceError> {
        let base = self.place(repository)?;
        let place = base.join("index.yaml");
        let credential = self.shared.options.credentials.for_repository(repository);
        let content = self.shared.fetcher.get(&place, credential.as_ref()).await?;
        Index::parse(&content).map_err(|reason| SourceError::InvalidUrl {
            url: shown(repository),
            reason: format!("its index.yaml cannot be used: {reason}"),
        })
    }

    async fn archive(
        &self,
        repository: &str,
        chart: &str,
        entry: &Entry,
    ) -> Result<Bytes, SourceError> {
        let url = entry
            .urls
            .first()
            .ok_or_else(|| SourceError::UnknownRevision {
                url: shown(repository),
                revision: format!("{chart} {}", entry.version),
            })?;
        let is_absolute = url.contains("://");
        let (place, same_host) = if is_absolute {
            (self.place(url)?, same_host(repository, url))
        } else {
            (self.place(repository)?.join(url), true)
        };
        let key = format!("{place} {}", entry.digest);
        let charts = || {
            self.shared
                .charts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if !entry.digest.is_empty()
            && let Some(archive) = charts().get(&key)
        {
            return Ok(archive.clone());
        }
        let options = &self.shared.options;
        let credential = (same_host || options.pass_credentials)
            .then(|| options.credentials.for_repository(repository))
            .flatten();
        let archive = self.shared.fetcher.get(&place, credential.as_ref()).await?;
        check_digest(repository, chart, entry, &archive)?;
        let mut charts = charts();
        if charts.len() >= KEPT_CHARTS {
            charts.pop_first();
        }
        charts.insert(key, archive.clone());
        Ok(archive)
    }

    /// Where a URL is looked for.
    fn place(&self, url: &str) -> Result<Place, SourceError> {
        let plain = url.trim_end_matches('/');
        let redirect = self
            .shared
            .options
            .redirects
            .iter()
            .filter_map(|(from, to)| {
                let from = from.trim_end_matches('/');
                let rest = plain.strip_prefix(from)?;
                (rest.is_empty() || rest.starts_with('/')).then_some((from.len(), to, rest))
            })
            .max_by_key(|(length, ..)| *length);
        match redirect {
            Some((_, to, rest)) => {
                let to = to.trim_end_matches('/');
                Place::parse(&format!("{to}{rest}"), true)
            }
            None => Place::parse(plain, self.shared.options.local_repositories),
        }
    }
}

impl fmt::Debug for ChartRepositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChartRepositories")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

fn same_host(a: &str, b: &str) -> bool {
    match (url::Url::parse(a), url::Url::parse(b)) {
        (Ok(a), Ok(b)) => {
            a.scheme() == b.scheme()
                && a.host() == b.host()
                && a.port_or_known_default() == b.port_or_known_default()
        }
        _ => false,
    }
}

fn check_digest(
    repository: &str,
    chart: &str,
    entry: &Entry,
    archive: &[u8],
) -> Result<(), SourceError> {
    let expected = entry.digest.trim_start_matches("sha256:");
    if expected.is_empty() {
        return Ok(());
    }
    let found = gitops_core::source::ContentId::of(archive).0;
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(SourceError::Unverified {
        url: shown(repository),
        revision: format!("{chart} {}", entry.version),
        reason: format!("the index gives the digest {expected}, the chart has {found}"),
    })
}

#[cfg(test)]
mod tests;
