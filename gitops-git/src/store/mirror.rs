//! This crate's own copy of a remote repository: a bare repository that Git itself can read.
//!
//! `refs/gitops/<commit>` marks each commit whose whole tree is there; the file's age is the time of
//! its last use. `shallow` lists the commits whose parents are not there. Both change only after the
//! pack with the objects is complete, so that a fetch cut off at any point leaves the store usable.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use gix::ObjectId;
use tokio::sync::mpsc;

use crate::{error::GitError, options::Limits, store::Objects};

const TIPS: &str = "refs/gitops";

/// Between two looks at a lock that another process holds.
const LOCK_POLL: std::time::Duration = std::time::Duration::from_millis(50);

/// The store of one remote.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    url: String,
    object_size: u64,
}

/// A piece of a pack on its way to the store.
pub(crate) enum PackPiece {
    Data(Bytes),
    /// The pack is complete.
    End,
}

/// Where the pieces of a pack go. Dropping it before [`PackPiece::End`] discards the pack.
pub(crate) struct PackSink {
    sender: mpsc::Sender<PackPiece>,
    work: tokio::task::JoinHandle<Result<(), GitError>>,
    interrupt: Arc<AtomicBool>,
}

impl Store {
    /// Opens or creates the store in `path`.
    pub(crate) fn open(path: &Path, url: &str, limits: &Limits) -> Result<Self, GitError> {
        let failed = |error| GitError::store(path, error);
        for dir in ["objects/pack", "objects/info", "refs/heads", TIPS] {
            fs::create_dir_all(path.join(dir)).map_err(failed)?;
        }
        let config = path.join("config");
        if !config.exists() {
            write_atomically(
                &config,
                b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
            )?;
        }
        let head = path.join("HEAD");
        if !head.exists() {
            write_atomically(&head, b"ref: refs/heads/main\n")?;
        }
        Ok(Self {
            path: path.to_owned(),
            url: url.to_owned(),
            object_size: limits.object_size,
        })
    }

    /// A reader of all objects that are there now.
    pub(crate) fn objects(&self) -> Result<Arc<Objects>, GitError> {
        Ok(Arc::new(Objects::open(
            &self.path.join("objects"),
            &self.url,
            self.object_size,
        )?))
    }

    /// Whether the whole tree of `commit` is there.
    pub(crate) fn has_tip(&self, commit: &ObjectId) -> bool {
        self.tip_file(commit).exists()
    }

