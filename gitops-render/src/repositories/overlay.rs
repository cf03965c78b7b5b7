//! A tree with files added to it.

use std::sync::Arc;

use bytes::Bytes;
use gitops_core::source::{ContentId, Entry, FileTree, MemoryTree, TreeError, clean_path};

/// Files in memory over another tree.
pub(super) struct Overlay {
    below: Arc<dyn FileTree>,
    above: MemoryTree,
}

impl Overlay {
    pub(super) fn new(below: Arc<dyn FileTree>, above: MemoryTree) -> Self {
        Self { below, above }
    }
}

impl FileTree for Overlay {
    fn read(&self, path: &str) -> Result<Option<Bytes>, TreeError> {
        match self.above.read(path)? {
            Some(content) => Ok(Some(content)),
            None => self.below.read(path),
        }
    }

    fn list(&self, dir: &str) -> Result<Vec<Entry>, TreeError> {
        let mut entries = self.above.list(dir)?;
        for entry in self.below.list(dir)? {
            if !entries.iter().any(|known| known.name == entry.name) {
                entries.push(entry);
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn id(&self, path: &str) -> Result<Option<ContentId>, TreeError> {
        let path = clean_path(path)?;
        let above = self.above.id(&path)?;
        let below = self.below.id(&path)?;
        Ok(match (above, below) {
            (None, below) => below,
            (Some(above), None) => Some(above),
            (Some(above), Some(below)) => Some(ContentId::of(
                format!("{} over {}", above.0, below.0).as_bytes(),
            )),
        })
    }
}
