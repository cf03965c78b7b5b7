//! Git's smart HTTP transport (gitprotocol-http).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use gitops_core::clock::Clock;
use reqwest::{
    Client, Response, StatusCode,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
        RETRY_AFTER,
    },
};
use url::Url;

use crate::{
    credentials::{Access, Authorization, Proxy, Secret, Tls},
    error::GitError,
    options::Timeouts,
    remote::{Service, pkt::Body},
};

/// How many redirects one request follows.
const REDIRECTS: usize = 10;
/// What of an error page is looked at.
const ERROR_PAGE: usize = 4096;
const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

/// Trust and proxy, which a client has for good.
type Way = (Tls, Option<Proxy>);

/// HTTP clients, one per trust and proxy, so that connections are reused.
#[derive(Default)]
pub(crate) struct Clients {
    clients: Mutex<Vec<(Way, Client)>>,
}

impl Clients {
    /// The client for this kind of access.
    pub(crate) fn get(&self, access: &Access, timeouts: &Timeouts) -> Result<Client, GitError> {
        let key = (access.tls.clone(), access.proxy.clone());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == key) {
            return Ok(client.clone());
        }
        let client = build(&access.tls, access.proxy.as_ref(), timeouts)?;
        clients.push((key, client.clone()));
        Ok(client)
    }
}

fn build(tls: &Tls, proxy: Option<&Proxy>, timeouts: &Timeouts) -> Result<Client, GitError> {
    let invalid = |what: &'static str, error: &dyn std::fmt::Display| GitError::InvalidOption {
        what,
        reason: error.to_string(),
    };
    let mut builder = Client::builder()
        .user_agent(super::AGENT)
        .connect_timeout(timeouts.connect)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy();
    if let Some(authorities) = &tls.authorities {
        let certificates = reqwest::Certificate::from_pem_bundle(authorities.as_bytes())
            .map_err(|error| invalid("certificate authorities", &error))?;
        if certificates.is_empty() {
            return Err(invalid(
                "certificate authorities",
                &"there is no PEM certificate in it",
            ));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(client) = &tls.client {
        let pem = format!("{}\n{}\n", client.certificate, client.key.expose());
        let identity = reqwest::Identity::from_pem(pem.as_bytes())
            .map_err(|_| invalid("client certificate", &"certificate or key is not valid PEM"))?;
        builder = builder.identity(identity);
    }
    if tls.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    if let Some(proxy) = proxy {
        let mut through = reqwest::Proxy::all(&proxy.url)
            .map_err(|_| invalid("proxy", &"its URL cannot be parsed"))?;
        if let Some((user, password)) = &proxy.login {
            through = through.basic_auth(user, password.expose());
        }
        if let Some(except) = &proxy.except {
            through = through.no_proxy(reqwest::NoProxy::from_string(except));
        }
        builder = builder.proxy(through);
    }
    builder
        .build()
        .map_err(|error| invalid("TLS and proxy options", &describe(&error)))
}

/// One repository over HTTP.
pub(crate) struct Endpoint<'a> {
    pub(crate) client: Client,
    /// Without trailing `/`.
    pub(crate) base: Url,
    /// The base that the credentials are for.
    pub(crate) origin: Url,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) url: &'a str,
    pub(crate) idle: Duration,
    pub(crate) clock: &'a dyn Clock,
}

