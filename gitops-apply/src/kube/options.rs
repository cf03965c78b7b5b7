//! How a cluster is talked to.

use std::time::Duration;

/// How a [`KubeCluster`](super::KubeCluster) behaves.
#[derive(Debug, Clone)]
pub struct KubeOptions {
    /// Every try of a request but a watch ends within this time.
    pub request_timeout: Duration,
    /// How often a request is sent again where that is safe: reads after any failure that may pass,
    /// writes when the server said that it did not take them (429).
    pub retries: u32,
    /// How many retries all requests together may use.
    pub retry_budget: Rate,
    /// How long a server that has answered before is waited for while it accepts no connections, as
    /// when it is restarted. Nothing was sent then, so writes wait too.
    pub connect_patience: Duration,
    /// Requests are held back to this rate; `None` leaves that to the server's own fairness.
    pub rate_limit: Option<Rate>,
    /// Items of a page of a list.
    pub page_size: u32,
    /// What the cluster serves is asked for again after this time, and whenever a kind is missing.
    pub discovery_age: Duration,
    /// The server is asked to end a watch after this time, so that servers share the load again.
    pub watch_time: Duration,
    /// A watch that has said nothing for so long, no bookmark even, is given up: its connection may
    /// be dead. Whoever reads it opens another from where it ended, which costs one request.
    pub watch_silence: Duration,
    /// Acts as somebody else.
    pub impersonate: Option<Impersonation>,
}

impl Default for KubeOptions {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(30),
            retries: 5,
            retry_budget: Rate {
                per_second: 50.0,
                burst: 500,
            },
            connect_patience: Duration::from_secs(30),
            rate_limit: None,
            page_size: 500,
            discovery_age: Duration::from_secs(60),
            watch_time: Duration::from_secs(290),
            watch_silence: Duration::from_secs(150),
            impersonate: None,
        }
    }
}

/// So many a second, and so many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "a rate has no other parts")]
pub struct Rate {
    /// In the long run.
    pub per_second: f64,
    /// At once.
    pub burst: u32,
}

/// Whom requests are sent as; the credentials must be allowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// Name of the user, as in `system:serviceaccount:shop:deployer`.
    pub user: String,
    /// Groups; the server adds none by itself.
    pub groups: Vec<String>,
    /// Uid of the user.
    pub uid: Option<String>,
}

impl Impersonation {
    /// A user without groups.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self {
            user: name.into(),
            ..Self::default()
        }
    }

    /// A service account, with the groups that the server gives it.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            user: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            uid: None,
        }
    }
}
