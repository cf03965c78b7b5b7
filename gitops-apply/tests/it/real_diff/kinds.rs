//! Random objects of many kinds.

use serde_json::{Map, Value, json};

/// Random numbers that are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below the bound")
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// Some of the values, in any order.
    fn some<T: Clone>(&mut self, values: &[T], least: usize) -> Vec<T> {
        let mut left = values.to_vec();
        let count = least + self.below(values.len() + 1 - least);
        (0..count)
            .map(|_| left.remove(self.below(left.len())))
            .collect()
    }

    fn texts(&mut self) -> Value {
        let keys = self.some(&["a", "b", "c"], 0);
        let map: Map<String, Value> = keys
            .iter()
            .map(|key| ((*key).to_owned(), self.of(&["1", "2"]).into()))
            .collect();
        map.into()
    }
}

type Make = fn(&mut Random) -> Value;

/// Every kind, and what is random in its objects (all but name and namespace).
pub(super) const KINDS: &[(&str, &str, bool, Make)] = &[
    (
        "v1",
        "ConfigMap",
        true,
        |r| json!({"data": r.texts(), "binaryData": {"k": r.of(&["AA==", "AQ=="])}}),
    ),
    (
        "v1",
        "Secret",
        true,
        |r| json!({"type": "Opaque", "data": {"k": r.of(&["YQ==", "Yg=="]), "l": "YQ=="}}),
    ),
    ("v1", "Service", true, service),
    ("v1", "ServiceAccount", true, |r| {
        let names = r.some(&["x", "y", "z"], 0);
        let names: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!({"secrets": names, "imagePullSecrets": names, "automountServiceAccountToken": r.coin()})
    }),
    ("v1", "Namespace", false, |_| json!({})),
    (
        "v1",
        "PodTemplate",
        true,
        |r| json!({"template": template(r)}),
    ),
    (
        "v1",
        "ReplicationController",
        true,
        |r| json!({"spec": {"replicas": r.below(3), "selector": {"app": "a"}, "template": template(r)}}),
    ),
    (
        "v1",
        "LimitRange",
        true,
        |r| json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": r.of(&["1", "2000m"])}}, {"type": "Pod", "min": {"memory": r.of(&["1Mi", "1024Ki"])}}]}}),
    ),
    (
        "v1",
        "ResourceQuota",
        true,
        |r| json!({"spec": {"hard": {"pods": r.of(&["1", "2"]), "cpu": r.of(&["1", "1000m"])}, "scopes": ["NotTerminating", "NotBestEffort"]}}),
    ),
    ("v1", "PersistentVolume", false, |r| {
        json!({"spec": {"capacity": {"storage": r.of(&["1Gi", "2Gi"])}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"},
            "persistentVolumeReclaimPolicy": r.of(&["Retain", "Recycle"]), "mountOptions": r.some(&["a", "b"], 0)}})
    }),
    (
        "v1",
        "PersistentVolumeClaim",
        true,
        |_| json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "s", "resources": {"requests": {"storage": "1Gi"}}}}),
    ),
    (
        "v1",
        "Endpoints",
        true,
        |r| json!({"subsets": [{"addresses": [{"ip": r.of(&["10.1.1.1", "10.1.1.2"])}], "ports": [{"name": "p", "port": 80, "protocol": "TCP"}]}]}),
    ),
    (
        "v1",
        "Pod",
        true,
        |_| json!({"spec": {"containers": [{"name": "c", "image": "i"}]}}),
    ),
    ("apps/v1", "Deployment", true, |r| {
        let mut object = workload(r);
        object["spec"]["replicas"] = r.below(4).into();
        if r.coin() {
            object["spec"]["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": r.of(&[json!(1), json!("30%")])}});
        }
        object
    }),
    ("apps/v1", "ReplicaSet", true, |r| {
        let mut object = workload(r);
        object["spec"]["replicas"] = r.below(4).into();
        object
    }),
    ("apps/v1", "StatefulSet", true, |r| {
        let mut object = workload(r);
        object["spec"]["serviceName"] = "s".into();
        object["spec"]["replicas"] = r.below(4).into();
        object
    }),
    ("apps/v1", "DaemonSet", true, workload),
    ("batch/v1", "Job", true, |r| {
        json!({"spec": {"suspend": r.coin(), "parallelism": r.below(3), "backoffLimit": r.below(3),
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}})
    }),
    ("batch/v1", "CronJob", true, |r| {
        let mut template = template(r);
        template["spec"]["restartPolicy"] = "Never".into();
        json!({"spec": {"schedule": r.of(&["* * * * *", "1 * * * *"]), "suspend": r.coin(), "jobTemplate": {"spec": {"template": template}}}})
    }),
    (
        "rbac.authorization.k8s.io/v1",
        "Role",
        true,
        |r| json!({"rules": rules(r)}),
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        false,
        |r| json!({"rules": rules(r)}),
    ),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", true, |r| {
        binding(r, "Role")
    }),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        false,
        |r| binding(r, "ClusterRole"),
    ),
    ("networking.k8s.io/v1", "NetworkPolicy", true, |r| {
        json!({"spec": {"podSelector": {"matchLabels": r.texts()}, "policyTypes": r.some(&["Ingress", "Egress"], 1),
            "ingress": [{"from": [{"podSelector": {"matchLabels": r.texts()}}], "ports": [{"port": r.of(&[80, 81]), "protocol": "TCP"}]}]}})
    }),
    ("networking.k8s.io/v1", "Ingress", true, |r| {
        let hosts = r.some(&["a.example", "b.example", "c.example"], 1);
        let rules: Vec<Value> = hosts.iter().map(|host| json!({"host": host, "http": {"paths": [
            {"path": "/", "pathType": r.of(&["Prefix", "Exact"]), "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}})).collect();
        json!({"spec": {"rules": rules, "tls": [{"hosts": hosts, "secretName": r.of(&["s", "t"])}]}})
    }),
    (
        "networking.k8s.io/v1",
        "IngressClass",
        false,
        |r| json!({"spec": {"controller": "example.com/c", "parameters": {"apiGroup": "k.example.com", "kind": "P", "name": r.of(&["a", "b"])}}}),
    ),
    ("autoscaling/v2", "HorizontalPodAutoscaler", true, |r| {
        let metrics = r.some(&["cpu", "memory"], 1);
        let metrics: Vec<Value> = metrics.iter().map(|name| json!({"type": "Resource", "resource": {
            "name": name, "target": {"type": "Utilization", "averageUtilization": r.of(&[50, 60])}}})).collect();
        json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "minReplicas": 1 + r.below(2), "maxReplicas": 3 + r.below(2), "metrics": metrics}})
    }),
    (
        "policy/v1",
        "PodDisruptionBudget",
        true,
        |r| json!({"spec": {"minAvailable": r.of(&[json!(1), json!("50%")]), "selector": {"matchLabels": r.texts()}}}),
    ),
    (
        "storage.k8s.io/v1",
        "StorageClass",
        false,
        |r| json!({"provisioner": "example.com/p", "allowVolumeExpansion": r.coin(), "parameters": {"a": "1"}}),
    ),
    (
        "storage.k8s.io/v1",
        "CSIDriver",
        false,
        |r| json!({"spec": {"podInfoOnMount": r.coin(), "attachRequired": true}}),
    ),
    (
        "scheduling.k8s.io/v1",
        "PriorityClass",
        false,
        |r| json!({"value": 7, "description": r.of(&["a", "b"])}),
    ),
    (
        "node.k8s.io/v1",
        "RuntimeClass",
        false,
        |_| json!({"handler": "h"}),
    ),
    ("discovery.k8s.io/v1", "EndpointSlice", true, |r| {
        let addresses = r.some(&["10.1.1.1", "10.1.1.2"], 1);
        let endpoints: Vec<Value> = addresses
            .iter()
            .map(|ip| json!({"addresses": [ip], "conditions": {"ready": r.coin()}}))
            .collect();
        json!({"addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "p", "port": r.of(&[80, 81]), "protocol": "TCP"}]})
    }),
    (
        "coordination.k8s.io/v1",
        "Lease",
        true,
        |r| json!({"spec": {"holderIdentity": r.of(&["a", "b"]), "leaseDurationSeconds": 1 + r.below(3)}}),
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        false,
        webhooks,
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        false,
        webhooks,
    ),
    ("test.example.com/v1", "Widget", true, |r| {
        let items = r.some(&["x", "y", "z"], 0);
        let items: Vec<Value> = items
            .iter()
            .map(|name| json!({"name": name, "size": r.below(3)}))
            .collect();
        json!({"spec": {"items": items, "tags": r.some(&["s", "t", "u"], 0), "whole": r.some(&["s", "t"], 0), "any": {"deep": r.texts()}}})
    }),
    (
        "test.example.com/v1",
        "Gadget",
        false,
        |r| json!({"spec": {"list": r.some(&[1, 2, 3], 0), "map": r.texts()}}),
    ),
];

/// The definitions of the custom kinds.
pub(super) fn definitions() -> [Value; 2] {
    let definition = |kind: &str, scope: &str, spec: Value| {
        let lower = kind.to_lowercase();
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{lower}s.test.example.com")},
            "spec": {
                "group": "test.example.com", "scope": scope,
                "names": {"plural": format!("{lower}s"), "singular": lower, "kind": kind, "listKind": format!("{kind}List")},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}],
            },
        })
    };
    let text = json!({"type": "string"});
    [
        definition(
            "Widget",
            "Namespaced",
            json!({"type": "object", "properties": {
                "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": {"name": text, "size": {"type": "integer"}}}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
                "whole": {"type": "array", "items": text},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}),
        ),
        definition(
            "Gadget",
            "Cluster",
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        ),
    ]
}

