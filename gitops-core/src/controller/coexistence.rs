//! Two controllers must not reconcile the same Applications.

use crate::{
    cluster::{Cluster, ClusterError, ListScope},
    object::GroupVersionKind,
};

/// The label value of the workload that is Argo CD's application controller.
const ARGOCD_CONTROLLER: &str = "app.kubernetes.io/name=argocd-application-controller";

/// Namespaces in which an application controller of Argo CD is running.
///
/// Where there is one, only Applications that it leaves alone should be reconciled: two controllers
/// that both sync an Application undo each other's work.
///
/// # Errors
/// When the workloads cannot be listed.
pub async fn running_argocd(cluster: &dyn Cluster) -> Result<Vec<String>, ClusterError> {
    let mut namespaces = Vec::new();
    for kind in ["StatefulSet", "Deployment"] {
        let scope = ListScope {
            gvk: GroupVersionKind::new("apps", "v1", kind),
            namespace: None,
            label_selector: ARGOCD_CONTROLLER.to_owned(),
            metadata_only: false,
        };
        for workload in cluster.list(&scope).await?.items {
            let ready = workload.pointer("/status/readyReplicas");
            if ready.and_then(serde_json::Value::as_u64).unwrap_or(0) > 0 {
                namespaces.push(workload.namespace().to_owned());
            }
        }
    }
    namespaces.sort();
    namespaces.dedup();
    Ok(namespaces)
}
