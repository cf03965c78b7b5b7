//! Schemas of what a cluster serves.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
    time::Duration,
};

use gitops_core::{
    GroupVersionKind,
    clock::Timestamp,
    cluster::{Cluster as _, ClusterError, Discovery, ListScope},
    schema::Schemas,
};
use gitops_diff::{SchemaSet, bundled_schemas_of};
use serde_json::{Map, Value};

use super::{KubeCluster, request::Call};

/// Schemas, and what they were read from.
pub(super) struct KnownSchemas {
    schemas: Arc<SchemaSet>,
    discovery: Arc<Discovery>,
    definitions: BTreeSet<String>,
    checked: Timestamp,
}

const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The schemas, read anew where a definition of kinds has changed.
pub(super) async fn of(cluster: &KubeCluster) -> Result<Arc<dyn Schemas>, ClusterError> {
    let discovery = cluster.discovery().await?;
    let now = cluster.clock.now();
    let (known, is_young) = {
        let known = cluster.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.schemas {
            Some(known) if Arc::ptr_eq(&known.discovery, &discovery) => {
                let age = Duration::try_from(now.duration_since(known.checked));
                (
                    Some((known.schemas.clone(), known.definitions.clone())),
                    age.is_ok_and(|age| age < cluster.options.discovery_age),
                )
            }
            _ => (None, false),
        }
    };
    if let Some((schemas, _)) = &known
        && is_young
    {
        return Ok(schemas.clone());
    }
    let unchanged = match known {
        Some((schemas, before)) => {
            let definitions = definitions(cluster, &discovery).await?;
            (before == definitions).then_some((schemas, definitions))
        }
        None => None,
    };
    let (schemas, definitions) = match unchanged {
        Some(unchanged) => unchanged,
        None => {
            let (schemas, definitions) = read(cluster, &discovery).await?;
            (Arc::new(schemas), definitions)
        }
    };
    let mut known = cluster.known.lock().unwrap_or_else(PoisonError::into_inner);
    known.schemas = Some(KnownSchemas {
        schemas: schemas.clone(),
        discovery,
        definitions,
        checked: now,
    });
    Ok(schemas)
}

fn definition_kind() -> GroupVersionKind {
    GroupVersionKind::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
}

/// The CustomResourceDefinitions and their generations, without their content.
async fn definitions(
    cluster: &KubeCluster,
    discovery: &Discovery,
) -> Result<BTreeSet<String>, ClusterError> {
    let Some(served) = discovery.get(&definition_kind()) else {
        return Ok(BTreeSet::new());
    };
    let call = Call::list(served, &ListScope::all(definition_kind()), 0, "");
    let list = cluster.send_accepting(&call, METADATA_ONLY).await?;
    let items = list.get("items").and_then(Value::as_array);
    let line = |item: &Value| item.get("metadata")?.as_object().map(state);
    Ok(items.into_iter().flatten().filter_map(line).collect())
}

/// The state of a definition, by its metadata.
fn state(metadata: &Map<String, Value>) -> String {
    let text = |key: &str| metadata.get(key).map(ToString::to_string);
    format!("{:?} {:?}", text("uid"), text("generation"))
}

/// The schemas, and the definitions that they were read from.
async fn read(
    cluster: &KubeCluster,
    discovery: &Discovery,
) -> Result<(SchemaSet, BTreeSet<String>), ClusterError> {
    let mut definitions = BTreeSet::new();
    let mut schemas = match bundled_schemas_of(&discovery.version) {
        Some(bundled) => SchemaSet::over(Arc::new(bundled)),
        None => SchemaSet::new(),
    };
    if discovery.get(&definition_kind()).is_some() {
        let list = cluster.list(&ListScope::all(definition_kind())).await?;
        for definition in list.items {
            definitions.extend(definition.metadata().map(state));
            // A definition that cannot be read leaves its kind without a schema, no more.
            if let Err(error) = schemas.add_crd(&definition) {
                tracing::warn!(definition = definition.name(), %error, "no schema");
            }
        }
    }
    // What is neither bundled nor defined: aggregated APIs, and servers of other versions.
    let unknown: BTreeSet<(&str, &str)> = discovery
        .kinds
        .iter()
        .filter(|(gvk, served)| {
            served.verbs.iter().any(|verb| verb == "patch") && schemas.schema(gvk).is_none()
        })
        .map(|(gvk, _)| (gvk.group.as_str(), gvk.version.as_str()))
        .collect();
    let mut documents = Vec::new();
    for (group, version) in unknown {
        let path = if group.is_empty() {
            format!("/openapi/v3/api/{version}")
        } else {
            format!("/openapi/v3/apis/{group}/{version}")
        };
        match cluster.send(&Call::read(&path)).await {
            Ok(document) => documents.push((path, document)),
            Err(error) => tracing::warn!(path, %error, "no schemas"),
        }
    }
    for (path, document) in documents {
        if let Err(error) = schemas.add_openapi(&document) {
            tracing::warn!(path, %error, "no schemas");
        }
    }
    Ok((schemas, definitions))
}
