//! What is refused, and in which words.

use serde_json::{Value, json};

use super::{job_template, template};
use crate::conformance::{Case, case, is_invalid, refused};

/// `kind` as `apiVersion Kind`, the object without them, what the refusal says.
pub(super) fn add(cases: &mut Vec<Case>) {
    let selector = json!({"matchLabels": {"a": "b"}});
    let table: Vec<(&str, &str, Value, &str)> = vec![
        (
            "a deployment without selector",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"template": template()}}),
            "spec.selector: Required value",
        ),
        (
            "a deployment whose selector does not match",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"selector": {"matchLabels": {"x": "y"}}, "template": template()}}),
            "`selector` does not match template `labels`",
        ),
        (
            "a deployment without containers",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"selector": selector, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}}}),
            "spec.template.spec.containers: Required value",
        ),
        (
            "a container without name",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"selector": selector, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"image": "x"}]}}}}),
            "containers[0].name: Required value",
        ),
        (
            "a container whose name is no label",
            "v1 Pod",
            json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "Main", "image": "x"}]}}),
            "RFC 1123 label",
        ),
        (
            "two containers of one name",
            "v1 Pod",
            json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "m", "image": "x"}, {"name": "m", "image": "y"}]}}),
            "Duplicate value",
        ),
        (
            "a mount of no volume",
            "v1 Pod",
            json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "m", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}}),
            "Not found: \"v\"",
        ),
        (
            "a restart policy that is none",
            "v1 Pod",
            json!({"metadata": {"name": "a"}, "spec": {"restartPolicy": "Sometimes", "containers": [{"name": "m", "image": "x"}]}}),
            "Unsupported value: \"Sometimes\"",
        ),
        (
            "a name in capitals",
            "v1 ConfigMap",
            json!({"metadata": {"name": "Web_1"}}),
            "a lowercase RFC 1123 subdomain",
        ),
        (
            "a service whose name begins with a digit",
            "v1 Service",
            json!({"metadata": {"name": "1a"}, "spec": {"ports": [{"port": 80}]}}),
            "DNS-1035",
        ),
        (
            "a service without ports",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {}}),
            "spec.ports: Required value",
        ),
        (
            "two ports without names",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}, {"port": 81}]}}),
            "spec.ports[0].name: Required value",
        ),
        (
            "a port out of range",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 70000}]}}),
            "must be between 1 and 65535",
        ),
        (
            "a service of no type",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {"type": "Gate", "ports": [{"port": 80}]}}),
            "Unsupported value: \"Gate\"",
        ),
        (
            "a headless node port service",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}}),
            "may not be set to 'None' for NodePort services",
        ),
        (
            "an external name without name",
            "v1 Service",
            json!({"metadata": {"name": "s"}, "spec": {"type": "ExternalName"}}),
            "spec.externalName",
        ),
        (
            "a label with a space",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a", "labels": {"a b": "c"}}}),
            "metadata.labels: Invalid value: \"a b\"",
        ),
        (
            "a label value with a space",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a", "labels": {"a": "b c"}}}),
            "a valid label must be an empty string",
        ),
        (
            "an annotation key with a space",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a", "annotations": {"a b": "c"}}}),
            "metadata.annotations",
        ),
        (
            "an owner without uid",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": ""}]}}),
            "metadata.ownerReferences.uid",
        ),
        (
            "a finalizer without domain",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a", "finalizers": ["hold"]}}),
            "name is neither a standard finalizer name nor is it fully qualified",
        ),
        (
            "a config map key with a slash",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a"}, "data": {"a/b": "c"}}),
            "a valid config key",
        ),
        (
            "a TLS secret without key",
            "v1 Secret",
            json!({"metadata": {"name": "a"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "YQ=="}}),
            "data[tls.key]: Required value",
        ),
        (
            "a claim without access modes",
            "v1 PersistentVolumeClaim",
            json!({"metadata": {"name": "a"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
            "at least 1 access mode is required",
        ),
        (
            "a claim without size",
            "v1 PersistentVolumeClaim",
            json!({"metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"]}}),
            "spec.resources[storage]: Required value",
        ),
        (
            "a job that restarts always",
            "batch/v1 Job",
            json!({"metadata": {"name": "a"}, "spec": {"template": template()}}),
            "restartPolicy: Required value",
        ),
        (
            "a cron job without schedule",
            "batch/v1 CronJob",
            json!({"metadata": {"name": "a"}, "spec": {"jobTemplate": {"spec": {"template": job_template()}}}}),
            "spec.schedule: Required value",
        ),
        (
            "an ingress without rules",
            "networking.k8s.io/v1 Ingress",
            json!({"metadata": {"name": "a"}, "spec": {}}),
            "either `defaultBackend` or `rules` must be specified",
        ),
        (
            "an ingress path without type",
            "networking.k8s.io/v1 Ingress",
            json!({"metadata": {"name": "a"}, "spec": {"rules": [{"http": {"paths": [{"path": "/", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]}}]}}),
            "pathType must be specified",
        ),
        (
            "a role without verbs",
            "rbac.authorization.k8s.io/v1 Role",
            json!({"metadata": {"name": "a"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": []}]}),
            "verbs must contain at least one value",
        ),
        (
            "a binding to no kind of role",
            "rbac.authorization.k8s.io/v1 RoleBinding",
            json!({"metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Rule", "name": "x"}}),
            "roleRef.kind: Unsupported value",
        ),
        (
            "an autoscaler whose maximum is too small",
            "autoscaling/v1 HorizontalPodAutoscaler",
            json!({"metadata": {"name": "a"}, "spec": {"minReplicas": 5, "maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}}),
            "must be greater than or equal to `minReplicas`",
        ),
        (
            "a budget with both limits",
            "policy/v1 PodDisruptionBudget",
            json!({"metadata": {"name": "a"}, "spec": {"minAvailable": 1, "maxUnavailable": 1}}),
            "minAvailable and maxUnavailable cannot be both set",
        ),
        (
            "an unknown field",
            "v1 ConfigMap",
            json!({"metadata": {"name": "a"}, "nonsense": 1}),
            "unknown field \"nonsense\"",
        ),
        (
            "an unknown field deep inside",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"selector": selector, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x", "imag": 1}]}}}}),
            "unknown field \"spec.template.spec.containers[0].imag\"",
        ),
        (
            "a wrong type",
            "apps/v1 Deployment",
            json!({"metadata": {"name": "a"}, "spec": {"replicas": "many"}}),
            "cannot unmarshal string",
        ),
    ];
    for (what, kind, value, words) in table {
        case(cases, format!("refused: {what}"), move |h| {
            let (api_version, kind) = kind.split_once(' ').unwrap_or_default();
            let mut value = value.clone();
            value["apiVersion"] = api_version.into();
            value["kind"] = kind.into();
            async move { refused(h.create(&h.inside(value)).await, is_invalid, words) }
        });
    }
}