impl Endpoint<'_> {
    /// Asks for the advertisement of a service and follows redirects.
    pub(crate) async fn discover(&mut self, service: Service) -> Result<Body, GitError> {
        let suffix = format!("/info/refs?service={}", service.name());
        let mut target = self.join(&suffix)?;
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            if service == Service::Upload {
                headers.insert(GIT_PROTOCOL, HeaderValue::from_static("version=2"));
            }
            self.authorize(&target, &mut headers)?;
            let response = self
                .send(self.client.get(target.clone()).headers(headers))
                .await?;
            if let Some(next) = self.redirect(&target, &response)? {
                let Some(base) = next.as_str().strip_suffix(&suffix) else {
                    return Err(self.protocol(format!(
                        "it redirects to {}, which is no place for a repository",
                        crate::url::redact(next.as_str())
                    )));
                };
                self.base = Url::parse(base).map_err(|error| self.protocol(error.to_string()))?;
                target = next;
                continue;
            }
            let response = self.check(response).await?;
            let expected = format!("application/x-{}-advertisement", service.name());
            let found = content_type(&response);
            if found != expected {
                return Err(self.protocol(if found.starts_with("text/plain") {
                    "the server offers only plain files (dumb HTTP); serve it with git http-backend"
                        .to_owned()
                } else {
                    format!("the answer is `{found}`; is this the URL of a Git repository?")
                }));
            }
            return Ok(Body::Http(Box::new(response)));
        }
        Err(self.protocol(format!("more than {REDIRECTS} redirects")))
    }

    /// Sends a request to a service.
    pub(crate) async fn request(
        &self,
        service: Service,
        version_2: bool,
        body: Vec<u8>,
    ) -> Result<Body, GitError> {
        let target = self.join(&format!("/{}", service.name()))?;
        let mut headers = HeaderMap::new();
        let value = |text: String| HeaderValue::try_from(text).expect("made of ASCII letters");
        headers.insert(
            CONTENT_TYPE,
            value(format!("application/x-{}-request", service.name())),
        );
        headers.insert(
            ACCEPT,
            value(format!("application/x-{}-result", service.name())),
        );
        if version_2 {
            headers.insert(GIT_PROTOCOL, HeaderValue::from_static("version=2"));
        }
        self.authorize(&target, &mut headers)?;
        let response = self
            .send(self.client.post(target.clone()).headers(headers).body(body))
            .await?;
        if let Some(next) = self.redirect(&target, &response)? {
            return Err(self.protocol(format!(
                "it redirects a request to {} after it accepted the first one",
                crate::url::redact(next.as_str())
            )));
        }
        let response = self.check(response).await?;
        let expected = format!("application/x-{}-result", service.name());
        let found = content_type(&response);
        if found != expected {
            return Err(self.protocol(format!("the answer is `{found}` and not `{expected}`")));
        }
        Ok(Body::Http(Box::new(response)))
    }

    fn join(&self, suffix: &str) -> Result<Url, GitError> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{suffix}")).map_err(|error| self.protocol(error.to_string()))
    }

    /// Credentials go only to the scheme, host and port that they are for.
    fn authorize(&self, target: &Url, headers: &mut HeaderMap) -> Result<(), GitError> {
        if target.origin() != self.origin.origin() {
            return Ok(());
        }
        let text = match &self.authorization {
            None => return Ok(()),
            Some(Authorization::Basic { user, password }) => {
                let pair = Secret::new(format!("{user}:{}", password.expose()));
                format!(
                    "Basic {}",
                    base64::engine::general_purpose::STANDARD.encode(pair.expose())
                )
            }
            Some(Authorization::Bearer(token)) => format!("Bearer {}", token.expose()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| GitError::InvalidOption {
            what: "credentials",
            reason: "they contain characters that HTTP does not allow".to_owned(),
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, GitError> {
        match tokio::time::timeout(self.idle, request.send()).await {
            Err(_) => Err(GitError::Timeout {
                url: self.url.to_owned(),
                after: self.idle,
            }),
            Ok(Err(error)) => Err(GitError::Unavailable {
                url: self.url.to_owned(),
                reason: describe(&error),
                retry_after: None,
            }),
            Ok(Ok(response)) => Ok(response),
        }
    }

    fn redirect(&self, from: &Url, response: &Response) -> Result<Option<Url>, GitError> {
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| self.protocol("it redirects to nowhere".to_owned()))?;
        let mut next = from
            .join(location)
            .map_err(|error| self.protocol(format!("it redirects to a bad URL: {error}")))?;
        let _ = next.set_username("");
        let _ = next.set_password(None);
        match (from.scheme(), next.scheme()) {
            ("http" | "https", "https") | ("http", "http") => Ok(Some(next)),
            (_, scheme) => {
                Err(self.protocol(format!("it redirects to `{scheme}://`, which is less safe")))
            }
        }
    }

    async fn check(&self, mut response: Response) -> Result<Response, GitError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = self.retry_after(response.headers());
        let url = self.url.to_owned();
        let asked = self.authorization.is_some();
        let words = self.words(&mut response).await;
        let reason = match words {
            Some(words) => format!("HTTP {}: {words}", status.as_u16()),
            None => format!("HTTP {status}"),
        };
        Err(match status {
            StatusCode::UNAUTHORIZED => GitError::Unauthenticated {
                url,
                reason: if asked {
                    reason
                } else {
                    format!("{reason}; it asks for credentials and none are configured")
                },
            },
            StatusCode::FORBIDDEN if retry_after.is_some() => GitError::Throttled {
                url,
                reason,
                retry_after,
            },
            StatusCode::FORBIDDEN => GitError::Forbidden { url, reason },
            StatusCode::NOT_FOUND | StatusCode::GONE => GitError::UnknownRepository { url },
            StatusCode::TOO_MANY_REQUESTS => GitError::Throttled {
                url,
                reason,
                retry_after,
            },
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => GitError::Unauthenticated {
                url,
                reason: format!("{reason}; the proxy asks for credentials"),
            },
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                GitError::Unavailable {
                    url,
                    reason,
                    retry_after,
                }
            }
            _ => GitError::Protocol { url, reason },
        })
    }

    /// The first line of a plain answer to a failed request.
    async fn words(&self, response: &mut Response) -> Option<String> {
        if !content_type(response).starts_with("text/plain") {
            return None;
        }
        let mut page = Vec::new();
        while page.len() < ERROR_PAGE {
            match tokio::time::timeout(self.idle, response.chunk()).await {
                Ok(Ok(Some(chunk))) => page.extend_from_slice(&chunk),
                _ => break,
            }
        }
        page.truncate(ERROR_PAGE);
        let text = String::from_utf8_lossy(&page);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
        Some(
            line.chars()
                .filter(|char| !char.is_control())
                .take(200)
                .collect(),
        )
    }

    fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        date.duration_since(self.clock.now()).try_into().ok()
    }

    fn protocol(&self, reason: String) -> GitError {
        GitError::Protocol {
            url: self.url.to_owned(),
            reason,
        }
    }
}

fn content_type(response: &Response) -> String {
    response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("without type")
        .to_owned()
}

/// What went wrong inside the HTTP client, without the URL (which may carry credentials).
pub(crate) fn describe(error: &reqwest::Error) -> String {
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut text = None;
    while let Some(cause) = source {
        text = Some(cause.to_string());
        source = cause.source();
    }
    text.unwrap_or_else(|| {
        if error.is_timeout() {
            "the connection was not made in time".to_owned()
        } else if error.is_connect() {
            "the connection was refused".to_owned()
        } else {
            "the HTTP exchange failed".to_owned()
        }
    })
}
