//! How a repository is reached: who asks, with which key, through which proxy, trusting whom.

mod argocd;
mod flux;
mod github_app;

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;

pub use argocd::ArgoCdSecrets;
pub use flux::{flux_access, flux_proxy};
pub use github_app::GitHubApp;
use gitops_core::Manifest;

use crate::{error::GitError, url::GitUrl};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// How one repository is reached. The default asks anonymously and trusts the platform's certificate authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// Who asks, over HTTP.
    pub authorization: Option<Authorization>,
    /// Whom to trust, over HTTPS.
    pub tls: Tls,
    /// The proxy to go through, over HTTP.
    pub proxy: Option<Proxy>,
    /// Who asks, over ssh.
    pub ssh: Option<SshIdentity>,
}

impl Access {
    /// Asks with user name and password (or token).
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            authorization: Some(Authorization::Basic {
                user: user.into(),
                password: Secret::new(password),
            }),
            ..Self::default()
        }
    }

    /// Asks with a bearer token.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self {
            authorization: Some(Authorization::Bearer(Secret::new(token))),
            ..Self::default()
        }
    }

    /// Asks over ssh with this identity.
    #[must_use]
    pub fn ssh(identity: SshIdentity) -> Self {
        Self {
            ssh: Some(identity),
            ..Self::default()
        }
    }

    /// Whether nothing says who asks.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.authorization.is_none() && self.ssh.is_none() && self.tls.client.is_none()
    }

    /// Sets whom to trust.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }
}

/// Who asks, over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization {
    /// User name and password or token.
    Basic {
        /// User name.
        user: String,
        /// Password or token.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// Whom to trust, over HTTPS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Certificate authorities to trust beside the platform's, as PEM.
    pub authorities: Option<String>,
    /// A client certificate with its key.
    pub client: Option<ClientCertificate>,
    /// Takes any certificate. Whoever stands between can then read and change everything.
    pub insecure: bool,
}

/// A client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Certificate chain, as PEM.
    pub certificate: String,
    /// Private key, as PEM.
    pub key: Secret,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its URL: `http://`, `https://` or `socks5://` (`socks5h://` to have names looked up there).
    pub url: String,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// Hosts that are reached without it, separated by commas, as in `NO_PROXY`.
    pub except: Option<String>,
}

/// Who asks, over ssh, and which host keys are right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SshIdentity {
    /// The private key, in OpenSSH or PEM format.
    pub key: Secret,
    /// The passphrase of an encrypted key.
    pub passphrase: Option<Secret>,
    /// The content of a `known_hosts` file; a host that is not in it is refused.
    pub known_hosts: Option<String>,
    /// Takes any host key. Whoever stands between can then read and change everything.
    pub insecure: bool,
}

impl SshIdentity {
    /// A private key. No host is trusted yet.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: Secret::new(key),
            ..Self::default()
        }
    }

    /// Sets the passphrase of an encrypted key.
    #[must_use]
    pub fn passphrase(mut self, passphrase: impl Into<String>) -> Self {
        self.passphrase = Some(Secret::new(passphrase));
        self
    }

    /// Sets the content of a `known_hosts` file.
    #[must_use]
    pub fn known_hosts(mut self, known_hosts: impl Into<String>) -> Self {
        self.known_hosts = Some(known_hosts.into());
        self
    }

    /// Takes any host key. Whoever stands between can then read and change everything.
    #[must_use]
    pub fn any_host(mut self) -> Self {
        self.insecure = true;
        self
    }
}

/// Knows how each repository is reached.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// How `url` is reached.
    async fn access(&self, url: &GitUrl) -> Result<Access, GitError>;
}

#[async_trait]
impl<T: Credentials + ?Sized> Credentials for Arc<T> {
    async fn access(&self, url: &GitUrl) -> Result<Access, GitError> {
        (**self).access(url).await
    }
}

/// Reaches everything anonymously.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl Credentials for Anonymous {
    async fn access(&self, _: &GitUrl) -> Result<Access, GitError> {
        Ok(Access::default())
    }
}

/// Access by URL prefix: the longest prefix that ends at a path boundary wins.
#[derive(Debug, Clone, Default)]
pub struct ByPrefix {
    entries: Vec<(String, Access)>,
}

impl ByPrefix {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reaches repositories whose URL begins with `prefix` in this way.
    #[must_use]
    pub fn with(mut self, prefix: &str, access: Access) -> Self {
        self.entries.push((crate::url::normalize(prefix), access));
        self
    }
}

#[async_trait]
impl Credentials for ByPrefix {
    async fn access(&self, url: &GitUrl) -> Result<Access, GitError> {
        let url = url.normalized();
        Ok(self
            .entries
            .iter()
            .filter(|(prefix, _)| {
                url.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, access)| access.clone())
            .unwrap_or_default())
    }
}

/// The content of a Kubernetes Secret.
#[derive(Clone, Default)]
pub struct SecretData {
    values: BTreeMap<String, Secret>,
}

impl SecretData {
    /// The `data` and `stringData` of a Secret; values that are not UTF-8 are left out.
    #[must_use]
    pub fn of(secret: &Manifest) -> Self {
        use base64::Engine as _;
        let mut values = BTreeMap::new();
        let section = |name: &str| {
            secret
                .as_map()
                .get(name)
                .and_then(|section| section.as_object())
                .cloned()
                .unwrap_or_default()
        };
        for (key, value) in section("data") {
            let decoded = value
                .as_str()
                .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok())
                .and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some(text) = decoded {
                values.insert(key, Secret::new(text));
            }
        }
        for (key, value) in section("stringData") {
            if let Some(text) = value.as_str() {
                values.insert(key, Secret::new(text));
            }
        }
        Self { values }
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(key.into(), Secret::new(value));
        self
    }

    /// A value, where it is there and not empty.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values
            .get(key)
            .map(Secret::expose)
            .filter(|text| !text.is_empty())
    }

    /// All keys and values, in order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|text| text.trim() == "true")
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
