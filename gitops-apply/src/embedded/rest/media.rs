//! The forms in which objects can be asked for: whole, metadata only, or as a table.

use gitops_core::Manifest;
use http::request::Parts;
use serde_json::{Value, json};

use super::{
    route::Query,
    table::{self, Columns},
};
use crate::embedded::{registry::Kind, server::Server, status::ApiError, status::Reason};

/// How objects are shown.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Whole,
    Metadata,
    Table { columns: Columns, include: Include },
}

/// What a row of a table holds beside its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    None,
    Metadata,
    Object,
}

impl Form {
    /// The first form of `Accept` that is offered.
    pub(super) fn negotiate(
        head: &Parts,
        query: &Query,
        kind: &Kind,
        server: &Server,
    ) -> Result<Self, ApiError> {
        let accept = head
            .headers
            .get(http::header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        for media in accept.split(',') {
            let mut parts = media.split(';').map(str::trim);
            let is_json = matches!(
                parts.next().unwrap_or_default(),
                "" | "application/json" | "application/*" | "*/*"
            );
            let form = parts.find_map(|part| part.strip_prefix("as="));
            match form.filter(|_| is_json) {
                Some("Table") if media.contains("v=v1beta1") => {}
                Some("Table") => {
                    let include = match query.text("includeObject") {
                        "None" => Include::None,
                        "Object" => Include::Object,
                        _ => Include::Metadata,
                    };
                    return Ok(Self::Table {
                        columns: Columns::of(kind, server),
                        include,
                    });
                }
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    return Ok(Self::Metadata);
                }
                None if is_json => return Ok(Self::Whole),
                _ => {}
            }
        }
        if accept.is_empty() {
            return Ok(Self::Whole);
        }
        Err(ApiError::new(
            406,
            Reason::NotAcceptable,
            "only the following media types are accepted: application/json",
        ))
    }

    /// One object, as a `GET` answers it or an event holds it.
    pub(super) fn object(&self, object: Manifest, now: jiff::Timestamp) -> Value {
        match self {
            Self::Whole => object.into_value(),
            Self::Metadata => metadata_only(&object),
            Self::Table { .. } => {
                let metadata = json!({"resourceVersion": object.resource_version()});
                self.list("", "", metadata, vec![object], now)
            }
        }
    }

    /// A list; `kind` is the kind of its items.
    pub(super) fn list(
        &self,
        kind: &str,
        api_version: &str,
        metadata: Value,
        items: Vec<Manifest>,
        now: jiff::Timestamp,
    ) -> Value {
        let (kind, api_version, items): (String, &str, Vec<Value>) = match self {
            Self::Whole => (
                format!("{kind}List"),
                api_version,
                items.into_iter().map(Manifest::into_value).collect(),
            ),
            Self::Metadata => (
                "PartialObjectMetadataList".to_owned(),
                "meta.k8s.io/v1",
                items.iter().map(metadata_only).collect(),
            ),
            Self::Table { columns, include } => {
                return table::of(columns, *include, metadata, items, now);
            }
        };
        json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items})
    }
}

pub(super) fn metadata_only(object: &Manifest) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.metadata().cloned().unwrap_or_default(),
    })
}
