//! One remote repository: its references are listed once per interval, its commits fetched once,
//! however many callers ask.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex as StdMutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gitops_core::{Classified, ErrorClass, clock::Timestamp};
use gix::ObjectId;
use tokio::sync::Mutex;

use super::{
    Connection, Depth, Dialer, FetchRequest, References, Service, connection::Advertisement,
};
use crate::{
    error::GitError,
    options::Timeouts,
    store::{Budget, Objects, Store},
    url::GitUrl,
};

/// Commits named to the server as present, at most.
const HAVES: usize = 64;
/// Reference names outside branches and tags that are listed along, at most.
const EXTRA_PREFIXES: usize = 64;

/// One remote repository.
pub(crate) struct RemoteRepository {
    dialer: Arc<Dialer>,
    url: GitUrl,
    shown: String,
    directory: PathBuf,
    refresh: Duration,
    listing: Mutex<Listing>,
    listing_attempts: Attempts,
    fetching: Mutex<Fetching>,
    fetching_attempts: Attempts,
    objects: StdMutex<Option<Arc<Objects>>>,
    budget: Budget,
    leases: StdMutex<Vec<Weak<ObjectId>>>,
}

/// Keeps a commit from being collected for as long as somebody reads it.
pub(crate) type Lease = Arc<ObjectId>;

#[derive(Default)]
struct Listing {
    known: Option<Known>,
    extra: BTreeSet<String>,
    failure: Option<(u64, GitError)>,
}

struct Known {
    at: Timestamp,
    attempt: u64,
    extra: BTreeSet<String>,
    references: Arc<References>,
}

#[derive(Default)]
struct Fetching {
    store: Option<Arc<Store>>,
    failure: Option<(u64, GitError)>,
}

/// Counts starts and ends of attempts: odd while one is under way. A caller that notes the count
/// when it arrives can tell, once it has the lock, whether an attempt ended meanwhile.
#[derive(Default)]
struct Attempts(AtomicU64);

impl Attempts {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn start(&self) -> (u64, AttemptGuard<'_>) {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        (number, AttemptGuard(self))
    }
}

struct AttemptGuard<'a>(&'a Attempts);

impl Drop for AttemptGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Failures of the remote as a whole, which whoever waited for the attempt need not run into again.
fn concerns_everyone(error: &GitError) -> bool {
    error.is_retryable()
        || matches!(
            error.class(),
            ErrorClass::Unauthenticated | ErrorClass::Forbidden
        )
        || matches!(
            error,
            GitError::UnknownRepository { .. } | GitError::Protocol { .. }
        )
}

impl RemoteRepository {
    pub(crate) fn new(
        dialer: Arc<Dialer>,
        url: GitUrl,
        shown: String,
        directory: PathBuf,
        refresh: Duration,
        budget: Budget,
    ) -> Self {
        Self {
            dialer,
            url,
            shown,
            directory,
            refresh,
            listing: Mutex::default(),
            listing_attempts: Attempts::default(),
            fetching: Mutex::default(),
            fetching_attempts: Attempts::default(),
            objects: StdMutex::default(),
            budget,
            leases: StdMutex::default(),
        }
    }

