//! A cluster that remembers what it was told, so that a cache need not ask again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, Discovery, ListScope, ObjectList,
        Patch, WatchEvent, WriteOptions,
    },
    object::{GroupVersionKind, Manifest, ObjectRef},
    schema::Schemas,
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

    fn note_answer(
        &self,
        dry_run: bool,
        subresource: Option<&str>,
        answer: Result<Manifest, ClusterError>,
    ) -> Result<Manifest, ClusterError> {
        // The answer of some sub-resources (`scale`) is another kind of object.
        if !dry_run
            && matches!(subresource, None | Some("status"))
            && let Ok(object) = &answer
        {
            self.note(Written::There(object.clone()));
        }
        answer
    }
}

#[async_trait]
impl Cluster for Noting<'_> {
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        self.cluster.discovery().await
    }

    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError> {
        self.cluster.schemas().await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        let answer = self.cluster.get(object).await?;
        self.note(match &answer {
            Some(found) => Written::There(found.clone()),
            None => Written::Gone(object.clone()),
        });
        Ok(answer)
    }

    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        let list = self.cluster.list(scope).await?;
        for object in &list.items {
            self.note(Written::There(object.clone()));
        }
        Ok(list)
    }

    async fn watch(
        &self,
        scope: &ListScope,
        from: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError> {
        self.cluster.watch(scope, from).await
    }

    async fn apply(
        &self,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Manifest, ClusterError> {
        let answer = self.cluster.apply(object, options).await;
        self.note_answer(options.dry_run, None, answer)
    }

    async fn create(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let answer = self.cluster.create(object, options).await;
        self.note_answer(options.dry_run, options.subresource.as_deref(), answer)
    }

    async fn replace(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let answer = self.cluster.replace(object, options).await;
        self.note_answer(options.dry_run, options.subresource.as_deref(), answer)
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let answer = self.cluster.patch(object, patch, options).await;
        self.note_answer(options.dry_run, options.subresource.as_deref(), answer)
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ClusterError> {
        let answer = self.cluster.delete(object, options).await;
        if !options.dry_run {
            match &answer {
                Ok(Some(left)) => self.note(Written::There(left.clone())),
                Ok(None) | Err(ClusterError::NotFound { .. }) => {
                    self.note(Written::Gone(object.clone()));
                }
                Err(_) => {}
            }
        }
        answer
    }
}
