//! Tables: what kubectl prints.

use gitops_core::{GroupKind, Manifest};
use serde_json::{Value, json};

use super::{
    media::{Include, metadata_only},
    path,
};
use crate::embedded::{registry::Kind, server::Server};

/// The columns of a kind.
#[derive(Debug, Clone)]
pub(super) struct Columns(Vec<Column>);

#[derive(Debug, Clone)]
struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    cell: Cell,
}

#[derive(Debug, Clone)]
enum Cell {
    Name,
    Age,
    Path(String),
    Made(fn(&Manifest) -> Value),
}

impl Columns {
    pub(super) fn of(kind: &Kind, server: &Server) -> Self {
        let mut columns = vec![Column {
            format: "name".to_owned(),
            ..column("Name", "string", Cell::Name)
        }];
        match printer_columns(kind, server) {
            Some(declared) => columns.extend(declared),
            None => {
                columns.extend(
                    built_in(&kind.gvk.kind)
                        .into_iter()
                        .filter(|_| kind.custom.is_none()),
                );
                if kind.gvk.kind != "CustomResourceDefinition" {
                    columns.push(column("Age", "string", Cell::Age));
                }
            }
        }
        Self(columns)
    }

    fn definitions(&self) -> Vec<Value> {
        let columns = self.0.iter();
        columns
            .map(|column| {
                json!({
                    "name": column.name, "type": column.kind, "format": column.format,
                    "description": column.description, "priority": column.priority,
                })
            })
            .collect()
    }

    fn cells(&self, object: &Manifest, now: jiff::Timestamp) -> Vec<Value> {
        let columns = self.0.iter();
        columns
            .map(|column| match &column.cell {
                Cell::Name => object.name().into(),
                Cell::Age => age(object.pointer("/metadata/creationTimestamp"), now).into(),
                Cell::Made(make) => make(object),
                Cell::Path(expression) => {
                    let found = path::find(object, expression);
                    match column.kind.as_str() {
                        "date" => age(found.first().copied(), now).into(),
                        "string" => {
                            let texts: Vec<String> = found.into_iter().map(text).collect();
                            texts.join(",").into()
                        }
                        _ => found.first().map_or(Value::Null, |value| (*value).clone()),
                    }
                }
            })
            .collect()
    }
}

/// A table of objects.
pub(super) fn of(
    columns: &Columns,
    include: Include,
    metadata: Value,
    items: Vec<Manifest>,
    now: jiff::Timestamp,
) -> Value {
    let rows: Vec<Value> = items
        .into_iter()
        .map(|object| {
            let cells = columns.cells(&object, now);
            let object = match include {
                Include::None => Value::Null,
                Include::Metadata => metadata_only(&object),
                Include::Object => object.into_value(),
            };
            json!({"cells": cells, "object": object})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns.definitions(), "rows": rows,
    })
}

/// The columns that a CustomResourceDefinition declares for a version.
fn printer_columns(kind: &Kind, server: &Server) -> Option<Vec<Column>> {
    kind.custom.as_ref()?;
    let definitions = GroupKind::new("apiextensions.k8s.io", "CustomResourceDefinition");
    let name = format!("{}.{}", kind.plural(), kind.gvk.group);
    let definition = server.store.get(&definitions, "", &name)?;
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions
        .iter()
        .find(|version| version["name"] == kind.gvk.version.as_str())?;
    let declared = version.get("additionalPrinterColumns")?.as_array()?;
    let columns = declared.iter().map(|declared| {
        let text = |key: &str| declared[key].as_str().unwrap_or_default().to_owned();
        Column {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description: text("description"),
            priority: declared["priority"].as_i64().unwrap_or(0),
            cell: Cell::Path(text("jsonPath")),
        }
    });
    Some(columns.collect())
}

fn column(name: &str, kind: &str, cell: Cell) -> Column {
    Column {
        name: name.to_owned(),
        kind: kind.to_owned(),
        format: String::new(),
        description: String::new(),
        priority: 0,
        cell,
    }
}

