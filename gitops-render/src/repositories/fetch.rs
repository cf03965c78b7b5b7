//! Reads files over HTTP or from the local disk.

use std::{fmt, io::Read as _, path::PathBuf, time::Duration};

use bytes::{Bytes, BytesMut};
use gitops_core::{ErrorClass, source::SourceError};
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use url::Url;

use crate::repositories::{Credential, RepositoryOptions, TlsOptions};

/// Where a file or directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Http(Url),
    Local(PathBuf),
}

impl Place {
    /// A URL, or a local path where those are allowed.
    pub(super) fn parse(text: &str, local: bool) -> Result<Self, SourceError> {
        let invalid = |reason: &str| SourceError::InvalidUrl {
            url: shown(text),
            reason: reason.to_owned(),
        };
        if text.starts_with("http://") || text.starts_with("https://") {
            return Url::parse(text)
                .map(Self::Http)
                .map_err(|error| invalid(&error.to_string()));
        }
        if text.starts_with("oci://") {
            return Err(SourceError::Other {
                class: ErrorClass::Unsupported,
                source: format!("{}: OCI registries are not supported", shown(text)).into(),
            });
        }
        let path = text.strip_prefix("file://").unwrap_or(text);
        if path.contains("://") {
            return Err(invalid("use http, https or a local path"));
        }
        if !local {
            return Err(invalid("local repositories are not allowed here"));
        }
        Ok(Self::Local(path.into()))
    }

    /// A file below a directory.
    pub(super) fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::Http(url) => {
                let mut url = url.clone();
                let path = format!("{}/{name}", url.path().trim_end_matches('/'));
                url.set_path(&path);
                Self::Http(url)
            }
        }
    }
}

impl fmt::Display for Place {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(&shown(url.as_str())),
            Self::Local(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A URL without user name, password and query.
pub(super) fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.has_host() => {
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            parsed.set_query(None);
            let text = parsed.to_string();
            if url.ends_with('/') {
                text
            } else {
                text.trim_end_matches('/').to_owned()
            }
        }
        _ => url.to_owned(),
    }
}

/// Reads files within bounds of time and size.
pub(super) struct Fetcher {
    client: Client,
    timeout: Duration,
    limit: u64,
}

impl Fetcher {
    pub(super) fn new(options: &RepositoryOptions) -> Result<Self, SourceError> {
        let timeout = options.timeout;
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .user_agent(concat!("gitops/", env!("CARGO_PKG_VERSION")));
        let client = with_certificates(client, &options.tls)?
            .build()
            .map_err(|error| SourceError::Other {
                class: ErrorClass::Internal,
                source: Box::new(error),
            })?;
        Ok(Self {
            client,
            timeout,
            limit: options.download_bytes,
        })
    }

    pub(super) async fn get(
        &self,
        place: &Place,
        credential: Option<&Credential>,
    ) -> Result<Bytes, SourceError> {
        match place {
            Place::Local(path) => self.read(path),
            Place::Http(url) => self.download(url, credential).await,
        }
    }

    fn read(&self, path: &std::path::Path) -> Result<Bytes, SourceError> {
        let url = path.display().to_string();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::UnknownRepository { url: url.clone() },
            _ => SourceError::Unavailable {
                url: url.clone(),
                reason: error.to_string(),
                retry_after: None,
            },
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut content = Vec::new();
        file.take(self.limit + 1)
            .read_to_end(&mut content)
            .map_err(failed)?;
        if content.len() as u64 > self.limit {
            return Err(self.too_large(&url));
        }
        Ok(content.into())
    }

    async fn download(
        &self,
        url: &Url,
        credential: Option<&Credential>,
    ) -> Result<Bytes, SourceError> {
        let name = shown(url.as_str());
        let mut request = self.client.get(url.clone());
        if let Some(credential) = credential {
            request = request.basic_auth(&credential.username, Some(&credential.password));
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                return SourceError::Timeout {
                    url: name.clone(),
                    after: self.timeout,
                };
            }
            SourceError::Unavailable {
                url: name.clone(),
                reason: error.without_url().to_string(),
                retry_after: None,
            }
        };
        let mut response = request.send().await.map_err(failed)?;
        check_status(&name, &response)?;
        let mut content = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            content.extend_from_slice(&chunk);
            if content.len() as u64 > self.limit {
                return Err(self.too_large(&name));
            }
        }
        Ok(content.freeze())
    }

    fn too_large(&self, url: &str) -> SourceError {
        SourceError::Tree(gitops_core::source::TreeError::LimitExceeded {
            path: url.to_owned(),
            limit: "download size in bytes",
            allowed: self.limit,
        })
    }
}

fn with_certificates(
    mut client: ClientBuilder,
    tls: &TlsOptions,
) -> Result<ClientBuilder, SourceError> {
    let invalid = |what: &str, reason: String| SourceError::Other {
        class: ErrorClass::Invalid,
        source: format!("{what} cannot be used: {reason}").into(),
    };
    if let Some(ca) = &tls.ca {
        let certificates = Certificate::from_pem_bundle(ca)
            .map_err(|error| invalid("the CA bundle", error.to_string()))?;
        if certificates.is_empty() {
            let reason = "it has no certificate in PEM";
            return Err(invalid("the CA bundle", reason.to_owned()));
        }
        client = client.tls_certs_only(certificates);
    }
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            let pem = [certificate.as_ref(), b"\n", key.as_ref()].concat();
            let identity = Identity::from_pem(&pem)
                .map_err(|error| invalid("the client's certificate and key", error.to_string()))?;
            client = client.identity(identity);
        }
        (None, None) => {}
        _ => {
            let reason = "certificate and key belong together, one is missing";
            return Err(invalid("the client's certificate", reason.to_owned()));
        }
    }
    Ok(client.tls_danger_accept_invalid_certs(tls.accept_invalid_certificates))
}

fn check_status(url: &str, response: &reqwest::Response) -> Result<(), SourceError> {
    let status = response.status();
    let url = url.to_owned();
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED => Err(SourceError::Unauthenticated {
            url,
            reason: status.to_string(),
        }),
        StatusCode::FORBIDDEN => Err(SourceError::Forbidden {
            url,
            reason: status.to_string(),
        }),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(SourceError::UnknownRepository { url }),
        status => {
            let retry_after = response
                .headers()
                .get(reqwest::header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .map(Duration::from_secs);
            Err(SourceError::Unavailable {
                url,
                reason: status.to_string(),
                retry_after,
            })
        }
    }
}
