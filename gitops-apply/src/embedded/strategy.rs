//! What the API server does to objects of a kind before it stores them, beyond defaults.

use gitops_core::Manifest;
use serde_json::{Map, Value, json};

use super::{
    addresses::{drop_what_the_type_has_not, keep_addresses},
    registry::Kind,
    server::Server,
};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Whether objects of a kind count the changes of their content.
pub(crate) fn has_generation(kind: &Kind, minor: u32) -> bool {
    if kind.custom.is_some() {
        return true;
    }
    match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
        ("apps", kind) => kind != "ControllerRevision",
        ("batch" | "flowcontrol.apiserver.k8s.io" | "admissionregistration.k8s.io", _)
        | ("networking.k8s.io", "Ingress" | "NetworkPolicy" | "IngressClass")
        | ("policy", "PodDisruptionBudget")
        | ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("discovery.k8s.io", "EndpointSlice")
        | ("scheduling.k8s.io", "PriorityClass")
        | ("", "ReplicationController" | "PodTemplate") => true,
        ("", "Pod") => minor >= 33,
        _ => false,
    }
}

/// Whether a replace without a resource version is refused.
pub(crate) fn needs_resource_version(kind: &Kind) -> bool {
    kind.custom.is_some()
        || matches!(
            (kind.stored.group.as_str(), kind.stored.kind.as_str()),
            ("admissionregistration.k8s.io", _)
                | ("apiextensions.k8s.io", "CustomResourceDefinition")
                | ("apiregistration.k8s.io", "APIService")
                | ("coordination.k8s.io", _)
                | ("node.k8s.io", "RuntimeClass")
                | ("policy", "PodDisruptionBudget")
                | (
                    "storage.k8s.io",
                    "CSIDriver" | "CSINode" | "CSIStorageCapacity" | "VolumeAttachment"
                )
        )
}

/// Whether a replace of an object that does not exist creates it.
pub(crate) fn creates_on_replace(kind: &Kind) -> bool {
    matches!(
        (kind.stored.group.as_str(), kind.stored.kind.as_str()),
        ("coordination.k8s.io", _)
            | ("", "Endpoints" | "Event" | "LimitRange" | "Service")
            | ("node.k8s.io", "RuntimeClass")
            | ("rbac.authorization.k8s.io", _)
    )
}

/// Whether the content of an object changed, which its generation counts.
pub(crate) fn counts(kind: &Kind, new: &Manifest, old: &Manifest) -> bool {
    let is_metadata = |key: &str| matches!(key, "metadata" | "apiVersion" | "kind");
    let has_status = kind.has_status();
    let differs = |a: &Map<String, Value>, b: &Map<String, Value>| {
        a.iter().any(|(key, value)| {
            let is_content = !(is_metadata(key) || has_status && key == "status");
            is_content && b.get(key) != Some(value)
        })
    };
    if kind.stored.kind == "PriorityClass" && kind.custom.is_none() {
        return false;
    }
    if differs(new.as_map(), old.as_map()) || differs(old.as_map(), new.as_map()) {
        return true;
    }
    let metadata =
        |object: &Manifest, key: &str| object.metadata().and_then(|m| m.get(key)).cloned();
    match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
        ("apps", "Deployment") => metadata(new, "annotations") != metadata(old, "annotations"),
        ("discovery.k8s.io", "EndpointSlice") => {
            metadata(new, "annotations") != metadata(old, "annotations")
                || metadata(new, "labels") != metadata(old, "labels")
        }
        _ => false,
    }
}

/// `status` of a new object.
fn first_status(kind: &Kind, object: &Manifest) -> Option<Value> {
    Some(
        match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
            ("apps", "Deployment")
            | ("batch", "Job" | "CronJob")
            | ("apiregistration.k8s.io", _) => {
                json!({})
            }
            ("apps", "StatefulSet") => json!({"replicas": 0, "availableReplicas": 0}),
            ("apps", "ReplicaSet") | ("", "ReplicationController") => json!({"replicas": 0}),
            ("apps", "DaemonSet") => json!({
                "currentNumberScheduled": 0, "numberMisscheduled": 0,
                "desiredNumberScheduled": 0, "numberReady": 0,
            }),
            ("", "Pod") => json!({"phase": "Pending", "qosClass": quality_of_service(object)}),
            ("", "Service") | ("networking.k8s.io", "Ingress") => json!({"loadBalancer": {}}),
            ("", "Namespace") => json!({"phase": "Active"}),
            ("", "PersistentVolumeClaim" | "PersistentVolume") => json!({"phase": "Pending"}),
            ("", "ResourceQuota" | "Node") => json!({}),
            ("policy", "PodDisruptionBudget") => json!({
                "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
            }),
            ("autoscaling", "HorizontalPodAutoscaler") => {
                json!({"currentMetrics": null, "desiredReplicas": 0})
            }
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                let stored: Vec<Value> = object
                    .pointer("/spec/versions")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter(|v| v.get("storage").and_then(Value::as_bool) == Some(true))
                    .filter_map(|v| v.get("name").cloned())
                    .collect();
                json!({
                    "acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored,
                })
            }
            _ => return None,
        },
    )
}

