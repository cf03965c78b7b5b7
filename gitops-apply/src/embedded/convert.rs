//! Objects between the versions of their API group.
//!
//! Most kinds have one shape under all their versions; those that do not are converted here:
//! CustomResourceDefinition, Ingress and HorizontalPodAutoscaler.

use gitops_core::{GroupVersionKind, Manifest};
use serde_json::{Map, Value, json};

use super::custom;

/// `object` at another version of its kind. Cheap where it is of that version already.
pub(crate) fn convert(object: &Manifest, to: &GroupVersionKind) -> Manifest {
    if object.version() == to.version && object.group() == to.group {
        return object.clone();
    }
    let to_api_version = to.api_version();
    let from = object.version().to_owned();
    let mut object = object.clone();
    let map = object.as_map_mut();
    match to.kind.as_str() {
        "CustomResourceDefinition" if to.group == "apiextensions.k8s.io" => {
            if to.version == "v1" {
                custom::to_v1(map);
            } else {
                custom::to_v1beta1(map);
            }
        }
        "Ingress" if matches!(to.group.as_str(), "extensions" | "networking.k8s.io") => {
            match (from.as_str(), to.version.as_str()) {
                ("v1beta1", "v1") => ingress_to_v1(map),
                ("v1", "v1beta1") => ingress_to_v1beta1(map),
                _ => {}
            }
        }
        "HorizontalPodAutoscaler" if to.group == "autoscaling" => {
            autoscaler(map, &from, &to.version)
        }
        _ => {}
    }
    map.insert("apiVersion".to_owned(), to_api_version.into());
    object
}

fn spec(map: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    map.get_mut("spec")?.as_object_mut()
}

fn backends(spec: &mut Map<String, Value>, mut change: impl FnMut(&mut Value)) {
    let rules = spec.get_mut("rules").and_then(Value::as_array_mut);
    for path in rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.get_mut("http")?.get_mut("paths")?.as_array_mut())
        .flatten()
    {
        if let Some(backend) = path.get_mut("backend") {
            change(backend);
        }
    }
}

fn ingress_to_v1(map: &mut Map<String, Value>) {
    let Some(spec) = spec(map) else { return };
    let backend = |backend: &mut Value| {
        let Some(map) = backend.as_object_mut() else {
            return;
        };
        let name = map.remove("serviceName");
        let port = map.remove("servicePort");
        if name.is_some() || port.is_some() {
            let mut service = json!({"name": name.unwrap_or_else(|| "".into())});
            service["port"] = match port {
                Some(Value::String(name)) => json!({"name": name}),
                Some(number) => json!({"number": number}),
                None => json!({}),
            };
            map.insert("service".to_owned(), service);
        }
    };
    if let Some(mut default) = spec.remove("backend") {
        backend(&mut default);
        spec.insert("defaultBackend".to_owned(), default);
    }
    backends(spec, backend);
}

fn ingress_to_v1beta1(map: &mut Map<String, Value>) {
    let Some(spec) = spec(map) else { return };
    let backend = |backend: &mut Value| {
        let Some(map) = backend.as_object_mut() else {
            return;
        };
        if let Some(service) = map.remove("service") {
            if let Some(name) = service.get("name") {
                map.insert("serviceName".to_owned(), name.clone());
            }
            let port = service
                .get("port")
                .and_then(|p| p.get("number").or_else(|| p.get("name")));
            if let Some(port) = port {
                map.insert("servicePort".to_owned(), port.clone());
            }
        }
    };
    if let Some(mut default) = spec.remove("defaultBackend") {
        backend(&mut default);
        spec.insert("backend".to_owned(), default);
    }
    backends(spec, backend);
}

/// v2 and v2beta2 have one shape; v2beta1 states targets flat; v1 knows one metric only and keeps
/// the others in an annotation.
fn autoscaler(map: &mut Map<String, Value>, from: &str, to: &str) {
    if from == "v1" {
        autoscaler_v1_to_v2(map);
    } else if from == "v2beta1" {
        metrics(map, nest_target);
    }
    if to == "v1" {
        autoscaler_v2_to_v1(map);
    } else if to == "v2beta1" {
        metrics(map, flatten_target);
    }
}

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

