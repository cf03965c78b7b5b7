//! The Secrets that Flux's GitRepository refers to.

use std::sync::Arc;

use gitops_core::clock::Clock;

use super::{
    Access, Authorization, ClientCertificate, GitHubApp, Proxy, Secret, SecretData, SshIdentity,
};
use crate::error::GitError;

/// Access from the Secret of `spec.secretRef`: `username` and `password`, or `bearerToken`; `ca.crt` (or the
/// older `caFile`); `tls.crt` with `tls.key`; for ssh `identity` with `known_hosts` and perhaps the key's passphrase
/// as `password`.
///
/// For the provider `github` use [`flux_github_app`](GitHubApp::from_flux).
pub fn flux_access(data: &SecretData) -> Result<Access, GitError> {
    let mut access = Access::default();
    match (
        data.get("username"),
        data.get("password"),
        data.get("bearerToken"),
    ) {
        (_, _, Some(token)) => {
            access.authorization = Some(Authorization::Bearer(token.into()));
        }
        (Some(user), Some(password), None) => {
            access.authorization = Some(Authorization::Basic {
                user: user.to_owned(),
                password: password.into(),
            });
        }
        (Some(_), None, None) => {
            return Err(invalid("`username` needs `password` beside it"));
        }
        _ => {}
    }
    access.tls.authorities = data.text("ca.crt").or_else(|| data.text("caFile"));
    match (data.get("tls.crt"), data.get("tls.key")) {
        (Some(certificate), Some(key)) => {
            access.tls.client = Some(ClientCertificate {
                certificate: certificate.to_owned(),
                key: key.into(),
            });
        }
        (None, None) => {}
        _ => return Err(invalid("`tls.crt` and `tls.key` need each other")),
    }
    if let Some(key) = data.get("identity") {
        let known_hosts = data
            .text("known_hosts")
            .ok_or_else(|| invalid("`identity` needs `known_hosts` beside it"))?;
        let mut identity = SshIdentity::new(key).known_hosts(known_hosts);
        // Over ssh the password is the key's passphrase.
        identity.passphrase = data.get("password").map(Secret::from);
        access.ssh = Some(identity);
        access.authorization = None;
    }
    Ok(access)
}

/// The proxy from the Secret of `spec.proxySecretRef`: `address`, `username`, `password`.
pub fn flux_proxy(data: &SecretData) -> Result<Proxy, GitError> {
    let url = data
        .text("address")
        .ok_or_else(|| GitError::InvalidOption {
            what: "Flux proxy Secret",
            reason: "it has no `address`".to_owned(),
        })?;
    Ok(Proxy {
        url,
        login: data
            .text("username")
            .map(|user| (user, Secret::new(data.get("password").unwrap_or_default()))),
        except: None,
    })
}

impl GitHubApp {
    /// The GitHub App from the Secret of a GitRepository with the provider `github`: `githubAppID`,
    /// `githubAppPrivateKey`, one of `githubAppInstallationID` and `githubAppInstallationOwner`, and perhaps
    /// `githubAppBaseURL`.
    pub fn from_flux(data: &SecretData, clock: Arc<dyn Clock>) -> Result<Self, GitError> {
        let needed = |key: &str| {
            data.get(key)
                .map(str::trim)
                .ok_or_else(|| invalid(&format!("it has no `{key}`")))
        };
        let mut app = Self::new(
            needed("githubAppID")?,
            needed("githubAppPrivateKey")?,
            clock,
        )?;
        app = match (
            data.get("githubAppInstallationID"),
            data.get("githubAppInstallationOwner"),
        ) {
            (Some(id), None) => app.installation(id.trim()),
            (None, Some(owner)) => app.owner(owner.trim()),
            _ => {
                return Err(invalid(
                    "exactly one of `githubAppInstallationID` and `githubAppInstallationOwner` is needed",
                ));
            }
        };
        match data.get("githubAppBaseURL") {
            Some(base) => app.base_url(base),
            None => Ok(app),
        }
    }
}

fn invalid(reason: &str) -> GitError {
    GitError::InvalidOption {
        what: "Flux Secret",
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_git_repository_secret() {
        let access = flux_access(
            &SecretData::default()
                .with("username", "flux")
                .with("password", "pw")
                .with("ca.crt", "CA"),
        )
        .unwrap();
        assert_eq!(access.tls.authorities.as_deref(), Some("CA"));
        assert!(matches!(
            access.authorization,
            Some(Authorization::Basic { user, .. }) if user == "flux"
        ));
        let ssh = SecretData::default().with("identity", "KEY");
        let error = flux_access(&ssh).unwrap_err();
        assert!(error.to_string().contains("known_hosts"));
        let access = flux_access(&ssh.with("known_hosts", "HOSTS").with("password", "x")).unwrap();
        assert!(access.ssh.is_some() && access.authorization.is_none());
        let half = SecretData::default().with("tls.crt", "x");
        assert!(flux_access(&half).is_err());
        let proxy = flux_proxy(
            &SecretData::default()
                .with("address", "http://p:3128")
                .with("username", "u"),
        )
        .unwrap();
        assert_eq!(proxy.url, "http://p:3128");
        assert!(proxy.login.is_some());
    }
}
