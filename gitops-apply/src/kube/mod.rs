//! A real Kubernetes cluster through the kube crate.
//!
//! [`KubeCluster`] sends raw requests and reads raw JSON, so that nothing of an object is lost on the
//! way. Deadlines and retries are its own: every try ends within [`KubeOptions::request_timeout`];
//! reads are sent again by themselves, writes only where the server cannot have taken them (it said
//! so by 429, or no connection could be made). Who writes decides himself about every other failure.
//!
//! Clusters come from kubeconfigs and their contexts, from the [Secrets](ClusterSecret) in which Argo
//! CD keeps them, and from the pod that the process runs in.

mod connect;
mod discovery;
mod failure;
mod options;
mod pace;
mod request;
mod schemas;
mod secret;
mod transport;
mod watch;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_core::{
    ErrorClass, GroupVersionKind, Manifest, ObjectRef,
    clock::{Clock, Timestamp},
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, Discovery, ListScope, ObjectList,
        Patch, ServedKind, WatchEvent, WriteOptions,
    },
    object::{CompactManifest, CompactPool},
    schema::Schemas,
};
use kube::Client;
use serde_json::Value;

pub use self::{
    options::{Impersonation, KubeOptions, Rate},
    secret::{ClusterSecret, ClusterSecretError},
};
use self::{pace::Bucket, request::Call, schemas::KnownSchemas};

/// A real cluster. Cloning it is not needed: share it in an `Arc`.
pub struct KubeCluster {
    client: Client,
    options: KubeOptions,
    clock: Arc<dyn Clock>,
    budget: Bucket,
    limit: Option<Bucket>,
    /// A server that never answered is not waited for.
    has_answered: AtomicBool,
    known: Mutex<Known>,
}

impl std::fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeCluster")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What was learnt of the cluster.
#[derive(Default)]
struct Known {
    discovery: Option<(Arc<Discovery>, Timestamp)>,
    schemas: Option<KnownSchemas>,
    /// When a definition of kinds was last written: the server serves them, or no longer does, a
    /// moment later.
    defined: Option<Timestamp>,
}

/// How long a change of what is served is expected after a definition was written.
const DEFINITION_PATIENCE: Duration = Duration::from_secs(10);
/// How old the knowledge of what is served may be meanwhile.
const DEFINITION_AGE: Duration = Duration::from_millis(250);
/// How often a list is begun anew because its pages expired.
const LIST_ATTEMPTS: u32 = 3;

impl KubeCluster {
    /// Looks a kind up, asking the server anew where it is not known.
    async fn served(&self, gvk: &GroupVersionKind) -> Result<ServedKind, ClusterError> {
        let known = self.discovery().await?;
        if let Some(served) = known.get(gvk) {
            return Ok(served.clone());
        }
        // It may have appeared since; the age keeps a missing kind from costing a request each time.
        let mut age = Duration::from_secs(1);
        loop {
            let fresh = self.discovery_younger_than(age).await?;
            if let Some(served) = fresh.get(gvk) {
                return Ok(served.clone());
            }
            let is_expected = self.awaits_definitions();
            if !is_expected {
                return Err(ClusterError::UnknownKind { gvk: gvk.clone() });
            }
            self.clock.sleep(Duration::from_millis(200)).await;
            age = Duration::ZERO;
        }
    }

    /// Whether what is served may change any moment.
    fn awaits_definitions(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let since = known
            .defined
            .map(|defined| self.clock.now().duration_since(defined));
        since.is_some_and(|since| {
            Duration::try_from(since).is_ok_and(|since| since < DEFINITION_PATIENCE)
        })
    }

