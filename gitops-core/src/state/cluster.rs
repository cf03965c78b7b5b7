//! State kept in the cluster itself: one Secret for each owner.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    cluster::{ApplyOptions, Cluster, ClusterError, DeleteOptions},
    error::{Classified as _, ErrorClass},
    object::{GroupVersionKind, Manifest, ObjectRef},
    state::{StateError, StateKey, StateStore},
};

/// Field manager of state Secrets.
const FIELD_MANAGER: &str = "gitops-state";
/// Label of state Secrets.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Keeps state in Secrets of one namespace, which is created when it is first needed.
pub struct ClusterStateStore {
    cluster: Arc<dyn Cluster>,
    namespace: String,
}

impl ClusterStateStore {
    /// State in `namespace` of `cluster`.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: impl Into<String>) -> Self {
        Self {
            cluster,
            namespace: namespace.into(),
        }
    }

    fn secret(&self, key: &StateKey) -> ObjectRef {
        let kind = if key.owner.bootstrap {
            "bootstrap"
        } else {
            "state"
        };
        // Instance names of applications in other namespaces contain `_`, which names may not.
        let name = format!("gitops-{kind}-{}", key.owner.name.replace('_', "."));
        ObjectRef::new(
            GroupVersionKind::new("", "v1", "Secret"),
            &self.namespace,
            name,
        )
    }

    async fn read(&self, secret: &ObjectRef) -> Result<BTreeMap<String, String>, ClusterError> {
        let Some(object) = self.cluster.get(secret).await? else {
            return Ok(BTreeMap::new());
        };
        let data = object.as_map().get("data").and_then(Value::as_object);
        Ok(data
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect())
    }

    async fn write(
        &self,
        secret: &ObjectRef,
        data: &BTreeMap<String, String>,
    ) -> Result<(), ClusterError> {
        if data.is_empty() {
            return match self.cluster.delete(secret, &DeleteOptions::default()).await {
                Ok(_) | Err(ClusterError::NotFound { .. }) => Ok(()),
                Err(error) => Err(error),
            };
        }
        let object = manifest(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": secret.name,
                "namespace": secret.namespace,
                "labels": {MANAGED_BY: "gitops"},
            },
            "type": "gitops/state",
            "data": data,
        }));
        let options = ApplyOptions {
            field_manager: FIELD_MANAGER.to_owned(),
            ..ApplyOptions::default()
        };
        match self.cluster.apply(&object, &options).await {
            Err(ClusterError::NotFound { .. }) => {
                let namespace = manifest(json!({
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": self.namespace},
                }));
                self.cluster.apply(&namespace, &options).await?;
                self.cluster.apply(&object, &options).await?;
                Ok(())
            }
            result => result.map(|_| ()),
        }
    }
}

fn manifest(value: Value) -> Manifest {
    Manifest::try_from(value).expect("apiVersion and kind are written out above")
}

#[async_trait]
impl StateStore for ClusterStateStore {
    async fn load(&self, key: &StateKey) -> Result<Option<Vec<u8>>, StateError> {
        let data = self
            .read(&self.secret(key))
            .await
            .map_err(|error| StateError::new(key, "read", error.class(), error))?;
        data.get(key.item.name())
            .map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|error| StateError::new(key, "read", ErrorClass::Invalid, error))
    }

    async fn save(&self, key: &StateKey, value: Option<&[u8]>) -> Result<(), StateError> {
        let secret = self.secret(key);
        let failed = |error: ClusterError| StateError::new(key, "written", error.class(), error);
        let mut data = self.read(&secret).await.map_err(failed)?;
        let name = key.item.name().to_owned();
        let changed = match value {
            Some(value) => {
                let text = STANDARD.encode(value);
                data.insert(name, text.clone()) != Some(text)
            }
            None => data.remove(&name).is_some(),
        };
        if changed {
            self.write(&secret, &data).await.map_err(failed)
        } else {
            Ok(())
        }
    }
}