fn built_in(kind: &str) -> Vec<Column> {
    let made = |name, make| column(name, "string", Cell::Made(make));
    let number = |name, path: &str| column(name, "integer", Cell::Path(path.to_owned()));
    let text = |name, path: &str| column(name, "string", Cell::Path(path.to_owned()));
    match kind {
        "Pod" => vec![
            made("Ready", |pod| {
                let statuses = list(pod, "/status/containerStatuses");
                let ready = statuses.iter().filter(|status| status["ready"] == true);
                format!("{}/{}", ready.count(), list(pod, "/spec/containers").len()).into()
            }),
            made("Status", |pod| {
                if pod.is_terminating() {
                    return "Terminating".into();
                }
                pod.pointer("/status/phase").cloned().unwrap_or_default()
            }),
            made("Restarts", |pod| {
                let statuses = list(pod, "/status/containerStatuses").iter();
                let restarts: i64 = statuses.filter_map(|s| s["restartCount"].as_i64()).sum();
                restarts.to_string().into()
            }),
        ],
        "Deployment" => vec![
            made("Ready", ready_of_replicas),
            made("Up-to-date", |o| count(o, "/status/updatedReplicas")),
            made("Available", |o| count(o, "/status/availableReplicas")),
        ],
        "StatefulSet" => vec![made("Ready", ready_of_replicas)],
        "ReplicaSet" | "ReplicationController" => vec![
            made("Desired", |o| count(o, "/spec/replicas")),
            made("Current", |o| count(o, "/status/replicas")),
            made("Ready", |o| count(o, "/status/readyReplicas")),
        ],
        "DaemonSet" => vec![
            made("Desired", |o| count(o, "/status/desiredNumberScheduled")),
            made("Current", |o| count(o, "/status/currentNumberScheduled")),
            made("Ready", |o| count(o, "/status/numberReady")),
            made("Up-to-date", |o| count(o, "/status/updatedNumberScheduled")),
            made("Available", |o| count(o, "/status/numberAvailable")),
        ],
        "Job" => vec![
            made("Status", |job| {
                let is_true = |wanted: &str| {
                    let mut conditions = list(job, "/status/conditions").iter();
                    conditions.any(|c| c["type"] == wanted && c["status"] == "True")
                };
                let states = ["Complete", "Failed", "Suspended"];
                let state = states.into_iter().find(|state| is_true(state));
                state.unwrap_or("Running").into()
            }),
            made("Completions", |job| {
                let wanted = job.pointer("/spec/completions").and_then(Value::as_i64);
                let done = count(job, "/status/succeeded");
                format!("{}/{}", text_of(&done), wanted.unwrap_or(1)).into()
            }),
        ],
        "CronJob" => vec![
            text("Schedule", ".spec.schedule"),
            text("Suspend", ".spec.suspend"),
        ],
        "Service" => vec![
            text("Type", ".spec.type"),
            text("Cluster-IP", ".spec.clusterIP"),
            made("External-IP", |service| {
                let ingress = list(service, "/status/loadBalancer/ingress").iter();
                let addresses: Vec<String> = ingress
                    .filter_map(|entry| Some(text_of(entry.get("ip").or(entry.get("hostname"))?)))
                    .collect();
                let is_pending = service.pointer("/spec/type") == Some(&"LoadBalancer".into());
                match (addresses.is_empty(), is_pending) {
                    (false, _) => addresses.join(",").into(),
                    (true, true) => "<pending>".into(),
                    (true, false) => "<none>".into(),
                }
            }),
            made("Port(s)", |service| {
                let ports = list(service, "/spec/ports").iter().map(|port| {
                    let protocol = port["protocol"].as_str().unwrap_or("TCP");
                    match port.get("nodePort") {
                        Some(node) => format!("{}:{node}/{protocol}", port["port"]),
                        None => format!("{}/{protocol}", port["port"]),
                    }
                });
                let ports: Vec<String> = ports.collect();
                if ports.is_empty() {
                    "<none>".into()
                } else {
                    ports.join(",").into()
                }
            }),
        ],
        "Ingress" => vec![
            made("Class", |ingress| {
                let class = ingress.pointer("/spec/ingressClassName").cloned();
                class.unwrap_or_else(|| "<none>".into())
            }),
            made("Hosts", |ingress| {
                let rules = list(ingress, "/spec/rules").iter();
                let hosts: Vec<&str> = rules.filter_map(|rule| rule["host"].as_str()).collect();
                if hosts.is_empty() {
                    "*".into()
                } else {
                    hosts.join(",").into()
                }
            }),
        ],
        "ConfigMap" => vec![made("Data", |o| {
            { entries(o, "/data") + entries(o, "/binaryData") }.into()
        })],
        "Secret" => vec![
            text("Type", ".type"),
            made("Data", |o| entries(o, "/data").into()),
        ],
        "Namespace" | "PersistentVolume" | "PersistentVolumeClaim" => {
            vec![text("Status", ".status.phase")]
        }
        "ServiceAccount" => vec![made("Secrets", |o| list(o, "/secrets").len().into())],
        "Node" => vec![made("Status", |node| {
            let mut conditions = list(node, "/status/conditions").iter();
            let is_ready = conditions.any(|c| c["type"] == "Ready" && c["status"] == "True");
            if is_ready { "Ready" } else { "NotReady" }.into()
        })],
        "HorizontalPodAutoscaler" => vec![
            number("MinPods", ".spec.minReplicas"),
            number("MaxPods", ".spec.maxReplicas"),
            number("Replicas", ".status.currentReplicas"),
        ],
        "Event" => vec![
            text("Type", ".type"),
            text("Reason", ".reason"),
            made("Object", |event| {
                let text = |pointer: &str| event.pointer(pointer).map(text_of).unwrap_or_default();
                let kind = text("/involvedObject/kind").to_lowercase();
                format!("{kind}/{}", text("/involvedObject/name")).into()
            }),
            text("Message", ".message"),
        ],
        "CustomResourceDefinition" => vec![made("Created At", |definition| {
            let time = definition.pointer("/metadata/creationTimestamp");
            time.cloned().unwrap_or_default()
        })],
        _ => Vec::new(),
    }
}

