//! GitHub Apps: a signed statement of who the App is, exchanged for a token of an hour.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gitops_core::clock::{Clock, Timestamp};
use tokio::sync::Mutex;
use url::Url;

use super::{Access, Authorization, Secret};
use crate::{
    error::GitError,
    options::Timeouts,
    remote::http::{Clients, describe},
    url::GitUrl,
};

/// A token is replaced when it has less than this left.
const MARGIN: Duration = Duration::from_secs(300);
/// Bytes of an answer of GitHub's, at most.
const ANSWER: usize = 1 << 20;

/// Installations of one page of their list.
const PAGE: usize = 100;
/// Pages looked through, at most.
const PAGES: usize = 50;

/// A GitHub App that asks for tokens in its own name and renews them before they end.
pub struct GitHubApp {
    id: String,
    key: KeyPair,
    installation: Option<String>,
    owner: Option<String>,
    base: Url,
    clock: Arc<dyn Clock>,
    clients: Clients,
    tokens: Mutex<HashMap<Whose, (Secret, Timestamp)>>,
}

impl std::fmt::Debug for GitHubApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHubApp")
            .field("id", &self.id)
            .field("installation", &self.installation)
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl GitHubApp {
    /// The App with this id and private key (PEM, PKCS#1 or PKCS#8).
    pub fn new(
        id: impl Into<String>,
        private_key: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, GitError> {
        Ok(Self {
            id: id.into(),
            key: parse_key(private_key).ok_or_else(|| invalid("it is no RSA key in PEM"))?,
            installation: None,
            owner: None,
            base: Url::parse("https://api.github.com/").expect("a constant URL"),
            clock,
            clients: Clients::default(),
            tokens: Mutex::default(),
        })
    }

    /// The installation whose token is used. Without one it is found by the owner.
    #[must_use]
    pub fn installation(mut self, id: impl Into<String>) -> Self {
        self.installation = Some(id.into());
        self
    }

    /// The account whose installation is used. Without one it is the owner that each repository's URL names.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// The API of a GitHub of one's own, such as `https://ghe.example.org/api/v3`.
    pub fn base_url(mut self, url: &str) -> Result<Self, GitError> {
        let mut base = Url::parse(url).map_err(|_| invalid("its base URL cannot be parsed"))?;
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        self.base = base;
        Ok(self)
    }

    /// Access to a repository with a token of the App's, which is asked for through the proxy and with the trust of
    /// `access`, and kept until shortly before it ends.
    pub async fn grant(&self, url: &GitUrl, access: Access) -> Result<Access, GitError> {
        let authorization = Some(self.authorization(url, &access).await?);
        Ok(Access {
            authorization,
            ..access
        })
    }

    async fn authorization(
        &self,
        url: &GitUrl,
        access: &Access,
    ) -> Result<Authorization, GitError> {
        let whose = match (&self.installation, &self.owner) {
            (Some(id), _) => Whose::Installation(id.clone()),
            (None, Some(owner)) => Whose::Owner(owner.to_ascii_lowercase()),
            (None, None) => Whose::Owner(
                owner_of(url)
                    .ok_or_else(|| invalid("the URL names no owner"))?
                    .to_ascii_lowercase(),
            ),
        };
        // Held while GitHub is asked, so that many repositories ask once.
        let mut tokens = self.tokens.lock().await;
        let now = self.clock.now();
        tokens.retain(|_, (_, until)| {
            Duration::try_from(until.duration_since(now)).is_ok_and(|left| left > MARGIN)
        });
        let secret = match tokens.get(&whose) {
            Some((secret, _)) => secret.clone(),
            None => {
                let (secret, until) = self.exchange(&whose, access, now).await?;
                tokens.insert(whose, (secret.clone(), until));
                secret
            }
        };
        Ok(Authorization::Basic {
            user: "x-access-token".to_owned(),
            password: secret,
        })
    }

    async fn exchange(
        &self,
        whose: &Whose,
        access: &Access,
        now: Timestamp,
    ) -> Result<(Secret, Timestamp), GitError> {
        let statement = self.statement(now)?;
        let client = self.clients.get(access, &Timeouts::default())?;
        let installation = match whose {
            Whose::Installation(id) => id.clone(),
            Whose::Owner(owner) => self.installation_of(owner, &client, &statement).await?,
        };
        let path = format!("app/installations/{installation}/access_tokens");
        let answer = self
            .ask(client.post(self.endpoint(&path)?), &statement)
            .await?;
        let field = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
        let token = field("token").ok_or_else(|| self.broken("the answer has no token"))?;
        let until = field("expires_at")
            .and_then(|text| text.parse::<Timestamp>().ok())
            .ok_or_else(|| self.broken("the answer does not say when the token ends"))?;
        Ok((Secret::new(token), until))
    }

    /// The installation of an account.
    async fn installation_of(
        &self,
        owner: &str,
        client: &reqwest::Client,
        statement: &Secret,
    ) -> Result<String, GitError> {
        for page in 1..=PAGES {
            let path = format!("app/installations?per_page={PAGE}&page={page}");
            let list = self
                .ask(client.get(self.endpoint(&path)?), statement)
                .await?;
            let list = list
                .as_array()
                .ok_or_else(|| self.broken("the list of installations is none"))?;
            let found = list.iter().find(|one| {
                one.pointer("/account/login")
                    .and_then(serde_json::Value::as_str)
                    .is_some_and(|login| login.eq_ignore_ascii_case(owner))
            });
            if let Some(id) = found.and_then(|one| one.get("id")) {
                return Ok(id.to_string());
            }
            if list.len() < PAGE {
                break;
            }
        }
        Err(invalid(&format!("it is not installed for `{owner}`")))
    }

    /// A JSON web token (RFC 7519) that says who the App is.
    fn statement(&self, now: Timestamp) -> Result<Secret, GitError> {
        // A minute back, for clocks that differ; GitHub allows ten minutes at most.
        let issued = now.as_second() - 60;
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
        let claims = serde_json::json!({"iat": issued, "exp": issued + 600, "iss": self.id});
        let body = URL_SAFE_NO_PAD.encode(claims.to_string());
        let text = format!("{head}.{body}");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| invalid("it cannot sign"))?;
        Ok(Secret::new(format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(signature)
        )))
    }

    async fn ask(
        &self,
        request: reqwest::RequestBuilder,
        statement: &Secret,
    ) -> Result<serde_json::Value, GitError> {
        let unavailable = |reason: String| GitError::Unavailable {
            url: self.base.to_string(),
            reason,
            retry_after: None,
        };
        let request = request
            .bearer_auth(statement.expose())
            .header("Accept", "application/vnd.github+json")
            .timeout(Timeouts::default().idle);
        let mut response = request
            .send()
            .await
            .map_err(|error| unavailable(describe(&error)))?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        if status == reqwest::StatusCode::TOO_MANY_REQUESTS
            || (status == reqwest::StatusCode::FORBIDDEN && retry_after.is_some())
        {
            return Err(GitError::Throttled {
                url: self.base.to_string(),
                reason: format!("HTTP {status} for the GitHub App {}", self.id),
                retry_after,
            });
        }
        if status.is_client_error() {
            return Err(GitError::Unauthenticated {
                url: self.base.to_string(),
                reason: format!("HTTP {status} for the GitHub App {}", self.id),
            });
        }
        if !status.is_success() {
            return Err(unavailable(format!("HTTP {status}")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unavailable(describe(&error)))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER {
                return Err(self.broken("the answer is too long"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| self.broken("the answer is no JSON"))
    }

    fn endpoint(&self, path: &str) -> Result<Url, GitError> {
        self.base
            .join(path)
            .map_err(|_| self.broken("the installation's id is not usable in a URL"))
    }

    fn broken(&self, reason: &str) -> GitError {
        GitError::Protocol {
            url: self.base.to_string(),
            reason: reason.to_owned(),
        }
    }
}

/// Whose installation a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Installation(String),
    /// An account, in lower case.
    Owner(String),
}

fn owner_of(url: &GitUrl) -> Option<String> {
    let path = url.path()?;
    let owner = path.trim_start_matches('/').split('/').next()?;
    (!owner.is_empty()).then(|| owner.to_owned())
}

fn parse_key(pem: &str) -> Option<KeyPair> {
    let begin = pem.find("-----BEGIN ")?;
    let body = &pem[begin..];
    let start = body.find('\n')? + 1;
    let end = body.find("-----END ")?;
    let text: String = body
        .get(start..end)?
        .chars()
        .filter(|char| !char.is_whitespace())
        .collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    KeyPair::from_pkcs8(&der)
        .or_else(|_| KeyPair::from_der(&der))
        .ok()
}

fn invalid(reason: &str) -> GitError {
    GitError::InvalidOption {
        what: "GitHub App",
        reason: reason.to_owned(),
    }
}
