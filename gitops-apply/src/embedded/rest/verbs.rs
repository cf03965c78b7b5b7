//! Writing objects.

use std::sync::Arc;

use bytes::Bytes;
use gitops_core::{
    Manifest, ObjectRef,
    cluster::{DeleteOptions, FieldValidation, Patch, Propagation},
    yaml,
};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    RestService,
    answer::Answer,
    protobuf::{self, PROTOBUF},
    route::{Objects, Query, Route},
};
use crate::embedded::{
    journal::{Request, RequestVerb},
    registry::Kind,
    selector::{FieldSelector, Selector},
    server::{Call, Server},
    status::{ApiError, Reason},
    store::Filter,
};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl RestService {
    pub(super) fn kind(&self, objects: &Objects) -> Result<Arc<Kind>, ApiError> {
        let mut server = self.cluster.shared.server();
        server.settle();
        let found = server
            .registry
            .by_plural(&objects.group, &objects.version, &objects.plural);
        found
            .filter(|kind| kind.is_namespaced() || objects.namespace.is_empty())
            .ok_or_else(|| {
                ApiError::new(
                    404,
                    Reason::NotFound,
                    "the server could not find the requested resource",
                )
            })
    }

    pub(super) async fn write(
        &self,
        head: &http::request::Parts,
        route: &Route,
        objects: &Objects,
        body: &Bytes,
    ) -> Result<Answer, ApiError> {
        let kind = self.kind(objects)?;
        refuse_runtime(objects)?;
        let manager = manager(head, &route.query);
        let dry_run = match route.query.text("dryRun") {
            "" => false,
            "All" => true,
            other => {
                return Err(ApiError::bad_request(format!(
                    "Invalid value: [\"{other}\"]: dryRun: supported values: \"All\""
                )));
            }
        };
        let validation = match route.query.text("fieldValidation") {
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            "" | "Warn" => FieldValidation::Warn,
            other => {
                return Err(ApiError::bad_request(format!(
                    "Unsupported value: \"{other}\": fieldValidation: supported values: \"Ignore\", \"Strict\", \"Warn\""
                )));
            }
        };
        let media_type = head
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or("application/json")
            .trim()
            .to_owned();
        let decoded;
        let (media_type, body) = if media_type == PROTOBUF && !body.is_empty() {
            let value = protobuf::decode(body).map_err(|error| unsupported(&error.to_string()))?;
            decoded = Bytes::from(value.to_string());
            (JSON.to_owned(), &decoded)
        } else {
            (media_type, body)
        };
        let target = ObjectRef::new(kind.gvk.clone(), &objects.namespace, &objects.name);
        let verb = match (head.method.clone(), media_type.as_str()) {
            (Method::POST | Method::PUT | Method::DELETE, encoding)
                if !matches!(encoding, JSON | YAML | "") && !body.is_empty() =>
            {
                return Err(unsupported(encoding));
            }
            (Method::POST, _) => RequestVerb::Create,
            (Method::PUT, _) => RequestVerb::Replace,
            (Method::PATCH, APPLY) => RequestVerb::Apply,
            (Method::PATCH, _) => RequestVerb::Patch,
            (Method::DELETE, _) => RequestVerb::Delete,
            _ => {
                return Err(ApiError::new(
                    405,
                    Reason::MethodNotAllowed,
                    "the server does not allow this method on the requested resource",
                ));
            }
        };
        let subresource = Some(objects.subresource.as_str()).filter(|sub| !sub.is_empty());
        if let Some(subresource) = subresource
            && !kind.has_subresource(subresource)
        {
            return Err(not_there());
        }
        self.meet(
            Request::of(verb, &target)
                .manager(&manager)
                .dry_run(dry_run)
                .subresource(subresource),
        )
        .await?;
        let call = Call {
            kind: Arc::clone(&kind),
            manager: &manager,
            dry_run,
            validation,
            subresource: &objects.subresource,
            is_internal: false,
        };
        if verb == RequestVerb::Delete {
            return self.delete(&call, objects, &target, &route.query, body);
        }
        if objects.subresource == "scale" {
            return self.scale(&call, &target, &media_type, body);
        }
        match verb {
            RequestVerb::Create => {
                if !objects.name.is_empty() {
                    return Err(ApiError::new(
                        405,
                        Reason::MethodNotAllowed,
                        "the server does not allow this method on the requested resource",
                    ));
                }
                let object = object_of(&kind, objects, body)?;
                let made = self.locked(|server| server.create(&call, object))?;
                Ok(Answer::json(StatusCode::CREATED, &made.to_value()).warn(self.warnings()))
            }
            RequestVerb::Replace => {
                let object = object_of(&kind, objects, body)?;
                let existed = self.exists(&target)?;
                let made = self.locked(|server| server.replace(&call, object))?;
                let status = if existed {
                    StatusCode::OK
                } else {
                    StatusCode::CREATED
                };
                Ok(Answer::json(status, &made.to_value()).warn(self.warnings()))
            }
            RequestVerb::Apply => {
                let call = Call {
                    manager: route.query.text("fieldManager"),
                    ..call
                };
                let object = object_of(&kind, objects, body)?;
                let existed = self.exists(&target)?;
                let force = route.query.flag("force");
                let made = self.locked(|server| server.apply(&call, object, force))?;
                let status = if existed {
                    StatusCode::OK
                } else {
                    StatusCode::CREATED
                };
                Ok(Answer::json(status, &made.to_value()).warn(self.warnings()))
            }
            _ => {
                let patch = patch_of(&media_type, body)?;
                let made = self.locked(|server| server.patch(&call, &target, &patch))?;
                Ok(Answer::json(StatusCode::OK, &made.to_value()).warn(self.warnings()))
            }
        }
    }

    fn delete(
        &self,
        call: &Call<'_>,
        objects: &Objects,
        target: &ObjectRef,
        query: &Query,
        body: &Bytes,
    ) -> Result<Answer, ApiError> {
        let given = if body.is_empty() {
            json!({})
        } else {
            value_of(body)?
        };
        let text = |pointer: &str| {
            given
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let policy = text("/propagationPolicy")
            .unwrap_or_else(|| query.text("propagationPolicy").to_owned());
        let orphans = given.get("orphanDependents").and_then(Value::as_bool);
        let propagation = match policy.as_str() {
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            "Background" => Propagation::Background,
            "" if orphans == Some(true) => Propagation::Orphan,
            // The early batch API left pods behind, and still does.
            "" if call.kind.stored.group == "batch" && call.kind.stored.kind == "Job" => {
                Propagation::Orphan
            }
            "" => Propagation::Background,
            other => {
                return Err(ApiError::bad_request(format!(
                    "invalid propagationPolicy \"{other}\": Orphan, Background or Foreground"
                )));
            }
        };
        let dry_run = call.dry_run
            || given
                .get("dryRun")
                .and_then(Value::as_array)
                .is_some_and(|list| !list.is_empty());
        let options = DeleteOptions {
            propagation,
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            dry_run,
        };
        if objects.name.is_empty() {
            let filter = filter(&call.kind, objects, query)?;
            let mut items = Vec::new();
            let list = self.locked(|server| Ok(server.list(&call.kind, &filter)))?;
            for object in list.items {
                self.locked(|server| server.delete(call, &object.object_ref(), &options))?;
                items.push(object.into_value());
            }
            return Ok(Answer::json(
                StatusCode::OK,
                &json!({
                    "kind": format!("{}List", call.kind.gvk.kind),
                    "apiVersion": call.kind.gvk.api_version(),
                    "metadata": {"resourceVersion": list.resource_version}, "items": items,
                }),
            ));
        }
        let before = self.locked(|server| server.get_existing(target))?;
        let left = self.locked(|server| server.delete(call, target, &options))?;
        Ok(match left {
            Some(object) => Answer::json(StatusCode::OK, &object.to_value()),
            None => Answer::json(StatusCode::OK, &success(objects, before.uid())),
        })
    }

    /// Writes of `scale` are writes of `spec.replicas`.
    fn scale(
        &self,
        call: &Call<'_>,
        target: &ObjectRef,
        media_type: &str,
        body: &Bytes,
    ) -> Result<Answer, ApiError> {
        let live = self.locked(|server| server.get_existing(target))?;
        let mut scale = scale_of(&live);
        match media_type {
            JSON_PATCH => {
                let Patch::Json(patch) = patch_of(media_type, body)? else {
                    return Err(ApiError::bad_request("not a JSON patch"));
                };
                json_patch::patch(&mut scale, &patch)
                    .map_err(|error| ApiError::bad_request(error.to_string()))?;
            }
            MERGE_PATCH | STRATEGIC_PATCH => json_patch::merge(&mut scale, &value_of(body)?),
            _ => scale = value_of(body)?,
        }
        let replicas = scale
            .pointer("/spec/replicas")
            .cloned()
            .unwrap_or_else(|| 0.into());
        let call = Call {
            subresource: "",
            kind: Arc::clone(&call.kind),
            ..*call
        };
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let made = self.locked(|server| server.patch(&call, target, &patch))?;
        Ok(Answer::json(StatusCode::OK, &scale_of(&made)))
    }

    pub(super) async fn meet(&self, request: Request) -> Result<(), ApiError> {
        self.cluster.admit_request(request).await
    }

    fn exists(&self, target: &ObjectRef) -> Result<bool, ApiError> {
        self.locked(|server| Ok(server.get(target)?.is_some()))
    }

    fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.cluster.shared.server().warnings)
    }

    pub(super) fn locked<T>(
        &self,
        work: impl FnOnce(&mut Server) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut server = self.cluster.shared.server();
        server.settle();
        let done = work(&mut server);
        server.settle();
        done
    }
}

