//! What is filled in where an object leaves it out.

use serde_json::{Value, json};

use super::{job_template, template};
use crate::conformance::{Case, at, case, holds, same};

/// What is created, where to look, what is there.
pub(super) fn add(cases: &mut Vec<Case>) {
    let selector = json!({"matchLabels": {"a": "b"}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"selector": selector, "template": template()}});
    let stateful = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {"replicas": 0, "serviceName": "a", "selector": selector, "template": template()}});
    let daemon = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "a"}, "spec": {"selector": selector, "template": template()}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"suspend": true, "template": job_template()}});
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": job_template()}}}});
    let probe = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 0, "selector": selector, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
        "containers": [{"name": "m", "image": "x", "ports": [{"containerPort": 80}], "readinessProbe": {"httpGet": {"port": 80}}, "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
        "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
    }}}});
    let table: Vec<(&str, &Value, &str, Value)> = vec![
        (
            "replicas of a deployment",
            &deployment,
            "/spec/replicas",
            json!(1),
        ),
        (
            "strategy of a deployment",
            &deployment,
            "/spec/strategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        ),
        (
            "history of a deployment",
            &deployment,
            "/spec/revisionHistoryLimit",
            json!(10),
        ),
        (
            "deadline of a deployment",
            &deployment,
            "/spec/progressDeadlineSeconds",
            json!(600),
        ),
        (
            "restart policy of a template",
            &deployment,
            "/spec/template/spec/restartPolicy",
            json!("Always"),
        ),
        (
            "DNS policy of a template",
            &deployment,
            "/spec/template/spec/dnsPolicy",
            json!("ClusterFirst"),
        ),
        (
            "grace period of a template",
            &deployment,
            "/spec/template/spec/terminationGracePeriodSeconds",
            json!(30),
        ),
        (
            "scheduler of a template",
            &deployment,
            "/spec/template/spec/schedulerName",
            json!("default-scheduler"),
        ),
        (
            "pull policy of a tagged image",
            &deployment,
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!("IfNotPresent"),
        ),
        (
            "pull policy of an image without tag",
            &probe,
            "/spec/template/spec/containers/0/imagePullPolicy",
            json!("Always"),
        ),
        (
            "protocol of a container port",
            &probe,
            "/spec/template/spec/containers/0/ports/0/protocol",
            json!("TCP"),
        ),
        (
            "a probe",
            &probe,
            "/spec/template/spec/containers/0/readinessProbe",
            json!({"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1, "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"}}),
        ),
        (
            "version of a field reference",
            &probe,
            "/spec/template/spec/containers/0/env/0/valueFrom/fieldRef/apiVersion",
            json!("v1"),
        ),
        (
            "a volume without source",
            &probe,
            "/spec/template/spec/volumes/0/emptyDir",
            json!({}),
        ),
        (
            "mode of a secret volume",
            &probe,
            "/spec/template/spec/volumes/1/secret/defaultMode",
            json!(420),
        ),
        (
            "pod management of a stateful set",
            &stateful,
            "/spec/podManagementPolicy",
            json!("OrderedReady"),
        ),
        (
            "update strategy of a stateful set",
            &stateful,
            "/spec/updateStrategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ),
        (
            "update strategy of a daemon set",
            &daemon,
            "/spec/updateStrategy",
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        ),
        (
            "type of a service",
            &service,
            "/spec/type",
            json!("ClusterIP"),
        ),
        (
            "affinity of a service",
            &service,
            "/spec/sessionAffinity",
            json!("None"),
        ),
        (
            "target of a service port",
            &service,
            "/spec/ports/0",
            json!({"port": 80, "protocol": "TCP", "targetPort": 80}),
        ),
        (
            "IP family policy of a service",
            &service,
            "/spec/ipFamilyPolicy",
            json!("SingleStack"),
        ),
        ("completions of a job", &job, "/spec/completions", json!(1)),
        ("parallelism of a job", &job, "/spec/parallelism", json!(1)),
        (
            "back-off limit of a job",
            &job,
            "/spec/backoffLimit",
            json!(6),
        ),
        (
            "concurrency of a cron job",
            &cron,
            "/spec/concurrencyPolicy",
            json!("Allow"),
        ),
        (
            "history of a cron job",
            &cron,
            "/spec/successfulJobsHistoryLimit",
            json!(3),
        ),
    ];
    for (what, value, pointer, expected) in table {
        let value = value.clone();
        case(cases, format!("default: {what}"), move |h| {
            let (value, expected) = (value.clone(), expected.clone());
            async move {
                let made = h.create(&h.inside(value)).await?;
                same(at(&made, pointer), &expected, pointer)
            }
        });
    }
    let more: Vec<(&str, Value, &str, Value)> = vec![
        (
            "type of a secret",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
            "/type",
            json!("Opaque"),
        ),
        (
            "volume mode of a claim",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
            "/spec/volumeMode",
            json!("Filesystem"),
        ),
        (
            "policy types of a network policy",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}}),
            "/spec/policyTypes",
            json!(["Ingress", "Egress"]),
        ),
        (
            "protocol of a network policy port",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}}),
            "/spec/egress/0/ports/0/protocol",
            json!("TCP"),
        ),
        (
            "group of a user subject",
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "a"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}, "subjects": [{"kind": "User", "name": "u"}]}),
            "/subjects/0/apiGroup",
            json!("rbac.authorization.k8s.io"),
        ),
        (
            "minimum of an autoscaler",
            json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}}),
            "/spec/minReplicas",
            json!(1),
        ),
        (
            "phase of a new claim",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
            "/status/phase",
            json!("Pending"),
        ),
        (
            "finalizers of a claim",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
            "/metadata/finalizers",
            json!(["kubernetes.io/pvc-protection"]),
        ),
    ];
    for (what, value, pointer, expected) in more {
        case(cases, format!("default: {what}"), move |h| {
            let (value, expected) = (value.clone(), expected.clone());
            async move {
                let made = h.create(&h.inside(value)).await?;
                same(at(&made, pointer), &expected, pointer)
            }
        });
    }
    case(
        cases,
        "default: a service gets a cluster IP",
        |h| async move {
            let service = h.inside(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}));
            let made = h.create(&service).await?;
            let ip = at(&made, "/spec/clusterIP");
            holds(
                ip.as_str().is_some_and(|ip| ip.contains('.')),
                "an address is given",
            )?;
            same(at(&made, "/spec/clusterIPs/0"), ip, "the list of addresses")
        },
    );
    case(
        cases,
        "default: a headless service gets none",
        |h| async move {
            let service = h.inside(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]}}));
            same(
                at(&h.create(&service).await?, "/spec/clusterIP"),
                &"None".into(),
                "the cluster IP",
            )
        },
    );
    case(
        cases,
        "default: a node port is in its range",
        |h| async move {
            let service = h.inside(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}));
            let port = at(&h.create(&service).await?, "/spec/ports/0/nodePort")
                .as_i64()
                .unwrap_or(0);
            holds(
                (30000..=32767).contains(&port),
                "the port is between 30000 and 32767",
            )
        },
    );
    case(
        cases,
        "default: a job selects its pods by its uid",
        |h| async move {
            let job = h.inside(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"suspend": true, "template": job_template()}}));
            let made = h.create(&job).await?;
            let labels = at(&made, "/spec/selector/matchLabels")
                .as_object()
                .cloned()
                .unwrap_or_default();
            holds(
                labels
                    .values()
                    .any(|value| value.as_str() == Some(made.uid())),
                "the selector names the uid",
            )
        },
    );
    case(
        cases,
        "default: empty maps and lists are as if left out",
        |h| async move {
            let config = h.inside(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {}, "annotations": {}}, "data": {}}));
            let made = h.create(&config).await?;
            holds(!made.as_map().contains_key("data"), "data is gone")?;
            same(at(&made, "/metadata/labels"), &json!(null), "labels")
        },
    );
}
