//! Fields that cannot be changed.

use serde_json::{Value, json};

use super::{job_template, pod_spec, template};
use crate::conformance::{Case, case, is_immutable, object, refused};

/// What is created, how it is changed, what the refusal says.
pub(super) fn add(cases: &mut Vec<Case>) {
    let selector = json!({"matchLabels": {"a": "b"}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}});
    let table: Vec<(&str, Value, Value, &str)> = vec![
        (
            "selector of a deployment",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 0, "selector": selector, "template": template()}}),
            json!({"spec": {"selector": {"matchLabels": {"a": "c"}}, "template": {"metadata": {"labels": {"a": "c"}}}}}),
            "field is immutable",
        ),
        (
            "selector of a daemon set",
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}, "spec": {"selector": selector, "template": template()}}),
            json!({"spec": {"selector": {"matchLabels": {"a": "c"}}, "template": {"metadata": {"labels": {"a": "c"}}}}}),
            "field is immutable",
        ),
        (
            "service name of a stateful set",
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {"replicas": 0, "serviceName": "a", "selector": selector, "template": template()}}),
            json!({"spec": {"serviceName": "b"}}),
            "updates to statefulset spec for fields other than",
        ),
        (
            "completions of a job",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"parallelism": 0, "completions": 1, "template": job_template()}}),
            json!({"spec": {"completions": 2}}),
            "field is immutable",
        ),
        (
            "template of a job",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"parallelism": 0, "completions": 1, "template": job_template()}}),
            json!({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}),
            "field is immutable",
        ),
        (
            "cluster IP of a service",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]}}),
            json!({"spec": {"clusterIP": "10.1.2.3", "clusterIPs": ["10.1.2.3"]}}),
            "may not change once set",
        ),
        (
            "access modes of a claim",
            claim,
            json!({"spec": {"accessModes": ["ReadWriteMany"]}}),
            "spec is immutable after creation",
        ),
        (
            "type of a secret",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
            json!({"type": "example.com/other"}),
            "field is immutable",
        ),
        (
            "data of an immutable secret",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "immutable": true, "data": {"a": "YQ=="}}),
            json!({"data": {"a": "Yg=="}}),
            "field is immutable when `immutable` is set",
        ),
        (
            "data of an immutable config map",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "immutable": true, "data": {"a": "b"}}),
            json!({"data": {"a": "c"}}),
            "field is immutable when `immutable` is set",
        ),
        (
            "the mark itself",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "immutable": true}),
            json!({"immutable": false}),
            "field is immutable when `immutable` is set",
        ),
        (
            "role of a binding",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}),
            json!({"roleRef": {"name": "edit"}}),
            "cannot change roleRef",
        ),
        (
            "containers of a pod",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": pod_spec()}),
            json!({"spec": {"restartPolicy": "Never"}}),
            "pod updates may not change fields other than",
        ),
    ];
    for (what, value, patch, words) in table {
        case(cases, format!("immutable: {what}"), move |h| {
            let (value, patch) = (value.clone(), patch.clone());
            async move {
                let made = h.create(&h.inside(value)).await?;
                refused(h.merge(&made, patch).await, is_immutable, words)
            }
        });
    }
    case(
        cases,
        "immutable: the provisioner of a storage class",
        |h| async move {
            let class = object(
                json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": h.unique("class")}, "provisioner": "example.com/a"}),
            );
            let made = h.create(&class).await?;
            let done = refused(
                h.merge(&made, json!({"provisioner": "example.com/b"}))
                    .await,
                is_immutable,
                "updates to provisioner are forbidden",
            );
            h.remove(&made).await?;
            done
        },
    );
}
