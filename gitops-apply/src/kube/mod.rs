//! A real Kubernetes cluster through the kube crate.
//!
//! [`KubeCluster`] sends raw requests and reads raw JSON, so that nothing of an object is lost on the
//! way. Deadlines and retries are its own: kube's default retries are off, every request ends within
//! [`KubeOptions::request_timeout`], and only reads are sent again by themselves. Who writes decides
//! himself what to do about a failure.

mod discovery;
mod failure;
mod request;
mod watch;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use gitops_core::{
    Classified as _, ErrorClass, GroupVersionKind, Manifest, ObjectRef,
    clock::{Clock, Timestamp},
    cluster::{
        ApplyOptions, Cluster, ClusterError, DeleteOptions, Discovery, ListScope, ObjectList,
        Patch, ServedKind, WatchEvent, WriteOptions,
    },
    schema::Schemas,
};
use gitops_diff::{SchemaSet, bundled_schemas, bundled_schemas_of};
use kube::{Client, Config, config::KubeConfigOptions};
use serde_json::Value;

use request::{Call, Method};

/// How a [`KubeCluster`] behaves.
#[derive(Debug, Clone)]
pub struct KubeOptions {
    /// Every request but a watch ends within this time.
    pub request_timeout: Duration,
    /// How often a read is sent again after a failure that may pass.
    pub read_retries: u32,
    /// Items of a page of a list.
    pub page_size: u32,
    /// What the cluster serves is asked for again after this time, and whenever a kind is missing.
    pub discovery_age: Duration,
    /// Acts as this user.
    pub impersonate: Option<String>,
}

impl Default for KubeOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            read_retries: 3,
            page_size: 500,
            discovery_age: Duration::from_secs(60),
            impersonate: None,
        }
    }
}

/// A real cluster. Cloning it is not needed: share it in an `Arc`.
pub struct KubeCluster {
    client: Client,
    options: KubeOptions,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// What was learnt of the cluster.
#[derive(Default)]
struct Known {
    discovery: Option<(Arc<Discovery>, Timestamp)>,
    schemas: Option<(Arc<Discovery>, Arc<SchemaSet>)>,
    /// When a definition of kinds was last written: the server serves them a moment later.
    defined: Option<Timestamp>,
}

/// How long a kind is waited for after a definition was written.
const DEFINITION_PATIENCE: Duration = Duration::from_secs(10);

impl KubeCluster {
    /// A cluster behind a client.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>, options: KubeOptions) -> Self {
        Self {
            client,
            options,
            clock,
            known: Mutex::default(),
        }
    }

    /// The cluster of a kubeconfig's context; of the current one where it is `None`. The kubeconfig is
    /// found as kubectl finds it.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read or lacks the context.
    pub async fn from_kubeconfig(
        context: Option<&str>,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        let choice = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let config = Config::from_kubeconfig(&choice)
            .await
            .map_err(failure::config)?;
        Self::from_config(config, clock, options)
    }

    /// The cluster that the process runs in.
    ///
    /// # Errors
    /// When the process does not run in a cluster.
    pub fn in_cluster(clock: Arc<dyn Clock>, options: KubeOptions) -> Result<Self, ClusterError> {
        let config = Config::incluster().map_err(failure::config)?;
        Self::from_config(config, clock, options)
    }