    /// The references, at most `refresh` old. `extra` is a name outside branches and tags that must be among
    /// those listed if it exists.
    pub(crate) async fn references(
        &self,
        extra: Option<&str>,
    ) -> Result<Arc<References>, GitError> {
        let arrival = self.listing_attempts.now();
        let mut listing = self.listing.lock().await;
        if let Some(known) = &listing.known {
            let age = self.dialer.clock.now().duration_since(known.at);
            let fresh = Duration::try_from(age).is_ok_and(|age| age < self.refresh);
            let covered = extra.is_none_or(|extra| known.extra.contains(extra));
            if covered && (fresh || known.attempt >= arrival) {
                return Ok(known.references.clone());
            }
        }
        if let Some((attempt, error)) = &listing.failure
            && *attempt >= arrival
            && concerns_everyone(error)
        {
            return Err(error.clone());
        }
        if let Some(extra) = extra {
            if listing.extra.len() >= EXTRA_PREFIXES {
                listing.extra.pop_first();
            }
            listing.extra.insert(extra.to_owned());
        }
        let (attempt, _guard) = self.listing_attempts.start();
        let at = self.dialer.clock.now();
        match self.list(&listing.extra).await {
            Ok(references) => {
                let references = Arc::new(references);
                listing.known = Some(Known {
                    at,
                    attempt,
                    extra: listing.extra.clone(),
                    references: references.clone(),
                });
                listing.failure = None;
                Ok(references)
            }
            Err(error) => {
                listing.failure = Some((attempt, error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets the list of references, so that the next look asks the server.
    pub(crate) async fn invalidate(&self) {
        self.listing.lock().await.known = None;
    }

    async fn list(&self, extra: &BTreeSet<String>) -> Result<References, GitError> {
        let _span = tracing::debug_span!("git ls-refs", url = %self.url);
        let mut prefixes: Vec<String> = ["HEAD", "refs/heads/", "refs/tags/"]
            .map(str::to_owned)
            .to_vec();
        prefixes.extend(extra.iter().cloned());
        self.within(self.dialer.timeouts.list, async {
            let mut connection = self.connect().await?;
            let references = connection.references(&prefixes).await?;
            connection.close().await;
            Ok(references)
        })
        .await
    }

    /// A reader of a store that holds the whole tree of `commit`.
    pub(crate) async fn objects_with(
        &self,
        commit: ObjectId,
    ) -> Result<(Arc<Objects>, Lease), GitError> {
        let arrival = self.fetching_attempts.now();
        let mut fetching = self.fetching.lock().await;
        let store = self.store(&mut fetching).await?;
        if store.has_tip(&commit) {
            return Ok((self.reader(&store, false)?, self.lease(commit)));
        }
        if let Some((attempt, error)) = &fetching.failure
            && *attempt >= arrival
            && concerns_everyone(error)
        {
            return Err(error.clone());
        }
        let (attempt, _guard) = self.fetching_attempts.start();
        let result = self
            .within(self.dialer.timeouts.fetch, self.fetch(commit, &store))
            .await;
        match result {
            Ok(()) => {
                fetching.failure = None;
                let lease = self.lease(commit);
                self.collect(&store).await?;
                Ok((self.reader(&store, true)?, lease))
            }
            Err(error) => {
                fetching.failure = Some((attempt, error.clone()));
                Err(error)
            }
        }
    }

    fn lease(&self, commit: ObjectId) -> Lease {
        let lease = Arc::new(commit);
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|lease| lease.strong_count() > 0);
        leases.push(Arc::downgrade(&lease));
        lease
    }

    /// Makes the store small again where it has outgrown its budget.
    async fn collect(&self, store: &Arc<Store>) -> Result<(), GitError> {
        let used: Vec<ObjectId> = {
            let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            let mut used: Vec<ObjectId> = leases
                .iter()
                .filter_map(Weak::upgrade)
                .map(|lease| *lease)
                .collect();
            used.sort();
            used.dedup();
            used
        };
        let budget = self.budget.clone();
        let lock = store.lock().await?;
        let store = store.clone();
        self.blocking(move || {
            let _lock = lock;
            if store.is_over(&budget)? {
                store.collect(&budget, &used)?;
            }
            Ok(())
        })
        .await
    }

    /// A reader of whatever the store holds.
    pub(crate) async fn objects(&self) -> Result<Arc<Objects>, GitError> {
        let mut fetching = self.fetching.lock().await;
        let store = self.store(&mut fetching).await?;
        self.reader(&store, false)
    }

    async fn fetch(&self, commit: ObjectId, store: &Arc<Store>) -> Result<(), GitError> {
        let _span = tracing::debug_span!("git fetch", url = %self.url, %commit);
        let _lock = store.lock().await?;
        let mut connection = self.connect().await?;
        let limits = &self.dialer.limits;
        let have: Vec<ObjectId> = store.tips()?.into_iter().take(HAVES).collect();
        let by_id = match &connection.advertisement {
            Advertisement::Two(_) => true,
            Advertisement::Zero { references, .. } => {
                references.has_target(&commit)
                    || ["allow-any-sha1-in-want", "allow-reachable-sha1-in-want"]
                        .iter()
                        .any(|feature| connection.advertisement.has("", feature))
            }
        };
        if by_id {
            let request = FetchRequest {
                want: &[commit],
                have: &have,
                depth: Depth::One,
            };
            match connection.fetch(&request, store, limits).await {
                Err(GitError::Refused { message, .. }) if is_missing(&message) => {
                    return Err(self.unknown(&commit));
                }
                other => other?,
            }
        } else {
            let references = connection.references(&[]).await?;
            let want: Vec<ObjectId> = branches_and_tags(&references);
            if want.is_empty() {
                return Err(self.unknown(&commit));
            }
            let request = FetchRequest {
                want: &want,
                have: &[],
                depth: Depth::Full,
            };
            connection.fetch(&request, store, limits).await?;
        }
        connection.close().await;
        let store = store.clone();
        let found = self
            .blocking(move || {
                let found = store.objects()?.tree_of(&commit)?.is_some();
                if found {
                    store.mark_tip(&commit)?;
                }
                Ok(found)
            })
            .await?;
        if found {
            Ok(())
        } else {
            Err(self.unknown(&commit))
        }
    }

    /// The only commit whose id begins with `prefix`, if there is one.
    pub(crate) async fn expand(&self, prefix: &str) -> Result<Option<ObjectId>, GitError> {
        let references = self.references(None).await?;
        let path = self.directory.join("commits");
        // Two searches of one history would fetch it twice.
        let _fetching = self.fetching.lock().await;
        let shown = self.shown.clone();
        let limits = self.dialer.limits.clone();
        let most = self.budget.packs;
        let store = self
            .blocking(move || {
                let store = Store::open(&path, &shown, &limits)?;
                // History is cheap to fetch anew.
                if store.size()?.0 > most {
                    std::fs::remove_dir_all(&path)
                        .map_err(|error| GitError::store(&path, error))?;
                    return Store::open(&path, &shown, &limits).map(Arc::new);
                }
                Ok(Arc::new(store))
            })
            .await?;
        let want: Vec<ObjectId> = branches_and_tags(&references)
            .into_iter()
            .filter(|id| !store.has_tip(id))
            .collect();
        if !want.is_empty() {
            self.within(self.dialer.timeouts.fetch, async {
                let mut connection = self.connect().await?;
                let have: Vec<ObjectId> = store.tips()?.into_iter().take(HAVES).collect();
                let request = FetchRequest {
                    want: &want,
                    have: &have,
                    depth: Depth::Commits,
                };
                connection
                    .fetch(&request, &store, &self.dialer.limits)
                    .await?;
                connection.close().await;
                for commit in &want {
                    store.mark_tip(commit)?;
                }
                Ok(())
            })
            .await?;
        }
        let prefix_owned = prefix.to_owned();
        let commits = self
            .blocking(move || store.objects()?.commits_with_prefix(&prefix_owned))
            .await?;
        match commits.as_slice() {
            [] => Ok(None),
            [commit] => Ok(Some(*commit)),
            _ => Err(GitError::AmbiguousRevision {
                url: self.shown.clone(),
                revision: prefix.to_owned(),
            }),
        }
    }

    async fn store(&self, fetching: &mut Fetching) -> Result<Arc<Store>, GitError> {
        if let Some(store) = &fetching.store {
            return Ok(store.clone());
        }
        let path = self.directory.clone();
        let shown = self.shown.clone();
        let limits = self.dialer.limits.clone();
        let store = self
            .blocking(move || Store::open(&path, &shown, &limits).map(Arc::new))
            .await?;
        fetching.store = Some(store.clone());
        Ok(store)
    }

    fn reader(&self, store: &Store, changed: bool) -> Result<Arc<Objects>, GitError> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        match &*objects {
            Some(objects) if !changed => Ok(objects.clone()),
            _ => Ok(objects.insert(store.objects()?).clone()),
        }
    }

    async fn connect(&self) -> Result<Connection<'_>, GitError> {
        self.connect_to(Service::Upload).await
    }

    /// Opens a conversation with a service.
    pub(crate) async fn connect_to(&self, service: Service) -> Result<Connection<'_>, GitError> {
        self.dialer.connect(&self.url, &self.shown, service).await
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.dialer.timeouts
    }

    /// Takes the objects of a commit that was pushed, so that it need not be fetched.
    pub(crate) async fn keep(&self, commit: ObjectId, pack: Vec<u8>) -> Result<(), GitError> {
        let mut fetching = self.fetching.lock().await;
        let store = self.store(&mut fetching).await?;
        let _lock = store.lock().await?;
        let sink = store.receive(true)?;
        // Where the store gives up, `finish` says why.
        let _ = sink.send(pack.into()).await;
        sink.finish(&self.shown).await?;
        store.mark_tip(&commit)?;
        self.reader(&store, true)?;
        Ok(())
    }

    async fn within<T>(
        &self,
        bound: Duration,
        work: impl Future<Output = Result<T, GitError>>,
    ) -> Result<T, GitError> {
        match tokio::time::timeout(bound, work).await {
            Ok(result) => result,
            Err(_) => Err(GitError::Timeout {
                url: self.shown.clone(),
                after: bound,
            }),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        crate::blocking(&self.shown, work).await
    }

    fn unknown(&self, commit: &ObjectId) -> GitError {
        GitError::UnknownRevision {
            url: self.shown.clone(),
            revision: commit.to_string(),
        }
    }
}

fn branches_and_tags(references: &References) -> Vec<ObjectId> {
    let mut ids: Vec<ObjectId> = references
        .iter()
        .filter(|reference| {
            reference.name.starts_with("refs/heads/") || reference.name.starts_with("refs/tags/")
        })
        .map(super::Reference::target)
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// What servers say about an object that they do not have or do not give.
fn is_missing(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    [
        "not our ref",
        "unadvertised object",
        "unknown ref",
        "no such",
    ]
    .iter()
    .any(|words| lower.contains(words))
}
