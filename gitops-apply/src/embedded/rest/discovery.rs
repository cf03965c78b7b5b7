//! What is served.

use std::{collections::BTreeMap, sync::Arc};

use gitops_core::Scope;
use http::StatusCode;
use serde_json::{Value, json};

use super::{RestService, answer::Answer};
use crate::embedded::{
    custom::version_priority,
    registry::Kind,
    status::{ApiError, Reason},
};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

impl RestService {
    pub(super) fn version(&self) -> Answer {
        let version = self
            .cluster
            .shared
            .server()
            .registry
            .discovery()
            .version
            .clone();
        let mut parts = version.split('.');
        let major = parts.next().unwrap_or("1").to_owned();
        let minor = parts.next().unwrap_or("0").to_owned();
        Answer::json(
            StatusCode::OK,
            &json!({
                "major": major, "minor": minor, "gitVersion": format!("v{version}"),
                "gitCommit": "", "gitTreeState": "clean", "buildDate": "2020-01-01T00:00:00Z",
                "goVersion": "none", "compiler": "rustc", "platform": "embedded",
            }),
        )
    }

    pub(super) fn core_versions(&self, accept: &str) -> Answer {
        if wants_aggregated(accept) {
            return self.aggregated(|group| group.is_empty());
        }
        let body = json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        });
        Answer::json(StatusCode::OK, &body)
    }

    pub(super) fn groups(&self, accept: &str) -> Answer {
        if wants_aggregated(accept) {
            return self.aggregated(|group| !group.is_empty());
        }
        let groups: Vec<Value> = self
            .versions()
            .into_iter()
            .filter(|(group, _)| !group.is_empty())
            .map(|(group, versions)| self.group_object(&group, &versions))
            .collect();
        let body = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups});
        Answer::json(StatusCode::OK, &body)
    }

    pub(super) fn group(&self, group: &str) -> Result<Answer, ApiError> {
        let versions = self.versions().remove(group).ok_or_else(nothing)?;
        let mut body = self.group_object(group, &versions);
        body["kind"] = "APIGroup".into();
        body["apiVersion"] = "v1".into();
        Ok(Answer::json(StatusCode::OK, &body))
    }

    pub(super) fn resources(&self, group: &str, version: &str) -> Result<Answer, ApiError> {
        let kinds: Vec<Arc<Kind>> = self.kinds(group, version);
        if kinds.is_empty() {
            return Err(nothing());
        }
        let mut resources = Vec::new();
        for kind in &kinds {
            let mut resource = json!({
                "name": kind.plural(), "singularName": kind.gvk.kind.to_lowercase(),
                "namespaced": kind.is_namespaced(), "kind": kind.gvk.kind, "verbs": kind.served.verbs,
            });
            if !kind.served.short_names.is_empty() {
                resource["shortNames"] = json!(kind.served.short_names);
            }
            let categories = categories(kind);
            if !categories.is_empty() {
                resource["categories"] = json!(categories);
            }
            resources.push(resource);
            for sub in &kind.served.subresources {
                let mut part = json!({
                    "name": format!("{}/{sub}", kind.plural()), "singularName": "",
                    "namespaced": kind.is_namespaced(), "kind": kind.gvk.kind,
                    "verbs": ["get", "patch", "update"],
                });
                if sub == "scale" {
                    part["kind"] = "Scale".into();
                    part["group"] = "autoscaling".into();
                    part["version"] = "v1".into();
                }
                resources.push(part);
            }
        }
        let group_version = if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        };
        let body = json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
            "resources": resources,
        });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// All groups and versions in one document.
    fn aggregated(&self, wanted: impl Fn(&str) -> bool) -> Answer {
        let items: Vec<Value> = self
            .versions()
            .into_iter()
            .filter(|(group, _)| wanted(group))
            .map(|(group, versions)| {
                let versions: Vec<Value> = versions
                    .iter()
                    .map(|version| {
                        let resources: Vec<Value> = self
                            .kinds(&group, version)
                            .iter()
                            .map(|kind| aggregated_kind(kind))
                            .collect();
                        json!({"version": version, "resources": resources, "freshness": "Current"})
                    })
                    .collect();
                let metadata = if group.is_empty() {
                    json!({"creationTimestamp": null})
                } else {
                    json!({"name": group, "creationTimestamp": null})
                };
                json!({"metadata": metadata, "versions": versions})
            })
            .collect();
        let body = json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {}, "items": items,
        });
        Answer::typed(StatusCode::OK, AGGREGATED, body.to_string())
    }

    /// Versions of each group, the preferred first.
    pub(super) fn versions(&self) -> BTreeMap<String, Vec<String>> {
        let mut server = self.cluster.shared.server();
        server.settle();
        let discovery = server.registry.discovery();
        drop(server);
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for gvk in discovery.kinds.keys() {
            let versions = groups.entry(gvk.group.clone()).or_default();
            if !versions.contains(&gvk.version) {
                versions.push(gvk.version.clone());
            }
        }
        for (group, versions) in &mut groups {
            let preferred = discovery.preferred.get(group);
            versions.sort_by(|a, b| {
                (Some(b) == preferred)
                    .cmp(&(Some(a) == preferred))
                    .then_with(|| version_priority(b).cmp(&version_priority(a)))
            });
        }
        groups
    }

    fn kinds(&self, group: &str, version: &str) -> Vec<Arc<Kind>> {
        let mut server = self.cluster.shared.server();
        server.settle();
        server
            .registry
            .kinds()
            .filter(|kind| kind.gvk.group == group && kind.gvk.version == version)
            .cloned()
            .collect()
    }

    fn group_object(&self, group: &str, versions: &[String]) -> Value {
        let object = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
        json!({
            "name": group,
            "versions": versions.iter().map(object).collect::<Vec<_>>(),
            "preferredVersion": versions.first().map(object),
        })
    }
}

