//! Databases, queues, search and storage.

use serde_json::Value;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, suspended, unknown},
};

pub(super) fn check(group: &str, kind: &str) -> Option<Check> {
    Some(match (group, kind) {
        ("cassandra.rook.io", "Cluster") => cassandra,
        ("ceph.rook.io", "CephCluster") => ceph_cluster,
        ("ceph.rook.io", "CephObjectStore") => ceph_store,
        ("elasticsearch.k8s.elastic.co", "Elasticsearch") => elasticsearch,
        ("k8s.mariadb.com", "Database" | "Grant" | "User") => mariadb_object,
        ("k8s.mariadb.com" | "mariadb.mmontes.io", "MariaDB") => mariadb,
        ("k8s.mariadb.com", "Backup") => mariadb_backup,
        ("k8s.mariadb.com", "SqlJob") => mariadb_job,
        ("kafka.banzaicloud.io", "KafkaCluster") => banzai_kafka,
        ("medusa.k8ssandra.io", "MedusaBackupJob" | "MedusaTask") => medusa,
        ("platform.confluent.io", "Connector") => connector,
        ("pxc.percona.com", "PerconaXtraDBCluster") => xtradb,
        ("rabbitmq.com", "RabbitmqCluster") => rabbit,
        ("solr.apache.org", "SolrCloud") => solr,
        _ => return None,
    })
}

fn cassandra(view: View<'_>) -> Judged {
    let waiting = "Waiting for Cassandra Cluster";
    let Some(racks) = view.at("/status/racks") else {
        return progressing(waiting);
    };
    let lacks = |rack: &Value| {
        let (members, ready) = (&rack["members"], &rack["readyMembers"]);
        !members.is_null() && !ready.is_null() && members != ready
    };
    let mut racks = racks.as_object().into_iter().flatten();
    if racks.any(|(_, rack)| lacks(rack)) {
        progressing(waiting)
    } else {
        healthy("")
    }
}

fn ceph_cluster(view: View<'_>) -> Judged {
    use gitops_core::health::{Health, HealthStatus};
    if !view.has("/status") {
        return progressing("Waiting for status to be reported");
    }
    let mut status = HealthStatus::Progressing;
    let mut parts = Vec::new();
    if view.has("/status/ceph/health") {
        let state = view.show("/status/ceph/health")?;
        let details = view.at("/status/ceph/details").and_then(Value::as_object);
        let mut details: Vec<(&String, &str)> = details
            .into_iter()
            .flatten()
            .filter_map(|(kind, detail)| Some((kind, detail["message"].as_str()?)))
            .collect();
        details.sort_unstable();
        let texts: Vec<&str> = details.into_iter().map(|(_, text)| text).collect();
        status = match state.as_str() {
            "HEALTH_ERR" | "HEALTH_WARN" => HealthStatus::Degraded,
            "HEALTH_OK" => HealthStatus::Healthy,
            _ => status,
        };
        parts.push(if texts.is_empty() {
            format!("Ceph health is {state}")
        } else {
            format!("Ceph health is {state} ({})", texts.join("; "))
        });
    }
    if status == HealthStatus::Healthy && view.has("/status/state") {
        let state = view.show("/status/state")?;
        status = match state.as_str() {
            "Created" | "Connected" => HealthStatus::Healthy,
            "Error" => HealthStatus::Degraded,
            _ => HealthStatus::Progressing,
        };
        parts.push(format!("Ceph cluster state is {state}"));
    }
    if let Some(message) = view.text("/status/message").filter(|text| !text.is_empty()) {
        parts.push(message.to_owned());
    }
    Ok(Some(Health::new(status, parts.join(" - "))))
}