    /// Notes that a commit is used now; `false` where it is not there.
    pub(crate) fn touch_tip(&self, commit: &ObjectId) -> Result<bool, GitError> {
        let file = self.tip_file(commit);
        let touch = || {
            // The age of a file is no time that anything is decided by, only an order; the system sets it elsewhere.
            #[allow(clippy::disallowed_methods)]
            let now = std::time::SystemTime::now();
            fs::File::options()
                .append(true)
                .open(&file)?
                .set_modified(now)
        };
        match touch() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(GitError::store(&file, error)),
        }
    }

    /// Marks the whole tree of `commit` as there.
    pub(crate) fn mark_tip(&self, commit: &ObjectId) -> Result<(), GitError> {
        write_atomically(&self.tip_file(commit), format!("{commit}\n").as_bytes())
    }

    /// The commits whose whole trees are there, the most recently used first.
    pub(crate) fn tips(&self) -> Result<Vec<ObjectId>, GitError> {
        let dir = self.path.join(TIPS);
        let mut tips = Vec::new();
        for entry in fs::read_dir(&dir).map_err(|error| GitError::store(&dir, error))? {
            let entry = entry.map_err(|error| GitError::store(&dir, error))?;
            let name = entry.file_name();
            let Some(id) = name
                .to_str()
                .and_then(|name| ObjectId::from_hex(name.as_bytes()).ok())
            else {
                continue;
            };
            let used = entry.metadata().and_then(|data| data.modified()).ok();
            tips.push((used, id));
        }
        tips.sort_by(|a, b| b.cmp(a));
        Ok(tips.into_iter().map(|(_, id)| id).collect())
    }

    /// The commits whose parents are not there.
    pub(crate) fn shallow(&self) -> Result<BTreeSet<ObjectId>, GitError> {
        let file = self.path.join("shallow");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text
                .lines()
                .filter_map(|line| ObjectId::from_hex(line.trim().as_bytes()).ok())
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(GitError::store(&file, error)),
        }
    }

    /// Records which commits have no parents here.
    pub(crate) fn set_shallow(&self, commits: &BTreeSet<ObjectId>) -> Result<(), GitError> {
        let mut text = String::with_capacity(commits.len() * 41);
        for commit in commits {
            text.push_str(&commit.to_string());
            text.push('\n');
        }
        write_atomically(&self.path.join("shallow"), text.as_bytes())
    }

    /// Starts to take in a pack. `complete` says that no object of the pack is a delta of one that
    /// the pack lacks.
    pub(crate) fn receive(&self, complete: bool) -> Result<PackSink, GitError> {
        let (sender, receiver) = mpsc::channel(64);
        let interrupt = Arc::new(AtomicBool::new(false));
        let objects = if complete {
            None
        } else {
            Some(self.objects()?)
        };
        let directory = self.path.join("objects/pack");
        let url = self.url.clone();
        let object_size = self.object_size;
        let stop = interrupt.clone();
        let work = tokio::task::spawn_blocking(move || {
            let mut reader = PieceReader {
                receiver,
                current: Bytes::new(),
                ended: false,
            };
            index_pack(
                &mut reader,
                &directory,
                objects.as_deref(),
                object_size,
                &stop,
                &url,
            )
            .map(|_| ())
        });
        Ok(PackSink {
            sender,
            work,
            interrupt,
        })
    }

    /// Forgets that the whole tree of `commit` is there.
    pub(crate) fn unmark_tip(&self, commit: &ObjectId) -> Result<(), GitError> {
        let file = self.tip_file(commit);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(GitError::store(&file, error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until no other process changes the store; the lock ends when the file is dropped.
    pub(crate) async fn lock(&self) -> Result<fs::File, GitError> {
        let path = self.path.join("lock");
        let file = fs::File::create(&path).map_err(|error| GitError::store(&path, error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                Err(fs::TryLockError::Error(error)) => return Err(GitError::store(&path, error)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn object_size(&self) -> u64 {
        self.object_size
    }

    fn tip_file(&self, commit: &ObjectId) -> PathBuf {
        self.path.join(TIPS).join(commit.to_string())
    }
}

impl PackSink {
    /// Hands over a piece. An error means that the reader gave up; [`PackSink::finish`] says why.
    pub(crate) async fn send(&self, data: Bytes) -> Result<(), ()> {
        self.sender
            .send(PackPiece::Data(data))
            .await
            .map_err(|_| ())
    }

    /// Ends the pack and waits until it is indexed.
    pub(crate) async fn finish(mut self, url: &str) -> Result<(), GitError> {
        // Where the reader gave up, its own error is the better one.
        let _ = self.sender.send(PackPiece::End).await;
        match (&mut self.work).await {
            Ok(result) => result,
            Err(error) if error.is_cancelled() => Err(GitError::Cancelled {
                url: url.to_owned(),
            }),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Drop for PackSink {
    fn drop(&mut self) {
        self.interrupt.store(true, Ordering::Relaxed);
    }
}

/// Writes pack and index into `directory`, or nothing. Returns the path of the pack.
pub(crate) fn index_pack(
    reader: &mut dyn BufRead,
    directory: &Path,
    bases: Option<&Objects>,
    object_size: u64,
    interrupt: &AtomicBool,
    url: &str,
) -> Result<Option<PathBuf>, GitError> {
    let options = gix_pack::bundle::write::Options {
        alloc_limit_bytes: usize::try_from(object_size).ok(),
        ..Default::default()
    };
    let written = gix_pack::Bundle::write_to_directory(
        reader,
        Some(directory),
        &mut gix::progress::Discard,
        interrupt,
        bases.map(Objects::handle),
        gix::hash::Kind::Sha1,
        options,
    )
    .map_err(|error| {
        if interrupt.load(Ordering::Relaxed) {
            return GitError::Cancelled {
                url: url.to_owned(),
            };
        }
        let reason = crate::error::chain(&error);
        if error.is_resource_exhausted() {
            return GitError::LimitExceeded {
                url: url.to_owned(),
                limit: "object size in bytes",
                allowed: object_size,
            };
        }
        GitError::Unavailable {
            url: url.to_owned(),
            reason: format!("the pack it sent is broken: {reason}"),
            retry_after: None,
        }
    })?;
    if let Some(keep) = written.keep_path {
        let _ = fs::remove_file(keep);
    }
    Ok(written.data_path)
}

/// Pieces as a reader. A channel that closes without an end is a pack that was cut off.
struct PieceReader {
    receiver: mpsc::Receiver<PackPiece>,
    current: Bytes,
    ended: bool,
}

impl BufRead for PieceReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(PackPiece::Data(data)) => self.current = data,
                Some(PackPiece::End) => self.ended = true,
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the connection was cut inside the pack",
                    ));
                }
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        bytes::Buf::advance(&mut self.current, amount);
    }
}

impl Read for PieceReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(out.len());
        out[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

/// Writes a file so that a reader sees the old or the new content, never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), GitError> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| GitError::store(path, error))
}
