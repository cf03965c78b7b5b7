//! Reading objects: one, a list in pages of one snapshot, or a watch.

use std::sync::Arc;

use futures::StreamExt as _;
use gitops_core::{Manifest, ObjectRef, cluster::ClusterError};
use http::{StatusCode, request::Parts};
use serde_json::{Value, json};

use super::{
    RestService,
    answer::Answer,
    lines::{Limits, Lines},
    media::Form,
    route::{Objects, Query, Route},
    verbs::{filter, not_there, refuse_runtime, scale_of},
};
use crate::embedded::{
    journal::{Request, RequestVerb},
    registry::Kind,
    server::Server,
    status::{ApiError, Reason},
    store::Filter,
    watch::Watch,
};

impl RestService {
    pub(super) async fn read(
        &self,
        head: &Parts,
        route: &Route,
        objects: &Objects,
    ) -> Result<Answer, ApiError> {
        let kind = self.kind(objects)?;
        refuse_runtime(objects)?;
        let target = ObjectRef::new(kind.gvk.clone(), &objects.namespace, &objects.name);
        let form = self.locked(|server| Form::negotiate(head, &route.query, &kind, server))?;
        if !objects.name.is_empty() {
            self.meet(Request::of(RequestVerb::Get, &target)).await?;
            let object = self.locked(|server| server.get_existing(&target))?;
            if objects.subresource == "scale" {
                return Ok(Answer::json(StatusCode::OK, &scale_of(&object)));
            }
            if !objects.subresource.is_empty() && !kind.has_subresource(&objects.subresource) {
                return Err(not_there());
            }
            return Ok(Answer::json(
                StatusCode::OK,
                &form.object(object, self.now()),
            ));
        }
        let filter = filter(&kind, objects, &route.query)?;
        if route.query.flag("watch") {
            self.meet(Request::of(RequestVerb::Watch, &target)).await?;
            return self.watch(&kind, filter, form, &route.query);
        }
        self.meet(Request::of(RequestVerb::List, &target)).await?;
        self.list(&kind, &filter, &form, &route.query)
    }

    fn list(
        &self,
        kind: &Kind,
        filter: &Filter,
        form: &Form,
        query: &Query,
    ) -> Result<Answer, ApiError> {
        let start = Start::of(query)?;
        let (mut items, version) = self.locked(|server| snapshot(server, kind, filter, &start))?;
        let mut metadata = json!({"resourceVersion": version});
        if let Some((namespace, name)) = &start.after {
            items.retain(|object| {
                (object.namespace(), object.name()) > (namespace.as_str(), name.as_str())
            });
        }
        let limit = query.number("limit").filter(|limit| *limit > 0);
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        if items.len() > limit {
            let rest = items.len() - limit;
            items.truncate(limit);
            if let Some(last) = items.last() {
                metadata["continue"] = token(&version, last.namespace(), last.name()).into();
            }
            // With a selector the server does not count what it has not looked at.
            if filter.labels.is_empty() && query.text("fieldSelector").is_empty() {
                metadata["remainingItemCount"] = rest.into();
            }
        }
        let (name, api_version) = (&kind.gvk.kind, kind.gvk.api_version());
        let body = form.list(name, &api_version, metadata, items, self.now());
        Ok(Answer::json(StatusCode::OK, &body))
    }

    fn watch(
        &self,
        kind: &Arc<Kind>,
        filter: Filter,
        form: Form,
        query: &Query,
    ) -> Result<Answer, ApiError> {
        let bookmarks = query.flag("allowWatchBookmarks");
        let starts = bookmarks && query.flag("sendInitialEvents");
        let from = if starts {
            ""
        } else {
            query.text("resourceVersion")
        };
        let opened = Watch::open(
            Arc::clone(&self.cluster.shared),
            Arc::clone(kind),
            filter,
            from,
        );
        let watch = match opened {
            Ok(watch) => watch,
            Err(ClusterError::Expired { from }) => {
                let error = ApiError::expired(&from).to_status();
                let line = json!({"type": "ERROR", "object": error});
                return Ok(Answer::lines(futures::stream::iter([line])));
            }
            Err(error) => return Err(ApiError::bad_request(error.to_string())),
        };
        let limits = Limits {
            timed: self.timed,
            seconds: query.number("timeoutSeconds").filter(|limit| *limit > 0),
            bookmarks,
            tells_start: starts,
        };
        let clock = Arc::clone(&self.cluster.shared.clock);
        let lines = Lines::new(watch, kind.gvk.clone(), limits, move |object| {
            form.object(object, clock.now())
        });
        Ok(Answer::lines(lines.boxed()))
    }

