//! One remote repository: its references are listed once per interval, its commits fetched once,
//! however many callers ask.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex as StdMutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use gitops_core::{Classified, ErrorClass, clock::Timestamp};
use gix::ObjectId;
use tokio::sync::{Mutex, OnceCell, RwLock};
use tracing::Instrument as _;

use super::{
    Connection, Depth, Dialer, FetchRequest, Greeting, Progress, References, Service,
    connection::Advertisement,
};
use crate::{
    error::GitError,
    options::Timeouts,
    store::{Budget, Objects, Store},
    url::GitUrl,
};

/// Commits named to the server as present, at most.
const HAVES: usize = 64;
/// How long what a server said of itself counts.
const GREETED: Duration = Duration::from_secs(60);
/// Reference names outside branches and tags that are listed along, at most.
const EXTRA_PREFIXES: usize = 64;

/// Which repository, for whom, and where its store lies.
pub(crate) struct Identified {
    pub(crate) url: GitUrl,
    /// Repositories of the same host whose credentials may be used where there are none for `url`, the nearest last.
    pub(crate) lenders: Vec<GitUrl>,
    /// The URL in messages.
    pub(crate) shown: String,
    pub(crate) directory: PathBuf,
    pub(crate) leases: Arc<Leases>,
}

/// The commits that somebody reads in one store.
#[derive(Default)]
pub(crate) struct Leases {
    held: StdMutex<Vec<Weak<ObjectId>>>,
    /// Held for writing while commits are dropped, for reading while one is leased.
    collecting: RwLock<()>,
}

impl Leases {
    fn take(&self, commit: ObjectId) -> Lease {
        let lease = Arc::new(commit);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|lease| lease.strong_count() > 0);
        held.push(Arc::downgrade(&lease));
        lease
    }

    fn used(&self) -> Vec<ObjectId> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used: Vec<ObjectId> = held
            .iter()
            .filter_map(Weak::upgrade)
            .map(|lease| *lease)
            .collect();
        used.sort();
        used.dedup();
        used
    }
}

