//! A cluster that remembers what it was told, so that a cache need not ask again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{
    cluster::{Cluster, ClusterError, ListScope, ObjectList},
    delegate::{Delegate, Write},
    object::{GroupVersionKind, Manifest, ObjectRef},
};

/// The state of one object, as a request has shown it.
pub(in crate::pipeline) enum Written {
    There(Manifest),
    Gone(ObjectRef),
}

impl Written {
    pub(super) fn gvk(&self) -> GroupVersionKind {
        match self {
            Self::There(object) => object.gvk(),
            Self::Gone(object) => object.gvk.clone(),
        }
    }
}

/// Passes everything on to `cluster` and notes the answers.
pub(in crate::pipeline) struct Noting<'a> {
    cluster: &'a dyn Cluster,
    /// The last that was seen of each object.
    written: Mutex<BTreeMap<ObjectRef, Written>>,
}

impl<'a> Noting<'a> {
    pub(in crate::pipeline) fn new(cluster: &'a dyn Cluster) -> Self {
        Self {
            cluster,
            written: Mutex::default(),
        }
    }

    /// What was seen.
    pub(in crate::pipeline) fn into_written(self) -> Vec<Written> {
        let written = self.written.into_inner();
        let written = written.unwrap_or_else(PoisonError::into_inner);
        written.into_values().collect()
    }

    fn note(&self, written: Written) {
        let object = match &written {
            Written::There(object) => object.object_ref(),
            Written::Gone(object) => object.clone(),
        };
        let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(object, written);
    }
}

#[async_trait]
impl Delegate for Noting<'_> {
    fn inner(&self) -> &dyn Cluster {
        self.cluster
    }

    async fn on_get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        let answer = self.cluster.get(object).await?;
        self.note(match &answer {
            Some(found) => Written::There(found.clone()),
            None => Written::Gone(object.clone()),
        });
        Ok(answer)
    }

    async fn on_list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        let list = self.cluster.list(scope).await?;
        for object in list.items.iter().filter(|_| !scope.metadata_only) {
            self.note(Written::There(object.clone()));
        }
        Ok(list)
    }

    async fn on_write(&self, write: Write<'_>) -> Result<Option<Manifest>, ClusterError> {
        let answer = write.send(self.cluster).await;
        // The answer of some sub-resources (`scale`) is another kind of object.
        if write.is_dry_run() || !matches!(write.subresource(), None | Some("status")) {
            return answer;
        }
        match &answer {
            Ok(Some(object)) => self.note(Written::There(object.clone())),
            Ok(None) => self.note(Written::Gone(write.object_ref())),
            Err(ClusterError::NotFound { .. }) if matches!(write, Write::Delete(..)) => {
                self.note(Written::Gone(write.object_ref()));
            }
            Err(_) => {}
        }
        answer
    }
}
