//! What Argo CD does to an object before it compares it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gitops_core::GroupVersionKind;
use serde_json::{Map, Value};

use super::{
    endpoints::sort_subsets,
    go_types::go_types,
    remarshal::{Unknown, is_canonical, only_stated, remarshal},
};

/// Kind and version of an object.
pub(crate) fn gvk_of(object: &Value) -> GroupVersionKind {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    GroupVersionKind::from_api_version(text("apiVersion"), text("kind"))
}

/// Reads and writes the object through its Go type, so that quantities and the like are canonical;
/// as it is where it does not fit, so that what is wrong shows up as a difference. Nothing is added.
pub(crate) fn remarshal_object(object: &Value) -> Value {
    let written = go_types()
        .kind(&gvk_of(object))
        .and_then(|ty| remarshal(ty, object, Unknown::Refuse).ok());
    match written {
        Some(written) => only_stated(object, written),
        None => object.clone(),
    }
}

/// As [`remarshal_object`], of an object that is mostly canonical.
pub(crate) fn remarshalled(object: Value) -> Value {
    match go_types().kind(&gvk_of(&object)) {
        Some(ty) if !is_canonical(ty, &object, true) => remarshal_object(&object),
        _ => object,
    }
}

/// The rules for single kinds: Secrets, roles, Endpoints.
pub(crate) fn normalize(object: &mut Value, ignore_aggregated_roles: bool) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("creationTimestamp");
    }
    let gvk = gvk_of(object);
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Secret") => secret(object),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
            role(object, ignore_aggregated_roles);
        }
        ("", "Endpoints") => endpoints(object),
        _ => {}
    }
}

/// `stringData` goes into `data`, and nulls become empty.
pub(crate) fn secret(object: &mut Value) {
    let Value::Object(map) = object else { return };
    if let Some(Value::Object(plain)) = map.get("stringData").cloned() {
        let mut data = match map.get("data") {
            Some(Value::Object(data)) => data.clone(),
            _ => Map::new(),
        };
        for (name, value) in plain {
            let value = match value {
                Value::String(text) => STANDARD.encode(text).into(),
                other => other,
            };
            data.insert(name, value);
        }
        map.insert("data".to_owned(), Value::Object(data));
        map.remove("stringData");
    }
    let gvk = GroupVersionKind::new("", "v1", "Secret");
    let Some(written) = go_types()
        .kind(&gvk)
        .and_then(|ty| remarshal(ty, object, Unknown::Drop).ok())
    else {
        return;
    };
    let has_data = object.get("data").is_some_and(Value::is_object);
    let Value::Object(map) = object else { return };
    if has_data {
        // What has no entry is left out when it is written, which is taken for null.
        let mut data = written.get("data").cloned().unwrap_or_default();
        for value in data.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if value.is_null() {
                *value = "".into();
            }
        }
        map.insert("data".to_owned(), data);
    }
}

fn role(object: &mut Value, ignore_aggregated: bool) {
    let Value::Object(map) = object else { return };
    let aggregated = map.get("aggregationRule").is_some_and(Value::is_object);
    if ignore_aggregated && aggregated {
        map.insert("rules".to_owned(), Value::Null);
    }
    if map
        .get("rules")
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        map.insert("rules".to_owned(), Value::Null);
    }
}

fn endpoints(object: &mut Value) {
    let gvk = GroupVersionKind::new("", "v1", "Endpoints");
    let Some(mut written) = go_types()
        .kind(&gvk)
        .and_then(|ty| remarshal(ty, object, Unknown::Drop).ok())
    else {
        return;
    };
    if let Some(Value::Array(subsets)) = written.get_mut("subsets") {
        for subset in subsets.iter_mut() {
            let ports = subset.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten() {
                let unset = port
                    .get("protocol")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .is_empty();
                if let (true, Value::Object(port)) = (unset, port) {
                    port.insert("protocol".to_owned(), "TCP".into());
                }
            }
        }
        sort_subsets(subsets);
    }
    *object = written;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As it is, and with each value in it replaced by some others.
    fn variants(value: &Value) -> Vec<Value> {
        let mut out = vec![
            Value::Null,
            json!(0),
            json!(false),
            json!(true),
            json!(""),
            json!("0.50"),
            json!("1"),
            json!([]),
            json!({}),
            json!([null]),
            json!({"unknown": 1}),
            json!(4_000_000_000_u64),
        ];
        match value {
            Value::Object(map) => {
                for (name, below) in map {
                    for variant in variants(below) {
                        let mut map = map.clone();
                        map.insert(name.clone(), variant);
                        out.push(Value::Object(map));
                    }
                    let mut other_case = map.clone();
                    other_case.insert(name.to_uppercase(), below.clone());
                    out.push(Value::Object(other_case));
                }
            }
            Value::Array(items) => {
                for (at, below) in items.iter().enumerate() {
                    for variant in variants(below) {
                        let mut items = items.clone();
                        items[at] = variant;
                        out.push(Value::Array(items));
                    }
                }
            }
            _ => {}
        }
        out
    }

    #[test]
    fn what_is_canonical_is_written_as_it_is() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "a", "labels": {"a": "b"},
                "ownerReferences": [{"name": "b", "controller": true}]},
            "spec": {"replicas": 3, "paused": true, "strategy": {"rollingUpdate": {"maxSurge": 1}},
                "template": {"spec": {
                    "terminationGracePeriodSeconds": 30,
                    "securityContext": {"runAsNonRoot": true},
                    "containers": [{"name": "a", "args": ["b"], "ports": [{"containerPort": 80}],
                        "resources": {"limits": {"cpu": "500m"}},
                        "readinessProbe": {"httpGet": {"port": "http", "path": "/"}}}],
                    "volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}]}}},
        });
        let ty = go_types().kind(&gvk_of(&object)).unwrap();
        let (mut canonical, mut all) = (0, 0);
        for part in ["metadata", "spec"] {
            for variant in variants(&object[part]) {
                let mut object = object.clone();
                object[part] = variant;
                all += 1;
                if is_canonical(ty, &object, true) {
                    canonical += 1;
                    let written = remarshal(ty, &object, Unknown::Refuse).unwrap();
                    assert_eq!(only_stated(&object, written), object);
                }
            }
        }
        assert!(canonical > 30 && canonical < all, "{canonical} of {all}");
    }
}