fn ceph_store(view: View<'_>) -> Judged {
    let mut message = "Waiting for status to be reported".to_owned();
    let phase = view.text("/status/phase");
    if let Some(phase) = phase {
        message = format!("Ceph object store phase is {phase}");
    }
    if let Some(endpoint) = view
        .text("/status/info/endpoint")
        .filter(|text| !text.is_empty())
    {
        message.push_str(&format!(" - endpoint: {endpoint}"));
    }
    match phase {
        Some("Ready") => healthy(message),
        Some("Failure") => degraded(message),
        _ => progressing(message),
    }
}

fn elasticsearch(view: View<'_>) -> Judged {
    if view.has("/status/availableNodes") {
        let available = view.need_number("/status/availableNodes")?;
        view.need("/spec/nodeSets")?;
        let mut sum = 0.0;
        for set in view.list("/spec/nodeSets")? {
            sum += set["count"]
                .as_f64()
                .ok_or_else(|| view.fail("a node set has no count"))?;
        }
        if available < sum {
            return progressing(format!(
                "The desired amount of availableNodes is {sum} but the current amount is {available}"
            ));
        }
        let more = "Check the status of indices, replicas and shards";
        if available == sum && view.has("/status/health") {
            match (view.text("/status/phase"), view.text("/status/health")) {
                (Some("Ready"), Some("green")) => {
                    return healthy("Elasticsearch Cluster status is Green");
                }
                (Some("Ready"), Some("yellow")) => {
                    return progressing(format!("Elasticsearch Cluster status is Yellow. {more}"));
                }
                (Some("Ready"), Some("red")) => {
                    return degraded(format!("Elasticsearch Cluster status is Red. {more}"));
                }
                (Some(phase @ ("ApplyingChanges" | "MigratingData")), _) => {
                    return progressing(format!("Elasticsearch phase is {phase}"));
                }
                (Some("Invalid"), _) => return degraded("Elasticsearch phase is Invalid"),
                _ => {}
            }
        }
    }
    unknown(
        "Elasticsearch Cluster status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
    )
}

/// No condition says Ready: the last one has the word.
fn mariadb_object(view: View<'_>) -> Judged {
    let conditions = view.conditions()?;
    progressing(match conditions.last() {
        Some(condition) => condition.message(),
        None => "No status info available",
    })
}

fn mariadb(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("No status info available");
    }
    let mut message = "";
    for condition in view.conditions()? {
        message = condition.message();
        if condition.has("False") {
            return if condition.reason() == Some("Failed") {
                degraded(message)
            } else {
                progressing(message)
            };
        }
    }
    healthy(message)
}

fn mariadb_backup(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("No status info available");
    }
    let mut text = String::new();
    for condition in view.conditions()? {
        let (reason, message) = (
            condition.need(view, "reason")?,
            condition.need(view, "message")?,
        );
        text = format!("{reason} {message}");
        if condition.has("False") {
            return if (reason, message) == ("CronJobScheduled", "Failed") {
                degraded(text)
            } else {
                progressing(text)
            };
        }
    }
    healthy(text)
}

fn mariadb_job(view: View<'_>) -> Judged {
    let mut text = "No status info available".to_owned();
    for condition in view.conditions()? {
        let (reason, message) = (
            condition.need(view, "reason")?,
            condition.need(view, "message")?,
        );
        text = format!("{reason} {message}");
        match reason {
            "JobComplete" if condition.has("True") => return healthy(text),
            "JobFailed" if condition.has("True") => return degraded(text),
            _ => {}
        }
    }
    progressing(text)
}