fn ready_of_replicas(object: &Manifest) -> Value {
    let number = |pointer: &str| text_of(&count(object, pointer));
    format!(
        "{}/{}",
        number("/status/readyReplicas"),
        number("/spec/replicas")
    )
    .into()
}

fn count(object: &Manifest, pointer: &str) -> Value {
    object.pointer(pointer).cloned().unwrap_or_else(|| 0.into())
}

fn entries(object: &Manifest, pointer: &str) -> usize {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.map_or(0, serde_json::Map::len)
}

fn list<'a>(object: &'a Manifest, pointer: &str) -> &'a [Value] {
    let list = object.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn text_of(value: &Value) -> String {
    text(value)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// How long ago, as `kubectl get` shows it.
fn age(time: Option<&Value>, now: jiff::Timestamp) -> String {
    let time = time.and_then(Value::as_str).unwrap_or_default();
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => human(now.as_second() - time.as_second()),
        Err(_) => "<unknown>".to_owned(),
    }
}

/// `HumanDuration` of apimachinery.
fn human(seconds: i64) -> String {
    const YEAR: i64 = 24 * 365;
    let two = |large: i64, unit: char, small: i64, part: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{part}")
        }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    if seconds < -1 {
        "<invalid>".to_owned()
    } else if seconds < 0 {
        "0s".to_owned()
    } else if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, 'm', seconds % 60, 's')
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, 'h', minutes % 60, 'm')
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        two(days, 'd', hours % 24, 'h')
    } else if hours < 2 * YEAR {
        format!("{days}d")
    } else if hours < 8 * YEAR {
        two(hours / YEAR, 'y', days % 365, 'd')
    } else {
        format!("{}y", hours / YEAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let shown: Vec<String> = [
            -5, 0, 119, 120, 150, 660, 10_799, 10_800, 30_000, 172_800, 700_000, 80_000_000,
        ]
        .into_iter()
        .map(human)
        .collect();
        assert_eq!(
            shown,
            [
                "<invalid>",
                "0s",
                "119s",
                "2m",
                "2m30s",
                "11m",
                "179m",
                "3h",
                "8h",
                "2d",
                "8d",
                "2y195d"
            ]
        );
    }
}
