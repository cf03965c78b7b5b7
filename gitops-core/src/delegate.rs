//! Clusters that stand before another one, to count, note, refuse or delay what passes.
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
//! use gitops_core::{Manifest, async_trait, cluster::{Cluster, ClusterError}, delegate::{Delegate, Write}};
//!
//! /// Counts writes that are no dry-runs.
//! struct Counting { inner: Arc<dyn Cluster>, writes: AtomicUsize }
//!
//! #[async_trait]
//! impl Delegate for Counting {
//!     fn inner(&self) -> &dyn Cluster {
//!         &*self.inner
//!     }
//!     async fn on_write(&self, write: Write<'_>) -> Result<Option<Manifest>, ClusterError> {
//!         if !write.is_dry_run() {
//!             self.writes.fetch_add(1, Ordering::Relaxed);
//!         }
//!         write.send(self.inner()).await
//!     }
//! }
//! # fn is_a_cluster(counting: Counting) -> Arc<dyn Cluster> { Arc::new(counting) }
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, Discovery, ListScope, ObjectList,
        Patch, WatchEvent, WriteOptions,
    },
    error::ErrorClass,
    object::{Manifest, ObjectRef},
    schema::Schemas,
};

/// Events of a watch.
pub type Events = BoxStream<'static, Result<WatchEvent, ClusterError>>;

/// A [`Cluster`] by way of another: what is not written here is passed on.
#[async_trait]
pub trait Delegate: Send + Sync {
    /// The cluster behind.
    fn inner(&self) -> &dyn Cluster;

    /// One object is read.
    async fn on_get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        self.inner().get(object).await
    }

    /// Objects are listed.
    async fn on_list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        self.inner().list(scope).await
    }

    /// A watch is opened.
    async fn on_watch(&self, scope: &ListScope, from: &str) -> Result<Events, ClusterError> {
        self.inner().watch(scope, from).await
    }

    /// An object is written. Only a deletion may answer without an object.
    async fn on_write(&self, write: Write<'_>) -> Result<Option<Manifest>, ClusterError> {
        write.send(self.inner()).await
    }
}

/// One write.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Write<'a> {
    /// A server-side apply.
    Apply(&'a Manifest, &'a ApplyOptions),
    /// A creation.
    Create(&'a Manifest, &'a WriteOptions),
    /// A replacement.
    Replace(&'a Manifest, &'a WriteOptions),
    /// A patch.
    Patch(&'a ObjectRef, &'a Patch, &'a WriteOptions),
    /// A deletion.
    Delete(&'a ObjectRef, &'a DeleteOptions),
}

impl Write<'_> {
    /// Writes to a cluster.
    ///
    /// # Errors
    /// Those of the cluster.
    pub async fn send(self, cluster: &dyn Cluster) -> Result<Option<Manifest>, ClusterError> {
        match self {
            Self::Apply(object, options) => cluster.apply(object, options).await.map(Some),
            Self::Create(object, options) => cluster.create(object, options).await.map(Some),
            Self::Replace(object, options) => cluster.replace(object, options).await.map(Some),
            Self::Patch(object, patch, options) => {
                cluster.patch(object, patch, options).await.map(Some)
            }
            Self::Delete(object, options) => cluster.delete(object, options).await,
        }
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        match self {
            Self::Apply(_, options) => options.dry_run,
            Self::Create(_, options) | Self::Replace(_, options) | Self::Patch(_, _, options) => {
                options.dry_run
            }
            Self::Delete(_, options) => options.dry_run,
        }
    }

    /// The sub-resource that is written, if it is not the object itself.
    #[must_use]
    pub fn subresource(&self) -> Option<&str> {
        match self {
            Self::Create(_, options) | Self::Replace(_, options) | Self::Patch(_, _, options) => {
                options.subresource.as_deref()
            }
            Self::Apply(..) | Self::Delete(..) => None,
        }
    }

    /// The object; without a name where the cluster makes one.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        match self {
            Self::Apply(object, _) | Self::Create(object, _) | Self::Replace(object, _) => {
                object.object_ref()
            }
            Self::Patch(object, ..) | Self::Delete(object, _) => (*object).clone(),
        }
    }
}

#[async_trait]
impl<D: Delegate> Cluster for D {
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        self.inner().discovery().await
    }

    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError> {
        self.inner().schemas().await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        self.on_get(object).await
    }

    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        self.on_list(scope).await
    }

    async fn watch(&self, scope: &ListScope, from: &str) -> Result<Events, ClusterError> {
        self.on_watch(scope, from).await
    }

    async fn apply(
        &self,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Manifest, ClusterError> {
        answered(self.on_write(Write::Apply(object, options)).await)
    }

    async fn create(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        answered(self.on_write(Write::Create(object, options)).await)
    }

    async fn replace(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        answered(self.on_write(Write::Replace(object, options)).await)
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        answered(self.on_write(Write::Patch(object, patch, options)).await)
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ClusterError> {
        self.on_write(Write::Delete(object, options)).await
    }
}

fn answered(answer: Result<Option<Manifest>, ClusterError>) -> Result<Manifest, ClusterError> {
    answer?.ok_or_else(|| ClusterError::Other {
        class: ErrorClass::Internal,
        source: "a delegate has answered a write without the object".into(),
    })
}