fn autoscaler_v1_to_v2(map: &mut Map<String, Value>) {
    let mut all = Vec::new();
    if let Some(annotations) = map
        .get_mut("metadata")
        .and_then(|m| m.get_mut("annotations"))
        .and_then(Value::as_object_mut)
        && let Some(Value::String(text)) = annotations.remove(METRICS)
        && let Ok(Value::Array(others)) = serde_json::from_str(&text)
    {
        all.extend(others);
    }
    let Some(spec) = spec(map) else { return };
    if let Some(percentage) = spec.remove("targetCPUUtilizationPercentage") {
        all.push(json!({"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": percentage},
        }}));
    }
    if !all.is_empty() {
        spec.insert("metrics".to_owned(), Value::Array(all));
    }
    if let Some(status) = map.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("currentCPUUtilizationPercentage");
    }
}

fn autoscaler_v2_to_v1(map: &mut Map<String, Value>) {
    let Some(spec) = spec(map) else { return };
    let metrics = spec.remove("metrics");
    spec.remove("behavior");
    let mut others = Vec::new();
    for metric in metrics
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let percentage = metric
            .get("resource")
            .filter(|r| r.get("name").and_then(Value::as_str) == Some("cpu"))
            .and_then(|r| r.get("target")?.get("averageUtilization"));
        match percentage {
            Some(percentage) if !spec.contains_key("targetCPUUtilizationPercentage") => {
                spec.insert(
                    "targetCPUUtilizationPercentage".to_owned(),
                    percentage.clone(),
                );
            }
            _ => others.push(metric.clone()),
        }
    }
    if !others.is_empty()
        && let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(annotations) = metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        annotations.insert(METRICS.to_owned(), Value::Array(others).to_string().into());
    }
    if let Some(status) = map.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("currentMetrics");
        status.remove("conditions");
        status.entry("currentReplicas").or_insert_with(|| 0.into());
    }
}

fn metrics(map: &mut Map<String, Value>, change: fn(&mut Map<String, Value>)) {
    let Some(metrics) = spec(map)
        .and_then(|s| s.get_mut("metrics"))
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    for metric in metrics {
        if let Some(source) = metric.get_mut("resource").and_then(Value::as_object_mut) {
            change(source);
        }
    }
}

fn nest_target(source: &mut Map<String, Value>) {
    if let Some(percentage) = source.remove("targetAverageUtilization") {
        source.insert(
            "target".to_owned(),
            json!({"type": "Utilization", "averageUtilization": percentage}),
        );
    } else if let Some(value) = source.remove("targetAverageValue") {
        source.insert(
            "target".to_owned(),
            json!({"type": "AverageValue", "averageValue": value}),
        );
    }
}

fn flatten_target(source: &mut Map<String, Value>) {
    if let Some(target) = source.remove("target") {
        if let Some(percentage) = target.get("averageUtilization") {
            source.insert("targetAverageUtilization".to_owned(), percentage.clone());
        } else if let Some(value) = target.get("averageValue") {
            source.insert("targetAverageValue".to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(object: Value, there: GroupVersionKind) -> Value {
        let object = Manifest::try_from(object).unwrap();
        convert(&convert(&object, &there), &object.gvk()).into_value()
    }

    #[test]
    fn ingress_round_trip() {
        let beta = json!({
            "apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", "metadata": {"name": "x"},
            "spec": {
                "backend": {"serviceName": "d", "servicePort": 80},
                "rules": [{"http": {"paths": [{"path": "/", "backend": {"serviceName": "a", "servicePort": "web"}}]}}],
            },
        });
        let v1 = GroupVersionKind::new("networking.k8s.io", "v1", "Ingress");
        assert_eq!(there_and_back(beta.clone(), v1.clone()), beta);
        let converted = convert(&Manifest::try_from(beta).unwrap(), &v1);
        assert_eq!(
            converted.pointer("/spec/rules/0/http/paths/0/backend/service/port/name"),
            Some(&"web".into())
        );
    }

    #[test]
    fn autoscaler_round_trip() {
        let v1 = json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50},
        });
        let v2 = GroupVersionKind::new("autoscaling", "v2", "HorizontalPodAutoscaler");
        assert_eq!(
            there_and_back(v1, v2)["spec"]["targetCPUUtilizationPercentage"],
            50
        );
    }
}
