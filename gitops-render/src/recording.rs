//! A tree that remembers what was read of it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use gitops_core::source::{ContentId, Entry, FileTree, TreeError, clean_path};

/// What was read, by path, with its content at that time; `None` for what was missing.
pub(crate) type InputsRead = BTreeMap<String, Option<ContentId>>;

/// Records reads and listings of a tree.
pub(crate) struct RecordingTree {
    tree: Arc<dyn FileTree>,
    /// Put before all paths, as in `$values/`.
    prefix: String,
    read: Mutex<InputsRead>,
}

impl RecordingTree {
    pub(crate) fn new(tree: Arc<dyn FileTree>, prefix: impl Into<String>) -> Self {
        Self {
            tree,
            prefix: prefix.into(),
            read: Mutex::default(),
        }
    }

    /// Everything read so far.
    pub(crate) fn inputs(&self) -> InputsRead {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn record(&self, path: &str) -> Result<(), TreeError> {
        let path = clean_path(path)?;
        let name = format!("{}{path}", self.prefix);
        let known = self
            .read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&name);
        if !known {
            let id = self.tree.id(&path)?;
            self.read
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name, id);
        }
        Ok(())
    }
}

impl FileTree for RecordingTree {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        let content = self.tree.read(path)?;
        self.record(path)?;
        Ok(content)
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let entries = self.tree.list(dir)?;
        self.record(dir)?;
        Ok(entries)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        self.record(path)?;
        self.tree.id(path)
    }
}