fn aggregated_kind(kind: &Kind) -> Value {
    let response =
        json!({"group": kind.gvk.group, "version": kind.gvk.version, "kind": kind.gvk.kind});
    let scope = match kind.served.scope {
        Scope::Namespaced => "Namespaced",
        Scope::Cluster => "Cluster",
    };
    let mut resource = json!({
        "resource": kind.plural(), "responseKind": response, "scope": scope,
        "singularResource": kind.gvk.kind.to_lowercase(), "verbs": kind.served.verbs,
    });
    if !kind.served.short_names.is_empty() {
        resource["shortNames"] = json!(kind.served.short_names);
    }
    let categories = categories(kind);
    if !categories.is_empty() {
        resource["categories"] = json!(categories);
    }
    if !kind.served.subresources.is_empty() {
        let subs: Vec<Value> = kind
            .served
            .subresources
            .iter()
            .map(|sub| {
                let response = if sub == "scale" {
                    json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
                } else {
                    response.clone()
                };
                json!({
                    "subresource": sub, "responseKind": response, "verbs": ["get", "patch", "update"],
                })
            })
            .collect();
        resource["subresources"] = Value::Array(subs);
    }
    resource
}

/// The groups of kinds that a kind belongs to, as `kubectl get all` asks for them.
fn categories(kind: &Kind) -> &'static [&'static str] {
    let gvk = &kind.gvk;
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod" | "Service" | "ReplicationController")
        | ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("batch", "Job" | "CronJob")
        | ("autoscaling", "HorizontalPodAutoscaler") => &["all"],
        _ => &[],
    }
}

fn wants_aggregated(accept: &str) -> bool {
    accept.split(',').any(|media| {
        media.contains("g=apidiscovery.k8s.io")
            && media.contains("as=APIGroupDiscoveryList")
            && media.split(';').any(|part| part.trim() == "v=v2")
    })
}

fn nothing() -> ApiError {
    ApiError::new(
        404,
        Reason::NotFound,
        "the server could not find the requested resource",
    )
}
