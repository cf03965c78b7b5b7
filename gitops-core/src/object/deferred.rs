//! Objects that are made when somebody looks into them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::{Map, Value};

use super::manifest::Tree;

type Make = Box<dyn FnOnce() -> Map<String, Value> + Send>;

/// The content of an object, or how to make it.
pub(super) struct Deferred {
    make: Mutex<Option<Make>>,
    tree: OnceLock<Arc<Tree>>,
}

impl Deferred {
    pub(super) fn new(make: impl FnOnce() -> Map<String, Value> + Send + 'static) -> Self {
        Self {
            make: Mutex::new(Some(Box::new(make))),
            tree: OnceLock::new(),
        }
    }

    pub(super) fn tree(&self) -> &Arc<Tree> {
        self.tree.get_or_init(|| self.made())
    }

    /// The tree, for somebody who is the only one to look.
    pub(super) fn take_tree(&mut self) -> Arc<Tree> {
        self.tree.take().unwrap_or_else(|| self.made())
    }

    /// Called once, since whatever is made is kept or taken with the object.
    fn made(&self) -> Arc<Tree> {
        let mut make = self.make.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Tree::of(make.take().map_or_else(Map::new, |make| make())))
    }
}
