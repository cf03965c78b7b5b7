//! Health of objects.

use serde::{Deserialize, Serialize};

use crate::{
    app,
    clock::Timestamp,
    error::{BoxError, Classified, ErrorClass},
    object::{GroupKind, Manifest, ObjectId},
};

/// Health of an object, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum HealthStatus {
    /// Works.
    Healthy,
    /// Waits for somebody to resume it.
    Suspended,
    /// On its way.
    Progressing,
    /// Not there.
    Missing,
    /// Broken.
    Degraded,
    /// Cannot be told.
    Unknown,
}

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// Why; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Health {
    /// A verdict with its reason.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Tells the health of objects. `None` means that there is no rule for the object: it does not count.
pub trait HealthCheck: Send + Sync {
    /// Judges one live object.
    fn assess(&self, object: &Manifest, now: Timestamp) -> Result<Option<Health>, HealthError>;

    /// Whether more than the metadata of an object of this kind decides. Where it does not, objects
    /// that are not declared are read without their content.
    fn needs_content(&self, kind: &GroupKind) -> bool {
        let _ = kind;
        true
    }
}

/// A health rule could not be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HealthError {
    /// The object has not the shape that its rule needs.
    #[error("cannot judge the health of {object}: {reason}")]
    Malformed {
        /// The object.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// Any other failure of an implementation.
    #[error("{source}")]
    Other {
        /// Its class.
        class: ErrorClass,
        /// The failure.
        source: BoxError,
    },
}

impl Classified for HealthError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Malformed { .. } => ErrorClass::Invalid,
            Self::Other { class, .. } => *class,
        }
    }
}

/// Annotation by which an object does not count for the health of its application.
pub const IGNORE_ANNOTATION: &str = "argocd.argoproj.io/ignore-healthcheck";

/// One declared object of an application, hooks apart.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_structs)]
pub struct Member<'a> {
    /// The object.
    pub id: &'a ObjectId,
    /// The object as it is in the cluster, where it is.
    pub live: Option<&'a Manifest>,
    /// Its health, where there is a rule.
    pub health: Option<&'a Health>,
}

/// The health of an application, as Argo CD aggregates it: the worst of its objects.
///
/// Objects with [`IGNORE_ANNOTATION`] `"true"`, suspended Jobs, and child Applications that are missing
/// or unknown do not count; neither do missing objects of kinds that are healthy by being there. Nothing
/// that counts is Healthy; nothing there although objects are declared is Missing. The message names up
/// to three of the worst.
pub fn aggregate<'a>(members: impl IntoIterator<Item = Member<'a>>) -> Health {
    let (mut declared, mut missing) = (0_usize, 0_usize);
    let mut worst = HealthStatus::Healthy;
    let mut culprits: Vec<&ObjectId> = Vec::new();
    for member in members {
        let ignored = |live: &Manifest| live.annotation(IGNORE_ANNOTATION) == Some("true");
        if member.live.is_some_and(ignored) {
            continue;
        }
        declared += 1;
        missing += usize::from(member.live.is_none());
        let Some(status) = status_of(&member) else {
            continue;
        };
        if status > worst {
            worst = status;
            culprits.clear();
        }
        if status == worst && worst != HealthStatus::Healthy {
            culprits.push(member.id);
        }
    }
    if declared > 0 && missing == declared && worst <= HealthStatus::Missing {
        return Health::new(HealthStatus::Missing, "");
    }
    Health::new(worst, causes(&culprits))
}

/// What a member adds to the health of its application.
fn status_of(member: &Member<'_>) -> Option<HealthStatus> {
    let kind = member.id.group_kind();
    let status = match member.live {
        Some(_) => member.health?.status,
        None if is_judged(&kind) => HealthStatus::Missing,
        None => return None,
    };
    let is_application = kind.group == app::GROUP && kind.kind == "Application";
    match status {
        HealthStatus::Missing | HealthStatus::Unknown if is_application => None,
        HealthStatus::Suspended if kind.group == "batch" && kind.kind == "Job" => None,
        status => Some(status),
    }
}

/// Whether Argo CD has a built-in rule for the kind.
fn is_judged(kind: &GroupKind) -> bool {
    matches!(
        (kind.group.as_str(), kind.kind.as_str()),
        (
            "apps",
            "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet"
        ) | ("extensions" | "networking.k8s.io", "Ingress")
            | ("", "Service" | "PersistentVolumeClaim" | "Pod")
            | ("batch", "Job")
            | ("autoscaling", "HorizontalPodAutoscaler")
            | ("apiregistration.k8s.io", "APIService")
            | ("argoproj.io", "Workflow" | "Application")
    )
}

fn causes(culprits: &[&ObjectId]) -> String {
    const NAMED: usize = 3;
    if culprits.is_empty() {
        return String::new();
    }
    let join = |parts: [&String; 2]| {
        let parts = parts.map(String::as_str);
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("/")
    };
    let named: Vec<String> = culprits
        .iter()
        .take(NAMED)
        .map(|id| {
            let (kind, name) = ([&id.group, &id.kind], [&id.namespace, &id.name]);
            format!("{}:{}", join(kind), join(name))
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

    fn judge(members: &[(&str, Option<HealthStatus>, bool)]) -> Health {
        let objects: Vec<Manifest> = members
            .iter()
            .enumerate()
            .map(|(at, (kind, ..))| {
                Manifest::try_from(json!({
                    "apiVersion": "v1", "kind": kind, "metadata": {"name": format!("o{at}")},
                }))
                .unwrap()
            })
            .collect();
        let ids: Vec<ObjectId> = objects.iter().map(Manifest::id).collect();
        let verdicts: Vec<Option<Health>> = members
            .iter()
            .map(|(_, status, _)| status.map(|status| Health::new(status, "")))
            .collect();
        aggregate(
            members
                .iter()
                .enumerate()
                .map(|(at, (_, _, exists))| Member {
                    id: &ids[at],
                    live: exists.then_some(&objects[at]),
                    health: verdicts[at].as_ref(),
                }),
        )
    }

    #[test]
    fn worst_wins_and_is_named() {
        let health = judge(&[
            ("Pod", Some(HealthStatus::Progressing), true),
            ("Pod", Some(HealthStatus::Degraded), true),
            ("ConfigMap", None, true),
            ("Pod", Some(HealthStatus::Healthy), true),
        ]);
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!(health.message, "Caused by Pod:o1");
    }

    #[test]
    fn what_is_missing_counts_where_being_there_is_not_enough() {
        let status = |members: &[_]| judge(members).status;
        assert_eq!(status(&[("Pod", None, false)]), HealthStatus::Missing);
        assert_eq!(status(&[("Secret", None, false)]), HealthStatus::Missing);
        let other = ("Service", Some(HealthStatus::Healthy), true);
        assert_eq!(
            status(&[("Pod", None, false), other]),
            HealthStatus::Missing
        );
        assert_eq!(
            status(&[("Secret", None, false), other]),
            HealthStatus::Healthy
        );
        assert_eq!(status(&[]), HealthStatus::Healthy);
    }
}