fn quality_of_service(pod: &Manifest) -> &'static str {
    let containers = ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .filter_map(|path| pod.pointer(path)?.as_array())
        .flatten();
    let (mut any, mut all) = (false, true);
    for container in containers {
        let resources = container.get("resources");
        let part = |key: &str| {
            resources
                .and_then(|r| r.get(key))
                .and_then(Value::as_object)
        };
        let (limits, requests) = (part("limits"), part("requests"));
        any |= limits.is_some_and(|l| !l.is_empty()) || requests.is_some_and(|r| !r.is_empty());
        all &= ["cpu", "memory"].iter().all(|name| {
            let limit = limits.and_then(|l| l.get(*name));
            limit.is_some() && limit == requests.and_then(|r| r.get(*name))
        });
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

impl Server {
    /// What a new object gets beyond its defaults. `object` is at the request's version.
    pub(crate) fn prepare_create(&mut self, kind: &Kind, object: &mut Manifest) {
        if kind.has_status() || kind.custom.is_none() {
            match first_status(kind, object) {
                Some(status) => {
                    object.as_map_mut().insert("status".to_owned(), status);
                }
                None if kind.has_status() => {
                    object.as_map_mut().remove("status");
                }
                None => {}
            }
        }
        if kind.custom.is_some() {
            return;
        }
        match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
            ("", "Namespace") => {
                let spec = object
                    .as_map_mut()
                    .entry("spec")
                    .or_insert_with(|| json!({}));
                if let Some(spec) = spec.as_object_mut() {
                    spec.insert("finalizers".to_owned(), json!(["kubernetes"]));
                }
            }
            ("", "PersistentVolumeClaim") => add_finalizer(object, "kubernetes.io/pvc-protection"),
            ("", "PersistentVolume") => {
                add_finalizer(object, "kubernetes.io/pv-protection");
                if self.minor >= 29 {
                    let now = self.now_text();
                    if let Some(status) = object
                        .as_map_mut()
                        .get_mut("status")
                        .and_then(Value::as_object_mut)
                    {
                        status.insert("lastPhaseTransitionTime".to_owned(), now.into());
                    }
                }
            }
            ("apps", "DaemonSet") => object.set_annotation(TEMPLATE_GENERATION, "1"),
            ("batch", "Job") => label_job(object, self.minor),
            ("", "Pod") => admit_pod(object, self.minor),
            _ => {}
        }
    }

    /// What a change of an object cannot change, or entails.
    pub(crate) fn prepare_update(&mut self, kind: &Kind, new: &mut Manifest, old: &Manifest) {
        if kind.custom.is_some() {
            return;
        }
        match (kind.stored.group.as_str(), kind.stored.kind.as_str()) {
            ("", "Namespace") => {
                let finalizers = old.pointer("/spec/finalizers").cloned();
                let spec = new.as_map_mut().entry("spec").or_insert_with(|| json!({}));
                if let (Some(spec), Some(finalizers)) = (spec.as_object_mut(), finalizers) {
                    spec.insert("finalizers".to_owned(), finalizers);
                }
            }
            ("apps", "DaemonSet") => {
                let count: i64 = old
                    .annotation(TEMPLATE_GENERATION)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(1);
                let changed = new.pointer("/spec/template") != old.pointer("/spec/template");
                new.set_annotation(
                    TEMPLATE_GENERATION,
                    (count + i64::from(changed)).to_string(),
                );
            }
            ("", "Service") => {
                keep_addresses(new, old);
                drop_what_the_type_has_not(new, old);
            }
            _ => {}
        }
    }
}

/// What the admission plugins of each API server add to pods: a service account, a priority, how
/// long a pod stays on a node that is not well.
fn admit_pod(pod: &mut Manifest, minor: u32) {
    let Some(spec) = pod
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    if !spec.contains_key("serviceAccountName") {
        spec.insert("serviceAccountName".to_owned(), "default".into());
        spec.insert("serviceAccount".to_owned(), "default".into());
    }
    spec.entry("priority").or_insert_with(|| 0.into());
    if minor >= 19 {
        spec.entry("preemptionPolicy")
            .or_insert_with(|| "PreemptLowerPriority".into());
    }
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let tolerates = |known: &Value| {
            known
                .get("key")
                .and_then(Value::as_str)
                .is_none_or(|k| k == key)
                && matches!(
                    known.get("effect").and_then(Value::as_str),
                    None | Some("NoExecute")
                )
        };
        if let Some(list) = tolerations.as_array_mut()
            && !list.iter().any(tolerates)
        {
            list.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
}

pub(crate) fn add_finalizer(object: &mut Manifest, finalizer: &str) {
    if object.finalizers().any(|known| known == finalizer) {
        return;
    }
    let list = object
        .metadata_mut()
        .entry("finalizers")
        .or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(finalizer.into());
    }
}

pub(crate) fn remove_finalizer(object: &mut Manifest, finalizer: &str) {
    let metadata = object.metadata_mut();
    if let Some(list) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
        list.retain(|known| known.as_str() != Some(finalizer));
        if list.is_empty() {
            metadata.remove("finalizers");
        }
    }
}

/// A job selects its pods by its own uid.
fn label_job(job: &mut Manifest, minor: u32) {
    if job.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let (uid, name) = (job.uid().to_owned(), job.name().to_owned());
    let mut labels = vec![("controller-uid", uid.clone()), ("job-name", name.clone())];
    let mut selector = "controller-uid";
    if minor >= 27 {
        labels.push(("batch.kubernetes.io/controller-uid", uid.clone()));
        labels.push(("batch.kubernetes.io/job-name", name));
        selector = "batch.kubernetes.io/controller-uid";
    }
    if minor >= 27 {
        for (key, value) in &labels {
            job.set_label(*key, value.clone());
        }
    }
    let Some(spec) = job
        .as_map_mut()
        .get_mut("spec")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    spec.insert(
        "selector".to_owned(),
        json!({"matchLabels": {selector: uid}}),
    );
    let template = super::defaults::made(spec, "template");
    let on_template = super::defaults::made(super::defaults::made(template, "metadata"), "labels");
    for (key, value) in labels {
        on_template.insert(key.to_owned(), value.into());
    }
}

pub(crate) fn hash(text: &str) -> u64 {
    // FNV-1a: stable over versions and platforms, which the standard hasher is not.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
