//! Services and Ingresses: endpoints and addresses.

use gitops_core::{GroupKind, Manifest, ObjectId, cluster::Propagation};
use serde_json::{Value, json};

use super::{CONTROLLER, controller_reference, core_id, is_ready, status_of};
use crate::embedded::{selector::Selector, server::Server, status::ApiError, strategy::hash};

const MANAGER: &str = "cloud-controller-manager";

impl Server {
    pub(super) fn simulate_service(
        &mut self,
        id: &ObjectId,
        service: &Manifest,
    ) -> Result<(), ApiError> {
        if service.is_terminating() {
            return Ok(());
        }
        let is_balanced =
            service.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer");
        let address = address(id);
        let minor = self.minor;
        self.control(id, MANAGER, "status", |service| {
            let status = status_of(service);
            let balancer = if is_balanced {
                let mut ingress = json!({"ip": address});
                if minor >= 30 {
                    ingress["ipMode"] = "VIP".into();
                }
                json!({"ingress": [ingress]})
            } else {
                json!({})
            };
            status.insert("loadBalancer".to_owned(), balancer);
        })?;
        self.make_endpoints(id, service)
    }

    pub(super) fn simulate_ingress(&mut self, id: &ObjectId) -> Result<(), ApiError> {
        let address = address(id);
        self.control(id, "ingress-controller", "status", |ingress| {
            let status = status_of(ingress);
            status.insert(
                "loadBalancer".to_owned(),
                json!({"ingress": [{"ip": address}]}),
            );
        })
    }

    /// The endpoints of a service that is gone.
    pub(super) fn drop_endpoints(&mut self, id: &ObjectId) -> Result<(), ApiError> {
        self.control_delete(
            &core_id("Endpoints", &id.namespace, &id.name),
            Propagation::Background,
        )
    }

    fn make_endpoints(&mut self, id: &ObjectId, service: &Manifest) -> Result<(), ApiError> {
        let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object) else {
            return Ok(());
        };
        if selector.is_empty() {
            return Ok(());
        }
        let selector = Selector::from_labels(selector);
        let pods: Vec<Manifest> = self
            .store
            .list(&GroupKind::new("", "Pod"), Some(&id.namespace))
            .filter(|pod| selector.matches(pod) && is_ready(pod))
            .cloned()
            .collect();
        let empty = Vec::new();
        let service_ports = service
            .pointer("/spec/ports")
            .and_then(Value::as_array)
            .unwrap_or(&empty);
        let ports: Vec<Value> = service_ports
            .iter()
            .map(|port| endpoint_port(port, &pods))
            .collect();
        let text = |pod: &Manifest, pointer: &str| {
            pod.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let target = |pod: &Manifest| json!({"kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()});
        let addresses: Vec<Value> = pods
            .iter()
            .map(|pod| {
                json!({
                    "ip": text(pod, "/status/podIP"), "nodeName": text(pod, "/spec/nodeName"),
                    "targetRef": target(pod),
                })
            })
            .collect();
        let subsets = if addresses.is_empty() {
            Value::Null
        } else {
            json!([{"addresses": addresses, "ports": ports}])
        };
        let labels = service
            .metadata()
            .and_then(|m| m.get("labels"))
            .cloned()
            .unwrap_or_else(|| json!({}));
        self.set_endpoints(
            json!({
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": {"name": id.name, "namespace": id.namespace, "labels": labels},
            }),
            "subsets",
            subsets,
        )?;
        if self.minor < 21 {
            return Ok(());
        }
        let endpoints: Vec<Value> = pods
            .iter()
            .map(|pod| {
                json!({
                    "addresses": [text(pod, "/status/podIP")],
                    "conditions": {"ready": true, "serving": true, "terminating": false},
                    "nodeName": text(pod, "/spec/nodeName"), "targetRef": target(pod),
                })
            })
            .collect();
        let mut labels = labels;
        labels["kubernetes.io/service-name"] = id.name.clone().into();
        labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io".into();
        let suffix =
            crate::embedded::server::safe_text(hash(&format!("{}/{}", id.namespace, id.name)), 5);
        self.set_endpoints(
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {
                    "name": format!("{}-{suffix}", id.name), "namespace": id.namespace,
                    "labels": labels, "ownerReferences": [controller_reference(service)],
                },
                "addressType": "IPv4", "ports": ports,
            }),
            "endpoints",
            Value::Array(endpoints),
        )
    }

    fn set_endpoints(&mut self, object: Value, field: &str, value: Value) -> Result<(), ApiError> {
        let Ok(mut object) = Manifest::try_from(object) else {
            return Ok(());
        };
        let id = object.id();
        if self.stored(&id).is_none() {
            if !value.is_null() {
                object.as_map_mut().insert(field.to_owned(), value);
            }
            return self.control_create(CONTROLLER, object).map(|_| ());
        }
        let ports = object.as_map().get("ports").cloned();
        self.control(&id, CONTROLLER, "", |object| {
            let map = object.as_map_mut();
            if let Some(ports) = ports {
                map.insert("ports".to_owned(), ports);
            }
            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) && field == "subsets"
            {
                map.remove(field);
            } else {
                map.insert(field.to_owned(), value);
            }
        })
    }
}

fn endpoint_port(port: &Value, pods: &[Manifest]) -> Value {
    let target = port.get("targetPort").cloned().unwrap_or_default();
    let number = match &target {
        Value::String(name) => pods
            .iter()
            .filter_map(|pod| pod.pointer("/spec/containers")?.as_array())
            .flatten()
            .filter_map(|container| container.get("ports")?.as_array())
            .flatten()
            .find(|known| known.get("name").and_then(Value::as_str) == Some(name))
            .and_then(|known| known.get("containerPort").cloned())
            .unwrap_or_else(|| port.get("port").cloned().unwrap_or_default()),
        number => number.clone(),
    };
    let mut endpoint = json!({"port": number, "protocol": port.get("protocol").cloned().unwrap_or_else(|| "TCP".into())});
    if let Some(name) = port.get("name") {
        endpoint["name"] = name.clone();
    }
    endpoint
}

/// An address of the range for documentation (RFC 5737), the same for the same object.
fn address(id: &ObjectId) -> String {
    let number = hash(&format!("{}/{}/{}", id.kind, id.namespace, id.name));
    format!("203.0.113.{}", number % 253 + 1)
}