fn unsupported(what: &str) -> ApiError {
    ApiError::new(
        415,
        Reason::UnsupportedMediaType,
        format!(
            "the body of the request was in an unknown format ({what}) - accepted media types include: {JSON}, {YAML}, {PROTOBUF}"
        ),
    )
}

fn success(objects: &Objects, uid: &str) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": objects.name, "kind": objects.plural, "uid": uid},
    });
    if !objects.group.is_empty() {
        status["details"]["group"] = objects.group.clone().into();
    }
    status
}

/// What only a running container, or a server behind a Service, can answer.
pub(super) fn refuse_runtime(objects: &Objects) -> Result<(), ApiError> {
    let subresource = objects.subresource.as_str();
    if !matches!(
        subresource,
        "attach" | "exec" | "log" | "portforward" | "proxy"
    ) {
        return Ok(());
    }
    Err(ApiError::new(
        501,
        Reason::Unknown,
        format!("the embedded cluster runs no containers, so it cannot answer `{subresource}`"),
    ))
}

pub(super) fn not_there() -> ApiError {
    ApiError::new(
        404,
        Reason::NotFound,
        "the server could not find the requested resource",
    )
}

pub(super) fn filter(kind: &Kind, objects: &Objects, query: &Query) -> Result<Filter, ApiError> {
    let fields = FieldSelector::parse(query.text("fieldSelector"))?;
    fields.check(&kind.gvk.kind)?;
    Ok(Filter {
        namespace: (!objects.namespace.is_empty()).then(|| objects.namespace.clone()),
        labels: Selector::parse(query.text("labelSelector"))?,
        fields,
    })
}

