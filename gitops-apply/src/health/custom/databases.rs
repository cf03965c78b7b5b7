//! Databases, queues, search and storage.

use gitops_core::health::HealthStatus;

use super::{
    Check,
    view::{Judged, View, degraded, healthy, progressing, said, suspended, unknown},
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
    let racks = view.at("/status/racks");
    if !racks.exists() {
        return progressing(waiting);
    }
    for rack in racks.values() {
        let (members, ready) = (rack.at("members"), rack.at("readyMembers"));
        if members.exists() && ready.exists() && !members.same(ready) {
            return progressing(waiting);
        }
    }
    healthy("")
}

fn ceph_cluster(view: View<'_>) -> Judged {
    if !view.has("/status") {
        return progressing("Waiting for status to be reported");
    }
    let mut status = HealthStatus::Progressing;
    let mut parts = Vec::new();
    let health = view.at("/status/ceph/health");
    if health.exists() {
        let details = view.at("/status/ceph/details");
        let mut details: Vec<_> = match details.map() {
            Some(map) => map.keys().map(|kind| details.at(kind)).collect(),
            None => details.values(),
        };
        details.retain(|detail| detail.at("message").exists());
        let texts: Vec<String> = details
            .into_iter()
            .map(|detail| detail.message().shown())
            .collect();
        status = match health.text() {
            Some("HEALTH_ERR" | "HEALTH_WARN") => HealthStatus::Degraded,
            Some("HEALTH_OK") => HealthStatus::Healthy,
            _ => status,
        };
        let health = health.shown();
        parts.push(if texts.is_empty() {
            format!("Ceph health is {health}")
        } else {
            format!("Ceph health is {health} ({})", texts.join("; "))
        });
    }
    let state = view.at("/status/state");
    if status == HealthStatus::Healthy && state.exists() {
        parts.push(format!("Ceph cluster state is {}", state.shown()));
        status = match state.text() {
            Some("Created" | "Connected") => HealthStatus::Healthy,
            Some("Error") => HealthStatus::Degraded,
            _ => HealthStatus::Progressing,
        };
    }
    let message = view.at("/status/message");
    if message.exists() && !message.equals("") {
        if parts.is_empty() {
            return said(status, message);
        }
        parts.push(message.shown());
    }
    said(status, parts.join(" - "))
}

fn ceph_store(view: View<'_>) -> Judged {
    let mut message = "Waiting for status to be reported".to_owned();
    let phase = view.at("/status/phase");
    if phase.exists() {
        message = format!("Ceph object store phase is {}", phase.shown());
    }
    let endpoint = view.at("/status/info/endpoint");
    if endpoint.exists() && !endpoint.equals("") {
        message.push_str(&format!(" - endpoint: {}", endpoint.shown()));
    }
    match phase.text() {
        Some("Ready") => healthy(message),
        Some("Failure") => degraded(message),
        _ => progressing(message),
    }
}

fn elasticsearch(view: View<'_>) -> Judged {
    let available = view.at("/status/availableNodes");
    if available.exists() {
        let sets = view.need("/spec").at("nodeSets").need().values();
        let sum: f64 = sets.into_iter().map(|set| set.at("count").amount()).sum();
        if available.quantity() < sum {
            return progressing(format!(
                "The desired amount of availableNodes is {sum} but the current amount is {}",
                available.shown()
            ));
        }
        let more = "Check the status of indices, replicas and shards";
        if available.quantity() == sum && view.has("/status/health") {
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
    match view.conditions().last() {
        Some(condition) => progressing(condition.message()),
        None => progressing("No status info available"),
    }
}

fn mariadb(view: View<'_>) -> Judged {
    if !view.has("/status/conditions") {
        return progressing("No status info available");
    }
    let mut message = view.nothing();
    for condition in view.conditions() {
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
    for condition in view.conditions() {
        let (reason, message) = (condition.at("reason"), condition.message());
        text = format!("{} {}", reason.shown(), message.shown());
        if condition.has("False") {
            return if reason.equals("CronJobScheduled") && message.equals("Failed") {
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
    for condition in view.conditions() {
        let reason = condition.at("reason");
        text = format!("{} {}", reason.shown(), condition.message().shown());
        match reason.text() {
            Some("JobComplete") if condition.has("True") => return healthy(text),
            Some("JobFailed") if condition.has("True") => return degraded(text),
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
    let brokers = view.at("/status/brokersState");
    if brokers.exists() {
        let mut all_good = true;
        for broker in brokers.values() {
            all_good &= broker.at("configurationState").equals("ConfigInSync")
                && matches!(
                    broker
                        .at("gracefulActionState")
                        .need()
                        .get("cruiseControlState"),
                    Some("GracefulUpscaleSucceeded" | "GracefulDownscaleSucceeded")
                );
        }
        if !all_good {
            return degraded("Broker Config is out of Sync or CruiseControlState is not Ready");
        }
        let topic = view.at("/status/cruiseControlTopicStatus");
        match (topic.text(), state) {
            (Some("CruiseControlTopicReady"), "ClusterRunning") => {
                return healthy("Kafka Brokers, CruiseControl and cluster are in Healthy State.");
            }
            (None | Some("CruiseControlTopicNotReady"), "ClusterReconciling")
                if topic.text().is_some() || !topic.exists() =>
            {
                return progressing("Kafka Cluster is Reconciling.");
            }
            _ => {}
        }
    }
    progressing("Waiting for KafkaCluster")
}

fn medusa(view: View<'_>) -> Judged {
    let finished = view.at("/status/finished");
    let is_task = view.object.kind() == "MedusaTask";
    let any = finished
        .list_of_table()
        .first()
        .is_some_and(|node| node.truth());
    if is_task && view.has("/status/failed") || !finished.exists() {
        degraded("Failed nodes exist")
    } else if any {
        healthy("")
    } else {
        progressing("")
    }
}

fn connector(view: View<'_>) -> Judged {
    let state = view.at("/status/state");
    let failed = view.at("/status/failedTasksCount");
    if state.exists() {
        if state.equals("CREATED")
            && view.is("/status/connectorState", "RUNNING")
            && !failed.exists()
        {
            return healthy("Connector running");
        }
        if state.equals("ERROR") {
            let conditions = view.at("/status/conditions");
            if !conditions.truth() || conditions.length() == 0 {
                return degraded("No conditions available");
            }
            let first = conditions.list_of_table().first().copied();
            return degraded(first.unwrap_or(view.nothing()).need().message());
        }
        if failed.exists() && failed.quantity() > 0.0 {
            return degraded("Connector has failed tasks");
        }
    }
    progressing("Waiting for Kafka Connector")
}

fn xtradb(view: View<'_>) -> Judged {
    if view.is("/status/state", "error") {
        let messages = view.need("/status/message").list();
        let messages: Vec<String> = messages.into_iter().map(|text| text.shown()).collect();
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
    for condition in view.conditions() {
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
    if scaled_to_zero
        && replicas == Some("False")
        && view.need("/spec").at("replicas").number() == Some(0.0)
    {
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
    for node in view.at("/status/solrNodes").list() {
        if !node.at("ready").truth() {
            return progressing("Not all replicas are ready");
        }
    }
    healthy("Solr is ready")
}
