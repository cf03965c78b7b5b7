//! The order in which Helm installs, and so prints, manifests.

/// Kinds in the order of installation.
const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Where a kind stands; unknown kinds come last, by name.
pub(crate) fn rank(kind: &str, webhooks_ordered: bool) -> (usize, &str) {
    let known = if webhooks_ordered {
        INSTALL_ORDER.len()
    } else {
        INSTALL_ORDER.len() - 2
    };
    match INSTALL_ORDER[..known].iter().position(|k| *k == kind) {
        Some(place) => (place, ""),
        None => (INSTALL_ORDER.len(), kind),
    }
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn unknown_kinds_come_last_by_name() {
        assert!(rank("Namespace", true) < rank("Service", true));
        assert!(rank("APIService", true) < rank("MutatingWebhookConfiguration", true));
        assert!(rank("ValidatingWebhookConfiguration", true) < rank("", true));
        assert!(rank("", true) < rank("Certificate", true));
        assert!(rank("MutatingWebhookConfiguration", false) > rank("Issuer", false));
    }
}