/// The field manager: as the request says, else the first part of the user agent.
fn manager(head: &http::request::Parts, query: &Query) -> String {
    let given = query.text("fieldManager");
    if !given.is_empty() {
        return given.to_owned();
    }
    let agent = head
        .headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let name = agent
        .unwrap_or_default()
        .split('/')
        .next()
        .unwrap_or_default();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name.chars().take(128).collect()
    }
}

/// JSON, or YAML.
fn value_of(body: &Bytes) -> Result<Value, ApiError> {
    serde_json::from_slice(body).or_else(|_| {
        yaml::from_slice(body)
            .map_err(|error| ApiError::bad_request(format!("error decoding the body: {error}")))
    })
}

fn object_of(kind: &Kind, objects: &Objects, body: &Bytes) -> Result<Manifest, ApiError> {
    let mut value = value_of(body)?;
    let Some(map) = value.as_object_mut() else {
        return Err(ApiError::bad_request(
            "the body of the request is not an object",
        ));
    };
    map.entry("apiVersion")
        .or_insert_with(|| kind.gvk.api_version().into());
    map.entry("kind")
        .or_insert_with(|| kind.gvk.kind.clone().into());
    let mut object =
        Manifest::try_from(value).map_err(|error| ApiError::bad_request(error.to_string()))?;
    if object.gvk() != kind.gvk {
        return Err(ApiError::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: the API version in the data ({}) does not match the expected API version ({})",
            object.kind(),
            object.version(),
            kind.gvk.kind,
            object.api_version(),
            kind.gvk.api_version()
        )));
    }
    if !objects.name.is_empty() {
        if object.name().is_empty() {
            object
                .metadata_mut()
                .insert("name".to_owned(), objects.name.clone().into());
        } else if object.name() != objects.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                object.name(),
                objects.name
            )));
        }
    }
    if kind.is_namespaced() {
        if object.namespace().is_empty() {
            object.set_namespace(&objects.namespace);
        } else if object.namespace() != objects.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
    }
    Ok(object)
}

fn patch_of(media_type: &str, body: &Bytes) -> Result<Patch, ApiError> {
    let value = value_of(body)?;
    match media_type {
        JSON_PATCH => serde_json::from_value(value)
            .map(Patch::Json)
            .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}"))),
        MERGE_PATCH => Ok(Patch::Merge(value)),
        STRATEGIC_PATCH => Ok(Patch::Strategic(value)),
        other => Err(ApiError::new(
            415,
            Reason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format ({other}) - accepted media types include: {JSON_PATCH}, {MERGE_PATCH}, {STRATEGIC_PATCH}, {APPLY}"
            ),
        )),
    }
}

pub(super) fn scale_of(object: &Manifest) -> Value {
    let number = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_else(|| 0.into());
    let mut metadata = json!({});
    for key in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(value) = object.metadata().and_then(|m| m.get(key)) {
            metadata[key] = value.clone();
        }
    }
    let selector = object
        .pointer("/spec/selector/matchLabels")
        .or_else(|| object.pointer("/spec/selector"));
    let selector: Vec<String> = selector
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": number("/spec/replicas")},
        "status": {"replicas": number("/status/replicas"), "selector": selector.join(",")},
    })
}