/// One remote repository.
pub(crate) struct RemoteRepository {
    dialer: Arc<Dialer>,
    identified: Identified,
    refresh: Duration,
    /// Whether the server let these credentials in. Only those that others lack are asked for it.
    admitted: AtomicBool,
    greeting: StdMutex<Option<(Timestamp, Greeting)>>,
    store: OnceCell<Arc<Store>>,
    listing: Mutex<Listing>,
    listing_attempts: Attempts,
    fetching: Mutex<Fetching>,
    fetching_attempts: Attempts,
    objects: StdMutex<Option<Arc<Objects>>>,
    budget: Budget,
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
        identified: Identified,
        refresh: Duration,
        budget: Budget,
    ) -> Self {
        let shared = identified.url.userinfo().is_none() && identified.lenders.is_empty();
        Self {
            dialer,
            identified,
            refresh,
            admitted: AtomicBool::new(shared),
            greeting: StdMutex::default(),
            store: OnceCell::new(),
            listing: Mutex::default(),
            listing_attempts: Attempts::default(),
            fetching: Mutex::default(),
            fetching_attempts: Attempts::default(),
            objects: StdMutex::default(),
            budget,
        }
    }

    /// Whose credentials a submodule of this repository may use on the same host.
    pub(crate) fn lenders(&self) -> Vec<GitUrl> {
        let mut lenders = self.identified.lenders.clone();
        lenders.push(self.identified.url.clone());
        lenders
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
        let span = tracing::debug_span!("git ls-refs", url = %self.identified.url);
        let mut prefixes: Vec<String> = ["HEAD", "refs/heads/", "refs/tags/"]
            .map(str::to_owned)
            .to_vec();
        prefixes.extend(extra.iter().cloned());
        self.within(self.dialer.timeouts.list, async {
            let mut connection = self.connect().await?;
            let references = connection.references(&prefixes).await?;
            let greeting = connection.greeting();
            connection.close().await;
            self.admitted.store(true, Ordering::Relaxed);
            *self.greeting.lock().unwrap_or_else(PoisonError::into_inner) =
                greeting.map(|greeting| (self.dialer.clock.now(), greeting));
            Ok(references)
        })
        .instrument(span)
        .await
    }

    /// A reader of a store that holds the whole tree of `commit`.
    pub(crate) async fn objects_with(
        &self,
        commit: ObjectId,
    ) -> Result<(Arc<Objects>, Lease), GitError> {
        if !self.admitted.load(Ordering::Relaxed) {
            self.references(None).await?;
        }
        let arrival = self.fetching_attempts.now();
        let store = self.store().await?;
        // What is there is read while other commits are still on their way.
        if let Some(found) = self.present(&store, commit).await? {
            return Ok(found);
        }
        let mut fetching = self.fetching.lock().await;
        if let Some(found) = self.present(&store, commit).await? {
            return Ok(found);
        }
        if let Some((attempt, error)) = &fetching.failure
            && *attempt >= arrival
            && concerns_everyone(error)
        {
            return Err(error.clone());
        }
        let (attempt, _guard) = self.fetching_attempts.start();
        let span = tracing::debug_span!("git fetch", url = %self.identified.url, %commit);
        let progress = self.progress(commit.to_string());
        let result = self
            .within(
                self.dialer.timeouts.fetch,
                self.fetch(commit, &store, &progress),
            )
            .instrument(span)
            .await;
        progress.end(&result);
        match result {
            Ok(()) => {
                fetching.failure = None;
                let lease = self.identified.leases.take(commit);
                self.collect(&store).await?;
                Ok((self.reader(&store, true)?, lease))
            }
            Err(error) => {
                fetching.failure = Some((attempt, error.clone()));
                Err(error)
            }
        }
    }

    /// A reader of a commit that is in the store.
    async fn present(
        &self,
        store: &Store,
        commit: ObjectId,
    ) -> Result<Option<(Arc<Objects>, Lease)>, GitError> {
        let _no_collection = self.identified.leases.collecting.read().await;
        if !store.touch_tip(&commit)? {
            return Ok(None);
        }
        let lease = self.identified.leases.take(commit);
        let mut objects = self.reader(store, false)?;
        // Somebody else may have put it there after the reader was opened.
        if objects.header(&commit)?.is_none() {
            objects = self.reader(store, true)?;
        }
        Ok(Some((objects, lease)))
    }

    /// Makes the store small again where it has outgrown its budget.
    async fn collect(&self, store: &Arc<Store>) -> Result<(), GitError> {
        if !store.is_over(&self.budget)? {
            return Ok(());
        }
        let _collecting = self.identified.leases.collecting.write().await;
        let used = self.identified.leases.used();
        let budget = self.budget.clone();
        let lock = store.lock().await?;
        let store = store.clone();
        self.blocking(move || {
            let _lock = lock;
            store.collect(&budget, &used)
        })
        .await
    }

    /// A reader of whatever the store holds.
    pub(crate) async fn objects(&self) -> Result<Arc<Objects>, GitError> {
        let store = self.store().await?;
        self.reader(&store, false)
    }

    fn progress(&self, revision: String) -> Progress<'_> {
        Progress::start(&*self.dialer.events, &self.identified.shown, revision)
    }

    async fn fetch(
        &self,
        commit: ObjectId,
        store: &Arc<Store>,
        progress: &Progress<'_>,
    ) -> Result<(), GitError> {
        let _lock = store.lock().await?;
        let mut connection = self.connect_again().await?;
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
                progress,
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
                progress,
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
        let path = self.identified.directory.join("commits");
        // Two searches of one history would fetch it twice.
        let _fetching = self.fetching.lock().await;
        let shown = self.identified.shown.clone();
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
            let progress = self.progress(prefix.to_owned());
            let fetched = self
                .within(self.dialer.timeouts.fetch, async {
                    let mut connection = self.connect().await?;
                    let have: Vec<ObjectId> = store.tips()?.into_iter().take(HAVES).collect();
                    let request = FetchRequest {
                        want: &want,
                        have: &have,
                        depth: Depth::Commits,
                        progress: &progress,
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
                .await;
            progress.end(&fetched);
            fetched?;
        }
        let prefix_owned = prefix.to_owned();
        let commits = self
            .blocking(move || store.objects()?.commits_with_prefix(&prefix_owned))
            .await?;
        match commits.as_slice() {
            [] => Ok(None),
            [commit] => Ok(Some(*commit)),
            _ => Err(GitError::AmbiguousRevision {
                url: self.identified.shown.clone(),
                revision: prefix.to_owned(),
            }),
        }
    }

    async fn store(&self) -> Result<Arc<Store>, GitError> {
        let open = || {
            let path = self.identified.directory.clone();
            let shown = self.identified.shown.clone();
            let limits = self.dialer.limits.clone();
            self.blocking(move || Store::open(&path, &shown, &limits).map(Arc::new))
        };
        self.store.get_or_try_init(open).await.cloned()
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

    /// As [`Self::connect`], but does not greet a server again that was greeted a moment ago.
    async fn connect_again(&self) -> Result<Connection<'_>, GitError> {
        let greeting = self
            .greeting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let now = self.dialer.clock.now();
        match greeting {
            Some((at, greeting))
                if Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < GREETED) =>
            {
                self.dialer
                    .resume(
                        &self.identified.url,
                        &self.identified.lenders,
                        &self.identified.shown,
                        greeting,
                    )
                    .await
            }
            _ => self.connect().await,
        }
    }

    /// Opens a conversation with a service.
    pub(crate) async fn connect_to(&self, service: Service) -> Result<Connection<'_>, GitError> {
        self.dialer
            .connect(
                &self.identified.url,
                &self.identified.lenders,
                &self.identified.shown,
                service,
            )
            .await
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.dialer.timeouts
    }

    /// Takes the objects of a commit that was pushed, so that it need not be fetched.
    pub(crate) async fn keep(&self, commit: ObjectId, pack: Vec<u8>) -> Result<(), GitError> {
        let _fetching = self.fetching.lock().await;
        let store = self.store().await?;
        let _lock = store.lock().await?;
        let sink = store.receive(true)?;
        // Where the store gives up, `finish` says why.
        let _ = sink.send(pack.into()).await;
        sink.finish(&self.identified.shown).await?;
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
                url: self.identified.shown.clone(),
                after: bound,
            }),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        crate::blocking(&self.identified.shown, work).await
    }

    fn unknown(&self, commit: &ObjectId) -> GitError {
        GitError::UnknownRevision {
            url: self.identified.shown.clone(),
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
