//! Clusters that are declared as Secrets, as Argo CD keeps them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::{Classified, ErrorClass, Manifest};
use serde::Deserialize;
use serde_json::{Value, json};

/// The label that marks the Secrets, and its value.
const LABEL: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");

/// A cluster that a Secret declares.
///
/// ```
/// # use gitops_apply::kube::ClusterSecret;
/// # use gitops_core::Manifest;
/// # use serde_json::json;
/// let secret = Manifest::try_from(json!({
///     "apiVersion": "v1", "kind": "Secret",
///     "metadata": {"name": "west", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
///     "stringData": {
///         "name": "west", "server": "https://west.example.com",
///         "config": r#"{"bearerToken": "t", "tlsClientConfig": {"insecure": false}}"#,
///     },
/// })).unwrap();
/// let cluster = ClusterSecret::parse(&secret).unwrap();
/// assert_eq!(cluster.server, "https://west.example.com");
/// ```
#[derive(Clone)]
pub struct ClusterSecret {
    /// Name that Applications may use in place of the address.
    pub name: String,
    /// Address of the API server.
    pub server: String,
    /// The namespaces that may be managed; all where it is empty.
    pub namespaces: Vec<String>,
    /// Whether cluster-scoped objects may be managed although namespaces are listed.
    pub cluster_resources: bool,
    /// The one project that may use it; any where it is `None`.
    pub project: Option<String>,
    /// Labels and annotations of the Secret, by which generators choose clusters.
    pub labels: BTreeMap<String, String>,
    config: ClusterConfig,
}

impl std::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSecret")
            .field("name", &self.name)
            .field("server", &self.server)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

/// A Secret does not declare a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterSecretError {
    /// It lacks the label of clusters.
    #[error("Secret {secret} is not labelled {label}={value}", label = LABEL.0, value = LABEL.1)]
    NotACluster {
        /// Namespace and name of the Secret.
        secret: String,
    },
    /// A key is missing or empty.
    #[error("Secret {secret}: data.{key} is missing")]
    Missing {
        /// Namespace and name of the Secret.
        secret: String,
        /// The key.
        key: &'static str,
    },
    /// A key cannot be read. The value is not shown: it may hold credentials.
    #[error("Secret {secret}: data.{key} is {problem}")]
    Malformed {
        /// Namespace and name of the Secret.
        secret: String,
        /// The key.
        key: &'static str,
        /// What is wrong, without the value.
        problem: &'static str,
    },
    /// The way to authenticate is not offered.
    #[error(
        "Secret {secret}: {what} is not supported; give a bearerToken or an execProviderConfig"
    )]
    Unsupported {
        /// Namespace and name of the Secret.
        secret: String,
        /// The way.
        what: &'static str,
    },
}

impl Classified for ClusterSecretError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unsupported { .. } => ErrorClass::Unsupported,
            _ => ErrorClass::Invalid,
        }
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfig {
    username: String,
    password: String,
    bearer_token: String,
    tls_client_config: TlsConfig,
    aws_auth_config: Option<Value>,
    exec_provider_config: Option<ExecConfig>,
    disable_compression: bool,
    proxy_url: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TlsConfig {
    insecure: bool,
    server_name: String,
    // Base64 of PEM, as kubeconfigs have them.
    ca_data: String,
    cert_data: String,
    key_data: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExecConfig {
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    api_version: String,
    install_hint: String,
}

impl ClusterSecret {
    /// Whether a Secret declares a cluster.
    #[must_use]
    pub fn is_one(secret: &Manifest) -> bool {
        secret.kind() == "Secret" && secret.label(LABEL.0) == Some(LABEL.1)
    }

    /// Reads a Secret.
    pub fn parse(secret: &Manifest) -> Result<Self, ClusterSecretError> {
        let reader = Reader {
            secret,
            name: format!("{}/{}", secret.namespace(), secret.name()),
        };
        if !Self::is_one(secret) {
            return Err(ClusterSecretError::NotACluster {
                secret: reader.name,
            });
        }
        let server = reader.text("server")?.ok_or(ClusterSecretError::Missing {
            secret: reader.name.clone(),
            key: "server",
        })?;
        let config = match reader.text("config")? {
            Some(config) => serde_json::from_str::<ClusterConfig>(&config)
                .map_err(|_| reader.malformed("config", "no JSON of a cluster's configuration"))?,
            None => ClusterConfig::default(),
        };
        if config.aws_auth_config.is_some() {
            return Err(ClusterSecretError::Unsupported {
                secret: reader.name,
                what: "awsAuthConfig",
            });
        }
        let namespaces = reader.text("namespaces")?.unwrap_or_default();
        let labels = secret
            .metadata()
            .and_then(|metadata| metadata.get("labels"))
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        Ok(Self {
            name: reader.text("name")?.unwrap_or_else(|| server.clone()),
            server,
            namespaces: namespaces
                .split(',')
                .map(str::trim)
                .filter(|namespace| !namespace.is_empty())
                .map(str::to_owned)
                .collect(),
            cluster_resources: reader.text("clusterResources")?.as_deref() == Some("true"),
            project: reader.text("project")?,
            labels,
            config,
        })
    }

    /// As a kubeconfig with one context.
    pub(super) fn kubeconfig(&self) -> Value {
        let config = &self.config;
        let tls = &config.tls_client_config;
        let mut cluster = json!({"server": self.server});
        let mut user = json!({});
        let put = |target: &mut Value, key: &str, text: &str| {
            if !text.is_empty() {
                target[key] = text.into();
            }
        };
        if tls.insecure {
            cluster["insecure-skip-tls-verify"] = true.into();
        }
        put(&mut cluster, "certificate-authority-data", &tls.ca_data);
        put(&mut cluster, "tls-server-name", &tls.server_name);
        put(&mut cluster, "proxy-url", &config.proxy_url);
        if config.disable_compression {
            cluster["disable-compression"] = true.into();
        }
        put(&mut user, "client-certificate-data", &tls.cert_data);
        put(&mut user, "client-key-data", &tls.key_data);
        put(&mut user, "username", &config.username);
        put(&mut user, "password", &config.password);
        put(&mut user, "token", &config.bearer_token);
        if let Some(exec) = &config.exec_provider_config {
            let env: Vec<Value> = exec
                .env
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}))
                .collect();
            user["exec"] = json!({
                "apiVersion": exec.api_version, "command": exec.command, "args": exec.args,
                "env": env, "installHint": exec.install_hint, "interactiveMode": "Never",
            });
        }
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "cluster",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
        })
    }
}

