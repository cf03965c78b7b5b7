//! Requests as the API server wants them.

use gitops_core::{
    ErrorClass, Manifest, ObjectRef, Scope,
    cluster::{
        ApplyOptions, ClusterError, DeleteOptions, FieldValidation, ListScope, Patch, Propagation,
        ServedKind, WriteOptions,
    },
};
use http::Request;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    /// What it is about, for errors.
    pub(super) object: String,
    /// The kind it is about, for errors.
    pub(super) gvk: gitops_core::GroupVersionKind,
    query: Vec<(&'static str, String)>,
    /// The form of the answer that is asked for; the caller's where it is `None`.
    accept: Option<&'static str>,
    content_type: &'static str,
    body: Vec<u8>,
}

pub(super) const JSON: &str = "application/json";
/// Objects without their content, and lists of them.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

impl Call {
    fn new(method: Method, served: &ServedKind, object: &ObjectRef, subresource: &str) -> Self {
        let mut path = collection(served, object, Some(&object.namespace));
        if method != Method::Post {
            path.push('/');
            path.push_str(&segment(&object.name));
        }
        if !subresource.is_empty() {
            path.push('/');
            path.push_str(subresource);
        }
        Self {
            method,
            path,
            object: object.to_string(),
            gvk: object.gvk.clone(),
            query: Vec::new(),
            accept: None,
            content_type: JSON,
            body: Vec::new(),
        }
    }

    pub(super) fn get(served: &ServedKind, object: &ObjectRef) -> Self {
        Self::new(Method::Get, served, object, "")
    }

    /// A page of a list; all of it at once where `page_size` is 0.
    pub(super) fn list(served: &ServedKind, scope: &ListScope, page_size: u32, next: &str) -> Self {
        let mut call = Self::collection(served, scope);
        if scope.metadata_only {
            call.accept = Some(METADATA_LIST);
        }
        if page_size > 0 {
            call.query.push(("limit", page_size.to_string()));
        }
        if !next.is_empty() {
            call.query.push(("continue", next.to_owned()));
        }
        call
    }

    pub(super) fn watch(served: &ServedKind, scope: &ListScope, from: &str, seconds: u64) -> Self {
        let mut call = Self::collection(served, scope);
        if scope.metadata_only {
            call.accept = Some(METADATA);
        }
        call.query.push(("watch", "true".to_owned()));
        call.query.push(("allowWatchBookmarks", "true".to_owned()));
        call.query.push(("timeoutSeconds", seconds.to_string()));
        call.query.push(("resourceVersion", from.to_owned()));
        call
    }

    fn collection(served: &ServedKind, scope: &ListScope) -> Self {
        let namespace = scope.namespace.clone().unwrap_or_default();
        let object = ObjectRef::new(scope.gvk.clone(), namespace, "");
        let mut call = Self::new(Method::Get, served, &object, "");
        call.path = collection(served, &object, scope.namespace.as_deref());
        call.object = format!("the list of {}", scope.gvk);
        if !scope.label_selector.is_empty() {
            call.query
                .push(("labelSelector", scope.label_selector.clone()));
        }
        call
    }

    pub(super) fn apply(
        served: &ServedKind,
        address: &ObjectRef,
        object: &Manifest,
        options: &ApplyOptions,
    ) -> Self {
        let mut call = Self::new(Method::Patch, served, address, "");
        call.content_type = "application/apply-patch+yaml";
        call.query
            .push(("fieldManager", options.field_manager.clone()));
        call.query.push(("force", options.force.to_string()));
        call.query
            .push(("fieldValidation", validation(options.field_validation)));
        call.dry_run(options.dry_run);
        call.body = bytes(object);
        call
    }

    pub(super) fn create(
        served: &ServedKind,
        address: &ObjectRef,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Self {
        let mut call = Self::new(Method::Post, served, address, "").with(options);
        call.body = bytes(object);
        call
    }

    pub(super) fn replace(
        served: &ServedKind,
        address: &ObjectRef,
        object: &Manifest,
        options: &WriteOptions,
    ) -> Self {
        let subresource = options.subresource.as_deref().unwrap_or_default();
        let mut call = Self::new(Method::Put, served, address, subresource).with(options);
        call.body = bytes(object);
        call
    }

    pub(super) fn patch(
        served: &ServedKind,
        address: &ObjectRef,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Self, ClusterError> {
        let subresource = options.subresource.as_deref().unwrap_or_default();
        let mut call = Self::new(Method::Patch, served, address, subresource).with(options);
        let (content_type, body) = match patch {
            Patch::Json(patch) => ("application/json-patch+json", serde_json::to_vec(patch)),
            Patch::Merge(patch) => ("application/merge-patch+json", serde_json::to_vec(patch)),
            Patch::Strategic(patch) => (
                "application/strategic-merge-patch+json",
                serde_json::to_vec(patch),
            ),
            _ => {
                return Err(ClusterError::Other {
                    class: ErrorClass::Unsupported,
                    source: "this kind of patch is not known".into(),
                });
            }
        };
        call.content_type = content_type;
        call.body = body.map_err(|error| ClusterError::Other {
            class: ErrorClass::Internal,
            source: Box::new(error),
        })?;
        Ok(call)
    }

    pub(super) fn delete(
        served: &ServedKind,
        address: &ObjectRef,
        options: &DeleteOptions,
    ) -> Self {
        let mut call = Self::new(Method::Delete, served, address, "");
        let mut body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": match options.propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            },
        });
        let mut preconditions = serde_json::Map::new();
        if let Some(uid) = &options.uid {
            preconditions.insert("uid".to_owned(), uid.clone().into());
        }
        if let Some(version) = &options.resource_version {
            preconditions.insert("resourceVersion".to_owned(), version.clone().into());
        }
        if !preconditions.is_empty() {
            body["preconditions"] = Value::Object(preconditions);
        }
        if options.dry_run {
            body["dryRun"] = json!(["All"]);
        }
        call.body = body.to_string().into_bytes();
        call
    }