/// A random object.
pub(super) fn object(random: &mut Random, kind: usize, name: &str) -> Value {
    let (api_version, kind, namespaced, make) = KINDS[kind];
    let mut object = make(random);
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": name, "labels": random.texts()});
    if namespaced {
        // Limits would bind the pods of their namespace.
        let is_limit = matches!(kind, "LimitRange" | "ResourceQuota");
        object["metadata"]["namespace"] = if is_limit { "kube-public" } else { "default" }.into();
    }
    if random.coin() {
        object["metadata"]["annotations"] = random.texts();
    }
    object
}

/// The object with its lists in another order.
pub(super) fn reordered(random: &mut Random, value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), reordered(random, value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| reordered(random, item)).collect();
            let by = random.below(items.len().max(1));
            items.rotate_left(by);
            items.into()
        }
        value => value.clone(),
    }
}

fn service(r: &mut Random) -> Value {
    let ports = r.some(&[(80, "TCP"), (80, "UDP"), (81, "TCP")], 1);
    let ports: Vec<Value> = ports
        .iter()
        .map(|(port, protocol)| {
            let mut out =
                json!({"name": format!("p{port}{}", protocol.to_lowercase()), "port": port});
            if *protocol != "TCP" || r.coin() {
                out["protocol"] = (*protocol).into();
            }
            if r.coin() {
                out["targetPort"] = r.of(&[json!(8080), json!("http")]);
            }
            out
        })
        .collect();
    json!({"spec": {"selector": r.texts(), "ports": ports}})
}

