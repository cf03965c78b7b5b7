//! What the server serves: aggregated discovery in two requests, or group by group where the server
//! does not know that yet (before 1.26).

use futures::future::try_join3;
use gitops_core::{
    ErrorClass, GroupVersionKind, Scope,
    cluster::{ClusterError, Discovery, ServedKind},
};
use serde::Deserialize;

use super::{KubeCluster, request::Call};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
     application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Asks the server.
pub(super) async fn fetch(cluster: &KubeCluster) -> Result<Discovery, ClusterError> {
    let (version, core, groups) = try_join3(
        read::<VersionInfo>(cluster, "/version", "application/json"),
        read::<Root>(cluster, "/api", AGGREGATED),
        read::<Root>(cluster, "/apis", AGGREGATED),
    )
    .await?;
    let mut discovery = Discovery {
        version: version.git_version.trim_start_matches('v').to_owned(),
        ..Discovery::default()
    };
    for root in [core, groups] {
        match root {
            Root::Aggregated(list) => list
                .items
                .iter()
                .for_each(|group| add(&mut discovery, group)),
            Root::Core { versions } => {
                for version in versions {
                    add_version(cluster, &mut discovery, "", &version).await?;
                    discovery.preferred.entry(String::new()).or_insert(version);
                }
            }
            Root::Groups { groups } => {
                for group in groups {
                    for version in &group.versions {
                        add_version(cluster, &mut discovery, &group.name, &version.version).await?;
                    }
                    discovery
                        .preferred
                        .insert(group.name, group.preferred_version.version);
                }
            }
        }
    }
    Ok(discovery)
}

async fn read<T: for<'de> Deserialize<'de>>(
    cluster: &KubeCluster,
    path: &str,
    accept: &str,
) -> Result<T, ClusterError> {
    let answer = cluster.send_accepting(&Call::read(path), accept).await?;
    serde_json::from_value(answer).map_err(|error| ClusterError::Other {
        class: ErrorClass::Unavailable,
        source: format!("{path} is not what discovery answers: {error}").into(),
    })
}

fn add(discovery: &mut Discovery, group: &Group) {
    let name = &group.metadata.name;
    // Versions stand in the order in which the server prefers them; stale ones did not answer.
    if let Some(first) = group.versions.first() {
        discovery
            .preferred
            .insert(name.clone(), first.version.clone());
    }
    for version in &group.versions {
        for resource in &version.resources {
            let Some(kind) = resource
                .response_kind
                .as_ref()
                .filter(|kind| !kind.kind.is_empty())
            else {
                continue;
            };
            let gvk = GroupVersionKind::new(name, &version.version, &kind.kind);
            let served = ServedKind {
                plural: resource.resource.clone(),
                scope: if resource.scope == "Cluster" {
                    Scope::Cluster
                } else {
                    Scope::Namespaced
                },
                verbs: resource.verbs.clone(),
                subresources: resource
                    .subresources
                    .iter()
                    .map(|subresource| subresource.subresource.clone())
                    .collect(),
                short_names: resource.short_names.clone(),
            };
            discovery.kinds.entry(gvk).or_insert(served);
        }
    }
}

async fn add_version(
    cluster: &KubeCluster,
    discovery: &mut Discovery,
    group: &str,
    version: &str,
) -> Result<(), ClusterError> {
    let path = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    let list: ResourceList = match read(cluster, &path, "application/json").await {
        Ok(list) => list,
        // An aggregated API whose server is down must not hide all others.
        Err(ClusterError::Unavailable { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let (whole, parts): (Vec<_>, Vec<_>) = list
        .resources
        .into_iter()
        .partition(|resource| !resource.name.contains('/'));
    for resource in whole {
        let prefix = format!("{}/", resource.name);
        let served = ServedKind {
            scope: if resource.namespaced {
                Scope::Namespaced
            } else {
                Scope::Cluster
            },
            verbs: resource.verbs,
            subresources: parts
                .iter()
                .filter_map(|part| part.name.strip_prefix(&prefix))
                .map(str::to_owned)
                .collect(),
            short_names: resource.short_names,
            plural: resource.name,
        };
        discovery
            .kinds
            .insert(GroupVersionKind::new(group, version, resource.kind), served);
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    git_version: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Root {
    Aggregated(GroupList),
    Core { versions: Vec<String> },
    Groups { groups: Vec<LegacyGroup> },
}

#[derive(Deserialize)]
struct GroupList {
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Metadata,
    versions: Vec<Version>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct Subresource {
    subresource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    name: String,
    versions: Vec<LegacyVersion>,
    preferred_version: LegacyVersion,
}

#[derive(Deserialize)]
struct LegacyVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyResource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Vec<String>,
}