fn banzai_kafka(view: View<'_>) -> Judged {
    let state = view.text("/status/state").unwrap_or_default();
    if state == "ClusterRollingUpgrading" {
        return progressing("Kafka Cluster is Rolling Upgrading.");
    }
    if let Some(brokers) = view.at("/status/brokersState").and_then(Value::as_object) {
        let good = |broker: &Value| {
            let action = broker.pointer("/gracefulActionState/cruiseControlState");
            broker["configurationState"] == "ConfigInSync"
                && matches!(
                    action.and_then(Value::as_str),
                    Some("GracefulUpscaleSucceeded" | "GracefulDownscaleSucceeded")
                )
        };
        if !brokers.values().all(good) {
            return degraded("Broker Config is out of Sync or CruiseControlState is not Ready");
        }
        let topic = view.text("/status/cruiseControlTopicStatus");
        match (topic, state) {
            (Some("CruiseControlTopicReady"), "ClusterRunning") => {
                return healthy("Kafka Brokers, CruiseControl and cluster are in Healthy State.");
            }
            (None | Some("CruiseControlTopicNotReady"), "ClusterReconciling") => {
                return progressing("Kafka Cluster is Reconciling.");
            }
            _ => {}
        }
    }
    progressing("Waiting for KafkaCluster")
}

fn medusa(view: View<'_>) -> Judged {
    if view.has("/status/finished") {
        return if view.list("/status/finished")?.is_empty() {
            progressing("")
        } else {
            healthy("")
        };
    }
    degraded("Failed nodes exist")
}

fn connector(view: View<'_>) -> Judged {
    let state = view.text("/status/state");
    let failed = view.number("/status/failedTasksCount");
    if view.has("/status/state") {
        if state == Some("CREATED")
            && view.is("/status/connectorState", "RUNNING")
            && failed.is_none()
        {
            return healthy("Connector running");
        }
        if state == Some("ERROR") {
            let conditions = view.conditions()?;
            return degraded(match conditions.first() {
                Some(condition) => condition.message(),
                None => "No conditions available",
            });
        }
        if failed.is_some_and(|failed| failed > 0.0) {
            return degraded("Connector has failed tasks");
        }
    }
    progressing("Waiting for Kafka Connector")
}

fn xtradb(view: View<'_>) -> Judged {
    if view.is("/status/state", "error") {
        let messages: Vec<&str> = view
            .list("/status/message")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        return degraded(format!("Cluster is on error: {}", messages.join(", ")));
    }
    unknown(
        "Cluster status is unknown. Ensure your ArgoCD is current and then check for/file a bug report: https://github.com/argoproj/argo-cd/issues",
    )
}

fn rabbit(view: View<'_>) -> Judged {
    let waiting = "Waiting for RabbitMQ Operator";
    if !view.has("/status/conditions") {
        return progressing(waiting);
    }
    let (mut available, mut ready) = (None, None);
    for condition in view.conditions()? {
        if condition.says("ReconcileSuccess", "False") {
            return degraded(condition.message());
        }
        if condition.is("ClusterAvailable") {
            available = condition.get("status");
        }
        if condition.is("AllReplicasReady") {
            ready = Some(condition);
        }
    }
    let replicas = ready.and_then(|condition| condition.get("status"));
    if available == Some("Unknown") || replicas == Some("Unknown") {
        return progressing("Waiting for RabbitMQ cluster readiness (conditions unknown)");
    }
    let scaled_to_zero = ready.and_then(|condition| condition.reason()) == Some("ScaledToZero");
    if scaled_to_zero && replicas == Some("False") && view.number("/spec/replicas") == Some(0.0) {
        return suspended("RabbitmqCluster is scaled to 0 replicas");
    }
    match (available, replicas) {
        (Some("False"), _) => progressing("Waiting for RabbitMQ cluster formation"),
        (_, Some("False")) => progressing("Waiting for RabbitMQ instances ready"),
        (Some("True"), Some("True")) => healthy("RabbitMQ cluster ready"),
        _ => progressing(waiting),
    }
}

fn solr(view: View<'_>) -> Judged {
    if !view.has("/status/solrNodes") {
        return progressing("Waiting for solr to exist");
    }
    let ready = |node: &Value| !matches!(node["ready"], Value::Null | Value::Bool(false));
    if view.list("/status/solrNodes")?.iter().all(ready) {
        healthy("Solr is ready")
    } else {
        progressing("Not all replicas are ready")
    }
}
