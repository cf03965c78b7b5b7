//! Defaults of pods and pod templates: `restartPolicy`, `dnsPolicy`, `terminationGracePeriodSeconds`,
//! `schedulerName`, `securityContext`, `serviceAccount`; of containers `imagePullPolicy`,
//! `terminationMessagePath`, `terminationMessagePolicy`, `resources`, protocols, probes; of volumes
//! `emptyDir` and the modes of files.

use serde_json::{Map, Value, json};

use super::{child, children, made, put, put_unless_set};

/// Fills in a pod template.
pub(crate) fn fill_template(template: &mut Map<String, Value>) {
    made(template, "metadata");
    fill(made(template, "spec"));
}

/// Fills in a pod's `spec`, be it in a template or in a pod.
pub(crate) fn fill(spec: &mut Map<String, Value>) {
    put_unless_set(spec, "restartPolicy", "Always");
    put(spec, "terminationGracePeriodSeconds", 30);
    put_unless_set(spec, "dnsPolicy", "ClusterFirst");
    put(spec, "securityContext", json!({}));
    put_unless_set(spec, "schedulerName", "default-scheduler");
    let account = |key: &str, spec: &Map<String, Value>| {
        spec.get(key)
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
    };
    match account("serviceAccountName", spec).or_else(|| account("serviceAccount", spec)) {
        Some(name) => {
            spec.insert("serviceAccountName".to_owned(), name.clone().into());
            spec.insert("serviceAccount".to_owned(), name.into());
        }
        None => {
            spec.remove("serviceAccountName");
            spec.remove("serviceAccount");
        }
    }
    let host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for key in ["containers", "initContainers", "ephemeralContainers"] {
        for container in children(spec, key) {
            fill_container(container, host_network);
        }
    }
    children(spec, "volumes").for_each(fill_volume);
}

/// What only pods have, not templates.
pub(crate) fn fill_pod_only(spec: &mut Map<String, Value>) {
    put(spec, "enableServiceLinks", true);
    for key in ["containers", "initContainers"] {
        for container in children(spec, key) {
            let resources = made(container, "resources");
            let Some(Value::Object(limits)) = resources.get("limits").cloned() else {
                continue;
            };
            let requests = made(resources, "requests");
            limits
                .into_iter()
                .for_each(|(name, limit)| put(requests, &name, limit));
        }
    }
}

fn fill_container(container: &mut Map<String, Value>, host_network: bool) {
    let image = container
        .get("image")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let policy = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    put_unless_set(container, "imagePullPolicy", policy);
    put(container, "resources", json!({}));
    put_unless_set(container, "terminationMessagePath", "/dev/termination-log");
    put_unless_set(container, "terminationMessagePolicy", "File");
    for port in children(container, "ports") {
        put_unless_set(port, "protocol", "TCP");
        if host_network && let Some(number) = port.get("containerPort").cloned() {
            put_unless_set(port, "hostPort", number);
        }
    }
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = child(container, key) else {
            continue;
        };
        put_unless_set(probe, "timeoutSeconds", 1);
        put_unless_set(probe, "periodSeconds", 10);
        put_unless_set(probe, "successThreshold", 1);
        put_unless_set(probe, "failureThreshold", 3);
        fill_handler(probe);
        if let Some(grpc) = child(probe, "grpc") {
            put(grpc, "service", "");
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for key in ["postStart", "preStop"] {
            if let Some(handler) = child(lifecycle, key) {
                fill_handler(handler);
            }
        }
    }
    for variable in children(container, "env") {
        if variable.get("value").and_then(Value::as_str) == Some("") {
            variable.remove("value");
        }
        if let Some(from) = child(variable, "valueFrom") {
            fill_field_reference(from);
        }
    }
}

fn fill_handler(handler: &mut Map<String, Value>) {
    if let Some(get) = child(handler, "httpGet") {
        put_unless_set(get, "path", "/");
        put_unless_set(get, "scheme", "HTTP");
    }
}

fn fill_field_reference(source: &mut Map<String, Value>) {
    if let Some(field) = child(source, "fieldRef") {
        put_unless_set(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(source, "resourceFieldRef") {
        put(resource, "divisor", "0");
    }
}

fn fill_volume(volume: &mut Map<String, Value>) {
    if volume
        .iter()
        .all(|(key, value)| key == "name" || value.is_null())
    {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for key in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child(volume, key) {
            put(source, "defaultMode", 420);
        }
    }
    if let Some(source) = child(volume, "downwardAPI") {
        children(source, "items").for_each(fill_field_reference);
    }
    if let Some(source) = child(volume, "projected") {
        for source in children(source, "sources") {
            if let Some(token) = child(source, "serviceAccountToken") {
                put(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = child(source, "downwardAPI") {
                children(downward, "items").for_each(fill_field_reference);
            }
        }
    }
    if let Some(path) = child(volume, "hostPath") {
        put(path, "type", "");
    }
    if let Some(iscsi) = child(volume, "iscsi") {
        put_unless_set(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = child(volume, "rbd") {
        put_unless_set(rbd, "pool", "rbd");
        put_unless_set(rbd, "user", "admin");
        put_unless_set(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(claim) = child(volume, "ephemeral").and_then(|e| child(e, "volumeClaimTemplate")) {
        put(made(claim, "spec"), "volumeMode", "Filesystem");
    }
}

/// Whether an image is pulled each time: its tag is `latest` or left out, and it has no digest.
fn is_latest(image: &str) -> bool {
    if image.is_empty() || image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.rsplit_once(':').is_none_or(|(_, tag)| tag == "latest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        for (image, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.2", false),
            ("reg:5000/nginx", true),
            ("reg:5000/nginx:1", false),
            ("nginx@sha256:ab", false),
        ] {
            assert_eq!(is_latest(image), latest, "{image}");
        }
    }

    #[test]
    fn twice_is_once() {
        let mut spec = json!({
            "containers": [{"name": "c", "image": "a:1", "ports": [{"containerPort": 80}],
                "livenessProbe": {"httpGet": {"port": 80}}, "env": [{"name": "E", "value": ""}]}],
            "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}],
            "serviceAccountName": "sa",
        });
        fill(spec.as_object_mut().unwrap());
        let once = spec.clone();
        fill(spec.as_object_mut().unwrap());
        assert_eq!(once, spec);
        assert_eq!(spec["serviceAccount"], "sa");
        assert_eq!(spec["volumes"][0]["emptyDir"], json!({}));
        assert_eq!(spec["containers"][0]["env"][0], json!({"name": "E"}));
    }
}
