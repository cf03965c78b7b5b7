//! Where clusters come from: kubeconfigs, Secrets, the cluster that the process runs in.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use gitops_core::{clock::Clock, cluster::ClusterError};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::{ClusterSecret, KubeCluster, KubeOptions, failure, pace::Bucket};

impl KubeCluster {
    /// A cluster behind a client. Retries of the client's own should be off.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>, options: KubeOptions) -> Self {
        Self {
            client,
            budget: Bucket::new(options.retry_budget),
            limit: options.rate_limit.map(Bucket::new),
            has_answered: AtomicBool::new(false),
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
        let config = Config::from_kubeconfig(&choice(context))
            .await
            .map_err(failure::config)?;
        Self::from_config(config, clock, options)
    }

    /// The cluster of a context of a kubeconfig given as text, as a Secret holds it; of the current
    /// one where it is `None`.
    ///
    /// # Errors
    /// When the text is no kubeconfig or lacks the context.
    pub async fn from_kubeconfig_text(
        text: &str,
        context: Option<&str>,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(failure::config)?;
        Self::from_parsed(kubeconfig, context, clock, options).await
    }

    /// The contexts of a kubeconfig given as text, by name; each is a cluster.
    ///
    /// # Errors
    /// When the text is no kubeconfig.
    pub fn contexts(text: &str) -> Result<Vec<String>, ClusterError> {
        let kubeconfig = Kubeconfig::from_yaml(text).map_err(failure::config)?;
        let contexts = kubeconfig.contexts.into_iter();
        Ok(contexts.map(|context| context.name).collect())
    }

    /// The cluster that a Secret declares.
    ///
    /// # Errors
    /// When its certificates or address cannot be used.
    pub async fn from_secret(
        secret: &ClusterSecret,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        let kubeconfig = serde_json::from_value(secret.kubeconfig()).map_err(failure::config)?;
        Self::from_parsed(kubeconfig, None, clock, options).await
    }

    /// The cluster that the process runs in.
    ///
    /// # Errors
    /// When the process does not run in a cluster.
    pub fn in_cluster(clock: Arc<dyn Clock>, options: KubeOptions) -> Result<Self, ClusterError> {
        let config = Config::incluster().map_err(failure::config)?;
        Self::from_config(config, clock, options)
    }

    async fn from_parsed(
        kubeconfig: Kubeconfig,
        context: Option<&str>,
        clock: Arc<dyn Clock>,
        options: KubeOptions,
    ) -> Result<Self, ClusterError> {
        let config = Config::from_custom_kubeconfig(kubeconfig, &choice(context))
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
        // Watches are quiet for as long as they may be; all else has a deadline of its own.
        config.read_timeout = None;
        config.connect_timeout = Some(options.request_timeout);
        let client = Client::try_from(config).map_err(failure::config)?;
        Ok(Self::new(client, clock, options))
    }
}

fn choice(context: Option<&str>) -> KubeConfigOptions {
    KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    }
}