struct Reader<'a> {
    secret: &'a Manifest,
    name: String,
}

impl Reader<'_> {
    /// A value of `stringData`, or of `data` decoded; `None` where it is missing or empty.
    fn text(&self, key: &'static str) -> Result<Option<String>, ClusterSecretError> {
        let field = |field: &str| {
            let map = self.secret.as_map().get(field)?;
            map.get(key)?.as_str()
        };
        let text = match (field("stringData"), field("data")) {
            (Some(text), _) => text.to_owned(),
            (None, Some(encoded)) => {
                let bytes = STANDARD.decode(encoded);
                let bytes = bytes.map_err(|_| self.malformed(key, "not base64"))?;
                String::from_utf8(bytes).map_err(|_| self.malformed(key, "not UTF-8"))?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn malformed(&self, key: &'static str, problem: &'static str) -> ClusterSecretError {
        ClusterSecretError::Malformed {
            secret: self.name.clone(),
            key,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(data: Value) -> Manifest {
        let encoded: serde_json::Map<String, Value> = data
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), STANDARD.encode(value.as_str().unwrap()).into()))
            .collect();
        Manifest::try_from(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "west", "namespace": "argocd", "labels": {LABEL.0: LABEL.1, "tier": "prod"}},
            "data": encoded,
        }))
        .unwrap()
    }

    #[test]
    fn data_becomes_a_kubeconfig() {
        let config = json!({
            "username": "u", "password": "p",
            "tlsClientConfig": {"insecure": true, "serverName": "in", "certData": "Yw==", "keyData": "aw=="},
            "execProviderConfig": {"command": "aws", "args": ["eks"], "env": {"A": "B"}, "apiVersion": "client.authentication.k8s.io/v1"},
        });
        let cluster = ClusterSecret::parse(&secret(json!({
            "name": "west", "server": "https://w", "namespaces": "a, b", "clusterResources": "true",
            "config": config.to_string(),
        })))
        .unwrap();
        assert_eq!(cluster.namespaces, ["a", "b"]);
        assert!(cluster.cluster_resources);
        assert_eq!(cluster.labels["tier"], "prod");
        let kubeconfig = cluster.kubeconfig();
        let user = &kubeconfig["users"][0]["user"];
        assert_eq!(user["password"], "p");
        assert_eq!(user["exec"]["env"][0], json!({"name": "A", "value": "B"}));
        assert_eq!(
            kubeconfig["clusters"][0]["cluster"]["tls-server-name"],
            "in"
        );
        serde_json::from_value::<kube::config::Kubeconfig>(kubeconfig).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let error = |data: Value| ClusterSecret::parse(&secret(data)).unwrap_err().to_string();
        assert_eq!(
            error(json!({})),
            "Secret argocd/west: data.server is missing"
        );
        let text = error(json!({"server": "https://w", "config": "{bearerToken: hidden}"}));
        assert!(text.contains("data.config") && !text.contains("hidden"));
        let aws = json!({"server": "https://w", "config": r#"{"awsAuthConfig": {}}"#});
        assert!(error(aws).contains("awsAuthConfig"));
        let mut plain = secret(json!({"server": "https://w"}));
        plain.metadata_mut().remove("labels");
        assert!(matches!(
            ClusterSecret::parse(&plain),
            Err(ClusterSecretError::NotACluster { .. })
        ));
    }

    #[test]
    fn credentials_are_not_shown() {
        let cluster = ClusterSecret::parse(&secret(
            json!({"server": "https://w", "config": r#"{"bearerToken": "hidden"}"#}),
        ))
        .unwrap();
        assert!(!format!("{cluster:?}").contains("hidden"));
    }
}
