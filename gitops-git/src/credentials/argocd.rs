//! Argo CD's repository Secrets.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gitops_core::{Manifest, clock::Clock};

use super::{
    Access, Authorization, ClientCertificate, Credentials, GitHubApp, Proxy, Secret, SecretData,
    SshIdentity,
};
use crate::{
    error::GitError,
    url::{GitUrl, normalize},
};

const TYPE_LABEL: &str = "argocd.argoproj.io/secret-type";

/// Credentials as Argo CD keeps them: Secrets labelled `argocd.argoproj.io/secret-type: repository` for
/// one URL, and `repo-creds` for all URLs that begin with theirs, of which the longest counts and fills
/// in what the repository's own Secret leaves open.
#[derive(Default)]
pub struct ArgoCdSecrets {
    repositories: Vec<(String, Entry)>,
    templates: Vec<(String, Entry)>,
    known_hosts: Option<String>,
    authorities: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
struct Entry {
    access: Access,
    app: Option<Arc<GitHubApp>>,
    insecure_host_key: bool,
}

impl ArgoCdSecrets {
    /// Reads the Secrets among `secrets` that describe Git repositories and ignores the others.
    pub fn read<'a>(
        secrets: impl IntoIterator<Item = &'a Manifest>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, GitError> {
        let mut this = Self::default();
        for secret in secrets {
            let list = match secret.label(TYPE_LABEL) {
                Some("repository") => &mut this.repositories,
                Some("repo-creds") => &mut this.templates,
                _ => continue,
            };
            let data = SecretData::of(secret);
            // Empty means git.
            if !matches!(data.get("type"), None | Some("git")) {
                continue;
            }
            let Some(url) = data.get("url") else { continue };
            list.push((normalize(url), Entry::read(&data, clock)?));
        }
        Ok(this)
    }

    /// The content of `ssh_known_hosts` in the ConfigMap `argocd-ssh-known-hosts-cm`.
    #[must_use]
    pub fn with_known_hosts(mut self, known_hosts: impl Into<String>) -> Self {
        self.known_hosts = Some(known_hosts.into());
        self
    }

    /// One entry of the ConfigMap `argocd-tls-certs-cm`: the certificates (PEM) trusted for a host.
    #[must_use]
    pub fn with_authorities(mut self, host: impl Into<String>, pem: impl Into<String>) -> Self {
        self.authorities.insert(host.into(), pem.into());
        self
    }

    fn find(&self, url: &GitUrl) -> Entry {
        let url = url.normalized();
        let own = self
            .repositories
            .iter()
            .find(|(known, _)| *known == url)
            .map(|(_, entry)| entry.clone());
        let template = self
            .templates
            .iter()
            .filter(|(prefix, _)| url.starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, entry)| entry);
        match (own, template) {
            (Some(own), _) if own.has_credentials() => own,
            (Some(own), Some(template)) => own.filled_from(template),
            (Some(own), None) => own,
            (None, Some(template)) => template.clone(),
            (None, None) => Entry::default(),
        }
    }
}

impl Entry {
    fn read(data: &SecretData, clock: &Arc<dyn Clock>) -> Result<Self, GitError> {
        let mut access = Access::default();
        if let Some(token) = data.get("bearerToken") {
            access.authorization = Some(Authorization::Bearer(token.into()));
        }
        if data.get("username").is_some() || data.get("password").is_some() {
            access.authorization = Some(Authorization::Basic {
                user: data.text("username").unwrap_or_default(),
                password: Secret::new(data.get("password").unwrap_or_default()),
            });
        }
        if let Some(key) = data.get("sshPrivateKey") {
            access.ssh = Some(SshIdentity::new(key));
        }
        let insecure = data.is_true("insecure");
        access.tls.insecure = insecure;
        if let (Some(certificate), Some(key)) =
            (data.get("tlsClientCertData"), data.get("tlsClientCertKey"))
        {
            access.tls.client = Some(ClientCertificate {
                certificate: certificate.to_owned(),
                key: key.into(),
            });
        }
        if let Some(url) = data.get("proxy") {
            access.proxy = Some(Proxy {
                url: url.to_owned(),
                login: None,
                except: data.text("noProxy"),
            });
        }
        let app = match (data.get("githubAppPrivateKey"), data.get("githubAppID")) {
            (Some(key), Some(id)) => {
                let mut app = GitHubApp::new(id.trim(), key, clock.clone())?;
                if let Some(installation) = data.get("githubAppInstallationID") {
                    app = app.installation(installation.trim());
                }
                if let Some(base) = data.get("githubAppEnterpriseBaseUrl") {
                    app = app.base_url(base)?;
                }
                Some(Arc::new(app))
            }
            _ => None,
        };
        Ok(Self {
            access,
            app,
            insecure_host_key: insecure || data.is_true("insecureIgnoreHostKey"),
        })
    }

