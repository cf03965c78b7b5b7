//! Answers.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::Value;

use super::RestBody;
use crate::embedded::status::ApiError;

/// What a request is answered with.
pub(super) struct Answer {
    status: StatusCode,
    media_type: &'static str,
    body: RestBody,
    retry_after: Option<u64>,
    warnings: Vec<String>,
}

impl Answer {
    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        Self::typed(status, "application/json", value.to_string())
    }

    pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::typed(status, "text/plain; charset=utf-8", text.into())
    }

    pub(super) fn typed(status: StatusCode, media_type: &'static str, body: String) -> Self {
        Self {
            status,
            media_type,
            body: Full::new(Bytes::from(body)).boxed_unsync(),
            retry_after: None,
            warnings: Vec::new(),
        }
    }

    /// One JSON document per line.
    pub(super) fn lines(lines: impl Stream<Item = Value> + Send + 'static) -> Self {
        let frames = lines.map(|line| Ok(Frame::data(Bytes::from(format!("{line}\n")))));
        Self {
            status: StatusCode::OK,
            media_type: "application/json",
            body: StreamBody::new(frames).boxed_unsync(),
            retry_after: None,
            warnings: Vec::new(),
        }
    }

    pub(super) fn warn(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    pub(super) fn into_response(self) -> Response<RestBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(self.media_type),
        );
        headers.insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-cache, private"),
        );
        headers.insert(header::VARY, header::HeaderValue::from_static("Accept"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        for warning in self.warnings {
            let text = format!(
                "299 - \"{}\"",
                warning.replace('\\', "\\\\").replace('"', "\\\"")
            );
            if let Ok(value) = header::HeaderValue::from_str(&text) {
                headers.append(header::WARNING, value);
            }
        }
        response
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = Self::json(status, &error.to_status());
        answer.retry_after = error.retry_after.map(|wait| wait.as_secs().max(1));
        answer
    }
}
