//! Where clusters come from: kubeconfigs, Secrets, the cluster that the process runs in.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use gitops_core::{clock::Clock, cluster::ClusterError};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::ConfigExt as _,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, Layer as _, ServiceExt as _};
use tower_http::decompression::DecompressionLayer;

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
        let client = client(config).map_err(failure::config)?;
        Ok(Self::new(client, clock, options))
    }
}

/// As [`Client::try_from`], but that small requests are sent at once: the first one of a connection
/// would wait for the server to acknowledge the end of the handshake, which it puts off by 40 ms.
fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails where somebody else has just done it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = service.map_err(BoxError::from);
    let service = config.extra_headers_layer()?.layer(service);
    let service = tower::util::option_layer(config.auth_layer()?).layer(service);
    let compressed = DecompressionLayer::new().gzip(!config.disable_compression);
    let service = config.base_uri_layer().layer(compressed.layer(service));
    Ok(Client::new(service, config.default_namespace))
}

fn choice(context: Option<&str>) -> KubeConfigOptions {
    KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    }
}