    /// A read of a path that is no object's.
    pub(super) fn read(path: &str) -> Self {
        Self {
            method: Method::Get,
            path: path.to_owned(),
            object: path.to_owned(),
            gvk: gitops_core::GroupVersionKind::new("", "", ""),
            query: Vec::new(),
            accept: None,
            content_type: JSON,
            body: Vec::new(),
        }
    }

    fn with(mut self, options: &WriteOptions) -> Self {
        self.query
            .push(("fieldManager", options.field_manager.clone()));
        self.query
            .push(("fieldValidation", validation(options.field_validation)));
        self.dry_run(options.dry_run);
        self
    }

    fn dry_run(&mut self, dry_run: bool) {
        if dry_run {
            self.query.push(("dryRun", "All".to_owned()));
        }
    }

    /// The HTTP request for an answer in this form.
    pub(super) fn request(&self, accept: &str) -> Result<Request<Vec<u8>>, ClusterError> {
        let mut uri = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            uri.push(if index == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.push_str(&segment(value));
        }
        let method = match self.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        };
        Request::builder()
            .method(method)
            .uri(uri)
            .header(http::header::ACCEPT, self.accept.unwrap_or(accept))
            .header(http::header::CONTENT_TYPE, self.content_type)
            .body(self.body.clone())
            .map_err(|error| ClusterError::Other {
                class: ErrorClass::Invalid,
                source: Box::new(error),
            })
    }
}

/// `/apis/apps/v1/namespaces/shop/deployments`; without a namespace, all of them.
fn collection(served: &ServedKind, object: &ObjectRef, namespace: Option<&str>) -> String {
    let gvk = &object.gvk;
    let mut path = if gvk.group.is_empty() {
        format!("/api/{}", gvk.version)
    } else {
        format!("/apis/{}/{}", gvk.group, gvk.version)
    };
    if let (Scope::Namespaced, Some(namespace)) = (served.scope, namespace) {
        path.push_str("/namespaces/");
        path.push_str(&segment(if namespace.is_empty() {
            "default"
        } else {
            namespace
        }));
    }
    path.push('/');
    path.push_str(&served.plural);
    path
}

/// Quotes what a path segment or a query value may not hold.
fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

fn bytes(object: &Manifest) -> Vec<u8> {
    serde_json::to_vec(object).expect("JSON values serialise")
}

fn validation(validation: FieldValidation) -> String {
    match validation {
        FieldValidation::Strict => "Strict",
        FieldValidation::Warn => "Warn",
        FieldValidation::Ignore => "Ignore",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gitops_core::GroupVersionKind;

    fn served(scope: Scope) -> ServedKind {
        ServedKind {
            plural: "roles".into(),
            scope,
            verbs: Vec::new(),
            subresources: Vec::new(),
            short_names: Vec::new(),
        }
    }

    #[test]
    fn names_are_quoted_in_paths_and_queries() {
        let gvk = GroupVersionKind::new("rbac.authorization.k8s.io", "v1", "Role");
        let object = ObjectRef::new(gvk.clone(), "a", "system:b/c");
        let call = Call::get(&served(Scope::Namespaced), &object);
        assert_eq!(
            call.path,
            "/apis/rbac.authorization.k8s.io/v1/namespaces/a/roles/system:b%2Fc"
        );
        let scope = ListScope {
            gvk,
            namespace: None,
            label_selector: "a=b,c in (d)".into(),
            metadata_only: false,
        };
        let call = Call::list(&served(Scope::Namespaced), &scope, 10, "");
        let uri = call.request(JSON).unwrap().uri().to_string();
        assert_eq!(
            uri,
            "/apis/rbac.authorization.k8s.io/v1/roles?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=10"
        );
    }
}
