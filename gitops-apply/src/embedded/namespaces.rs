//! The life of namespaces: what each gets when it is made, and how it goes.

use gitops_core::{Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{server::Server, status::ApiError};

const MANAGER: &str = "kube-controller-manager";
/// Not the certificate of anything: the embedded cluster speaks no TLS.
const CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nZW1iZWRkZWQgY2x1c3Rlcg==\n-----END CERTIFICATE-----\n";

impl Server {
    pub(crate) fn tend_namespace(&mut self, name: &str) -> Result<(), ApiError> {
        let Some(namespace) = self.namespace(name) else {
            return Ok(());
        };
        if namespace.is_terminating() {
            return self.empty_namespace(name);
        }
        self.equip_namespace(name)
    }

    /// A service account and the certificate of the API server.
    fn equip_namespace(&mut self, name: &str) -> Result<(), ApiError> {
        let mut wanted = vec![json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": name},
        })];
        if self.minor >= 20 {
            wanted.push(json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": "kube-root-ca.crt", "namespace": name,
                    "annotations": {
                        "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
                    },
                },
                "data": {"ca.crt": CERTIFICATE},
            }));
        }
        for object in wanted
            .into_iter()
            .filter_map(|value| Manifest::try_from(value).ok())
        {
            if self.stored(&object.id()).is_none() {
                self.control_create(MANAGER, object)?;
            }
        }
        Ok(())
    }

    /// Deletes what is in a terminating namespace; the namespace goes with the last of it.
    fn empty_namespace(&mut self, name: &str) -> Result<(), ApiError> {
        let mut remaining: Vec<(String, usize)> = Vec::new();
        let mut finalizers: Vec<(String, usize)> = Vec::new();
        for kind in self.store.kinds_in(name) {
            let ids: Vec<ObjectId> = self
                .store
                .list(&kind, Some(name))
                .filter(|object| !object.is_terminating())
                .map(|object| super::store::stored_id(&kind, object))
                .collect();
            for id in ids {
                self.control_delete(&id, Propagation::Background)?;
            }
            let left: Vec<&Manifest> = self.store.list(&kind, Some(name)).collect();
            if !left.is_empty() {
                let plural = self
                    .registry
                    .by_stored(&kind)
                    .map_or_else(|| kind.kind.to_lowercase(), |k| k.plural().to_owned());
                let resource = if kind.group.is_empty() {
                    format!("{plural}.")
                } else {
                    format!("{plural}.{}", kind.group)
                };
                remaining.push((resource, left.len()));
                for finalizer in left.iter().flat_map(|object| object.finalizers()) {
                    match finalizers.iter_mut().find(|(known, _)| known == finalizer) {
                        Some((_, count)) => *count += 1,
                        None => finalizers.push((finalizer.to_owned(), 1)),
                    }
                }
            }
        }
        let id = ObjectId {
            group: String::new(),
            kind: "Namespace".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        if !remaining.is_empty() {
            let conditions = conditions(&remaining, &finalizers, &self.now_text());
            return self.control(&id, MANAGER, "status", |namespace| {
                let status = namespace
                    .as_map_mut()
                    .entry("status")
                    .or_insert_with(|| json!({}));
                let same = status
                    .get("conditions")
                    .and_then(Value::as_array)
                    .is_some_and(|known| {
                        let texts = |list: &[Value]| -> Vec<Option<Value>> {
                            list.iter().map(|c| c.get("message").cloned()).collect()
                        };
                        texts(known) == texts(&conditions)
                    });
                if !same && let Some(status) = status.as_object_mut() {
                    status.insert("conditions".to_owned(), Value::Array(conditions));
                }
            });
        }
        let kind = self.registry.by_stored(&id.group_kind());
        if let (Some(kind), Some(namespace)) = (kind, self.namespace(name).cloned())
            && namespace.finalizers().next().is_none()
        {
            self.erase(&kind, "", name);
        }
        Ok(())
    }
}

fn conditions(
    remaining: &[(String, usize)],
    finalizers: &[(String, usize)],
    now: &str,
) -> Vec<Value> {
    let condition = |kind: &str, status: bool, reason: &str, message: String| {
        json!({
            "type": kind, "status": if status { "True" } else { "False" }, "reason": reason,
            "message": message, "lastTransitionTime": now,
        })
    };
    let resources: Vec<String> = remaining
        .iter()
        .map(|(resource, count)| format!("{resource} has {count} resource instances"))
        .collect();
    let holders: Vec<String> = finalizers
        .iter()
        .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
        .collect();
    vec![
        condition(
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", resources.join(", ")),
        ),
        condition(
            "NamespaceFinalizersRemaining",
            !holders.is_empty(),
            "SomeFinalizersRemain",
            format!(
                "Some content in the namespace has finalizers remaining: {}",
                holders.join(", ")
            ),
        ),
    ]
}