    fn has_credentials(&self) -> bool {
        self.access.authorization.is_some()
            || self.access.ssh.is_some()
            || self.access.tls.client.is_some()
            || self.app.is_some()
    }

    /// What Argo CD's `CopyCredentialsFrom` does: gaps are filled, what is there stays.
    fn filled_from(mut self, template: &Self) -> Self {
        let other = &template.access;
        let access = &mut self.access;
        access.authorization = access
            .authorization
            .take()
            .or_else(|| other.authorization.clone());
        access.ssh = access.ssh.take().or_else(|| other.ssh.clone());
        access.tls.client = access
            .tls
            .client
            .take()
            .or_else(|| other.tls.client.clone());
        access.proxy = access.proxy.take().or_else(|| other.proxy.clone());
        self.app = self.app.or_else(|| template.app.clone());
        self
    }
}

#[async_trait]
impl Credentials for ArgoCdSecrets {
    async fn access(&self, url: &GitUrl) -> Result<Access, GitError> {
        let entry = self.find(url);
        let mut access = entry.access;
        if let Some(ssh) = &mut access.ssh {
            ssh.known_hosts = self.known_hosts.clone();
            ssh.insecure = entry.insecure_host_key;
        }
        if let Some(host) = url.host() {
            access.tls.authorities = self.authorities.get(host).cloned();
        }
        match &entry.app {
            Some(app) => app.grant(url, access).await,
            None => Ok(access),
        }
    }
}

#[cfg(test)]
mod tests {
    use gitops_core::clock::{ManualClock, Timestamp};
    use serde_json::json;

    use super::*;

    fn secret(kind: &str, data: &serde_json::Value) -> Manifest {
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "x", "labels": {TYPE_LABEL: kind}},
            "stringData": data,
        }))
        .unwrap()
    }

    fn user(access: &Access) -> String {
        match &access.authorization {
            Some(Authorization::Basic { user, password }) => {
                format!("{user}:{}", password.expose())
            }
            Some(Authorization::Bearer(token)) => token.expose().to_owned(),
            None => "-".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_own_secret_then_the_longest_template() {
        let secrets = [
            secret(
                "repository",
                &json!({"url": "https://git.example.org/a/own", "username": "own", "password": "1"}),
            ),
            secret(
                "repository",
                &json!({"url": "https://git.example.org/a/bare.git", "proxy": "http://proxy:3128", "insecure": "true"}),
            ),
            secret(
                "repository",
                &json!({"type": "helm", "url": "https://git.example.org/a/chart", "username": "helm", "password": "1"}),
            ),
            secret(
                "repo-creds",
                &json!({"url": "https://git.example.org/", "username": "all", "password": "2"}),
            ),
            secret(
                "repo-creds",
                &json!({"url": "https://git.example.org/a/", "username": "team", "password": "3"}),
            ),
            secret(
                "repo-creds",
                &json!({"url": "git@git.example.org:a", "sshPrivateKey": "KEY"}),
            ),
            secret(
                "cluster",
                &json!({"url": "https://git.example.org/a/own", "username": "no"}),
            ),
        ];
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let known = ArgoCdSecrets::read(&secrets, &clock)
            .unwrap()
            .with_known_hosts("HOSTS")
            .with_authorities("git.example.org", "PEM");
        let access = async |url: &str| known.access(&GitUrl::parse(url).unwrap()).await.unwrap();
        for (url, expected) in [
            ("https://git.example.org/a/own.git", "own:1"),
            ("https://git.example.org/A/Own", "own:1"),
            ("https://git.example.org/a/bare", "team:3"),
            ("https://git.example.org/a/chart", "team:3"),
            ("https://git.example.org/b/x", "all:2"),
            ("https://other.example.org/b/x", "-"),
        ] {
            assert_eq!(user(&access(url).await), expected, "{url}");
        }
        let bare = access("https://git.example.org/a/bare").await;
        assert!(bare.tls.insecure);
        assert_eq!(bare.tls.authorities.as_deref(), Some("PEM"));
        assert_eq!(bare.proxy.unwrap().url, "http://proxy:3128");
        let ssh = access("git@git.example.org:a/x.git").await.ssh.unwrap();
        assert_eq!(ssh.key.expose(), "KEY");
        assert_eq!(ssh.known_hosts.as_deref(), Some("HOSTS"));
        assert!(!format!("{ssh:?}").contains("KEY"));
    }
}