fn template(r: &mut Random) -> Value {
    let names = r.some(&["a", "b", "c"], 1);
    let containers: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut out = json!({"name": name, "image": r.of(&["i:1", "i:2"])});
            let env = r.some(&["A", "B", "C"], 0);
            if !env.is_empty() {
                let env: Vec<Value> = env
                    .iter()
                    .map(|name| json!({"name": name, "value": r.of(&["1", "2"])}))
                    .collect();
                out["env"] = env.into();
            }
            if r.coin() {
                out["args"] = r.some(&["-a", "-b"], 1).into();
            }
            if r.coin() {
                out["resources"] = json!({"limits": {"cpu": r.of(&["1", "1000m", "2"])}});
            }
            if r.coin() {
                let ports = r.some(&[80, 81], 1);
                out["ports"] = ports
                    .iter()
                    .map(|port| json!({"containerPort": port, "protocol": "TCP"}))
                    .collect();
            }
            out
        })
        .collect();
    let mut labels = r.texts();
    labels["app"] = "a".into();
    json!({"metadata": {"labels": labels}, "spec": {"containers": containers}})
}

fn workload(r: &mut Random) -> Value {
    json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template(r)}})
}

fn rules(r: &mut Random) -> Value {
    let one = json!({"apiGroups": [""], "resources": r.some(&["pods", "secrets"], 1), "verbs": r.some(&["get", "list", "watch"], 1)});
    r.some(
        &[
            one,
            json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}),
        ],
        0,
    )
    .into()
}

fn binding(r: &mut Random, role: &str) -> Value {
    let names = r.some(&["x", "y", "z"], 0);
    let subjects: Vec<Value> = names
        .iter()
        .map(|name| json!({"kind": "ServiceAccount", "name": name, "namespace": "default"}))
        .collect();
    json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": "r"}, "subjects": subjects})
}

fn webhooks(r: &mut Random) -> Value {
    let names = r.some(&["a.example.com", "b.example.com"], 1);
    let webhooks: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": r.of(&["Ignore", "Fail"]),
                "clientConfig": {"service": {"name": "s", "namespace": "default"}},
                "rules": [{"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}]})
        })
        .collect();
    json!({"webhooks": webhooks})
}
