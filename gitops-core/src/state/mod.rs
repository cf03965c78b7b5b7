//! State that outlives a process: inventories, checkpoints of syncs, remembered random values.

mod cluster;

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;

use crate::error::{BoxError, Classified, ErrorClass};

pub use cluster::ClusterStateStore;

/// A small key-value store: in the cluster, in a file, or in memory. Values may be secret.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The value of a key.
    async fn load(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError>;
    /// Sets the value of a key, or removes it with `None`. Durable when it returns.
    async fn save(&self, key: &StateKey, value: Option<&[u8]>) -> Result<(), StateError>;
}

/// Names one value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey {
    /// Whose.
    pub owner: crate::plan::Owner,
    /// What.
    pub item: StateItem,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StateItem {
    /// The objects that were applied.
    Inventory,
    /// The sync under way.
    Checkpoint,
    /// Random values of charts.
    RememberedValues,
    /// The status of a bootstrap set, which has no Application object to keep it.
    Status,
}

impl StateItem {
    /// A name fit for keys and file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Checkpoint => "checkpoint",
            Self::RememberedValues => "remembered-values",
            Self::Status => "status",
        }
    }
}

/// State could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("state `{item}` of {owner} cannot be {action}: {source}")]
#[non_exhaustive]
pub struct StateError {
    /// What.
    pub item: &'static str,
    /// Whose.
    pub owner: String,
    /// `read` or `written`.
    pub action: &'static str,
    /// Its class.
    pub class: ErrorClass,
    /// The failure.
    pub source: BoxError,
}

impl StateError {
    /// For implementations of [`StateStore`].
    pub fn new(
        key: &StateKey,
        action: &'static str,
        class: ErrorClass,
        source: impl Into<BoxError>,
    ) -> Self {
        Self {
            item: key.item.name(),
            owner: key.owner.name.clone(),
            action,
            class,
            source: source.into(),
        }
    }
}

impl Classified for StateError {
    fn class(&self) -> ErrorClass {
        self.class
    }
}

/// Reads a value that was saved with [`save_json`].
pub async fn load_json<T: serde::de::DeserializeOwned>(
    store: &dyn StateStore,
    key: &StateKey,
) -> Result<Option<T>, StateError> {
    let Some(bytes) = store.load(key).await? else {
        return Ok(None);
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| StateError::new(key, "read", ErrorClass::Invalid, error))
}

/// Saves a value as JSON.
pub async fn save_json<T: serde::Serialize + Sync>(
    store: &dyn StateStore,
    key: &StateKey,
    value: &T,
) -> Result<(), StateError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| StateError::new(key, "written", ErrorClass::Internal, error))?;
    store.save(key, Some(&bytes)).await
}

/// State that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStateStore {
    values: Mutex<BTreeMap<StateKey, Vec<u8>>>,
}

#[async_trait]
impl StateStore for MemoryStateStore {
    async fn load(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        let values = self
            .values
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(values.get(key).cloned())
    }

    async fn save(&self, key: &StateKey, value: Option<&[u8]>) -> Result<(), StateError> {
        let mut values = self
            .values
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match value {
            Some(value) => values.insert(key.clone(), value.to_vec()),
            None => values.remove(key),
        };
        Ok(())
    }
}