    fn now(&self) -> jiff::Timestamp {
        self.cluster.shared.clock.now()
    }
}

/// Where a list starts, and at which moment.
struct Start {
    /// The exact moment; now where it is `None`.
    version: Option<u64>,
    /// Whether `version` comes from a token.
    is_page: bool,
    after: Option<(String, String)>,
}

impl Start {
    fn of(query: &Query) -> Result<Self, ApiError> {
        let version = query.text("resourceVersion");
        let matching = query.text("resourceVersionMatch");
        let after = query.text("continue");
        if !after.is_empty() {
            if !matches!(version, "" | "0") {
                return Err(ApiError::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let (version, namespace, name) = position(after)?;
            return Ok(Self {
                version: version.parse().ok(),
                is_page: true,
                after: Some((namespace, name)),
            });
        }
        let exact = match matching {
            "Exact" => true,
            "" | "NotOlderThan" => false,
            other => {
                return Err(ApiError::bad_request(format!(
                    "resourceVersionMatch: Unsupported value: \"{other}\": supported values: \"Exact\", \"NotOlderThan\""
                )));
            }
        };
        if !matching.is_empty() && version.is_empty() {
            return Err(ApiError::bad_request(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            ));
        }
        if !version.is_empty() && version.parse::<u64>().is_err() {
            return Err(ApiError::bad_request(format!(
                "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
            )));
        }
        Ok(Self {
            version: version.parse().ok().filter(|_| exact),
            is_page: false,
            after: None,
        })
    }
}

/// The objects at a moment, and which moment that is.
fn snapshot(
    server: &Server,
    kind: &Kind,
    filter: &Filter,
    start: &Start,
) -> Result<(Vec<Manifest>, String), ApiError> {
    let Some(version) = start.version else {
        let list = server.list(kind, filter);
        return Ok((list.items, list.resource_version));
    };
    let Some(objects) = server.store.list_at(&kind.stored, version) else {
        return Err(match (&start.after, start.is_page) {
            (Some((namespace, name)), true) => gone(&token("now", namespace, name)),
            _ => ApiError::expired(&version.to_string()),
        });
    };
    let items = objects
        .into_iter()
        .filter(|object| filter.matches(object))
        .map(|object| server.read(kind, object))
        .collect();
    Ok((items, version.to_string()))
}

/// The snapshot of a token is forgotten; `token` goes on from what is there now.
fn gone(token: &str) -> ApiError {
    let mut error = ApiError::new(
        410,
        Reason::Expired,
        "The provided continue parameter is too old to display a consistent list result. You can \
         start a new list without the continue parameter, or use the continue token in this \
         response to retrieve the remainder of the results. Continuing with the provided token \
         results in an inconsistent list - objects that were created, modified, or deleted between \
         the time the first chunk was returned and now may show up in the list.",
    );
    error.next = Some(token.to_owned());
    error
}

/// Where the next page begins; a version that is no number stands for the present.
fn token(version: &str, namespace: &str, name: &str) -> String {
    use base64::Engine as _;
    let text = json!({"v": "embedded/v1", "rv": version, "namespace": namespace, "name": name});
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text.to_string())
}

fn position(token: &str) -> Result<(String, String, String), ApiError> {
    use base64::Engine as _;
    let parsed: Option<Value> = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let text = |key: &str| Some(parsed.as_ref()?.get(key)?.as_str()?.to_owned());
    match (text("rv"), text("namespace"), text("name")) {
        (Some(version), Some(namespace), Some(name)) => Ok((version, namespace, name)),
        _ => Err(ApiError::bad_request("continue key is not valid")),
    }
}