    async fn discovery_younger_than(&self, age: Duration) -> Result<Arc<Discovery>, ClusterError> {
        let now = self.clock.now();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((discovery, fetched)) = &known.discovery
                && Duration::try_from(now.duration_since(*fetched)).is_ok_and(|a| a < age)
            {
                return Ok(discovery.clone());
            }
        }
        let fetched = discovery::fetch(self).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The same answer keeps its identity: schemas read with it stay valid.
        let discovery = match known.discovery.take() {
            Some((before, _)) if *before == fetched => before,
            _ => Arc::new(fetched),
        };
        known.discovery = Some((discovery.clone(), now));
        Ok(discovery)
    }

    /// After a write that changes what is served.
    fn forget_if_definition(&self, gvk: &GroupVersionKind) {
        if matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "APIService") {
            let defined = Some(self.clock.now());
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known {
                defined,
                ..Known::default()
            };
        }
    }

    async fn write(
        &self,
        object: &Manifest,
        call: impl FnOnce(&ServedKind, &ObjectRef) -> Call,
    ) -> Result<Manifest, ClusterError> {
        let address = object.object_ref();
        let served = self.served(&address.gvk).await?;
        let value = self.send(&call(&served, &address)).await?;
        self.forget_if_definition(&address.gvk);
        manifest(value, &address.gvk)
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        let age = if self.awaits_definitions() {
            DEFINITION_AGE.min(self.options.discovery_age)
        } else {
            self.options.discovery_age
        };
        self.discovery_younger_than(age).await
    }

    /// The bundled schemas of the server's version, and those of its CustomResourceDefinitions; the
    /// server's own for all else.
    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError> {
        schemas::of(self).await
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        let served = self.served(&object.gvk).await?;
        match self.send(&Call::get(&served, object)).await {
            Ok(value) => manifest(value, &object.gvk).map(Some),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        let served = self.served(&scope.gvk).await?;
        let mut list = ObjectList::default();
        let mut pool = CompactPool::default();
        let mut next = String::new();
        let mut attempts = 1;
        loop {
            // The last attempt asks for one page, which cannot expire.
            let is_last = attempts == LIST_ATTEMPTS;
            let page_size = if is_last { 0 } else { self.options.page_size };
            let call = Call::list(&served, scope, page_size, &next);
            let mut page = match self.send(&call).await {
                Err(ClusterError::Expired { .. }) if !next.is_empty() => {
                    attempts += 1;
                    list.items.clear();
                    next.clear();
                    continue;
                }
                page => page?,
            };
            let items = page.get_mut("items").map(Value::take);
            let text = |key: &str| {
                let value = page.get("metadata").and_then(|metadata| metadata.get(key));
                value.and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            list.resource_version = text("resourceVersion");
            let is_long = !next.is_empty();
            next = text("continue");
            let is_long = is_long || !next.is_empty();
            if let Some(Value::Array(items)) = items {
                for item in items {
                    let object = manifest(item, &scope.gvk)?;
                    // All pages of a long list together would take a multiple of their size.
                    list.items.push(match is_long {
                        true => CompactManifest::new(&object, &mut pool).manifest(),
                        false => object,
                    });
                }
            }
            if next.is_empty() {
                return Ok(list);
            }
        }
    }

    async fn watch(
        &self,
        scope: &ListScope,
        from: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent, ClusterError>>, ClusterError> {
        let served = self.served(&scope.gvk).await?;
        watch::open(self, &served, scope, from).await
    }

    async fn apply(
        &self,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Result<Manifest, ClusterError> {
        self.write(object, |served, address| {
            Call::apply(served, address, object, options)
        })
        .await
    }

    async fn create(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        self.write(object, |served, address| {
            Call::create(served, address, object, options)
        })
        .await
    }

    async fn replace(
        &self,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        self.write(object, |served, address| {
            Call::replace(served, address, object, options)
        })
        .await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Manifest, ClusterError> {
        let served = self.served(&object.gvk).await?;
        let value = self
            .send(&Call::patch(&served, object, patch, options)?)
            .await?;
        self.forget_if_definition(&object.gvk);
        manifest(value, &object.gvk)
    }

    async fn delete(
        &self,
        object: &ObjectRef,
        options: &DeleteOptions,
    ) -> Result<Option<Manifest>, ClusterError> {
        let served = self.served(&object.gvk).await?;
        let value = self.send(&Call::delete(&served, object, options)).await?;
        self.forget_if_definition(&object.gvk);
        // A Status says that it is gone, the object that it is on its way.
        if value.get("kind").and_then(Value::as_str) == Some("Status") {
            return Ok(None);
        }
        let rest = manifest(value, &object.gvk)?;
        let stays = rest.is_terminating() || rest.finalizers().next().is_some();
        Ok(stays.then_some(rest))
    }
}

/// Reads an object; items of lists lack `apiVersion` and `kind`, and objects without content are
/// of a kind of their own.
fn manifest(mut value: Value, gvk: &GroupVersionKind) -> Result<Manifest, ClusterError> {
    if let Some(object) = value.as_object_mut() {
        if object.get("kind").and_then(Value::as_str) == Some("PartialObjectMetadata") {
            object.remove("apiVersion");
            object.remove("kind");
        }
        object
            .entry("apiVersion")
            .or_insert_with(|| gvk.api_version().into());
        object
            .entry("kind")
            .or_insert_with(|| gvk.kind.clone().into());
    }
    Manifest::try_from(value).map_err(|error| ClusterError::Other {
        class: ErrorClass::Internal,
        source: Box::new(error),
    })
}