    /// The cluster of a kubeconfig given as text, as a Secret holds it.
    ///
    /// # Errors
    /// When the text is no kubeconfig.
    pub async fn from_kubeconfig_text(
        text: &str,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        let kubeconfig = kube::config::Kubeconfig::from_yaml(text).map_err(failure::config)?;
        let choice = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &choice)
            .await
            .map_err(failure::config)?;
        Self::from_config(config, clock, options)
    }

    fn from_config(
        mut config: Config,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        config.default_retry = false;
        if let Some(user) = &options.impersonate {
            config.auth_info.impersonate = Some(user.clone());
        }
        let client = Client::try_from(config).map_err(failure::config)?;
        Ok(Self::new(client, clock, options))
    }

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
            let now = self.clock.now();
            let defined = self
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .defined;
            let is_expected = defined.is_some_and(|defined| {
                Duration::try_from(now.duration_since(defined))
                    .is_ok_and(|since| since < DEFINITION_PATIENCE)
            });
            if !is_expected {
                return Err(ClusterError::UnknownKind { gvk: gvk.clone() });
            }
            self.clock.sleep(Duration::from_millis(200)).await;
            age = Duration::ZERO;
        }
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

    async fn send(&self, call: Call) -> Result<Value, ClusterError> {
        let mut tries = 0;
        loop {
            let request = call.request(&self.options)?;
            let answer = self.client.request::<Value>(request);
            let result = match tokio::time::timeout(self.options.request_timeout, answer).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => Err(failure::of(error, &call)),
                Err(_) => Err(ClusterError::Timeout {
                    after: self.options.request_timeout,
                }),
            };
            match result {
                Err(error)
                    if call.method == Method::Get
                        && error.is_retryable()
                        && tries < self.options.read_retries =>
                {
                    let pause = error
                        .retry_after()
                        .unwrap_or(Duration::from_millis(100 << tries.min(6)))
                        .min(self.options.request_timeout);
                    tries += 1;
                    self.clock.sleep(pause).await;
                }
                result => return result,
            }
        }
    }

    async fn write(
        &self,
        object: &Manifest,
        call: impl FnOnce(&ServedKind, &ObjectRef) -> Call,
    ) -> Result<Manifest, ClusterError> {
        let address = object.object_ref();
        let served = self.served(&address.gvk).await?;
        let value = self.send(call(&served, &address)).await?;
        self.forget_if_definition(&address.gvk);
        manifest(value, &address.gvk)
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn discovery(&self) -> Result<Arc<Discovery>, ClusterError> {
        self.discovery_younger_than(self.options.discovery_age)
            .await
    }

    /// The bundled schemas of the server's version, and those of its CustomResourceDefinitions.
    async fn schemas(&self) -> Result<Arc<dyn Schemas>, ClusterError> {
        let discovery = self.discovery().await?;
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((read_with, schemas)) = &known.schemas
                && Arc::ptr_eq(read_with, &discovery)
            {
                return Ok(schemas.clone());
            }
        }
        let below: Arc<dyn Schemas> = match bundled_schemas_of(&discovery.version) {
            Some(schemas) => Arc::new(schemas),
            None => bundled_schemas(),
        };
        let mut schemas = SchemaSet::over(below);
        let definitions =
            GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        if discovery.get(&definitions).is_some() {
            for definition in self.list(&ListScope::all(definitions)).await?.items {
                // A definition that cannot be read leaves its kind without a schema, no more.
                if let Err(error) = schemas.add_crd(&definition) {
                    tracing::warn!(definition = definition.name(), %error, "no schema");
                }
            }
        }
        let schemas = Arc::new(schemas);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.schemas = Some((discovery, schemas.clone()));
        Ok(schemas)
    }

    async fn get(&self, object: &ObjectRef) -> Result<Option<Manifest>, ClusterError> {
        let served = self.served(&object.gvk).await?;
        match self.send(Call::get(&served, object)).await {
            Ok(value) => manifest(value, &object.gvk).map(Some),
            Err(ClusterError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, scope: &ListScope) -> Result<ObjectList, ClusterError> {
        let served = self.served(&scope.gvk).await?;
        let mut list = ObjectList::default();
        let mut next = String::new();
        loop {
            let call = Call::list(&served, scope, self.options.page_size, &next);
            let mut page = self.send(call).await?;
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                for item in items {
                    list.items.push(manifest(item, &scope.gvk)?);
                }
            }
            let text = |key: &str| {
                let value = page.get("metadata").and_then(|metadata| metadata.get(key));
                value.and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            list.resource_version = text("resourceVersion");
            next = text("continue");
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
        watch::open(&self.client, &self.options, &served, scope, from).await
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
            .send(Call::patch(&served, object, patch, options)?)
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
        let value = self.send(Call::delete(&served, object, options)).await?;
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

/// Reads an object; items of lists lack `apiVersion` and `kind`.
fn manifest(mut value: Value, gvk: &GroupVersionKind) -> Result<Manifest, ClusterError> {
    if let Some(object) = value.as_object_mut() {
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
