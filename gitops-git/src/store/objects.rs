//! Reading objects from a database on disk, from any thread.

use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use gix::{
    ObjectId,
    objs::Find,
    odb::{Header, Store as Database},
};

use crate::error::GitError;

/// A reader that keeps caches and is used by one thread at a time.
pub(crate) type Handle = gix::odb::HandleArc;

/// The slots of a database opened here; each fetch opens a new one, so few are ever used.
const SLOTS: u16 = 1024;
/// Bytes of delta bases each reader remembers.
const PACK_CACHE: usize = 8 << 20;
/// Idle readers kept; each may hold a full cache.
const IDLE_READERS: usize = 2;

/// An object database. Readers are pooled, so that many threads read at once.
pub(crate) struct Objects {
    database: Arc<Database>,
    idle: Mutex<Vec<Handle>>,
    url: String,
}

/// What kind of object an id names.
pub(crate) use gix::object::Kind;

impl Objects {
    /// Opens the database in the directory `objects`.
    pub(crate) fn open(objects: &Path, url: &str, object_size: u64) -> Result<Self, GitError> {
        let options = gix::odb::store::init::Options {
            slots: gix::odb::store::init::Slots::Given(SLOTS),
            alloc_limit_bytes: usize::try_from(object_size).ok(),
            ..Default::default()
        };
        let database = Database::at_opts(
            objects.to_owned(),
            gix::hash::Kind::Sha1,
            &mut std::iter::empty(),
            options,
        )
        .map_err(|error| GitError::store(objects, error))?;
        Ok(Self::of(Arc::new(database), url))
    }

    /// Reads a database that is already open.
    pub(crate) fn of(database: Arc<Database>, url: &str) -> Self {
        Self {
            database,
            idle: Mutex::new(Vec::new()),
            url: url.to_owned(),
        }
    }

    /// Lends a reader.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Handle) -> T) -> T {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let handle = idle.unwrap_or_else(|| {
            let mut handle = self.database.to_cache_arc();
            handle.set_pack_cache(|| {
                Box::new(gix_pack::cache::lru::MemoryCappedHashmap::new(PACK_CACHE))
            });
            handle
        });
        let value = read(&handle);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_READERS {
            idle.push(handle);
        }
        value
    }

    /// A reader of its own.
    pub(crate) fn handle(&self) -> Handle {
        self.database.to_cache_arc()
    }

    /// Kind and size of an object, without unpacking it.
    pub(crate) fn header(&self, id: &ObjectId) -> Result<Option<(Kind, u64)>, GitError> {
        self.with(|handle| Header::try_header(handle, id))
            .map(|header| header.map(|header| (header.kind(), header.size())))
            .map_err(|error| self.corrupt(&error))
    }

    /// The whole content of an object.
    pub(crate) fn read(&self, id: &ObjectId) -> Result<Option<(Kind, Vec<u8>)>, GitError> {
        let mut buffer = Vec::new();
        let kind = self
            .with(|handle| {
                Find::try_find(handle, id, &mut buffer)
                    .map(|object| object.map(|object| object.kind))
            })
            .map_err(|error| self.corrupt(&error))?;
        Ok(kind.map(|kind| (kind, buffer)))
    }

    /// The commits whose id begins with `prefix` (hex digits).
    pub(crate) fn commits_with_prefix(&self, prefix: &str) -> Result<Vec<ObjectId>, GitError> {
        let Ok(prefix) = gix::hash::Prefix::from_hex(prefix) else {
            return Ok(Vec::new());
        };
        let mut candidates = HashSet::new();
        self.with(|handle| handle.lookup_prefix(prefix, Some(&mut candidates)))
            .map_err(|error| self.corrupt(&error))?;
        let mut commits = Vec::new();
        for id in candidates {
            if matches!(self.header(&id)?, Some((Kind::Commit, _))) {
                commits.push(id);
            }
        }
        commits.sort();
        Ok(commits)
    }

    /// Follows annotated tags to what they name, with the kind of that; `None` where an object is missing.
    pub(crate) fn peel(&self, id: &ObjectId) -> Result<Option<(Kind, ObjectId)>, GitError> {
        let mut id = *id;
        // Tags of tags exist; a chain longer than this is an attack.
        for _ in 0..16 {
            match self.header(&id)? {
                None => return Ok(None),
                Some((Kind::Tag, size)) if size <= 1 << 20 => {
                    let Some((_, data)) = self.read(&id)? else {
                        return Ok(None);
                    };
                    id = gix::objs::TagRefIter::from_bytes(&data, gix::hash::Kind::Sha1)
                        .target_id()
                        .map_err(|error| self.corrupt(&error))?;
                }
                Some((kind, _)) => return Ok(Some((kind, id))),
            }
        }
        Err(self.corrupt(&"a chain of more than 16 annotated tags"))
    }

    /// The tree of a commit; `None` where the commit is missing or is no commit.
    pub(crate) fn tree_of(&self, commit: &ObjectId) -> Result<Option<ObjectId>, GitError> {
        let Some((Kind::Commit, commit)) = self.peel(commit)? else {
            return Ok(None);
        };
        let Some((_, data)) = self.read(&commit)? else {
            return Ok(None);
        };
        gix::objs::CommitRefIter::from_bytes(&data, gix::hash::Kind::Sha1)
            .tree_id()
            .map(Some)
            .map_err(|error| self.corrupt(&error))
    }

    pub(crate) fn corrupt(&self, reason: &dyn std::fmt::Display) -> GitError {
        GitError::Corrupt {
            url: self.url.clone(),
            reason: reason.to_string(),
        }
    }
}
