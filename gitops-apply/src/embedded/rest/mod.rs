//! The REST API of the embedded cluster, so that kube clients and kubectl work against it.
//!
//! [`RestService`] is a [`tower::Service`] that a `kube::Client` takes as its transport;
//! [`RestServer`] listens on a loopback address. JSON is the only encoding of answers; requests may
//! be YAML, or protobuf where they are about stable versions of built-in kinds, as kubectl sends
//! them (`create namespace`). Discovery is served in its old and its aggregated form, schemas as
//! OpenAPI v3.
//!
//! There is no authentication: listen on loopback only.

mod answer;
mod discovery;
mod lines;
mod listen;
mod media;
mod open_api;
mod path;
mod protobuf;
mod read;
mod route;
mod table;
mod verbs;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited, combinators::UnsyncBoxBody};

pub use self::listen::RestServer;
use self::{
    answer::Answer,
    route::{Route, Target},
};
use super::{
    EmbeddedCluster,
    status::{ApiError, Reason},
};

/// Body of an answer: one piece, or the stream of a watch.
pub type RestBody = UnsyncBoxBody<Bytes, Infallible>;

/// Bodies of requests beyond this size are refused, as the API server does.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// The REST API as a service.
#[derive(Debug, Clone)]
pub struct RestService {
    cluster: EmbeddedCluster,
    timed: bool,
}

impl EmbeddedCluster {
    /// The REST API of the cluster.
    #[must_use]
    pub fn rest(&self) -> RestService {
        RestService {
            cluster: self.clone(),
            timed: false,
        }
    }
}

impl RestService {
    /// Watches end after their `timeoutSeconds` and send a bookmark every minute. Needs a tokio
    /// runtime with timers.
    #[must_use]
    pub fn with_timers(mut self) -> Self {
        self.timed = true;
        self
    }

    async fn answer<B>(self, request: Request<B>) -> Response<RestBody>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let error = ApiError::new(
                    413,
                    Reason::Unknown,
                    format!("Request entity too large: limit is {BODY_LIMIT}"),
                );
                return Answer::from(error).into_response();
            }
            Err(error) => {
                let error = ApiError::bad_request(format!("the body cannot be read: {error}"));
                return Answer::from(error).into_response();
            }
        };
        let done = self.dispatch(&head, body).await;
        done.unwrap_or_else(Answer::from).into_response()
    }

    async fn dispatch(&self, head: &http::request::Parts, body: Bytes) -> Result<Answer, ApiError> {
        let route = Route::parse(head.uri.path(), head.uri.query().unwrap_or_default())?;
        let accept = head
            .headers
            .get(http::header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        match &route.target {
            Target::Health => Ok(Answer::text(StatusCode::OK, "ok")),
            Target::Version => Ok(self.version()),
            Target::CoreVersions => Ok(self.core_versions(accept)),
            Target::Groups => Ok(self.groups(accept)),
            Target::Group(group) => self.group(group),
            Target::Resources { group, version } => self.resources(group, version),
            Target::OpenApiIndex => Ok(self.open_api_index()),
            Target::OpenApi { group, version } => self.open_api(group, version),
            Target::Objects(objects) => {
                if head.method == Method::GET {
                    self.read(head, &route, objects).await
                } else {
                    self.write(head, &route, objects, &body).await
                }
            }
        }
    }
}

impl<B> tower::Service<Request<B>> for RestService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<RestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
