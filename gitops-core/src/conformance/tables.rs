//! Behaviours that differ in data only: refused objects, defaults, immutable fields, selectors.

use serde_json::{Value, json};

use super::{Case, at, case, holds, is_immutable, is_invalid, object, refused, same};

pub(super) fn add(cases: &mut Vec<Case>) {
    refusals(cases);
    defaults(cases);
    immutable(cases);
    selectors(cases);
}

fn pod_spec() -> Value {
    json!({"containers": [{"name": "main", "image": "example.com/app:1"}]})
}

fn template() -> Value {
    json!({"metadata": {"labels": {"a": "b"}}, "spec": pod_spec()})
}

fn job_template() -> Value {
    json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.com/app:1"}]}})
}

/// `kind` as `apiVersion Kind`, the object without them, what the refusal says.
fn refusals(cases: &mut Vec<Case>) {
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

/// What is created, where to look, what is there.
fn defaults(cases: &mut Vec<Case>) {
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

/// What is created, how it is changed, what the refusal says.
fn immutable(cases: &mut Vec<Case>) {
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

fn selectors(cases: &mut Vec<Case>) {
    let table: [(&'static str, &'static [&'static str]); 14] = [
        ("", &["api", "db", "web"]),
        ("app=web", &["web"]),
        ("app==web", &["web"]),
        ("app!=web", &["api", "db"]),
        ("tier", &["api", "web"]),
        ("!tier", &["db"]),
        ("app in (web,db)", &["db", "web"]),
        ("app notin (web,db)", &["api"]),
        ("tier=front,app=web", &["web"]),
        ("tier in (front),app!=web", &[]),
        ("nothing notin (a)", &["api", "db", "web"]),
        ("example.com/size=large", &["db"]),
        ("app in (web, api),tier=back", &["api"]),
        ("app=", &[]),
    ];
    for (selector, expected) in table {
        case(
            cases,
            format!("selector: {selector:?}"),
            move |h| async move {
                for (name, labels) in [
                    ("web", json!({"app": "web", "tier": "front"})),
                    ("api", json!({"app": "api", "tier": "back"})),
                    ("db", json!({"app": "db", "example.com/size": "large"})),
                ] {
                    let mut config = h.config(name, json!({}));
                    config.metadata_mut().insert("labels".to_owned(), labels);
                    h.create(&config).await?;
                }
                let names = h.names(&h.configs(selector)).await?;
                same(&json!(names), &json!(expected), "the names")
            },
        );
    }
    let refused_ones = [
        (
            "a b c",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a in (b", "unable to parse requirement: found ''"),
        ("a in b", "unable to parse requirement: found 'b'"),
        (
            "=b",
            "found '=', expected: !, identifier, or 'end of string'",
        ),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
    ];
    for (selector, words) in refused_ones {
        case(
            cases,
            format!("selector: {selector:?} is refused"),
            move |h| async move {
                refused(
                    h.cluster.list(&h.configs(selector)).await,
                    is_invalid,
                    words,
                )
            },
        );
    }
}
