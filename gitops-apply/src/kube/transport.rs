//! Sending requests: deadlines, retries, rate, impersonation.

use std::{future::Future, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use gitops_core::{Classified as _, ErrorClass, cluster::ClusterError};
use http::{Request, header};
use http_body_util::BodyExt as _;
use kube::{client::Body, core::Status};
use serde_json::Value;

use super::{
    KubeCluster, failure,
    failure::Failed,
    pace,
    request::{Call, JSON, Method},
};

const USER_AGENT: &str = concat!("gitops/", env!("CARGO_PKG_VERSION"));

impl KubeCluster {
    /// Sends a request; the answer is JSON.
    pub(super) async fn send(&self, call: &Call) -> Result<Value, ClusterError> {
        self.send_accepting(call, JSON).await
    }

    pub(super) async fn send_accepting(
        &self,
        call: &Call,
        accept: &str,
    ) -> Result<Value, ClusterError> {
        let body = self.patiently(call, || self.once(call, accept)).await?;
        serde_json::from_slice(&body).map_err(|error| ClusterError::Other {
            class: ErrorClass::Internal,
            source: format!("the answer to {} is no JSON: {error}", call.object).into(),
        })
    }

    /// Sends again what can be sent again.
    pub(super) async fn patiently<T, F, Fut>(
        &self,
        call: &Call,
        attempt: F,
    ) -> Result<T, ClusterError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, Failed>>,
    {
        let started = self.clock.now();
        let mut tries = 0;
        loop {
            if let Some(limit) = &self.limit {
                limit.take(&*self.clock).await;
            }
            let failed = match attempt().await {
                Ok(value) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return Ok(value);
                }
                Err(failed) => failed,
            };
            let now = self.clock.now();
            let goes_on = if failed.unsent {
                let since = Duration::try_from(now.duration_since(started)).unwrap_or_default();
                self.has_answered.load(Ordering::Relaxed) && since < self.options.connect_patience
            } else {
                self.has_answered.store(true, Ordering::Relaxed);
                let is_safe = call.method == Method::Get
                    || matches!(failed.error, ClusterError::Throttled { .. });
                is_safe
                    && failed.error.is_retryable()
                    && tries < self.options.retries
                    && self.budget.try_take(now)
            };
            if !goes_on {
                return Err(failed.error);
            }
            let pause = failed
                .error
                .retry_after()
                .unwrap_or_else(|| pace::pause(&call.path, tries))
                .min(self.options.request_timeout);
            tries += 1;
            tracing::debug!(request = call.object, tries, ?pause, error = %failed.error, "again");
            self.clock.sleep(pause).await;
        }
    }

    async fn once(&self, call: &Call, accept: &str) -> Result<Bytes, Failed> {
        let request = self.request(call, accept)?;
        let limit = self.options.request_timeout;
        match tokio::time::timeout(limit, self.exchange(call, request)).await {
            Ok(done) => done,
            Err(_) => Err(ClusterError::Timeout { after: limit }.into()),
        }
    }

    async fn exchange(&self, call: &Call, request: Request<Vec<u8>>) -> Result<Bytes, Failed> {
        let response = self
            .client
            .send(request.map(Body::from))
            .await
            .map_err(|error| failure::of(error, call))?;
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| failure::of(error, call))?
            .to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        Err(refusal(&head, &body, call).into())
    }

    /// Sends a request whose answer is read as it comes.
    pub(super) async fn begin(&self, call: &Call, accept: &str) -> Result<Body, Failed> {
        let mut request = self.request(call, accept)?;
        // Servers may compress each line of a stream for itself, which is read up to the first only.
        request.headers_mut().insert(
            header::ACCEPT_ENCODING,
            header::HeaderValue::from_static("identity"),
        );
        let limit = self.options.request_timeout;
        let opening = async {
            let response = self.client.send(request.map(Body::from)).await;
            let response = response.map_err(|error| failure::of(error, call))?;
            let (head, body) = response.into_parts();
            if head.status.is_success() {
                return Ok(body);
            }
            let body = body.collect().await;
            let body = body.map_err(|error| failure::of(error, call))?.to_bytes();
            Err(refusal(&head, &body, call).into())
        };
        match tokio::time::timeout(limit, opening).await {
            Ok(done) => done,
            Err(_) => Err(ClusterError::Timeout { after: limit }.into()),
        }
    }

    pub(super) fn request(
        &self,
        call: &Call,
        accept: &str,
    ) -> Result<Request<Vec<u8>>, ClusterError> {
        let mut request = call.request(accept)?;
        let headers = request.headers_mut();
        headers.insert(
            header::USER_AGENT,
            header::HeaderValue::from_static(USER_AGENT),
        );
        let Some(other) = &self.options.impersonate else {
            return Ok(request);
        };
        let mut add = |name: &'static str, value: &str| {
            let value = header::HeaderValue::from_str(value).map_err(failure::config)?;
            headers.append(name, value);
            Ok::<_, ClusterError>(())
        };
        add("impersonate-user", &other.user)?;
        for group in &other.groups {
            add("impersonate-group", group)?;
        }
        if let Some(uid) = &other.uid {
            add("impersonate-uid", uid)?;
        }
        Ok(request)
    }
}

/// What the server says where it does not do what it was asked for.
fn refusal(head: &http::response::Parts, body: &[u8], call: &Call) -> ClusterError {
    let code = head.status.as_u16();
    // Proxies, and the server's own fairness, answer in plain text.
    let mut status = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        Status::failure(text.trim(), "").with_code(code)
    });
    if status.code == 0 {
        status.code = code;
    }
    let seconds = head
        .headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = seconds.map(Duration::from_secs);
    failure::of_status(&status, wait, call)
}
