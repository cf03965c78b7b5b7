//! The health of an application: the worst of its objects.

use gitops_core::{
    Manifest, ObjectId, app,
    health::{Health, HealthStatus},
};

use crate::hooks;

/// Annotation by which an object does not count for the health of its application.
const IGNORE: &str = "argocd.argoproj.io/ignore-healthcheck";

/// How many objects a message names.
const NAMED: usize = 3;

/// One declared object of an application.
#[derive(Debug, Clone, Copy)]
pub struct Managed<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// The object as it is in the cluster, where it is.
    pub live: Option<&'a Manifest>,
    /// Its health, where there is a rule.
    pub health: Option<&'a Health>,
}

/// The health of an application, as Argo CD aggregates it.
///
/// Hooks, objects with `argocd.argoproj.io/ignore-healthcheck: "true"`, suspended Jobs and child
/// Applications that are missing or unknown do not count. Nothing that counts is Healthy; nothing
/// there although objects are declared is Missing. The message names up to three of the worst.
pub fn aggregate<'a>(objects: impl IntoIterator<Item = Managed<'a>>) -> Health {
    let (mut declared, mut missing) = (0_usize, 0_usize);
    let mut worst = HealthStatus::Healthy;
    let mut culprits: Vec<&ObjectId> = Vec::new();
    for Managed { id, live, health } in objects {
        let Some(live) = live else {
            declared += 1;
            missing += 1;
            continue;
        };
        if hooks::is_hook(live) || hooks::is_skipped(live) {
            continue;
        }
        declared += 1;
        if live.annotation(IGNORE) == Some("true") {
            continue;
        }
        let Some(health) = health else { continue };
        let is_application = id.group == app::GROUP && id.kind == "Application";
        let status = match health.status {
            HealthStatus::Missing | HealthStatus::Unknown if is_application => continue,
            HealthStatus::Suspended if id.group == "batch" && id.kind == "Job" => continue,
            status => status,
        };
        if status > worst {
            worst = status;
            culprits.clear();
        }
        if status == worst && worst != HealthStatus::Healthy {
            culprits.push(id);
        }
    }
    if declared > 0 && missing == declared && worst == HealthStatus::Healthy {
        return Health::new(HealthStatus::Missing, "");
    }
    Health::new(worst, message(&culprits))
}

fn message(culprits: &[&ObjectId]) -> String {
    if culprits.is_empty() {
        return String::new();
    }
    let named: Vec<String> = culprits
        .iter()
        .take(NAMED)
        .map(|id| {
            let parts = [&id.group, &id.kind].map(String::as_str);
            let kind = parts.into_iter().filter(|part| !part.is_empty());
            let name = [&id.namespace, &id.name].map(String::as_str);
            let name = name.into_iter().filter(|part| !part.is_empty());
            format!(
                "{}:{}",
                kind.collect::<Vec<_>>().join("/"),
                name.collect::<Vec<_>>().join("/")
            )
        })
        .collect();
    let mut message = format!("Caused by {}", named.join(", "));
    if culprits.len() > NAMED {
        message.push_str(&format!(" and {} more", culprits.len() - NAMED));
    }
    message
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str) -> Manifest {
        Manifest::try_from(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}))
            .unwrap()
    }

    fn judge(entries: &[(Manifest, Option<HealthStatus>, bool)]) -> Health {
        let ids: Vec<ObjectId> = entries.iter().map(|(object, ..)| object.id()).collect();
        let verdicts: Vec<Option<Health>> = entries
            .iter()
            .map(|(_, status, _)| status.map(|status| Health::new(status, "")))
            .collect();
        aggregate(
            entries
                .iter()
                .enumerate()
                .map(|(i, (live, _, exists))| Managed {
                    id: &ids[i],
                    live: exists.then_some(live),
                    health: verdicts[i].as_ref(),
                }),
        )
    }

    #[test]
    fn worst_wins_and_is_named() {
        let health = judge(&[
            (object("Pod", "a"), Some(HealthStatus::Progressing), true),
            (object("Pod", "b"), Some(HealthStatus::Degraded), true),
            (object("ConfigMap", "c"), None, true),
            (object("Pod", "d"), Some(HealthStatus::Healthy), true),
        ]);
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!(health.message, "Caused by Pod:b");
    }

    #[test]
    fn all_missing_is_missing_and_some_missing_is_not() {
        assert_eq!(
            judge(&[(object("Pod", "a"), None, false)]).status,
            HealthStatus::Missing
        );
        let some = judge(&[
            (object("Pod", "a"), None, false),
            (object("Pod", "b"), Some(HealthStatus::Healthy), true),
        ]);
        assert_eq!(some.status, HealthStatus::Healthy);
        assert_eq!(judge(&[]).status, HealthStatus::Healthy);
    }
}
